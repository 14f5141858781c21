"""ecgfast-bench: every figure is there, and comparing works."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast.benchmark import machine, main, report
from ecgfast.benchmark.compare import compare, ratio_interval
from ecgfast.benchmark.measure import Effort
from ecgfast.records import Record, synthetic_ecg
from ecgfast.runtime import available_backends


@pytest.fixture(scope="module")
def made() -> Record:
    return synthetic_ecg(30.0, 250.0, seed=2)


@pytest.fixture(scope="module")
def result(model: Path) -> dict[str, Any]:
    """One run, quicker than quick, as JSON."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        for what, less in (("beats", 30), ("seconds", 0.01)):
            patch.setattr(Effort, what, less)
        assert main(["--quick", "--json", "--model", str(model.with_suffix(".json"))]) == 0
    held: dict[str, Any] = json.loads(out.getvalue())
    return held


def rising(times: dict[str, float]) -> bool:
    return 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["max"]


def test_every_stage_is_measured(result: dict[str, Any]) -> None:
    assert result["schema"] == 1
    assert list(result["stages"]) == [
        "filter",
        "detector neural",
        "detector adaptive",
        "detector pan-tompkins",
        "windower",
        "beat stream",
    ]
    for stage in result["stages"].values():
        assert rising(stage["chunk_us"])
        assert stage["samples_per_s"] == pytest.approx(1e9 / stage["ns_per_sample"])
        assert stage["real_time_factor"] == pytest.approx(stage["samples_per_s"] / 360.0)
    assert result["signal"]["chunk"] == 36
    assert result["signal"]["beats"] > 60


def test_every_runtime_is_measured(result: dict[str, Any], model: Path) -> None:
    (forms,) = result["models"].values()
    entry = dict(forms["float32"])
    assert entry.pop("bytes") == model.stat().st_size
    assert tuple(entry) == available_backends()
    for figures in entry.values():
        assert rising(figures["one_beat_us"])
        assert figures["batch_us_per_beat"] > 0


def test_the_whole_way_is_measured(result: dict[str, Any]) -> None:
    (entry,) = result["end_to_end"].values()
    assert rising(entry["latency_us"])
    assert rising(entry["chunk_us"])
    assert entry["core_share"] == pytest.approx(1 / entry["real_time_factor"])
    assert entry["core_share"] > 0
    assert entry["import_ms"] / 1e3 < entry["first_beat_s"]
    # A Python with numpy and a runtime: neither nothing nor a TensorFlow.
    assert 15e6 < entry["memory_bytes"] < 200e6


def test_the_machine_is_described(result: dict[str, Any]) -> None:
    told = result["machine"]
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["numpy"] == np.__version__
    assert set(available_backends()) - {"tf.lite"} <= set(told["runtimes"])
    assert told["cores"] >= 1


def test_the_table_shows_all_of_it(result: dict[str, Any]) -> None:
    text = report.table(result)
    for stage in result["stages"]:
        assert f"\n{stage} " in text
    for backend in available_backends():
        assert backend in text
    assert " MB" in text


