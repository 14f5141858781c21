"""The loss that treats outliers as distances and all other points as squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

__all__ = ["HyperLoss"]

# Of a normal distribution, the standard deviation over the median absolute deviation.
_SD_PER_MAD = 1.482602218505602


@keras.saving.register_keras_serializable(package="ecgfast")
class HyperLoss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]
    """Absolute error on outlier points, squared error on the others.

    What an outlier is, is a choice:

    - ``outlier="residual"``: a point where the prediction is off by more than `threshold`. A
      model so does not run after single wild points, and which points are outliers changes as
      it learns. At a `threshold` of one (targets standardised) the loss is continuous; at any
      other it jumps by ``threshold**2 - threshold`` there, and its gradient from
      ``2 * threshold`` to one.
    - ``outlier="target"``: a point whose target lies outside ``[lower, upper]``, a robust range
      of the training targets (see `from_targets`). Which points are outliers is then fixed.

    The error of a sample is the mean over its outputs. Where targets are skewed, the best
    constant prediction under this loss is not their mean: look at the mean error too.

    Parameters
    ----------
    outlier : {"residual", "target"}, default "residual"
        What makes a point an outlier.
    threshold : float, default 1.0
        Residual beyond which a point is an outlier, in units of the target; used only with
        ``outlier="residual"``.
    lower, upper : float or sequence of float, optional
        Range of targets that are not outliers, one bound for all outputs or one for each;
        needed with ``outlier="target"``.
    reduction, name, **kwargs
        Those of ``keras.losses.Loss``.

    Raises
    ------
    ValueError
        `outlier` is neither of the two, `threshold` is not above zero, or a range is missing or
        empty.

    Examples
    --------
    >>> from ecgfast.networks import HyperLoss
    >>> loss = HyperLoss(threshold=1.0)
    >>> round(float(loss([[0.0], [0.0]], [[0.5], [3.0]])), 3)       # mean of 0.5 ** 2 and 3
    1.625
    """

    def __init__(
        self,
        outlier: str = "residual",
        *,
        threshold: float = 1.0,
        lower: float | Sequence[float] | None = None,
        upper: float | Sequence[float] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "hyper_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        if outlier not in ("residual", "target"):
            raise ValueError(f"outlier is 'residual' or 'target', not {outlier!r}")
        if not threshold > 0:
            raise ValueError(f"threshold must be above zero, not {threshold!r}")
        self.outlier = outlier
        self.threshold = float(threshold)
        self.lower: float | list[float] | None = None
        self.upper: float | list[float] | None = None
        if outlier == "target":
            if lower is None or upper is None:
                raise ValueError(
                    "outlier='target' needs lower and upper: give both, or use from_targets"
                )
            self.lower = np.asarray(lower, np.float64).tolist()
            self.upper = np.asarray(upper, np.float64).tolist()
            if not np.all(np.asarray(self.lower) < np.asarray(self.upper)):
                raise ValueError(f"lower {self.lower} must be below upper {self.upper}")

    @classmethod
    def from_targets(
        cls, targets: npt.ArrayLike, *, deviations: float = 2.0, **kwargs: Any
    ) -> HyperLoss:
        """Loss whose outliers are the targets far from the median of the training targets.

        Parameters
        ----------
        targets : array_like, shape (n,) or (n, outputs)
            Training targets; the range is found for each output.
        deviations : float, default 2.0
            Half width of the range in robust standard deviations: 1.4826 times the median
            absolute deviation from the median.
        **kwargs
            `reduction` and `name`.

        Raises
        ------
        ValueError
            Fewer than two targets, not finite ones, or targets without spread.
        """
        values = np.asarray(targets, np.float64)
        if values.shape[:1] < (2,) or not np.isfinite(values).all():
            raise ValueError("HyperLoss.from_targets needs at least two finite targets")
        median = np.median(values, axis=0)
        spread = _SD_PER_MAD * np.median(np.abs(values - median), axis=0)
        return cls(
            "target",
            lower=(median - deviations * spread).tolist(),
            upper=(median + deviations * spread).tolist(),
            **kwargs,
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Error of each sample, shape (batch,)."""
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        distance = ops.absolute(ops.subtract(y_true, y_pred))
        if self.outlier == "residual":
            outside = ops.greater(distance, self.threshold)
        else:
            lower = ops.convert_to_tensor(self.lower, dtype=y_pred.dtype)
            upper = ops.convert_to_tensor(self.upper, dtype=y_pred.dtype)
            outside = ops.logical_or(ops.less(y_true, lower), ops.greater(y_true, upper))
        return ops.mean(ops.where(outside, distance, ops.square(distance)), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this loss again."""
        config: dict[str, Any] = super().get_config()
        config.update(
            outlier=self.outlier, threshold=self.threshold, lower=self.lower, upper=self.upper
        )
        return config
