"""The tables of an archive: their columns, and the rows of one recording."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..extras import need
from ..reports.analysis import Analysis
from ..reports.figures import main_figures
from ..rhythm import EventKind, Severity
from ..runtime.decision import REJECTED
from ..streaming import Beat

__all__ = [
    "COLUMNS",
    "TABLES",
    "BeatColumns",
    "Columns",
    "arrow",
    "beat_table",
    "event_rows",
    "event_table",
    "record_row",
    "row_table",
    "schema",
    "without_pandas",
]

Columns: TypeAlias = dict[str, npt.NDArray[Any]]

#: The tables that hold results; `failures` lists the recordings without.
TABLES = ("records", "beats", "events")

# Kinds of events that have a count and seconds in the table of records.
_COUNTED = (
    EventKind.ATRIAL_FIBRILLATION,
    EventKind.VENTRICULAR_FLUTTER,
    EventKind.PAUSE,
    EventKind.ASYSTOLE,
    EventKind.BRADYCARDIA,
    EventKind.TACHYCARDIA,
    EventKind.EXTREME_BRADYCARDIA,
    EventKind.EXTREME_TACHYCARDIA,
)

_COUNTED_COLUMNS = [(str(kind), f"{kind}_s") for kind in _COUNTED]

#: Columns of each table: name, type (as `schema` spells it) and meaning.
COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "records": (
        ("recording", "text", "path from the archive's folder; names the recording in every table"),
        ("format", "word", "file format"),
        ("bytes", "int64", "size of the recording's files"),
        (
            "sha256",
            "text",
            "checksum of the recording's files, one after the other in order of name",
        ),
        ("start", "time", "when the first sample was taken, where the file says so"),
        ("fs", "float64", "sampling rate in Hz"),
        ("duration", "float64", "seconds"),
        ("leads", "words", "leads in use"),
        (
            "labelled_leads",
            "words",
            "those that the model labelled, the first that carry a signal: mean of their log-odds",
        ),
        ("beats", "int32", "beats, without flutter waves"),
        ("n", "int32", "beats labelled N"),
        ("s", "int32", "beats labelled S"),
        ("v", "int32", "beats labelled V"),
        ("f", "int32", "beats labelled F"),
        ("q", "int32", "beats labelled Q"),
        ("rejected", "int32", "beats without a label (`--reject`)"),
        ("flutter_waves", "int32", "detections that are waves of ventricular flutter"),
        ("heart_rate", "float64", "mean rate of good signal, beats per minute"),
        ("heart_rate_min", "float64", "lowest rate over eight RR intervals"),
        ("heart_rate_max", "float64", "highest rate over eight RR intervals"),
        ("longest_rr", "float64", "longest RR interval or pause in s"),
        ("v_share", "float64", "share of V among the beats, 0 to 1"),
        ("v_per_hour", "float64", "V beats per hour of readable signal"),
        ("v_couplets", "int32", "ventricular couplets"),
        ("v_runs", "int32", "ventricular runs of three beats or more"),
        ("v_longest_run", "int32", "beats of the longest ventricular run"),
        ("v_fastest_run", "float64", "rate of the fastest ventricular run, beats per minute"),
        ("r_on_t", "int32", "V beats on the T wave"),
        ("s_share", "float64", "share of S among the beats, 0 to 1"),
        ("s_per_hour", "float64", "S beats per hour of readable signal"),
        ("s_couplets", "int32", "supraventricular couplets"),
        ("s_runs", "int32", "supraventricular runs of three beats or more"),
        ("s_longest_run", "int32", "beats of the longest supraventricular run"),
        *(
            column
            for kind in _COUNTED
            for column in (
                (f"{kind}", "int32", f"events: {kind.text}"),
                (f"{kind}_s", "float64", f"seconds: {kind.text}"),
            )
        ),
        (
            "af_burden",
            "float64",
            "share of the readable time in atrial fibrillation, 0 to 1; null below 30 s",
        ),
        ("high", "int32", "events of high severity"),
        ("high_kinds", "words", "their kinds"),
        ("lost", "float64", "seconds in which no lead can be read"),
        ("lost_share", "float64", "the same as a share of the duration, 0 to 1"),
        ("bad_beats_share", "float64", "share of beats in bad signal, 0 to 1"),
        ("notes", "words", "what reading the file assumed"),
        ("model", "word", "model"),
        ("model_sha256", "word", "checksum of the model's file"),
        ("version", "word", "version of ecgfast"),
        ("parameters", "word", "parameters other than the defaults, as JSON"),
    ),
    "beats": (
        ("recording", "text", "as in records"),
        ("sample", "int64", "R peak, as an index into the recording"),
        ("time", "float64", "the same in s"),
        ("label", "word", "AAMI class N, S, V, F or Q; ? where rejected"),
        ("probability", "float32", "probability of the label"),
        ("rr", "float32", "RR interval to the previous beat in s"),
        ("heart_rate", "float32", "beats per minute: median of eight RR intervals"),
        ("quality", "int16", "bits of `ecgfast.Quality`"),
        ("good", "bool", "good signal, and no stretch of noise"),
        ("flutter", "bool", "a wave of ventricular flutter, which is no beat"),
    ),
    "events": (
        ("recording", "text", "as in records"),
        ("kind", "word", "kind of `ecgfast.EventKind`"),
        ("start", "int64", "first sample"),
        ("end", "int64", "last sample"),
        ("start_time", "float64", "the same in s"),
        ("end_time", "float64", "the same in s"),
        ("severity", "word", "info, low, medium or high"),
        ("confidence", "float32", "0 to 1; a rank, no calibrated probability"),
        ("beats", "int32", "beats that it rests on"),
        ("rate", "float32", "mean rate in it, beats per minute"),
        ("lead", "word", "lead, for events of one lead"),
    ),
    "failures": (
        ("recording", "text", "path from the archive's folder, or what was given to find it"),
        ("reason", "text", "why it has no results"),
    ),
}


def arrow(part: str = "") -> Any:
    """Import pyarrow, or a part of it such as "parquet".

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return need(f"pyarrow.{part}" if part else "pyarrow", "Annotating an archive", "archive")


