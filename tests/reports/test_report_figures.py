"""The figures of a report: right, and no rate from noise."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from report_pages import FS, made, open_source_of

from ecgfast import Annotations, Beat, Classifier, Event, EventKind, Quality, Severity, detect_qrs
from ecgfast.cli import main
from ecgfast.records import demo_record, open_record, synthetic_ecg
from ecgfast.reports import svg
from ecgfast.reports.analysis import Analysis, analyse
from ecgfast.reports.choosing import chosen_strips
from ecgfast.reports.figures import figures
from ecgfast.reports.recording_report import report_style
from ecgfast.reports.report_pictures import trend_picture
from ecgfast.reports.report_text import ectopy_rows, key_figures, percent
from ecgfast.reports.svg import trace
from ecgfast.reports.tally import Tally

pytest.importorskip("jinja2")


def test_a_report_and_classify_tell_the_same_rates(demo: Path, classifier: Classifier) -> None:
    tally = Tally(classifier.classes)
    rate = figures(analyse(open_record(demo), classifier, on_beats=tally.add))["rate"]
    summary = tally.summary("demo", FS, 300.0)
    told = rate["mean"], rate["minimum"]["rate"], rate["maximum"]["rate"]
    assert told == pytest.approx((summary.rate_mean, summary.rate_min, summary.rate_max))
    assert summary.rate_min < summary.rate_mean < summary.rate_max


def test_scattered_missing_samples_are_a_signal_in_words_and_figures(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All beats are found, and yet there was "no signal", no rate and labels that mean nothing."""
    record = synthetic_ecg(60, FS, seed=3)
    signal = record.signal[:, :1].copy()
    signal[1::2] = np.nan
    path = tmp_path / "bridged.npz"
    np.savez(path, signal=signal, fs=FS, units="mV")
    model = ["--model", str(classifier.path)]
    assert main(["classify", str(path), *model, "--output", str(tmp_path / "a.csv")]) == 0
    said = capsys.readouterr().out
    assert "no signal" not in said
    assert re.search(r"heart rate +70 a minute", said)
    assert re.search(r"quality +0.0 % of beats in a bad signal", said)
    found = analyse(open_record(path), classifier)
    assert found.good.all()
    assert found.without_signal == 0.0
    signal[round(20 * FS) : round(24 * FS)] = np.nan
    np.savez(path, signal=signal, fs=FS, units="mV")
    found = analyse(open_record(path), classifier)
    near = (found.time > 19.5) & (found.time < 24.5)
    assert not found.good[near].any()  # a gap is one, also among scattered missing samples
    assert found.good[~near].mean() > 0.9


