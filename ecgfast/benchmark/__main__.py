"""``python -m ecgfast.benchmark`` is the ``ecgfast-bench`` command."""

import sys

from . import main

sys.exit(main())
