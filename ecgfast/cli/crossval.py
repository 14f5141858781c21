"""``ecgfast crossval``: candidates side by side, each judged on patients it has not seen."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import check_writable
from ..printable import counted
from .errors import UsageError
from .libraries import import_keras, quiet_libraries
from .options import add_json, data_folder, example
from .output import print_json
from .output_path import make_folder
from .overwriting import PICTURE, OutputGuard, add_force, json_kind, output_option, text_kind
from .settings import add_recipe, kept_if_interrupted, labels_settings, set_recipe

if TYPE_CHECKING:
    from ..reports.table import Table
    from ..training.fitting.crossval import CandidateResult
    from ..training.recipes.recipe import Recipe
    from ..training.tasks.base import Task


_KINDS = {
    ".json": json_kind("a result of ecgfast crossval", "recipe", "criterion", "candidates"),
    ".md": text_kind("a page of ecgfast crossval", "# Candidates of ", "`ecgfast crossval "),
    ".png": PICTURE,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast crossval``."""
    from ..training.recipes.studies import STUDIES

    parser.description = (
        "Compare candidates by cross-validation over the training part, by patient unless the "
        "recipe's split is by beat. In each fold every candidate is trained on the other folds and "
        "scored on this one; the test part is never read. Without --study the candidates are those "
        "of the recipe. An interrupted run continues with the first fold that is not finished."
        "\n\nstudies:\n" + "\n".join(f"  {name:10} {what}" for name, what in STUDIES.items())
    )
    parser.epilog = example(
        "ecgfast crossval beats --study balancing --data recordings --share 0.3 --epochs 5"
    )
    add_recipe(parser)
    parser.add_argument(
        "--protocol", metavar="HEADING", help="use this protocol of the recipe: another split"
    )
    parser.add_argument(
        "--study", choices=tuple(STUDIES), help="compare the candidates of this study instead"
    )
    parser.add_argument(
        "--candidates",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="A,B",
        help="these candidates only, each by its name or a unique part of it",
    )
    parser.add_argument(
        "--share",
        type=_share,
        default=1.0,
        help="share of every patient's examples to use (default: 1)",
    )
    parser.add_argument("--epochs", type=int, help="passes over the data, in place of the recipe's")
    parser.add_argument("--folds", type=int, help="folds, in place of the recipe's")
    parser.add_argument(
        "--work", type=Path, help="folder for finished folds (default: runs/NAME/crossval)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="STEM",
        help="write STEM.json, STEM.md and STEM.png (default: into the work folder)",
    )
    add_force(parser)
    add_json(parser, "the table")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share above 0, up to 1")
    return value


def run(args: argparse.Namespace) -> None:
    """Compare the candidates."""
    import dataclasses

    quiet_libraries()
    from .._files import write_whole
    from ..reports.training import candidates_figure, write_figure
    from ..training.datasets.splits import missing_records
    from ..training.recipes.recipe import Recipe
    from ..training.recipes.studies import study
    from ..training.scoring import write_json
    from ..training.tasks import load_task
    from ..training.workflow import compare_candidates

    recipe, _ = set_recipe(Recipe.load(args.recipe), labels_settings(args), args.set)
    if args.protocol is not None:
        if args.protocol not in recipe.protocols:
            known = "; ".join(recipe.protocols) or "none"
            raise UsageError(
                f"recipe {recipe.name} has no protocol {args.protocol!r}: there are {known}"
            )
        recipe = recipe.changed(recipe.protocols[args.protocol])
    if args.folds is not None:
        recipe = dataclasses.replace(recipe, folds=args.folds)
    everything = (
        study(args.study, recipe)
        if args.study
        else {**recipe.candidates, **recipe.comparisons} or {"the recipe": {}}
    )
    chosen = _chosen(everything, args.candidates)
    work = args.work or Path("runs") / recipe.name / "crossval"
    stem = args.output or work / (args.study or "candidates")
    labels = [] if args.labels is None else [args.labels]
    guard = OutputGuard([args.recipe, data_folder(args), *labels], force=args.force)
    for extension, kind in _KINDS.items():
        guard.check(stem.with_name(f"{stem.name}{extension}"), kind, output_option(args))
    check_writable(work / "fold.npz", "work" if args.work is None else "--work")
    import_keras()
    with kept_if_interrupted(work):
        results = compare_candidates(
            recipe,
            {name: everything[name] for name in chosen},
            data_folder(args),
            work,
            lambda line: print(line, file=sys.stderr, flush=True),
            share=args.share,
            epochs=args.epochs,
            progress=sys.stderr.isatty(),
        )
    task = load_task(recipe.task)
    criterion = task.criterion_name
    tables = [_leading_table(results, task), _fold_table(results)]
    figures = _figures(args, recipe, results, criterion)
    if missing := missing_records(data_folder(args), task.databases(recipe)):
        figures["missing_records"] = missing
    lines = _lines(recipe, figures, task.leading_text)
    make_folder(stem.parent)
    write_json(stem.with_name(f"{stem.name}.json"), figures)
    write_whole(stem.with_name(f"{stem.name}.md"), _page(lines, figures, tables, stem.name))
    write_figure(
        stem.with_name(f"{stem.name}.png"),
        candidates_figure(
            [result.name for result in results],
            [[fold["criterion"] for fold in result.folds] for result in results],
            [(result.criterion, *result.interval) for result in results],
            criterion=criterion,
            title=f"{recipe.name}: {recipe.folds}-fold cross-validation",
        ),
    )
    guard.report()
    if args.json:
        print_json(figures)
        return
    print("\n".join(lines))
    for table in tables:
        print(f"\n{table.text()}")
    print(f"\nwritten     {stem}.json, .md, .png")


