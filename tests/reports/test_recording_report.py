"""The report of a recording: right figures, nothing from outside, no rate from noise."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from limited import run_limited

from ecgfast import Annotations, Classifier, Event, EventKind, InputError, detect_qrs, read_record
from ecgfast.cli import main
from ecgfast.records import RecordSource, demo_record, open_record, write_annotations
from ecgfast.reports import make_report
from ecgfast.reports.analysis import Analysis, analyse
from ecgfast.reports.choosing import chosen_strips
from ecgfast.reports.figures import figures
from ecgfast.reports.model_facts import model_facts
from ecgfast.reports.recording_report import index_page, recording_report
from ecgfast.reports.report_pictures import FULL_S, full_disclosure, trend_picture
from ecgfast.reports.report_text import NOTHING
from ecgfast.reports.svg import trace

pytest.importorskip("jinja2")

FS = 360.0
VOID = {"meta", "br", "hr", "img", "input", "link", "col"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers their attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += f" {data}"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier("beats")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of made ECG with premature beats, as a file."""
    record = demo_record()
    path = tmp_path_factory.mktemp("demo") / "demo.npz"
    signal = np.tile(record.signal, (math.ceil(300 / record.duration), 1))
    np.savez(path, signal=signal, fs=record.fs, leads=np.array(["MLII", "V1"]))
    return path


@pytest.fixture(scope="module")
def found(demo: Path, classifier: Classifier) -> Analysis:
    return analyse(open_record(demo), classifier)


def report_of(found: Analysis, classifier: Classifier, **options: object) -> str:
    return recording_report(found, figures(found), model_facts(classifier), **options)  # type: ignore[arg-type]


def made(time: list[float], labels: str | None = None, **more: object) -> Analysis:
    """An analysis of beats alone."""
    n = len(time)
    duration = float(more.pop("duration", max([*time, 0.0]) + 1))  # type: ignore[arg-type]
    given = {
        "name": "made", "fs": FS, "duration": duration, "leads": ("I",), "units": ("mV",),
        "start": None, "sample": np.round(np.array(time) * FS).astype(np.int64),
        "time": np.array(time, np.float64), "label": np.array(list(labels or "N" * n), "<U1"),
        "good": np.ones(n, bool), "flutter": np.zeros(n, bool), "events": [], "lost": 0.0,
        "fetch": lambda a, b: np.zeros((b - a, 1), np.float32),
    }  # fmt: skip
    return Analysis(**{**given, **more})  # type: ignore[arg-type]


def test_page_is_whole_and_needs_nothing_from_outside(
    found: Analysis, classifier: Classifier
) -> None:
    html = report_of(found, classifier, full=True, minutes=True)
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "img"} & set(page.tags)
    for _, name, value in page.attributes:
        assert name not in ("src", "href", "onload") or not value
        assert name == "xmlns" or "://" not in (value or "")
    assert "url(" not in html
    assert "@import" not in html
    assert "not a medical device" in page.text
    assert page.tags.count("figure") > 4


