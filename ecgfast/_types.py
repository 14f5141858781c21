"""Types that several rooms share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "Report"]

FloatArray = npt.NDArray[np.float32]

#: Takes one line of progress.
Report = Callable[[str], None]