def _chosen(everything: dict[str, Any], wanted: list[str] | None) -> list[str]:
    if wanted is None:
        return list(everything)
    found = []
    for text in wanted:
        names = [text] if text in everything else [n for n in everything if text in n]
        if len(names) != 1:
            raise UsageError(f"no candidate {text!r}: there are {'; '.join(everything)}")
        found += names
    return found


def verdict(results: list[CandidateResult]) -> str:
    """What the criterion shows, as a sentence."""
    from ..training.fitting.crossval import difference

    first, others = results[0], results[1:]
    if not others:
        return f"One candidate, {first.name!r}: nothing is compared."
    if not any(of.draws for of in results):
        return "Nothing was shown: an interval of the criterion needs several patients."
    shown: dict[str, list[str]] = {"better": [], "worse": []}
    left = []
    for result in others:
        change, low, high = difference(result, first)
        if low > 0 or high < 0:
            shown["better" if low > 0 else "worse"].append(f"{result.name} ({change:+.3f})")
        else:
            left.append(result.name)
    if len(left) == len(others):
        return (
            "Nothing was shown: for every candidate the 95 % interval of the criterion's "
            f"difference from {first.name!r} contains 0."
        )
    clauses = [f"{word}: {', '.join(names)}" for word, names in shown.items() if names]
    rest = f" Not shown to differ (the interval contains 0): {', '.join(left)}." if left else ""
    return f"By the criterion, against {first.name!r}, {'; '.join(clauses)}.{rest}"


def _leading_table(results: list[CandidateResult], task: Task) -> Table:
    """The criterion and what a user would choose by, of all folds together; a column each."""
    from ..reports.table import Table
    from ..training.fitting.crossval import difference

    first = results[0]
    cells = [_cell(of.criterion, difference(of, first), of is first, 3) for of in results]
    rows = [["criterion", *cells]]
    for name in first.leading:
        scale, unit = (100, "%") if task.is_share(name) else (1, task.unit)
        cells = []
        for result in results:
            change = [scale * number for number in difference(result, first, name)]
            cells.append(_cell(scale * result.leading[name], change, result is first, 1))
        rows.append([f"{name}, {unit}" if unit else name, *cells])
    return Table("", ["", *(result.name for result in results)], rows)


