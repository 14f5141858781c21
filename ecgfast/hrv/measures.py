"""All measures together, and the five-minute table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .._equality import NanEqual
from .intervals import NNIntervals
from .nonlinear import Nonlinear, nonlinear
from .spectrum import FrequencyDomain, Method, frequency_domain
from .time_domain import SEGMENT_S, TimeDomain, segments, time_domain
from .values import Values

__all__ = ["Measures", "Segment", "five_minute_table", "measures"]

_MANY_S = 18 * 3600


@dataclass(frozen=True, eq=False)
class Segment(Values):
    """One row of the five-minute table.

    Attributes
    ----------
    start : float
        Seconds from the recording's start.
    n : int
        NN intervals.
    coverage : float
        Share of the segment, 0 to 1, that lies within NN intervals.
    mean_nn, heart_rate, sdnn, rmssd, pnn50
        As in `TimeDomain`.
    total, vlf, lf, hf, lf_nu, hf_nu, lf_hf
        As in `FrequencyDomain`; `vlf` is all power below 0.04 Hz, as five minutes are too short for
        ULF.
    """

    start: float
    n: int
    coverage: float
    mean_nn: float
    heart_rate: float
    sdnn: float
    rmssd: float
    pnn50: float
    total: float
    vlf: float
    lf: float
    hf: float
    lf_nu: float
    hf_nu: float
    lf_hf: float


@dataclass(frozen=True, eq=False)
class Measures(NanEqual):
    """All measures of one recording.

    Attributes
    ----------
    nn : NNIntervals
        What they were computed from, and what was left out.
    time : TimeDomain
    frequency : FrequencyDomain
    nonlinear : Nonlinear
    """

    nn: NNIntervals
    time: TimeDomain
    frequency: FrequencyDomain
    nonlinear: Nonlinear

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON; NaN stays NaN."""
        return {
            "nn_intervals": len(self.nn),
            "rr_intervals": self.nn.n_rr,
            "left_out": dict(self.nn.left_out),
            "coverage": self.nn.coverage,
            **self.time.to_dict(),
            **self.frequency.to_dict(),
            **self.nonlinear.to_dict(),
        }

    def lines(self) -> list[tuple[str, str]]:
        """Everything that could be computed, as pairs of a name and a text, for people."""
        rows: list[tuple[str, float, int, str]] = [
            ("mean NN", self.time.mean_nn, 1, "ms"),
            ("SDNN", self.time.sdnn, 1, "ms"),
            ("SDANN", self.time.sdann, 1, "ms"),
            ("SDNN index", self.time.sdnn_index, 1, "ms"),
            ("RMSSD", self.time.rmssd, 1, "ms"),
            ("pNN50", self.time.pnn50, 1, "%"),
            ("pNN20", self.time.pnn20, 1, "%"),
            ("triangular index", self.time.triangular_index, 1, ""),
            ("TINN", self.time.tinn, 0, "ms"),
            ("total power", self.frequency.total, 0, "ms²"),
            ("ULF", self.frequency.ulf, 0, "ms²"),
            ("VLF", self.frequency.vlf, 0, "ms²"),
            ("LF", self.frequency.lf, 0, "ms²"),
            ("HF", self.frequency.hf, 0, "ms²"),
            ("LF/HF", self.frequency.lf_hf, 2, ""),
            ("slope of 24 h", self.frequency.alpha, 2, ""),
            ("SD1", self.nonlinear.sd1, 1, "ms"),
            ("SD2", self.nonlinear.sd2, 1, "ms"),
            ("sample entropy", self.nonlinear.sample_entropy, 2, ""),
            ("DFA alpha1", self.nonlinear.dfa_alpha1, 2, ""),
            ("DFA alpha2", self.nonlinear.dfa_alpha2, 2, ""),
        ]
        return [
            (name, f"{value:,.{digits}f} {unit}".rstrip())
            for name, value, digits, unit in rows
            if math.isfinite(value)
        ]

    @property
    def is_long(self) -> bool:
        """Whether the recording is long enough for the 24-hour table (18 hours)."""
        return self.nn.duration >= _MANY_S

    def __str__(self) -> str:
        rows = [*self.lines(), ("intervals", self.nn.describe())]
        return "\n".join(f"{name:<17}{text}" for name, text in rows)

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it; names and texts are ours and hold no markup."""
        rows = "".join(f"<tr><td>{name}</td><td>{text}</td></tr>" for name, text in self.lines())
        return f"<table>{rows}</table><p>{self.nn.describe()}</p>"


def measures(nn: NNIntervals, method: Method = "lomb-scargle") -> Measures:
    """Compute every measure of a recording.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.
    method : {"lomb-scargle", "welch"}
        How the spectrum is computed.

    Returns
    -------
    Measures

    Raises
    ------
    InputError, MissingExtraError
        As in `frequency_domain`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> nn = hrv.nn_from_arrays(np.arange(0, 301) * 1.0)
    >>> hrv.measures(nn).time.heart_rate
    60.0
    """
    return Measures(nn, time_domain(nn), frequency_domain(nn, method), nonlinear(nn))


def five_minute_table(nn: NNIntervals, method: Method = "lomb-scargle") -> list[Segment]:
    """Compute the Task Force's short-term measures of each five minutes.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.
    method : {"lomb-scargle", "welch"}
        How the spectra are computed.

    Returns
    -------
    list of Segment
        Segments of which NN intervals cover less than half are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> nn = hrv.nn_from_arrays(np.arange(901.0))
    >>> [(row.start, row.heart_rate) for row in hrv.five_minute_table(nn)]
    [(0.0, 60.0), (300.0, 60.0), (600.0, 60.0)]
    """
    rows = []
    for start, part in segments(nn):
        times, powers = time_domain(part), frequency_domain(part, method)
        rows.append(
            Segment(
                start,
                len(part),
                float(part.interval.sum()) / SEGMENT_S,
                times.mean_nn,
                times.heart_rate,
                times.sdnn,
                times.rmssd,
                times.pnn50,
                powers.total,
                powers.vlf,
                powers.lf,
                powers.hf,
                powers.lf_nu,
                powers.hf_nu,
                powers.lf_hf,
            )
        )
    return rows
