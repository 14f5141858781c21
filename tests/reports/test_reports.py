"""Summaries, strips and pages."""

from __future__ import annotations

import datetime
import math
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ecgfast import Beat, Event, InputError, Quality
from ecgfast.records import demo_record
from ecgfast.reports import Tally, strip_figure, strip_svg, write_page, write_strip
from ecgfast.reports.words import NOT_A_DEVICE, clock, length

FS = 100.0


def beats_of(
    labels: str, rr: float = 0.8, *, quality: Quality = Quality.GOOD, gap_before: int = -1
) -> list[Beat]:
    """One beat a letter, `rr` apart; a gap of 5 s before the one asked for."""
    beats, time = [], 0.0
    for i, label in enumerate(labels):
        step = 5.0 if i == gap_before else rr
        time += step if i else 0.3
        beats.append(
            Beat(
                sample=round(time * FS),
                time=time,
                label=label,
                probability=0.9,
                probabilities={label: 0.9},
                rr=step if i else float("nan"),
                heart_rate=60 / rr if i else float("nan"),
                quality=quality,
            )
        )
    return beats


def summary_of(beats: list[Beat], classes: str = "NSVFQ", duration: float = 60.0):  # type: ignore[no-untyped-def]
    tally = Tally(tuple(classes))
    tally.add(beats)
    return tally.summary("rec", FS, duration)


@pytest.mark.parametrize(
    ("labels", "couplets", "runs"),
    [
        ("NNNN", 0, []),
        ("NVVN", 1, []),
        ("NVN", 0, []),
        ("VVNVV", 2, []),
        ("NVVVN", 0, [("V", 3)]),
        ("NVVVVV", 0, [("V", 5)]),
        ("SSSNVVV", 0, [("S", 3), ("V", 3)]),
        ("SSSVVV", 0, [("S", 3), ("V", 3)]),
        ("VVSVV", 2, []),
        ("NSSN", 0, []),
        ("VVFVV", 2, []),
    ],
)
def test_ectopic_runs(labels: str, couplets: int, runs: list[tuple[str, int]]) -> None:
    summary = summary_of(beats_of(labels))
    assert summary.couplets == couplets
    assert [(run.label, run.beats) for run in summary.runs] == runs


def test_a_gap_ends_a_run() -> None:
    summary = summary_of(beats_of("VVVVV", gap_before=3))
    assert [(run.label, run.beats) for run in summary.runs] == [("V", 3)]
    assert summary.couplets == 1


def test_rate_and_place_of_a_run() -> None:
    (run,) = summary_of(beats_of("NVVVN", rr=0.4)).runs
    assert run.start == pytest.approx(0.7)
    assert run.end == pytest.approx(1.5)
    assert run.heart_rate == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("start", "same", "next_day"),
    [
        (
            datetime.datetime(2024, 5, 6, 22, 0),
            "1:00:00 (23:00:00)",
            "3:00:00 (2024-05-07 01:00:00)",
        ),
        (datetime.time(22, 0), "1:00:00 (23:00:00)", "3:00:00 (day 2, 01:00:00)"),
    ],
)
def test_clock_times_of_a_summary(
    start: datetime.datetime | datetime.time, same: str, next_day: str
) -> None:
    for at, words in ((3600.0, same), (10800.0, next_day)):
        tally = Tally()
        tally.add(beats_of("N" * 10))
        tally.events([Event("pause", round(at * FS), round((at + 2.5) * FS), at, at + 2.5)])
        lines = dict(tally.summary("night", FS, 86400.0, start).lines())
        assert lines["longest RR"] == f"2.50 s at {words}"


def test_counting_in_pieces_changes_nothing() -> None:
    beats = beats_of("NVVVNSSSSVVN")
    whole = summary_of(beats)
    tally = Tally(tuple("NSVFQ"))
    for beat in beats:
        tally.add([beat])
        tally.summary("rec", FS, 1.0)  # looking does not disturb
    assert tally.summary("rec", FS, 60.0) == whole


