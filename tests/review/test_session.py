"""The review engine: groups, questions, answers, labels, files that survive a killed process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import (
    Classifier,
    InputError,
    ModelError,
    Quality,
    RecordError,
    StateError,
    WindowSpec,
)
from ecgfast._files import whole_file
from ecgfast.records import open_record, read_annotations, synthetic_ecg
from ecgfast.review import NOT_A_BEAT, ReviewBeats, ReviewSession, review_files
from ecgfast.review.beats import collect_beats, describe, rr_ratios
from ecgfast.review.examples import reviewed_examples
from ecgfast.review.grouping import examples_of, group_beats
from ecgfast.review.pictures import overlay
from ecgfast.review.terminal import mean_beat

pytest.importorskip("scipy")

FS = 250.0
CLASSES = tuple("NSVFQ")
RECORD = Path(__file__).parents[1] / "excerpts" / "mitdb" / "208"


def made_beats(*, sure: float = 0.9, wrong: bool = True) -> ReviewBeats:
    """1,000 beats of three kinds by shape and timing; the model takes the early ones for normal."""
    generator = np.random.default_rng(5)
    kind = np.zeros(1000, np.int64)
    kind[50::10] = 1  # early, of the usual shape
    kind[57::25] = 2  # wide
    rr = np.where(kind == 1, 0.6, 1.0)
    sample = np.cumsum(rr * FS).round().astype(np.int64)
    grid = (np.arange(72) - 44) / 125.0
    width = np.where(kind == 2, 0.06, 0.02)[:, np.newaxis]
    shapes = np.exp(-0.5 * (grid / width) ** 2) + 0.02 * generator.standard_normal((1000, 72))
    probabilities = np.full((1000, 5), (1 - sure) / 4, np.float32)
    told = np.where(kind == 2, 2, 0) if wrong else kind
    probabilities[np.arange(1000), told] = sure
    before, after = rr_ratios(sample, FS)
    return ReviewBeats(
        name="made",
        fs=FS,
        n_samples=int(sample[-1]) + 500,
        leads=("II",),
        classes=CLASSES,
        model="none",
        sample=sample,
        probabilities=probabilities,
        described=describe(shapes.astype(np.float32), 1, before, after, probabilities),
        quality=np.zeros(1000, np.int64),
        rr=before,
        rr_next=after,
    )


def test_flutter_waves_are_in_no_count() -> None:
    beats = made_beats()
    beats.quality[100:120] = Quality.FLUTTER
    counts = ReviewSession(beats).counts()
    assert sum(counts.values()) == 980
    assert list(counts) == [label for label in CLASSES if label in counts]


@pytest.fixture
def session() -> ReviewSession:
    return ReviewSession(made_beats(), by="Ada")


def early(session: ReviewSession) -> np.ndarray:
    return np.arange(50, 1000, 10)


def test_groups_hold_beats_of_one_kind(session: ReviewSession) -> None:
    kinds = np.zeros(1000, np.int64)
    kinds[50::10] = 1
    kinds[57::25] = 2
    for number in range(session.n_groups):
        assert len(set(kinds[session.members(number)].tolist())) == 1
    sizes = [group.size for group in session.groups()]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 1000


def test_groups_are_the_same_on_every_run() -> None:
    beats = made_beats()
    assert np.array_equal(group_beats(beats.described), group_beats(beats.described))


def test_fewer_beats_than_groups_and_beats_all_alike() -> None:
    beats = made_beats()
    assert len(set(group_beats(beats.described[:7]).tolist())) <= 7
    assert set(group_beats(np.zeros((50, 4), np.float32)).tolist()) == {0}
    assert len(group_beats(np.zeros((0, 4), np.float32))) == 0


def test_labels_begin_as_the_model_has_them(session: ReviewSession) -> None:
    expected = np.array(CLASSES)[session.beats.probabilities.argmax(axis=1)]
    assert np.array_equal(session.labels(), expected)
    assert set(session.reviewers()) == {""}


def test_an_answer_labels_its_group_and_what_resembles_it(session: ReviewSession) -> None:
    target = next(
        number for number in range(session.n_groups) if 50 in session.members(number).tolist()
    )
    session.answer(target, "S")
    labels = session.labels()
    assert set(labels[session.members(target)]) == {"S"}
    assert (labels[early(session)] == "S").all(), "early beats of other groups follow"
    others = np.setdiff1d(np.arange(1000), early(session))
    model = np.array(CLASSES)[session.beats.probabilities.argmax(axis=1)]
    assert np.array_equal(labels[others], model[others]), "nothing else changed"
    assert session.reviewers()[50] == f"Ada, group {target}"


def test_a_question_is_worth_the_labels_that_it_may_change() -> None:
    beats = made_beats()
    doubtful = beats.probabilities.copy()
    doubtful[50::10] = (0.4, 0.36, 0.08, 0.08, 0.08)
    unsure = ReviewSession(
        ReviewBeats(**{**vars(beats), "probabilities": doubtful}), group=np.arange(1000) % 10 // 9
    )
    first = unsure.questions()[0]
    assert first.worth == max(one.worth for one in unsure.questions())
    assert first.group.number == 0, "the group of the doubtful beats"
    session = ReviewSession(beats)
    worths = [one.worth for one in session.questions()]
    assert worths == sorted(worths, reverse=True)
    answered = session.questions(1)[0].group.number
    session.answer(answered, "N")
    assert answered not in [one.group.number for one in session.questions()]


def test_a_single_beat_keeps_its_own_answer(session: ReviewSession) -> None:
    session.answer_beats([10, 11], "V")
    own = int(session.group[10])
    session.answer(own, "N")
    assert session.labels()[[10, 11]].tolist() == ["V", "V"]
    assert session.reviewers()[10] == "Ada"


def test_undo_is_exact(session: ReviewSession) -> None:
    states = [session.labels()]
    session.answer(3, "S")
    states.append(session.labels())
    session.answer_beats([4], NOT_A_BEAT)
    states.append(session.labels())
    session.split(0)
    session.answer(3, "V")  # another answer for the same group
    session.undo()
    session.undo()
    for expected in reversed(states):
        assert np.array_equal(session.labels(), expected)
        session.undo()
    assert session.undo() is None


def test_a_second_answer_takes_the_place_of_the_first(session: ReviewSession) -> None:
    other = ReviewSession(session.beats, by="Ada")
    session.answer(3, "V")
    session.answer(3, "S")
    other.answer(3, "S")
    assert np.array_equal(session.labels(), other.labels())


def test_a_group_is_divided(session: ReviewSession) -> None:
    before = session.n_groups
    members = set(session.members(0).tolist())
    session.answer(0, "V")
    part = session.split(0)
    assert part == before
    assert session.n_groups == before + 1
    assert {*session.members(0).tolist(), *session.members(part).tolist()} == members
    assert session.group_of(0).answer == "", "what was said of the whole no longer holds"
    same = ReviewSession(session.beats, np.zeros(1000, np.int64))
    same.beats.described[:] = 0
    with pytest.raises(InputError, match="all alike"):
        same.split(0)


def test_the_second_pass_lets_a_group_outvote_its_beats() -> None:
    beats = made_beats()
    shaken = beats.probabilities.copy()
    shaken[105::50] = (0.45, 0.02, 0.5, 0.02, 0.01)  # some normal beats look like V to the model
    session = ReviewSession(
        ReviewBeats(**{**vars(beats), "probabilities": shaken}), group=np.zeros(1000, np.int64)
    )
    assert (session.labels()[105::50] == "V").all()
    session.second_pass()
    assert set(session.labels()) == {"N"}
    session.undo()
    assert (session.labels()[105::50] == "V").all()


def test_flutter_waves_are_not_asked_about() -> None:
    beats = made_beats()
    beats.quality[100:120] = 64
    session = ReviewSession(beats)
    asked = {i for q in session.questions() for i in session.members(q.group.number).tolist()}
    assert not asked & set(range(100, 120))
    assert session.waves.sum() == 20
    session.answer_beats([110], "V")
    assert session.waves.sum() == 19


def test_examples_go_from_the_middle_to_the_edge(session: ReviewSession) -> None:
    described = session.beats.described
    members = session.members(0)
    chosen = examples_of(described, members, 5)
    apart = ((described[chosen] - described[members].mean(axis=0)) ** 2).sum(axis=1)
    assert (np.diff(apart) >= 0).all()
    assert len(examples_of(described, members[:3], 12)) == 3


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: s.answer(999, "N"), "group 999: there are groups 0 to"),
        (lambda s: s.answer(0, "X"), "label 'X': give one of N, S, V, F, Q"),
        (lambda s: s.answer_beats([], "N"), "give indices of beats"),
        (lambda s: s.answer_beats([5000], "N"), "0 to 999"),
        (lambda s: s.split(-1), "group -1"),
    ],
)
def test_wrong_use_is_refused_and_changes_nothing(
    session: ReviewSession, act: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        act(session)  # type: ignore[operator]
    assert session.actions == ()


# ------------------------------------------------------------------ files


def opened(folder: Path, by: str = "Ada") -> ReviewSession:
    return ReviewSession.open(RECORD, folder=folder, by=by)


def test_every_answer_is_on_the_disk_and_is_resumed(tmp_path: Path) -> None:
    session = opened(tmp_path)
    group = session.questions(1)[0].group.number
    session.answer(group, "V")
    session.answer_beats([0], "S")
    session.split(session.questions(1)[0].group.number)
    again = opened(tmp_path, by="Grace")
    assert np.array_equal(again.labels(), session.labels())
    assert np.array_equal(again.group, session.group)
    assert again.actions == session.actions
    again.answer_beats([1], NOT_A_BEAT)
    marks = read_annotations(review_files(RECORD, tmp_path).annotations)
    assert np.array_equal(marks.sample, session.beats.sample)
    assert np.array_equal(marks.symbol, again.labels())
    assert marks.aux[0] == "Ada"
    assert marks.aux[1] == "Grace"
    assert marks.aux[session.members(group)[-1]] == f"Ada, group {group}"
    told = json.loads((tmp_path / "208.review.json").read_text("utf-8"))
    assert [one["by"] for one in told["actions"]] == ["Ada", "Ada", "Ada", "Grace"]


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    program = f"""
import os, signal
from ecgfast.review import ReviewSession
session = ReviewSession.open({str(RECORD)!r}, folder={str(tmp_path)!r}, by="Ada")
session.answer(session.questions(1)[0].group.number, "V")
session.answer_beats([7], "S")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    session = opened(tmp_path)
    assert [action.kind for action in session.actions] == ["group", "beats"]
    assert session.labels()[7] == "S"