def test_a_report_and_classify_leave_out_the_same_stretches(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beats of noise and of a lead that is off are no rate, over which no interval reaches.

    The longest interval is the same, too: not that of noise.
    """
    record = synthetic_ecg(180, FS, seed=3)
    signal = record.signal.copy()
    rng = np.random.default_rng(0)
    noise = slice(round(60 * FS), round(85 * FS))
    signal[noise] += rng.normal(0, 2.0, signal[noise].shape)
    signal[round(120 * FS) : round(140 * FS)] = 0.0
    path = tmp_path / "bad.npz"
    np.savez(path, signal=signal, fs=FS, units="mV")
    args = ["--model", str(classifier.path), "--json"]
    assert main(["classify", str(path), *args, "--output", str(tmp_path / "a.csv")]) == 0
    told = json.loads(capsys.readouterr().out)["summary"]
    found = analyse(open_record(path), classifier)
    rate = figures(found)["rate"]
    expected = rate["mean"], rate["minimum"]["rate"], rate["maximum"]["rate"]
    assert (told["rate_mean"], told["rate_min"], told["rate_max"]) == pytest.approx(expected)
    longest = rate["longest_rr"]
    found_longest = told["rhythm"]["longest_rr"], told["rhythm"]["longest_rr_at"]
    assert found_longest == pytest.approx((longest["seconds"], longest["time"]))
    assert longest["seconds"] < 1.5
    assert told["unreadable"] == pytest.approx(sum(b - a for a, b in found.unreadable))
    assert 30 < told["unreadable"] < 60
    assert main(["classify", str(path), *args[:2], "--output", str(tmp_path / "a.csv")]) == 0
    assert "cannot be read: no rate is taken there" in capsys.readouterr().out


def test_a_report_and_classify_tell_the_same_longest_interval() -> None:
    """Not the 1.84 s of two beats in noise, but a pause there; without a pause, that of 1.1 s."""
    steps = [0.8] * 20 + [1.1] + [0.8] * 20 + [1.84] * 3 + [0.8] * 20
    times = np.cumsum(steps).tolist()
    noisy = [step == 1.84 for step in steps]
    pause = Event("pause", round(40 * FS), round(42.5 * FS), 40.0, 42.5)
    for events, expected in (([], (1.1, times[19])), ([pause], (2.5, 40.0))):
        tally = Tally(("N",))
        for at, step, bad in zip(times, steps, noisy, strict=True):
            quality = Quality.NOISY if bad else Quality.GOOD
            tally.add([Beat(round(at * FS), at, "N", 0.9, {}, step, 60 / step, quality)])
        tally.events(events)
        rhythm = tally.summary("x", FS, times[-1]).rhythm
        assert rhythm is not None
        assert (rhythm.longest_rr, rhythm.longest_rr_at) == pytest.approx(expected)
        rate = figures(made(times, good=~np.array(noisy), events=events))["rate"]
        longest = rate["longest_rr"]
        assert (longest["seconds"], longest["time"]) == pytest.approx(expected)


def test_rates_and_their_times() -> None:
    times = [0.0]
    for rr in [1.0] * 60 + [0.5] * 60 + [1.5] * 30 + [1.0] * 60:
        times.append(times[-1] + rr)
    rate = figures(made(times))["rate"]
    assert rate["minimum"]["rate"] == pytest.approx(40)
    assert rate["maximum"]["rate"] == pytest.approx(120)
    assert 60 < rate["maximum"]["time"] < 90 < rate["minimum"]["time"] < 135
    assert rate["mean"] == pytest.approx(60 * 210 / (times[-1]))
    assert rate["longest_rr"]["seconds"] == pytest.approx(1.5)


def test_each_event_says_when_what_how_grave_how_sure_and_on_which_beats(
    found: Analysis, classifier: Classifier
) -> None:
    told = figures(found)
    peaks = set(found.sample.tolist())
    assert told["events"]
    for event in told["events"]:
        assert event["start_time"] <= event["end_time"]
        assert 0 <= event["confidence"] <= 1
        assert event["severity"] in ("info", "low", "medium", "high")
        assert len(event["beats"]) == min(event["n_beats"], 64)
        assert peaks.issuperset(event["beats"])


def test_the_line_of_the_trend_lies_within_its_band() -> None:
    rr = [0.6] * 40 + [1.9] + [0.6] * 40
    picture = str(trend_picture(made(np.cumsum([0.0, *rr]).tolist(), duration=60.0)))
    band = re.findall(r'<path d="M([^"]*)z" fill="#cfe0ef"', picture)
    line = re.findall(r'<path d="M([^"]*)" fill="none" stroke="#1f5f99"', picture)

    def heights(path: str) -> list[float]:
        return [float(point.split()[1]) for point in path.split("L")]

    low, high = min(map(min, map(heights, band))), max(map(max, map(heights, band)))
    for part in line:
        assert all(low - 0.02 <= y <= high + 0.02 for y in heights(part.removesuffix("h.4")))


def test_the_typical_strip_has_little_noise() -> None:
    rng = np.random.default_rng(1)
    noise = 0.2 * rng.standard_normal((int(400 * FS), 1)).astype(np.float32)
    noise[: int(200 * FS)] *= 0.05
    signal = noise + np.sin(np.arange(len(noise)) / FS * 2 * np.pi / 0.8)[:, None]
    times = [0.5 + 0.8 * i for i in range(490)]
    beats = made(times, duration=400.0, fetch=lambda a, b: signal[a:b].astype(np.float32))
    typical = chosen_strips(beats)[0]
    assert typical.kind == "typical rhythm"
    assert typical.begin < 195


def test_no_rate_over_a_gap_or_from_bad_beats() -> None:
    times = [0.8 * i for i in range(20)] + [100 + 0.8 * i for i in range(20)]
    told = figures(made(times))
    assert told["rate"]["minimum"]["rate"] == pytest.approx(75)
    assert told["rate"]["longest_rr"]["seconds"] == pytest.approx(0.8)
    bad = made(times, good=np.zeros(40, bool))
    told = figures(bad)
    assert math.isnan(told["rate"]["mean"])
    assert told["rate"]["minimum"] is None
    assert all(math.isnan(row["mean"]) for row in told["table"])
    assert told["hrv"]["nn_intervals"] == 0


def test_clock_of_the_day_and_rows_that_begin_at_full_hours() -> None:
    start = datetime(2020, 1, 1, 22, 40)
    times = np.arange(0.5, 4 * 3600 + 1800, 0.8).tolist()
    day = made(times, start=start, duration=4 * 3600 + 1800)
    table = figures(day)["table"]
    assert [row["clock"] for row in table] == [
        "22:40:00", "23:00:00", "00:00:00", "01:00:00", "02:00:00", "03:00:00",
    ]  # fmt: skip
    assert table[0]["seconds"] == pytest.approx(1200)
    assert sum(row["beats"] for row in table) == len(times)
    week = replace(day, duration=7 * 86400.0)
    assert week.clock(5) == "day 1, 22:40:05"
    assert week.clock(86400) == "day 2, 22:40:00"
    ticks = re.findall(r">(day \d|\d\d:\d\d)</text>", str(trend_picture(week)))
    assert ticks == [f"day {i}" for i in range(2, 9)]  # not seven times 00:00
    assert made(times).clock(3725) == "1:02:05"


def test_a_share_of_few_or_nearly_all_is_not_rounded_away() -> None:
    shares = (0.0, 1e-6, 0.004, 0.0996, 0.5, 0.99, 0.9999, 1.0)
    assert [percent(share) for share in shares] == [
        "0 %", "< 0.1 %", "0.4 %", "10 %", "50 %", "99 %", "> 99.9 %", "100 %",
    ]  # fmt: skip


def test_strips_of_an_event_name_why_they_are_shown() -> None:
    def run(start: float, beats: int, rate: float) -> Event:
        end = start + (beats - 1) * 60 / rate
        return Event(
            EventKind.VENTRICULAR_RUN, round(start * FS), round(end * FS), start, end,
            n_beats=beats, rate=rate,
        )  # fmt: skip

    # As in the table, the longest run is that of the most beats; a slow one of three lasts longer.
    events = [run(20, 4, 130), run(40, 5, 170), run(60, 3, 190), run(80, 4, 135), run(99, 3, 70)]
    beats = made([0.5 + 0.8 * i for i in range(150)], events=events)
    shown = {strip.begin: strip for strip in chosen_strips(beats) if strip.event}
    roles = {round(strip.event.start_time): strip.role for strip in shown.values() if strip.event}
    assert roles[20].startswith("first")
    assert roles[40] == "longest"
    assert roles[60] == "fastest"
    assert "most typical" in " ".join(roles.values())
    assert all(0 <= begin <= beats.duration for begin in shown)


def test_a_trace_keeps_the_extremes_and_breaks_where_samples_are_missing() -> None:
    values = np.zeros(1000)
    values[501] = 7.0
    values[700:800] = np.nan
    path = trace(values, 50.0)
    assert path.count("M") == 2
    points = [int(y) for y in re.findall(r"-?\d+", path)]
    assert -140 in points  # 7 mm upwards in twentieths


def test_burden_and_rows_agree_with_what_could_be_read() -> None:
    def event(kind: EventKind, start: float, end: float) -> Event:
        return Event(kind, round(start * FS), round(end * FS), start, end)

    events = [
        event(EventKind.ATRIAL_FIBRILLATION, 0, 60),
        event(EventKind.VENTRICULAR_FLUTTER, 60, 90),
        event(EventKind.NOISE, 30, 50),
        event(EventKind.GAP, 40, 70),
    ]
    beats = made(
        [0.5 + 0.8 * i for i in range(160)],
        duration=140.0, events=events, lost=40.0, unreadable=[(30.0, 70.0)],
    )  # fmt: skip
    told = figures(beats)
    burden = {row["kind"]: row["burden"] for row in told["rhythm"]}
    assert burden["atrial_fibrillation"] == pytest.approx(30 / 100)
    # Waves of flutter look like noise to the other rules: their share is of the whole recording.
    assert burden["ventricular_flutter"] == pytest.approx(30 / 140)
    assert [row["lost_seconds"] for row in told["table"]] == pytest.approx([30, 10, 0])
    assert [row["af_seconds"] for row in told["table"]] == pytest.approx([60, 0, 0])


def test_a_file_that_is_flat_in_all_leads_is_lost_in_its_rows_too(
    classifier: Classifier, tmp_path: Path
) -> None:
    signal = np.tile(demo_record().signal, (4, 1))
    signal[len(signal) // 2 :][: int(20 * FS)] = 0.0
    np.savez(tmp_path / "flat.npz", signal=signal, fs=FS, leads=np.array(["MLII", "V1"]))
    told = figures(analyse(open_record(tmp_path / "flat.npz"), classifier))
    rows = sum(row["lost_seconds"] for row in told["table"])
    assert rows == pytest.approx(told["quality"]["lost_seconds"], abs=0.1)
    assert rows > 15


def test_noise_that_follows_on_noise_is_counted_as_it_is_listed() -> None:
    times = ((10.0, 20.0), (20.0, 25.0), (40.0, 50.0))
    events = [Event("noise", round(a * FS), round(b * FS), a, b) for a, b in times]
    found = made(np.arange(0.5, 60.0, 0.8), "N" * 75, duration=60.0, events=events)
    told = figures(found)["quality"]["events"]["noise"]
    assert told == {"count": 3, "seconds": pytest.approx(25.0)}


def test_twenty_gaps_are_lost_and_make_no_pause(tmp_path: Path, classifier: Classifier) -> None:
    record = demo_record()
    signal = np.tile(record.signal, (math.ceil(400 / record.duration), 1))[: int(400 * record.fs)]
    for i in range(20):
        begin = int((15 + 18 * i) * record.fs)
        signal[begin : begin + int(5 * record.fs)] = np.nan
    path = tmp_path / "gaps.npz"
    np.savez(path, signal=signal, fs=record.fs, leads=np.array(["MLII", "V1"]))
    told = figures(analyse(open_record(path), classifier))
    assert told["quality"]["lost_seconds"] >= 99
    assert told["quality"]["events"]["gap"]["count"] == 20  # of both leads
    assert told["rate"]["longest_rr"]["seconds"] < 2
    assert 40 < told["rate"]["minimum"]["rate"] < told["rate"]["maximum"]["rate"] < 150
    assert not any(row["count"] for row in told["rhythm"] if row["kind"] in ("pause", "asystole"))


@pytest.mark.parametrize(("seconds", "strips"), [(10, 1), (60, 3)])
def test_rates_of_a_short_recording_share_a_strip(
    seconds: int, strips: int, classifier: Classifier
) -> None:
    rr = np.linspace(0.7, 1.0, seconds)  # slower and slower
    found = made(np.cumsum(rr).tolist(), duration=float(rr.sum()))
    shown = [one for one in chosen_strips(found) if one.event is None]
    assert len(shown) == strips
    assert ", ".join(one.kind for one in shown) == "typical rhythm, minimum rate, maximum rate"


@pytest.mark.parametrize("off", [0.0, math.nan])
def test_a_lead_that_is_off_alone_loses_nothing(
    off: float, classifier: Classifier, tmp_path: Path
) -> None:
    """Flat, or with missing samples: in the other one every beat is seen."""
    record = demo_record()
    signal = np.tile(record.signal, (4, 1))
    half = len(signal) // 2
    lost = {}
    for name, columns in (("one", [1]), ("both", [0, 1])):
        changed = signal.copy()
        changed[half : half + int(20 * record.fs), columns] = off
        path = tmp_path / f"{name}.npz"
        np.savez(path, signal=changed, fs=record.fs, leads=np.array(["MLII", "V1"]))
        lost[name] = figures(analyse(open_record(path), classifier))["quality"]["lost_seconds"]
    assert lost["one"] < 5
    assert lost["both"] > 15


def test_a_lead_without_a_sample_leaves_a_report_of_the_other(
    classifier: Classifier, tmp_path: Path
) -> None:
    record = demo_record()
    signal = np.tile(record.signal, (2, 1))
    signal[:, 1] = np.nan
    path = tmp_path / "one.npz"
    np.savez(path, signal=signal, fs=record.fs, leads=np.array(["MLII", "V1"]))
    told = figures(analyse(open_record(path), classifier))
    assert told["quality"]["lost_share"] < 0.1
    assert 40 < told["rate"]["minimum"]["rate"] < told["rate"]["maximum"]["rate"] < 150
    assert told["quality"]["events"]["gap"]["count"] == 1


@pytest.mark.parametrize(
    ("lost", "per_hour"), [(0.0, 3600 * 175 / 140), (70.0, 3600 * 35 / 70), (138.0, math.nan)]
)
def test_beats_per_hour_are_those_of_the_time_that_could_be_read(
    lost: float, per_hour: float
) -> None:
    """Nothing but V in the first half, which noise may be; one beat in four in the second."""
    time = [0.25 + 0.5 * i for i in range(280)]
    labels = "V" * 140 + "NVNN" * 35
    beats = made(time, labels, duration=140.0, lost=lost, unreadable=[(0.0, lost)])
    told = figures(beats)
    assert told["ectopy"]["V"]["per_hour"] == pytest.approx(per_hour, nan_ok=True)
    rows = {name: text for name, text, _ in ectopy_rows(told)}
    assert rows["In readable signal"] == {0.0: "175", 70.0: "35", 138.0: "1"}[lost]


def test_the_figures_of_ectopy_on_the_page_add_up(classifier: Classifier, tmp_path: Path) -> None:
    """Singles, couplets and beats in runs are all beats; those that count per hour are stated."""
    record = synthetic_ecg(600, FS, ventricular=0.25, seed=4)
    signal = record.signal.copy()
    noise = slice(round(100 * FS), round(200 * FS))
    signal[noise] += np.random.default_rng(0).normal(0, 1.0, signal[noise].shape)
    path = tmp_path / "x.npz"
    np.savez(path, signal=signal, fs=FS, units="mV")
    told = figures(analyse(open_record(path), classifier))
    v = told["ectopy"]["V"]
    assert v["runs"] > 0
    rows = {name: text for name, text, _ in ectopy_rows(told)}
    number = {
        name: int(re.match(r"[\d,]+", text)[0].replace(",", "")) for name, text in rows.items()
    }  # type: ignore[index]
    in_runs = int(re.search(r"\((\d+)\sbeats\)", rows["Runs of at least three"])[1])  # type: ignore[index]
    assert number["Single"] + 2 * number["Couplets"] + in_runs == number["Beats"]
    hours = told["quality"]["analysed_seconds"] / 3600
    per_hour = float(rows["Of these per hour"].replace(",", ""))
    assert per_hour == pytest.approx(number["In readable signal"] / hours, abs=0.06)


def test_pauses_of_the_first_line_are_those_of_the_table() -> None:
    beats = made([0.8 * i for i in range(200)], "N" * 200, duration=160.0)
    still = replace(
        beats,
        events=[
            Event(EventKind.PAUSE, 2500, 3125, 10.0, 12.5, Severity.MEDIUM, 1.0, n_beats=2),
            Event(EventKind.ASYSTOLE, 5000, 5875, 20.0, 23.5, Severity.HIGH, 1.0, n_beats=2),
        ],
    )
    told = figures(still)
    (tile,) = [tile for tile in key_figures(told) if tile[0] == "Pauses"]
    assert tile[1:] == ("2", "", "of at least 2 s; asystoles: 1")


def test_the_colours_of_intervals_differ_in_a_grey_print_too() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255

    assert abs(lightness(svg.BLUE) - lightness(svg.ORANGE)) > 0.25
    css = report_style()
    for colour in (svg.BLUE, svg.ORANGE):  # the key below the pictures, and the dark page
        assert f": {colour};" in css
        assert f'[fill="{colour}"]' in css


def test_waves_of_flutter_and_rejected_beats_of_a_file_are_no_beats_and_no_class(
    classifier: Classifier,
) -> None:
    marks = Annotations(
        np.array([100, 400, 400, 500, 600, 700, 900]),
        np.array(["N", "[", "!", "!", "!", "]", "Q"]),
        np.array(["", "", "", "", "", "", "rejected"]),
    )
    found = analyse(open_source_of(np.zeros((1000, 2), np.float32), FS), marks)
    assert found.n_beats == 2
    assert found.label[~found.flutter].tolist() == ["N", "?"]
    assert found.flutter.sum() == 3


def test_no_rate_over_a_gap_between_annotated_beats() -> None:
    record = demo_record()
    signal = np.tile(record.signal, (6, 1))
    fs, n = record.fs, len(record.signal)
    peaks = detect_qrs(signal, fs)
    gap = (3 * n, 3 * n + int(2.4 * fs))
    signal[slice(*gap)] = np.nan
    peaks = peaks[(peaks < gap[0]) | (peaks >= gap[1])]
    source = open_source_of(signal, fs)
    found = analyse(source, Annotations(peaks, np.full(len(peaks), "N")))
    assert found.n_beats == len(peaks)
    rate = figures(found)["rate"]
    assert rate["longest_rr"]["seconds"] < 1.5
    assert rate["minimum"]["rate"] > 55
