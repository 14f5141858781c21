"""Cards and model files of any content: one line of error, or something that can be used.

``ECGFAST_FUZZ=N`` tries N examples of each instead of a few seconds' worth.
"""

from __future__ import annotations

import json
import os
from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import TOY_FEATURES, TOY_WINDOW, affine_model

from ecgfast.errors import ModelError
from ecgfast.runtime import ModelCard, available_models
from ecgfast.runtime.flatbuffer import check_model, has_int8_layers, refused_operators

some = settings(
    max_examples=int(os.environ.get("ECGFAST_FUZZ", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@cache
def whole_card() -> str:
    """A card with every field, as JSON."""
    return available_models()["normality"].path.read_text(encoding="utf-8")


def places(value, path=()):
    """Every place in a card that can be changed."""
    yield path
    for key, item in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(item, (*path, key))


@cache
def all_places():
    return [path for path in places(json.loads(whole_card())) if path]


def load(tmp_path, text):
    """Load a card; what is wrong with it is one line, what is right can be used."""
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        card = ModelCard.load(path)
    except ModelError as error:
        told = str(error)
    else:
        told = ""
    if told:
        assert "\n" not in told
        assert told.startswith(str(path))
        return
    card.save(path)
    assert ModelCard.load(path) == card
    card.fastest_precision("ai-edge-litert")
    card.probabilities(0)
    for form in card.precisions:
        assert card.file(form).parent == tmp_path
    assert all(isinstance(label, str) for label in card.classes)


@some
@given(data=st.data())
def test_a_card_with_anything_in_any_place(tmp_path_factory, data):
    card = json.loads(whole_card())
    *way, last = data.draw(st.sampled_from(all_places()))
    at = card
    for key in way:
        at = at[key]
    if data.draw(st.booleans()):
        at[last] = data.draw(anything)
    else:
        del at[last]
    load(tmp_path_factory.getbasetemp(), json.dumps(card))


@some
@given(text=st.text(max_size=60) | anything.map(json.dumps))
def test_any_text_as_a_card(tmp_path_factory, text):
    load(tmp_path_factory.getbasetemp(), text)


@cache
def whole_models():
    rng = np.random.default_rng(1)
    return (
        affine_model(rng, TOY_WINDOW, TOY_FEATURES, 5)[0],
        affine_model(rng, (2, 3), None, 6, quantised=(0.05, -3))[0],
    )


def check(content):
    """Check a model file; nothing but ValueError may come out of it."""
    try:
        check_model(content)
    except ValueError:
        return
    refused_operators(content)
    has_int8_layers(content)


@some
@given(data=st.data())
def test_a_model_with_any_words_changed(data):
    content = bytearray(data.draw(st.sampled_from(whole_models())))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) // 2 - 1)) * 2
        word = data.draw(
            st.binary(min_size=2, max_size=2) | st.sampled_from([b"\xff\xff", b"\0\0"])
        )
        content[at : at + 2] = word
    check(bytes(content))


@some
@given(content=st.binary(max_size=400))
def test_any_bytes_as_a_model(content):
    check(content)
    check(content[:4] + b"TFL3" + content[8:])


@some
@given(data=st.data())
def test_parts_of_models_put_together(data):
    pieces = []
    for _ in range(data.draw(st.integers(1, 3))):
        whole = data.draw(st.sampled_from(whole_models()))
        begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
        pieces.append(whole[begin:end])
    check(whole_models()[0][:8] + b"".join(pieces))
