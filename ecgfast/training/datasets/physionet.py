"""Databases of PhysioNet, fetched with wfdb's own downloader and checked by their checksums."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..._files import whole_file, write_whole
from ...errors import InputError, RecordError

__all__ = ["PHYSIONET", "Download", "download_database"]

PHYSIONET = "https://physionet.org/files/"
"""Where PhysioNet's files are."""

_SUMS = "SHA256SUMS.txt"
_BLOCK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Download:
    """What `download_database` did.

    Attributes
    ----------
    folder : Path
        Where the database is.
    version : str
        Such as ``"1.0.0"``.
    files : int
        Files that it has, all of them as published.
    fetched : int
        How many of them were missing or not as published, and were fetched now.
    """

    folder: Path
    version: str
    files: int
    fetched: int


def download_database(
    database: str,
    data: str | os.PathLike[str],
    *,
    url: str | None = None,
    replace: bool = False,
    progress: bool = False,
) -> Download:
    """Fetch a database of PhysioNet into ``DATA/NAME``; what is there already and right stays.

    A broken-off run goes on where it stopped: only missing files, and the missing end of a file
    that is too short, are fetched. A file that is otherwise not as published, by its SHA-256 sum,
    may be somebody's work, and stays unless `replace` is given. Every file is checked before it
    gets its name.

    Parameters
    ----------
    database : str
        Name on PhysioNet, such as ``"mitdb"``, or name and version, such as ``"mitdb/1.0.0"``.
    data : path
        Folder of databases; it is made.
    url : str, optional
        A mirror of `PHYSIONET`; by default that of the environment variable ECGFAST_PHYSIONET. A
        mirror does not tell the newest version: name it.
    replace : bool, default False
        Replace files that were changed or damaged.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    Download

    Raises
    ------
    InputError
        If the name is none, or a mirror is asked without a version.
    RecordError
        If PhysioNet cannot be reached, has no such database, or sends something else than its
        checksums say; if a file that is there was changed or damaged; or if the files cannot be
        written.
    """
    from tqdm import tqdm
    from wfdb.io import download

    name, _, version = database.partition("/")
    if not _NAME.fullmatch(database):
        raise InputError(f"{database!r} is no database: give a name such as mitdb or mitdb/1.0.0")
    source = url or os.environ.get("ECGFAST_PHYSIONET") or PHYSIONET
    if not version:
        if source.rstrip("/") != PHYSIONET.rstrip("/"):
            raise InputError(f"{source}: a mirror needs a version, such as {name}/1.0.0")
        version = _reached(source, name, lambda: str(download.get_version(name)))
    folder = Path(data) / name
    remote = f"{name}/{version}"
    before = download.config.db_index_url
    download.set_db_index_url(source if source.endswith("/") else f"{source}/")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Checksums are fetched each time: a new version may have come.
        with _beside(folder) as scratch:
            _fetch(source, remote, _SUMS, scratch, overwrite=True)
            write_whole(folder / _SUMS, (scratch / _SUMS).read_bytes(), RecordError)
        sums = _read_sums(folder / _SUMS, f"{source.rstrip('/')}/{remote}")
        fetched = 0
        for file, wanted in tqdm(
            sums.items(), desc=name, unit="file", disable=None if progress else True
        ):
            fetched += _ensure(source, remote, file, folder, wanted, replace=replace)
    except PermissionError as error:
        raise RecordError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        download.set_db_index_url(before)
    return Download(folder, version, len(sums), fetched)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder for files that are not checked yet."""
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        yield Path(scratch)


def _ensure(
    source: str, remote: str, file: str, folder: Path, wanted: str, *, replace: bool
) -> bool:
    """Make one file as published; whether it had to be fetched."""
    path = folder / file
    if path.is_file() and _sum_of(path) == wanted:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(folder) as scratch:
        new = scratch / file
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.copyfile(path, new)
        # wfdb adds the missing end of a short file; what is wrong then is fetched whole, once.
        for overwrite in (False, True):
            _fetch(source, remote, file, scratch, overwrite=overwrite)
            if _sum_of(new) == wanted:
                break
        else:
            raise RecordError(
                f"{path}: not what {_SUMS} says, twice; the source is being changed or the line is "
                "bad"
            )
        if path.is_file() and not replace and not _begins(path, new):
            raise RecordError(
                f"{path}: is not as published, and no broken-off download: it was changed or "
                "damaged; move it away, or replace it (--force; replace=True in Python)"
            )
        with new.open("rb") as content, whole_file(path, RecordError) as out:
            shutil.copyfileobj(content, out, _BLOCK)
    return True


def _begins(part: Path, whole: Path) -> bool:
    """Whether a file is the beginning of another."""
    with part.open("rb") as one, whole.open("rb") as other:
        while block := one.read(_BLOCK):
            if block != other.read(len(block)):
                return False
    return True


def _fetch(source: str, remote: str, file: str, folder: Path, *, overwrite: bool) -> None:
    from io import StringIO

    from wfdb.io import download

    parts = PurePosixPath(file)
    parent = "" if str(parts.parent) == "." else str(parts.parent)
    order = (parts.name, parent, remote, str(folder), True, overwrite)
    with redirect_stdout(StringIO()):  # wfdb prints what it appends
        _reached(source, f"{remote}/{file}", lambda: download.dl_pn_file(order))


def _reached(source: str, what: str, ask: Callable[[], Any]) -> Any:
    """The answer of a server, or one line on why there is none."""
    from requests.exceptions import RequestException

    try:
        return ask()
    except FileNotFoundError:
        raise RecordError(
            f"{source.rstrip('/')}/{what}: not there; check the database's name and version"
        ) from None
    except RequestException as error:
        raise RecordError(
            f"{source}: cannot be reached ({type(error).__name__}); check the connection and run "
            "again: what is there already stays"
        ) from None
    except PermissionError as error:
        if getattr(error, "url", None):
            raise RecordError(
                f"{source.rstrip('/')}/{what}: not open to all; sign its agreement on PhysioNet "
                "and fetch it by hand"
            ) from None
        raise
    except OSError as error:
        if getattr(error, "url", None):
            raise RecordError(f"{source.rstrip('/')}/{what}: {error}") from None
        raise RecordError(f"{what}: cannot be written ({error.strerror or error})") from None


def _read_sums(path: Path, origin: str) -> dict[str, str]:
    """Checksum of each file of a database."""
    sums: dict[str, str] = {}
    for row, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        checksum, _, file = line.strip().partition(" ")
        file = file.strip().removeprefix("*")
        if not line.strip() or file == _SUMS:
            continue
        parts = PurePosixPath(file)
        plain = len(checksum) == 64 and set(checksum.lower()) <= set("0123456789abcdef")
        if not plain or not file or parts.is_absolute() or ".." in parts.parts:
            raise RecordError(f"{origin}/{_SUMS}: row {row} is no checksum and file name")
        sums[file] = checksum.lower()
    if not sums:
        raise RecordError(f"{origin}/{_SUMS}: lists no files")
    return sums


def _sum_of(path: Path) -> str:
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum.update(block)
    return checksum.hexdigest()