def test_labels_left_behind_by_a_killed_process_are_written_anew(tmp_path: Path) -> None:
    session = opened(tmp_path)
    stale = review_files(RECORD, tmp_path).annotations.read_bytes()
    session.answer_beats([3], "Q")
    review_files(RECORD, tmp_path).annotations.write_bytes(stale)
    opened(tmp_path)
    assert read_annotations(review_files(RECORD, tmp_path).annotations).symbol[3] == "Q"


def test_two_reviews_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    one.answer_beats([0], "V")
    with pytest.raises(StateError, match="another review"):
        other.answer_beats([1], "S")
    assert other.actions == ()
    assert len(opened(tmp_path).actions) == 1


def test_no_answer_is_lost_between_looking_and_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other review answers at the worst moment: while the first one is about to write."""
    one, other = opened(tmp_path), opened(tmp_path)
    refused: list[StateError] = []

    def answer() -> None:
        try:
            other.answer_beats([1], "S")
        except StateError as error:
            refused.append(error)

    second = threading.Thread(target=answer)

    def late(*args: Any) -> Any:
        if not second.ident:
            second.start()
            second.join(0.3)
        return whole_file(*args)

    monkeypatch.setattr("ecgfast.review.files.whole_file", late)
    one.answer_beats([0], "V")
    second.join()
    assert len(refused) == 1
    assert [action.label for action in opened(tmp_path).actions] == ["V"]


def test_a_review_that_another_process_began_meanwhile_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*args: Any, **options: Any) -> ReviewBeats:
        monkeypatch.undo()
        opened(tmp_path).answer_beats([0], "V")
        return collect_beats(*args, **options)

    monkeypatch.setattr("ecgfast.review.session.collect_beats", slowly)
    session = opened(tmp_path)
    assert [action.label for action in session.actions] == ["V"]
    session.answer_beats([1], "S")
    assert len(opened(tmp_path).actions) == 2


def test_files_of_another_origin_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "208.reviewed").write_bytes(b"precious")
    with pytest.raises(StateError, match="is there already"):
        opened(tmp_path)
    assert (tmp_path / "208.reviewed").read_bytes() == b"precious"


@pytest.mark.parametrize("damage", ["beats", "answers", "swapped", "kind", "label", "group"])
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    session = opened(tmp_path)
    session.answer_beats([0], "V")
    files = review_files(RECORD, tmp_path)
    told = json.loads(files.answers.read_text("utf-8"))
    if damage == "beats":
        files.beats.write_bytes(files.beats.read_bytes()[:1000])
    elif damage == "answers":
        files.answers.write_text("{")
    elif damage == "swapped":
        files.answers.write_text(json.dumps({**told, "digest": "0"}))
    else:
        told["actions"][0][damage] = {"kind": "guess", "label": "Z", "group": float("inf")}[damage]
        files.answers.write_text(json.dumps(told))
    with pytest.raises(RecordError, match=r"208\.review\."):
        opened(tmp_path)


def test_a_byte_that_changed_in_the_beats_is_said(tmp_path: Path) -> None:
    opened(tmp_path)
    files = review_files(RECORD, tmp_path)
    whole = files.beats.read_bytes()
    named = 0
    for at in range(0, len(whole), len(whole) // 80):
        files.beats.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            files.read_beats()  # no other error than this one, and some bytes mean nothing
        except RecordError as error:
            named += str(files.beats) in str(error)
    assert named > 40


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"kind": "group", "group": 999}, "answer 2 of 2: group 999: there are groups 0 to"),
        ({"kind": "group", "group": -1}, "answer 2 of 2: group -1"),
        ({"kind": "group", "group": None}, "answer 2 of 2: group None"),
        ({"kind": "beats", "beats": [1]}, "answer 2 of 2: there is no beat at sample 1;"),
        ({"kind": "beats", "beats": []}, "answer 2 of 2: names no beat"),
        ({"kind": "split", "group": 999, "beats": [1]}, "answer 2 of 2: group 999"),
    ],
)
def test_answers_about_what_there_is_not_are_refused(
    tmp_path: Path, about: dict[str, Any], message: str
) -> None:
    session = opened(tmp_path)
    session.answer_beats([0], "V")
    files = review_files(RECORD, tmp_path)
    told = json.loads(files.answers.read_text("utf-8"))
    told["actions"].append({**told["actions"][0], **about})
    files.answers.write_text(json.dumps(told))
    with pytest.raises(RecordError, match=message):
        opened(tmp_path)


def test_an_answer_to_a_part_that_a_division_made_is_resumed(tmp_path: Path) -> None:
    session = opened(tmp_path)
    part = session.split(0)
    session.answer(part, "V")
    assert opened(tmp_path).actions == session.actions


def recording(path: Path, signal: np.ndarray) -> Path:
    np.savez(path, signal=signal, fs=FS, leads=["MLII", "V1"], units="mV")
    return path


def test_a_recording_that_changed_since_is_not_reviewed_on(tmp_path: Path) -> None:
    """Labels would be of one signal, and the pictures and training beats of another."""
    made = synthetic_ecg(90, FS, ventricular=0.1, leads=("MLII", "V1"), seed=4)
    other = synthetic_ecg(90, FS, ventricular=0.1, leads=("MLII", "V1"), seed=5)
    path = recording(tmp_path / "holter.npz", made.signal)
    ReviewSession.open(path).answer(0, "N")
    # The same signal, as another format rounds it, in another order of leads, one lead of it.
    recording(path, np.round(made.signal / 0.005) * 0.005)
    assert len(ReviewSession.open(path, leads=["V1", "MLII"]).actions) == 1
    assert len(ReviewSession.open(path, leads="V1").actions) == 1
    mixed = made.signal.copy()
    mixed[round(70 * FS) :] = other.signal[round(70 * FS) :]
    for changed, when in ((other.signal, "0:00"), (mixed, "1:10"), (made.signal * 2, "0:00")):
        recording(path, changed)
        with pytest.raises(RecordError, match=f"not the recording that .* differs from {when} on"):
            ReviewSession.open(path)
        with pytest.raises(RecordError, match="not the recording that this review is of"):
            reviewed_examples([path], window=WindowSpec())


def test_a_review_begun_before_signals_were_compared_is_resumed(tmp_path: Path) -> None:
    opened(tmp_path).answer_beats([0], "V")
    files = review_files(RECORD, tmp_path)
    with np.load(files.beats) as file:
        earlier = {name: file[name] for name in file.files if name != "levels"}
    np.savez_compressed(files.beats, **earlier)
    assert len(opened(tmp_path).actions) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_what_does_not_fit_on_the_disk_does_not_count(tmp_path: Path) -> None:
    """Answers that fit beside labels that do not would count at the next start."""
    import resource

    session = opened(tmp_path, by="a" * 40)
    session.answer(0, "V")
    files = review_files(RECORD, tmp_path)
    sizes = files.answers.stat().st_size, files.annotations.stat().st_size
    assert sizes[0] < sizes[1]
    session.undo()
    before = files.answers.read_bytes(), files.annotations.read_bytes()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sum(sizes) // 2, usual[1]))
    try:
        with pytest.raises(RecordError, match=r"208\.reviewed: cannot be written"):
            session.answer(0, "V")
        # What is there can still be looked at.
        assert opened(tmp_path).actions == ()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert session.actions == ()
    assert (files.answers.read_bytes(), files.annotations.read_bytes()) == before
    session.answer(0, "V")
    assert len(opened(tmp_path).actions) == 1


def test_a_review_of_another_recording_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    source = open_record(RECORD.with_name("210"), leads=[0])
    short = type(source)(**{**vars(source), "n_samples": 3600})
    with pytest.raises(RecordError, match="of another recording"):
        ReviewSession.of_source(short, review_files(RECORD, tmp_path))


def test_a_model_of_no_beat_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not label single beats"):
        ReviewSession.open(RECORD, folder=tmp_path, model="blood-pressure")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_recording_is_the_default() -> None:
    assert review_files("data/208").annotations == Path("data/208.reviewed")
    assert review_files("data/208.hea").answers == Path("data/208.review.json")


def test_leads_that_are_off_are_not_reviewed(tmp_path: Path) -> None:
    """Nor drawn, nor learnt from."""
    made = synthetic_ecg(60, 250.0, ventricular=0.1, leads=("MLII", "V1"), seed=4)
    signal = np.column_stack([np.zeros(len(made.signal)), made.signal])
    path = tmp_path / "three.npz"
    np.savez(path, signal=signal, fs=250.0, leads=["III", "II", "V1"], units="mV")
    beats = collect_beats(open_record(path), Classifier("beats"))
    alone = collect_beats(open_record(path, leads=["II", "V1"]), Classifier("beats"))
    assert np.abs(beats.sample - alone.sample).max() <= 1
    labels = [found.probabilities.argmax(axis=1) for found in (beats, alone)]
    assert (labels[0] == labels[1]).mean() > 0.95
    assert not (beats.quality & Quality.FLAT).any()
    source = open_record(path)
    drawn = overlay(source, beats.sample[:5].tolist(), ["N"] * 5)
    assert [name in drawn for name in (">III<", ">II<", ">V1<")] == [False, True, True]
    assert np.ptp(mean_beat(source, beats.sample)) > 0.5
    session = ReviewSession.open(path, by="Ada")
    session.answer(session.questions(1)[0].group.number, "V")
    examples = reviewed_examples([path], window=WindowSpec())
    assert len(examples)
    assert (np.ptp(examples.inputs["window"][..., 0], axis=1) > 0).all()
