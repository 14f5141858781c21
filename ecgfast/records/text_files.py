"""Tables of numbers in text, as devices and programs write them; also compressed with gzip."""

from __future__ import annotations

import codecs
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ._table import NUMBER, SKIP, TIME, parse_rows
from .files import open_regular, true_format
from .interleaved import refuse_interleaved
from .json_files import open_json
from .opened import Opened
from .tables import Table, open_table
from .text_body import encoding_of
from .text_head import LABEL, LABELLED, Head, head_again, names_columns, read_head, zones_of
from .text_odd_lines import WORDS, key_of, samples_of

__all__ = ["open_text"]

# Bytes that the head is found in, bytes parsed at a time, and what a compressed file may unpack to.
_HEAD, _PIECE, _UNPACKED = 1 << 18, 1 << 22, 1 << 33

# Share of lines that may be no samples (they count as missing ones), and the samples of a text in
# which none may be.
_MALFORMED, _FEW = 0.01, 100

# The minus of typography, which programs write in Sweden, Norway and Finland, and dashes for it.
_MINUS = dict.fromkeys(map(ord, "\u2212\u2013\ufe63\uff0d"), "-")
_MINUS_BYTES = re.compile("|".join(map(chr, _MINUS)).encode())

# How JSON begins; a time in brackets, as loggers write it, and "[Header]" are none.
_JSON = re.compile(
    rb"\s*(?:\{|\[(?!\s*(?:[\d./-]+[ T])?\d{1,2}:\d\d)\s*(?:[\[{\"\]\d.-]|null|NaN|\Z))"
)

# Odd lines that are added together.
_KEPT = 4096

# Bytes at the end of a text in which its last line stands.
_LAST = 4096


def open_text(path: Path, fs: float | None = None) -> Opened:
    """Open a text file with a line a sample; ``.gz`` is unpacked.

    The head is understood as `ecgfast.records.text_head` describes. Columns that count time give
    the sampling rate and the start; gaps in them become missing samples, packets that came twice
    are left out. The numbers of all columns that could be an ECG are held in memory as float32.
    """
    name = str(path)
    with open_regular(path) as raw:
        stream = _Text(raw, path)
        if _JSON.match(stream.start):
            return open_json(path, b"".join(stream.pieces()))
        head = read_head(
            stream.start[:_HEAD].decode("utf-8", "replace"), len(stream.start) < _HEAD, name
        )
        table = _TextTable(head)
        table.take(stream, name)
    return open_table(path, "text", table, fs)


class _Text:
    """A file's text in UTF-8, piece by piece, from whatever encoding and compression it has."""

    def __init__(self, raw: BinaryIO, path: Path) -> None:
        self._path = path
        self._file: Any = raw
        self.note: tuple[str, ...] = ()
        if raw.read(2) == b"\x1f\x8b":
            raw.seek(0)
            self._file = gzip.GzipFile(fileobj=raw)
        else:
            raw.seek(0)
        first = self._read(_HEAD)
        encoding = encoding_of(first)
        if encoding is None:
            raise RecordError(f"{path}: is no text file{true_format(first)}")
        plain = encoding == "utf-8" and not _MINUS_BYTES.search(first)
        self._decoder = None if plain else codecs.getincrementaldecoder(encoding)("replace")
        if encoding not in ("utf-8", "utf-8-sig"):
            self.note = (f"text in {encoding.upper()}",)
        self._taken = len(first)
        self._only_cr = self._labelled = False
        self._unfinished = b""  # a line whose labels the end of a piece may cut in two
        self.start = self._converted(first)
        # Arduino's plotter takes "ECG:512,Resp:3": names before each number.
        # A line of a head, such as "Gain: 200", looks like one of them; those below it do not.
        lines = [
            x.strip() for x in self.start.splitlines()[:256] if x.strip() and x[:1] not in b"#%"
        ]
        first_line = lines[0] if lines else b""
        labelled = [x for x in lines if LABELLED.fullmatch(x)]
        self._labelled = first_line in labelled and 2 * len(labelled) > len(lines)
        if self._labelled:
            words = [b",".join(LABEL.findall(x)).decode().replace(":", "") for x in labelled]
            refuse_interleaved(words, "NAME:", str(path))
            names = b",".join(LABEL.findall(first_line)).replace(b":", b"")
            self.start = names + b"\n" + self._unlabelled(self.start)
        # Old programs end lines with a carriage return alone.
        if b"\n" not in self.start and b"\r" in self.start:
            self._only_cr = True
            self.start = self.start.replace(b"\r", b"\n")

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self._file.read(size))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecordError(f"{self._path}: is damaged ({error}); compress it again") from None

    def _converted(self, piece: bytes) -> bytes:
        if self._decoder is not None:
            piece = self._decoder.decode(piece).translate(_MINUS).encode("utf-8", "replace")
        if self._only_cr:
            piece = piece.replace(b"\r", b"\n")
        return self._unlabelled(piece) if self._labelled else piece

    def _unlabelled(self, piece: bytes) -> bytes:
        """The whole lines of a piece without their labels; the rest waits for the next piece."""
        text = self._unfinished + piece
        end = text.rfind(b"\n") + 1
        self._unfinished = text[end:]
        return LABEL.sub(b"", text[:end])

    def pieces(self) -> Iterator[bytes]:
        """Yield the text from its beginning."""
        yield self.start
        while piece := self._read(_PIECE):
            self._taken += len(piece)
            if self._taken > _UNPACKED:
                raise RecordError(
                    f"{self._path}: is larger than {_UNPACKED >> 30} GB; cut it in parts"
                )
            yield self._converted(piece)
        if self._unfinished:
            yield LABEL.sub(b"", self._unfinished)


