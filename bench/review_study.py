"""How much a reviewer's answers correct: a simulated reviewer answers from the references.

Every record is reviewed with `ReviewSession` as a person would do it: the question of most worth is
answered with the class that most beats of the group have in the reference, then the next. Beats are
detected; what is counted is what ``ecgfast evaluate beats`` counts. mitdb's DS2 is labelled by the
model `beats`, which never saw it. svdb and DS1 train that model: here each of their records is
labelled by a model of the same recipe that was trained on the other half of the patients (two are
trained, some minutes). Models are kept in ``--cache`` for the next run, beats and groups until any
code of ecgfast changes. Makes the table of ``docs/review.md``::

    python bench/review_study.py $ECGFAST_DATA --json docs/review.json --page docs/review.md

``--choose`` instead compares some settings on DS1 and every second record of svdb, on which all of
them were set by hand. No published figure comes from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache as cached
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ecgfast
from ecgfast import Classifier
from ecgfast.evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.classes import from_matrix
from ecgfast.evaluation.ec57 import class_confusion, flutter_intervals, match_beats
from ecgfast.evaluation.mitdb import DS1, DS2
from ecgfast.records import open_record, read_annotations
from ecgfast.review import NOT_A_BEAT, ReviewSession
from ecgfast.review import session as engine
from ecgfast.review.files import ReviewFiles
from ecgfast.review.grouping import GROUPS

STEPS = (0, 5, 10, 20)
MARKS = ("<!-- begin: bench/review_study.py -->\n", "<!-- end -->\n")
Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reference:
    """Reference beats of a record, and which of them each detected beat is."""

    sample: npt.NDArray[np.int64]
    label: list[str]
    flutter: npt.NDArray[np.int64]
    of_beat: npt.NDArray[np.str_]


def main() -> None:
    """Review, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/ and svdb/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page whose table is made anew")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "ecgfast-review-study"
    )
    parser.add_argument("--choose", action="store_true", help="compare settings; DS2 is not used")
    args = parser.parse_args()
    args.cache /= version()  # what another model or recipe gave is no use
    args.cache.mkdir(parents=True, exist_ok=True)
    held = held_out_models(args.data, args.cache)
    svdb = sorted(path.stem for path in (args.data / "svdb").glob("*.hea"))
    chosen = [("mitdb", name) for name in DS1] + [("svdb", name) for name in svdb[::2]]
    if args.choose:
        choose(args.data, args.cache, held, chosen)
        return
    sets = {
        "mitdb DS2": [("mitdb", name) for name in DS2],
        "svdb": [("svdb", name) for name in svdb],
        "svdb, the half that chose no setting": [("svdb", name) for name in svdb[1::2]],
    }
    found = {
        record: review(record, args.data, args.cache, held)
        for record in dict.fromkeys(record for records in sets.values() for record in records)
    }
    figures = {
        title: figures_of([found[one] for one in records]) for title, records in sets.items()
    }
    text = table(figures)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    if args.page:
        before, rest = args.page.read_text("utf-8").split(MARKS[0])
        args.page.write_text(before + MARKS[0] + text + MARKS[1] + rest.split(MARKS[1])[1], "utf-8")


# ------------------------------------------------------------------ models that saw no such patient


