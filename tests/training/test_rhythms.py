"""Rhythms made from a recording: what changes, what stays the patient's own, and who learns it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError, Record, detect_qrs
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import AAMI_CLASSES
from ecgfast.records.synthetic import synthetic_ecg
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.retiming import AtrialWaves, Rhythm, retime
from ecgfast.training.datasets.rhythm_augmentation import (
    prepare_augmented_beats,
)
from ecgfast.training.datasets.rhythms import RHYTHMS, at_intervals, make_rhythm

N, S, V = (AAMI_CLASSES.index(c) for c in "NSV")
FS = 250.0


@pytest.fixture(scope="module")
def recorded() -> tuple[Record, np.ndarray, np.ndarray, np.ndarray]:
    """Recording of five minutes, its R peaks, RR intervals and classes."""
    record = synthetic_ecg(300, FS, ventricular=0.02, leads=("MLII",), seed=3)
    marks = record.annotations
    assert marks is not None
    rr = np.diff(marks.sample, prepend=0) / FS
    rr[0] = np.nan
    return record, marks.sample, rr, np.where(marks.symbol == "V", V, N)


@pytest.fixture(scope="module")
def few_records(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with three real recordings of the training part and one of the test part."""
    few = tmp_path_factory.mktemp("few")
    (few / "mitdb").mkdir()
    for name in ("101", "209", "223", "100"):
        files = [*(data_root / "mitdb").glob(f"{name}.*")]
        if not files:
            pytest.skip(f"mitdb/{name} is not in ECGFAST_DATA")
        for file in files:
            shutil.copy(file, few / "mitdb")
    return few


def as_it_was(before: np.ndarray, label: np.ndarray, **changes) -> Rhythm:
    n = len(before)
    still = np.ones(n), np.zeros(n), np.ones(n)
    same = Rhythm(before.copy(), *still, label.copy(), np.zeros(n, bool))
    return dataclasses.replace(same, **changes)


def test_a_rhythm_that_changes_nothing_leaves_every_sample(recorded, rng) -> None:
    record, peaks, rr, label = recorded
    signal, at = retime(record.signal[:, 0], FS, peaks, as_it_was(rr, label), rng)
    assert np.array_equal(signal, record.signal[:, 0])
    assert np.array_equal(at, peaks)


@pytest.mark.parametrize("factor", [0.55, 0.8, 1.3])
def test_intervals_are_as_asked_for_and_complexes_are_the_patients_own(
    recorded, rng, factor: float
) -> None:
    record, peaks, rr, label = recorded
    x = record.signal[:, 0].astype(float)
    signal, at = retime(x, FS, peaks, as_it_was(rr, label, rr=rr * factor), rng)
    assert np.diff(at) == pytest.approx(np.diff(peaks) * factor, abs=1)
    for r, was in zip(at[1:-1], peaks[1:-1], strict=True):
        assert np.array_equal(signal[r - 12 : r + 1], x[was - 12 : was + 1])
        assert np.array_equal(signal[r : r + 20], x[was : was + 20])
    # And no seam looks like a beat: the detector finds those that are there.
    found = detect_qrs(signal, FS)
    far = np.abs(found[:, np.newaxis] - at).min(axis=1)
    assert (far < 0.1 * FS).mean() > 0.99
    assert len(found) == pytest.approx(len(at), rel=0.01)


def p_wave(signal: np.ndarray, r_peaks: np.ndarray) -> np.ndarray:
    """What the P waves stand out by, beat for beat."""
    first, last = int(0.23 * FS), int(0.07 * FS)
    waves = np.stack([signal[r - first : r - last] for r in r_peaks[2:-2]])
    level = np.linspace(waves[:, 0], waves[:, -1], waves.shape[1], axis=1)
    away: np.ndarray = (waves - level)[np.arange(len(waves)), np.abs(waves - level).argmax(axis=1)]
    return away


