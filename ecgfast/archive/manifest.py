"""What is done and what is not: a small database in the folder of results, written by one run."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._files import is_draft, write_whole
from .._one_run import take_folder
from ..errors import InputError, StateError, system_reason
from .batches import ANNOTATIONS, MARK, Outcome, part_files
from .classify import Facts
from .places import Item
from .tables import TABLES

__all__ = ["FAILURES", "LOG", "Batch", "Counts", "Known", "Manifest", "holds_results"]

_FILE, _LOCK = "manifest.sqlite", "manifest.lock"

#: Where the recordings without results stand, and what happened.
FAILURES, LOG = "failures/failures.parquet", "log.txt"

_LAYOUT = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    part TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    long INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE recordings (
    name BLOB PRIMARY KEY,
    path BLOB NOT NULL,
    batch INTEGER NOT NULL REFERENCES batches,
    position INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'done', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    beats INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX recordings_by_batch ON recordings (batch, position);
CREATE INDEX recordings_by_status ON recordings (status);
CREATE TABLE problems (name TEXT NOT NULL, reason TEXT NOT NULL);
"""

# Seconds that --status waits for a run that is writing.
_WAIT_S = 30.0


@dataclass(frozen=True)
class Batch:
    """A batch that is to be added.

    Attributes
    ----------
    part : str
    bytes : int
    long : bool
        Whether it is one recording larger than a batch.
    items : sequence of (Item, Facts)
    """

    part: str
    bytes: int
    long: bool
    items: Sequence[tuple[Item, Facts]]


@dataclass(frozen=True)
class Known:
    """What the manifest says of a recording."""

    status: str
    facts: Facts
    sha256: str


@dataclass(frozen=True)
class Counts:
    """How far a run is.

    Attributes
    ----------
    recordings, done, failed : int
    batches, batches_done : int
    bytes, bytes_done : int
        Of all batches, and of those that are done.
    beats : int
    seconds : float
        Of the recordings that are done.
    problems : int
        Arguments and folders in which no recording could be looked for.
    """

    recordings: int
    done: int
    failed: int
    batches: int
    batches_done: int
    bytes: int
    bytes_done: int
    beats: int
    seconds: float
    problems: int

    @property
    def waiting(self) -> int:
        """Recordings that are to be classified."""
        return self.recordings - self.done - self.failed


def holds_results(folder: Path) -> bool:
    """Whether a folder is one that `annotate_archive` writes into."""
    return (folder / MARK).is_file() and (folder / _FILE).is_file()