def version() -> str:
    """What kept outputs depend on: the built-in model, and the recipe without its words."""
    from ecgfast.training.recipes.recipe import Recipe

    card = Classifier("beats").card
    made_of = {
        "recipe": dataclasses.asdict(dataclasses.replace(Recipe.load("beats"), limits=())),
        "model": card and card.precisions,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


@cached
def code_version() -> str:
    """What finds, groups and labels beats: all code of the package, the compiled core too."""
    package = Path(ecgfast.__file__).parent
    files = sorted(path for kind in ("*.py", "*.so", "*.pyd") for path in package.rglob(kind))
    content = hashlib.sha256()
    for path in files:
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def held_out_models(data: Path, cache: Path) -> dict[str, Path]:
    """Card of the model for each training record: one that was trained on the other patients."""
    told = cache / "folds.json"
    if not told.exists():
        train_halves(data, cache)
    folds: list[list[str]] = json.loads(told.read_text("utf-8"))
    return {
        record: cache / f"fold{k}" / "beats.json" for k, fold in enumerate(folds) for record in fold
    }


def train_halves(data: Path, cache: Path) -> None:
    """Train the recipe of `beats` on either half of its patients."""
    from ecgfast.training.export.tflite import export
    from ecgfast.training.fitting.crossval import with_augmented
    from ecgfast.training.fitting.fit import fit
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks import load_task
    from ecgfast.training.workflow import model_card

    recipe = dataclasses.replace(Recipe.load("beats"), folds=2)
    task = load_task(recipe.task)
    examples = task.training_set(recipe, data)
    augmented = task.augmented(recipe, data, examples)
    fold = task.folds(recipe, examples)
    for k in range(2):
        others = examples.only(fold != k)
        fitted = fit(
            recipe,
            with_augmented(others, augmented, examples),
            checkpoint=cache / f"fold{k}.npz",
            report=lambda line: print(line, flush=True),
        )
        export(
            fitted.model,
            cache / f"fold{k}",
            recipe.name,
            representative=others.inputs,
            labels=others.target,
            precisions=("float32",),
            card=model_card(task, recipe, others, "bench/review_study.py"),
        )
    halves = [sorted(set(examples.record[fold == k].tolist())) for k in range(2)]
    (cache / "folds.json").write_text(json.dumps(halves))


# ------------------------------------------------------------------ the review of a record


def session_of(
    record: tuple[str, str], data: Path, cache: Path, held: dict[str, Path]
) -> ReviewSession:
    """The review of a record before any answer; beats and groups are kept for the next run."""
    database, name = record
    source = open_record(data / database / name)
    folder = cache / code_version()
    folder.mkdir(exist_ok=True)
    kept = ReviewFiles(folder, f"{database}-{name}")
    if kept.exist():
        return ReviewSession(*kept.read_beats())
    card = held.get(f"{database}/{name}")
    session = ReviewSession.of_source(
        source, None, model=Classifier(card if card is not None else "beats")
    )
    kept.write_beats(session.beats, session.group)
    return session


def reference_of(record: tuple[str, str], data: Path, session: ReviewSession) -> Reference:
    """Reference beats of a record; detected beats that are none of them have an empty label."""
    database, name = record
    marks = read_annotations(data / database / f"{name}.atr", fs=session.beats.fs)
    chosen = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < session.beats.n_samples)
    sample = marks.sample[chosen]
    label = [AAMI_OF_SYMBOL[symbol] for symbol in marks.symbol[chosen]]
    of_beat = np.full(len(session.beats), "", "<U1")
    pairs = match_beats(sample, session.beats.sample, 0.150 * session.beats.fs)
    for i, j in np.asarray(pairs).tolist():
        of_beat[j] = label[i]
    return Reference(sample, label, flutter_intervals(marks.sample, marks.symbol.tolist()), of_beat)


def said(session: ReviewSession, reference: Reference, group: int) -> str:
    """What the simulated reviewer calls a group: what most of its beats are."""
    names, counts = np.unique(reference.of_beat[session.members(group)], return_counts=True)
    return str(names[counts.argmax()]) or NOT_A_BEAT


def confusion(session: ReviewSession, reference: Reference) -> Matrix:
    """What ``ecgfast evaluate beats`` counts of the labels as they are now."""
    labels = session.labels()
    beats = labels != NOT_A_BEAT
    return class_confusion(
        reference.sample,
        reference.label,
        session.beats.sample[beats],
        labels[beats].tolist(),
        session.beats.fs,
        flutter=reference.flutter,
    )


def answered(
    session: ReviewSession, reference: Reference, steps: Iterable[int]
) -> dict[str, Matrix]:
    """Confusion after some numbers of answers."""
    found = {}
    for step in range(max(steps) + 1):
        if step in steps:
            found[f"{step} answers"] = confusion(session, reference)
        questions = session.questions(1, examples=1)
        if questions and step < max(steps):
            number = questions[0].group.number
            session.answer(number, said(session, reference, number))
    return found


