"""Heart-rate variability of NN intervals, as the Task Force (1996) defines it.

`nn_intervals` takes labelled beats; `measures` has everything, `time_domain`, `frequency_domain`
and `nonlinear` their part, `five_minute_table` the short-term measures along the recording.
Intervals are in seconds, measures in ms and ms².
"""

from __future__ import annotations

from .intervals import LIMITS, NNIntervals, nn_from_arrays, nn_intervals
from .measures import Measures, Segment, five_minute_table, measures
from .nonlinear import Nonlinear, dfa, nonlinear, sample_entropy
from .spectrum import BANDS, FrequencyDomain, frequency_domain, lomb_scargle, welch
from .time_domain import TimeDomain, segments, time_domain

__all__ = [
    "BANDS",
    "LIMITS",
    "FrequencyDomain",
    "Measures",
    "NNIntervals",
    "Nonlinear",
    "Segment",
    "TimeDomain",
    "dfa",
    "five_minute_table",
    "frequency_domain",
    "lomb_scargle",
    "measures",
    "nn_from_arrays",
    "nn_intervals",
    "nonlinear",
    "sample_entropy",
    "segments",
    "time_domain",
    "welch",
]
