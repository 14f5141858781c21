"""A worker process and what watches it: a recording that kills or hangs it harms no other."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any

from ..errors import EcgfastError, InputError, ModelError, StateError
from ..processes import module_command
from .batches import Outcome, Task
from .messages import receive, send
from .settings import Settings

__all__ = ["Guard", "Limits", "StoppedError"]

# A worker that dies so often where no recording is at fault is not started once more.
_DEATHS = 3

# What a worker raises, as it is called there.
_ERRORS: dict[str, type[EcgfastError]] = {
    kind.__name__: kind for kind in (InputError, ModelError, StateError)
}

# Each core has a worker already, and sums of several threads may differ in their last bit.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# Bytes of what a worker printed that are looked through for its last words.
_LAST_WORDS = 1 << 13


class StoppedError(Exception):
    """The run ends: what was in work is given up."""


@dataclass(frozen=True)
class Limits:
    """What a recording may take.

    Attributes
    ----------
    seconds : float
        Time without a sign of life: a recording is begun, or two more minutes of it are done.
    memory : int
        Bytes that a worker may take beyond what it holds when the model is loaded.
    """

    seconds: float = 300.0
    memory: int = 4 << 30


@dataclass(frozen=True)
class _Death:
    """How a worker ended within a task, and at which recording."""

    at: int
    reason: str
    words: str


class Guard:
    """Runs tasks in a process of its own, and starts it anew where it dies.

    Parameters
    ----------
    settings : Settings
    limits : Limits
    """

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._limits = settings, limits
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._messages: queue.Queue[Any] = queue.Queue()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, task: Task) -> Outcome:
        """Have a batch classified, whatever its recordings do to the process.

        A recording at which the process died or hung is tried once more alone; if that ends the
        same way it is given up, and the batch runs again without it.

        Parameters
        ----------
        task : Task

        Returns
        -------
        Outcome

        Raises
        ------
        EcgfastError
            What the worker raised: the files cannot be written, or the model cannot be used.
        StateError
            If the process dies again and again where no recording is at fault.
        StoppedError
            After `stop`.
        """
        deaths: Counter[int] = Counter()
        notes: list[str] = []
        while True:
            outcome = self._try(task)
            if isinstance(outcome, Outcome):
                return replace(outcome, notes=tuple(notes))
            at = outcome.at
            deaths[at] += 1
            name = task.items[at].name if at >= 0 else "no recording"
            notes.append(f"a worker {outcome.reason} at {name}{outcome.words}")
            if at < 0:
                if deaths[at] >= _DEATHS:
                    raise StateError(
                        f"a worker {outcome.reason} {_DEATHS} times, outside of any recording"
                        f"{outcome.words}"
                    )
                continue
            alone = replace(task, items=(task.items[at],), folder="", given_up={})
            again = outcome if deaths[at] >= _DEATHS else self._try(alone)
            if isinstance(again, _Death) and (again.at == 0 or again is outcome):
                reason = f"a worker {again.reason} at it"
                task = replace(task, given_up={**task.given_up, at: reason})

    def stop(self) -> None:
        """End the process, and with it what is in work; `run` raises `StoppedError`."""
        with self._lock:
            self._stopped = True
            self._end()

    def _try(self, task: Task) -> Outcome | _Death:
        """Run a task once."""
        with self._lock:
            if self._stopped:
                raise StoppedError
            if self._process is None or self._process.poll() is not None:
                self._start()
            process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            send(process.stdin, (self._settings, self._limits.memory, task))
        except OSError:
            return self._death(-1, "")
        at = -1
        while True:
            try:
                message = self._messages.get(timeout=self._limits.seconds)
            except queue.Empty:
                seconds = f"{self._limits.seconds:g}"
                return self._death(at, f"gave no sign of life for {seconds} s")
            if message is None:
                return self._death(at, "")
            kind, content = message
            if kind == "at":
                at = at if content is None else content
            elif kind == "error":
                name, text = content
                raise _ERRORS.get(name, EcgfastError)(text)
            else:
                outcome: Outcome = content
                return outcome

    def _start(self) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        process = subprocess.Popen(
            module_command("ecgfast.archive.child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            # Ctrl-C is for the run alone, which ends its workers itself.
            start_new_session=True,
            env={**_ONE_THREAD, **os.environ},
        )
        self._process, self._messages = process, queue.Queue()

        def listen(messages: queue.Queue[Any] = self._messages) -> None:
            assert process.stdout is not None
            with process.stdout:
                while (message := receive(process.stdout)) is not None:
                    messages.put(message)
            messages.put(None)

        threading.Thread(target=listen, daemon=True).start()

    def _death(self, at: int, reason: str) -> _Death:
        """End what is left of the process, and say how it ended."""
        with self._lock:
            if self._stopped:
                raise StoppedError
            status, words = self._end(patience=0.0 if reason else 1.0)
        return _Death(at, reason or f"died ({_ended(status)})", f": {words}" if words else "")

    def _end(self, patience: float = 0.0) -> tuple[int, str]:
        """End the process; its exit status and last words."""
        process, words = self._process, self._words
        self._process = self._words = None
        if process is None or words is None:
            return 0, ""
        # Its standard output ends a little before the process does, which is to say how.
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        process.kill()
        status = process.wait()
        if process.stdin is not None:
            with suppress(OSError):  # what it did not take
                process.stdin.close()
        with words:
            words.seek(max(0, words.seek(0, os.SEEK_END) - _LAST_WORDS))
            lines = words.read().decode("utf-8", "replace").strip().splitlines()
        fatal = [line for line in lines if line.startswith("Fatal")]
        return status, [*lines, *fatal][-1] if lines else ""


def _ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
