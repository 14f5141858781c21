"""Where a command writes beats: a file, or one that is named after the recording in a folder."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import InputError, system_reason
from .errors import UsageError

__all__ = [
    "add_output",
    "check_annotator",
    "extension",
    "file_stem",
    "is_or_will_be_folder",
    "make_folder",
    "output_file",
]

# Extensions that name a format.
_FORMAT_OF = {".csv": "csv", ".json": "json"}

_FORMATS = ("atr", "csv", "json")

# Bytes of a file name that is made up, at most: systems take 255.
_NAME_MAX = 200

# Extensions that WFDB programs and databases give to annotation files of beats.
_ANNOTATORS = (
    ".ann .ari .atr .beat .beats .ecg .eqrs .gqrs .jqrs .man .qrs .qrsc .reviewed .wqrs .xqrs"
)


class _Output(argparse.Action):
    """Stores a path, and whether it was written as a folder, with a separator at its end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        separators = tuple(filter(None, (os.sep, os.altsep)))
        setattr(namespace, self.dest, Path(values).expanduser())
        namespace.output_is_folder = values.endswith(separators)


def add_output(parser: argparse.ArgumentParser, annotator: str) -> None:
    """Add ``--output`` and ``--format``.

    Parameters
    ----------
    parser : ArgumentParser
    annotator : str
        Extension of a WFDB annotation file whose name is made up.
    """
    parser.set_defaults(output_is_folder=False)
    parser.add_argument(
        "-o",
        "--output",
        action=_Output,
        metavar="PATH",
        help=f"file to write (.csv, .json, or an annotation file such as .{annotator}), or a "
        f"folder to write RECORD.{annotator} into; folders are made (default: the current folder); "
        "with /dev/stdout the summary goes to standard error",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="atr is a WFDB annotation file (default: by the extension of --output, else atr)",
    )


def output_file(
    output: Path | None,
    file_format: str | None,
    name: str,
    annotator: str,
    *,
    is_folder: bool = False,
) -> tuple[Path, str]:
    """Where to write, and in which format.

    Parameters
    ----------
    output : path or None
        What the user gave: a file, a folder, or nothing for the current folder. What is not there
        and has no extension is a folder to be made.
    file_format : {"atr", "csv", "json"} or None
        What the user gave; None goes by the file's extension.
    name : str
        The recording's name, for a file name that is made up.
    annotator : str
        Extension of a WFDB annotation file whose name is made up.
    is_folder : bool
        Whether the user wrote a separator at the end.

    Returns
    -------
    path, str
        The file and its format.

    Raises
    ------
    UsageError
        If extension and format contradict each other, or the extension names no format.
    """
    if output is None or is_folder or is_or_will_be_folder(output):
        file_format = file_format or "atr"
        return (
            output or Path()
        ) / f"{file_stem(name)}.{extension(file_format, annotator)}", file_format
    by_name = _FORMAT_OF.get(output.suffix.lower())
    if file_format == "atr" and by_name is not None:
        raise UsageError(f"--output {output}: {output.suffix} is no extension for --format atr")
    file_format = file_format or by_name
    if file_format is None:
        others = ", .csv or .json (--format atr takes any other extension of letters)"
        check_annotator(output, annotator, others)
        file_format = "atr"
    elif file_format == "atr" and not output.suffix[1:].isalpha():
        raise UsageError(
            f"--output {output}: an annotation file needs an extension of letters, such as "
            f".{annotator}"
        )
    return output, file_format


def is_or_will_be_folder(path: Path) -> bool:
    """Whether an output is a folder, or is to be made as one: a new name without extension."""
    return path.is_dir() or not (path.suffix or os.path.lexists(path))


def make_folder(folder: Path, option: str = "--output") -> None:
    """Make the folder of an output, with those above it.

    Parameters
    ----------
    folder : Path
    option : str
        The option that names it, for the message.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({system_reason(error)}); check {option}"
        ) from None


def file_stem(name: str) -> str:
    """A recording's name as one of a file that every system takes."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return stem.encode()[:_NAME_MAX].decode(errors="ignore") or "record"


def extension(file_format: str, annotator: str) -> str:
    """Extension of a file whose name is made up."""
    return annotator if file_format == "atr" else file_format


def check_annotator(output: Path, annotator: str, others: str = "") -> None:
    """Refuse a file that an annotation file would not be expected in.

    Parameters
    ----------
    output : Path
    annotator : str
        A usual extension, for the message.
    others : str
        What else the command writes, for the message.

    Raises
    ------
    UsageError
        If its extension is no usual name of an annotator.
    """
    if output.suffix.lower() in _ANNOTATORS.split():
        return
    what = output.suffix or output.name
    raise UsageError(
        f"--output {output}: {what} names no output of this command; give an annotation file such "
        f"as {output.stem or 'record'}.{annotator}{others}"
    )
