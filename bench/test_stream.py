"""The fused path, and samples in to labels out."""

from __future__ import annotations

import pytest

from ecgfast import BeatStream, Classifier
from ecgfast.records import Record
from ecgfast.streaming import StreamingClassifier

chunks = pytest.mark.parametrize("seconds", [0.1, 10.0])


@chunks
@pytest.mark.benchmark(group="beat stream")
def test_beat_stream(benchmark, record: Record, seconds: float) -> None:
    step = round(seconds * record.fs)

    def run() -> int:
        stream = BeatStream(record.fs, n_leads=record.signal.shape[1])
        beats = sum(
            len(stream.process(record.signal[begin : begin + step]))
            for begin in range(0, record.n_samples, step)
        )
        return beats + len(stream.flush())

    benchmark.extra_info["samples"] = record.n_samples
    assert benchmark(run) > 300


@chunks
@pytest.mark.benchmark(group="end to end")
def test_end_to_end(benchmark, record: Record, model: str, seconds: float) -> None:
    step = round(seconds * record.fs)
    classifier = Classifier(model)

    def run() -> int:
        labeller = StreamingClassifier(
            classifier,
            record.fs,
            n_leads=record.signal.shape[1],
            lookahead=classifier.lookahead,
        )
        beats = sum(
            len(labeller.process(record.signal[begin : begin + step]))
            for begin in range(0, record.n_samples, step)
        )
        return beats + len(labeller.flush())

    benchmark.extra_info["samples"] = record.n_samples
    assert benchmark(run) > 300
