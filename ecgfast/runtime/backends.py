"""Which TFLite runtime there is: found by building an interpreter, not by importing a module."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from platform import machine
from tempfile import TemporaryFile
from typing import Any

from .._interrupts import interrupts_wait
from ..errors import MissingRuntimeError, ModelError, NotBuiltError, is_not_built
from .flatbuffer import has_int8_layers
from .forks import BUILDING
from .trial import try_model

__all__ = ["BACKENDS", "available_backends", "chosen_backend", "open_interpreter", "quiet_runtime"]

#: Runtimes in the order tried: the maintained one, its small predecessor, all of TensorFlow; and
#: the C core, which is always there, has the operators of the built-in models, and is slower.
BACKENDS = ("ai-edge-litert", "tflite-runtime", "tf.lite", "ecgfast")

# The small ones, which are always looked for; the one that is no other package.
_SMALL, _OWN = BACKENDS[:2], BACKENDS[-1]

#: Environment variable that names the runtime to use.
VARIABLE = "ECGFAST_RUNTIME"

# One tensor and no operator: the smallest file that every runtime builds an interpreter for.
_SMALLEST_MODEL = bytes.fromhex(
    "1800000054464c3300000e00140010000c000800000004000e000000100000001c0000008400000003000000"
    "0100000008000000040004000400000001000000100000000c00140010000c00080004000c00000010000000"
    "1000000014000000180000000000000001000000000000000100000000000000010000001000"
    "00000c000c0008000000000004000c000000080000000c0000000100000078000000010000000100000000000000"
)

# How a runtime's own lines begin, those of the libraries within it too ("I0000 00:00:17...").
_OF_RUNTIME = re.compile(rb"(INFO|WARNING|ERROR): |[IWEF]\d{4} |(Warning|Error) in cpuinfo: ")

# What systems call the 64-bit processors of a Pi.
_ARM64 = ("aarch64", "arm64")

_found: dict[str, Any] = {}  # interpreter class, or the reason why there is none


def _probe(name: str) -> Any:
    """Interpreter class of a runtime, or one line that says why it cannot be used."""
    # Its symbols and TensorFlow's clash: models then fail to load or crash the process.
    if name == "tflite-runtime" and "tensorflow" in sys.modules and name not in _found:
        return "cannot be loaded into a process that has imported TensorFlow"
    with interrupts_wait(), BUILDING:
        if name not in _found:
            _found[name] = _build_once(name)
        return _found[name]


def _build_once(name: str) -> Any:
    if name == _OWN:
        try:
            from .own_interpreter import OwnInterpreter
        except ImportError as error:
            if is_not_built(error):
                raise NotBuiltError from None
            raise
        return OwnInterpreter
    try:
        if name == "ai-edge-litert":
            interpreter = import_module("ai_edge_litert.interpreter").Interpreter
        elif name == "tflite-runtime":
            interpreter = import_module("tflite_runtime.interpreter").Interpreter
        else:
            interpreter = import_module("tensorflow").lite.Interpreter
    except ModuleNotFoundError:
        return "is not installed"
    except Exception as error:
        return f"fails to import ({_first_line(error)})"
    try:
        with quiet_runtime():
            interpreter(model_content=_SMALLEST_MODEL, num_threads=1).allocate_tensors()
    except Exception as error:  # tflite-runtime under numpy 2 raises SystemError only here
        return f"is installed and does not work ({_first_line(error)})"
    return interpreter


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


@contextmanager
def quiet_runtime() -> Iterator[None]:
    """Drop what a runtime writes to standard error while it loads or builds; failures raise anyway.

    Standard error is the whole process's: what other threads write meanwhile is passed on after.
    """
    with ExitStack() as stack:
        try:
            aside = stack.enter_context(TemporaryFile())
            kept = os.dup(2)
        except OSError:  # no standard error, or nowhere to put it aside
            yield
            return
        try:
            os.dup2(aside.fileno(), 2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tf.lite announces its end at every interpreter
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            others = [line for line in aside if not _OF_RUNTIME.match(line)]
            # Where nobody reads standard error there is nobody to tell.
            with suppress(OSError), open(2, "wb", closefd=False) as shown:
                shown.writelines(others)


def available_backends() -> tuple[str, ...]:
    """Names of the runtimes that work here, best first; the last one is ecgfast's own.

    TensorFlow is tried only where it is already imported or there is no smaller one, as importing
    it takes seconds.

    Examples
    --------
    >>> from ecgfast.runtime import available_backends
    >>> available_backends()[-1]
    'ecgfast'
    """
    found = [name for name in _SMALL if not isinstance(_probe(name), str)]
    if ("tensorflow" in sys.modules or not found) and not isinstance(_probe("tf.lite"), str):
        found.append("tf.lite")
    return (*found, _OWN)


def chosen_backend(backend: str | None = None) -> str:
    """The runtime that `open_interpreter` tries first."""
    return backend or os.environ.get(VARIABLE) or available_backends()[0]


def open_interpreter(
    content: bytes,
    origin: str,
    *,
    backend: str | None = None,
    num_threads: int = 1,
    batch: int | None = None,
    trusted: bool = False,
) -> tuple[Any, str]:
    """Build an interpreter for a model with the first runtime that can.

    Parameters
    ----------
    content : bytes
        The .tflite file; keep it alive as long as the interpreter.
    origin : str
        What to call the model in messages: its file.
    backend : str, optional
        One of `BACKENDS`, and no other is tried; else the environment variable ECGFAST_RUNTIME,
        else each of `BACKENDS` in turn, ecgfast's own where no other works.
    num_threads : int, default 1
        Threads of the interpreter.
    batch : int, optional
        Resize the first axis of every input to this.
    trusted : bool, default False
        The file is known: open it at once, and not in a process of its own first.

    Returns
    -------
    interpreter, str
        The interpreter, tensors allocated, and the name of its runtime.

    Raises
    ------
    ModelError
        The name is unknown, the named runtime does not work, or none can load the model.
    MissingRuntimeError
        The model has operators that ecgfast does not have itself, and no runtime is installed.
    """
    backend = backend or os.environ.get(VARIABLE) or None
    if backend is not None and backend not in BACKENDS:
        raise ModelError(f"no TFLite runtime {backend!r}: choose one of {', '.join(BACKENDS)}")
    reasons = []
    working = False
    for name in BACKENDS if backend is None else (backend,):
        if name not in _SMALL and backend is None and working:
            break  # importing TensorFlow would take seconds, to meet the same damaged file
        interpreter = _probe(name)
        if isinstance(interpreter, str):
            reasons.append(f"{name} {interpreter}")
            continue
        working = True
        if name == "tflite-runtime" and machine() in _ARM64 and has_int8_layers(content):
            # Under emulation it ends the process, by the layers' widths and the size of a batch.
            reasons.append(
                f"{name} can crash on aarch64 on int8 layers: use the precision float32, or "
                "install ai-edge-litert"
            )
            continue
        # What reads nothing beyond the file, and takes limited time and memory, need not be tried.
        refusal = None if trusted or name == _OWN else try_model(content, origin, name)
        if refusal is not None and refusal.loaded:
            raise ModelError(f"{origin}: {refusal.reason}")
        if refusal is not None:
            reasons.append(refusal.reason)
            continue
        try:
            with interrupts_wait(), BUILDING, quiet_runtime():
                built = interpreter(model_content=content, num_threads=num_threads)
                if batch is not None:
                    for detail in built.get_input_details():
                        built.resize_tensor_input(
                            detail["index"], [batch, *(int(n) for n in detail["shape"][1:])]
                        )
                built.allocate_tensors()
        except (ValueError, RuntimeError, TypeError, SystemError) as error:
            reasons.append(f"{name} cannot load it ({_first_line(error)})")
            if (
                isinstance(error, NotImplementedError)
                and backend is None
                and all("not installed" in text for text in reasons[:-1])
            ):
                raise MissingRuntimeError(f"{origin}: {reasons[-1]}") from None
            continue
        return built, name
    raise ModelError(f"{origin}: {'; '.join(reasons)}")
