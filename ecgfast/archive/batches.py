"""A batch of recordings: what a worker gets, does and hands back."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from .._files import write_whole
from ..errors import InputError, StateError, system_reason
from ..records.record import FloatArray
from ..records.wfdb_annotations import encode_annotations
from ..reports.beat_marks import Marker
from .classify import Annotator, Found, reason_of
from .places import Item, is_remote, local_copy
from .tables import TABLES, Columns, arrow, beat_table, event_table, row_table

__all__ = [
    "ANNOTATIONS",
    "MARK",
    "Item",
    "Outcome",
    "Result",
    "Task",
    "annotation_file",
    "part_files",
    "run_batch",
]

#: File that makes a folder one of results; it holds the id of the latest run.
MARK = "archive.json"

#: Folder of the WFDB annotations, and their extension.
ANNOTATIONS, _ANNOTATOR = "annotations", "ecg"

# Seconds between two signs of life while one recording is read.
_TICK_S = 1.0


@dataclass(frozen=True)
class Task:
    """One batch.

    Attributes
    ----------
    number : int
    part : str
        Stem of the batch's files in each table's folder.
    items : tuple of Item
    folder : str
        Folder of the results.
    identity : str
        Id of the run: a worker that finds another one there, or none, does not see the folder, or
        belongs to an earlier run, and hands the files back instead.
    made : dict
        What the results are to be made with: `Made` as plain values.
    given_up : dict of int to str
        Recordings that are not tried, by index, and the reason.
    """

    number: int
    part: str
    items: tuple[Item, ...]
    folder: str
    identity: str
    made: Mapping[str, Any]
    given_up: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of one recording.

    Attributes
    ----------
    reason : str
        Why it has no results; empty where it has.
    size, mtime_ns, sha256
        Of the files that were read; -1, 0 and "" without results, -1 and 0 of fetched ones.
    beats : int
    seconds : float
    """

    reason: str = ""
    size: int = -1
    mtime_ns: int = 0
    sha256: str = ""
    beats: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of one batch.

    Attributes
    ----------
    number : int
    results : tuple of Result
        In the order of the task's items.
    files : dict of str to bytes
        Files that the worker could not write itself, by path from the folder of results.
    notes : tuple of str
        What happened to the worker meanwhile, for the log.
    """

    number: int
    results: tuple[Result, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def annotation_file(name: str) -> str:
    """Return the path of a recording's annotation file, from the folder of results."""
    # The recording's own path, with nothing that leads elsewhere.
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if sys.platform == "win32":
        parts = [part.replace(":", "_") for part in parts]
    return f"{ANNOTATIONS}/{'/'.join(parts)}.{_ANNOTATOR}"


def part_files(part: str) -> dict[str, str]:
    """Return the path of a batch's file of each table, from the folder of results."""
    return {table: f"{table}/{part}.parquet" for table in TABLES}


def run_batch(
    task: Task, annotator: Annotator, report: Callable[[int | None], None] = lambda at: None
) -> Outcome:
    """Classify a batch and write its files.

    Parameters
    ----------
    task : Task
    annotator : Annotator
        With the settings that the task asks for.
    report : callable
        Called with the index of each recording before it is begun, with -1 before writing, and with
        None as a sign of life in between.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        If the files cannot be written.
    ModelError
        If the model cannot be used.
    """
    results: list[Result] = []
    rows: list[dict[str, Any]] = []
    beats: list[tuple[str, Columns]] = []
    events: list[tuple[Any, ...]] = []
    files: dict[str, bytes] = {}
    for i, item in enumerate(task.items):
        if i in task.given_up:
            results.append(Result(task.given_up[i]))
            continue
        report(i)
        path = item.path
        try:
            with local_copy(item.path) as path:
                found = annotator(path, item.name, progress=_alive(report))
        except Exception as error:
            results.append(Result(reason_of(error, path, item.name)))
            continue
        rows.append(found.row)
        beats.append((found.row["recording"], found.beats))
        events += found.events
        if annotator.settings.annotations:
            files[annotation_file(item.name)] = _annotations(found)
        row, facts = found.row, found.facts
        # Of a copy that was fetched, the times are not the recording's.
        size, mtime = (-1, 0) if is_remote(item.path) else (facts.size, facts.mtime_ns)
        results.append(Result("", size, mtime, row["sha256"], row["beats"], row["duration"]))
    report(-1)
    whole = {
        "records": row_table("records", rows),
        "beats": beat_table(beats),
        "events": event_table(events),
    }
    for table, path in part_files(task.part).items():
        files[path] = encode_table(whole[table])
    if not _sees(task):
        return Outcome(task.number, tuple(results), files)
    write_files(Path(task.folder), files)
    return Outcome(task.number, tuple(results))


def encode_table(table: Any) -> bytes:
    """Return a table as a Parquet file: the same bytes for the same rows."""
    content = io.BytesIO()
    arrow("parquet").write_table(table.combine_chunks(), content, compression="zstd")
    return content.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into the folder of results, each whole or not at all.

    Raises
    ------
    InputError
        If one cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made ({system_reason(error)})") from None
        write_whole(path, content)


def check_made(task: Task, annotator: Annotator, version: str) -> None:
    """Check that a worker has the model and the version that the run was begun with.

    Raises
    ------
    StateError
        If it has others, as on a cluster where another version is installed.
    """
    here = {"model_sha256": annotator.model_sha256, "version": version}
    for name, text in (("version", "ecgfast"), ("model_sha256", "a model of checksum")):
        if task.made[name] != here[name]:
            raise StateError(
                f"a worker has {text} {here[name]} and the run was begun with "
                f"{task.made[name]}: install the same on both"
            )


def _sees(task: Task) -> bool:
    """Whether the folder of results is here the one that it is where the run was begun."""
    try:
        mark = json.loads(Path(task.folder, MARK).read_text("utf-8"))
        return bool(mark["run"] == task.identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _alive(
    report: Callable[[int | None], None],
) -> Callable[[Iterable[FloatArray]], Iterator[FloatArray]]:
    def ticking(blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        last = monotonic()
        for block in blocks:
            yield block
            if monotonic() - last > _TICK_S:
                last = monotonic()
                report(None)

    return ticking


def _annotations(found: Found) -> bytes:
    """The beats as a WFDB annotation file."""
    marker = Marker()
    analysis = found.analysis
    marks = [
        mark
        for sample, label, flutter in zip(
            analysis.sample.tolist(),
            analysis.label.tolist(),
            analysis.flutter.tolist(),
            strict=True,
        )
        for mark in marker.of(sample, label, flutter=flutter)
    ]
    marks += marker.end()
    return encode_annotations(
        [sample for sample, _, _ in marks],
        [symbol for _, symbol, _ in marks],
        analysis.fs,
        [text for _, _, text in marks],
    )
