"""The process that classifies batches: tasks on standard input, signs of life and outcomes back.

It ends when standard input does: a worker outlives neither the run nor the Dask worker that it
belongs to, whatever ended these.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
from contextlib import suppress
from pathlib import Path

from .. import __version__
from ..errors import EcgfastError
from .batches import Task, check_made, run_batch
from .classify import Annotator
from .messages import receive, send
from .settings import Settings
from .tables import without_pandas

__all__ = ["main"]

# A worker of a Dask cluster lives on when the run has ended; the memory of the model does not.
_IDLE_S = 300.0


def _limit(memory: int) -> None:
    """Bound what recordings may take beyond what the loaded process holds, where the system can."""
    try:
        import resource
    except ImportError:
        return
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def main() -> None:
    """Take tasks until standard input ends."""
    # Libraries print: messages stay alone on their own descriptor.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    faulthandler.enable()
    without_pandas()
    tasks: queue.Queue[tuple[Settings, int, Task]] = queue.Queue()

    def listen() -> None:
        while (message := receive(sys.stdin.buffer)) is not None:
            tasks.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    annotator: Annotator | None = None
    while True:
        try:
            settings, memory, task = tasks.get(timeout=_IDLE_S)
        except queue.Empty:
            os._exit(0)
        try:
            if annotator is None or annotator.settings != settings:
                annotator = Annotator(settings)
                _limit(memory)
            check_made(task, annotator, __version__)
            outcome = run_batch(task, annotator, lambda at: send(out, ("at", at)))
        except EcgfastError as error:
            send(out, ("error", (type(error).__name__, str(error))))
        else:
            send(out, ("done", outcome))


if __name__ == "__main__":
    main()
