"""A folder that saves a live recording: signal, beats, events and a journal, as they come."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._files import is_draft, write_whole
from ..errors import InputError
from ..printable import counted
from .annotation_file import AnnotationFile
from .record import check_fs
from .units import UNKNOWN
from .wfdb_files import MAY_GROW

__all__ = ["RecordingFolder", "read_info"]

_log = logging.getLogger(__name__)

# Name of the record in the folder.
_NAME = "recording"

# Seconds of a signal file; of samples that a power cut may take; and between attempts to write
# again when the disk was full.
_FILE_S, _SYNC_S, _RETRY_S = 3600.0, 1.0, 10.0

# WFDB format 32: a missing sample, and the largest value.
_MISSING, _LARGEST = -(2**31), 2**31 - 1

# Steps to a unit: a tenth of a microvolt in mV; numbers as large as converters give them are whole.
_FINE, _WHOLE, _LARGE = 10_000.0, 1.0, 20_000.0

# Seconds between two parts of one recording, at most; and by which file systems and clocks differ.
_LONGEST_GAP_S, _BACK_S = 7 * 86_400.0, 3.0


def read_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``recording.info`` of a folder says; empty where there is none, or it is damaged.

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    dict
        ``fs``, ``leads``, ``units``, ``start``, ``source``, and ``about`` of `RecordingFolder`.
    """
    try:
        found = json.loads((Path(folder).expanduser() / f"{_NAME}.info").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class RecordingFolder:
    """Saves a live recording into a folder, so that a crash loses nothing that was written.

    A power cut takes at most the last second of the signal: it is synchronised with the disk each
    second; marks, events and the journal are when the operating system does it (often half a
    minute later), and the annotation file when the recording is closed.

    The signal goes into a WFDB record of one file an hour (format 32), missing samples included;
    beats into a WFDB annotation file, events (JSON) and the journal into lines of text. All can be
    read at any moment, and ``read_record(folder / "recording")`` reads the whole as one recording.
    A folder that holds a part of a recording is continued: the time from the last change of its
    last signal file until now is a gap.

    A disk that is full, or fails, does not end the recording: it is reported as a warning of the
    logger ``ecgfast``, tried again every ten seconds, and what could not be kept is a gap;
    `missing` says what.

    Parameters
    ----------
    folder : str or path
        Made if it is not there. It is empty, or holds a part of the same recording.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names of the leads.
    units : sequence of str, optional
        Unit of each lead; ``unknown`` by default.
    source : str
        What the samples come from, for the reader of the folder.
    extension : str, default "ecg"
        Of the annotation file.
    about : mapping, optional
        What else ``recording.info`` says of a new recording, ready for JSON; see `read_info`.
    now : callable, default `time.time`
        Seconds since 1970.

    Attributes
    ----------
    folder : Path
    offset : int
        Samples of the recording before this part of it: sample 0 of the source is sample `offset`
        of the recording.
    lost : int
        Samples that the disk did not take.
    missing : str
        What the folder lacks of this part of the recording, such as ``"2500 samples (10.0 s) and
        12 annotations"``; empty if it is whole. It is final after `close`.

    Raises
    ------
    InputError
        If the folder holds something else or a recording of other leads or another rate, or cannot
        be written.

    Examples
    --------
    >>> with RecordingFolder("night", 250.0, ["II"], ["mV"]) as kept:      # doctest: +SKIP
    ...     for chunk in source:
    ...         kept.write(chunk)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        fs: float,
        leads: Sequence[str],
        units: Sequence[str] = (),
        *,
        source: str = "",
        extension: str = "ecg",
        about: Mapping[str, Any] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.fs = check_fs(fs)
        self._leads = tuple(" ".join(lead.split()) or f"ECG{i + 1}" for i, lead in enumerate(leads))
        self._units = tuple(units) or (UNKNOWN,) * len(self._leads)
        self._now = now
        self.offset = 0
        self.lost = 0
        self._segments: list[tuple[str, int]] = []  # "~" is a gap
        self._number = 0  # of the next signal file
        self._count = 0  # samples of this part so far, lost ones too
        self._file: _SignalFile | None = None
        self._full = False
        self._retry_at = 0
        self._synced = 0
        self._warned: set[str] = set()
        self._unsaved: Counter[str] = Counter()  # annotations, events, journal lines
        self._unfinished: dict[str, str] = {}  # files that may not be complete, and why
        self._marks: AnnotationFile | None = None
        self._marks_path = self.folder / f"{_NAME}.{extension}"
        self._marks_at = 0  # samples at which to try to open it again
        try:
            self._begin(source, about or {})
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({_reason(error)})") from None

    def _begin(self, source: str, more: Mapping[str, Any]) -> None:
        about = self.folder / f"{_NAME}.info"
        self.folder.mkdir(parents=True, exist_ok=True)
        begin = self._now()
        late = ""
        if about.exists():
            begin, late = self._continue(about)
        elif not all(is_draft(path, of=about.name) for path in self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: is not empty and holds no recording of ecgfast; name a new folder"
            )
        else:
            at = datetime.fromtimestamp(begin, timezone.utc).astimezone()
            facts = {
                "fs": self.fs,
                "leads": self._leads,
                "units": self._units,
                "start": at.isoformat(timespec="milliseconds"),
                "source": source,
                **more,
            }
            write_whole(about, json.dumps(facts, indent=2) + "\n")
        self._start = begin
        try:
            self._marks = AnnotationFile(self._marks_path, self.fs, append=True)
        except InputError as error:
            # A restart on a full disk ends nothing either.
            if not (self._segments and isinstance(error.__context__, OSError)):
                raise
            self._once("marks", f"{error}; beats are not saved until it can be")
        self.note(f"begins at sample {self.offset}: {source}")
        if late:
            self.note(late)
            _log.warning("%s: %s", self.folder, late)

    def _continue(self, about: Path) -> tuple[float, str]:
        """Take up a recording where it ended; returns when it began, and what is not known."""
        try:
            facts = json.loads(about.read_bytes())
            same = (facts["fs"], tuple(facts["leads"])) == (self.fs, self._leads)
            begin = datetime.fromisoformat(facts["start"]).timestamp()
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{about}: is damaged; name a new folder") from None
        if not same:
            raise InputError(
                f"{self.folder}: holds a recording of {', '.join(facts['leads'])} at "
                f"{facts['fs']:g} Hz, and this one is {', '.join(self._leads)} at {self.fs:g} Hz; "
                "name a new folder"
            )
        ended = begin
        for path in sorted(self.folder.glob(f"{_NAME}_*.dat")):
            held = path.stat().st_size // (4 * len(self._leads))
            digits = path.stem.rpartition("_")[2]
            self._number = max(self._number, int(digits) + 1 if digits.isdecimal() else 0)
            if held:
                self._segments.append((path.stem, held))
                ended = path.stat().st_mtime
        self._segments = self._with_known_gaps(self._segments)
        seconds = self._now() - ended
        if seconds > _LONGEST_GAP_S:
            raise InputError(
                f"{self.folder}: ended {seconds / 86400:.0f} days ago; name a new folder"
            )
        late = ""
        if self._segments:
            self._gap(round(max(0.0, seconds) * self.fs))
            if seconds < -_BACK_S:  # a board without a battery for its clock
                late = (
                    f"the clock of this machine is {-seconds:.0f} s before the end of what was "
                    "recorded: how long the gap was is not known, and later times of day are early"
                )
        self.offset = sum(count for _, count in self._segments)
        return begin, late

    def _with_known_gaps(self, files: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Put the gaps that the record's header knows of before the files that follow them."""
        gaps: dict[str, int] = {}
        waiting = 0
        with suppress(OSError):
            for line in (self.folder / f"{_NAME}.hea").read_text().splitlines()[1:]:
                name, _, length = line.partition(" ")
                if name == "~":
                    waiting += int(length)
                elif waiting:
                    gaps[name], waiting = waiting, 0
        found: list[tuple[str, int]] = []
        for name, count in files:
            if name in gaps:
                found.append(("~", gaps[name]))
            found.append((name, count))
        return found

    def _gap(self, samples: int) -> None:
        if samples > 0:
            self._segments.append(("~", samples))

    # ------------------------------------------------------------------------------- the signal

    def write(self, chunk: npt.ArrayLike) -> None:
        """Save the next samples.

        Parameters
        ----------
        chunk : array_like, shape (k, n_leads) or (k,)
            Missing samples are NaN.
        """
        rows = np.asarray(chunk, np.float32).reshape(-1, len(self._leads))
        longest = round(_FILE_S * self.fs)
        done = 0
        while done < len(rows):
            if self._file is None and self._full and self._count < self._retry_at:
                self._lose(len(rows) - done)
                return
            try:
                done += self._put(rows[done:], longest)
            except (OSError, InputError) as error:
                self._fail(error)
                self._lose(len(rows) - done)
                return
        if self._count - self._synced >= _SYNC_S * self.fs and self._file is not None:
            self._synced = self._count
            try:
                self._file.sync()
            except OSError as error:
                self._unfinished[self._file.path.name] = _reason(error)
                self._once("sync", f"{self._file.path}: may not be on the disk ({_reason(error)})")

    def _put(self, rows: npt.NDArray[np.float32], longest: int) -> int:
        """Write samples into the file of this hour; returns how many it took."""
        file = self._file
        if file is None:
            name = f"{_NAME}_{self._number:04d}"
            self._number += 1
            file = _SignalFile(self.folder, name, self.fs, self._leads, self._units, self._now())
            self._file = file
            file.begin(rows)
        part = rows[: longest - file.count]
        file.write(part)
        self._count += len(part)
        if file.count == len(part):  # the record's header names no file without samples
            self._segments.append((file.name, file.count))
            self._header(ended=False)
            if self._full:
                self._full = False
                _log.warning("%s: saved again; %d samples were not", self.folder, self.lost)
        if file.count >= longest:
            self._end_file()
        return len(part)

    def _fail(self, error: OSError | InputError) -> None:
        """End the file that could not be written; what comes is a gap until it can be again."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
            self._counted(file)
        if not self._full:
            number = getattr(error, "errno", None)
            reason = "the disk is full" if number == errno.ENOSPC else _reason(error)
            _log.warning(
                "%s: the signal is not saved: %s; make room, it is tried again every %.0f s",
                self.folder,
                reason,
                _RETRY_S,
            )
        self._full = True
        self._retry_at = self._count + round(_RETRY_S * self.fs)

    def _lose(self, samples: int) -> None:
        self._count += samples
        self.lost += samples
        if self._segments and self._segments[-1][0] == "~":
            samples += self._segments.pop()[1]
        self._gap(samples)

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.header(ended=True)
            file.close()
        except (OSError, InputError) as error:
            self._unfinished[file.path.name] = _reason(error)
            _log.warning("%s: %s", file.path, _reason(error))
        self._counted(file)

    def _counted(self, file: _SignalFile) -> None:
        """Enter the samples of a file that has ended."""
        for i, (name, _) in enumerate(self._segments):
            if name == file.name:
                self._segments[i] = (name, file.count)
        if not file.count:
            self._segments = [segment for segment in self._segments if segment[0] != file.name]

    def _header(self, *, ended: bool) -> None:
        """Write the header of the whole record."""
        segments = self._segments
        total = sum(count for _, count in segments) if ended else 0
        start = datetime.fromtimestamp(self._start)
        lines = [
            f"{_NAME}/{len(segments)} {len(self._leads)} {self.fs!r} {total} {_clock(start)}",
            *(f"{name} {count}" for name, count in segments),
        ]
        if not ended:
            lines.append(f"# {MAY_GROW}")
        if any(name != "~" for name, _ in segments):
            write_whole(self.folder / f"{_NAME}.hea", "\n".join(lines) + "\n")

    # ------------------------------------------------------------------- beats, events, the journal

    def mark(self, sample: int, symbol: str, text: str = "") -> None:
        """Save a mark of the annotation file, `sample` counted in the source."""
        try:
            if self._marks is None:
                if self._count < self._marks_at:
                    self._unsaved["annotation"] += 1
                    return
                self._marks_at = self._count + round(_RETRY_S * self.fs)
                self._marks = AnnotationFile(self._marks_path, self.fs, append=True)
            self._marks.write(self.offset + sample, symbol, text)
        except InputError as error:
            self._unsaved["annotation"] += 1
            self._once("marks", str(error))

    def event(self, event: Mapping[str, Any]) -> None:
        """Save an event as a line of ``recording.events``.

        Its samples and seconds count in the source, those of the line in the recording. ``at`` in
        the line is when it was written, so an event that is reported when it is established and
        again when it has ended has the time of each report.
        """
        row = dict(event)
        for name in ("sample", "start", "end"):
            if isinstance(row.get(name), int):
                row[name] += self.offset
        for name in ("start_time", "end_time"):
            if isinstance(row.get(name), float):
                row[name] += self.offset / self.fs
        if "beats" in row:
            row["beats"] = [beat + self.offset for beat in row["beats"]]
        self._line(f"{_NAME}.events", json.dumps({"at": self._stamp(), **row}), "event")

    def note(self, text: str) -> None:
        """Save a line of the journal, with its time."""
        line = f"{self._stamp()} {' '.join(text.split())}"
        self._line(f"{_NAME}.journal", line, "journal line")

    def _line(self, name: str, text: str, what: str) -> None:
        try:
            number = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                data, end = f"{text}\n".encode(), os.fstat(number).st_size
                if os.write(number, data) != len(data):
                    os.ftruncate(number, end)  # a part would run into the next line
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(number)
        except OSError as error:
            self._unsaved[what] += 1
            self._once(name, f"{self.folder / name}: cannot be written ({error.strerror})")

    def _stamp(self) -> str:
        at = datetime.fromtimestamp(self._now(), timezone.utc).astimezone()
        return at.isoformat(timespec="milliseconds")

    def _once(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s", text)

    @property
    def missing(self) -> str:
        """What the folder lacks of this part of the recording; empty if it is whole."""
        parts = [counted(count, what) for what, count in self._unsaved.items()]
        if self.lost:
            parts.insert(0, f"{counted(self.lost, 'sample')} ({self.lost / self.fs:.1f} s)")
        parts += [f"the end of {name} ({why})" for name, why in self._unfinished.items()]
        return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))

    def close(self) -> None:
        """End the recording: every file is complete, on the disk itself, or `missing` says why."""
        self._end_file()
        for name, end in (
            (f"{_NAME}.hea", partial(self._header, ended=True)),
            (self._marks_path.name, self._marks.close if self._marks is not None else None),
        ):
            try:
                if end is not None:
                    end()
            except (OSError, InputError) as error:
                self._unfinished[name] = _reason(error)
                _log.warning("%s: %s", self.folder, _reason(error))
        self._marks = None
        if self.missing:
            self.note(f"not saved: {self.missing}")
        self.note(f"ends at sample {self.offset + self._count}")

    def __enter__(self) -> RecordingFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _SignalFile:
    """One signal file of a recording, with its header."""

    def __init__(
        self,
        folder: Path,
        name: str,
        fs: float,
        leads: Sequence[str],
        units: Sequence[str],
        at: float,
    ) -> None:
        self.name = name
        self.path = folder / f"{name}.dat"
        self.count = 0
        self._fs, self._leads, self._units = fs, leads, units
        self._at = at
        self._gains = np.ones(len(leads))
        self._sums = np.zeros(len(leads), np.int64)
        self._file: FileIO | None = None

    def begin(self, rows: npt.NDArray[np.float32]) -> None:
        """Open the file; the first samples choose the steps of each lead."""
        size = np.nan_to_num(np.abs(rows), posinf=0.0).max(axis=0, initial=0.0)
        self._gains = np.where(size > _LARGE, _WHOLE, _FINE)
        self.header(ended=False)
        self._file = self.path.open("xb", buffering=0)

    def write(self, rows: npt.NDArray[np.float32]) -> None:
        """Write samples in one piece; OSError if not all were taken, and then none are."""
        steps = np.rint(rows.astype(np.float64) * self._gains)
        good = np.abs(steps) <= _LARGEST
        values = np.where(good, steps, _MISSING).astype("<i4")
        data = values.tobytes()
        assert self._file is not None
        end = 4 * len(self._leads) * self.count
        if self._file.write(data) != len(data):
            with suppress(OSError):
                self._file.truncate(end)
                self._file.seek(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.count += len(rows)
        self._sums += values.sum(axis=0, dtype=np.int64)

    def header(self, *, ended: bool) -> None:
        """Write the header: without the number of samples, which readers count, until it ended."""
        count = self.count if ended else 0
        start = _clock(datetime.fromtimestamp(self._at))
        lines = [f"{self.name} {len(self._leads)} {self._fs!r} {count} {start}"]
        for i, lead in enumerate(self._leads):
            total = int(self._sums[i]) & 0xFFFF
            total -= 1 << 16 if total >> 15 else 0
            gain = f"{self._gains[i]:g}/{self._units[i]}"
            lines.append(f"{self.path.name} 32 {gain} 32 0 0 {total if ended else 0} 0 {lead}")
        write_whole(self.path.with_suffix(".hea"), "\n".join(lines) + "\n")

    def sync(self) -> None:
        """Have the disk itself hold what was written."""
        if self._file is not None:
            getattr(os, "fdatasync", os.fsync)(self._file.fileno())

    def close(self) -> None:
        """Close the file, on the disk itself; one without a sample is removed."""
        if self._file is None:
            return
        with self._file:
            self.sync()
        if not self.count:
            self.path.unlink()
            self.path.with_suffix(".hea").unlink()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S.%f")[:-3] + at.strftime(" %d/%m/%Y")
