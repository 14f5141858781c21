"""Pressure labels, the rules that reject artefacts, record groups, and the scores of pressures."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from hashlib import sha256

import numpy as np
import pytest
from model_files import affine_model

from ecgfast.core import FEATURE_NAMES, WindowSpec
from ecgfast.errors import InputError, RecordError
from ecgfast.evaluation.pressure import (
    PressureScores,
    agreement,
    calibrate,
    damped_changes,
    gain_over,
)
from ecgfast.records import synthetic_ecg
from ecgfast.runtime import ModelCard
from ecgfast.training.datasets.pressure import (
    STRIP,
    dropped_table,
    prepare_person,
    prepare_pressure,
    record_groups,
)
from ecgfast.training.datasets.pressure_labels import (
    REASONS,
    RULES,
    find_pulses,
    label_window,
    low_passed,
)
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import load_task
from ecgfast.training.tasks.personal_blood_pressure import HEADING, personal_recipe
from ecgfast.training.workflow import model_card

pytest.importorskip("scipy")

FS = 250.0
N = 2500  # ten seconds
PERIOD = 200  # samples: a pulse each 0.8 s
DELAY = 50  # samples from R to the pulse's foot


def pulse(minimum: float, maximum: float, length: int = PERIOD) -> np.ndarray:
    """One pulse: a rise of 0.1 s, a short top, and a fall to the minimum with no second wave."""
    rise = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 25))
    fall = np.exp(-np.arange(length - 35) / 50)
    fall = (fall - fall[-1]) / (1 - fall[-1])
    return minimum + (maximum - minimum) * np.concatenate([rise, np.ones(10), fall])


def pressure(minimum: float = 70.0, maximum: float = 120.0) -> np.ndarray:
    return np.concatenate([pulse(minimum, maximum) for _ in range(N // PERIOD + 1)])[:N]


def ecg() -> tuple[np.ndarray, np.ndarray]:
    """Spikes of 1 mV over a little noise, and where they are."""
    peaks = np.arange(PERIOD - DELAY, N, PERIOD)
    lead = np.random.default_rng(0).normal(0, 0.02, N)
    for p in peaks:
        lead[p - 5 : p + 6] += 1 - np.abs(np.arange(-5, 6)) / 6
    return lead, peaks


def reasons_of(arterial: np.ndarray, lead: np.ndarray | None = None) -> list[str]:
    own, peaks = ecg()
    return label_window(own if lead is None else lead, arterial, peaks, FS)[1]


def test_label_is_the_median_of_the_pulses() -> None:
    lead, peaks = ecg()
    pulses = [pulse(70, 120) for _ in range(8)] + [pulse(75, 140), *([pulse(70, 120)] * 4)]
    (minimum, maximum), reasons = label_window(lead, np.concatenate(pulses)[:N], peaks, FS)
    assert reasons == []
    # One pulse of 140 moves a mean by 2 mmHg, and the raw maximum of the window by 20.
    assert (minimum, maximum) == pytest.approx((70, 120), abs=1.0)


@pytest.mark.parametrize(("low", "high"), [(40.0, 90.0), (80.0, 180.0)])
def test_pulses_have_their_pressures_and_places(low: float, high: float) -> None:
    found = find_pulses(low_passed(pressure(low, high), FS), FS)
    # The first begins at the window's edge and is not whole.
    steepest = PERIOD * np.arange(1, 12) + 12
    np.testing.assert_allclose(found.sample, steepest, atol=3)
    np.testing.assert_allclose(found.minimum, low, atol=1.0)
    np.testing.assert_allclose(found.maximum, high, atol=1.5)


def test_dicrotic_wave_is_no_pulse_but_a_balloon_pumps_is_one() -> None:
    bump = np.exp(-(((np.arange(PERIOD) - 90) / 12) ** 2))
    dicrotic = np.tile(pulse(70, 120) + 18 * bump, 13)[:N]
    assert len(find_pulses(low_passed(dicrotic, FS), FS)) == 11
    pumped = np.tile(pulse(70, 120) + 60 * bump, 13)[:N]
    assert len(find_pulses(low_passed(pumped, FS), FS)) > 20
    assert "rate" in reasons_of(pumped)


def missing(x: np.ndarray) -> np.ndarray:
    x[1000] = np.nan
    return x


def outside(x: np.ndarray) -> np.ndarray:
    return x - 60.0


def few(x: np.ndarray) -> np.ndarray:
    x[800:] = 70.0
    return x


def flushed(x: np.ndarray) -> np.ndarray:
    x[3 * PERIOD + 40 : 6 * PERIOD] = 70.0
    return x


def lost_at_the_end(x: np.ndarray) -> np.ndarray:
    x[9 * PERIOD + 150 :] = 70.0
    return x


def twice_as_fast(x: np.ndarray) -> np.ndarray:
    return np.tile(pulse(70, 120, PERIOD // 2), 25)


def wild(x: np.ndarray) -> np.ndarray:
    for i in (2, 5, 8):
        x[i * PERIOD : (i + 1) * PERIOD] = pulse(70, 160)
    return x


def jump(x: np.ndarray) -> np.ndarray:
    x[6 * PERIOD :] += 35.0
    return x


def damped(x: np.ndarray) -> np.ndarray:
    return pressure(90, 105)


def slow(x: np.ndarray) -> np.ndarray:
    turn = 2 * np.pi * np.arange(N) / PERIOD
    return 95 - 20 * np.cos(turn)


def noisy(x: np.ndarray) -> np.ndarray:
    x[1000:1400] += 20 * np.sin(2 * np.pi * 45 / FS * np.arange(400))
    return x


def touched(x: np.ndarray) -> np.ndarray:
    x[4 * PERIOD + 29 : 5 * PERIOD] = 70.0
    return x + np.where(np.arange(N) // PERIOD == 4, 0.6 * (x - 70), 0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (missing, "range"),
        (outside, "range"),
        (few, "few beats"),
        (flushed, "gap"),
        (lost_at_the_end, "gap"),
        (twice_as_fast, "rate"),
        (wild, "outliers"),
        (jump, "onset jump"),
        (damped, "damped"),
        (slow, "damped"),
        (noisy, "noise"),
        (touched, "noise"),
    ],
)
def test_each_rule_rejects_its_case(spoil, reason: str) -> None:
    assert reasons_of(pressure()) == []
    assert reason in reasons_of(spoil(pressure()))


def test_ecg_that_is_none_is_rejected() -> None:
    lead, _ = ecg()
    assert reasons_of(pressure(), lead) == []
    spoilt = {name: lead.copy() for name in ("missing", "large", "flat", "off")}
    spoilt["missing"][5] = np.nan
    spoilt["large"][5] = 9.0
    spoilt["flat"] *= 0.01
    spoilt["off"][1000:1500] = 0.0
    for name, wrong in spoilt.items():
        assert reasons_of(pressure(), wrong) == ["ecg"], name


def test_rules_are_the_users() -> None:
    lead, peaks = ecg()
    strict = RULES._replace(pulse_pressure=60.0)
    assert label_window(lead, pressure(), peaks, FS, strict)[1] == ["damped"]
    with pytest.raises(InputError, match="beside pressure"):
        label_window(lead, pressure()[:-1], peaks, FS)


def test_neighbouring_numbers_are_one_group() -> None:
    names = ["bp/v110l", "bp/v100s", "bp/v103l", "bp/v106s", "bp/v114s", "bp/v106l"]
    assert record_groups(names).tolist() == [
        "bp/v110l", "bp/v100s", "bp/v100s", "bp/v100s", "bp/v114s", "bp/v100s",
    ]  # fmt: skip
    assert len(set(record_groups(names, apart=4).tolist())) == 1
    with pytest.raises(InputError, match="no number"):
        record_groups(["bp/left"])


def write_records(folder, names: list[str], spoilt: str = "", seconds=60.0, began=None) -> None:
    """WFDB records of an ECG and of a pressure that follows its R peaks."""
    wfdb = pytest.importorskip("wfdb")
    for i, name in enumerate(names):
        record = synthetic_ecg(seconds, FS, leads=("MLII",), seed=i)
        arterial = np.full(record.n_samples + 400, 60.0 + i)
        for p in record.annotations.sample:
            arterial[p + DELAY : p + DELAY + 150] = pulse(60 + i, 110 + 2 * i, 150)
        if name == spoilt:
            arterial[5000:8000] = 0.0
        signal = np.column_stack([record.signal[:, 0], arterial[: record.n_samples]])
        wfdb.wrsamp(
            name,
            fs=FS,
            units=["mV", "mmHg"],
            sig_name=["II", "ABP"],
            p_signal=signal.astype(float),
            fmt=["16", "16"],
            write_dir=str(folder),
            base_datetime=began and began[i],
        )


def test_data_set_of_records(tmp_path) -> None:
    folder = tmp_path / "bp"
    folder.mkdir()
    names = ["v100l", "v102s", "v110l", "v120s"]
    write_records(folder, names, spoilt="v120s")
    made = prepare_pressure(tmp_path, folds=2)
    assert made.inputs["window"].shape[1:] == (1250, 1)
    assert made.inputs["features"].shape[1:] == (16, len(FEATURE_NAMES))
    for i, name in enumerate(names):
        own = made.record == f"bp/{name}"
        np.testing.assert_allclose(
            np.median(made.target[own], axis=0), (60 + i, 110 + 2 * i), atol=2
        )
        # Records of 60 s hold strips of ten seconds from 10 s on, one each five.
        assert own.sum() + 1 >= (10 if name != "v120s" else 4)
        assert len(set(made.columns["fold"][own])) == 1
        assert made.about["folds"][f"bp/{name}"] == made.columns["fold"][own][0]
    assert set(made.patient[made.record == "bp/v102s"]) == {"bp/v100l"}
    dropped = made.about["dropped"]
    assert set(dropped) == set(REASONS)
    assert dropped["range"]["first"] >= 3
    assert sum(rule["first"] for rule in dropped.values()) + len(made) == made.about["windows"]
    table = dropped_table(made.about)
    assert f"kept {len(made)} of {made.about['windows']} windows, 4 of 4 records" in table
    assert "pressure missing or outside 15..250 mmHg" in table
    again = prepare_pressure(tmp_path, folds=2)
    assert again.target.tobytes() == made.target.tobytes()


def test_data_set_needs_pressure(tmp_path) -> None:
    with pytest.raises(RecordError, match="no WFDB records"):
        prepare_pressure(tmp_path)
    folder = tmp_path / "bp"
    folder.mkdir()
    write_records(folder, ["v100l"], spoilt="v100l")
    with pytest.raises(InputError, match="rules leave none"):
        prepare_pressure(
            tmp_path,
            rules=RULES._replace(beats=100),
            window=WindowSpec(125.0, 1222, 28, "strip", 16),
        )


def test_recordings_of_one_person_are_in_the_order_of_time(tmp_path) -> None:
    days = [datetime(2026, 1, 2), datetime(2026, 1, 1)]
    write_records(tmp_path, ["tuesday", "monday"], began=days)
    made = prepare_person([tmp_path / "monday", tmp_path / "tuesday"])
    assert made.columns["order"].tolist() == sorted(made.columns["order"].tolist())
    assert made.record[0] == "monday"
    assert made.record[-1] == "tuesday"
    alone = prepare_person([tmp_path / "tuesday"])
    assert made.only(made.record == "tuesday").target.tobytes() == alone.target.tobytes()
    with pytest.raises(InputError, match="monday: began before a recording given before"):
        prepare_person([tmp_path / "tuesday", tmp_path / "monday"])
    with pytest.raises(InputError, match="monday: two recordings have this name"):
        prepare_person([tmp_path / "monday.hea", tmp_path / "monday"])


def test_the_command_makes_a_model_of_one_person(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("matplotlib")
    from ecgfast.cli import main
    from ecgfast.training import workflow

    calls = []

    def made(recipe, data, output, work, *, command, **options):
        calls.append((recipe, command))
        return ModelCard("toy", "A toy.", "blood-pressure", (), ())

    monkeypatch.setattr(workflow, "train_model", made)
    days = [str(tmp_path / day) for day in ("monday.hea", "tuesday.hea")]
    work = ["--output", str(tmp_path / "mine"), "--work", str(tmp_path / "work")]
    # No folder of recordings is needed.
    monkeypatch.delenv("ECGFAST_DATA", raising=False)
    assert main(["train", "blood-pressure", "--person", *days, *work]) == 0
    ((recipe, command),) = calls
    assert command == "ecgfast train blood-pressure --person monday.hea tuesday.hea"
    assert (recipe.name, recipe.task) == ("blood-pressure-personal", "personal-blood-pressure")
    assert recipe.options["recordings"] == days
    assert (recipe.candidates, recipe.protocols) == ({}, {})
    assert main(["train", "beats", "--person", days[0], *work]) == 1
    assert "recipe beats: makes no model of one person" in capsys.readouterr().err
    assert main(["train", "blood-pressure", "--person", days[0], "--examples", "x.npz"]) == 2
    assert "--person takes no --examples" in capsys.readouterr().err


def test_a_model_of_one_person_states_what_it_is_worth_later(tmp_path, capsys, rng) -> None:
    from ecgfast.cli import main

    write_records(tmp_path, ["monday", "tuesday"], seconds=75.0)
    days = [str(tmp_path / day) for day in ("monday", "tuesday")]
    recipe = personal_recipe(Recipe.load("blood-pressure"), days)
    shapes = (STRIP.before + STRIP.after, 1), (STRIP.history, len(FEATURE_NAMES))
    content, answer = affine_model(rng, *shapes, 2)
    (tmp_path / "mine.tflite").write_bytes(content)
    files = {"float32": {"file": "mine.tflite", "sha256": sha256(content).hexdigest()}}
    task = load_task(recipe.task)
    shown = task.training_set(recipe, tmp_path)
    card = model_card(task, recipe, shown, "by hand")
    card.precisions = files
    card.save(tmp_path / "mine.json")
    assert card.data["recordings"] == ["monday", "tuesday"]

    lines: list[str] = []
    metrics = task.score_precisions(tmp_path / "mine.json", tmp_path, recipe, lines.append)
    later = task.test_sets(recipe, tmp_path)[HEADING]
    assert set(later.record) == {"tuesday"}
    predicted = answer(later.inputs["window"], later.inputs["features"].reshape(len(later), -1))
    error = np.abs(predicted - later.target).mean(axis=0)
    figures = metrics[HEADING]
    assert figures["minimum, model"]["MAE"] == pytest.approx(error[0], abs=0.01)
    # Monday's maximum is 110, tuesday's 112, with whose first windows the training ends.
    assert figures["maximum, the person's training mean"]["MAE"] > 1.0
    assert figures["maximum, last calibration held"]["MAE"] < 0.5
    table = "\n".join(lines)
    assert HEADING in table
    assert "ISO" not in table
    assert "ISO" not in json.dumps(metrics)

    card.metrics.update(metrics)
    card.save(tmp_path / "mine.json")
    out = ["--output", str(tmp_path / "tuesday.csv")]
    assert main(["classify", days[1], "--model", str(tmp_path / "mine.json"), *out]) == 0
    held = figures["minimum, last calibration held"]["MAE"]
    assert (
        f"mean absolute error, {HEADING}: minimum {error[0]:.1f} mmHg "
        f"({held:.1f} by holding the last calibration), maximum "
    ) in capsys.readouterr().out


def test_agreement_against_hand_computed_values() -> None:
    measured = np.array([100.0, 110, 120, 130])
    found = agreement(measured, measured + np.array([2, -4, 8, 14]))
    assert found.mean_error == pytest.approx(5.0)
    # Deviations from 5: -3, -9, 3, 9; squares 180; over three.
    assert found.deviation == pytest.approx(np.sqrt(180 / 3))
    assert found.mae == pytest.approx(7.0)
    assert found.within == (0.5, 0.75, 1.0)
    assert (found.grade, found.within_iso) == ("B", True)
    assert agreement(measured, measured + np.array([2, -4, 9, 14])).within_iso is False
    assert agreement(measured, measured + 1).grade == "A"
    assert agreement(measured, measured + 20).grade == "D"
    with pytest.raises(InputError):
        agreement(measured, measured[:2])


def test_gain_draws_whole_groups() -> None:
    measured = np.zeros(6)
    # Group a: better by 3 in both windows. Group b: worse by 1 in all four.
    predicted, other = np.array([1.0, 1, 5, 5, 5, 5]), np.full(6, 4.0)
    found = gain_over(measured, predicted, other, ["a", "a", "b", "b", "b", "b"])
    assert found.mmhg == pytest.approx((2 * 3 - 4) / 6)
    assert found.share == pytest.approx((2 * 3 - 4) / 6 / 4)
    # Two groups drawn with replacement: both a, or both b, in a quarter of the draws each.
    assert (found.low, found.high) == pytest.approx((-1.0, 3.0))
    assert found.to_dict()["interval_95"] == pytest.approx([-1.0, 3.0])


def test_one_group_gives_no_interval() -> None:
    found = gain_over(np.zeros(3), [1.0, 1, 1], np.full(3, 4.0), ["a"] * 3)
    assert found.to_dict() == {"mmHg": 3.0, "percent": 75.0}


def test_calibration_and_damped_changes() -> None:
    time = np.array([20.0, 40, 60, 65, 75, 20, 40, 75])
    record = np.array(["a"] * 5 + ["b"] * 3)
    values = np.array([[1.0], [2], [6], [9], [4], [5], [5], [5]])
    found = calibrate(values, record, time)
    # The window that ends at 65 s began before 60 s; b has too few known windows.
    assert found.later.tolist() == [False] * 4 + [True] + [False] * 3
    assert found.start[:5, 0].tolist() == [2.0] * 5
    assert np.isnan(found.start[5:]).all()
    change = np.array([1.0, -1, 1, -1, 0, 1, -1])
    fold = np.array([0, 0, 0, 0, 1, 1, 1])
    measured = np.column_stack([2 * change, -change])
    predicted = damped_changes(change, measured, fold, damping=0.5)
    np.testing.assert_allclose(predicted, np.column_stack([change, -0.5 * change]))
    # What is learnt of fold 0 comes from fold 1 alone.
    measured[fold == 0] *= -7
    predicted = damped_changes(change, measured, fold)
    np.testing.assert_allclose(predicted[fold == 0, 0], change[fold == 0])


def test_table_has_the_baseline_and_where_it_moved() -> None:
    measured = np.array([[60.0, 120], [70, 130], [80, 160], [60, 118]])
    scores = PressureScores(
        "by record",
        ("minimum", "maximum"),
        measured,
        {"mean": np.tile(measured.mean(axis=0), (4, 1)), "model": measured + 1},
        np.array(["a", "a", "b", "b"]),
        np.array(["a", "a2", "b", "b2"]),
        np.array([[False, False], [False, False], [False, True], [False, False]]),
    )
    facts = scores.to_dict()
    assert (facts["windows"], facts["records"], facts["groups"]) == (4, 4, 2)
    assert facts["maximum"]["model"]["MAE"] == 1.0
    assert facts["maximum"]["mean"]["where_it_moved"]["MAE"] == 28.0
    assert "where_it_moved" not in facts["minimum"]["mean"]
    assert facts["minimum"]["model"]["gain"]["mmHg"] == pytest.approx(7.5 - 1)
    assert "gain" not in facts["minimum"]["mean"]
    alone = dataclasses.replace(scores, group=np.array(["a"] * 4))
    assert alone.to_dict()["minimum"]["model"]["gain"] == {"mmHg": 6.5, "percent": 86.67}
    assert "+6.50 +86.7 %" in alone.table()
    text = scores.table()
    assert "+6.50 [" in text
    assert "by record: 4 windows of 4 records in 2 groups" in text
    assert text.count("model") == 2
    assert "moved: 1 window\n" in text
    assert "a validation measures 85 people" in text
    assert facts["minimum"]["model"]["within_ISO_81060_2"] is True
    alone = dataclasses.replace(scores, of_one_person=True)
    assert not {"within_ISO_81060_2", "BHS_grade"} & set(alone.to_dict()["minimum"]["model"])
    assert not {"BHS", "ISO"} & set(alone.table().splitlines()[1].split())
    assert "85 people" in alone.table()
