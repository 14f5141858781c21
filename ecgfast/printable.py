"""Text to show: counts in words; from outside, what a terminal would obey is written out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO, Any

__all__ = ["PrintableStream", "counted", "picture_text", "printable"]

# Control characters (C0, DEL, C1), marks that hide or turn text (zero-width, bidirectional, line
# separators, tags), the byte-order mark, and bytes of a file name that are no text.
_OBEYED = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[{_OBEYED}]")
# Lines and columns that a program prints itself stay.
_UNSAFE_IN_STREAM = re.compile(f"(?![\n\t])[{_OBEYED}]")


def _written_out(match: re.Match[str]) -> str:
    """Return a character as an escape that is the same in Python and in JSON."""
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def printable(text: str) -> str:
    r"""Return `text` with every character that a terminal would obey or hide written as an escape.

    Parameters
    ----------
    text : str
        A name, label or message that may come from a file.

    Returns
    -------
    str
        One line; control, bidirectional and zero-width characters stand as ``\u001b`` and so on.

    Examples
    --------
    >>> printable("II\x1b[2J")
    'II\\u001b[2J'
    """
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_written_out, text)


def counted(n: int, what: str, plural: str = "s") -> str:
    """Return a count with its noun: "no beats", "1 beat", "2,000 beats".

    Parameters
    ----------
    n : int
    what : str
        The noun for one.
    plural : str
        What is put at its end for other numbers.

    Returns
    -------
    str
    """
    return f"{format(n, ',') if n else 'no'} {what}{'' if n == 1 else plural}"


def picture_text(text: str) -> str:
    r"""Return `text` as Matplotlib shows it unchanged: dollar signs begin no formula."""
    return printable(text).replace("$", r"\$")


class PrintableStream:
    """A text stream that writes out what a terminal would obey, but for line ends and tabs.

    Parameters
    ----------
    stream : text file
        Where text goes; everything but writing is its own.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write `text`, made safe."""
        if not (text.isascii() and text.replace("\n", "").isprintable()):
            text = _UNSAFE_IN_STREAM.sub(_written_out, text)
        return self.stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write `lines`, made safe."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
