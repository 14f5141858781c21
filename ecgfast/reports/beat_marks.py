"""Labelled beats as marks of a WFDB annotation file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from ..runtime.decision import REJECTED
from .tally import is_flutter

if TYPE_CHECKING:
    from ..streaming import Beat

__all__ = ["OWN_CODES", "Mark", "Marker"]

# The AAMI classes are WFDB codes too; a label of another kind goes into the text of a Q mark.
_CODES = frozenset("NSVFQ")
_FLUTTER_BEGINS, _FLUTTER_WAVE, _FLUTTER_ENDS = "[!]"

#: Every code that the commands write.
OWN_CODES = _CODES | {_FLUTTER_BEGINS, _FLUTTER_WAVE, _FLUTTER_ENDS}

#: Sample, code and text.
Mark: TypeAlias = tuple[int, str, str]


class Marker:
    """Sample, code and text of each mark, in order; flutter is marked as MIT-BIH does."""

    def __init__(self) -> None:
        self._last = 0
        self._fluttering = False

    def marks(self, beat: Beat) -> Iterator[Mark]:
        """Yield what the next beat adds."""
        numbers = ", ".join(f"{name} {value:.1f}" for name, value in beat.outputs.items())
        yield from self.of(beat.sample, beat.label or numbers, flutter=is_flutter(beat))

    def of(self, sample: int, label: str, *, flutter: bool) -> Iterator[Mark]:
        """Yield what the next beat adds, given by its R peak and label."""
        if flutter and not self._fluttering:
            yield sample, _FLUTTER_BEGINS, ""
        elif self._fluttering and not flutter:
            yield from self.end()
        if flutter:
            yield sample, _FLUTTER_WAVE, ""
        elif label in _CODES:
            yield sample, label, ""
        else:
            yield sample, "Q", "rejected" if label == REJECTED else label
        self._last, self._fluttering = sample, flutter

    def end(self) -> Iterator[Mark]:
        """Yield what the end of the recording adds."""
        if self._fluttering:
            yield self._last, _FLUTTER_ENDS, ""
        self._fluttering = False
