"""What a command may write over: never an input, and unasked only an earlier output of its kind."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from .._files import check_writable, descriptor_of
from ..errors import EcgfastError
from ..records.finding import record_files
from ..records.wfdb_annotations import END, decode_annotations, encode_start
from ..reports.beat_marks import OWN_CODES
from ..reports.pdf import PDF_END
from .errors import UsageError

__all__ = [
    "ANNOTATIONS",
    "CARD",
    "DATA_SET",
    "LIVE",
    "MODEL",
    "PAGE",
    "PDF",
    "PICTURE",
    "RUN_FILE",
    "SCORE",
    "FileKind",
    "OutputGuard",
    "add_force",
    "csv_kind",
    "json_kind",
    "model_files",
    "output_option",
    "record_files",
    "summary_beside",
    "text_kind",
]

# Bytes of a file that tell its kind, at either end of it.
_LOOK = 1 << 12

# Longest JSON file that is looked through: a day of beats takes 15 MB.
_JSON_MAX = 1 << 27

# A week of beats takes 3 MB.
_ANNOTATIONS_MAX = 1 << 26

# Files that inputs are compared by: device and number.
_Identity = tuple[int, int]


# ------------------------------------------------------------------ kinds of output


@dataclass(frozen=True)
class FileKind:
    """A kind of file that commands write.

    Attributes
    ----------
    name : str
        With its article, for messages.
    is_ours : callable
        Whether the content of an existing file is such an output of ours.
    refusal : str
        Why an existing file is not replaced unasked, if that is not about its content.
    """

    name: str
    is_ours: Callable[[Path], bool]
    refusal: str = ""


def _ends(path: Path) -> tuple[bytes, bytes]:
    """First and last bytes of a file."""
    with path.open("rb") as file:
        head = file.read(_LOOK)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOOK))
        return head, file.read()


def _is_annotations(path: Path) -> bool:
    """Our heading, and our codes alone: a file that somebody corrected has others."""
    head, tail = _ends(path)
    # Note and text as at any rate; the byte between them is the length of the text.
    start = encode_start(250.0)
    if (
        head[:2] != start[:2]
        or head[3:4] != start[3:4]
        or not head[4:].startswith(b"## time resolution: ")
        or not tail.endswith(END)
        or path.stat().st_size > _ANNOTATIONS_MAX
    ):
        return False
    try:
        marks, _ = decode_annotations(path.read_bytes(), str(path))
    except (EcgfastError, ValueError):
        return False
    return set(marks.symbol.tolist()) <= OWN_CODES


def _json(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if it is none, or no object."""
    if path.stat().st_size > _JSON_MAX:
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_model(path: Path) -> bool:
    """Whether a card of ours beside the file names it."""
    stem = path.name.partition(".")[0]
    for beside in (path.with_suffix(".json"), path.with_name(f"{stem}.json")):
        if beside.is_file() and CARD.is_ours(beside):
            forms = _json(beside)["forms"]
            listed = forms.values() if isinstance(forms, dict) else ()
            if any(isinstance(form, dict) and form.get("file") == path.name for form in listed):
                return True
    return False


