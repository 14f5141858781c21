"""Results and errors that go to another process and come back."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import Beat, Event, EventKind, Quality, Severity, hrv
from ecgfast.errors import (
    EcgfastError,
    InputError,
    MissingExtraError,
    MissingRuntimeError,
    ModelError,
    NotBuiltError,
    RecordError,
    StateError,
)
from ecgfast.records import open_record


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


BEAT = Beat(
    sample=66,
    time=0.264,
    label="",
    probability=nan,
    probabilities={},
    rr=nan,
    heart_rate=nan,
    quality=Quality.LEARNING,
    outputs={"minimum": 53.7, "maximum": nan},
)


def test_a_beat_without_a_rate_is_equal_to_its_copy() -> None:
    assert again(BEAT) == BEAT
    assert hash(again(BEAT)) == hash(BEAT)
    assert {BEAT, again(BEAT)} == {BEAT}
    for change in (
        {"sample": 67},
        {"rr": 0.8},
        {"outputs": {"minimum": 53.7}},
        {"outputs": {"minimum": 53.8, "maximum": nan}},
        {"probabilities": {"N": 1.0}},
    ):
        assert replace(BEAT, **change) != BEAT
    assert BEAT != "a beat"


def test_an_event_without_a_rate_is_equal_to_its_copy() -> None:
    event = Event(EventKind.PAUSE, 720, 1620, 2.0, 4.5, rate=float("nan"), lead=None)
    assert again(event) == event
    assert {event, again(event)} == {event}
    for change in ({"rate": 50.0}, {"end": 1621}, {"severity": Severity.LOW}, {"lead": 0}):
        assert replace(event, **change) != event


def test_measures_that_are_not_defined_are_equal_to_their_copy() -> None:
    few = hrv.measures(hrv.nn_from_arrays(np.arange(40) * 0.8))
    assert again(few) == few
    assert few.time.sdann != few.time.sdann, "too short"
    other = hrv.measures(hrv.nn_from_arrays(np.arange(41) * 0.8))
    assert other != few
    assert other.nn != few.nn


@pytest.mark.parametrize(
    "error",
    [
        EcgfastError("a"),
        InputError("b: \x1b"),
        StateError("c"),
        RecordError("d"),
        ModelError("e"),
        MissingExtraError("Reading EDF", "formats"),
        MissingExtraError("Reading EDF", "formats", "a library is missing"),
        MissingRuntimeError("x.tflite has other operators"),
        NotBuiltError(),
    ],
)
def test_errors_come_back_from_another_process(error: EcgfastError) -> None:
    back = again(error)
    assert type(back) is type(error)
    assert str(back) == str(error)


def test_what_reads_from_a_file_says_what_to_pickle(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=np.random.default_rng(0).normal(size=2500), fs=250.0)
    source = open_record(tmp_path / "a.npz")
    with pytest.raises(TypeError, match=r"RecordSource .* give each process the path"):
        pickle.dumps(source)
    for one in (copy.copy(source), copy.deepcopy(source)):
        np.testing.assert_array_equal(one.fetch(0, 9), source.fetch(0, 9))
    record = again(source.read())
    np.testing.assert_array_equal(record.signal, source.read().signal)


def test_a_report_says_what_to_pickle(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    from ecgfast.records import synthetic_ecg
    from ecgfast.reports import make_report

    report = make_report(synthetic_ecg(20.0, 250.0), model="none")
    with pytest.raises(TypeError, match=r"a Report .* pickle its html and figures"):
        pickle.dumps(report)
    assert copy.deepcopy(report).html == report.html
    assert again(report.figures) is not None
