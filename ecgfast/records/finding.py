"""Find recordings: in folders, by patterns, and which files belong to one."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ..errors import RecordError
from .files import open_regular, path_of
from .formats import by_suffix, header_of

__all__ = ["Finding", "find_recordings", "record_files"]

# A header of 40,000 signals takes 4 MB; more is not looked through for names of files.
_HEADER_MAX = 1 << 23

# Text that may hold anything: in a folder only files of numbers count.
_ANY_TEXT = (".txt", ".json", ".log", ".asc")

# Bytes of such a file that are looked at, and the share of digits from which it holds numbers.
_LOOK, _DIGITS = 1 << 12, 0.25

# Files of check sums hold digits and no samples.
_SUMS = ("sha256sums", "sha1sums", "sha512sums", "md5sums")

_PATTERN = frozenset("*?[")


@dataclass
class Finding:
    """The recordings that arguments of a command stand for.

    Attributes
    ----------
    recordings : list of Path
        Each once, as `open_record` takes it: a WFDB record without ``.hea``, other files as they
        are.
    names : list of str
        Each recording's path from the folder that all of them lie in.
    problems : list of (str, str)
        Arguments that stand for no recording, and why.
    left_out : list of (Path, str)
        Files in folders and of patterns that are no recording, and why.
    several : bool
        Whether the arguments may stand for several recordings: more than one, a folder, or a
        pattern.
    """

    recordings: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    several: bool = False


def find_recordings(
    given: Iterable[str], *, is_output: Callable[[Path], bool] = lambda path: False
) -> Finding:
    """Find every recording that paths, folders and patterns stand for.

    Parameters
    ----------
    given : iterable of str
        Each a recording; a folder, which is searched with the folders in it, links followed, hidden
        ones left out; or a pattern such as ``mitdb/2*`` or ``data/**/*.edf``.
    is_output : callable
        Whether a file in a folder, or of a pattern, is an earlier result and no recording.

    Returns
    -------
    Finding
        The files of one WFDB record count once, and so does what is named twice.
    """
    arguments = list(given)
    found = Finding(several=len(arguments) > 1)
    seen: set[str] = set()
    roots: list[Path] = []
    for text in arguments:
        path = path_of(text)
        if header_of(path) is None and path.is_dir():
            found.several = True
            roots.append(path)
            files, unreadable = _walk(path)
            found.problems += unreadable
            chosen, others = _recordings_among(files, is_output)
            found.left_out += others
            if not chosen and not unreadable:
                found.problems.append((text, _nothing_in(files)))
        elif header_of(path) is None and not os.path.lexists(path) and _PATTERN & set(text):
            found.several = True
            chosen, others, why = _matching(path, is_output)
            roots.append(_fixed_part(path))
            found.left_out += others
            if why:
                found.problems.append((text, why))
        else:
            chosen = [_as_record(path, merge=len(arguments) > 1)]
            roots.append(path.parent)
        for record in chosen:
            identity = os.path.realpath(record)
            if identity not in seen:
                seen.add(identity)
                found.recordings.append(record)
    found.names = _names(found.recordings, roots)
    return found


def _as_record(path: Path, *, merge: bool) -> Path:
    """A file that the user named, as a record: the ``.hea`` of WFDB goes without its extension.

    With `merge` any file beside a header of its name stands for that record: shells expand
    ``mitdb/2*`` to all of its files.
    """
    header = header_of(path)
    if header is None and merge and by_suffix(path) is None:
        header = header_of(path.with_suffix(".hea"))
    return path if header is None else header.with_suffix("")


def _walk(folder: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """All files below a folder in order, and what cannot be read; each folder once."""
    files: list[Path] = []
    unreadable: list[tuple[str, str]] = []
    seen: set[tuple[int, int]] = set()

    def failed(error: OSError) -> None:
        unreadable.append((str(error.filename), f"cannot be read ({error.strerror})"))

    for at, folders, names in os.walk(folder, followlinks=True, onerror=failed):
        facts = os.stat(at)  # noqa: PTH116 - as text
        if (facts.st_dev, facts.st_ino) in seen:  # a link back up, or a second one to it
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(at, name) for name in sorted(names) if not name.startswith(".")]
    return files, unreadable


def _matching(
    pattern: Path, is_output: Callable[[Path], bool]
) -> tuple[list[Path], list[tuple[Path, str]], str]:
    """The recordings that a pattern matches, other files, and why there is none."""
    files: list[Path] = []
    matches: list[Path]
    if "**" in pattern.parts:
        # Not by glob: it would go round a loop of links until the name is too long.
        root = _fixed_part(pattern)
        wanted = pattern.parts[len(root.parts) :]
        below = _walk(root)[0] if root.is_dir() else []
        matches = [path for path in below if _fits(path.parts[len(root.parts) :], wanted)]
    else:
        matches = [Path(name) for name in sorted(glob.glob(str(pattern)))]  # noqa: PTH207
    for match in matches:
        # A pattern such as data/* names folders too: what is in them counts, as for a folder.
        files += _walk(match)[0] if match.is_dir() else [match]
    unique = list(dict.fromkeys(files))
    chosen, others = _recordings_among(unique, is_output)
    if chosen:
        return chosen, others, ""
    if not matches:
        return [], [], "the pattern matches no file; check it"
    return [], others, f"the pattern matches no recording: {_nothing_in(unique)}"


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, or a folder that it lies in, matches a pattern part by part."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_fits(parts[i:], pattern[1:]) for i in range(len(parts)))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _nothing_in(files: list[Path]) -> str:
    """Why a folder, or what a pattern matches, holds no recording."""
    if not files:
        return "the folder is empty"
    one = f"one other file, {files[0].name}"
    many = f"{len(files)} other files, such as {files[0].name}"
    return f"holds no recording, but {one if len(files) == 1 else many}"


def _fixed_part(pattern: Path) -> Path:
    """The folder before the first part of a pattern that is one."""
    fixed = []
    for part in pattern.parts:
        if _PATTERN & set(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _recordings_among(
    files: list[Path], is_output: Callable[[Path], bool]
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The recordings that files make up, in order, and the files that belong to none."""
    headers = [path for path in files if path.suffix.lower() == ".hea"]
    for path in files:  # what a pattern such as mitdb/*.dat names
        if by_suffix(path) is None or header_of(path) is not None:
            header = header_of(path) or header_of(path.with_suffix(".hea"))
            if header is not None:
                headers.append(header)
    headers = list(dict.fromkeys(headers))
    parts: set[Path] = set()  # files of a record, and headers of its segments
    for header in headers:
        parts.update(path for path in record_files(header) if path != header)
    found = [header.with_suffix("") for header in headers if header not in parts]
    stems = {header.with_suffix("") for header in headers}
    left_out: list[tuple[Path, str]] = []
    for path in files:
        if path in parts or path.suffix.lower() == ".hea" or header_of(path) is not None:
            continue
        if path.is_file() and is_output(path):
            left_out.append((path, "a result of ecgfast"))
        elif _may_be_recording(path):
            found.append(path)
        elif path.with_suffix("") not in stems:  # annotations belong to their record
            left_out.append((path, "no recording"))
    return sorted(found), left_out


