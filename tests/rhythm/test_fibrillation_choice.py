"""The command that chooses the settings of atrial fibrillation, and what it chose."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from irregular_beats import FS, beats_of, episodes

from ecgfast.rhythm import DEFINITIONS, EventKind
from ecgfast.rhythm._beat_window import CONTEXT
from ecgfast.rhythm.atrial import default_model, stored_settings

BENCH = Path(__file__).parents[2] / "bench"
PARTS = {
    "begins and ends": [(False, 60.0), (True, 90.0), (False, 60.0)],
    "two episodes": [(True, 60.0), (False, 60.0), (True, 60.0)],
    "a short one": [(True, 12.0)],
    "none": [(False, 90.0)],
}

pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="bench/ is not in this checkout")


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("tensorflow")
    pytest.importorskip("wfdb")
    monkeypatch.syspath_prepend(str(BENCH))
    import choose_fibrillation

    return choose_fibrillation


def recorded(parts: list[tuple[bool, float]], **how: Any) -> Any:
    """The beats that are scored."""
    import fibrillation_beats

    beats = beats_of(*parts, **how)
    return fibrillation_beats.Source("made", "made", "nsrdb_rr", beats, None, FS).scored()


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("lasting", "probability"), [(30.0, 0.7), (8.0, 0.3)])
@pytest.mark.parametrize("noisy", [(0.0, 0.0), (80.0, 110.0)])
def test_the_episodes_compared_are_those_of_the_stream(
    choice: ModuleType,
    name: str,
    lasting: float,
    probability: float,
    noisy: tuple[float, float],
) -> None:
    recording = recorded(PARTS[name], noisy=noisy)
    odds = recording.odds(default_model())
    replay = choice.Replay(recording)
    found = replay.episodes(odds, replace(stored_settings(), probability=probability), lasting)
    rules = {"irregular": lasting, "irregular_probability": probability}
    expected = episodes(beats_of(*PARTS[name], noisy=noisy), **rules)
    assert found.tolist() == [[one.start, one.end] for one in expected]


def test_a_sum_that_is_not_reached_gives_what_no_limit_gives(choice: ModuleType) -> None:
    recording = recorded([(True, 60.0), (False, 120.0), (True, 60.0)])
    odds = [[2.0 if look.irregular else -6.0] * (look.end - look.begin) for look in recording.looks]
    replay = choice.Replay(recording)
    free = replace(stored_settings(), begins=inf, ends=inf)
    without_limit, peak = replay.episodes(odds, free, 8.0), replay.peak
    above = replace(free, begins=peak, ends=16.0)
    assert 16.0 < peak < inf
    assert replay.episodes(odds, above, 8.0).tolist() == without_limit.tolist()
    below = replace(free, begins=peak - 1.0, ends=16.0)
    assert replay.episodes(odds, below, 8.0).tolist() != without_limit.tolist()


def test_the_choice_is_the_highest_and_then_the_first(choice: ModuleType) -> None:
    comparison = choice.Comparison.empty([["a"], ["b"]])
    comparison.durations[..., :2], comparison.strips[..., :2] = 100.0, 10.0
    assert comparison.best() == (0,) * len(choice.GRID)
    # Better with the last probability, for every other setting.
    comparison.durations[0, :, -1, :, :, 2] = 98.0
    best = dict(zip(choice.GRID, comparison.best(), strict=True))
    for name, at in best.items():
        assert at == (len(choice.GRID[name]) - 1 if name == "probability" else 0)


def test_nested_figures_come_from_folds_that_chose_nothing(choice: ModuleType) -> None:
    comparison = choice.Comparison.empty([["a"], ["b"]])
    comparison.durations[..., :2], comparison.strips[...] = 100.0, 1.0
    comparison.durations[1, 0] = comparison.durations[2, 1] = 0.0
    # The first probability is right in fold a alone, the last one in fold b alone.
    comparison.durations[0, 0, 0, ..., 2] = comparison.durations[0, 1, -1, ..., 2] = 100.0
    comparison.durations[1, 1, -1, ..., 2] = comparison.durations[2, 0, 0, ..., 2] = 100.0
    nested = comparison.nested()
    assert nested["duration_sensitivity"] == 0.0
    chosen = [one["probability"] for one in nested["chosen"]]
    assert chosen == [choice.GRID["probability"][-1], choice.GRID["probability"][0]]


def test_what_is_clear_is_chosen_and_found_by_models_that_never_saw_it(
    choice: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fibrillation_network

    small = {"probability": (0.9999, 0.5), "strip_probability": (0.3,), "begins": (96, 64)}
    monkeypatch.setattr(choice, "GRID", small | {"ends": (64,)})
    monkeypatch.setattr(fibrillation_network, "NETWORKS", 1)
    monkeypatch.setattr(fibrillation_network, "BATCH", 4)
    monkeypatch.setattr(fibrillation_network, "EPOCHS", 12)
    some = []
    for i in range(20):
        is_strip = i >= 5
        ill = bool(i % 2) if is_strip else i < 2
        parts = [(ill, 20.0)] if is_strip else [(False, 60.0), (ill, 60.0), (False, 60.0)]
        one = recorded(parts)
        one.name = one.patient = str(i)
        one.dataset, one.label = ("cinc2017", "NA"[ill]) if is_strip else ("mitdb", "")
        one.n_samples = round(180 * FS)
        if ill and not is_strip:
            one.fibrillation = np.array([[60 * FS, 120 * FS]], np.int64)
        inside = (one.samples > 60 * FS) & (one.samples < 120 * FS)
        one.target = np.full(len(inside), float(ill)) if is_strip else (inside & ill).astype(float)
        some.append(one)
    comparison = choice.compare(some)
    at = comparison.best()
    assert choice.settings_at(at).probability == 0.5
    figures = comparison.figures(at)
    assert figures["duration_sensitivity"] > 90.0
    assert figures["duration_predictivity"] > 80.0
    assert figures["strips_f1"] == 1.0
    # Each fold once alone, and once beside each other one.
    reference = comparison.durations[:, :, 0, 0, 0, 0]
    assert reference[0].sum() == 120.0
    for outer in range(len(comparison.folds)):
        assert reference[1 + outer, outer] == 0.0
        others = np.delete(np.arange(len(comparison.folds)), outer)
        assert reference[1 + outer, others].tolist() == reference[0, others].tolist()


def test_no_fold_has_two_patients_with_fibrillation(choice: ModuleType) -> None:
    import fibrillation_beats

    some = [
        fibrillation_beats.Recording(str(i), str(i), "mitdb", FS, target=np.array([float(i < 2)]))
        for i in range(12)
    ]
    folds = choice.folds(some)
    assert sorted(name for part in folds for name in part) == sorted(str(i) for i in range(12))
    assert sum({"0", "1"} <= set(part) for part in folds) == 0


def test_the_settings_in_use_are_those_chosen() -> None:
    stored = json.loads((BENCH / "fibrillation_choice.json").read_text("utf-8"))
    assert stored["chosen"] == asdict(stored_settings())
    assert {*stored["grid"]} == {*stored["chosen"]}


def test_the_definition_states_the_beats_in_use() -> None:
    rule = DEFINITIONS[EventKind.ATRIAL_FIBRILLATION].rule
    assert f"{CONTEXT} beats before and after" in rule


def test_the_next_p_wave_stands_for_that_of_a_second_lead(choice: ModuleType) -> None:
    from fibrillation_network import FIRST_P, LEAST, MOST, OF_TWO_LEADS, as_of_two_leads

    from ecgfast.rhythm.atrial import INPUTS

    rng = np.random.default_rng(1)
    given = rng.uniform(-1.0, 1.0, (1, 4, len(INPUTS))).astype(np.float32)
    given[..., FIRST_P], given[..., OF_TWO_LEADS], given[..., LEAST] = 1.0, 0.0, 0.0
    given[0, 2, OF_TWO_LEADS] = 1.0  # of two leads already
    shown = as_of_two_leads(given)
    both = given[0, :2][:, MOST]
    assert shown[0, 0, OF_TWO_LEADS] == 1.0
    assert np.array_equal(shown[0, 0, MOST], both.max(axis=0))
    assert np.array_equal(shown[0, 0, LEAST], both.min(axis=0))
    assert np.array_equal(shown[0, 2:], given[0, 2:])  # no beat follows on the last one
    others = [i for i in range(len(INPUTS)) if i not in (*MOST, *LEAST, OF_TWO_LEADS)]
    assert np.array_equal(shown[..., others], given[..., others])