def without_pandas() -> None:
    """Keep pyarrow from importing pandas in this process, which it does to recognise its values.

    For a process whose tables become no DataFrames: it saves half a second and 60 MB.
    """
    pa = arrow()
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.array([0])  # pyarrow looks once
    finally:
        sys.meta_path.remove(_NoPandas)


class _NoPandas:
    """A finder for which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


@cache
def schema(table: str) -> Any:
    """Return the Arrow schema of a table.

    Parameters
    ----------
    table : str
        One of `COLUMNS`.

    Returns
    -------
    pyarrow.Schema
        Each column with its meaning, and the layout's version.
    """
    from .settings import LAYOUT

    pa = arrow()
    types = {
        "text": pa.string(),
        "word": pa.string(),
        "words": pa.list_(pa.string()),
        "time": pa.timestamp("us"),
        "bool": pa.bool_(),
        **{name: getattr(pa, name)() for name in ("int16", "int32", "int64", "float32", "float64")},
    }
    fields = [
        pa.field(name, types[kind], metadata={"meaning": meaning})
        for name, kind, meaning in COLUMNS[table]
    ]
    return pa.schema(fields, metadata={"ecgfast": f"{table}, layout {LAYOUT}"})


class BeatColumns:
    """The beats of one recording as columns, the way they come."""

    def __init__(self) -> None:
        self._probability, self._rr, self._rate = array("f"), array("f"), array("f")
        self._quality = array("h")

    def add(self, beats: Sequence[Beat]) -> None:
        """Take the next beats."""
        for beat in beats:
            self._probability.append(beat.probability)
            self._rr.append(beat.rr)
            self._rate.append(beat.heart_rate)
            self._quality.append(int(beat.quality))

    def of(self, found: Analysis) -> Columns:
        """Return the columns of the table of beats, but for the recording's name.

        Parameters
        ----------
        found : Analysis
            Of the same beats.

        Returns
        -------
        dict of str to ndarray, shape (beats,)
        """
        return {
            "sample": found.sample,
            "time": found.time,
            "label": found.label,
            "probability": np.array(self._probability, np.float32),
            "rr": np.array(self._rr, np.float32),
            "heart_rate": np.array(self._rate, np.float32),
            "quality": np.array(self._quality, np.int16),
            "good": found.good,
            "flutter": found.flutter,
        }


def beat_table(recordings: Sequence[tuple[str, Columns]]) -> Any:
    """Make the table of beats.

    Parameters
    ----------
    recordings : sequence of (str, dict)
        Name and columns of each.

    Returns
    -------
    pyarrow.Table
    """
    pa = arrow()
    if not recordings:
        return row_table("beats", [])
    values: dict[str, Any] = {
        name: np.concatenate([columns[name] for _, columns in recordings])
        for name in recordings[0][1]
    }
    counts = [len(columns["sample"]) for _, columns in recordings]
    names = pa.array([name for name, _ in recordings], pa.string())
    which = np.repeat(np.arange(len(recordings)), counts)
    values["recording"] = names.take(pa.array(which))
    values["label"] = pa.array(values["label"].tolist(), pa.string())
    for name in ("rr", "heart_rate"):  # what is not defined is null, as every reader knows it
        values[name] = pa.array(values[name], from_pandas=True)
    return _table("beats", values)


def event_rows(recording: str, found: Analysis) -> list[tuple[Any, ...]]:
    """Make the rows of the table of events, values in the order of its columns.

    Parameters
    ----------
    recording : str
        Its name.
    found : Analysis

    Returns
    -------
    list of tuple
    """
    return [
        (
            recording,
            str(event.kind),
            event.start,
            event.end,
            event.start_time,
            event.end_time,
            str(event.severity),
            event.confidence,
            event.n_beats,
            _number(event.rate),
            None if event.lead is None else found.leads[event.lead],
        )
        for event in found.events
    ]


def event_table(rows: Sequence[tuple[Any, ...]]) -> Any:
    """Make the table of events of what `event_rows` returned."""
    names = [name for name, _, _ in COLUMNS["events"]]
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return _table("events", dict(zip(names, map(list, columns), strict=True)))


def record_row(recording: str, found: Analysis, about: Mapping[str, Any]) -> dict[str, Any]:
    """Make the row of the table of records.

    Parameters
    ----------
    recording : str
        Its name.
    found : Analysis
    about : mapping
        ``format``, ``bytes``, ``sha256``, ``start``, ``model``, ``model_sha256`` and ``version``.

    Returns
    -------
    dict
        Values by column; None where something is not defined.
    """
    figures = main_figures(found)
    beats, rate, quality = figures["beats"], figures["rate"], figures["quality"]
    ectopy = {name.lower(): counts for name, counts in figures["ectopy"].items()}
    rhythm = {row["kind"]: row for row in figures["rhythm"]}
    high = [event for event in found.events if event.severity is Severity.HIGH]
    by_class = beats["by_class"]
    row: dict[str, Any] = {
        "recording": recording,
        **about,
        "start": about["start"] and about["start"].replace(tzinfo=None),
        "fs": found.fs,
        "duration": found.duration,
        "leads": list(found.leads),
        "labelled_leads": list(found.labelled_leads),
        "beats": beats["total"],
        **{label.lower(): by_class[label] for label in "NSVFQ"},
        "rejected": by_class.get(REJECTED, 0),
        "flutter_waves": beats["flutter_waves"],
        "heart_rate": rate["mean"],
        "heart_rate_min": rate["minimum"] and rate["minimum"]["rate"],
        "heart_rate_max": rate["maximum"] and rate["maximum"]["rate"],
        "longest_rr": rate["longest_rr"] and rate["longest_rr"]["seconds"],
        "r_on_t": ectopy["v"]["r_on_t"],
        "v_fastest_run": _of(ectopy["v"]["fastest_run"], "rate"),
        "af_burden": rhythm[str(EventKind.ATRIAL_FIBRILLATION)]["burden"],
        "high": len(high),
        "high_kinds": sorted({str(event.kind) for event in high}),
        "lost": quality["lost_seconds"],
        "lost_share": quality["lost_share"],
        "bad_beats_share": quality["beats_in_bad_signal_share"],
        "notes": list(found.notes),
    }
    for label, counts in ectopy.items():
        row[f"{label}_longest_run"] = _of(counts["longest_run"], "beats") or 0
        for name in ("share", "per_hour", "couplets", "runs"):
            row[f"{label}_{name}"] = counts[name]
    for name, seconds in _COUNTED_COLUMNS:
        row[name] = rhythm[name]["count"]
        row[seconds] = rhythm[name]["seconds"]
    return {name: _number(row[name]) for name, _, _ in COLUMNS["records"]}


def row_table(table: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Make an Arrow table of rows.

    Parameters
    ----------
    table : str
        One of `COLUMNS`.
    rows : sequence of mapping
        Values by column.

    Returns
    -------
    pyarrow.Table
    """
    if not rows:  # from values pyarrow would import pandas first
        return arrow().Table.from_batches([], schema(table))
    return _table(table, {name: [row[name] for row in rows] for name, _, _ in COLUMNS[table]})


def _of(found: Mapping[str, Any] | None, name: str) -> Any:
    return None if found is None else found[name]


def _number(value: Any) -> Any:
    """None for a number that is not defined."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(table: str, values: Mapping[str, Any]) -> Any:
    pa = arrow()
    layout = schema(table)
    columns = []
    for name in layout.names:
        value = values[name]
        ready = isinstance(value, pa.Array)
        columns.append(value if ready else pa.array(value, layout.field(name).type))
    return pa.table(columns, schema=layout)