def _cell(value: float, change: Sequence[float], is_first: bool, digits: int) -> str:
    """A figure and its difference from the first candidate's; a star where that excludes 0."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    if is_first:
        return text
    difference, low, high = (f"{number:+.{digits}f}" for number in change)
    if not math.isfinite(change[1]):
        return f"{text} ({difference})"
    star = " *" if change[1] > 0 or change[2] < 0 else ""
    return f"{text} ({difference} [{low}, {high}]{star})"


def _fold_table(results: list[CandidateResult]) -> Table:
    """All figures: mean and standard deviation over the folds; a column for each candidate."""
    from ..reports.table import Table
    from ..training.fitting.crossval import mean_figures

    means = [mean_figures(result) for result in results]
    rows = [
        [name, *(_mean_cell(of.get(name), len(results[0].folds)) for of in means)]
        for name in means[0]
    ]
    rows += [
        ["parameters", *(f"{result.parameters:,}" for result in results)],
        ["seconds", *(f"{sum(fold['seconds'] for fold in of.folds):,.0f}" for of in results)],
    ]
    return Table("", ["", *(result.name for result in results)], rows)


def _mean_cell(figure: tuple[float, float, int] | None, folds: int) -> str:
    """Mean and standard deviation, and over how many folds where some lack the figure."""
    if figure is None:
        return "-"
    mean, spread, defined = figure
    deviation = f" ± {spread:.3f}" if defined > 1 else ""
    return f"{mean:.3f}{deviation}" + (f" ({defined} of {folds} folds)" if defined < folds else "")


def _figures(
    args: argparse.Namespace, recipe: Recipe, results: list[CandidateResult], criterion: str
) -> dict[str, Any]:
    """Everything as plain JSON."""
    from ..training.fitting.crossval import difference, mean_figures

    words = ["ecgfast", "crossval", Path(args.recipe).name, "--data", "DATA"]
    for option in ("protocol", "study", "share", "epochs", "folds"):
        value = getattr(args, option)
        if value is not None and not (option == "share" and value == 1):
            words += [f"--{option}", str(value)]
    if args.labels is not None:
        words += ["--labels", args.labels.name]
    if args.candidates:
        words += ["--candidates", ",".join(args.candidates)]
    for text in args.set:
        words += ["--set", text]
    rows = []
    for result in results:
        row = result.to_dict()
        row["mean_and_sd_over_folds"] = {
            name: [round(mean, 4), round(spread, 4)]
            for name, (mean, spread, _) in mean_figures(result).items()
        }
        row["against_the_first"] = [_json_number(x) for x in difference(result, results[0])]
        row["leading_against_the_first"] = {
            name: [_json_number(x) for x in difference(result, results[0], name)]
            for name in result.leading
        }
        rows.append(row)
    in_folds = sum(fold["patients"] for fold in results[0].folds)
    return {
        "recipe": recipe.name,
        "protocol": args.protocol,
        "study": args.study,
        "verdict": verdict(results),
        "criterion": criterion,
        "folds": recipe.folds,
        "share": args.share,
        "epochs": args.epochs or recipe.schedule.epochs,
        "examples": sum(fold["examples"] for fold in results[0].folds),
        "patients": results[0].patients,
        "folds_by": "patient" if results[0].patients == in_folds else "example",
        "command": shlex.join(words),
        "candidates": rows,
    }


def _json_number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _lines(recipe: Recipe, figures: dict[str, Any], leading_text: str) -> list[str]:
    """What the reader must know, the verdict first."""
    from ..training.datasets.splits import listed

    of = f", protocol {figures['protocol']!r}" if figures["protocol"] else ""
    share = "" if figures["share"] == 1 else f", a share of {figures['share']:g} of each patient's"
    lines = [
        figures["verdict"],
        f"{recipe.name}{of}: {figures['folds']}-fold cross-validation of the training part, "
        f"{figures['examples']:,} examples{share}, patients: {figures['patients']:,}, epochs: "
        f"{figures['epochs']}. "
        f"Criterion: {figures['criterion']}; larger is better. Figures of all folds together, in "
        "parentheses the difference from the first candidate with its 95 % interval: patients are "
        "drawn with replacement, the same for both. A star: the interval excludes 0, as about one "
        "in twenty does by chance.",
    ]
    if figures["folds_by"] == "example":
        lines.append(
            "The folds are by example: networks have seen other examples of the patients that they "
            "are scored on, so the figures say nothing of new patients."
        )
    lines += [
        "Missing, so nothing is learnt from or scored on them: "
        f"{counted(len(names), 'recording')} of {database}: {listed(names)}."
        for database, names in figures.get("missing_records", {}).items()
    ]
    return [*lines, leading_text] if leading_text else lines


def _page(lines: list[str], figures: dict[str, Any], tables: list[Table], stem: str) -> str:
    """The tables as Markdown."""
    of = f": {figures['study']}" if figures["study"] else ""
    parts = [
        f"# Candidates of {figures['recipe']}{of}",
        lines[0],
        f"Made by: `{figures['command']}`",
        *lines[1:],
        tables[0].markdown(),
        "All figures: mean ± standard deviation over the folds, averaged over the ways of showing "
        "the examples.",
        tables[1].markdown(),
        f"![The criterion of each fold]({stem}.png)",
    ]
    return "\n\n".join(parts) + "\n"