def test_a_run_on_a_recording_compared_with_an_old_one(
    result: dict[str, Any],
    model: Path,
    made: Record,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recording = tmp_path / "mine.npy"
    np.save(recording, made.signal)
    old = tmp_path / "old.json"
    old.write_text(json.dumps(result))
    args = ["--quick", "--record", str(recording), "--fs", "250", "--model", str(model)]
    assert main([*args, "--compare", str(old)]) == 0
    out = capsys.readouterr().out
    assert "signal: mine, 30 s, 2 leads at 250 Hz" in out
    assert "another signal then" in out
    assert "stages / filter / ns_per_sample" in out


def test_ratios_are_new_over_old(result: dict[str, Any]) -> None:
    twice = json.loads(json.dumps(result))
    twice["stages"]["filter"]["ns_per_sample"] *= 2
    twice["signal"]["name"] = "another"
    ratios = report.ratios(result, twice)
    assert ratios["stages / filter / ns_per_sample"] == pytest.approx(2.0)
    assert ratios["stages / windower / ns_per_sample"] == pytest.approx(1.0)
    compared = compare(result, twice)
    text = report.comparison(result, twice, "x", compared, 0.05)
    assert "  2.00  stages / filter / ns_per_sample" in text
    assert "no verdicts: another signal then" in text
    assert not compared.slower


def test_every_figure_that_is_judged_has_rounds(result: dict[str, Any]) -> None:
    rounds = dict(result["rounds"])
    assert len(rounds.pop("yardstick_us")) == 5
    flat = report.ratios(result, result)
    for place, values in rounds.items():
        assert place in flat, place
        assert min(values) > 0
        if not place.endswith("first_beat_s"):  # slow: once in a quick run
            assert 4 <= len(values) <= 5
            assert ratio_interval(values, values) is not None
    assert {f"stages / {name} / ns_per_sample" for name in result["stages"]} <= rounds.keys()


def noisy(result: dict[str, Any], seed: int, **factors: float) -> dict[str, Any]:
    """A result whose rounds have 2 % of noise, and one disturbed round."""
    rng = np.random.default_rng(seed)
    rounds = {}
    for place in result["rounds"]:
        values = 100.0 * np.exp(0.02 * rng.standard_normal(7))
        values[rng.integers(7)] *= 1.5
        factor = next((f for name, f in factors.items() if f" {name} " in f" {place} "), 1.0)
        rounds[place] = (factor * values).tolist()
    return {**result, "rounds": rounds, "cpu_share": 1.0}


def test_verdicts_are_of_what_is_beyond_the_noise(result: dict[str, Any]) -> None:
    old = noisy(result, 1)
    found = compare(old, noisy(result, 2, filter=1.3, windower=0.7))
    words = {place: verdict.word for place, verdict in found.verdicts.items()}
    assert words.pop("stages / filter / ns_per_sample") == "slower"
    assert words.pop("stages / windower / ns_per_sample") == "faster"
    assert not {"slower", "faster"} & set(words.values())
    assert found.slower
    verdict = found.verdicts["stages / filter / ns_per_sample"]
    assert verdict.low < 1.3 < verdict.high
    # No difference is one in any of many repetitions.
    for seed in range(20):
        assert not compare(old, noisy(result, 10 + seed)).slower
    text = report.comparison(old, old, "x", found, 0.05)
    assert text.index("slower  1.3") < text.index("faster  0.7")
    assert "1 slower, " in text
    told = json.loads(json.dumps(report.verdicts(found)))
    assert told["verdicts"]["stages / filter / ns_per_sample"]["verdict"] == "slower"
    assert told["machine_verdict"]["verdict"] in ("same", "unclear")


def test_a_slower_machine_is_no_slower_program(result: dict[str, Any]) -> None:
    old, new = noisy(result, 1), noisy(result, 2)
    new["rounds"] = {place: [1.4 * x for x in of] for place, of in new["rounds"].items()}
    found = compare(old, new)
    assert found.machine is not None
    assert found.machine.word == "slower"
    assert {verdict.word for verdict in found.verdicts.values()} == {"unclear"}
    at = "stages / filter / ns_per_sample"
    new["rounds"][at] = [1.5 * x for x in new["rounds"][at]]
    assert compare(old, new).verdicts[at].word == "slower"


def test_what_others_work_may_explain_is_no_verdict(result: dict[str, Any]) -> None:
    """Two runs of one build on a busy machine differ by more than the rounds' own noise."""
    quiet, half = noisy(result, 1), {**noisy(result, 2, filter=1.8, windower=0.45)}
    filtered, windowed = (f"stages / {name} / ns_per_sample" for name in ("filter", "windower"))
    for then, now, words in (
        (1.0, 0.95, ("slower", "faster")),
        (1.0, 0.5, ("unclear", "faster")),  # this run was held up: what is slower may be the same
        (0.4, 1.0, ("slower", "unclear")),  # that run was
        (0.4, 0.5, ("unclear", "unclear")),
    ):
        found = compare({**quiet, "cpu_share": then}, {**half, "cpu_share": now})
        assert (found.verdicts[filtered].word, found.verdicts[windowed].word) == words
        text = report.comparison(quiet, half, "x", found, 0.05)
        told = f"{100 * then:.0f} % of it came to the measurement then, {100 * now:.0f} % now"
        assert (told in text) == (min(then, now) < 0.9)
    larger = {**noisy(result, 2, filter=3.0), "cpu_share": 0.5}
    assert compare(quiet, larger).verdicts[filtered].word == "slower"


def test_other_machines_and_versions_are_told(result: dict[str, Any]) -> None:
    old = json.loads(json.dumps(noisy(result, 1)))
    assert compare(old, old).changed == {}
    old["ecgfast"] = "0.0.9"
    old["machine"] |= {"numpy": "1.0.0", "runtimes": {"tflite-runtime": "2.14.0"}}
    found = compare(old, noisy(result, 2))
    assert found.verdicts
    assert not found.slower
    text = report.comparison(old, result, "x", found, 0.05)
    assert f"  numpy: 1.0.0 then, {np.__version__} now" in text
    assert "  ecgfast: 0.0.9 then, " in text
    assert "  tflite-runtime: 2.14.0 then, none now" in text
    assert report.verdicts(found)["changed"]["numpy"] == ["1.0.0", np.__version__]
    old["machine"]["cpu"] = "Cortex-A72"
    text = report.comparison(old, result, "x", compare(old, noisy(result, 2)), 0.05)
    assert "  cpu: Cortex-A72 then, " in text
    assert "no verdicts: another processor then" in text


@pytest.mark.parametrize("shape", [(4, 4), (5, 5), (7, 7), (5, 8)])
def test_intervals_hold_what_they_promise(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        one, other = (np.exp(0.3 * rng.standard_normal(n)) for n in shape)
        interval = ratio_interval(one.tolist(), (1.2 * other).tolist())
        assert interval is not None
        ratio, low, high = interval
        assert low <= ratio <= high
        inside += low <= 1.2 <= high
    assert inside / 300 > 0.92


def test_intervals_by_the_tables_of_mann_and_whitney() -> None:
    # Critical value of U for 5 and 5 values, two-sided 5 %: 2, so that three are outside.
    one = [2.0**i for i in range(5)]
    every = sorted(b / a for a in one for b in one)
    assert ratio_interval(one, one) == pytest.approx((1.0, every[2], every[-3]))
    assert ratio_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None, "too few for 95 %"
    assert ratio_interval([], [1.0]) is None
    assert ratio_interval([0.0] * 5, [1.0] * 5) is None


def test_a_figure_that_is_slower_ends_with_status_3(
    result: dict[str, Any],
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ecgfast.benchmark import measure

    def measured(now: dict[str, Any]) -> measure.Measured:
        names = ("stages", "models", "end_to_end", "yardstick_us", "rounds")
        return measure.Measured(**{name: now[name] for name in names})

    old = tmp_path / "old.json"
    old.write_text(json.dumps(noisy(result, 1)))
    for now, status in ((noisy(result, 2), 0), (noisy(result, 2, filter=1.3), 3)):
        monkeypatch.setattr(measure, "measure", lambda *args, now=now: measured(now))
        command = ["--quick", "--model", str(model), "--compare", str(old)]
        assert main(command) == status
        assert f"{status // 3} slower" in capsys.readouterr().out
        assert main([*command, "--json"]) == status
        assert json.loads(capsys.readouterr().out)["machine_verdict"]["ratio"] > 0.9
        assert main([*command, "--margin", "50"]) == 0
    assert main(["--margin", "5"]) == 2
    assert main(["--compare", str(old), "--margin", "x"]) == 2
    assert "--margin" in capsys.readouterr().err


def test_a_pi_and_an_x86_tell_when_the_clock_was_held_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_SYS", tmp_path)
    assert machine.describe()["throttled"] is None
    assert machine.describe()["throttle_events"] is None
    for i, count in enumerate((4, 5)):
        folder = tmp_path / f"devices/system/cpu/cpu{i}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    assert machine.describe()["throttle_events"] == 9
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    told = machine.describe()
    assert (told["throttled"], told["throttle_events"]) == (True, 5)
    (firmware / "get_throttled").write_text("50000\n")
    assert machine.describe()["throttled"] is False


def test_without_models_the_stages_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ecgfast.benchmark import measure

    monkeypatch.setattr(measure, "built_in", list)
    assert main(["--quick"]) == 0
    out = capsys.readouterr().out
    assert "beat stream" in out
    assert "no built-in models" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--record", "missing"], "missing"),
        (["--model", "nobody"], "nobody"),
        (["--compare", "missing.json"], "missing.json"),
    ],
)
def test_failures_are_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--quick", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ecgfast-bench: ")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", ["words", "[1]", '{"schema": 99}'])
def test_another_file_is_no_old_result(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.json"
    old.write_text(content)
    assert main(["--compare", str(old)]) == 1
    assert "old.json" in capsys.readouterr().err


def test_wrong_use_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bad"]) == 2
    assert "usage: ecgfast-bench" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "real_time_factor" in capsys.readouterr().out


def test_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = {**machine.describe(), "load": 0.0, "governor": "performance", "throttled": False}
    calm["throttle_events"] = 3
    assert machine.warnings(calm, calm, 1.0) == []
    change: Callable[..., dict[str, Any]] = lambda **new: {**calm, **new}  # noqa: E731
    for before, after, share, told in (
        (calm, calm, 0.5, "50 %"),
        (change(load=9.0, cores=2), calm, 1.0, "load 9.0"),
        (change(throttled=True), calm, 1.0, "throttled"),
        (calm, change(throttle_events=4), 1.0, "throttled"),
        (calm, change(throttled=True), 1.0, "throttled"),
        (change(governor="powersave"), calm, 1.0, "powersave"),
    ):
        (line,) = machine.warnings(before, after, share)
        assert told in line
