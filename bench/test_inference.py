"""The built-in models: one beat and a batch, in each precision and runtime."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest

from ecgfast import BeatBatch, BeatStream, Classifier, ModelError
from ecgfast.records import Record
from ecgfast.runtime import available_backends, available_models

precisions = pytest.mark.parametrize(
    ("name", "precision"),
    [
        (name, precision)
        for name, card in available_models().items()
        if card.window is not None
        for precision in card.precisions
    ],
)
backends = pytest.mark.parametrize("backend", available_backends())


def opened(name: str, precision: str, backend: str) -> Classifier:
    try:
        return Classifier(name, precision=precision, backend=backend)
    except ModelError as error:
        pytest.skip(str(error))


def beats_of(record: Record, classifier: Classifier) -> tuple[BeatBatch, Any]:
    stream = BeatStream(record.fs, n_leads=record.signal.shape[1], window=classifier.window)
    beats = stream.finish(record.signal)
    return beats, beats.features if "features" in classifier.input_shapes else None


@precisions
@backends
@pytest.mark.benchmark(group="one beat")
def test_one_beat(benchmark, record: Record, name: str, precision: str, backend: str) -> None:
    classifier = opened(name, precision, backend)
    beats, features = beats_of(record, classifier)
    turn = cycle(range(len(beats)))

    def run() -> None:
        i = next(turn)
        classifier.predict_one(beats.windows[i], None if features is None else features[i])

    benchmark(run)


@precisions
@backends
@pytest.mark.benchmark(group="256 beats")
def test_batch(benchmark, record: Record, name: str, precision: str, backend: str) -> None:
    classifier = opened(name, precision, backend)
    beats, features = beats_of(record, classifier)
    part = slice(0, 256)
    result = benchmark(
        classifier.predict, beats.windows[part], None if features is None else features[part]
    )
    assert len(result) == 256