class Manifest:
    """The manifest of a folder of results.

    Parameters
    ----------
    folder : Path
    write : bool
        Whether this is the run that writes it: there can be one at a time. Without it nothing is
        made or changed.

    Attributes
    ----------
    folder : Path
    identity : str
        Of the run, as the mark in the folder has it.

    Raises
    ------
    InputError
        If there is none and `write` is false, or it is damaged or cannot be written.
    StateError
        If another run writes it.
    """

    def __init__(self, folder: Path, *, write: bool) -> None:
        self.folder = folder
        self.identity = secrets.token_hex(16)
        self._lock = take_folder(folder, _LOCK) if write else None
        self._db: sqlite3.Connection | None = None
        self._counts: Counts | None = None  # of the one that writes
        try:
            self._open(write=write)
        except BaseException:
            self.close()
            raise

    def _open(self, *, write: bool) -> None:
        if write:
            self._make()
        elif not holds_results(self.folder):
            raise InputError(
                f"{self.folder}: holds no results; give the folder that `ecgfast annotate` wrote"
            )
        with self._errors_named():
            if not write:
                with suppress(sqlite3.OperationalError):
                    self._connect("ro")
                    return
            # Also what a run that was killed had begun to write is taken back by a writer alone.
            self._connect("rw")

    def _connect(self, mode: str) -> None:
        if self._db is not None:
            self._db.close()
        where = f"{(self.folder / _FILE).absolute().as_uri()}?mode={mode}"
        self._db = sqlite3.connect(where, uri=True, timeout=_WAIT_S, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("SELECT count(*) FROM about").fetchone()

    def _make(self) -> None:
        """Make the database and the mark that it is here; whole, or not at all."""
        path = self.folder / _FILE
        if not path.exists():
            taken = [name for name in (*TABLES, ANNOTATIONS) if (self.folder / name).exists()]
            if taken and not (self.folder / MARK).exists():
                raise InputError(
                    f"{self.folder}: holds {taken[0]} and no manifest; give a new folder"
                )
            draft = self.folder / f".{_FILE}.{secrets.token_hex(4)}.part"
            with self._errors_named():
                db = sqlite3.connect(draft, isolation_level=None)
                try:
                    db.executescript(_LAYOUT)
                    db.close()
                    draft.replace(path)
                except BaseException:
                    db.close()
                    draft.unlink(missing_ok=True)
                    raise
        # Another id for each run: a worker of an earlier one that is still at work writes no more.
        mark = json.dumps({"what": "results of ecgfast annotate", "run": self.identity}) + "\n"
        write_whole(self.folder / MARK, mark)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StateError(f"{self.folder / _FILE}: is closed")
        return self._db

    def close(self) -> None:
        """Let another run write it."""
        for db in (self._db, self._lock):
            if db is not None:
                db.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Say where and why the database cannot be read or written."""
        try:
            yield
        except sqlite3.Error as error:
            path = self.folder / _FILE
            if isinstance(error, sqlite3.OperationalError):
                first = "make room there, and " if "full" in str(error) else ""
                raise InputError(f"{path}: cannot be used ({error}); {first}start again") from None
            raise InputError(
                f"{path}: is damaged ({error}); delete the folder, or give another one"
            ) from None
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({system_reason(error)})") from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors_named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    # ---------------------------------------------------------------------------------- settings

    def about(self, name: str) -> Any:
        """Return what was kept under a name; None if nothing was."""
        with self._errors_named():
            found = self._connection.execute(
                "SELECT value FROM about WHERE name = ?", [name]
            ).fetchone()
        return None if found is None else json.loads(found[0])

    def keep(self, **values: Any) -> None:
        """Keep values under their names."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO about VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in values.items()],
            )

    # ------------------------------------------------------------------------------------ planning

    def known(self) -> dict[str, Known]:
        """What is known of each recording, by name."""
        with self._errors_named():
            rows = self._connection.execute(
                "SELECT name, status, size, mtime_ns, sha256 FROM recordings"
            )
            return {
                os.fsdecode(name): Known(status, Facts(size, mtime), sha256)
                for name, status, size, mtime, sha256 in rows
            }

    def plan(
        self,
        batches: Iterable[Batch],
        *,
        moved: Iterable[Item] = (),
        seen: Iterable[tuple[str, Facts]] = (),
        again: Iterable[str] = (),
        gone: Iterable[str] = (),
        problems: Iterable[tuple[str, str]] = (),
        **about: Any,
    ) -> None:
        """Take up what was found, all of it or nothing.

        Parameters
        ----------
        batches : iterable of Batch
            New ones, of recordings that are new or, having failed, are tried again.
        moved : iterable of Item
            Known recordings, where they lie now.
        seen : iterable of (str, Facts)
            Known recordings, by name, that look other than before and hold the same or wait.
        again : iterable of str
            Recordings whose batches are classified again.
        gone : iterable of str
            Recordings that are no longer there; they are forgotten, and their batches are
            classified again where they had results.
        problems : iterable of (str, str)
            What could not be searched, and why; replaces what is known.
        **about
            Values to keep.
        """
        self._counts = None
        with self._transaction() as db:
            (number,) = db.execute("SELECT coalesce(max(number), -1) FROM batches").fetchone()
            redo = {
                batch
                for name in (*again, *gone)
                for (batch,) in db.execute(
                    "SELECT batch FROM recordings WHERE name = ? AND status = 'done'",
                    [os.fsencode(name)],
                )
            }
            db.executemany(
                "DELETE FROM recordings WHERE name = ?", [[os.fsencode(name)] for name in gone]
            )
            for batch in redo:
                db.execute("UPDATE batches SET done = 0 WHERE number = ?", [batch])
                db.execute(
                    "UPDATE recordings SET status = 'waiting' WHERE batch = ? AND status = 'done'",
                    [batch],
                )
            db.executemany(
                "UPDATE recordings SET path = ? WHERE name = ?",
                ((os.fsencode(item.path), os.fsencode(item.name)) for item in moved),
            )
            db.executemany(
                "UPDATE recordings SET size = ?, mtime_ns = ? WHERE name = ?",
                ((facts.size, facts.mtime_ns, os.fsencode(name)) for name, facts in seen),
            )
            for batch_ in batches:
                number += 1
                db.execute(
                    "INSERT INTO batches (number, part, bytes, long) VALUES (?, ?, ?, ?)",
                    [number, f"{number:06d}-{batch_.part}", batch_.bytes, batch_.long],
                )
                db.executemany(
                    "INSERT OR REPLACE INTO recordings (name, path, batch, position, size, "
                    "mtime_ns) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        (
                            os.fsencode(item.name),
                            os.fsencode(item.path),
                            number,
                            position,
                            facts.size,
                            facts.mtime_ns,
                        )
                        for position, (item, facts) in enumerate(batch_.items)
                    ),
                )
            db.execute("DELETE FROM problems")
            db.executemany("INSERT INTO problems VALUES (?, ?)", problems)
            db.executemany(
                "INSERT OR REPLACE INTO about VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in about.items()],
            )

    # ---------------------------------------------------------------------------------------- work

    def waiting(self) -> list[int]:
        """Numbers of the batches that are not done: long recordings first, the longest ahead."""
        with self._errors_named():
            rows = self._connection.execute(
                "SELECT number FROM batches WHERE NOT done "
                "ORDER BY long DESC, CASE WHEN long THEN -bytes ELSE 0 END, number"
            )
            return [number for (number,) in rows]

    def batch(self, number: int) -> tuple[str, int, tuple[Item, ...]]:
        """Return the part, the bytes and the recordings of a batch that are to be classified."""
        with self._errors_named():
            part, size = self._connection.execute(
                "SELECT part, bytes FROM batches WHERE number = ?", [number]
            ).fetchone()
            rows = self._connection.execute(
                "SELECT name, path FROM recordings WHERE batch = ? AND status = 'waiting' "
                "ORDER BY position",
                [number],
            )
            items = tuple(Item(os.fsdecode(name), os.fsdecode(path)) for name, path in rows)
        return part, size, items

    def finish(self, items: Sequence[Item], outcome: Outcome) -> None:
        """Take down what came of a batch, after its files are written."""
        before = self.counts()
        rows = []
        for item, result in zip(items, outcome.results, strict=True):
            status = "failed" if result.reason else "done"
            rows.append(
                (
                    status, result.reason, result.sha256, result.beats, result.seconds,
                    result.size, result.size, result.size, result.mtime_ns,
                    os.fsencode(item.name),
                )
            )  # fmt: skip
        with self._transaction() as db:
            db.executemany(
                "UPDATE recordings SET status = ?, reason = ?, sha256 = ?, beats = ?, seconds = ?, "
                "size = iif(? < 0, size, ?), mtime_ns = iif(? < 0, mtime_ns, ?) WHERE name = ?",
                rows,
            )
            db.execute("UPDATE batches SET done = 1 WHERE number = ?", [outcome.number])
            (size,) = db.execute(
                "SELECT bytes FROM batches WHERE number = ?", [outcome.number]
            ).fetchone()
        good = [result for result in outcome.results if not result.reason]
        self._counts = replace(
            before,
            done=before.done + len(good),
            failed=before.failed + len(outcome.results) - len(good),
            batches_done=before.batches_done + 1,
            bytes_done=before.bytes_done + size,
            beats=before.beats + sum(result.beats for result in good),
            seconds=before.seconds + sum(result.seconds for result in good),
        )

    # -------------------------------------------------------------------------------------- answers

    def parts(self) -> list[str]:
        """Stems of the files of all batches."""
        with self._errors_named():
            return [
                part for (part,) in self._connection.execute("SELECT part FROM batches ORDER BY 1")
            ]

    def done_parts(self) -> list[str]:
        """Stems of the files of the batches that are done."""
        with self._errors_named():
            rows = self._connection.execute("SELECT part FROM batches WHERE done ORDER BY number")
            return [part for (part,) in rows]

    def failures(self) -> list[tuple[str, str]]:
        """Return the recordings without results, by name, and what could not be searched."""
        with self._errors_named():
            rows = self._connection.execute(
                "SELECT name, reason FROM recordings WHERE status = 'failed' ORDER BY name"
            )
            failed = [(os.fsdecode(name), reason) for name, reason in rows]
            return failed + list(self._connection.execute("SELECT name, reason FROM problems"))

    def counts(self) -> Counts:
        """How far it is; in the run that writes, without looking through a million rows again."""
        if self._lock is not None and self._counts is not None:
            return self._counts
        self._counts = self._counted()
        return self._counts

    def _counted(self) -> Counts:
        with self._errors_named():
            by = {
                status: (n, beats, seconds)
                for status, n, beats, seconds in self._connection.execute(
                    "SELECT status, count(*), sum(beats), sum(seconds) FROM recordings GROUP BY 1"
                )
            }
            batches, done, size, size_done = self._connection.execute(
                "SELECT count(*), coalesce(sum(done), 0), coalesce(sum(bytes), 0), "
                "coalesce(sum(bytes * done), 0) FROM batches"
            ).fetchone()
            (problems,) = self._connection.execute("SELECT count(*) FROM problems").fetchone()
        n, beats, seconds = by.get("done", (0, 0, 0.0))
        return Counts(
            recordings=sum(count for count, _, _ in by.values()),
            done=n,
            failed=by.get("failed", (0, 0, 0.0))[0],
            batches=batches,
            batches_done=done,
            bytes=size,
            bytes_done=size_done,
            beats=beats,
            seconds=seconds,
            problems=problems,
        )

    def sweep(self) -> None:
        """Remove files of batches that there are no longer, and drafts of runs that were killed."""
        kept = {Path(path).name for part in self.parts() for path in part_files(part).values()}
        left = [
            file
            for table in TABLES
            for file in (self.folder / table).glob("*")
            if file.suffix == ".parquet" and file.name not in kept
        ]
        for table in (*TABLES, Path(FAILURES).parent):
            left += filter(is_draft, (self.folder / table).glob(".*"))
        left += filter(is_draft, (self.folder / ANNOTATIONS).rglob(".*"))
        # Beside these, the folder may hold what is not ours.
        for name in (MARK, _FILE):
            left += [file for file in self.folder.glob(".*") if is_draft(file, name)]
        for file in left:
            with suppress(OSError):
                file.unlink()


def is_running(folder: Path) -> bool:
    """Whether a run writes into a folder of results now."""
    if not (folder / _LOCK).exists():
        return False
    try:
        take_folder(folder, _LOCK).close()
    except StateError:
        return True
    except InputError:  # what may not be written here may not be locked either
        return False
    return False


def forget(folder: Path) -> None:
    """Delete the results in a folder, to begin anew; nothing else that lies there.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    StateError
        If a run is at work on it.
    InputError
        If something cannot be deleted.
    """
    import shutil

    if not (folder / MARK).is_file():
        return
    lock = take_folder(folder, _LOCK)
    try:
        (folder / _FILE).unlink(missing_ok=True)
        for name in (*TABLES, Path(FAILURES).parent.name, ANNOTATIONS):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
        (folder / f"{_FILE}-journal").unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be deleted ({error.strerror})") from None
    finally:
        lock.close()