def test_p_waves_go_turn_over_and_move(recorded, rng) -> None:
    record, peaks, rr, label = recorded
    x = record.signal[:, 0]
    normal = label[2:-2] == N
    usual = float(np.median(p_wave(x, peaks)[normal]))
    for gain in (0.0, -1.0, 0.5):
        rhythm = as_it_was(rr, label, p_gain=np.full(len(rr), gain))
        signal, at = retime(x, FS, peaks, rhythm, rng)
        assert np.array_equal(at, peaks)
        assert np.median(p_wave(signal, at)[normal]) == pytest.approx(gain * usual, abs=0.2 * usual)
    shift = as_it_was(rr, label, p_shift=np.full(len(rr), -0.03))
    signal, at = retime(x, FS, peaks, shift, rng)

    def summit(values: np.ndarray) -> float:
        return float(
            np.median([values[r - 60 : r - 12].argmax() for r in peaks[2:-2][normal]]) / FS
        )

    assert summit(x) - summit(signal) == pytest.approx(0.03, abs=0.009)


def test_atrial_waves_have_their_frequency_and_size(recorded, rng) -> None:
    record, peaks, rr, label = recorded
    waves = AtrialWaves(20, 120, 5.0, 0.0, 0.1)
    rhythm = as_it_was(rr, label, waves=(waves,))
    signal, at = retime(record.signal[:, 0], FS, peaks, rhythm, rng)
    added = signal - record.signal[:, 0]
    assert not added[: at[20]].any()
    assert not added[at[120] :].any()
    inside = added[at[21] : at[119]]
    spectrum = np.abs(np.fft.rfft(inside))
    assert np.fft.rfftfreq(len(inside), 1 / FS)[spectrum.argmax()] == pytest.approx(5.0, abs=0.05)
    size = float(np.median([np.ptp(record.signal[r - 20 : r + 20, 0]) for r in peaks]))
    assert inside.std() == pytest.approx(0.1 * size * np.sqrt((1 + 0.16 + 0.04) / 2), rel=0.05)


def test_premature_beats_are_early_and_s(recorded, rng) -> None:
    _, _, rr, label = recorded
    rhythm = make_rhythm("premature beats", rr, label, rng)
    made = rhythm.label == S
    assert 5 < made.sum() < len(rr) / 3
    assert (rhythm.rr[made] < 0.96 * rr[made]).all()
    assert np.array_equal(rhythm.label[~made], label[~made])
    assert rhythm.taught[made].all()
    assert (rhythm.label[rhythm.taught] != V).all()
    assert rhythm.taught.sum() > made.sum()


def test_tachycardia_begins_at_once_and_goes_on(rng) -> None:
    rr = np.concatenate([[np.nan], 0.8 + 0.02 * rng.standard_normal(2000)])
    rhythm = make_rhythm("tachycardia", rr, np.zeros(len(rr), int), rng)
    made = (rhythm.label == S).astype(int)
    begins = np.flatnonzero(np.diff(made) == 1) + 1
    ends = np.flatnonzero(np.diff(made, append=0) == -1) + 1
    assert len(begins) > 0
    assert (ends - begins >= 5).all()
    assert (rhythm.rr[begins] < 0.8 * rhythm.rr[begins - 1]).all()
    for begin, end in zip(begins, ends, strict=True):
        assert np.ptp(rhythm.rr[begin:end]) < 0.35 * rhythm.rr[begin:end].mean()


def test_fibrillation_is_irregular_without_p_waves_and_n(rng) -> None:
    rr = np.concatenate([[np.nan], 0.8 + 0.02 * rng.standard_normal(3000)])
    rhythm = make_rhythm("fibrillation", rr, np.zeros(len(rr), int), rng)
    assert (rhythm.label == N).all()
    made = rhythm.taught
    assert made.any()
    assert (rhythm.p_gain[made] == 0).all()
    assert (rhythm.p_gain[~made] == 1).all()
    assert np.std(rhythm.rr[made]) > 5 * np.nanstd(rr)
    assert len(rhythm.waves) == (np.diff(made.astype(int)) == 1).sum()


@pytest.mark.parametrize("kind", RHYTHMS)
def test_a_recording_too_short_or_without_normal_beats_stays(kind: str, rng) -> None:
    for n, label in ((3, N), (60, V)):
        rr = np.concatenate([[np.nan], np.full(n - 1, 0.8)])
        rhythm = make_rhythm(kind, rr, np.full(n, label), rng)
        assert (rhythm.label == label).all()
        assert not rhythm.taught.any()
        assert np.array_equal(rhythm.rr, rr, equal_nan=True)


