"""Rhythm events among the lines of ``ecgfast stream``."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from ecgfast.cli.output import event_line
from ecgfast.cli.stream import _Important
from ecgfast.records import synthetic_ecg
from ecgfast.rhythm import Event, EventKind, Severity

FS = 250.0


@pytest.fixture(scope="module")
def standing_still() -> str:
    """Lines of samples: 30 s of an ECG, 8 s without a beat, 20 s of an ECG."""
    ecg = synthetic_ecg(50.0, FS, muscle=0.01, seed=4).signal[:, 0]
    noise = np.random.default_rng(0).normal(0, 0.01, 2000)
    # Cut between beats: at the flattest place.
    first = 7500 + int(np.argmin(np.abs(ecg[7500:7700]) + np.abs(np.gradient(ecg[7500:7700]))))
    signal = np.concatenate([ecg[:first], noise, ecg[first:]])
    return "".join(f"{value:.4f}\n" for value in signal)


def stream(lines: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ecgfast", "stream", "-", "--fs", "250", *arguments],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_json_has_each_event_at_its_start_and_at_its_end(standing_still: str) -> None:
    first, *rows = [json.loads(line) for line in stream(standing_still, "--json")]
    assert first["type"] == "stream"
    events = [row for row in rows if row.get("type") == "event"]
    assert all("label" in row for row in rows if row not in events)
    began, ended = [row for row in events if row["kind"] == "asystole"]
    assert (began["ongoing"], ended["ongoing"]) == (True, False)
    assert began["start"] == ended["start"]
    assert began["severity"] == "high"
    assert ended["end_time"] - ended["start_time"] == pytest.approx(8.5, abs=1.0)
    assert rows.index(began) < rows.index(ended)


def test_a_person_reads_one_line_for_each_important_event(standing_still: str) -> None:
    lines = [line for line in stream(standing_still) if "  event  " in line]
    (asystole,) = [line for line in lines if "asystole" in line]
    assert asystole.split("event  ")[1].startswith("high    asystole, ongoing")
    assert {line.split()[2] for line in lines} <= {"high", "medium"}


def test_an_event_is_shown_again_only_when_it_has_become_more_important() -> None:
    important = _Important()
    run = ("ventricular_run", 250, 750, 1.0, 3.0)
    assert important.is_next(Event(*run, "medium", ongoing=True))
    assert important.is_next(Event(*run, "high"))
    assert important.is_next(Event(*run, "medium", ongoing=True))
    assert not important.is_next(Event(*run, "medium"))
    assert not important.is_next(Event("gap", 250, 750, 1.0, 3.0, "low"))
    assert important.is_next(Event("pause", 250, 750, 1.0, 3.0, "medium"))


def test_an_event_of_a_lead_names_it() -> None:
    event = Event(EventKind.LEAD_OFF, 250, 750, 1.0, 3.0, Severity.MEDIUM, 1.0, lead=0)
    assert event_line(event, ("MLII",)) == "   1.000s  event  medium  lead off, lead MLII, 2.0 s"
    assert "lead off, lead 1, 2.0 s" in event_line(event)
