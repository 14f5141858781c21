"""``ecgfast evaluate MODEL``: a model's outputs against reference annotations."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import no_card
from ..printable import counted
from ..runtime.cards import LOOKAHEAD_LABELS, models_folder
from ..runtime.decision import Decision
from .completion import complete_by, precisions, recipes
from .errors import UsageError
from .evaluate_output import command_text, missing_text, show_tables
from .labelling import decision_for
from .libraries import import_keras, quiet_libraries
from .options import (
    DECISION_OPTIONS,
    add_decision,
    add_old_option,
    data_folder,
    lead_list_text,
    refuse_options,
)
from .overwriting import model_files
from .settings import add_set, set_recipe

if TYPE_CHECKING:
    from .._types import Report
    from ..evaluation import BeatModelScores, FalseAlarms, StripCalls
    from ..reports.table import Table
    from ..runtime import Classifier

__all__ = ["OPTIONS", "add_options", "inputs", "run"]

#: Options that only a model has.
OPTIONS = ("data", "precision", "recipe", "set", "work", *DECISION_OPTIONS)


# Built-in models of which a page of the sources says what their inputs are worth.
_WITH_PAGE = ("beats",)
_NO_TEST = "These records train this model, and are no test of it"

# Records of a whole database up to which a heading names each.
_LISTED = 8
_SAME_PERSON = "202 is the person of 201 in DS1"
_PROBABILITIES = (
    "Probabilities, thresholds and rejections are of reference beats. Promised: by "
    "cross-validation over the training patients, where thresholds come from. Reached: on "
    "the records above. Each threshold alone, but for a decision asked for, whose "
    "thresholds work together; the tables of classes count the most probable class. A "
    "star: patients of other recordings did not keep what was promised."
)


@dataclass(frozen=True)
class _Records:
    """The records that are scored, as headings name them."""

    databases: str
    names: list[str]
    split: str
    shared: bool  # a person of the training part is among them
    trained: str  # which of them train the model; "" for none
    paced: str  # which of them are paced; "" for none


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `OPTIONS`."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="with MODEL: folder that holds mitdb/, and nsrdb/ and cinc2017/ for false S and V per "
        "hour (default: ECGFAST_DATA)",
    )
    recipe = parser.add_argument(
        "--recipe", help="with MODEL: what it was trained by (default: the recipe of its name)"
    )
    complete_by(recipe, recipes, ".json")
    add_set(parser)
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="with MODEL: write confusion matrices, classification reports and curves into "
        "DIR/scores, as JSON, text and pictures",
    )
    precision = parser.add_argument(
        "--precision", help="with MODEL: precision to score, such as int8 (default: float32)"
    )
    complete_by(precision, precisions)
    add_old_option(parser, "--form", "--precision")
    add_decision(parser)


def inputs(args: argparse.Namespace) -> list[str | Path]:
    """The files that are read."""
    given = [args.recipe, args.data or os.environ.get("ECGFAST_DATA")]
    return [*model_files(args.model), *filter(None, given)]


def run(args: argparse.Namespace) -> None:
    """Score a model on the test part of its recipe."""
    quiet_libraries()
    from ..evaluation import AAMI_CLASSES
    from ..runtime import Classifier

    classifier = Classifier(args.model, precision=args.precision)
    window = classifier.window
    if (
        window is not None
        and classifier.classes == tuple(AAMI_CLASSES)
        and (args.records or window.kind == "beat")
    ):
        _score_beats(args, classifier)
    else:
        _score_task(args, classifier)


def _score_task(args: argparse.Namespace, classifier: Classifier) -> None:
    """Every precision of a model on the test part of its recipe."""
    from ..training.datasets.splits import missing_records
    from ..training.recipes.recipe import Recipe, recipe_names
    from ..training.tasks import checked_test_sets, load_task

    card = classifier.card
    if card is None or card.path is None:
        raise no_card(classifier.path, "what it is for")
    refuse_options(
        args,
        ("precision", "leads", "records", *DECISION_OPTIONS),
        f"goes with models of beats, not with {card.name}",
    )
    if args.recipe is None and card.name not in recipe_names():
        raise UsageError(
            f"--recipe is missing: {card.name} is no built-in recipe. Name the one by which it was "
            f"trained, and give --set as there ({card.command})"
        )
    recipe, _ = set_recipe(Recipe.load(args.recipe or card.name), (), args.set)
    folder = None if args.work is None else args.work / "scores"
    task, data = load_task(recipe.task), data_folder(args)
    if task.name != card.task:
        raise UsageError(
            f"--recipe {recipe.name}: makes models of {task.name}, and {card.name} is one of "
            f"{card.task}"
        )
    report: Report = _ignore
    if task.trains_to_score:
        import_keras()
        report = _report_progress
    missing = missing_records(data, task.databases(recipe))
    metrics = task.score_precisions(card.path, data, recipe, report, folder=folder)
    part = "by cross-validation" if task.trains_to_score else "on the test part"
    title = f"{card.name} {part} of its recipe"
    lines = [task.score_text] if task.score_text else []
    if args.set and task.trains_to_score:
        lines.append(f"Trained with {', '.join(args.set)}: not the recipe of this model.")
    lines += [_missing_text(*one, card.split) for one in missing.items()]
    lines += [f"{key}: {value}" for key, value in _short(card.split)] + _drawn(folder)
    if args.recipe is not None or args.set:  # perhaps not what it was trained by
        tests = checked_test_sets(task, recipe, data).values()
        tested = {name for part in tests for name in part.record.tolist()}
        if seen := sorted(tested & set(card.split.get("training", ()))):
            lines.insert(0, f"{_NO_TEST}: {', '.join(seen)}.")
    about: dict[str, Any] = {
        "model": card.name,
        "task": recipe.task,
        "command": command_text(_words(args), args),
    }
    if missing:
        about["missing_records"] = missing
    show_tables(args, title, lines, _headline_tables(metrics), {**about, "metrics": metrics})


def _ignore(line: str) -> None:
    """Take a line of progress, where there is no waiting for it."""


def _report_progress(line: str) -> None:
    """Print a line of progress; tables are printed at the end."""
    if "\n" not in line:
        print(line, file=sys.stderr, flush=True)


def _missing_text(database: str, names: Sequence[str], split: Mapping[str, Any]) -> str:
    """Say which recordings of a database are not there, and what that does to the figures."""
    text = missing_text(database, names)
    if split.get("patients on both sides") == "all":
        text += (
            " The split at random is another one without them: beats that train this model are "
            "among those scored."
        )
    return text


def _short(split: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The split of a card in lines that can be read: long lists cut, folds on the card alone."""
    from ..training.datasets.splits import listed

    for key, value in split.items():
        if isinstance(value, list):
            yield key, listed([str(one) for one in value], _LISTED)
        elif not isinstance(value, dict):
            yield key, str(value)