def _is_data_set(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {"about.npy", "target.npy", "record.npy"} <= set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _is_picture(path: Path) -> bool:
    head, _ = _ends(path)
    return head.startswith(b"\x89PNG") and b"Software\0ecgfast " in head


def _is_page(path: Path) -> bool:
    head, tail = _ends(path)
    return head.startswith(b"<!DOCTYPE html>") and b"<footer>Made by ecgfast " in tail


def _is_pdf(path: Path) -> bool:
    head, tail = _ends(path)
    return head.startswith(b"%PDF-") and tail.endswith(PDF_END)


def json_kind(name: str, *keys: str) -> FileKind:
    """A JSON object of ours, known by its members."""
    return FileKind(name, lambda path: set(keys) <= _json(path).keys())


def csv_kind(name: str, columns: Iterable[str], *, more: bool = False) -> FileKind:
    """A table of ours, known by its first line; with `more`, further columns may follow."""
    heading = ",".join(columns).encode()

    def is_ours(path: Path) -> bool:
        line = _ends(path)[0].partition(b"\n")[0].rstrip(b"\r")
        return line == heading or (more and line.startswith(heading + b","))

    return FileKind(name, is_ours)


def text_kind(name: str, start: str, inside: str) -> FileKind:
    """A text of ours, known by its beginning and something near it."""

    def is_ours(path: Path) -> bool:
        head = _ends(path)[0]
        return head.startswith(start.encode()) and inside.encode() in head

    return FileKind(name, is_ours)


def _is_of_run(path: Path) -> bool:
    """Whether a file lies in the work folder of an earlier run: its checkpoint is there too."""
    try:
        with zipfile.ZipFile(path.with_name("checkpoint.npz")) as archive:
            return "numbers.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return any(path.parent.glob("crossval/*/fold-*.npz"))


ANNOTATIONS = FileKind("a WFDB annotation file of ecgfast", _is_annotations)
CARD = json_kind("a model card", "name", "task", "classes", "inputs", "forms", "command")
MODEL = FileKind("a model of ecgfast with its card", _is_model)
DATA_SET = FileKind("a data set of ecgfast prepare", _is_data_set)
PICTURE = FileKind("a picture of ecgfast", _is_picture)
PAGE = FileKind("a page of ecgfast", _is_page)
PDF = FileKind("a printed page of ecgfast", _is_pdf)
CURVES = csv_kind("learning curves of ecgfast train", ("epoch", "learning rate"), more=True)
SCORE = json_kind("a score of ecgfast evaluate", "title", "classes")
RUN_FILE = FileKind("a file of an earlier run", _is_of_run)
LIVE = FileKind("a recording", lambda path: False, "a recording made live is not replaced")


# ------------------------------------------------------------------ inputs


def model_files(model: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the files of a model that is named by one of them: every form, and the card.

    Parameters
    ----------
    model : str or path
        As for `ecgfast.Classifier`; the name of a built-in model has no files to protect.

    Yields
    ------
    Path
    """
    from ..runtime.classifier import names_a_file

    path = Path(model)
    if names_a_file(model):
        stem = path.name.partition(".")[0]
        yield path
        yield path.with_name(f"{stem}.json")
        yield from path.parent.glob(f"{escape(stem)}*.tflite")


def _identity(path: Path | int) -> _Identity | None:
    """Device and number of a regular file; None if it is none."""
    try:
        facts = os.fstat(path) if isinstance(path, int) else path.stat()
    except (OSError, ValueError):
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISREG(facts.st_mode) else None


def _within(folder: Path) -> Iterator[Path]:
    for at, _, files in os.walk(folder):
        yield from (Path(at) / name for name in files)


# ------------------------------------------------------------------ the guard


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add ``--force``."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing file even if it is no earlier output of this kind; an input is "
        "never replaced",
    )


def output_option(args: argparse.Namespace) -> str:
    """How messages call the output: by its option, if that was given."""
    return "output" if args.output is None else "--output"


class OutputGuard:
    """Refuses outputs that would destroy an input, or something that is not ours.

    Parameters
    ----------
    inputs : iterable of path
        What the command reads; files that do not exist are left out. Everything in a folder counts.
    force : bool
        What ``--force`` says.
    """

    def __init__(self, inputs: Iterable[str | os.PathLike[str]], *, force: bool) -> None:
        self._force = force
        self._replaced: list[str] = []
        self._inputs: dict[_Identity, str] = {}
        self._folders: list[Path] = []
        if identity := _identity(0):
            self._inputs[identity] = "standard input"
        for given in inputs:
            path = Path(given).expanduser()
            if path.is_dir():
                self._folders.append(path)
            elif identity := _identity(path):
                self._inputs.setdefault(identity, str(path))

    def check_input(self, path: Path, option: str = "--output") -> None:
        """Refuse an output that is an input.

        Parameters
        ----------
        path : Path
            File that is to be written.
        option : str
            The option that names it, for messages.

        Raises
        ------
        UsageError
            If the file is an input.
        """
        identity = None if descriptor_of(path) is not None else _identity(path)
        if identity is not None and identity in self._inputs:
            same = self._inputs[identity]
            which = "is read as input" if same == str(path) else f"is the input {same}"
            raise UsageError(f"{option} {path}: {which}; give another file")

    def check(
        self, path: Path, kind: FileKind, option: str = "--output", *, quiet: bool = False
    ) -> bool:
        """Refuse an output, or keep in mind what it replaces, for `report`.

        Call it before the work: it also sees that the output can be written.

        Parameters
        ----------
        path : Path
            File that is to be written.
        kind : FileKind
            What will be in it.
        option : str
            The option that names it, for messages.
        quiet : bool
            Report nothing of an earlier output of this kind.

        Returns
        -------
        bool
            Whether a file is there that is to be replaced.

        Raises
        ------
        UsageError
            If the file is an input, or is there and neither empty nor an earlier output of this
            kind, and ``--force`` was not given.
        InputError
            If it cannot be written.
        """
        path = path.expanduser()
        self.check_input(path, option)
        replaces = self._replaces(path, kind, option, quiet=quiet)
        check_writable(path, option)
        return replaces

    def _replaces(self, path: Path, kind: FileKind, option: str, *, quiet: bool) -> bool:
        identity = None if descriptor_of(path) is not None else _identity(path)
        if identity is None:  # new, or written through
            return False
        if identity in (_identity(1), _identity(2)):
            raise UsageError(
                f"{option} {path}: is where standard output or standard error goes; give another "
                "file"
            )
        if not path.stat().st_size:
            return True
        if self._is_ours(path, kind):
            if not quiet:
                self._replaced.append(f"{path}: replaced {kind.name}")
            return True
        if not self._force:
            why = kind.refusal or f"not known as {kind.name}"
            raise UsageError(
                f"{option} {path}: is there already, and {why}; give another file, or --force to "
                "replace it"
            )
        for folder in self._folders:
            if any(_identity(file) == identity for file in _within(folder)):
                raise UsageError(
                    f"{option} {path}: is among the inputs in {folder}; give another file"
                )
        self._replaced.append(f"{path}: replaced what was there, as --force asks")
        return True

    def report(self) -> None:
        """Say on standard error what was replaced, once it is."""
        for line in self._replaced:
            print(f"ecgfast: {line}", file=sys.stderr)
        self._replaced.clear()

    @staticmethod
    def _is_ours(path: Path, kind: FileKind) -> bool:
        try:
            return kind.is_ours(path)
        except OSError:  # what cannot be read is not known
            return False


def summary_beside(output: Path) -> AbstractContextManager[Any]:
    """Print what follows on standard error if `output` is standard output."""
    return redirect_stdout(sys.stderr) if descriptor_of(output) == 1 else nullcontext()
