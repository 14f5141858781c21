"""``ecgfast evaluate rhythm``: rhythm events against reference annotations."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import read_record
from .errors import UsageError
from .evaluate_output import missing_text, show_tables
from .options import data_folder
from .output import number_text, progress

if TYPE_CHECKING:
    from ..evaluation.episodes import EpisodeScore, RowScore
    from ..evaluation.rhythm_alarms import AlarmScore, PauseScores
    from ..evaluation.rhythm_fibrillation import FibrillationScores, StripScores
    from ..reports.table import Table

__all__ = ["NAME", "inputs", "run", "score"]

#: What stands in place of a model's name.
NAME = "rhythm"

#: Databases that are needed.
_NEEDED = ("mitdb", "nsrdb", "nstdb", "cinc2017")


def inputs(args: argparse.Namespace) -> list[str | Path]:
    """The files that are read."""
    return [data_folder(args)]


def run(args: argparse.Namespace) -> None:
    """Score the rhythm events."""
    lines, tables, figures = score(data_folder(args))
    command = shlex.join(["ecgfast", "evaluate", NAME])
    show_tables(args, "Rhythm events", lines, tables, {"command": command, **figures})


def score(data: Path) -> tuple[list[str], list[Table], dict[str, Any]]:
    """Score the rhythm events on the recordings of a folder.

    Parameters
    ----------
    data : path
        Holds mitdb/, nsrdb/, nstdb/ and cinc2017/.

    Returns
    -------
    list of str, list of Table, dict
        What was done, the tables, and all figures under plain names.

    Raises
    ------
    UsageError
        If a database is not there.
    RecordError
        If a database is empty, or a record is missing without which a table cannot be made.
    """
    from ..evaluation import rhythm_alarms, rhythm_fibrillation, rhythm_rows
    from ..evaluation.mitdb import DS2
    from ..evaluation.other_rhythm import lian_2011, zhou_2014
    from ..evaluation.rhythm_alarms import NOISE
    from ..runtime import Classifier
    from ..training.datasets.splits import check_records, missing_records, record_names

    absent = [name for name in _NEEDED if not (data / name).is_dir()]
    if absent:
        raise UsageError(f"--data {data}: has no folder {', '.join(absent)}")
    for name in _NEEDED:
        record_names(data, name)
    check_records(data, [f"mitdb/{name}" for name in ("100", *DS2)], "the records of rows")
    check_records(data, ["mitdb/118", *NOISE], "the records of noise")
    classifier = Classifier("beats")
    mitdb, healthy = data / "mitdb", _records(data / "nsrdb")
    fibrillation = rhythm_fibrillation.evaluate_fibrillation(
        mitdb,
        classifier,
        others={"Lian 2011, RR only": lian_2011, "Zhou 2014, RR only": zhou_2014},
        progress=_bar("mitdb"),
    )
    strips = rhythm_fibrillation.evaluate_strips(
        data / "cinc2017", classifier, progress=_bar("cinc2017")
    )
    rows = rhythm_rows.evaluate_rows(mitdb, classifier, progress=_bar("DS2"))
    pauses = rhythm_alarms.evaluate_pauses(
        [*healthy, mitdb / "100"], classifier, progress=_bar("pauses")
    )
    people = rhythm_alarms.evaluate_alarms(map(read_record, healthy), classifier)
    noise = rhythm_alarms.evaluate_alarms(rhythm_alarms.noise_recordings(data), classifier)
    lines = [
        "Episodes and rows of beats are counted as in ANSI/AAMI EC57. Beats are detected, and "
        "labelled by the model `beats`, unless a row says reference.",
        "Atrial fibrillation: each recording of mitdb is scored with a model that never saw its "
        "patient, each strip of cinc2017 with one that never saw the strip (cinc2017 does not "
        "publish which strips are of one patient). Records with a pacemaker are left out.",
    ]
    missing = missing_records(data, _NEEDED)
    lines += [missing_text(*one) for one in missing.items()]
    tables = [
        _fibrillation_table(fibrillation),
        _fibrillation_records(fibrillation[0]),
        _strips_table(strips),
        _rows_table(rows),
        _pauses_table(pauses),
        _alarms_table("Healthy people (nsrdb): false alarms", people),
        _alarms_table("Noise alone (nstdb): false alarms", noise),
    ]
    figures = {
        "fibrillation": [one.to_dict() for one in fibrillation],
        "strips": strips.to_dict(),
        "rows": {kind: [one.to_dict() for one in some] for kind, some in rows.items()},
        "pauses": pauses.to_dict(),
        "healthy": [one.to_dict() for one in people],
        "noise": [one.to_dict() for one in noise],
    }
    if missing:
        figures["missing_records"] = missing
    return lines, tables, figures


def _records(folder: Path) -> list[Path]:
    return [path.with_suffix("") for path in sorted(folder.glob("*.hea"))]


def _bar(what: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    return lambda items: progress(items, total=len(items), what=what, unit="record")


def _rates(one: EpisodeScore) -> list[str]:
    rates = (
        one.duration_sensitivity,
        one.duration_predictivity,
        one.episode_sensitivity,
        one.episode_predictivity,
    )
    return [number_text(rate, 1) for rate in rates]


def _fibrillation_table(scores: Sequence[FibrillationScores]) -> Table:
    from ..evaluation.episodes import EpisodeScore
    from ..reports.table import Table

    rows = []
    for one in scores:
        for what, records in (
            ("fibrillation; flutter set aside", one.records),
            ("fibrillation; flutter, ventricular rhythms in it set aside", one.ventricular_apart),
            ("fibrillation and flutter", one.with_flutter),
        ):
            total = EpisodeScore.total(records)
            rows.append([one.name, what, number_text(total.reference_s, 0), *_rates(total)])
    columns = ["detector", "reference", "s", "duration Se, %", "duration +P, %"]
    columns += ["episode Se, %", "episode +P, %"]
    heading = f"Atrial fibrillation on mitdb, {len(scores[0].records)} records"
    return Table(heading, columns, rows, left=2)


def _fibrillation_records(scores: FibrillationScores) -> Table:
    from ..reports.table import Table

    rows = [
        [
            one.record,
            *(number_text(x, 0) for x in (one.reference_s, one.test_s, one.both_s)),
            str(one.episodes),
            str(one.test_episodes),
            *(number_text(x, 0) for x in astuple(false)),
        ]
        for one, false in zip(scores.records, scores.false_times, strict=True)
        if one.reference_s or one.test_s
    ]
    columns = ["record", "reference, s", "found, s", "both, s", "episodes", "found"]
    columns += ["false: early, s", "late", "ventricular rhythm within", "other within", "alone"]
    return Table("Atrial fibrillation, record by record; flutter set aside", columns, rows)


def _strips_table(one: StripScores) -> Table:
    from ..reports.table import Table

    row = [f"{one.tp + one.fn}", f"{one.tp}", f"{one.fp + one.tn}", f"{one.fp}"]
    row += [number_text(one.f1, 3), f"{one.others}", f"{one.others_called}"]
    columns = ["fibrillation", "found", "normal", "false", "F1", "other", "called fibrillation"]
    return Table("Strips of cinc2017", columns, [row])


def _rows_table(scores: dict[str, list[RowScore]]) -> Table:
    from ..reports.table import Table

    rows = [
        [
            beats,
            one.kind,
            str(one.reference),
            str(one.found),
            str(one.test),
            str(one.right),
            number_text(one.sensitivity, 1),
            number_text(one.positive_predictivity, 1),
        ]
        for beats, some in scores.items()
        for one in some
    ]
    columns = ["beats", "row", "reference", "found", "reported", "right", "Se, %", "+P, %"]
    return Table("Rows of ventricular beats on DS2", columns, rows, left=2)


def _pauses_table(one: PauseScores) -> Table:
    from ..reports.table import Table

    per_day = 24.0 * one.false / one.hours
    row = [f"{one.inserted}", f"{one.found}", f"{one.false}", number_text(one.hours, 1)]
    columns = ["inserted", "found", "false", "hours", "false per 24 h"]
    return Table(
        "Pauses of 2.05 to 8 s inserted into nsrdb and mitdb 100, half of them with P waves",
        columns,
        [[*row, number_text(per_day, 1)]],
    )


def _alarms_table(heading: str, scores: Sequence[AlarmScore]) -> Table:
    from ..reports.table import Table

    rows = [
        [
            one.record,
            number_text(one.hours, 2),
            str(len(one.alarms)),
            str(one.runs),
            str(one.pauses),
            number_text(100.0 * one.noise, 1),
            f"{one.beats:,}",
        ]
        for one in scores
    ]
    columns = ["record", "hours", "critical", "ventricular runs", "pauses", "noise, %", "beats"]
    return Table(heading, columns, rows)
