"""One recording: its files in, its rows out."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import __version__
from ..errors import EcgfastError, InputError, ModelError, NotBuiltError, RecordError
from ..printable import printable
from ..records import open_record
from ..records.finding import record_files
from ..records.record import FloatArray
from ..reports.analysis import Analysis, analyse, check_classes
from .settings import Settings
from .tables import (
    BeatColumns,
    Columns,
    arrow,
    beat_table,
    event_rows,
    event_table,
    record_row,
    row_table,
    schema,
)

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["Annotator", "Facts", "Found", "classify_record", "facts_of", "reason_of"]

# Bytes that are hashed at a time.
_PIECE = 1 << 20


@dataclass(frozen=True)
class Facts:
    """Size and time of a recording's files: they reveal most changes without reading the files.

    Attributes
    ----------
    size : int
        Bytes of its files together; -1 where one cannot be looked at.
    mtime_ns : int
        When the youngest was changed.
    """

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Found:
    """The results of one recording.

    Attributes
    ----------
    row : dict
        Its row of the table of records.
    beats : dict of str to ndarray
        Its columns of the table of beats, but for its name.
    events : list of tuple
        Its rows of the table of events.
    facts : Facts
        Of the files that were read.
    analysis : Analysis
        What they were made of.
    """

    row: dict[str, Any]
    beats: Columns
    events: list[tuple[Any, ...]]
    facts: Facts
    analysis: Analysis


def _look(path: Path) -> tuple[list[str], Facts]:
    """The files that the results depend on, in order of name, and what they look like.

    Reference annotations are none of them.
    """
    found: dict[str, os.stat_result] = {}
    for file in map(str, record_files(path)):
        if file not in found and not file.endswith(".atr"):
            with suppress(FileNotFoundError, NotADirectoryError):
                facts = os.stat(file)  # noqa: PTH116 - as text
                if stat.S_ISREG(facts.st_mode):
                    found[file] = facts
    return sorted(found), _facts(found.values())


def _facts(stats: Collection[os.stat_result]) -> Facts:
    return Facts(sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0))


def _unchanged(files: Iterable[str], before: Facts) -> bool:
    try:
        return _facts([os.stat(file) for file in files]) == before  # noqa: PTH116 - as text
    except OSError:  # one is gone
        return False


def facts_of(path: str | os.PathLike[str]) -> Facts:
    """Look at the files of a recording.

    Parameters
    ----------
    path : str or path
        As for `open_record`.

    Returns
    -------
    Facts
    """
    try:
        return _look(Path(path))[1]
    except OSError:
        return Facts(-1, 0)


def checksum_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a recording's files, one after the other in order of name.

    Parameters
    ----------
    path : str or path
        As for `open_record`.

    Returns
    -------
    str
        Hexadecimal.
    """
    return _checksum(_look(Path(path))[0])


def _checksum(files: Iterable[str]) -> str:
    total = hashlib.sha256()
    for file in files:
        with open(file, "rb") as content:  # noqa: PTH123 - as text
            while piece := content.read(_PIECE):
                total.update(piece)
    return total.hexdigest()


class Annotator:
    """Classifies recordings with one loaded model.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    classifier : Classifier
    model_sha256 : str
        Checksum of the model's file.

    Raises
    ------
    ModelError
        If the model cannot be used, or gives other classes than those of the AAMI.
    """

    def __init__(self, settings: Settings) -> None:
        from ..runtime import Classifier

        self.settings = settings
        self.classifier: Classifier = Classifier(settings.model, precision=settings.form)
        check_classes(self.classifier)
        self.model_sha256 = hashlib.sha256(self.classifier.path.read_bytes()).hexdigest()
        self._decision = settings.decision
        self._decision.rule(self.classifier, settings.lookahead)  # fail before the first recording
        self._about = {
            "model": Path(settings.model).name,
            "model_sha256": self.model_sha256,
            "version": __version__,
            "parameters": settings.parameters,
        }

    def __call__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
    ) -> Found:
        """Classify a recording.

        Parameters
        ----------
        path : str or path
            As for `open_record`.
        name : str, optional
            What the tables call it; its path by default.
        progress : callable
            Wraps the blocks of the signal.

        Returns
        -------
        Found

        Raises
        ------
        RecordError, InputError, MissingExtraError
            If it cannot be read, or changed while it was.
        ModelError
            If the model gives other classes than those of the AAMI.
        """
        settings = self.settings
        where = Path(path)
        files, before = _look(where)
        source = open_record(where, fs=settings.fs, leads=settings.leads, follow=settings.follow)
        checksum = _checksum(files)
        columns = BeatColumns()
        found = analyse(
            source,
            self.classifier,
            progress=progress,
            on_beats=columns.add,
            lookahead=settings.lookahead,
            method=settings.method,
            average_leads=settings.average_leads,
            decision=self._decision,
        )
        if not _unchanged(files, before):
            raise RecordError(f"{path}: changed while it was read; classify it again")
        shown = printable(os.fspath(path) if name is None else name)
        about = {
            "format": source.origin.format if source.origin else "",
            "bytes": before.size,
            "start": source.start,
            "sha256": checksum,
            **self._about,
        }
        row = record_row(shown, found, about)
        return Found(row, columns.of(found), event_rows(shown, found), before, found)


