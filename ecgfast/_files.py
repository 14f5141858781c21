"""Files that appear under their name when they are complete, and never half-written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, Any

from .errors import EcgfastError, InputError, system_reason

__all__ = [
    "check_writable",
    "descriptor_of",
    "is_draft",
    "open_through",
    "temporary_folder",
    "whole_file",
    "write_whole",
]

# An opened descriptor of this process by name: opening it anew would lose its position.
_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|(stdin|stdout|stderr))|/proc/(?:self|\d+)/fd/(\d+)")
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}

# As many links as the kernel follows.
_LINKS = 40

# Letters of a file's name in that of its draft; a draft's name, or that of SQLite's journal of it.
_NAME_MAX = 40
_DRAFT = re.compile(r"\.(.{1,40})\.[0-9a-f]{8,16}\.part(?:-journal)?")


@contextlib.contextmanager
def whole_file(
    path: str | os.PathLike[str], error: type[EcgfastError] = InputError
) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when it is complete.

    It is written under a name of its own in the same folder, put on the disk and renamed; on any
    error it is removed, and a file that was there before stays as it was. Concurrent writers do
    not disturb each other: the last one wins. An existing file keeps its mode and owner, a new one
    gets those of the umask. The target of a symbolic link is written, and the link stays. What is
    no regular file (a pipe, a character device, ``/dev/stdout``) is written through.

    Parameters
    ----------
    path : str or path
        The file to write.
    error : type of EcgfastError
        What is raised if it cannot be written.

    Yields
    ------
    binary file

    Raises
    ------
    EcgfastError
        Of the type `error`: the folder is not there or cannot be written to, the file is a folder
        or a block device, or the disk is full.
    BrokenPipeError
        The reader of a pipe went away.
    """
    shown = Path(path).expanduser()
    try:
        through = open_through(shown)
    except OSError as problem:
        raise _not_written(shown, problem, error) from None
    if through is not None:
        with _Writer(_File(through, shown, error)) as file:
            yield file
        return
    target = Path(os.path.realpath(shown))  # the file that a link names, not the link
    draft: Path | None = None
    try:
        try:
            before = _present(target)
            draft = _draft_of(target)
            number = _created(draft, before)
        except OSError as problem:
            raise _not_written(shown, problem, error, "; check the folder") from None
        with _Writer(_File(number, shown, error)) as file:
            yield file
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as problem:
                raise _not_written(shown, problem, error) from None
        try:
            draft.replace(target)
        except OSError as problem:
            raise _not_written(shown, problem, error) from None
    except BaseException:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()
        raise
    _sync_folder(target.parent)


def is_draft(path: Path, of: str = "") -> bool:
    """Whether a file is a draft of `whole_file`, or of the database that is made as one.

    Parameters
    ----------
    path : Path
    of : str
        Name of the file whose draft it is; any by default.

    Returns
    -------
    bool
    """
    found = _DRAFT.fullmatch(path.name)
    return found is not None and (not of or found[1] == of[:_NAME_MAX])


def write_whole(
    path: str | os.PathLike[str], data: bytes | str, error: type[EcgfastError] = InputError
) -> None:
    """Write a file as `whole_file` does; text is encoded as UTF-8.

    Parameters
    ----------
    path : str or path
        The file to write.
    data : bytes or str
        Its content.
    error : type of EcgfastError
        What is raised if it cannot be written.

    Raises
    ------
    EcgfastError
        As from `whole_file`.
    """
    with whole_file(path, error) as file:
        # Bytes of an argument or a name that are no UTF-8 are written out, as in JSON.
        file.write(data.encode(errors="backslashreplace") if isinstance(data, str) else data)


def check_writable(
    path: str | os.PathLike[str], option: str = "", error: type[EcgfastError] = InputError
) -> None:
    """Raise where `whole_file` could not write, before the work whose result goes there.

    An empty file is made beside it and removed, as permissions, access lists and read-only file
    systems are all known to the system alone. Nothing is left: a folder that is missing counts as
    one that the caller makes later.

    Parameters
    ----------
    path : str or path
        The file that is to be written.
    option : str
        What names it, such as ``--output``, for the message.
    error : type of EcgfastError
        What is raised if it cannot be written.

    Raises
    ------
    EcgfastError
        Of the type `error`: it is a folder or a block device, something above it is no folder, or
        the nearest folder that is there takes no file.
    """
    shown = Path(path).expanduser()
    name = f"{option} {shown}".strip()
    if descriptor_of(shown) is not None:
        return
    target = Path(os.path.realpath(shown))
    where = ""
    try:
        with contextlib.suppress(NotADirectoryError):  # said below
            before = _present(target)
            if before is not None and not stat.S_ISREG(before.st_mode):
                _check_special(before.st_mode)
                return
        folder = next((above for above in target.parents if above.exists()), None)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, "no such drive")
        if not folder.is_dir():
            raise error(f"{name}: {folder} is a file, not a folder; give another path")
        where = f" in {folder}; give another path"
        draft = _draft_of(folder / target.name)
        os.close(_created(draft, None))
        draft.unlink(missing_ok=True)
    except OSError as problem:
        raise _not_written(name, problem, error, where) from None