def _headline_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """The figures of each part that was scored; of a part with several outputs a table each."""
    parts = {title: part for title, part in metrics.items() if isinstance(part, dict)}
    nested = {
        title: {name: one for name, one in part.items() if isinstance(one, dict)}
        for title, part in parts.items()
    }
    flat = {title: part for title, part in parts.items() if not nested[title]}
    tables = [_figures_table(title, rows) for title, rows in nested.items() if rows]
    return [*tables, *([_figures_table("", flat)] if flat or not tables else [])]


def _figures_table(heading: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Figures by name, a row for each of whose they are."""
    from ..reports.table import Table

    cells = {
        title: {name: text for name, x in figures.items() if (text := _figure_text(x))}
        for title, figures in rows.items()
    }
    names = list(dict.fromkeys(name for figures in cells.values() for name in figures))
    return Table(
        heading,
        ["", *names],
        [[title, *(figures.get(name, "-") for name in names)] for title, figures in cells.items()],
    )


def _figure_text(value: Any) -> str:
    """A figure of a card in a cell; empty for what is none."""
    if isinstance(value, dict) and "mmHg" in value:  # one group alone gives no interval
        between = ", ".join(f"{x:+.2f}" for x in value.get("interval_95", ()))
        return f"{value['mmHg']:+.2f}" + (f" [{between}]" if between else "")
    if isinstance(value, (int, float)):
        return f"{value:,.4g}"
    return value if isinstance(value, str) else ""


def _drawn(folder: Path | None) -> list[str]:
    """Draw the scores that were written into a folder; a line about it."""
    if folder is None:
        return []
    from ..reports.training import draw_score

    pictures = [picture for path in sorted(folder.glob("*.json")) for picture in draw_score(path)]
    return [f"Reports and {counted(len(pictures), 'picture')} are in {folder}."]


def _score_beats(args: argparse.Namespace, classifier: Classifier) -> None:
    """AAMI beat classes on records of mitdb."""
    from ..evaluation import evaluate_beat_model, evaluate_false_alarms
    from ..evaluation.beat_model import PUBLISHED
    from ..reports.table import Table
    from ..training.datasets.splits import check_records, patient_of
    from .beat_tables import (
        DATABASE,
        class_tables,
        false_alarm_tables,
        false_alarms_of_records,
        false_rate_table,
        left_out_of_training,
        left_out_table,
        patient_table,
        probability_tables,
    )

    refuse_options(args, ("recipe", "set"), "does not go with a model of beats; give --records")
    decision = decision_for(args)
    for ahead in range(len(LOOKAHEAD_LABELS)):
        decision.rule(classifier, ahead)  # what is not offered is said before the work
    folder = data_folder(args)
    chosen = _named(folder, args.records) if args.records else _test_part(classifier)
    check_records(folder, ["/".join(one) for one in chosen], "what is to be scored")
    records = _described(folder, chosen, _learnt(classifier))
    leads: Any = args.leads or [0]
    settings: dict[str, Any] = {
        "leads": None if leads == "all" else leads,
        "progress": sys.stderr.isatty(),
    }
    scores = evaluate_beat_model(
        classifier,
        folder,
        [(database, name, patient_of(database, name)) for database, name in chosen],
        **settings,
    )
    lines = _legend(records, leads)
    name = args.model if classifier.card is None else classifier.card.name
    precision = "" if classifier.precision is None else f" ({classifier.precision})"
    title = f"Beat classes of {name}{precision} on {records.databases} {records.split}"
    tables = [table for score in scores for table in class_tables(score)]
    tables.append(patient_table(scores))
    false = false_alarms_of_records(scores)
    tables.append(false_rate_table(false))
    healthy: list[FalseAlarms] = []
    strips: list[StripCalls] = []
    left_out: dict[str, dict[str, float]] = {}
    if not args.records:
        left_out = left_out_of_training({} if classifier.card is None else classifier.card.metrics)
        if left_out:
            tables.append(left_out_table(left_out))
        healthy, strips = evaluate_false_alarms(classifier, folder, **settings)
        tables += false_alarm_tables(healthy, strips)
        lines += _apart(classifier, bool(healthy), bool(strips))
    probabilities = _probabilities(classifier, scores, decision)
    if probabilities:
        tables += [table for one in probabilities for table in probability_tables(one)]
        lines.append(_PROBABILITIES)
    if name in _WITH_PAGE and classifier.path.parent == models_folder():
        lines.append(
            f"One seed of training is no result: docs/{name}-spread.md of the sources has three, "
            f"docs/{name}-left-out.md whole databases left out of training, docs/{name}-inputs.md "
            "what its inputs and training data buy."
        )
    if records.databases == DATABASE:  # of others' recordings they are no measure
        heads = ["by", "figures, in %", "on"]
        tables.append(Table("Published figures of others", heads, PUBLISHED))
    if args.work is not None:
        lines += _write_scores(args.work / "scores", title, scores)
    figures = {
        "model": name,
        "form": classifier.precision,
        "database": records.databases,
        "records": records.names,
        "patients_on_both_sides": _SAME_PERSON if records.shared else "none",
        "command": command_text(_words(args), args),
        "scores": [score.to_dict() for score in scores],
        "false_alarms_of_records": [one.to_dict() for one in false],
        "false_alarms": [one.to_dict() for one in healthy],
        "strips": [one.to_dict() for one in strips],
        "people_left_out_of_training": left_out,
        "probabilities": probabilities,
    }
    show_tables(args, title, lines, tables, figures)


def _described(
    folder: Path, chosen: Sequence[tuple[str, str]], learnt: set[tuple[str, str]]
) -> _Records:
    """Return how headings name the records, and what a reader has to know of them."""
    from ..training.datasets.splits import DS2, PACED
    from .beat_tables import DATABASE

    databases = ", ".join(dict.fromkeys(database for database, _ in chosen))
    of_mitdb = [name for database, name in chosen if database == DATABASE]
    # By their plain names where all are of mitdb, as --records takes them.
    names = of_mitdb if databases == DATABASE else ["/".join(one) for one in chosen]
    split = "DS2" if set(names) == set(DS2) else _listed(folder, names, chosen)
    shared = "202" in of_mitdb and (DATABASE, "201") in learnt
    if shared:
        split += f" ({_SAME_PERSON})"
    seen = sorted(name for name, one in zip(names, chosen, strict=True) if one in learnt)
    paced = sorted(set(of_mitdb) & set(PACED))
    return _Records(
        databases,
        names,
        split,
        shared,
        f"{_NO_TEST}: {', '.join(seen)}." if seen else "",
        f"AAMI EC57 leaves paced records out; these are paced: {', '.join(paced)}."
        if paced
        else "",
    )


def _legend(records: _Records, leads: Any) -> list[str]:
    """What the tables count, above them."""
    several = leads == "all" or len(leads) > 1
    lines = [
        records.trained,
        f"{records.databases} {records.split}; AAMI classes, beats of N S V F Q by their WFDB "
        f"codes; {lead_list_text(leads)}{', mean of their log-odds' if several else ''}. "
        "Se: share of the class's beats that were called so, +P: share of the beats called so that "
        "are of the class, in %. In brackets 95 % intervals: bootstrap over patients, 2000 draws.",
        "With detected beats, a beat that was not found counts as missed in its class, and a false "
        "detection against the class that it was given.",
        records.paced,
    ]
    return [line for line in lines if line]


def _write_scores(folder: Path, title: str, scores: Sequence[BeatModelScores]) -> list[str]:
    """Write confusion matrices and pictures; the lines that say where."""
    from ..training.scoring import write_score
    from .beat_tables import point_text

    for score in scores:
        total = score.scores()
        write_score(folder, f"{title}, {point_text(score)}", total.classes, total.confusion)
    return _drawn(folder)


def _card_records(classifier: Classifier, part: str) -> list[tuple[str, str]]:
    """Database and name of the records of a part ("training", "test") of a model's card."""
    split = {} if classifier.card is None else classifier.card.split
    given = split.get(part, ())
    parts = [str(name).partition("/") for name in ([given] if isinstance(given, str) else given)]
    return [(database, name) for database, slash, name in parts if slash]


def _test_part(classifier: Classifier) -> list[tuple[str, str]]:
    """Records that test a model: those of its card, DS2 where it does not say."""
    from ..training.datasets.splits import DS2
    from .beat_tables import DATABASE

    return _card_records(classifier, "test") or [(DATABASE, name) for name in DS2]


def _named(data: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """Records that were asked for: of mitdb by plain names, DATABASE/NAME, or all of a database."""
    from ..training.datasets.splits import named_records
    from .beat_tables import DATABASE

    found: list[tuple[str, str]] = []
    for name in names:
        plain = "/" not in name and (
            (data / DATABASE / f"{name}.hea").exists() or not (data / name).is_dir()
        )
        if plain:
            found.append((DATABASE, name))
        else:
            found += [(database, one) for database, one, _ in named_records(data, [name])]
    return list(dict.fromkeys(found))


def _listed(data: Path, names: Sequence[str], chosen: Sequence[tuple[str, str]]) -> str:
    """The records by name; of one whole database, how many."""
    from ..training.datasets.splits import record_names

    databases = {database for database, _ in chosen}
    if len(databases) == 1 and len(chosen) > _LISTED:
        whole = record_names(data, *databases)
        if sorted(name for _, name in chosen) == sorted(whole):
            return f"all {len(chosen)} records"
    return "records " + ", ".join(names)


def _learnt(classifier: Classifier) -> set[tuple[str, str]]:
    """Records that train a model: those of its card, DS1 of mitdb where it does not say."""
    from ..training.datasets.splits import DS1
    from .beat_tables import DATABASE

    records = _card_records(classifier, "training")
    return set(records or [(DATABASE, name) for name in DS1])


def _apart(classifier: Classifier, healthy: bool, strips: bool) -> list[str]:
    """What false S and V were counted on, what is not there, and what the model learnt from."""
    from ..evaluation.false_alarms import HEALTHY, STRIPS

    absent = [name for name, there in ((HEALTHY, healthy), (STRIPS, strips)) if not there]
    lines = []
    if healthy or strips:
        lines.append(
            "A false S or V is a beat called so that is none, a false detection among them. Beats "
            "of strips have no reference labels: in fibrillation and normal rhythm none is S."
        )
    if absent:
        lines.append(f"False S and V per hour: no {' and no '.join(absent)} in the data folder.")
    learnt = {} if classifier.card is None else classifier.card.split
    names = [str(name).partition("/")[0] for name in learnt.get("training", ())]
    for name in sorted({HEALTHY, STRIPS} & set(names)):
        lines.append(
            f"{name} is in the training of this model, and no test of it: its results for people "
            "left out of training are of its card, by cross-validation."
        )
    return lines


def _probabilities(
    classifier: Classifier, scores: Sequence[BeatModelScores], decision: Decision
) -> list[dict[str, Any]]:
    """What probabilities are worth on reference beats, with the decision asked for."""
    from ..evaluation import evaluate_decision, evaluate_probabilities

    found = []
    for score in scores:
        if score.beats == "reference" and (figures := evaluate_probabilities(classifier, score)):
            asked_for = evaluate_decision(classifier, score, decision)
            found.append({**figures, **({"asked for": asked_for} if asked_for else {})})
    return found


def _words(args: argparse.Namespace) -> list[str]:
    """The command's own options, as given."""
    words = [Path(args.model).name, "--data", "DATA"]
    words += ["--precision", args.precision] if args.precision else []
    words += ["--recipe", Path(args.recipe).name] if args.recipe else []
    return [*words, *(word for text in args.set for word in ("--set", text))]
