"""Model cards, where models are found, and model files that are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from model_files import TOY_FEATURES as FEATURES
from model_files import TOY_WINDOW as WINDOW
from model_files import affine_model

from ecgfast.errors import ModelError
from ecgfast.runtime import Classifier, ModelCard, available_backends, available_models, cards
from ecgfast.runtime.flatbuffer import check_model
from ecgfast.window import WindowSpec


def test_the_card_tells_classes_window_and_lookahead(toy_beats):
    classifier = Classifier(toy_beats.folder / "toy.tflite")
    assert classifier.classes == ("N", "S", "V", "F", "Q")
    assert classifier.window == (125.0, 3, 1, "beat", 1)
    assert classifier.window.grid_fs == 125.0
    assert classifier.lookahead == 1
    assert classifier.precision == "float32"
    assert classifier.card.name == "toy"
    assert Classifier(toy_beats.folder / "toy.json").path == toy_beats.folder / "toy.tflite"
    (toy_beats.folder / "toy.json").unlink()
    bare = Classifier(toy_beats.folder / "toy.tflite")
    assert (bare.card, bare.precision, bare.window, bare.lookahead) == (None, None, None, 0)
    assert bare.classes == ("0", "1", "2", "3", "4")


def test_a_card_is_read_as_it_was_written(toy_beats):
    card = ModelCard.load(toy_beats.folder / "toy.json")
    card.save(toy_beats.folder / "again.json")
    assert ModelCard.load(toy_beats.folder / "again.json") == card
    assert isinstance(card.window, WindowSpec)
    assert card.inputs[0].shape == WINDOW
    assert [path.name for path in toy_beats.folder.iterdir() if path.name.startswith(".")] == []


def test_a_card_is_checked_once_and_again_when_it_has_changed(toy_beats, monkeypatch):
    path = toy_beats.folder / "toy.json"
    checked = []
    check = cards.check_card
    monkeypatch.setattr(cards, "check_card", lambda given: checked.append(1) or check(given))
    path.write_text(path.read_text().replace("toy", "new"))
    first, again = ModelCard.load(path), ModelCard.load(path)
    assert len(checked) == 1
    first.metrics["mine"] = 1  # each has its own
    assert "mine" not in again.metrics
    damaged = json.loads(path.read_text())
    path.write_text(json.dumps({**damaged, "classes": 3}))
    for _ in range(2):
        with pytest.raises(ModelError, match="a damaged card: classes"):
            ModelCard.load(path)


def test_built_in_models_by_name(toy_beats, monkeypatch):
    monkeypatch.setattr(cards, "models_folder", lambda: toy_beats.folder)
    assert list(available_models()) == ["toy"]
    assert Classifier("toy").classes == ("N", "S", "V", "F", "Q")
    with pytest.raises(ModelError, match=r"no model 'other'.*toy"):
        Classifier("other")
    with pytest.raises(ModelError, match=r"toy has no 'int8' file .it has: float32"):
        Classifier("toy", precision="int8")
    with pytest.raises(ModelError, match=r"it is a folder: give a file of it.*toy\.json"):
        Classifier(str(toy_beats.folder))


def test_every_built_in_model_is_whole():
    for name, card in available_models().items():
        for precision, entry in card.precisions.items():
            content = card.file(precision).read_bytes()
            assert len(content) == entry["bytes"]
            check_model(content)
            classifier = Classifier(name, precision=precision)
            zeros = [np.zeros(shape) for shape in classifier.input_shapes.values()]
            assert np.isfinite(classifier.predict_one(*zeros)).all()


def _damage(folder, how):
    """Spoil the model or its card; return what the message must name."""
    file, path = folder / "toy.tflite", folder / "toy.json"
    card = json.loads(path.read_text())
    if how == "missing":
        file.unlink()
        return "toy.tflite: no such model file"
    if how == "text":
        file.write_text("these are words, no model")
        return "toy.tflite: not a TFLite model"
    if how == "other bytes":
        file.write_bytes(file.read_bytes() + b"\0")
        return "toy.tflite: its checksum is not the card's"
    if how == "inputs":
        card["inputs"][0]["shape"] = [72, 2]
    if how == "classes":
        card["classes"] = ["N", "V"]
    if how == "lacks":
        del card["classes"]
    if how == "unknown":
        card["colour"] = "red"
    if how == "damaged":
        card["inputs"][0]["shape"] = "wide"
    text = json.dumps(card)
    path.write_text({"list": "[]", "no json": "{'"}.get(how, text))
    return {
        "inputs": "toy.tflite: its inputs are",
        "classes": "toy.tflite: has 5 outputs, but its card names 2",
        "lacks": "toy.json: the card lacks 'classes'",
        "unknown": "toy.json: not a model card of this version .has 'colour'",
        "damaged": "toy.json: a damaged card",
        "list": "toy.json: not a model card",
        "no json": "toy.json: not a model card",
    }[how]


_POINT = {"by": "sensitivity", "wanted": 0.5, "threshold": 0.5, "sensitivity": 0.5}
_TOLD = "probabilities, cross-validation, label with the beat"


def _points(**change):
    row = {**_POINT, "positive_predictivity": 0.5, **change}
    return {"metrics": {_TOLD: {"operating points": {"V": [row]}}}}


def _nested(depth, value=1):
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": 3}, "name must be a text, not 3"),
        ({"name": " "}, "name must be a text that is not empty"),
        ({"description": None}, "description must be a text, not None"),
        ({"classes": "NSVFQ"}, "classes must be a list, not 'NSVFQ'"),
        ({"classes": ["N", 1, "V", "F", "Q"]}, r"classes\[1\] must be a text, not 1"),
        ({"classes": ["N", "S", "N", "F", "Q"]}, r"classes\[2\] is 'N' a second time"),
        ({"classes": []}, "classes must have 1 to 1000 items, not 0"),
        ({"classes": ["N", "S", "V", "F", "\ud800"]}, r"classes\.4 holds half a character"),
        ({"inputs": 7}, "inputs must be a list, not 7"),
        ({"inputs": [{"name": "window"}]}, r"inputs\[0\] lacks shape"),
        (
            {"inputs": [{"name": "window", "shape": [4, -2]}]},
            r"inputs\[0\]\.shape\[1\] must be",
        ),
        ({"inputs": [{"name": "window", "shape": [4], "x": 1}]}, r"inputs\[0\] has 'x'"),
        ({"output": "odds"}, "output must be one of probability, value"),
        ({"window": [125.0, 3, 1]}, "window must be an object"),
        (
            {"window": {"grid_fs": 0, "before": 3, "after": 1}},
            r"window\.grid_fs must be above",
        ),
        ({"window": {"grid_fs": 1e999, "before": 3, "after": 1}}, "Infinity is no number in JSON"),
        (
            {"window": {"grid_fs": 125.0, "before": 3.5, "after": 1}},
            r"window\.before must be a",
        ),
        ({"lookahead": True}, "lookahead must be a whole number, not True"),
        ({"lookahead": 2}, "lookahead must be from 0 to 1, not 2"),
        ({"parameters": "many"}, "parameters must be a whole number"),
        ({"forms": {"float32": "toy.tflite"}}, r"forms\.float32 must be an object"),
        ({"forms": {"float32": {}}}, r"forms\.float32 lacks file"),
        (
            {"forms": {"float32": {"file": "../toy.tflite"}}},
            r"float32\.file must be the name",
        ),
        ({"forms": {"float32": {"file": "/etc/passwd"}}}, r"float32\.file must be the name"),
        ({"fastest": {"forms": ["int8"]}}, r"fastest\.forms must be an object"),
        ({"metrics": []}, "metrics must be an object"),
        ({"metrics": {_TOLD: 0.5}}, "label with the beat must be an object"),
        (_points(wanted="half"), r"V\[0\]\.wanted must be a finite number, not 'half'"),
        (_points(by="luck"), r"V\[0\]\.by must be one of"),
        (_points(intervals_95={"sensitivity": [0.5]}), "sensitivity must have 2 to 2 items"),
        ({"limits": "none"}, "limits must be a list"),
        ({"versions": {"numpy": 2}}, r"versions\.numpy must be a text"),
        ({"seed": "lucky"}, "seed must be a whole number"),
        ({"data": _nested(30)}, "data is nested more than 20 deep"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(toy_beats, change, told):
    path = toy_beats.folder / "toy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=rf"toy\.json: .*{told}") as caught:
        Classifier(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, '{"classes": "\udc80"}', "\0", ""]
)
def test_text_that_is_no_card_is_one_line(tmp_path, text):
    (tmp_path / "m.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError, match=r"m\.json: not a model card") as caught:
        ModelCard.load(tmp_path / "m.json")
    assert "\n" not in str(caught.value)


def test_a_card_of_any_size_is_bounded(tmp_path):
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(ModelError, match=r"m\.json: cannot be read .* .more than 16 MB"):
        ModelCard.load(tmp_path / "m.json")


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "text",
        "other bytes",
        "inputs",
        "classes",
        "lacks",
        "unknown",
        "damaged",
        "list",
        "no json",
    ],
)
def test_what_is_wrong_is_named_in_one_line(toy_beats, how):
    expected = _damage(toy_beats.folder, how)
    with pytest.raises(ModelError, match=expected) as caught:
        Classifier(toy_beats.folder / "toy.json")
    assert "\n" not in str(caught.value)


def test_a_form_that_is_not_the_files_own(toy_beats):
    with pytest.raises(ModelError, match="is the float32 file, not 'int8'"):
        Classifier(toy_beats.folder / "toy.tflite", precision="int8")
    (toy_beats.folder / "toy.json").unlink()
    with pytest.raises(ModelError, match=r"no card that says which file is int8; put toy\.json"):
        Classifier(toy_beats.folder / "toy.tflite", precision="int8")


def test_truncated_files_are_refused_and_crash_nothing(toy_beats):
    """Without a card, since with one the checksum tells."""
    folder, _ = toy_beats
    (folder / "toy.json").unlink()
    whole = (folder / "toy.tflite").read_bytes()
    for length in range(8, len(whole) - 8, 37):
        (folder / "toy.tflite").write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"toy.tflite: "):
            Classifier(folder / "toy.tflite")


def test_indices_out_of_range_are_found(toy_beats):
    whole = (toy_beats.folder / "toy.tflite").read_bytes()
    check_model(whole)
    refused = 0
    for at in range(8, len(whole) - 4, 4):
        broken = whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :]
        try:
            check_model(broken)
        except ValueError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("code", "told"),
    [(32, "FlexErf"), (142, "VAR_HANDLE"), (143, "READ_VARIABLE"), (129, "CALL_ONCE")],
)
def test_operators_that_are_not_built_in_or_keep_state_are_refused(tmp_path, rng, code, told):
    content, _ = affine_model(rng, WINDOW, FEATURES, 3, more_operators=[(code, "FlexErf")])
    check_model(content)
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=rf"m\.tflite: holds {told}: models must consist of"):
        Classifier(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    "window",
    [
        WindowSpec(125.0, 2, 1),
        WindowSpec(125.0, 3, 1, "strip"),
        WindowSpec(125.0, 3, 1, "beat", 8),
    ],
)
def test_a_card_whose_window_is_not_the_models_is_refused(toy_beats, window):
    card = ModelCard.load(toy_beats.folder / "toy.json")
    card.window = window
    card.save(toy_beats.folder / "toy.json")
    with pytest.raises(ModelError, match=r"toy\.tflite: .*which the window of its card"):
        Classifier(toy_beats.folder / "toy.json")


def test_the_fastest_form_is_the_cards(toy_beats, rng):
    folder, _ = toy_beats
    card = ModelCard.load(folder / "toy.json")
    (folder / "toy.int8.tflite").write_bytes((folder / "toy.tflite").read_bytes())
    card.precisions["int8"] = {**card.precisions["float32"], "file": "toy.int8.tflite"}
    card.fastest = {"forms": {available_backends()[0]: "int8", "tf.lite": "float32"}}
    card.save(folder / "toy.json")
    assert Classifier(folder / "toy.json", precision="fastest").precision == "int8"
    assert Classifier(folder / "toy.json").precision == "float32"
    assert Classifier(folder / "toy.tflite", precision="fastest").precision == "float32"
    assert card.fastest_precision("tf.lite") == "float32"
    assert card.fastest_precision("another") == "float32"
