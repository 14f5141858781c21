"""Opens a model of unknown origin in a process of its own first, so that no crash is this one's."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass

from ..processes import module_command

__all__ = ["Refusal", "try_model"]

# Seconds for everything, the import of TensorFlow on a small board among it.
_WAIT_S = 180.0

_outcomes: dict[tuple[str, str], Refusal | None] = {}


@dataclass(frozen=True)
class Refusal:
    """Why a model is not opened."""

    reason: str
    """What happened, with the runtime's name."""
    loaded: bool = False
    """The runtime took the file; another would do no better."""


def try_model(content: bytes, origin: str, backend: str) -> Refusal | None:
    """Open a model and run it, by one beat and by many, in a process with limits.

    The outcome is kept for this process: the same bytes are tried once a runtime.

    Parameters
    ----------
    content : bytes
        A file that `check_model` passed.
    origin : str
        What to call it in messages.
    backend : str
        One of `BACKENDS`.

    Returns
    -------
    Refusal or None
        None where it went well.
    """
    key = hashlib.sha256(content).hexdigest(), backend
    if key not in _outcomes:
        _outcomes[key] = _try(content, origin, backend)
    return _outcomes[key]


def _try(content: bytes, origin: str, backend: str) -> Refusal | None:
    head = json.dumps({"origin": origin, "backend": backend}).encode() + b"\n"
    if not sys.executable or getattr(sys, "frozen", False):
        return Refusal(
            f"{backend} was not tried: there is no Python to start a process with; use a built-in "
            "model, or open this one in Python with Classifier(path, trusted=True) if you trust it"
        )
    try:
        done = subprocess.run(
            module_command("ecgfast.runtime._trial"),
            input=head + content,
            capture_output=True,
            timeout=_WAIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Refusal(f"{backend} does not end within {_WAIT_S:g} s")
    except OSError as error:
        return Refusal(f"{backend} cannot be tried in a process of its own ({error.strerror})")
    if done.returncode < 0:
        return Refusal(f"{backend} dies of it ({_signal_name(-done.returncode)})")
    try:
        reply = json.loads(done.stdout)
        if reply is None:
            return None
        return Refusal(str(reply["reason"]), bool(reply["loaded"]))
    except (ValueError, TypeError, KeyError):
        last = ": ".join(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:])
        return Refusal(f"{backend} dies of it (exit status {done.returncode}) {last}".rstrip())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
