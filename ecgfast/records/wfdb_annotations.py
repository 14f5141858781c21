"""The MIT annotation format (``.atr`` and its kin), read and written.

Written from the description in the WFDB Applications Guide, annot(5): 16-bit little-endian words,
the six high bits a code, the ten low bits the samples since the mark before; special codes carry
longer intervals and text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from .files import damaged, read_regular
from .record import Annotations

__all__ = [
    "CODES",
    "END",
    "UNDEFINED",
    "decode_annotations",
    "encode_annotations",
    "encode_mark",
    "encode_start",
    "read_annotations",
]

# Codes of ecgcodes.h with the characters that PhysioNet shows for them.
CODES: dict[str, int] = {
    "N": 1, "L": 2, "R": 3, "a": 4, "V": 5, "F": 6, "J": 7, "A": 8, "S": 9, "E": 10,
    "j": 11, "/": 12, "Q": 13, "~": 14, "|": 16, "s": 18, "T": 19, "*": 20, "D": 21,
    '"': 22, "=": 23, "p": 24, "B": 25, "^": 26, "t": 27, "+": 28, "u": 29, "?": 30,
    "!": 31, "[": 32, "]": 33, "e": 34, "n": 35, "@": 36, "x": 37, "f": 38, "(": 39,
    ")": 40, "r": 41,
}  # fmt: skip
#: Symbol of a mark whose code neither WFDB nor the file defines.
UNDEFINED = " "
_SYMBOLS = np.full(64, UNDEFINED, "<U1")
for _symbol, _code in CODES.items():
    _SYMBOLS[_code] = _symbol

_NOTE, _SKIP, _AUX = CODES['"'], 59, 63
_RESOLUTION = re.compile(r"## time resolution:\s*(\S+)")
_OWN_CODES, _OWN_CODES_END = "## annotation type definitions", "## end of definitions"
_OWN_CODE = re.compile(r"(\d{1,2})\s+(\S+)")
_SKIP_MAX = 2**31 - 1

# Samples that no recording reaches (a century at 2 kHz), and samples a second that one may state.
_FARTHEST = 1 << 43
_SLOWEST, _FASTEST = 1e-3, 1e9

#: The word that ends an annotation file.
END = b"\0\0"


def decode_annotations(data: bytes, name: str) -> tuple[Annotations, float | None]:
    """Decode an annotation file.

    Parameters
    ----------
    data : bytes
        The file's content.
    name : str
        The file, for messages.

    Returns
    -------
    annotations : Annotations
        Without the notes in which a file states its own time resolution.
    resolution : float or None
        Samples a second that the marks count in, if the file states it.

    Raises
    ------
    RecordError
        If the file is cut short, starts with text, or states something that cannot be.
    """
    words = np.frombuffer(data, "<u2", len(data) // 2)
    code = (words >> 10).astype(np.int64)
    interval = (words & 1023).astype(np.int64)

    # Text and long intervals span words that are no marks: step over them, the rest is uniform.
    payload = np.zeros(len(words), bool)
    texts: list[tuple[int, str]] = []
    end, past = -1, 0
    for at in np.flatnonzero((code == _SKIP) | (code == _AUX) | (words == 0)).tolist():
        if at < past:
            continue
        if words[at] == 0:
            end = at
            break
        past = at + 3 if code[at] == _SKIP else at + 1 + (int(interval[at]) + 1) // 2
        if past > len(words):
            raise RecordError(f"{name}: truncated in the middle of a mark; fetch the file again")
        payload[at + 1 : past] = True
        if code[at] == _SKIP:
            high, low = int(words[at + 1]), int(words[at + 2])
            long = (high << 16) | low
            interval[at] = long - (1 << 32) if high & 0x8000 else long
        else:
            raw = words[at + 1 : past].tobytes()[: int(interval[at])]
            texts.append((at, raw.decode("latin-1").rstrip("\0")))
    if end < 0 and len(data):
        raise RecordError(f"{name}: truncated, the word that ends it is missing; fetch it again")

    is_mark = (code < _SKIP) & ~payload
    is_mark[end:] = False
    moves = (is_mark | ((code == _SKIP) & ~payload))[:end]
    position = np.cumsum(np.where(moves, interval[:end], 0))
    number = np.cumsum(is_mark) - 1

    # Code 0 marks nothing: it only moves the time on.
    keep = code[is_mark] != 0
    aux = [""] * len(keep)
    resolution: float | None = None
    symbols, defining = _SYMBOLS, False
    for at, text in texts:
        mark = int(number[at])
        if mark < 0:
            raise RecordError(f"{name}: starts with text and no mark; it is no annotation file")
        aux[mark] = text
        if text.startswith((_OWN_CODES, _OWN_CODES_END)):
            defining = not text.startswith(_OWN_CODES_END)
            keep[mark] = False
        elif defining:
            symbols = _with_own_code(symbols, text, name)
            keep[mark] = False
        elif stated := _RESOLUTION.match(text):
            resolution = _resolution(stated[1], name)
            keep[mark] = False
    sample = position[is_mark[:end]]
    if len(sample) and int(np.abs(sample).max()) > _FARTHEST:
        raise RecordError(
            f"{name}: has marks beyond every recording; it is damaged, fetch it again"
        )
    symbol = symbols[code[is_mark]]
    return Annotations(sample[keep], symbol[keep], np.array(aux, np.str_)[keep]), resolution


def _resolution(text: str, name: str) -> float:
    """Return the samples a second that a file says its marks count in."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _SLOWEST <= value <= _FASTEST:
        raise RecordError(
            f"{name}: states the time resolution {text[:40]!r}, which is no number of samples a "
            "second; fetch it again"
        )
    return value