def _may_be_recording(path: Path) -> bool:
    named = by_suffix(path)
    if named is None:
        return False
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return bool(Path(path.stem).suffix)  # else anything may be in it
    if not path.is_file():
        return True  # opening it says what is wrong
    if suffix in named.shared and named.recognised is not None:
        return named.recognised(_part_of(path, 0))
    if suffix in _ANY_TEXT:
        return not path.stem.lower().startswith(_SUMS) and _holds_numbers(path)
    return True


def _holds_numbers(path: Path) -> bool:
    """Whether the middle of a text is made of digits rather than of words."""
    piece = _part_of(path, max(0, (path.stat().st_size - _LOOK) // 2))
    shown = piece.translate(None, b"\0 \t\r\n")
    digits = sum(shown.count(digit) for digit in b"0123456789")
    return digits >= _DIGITS * max(1, len(shown))


def _part_of(path: Path, start: int) -> bytes:
    """Some bytes of a file; none where it cannot be read, which opening it will say."""
    try:
        with open_regular(path) as file:
            file.seek(start)
            return file.read(_LOOK)
    except (OSError, RecordError):
        return b""


def _names(recordings: list[Path], roots: list[Path]) -> list[str]:
    """Paths from the folder that holds all of them."""
    whole = [os.path.abspath(path) for path in recordings]  # noqa: PTH100 - resolves no link
    try:
        root = os.path.commonpath([os.path.abspath(path) for path in roots])  # noqa: PTH100
        return [os.path.relpath(path, root) for path in whole]
    except ValueError:  # on several drives
        return [os.path.splitdrive(path)[1].lstrip("\\/") for path in whole]


def record_files(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield every file that a recording is read from.

    Parameters
    ----------
    path : str or path
        As for `open_record`.

    Yields
    ------
    Path
        Of a WFDB record its header, signal files, segments and reference annotations; otherwise
        the file itself. Some may not exist.
    """
    where = Path(path).expanduser()
    yield where
    if not where.name:
        return
    for header in {where, where.with_name(f"{where.name}.hea"), where.with_suffix(".hea")}:
        if header.suffix.lower() == ".hea":
            yield from _of_header(header, segments=True)


def _of_header(header: Path, *, segments: bool) -> Iterator[Path]:
    try:
        facts = os.stat(header)  # noqa: PTH116 - an archive has a million of them
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _HEADER_MAX:
            return
        with open(header, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return
    lines = [line.split() for line in text.splitlines() if line.strip() and line[:1] != "#"]
    several = bool(lines) and "/" in lines[0][0]
    if several and not segments:  # no segment has segments: such a header is a record
        return
    yield header
    yield header.with_suffix(".atr")
    for name in dict.fromkeys(fields[0] for fields in lines[1:]):  # most signals share a file
        if "\0" in name:
            continue
        if not several:
            yield header.parent / name
        elif segments:
            yield from _of_header(header.parent / f"{name}.hea", segments=False)
