"""Events of real recordings: those that must be reported, and those that must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecgfast import Classifier, events, read_record
from ecgfast.evaluation.episodes import rows_of, score_rows
from ecgfast.evaluation.rhythm_alarms import critical_alarms, evaluate_pauses, noise_recordings
from ecgfast.evaluation.rhythm_events import annotated_beats_of, record_events
from ecgfast.rhythm import RhythmStream

FindRecord = Callable[[str], Path]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier("beats")


def test_inserted_pauses_are_found_and_no_others(
    record_path: FindRecord, classifier: Classifier
) -> None:
    scores = evaluate_pauses([record_path("nsrdb/16795")], classifier, each=8)
    assert (scores.found, scores.false) == (8, 0), scores.missed


def test_a_healthy_person_has_no_alarm(record_path: FindRecord, classifier: Classifier) -> None:
    _, found = record_events(read_record(record_path("nsrdb/19090")), classifier)
    assert critical_alarms(found) == []
    assert {str(event.kind) for event in found} <= {
        *("tachycardia", "noise", "ventricular_ectopic", "ventricular_couplet"),
        *("ventricular_bigeminy", "supraventricular_ectopic"),
    }


def test_noise_alone_is_called_noise(
    data_root: Path, record_path: FindRecord, classifier: Classifier
) -> None:
    record_path("nstdb/118e_6"), record_path("mitdb/118")
    for record in noise_recordings(data_root):
        _, found = record_events(record, classifier)
        noisy = sum(event.duration for event in found if event.kind == "noise")
        assert noisy > 0.9 * record.n_samples / record.fs, record.name
        assert critical_alarms(found) == [], record.name


def test_rows_of_annotated_beats_of_are_exact(record_path: FindRecord) -> None:
    record = read_record(record_path("mitdb/233"))
    beats = annotated_beats_of(record)
    rows = rows_of([one.sample for one in beats], [one.label for one in beats])
    rhythm = RhythmStream(record.fs)
    found = [
        (one.start, one.end, one.n_beats)
        for one in [*rhythm.process(beats), *rhythm.flush()]
        if not one.ongoing and one.kind in ("ventricular_couplet", "ventricular_run")
    ]
    assert found == [(row[0], row[-1], len(row)) for row in rows]
    assert len(found) == 61
    for score in score_rows(found, found, 0.0):
        assert score.reference == score.found == score.test == score.right


def test_ventricular_flutter_is_reported(record_path: FindRecord) -> None:
    flutter = [one for one in events(record_path("mitdb/207")) if one.kind == "ventricular_flutter"]
    assert flutter
    assert all(one.severity == "high" and one.duration >= 3.0 for one in flutter)


def test_atrial_fibrillation_covers_a_recording_of_it(record_path: FindRecord) -> None:
    found = [one for one in events(record_path("mitdb/210")) if one.kind == "atrial_fibrillation"]
    assert sum(one.duration for one in found) > 1600.0
    assert not [
        one for one in events(record_path("mitdb/100")) if one.kind == "atrial_fibrillation"
    ]