def test_figures_of_a_summary() -> None:
    summary = summary_of(beats_of("N" * 15 + "V" * 5, rr=0.75))
    assert summary.by_class == {"N": 15, "S": 0, "V": 5, "F": 0, "Q": 0}
    assert summary.rate_mean == pytest.approx(80.0)
    assert (summary.rate_min, summary.rate_max) == pytest.approx((80.0, 80.0))
    assert summary.bad_quality == 0.0
    text = summary.text()
    assert "80 a minute" in text
    assert re.search(r"V +5 +25\.0 % +ventricular", text)
    assert "5 V at 0:11" in text
    assert summary.to_dict()["runs"][0]["beats"] == 5


def test_a_bad_signal_has_no_heart_rate() -> None:
    summary = summary_of(beats_of("N" * 15 + "V" * 5, quality=Quality.NOISY))
    assert summary.bad_quality == 1.0
    assert math.isnan(summary.rate_mean)
    assert math.isnan(summary.rate_min)
    assert "a minute on average" not in summary.text()


def test_a_saturated_signal_is_called_that() -> None:
    waves = Quality.FLUTTER | Quality.SATURATED
    beats = beats_of("N" * 15, quality=Quality.SATURATED) + beats_of("N", quality=waves)
    summary = summary_of(beats)
    assert summary.saturated == 15
    assert "saturated 15 beats at the limit of the converter: lower the gain" in re.sub(
        " +", " ", summary.text()
    )
    assert "converter" not in summary_of(beats_of("N" * 15, quality=Quality.NOISY)).text()


def test_learning_is_no_bad_quality() -> None:
    assert summary_of(beats_of("NNN", quality=Quality.LEARNING)).bad_quality == 0.0


def test_a_gap_is_no_heart_rate() -> None:
    summary = summary_of(beats_of("N" * 20, rr=1.0, gap_before=10))
    assert summary.rate_mean == pytest.approx(60.0)


def test_an_empty_summary_is_told_without_numbers() -> None:
    summary = summary_of([])
    assert summary.beats == 0
    assert "nan" not in summary.text()


@pytest.mark.parametrize(
    ("seconds", "at", "long"),
    [
        (0.0, "0:00", "0.0 s"),
        (59.96, "0:59", "60.0 s"),
        (1805.6, "30:05", "30 min 6 s"),
        (86399.9, "23:59:59", "24 h 0 min"),
        (7 * 86400.0, "168:00:00", "7 days"),
        (90 * 3600.0, "90:00:00", "3 days 18 h"),
    ],
)
def test_times_in_words(seconds: float, at: str, long: str) -> None:
    assert clock(seconds) == at
    assert length(seconds) == long


def pixels(figure: object) -> np.ndarray:  # type: ignore[type-arg]
    from matplotlib.image import imread

    content = BytesIO()
    figure.savefig(content, format="png")  # type: ignore[attr-defined]
    content.seek(0)
    return imread(content)


def test_the_strip_is_true_to_scale() -> None:
    record = demo_record()
    figure = strip_figure(record.signal[:, 0], record.fs, row=10.0)
    (axes,) = figure.axes
    width = figure.get_figwidth() * 25.4 * axes.get_position().width
    assert width == pytest.approx(250.0)  # ten seconds at 25 mm/s
    assert axes.get_xlim() == (0.0, 250.0)
    height = figure.get_figheight() * 25.4 * axes.get_position().height
    assert axes.get_ylim()[1] == pytest.approx(height)


def test_marks_and_names_are_where_the_beats_are() -> None:
    signal = np.zeros(2000)
    beats = beats_of("NVSN", rr=4.0)
    figure = strip_figure(signal, FS, beats)
    (axes,) = figure.axes
    named = {(round(t.get_position()[0], 1), t.get_text()) for t in axes.texts}
    # 10 s a row: the fourth beat, at 12.3 s, is 2.3 s into the second.
    assert {(7.5, "N"), (107.5, "V"), (207.5, "S"), (57.5, "N")} <= named
    legend = " ".join(text.get_text() for text in figure.texts)
    assert "N normal: 2" in legend
    assert "V ventricular ectopic: 1" in legend
    assert "fusion" not in legend


