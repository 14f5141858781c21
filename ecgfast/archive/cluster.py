"""Batches on a Dask cluster: the same worker processes, started and watched by Dask's workers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from ..errors import EcgfastError, StateError
from ..extras import need
from .batches import Outcome, Task
from .guard import Guard, Limits
from .settings import Settings

__all__ = ["Cluster"]

# Tasks in flight for each thread of the cluster: one in work and one that waits beside it.
_AHEAD = 2

# How often a task is given to the cluster anew when the workers that had it went away.
_RETRIES = 10

# Seconds between two looks at the cluster, and without a worker after which that is said.
_LOOK_S, _ALONE_S = 5.0, 30.0

_guards = threading.local()


def _run(task: Task, settings: Settings, limits: Limits) -> Outcome:
    """Run a task on a worker of Dask; its thread keeps the process with the loaded model."""
    key = (settings, limits)
    if getattr(_guards, "key", None) != repr(key):
        if hasattr(_guards, "guard"):
            _guards.guard.stop()
        _guards.guard, _guards.key = Guard(settings, limits), repr(key)
    outcome: Outcome = _guards.guard.run(task)
    return outcome


class Cluster:
    """What runs tasks on a Dask cluster.

    Parameters
    ----------
    scheduler : str or dask.distributed.Client
        The scheduler's address, or a client, which is left open.
    settings : Settings
    limits : Limits
    say : callable
        Takes what happens to the cluster, for the log.

    Raises
    ------
    MissingExtraError
        If dask.distributed is not installed.
    StateError
        If the scheduler cannot be reached.
    """

    def __init__(
        self, scheduler: Any, settings: Settings, limits: Limits, say: Callable[[str], None]
    ) -> None:
        distributed = need("distributed", "A Dask cluster", "archive")
        self._settings, self._limits, self._say = settings, limits, say
        self._own = not isinstance(scheduler, distributed.Client)
        self._address = str(scheduler) if self._own else str(scheduler.scheduler.address)
        try:
            self._client = (
                distributed.Client(scheduler, set_as_default=False) if self._own else scheduler
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise StateError(
                f"{scheduler}: no Dask scheduler answers ({' '.join(str(error).split())}); check "
                "scheduler="
            ) from None
        self._lost_worker: type[BaseException] = distributed.KilledWorker
        self._ended: queue.Queue[Any] = queue.Queue()
        self._tasks: dict[str, tuple[Task, int, Any]] = {}
        self._alone_since = monotonic()
        dashboard = str(self._client.dashboard_link or "")
        say(f"dashboard {dashboard}" if dashboard else f"connected to {self._address}")

    @property
    def slots(self) -> int:
        """Tasks that may be in work or waiting beside a worker; grows with the cluster."""
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, RuntimeError):
            self._check()
            raise
        return max(1, _AHEAD * int(threads))

    def submit(self, task: Task) -> None:
        """Begin a task."""
        self._submit(task, 0)

    def _submit(self, task: Task, tries: int) -> None:
        future = self._client.submit(_run, task, self._settings, self._limits, pure=False)
        # The future is held here: Dask drops the task of one that nobody holds.
        self._tasks[future.key] = (task, tries, future)
        future.add_done_callback(self._ended.put)

    def wait(self) -> Outcome:
        """Return the outcome of the task that ends next, or raise what went wrong."""
        while True:
            try:
                future = self._ended.get(timeout=_LOOK_S)
            except queue.Empty:
                self._check()
                continue
            task, tries, _ = self._tasks.pop(future.key)
            if future.status == "finished":
                outcome: Outcome = future.result()
                return outcome
            error = future.exception() if future.status == "error" else None
            if isinstance(error, EcgfastError):
                raise error
            if error is not None and not isinstance(error, self._lost_worker):
                text = " ".join(str(error).split())
                raise StateError(
                    f"a worker of {self._address} cannot run ecgfast "
                    f"({type(error).__name__}: {text}); install the same version there"
                )
            self._check()
            if tries >= _RETRIES:
                raise StateError(
                    f"batch {task.number} lost its worker {_RETRIES} times; look at the logs of "
                    f"the workers of {self._address}, and start again to continue"
                )
            self._say(f"batch {task.number} lost its worker, and is given to another")
            self._submit(task, tries + 1)

    def _check(self) -> None:
        """Raise if the scheduler is gone; say it where there is no worker."""
        if self._client.status != "running":
            raise StateError(
                f"the Dask scheduler at {self._address} is gone; what is complete is kept: start "
                "again to continue"
            )
        if self._client.nthreads():
            self._alone_since = monotonic()
        elif monotonic() - self._alone_since > _ALONE_S:
            self._alone_since = monotonic()
            self._say("the cluster has no worker; waiting for one")

    def close(self) -> None:
        """Give up what is in work."""
        with suppress(Exception):  # of a scheduler that is gone
            self._client.cancel([future for _, _, future in self._tasks.values()])
        if self._own:
            with suppress(Exception):
                self._client.close(timeout=_LOOK_S)
