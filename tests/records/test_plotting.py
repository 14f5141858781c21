"""A recording prints in one line and plots itself."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from ecgfast import (
    Annotations,
    BeatBatch,
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