def test_what_cannot_be_made_is_said(recorded, rng) -> None:
    record, peaks, rr, label = recorded
    with pytest.raises(InputError, match="there are premature beats, tachycardia, fibrillation"):
        make_rhythm("flutter", rr, label, rng)
    with pytest.raises(InputError, match="R peaks for a rhythm of"):
        retime(record.signal[:, 0], FS, peaks[:-1], as_it_was(rr, label), rng)
    with pytest.raises(InputError, match="ascending samples"):
        retime(record.signal[:, 0], FS, peaks[::-1], as_it_was(rr, label), rng)
    for wrong in (0.0, np.nan):
        with pytest.raises(InputError, match="two samples at least"):
            retime(record.signal[:, 0], FS, peaks, as_it_was(rr, label, rr=rr * wrong), rng)


def test_exertion_is_gradual_sinus_rhythm_and_n(recorded) -> None:
    record, peaks, _, label = recorded
    calm = np.concatenate([[np.nan], np.full(len(label) - 1, 0.8)])
    all_normal = np.full(len(label), N)
    fastest, steepest = [], []
    for seed in range(30):
        rhythm = make_rhythm("exertion", calm, all_normal, np.random.default_rng(seed))
        assert (rhythm.label == N).all()
        assert rhythm.taught.any()
        assert np.array_equal(rhythm.rr[~rhythm.taught][1:], calm[~rhythm.taught][1:])
        assert rhythm.rr[1:].min() >= 0.34
        # Without breathing and scatter: medians over nine beats.
        smooth = np.median(np.lib.stride_tricks.sliding_window_view(rhythm.rr[1:], 9), axis=1)
        rate = 60 / smooth
        fastest.append(rate.max())
        steepest.append(np.abs(rate[10:] - rate[:-10]).max())
        # The P wave stays upright and the patient's own, and QT follows the rate.
        assert ((rhythm.p_gain >= 1) & (rhythm.p_gain <= 1.6)).all()
        quick = rhythm.taught & (rhythm.rr < 0.6)
        assert (rhythm.t_scale[quick] < 1).all()
        signal, at = retime(record.signal[:, 0], FS, peaks, rhythm, np.random.default_rng(0))
        assert len(at) == len(peaks)
        assert np.isfinite(signal).all()
    assert max(fastest) > 130  # a rate that tachycardia has too
    assert np.percentile(steepest, 90) < 45  # within ten beats; at once is what tachycardia does


def test_sinus_arrhythmia_is_deep_smooth_and_n(recorded) -> None:
    record, peaks, _, label = recorded
    calm = np.concatenate([[np.nan], np.full(len(label) - 1, 0.8)])
    all_normal = np.full(len(label), N)
    depths, breaths = [], []
    for seed in range(30):
        rhythm = make_rhythm("sinus arrhythmia", calm, all_normal, np.random.default_rng(seed))
        assert (rhythm.label == N).all()
        assert rhythm.taught.any()
        assert np.array_equal(rhythm.rr[~rhythm.taught][1:], calm[~rhythm.taught][1:])
        made = rhythm.rr[rhythm.taught]
        assert made.min() > 0.5
        assert made.max() < 2.0
        assert made.mean() > 0.75  # at rest: no faster than it was
        breath = np.lib.stride_tricks.sliding_window_view(made, 8)
        depths.append(np.median(breath.max(axis=1) / breath.min(axis=1)))
        # Each breath takes beats, not one: what an ectopic beat and its pause would be.
        turns = np.diff(np.sign(np.diff(made)))
        breaths.append(2 * len(made) / max(1, np.count_nonzero(turns)))
        # The P wave stays upright and the patient's own; QT follows the mean rate alone.
        assert ((rhythm.p_gain > 0.7) & (rhythm.p_gain < 1.3)).all()
        assert (rhythm.p_shift == 0).all()
        signal, at = retime(record.signal[:, 0], FS, peaks, rhythm, np.random.default_rng(0))
        assert len(at) == len(peaks)
        assert np.isfinite(signal).all()
    assert min(depths) < 1.2
    assert max(depths) > 1.5
    assert np.median(breaths) > 4


