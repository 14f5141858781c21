"""A recording prints in one line and plots itself."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecgfast import (
    Annotations,
    BeatBatch,
    Event,
    InputError,
    MissingExtraError,
    Record,
    detect_qrs,
    stream_beats,
)
from ecgfast.records import demo_record
from ecgfast.streaming import Beat, Quality


@pytest.fixture(scope="module")
def record() -> Record:
    return demo_record()


def a_beat(sample: int, label: str) -> Beat:
    return Beat(sample, sample / 360, label, 1.0, {label: 1.0}, 0.8, 75.0, Quality(0))


def test_a_record_prints_in_one_line(record: Record) -> None:
    short = Record(record.signal, 360.0, record.leads, name="demo")
    assert repr(short) == "Record('demo', 60.0 s at 360 Hz, leads MLII, V1 in mV)"
    assert repr(record).endswith("leads MLII, V1 in mV, 73 annotations)")
    many = Record(np.zeros((100, 30)), 250.0, units=("uV",) * 29 + ("mV",), name="x\x1b")
    assert repr(many).endswith("ECG8 and 22 more in mV and uV)")
    assert "\n" not in repr(many)


def shown(figure: Any) -> list[list[float]]:
    """Times of the marks on each lead."""
    return [axis.lines[1].get_xdata().tolist() for axis in figure.axes]


def test_beats_of_every_form_are_marked(record: Record) -> None:
    pytest.importorskip("matplotlib")
    peaks = detect_qrs(record)
    inside = peaks[peaks < 3600]
    labels = ["V" if i == 1 else "N" for i in range(len(peaks))]
    forms = {
        "indices": peaks,
        "list": peaks.tolist(),
        "beats": [a_beat(int(p), x) for p, x in zip(peaks, labels, strict=True)],
        "annotations": Annotations(peaks, np.array(labels)),
        "wfdb's annotations": SimpleNamespace(sample=peaks, symbol=labels),
        "batch": BeatBatch.concatenate(stream_beats(record)),
    }
    for name, beats in forms.items():
        figure = record.plot(beats)
        assert shown(figure) == [(inside / 360).tolist()] * 2, name
        texts = [text.get_text() for text in figure.axes[0].texts]
        if name in ("beats", "annotations"):
            assert texts == labels[: len(inside)]
        assert [axis.get_ylabel() for axis in figure.axes] == ["MLII (mV)", "V1 (mV)"]
    marked = Record(record.signal, 360.0, annotations=forms["annotations"])
    assert shown(marked.plot()) == [(inside / 360).tolist()] * 2
    assert shown(Record(record.signal, 360.0).plot()) == [[], []]


def test_stretch_and_leads_are_chosen(record: Record) -> None:
    pytest.importorskip("matplotlib")
    figure = record.plot(start=50, duration=20, leads="v1")
    assert len(figure.axes) == 1
    assert figure.axes[0].get_xlim() == (50.0, 60.0)
    whole = record.plot(duration=60, leads=[1, 0])
    assert [axis.get_ylabel() for axis in whole.axes] == ["V1 (mV)", "MLII (mV)"]
    long = record.plot(duration=60, leads=0).axes[0].lines[0]
    assert len(long.get_xdata()) <= 8000
    assert np.nanmax(long.get_ydata()) == record.signal[:, 0].max()  # no peak is lost
    gap = record.signal.copy()
    gap[:1000] = np.nan
    assert Record(gap, 360.0).plot(detect_qrs(gap, 360.0)).axes


def test_the_figure_shows_itself_without_a_window(record: Record) -> None:
    pytest.importorskip("matplotlib")
    before = set(sys.modules)
    figure = record.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert "matplotlib.pyplot" not in set(sys.modules) - before


def an_event(kind: str, start: float, end: float, severity: str = "info") -> Event:
    return Event(kind, round(start * 360), round(end * 360), start, end, severity)  # type: ignore[arg-type]


def test_events_are_shaded_on_each_lead_and_named(record: Record) -> None:
    pytest.importorskip("matplotlib")
    found = [
        an_event("tachycardia", 3.0, 70.0, "low"),  # reaches beyond the stretch
        an_event("ventricular_ectopic", 5.0, 5.0),
        an_event("pause", 40.0, 43.0, "medium"),  # outside
    ]
    figure = record.plot([], iter(found), start=2)
    for axis in figure.axes:
        # Rectangles; polygons before matplotlib 3.9.
        shapes = [patch.get_patch_transform() for patch in axis.patches]
        boxes = [
            patch.get_path().get_extents(shape)
            for patch, shape in zip(axis.patches, shapes, strict=True)
        ]
        spans = sorted((box.x0, box.width) for box in boxes)
        assert spans[0] == pytest.approx((3.0, 67.0))
        assert 4.9 <= spans[1][0] < 5 < sum(spans[1]) <= 5.1  # a beat has a width that is seen
        assert len(spans) == 2
        assert axis.get_xlim() == (2.0, 12.0)
    names = {text.get_text(): text.xy[0] for text in figure.axes[-1].texts}
    assert len(figure.axes) == 3  # the names have a lane of their own, where they hide no signal
    assert names == {"tachycardia": 3.0, "ventricular ectopic": 5.0}
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[-1].texts]
    assert not boxes[0].overlaps(boxes[1])
    many = [an_event("ventricular_ectopic", 2 + 0.1 * i, 2 + 0.1 * i) for i in range(80)]
    crowded = record.plot([], many, start=2)
    crowded.canvas.draw()
    boxes = [text.get_window_extent() for text in crowded.axes[-1].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert len(record.plot([], found[2:], start=2).axes) == 2
    with pytest.raises(InputError, match=r"record\.plot\(beats, ecgfast\.events\(record\)\)"):
        record.plot([], [1.0])


def test_what_cannot_be_drawn(record: Record) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match=r"demo \(synthetic\): has no signal from 60 s to"):
        record.plot(start=60)
    with pytest.raises(InputError, match="no lead 'aVR'"):
        record.plot(leads="aVR")
    with pytest.raises(InputError, match="no lead was chosen"):
        record.plot(leads=[])
    for beats in ([0.5], ["N"], "mitdb/100"):
        with pytest.raises(InputError, match=r"record\.plot\(detect_qrs\(record\)\)"):
            record.plot(beats)


def test_the_extra_is_named(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[plot\]"):
        record.plot()


@pytest.mark.parametrize("seconds", ["5", float("nan"), None])
def test_a_stretch_is_in_seconds(record: Record, seconds: Any) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match=r"start must be a number|finite numbers"):
        record.plot(start=seconds)
