"""Old public names work, warn, and name what to use; the package itself uses none."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import ecgfast
from ecgfast.deprecated import RENAMED
from ecgfast.records import demo_record
from ecgfast.rhythm import RhythmStream
from ecgfast.runtime import Classifier, ModelCard, available_models
from ecgfast.runtime.decision import LabelRule
from ecgfast.streaming import Beat, Quality, StreamingClassifier
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.export.tflite import export


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_an_old_name_of_a_module(old: str) -> None:
    module, _, name = old.rpartition(".")
    home, new = RENAMED[old]
    with pytest.warns(
        DeprecationWarning, match=rf"{old} is deprecated .*: use {home}\.{new}"
    ) as seen:
        found = getattr(import_module(module), name)
    assert found is getattr(import_module(home), new)
    assert seen[0].filename == __file__
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        import_module(module).Nonsense  # noqa: B018


def test_old_attributes() -> None:
    beat = Beat(1, 0.1, "N", 1.0, {"N": 1.0}, 0.8, 75.0, Quality.GOOD, {"maximum": 120.0})
    with pytest.warns(DeprecationWarning, match=r"use Beat\.outputs"):
        assert beat.values == {"maximum": 120.0}
    rule = LabelRule(("N", "V"), min_probability=0.6, operating_points=({"by": "reject"},))
    with pytest.warns(DeprecationWarning, match=r"use LabelRule\.min_probability"):
        assert rule.least == 0.6
    with pytest.warns(DeprecationWarning, match=r"use LabelRule\.operating_points"):
        assert rule.promises == rule.operating_points


def test_the_old_columns_of_beats() -> None:
    columns = {"sample": np.arange(3), "rr": np.ones(3), "quality": np.zeros(3, np.uint32)}
    names = np.array(["a", "b", "c"])
    beats = ExampleSet(
        {"window": np.zeros((3, 4, 2), np.float32), "features": np.ones((3, 5), np.float32)},
        np.zeros(3, np.int8),
        *(names, names, {"classes": ["N"]}, columns),
    )
    for old, new in (
        ("windows", beats.inputs["window"]),
        ("features", beats.inputs["features"]),
        ("label", beats.target),
        ("r_sample", columns["sample"]),
        ("rr", columns["rr"]),
        ("quality", columns["quality"]),
    ):
        with pytest.warns(DeprecationWarning, match=rf"ExampleSet\.{old} is deprecated"):
            assert getattr(beats, old) is new
    assert not hasattr(beats, "nonsense")


def test_the_old_method_of_a_model() -> None:
    classifier = Classifier("beats")
    given = [np.zeros((2, *shape), np.float32) for shape in classifier.input_shapes.values()]
    with pytest.warns(DeprecationWarning, match=r"use Classifier\.predict_proba"):
        old = classifier.predict(*given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(old, classifier.predict_proba(*given))


def test_nothing_in_the_package_uses_an_old_name() -> None:
    names = "|".join(old.rpartition(".")[2] for old in RENAMED)
    home = Path(ecgfast.__file__).parent
    for path in home.rglob("*.py"):
        if path.name != "deprecated.py":
            assert not re.search(rf"\b({names})\b", path.read_text(encoding="utf-8")), path


def test_the_old_names_of_a_window_and_of_a_number_of_leads() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"WindowSpec\(form=\) is .*: use WindowSpec\(kind="
    ):
        window = ecgfast.WindowSpec(125.0, 0, 187, form="cycle")
    assert window == ecgfast.WindowSpec(125.0, 0, 187, kind="cycle")
    with pytest.warns(DeprecationWarning, match=r"use WindowSpec\.kind") as seen:
        assert window.form == "cycle"
    assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"use Classifier\(precision=\)") as seen:
        classifier = Classifier("beats", form="int8")
    assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"use Classifier\.precision"):
        assert classifier.form == classifier.precision == "int8"
    assert classifier.card is not None
    with pytest.warns(DeprecationWarning, match=r"use ModelCard\.fastest_precision"):
        assert classifier.card.fastest_form("x") == classifier.card.fastest_precision("x")
    for make in (
        ecgfast.QRSDetector,
        ecgfast.BeatStream,
        RhythmStream,
        lambda fs, **number: StreamingClassifier(classifier, fs, **number),
    ):
        with pytest.warns(
            DeprecationWarning, match=r"\w+\(leads=\) is .*: use \w+\(n_leads="
        ) as seen:
            old = make(250.0, leads=3)
        assert seen[0].filename == __file__
        if isinstance(old, StreamingClassifier):
            old = old.stream
        with pytest.warns(DeprecationWarning, match=r"\w+\.leads is .*: use \w+\.n_leads"):
            assert (old.leads, old.n_leads) == (3, 3)
    batch = ecgfast.BeatStream(250.0, n_leads=2).process(demo_record().signal)
    with pytest.warns(DeprecationWarning, match=r"use BeatBatch\.sample"):
        assert batch.r_sample is batch.sample


def test_the_old_name_of_precisions() -> None:
    card = available_models()["beats"]
    with pytest.warns(DeprecationWarning, match=r"use ModelCard\.precisions") as seen:
        assert card.forms is card.precisions
    assert seen[0].filename == __file__
    fields = {f.name: getattr(card, f.name) for f in dataclasses.fields(card)}
    fields["forms"] = fields.pop("precisions")
    with pytest.warns(
        DeprecationWarning, match=r"ModelCard\(forms=\) is .*: use ModelCard\(precisions="
    ) as seen:
        assert ModelCard(**fields) == card
    assert seen[0].filename == __file__
    with (
        pytest.warns(DeprecationWarning, match=r"use export\(precisions=") as seen,
        pytest.raises(ecgfast.InputError, match="no precision 'int4'"),
    ):
        export("a.keras", ".", "a", representative={}, forms=("int4",), card=card)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataclasses.replace(card, name="other")


def test_a_card_calls_precisions_by_its_own_name(tmp_path: Path) -> None:
    """A card of any version is read by any other."""
    card = available_models()["beats"]
    assert card.path is not None
    card.save(tmp_path / "beats.json")
    assert json.loads((tmp_path / "beats.json").read_text())["forms"] == card.precisions
    assert (tmp_path / "beats.json").read_bytes() == card.path.read_bytes()


def test_a_set_of_an_earlier_version(tmp_path: Path) -> None:
    names = np.array(["a", "b", "c"])
    columns = {"r_sample": np.arange(3)}
    old = ExampleSet(
        {"window": np.zeros((3, 4, 2), np.float32)},
        np.zeros(3, np.int8),
        *(names, names, {"classes": ["N"]}, columns),
    )
    old.save(tmp_path / "old.npz")
    assert ExampleSet.load(tmp_path / "old.npz").columns["sample"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("command", "old", "new", "values", "found"),
    [
        ("classify", "--form", "--precision", ["int8"], "int8"),
        ("prepare", "--form", "--dataset", ["strips"], "strips"),
        ("export", "--form", "--precision", ["int8", "float16"], ["int8", "float16"]),
        ("evaluate", "--peers", "--other-detectors", [], True),
    ],
)
def test_an_old_option(
    command: str,
    old: str,
    new: str,
    values: list[str],
    found: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = argparse.ArgumentParser(prog="ecgfast")
    import_module(f"ecgfast.cli.{command}").configure(parser)
    needed = {"classify": ["a"], "export": ["a.keras"]}.get(command, [])
    given = [word for value in values for word in (old, value)] or [old]
    args = parser.parse_args([*needed, *given])
    assert getattr(args, new[2:].replace("-", "_")) == found
    assert capsys.readouterr().err.splitlines() == [
        f"ecgfast: {old} is deprecated: use {new}"
    ] * max(1, len(values))
    assert old not in parser.format_help().split()