def review(
    record: tuple[str, str], data: Path, cache: Path, held: dict[str, Path]
) -> dict[str, Matrix]:
    """Confusion of a record: without answers, after some, and with every group answered."""
    session = session_of(record, data, cache, held)
    reference = reference_of(record, data, session)
    session.second_pass()
    found = {"second pass": confusion(session, reference)}
    session.undo()
    found |= answered(session, reference, STEPS)
    for number in range(session.n_groups):
        session.answer(number, said(session, reference, number))
    found["every group"] = confusion(session, reference)
    order = ("0 answers", "second pass", *(f"{n} answers" for n in STEPS[1:]), "every group")
    return {name: found[name] for name in order}


# ------------------------------------------------------------------ figures


def figures_of(found: list[dict[str, Matrix]]) -> dict[str, Any]:
    """Gross figures of a set of records, and in how many of them labels became worse."""
    told: dict[str, Any] = {}
    for name in found[0]:
        scores = from_matrix(np.sum([one[name] for one in found], axis=0), AAMI_CLASSES)
        wrong = [errors(one[name]) for one in found]
        begun = [errors(one["0 answers"]) for one in found]
        told[name] = {
            "records": len(found),
            "wrong labels": int(sum(wrong)),
            "records with more wrong labels than before": int(
                sum(a > b for a, b in zip(wrong, begun, strict=True))
            ),
            **{
                f"{c} {what}": round(100 * value, 1)
                for c in ("S", "V")
                for what, value in (
                    ("Se", scores.sensitivity(c)),
                    ("+P", scores.positive_predictivity(c)),
                    ("F1", scores.f1(c)),
                )
            },
        }
    return told


def errors(matrix: Matrix) -> int:
    """Beats with a wrong label, missed and false ones too."""
    return int(matrix.sum() - np.trace(matrix))


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "| records | answers each | S Se / +P / F1 | V Se / +P / F1 | wrong | worse records |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, rows in figures.items():
        for i, (name, row) in enumerate(rows.items()):
            cells = [
                f"{title} ({row['records']})" if not i else "",
                name.removesuffix(" answers"),
                *(" / ".join(f"{row[f'{c} {x}']:.1f}" for x in ("Se", "+P", "F1")) for c in "SV"),
                f"{row['wrong labels']:,}",
                f"{row['records with more wrong labels than before']}" if i else "",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ settings


def choose(data: Path, cache: Path, held: dict[str, Path], records: list[tuple[str, str]]) -> None:
    """Compare settings on the records on which they may be chosen."""
    sessions = [session_of(record, data, cache, held) for record in records]
    references = [reference_of(r, data, s) for r, s in zip(records, sessions, strict=True)]
    trials: list[dict[str, Any]] = [{}]
    trials += [{"_REACH": reach} for reach in (0.25, 0.35, 0.7, 1.0)]
    trials += [{"_STRENGTH": strength} for strength in (0.0, 1.0, 2.0, 8.0)]
    trials += [{"_FLATTEN": power} for power in (0.25, 1.0)]
    trials += [{"groups": count} for count in (20, 30, 60)]
    usual = {name: getattr(engine, name) for name in ("_REACH", "_STRENGTH", "_FLATTEN")}
    for trial in trials:
        for name, value in {**usual, **trial}.items():
            if name in usual:
                setattr(engine, name, value)
        found: dict[str, list[dict[str, Matrix]]] = {}
        for record, session, reference in zip(records, sessions, references, strict=True):
            groups = trial.get("groups", GROUPS)
            group = None if groups != GROUPS else session.group
            anew = ReviewSession(session.beats, group, groups=groups)
            found.setdefault(record[0], []).append(answered(anew, reference, STEPS))
        for database, of in found.items():
            told = figures_of(of)
            shown = ", ".join(f"{n}: {row['S F1']}/{row['V F1']}" for n, row in told.items())
            print(f"{trial or 'as they are'}, {database}: S F1/V F1 after {shown}", flush=True)


if __name__ == "__main__":
    main()
