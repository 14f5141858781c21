"""Where recordings lie: local paths, and file systems that fsspec knows."""

from __future__ import annotations

import os
import posixpath
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import InputError, RecordError
from ..extras import need
from ..printable import printable
from ..records.finding import find_recordings, record_files
from .classify import Facts

__all__ = ["Item", "find_remote", "is_remote", "local_copy"]

# Bytes of a header that are read; of a text's middle and of another file's beginning, by which
# recordings are recognized.
_HEADER, _PIECE = 1 << 23, 1 << 12

# Extensions of which a piece is looked at: text that may hold anything, ISHNE or annotations.
_LOOKED_AT = (".txt", ".json", ".log", ".asc", ".ecg")

_PATTERN = frozenset("*?[")

Entries = dict[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Item:
    """One recording of a batch.

    Attributes
    ----------
    name : str
        Path from the archive's folder.
    path : str
        Where it is read: a path, or an address such as ``s3://bucket/208``.
    """

    name: str
    path: str


def is_remote(path: str) -> bool:
    """Whether a path is an address that fsspec reads, such as ``s3://bucket/folder``."""
    scheme, mark, _ = path.partition("://")
    return bool(mark) and scheme.replace("+", "").replace("-", "").isalnum()


def _open(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    need("fsspec", f"{address}: an address", "archive")
    core = need("fsspec.core", f"{address}: an address", "archive")
    try:
        system, path = core.url_to_fs(address)
    except (ImportError, ValueError) as error:  # a package of this kind of address is missing
        raise InputError(f"{address}: cannot be opened ({error})") from None
    return system, str(path)


def find_remote(
    archive: Sequence[str],
) -> tuple[list[tuple[Item, Facts]], list[tuple[str, str]], int]:
    """Find the recordings that addresses stand for, by the rules of `find_recordings`.

    Folders are listed; of the files in them headers are read, and a piece of those whose extension
    does not identify their format.

    Parameters
    ----------
    archive : sequence of str
        Addresses of folders, patterns and recordings, of one file system.

    Returns
    -------
    recordings : list of (Item, Facts)
    problems : list of (str, str)
        Addresses that stand for none, and why.
    left_out : int
        Files that are no recording.

    Raises
    ------
    InputError
        If an address cannot be opened, or they are of several file systems.
    """
    entries: Entries = {}
    roots = []
    problems: list[tuple[str, str]] = []
    systems = set()
    for address in archive:
        system, path = _open(address)
        systems.add(system)
        try:
            found, root = _listed(system, path)
            roots.append(root)
        except Exception as error:  # whatever the file system's own library raises
            found, why = {}, f"cannot be listed ({' '.join(str(error).split())})"
        else:
            why = "holds no file; check the address"
        if not found:
            problems.append((printable(address), why))
        entries.update(found)
    if len(systems) > 1:
        raise InputError("addresses of several file systems: classify one after the other")
    if not entries:
        return [], problems, 0
    root = posixpath.commonpath(roots)
    with tempfile.TemporaryDirectory(prefix="ecgfast-") as folder:
        mirror = Path(os.path.realpath(folder))
        names = _mirrored(system, entries, root, mirror)
        finding = find_recordings([str(mirror)])
        recordings = []
        for path_, name in zip(finding.recordings, finding.names, strict=True):
            files = [entries[names[file]] for file in record_files(path_) if file in names]
            there = system.unstrip_protocol(posixpath.join(root, *Path(name).parts))
            facts = Facts(sum(int(f.get("size") or 0) for f in files), max(map(_changed, files)))
            recordings.append((Item(name, there), facts))
        problems += [
            (printable(why.replace(str(mirror), root)), printable(reason))
            for why, reason in finding.problems
        ]
    return recordings, problems, len(finding.left_out)


def _listed(system: Any, path: str) -> tuple[Entries, str]:
    """The files that an address stands for, and the folder that their names count from."""
    path = path.rstrip("/") or path
    root = posixpath.dirname(path)
    if _PATTERN & set(path):
        while _PATTERN & set(root):
            root = posixpath.dirname(root)
        found = system.glob(path, detail=True)
        folders = [name for name, facts in found.items() if facts["type"] == "directory"]
        for folder in folders:
            found.update(system.find(folder, detail=True))
    elif system.isdir(path):
        root = path
        found = system.find(path, detail=True)
    else:  # a file, or a WFDB record without its extension, with what lies beside it
        beside = {one["name"]: one for one in system.ls(posixpath.dirname(path), detail=True)}
        stem = path.removesuffix(".hea")
        found = {
            name: facts
            for name, facts in beside.items()
            if name == path or posixpath.splitext(name)[0] == stem
        }
    files = {
        name: facts
        for name, facts in found.items()
        if facts["type"] == "file" and not posixpath.basename(name).startswith(".")
    }
    return files, root


def _mirrored(system: Any, entries: Entries, root: str, mirror: Path) -> dict[Path, str]:
    """Make files of the same names, of which only what finding looks at has content."""
    names = {}
    for path, facts in entries.items():
        file = mirror.joinpath(*posixpath.relpath(path, root).split("/"))
        if mirror not in file.parents or ".." in file.parts:
            continue
        suffix, size = file.suffix.lower(), int(facts.get("size") or 0)
        content = b""
        if suffix == ".hea" and size <= _HEADER:
            content = system.cat_file(path)
        elif suffix in _LOOKED_AT:
            start = 0 if suffix == ".ecg" else max(0, (size - _PIECE) // 2)
            content = system.cat_file(path, start=start, end=min(size, start + _PIECE))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        names[file] = path
    return names


def _changed(facts: Mapping[str, Any]) -> int:
    """A number that changes with a file: its time, else its tag."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = facts.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, (int, float)):
            return int(value * 1e9)
        if value:
            return zlib.crc32(str(value).encode())
    return zlib.crc32(str(facts.get("ETag") or facts.get("etag") or "").encode())


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Give a local path for a recording, for as long as it is read.

    Parameters
    ----------
    path : str
        A path, or an address whose files are fetched and deleted afterwards.

    Yields
    ------
    str

    Raises
    ------
    RecordError
        If there is nothing at the address.
    """
    if not is_remote(path):
        yield path
        return
    system, there = _open(path)
    with tempfile.TemporaryDirectory(prefix="ecgfast-") as folder:
        home = Path(os.path.realpath(folder))
        here = home / posixpath.basename(there)
        tried: set[Path] = set()
        # A header names files, and of a record of several segments further headers.
        while wanted := {file for file in record_files(here) if file not in tried}:
            tried |= wanted
            for file in sorted(wanted):
                if home in file.parents and ".." not in file.parts and file.suffix != ".atr":
                    source = posixpath.join(posixpath.dirname(there), *file.relative_to(home).parts)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with suppress(FileNotFoundError):
                        system.get_file(source, str(file))
            header = here.with_name(f"{here.name}.hea")
            if header not in tried and not here.exists():
                tried.add(header)
                with suppress(FileNotFoundError):
                    system.get_file(f"{there}.hea", str(header))
        if not any(home.iterdir()):
            raise RecordError(f"{path}: no such recording; check the address")
        yield str(here)
