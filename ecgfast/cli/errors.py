"""How a command ends: wrong use, failures and signals as one line and an exit status."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import EcgfastError, NotBuiltError, is_not_built, system_reason
from ..printable import PrintableStream
from .process import Terminated, reserve_standard_streams, terminations

__all__ = [
    "EXIT_NOTHING",
    "EXIT_USAGE",
    "NothingFoundError",
    "SomeFailedError",
    "UsageError",
    "failure_line",
    "guarded",
    "report_nothing",
    "warn_nothing",
]

EXIT_FAILURE, EXIT_USAGE, EXIT_NOTHING, EXIT_SIGNAL, EXIT_PIPE = 1, 2, 3, 128, 141

# Parameters that messages of the package name as Python spells them, and options spell otherwise.
_NAMES = (
    "fs|leads|follow|method|model|lookahead|max_delay|max_rate|average_leads|"
    "output|update|mix|restart|workers|scheduler|work"
)
_PARAMETER = re.compile(rf"\b({_NAMES})=(True\b)?('[^']*'|[^\s,;:)]+)?")
# A call in Python, such as np.savez(path, fs=...), keeps the names of its parameters.
_CALL = re.compile(r"(\b[A-Za-z_][\w.]*\([^()]*\))")
# How many leads a recording has; no option has this name.
_COUNT = re.compile(r"(?<=: )n_leads=(\d+)$")
# Where they stand without a value: what is no word of English, and what the message begins with.
_NAME = re.compile(r"(?<![\w=-])(?:max_delay|max_rate|average_leads|fs(?= is\b|$))\b(?!=)")


class UsageError(Exception):
    """Wrong use that argparse cannot see; the command ends with status 2."""


class NothingFoundError(Exception):
    """No beat in a recording, where ``--strict`` asks for one; the command ends with status 3."""


class SomeFailedError(Exception):
    """Some of several recordings could not be worked through; the command ends with status 1."""


def report_nothing(beats: int, path: Path, args: argparse.Namespace) -> None:
    """Warn where no beat was found in a recording.

    Parameters
    ----------
    beats : int
        Beats that were found.
    path : Path
        The recording, whose beginning is read once more.
    args : Namespace
        With ``fs``, ``leads``, ``follow`` and ``strict``.

    Raises
    ------
    NothingFoundError
        If there are none and ``--strict`` was given.
    """
    if beats:
        return
    from ..records import open_record
    from ..streaming.nothing import LOOK_S, no_beats_text

    source = open_record(path, fs=args.fs, leads=args.leads, follow=args.follow)
    begin = next(source.blocks(LOOK_S))
    text = no_beats_text(begin, source.fs, source.leads, rate_option="--fs", leads_option="--leads")
    warn_nothing(text, strict=args.strict)


def warn_nothing(text: str, *, strict: bool) -> None:
    """Warn that no beat was found.

    Parameters
    ----------
    text : str
        What to check.
    strict : bool
        Whether that is a failure.

    Raises
    ------
    NothingFoundError
        If `strict` is true.
    """
    if strict:
        raise NothingFoundError(text)
    _say(f"ecgfast: warning: {text}")


def guarded(work: Callable[[], int], program: str, *, debug: bool) -> int:
    """Do a command's work; whatever goes wrong becomes one line and an exit status.

    Parameters
    ----------
    work : callable
        Returns the exit status.
    program : str
        What to call the program in messages.
    debug : bool
        Show the traceback too.

    Returns
    -------
    int
        Exit status of the process.
    """
    reserve_standard_streams()
    if sys.stdout is None:
        _say(f"{program}: standard output is closed; send it to a file, or to {os.devnull}")
        return EXIT_FAILURE
    with _printable_output():
        return _guarded(work, program, debug=debug)


@contextmanager
def _printable_output() -> Iterator[None]:
    """Have everything that is printed, also by libraries, pass `PrintableStream`."""
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            continue
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows "?"
            stream.reconfigure(errors="replace")
        setattr(sys, name, PrintableStream(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _guarded(work: Callable[[], int], program: str, *, debug: bool) -> int:
    arrived: list[int] = []
    try:
        with terminations(arrived):
            status = work()
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _give_up_output()
        return EXIT_PIPE
    except KeyboardInterrupt as error:
        if debug:
            _say(traceback.format_exc())
        _give_up_output()
        return EXIT_SIGNAL + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    except Exception as error:
        if debug:
            _say(traceback.format_exc())
        if arrived and _is_unexpected(error):  # a library made that of the interrupt
            _give_up_output()
            return EXIT_SIGNAL + arrived[-1]
        where = "standard output: " if isinstance(error, OSError) and _output_fails() else ""
        _say(f"{program}: {where}{failure_line(error)}")
        if _output_fails():
            _give_up_output()
        if isinstance(error, NothingFoundError):
            return EXIT_NOTHING
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE


def _is_unexpected(error: Exception) -> bool:
    """Whether nobody raised an error on purpose, or it is of an import."""
    known = (EcgfastError, UsageError, NothingFoundError, SomeFailedError, OSError)
    return isinstance(error, ImportError) or not isinstance(error, known)


def _say(text: str) -> None:
    """Print on standard error, if anybody reads it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _output_fails() -> bool:
    """Whether what was printed cannot be written, such as on a full disk."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def _give_up_output() -> None:
    """Python flushes once more at exit, where nobody may read: let that go nowhere."""
    with suppress(OSError, ValueError):  # not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # a terminal that is closed takes neither
        with suppress(AttributeError, OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def failure_line(error: Exception) -> str:
    """What went wrong, as one line that spells options as the command line does."""
    if is_not_built(error):
        error = NotBuiltError()
    text = " ".join(str(error).split())
    if isinstance(error, (EcgfastError, UsageError, NothingFoundError, SomeFailedError)):
        return _as_options(text)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{system_reason(error)}"
    return f"unexpected {type(error).__name__}: {text} (run again with --debug and report it)"


def _as_options(text: str) -> str:
    """Spell parameters in a message as the command line does: ``fs=360`` as ``--fs 360``."""
    text = _COUNT.sub(r"\1 leads", text)
    text = _NAME.sub(lambda m: _option(m[0]), text)
    parts = _CALL.split(text)
    parts[::2] = (
        _PARAMETER.sub(lambda m: _option(m[1]) + (f" {m[3]}" if m[3] else ""), part)
        for part in parts[::2]
    )
    return "".join(parts)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
