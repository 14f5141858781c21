"""A review as plain questions and answers, line by line."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..records import RecordSource
from ..reports.words import CLASS_NAMES, clock
from ..streaming.lead_signal import best_leads
from .actions import Action
from .grouping import Group, Question
from .marks import NOT_A_BEAT
from .session import ReviewSession

__all__ = ["run_terminal"]

# What is drawn of a beat, in seconds before and after R, and how large in characters.
_BEFORE_S, _AFTER_S = 0.35, 0.45
_COLUMNS, _ROWS = 64, 12
_SHOWN = 6

_KEYS = {
    "x": "no beat: an artefact",
    "m": "mixed: divide the group and ask again",
    "p": "pass: ask the others first",
    "e": "more examples, with their times",
    "u": "undo the last answer",
    "q": "quit: all answers are kept",
    "?": "this help",
}


def run_terminal(
    session: ReviewSession,
    source: RecordSource,
    *,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
    most: int | None = None,
) -> int:
    """Ask until the reviewer ends it, or nothing is left to ask.

    Parameters
    ----------
    session : ReviewSession
    source : RecordSource
        The recording, for pictures of beats.
    read : callable
        Asks with a prompt, and returns the line; `EOFError` ends the review.
    write : callable
        Prints a text.
    most : int, optional
        End after so many answers.

    Returns
    -------
    int
        How many answers were given.
    """
    answers = 0
    passed: set[int] = set()
    while most is None or answers < most:
        question = _next(session, passed)
        if question is None:
            write("Every group has its answer.")
            break
        write(_text(session, source, question))
        while True:  # until it is answered, or another question comes
            try:
                said = read(f"label of group {question.group.number}: ").strip()
            except EOFError:
                write("")
                return answers
            key = said.lower()
            label = NOT_A_BEAT if key == "x" else said.upper()
            if key == "q":
                return answers
            if key == "?":
                write(help_text(session))
            elif key == "e":
                write(_examples(session, question.group.number))
            elif key == "p":
                passed.add(question.group.number)
                break
            elif key == "u":
                undone = session.undo()
                answers -= undone is not None and undone.kind == "group" and answers > 0
                write("nothing to undo" if undone is None else f"undone: {action_text(undone)}")
                break
            elif key == "m":
                try:
                    part = session.split(question.group.number)
                except InputError as error:
                    write(str(error))
                    continue
                write(
                    f"divided: {len(session.members(question.group.number)):,} beats, and "
                    f"{len(session.members(part)):,} in the new group {part}"
                )
                break
            elif label in (*session.beats.classes, NOT_A_BEAT):
                before = session.labels()
                session.answer(question.group.number, label)
                changed = int((session.labels() != before).sum())
                write(f"{changed:,} label{'s' * (changed != 1)} changed")
                answers += 1
                break
            else:
                write(f"{said!r} is no answer; " + help_text(session))
    return answers


def _next(session: ReviewSession, passed: set[int]) -> Question | None:
    """The question of most worth that was not passed; then those."""
    questions = session.questions()
    left = [one for one in questions if one.group.number not in passed]
    if not left:
        passed.clear()
        left = questions
    return left[0] if left else None


def help_text(session: ReviewSession) -> str:
    """What can be answered."""
    labels = [f"  {c}  {CLASS_NAMES.get(c, c)}" for c in session.beats.classes]
    return "\n".join(["answers:", *labels, *(f"  {key}  {what}" for key, what in _KEYS.items())])


def action_text(action: Action) -> str:
    """An action in words."""
    if action.kind == "split":
        return f"division of group {action.group}"
    if action.kind == "second pass":
        return action.kind
    label = "no beat" if action.label == NOT_A_BEAT else action.label
    if action.kind == "group":
        return f"{label} for group {action.group}"
    return f"{label} for {len(action.beats)} beat{'s' * (len(action.beats) != 1)}"


def group_text(group: Group) -> str:
    """A group in a line: its size, its labels, its timing."""
    labels = ", ".join(
        f"{'no beat' if label == NOT_A_BEAT else label} {count:,}"
        for label, count in sorted(group.counts.items(), key=lambda item: -item[1])
    )
    timing = [
        f"RR {name} {100 * ratio:.0f} % of the local rhythm"
        for name, ratio in (("before", group.rr), ("after", group.rr_next))
        if math.isfinite(ratio)
    ]
    if math.isfinite(group.rate):
        timing.append(f"{group.rate:.0f} a minute")
    return f"{group.size:,} beats, now {labels}" + "".join(f"; {one}" for one in timing)


def _text(session: ReviewSession, source: RecordSource, question: Question) -> str:
    group = question.group
    left = session.n_groups - sum(1 for one in session.groups() if one.answer)
    shape = mean_beat(source, session.beats.sample[list(question.examples)])
    return "\n".join(
        [
            "",
            f"group {group.number}: {group_text(group)}",
            f"an answer is expected to change {question.worth:.0f} labels; "
            f"{left} of {session.n_groups} groups are open",
            drawing(shape),
            _examples(session, group.number, _SHOWN),
        ]
    )


def _examples(session: ReviewSession, group: int, count: int = 24) -> str:
    """Times of beats of a group, from the most to the least typical."""
    labels = session.labels()
    examples = [
        f"{clock(float(session.beats.time[i]))} {labels[i]}" for i in session.examples(group, count)
    ]
    return "for example: " + ", ".join(examples)


def mean_beat(source: RecordSource, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Median of beats in the first lead that carries a signal, each from its own baseline.

    Parameters
    ----------
    source : RecordSource
    samples : ndarray of int64
        R peaks.

    Returns
    -------
    ndarray of float64, shape (m,)
        From 0.35 s before R to 0.45 s after; NaN where nothing is known.
    """
    before, after = round(_BEFORE_S * source.fs), round(_AFTER_S * source.fs)
    rows = np.full((len(samples), before + after), np.nan)
    (lead,) = best_leads(source, 1)
    for row, sample in zip(rows, samples.tolist(), strict=True):
        start, stop = max(0, sample - before), min(source.n_samples, sample + after)
        part = source.fetch(start, stop)[:, lead]
        row[start - sample + before : stop - sample + before] = part
    known = np.isfinite(rows).any(axis=1)
    rows = rows[known] - np.nanmedian(rows[known], axis=1, keepdims=True)
    mean = np.full(before + after, np.nan)
    shown = np.isfinite(rows).any(axis=0)
    mean[shown] = np.nanmedian(rows[:, shown], axis=0)
    return mean


def drawing(shape: npt.NDArray[np.float64], columns: int = _COLUMNS, rows: int = _ROWS) -> str:
    """Draw a curve with characters.

    Parameters
    ----------
    shape : ndarray of float64, shape (m,)
    columns, rows : int

    Returns
    -------
    str
        Lines; a stretch of the curve within one column is a vertical stroke.
    """
    known = shape[np.isfinite(shape)]
    if not len(known):
        return "(no signal)"
    low, high = float(known.min()), float(known.max())
    scale = (rows - 1) / (high - low) if high > low else 0.0
    cells = [[" "] * columns for _ in range(rows)]
    edges = np.linspace(0, len(shape) - 1, columns + 1)
    for column in range(columns):
        part = shape[int(edges[column]) : int(edges[column + 1]) + 1]
        part = part[np.isfinite(part)]
        if not len(part):
            continue
        top, bottom = (round((high - value) * scale) for value in (part.max(), part.min()))
        for row in range(top, bottom + 1):
            cells[row][column] = "|" if bottom - top > 1 else "-"
    return "\n".join("  " + "".join(row).rstrip() for row in cells)
