"""The page of a report: whole, nothing from outside, and it says what it leaves out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from report_pages import FS, Page, made, report_of

from ecgfast import Classifier, Event, EventKind
from ecgfast.records import demo_record, open_record
from ecgfast.reports.analysis import Analysis, analyse
from ecgfast.reports.figures import figures
from ecgfast.reports.model_facts import annotation_facts
from ecgfast.reports.recording_report import index_page, recording_report
from ecgfast.reports.report_pictures import FULL_S, full_disclosure
from ecgfast.reports.report_text import NOTHING

pytest.importorskip("jinja2")


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


def test_without_a_rate_nothing_is_said_of_ectopy_or_rhythm(classifier: Classifier) -> None:
    few = made([0.5 + 0.8 * i for i in range(6)], "NNVNNN", duration=70.0)
    page = Page(report_of(few, classifier))
    for words in ("AF burden", "Ectopy", "Looked for and not found", "Heart-rate variability"):
        assert words not in page.text
    assert "no heart rate is reported" in page.text
    assert "Detections" in page.text
    many = made([0.5 + 0.8 * i for i in range(60)], "N" * 60)
    assert "Looked for and not found" in Page(report_of(many, classifier)).text


@pytest.mark.parametrize(
    ("labels", "seconds", "told"),
    [("NNSN", 60.0, True), ("NNNN", 60.0, False), ("NNSN", 0.0, False)],
)
def test_counts_of_s_in_fibrillation_are_doubted_where_a_model_made_them(
    classifier: Classifier, labels: str, seconds: float, told: bool
) -> None:
    """A reviewer's S counts, and so does that of an annotation file."""
    events = [
        Event(EventKind.ATRIAL_FIBRILLATION, 0, round(seconds * FS), 0.0, seconds, "high", 90.0, 80)
    ]  # type: ignore[arg-type]
    found = made(
        [0.5 + 0.8 * i for i in range(150)], (labels * 40)[:150], events=events if seconds else []
    )
    said = "of the time is atrial fibrillation, in which beats called S are false: the 37 S do not"
    by_model = re.sub(r"\s+", " ", Page(report_of(found, classifier)).text)
    assert (said in by_model) == told
    by_hand = recording_report(found, figures(found), annotation_facts("208.reviewed"))
    assert "called S are false" not in by_hand


@pytest.mark.parametrize(("beats", "shown"), [(14, False), (60, True)])
def test_a_strip_says_nothing_of_rhythms_that_last_longer(
    beats: int, shown: bool, classifier: Classifier
) -> None:
    """Ten seconds of atrial fibrillation are no episode: "none found" would be a false comfort."""
    found = made([0.5 + 0.8 * i for i in range(beats)], "N" * beats, duration=0.8 * beats + 1)
    text = Page(report_of(found, classifier)).text
    looked = text.partition("Looked for and not found: ")[2].partition(".")[0]
    assert "asystole" in looked
    assert ("atrial fibrillation" in looked) == shown
    assert ("none found" in text) == shown
    assert ("Not looked for, as they are of 30 s or more" in text) == (not shown)
    burden = {row["kind"]: row["burden"] for row in figures(found)["rhythm"]}
    assert np.isfinite(burden["atrial_fibrillation"]) == shown
    assert burden["ventricular_flutter"] == 0
    assert "A pacemaker is not recognised" in text


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


def test_a_time_of_day_without_a_date_is_shown(classifier: Classifier, tmp_path: Path) -> None:
    record = demo_record()
    (tmp_path / "r.dat").write_bytes(np.round(record.signal * 200).astype("<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        f"r 2 {record.fs:g} {record.n_samples} 23:59:50\n" + 2 * "r.dat 16 200 16 0 0 0 0 I\n"
    )
    found = analyse(open_record(tmp_path / "r"), classifier)
    assert found.clock(15.0) == "00:00:05"
    assert "Start 23:59:50" in re.sub(r"\s+", " ", Page(report_of(found, classifier)).text)
