"""What a user gets for each heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag

from .._equality import NanEqual
from ..deprecated import warn_renamed

__all__ = ["UNFIT", "Beat", "Quality"]


class Quality(IntFlag):
    """What was wrong with the signal around a beat; ``Quality.GOOD`` is nothing.

    The bits are those of ``ecg_quality`` in the C core.

    Examples
    --------
    >>> from ecgfast import Quality
    >>> Quality.NOISY in Quality(8 | 32)
    True
    """

    GOOD = 0
    GAP = 1
    FLAT = 2
    SATURATED = 4
    NOISY = 8
    LEARNING = 16
    DOUBTFUL = 32
    FLUTTER = 64
    RATE_LIMIT = 128


#: Bits of a bad signal, in which no rate or interval is taken from a beat. Not `LEARNING`, which
#: every start sets, nor `DOUBTFUL`, which ectopic beats set in a clean signal, nor `SATURATED`: a
#: complex whose tip is cut off has its place; waves of flutter are no beats and are counted apart.
UNFIT = int(Quality.GAP | Quality.FLAT | Quality.NOISY | Quality.RATE_LIMIT)


@dataclass(frozen=True, slots=True, eq=False)
class Beat(NanEqual):
    """One labelled heartbeat.

    Attributes
    ----------
    sample : int
        R peak, as an index into the source.
    time : float
        R peak, in seconds from the source's first sample.
    label : str
        AAMI ``N S V F Q``, or the model's own classes: the most probable one, unless a `Decision`
        says otherwise; "?" where that rejects the beat; empty where the model gives numbers,
        or there is none.
    probability : float
        Probability of `label`, 0 to 1, of a rejected beat that of the most probable class; NaN
        where there is no label.
    probabilities : mapping of str to float
        Probability of each class; empty where there is no label.
    rr : float
        RR interval to the previous beat, in seconds; NaN on the first.
    heart_rate : float
        Beats a minute: 60 over the median of the last eight RR intervals; NaN on the first beat.
    quality : Quality
        What was wrong with the signal around the beat. Of several leads that are labelled, one
        that is off is left out while another one shows the beat.
    outputs : mapping of str to float
        Numbers that the model gives, by name and in the unit of its card, such as ``"maximum"`` and
        ``"minimum"`` pressure in mmHg; empty where it gives classes.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> from ecgfast.records import demo_record
    >>> beat = next(stream_classify(demo_record()))
    >>> beat.label, beat.sample == round(beat.time * 360.0)
    ('N', True)
    """

    sample: int
    time: float
    label: str
    probability: float
    probabilities: Mapping[str, float]
    rr: float
    heart_rate: float
    quality: Quality
    outputs: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, float]:
        """Old name of `outputs`."""
        warn_renamed("Beat.values", "Beat.outputs")
        return self.outputs
