"""One self-contained HTML page: summary, picture, table of beats."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from .._files import write_whole
from ..records.writers import BeatLike
from ..streaming.beat import Quality
from .paper import CLASS_COLOURS
from .shell import page
from .summary import Summary
from .words import CLASS_NAMES, NOT_A_DEVICE

__all__ = ["quality_text", "write_page"]

# A table that a browser shows at once; all beats are in the CSV or JSON output.
_ROWS = 5000


def write_page(
    path: str | os.PathLike[str],
    summary: Summary,
    beats: Iterable[BeatLike],
    *,
    picture: str = "",
    caption: str = "",
    title: str = "",
    notes: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the page, whole or not at all; it needs no other file and no network.

    Parameters
    ----------
    path : str or path
        The file.
    summary : Summary
        Of the recording.
    beats : iterable of beats
        With the attributes of `ecgfast.Beat`, such as `stream_classify` yields them; the first 5000
        make the table, and none is kept. ``ecgfast report`` shows a recording of any length.
    picture : str
        SVG element, such as `strip_svg` makes.
    caption : str
        Line below the picture.
    title : str
        Heading; the recording's name by default.
    notes : sequence of str
        What the reader must know first; the statement that this is no medical device is added.
    facts : sequence of (str, str)
        Further lines for the summary: heading and text.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from ecgfast import Classifier, stream_classify
    >>> from ecgfast.records import demo_record
    >>> from ecgfast.reports import Tally, write_page
    >>> classifier, record = Classifier(), demo_record()
    >>> beats = list(stream_classify(record, model=classifier))
    >>> tally = Tally(classifier.classes)
    >>> tally.add(beats)
    >>> summary = tally.summary(record.name, record.fs, record.duration)
    >>> with TemporaryDirectory() as folder:
    ...     write_page(Path(folder, "page.html"), summary, beats)
    """
    each = iter(beats)
    rows = [_row(beat) for beat in islice(each, _ROWS)]
    more = sum(1 for _ in each)
    parts = [
        *(f'<p class="note">{escape(note)}</p>' for note in (*notes, NOT_A_DEVICE)),
        "<h2>Summary</h2>",
        _facts([*summary.lines(), *facts]),
    ]
    if picture:
        below = f"<figcaption>{escape(caption)}</figcaption>"
        parts += [f"<h2>ECG</h2>\n<figure>\n{_scrolled(picture, 'scroll ecg')}\n{below}\n</figure>"]
    parts += [
        "<h2>Beats</h2>",
        _table(rows),
    ]
    if more:
        parts.append(f"<p>The first {_ROWS:,} of {_ROWS + more:,} beats.</p>")
    write_whole(path, page(title or f"ECG report: {summary.name}", "\n".join(parts)))


def _facts(lines: Sequence[tuple[str, str]]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{escape(heading)}</th><td>{escape(text)}</td></tr>'
        for heading, text in lines
    )
    return f'<table class="facts">\n{rows}\n</table>'


def _scrolled(element: str, kind: str = "scroll") -> str:
    """An element that scrolls by itself where the screen is narrower, and not the whole page."""
    return f'<div class="{kind}">\n{element}\n</div>'


def _table(rows: Sequence[str]) -> str:
    head = (
        '<tr><th scope="col">time, s</th><th scope="col">sample</th><th scope="col">class</th>'
        '<th class="text" scope="col">meaning</th><th scope="col">probability</th>'
        '<th scope="col">RR, s</th><th scope="col">heart rate, 1/min</th>'
        '<th class="text" scope="col">signal</th></tr>'
    )
    body = "\n".join(rows)
    return _scrolled(f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>")


def _row(beat: BeatLike) -> str:
    colour = CLASS_COLOURS.get(beat.label, "#1c1c1c")
    return (
        f"<tr><td>{beat.time:.3f}</td><td>{beat.sample}</td>"
        f'<td class="label" style="color:{colour}">{escape(beat.label)}</td>'
        f'<td class="text">{CLASS_NAMES.get(beat.label, "")}</td>'
        f"<td>{_number(beat.probability, 2)}</td><td>{_number(beat.rr, 3)}</td>"
        f"<td>{_number(beat.heart_rate, 0)}</td>"
        f'<td class="text">{quality_text(beat.quality)}</td></tr>'
    )


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def quality_text(quality: int) -> str:
    """What was wrong with the signal, in words such as ``noisy, learning``; empty if nothing."""
    names = (flag.name or "" for flag in Quality if flag and flag & quality)
    return ", ".join(name.lower() for name in names)
