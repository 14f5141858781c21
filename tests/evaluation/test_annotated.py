"""Annotations that belong to another recording are refused wherever their beats are used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from ecgfast import Classifier, Record
from ecgfast.errors import RecordError
from ecgfast.evaluation.beat_model import end_to_end
from ecgfast.evaluation.detector import evaluate_detector, own_detector
from ecgfast.evaluation.rhythm_events import annotated_beats_of
from ecgfast.records import Annotations, synthetic_ecg
from ecgfast.records.wfdb_annotations import decode_annotations, encode_annotations
from ecgfast.reports import make_report
from ecgfast.training.datasets.beats import labelled_beats

FS = 250.0

USES: dict[str, Callable[[Record], object]] = {
    "scores of a detector": lambda r: evaluate_detector({"own": own_detector("adaptive")}, [r]),
    "scores of a model": lambda r: end_to_end(Classifier("beats"), r, 0),
    "scores of rhythm": annotated_beats_of,
    "training": lambda r: labelled_beats(r, "p"),
    "a report": lambda r: make_report(r, annotations=r.annotations, annotation_file="mine.atr"),
}


def record(beyond_s: float) -> Record:
    """Twenty seconds with a beat a second, the last so much after the end."""
    signal = synthetic_ecg(20.0, FS, seed=1).signal
    samples = np.append(np.arange(1.0, 20.0), 20.0 + beyond_s) * FS
    marks = Annotations(np.round(samples).astype(np.int64), np.full(20, "N"))
    return Record(signal, FS, annotations=marks, name="mine")


@pytest.mark.parametrize("use", USES)
def test_annotations_of_another_recording_are_refused(use: str) -> None:
    USES[use](record(0.5))
    with pytest.raises(
        RecordError, match=r"mine: its annotations mark 1 of 20 beats after its end"
    ):
        USES[use](record(100.0))


@pytest.mark.parametrize("use", USES)
def test_marks_of_an_unknown_code_are_refused(use: str) -> None:
    """They had been passed over: beats that were no beats then counted as missed, or as none."""
    made = record(0.0)
    marks = made.annotations
    assert marks is not None
    data = bytearray(encode_annotations(marks.sample, marks.symbol, FS))
    at = data.rfind((1 << 10 | round(FS)).to_bytes(2, "little"))
    data[at : at + 2] = (47 << 10 | round(FS)).to_bytes(2, "little")
    read, _ = decode_annotations(bytes(data), "mine.atr")
    made = dataclasses.replace(made, annotations=read)
    with pytest.raises(RecordError, match=r"mine: 1 of its annotations have a code that neither"):
        USES[use](made)
