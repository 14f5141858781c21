"""The process of `trial`: a model on standard input, how it went on standard output."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from .backends import _probe, open_interpreter
from .classifier import BATCH, _Session

# Beyond what the process holds once it can run the smallest model: ten times what the largest
# built-in model takes for a batch.
_MEMORY = 512 << 20
_TOO_MUCH = f"needs more than {_MEMORY >> 20} MB"
_CPU_S = 30


def _limit() -> None:
    """Bound memory and time, where the system can: a model that takes more is refused."""
    try:
        import resource
    except ImportError:
        return
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, int(used) + _CPU_S)]
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        wanted.append((resource.RLIMIT_AS, pages * resource.getpagesize() + _MEMORY))
    for which, most in wanted:
        hard = resource.getrlimit(which)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(which, (most if hard < 0 else min(most, hard), hard))


def _run(content: bytes, origin: str, backend: str) -> dict[str, Any] | None:
    """Run a model as `Classifier` does; what a runtime cannot do with it."""
    generator = np.random.default_rng(1)
    batch: int | None = None
    while True:
        try:
            open_interpreter(content, origin, backend=backend, batch=batch, trusted=True)
        except (ModelError, MemoryError) as error:
            reason = str(error).removeprefix(f"{origin}: ") or _TOO_MUCH
            return {"reason": reason, "loaded": batch is not None}
        try:
            session = _Session(content, origin, backend, 1, batch, trusted=True)
            for _ in range(2):  # zeros first
                session.run()
                for buffer in session.buffers.values():
                    buffer[...] = generator.standard_normal(buffer.shape)
        except ModelError:
            return None  # of another shape than wanted, which the caller will see for itself
        except MemoryError:
            return {"reason": _TOO_MUCH, "loaded": True}
        except (RuntimeError, ValueError) as error:
            return {"reason": f"cannot be run ({' '.join(str(error).split())})", "loaded": True}
        if batch is not None or not session.resizable:
            return None
        batch = BATCH


def main() -> None:
    """Take a model from standard input and tell how it went."""
    # Runtimes print: what is told stays alone on standard output.
    reply = os.dup(1)
    os.dup2(2, 1)
    head = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    _probe(head["backend"])  # what the runtime itself takes is not the model's
    _limit()
    outcome = _run(content, **head)
    os.write(reply, json.dumps(outcome).encode())
    # Past the runtime's own end, where a file that passed could still do harm.
    os._exit(0)


if __name__ == "__main__":
    main()