def _with_own_code(symbols: npt.NDArray[np.str_], text: str, name: str) -> npt.NDArray[np.str_]:
    """Return the table of symbols with one that the file defines: code, symbol, description."""
    stated = _OWN_CODE.match(text)
    if stated is None or not 0 < int(stated[1]) < _SKIP:
        raise RecordError(
            f"{name}: defines an annotation type as {text[:40]!r}, which is no code and symbol; "
            "fetch it again"
        )
    longest = max(len(stated[2]), symbols.dtype.itemsize // 4)
    table = symbols.astype(f"<U{longest}")
    table[int(stated[1])] = stated[2]
    return table


def _with_text(code: int, text: str) -> bytes:
    """Return the words that hang `text` on the mark before them."""
    raw = text.encode("latin-1", "replace")[:255]
    return (code << 10 | len(raw)).to_bytes(2, "little") + raw + b"\0" * (len(raw) % 2)


def encode_annotations(
    sample: npt.ArrayLike,
    symbol: Sequence[str] | npt.NDArray[np.str_],
    fs: float,
    aux: Sequence[str] | npt.NDArray[np.str_] | None = None,
) -> bytes:
    """Encode marks as an annotation file.

    Parameters
    ----------
    sample : array_like of int, shape (n,)
        Sample indices, never falling.
    symbol : sequence of str, length n
        PhysioNet's one-character codes.
    fs : float
        Sampling rate in Hz, stated in the file.
    aux : sequence of str, length n, optional
        Text to go with each mark, at most 255 bytes of Latin-1.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If samples fall or are negative, lengths differ, or a symbol has no code.
    """
    marks = Annotations(
        np.asarray(sample, np.int64),
        np.asarray(symbol, np.str_),
        np.asarray(() if aux is None else aux, np.str_),
    )
    steps = np.diff(marks.sample, prepend=0)
    if len(steps) and int(steps.min()) < 0:
        at = int(np.argmin(steps))
        raise InputError(
            f"annotation {at} is at sample {marks.sample[at]}, before the one ahead of it; "
            "sort the marks"
        )
    out = bytearray(encode_start(fs))
    for step, own, text in zip(
        steps.tolist(), marks.symbol.tolist(), marks.aux.tolist(), strict=True
    ):
        out += encode_mark(step, own, text)
    return bytes(out + END)


def encode_start(fs: float) -> bytes:
    """Encode the note that an annotation file begins with: its samples a second."""
    return (_NOTE << 10).to_bytes(2, "little") + _with_text(_AUX, f"## time resolution: {fs:.17g}")


def encode_mark(step: int, symbol: str, aux: str = "") -> bytes:
    """Encode one mark.

    Parameters
    ----------
    step : int
        Samples since the mark before, not negative.
    symbol : str
        PhysioNet's one-character code.
    aux : str
        Text to go with it, at most 255 bytes of Latin-1.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the symbol has no code.
    """
    code = CODES.get(symbol)
    if code is None:
        raise InputError(
            f"{symbol!r} has no code in the WFDB annotation format; use one of "
            f"{''.join(CODES)}, and put other labels in aux"
        )
    out = bytearray()
    while step > 1023:
        jump = min(step, _SKIP_MAX)
        out += (_SKIP << 10).to_bytes(2, "little")
        out += (jump >> 16).to_bytes(2, "little") + (jump & 0xFFFF).to_bytes(2, "little")
        step -= jump
    out += (code << 10 | step).to_bytes(2, "little")
    if aux:
        out += _with_text(_AUX, aux)
    return bytes(out)


def read_annotations(
    path: str | os.PathLike[str], *, fs: float | None = None, stored_fs: float | None = None
) -> Annotations:
    """Read a WFDB annotation file.

    Parameters
    ----------
    path : str or path
        The file with its extension, such as ``208.atr``.
    fs : float, optional
        Sampling rate in Hz of the recording; a file that counts in another resolution and says so
        is converted to it.
    stored_fs : float, optional
        Samples a second that the marks count in where the file does not say; by default `fs`.

    Returns
    -------
    Annotations

    Raises
    ------
    RecordError
        If the file is missing or cut short.

    Examples
    --------
    >>> marks = read_annotations("mitdb/208.atr", fs=360.0)         # doctest: +SKIP
    >>> marks.sample[marks.symbol == "V"]                           # doctest: +SKIP
    """
    where = Path(path).expanduser()
    try:
        data = read_regular(where)
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror}); check the path") from None
    with damaged(where, "an annotation file"):
        marks, resolution = decode_annotations(data, str(where))
    resolution = resolution or stored_fs
    if fs is None or not resolution or resolution == fs:
        return marks
    sample = np.rint(marks.sample * (fs / resolution)).astype(np.int64)
    return Annotations(sample, marks.symbol, marks.aux)