def test_beats_get_the_intervals_of_another_recording_in_their_order(recorded, rng) -> None:
    _, _, _, label = recorded
    calm = np.concatenate([[np.nan], np.full(len(label) - 1, 0.8)])
    given = rng.uniform(0.7, 1.2, 400)
    rhythm = at_intervals(calm, np.full(len(label), N), given, rng)
    assert rhythm.taught.sum() > 50
    moved = np.flatnonzero(rhythm.rr != calm)[1:]  # but for the first beat's, which is NaN
    first, end = int(moved[0]), int(moved[np.append(np.diff(moved) > 1, True)][0]) + 1
    at = int(np.flatnonzero(given == rhythm.rr[first])[0])
    assert np.array_equal(rhythm.rr[first:end], given[at : at + end - first])
    # Where the rate changes at once nothing is counted.
    assert not rhythm.taught[first : first + 8].any()
    assert rhythm.taught[first + 8 : end].all()
    assert not rhythm.taught[np.setdiff1d(np.arange(len(calm)), moved)].any()
    assert (rhythm.label == N).all()
    with pytest.raises(InputError, match="299 intervals: give 300 or more"):
        at_intervals(calm, np.full(len(label), N), given[:299], rng)


def test_t_waves_come_nearer_with_the_qt_interval(recorded, rng) -> None:
    record, peaks, rr, label = recorded
    x = record.signal[:, 0].astype(float)
    shorter = as_it_was(rr, label, t_scale=np.full(len(rr), 0.8))
    signal, at = retime(x, FS, peaks, shorter, rng)
    assert np.array_equal(at, peaks)
    normal = [r for r, c in zip(peaks[2:-2], label[2:-2], strict=True) if c == N]

    def t_wave(values: np.ndarray) -> float:
        first, last = int(0.12 * FS), int(0.4 * FS)
        return float(np.median([values[r + first : r + last].argmax() + first for r in normal]))

    begin = 0.1 * FS
    assert (t_wave(signal) - begin) / (t_wave(x) - begin) == pytest.approx(0.8, abs=0.06)
    for r in normal:  # QRS complexes stay
        assert np.array_equal(signal[r - 10 : r + 20], x[r - 10 : r + 20])


def test_augmented_beats_of_a_real_recording(record_path: Callable[[str], Path], data_root) -> None:
    record_path("mitdb/101")
    record_path("mitdb/209")
    beats = prepare_augmented_beats(data_root, ["mitdb/101", "mitdb/209"], "tachycardia", seed=7)
    assert set(beats.record) == {"mitdb/101, tachycardia", "mitdb/209, tachycardia"}
    assert set(beats.patient) == {"mitdb/101", "mitdb/209"}
    assert all(((beats.record == r) & (beats.target == S)).sum() <= 150 for r in set(beats.record))
    # In the core's windows: a fast beat of the usual shape.
    made = beats.only(beats.target == S)
    features = made.inputs["features"][:, FEATURE_NAMES.index("qrs_correlation")]
    assert np.median(features) > 0.97
    assert np.median(made.columns["rr"]) < 0.6
    # One recording's rhythm does not depend on what else is made.
    alone = prepare_augmented_beats(data_root, ["mitdb/209"], "tachycardia", seed=7)
    assert np.array_equal(
        alone.inputs["window"],
        beats.only(beats.record == "mitdb/209, tachycardia").inputs["window"],
    )
    other = prepare_augmented_beats(data_root, ["mitdb/209"], "tachycardia", seed=8)
    assert len(other) != len(alone) or not np.array_equal(
        other.inputs["window"], alone.inputs["window"]
    )


@pytest.mark.thorough
def test_a_network_learns_from_what_is_made_of_its_own_patients_alone(monkeypatch) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    from toy_task import ToyTask, toy_examples, toy_recipe

    from ecgfast.training.fitting import fit as fitting
    from ecgfast.training.fitting.crossval import cross_validate

    real = toy_examples()
    made = dataclasses.replace(real, record=np.char.add(real.record, ", made"))
    shown: list[ExampleSet] = []

    def fit(recipe, examples, validation, **options):
        shown.append(examples)
        return original(recipe, examples, validation, **options)

    original = fitting.fit
    monkeypatch.setattr(fitting, "fit", fit)
    recipe = toy_recipe(folds=2, schedule={"epochs": 1})
    result = cross_validate(ToyTask(), recipe, real, augmented=made)
    fold = ToyTask().folds(recipe, real)
    for k, examples in enumerate(shown):
        assert set(examples.patient) == set(real.patient[fold != k])
        assert len(examples) == 2 * (fold != k).sum()
    assert result.folds[0]["examples"] + result.folds[1]["examples"] == len(real)
    (outputs,) = result.outputs.values()
    assert len(outputs) == len(real)