def test_names_do_not_overlap_at_a_high_rate() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = strip_figure(np.zeros(1000), FS, beats_of("VS" * 16, rr=0.3))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axes,) = figure.axes
    boxes = [
        t.get_bbox_patch().get_window_extent(renderer) for t in axes.texts if t.get_text() in "VS"
    ]
    assert len(boxes) > 30
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_the_legend_stays_on_the_page_with_every_class() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    beats = beats_of("NSVFQ", quality=Quality.NOISY)
    figure = strip_figure(np.zeros(1000), FS, beats, lead="MLII", title="A long name " * 3)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    assert min(box.x0 for box in boxes) > 0
    assert max(box.x1 for box in boxes) < figure.get_figwidth() * figure.dpi
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[i + 1 :])


def test_the_gain_fits_the_signal() -> None:
    time = np.arange(1000) / FS
    for size, gain in ((0.2, " 40 mm/mV"), (1.0, " 10 mm/mV"), (3.0, " 5 mm/mV")):
        figure = strip_figure(size * np.sin(7 * time), FS)
        assert any(gain in text.get_text() for text in figure.texts)


def test_gaps_and_spikes_are_drawn() -> None:
    signal = np.sin(np.arange(1000) / 10)
    signal[100:200] = np.nan
    signal[500] = 1e6
    image = pixels(strip_figure(signal, FS, beats_of("NNN")))
    assert np.isfinite(image).all()
    assert pixels(strip_figure(np.full(1000, np.nan), FS)).std() > 0


def test_a_strip_needs_signal() -> None:
    with pytest.raises(InputError, match=r"from 20 s to 140 s"):
        strip_figure(np.zeros(1000), FS, start=20.0)
    with pytest.raises(InputError, match="one lead"):
        strip_figure(np.zeros((1000, 2)), FS)