def test_json_has_the_figures_of_the_page(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo.html"
    assert main(["report", str(demo), "--output", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    text = re.sub(r"\s+", " ", Page(out.read_text("utf-8")).text)
    assert f"all {told['beats']['total']:,}" in text
    assert f"Minimum rate {told['rate']['minimum']['rate']:.0f} /min" in text
    assert f"at {told['rate']['maximum']['clock']}" in text
    assert f"{told['hrv']['nn_intervals']:,} NN of" in text
    assert told["model"]["name"] == "beats"
    assert told["ectopy"]["V"]["beats"] == told["beats"]["by_class"]["V"] > 0
    assert sum(row["beats"] for row in told["table"]) == told["beats"]["total"]


def test_names_of_a_file_are_text_and_no_markup(classifier: Classifier) -> None:
    evil = '<script>alert("1")</script>&"\'><svg onload=x>'
    beats = made([0.5 + 0.8 * i for i in range(40)], name=evil, leads=(evil,), notes=(evil,))
    html = report_of(beats, classifier, title=evil, full=True)
    page = Page(html)
    assert "script" not in page.tags
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    index = index_page([{"record": evil, "error": evil}], title=evil)
    assert "script" not in Page(index).tags
    shown = index_page([{**figures(beats), "file": evil}], title="x")
    assert [v for t, n, v in Page(shown).attributes if n == "href"] == [
        "%3Cscript%3Ealert%28%221%22%29%3C/script%3E%26%22%27%3E%3Csvg%20onload%3Dx%3E"
    ]


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


def test_events_beyond_the_list_are_folded_and_the_rest_is_counted(classifier: Classifier) -> None:
    def asystole(i: int) -> Event:
        at = 10.0 * i
        return Event(
            EventKind.ASYSTOLE, round(at * FS), round((at + 4) * FS), at, at + 4, "high", 0.75, 2
        )  # type: ignore[arg-type]

    times = [0.8 * i for i in range(5000)]
    few = report_of(made(times, events=[asystole(i) for i in range(30)]), classifier)
    assert few.count('<td class="high">high</td>') == 30
    assert "more are not listed" not in few
    many = report_of(made(times, events=[asystole(i) for i in range(350)]), classifier)
    assert many.count('<td class="high">high</td>') == 330
    text = re.sub(r"\s+", " ", Page(many).text)
    assert "300 more are listed in the HTML page, and not in print" in text
    assert "20 more are not listed here" in text
    assert f"0:00:10 0:00:14 asystole 4.0 s {NOTHING} 2 0.75 high" in text


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
    assert week.clock(86400) == "day 2, 22:40:00"
    ticks = re.findall(r">(day \d|\d\d:\d\d)</text>", str(trend_picture(week)))
    assert ticks == [f"day {i}" for i in range(2, 9)]  # not seven times 00:00
    assert made(times).clock(3725) == "1:02:05"


def test_strips_of_an_event_name_why_they_are_shown() -> None:
    def run(start: float, beats: int, rate: float) -> Event:
        end = start + (beats - 1) * 60 / rate
        return Event(
            EventKind.VENTRICULAR_RUN, round(start * FS), round(end * FS), start, end,
            n_beats=beats, rate=rate,
        )  # fmt: skip

    events = [run(20, 4, 130), run(40, 12, 120), run(60, 3, 190), run(80, 4, 135), run(99, 4, 128)]
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


@pytest.mark.parametrize("kind", ["noise", "flat", "missing", "two seconds", "three samples"])
def test_what_is_no_ecg_has_a_page_that_says_so_and_no_rate(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    signal = {
        "noise": 0.3 * rng.standard_normal((int(60 * FS), 1)),
        "flat": np.zeros((int(60 * FS), 1)),
        "missing": np.full((int(60 * FS), 1), np.nan),
        "two seconds": demo_record().signal[:720, :1],
        "three samples": np.array([[0.1], [0.3], [0.2]]),
    }[kind]
    path, out = tmp_path / "x.npz", tmp_path / "x.html"
    np.savez(path, signal=signal.astype(np.float32), fs=FS)
    assert main(["report", str(path), "--leads", "0", "--output", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rate"]["mean"] is None
    assert told["rate"]["maximum"] is None
    html = out.read_text("utf-8")
    Page(html)
    assert 'class="banner"' in html
    if told["beats"]["total"] == 0:
        assert "No heartbeat was found" in html
    if kind in ("noise", "flat", "missing"):
        assert told["quality"]["lost_share"] > 0.8  # noise takes some seconds to be known as such


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
    assert burden["ventricular_flutter"] == pytest.approx(20 / 100)
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


def test_without_a_rate_nothing_is_said_of_ectopy_or_rhythm(classifier: Classifier) -> None:
    few = made([0.5 + 0.8 * i for i in range(6)], "NNVNNN", duration=70.0)
    page = Page(report_of(few, classifier))
    for words in ("AF burden", "Ectopy", "Looked for and not found", "Heart-rate variability"):
        assert words not in page.text
    assert "no heart rate is reported" in page.text
    assert "Detections" in page.text
    many = made([0.5 + 0.8 * i for i in range(60)], "N" * 60)
    assert "Looked for and not found" in Page(report_of(many, classifier)).text


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
    assert told["rate"]["longest_rr"]["seconds"] < 2
    assert 40 < told["rate"]["minimum"]["rate"] < told["rate"]["maximum"]["rate"] < 150
    assert not any(row["count"] for row in told["rhythm"] if row["kind"] in ("pause", "asystole"))


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
    assert figures(beats)["ectopy"]["V"]["per_hour"] == pytest.approx(per_hour, nan_ok=True)


def test_several_recordings_have_an_index(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.npz").write_bytes(demo.read_bytes())
    (tmp_path / "index.npz").write_bytes(demo.read_bytes())
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    out = tmp_path / "pages"
    names = [str(tmp_path / f"{name}.npz") for name in ("a", "b", "index", "broken")]
    assert main(["report", *names, "--output", f"{out}/"]) == 1
    assert "1 of 4 recordings failed" in capsys.readouterr().err
    page = Page((out / "index.html").read_text("utf-8"))
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links == ["a.html", "b.html", "index-2.html"]
    assert all((out / str(link)).is_file() for link in links)
    assert "broken" in page.text
    assert main(["report", *names[:2], "--output", f"{out}/", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["recordings"]) == 2


def test_results_in_a_folder_are_no_recordings(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "holter"
    folder.mkdir()
    (folder / "demo.npz").write_bytes(demo.read_bytes())
    assert main(["classify", str(demo), "--output", str(folder / "demo.csv")]) == 0
    for _ in range(2):  # the second time there are pages too
        assert main(["report", str(folder), "--output", f"{folder}/"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.csv", "demo.html", "demo.npz", "index.html",
    ]  # fmt: skip


def test_labels_of_an_annotation_file_are_those_of_the_page(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "night.npz", tmp_path / "night.html"
    path.write_bytes(demo.read_bytes())
    peaks = detect_qrs(read_record(path))
    symbols = ["N"] * len(peaks)
    symbols[20:23] = ["V", "E", "V"]
    symbols[40] = "A"
    symbols[50], symbols[60] = "|", "+"  # an artefact, and a change of rhythm: no beats
    write_annotations(tmp_path / "night.cor", peaks, symbols, FS)
    command = ["report", str(path), "--annotator", "cor", "--output", str(out)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] is None
    assert told["annotations"] == "night.cor"
    assert told["beats"]["by_class"] == {"N": len(peaks) - 6, "S": 1, "V": 3, "F": 0, "Q": 0}
    assert [e["kind"] for e in told["events"] if e["kind"].endswith("_run")] == ["ventricular_run"]
    page = Page(out.read_text("utf-8"))
    assert "those of the annotation file night.cor" in page.text
    assert "no person has checked" not in page.text
    assert "sensitivity" not in page.text
    assert main([*command, "--reject", "0.1"]) == 2
    assert "--reject goes with a model" in capsys.readouterr().err
    for option in ("--average-leads", "--no-average-leads"):
        assert main([*command, option]) == 2
        assert f"{option} goes with a model" in capsys.readouterr().err
    assert main([*command[:3], "qrs"]) == 1
    assert "there is no annotation file night.qrs beside it" in capsys.readouterr().err


def test_the_labels_that_classify_writes_make_the_same_report(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.npz"
    path.write_bytes(demo.read_bytes())
    assert main(["classify", str(path), "--output", str(tmp_path / "night.ecg")]) == 0
    capsys.readouterr()
    ours, theirs = make_report(path).figures, make_report(path, annotator="ecg").figures
    for part in ("beats", "ectopy", "rhythm", "table"):
        assert theirs[part] == ours[part], part
    assert theirs["annotations"] == "night.ecg"


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


def test_a_report_in_one_call_is_that_of_the_command_and_shows_itself(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(demo), "--output", str(tmp_path / "c.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    report = make_report(demo)
    assert report.html == (tmp_path / "c.html").read_text("utf-8")
    assert report.figures["beats"] == told["beats"]
    assert report.figures["model"]["name"] == "beats"
    assert report.figures["model"]["labelled_from"] == "leads MLII and V1, averaged"
    assert ") from leads MLII and V1, averaged." in report.html
    alone = make_report(demo, average_leads=False)
    assert alone.figures["model"]["labelled_from"] == "lead MLII"
    assert alone.analysis.labelled_leads == ("MLII",)
    report.save(tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text("utf-8") == report.html
    assert f"{told['beats']['total']:,} beats" in repr(report)
    frame = Page(report._repr_html_())
    assert {name: value for _, name, value in frame.attributes}["srcdoc"] == report.html
    assert frame.tags == ["iframe"]  # its style cannot reach the notebook's
    assert make_report(read_record(demo)).figures["rate"] == report.figures["rate"]
    marks = Annotations(np.array([100, 400, 700]), np.array(["N", "V", "N"]))
    marked = make_report(read_record(demo), annotations=marks)
    assert marked.figures["beats"]["total"] == 3
    assert "those of annotations" in marked.html
    with pytest.raises(InputError, match="is open already"):
        make_report(read_record(demo), annotator="cor")


def test_full_disclosure_has_one_gain_and_says_what_it_leaves_out(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(a: int, b: int) -> np.ndarray:
        signal = np.zeros((b - a, 1), np.float32)
        signal[np.arange(a, b) % 90 == 0] = 1.0
        signal[np.arange(a, b) >= 120 * FS] *= 0.5
        return signal

    times = [0.5 + 0.8 * i for i in range(200)]
    found = made(times, fetch=fetch)
    page = report_of(found, classifier, full=True)
    assert page.count('<div class="row">') == 3
    assert "are left out.</p>" not in page
    highest = []
    for _, picture in full_disclosure(found):
        curve = re.findall(r' d="(M[^"]*l[^"]*)"', str(picture))[0]
        highest.append(max(int(dy) for _, dy in re.findall(r"(\d+)[ -](\d+)", curve.split("l")[1])))
    assert highest[2] == pytest.approx(highest[0] / 2, abs=1)  # not scaled up to its row
    assert FULL_S == 36 * 3600.0
    for module in ("report_pictures", "recording_report"):  # as if it were two hours
        monkeypatch.setattr(f"ecgfast.reports.{module}.FULL_S", 2 * 3600.0)
    long = made(times, fetch=fetch, duration=4 * 3600.0)
    page = report_of(long, classifier, full=True)
    assert page.count('<div class="row">') == 2 * 60
    assert "Only the first 36 hours are shown; 2 h 0 min are left out." in page


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


def open_source_of(signal: np.ndarray, fs: float) -> RecordSource:
    return RecordSource(fs, ("I", "II"), len(signal), lambda a, b: signal[a:b])


def test_a_time_of_day_without_a_date_is_shown(classifier: Classifier, tmp_path: Path) -> None:
    record = demo_record()
    (tmp_path / "r.dat").write_bytes(np.round(record.signal * 200).astype("<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        f"r 2 {record.fs:g} {record.n_samples} 23:59:50\n" + 2 * "r.dat 16 200 16 0 0 0 0 I\n"
    )
    found = analyse(open_record(tmp_path / "r"), classifier)
    assert found.clock(15.0) == "00:00:05"
    assert "Start 23:59:50" in re.sub(r"\s+", " ", Page(report_of(found, classifier)).text)


def weasyprint_or_skip() -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # it, or Pango of the system
        pytest.skip(f"WeasyPrint cannot be imported: {error}")


@pytest.mark.thorough
def test_page_is_printed_to_pdf_and_replaced_only_if_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weasyprint_or_skip()
    record = demo_record()
    signal = record.signal[: int(20 * record.fs)]
    np.savez(tmp_path / "demo.npz", signal=signal, fs=record.fs)
    out = tmp_path / "demo.html"
    command = ["report", str(tmp_path / "demo.npz"), "--output", str(out), "--pdf"]
    assert main(command) == 0
    assert (tmp_path / "demo.pdf").read_bytes().startswith(b"%PDF-")
    assert main(command) == 0
    (tmp_path / "demo.pdf").write_bytes(b"%PDF-1.7 somebody else's")
    assert main(command) == 2
    assert "--pdf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--output", "x.csv"], 2, "--output x.csv"),
        (["--output", "x.pdf"], 2, "--pdf prints it"),
        (["--model", "normality"], 1, "AAMI"),
    ],
)
def test_wrong_use_is_one_line(
    demo: Path, arguments: list[str], status: int, words: str,
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(demo), *arguments]) == status
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux has it")
def test_a_day_takes_little_memory(tmp_path: Path) -> None:
    record = demo_record()
    count = int(86400 * record.fs)
    block = np.round(record.signal * 200).astype("<i2")
    with (tmp_path / "day.dat").open("wb") as file:
        left = count
        while left:
            part = block[:left]
            file.write(part.tobytes())
            left -= len(part)
    (tmp_path / "day.hea").write_text(
        f"day 2 {record.fs:g} {count} 09:13:00\n"
        + "".join(f"day.dat 16 200 16 0 0 0 0 {lead}\n" for lead in ("MLII", "V1"))
    )
    code = """
import sys
from ecgfast.cli import main
status = main(["report", sys.argv[1], "--output", sys.argv[2], "--method", "adaptive"])
print(status, peak_mb())
"""
    out = tmp_path / "day.html"
    done = run_limited(code, tmp_path / "day", out, seconds=300, memory=4 << 30)
    status, megabytes = done.stdout.split()[-2:]
    assert status == "0", done.stderr
    assert float(megabytes) < 300
    assert out.stat().st_size < 3_000_000


def test_pdf_fetches_nothing() -> None:
    weasyprint_or_skip()
    from ecgfast.reports.pdf import _fetch_nothing

    with pytest.raises(InputError, match="holds everything itself"):
        _fetch_nothing("http://example.org/x.png")
