"""Databases of PhysioNet, fetched with pooch and checked by their checksums."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from ..._files import whole_file, write_whole
from ..._progress import progress_bar
from ...errors import InputError, RecordError, system_reason
from ...extras import need

__all__ = ["PHYSIONET", "Download", "download_database"]

PHYSIONET = "https://physionet.org/files/"
"""Where PhysioNet's files are."""

_CONTENT = "https://physionet.org/content/"
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

    A broken-off run continues where it stopped: only files that are missing or too short are
    fetched. A file that is otherwise not as published, by its SHA-256 sum, may be somebody's work,
    and stays unless `replace` is given. Every file is checked before it gets its name.

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
    MissingExtraError
        If pooch is not installed.
    RecordError
        If PhysioNet cannot be reached, has no such database, or sends something else than its
        checksums say; if a file that is there was changed or damaged; or if the files cannot be
        written.
    """
    pooch = need("pooch", "A download", "download")
    name, _, version = database.partition("/")
    if not _NAME.fullmatch(database):
        raise InputError(f"{database!r} is no database: give a name such as mitdb or mitdb/1.0.0")
    source = (url or os.environ.get("ECGFAST_PHYSIONET") or PHYSIONET).rstrip("/")
    if not source.startswith(("https://", "http://")):
        raise InputError(f"{source}: a mirror's address begins with https:// or http://")
    if not version and source != PHYSIONET.rstrip("/"):
        raise InputError(f"{source}: a mirror needs a version, such as {name}/1.0.0")
    folder = Path(data) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _quiet(pooch), tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            version = version or _newest_version(pooch, name, scratch)
            remote = f"{source}/{name}/{version}"
            # Checksums are fetched each time: a new version may have come.
            _retrieve(pooch, f"{remote}/{_SUMS}", scratch)
            write_whole(folder / _SUMS, (Path(scratch) / _SUMS).read_bytes(), RecordError)
            sums = _read_sums(folder / _SUMS, remote)
            remote_files = pooch.create(
                scratch,
                f"{remote}/",
                registry={file: f"sha256:{checksum}" for file, checksum in sums.items()},
                urls={file: f"{remote}/{quote(file)}" for file in sums},
                retry_if_failed=1,
            )
            fetched = 0
            for file, wanted in progress_bar(sums.items(), name, "file", show=progress):
                fetched += _ensure(remote_files, file, folder, wanted, replace=replace)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written ({system_reason(error)})") from None
    return Download(folder, version, len(sums), fetched)


@contextmanager
def _quiet(pooch: Any) -> Iterator[None]:
    """Have pooch report no single file: there is a progress bar."""
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _newest_version(pooch: Any, name: str, scratch: str) -> str:
    """The version that a database's page on PhysioNet names first."""
    page = f"{_CONTENT}{name}/"
    text = Path(_retrieve(pooch, page, scratch, "page")).read_text("utf-8", errors="replace")
    found = re.search(r"Version:\s*(?:<[^>]*>\s*)*([\w.]+)", text)
    if found is None:
        raise RecordError(f"{page}: names no version; give one, such as {name}/1.0.0")
    return found[1]


def _retrieve(pooch: Any, url: str, scratch: str, name: str = _SUMS) -> str:
    """Fetch a file whose checksum is not known; returns its path."""
    with _reaching(url):
        return str(pooch.retrieve(url, None, fname=name, path=scratch))


def _ensure(remote_files: Any, file: str, folder: Path, wanted: str, *, replace: bool) -> bool:
    """Make one file as published; whether it had to be fetched."""
    path = folder / file
    if path.is_file() and _sum_of(path) == wanted:
        return False
    with _reaching(remote_files.get_url(file)):
        try:
            new = Path(remote_files.fetch(file))
        except ValueError:  # of pooch: another checksum, twice
            raise RecordError(
                f"{path}: not what {_SUMS} says, twice; the source is being changed or the line is "
                "bad"
            ) from None
    if path.is_file() and not replace and not _begins(path, new):
        raise RecordError(
            f"{path}: is not as published, and no broken-off download: it was changed or "
            "damaged; move it away, or replace it (--force; replace=True in Python)"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with new.open("rb") as content, whole_file(path, RecordError) as out:
        shutil.copyfileobj(content, out, _BLOCK)
    new.unlink()
    return True


def _begins(part: Path, whole: Path) -> bool:
    """Whether a file is the beginning of another."""
    with part.open("rb") as one, whole.open("rb") as other:
        while block := one.read(_BLOCK):
            if block != other.read(len(block)):
                return False
    return True


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """What a server answers instead of a file, as one line."""
    from requests.exceptions import HTTPError, RequestException

    try:
        yield
    except HTTPError as error:
        status = None if error.response is None else error.response.status_code
        if status == HTTPStatus.NOT_FOUND:
            raise RecordError(f"{url}: not there; check the database's name and version") from None
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise RecordError(
                f"{url}: not open to all; sign its agreement on PhysioNet and fetch it by hand"
            ) from None
        raise RecordError(f"{url}: the server answers {status}; run again later") from None
    except RequestException as error:
        raise RecordError(
            f"{url}: cannot be reached ({type(error).__name__}); check the connection and run "
            "again: what is there already stays"
        ) from None


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
