"""Corrected beats: offsets that make them right, bounded, the same after a break."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ecgfast import Classifier, InputError, StateError, StreamingClassifier
from ecgfast.records import synthetic_ecg
from ecgfast.runtime import available_models
from ecgfast.runtime.corrections import MOST_CORRECTIONS, Corrections

CLASSES = tuple("NSVFQ")


def test_offsets_are_where_the_posterior_is_highest(rng: np.random.Generator) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    shares = rng.dirichlet(np.ones(5), 40)
    labels = rng.integers(3, size=40)
    corrections = Corrections(CLASSES)
    for row, label in zip(shares, labels, strict=True):
        corrections.add(row.tolist(), CLASSES[label])

    def cost(offsets: np.ndarray) -> float:
        logits = np.log(shares) + np.concatenate([[0.0], offsets])
        likely = logits[np.arange(40), labels] - np.log(np.exp(logits).sum(axis=1))
        return float(-likely.sum() + (offsets**2).sum() / (2 * 2.0**2))

    best = optimize.minimize(cost, np.zeros(4), tol=1e-12).x
    assert corrections.offsets[0] == 0.0
    assert corrections.offsets[1:] == pytest.approx(best, abs=1e-4)


def test_a_level_that_is_wrong_for_a_patient_is_mended(rng: np.random.Generator) -> None:
    # S of this patient are told apart from N, but all of them are called S.
    score = np.concatenate([rng.normal(1.5, 0.3, 200), rng.normal(4.0, 0.3, 20)])
    truth = np.repeat([0, 1], [200, 20])
    shares = np.zeros((220, 5))
    shares[:, 1] = 1 / (1 + np.exp(-score))
    shares[:, 0] = 1 - shares[:, 1]
    assert (shares.argmax(axis=1) == 1).all()
    corrections = Corrections(CLASSES)
    for _ in range(10):  # each time the least sure one
        sure = corrections(shares).max(axis=1)
        for done in corrections:
            sure[np.abs(shares - done[0]).max(axis=1) == 0] = 1
        i = int(sure.argmin())
        corrections.add(shares[i].tolist(), CLASSES[truth[i]])
    right = corrections(shares).argmax(axis=1) == truth
    assert right.mean() > 0.99


@pytest.mark.thorough
def test_one_sided_answers_do_not_run_away() -> None:
    corrections = Corrections(CLASSES)
    for _ in range(3 * MOST_CORRECTIONS):
        corrections.add([0.0, 1.0, 0.0, 0.0, 0.0], "N")
    assert len(corrections) == MOST_CORRECTIONS
    assert np.isfinite(corrections.offsets).all()
    assert np.abs(corrections.offsets).max() < 25
    assert corrections([0.0, 1.0, 0.0, 0.0, 0.0]).sum() == pytest.approx(1.0)


def test_wrong_use() -> None:
    corrections = Corrections(CLASSES)
    with pytest.raises(InputError, match="no class 'X': the model has N, S, V, F, Q"):
        corrections.add([1, 0, 0, 0, 0], "X")
    for wrong in ([1.0, 0.0], [float("nan"), 0, 0, 0, 0]):
        with pytest.raises(InputError, match="a probability is needed for each of N, S"):
            corrections.add(wrong, "N")
    with pytest.raises(InputError):
        Corrections(("N",))
    assert not len(corrections)


@pytest.mark.skipif("beats" not in available_models(), reason="no built-in model 'beats'")
@pytest.mark.parametrize("n_leads", [1, 2])
def test_a_stream_learns_from_its_beats_and_goes_on_after_a_break(n_leads: int) -> None:
    record = synthetic_ecg(60.0, 250.0, supraventricular=0.1, seed=2)
    signal, half = record.signal[:, :n_leads], 30 * 250
    classifier = Classifier("beats", precision="float32")

    def labeller() -> StreamingClassifier:
        return StreamingClassifier(classifier, record.fs, n_leads=n_leads)

    plain, other = labeller(), labeller()
    assert plain.n_labelled == n_leads
    before = plain.process(signal[:half])
    assert [repr(b) for b in other.process(signal[:half])] == [repr(b) for b in before]
    for beat in before[:10]:
        other.correct(beat, "S")
    after, corrected = plain.process(signal[half:]), other.process(signal[half:])
    assert [b.sample for b in corrected] == [b.sample for b in after]
    for was, now in zip(after, corrected, strict=True):
        assert now.probabilities["S"] > was.probabilities["S"]
        assert sum(now.probabilities.values()) == pytest.approx(1.0)
        assert now.label == max(now.probabilities, key=now.probabilities.__getitem__)

    resumed = labeller()
    for beat in resumed.process(signal[:half])[:10]:
        resumed.correct(beat, "S")
    resumed.corrections = pickle.loads(pickle.dumps(resumed.corrections))
    assert [repr(b) for b in resumed.process(signal[half:])] == [repr(b) for b in corrected]

    with pytest.raises(InputError, match="no beat at sample"):
        labeller().correct(before[0], "S")
    other.reset()
    assert [repr(b) for b in other.process(signal[:half])] == [repr(b) for b in before]


@pytest.mark.parametrize(
    ("learnt", "message"),
    [
        (Corrections(("N", "V")), "of a model of N, V, and this one has N, S, V, F, Q"),
        (Corrections(CLASSES, "beats 000000000000"), "of the model beats 000000000000, and this"),
    ],
)
def test_corrections_of_another_model_are_refused(learnt: Corrections, message: str) -> None:
    """Its probabilities have other levels: offsets would make right labels wrong in silence."""
    labeller = StreamingClassifier(Classifier("beats"), 250.0)
    before = labeller.corrections
    with pytest.raises(StateError, match=message):
        labeller.corrections = learnt
    with pytest.raises(InputError, match="corrections is None"):
        labeller.corrections = None
    assert labeller.corrections is before
    int8 = StreamingClassifier(Classifier("beats", precision="int8"), 250.0)
    int8.corrections = before  # of the same model
    with pytest.raises(InputError, match="gives numbers, no classes"):
        StreamingClassifier(Classifier("blood-pressure"), 250.0).corrections = before