def test_no_global_state_is_left() -> None:
    before = "matplotlib.pyplot" in sys.modules
    pixels(strip_figure(np.zeros(1000), FS))
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    figure = strip_figure(np.zeros(1000), FS)
    write_strip(tmp_path / "a.png", figure)
    assert (tmp_path / "a.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    with pytest.raises(InputError, match="nowhere"):
        write_strip(tmp_path / "nowhere" / "a.png", figure)

    class Broken:
        def savefig(self, *_: object, **__: object) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_strip(tmp_path / "b.png", Broken())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nowhere"):
        write_page(tmp_path / "nowhere" / "b.html", summary_of([]), [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


class Reader(HTMLParser):
    """Tags that are open, links to elsewhere, and rows of tables."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rows += tag == "tr"
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone(tmp_path: Path) -> None:
    beats = beats_of("NVNSN", quality=Quality.NOISY | Quality.FLAT)
    summary = summary_of(beats)
    picture = strip_svg(np.zeros(1000), FS, beats, lead="<II>", title="<script>")
    path = tmp_path / "page.html"
    write_page(
        path,
        summary,
        beats,
        picture=picture,
        caption="<caption>",
        title="<b> & co",
        notes=["First <note>"],
    )
    text = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.sources == []
    assert picture in text
    assert "<figcaption>&lt;caption&gt;</figcaption>" in text
    assert reader.rows == len(beats) + 1 + len(summary.lines())
    assert "<h1>&lt;b&gt; &amp; co</h1>" in text
    assert "First &lt;note&gt;" in text
    assert "not a medical device" in text
    assert "flat, noisy" in text
    assert "nan" not in text.partition("<h2>Beats</h2>")[2]


def drawn(picture: str) -> ElementTree.Element:
    """The picture as XML, names without their namespace."""
    tree = ElementTree.fromstring(picture)
    for element in tree.iter():
        element.tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
    return tree


def trace_of(path: ElementTree.Element) -> list[np.ndarray]:  # type: ignore[type-arg]
    """The pieces of a trace, as points in millimetres."""
    pieces = []
    for piece in path.attrib["d"].split("M")[1:]:
        numbers = np.array(re.findall(r"-?\d+", piece), float)  # one point, then steps
        pieces.append(np.cumsum(numbers.reshape(-1, 2), axis=0) / 20)
    return pieces


def test_the_vector_picture_is_true_to_scale() -> None:
    record = demo_record()
    signal = record.signal[:3600, 0].copy()
    signal[1000:1100] = np.nan
    tree = drawn(strip_svg(signal, record.fs, row=10.0))
    left, _, width, _ = map(float, tree.attrib["viewBox"].split())
    assert (tree.attrib["width"], width, left) == ("269mm", 269.0, -15.0)
    (trace,) = (path for path in tree.iter("path") if "transform" in path.attrib)
    pieces = trace_of(trace)
    assert [len(piece) for piece in pieces] == [1000, 2500]
    x, y = np.concatenate(pieces).T
    there = np.flatnonzero(np.isfinite(signal))
    np.testing.assert_allclose(x, there / record.fs * 25.0, atol=0.026)
    wanted = -10.0 * (signal[there] - np.nanmedian(signal))  # 10 mm/mV, downwards
    np.testing.assert_allclose(y, wanted, atol=0.026)


def test_the_vector_picture_has_the_marks_of_the_figure() -> None:
    beats = beats_of("NVSN", rr=4.0, quality=Quality.NOISY)
    tree = drawn(strip_svg(np.zeros(2000), FS, beats, lead="MLII"))
    named = {(float(t.attrib["x"]), t.text) for t in tree.iter("text") if t.text}
    assert {(7.5, "N"), (107.5, "V"), (207.5, "S"), (57.5, "N"), (0.0, "lead MLII")} <= named
    assert [float(c.attrib["cx"]) for c in tree.iter("circle")] == [7.5, 107.5, 207.5, 57.5]
    legend = [tspan.text for tspan in tree.iter("tspan")]
    assert [" ".join(str(text).split()[1:]) for text in legend] == [
        *("N normal: 2", "S supraventricular ectopic: 1", "V ventricular ectopic: 1"),
        "hollow: poor signal",
    ]
    shaded = [rect for rect in tree.iter("rect") if "fill-opacity" in rect.attrib]
    assert [float(rect.attrib["x"]) for rect in shaded] == [102.5, 202.5]


def test_a_beat_at_the_end_of_a_row_is_shaded_on_the_paper_only() -> None:
    beats = [replace(beats_of("V")[0], sample=990)]
    tree = drawn(strip_svg(np.zeros(2000), FS, beats))
    (shade,) = (rect for rect in tree.iter("rect") if "fill-opacity" in rect.attrib)
    assert float(shade.attrib["x"]) + float(shade.attrib["width"]) == pytest.approx(250.0)


def test_names_in_the_vector_picture_are_text_and_no_markup() -> None:
    beats = [replace(beats_of("V")[0], label='<b onload="x">&\x1b')]
    picture = strip_svg(np.zeros(1000), FS, beats, lead="<script>", title="</title>\x00")
    tree = drawn(picture)
    texts = [text.text for text in tree.iter("text")]
    assert "lead <script>" in texts
    assert '<b onload="x">&\\u001b' in texts
    assert not list(tree.iter("b")) + list(tree.iter("script"))
    empty = drawn(strip_svg(np.full(1000, np.nan), FS))
    assert [path.attrib["d"] for path in empty.iter("path") if "transform" in path.attrib] == [""]


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    beats = beats_of("N" * 6000)
    write_page(tmp_path / "page.html", summary_of(beats), iter(beats))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The first 5,000 of 6,000 beats" in text
    assert text.count('<td class="label"') == 5000


def test_the_caption_of_the_demos_picture_ends_within_it() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ecgfast.cli.demo import _CAPTION

    note = f"{_CAPTION} {NOT_A_DEVICE}"
    figure = strip_figure(np.zeros(2500), 250.0, [], note=note)
    FigureCanvasAgg(figure).draw()
    caption = next(text for text in figure.texts if text.get_text() == note)
    assert caption.get_window_extent().x1 < figure.bbox.x1
