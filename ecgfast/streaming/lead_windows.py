"""The same beats cut from several leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import BeatBatch, BeatStream
from ..window import WindowSpec

__all__ = ["LeadWindows"]


class LeadWindows:
    """Streams that cut the windows of several leads.

    Parameters
    ----------
    fs : float
    leads : sequence of int
        Columns of the leads whose windows are cut.
    window : WindowSpec
    **options
        As of `BeatStream`.

    Attributes
    ----------
    first : BeatStream
        It cuts the first of the leads, and all of them where windows show single beats and the
        leads lie side by side: else each lead has a stream of its own, which finds the R peaks
        anew.
    """

    def __init__(
        self, fs: float, leads: Sequence[int], *, window: WindowSpec, **options: Any
    ) -> None:
        beside = list(leads) == list(range(leads[0], leads[0] + len(leads)))
        self._together = len(leads) if beside and window.kind == "beat" else 1
        self._streams = [
            BeatStream(fs, lead=lead, n_windows=self._together, window=window, **options)
            for lead in leads[:: self._together]
        ]
        self.first = self._streams[0]

    def process(self, *samples: Any) -> list[BeatBatch]:
        """Take the next samples, as `BeatStream.process` does; the complete beats by lead."""
        return self._by_lead(lambda stream: stream.process(*samples))

    def flush(self) -> list[BeatBatch]:
        """End the streams; the beats that still waited, by lead."""
        return self._by_lead(BeatStream.flush)

    def finish(self, *samples: Any) -> list[BeatBatch]:
        """Take the last samples and end the streams; the beats by lead."""
        return self._by_lead(lambda stream: stream.finish(*samples))

    def reset(self) -> None:
        """Forget the past."""
        for stream in self._streams:
            stream.reset()

    def _by_lead(self, run: Callable[[BeatStream], BeatBatch]) -> list[BeatBatch]:
        batches = [run(stream) for stream in self._streams]
        return batches[0].by_lead(self._together) if self._together > 1 else batches
