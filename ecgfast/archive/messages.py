"""Messages between a run and its worker processes."""

from __future__ import annotations

import pickle
from typing import IO, Any

__all__ = ["receive", "send"]


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message."""
    content = pickle.dumps(message)
    stream.write(len(content).to_bytes(8, "little") + content)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; None at the end of the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "little")
    content = stream.read(size)
    return pickle.loads(content) if len(content) == size else None