class _TextTable(Table):
    """The numbers of a text file."""

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        of = {"words": SKIP, "time": TIME}
        self.kinds = np.array([of.get(kind, NUMBER) for kind in head.kinds], np.int8)
        self.malformed = 0
        self.first_malformed = ""
        self._keys = {key_of(line) for line in head.lines} - {b""}
        # A head within the samples: its lines and where it begins; the blocks after such heads.
        self._again: list[str] = []
        self._again_at = self._blocks = 0
        self._first_again = 0
        # Lines that are odd by what is odd; the last stamp, and what is added to those of a block.
        self._odd: dict[str, tuple[int, str]] = {}
        self._first_word = ""
        self._last, self._later = -math.inf, 0.0
        # Odd lines, which are added some thousand at a time.
        self._waiting: list[npt.NDArray[np.float64]] = []

    def take(self, stream: _Text, name: str) -> None:
        """Parse all of the text."""
        separator = ord(self.head.separator) if self.head.separator else 0
        decimal = ord(self.head.decimal)
        width = len(self.kinds)
        out = np.empty((max(64, (1 << 19) // width), width), np.float64)
        line = 1
        rest = end_of_text = b""
        skip = self.head.first
        pieces = stream.pieces()
        piece: bytes | None = next(pieces)
        while piece is not None:
            following = next(pieces, None)
            text = rest + piece
            at = 0
            while skip and (end := text.find(b"\n", at)) >= 0:
                at, skip, line = end + 1, skip - 1, line + 1
            if skip:
                if len(text) - at > 1 << 20:
                    raise RecordError(
                        f"{name}: line {line} is endless; this is no table of samples"
                    )
                rest, piece = text[at:], following
                continue
            view = memoryview(text)
            while at < len(text):
                rows, used, lines, cells, cell = parse_rows(
                    view[at:], separator, decimal, self.kinds, out, following is None,
                    self.head.day_first,
                )  # fmt: skip
                self._put(out[:rows], name)
                begin = at + used
                line += lines
                at = begin
                if not cells:
                    if not rows and not used:
                        break  # an unfinished line
                    continue
                end = text.find(b"\n", at)
                end = len(text) if end < 0 else end
                if (
                    following is None
                    and end == len(text)
                    and not cell[1]
                    and (self.rows or self._waiting)
                ):
                    at = end  # the last line was cut off while it was written
                    break
                self._count(text[at:end], line, cells, cell, view[begin - used :], name)
                at, line = end + 1, line + 1
            rest = text[at:]
            end_of_text = (end_of_text + text)[-_LAST:]
            if len(rest) > 1 << 20:
                raise RecordError(f"{name}: line {line} is endless; this is no table of samples")
            piece = following
        self._add_waiting(name)
        last_line = end_of_text.rstrip().rpartition(b"\n")[2].decode("utf-8", "replace")
        self.head.last_zones = zones_of(self.head, last_line)
        if (self.malformed and self.malformed > max(3, _MALFORMED * self.rows)) or (
            self.malformed and self.rows < _FEW
        ):
            raise RecordError(f"{name}: {self.first_malformed}; correct or remove it")
        if self._first_word and self.rows < _FEW:
            raise RecordError(f"{name}: {self._first_word}; correct or remove it")
        if not self.rows:
            raise RecordError(f"{name}: holds a line of names and no samples; export it again")
        if self._blocks:
            self.notes.append(
                f"line {self._first_again} is one of the head again: "
                + ("blocks are placed by the times in their heads" if self._later else
                   "what follows is taken to go on there")
            )  # fmt: skip
        for odd, (count, example) in self._odd.items():
            told = "1 line has" if count == 1 else f"{count} lines have"
            self.notes.append(f"{told} {odd}, such as {example!r}")
        if self.malformed:
            self.notes.append(
                f"{self.malformed} lines are no samples and count as missing "
                f"({self.first_malformed})"
            )

    def _put(self, rows: npt.NDArray[np.float64], name: str) -> None:
        """Add rows; those after a head within the samples are its block."""
        if not len(rows):
            return
        self._add_waiting(name)
        self._add(rows, name)

    def _add_waiting(self, name: str) -> None:
        """Add the odd lines that were kept."""
        if self._waiting:
            rows, self._waiting = np.concatenate(self._waiting), []
            self._add(rows, name)

    def _add(self, rows: npt.NDArray[np.float64], name: str) -> None:
        if self._again:
            self._begin_block(rows, name)
        if self.kinds[0] == NUMBER:
            self._last = float(rows[-1, 0])
            rows[:, 0] += self._later
        self.add(rows.T)

    def _begin_block(self, rows: npt.NDArray[np.float64], name: str) -> None:
        """Understand a head within the samples: where its block begins.

        Raises
        ------
        RecordError
            If the block has another rate, or other columns.
        """
        again = head_again(self.head, self._again, f"{name}: line {self._again_at}")
        self._again = []
        self._blocks += 1
        restarts = self.kinds[0] == NUMBER and not rows[0, 0] > self._last
        if restarts and again.start is not None and self.head.start is not None:
            later = (again.start - self.head.start).total_seconds()
            step = float(rows[1, 0] - rows[0, 0]) if len(rows) > 1 else math.nan
            # Only where the first column counts seconds.
            if self.head.fs is not None and abs(step * self.head.fs - 1.0) < 0.1:
                self._later = later

    def _put_odd(self, line: bytes, number: int, name: str) -> bool:
        """Add the samples of a line with a remark, or with marks between thousands."""
        head = self.head
        try:
            found = samples_of(
                line.decode("utf-8", "replace").rstrip("\r"),
                head.separator, head.decimal, head.kinds,
            )  # fmt: skip
        except RecordError as error:
            raise RecordError(f"{name}: line {number}: {error}") from None
        if found is None:
            return False
        text, odd, example = found
        row = np.empty((1, len(self.kinds)))
        separator = ord(head.separator) if head.separator else 0
        parsed, *_ = parse_rows(
            text.encode(), separator, ord(head.decimal), self.kinds, row, True, head.day_first
        )
        if parsed != 1:
            return False
        self._waiting.append(row)
        if len(self._waiting) >= _KEPT:
            self._add_waiting(name)
        if odd == WORDS and not self._first_word:
            self._first_word = f"line {number}: {example!r} is not a number"
        count, example = self._odd.get(odd, (0, example))
        self._odd[odd] = (count + 1, example)
        return True

    def _count(
        self,
        line: bytes,
        number: int,
        cells: int,
        cell: tuple[int, int],
        view: memoryview,
        name: str,
    ) -> None:
        """Count a line that is no sample as a missing one."""
        if line.strip() in self.head.lines or key_of(line) in self._keys:
            self._add_waiting(name)
            self._again_at = self._again_at if self._again else number
            self._first_again = self._first_again or number
            self._again.append(line.decode("utf-8", "replace").strip())
            return
        if names_columns(self.head, line.decode("utf-8", "replace")):
            self._add_waiting(name)
            self._again_at, self._first_again = number, self._first_again or number
            self._again.append(line.decode("utf-8", "replace").strip())
            return
        if self._put_odd(line, number, name):
            return
        self._add_waiting(name)
        if not self.malformed:
            if cell[1]:
                word = bytes(view[cell[0] : cell[1]]).decode("utf-8", "replace")[:40]
                self.first_malformed = f"line {number}: {word!r} is not a number"
            else:
                self.first_malformed = (
                    f"line {number} has {cells} columns where {len(self.kinds)} are expected"
                )
        if line.strip(b"\r ,;\t") in (
            b"!",
            b"-",
        ):  # what an AD8232 sketch sends while a lead is off
            self.add(np.full((len(self.kinds), 1), np.nan))
            return
        self.malformed += 1
        self.add(np.full((len(self.kinds), 1), np.nan))
        if self.malformed > max(100, 2 * _MALFORMED * self.rows):
            raise RecordError(f"{name}: {self.first_malformed}; correct or remove it")
