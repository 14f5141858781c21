"""The terminal form: questions in, plain answers out, every one of them on the disk."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecgfast.cli import main
from ecgfast.records import open_record, read_annotations
from ecgfast.review import NOT_A_BEAT, ReviewSession
from ecgfast.review.terminal import drawing, mean_beat, run_terminal

pytest.importorskip("scipy")

RECORD = Path(__file__).parents[1] / "excerpts" / "mitdb" / "208"


def asked(session: ReviewSession, *answers: str) -> tuple[int, str]:
    """Answer one after the other, then end as at the end of the input."""
    lines: list[str] = []
    left: Iterator[str] = iter(answers)

    def read(prompt: str) -> str:
        lines.append(prompt)
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    count = run_terminal(session, open_record(RECORD), read=read, write=lines.append)
    return count, "\n".join(lines)


@pytest.fixture
def session(tmp_path: Path) -> ReviewSession:
    return ReviewSession.open(RECORD, folder=tmp_path, by="Ada", groups=8)


def test_answers_label_groups_in_the_order_of_worth(session: ReviewSession) -> None:
    first = session.questions(1)[0]
    count, text = asked(session, "v")
    assert count == 1
    assert session.group_of(first.group.number).answer == "V"
    assert f"an answer is expected to change {first.worth:.0f} labels" in text
    assert f"group {first.group.number}: {first.group.size}" in text


def test_every_key_does_what_the_help_says(session: ReviewSession) -> None:
    first, second = (one.group.number for one in session.questions(2))
    count, text = asked(session, "?", "p", "x", "z", "u", "m", "e", "u", "q", "N")
    assert count == 0
    assert f"label of group {second}" in text, "p asks the next one"
    assert "undone: no beat for group" in text
    assert "'z' is no answer" in text
    assert session.actions == (), "all was undone, and nothing came after q"
    assert first != second


def test_no_beat_is_an_answer(session: ReviewSession) -> None:
    number = session.questions(1)[0].group.number
    asked(session, "x")
    assert set(session.labels()[session.members(number)]) == {NOT_A_BEAT}


def test_it_ends_when_all_groups_are_answered(session: ReviewSession) -> None:
    count, text = asked(session, *"N" * 20)
    assert count == session.n_groups
    assert "Every group has its answer." in text


def test_a_drawing_shows_the_curve_and_survives_missing_signal() -> None:
    lines = drawing(np.sin(np.linspace(0, 2 * np.pi, 200)), columns=20, rows=5).splitlines()
    assert len(lines) == 5
    assert lines[0].strip()[0] in "-|"
    assert drawing(np.full(10, np.nan)) == "(no signal)"
    assert drawing(np.ones(10)).splitlines()[0].strip()
    source = open_record(RECORD)
    shape = mean_beat(source, np.array([3, source.n_samples - 2]))
    assert np.isfinite(shape).any()


def test_the_command_asks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("V\nS\n"))
    command = ["review", str(RECORD), "--terminal", "--output", str(tmp_path), "--by", "Ada"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "2 answers in" in out
    assert main([*command[:2], "--second-pass", *command[3:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"] == 2
    assert sum(told["labels"].values()) == told["beats"]
    marks = read_annotations(tmp_path / "208.reviewed")
    assert len(marks) == told["beats"]
    assert any(aux.startswith("Ada, group") for aux in marks.aux)


def test_the_report_is_made_of_the_corrected_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2")
    for part in RECORD.parent.glob("208.*"):
        (tmp_path / part.name).write_bytes(part.read_bytes())
    monkeypatch.chdir(tmp_path)
    session = ReviewSession.open("208", by="Ada")
    session.answer_beats(range(len(session.beats)), "N")
    session.answer_beats([4, 5], NOT_A_BEAT)
    session.answer_beats([7], "S")
    assert main(["report", "208", "--annotator", "reviewed", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["beats"]["by_class"]["S"] == 1
    assert told["beats"]["by_class"]["N"] == len(session.beats) - 3
    assert told["beats"]["total"] == len(session.beats) - 2
    assert told["annotations"] == "208.reviewed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--questions", "0", "--terminal"], "--questions 0"),
        (["--terminal", "--second-pass"], "one of"),
    ],
)
def test_wrong_use_is_said(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", str(RECORD), "--output", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