def reason_of(error: Exception, path: str | os.PathLike[str], name: str) -> str:
    """Say in one line why a recording has no results; its name stands for where it lies.

    Parameters
    ----------
    error : Exception
    path : str or path
        Where it was read from.
    name : str
        What the tables call it.

    Returns
    -------
    str

    Raises
    ------
    ModelError, NotBuiltError
        `error` itself, if it is the same for every recording.
    """
    if isinstance(error, (ModelError, NotBuiltError)):
        raise error
    if isinstance(error, MemoryError):
        return "needs more memory than a worker may take"
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and not isinstance(error, EcgfastError):
        text = f"{error.filename or path}: {error.strerror}"
    elif not isinstance(error, EcgfastError):
        text = f"unexpected {type(error).__name__}: {text}"
    here, there = Path(path), Path(name)
    for long, short in ((here, there), (here.parent, there.parent)):
        prefix = "" if short == Path() else f"{printable(str(short))}"
        text = text.replace(printable(str(long)) + ("" if prefix else os.sep), prefix)
    return printable(text)


@lru_cache(maxsize=4)
def _annotator(settings: str) -> Annotator:
    return Annotator(Settings(**json.loads(settings)))


def classify_record(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    on_error: Literal["raise", "row"] = "raise",
    **settings: Any,
) -> Any:
    """Classify a recording into one row of an Arrow table: to map over paths in any engine.

    Parameters
    ----------
    path : str or path
        A recording, as for `read_record`.
    name : str, optional
        What the column ``recording`` holds; the path by default.
    on_error : {"raise", "row"}
        With "row" a recording that cannot be read is a row too, with the reason in ``error``.
    **settings
        Fields of `Settings`, such as ``model`` or ``method``.

    Returns
    -------
    pyarrow.Table
        One row: the columns of the table of records, ``error`` (null where all went well), and
        ``beats`` and ``events``, lists of the rows of those tables. The number of beats, which the
        table of records calls ``beats``, is ``n_beats`` here.

    Raises
    ------
    RecordError, InputError, MissingExtraError
        If the recording cannot be read, unless `on_error` is "row".
    ModelError
        If the model cannot be used.

    Notes
    -----
    The model is loaded once in each process.

    Examples
    --------
    >>> from ecgfast import classify_record
    >>> table = classify_record("mitdb/208")                    # doctest: +SKIP
    >>> table["v_per_hour"][0].as_py()                          # doctest: +SKIP
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"path must be the path of a recording, got {type(path).__name__}: samples in the "
            "memory go to stream_classify"
        )
    pa = arrow()
    annotator = _annotator(json.dumps(Settings(**settings).to_dict()))
    shown = os.fspath(path) if name is None else name
    parts = {}
    for table in ("beats", "events"):
        parts[table] = pa.list_(pa.struct([f for f in schema(table) if f.name != "recording"]))
    try:
        found = annotator(path, shown)
    except Exception as error:
        if on_error != "row":
            raise
        row = dict.fromkeys(schema("records").names)
        row["recording"] = printable(shown)
        rows = row_table("records", [row])
        problem: str | None = reason_of(error, path, shown)
        lists = {table: pa.array([None], kind) for table, kind in parts.items()}
    else:
        rows, problem = row_table("records", [found.row]), None
        lists = {}
        tables = {
            "beats": beat_table([(shown, found.beats)]),
            "events": event_table(found.events),
        }
        for table, kind in parts.items():
            one = tables[table].drop_columns(["recording"])
            columns = [column.combine_chunks() for column in one.columns]
            values = pa.StructArray.from_arrays(columns, fields=list(one.schema))
            ends = np.array([0, one.num_rows], np.int32)
            lists[table] = pa.ListArray.from_arrays(ends, values.cast(kind.value_type))
    rows = rows.rename_columns([{"beats": "n_beats"}.get(c, c) for c in rows.column_names])
    rows = rows.append_column("error", pa.array([problem], pa.string()))
    for table, values in lists.items():
        rows = rows.append_column(table, values)
    return rows