def test_augmented_beats_of_the_model_come_from_training_patients_and_weigh_as_the_recipe_says(
    few_records: Path,
) -> None:
    from ecgfast.training.datasets.splits import DS2
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import TASK

    recipe = Recipe.load("beats").changed(
        {"options": {"made": {"fibrillation": 0.5, "premature beats": 0.25}, "history": 2}}
    )
    recipe = dataclasses.replace(recipe, databases=("mitdb",))
    examples = TASK.training_set(recipe, few_records)
    made = TASK.augmented(recipe, few_records, examples)
    assert made is not None
    assert set(made.patient) <= set(examples.patient)
    assert set(examples.record) == {"mitdb/101", "mitdb/209", "mitdb/223"}
    assert not {record.split(", ")[0] for record in made.record} & {f"mitdb/{n}" for n in DS2}
    assert made.inputs["features"].shape[1:] == examples.inputs["features"].shape[1:]
    weight = made.columns["weight"]
    kinds = np.array([record.split(", ")[1] for record in made.record])
    assert weight[kinds == "fibrillation"].mean() == pytest.approx(0.5, rel=1e-4)
    early = (kinds == "premature beats") & (made.target == S)
    assert weight[early].mean() == pytest.approx(0.25, rel=1e-4)
    assert TASK.augmented(recipe.changed({"options": {"made": {}}}), few_records, examples) is None


def test_a_database_that_is_left_out_weighs_nothing_and_strips_are_n(data_root: Path) -> None:
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import TASK

    for name in ("nsrdb", "cinc2017"):
        if not (data_root / name).is_dir():
            pytest.skip(f"no {name} in the folder of recordings")
    recipe = Recipe.load("beats").changed(
        {"options": {"left_out": ["nsrdb"], "made": {"tachycardia": 1.0}, "history": 1}}
    )
    recipe = dataclasses.replace(recipe, databases=("nsrdb", "cinc2017"))
    examples = TASK.training_set(recipe, data_root)
    database = np.char.partition(examples.record, "/")[:, 0]
    weight = examples.columns["weight"]
    assert not weight[database == "nsrdb"].any()
    strips = database == "cinc2017"
    assert (examples.target[strips] == N).all()
    assert 0.05 < (weight[strips] == 0).mean() < 0.4  # bad signal, and wide beats of fibrillation
    assert examples.columns["fibrillation"][strips].mean() == pytest.approx(0.6, abs=0.1)
    # Nothing is made of what is left out, nor of strips, whose beats nobody labelled.
    assert TASK.augmented(recipe, data_root, examples) is None

    outputs = np.zeros((len(examples), 5), np.float32)
    outputs[:, N] = 1.0
    first = np.flatnonzero(examples.record == "nsrdb/16265")[:10]
    outputs[first] = np.eye(5)[S]
    outputs[np.flatnonzero(strips & examples.columns["fibrillation"])[:5]] = np.eye(5)[V]
    told = TASK.figures(examples, outputs)
    assert told["nsrdb false S per hour, worst"] == pytest.approx(20, rel=0.01)
    assert told["nsrdb false S per hour, median"] == 0
    assert told["fibrillation called V"] * examples.columns["fibrillation"].sum() == 5
    assert told["fibrillation called S"] == told["normal strips called V"] == 0


def test_what_a_comparison_leaves_out_is_zero_in_recorded_and_made_beats(few_records: Path) -> None:
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import TASK

    recipe = Recipe.load("beats").changed(
        {"options": {"made": {"tachycardia": 1.0}, "without": ["window", "rr_ratio"], "history": 1}}
    )
    recipe = dataclasses.replace(recipe, databases=("mitdb",))
    examples = TASK.training_set(recipe, few_records)
    made = TASK.augmented(recipe, few_records, examples)
    assert made is not None
    for shown in (examples, made):
        assert not shown.inputs["window"].any()
        assert not shown.inputs["features"][:, FEATURE_NAMES.index("rr_ratio")].any()
        assert shown.inputs["features"].any()
