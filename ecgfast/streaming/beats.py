"""Beats with the inputs of a model, of any source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..core import BeatBatch, BeatStream
from ..sources.chunks import Leads, Source, open_source
from ..window import WindowSpec
from .nothing import beats_of

__all__ = ["stream_beats"]


def stream_beats(
    source: Source,
    fs: float | None = None,
    *,
    leads: Leads | None = None,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    max_delay: float | None = None,
    lead: int = 0,
    lookahead: int = 0,
    window: WindowSpec | None = None,
    max_rate: float | None = None,
) -> Iterator[BeatBatch]:
    """Find beats and cut their windows: `BeatStream` for any source.

    Parameters
    ----------
    source : path, Record, array or iterable
        As for `stream_classify`.
    fs : float, optional
        Sampling rate in Hz, 99.5 to 2010; needed only where the source does not carry it.
    leads : str, int or sequence of them, optional
        Which leads to use, by name or column; R peaks are found on all of them together.
    method, max_delay, lead, lookahead, window, max_rate
        As for `BeatStream`.

    Returns
    -------
    iterator of BeatBatch
        The beats as they are complete; batches without a beat are left out.
        ``BeatBatch.concatenate`` makes one batch of several.

    Raises
    ------
    InputError
        If an argument or the samples cannot be used.
    RecordError
        If the recording cannot be read.

    Warns
    -----
    NoBeatsWarning
        At the end of a source of three seconds or more without a beat.

    Examples
    --------
    >>> from ecgfast import BeatBatch, stream_beats
    >>> from ecgfast.records import demo_record
    >>> beats = BeatBatch.concatenate(stream_beats(demo_record()))
    >>> beats.windows.shape[1:]
    (72, 2)
    """
    opened = open_source(source, fs, leads, watch=True)
    stream = BeatStream(
        opened.fs,
        n_leads=len(opened.leads),
        method=method,
        max_delay=max_delay,
        lead=lead,
        lookahead=lookahead,
        window=window,
        max_rate=max_rate,
    )
    return beats_of(opened, stream)
