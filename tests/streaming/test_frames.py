"""Beats as a table."""

from __future__ import annotations

import sys
from dataclasses import fields

import numpy as np
import pytest

from ecgfast import (
    Beat,
    BeatBatch,
    Event,
    InputError,
    MissingExtraError,
    Quality,
    stream_beats,
    to_dataframe,
)
from ecgfast.core import FEATURE_NAMES
from ecgfast.records import demo_record


def a_beat(sample: int, **more: object) -> Beat:
    facts: dict[str, object] = {
        "sample": sample,
        "time": sample / 360,
        "label": "N",
        "probability": 0.75,
        "probabilities": {"N": 0.75, "V": 0.25},
        "rr": float("nan"),
        "heart_rate": 75.0,
        "quality": Quality.GAP | Quality.NOISY,
    }
    return Beat(**{**facts, **more})  # type: ignore[arg-type]


def test_a_row_for_each_beat() -> None:
    pytest.importorskip("pandas")
    beats = [a_beat(100), a_beat(400, label="V", rr=300 / 360, quality=Quality.GOOD)]
    table = to_dataframe(iter(beats))
    plain = [one.name for one in fields(Beat) if one.name not in ("probabilities", "outputs")]
    assert [c for c in table.columns if "." not in c] == plain
    assert set(table.columns) - set(plain) == {"probabilities.N", "probabilities.V"}
    assert table["sample"].tolist() == [100, 400]
    assert table["quality"].tolist() == [9, 0]
    assert table["label"].tolist() == ["N", "V"]
    assert np.isnan(table["rr"][0])
    assert table["probabilities.V"].tolist() == [0.25, 0.25]
    kinds = {name: table[name].dtype.kind for name in plain}
    assert kinds["sample"] == kinds["quality"] == "i"
    assert kinds["time"] == kinds["rr"] == "f"


def test_numbers_of_a_model_and_no_beat_at_all() -> None:
    pytest.importorskip("pandas")
    beats = [a_beat(1, label="", probabilities={}, outputs={"maximum": 120.0})]
    assert to_dataframe(beats)["outputs.maximum"].tolist() == [120.0]
    empty = to_dataframe([])
    assert len(empty) == 0
    assert list(empty.columns)[:3] == ["sample", "time", "label"]
    assert empty["sample"].dtype.kind == "i"


def test_a_row_for_each_beat_of_batches() -> None:
    pytest.importorskip("pandas")
    batch = BeatBatch.concatenate(stream_beats(demo_record()))
    for beats in (batch, [batch], stream_beats(demo_record())):
        table = to_dataframe(beats)
        assert table["sample"].tolist() == batch.sample.tolist()
        names = [f"features.{name}" for name in FEATURE_NAMES]
        assert list(table.columns)[4:] == names
        np.testing.assert_array_equal(table[names[3]], batch.features[:, 3])


def test_what_is_no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    for beats in ([1, 2], "mitdb/208", 5, [a_beat(1), None]):
        with pytest.raises(InputError, match=r"cannot make a table of .* stream_classify"):
            to_dataframe(beats)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[pandas\]"):
        to_dataframe([])


def test_a_row_for_each_event() -> None:
    pandas = pytest.importorskip("pandas")
    found = [
        Event("pause", 720, 1620, 2.0, 4.5, "medium", 0.9, 2, (720, 1620)),  # type: ignore[arg-type]
        Event("lead_off", 3600, 7200, 10.0, 20.0, lead=1),  # type: ignore[arg-type]
    ]
    table = to_dataframe(iter(found))
    assert list(table.columns) == [*(one.name for one in fields(Event)), "duration"]
    assert table["kind"].tolist() == ["pause", "lead_off"]
    assert table["severity"].tolist() == ["medium", "info"]
    assert table["duration"].tolist() == [2.5, 10.0]
    assert table["beats"].tolist() == [(720, 1620), ()]
    assert table["lead"][0] is pandas.NA
    assert table["lead"][1] == 1
    with pytest.raises(InputError, match="events"):
        to_dataframe([found[0], a_beat(1)])  # type: ignore[list-item]
