"""Words and times as pages and terminals show them."""

from __future__ import annotations

from ..rhythm import EventKind
from ..runtime.decision import REJECTED

__all__ = ["CLASS_NAMES", "LONG", "LONG_S", "NOT_A_DEVICE", "clock", "length"]


NOT_A_DEVICE = "For research and education only. This is not a medical device."

#: The AAMI beat classes in words, and the label of a rejected beat.
CLASS_NAMES = {
    "N": "normal",
    "S": "supraventricular ectopic",
    "V": "ventricular ectopic",
    "F": "fusion",
    "Q": "unclassifiable, or noise",
    REJECTED: "rejected, too uncertain",
}

#: Rhythms that have to last so many seconds: a shorter recording cannot show them.
LONG = frozenset({EventKind.ATRIAL_FIBRILLATION, EventKind.TACHYCARDIA, EventKind.BRADYCARDIA})
LONG_S = 30.0

# Minutes from which on a length is given in days.
_DAYS_MIN = 72 * 60


def s_in_fibrillation(burden: float, called: int) -> str:
    """Why counts of S are not believed in atrial fibrillation; empty where they may be.

    Parameters
    ----------
    burden : float
        Share of the time in atrial fibrillation, 0 to 1; NaN where it is not known.
    called : int
        Beats that a model called S.
    """
    if not (called and burden > 0):
        return ""
    return (
        f"{100 * burden:.1f} % of the time is atrial fibrillation, in which beats called S are "
        f"false: the {called:,} S do not all count"
    )


def clock(seconds: float) -> str:
    """A time in a recording, as ``0:05``, ``12:05`` or ``1:12:05``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def length(seconds: float) -> str:
    """A length, as ``59.9 s``, ``30 min 6 s``, ``24 h 0 min`` or ``7 days 2 h``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {second} s"
    if minutes < _DAYS_MIN:
        return f"{minutes // 60} h {minutes % 60} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
