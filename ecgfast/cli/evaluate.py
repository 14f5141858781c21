"""``ecgfast evaluate``: detections and labels against reference annotations."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..decision import Decision
from ..errors import ModelError
from ..evaluation.detector import (
    STARTED_S,
    DetectorScores,
    Method,
    annotated_records,
    evaluate_detector,
    own_detector,
)
from ..evaluation.ec57 import LEARNING_S, TOLERANCE_S, DetectionScore
from ..records import Record, read_record
from ..runtime.cards import VIEWS
from .errors import UsageError
from .options import add_decision, add_json, data_folder, decision_for, example
from .output import number_text, print_json, progress
from .overwriting import PAGE, SCORE, OutputGuard, add_force, model_files, record_files

if TYPE_CHECKING:
    from ..evaluation import BeatModelScores
    from ..reports.table import Table
    from ..runtime import Classifier

_DECISION = ("sensitivity", "positive_predictivity", "reject")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast evaluate``."""
    parser.description = (
        "Score detections and labels against reference annotations, beat by beat as AAMI EC57 "
        "counts them. With --detector: the R peaks of every annotated WFDB record in a folder, as "
        "reported live, and how late. With MODEL: the AAMI beat classes of a model on the test "
        "records (DS2) of mitdb, from reference beats and from its own detections; of a model with "
        "another task or another form of window, the test part of its recipe, each form of it."
    )
    parser.epilog = example(
        "ecgfast evaluate --detector recordings/mitdb --html detector.html\n"
        "  ecgfast evaluate beats --data recordings --sensitivity V=0.95"
    )
    parser.add_argument("model", nargs="?", help="a built-in model, a .tflite file or a card")
    parser.add_argument(
        "--detector", type=Path, metavar="DIR", help="folder of annotated WFDB records, or one"
    )
    parser.add_argument(
        "--method",
        choices=("adaptive", "pan-tompkins"),
        help="detector to score (default: adaptive)",
    )
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="report each beat at most this long after its R peak",
    )
    parser.add_argument(
        "--leads",
        type=_leads,
        metavar="NAME,...",
        help="leads to detect on, by name or column from 0, or all (default: 0); with a model of "
        "beats, each is labelled and the probabilities are averaged",
    )
    parser.add_argument(
        "--start",
        type=_seconds,
        action="append",
        metavar="S",
        help=f"set the first seconds aside (default: 0, and beside it {LEARNING_S:.0f} as in EC57)",
    )
    parser.add_argument(
        "--peers", action="store_true", help="score the detectors of other installed packages too"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="with MODEL: folder that holds mitdb/ (default: ECGFAST_DATA)",
    )
    parser.add_argument(
        "--recipe", help="with MODEL: what it was trained by (default: the recipe of its name)"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="with MODEL: write confusion matrices, classification reports and curves into "
        "DIR/scores, as JSON, text and pictures",
    )
    parser.add_argument("--form", help="with MODEL: form to score, such as int8 (default: float32)")
    parser.add_argument(
        "--records", type=_names, default=[], metavar="NAME,...", help="these records only"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of the tables")
    add_force(parser)
    add_decision(parser)
    add_json(parser, "all figures")


def _leads(text: str) -> list[str | int] | str:
    if text == "all":
        return text
    return [int(name) if name.isdecimal() else name for name in _names(text)]


def _lead_text(leads: Sequence[str | int] | str) -> str:
    if leads == "all":
        return "all leads"
    return f"lead{'' if len(leads) == 1 else 's'} {', '.join(map(str, leads))}"


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as 100,101")
    return names


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def run(args: argparse.Namespace) -> None:
    """Score the detector, or the model."""
    if (args.model is None) == (args.detector is None):
        raise UsageError("name a model, or the folder of recordings with --detector")
    if args.model is None:
        for option in ("data", "form", "recipe", "work", *_DECISION):
            if getattr(args, option):
                raise UsageError(
                    f"--{option.replace('_', '-')} goes with a model, not with --detector"
                )
        guard = _guard(args, [args.detector, *record_files(args.detector)])
        _score_detector(args)
        guard.report()
        return
    for option in ("method", "max_delay", "start", "peers"):
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')} goes with --detector, not with a model")
    given = [args.recipe, args.data or os.environ.get("ECGFAST_DATA")]
    guard = _guard(args, [*model_files(args.model), *filter(None, given)])
    _score_model(args)
    guard.report()


def _guard(args: argparse.Namespace, inputs: Sequence[str | Path]) -> OutputGuard:
    guard = OutputGuard(inputs, force=args.force)
    if args.html is not None:
        guard.check(args.html, PAGE, "--html")
    if args.work is not None:
        for path in sorted((args.work / "scores").glob("*.json")):
            guard.check(path, SCORE, "--work", quiet=True)
    return guard


# ------------------------------------------------------------------ detection


def _score_detector(args: argparse.Namespace) -> None:
    paths, left_out = annotated_records(args.detector, args.records)
    leads = args.leads or [0]
    method: Method = args.method or "adaptive"
    name = f"ecgfast {method}"
    if args.max_delay is not None:
        name += f", at most {args.max_delay:g} s"
    detectors = {name: own_detector(method, args.max_delay)}
    peers: list[str] = []
    if args.peers:
        from ..evaluation.peers import as_detector, installed_peers

        found = installed_peers()
        peers = list(found)
        detectors |= {peer: as_detector(found[peer]) for peer in peers}
    starts = sorted(set(args.start or (0.0, LEARNING_S)))

    def records() -> Iterator[Record]:
        what = args.detector.name
        for path in progress(paths, total=len(paths), what=what, unit="record"):
            yield read_record(path, leads=None if leads == "all" else leads)

    with warnings.catch_warnings():
        if peers:
            warnings.simplefilter("ignore")  # theirs are not about the figures
        scores = evaluate_detector(detectors, records(), starts=starts, forgiving=peers)
    about = {
        "records": len(paths),
        "left_out": left_out,
        "leads": leads,
        "method": method,
        "max_delay": args.max_delay,
        "tolerance_s": TOLERANCE_S,
        "command": _command(args),
    }
    folder = args.detector.resolve().name
    title = f"Detection on {folder}"
    lines = _detector_lines(about, left_out, peers, scores)
    tables = [_totals_table(scores), _records_table(scores[0])]
    _write(
        args,
        title,
        lines,
        tables,
        {"folder": folder, **about, "detectors": [score.to_dict() for score in scores]},
    )


def _detector_lines(
    about: dict[str, Any], left_out: list[str], peers: list[str], scores: list[DetectorScores]
) -> list[str]:
    lines = [
        f"{about['records']} records, {_lead_text(about['leads'])}; AAMI EC57: beats at most "
        f"{1e3 * TOLERANCE_S:.0f} ms apart match, one to one; ventricular flutter and fibrillation "
        "in the reference are left out. R peaks as reported live, no second pass.",
        "R error: found minus reference, over matched beats. R to report: from the R peak to the "
        "sample at which the stream gave it; beats that came with the end of a recording are left "
        "out.",
    ]
    started = scores[0].delays["all"].worst_started
    if math.isfinite(started):
        lines.append(f"Longest R to report of beats later than {STARTED_S:g} s: {started:,.0f} ms.")
    totals = next(iter(scores[0].totals.values()))
    lines.append(
        f"Worst record: {totals.worst.record}, F1 {_percent(totals.worst.f1)}. Median over records "
        f"of the mean absolute R error: {number_text(totals.median_error_abs_ms, 2)} ms."
    )
    if peers:
        lines.append("Peers get the first of the leads, as float64, the whole recording at once.")
    if left_out:
        lines.append(f"Left out, without reference annotations: {', '.join(left_out)}.")
    for score in scores:
        if score.failed:
            record, error = next(iter(score.failed.items()))
            lines.append(
                f"{score.name} failed on {len(score.failed)} records, where all beats count as "
                f"missed: first on {record} ({error})."
            )
    return lines


def _percent(value: float) -> str:
    return number_text(value, 3)


def _set_aside(start: float) -> str:
    if not start:
        return "from the first sample"
    return f"from {start:g} s{' (EC57)' if start == LEARNING_S else ''}"


def _rates(score: DetectionScore) -> list[str]:
    rates = (score.sensitivity, score.positive_predictivity, score.f1)
    return [f"{score.fn:,}", f"{score.fp:,}", *map(_percent, rates)]


def _totals_table(scores: Sequence[DetectorScores]) -> Table:
    from ..reports.table import Table

    rows = []
    for score in scores:
        for start, totals in score.totals.items():
            gross = totals.gross
            rows.append(
                [
                    score.name,
                    _set_aside(start),
                    f"{gross.tp + gross.fn:,}",
                    *_rates(gross),
                    _percent(totals.average_f1),
                    f"{totals.worst.record} {number_text(totals.worst.f1, 2)}",
                    number_text(gross.error_abs_ms, 2),
                    number_text(gross.error_ms, 2),
                ]
            )
    columns = ["detector", "counted", "beats", "FN", "FP", "Se, %", "+P, %", "F1, %"]
    columns += ["mean F1", "worst F1", "|R error|, ms", "R error, ms"]
    return Table("All records together", columns, rows)


def _records_table(score: DetectorScores) -> Table:
    from ..reports.table import Table

    starts = list(score.totals)
    columns = ["record", "beats"]
    columns += ["FN", "FP", "Se, %", "+P, %", "F1, %"] * len(starts)
    columns += ["mean abs", "signed", "median", "p95", "max"]
    first = score.totals[starts[0]]

    def row(name: str, by_start: Sequence[DetectionScore], delays: str) -> list[str]:
        one, late = by_start[0], score.delays[delays]
        rates = [cell for one in by_start for cell in _rates(one)]
        errors = [number_text(one.error_abs_ms, 2), number_text(one.error_ms, 2)]
        times = [number_text(x, 0) for x in (late.median, late.p95, late.worst)]
        return [name, f"{one.tp + one.fn:,}", *rates, *errors, *times]

    rows = [
        row(own.record, [score.totals[start].records[i] for start in starts], own.record)
        for i, own in enumerate(first.records)
    ]
    rows.append(row("all", [score.totals[start].gross for start in starts], "all"))
    groups = [("", 2), *((_set_aside(start), 5) for start in starts)]
    groups += [("R error, ms", 2), ("R to report, ms", 3)]
    return Table(f"{score.name}, record by record", columns, rows, groups)


# ------------------------------------------------------------------ beat classes


def _score_model(args: argparse.Namespace) -> None:
    from ..evaluation import AAMI_CLASSES
    from ..runtime import Classifier

    classifier = Classifier(args.model, **({"form": args.form} if args.form else {}))
    window = classifier.window
    if (
        window is not None
        and classifier.classes == tuple(AAMI_CLASSES)
        and (args.records or window.form == "beat")
    ):
        _score_beats(args, classifier)
    else:
        _score_task(args, classifier)


def _score_task(args: argparse.Namespace, classifier: Classifier) -> None:
    """Every form of a model on the test part of its recipe."""
    from ..reports.table import Table
    from ..training.recipes.recipe import Recipe
    from ..training.tasks import load_task

    card = classifier.card
    if card is None or card.path is None:
        raise ModelError(f"{classifier.path}: has no card that says what it is for")
    for option in ("form", "leads", "records", *_DECISION):
        if getattr(args, option):
            name = option.replace("_", "-")
            raise UsageError(f"--{name} goes with models of beats, not with {card.name}")
    recipe = Recipe.load(args.recipe or card.name)
    folder = None if args.work is None else args.work / "scores"
    metrics = load_task(recipe.task).score_forms(
        card.path, data_folder(args), recipe, lambda line: None, folder=folder
    )
    headlines = {
        title: {name: x for name, x in figures.items() if isinstance(x, (int, float))}
        for title, figures in metrics.items()
        if isinstance(figures, dict)
    }
    names = list(dict.fromkeys(name for figures in headlines.values() for name in figures))
    rows = [
        [title, *(f"{figures[name]:,.4g}" if name in figures else "-" for name in names)]
        for title, figures in headlines.items()
    ]
    title = f"{card.name} on the test part of its recipe"
    split = {k: ", ".join(v) if isinstance(v, list) else v for k, v in card.split.items()}
    lines = [*(f"{key}: {value}" for key, value in split.items()), *_drawn(folder)]
    about = {"model": card.name, "task": recipe.task, "command": _command(args)}
    _write(args, title, lines, [Table("", ["", *names], rows)], {**about, "metrics": metrics})


def _drawn(folder: Path | None) -> list[str]:
    """Draw the scores that were written into a folder; a line about it."""
    if folder is None:
        return []
    from ..reports.training import draw_score

    pictures = [picture for path in sorted(folder.glob("*.json")) for picture in draw_score(path)]
    return [f"Reports and {len(pictures)} pictures are in {folder}."]


def _score_beats(args: argparse.Namespace, classifier: Classifier) -> None:
    """AAMI beat classes on records of mitdb."""
    from ..evaluation import evaluate_beat_model
    from ..evaluation.beat_model import PUBLISHED
    from ..reports.table import Table
    from ..training.datasets.splits import DS1, DS2, PACED, patient_of
    from .beat_tables import DATABASE, class_tables, point_text, probability_tables

    decision = decision_for(args)
    for ahead in range(len(VIEWS)):
        decision.rule(classifier, ahead)  # what is not offered is said before the work
    names = args.records or list(DS2)
    leads: Any = args.leads or [0]
    several = leads == "all" or len(leads) > 1
    folder = data_folder(args)
    scores = evaluate_beat_model(
        classifier,
        folder,
        [(DATABASE, name, patient_of(DATABASE, name)) for name in names],
        leads=None if leads == "all" else leads,
        progress=sys.stderr.isatty(),
    )
    split = "DS2" if set(names) == set(DS2) else "records " + ", ".join(names)
    if "202" in names:
        split += " (202 is the person of 201 in DS1)"
    lines = [
        f"{DATABASE} {split}; AAMI classes, beats of N S V F Q by their WFDB codes; "
        f"{_lead_text(leads)}{', mean of their probabilities' if several else ''}. "
        "Se: share of the class's beats that were called so, +P: share of the beats called so that "
        "are of the class, in %. In brackets 95 % intervals: bootstrap over patients, 2000 draws.",
        "With own detections a beat that was not found counts as missed in its class, and a false "
        "detection against the class that it was given.",
    ]
    seen = sorted(set(names) & set(DS1))
    if seen:
        lines.append(f"DS1 trains the built-in models: {', '.join(seen)} are no test of them.")
    paced = sorted(set(names) & set(PACED))
    if paced:
        lines.append(f"AAMI EC57 leaves paced records out; these are paced: {', '.join(paced)}.")
    name = args.model if classifier.card is None else classifier.card.name
    form = "" if classifier.form is None else f" ({classifier.form})"
    title = f"Beat classes of {name}{form} on {DATABASE} {split}"
    tables = [table for score in scores for table in class_tables(score)]
    probabilities = _probabilities(classifier, scores, decision)
    if probabilities:
        tables += [table for told in probabilities for table in probability_tables(told)]
        lines.append(
            "Probabilities, thresholds and rejections are of reference beats. Promised: by "
            "cross-validation over the training patients, where thresholds come from. Reached: on "
            "the records above. Each threshold alone, but for a decision asked for, whose "
            "thresholds work together; the tables of classes tell the most probable class."
        )
    if classifier.card is not None and "cross_validation" in classifier.card.metrics:
        lines.append(
            f"What each input and branch buys: ecgfast crossval {name} --data DATA, whose figures "
            f"are in docs/{name}-inputs.md of the sources."
        )
    tables.append(Table("Published figures of others", ["by", "figures, in %", "on"], PUBLISHED))
    if args.work is not None:
        from ..training.scoring import write_score

        for score in scores:
            total = score.scores()
            write_score(
                args.work / "scores",
                f"{title}, {point_text(score)}",
                total.classes,
                total.confusion,
            )
        lines += _drawn(args.work / "scores")
    about = {
        "model": name,
        "form": classifier.form,
        "database": DATABASE,
        "records": names,
        "patients_on_both_sides": "202 is the person of 201 in DS1" if "202" in names else "none",
        "command": _command(args),
    }
    figures = {
        **about,
        "scores": [score.to_dict() for score in scores],
        "probabilities": probabilities,
    }
    _write(args, title, lines, tables, figures)


def _probabilities(
    classifier: Classifier, scores: Sequence[BeatModelScores], decision: Decision
) -> list[dict[str, Any]]:
    """What probabilities are worth on reference beats, with the decision asked for."""
    from ..evaluation import evaluate_decision, evaluate_probabilities

    found = []
    for score in scores:
        if score.beats == "reference" and (told := evaluate_probabilities(classifier, score)):
            asked_for = evaluate_decision(classifier, score, decision)
            found.append({**told, **({"asked for": asked_for} if asked_for else {})})
    return found


# ------------------------------------------------------------------ output


def _command(args: argparse.Namespace) -> str:
    """The command that gives these figures, with the folder's own name only."""
    words = ["ecgfast", "evaluate"]
    if args.model is not None:
        words += [Path(args.model).name, "--data", "DATA"]
        words += ["--form", args.form] if args.form else []
        words += ["--recipe", Path(args.recipe).name] if args.recipe else []
    else:
        words += ["--detector", args.detector.resolve().name]
        words += ["--method", args.method] if args.method else []
        words += ["--max-delay", f"{args.max_delay:g}"] if args.max_delay is not None else []
        for start in args.start or ():
            words += ["--start", f"{start:g}"]
        words += ["--peers"] if args.peers else []
    if args.leads:
        leads = args.leads if args.leads == "all" else ",".join(map(str, args.leads))
        words += ["--leads", leads]
    for option in _DECISION:
        if given := getattr(args, option):
            text = given if option == "reject" else ",".join(f"{c}={x:g}" for c, x in given.items())
            words += [f"--{option.replace('_', '-')}", str(text)]
    words += ["--records", ",".join(args.records)] if args.records else []
    return shlex.join(words)


def _write(
    args: argparse.Namespace,
    title: str,
    lines: Sequence[str],
    tables: Sequence[Table],
    figures: dict[str, Any],
) -> None:
    """The figures as a page where one is wanted, and as JSON or text on standard output."""
    if args.html is not None:
        from ..reports.table import write_tables

        write_tables(args.html, title, [*lines, f"Made by: {figures['command']}"], tables)
    if args.json:
        print_json(figures)
        return
    print("\n".join([title, *lines]))
    for table in tables:
        print(f"\n{table.text()}")
    if args.html is not None:
        print(f"\nwritten     {args.html}")
