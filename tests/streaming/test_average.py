"""What a model says of several leads, averaged: numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecgfast import Classifier, Quality, StreamingClassifier
from ecgfast.records import demo_record
from ecgfast.streaming.average import mean_over_leads, quality_over_leads


def mean(*leads: list[list[float]], output: str = "probability", quality: Any = None) -> np.ndarray:
    """Of leads whose answers are these."""
    batches = []
    for lead, answers in enumerate(leads):
        n = len(answers)
        windows = np.zeros((n, 4, 1), np.float32)
        windows[:, 1] = 1.0
        bits = np.zeros(n, np.uint32) if quality is None else np.array(quality[lead], np.uint32)
        batches.append(SimpleNamespace(windows=windows, quality=bits, answers=answers))
    given = iter(np.array(batch.answers, np.float32) for batch in batches)
    classifier = SimpleNamespace(
        input_shapes={"window": (4, 1)}, output=output, predict_proba=lambda *_: next(given)
    )
    return mean_over_leads(classifier, batches)  # type: ignore[arg-type]


def test_log_odds_of_probabilities_are_averaged() -> None:
    # Odds 4 and 1/9: their geometric mean is 2/3.
    found = mean([[0.2, 0.8]], [[0.9, 0.1]])
    np.testing.assert_allclose(found, [[0.6, 0.4]], rtol=1e-6)
    # One output stands for two classes.
    np.testing.assert_allclose(mean([[0.8]], [[0.1]]), [[0.4]], rtol=1e-6)
    # One lead that is sure does not lift a beat over a low threshold that the other rules out.
    assert mean([[0.05, 0.95]], [[0.99, 0.01]])[0, 1] < 0.35
    # Where both agree that is the answer, and no probability is surer than a thousand to one.
    np.testing.assert_allclose(mean([[0.3, 0.7]], [[0.3, 0.7]]), [[0.3, 0.7]], rtol=1e-6)
    veto, less = mean([[0.1, 0.9]] * 2, [[1.0, 0.0], [0.999, 0.001]])
    np.testing.assert_allclose(veto, less, rtol=1e-3)


def test_numbers_are_averaged_as_they_are() -> None:
    found = mean([[120.0, 80.0]], [[130.0, 60.0]], output="value")
    np.testing.assert_array_equal(found, [[125.0, 70.0]])


@pytest.mark.parametrize("output", ["probability", "value"])
def test_a_beat_that_one_lead_shows_has_the_bits_of_that_lead(output: str) -> None:
    rng = np.random.default_rng(3)
    first, second = rng.dirichlet(np.ones(5), (2, 40)).astype(np.float32)
    off = np.where(rng.random((2, 40)) < 0.4, int(Quality.FLAT), 0)
    found = mean(first.tolist(), second.tolist(), output=output, quality=off)
    alone = (off > 0).sum(axis=0) == 1
    np.testing.assert_array_equal(found[alone], np.where(off[0] > 0, second.T, first.T).T[alone])
    # Where all leads are off all are averaged, as where none is.
    both = mean(first.tolist(), second.tolist(), output=output)
    np.testing.assert_array_equal(found[~alone], both[~alone])
    assert 5 < alone.sum() < 35


def test_quality_of_a_lead_counts_where_no_other_shows_the_beat() -> None:
    flat, saturated, noisy, learning = 2, 4, 8, 16
    rows = {
        (flat, 0): 0,
        (0, flat): 0,
        (flat, 1): flat | 1,
        (flat, flat): flat,
        (flat | noisy, noisy): noisy,
        (flat | learning, 0): 0,
        (saturated, 0): 0,
        (saturated | learning, saturated): saturated | learning,
        (flat, saturated): saturated,
        (0, saturated): 0,
        (0, learning): learning,
    }
    batches = [
        SimpleNamespace(quality=np.array(bits, np.uint32)) for bits in zip(*rows, strict=True)
    ]
    found = quality_over_leads(batches)  # type: ignore[arg-type]
    assert found.tolist() == list(rows.values())


@pytest.mark.parametrize("lead", [0, 1])
def test_a_lead_that_came_off_spoils_no_beat_that_the_other_shows(lead: int) -> None:
    record = demo_record()
    signal = np.repeat(record.signal[:, :1], 2, axis=1)
    off = slice(round(20 * record.fs), round(40 * record.fs))
    signal[off, lead] = signal[off.start, lead]
    labeller = StreamingClassifier(Classifier(), record.fs, n_leads=2)
    beats = [*labeller.process(signal), *labeller.flush()]
    inside = [beat for beat in beats if 22 < beat.time < 38]
    assert len(inside) > 10
    assert not any(beat.quality & (Quality.FLAT | Quality.GAP) for beat in inside)
