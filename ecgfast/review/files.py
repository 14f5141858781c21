"""What a review leaves on the disk, beside the recording or in a folder of one's own.

``RECORD.review.npz`` holds the beats, their groups and what the model said, written once;
``RECORD.review.json`` what was answered, by whom and when, written at each answer;
``RECORD.reviewed`` the labels of all beats as WFDB annotations, likewise.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from .._files import whole_file, write_whole
from ..errors import RecordError, StateError, system_reason
from .beats import ReviewBeats

__all__ = ["ANNOTATOR", "ReviewFiles", "review_files"]

#: Extension of the annotation file.
ANNOTATOR = "reviewed"

_FORMAT = "ecgfast review 1"
_ARRAYS = ("sample", "probabilities", "described", "quality", "rr", "rr_next")
# Byte of the file of beats that is locked on Windows, far beyond its end.
_LOCKED = 1 << 30

# What a damaged archive of arrays raises, wherever the damage is.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    NotImplementedError,  # another compression
    RuntimeError,  # a password
    BadZipFile,
    zlib.error,
)

# Largest file of answers that is read: a day of beats answered one by one takes 15 MB.
_MOST = 1 << 27


@dataclass(frozen=True)
class _Facts:
    """What must agree for answers to belong to beats."""

    record: str
    fs: float
    samples: int
    model: str
    beats: int
    digest: str


class ReviewFiles:
    """The files of one review.

    Parameters
    ----------
    folder : path
        Where they are.
    stem : str
        The recording's name without extension.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.beats = folder / f"{stem}.review.npz"
        self.answers = folder / f"{stem}.review.json"
        self.annotations = folder / f"{stem}.{ANNOTATOR}"
        self._seen: bytes | None = None

    def exist(self) -> bool:
        """Whether a review was begun."""
        return self.beats.exists()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have other processes wait that write this review too, where the file system can.

        Between looking whether the answers are still those that were read and writing new ones,
        another review could write its own, which would be lost.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # no folder yet, or a disk without locks
                if sys.platform == "win32":
                    import msvcrt

                    number = os.open(self.beats, os.O_RDONLY)
                    stack.callback(os.close, number)
                    os.lseek(number, _LOCKED, os.SEEK_SET)
                    msvcrt.locking(number, msvcrt.LK_LOCK, 1)
                else:
                    import fcntl

                    number = os.open(self.beats.parent, os.O_RDONLY)
                    stack.callback(os.close, number)
                    fcntl.flock(number, fcntl.LOCK_EX)
            yield

    def check_free(self) -> None:
        """Refuse to begin where a file of another origin has the name of one of ours.

        Raises
        ------
        StateError
            If one does.
        """
        for path in (self.answers, self.annotations):
            if path.exists():
                raise StateError(
                    f"{path}: is there already, and {self.beats.name} of its review is not; move "
                    "it away, or give another folder with --output"
                )

    def write_beats(self, beats: ReviewBeats, group: npt.NDArray[np.int64]) -> None:
        """Write the beats and their groups.

        Parameters
        ----------
        beats : ReviewBeats
        group : ndarray of int64, shape (n,)

        Raises
        ------
        RecordError
            If the file cannot be written.
        """
        plain = {
            field.name: getattr(beats, field.name)
            for field in fields(beats)
            if field.name not in (*_ARRAYS, "levels")
        }
        arrays: dict[str, Any] = {name: getattr(beats, name) for name in _ARRAYS}
        about = json.dumps({"format": _FORMAT, **plain})
        with whole_file(self.beats, RecordError) as file:
            np.savez_compressed(
                file,
                about=np.array(about),
                group=group.astype(np.int16),
                levels=beats.levels,
                **arrays,
            )

    def read_beats(self) -> tuple[ReviewBeats, npt.NDArray[np.int64]]:
        """Read the beats and their groups.

        Returns
        -------
        beats : ReviewBeats
        group : ndarray of int64, shape (n,)

        Raises
        ------
        RecordError
            If the file is missing or damaged.
        """
        try:
            with np.load(self.beats, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                arrays = {name: file[name] for name in _ARRAYS}
                group = file["group"].astype(np.int64)
                # A review that was begun before these were measured has none.
                levels = file["levels"] if "levels" in file else np.empty((0, 0), np.float32)
            if about.pop("format") != _FORMAT:
                raise ValueError("made by another version")
            about["leads"], about["classes"] = tuple(about["leads"]), tuple(about["classes"])
            beats = ReviewBeats(**about, **arrays, levels=levels)
            if {len(values) for values in (*arrays.values(), group)} != {len(beats)}:
                raise ValueError("columns of different lengths")
            if levels.size and levels.ndim != 2:
                raise ValueError("levels of no table")
        except _UNREADABLE as error:
            raise RecordError(
                f"{self.beats}: no beats of a review ({error}); move it away to begin anew"
            ) from None
        return beats, group

    def write(
        self,
        beats: ReviewBeats,
        group: npt.NDArray[np.int64],
        actions: list[dict[str, Any]],
        annotations: bytes,
    ) -> None:
        """Write what was answered and the labels that follow: both, or neither.

        Parameters
        ----------
        beats : ReviewBeats
        group : ndarray of int64, shape (n,)
            As the review began.
        actions : list of dict
            Plain JSON, in order.
        annotations : bytes
            The labels of all beats, as a WFDB annotation file.

        Raises
        ------
        StateError
            If another review has written since this one read or wrote.
        RecordError
            If the files cannot be written.
        """
        if self._on_disk() != self._seen:
            raise StateError(
                f"{self.answers}: was changed by another review of this recording; close one of "
                "them and open the review again"
            )
        content = {"format": _FORMAT, **vars(_facts(beats, group)), "actions": actions}
        data = json.dumps(content, indent=1, ensure_ascii=False).encode(errors="backslashreplace")
        # Both are on the disk before either gets its name, and the answers get theirs first: labels
        # follow from them.
        with (
            whole_file(self.annotations, RecordError) as labels,
            whole_file(self.answers, RecordError) as answers,
        ):
            try:
                labels.write(annotations)
                labels.flush()
                os.fsync(labels.fileno())
            except OSError as error:  # a disk that is found full late
                raise RecordError(
                    f"{self.annotations}: cannot be written ({system_reason(error)})"
                ) from None
            answers.write(data)
        self._seen = data

    def write_labels(self, annotations: bytes) -> None:
        """Write the labels that follow from the answers, where others are there.

        Parameters
        ----------
        annotations : bytes
            The labels of all beats, as a WFDB annotation file.

        Raises
        ------
        RecordError
            If the file cannot be written.
        """
        try:
            if self.annotations.read_bytes() == annotations:
                return
        except OSError:
            pass  # not there, or what writing will say
        write_whole(self.annotations, annotations, RecordError)

    def read_answers(
        self, beats: ReviewBeats, group: npt.NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        """Read what was answered.

        Parameters
        ----------
        beats : ReviewBeats
        group : ndarray of int64, shape (n,)
            As the review began.

        Returns
        -------
        list of dict

        Raises
        ------
        RecordError
            If the file is damaged, or belongs to other beats.
        """
        data = self._on_disk()
        if data is None:
            return []
        try:
            content = json.loads(data)
            actions = content["actions"]
            if content["format"] != _FORMAT or not all(isinstance(one, dict) for one in actions):
                raise ValueError("made by another version")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordError(
                f"{self.answers}: no answers of a review ({error}); restore it, or move it away"
            ) from None
        if content.get("digest") != _facts(beats, group).digest:
            raise RecordError(
                f"{self.answers}: belongs to other beats than {self.beats.name}; put the two that "
                "belong together side by side"
            )
        self._seen = data
        return list(actions)

    def _on_disk(self) -> bytes | None:
        try:
            if self.answers.stat().st_size > _MOST:
                raise RecordError(f"{self.answers}: is too large to hold answers; move it away")
            return self.answers.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{self.answers}: cannot be read ({error.strerror})") from None


def review_files(
    path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None
) -> ReviewFiles:
    """Where the review of a recording is kept.

    Parameters
    ----------
    path : path
        The recording.
    folder : path, optional
        By default the recording's own.

    Returns
    -------
    ReviewFiles

    Examples
    --------
    >>> from ecgfast.review import review_files
    >>> review_files("mitdb/232").answers.name
    '232.review.json'
    """
    where = Path(path).expanduser()
    stem = where.stem if where.is_file() or where.suffix == ".hea" else where.name
    return ReviewFiles(where.parent if folder is None else Path(folder).expanduser(), stem)


def _facts(beats: ReviewBeats, group: npt.NDArray[np.int64]) -> _Facts:
    content = hashlib.sha256(beats.sample.astype("<i8").tobytes())
    content.update(group.astype("<i2").tobytes())
    return _Facts(
        beats.name, beats.fs, beats.n_samples, beats.model, len(beats), content.hexdigest()
    )
