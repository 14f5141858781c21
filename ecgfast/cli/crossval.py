"""``ecgfast crossval``: candidates side by side, each judged on patients it has not seen."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .completion import complete_by, recipes
from .errors import UsageError
from .libraries import import_keras, quiet_libraries
from .options import add_data, add_json, data_folder, example
from .output import print_json
from .overwriting import PICTURE, OutputGuard, add_force, json_kind, output_option, text_kind
from .settings import add_set, set_recipe

if TYPE_CHECKING:
    from ..reports.table import Table
    from ..training.fitting.crossval import CandidateResult
    from ..training.recipes.recipe import Recipe


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
        "recipe's split is by beat: each is trained once a fold on the others and judged on that "
        "fold; the test part is never read. Without "
        "--study these are the candidates and comparisons of the recipe. Folds that are finished "
        "are read back after a break.\n\nstudies:\n"
        + "\n".join(f"  {name:10} {what}" for name, what in STUDIES.items())
    )
    parser.epilog = example(
        "ecgfast crossval beats --study balancing --data recordings --share 0.3 --epochs 5"
    )
    recipe = parser.add_argument(
        "recipe", help="name of a built-in recipe, or a recipe's .json file"
    )
    complete_by(recipe, recipes, ".json")
    add_data(parser)
    add_set(parser)
    parser.add_argument(
        "--protocol", metavar="HEADING", help="under this protocol of the recipe: another split"
    )
    parser.add_argument("--study", choices=tuple(STUDIES), help="compare these instead")
    parser.add_argument(
        "--candidates",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="A,B",
        help="these candidates only, each by its name or a part of it that no other has",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="share of every patient's examples to use (default: 1)",
    )
    parser.add_argument("--epochs", type=int, help="passes, instead of the recipe's")
    parser.add_argument("--folds", type=int, help="folds, instead of the recipe's")
    parser.add_argument(
        "--work", type=Path, help="folder for finished folds (default: runs/NAME/crossval)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="STEM",
        help="write STEM.json, STEM.md and STEM.png (default: into the work folder)",
    )
    add_force(parser)
    add_json(parser, "the table")


def run(args: argparse.Namespace) -> None:
    """Compare the candidates."""
    import dataclasses

    quiet_libraries()
    from .._files import write_whole
    from ..reports.training import candidates_figure, write_figure
    from ..training.recipes.recipe import Recipe
    from ..training.recipes.studies import study
    from ..training.scoring import write_json
    from ..training.tasks import load_task
    from ..training.workflow import compare_candidates

    recipe, _ = set_recipe(Recipe.load(args.recipe), (), args.set)
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
    guard = OutputGuard([args.recipe, data_folder(args)], force=args.force)
    for extension, kind in _KINDS.items():
        guard.check(stem.with_name(f"{stem.name}{extension}"), kind, output_option(args))
    import_keras()
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
    criterion = load_task(recipe.task).criterion_name
    table = _table(results, criterion)
    figures = _figures(args, recipe, results, criterion)
    write_json(stem.with_name(f"{stem.name}.json"), figures)
    write_whole(stem.with_name(f"{stem.name}.md"), _page(recipe, figures, table, stem.name))
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
    print("\n".join(_lines(recipe, figures)))
    print(f"\n{table.text()}\n\nwritten     {stem}.json, .md, .png")


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


def _table(results: list[CandidateResult], criterion: str) -> Table:
    from ..reports.table import Table
    from ..training.fitting.crossval import difference, mean_figures

    names = list(mean_figures(results[0]))
    rows = []
    for i, result in enumerate(results):
        low, high = result.interval
        row = [
            result.name,
            f"{result.parameters:,}",
            f"{result.criterion:.4f} [{low:.4f}, {high:.4f}]",
            "" if not i else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*difference(result, results[0])),
        ]
        means = mean_figures(result)
        row += ["{:.3f} ± {:.3f}".format(*means[n]) if n in means else "-" for n in names]
        row.append(f"{sum(fold['seconds'] for fold in result.folds):,.0f}")
        rows.append(row)
    columns = ["candidate", "parameters", f"{criterion} [95 %]", "against the first [95 %]"]
    return Table("", [*columns, *names, "seconds"], rows)


def _figures(
    args: argparse.Namespace, recipe: Recipe, results: list[CandidateResult], criterion: str
) -> dict[str, Any]:
    """Everything as plain JSON."""
    from ..training.fitting.crossval import difference, mean_figures

    words = ["ecgfast", "crossval", recipe.name, "--data", "DATA"]
    for option in ("protocol", "study", "share", "epochs", "folds"):
        value = getattr(args, option)
        if value is not None and not (option == "share" and value == 1):
            words += [f"--{option}", str(value)]
    if args.candidates:
        words += ["--candidates", ",".join(args.candidates)]
    for text in args.set:
        words += ["--set", text]
    told = []
    for result in results:
        row = result.to_dict()
        row["mean_and_sd_over_folds"] = {
            name: [round(number, 4) for number in pair]
            for name, pair in mean_figures(result).items()
        }
        row["against_the_first"] = [round(x, 4) for x in difference(result, results[0])]
        told.append(row)
    return {
        "recipe": recipe.name,
        "protocol": args.protocol,
        "criterion": criterion,
        "folds": recipe.folds,
        "share": args.share,
        "epochs": args.epochs or recipe.schedule.epochs,
        "examples": sum(fold["examples"] for fold in results[0].folds),
        "command": shlex.join(words),
        "candidates": told,
    }


def _lines(recipe: Recipe, figures: dict[str, Any]) -> list[str]:
    of = f", protocol {figures['protocol']!r}" if figures["protocol"] else ""
    return [
        f"{recipe.name}{of}: {figures['folds']}-fold cross-validation of the training part, "
        f"{figures['examples']:,} examples, epochs: {figures['epochs']}",
        f"{figures['criterion']} of all folds together, with 95 % intervals from drawing patients; "
        "the difference is paired, on the same draws. The other figures: mean ± standard deviation "
        "over the folds, averaged over the ways of showing the examples.",
    ]


def _page(recipe: Recipe, figures: dict[str, Any], table: Table, stem: str) -> str:
    """The table as Markdown."""
    lines = [f"# Candidates of {recipe.name}, side by side", "", *_lines(recipe, figures)]
    lines += ["", f"Made by: `{figures['command']}`", ""]
    return "\n".join(
        [*lines, table.markdown(), "", f"![The criterion of each fold]({stem}.png)", ""]
    )
