"""The review of a recording's labels: groups, ranked questions, answers, and updated labels."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from ..records import RecordSource, open_record
from ..records.record import FloatArray
from ..reports.words import clock
from .actions import Action
from .beats import ReviewBeats, collect_beats
from .expectation import Expectation
from .files import ReviewFiles, review_files
from .grouping import GROUPS, Group, Question, examples_of, group_beats, halve
from .levels import changed_second, levels_of
from .marks import NOT_A_BEAT, encoded_marks

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["ReviewSession"]

#: Group of flutter waves: they are no beats, and nobody is asked about them.
WAVES = -1

_LONGEST_NAME = 40


class ReviewSession:
    """The review of one recording; `open` begins or resumes it.

    Parameters
    ----------
    beats : ReviewBeats
    group : ndarray of int64, shape (n,), optional
        Group of each beat; by default they are divided by `group_beats`.
    files : ReviewFiles, optional
        Where each answer is written at once; nothing is written by default.
    by : str, optional
        Who answers; by default the user's name on this machine.
    groups : int
        Groups at most.

    Attributes
    ----------
    beats : ReviewBeats
    group : ndarray of int64, shape (n,)
        Group of each beat now; -1 for flutter waves, which nobody is asked about.
    by : str
    files : ReviewFiles or None

    Notes
    -----
    A group that was answered gets the answer, a beat that was answered alone keeps its own. The
    other beats have the model's label, moved by each answer as far as they resemble the beats that
    it was about: its log-odds move by ``4 exp(-d² / 1.28)`` times the difference between the answer
    and what was expected of that group, at the distance d in the space of `describe`.

    Examples
    --------
    >>> from ecgfast.review import ReviewSession
    >>> session = ReviewSession.open("mitdb/232")               # doctest: +SKIP
    >>> question = session.questions(1)[0]                      # doctest: +SKIP
    >>> session.answer(question.group.number, "S")              # doctest: +SKIP
    >>> session.labels()                                        # doctest: +SKIP
    """

    def __init__(
        self,
        beats: ReviewBeats,
        group: npt.NDArray[np.int64] | None = None,
        *,
        files: ReviewFiles | None = None,
        by: str | None = None,
        groups: int = GROUPS,
    ) -> None:
        if group is None:
            group = np.full(len(beats), WAVES, np.int64)
            real = ~beats.flutter
            group[real] = group_beats(beats.described[real], groups)
        self.beats = beats
        self.files = files
        self.by = _name(by)
        self._begun = group
        self._actions: list[Action] = []
        self._replay()

    # ------------------------------------------------------------------ begin, resume, keep

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        by: str | None = None,
        model: str | os.PathLike[str] | Classifier = "beats",
        groups: int = GROUPS,
        fs: float | None = None,
        leads: Sequence[str | int] | str | int | None = None,
        method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
        progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
    ) -> ReviewSession:
        """Begin the review of a recording, or resume the one that was begun.

        Parameters
        ----------
        path : path
            As for `open_record`.
        folder : path, optional
            Where the review's files are; by default beside the recording.
        by : str, optional
            Who answers; by default the user's name on this machine.
        model : str, path or Classifier
            What labels the beats. A review that was begun keeps the labels that it began with.
        groups : int
            Groups at most.
        fs, leads
            As for `open_record`.
        method : {"neural", "adaptive", "pan-tompkins"}
            How R peaks are found.
        progress : callable
            Wraps the blocks of the recording, to show how far the reading is.

        Returns
        -------
        ReviewSession

        Raises
        ------
        RecordError, InputError, ModelError, StateError, MissingExtraError
            If the recording, the model or the review's files cannot be used.
        """
        source = open_record(path, fs=fs, leads=leads)
        return cls.of_source(
            source,
            review_files(path, folder),
            by=by,
            model=model,
            groups=groups,
            method=method,
            progress=progress,
        )

    @classmethod
    def of_source(
        cls,
        source: RecordSource,
        files: ReviewFiles | None,
        *,
        by: str | None = None,
        model: str | os.PathLike[str] | Classifier = "beats",
        groups: int = GROUPS,
        method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
        progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
    ) -> ReviewSession:
        """Begin or resume the review of an open recording; as `open`.

        Parameters
        ----------
        source : RecordSource
        files : ReviewFiles or None
            None keeps nothing.
        by, model, groups, method, progress
            As in `open`.

        Returns
        -------
        ReviewSession
        """
        from ..runtime.classifier import loaded

        if files is not None and files.exist():
            return cls._resumed(source, files, by=by)
        if files is not None:
            files.check_free()
        classifier = loaded(model)
        beats = collect_beats(source, classifier, method=method, progress=progress)
        session = cls(beats, files=files, by=by, groups=groups)
        if files is not None:
            with files.alone():
                begun = files.exist()  # by another process meanwhile, whose answers count
                if not begun:
                    files.write_beats(beats, session._begun)
            if begun:
                return cls._resumed(source, files, by=by)
            session._keep()
        return session

    @classmethod
    def _resumed(cls, source: RecordSource, files: ReviewFiles, *, by: str | None) -> ReviewSession:
        """A review that was begun, its labels as its answers have them."""
        with files.alone():
            session = cls.resume(source, files, by=by)
            # A killed process may have left those before the last answer.
            files.write_labels(session._marks())
        return session

    @classmethod
    def resume(
        cls, source: RecordSource, files: ReviewFiles, *, by: str | None = None
    ) -> ReviewSession:
        """Read a review that was begun; nothing is written before the next answer.

        Parameters
        ----------
        source : RecordSource
            Its recording.
        files : ReviewFiles
        by : str, optional
            Who answers.

        Returns
        -------
        ReviewSession

        Raises
        ------
        RecordError
            If its files are missing, damaged or of another recording.
        """
        beats, group = files.read_beats()
        if (beats.fs, beats.n_samples) != (source.fs, source.n_samples):
            raise RecordError(
                f"{files.beats}: is the review of another recording than {source.name} "
                f"({beats.n_samples} samples at {beats.fs:g} Hz, here {source.n_samples} at "
                f"{source.fs:g} Hz); move it away to begin anew"
            )
        if beats.levels.size:
            now = levels_of(source)
            changed = changed_second(beats.levels, beats.leads, now, source.leads)
            if changed is not None:
                second, lead = changed
                raise RecordError(
                    f"{source.name}: is not the recording that this review is of: {lead} differs "
                    f"from {clock(second)} on. Put the reviewed recording back, or move "
                    f"{files.beats}, {files.answers.name} and {files.annotations.name} away to "
                    "begin anew"
                )
        session = cls(beats, group, files=files, by=by)
        rows = files.read_answers(beats, group)
        actions = [Action.from_dict(one, str(files.answers)) for one in rows]
        session._check(actions, str(files.answers))
        session._actions = actions
        session._replay()
        return session

    def _check(self, actions: list[Action], name: str) -> None:
        """Refuse answers about groups or beats that there are not, or of no label."""
        n_groups, known = self.n_groups, set(self.beats.sample.tolist())
        for number, action in enumerate(actions, 1):
            try:
                if action.kind in ("group", "beats"):
                    self._checked(action.label)
                if action.kind in ("group", "split") and not (
                    action.group is not None and 0 <= action.group < n_groups
                ):
                    raise InputError(f"group {action.group}: there are groups 0 to {n_groups - 1}")
                if action.kind in ("beats", "split") and not action.beats:
                    raise InputError("names no beat")
                missing = [sample for sample in action.beats if sample not in known]
                if missing:
                    raise InputError(f"there is no beat at sample {missing[0]}")
            except InputError as error:
                raise RecordError(
                    f"{name}: answer {number} of {len(actions)}: {error}; restore the file, or "
                    "move it away"
                ) from None
            n_groups += action.kind == "split"

    def _keep(self) -> None:
        """Write answers and labels."""
        if self.files is not None:
            rows = [action.to_dict() for action in self._actions]
            with self.files.alone():
                self.files.write(self.beats, self._begun, rows, self._marks())

    def _marks(self) -> bytes:
        return encoded_marks(self.beats, self.labels(), self.reviewers(), waves=self.waves)

    # ------------------------------------------------------------------ answers in

    def answer(self, group: int, label: str) -> None:
        """Label all beats of a group.

        Parameters
        ----------
        group : int
            Its number.
        label : str
            A class of the model, or ``"|"`` for what is no beat.

        Raises
        ------
        InputError
            If there is no such group or label.
        RecordError, StateError
            If the answer cannot be written; it then does not count.
        """
        self._check_group(group)
        self._do(Action("group", self._checked(label), self.by, _now(), group))

    def answer_beats(self, beats: Iterable[int], label: str) -> None:
        """Label single beats; this outlasts what is said of their group.

        Parameters
        ----------
        beats : iterable of int
            Their indices.
        label : str
            As for `answer`.

        Raises
        ------
        InputError
            If there is no such beat or label, or no beat was given.
        RecordError, StateError
            If the answer cannot be written; it then does not count.
        """
        index = sorted({int(one) for one in beats})
        if not index or index[0] < 0 or index[-1] >= len(self.beats):
            raise InputError(
                f"beats {index[:5]}: give indices of beats, 0 to {len(self.beats) - 1}"
            )
        samples = tuple(self.beats.sample[index].tolist())
        self._do(Action("beats", self._checked(label), self.by, _now(), beats=samples))

    def split(self, group: int) -> int:
        """Divide a group whose beats are not all of one kind.

        Parameters
        ----------
        group : int
            Its number, which the larger part keeps, unanswered.

        Returns
        -------
        int
            Number of the smaller part.

        Raises
        ------
        InputError
            If there is no such group, or its beats are all alike.
        RecordError, StateError
            If it cannot be written; the group then stays whole.
        """
        self._check_group(group)
        members = self.members(group)
        part = members[halve(self.beats.described[members])]
        if not len(part):
            raise InputError(f"group {group}: its beats are all alike; answer single beats instead")
        samples = tuple(self.beats.sample[part].tolist())
        self._do(Action("split", "", self.by, _now(), group, samples))
        return int(self.group.max())

    def second_pass(self) -> None:
        """Give each beat the mean of the model's probabilities over its group.

        It needs no answer, and those that were given still hold.

        Raises
        ------
        RecordError, StateError
            If it cannot be written; it then does not count.
        """
        if not any(action.kind == "second pass" for action in self._actions):
            self._do(Action("second pass", "", self.by, _now()))

    def undo(self) -> Action | None:
        """Take back the last action.

        Returns
        -------
        Action or None
            What it was; None if there is none.

        Raises
        ------
        RecordError, StateError
            If this cannot be written; the action then still counts.
        """
        if not self._actions:
            return None
        last = self._actions.pop()
        self._replay()
        try:
            self._keep()
        except BaseException:
            self._actions.append(last)
            self._replay()
            raise
        return last

    def _do(self, action: Action) -> None:
        self._actions.append(action)
        try:
            if action.kind == "second pass" or any(
                action.replaces(earlier) for earlier in self._actions[:-1]
            ):
                self._replay()
            else:
                self._apply(action)
            self._keep()
        except BaseException:
            self._actions.pop()
            self._replay()
            raise

    def _check_group(self, group: int) -> None:
        if not 0 <= group < self.n_groups:
            raise InputError(f"group {group}: there are groups 0 to {self.n_groups - 1}")

    def _checked(self, label: str) -> str:
        if label not in (*self.beats.classes, NOT_A_BEAT):
            raise InputError(
                f"label {label!r}: give one of {', '.join(self.beats.classes)}, or {NOT_A_BEAT} "
                "for what is no beat"
            )
        return label

    # ------------------------------------------------------------------ what answers do

    def _replay(self) -> None:
        """Begin from what the model said, and do every action again."""
        self.group = self._begun.copy()
        self._expectation = Expectation(self.beats)
        self._of_group: dict[int, Action] = {}
        self._of_beat: dict[int, Action] = {}
        self._index = {sample: i for i, sample in enumerate(self.beats.sample.tolist())}
        if any(action.kind == "second pass" for action in self._actions):
            self._expectation.pool(self._begun)
        for i, action in enumerate(self._actions):
            if not any(later.replaces(action) for later in self._actions[i + 1 :]):
                self._apply(action)

    def _apply(self, action: Action) -> None:
        index = [self._index[one] for one in action.beats if one in self._index]
        if action.kind == "split":
            self.group[index] = self.n_groups
        elif action.kind == "group" and action.group is not None:
            if action.label != NOT_A_BEAT:
                self._expectation.answer(self.members(action.group), action.label)
            self._of_group[action.group] = action
        elif action.kind == "beats":
            self._of_beat.update(dict.fromkeys(index, action))

    # ------------------------------------------------------------------ labels out

    def labels(self) -> npt.NDArray[np.str_]:
        """Label of every beat.

        Returns
        -------
        ndarray of str, shape (n,)
            Classes of the model, and ``"|"`` for what is no beat.
        """
        names = np.array([*self.beats.classes, NOT_A_BEAT])
        found: npt.NDArray[np.str_] = names[self._codes()]
        return found

    def _codes(self) -> npt.NDArray[np.int64]:
        codes = self._expectation.most_probable()
        for number, action in self._of_group.items():
            codes[self.group == number] = self._code(action.label)
        for i, action in self._of_beat.items():
            codes[i] = self._code(action.label)
        return codes

    def _code(self, label: str) -> int:
        return [*self.beats.classes, NOT_A_BEAT].index(label)

    def reviewers(self) -> list[str]:
        """Who said what a beat is.

        Returns
        -------
        list of str, length n
            The name, with the group where the answer was of a whole one; empty where the label is
            the model's.
        """
        names = [""] * len(self.beats)
        for number, action in self._of_group.items():
            text = f"{action.by}, group {number}"
            for i in self.members(number).tolist():
                names[i] = text
        for i, action in self._of_beat.items():
            names[i] = action.by
        return names

    @property
    def single_answers(self) -> frozenset[int]:
        """Indices of beats that were answered alone."""
        return frozenset(self._of_beat)

    @property
    def waves(self) -> npt.NDArray[np.bool_]:
        """Flutter waves that nobody called beats."""
        waves: npt.NDArray[np.bool_] = self.group == WAVES
        waves[list(self._of_beat)] = False
        return waves

    def counts(self) -> dict[str, int]:
        """How many beats have each label now, without flutter waves.

        Returns
        -------
        dict of str to int
            The model's classes in its order, those that are found, and last what is no beat.
        """
        names, counts = np.unique(self.labels()[~self.waves], return_counts=True)
        found = dict(zip(names.tolist(), counts.tolist(), strict=True))
        order = [name for name in (*self.beats.classes, *found) if name in found]
        return {name: found[name] for name in order}

    @property
    def actions(self) -> tuple[Action, ...]:
        """All that was done, in order; what was undone is not in it."""
        return tuple(self._actions)

    # ------------------------------------------------------------------ groups and questions

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self.group.max(initial=WAVES)) + 1

    def members(self, group: int) -> npt.NDArray[np.int64]:
        """Beats of a group.

        Parameters
        ----------
        group : int

        Returns
        -------
        ndarray of int64
            Their indices, in order.
        """
        found: npt.NDArray[np.int64] = np.flatnonzero(self.group == group)
        return found

    def groups(self) -> list[Group]:
        """Every group, by number.

        Returns
        -------
        list of Group
        """
        codes, expected = self._codes(), self._expectation.probabilities()
        return [self._described(number, codes, expected) for number in range(self.n_groups)]

    def group_of(self, number: int) -> Group:
        """What is known of a group.

        Parameters
        ----------
        number : int

        Returns
        -------
        Group

        Raises
        ------
        InputError
            If there is no such group.
        """
        self._check_group(number)
        return self._described(number, self._codes(), self._expectation.probabilities())

    def _described(
        self, number: int, codes: npt.NDArray[np.int64], expected: npt.NDArray[np.float64]
    ) -> Group:
        members = self.members(number)
        names = [*self.beats.classes, NOT_A_BEAT]
        counts = np.bincount(codes[members], minlength=len(names)).tolist()
        shares = expected[members].mean(axis=0).tolist()
        answered = self._of_group.get(number)
        return Group(
            number=number,
            size=len(members),
            answer="" if answered is None else answered.label,
            by="" if answered is None else answered.by,
            counts={name: n for name, n in zip(names, counts, strict=True) if n},
            probabilities=dict(zip(self.beats.classes, shares, strict=True)),
            rr=_median(self.beats.rr[members]),
            rr_next=_median(self.beats.rr_next[members]),
            rate=60.0 / _median(self.beats.intervals[members]),
        )

    def questions(self, count: int | None = None, *, examples: int = 12) -> list[Question]:
        """Groups that nobody answered, those first whose answer changes the most.

        Parameters
        ----------
        count : int, optional
            How many at most; all by default.
        examples : int
            Beats that show each.

        Returns
        -------
        list of Question
        """
        expected, codes = self._expectation.probabilities(), self._codes()
        worth = self._expectation.worth(self.group, codes, self.n_groups)
        order = np.argsort(-worth, kind="stable")
        asked = [int(number) for number in order if int(number) not in self._of_group]
        return [
            Question(
                self._described(number, codes, expected),
                float(worth[number]),
                tuple(self.examples(number, examples).tolist()),
            )
            for number in asked[:count]
        ]

    def examples(self, group: int, count: int = 12) -> npt.NDArray[np.int64]:
        """Beats that show a group, from the most to the least typical.

        Parameters
        ----------
        group : int
        count : int

        Returns
        -------
        ndarray of int64
            Their indices.
        """
        return examples_of(self.beats.described, self.members(group), count)


def _median(values: npt.NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _name(by: str | None) -> str:
    """Who answers, short and on one line."""
    if by is None:
        try:
            by = getpass.getuser()
        except (OSError, KeyError, ImportError):  # a container's user without a name
            by = "reviewer"
    name = " ".join(by.split())[:_LONGEST_NAME]
    if not name:
        raise InputError("by: give the name of who answers")
    return name