@contextlib.contextmanager
def temporary_folder(error: type[EcgfastError] = InputError) -> Iterator[Path]:
    """Make a folder for files that are needed for a while, in the system's folder for such.

    Parameters
    ----------
    error : type of EcgfastError
        What is raised if the system refuses to write there.

    Yields
    ------
    Path

    Raises
    ------
    EcgfastError
        Of the type `error`, which names that folder: libraries name no file where a disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ecgfast-") as folder:
            yield Path(folder)
    except OSError as problem:
        where = tempfile.tempdir or "the folder for temporary files"
        raise error(
            f"{where}: temporary files cannot be written ({system_reason(problem)}); TMPDIR names "
            "another folder"
        ) from None


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """Return the open descriptor that a path such as ``/dev/stdout`` stands for, links followed.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    int or None
        None if it stands for none of this process.
    """
    text = os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - resolves no link
    for _ in range(_LINKS):
        found = _DESCRIPTOR.fullmatch(text)
        if found and os.name == "posix":
            if text.startswith("/proc/") and text.split("/")[2] not in ("self", str(os.getpid())):
                return None
            number = found[1] or found[3]
            return int(number) if number else _STANDARD[found[2]]
        try:
            link = os.readlink(text)  # noqa: PTH115 - as text
        except OSError:
            return None
        text = os.path.normpath(os.path.join(os.path.dirname(text), link))  # noqa: PTH118, PTH120
    return None


def open_through(path: Path) -> int | None:
    """Open what is no regular file: a pipe, a character device, an open descriptor by its name.

    Parameters
    ----------
    path : Path

    Returns
    -------
    int or None
        Descriptor to write to and to close; None for a regular file or nothing yet.

    Raises
    ------
    OSError
        If it is a folder or a block device, or cannot be opened.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        return os.dup(descriptor)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    _check_special(mode)
    return os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))


def _check_special(mode: int) -> None:
    """Raise OSError for what is no regular file and takes no bytes."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if stat.S_ISBLK(mode):
        raise OSError(0, "a block device holds a file system; write to a file in it")


class _File(FileIO):
    """A file whose failed writes are errors that name it."""

    def __init__(self, number: int, shown: Path, error: type[EcgfastError]) -> None:
        super().__init__(number, "wb")
        self._shown, self._error = shown, error

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as problem:
            raise _not_written(self._shown, problem, self._error) from None


class _Writer(BufferedWriter):
    """A buffer that is not written once more after an error."""

    def __exit__(self, *problem: Any) -> None:
        if problem[0] is not None:
            # The first error counts; what is in the buffer is dropped with the file.
            with contextlib.suppress(EcgfastError, OSError, ValueError):
                self.raw.close()
            return
        self.close()


def _not_written(
    path: Path | str, problem: OSError, error: type[EcgfastError], hint: str = ""
) -> EcgfastError:
    if isinstance(problem, IsADirectoryError):
        return error(f"{path}: is a folder; give the name of a file to write")
    return error(f"{path}: cannot be written ({system_reason(problem)}){hint}")


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name[:_NAME_MAX]}.{secrets.token_hex(8)}.part")


def _present(target: Path) -> os.stat_result | None:
    """Facts of the file that is to be replaced; an error if it is protected."""
    try:
        before = target.stat()
    except FileNotFoundError:
        return None
    if not os.access(target, os.W_OK):
        raise PermissionError(0, "it is read-only")
    return before


def _created(draft: Path, before: os.stat_result | None) -> int:
    """Make the file under its own name, with the mode and owner of the one that it replaces."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    number = os.open(draft, flags, 0o666 if before is None else 0o600)
    if before is not None and os.name == "posix":
        try:
            # Only root gives files away; a group of one's own can be kept by all.
            for owner in ((before.st_uid, before.st_gid), (-1, before.st_gid)):
                with contextlib.suppress(PermissionError):
                    os.fchown(number, *owner)
                    break
            os.fchmod(number, stat.S_IMODE(before.st_mode))
        except OSError:
            os.close(number)
            raise
    return number


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk, where the system can."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
