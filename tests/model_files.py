"""Tiny TFLite files written byte by byte, so that the runtime is tested without TensorFlow."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import BeatStream
from ecgfast.core import FEATURE_NAMES
from ecgfast.runtime import InputSpec, ModelCard, available_backends
from ecgfast.window import WindowSpec

#: What a model answers to windows and features.
Answer = Callable[..., Any]
#: Shape of the features that a beat has.
FEATURES = (len(FEATURE_NAMES),)

# The runtimes on trial. tflite-runtime works in one process with TensorFlow if it comes first, so
# that tests which import TensorFlow import this before.
SMALL_RUNTIMES = ("ai-edge-litert", "tflite-runtime", "ecgfast")
_usable = available_backends()
each_backend = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(name not in _usable, reason=f"{name} does not work here")
        )
        for name in SMALL_RUNTIMES
    ],
)
#: Tests of what only a TFLite runtime does: the core's own networks need no trial.
needs_runtime = pytest.mark.skipif(
    set(_usable) <= {"ecgfast"}, reason="no TFLite runtime works here"
)

# Of TensorFlow Lite's schema, version 3.
FLOAT32, INT32, INT8 = 0, 2, 9
CONCATENATION, FULLY_CONNECTED, RESHAPE = 2, 9, 22
NO_OPTIONS, FULLY_CONNECTED_OPTIONS, CONCATENATION_OPTIONS = 0, 8, 10


def _pad(out: bytearray, to: int, ahead: int = 0) -> None:
    out.extend(b"\0" * (-(len(out) + ahead) % to))


def _write(out: bytearray, value: Any) -> int:
    """Append a table (dict by slot), vector (list, bytes or array) or text; return where."""
    if isinstance(value, dict):
        slots = max(value, default=-1) + 1
        _pad(out, 4, ahead=4 + 2 * slots)
        vtable = len(out)
        out += struct.pack("<HH", 4 + 2 * slots, 4 + 4 * len(value))
        where = {slot: 4 + 4 * i for i, slot in enumerate(value)}
        out += struct.pack(f"<{slots}H", *(where.get(slot, 0) for slot in range(slots)))
        at = len(out)
        out += struct.pack("<i", at - vtable)
        out += b"\0" * 4 * len(value)
        for slot, held in value.items():
            field = at + where[slot]
            if isinstance(held, int):
                struct.pack_into("<i", out, field, held)
            else:
                target = _write(out, held)
                struct.pack_into("<I", out, field, target - field)
        return at
    if isinstance(value, list) and value and isinstance(value[0], dict):
        _pad(out, 4)
        at = len(out)
        out += struct.pack("<I", len(value)) + b"\0" * 4 * len(value)
        for i, held in enumerate(value):
            field = at + 4 + 4 * i
            target = _write(out, held)
            struct.pack_into("<I", out, field, target - field)
        return at
    if isinstance(value, str):
        value = value.encode()
    vector = (
        np.frombuffer(value, np.uint8)
        if isinstance(value, bytes)
        else np.asarray(value, np.int32 if isinstance(value, list) else None)
    )
    _pad(out, 16, ahead=4)
    at = len(out)
    out += struct.pack("<I", len(vector)) + vector.tobytes() + b"\0"
    return at


def model_file(model: dict[int, Any]) -> bytes:
    """Bytes of a model that is given as tables by slot."""
    out = bytearray(b"\0\0\0\0TFL3")
    struct.pack_into("<I", out, 0, _write(out, model))
    _pad(out, 16)
    return bytes(out)


def affine_model(
    rng: np.random.Generator,
    window: tuple[int, ...],
    features: tuple[int, ...] | None,
    outputs: int,
    *,
    names: tuple[str, str] = ("window", "features"),
    features_first: bool = False,
    dynamic: bool = True,
    bias: float = 0.25,
    quantised: tuple[float, int] | None = None,
    more_operators: Sequence[tuple[int, str]] = (),
) -> tuple[bytes, Answer]:
    """A model that is an affine map of its inputs, and that map in NumPy.

    With `quantised` (scale, zero point) it copies an int8 window instead. `more_operators` are
    codes, and names for custom ones, that the file lists beside its own.
    """
    size = int(np.prod(window))
    width = size + (int(np.prod(features)) if features else 0)
    weights = rng.standard_normal((outputs, width)).astype("<f4")
    offset = np.full(outputs, bias, "<f4")
    kind = FLOAT32 if quantised is None else INT8
    buffers: list[dict[int, Any]] = [{}]
    tensors: list[dict[int, Any]] = []

    def tensor(name: str, shape: tuple[int, ...], data: Any = None, kind: int = kind) -> int:
        table: dict[int, Any] = {0: list(shape), 1: kind, 2: 0, 3: name}
        if data is not None:
            table[2] = len(buffers)
            buffers.append({0: data.tobytes()})
        elif dynamic:
            table[7] = [-1, *shape[1:]]
        if quantised is not None and kind == INT8:
            scale, zero = quantised
            table[4] = {2: np.array([scale], "<f4"), 3: np.array([zero], "<i8")}
        tensors.append(table)
        return len(tensors) - 1

    given = tensor(f"serving_default_{names[0]}:0", (1, *window))
    inputs = [given]
    shape = tensor("shape", (2,), np.array([-1 if dynamic else 1, size], "<i4"), INT32)
    x = tensor("flat", (1, size))
    operators = [{0: 0, 1: [given, shape], 2: [x]}]
    if features:
        more = tensor(f"serving_default_{names[1]}:0", (1, *features))
        inputs.insert(0 if features_first else 1, more)
        if len(features) > 1:
            ends = (-1 if dynamic else 1, width - size)
            row = tensor("features_flat", (1, width - size))
            to = tensor("features_shape", (2,), np.array(ends, "<i4"), INT32)
            operators.append({0: 0, 1: [more, to], 2: [row]})
            more = row
        together = tensor("together", (1, width))
        operators.append({0: 1, 1: [x, more], 2: [together], 3: CONCATENATION_OPTIONS, 4: {0: 1}})
        x = together
    if quantised is None:
        out = tensor("StatefulPartitionedCall_1:0", (1, outputs))
        ends = [x, tensor("weights", weights.shape, weights), tensor("bias", (outputs,), offset)]
        operators.append({0: 2, 1: ends, 2: [out], 3: FULLY_CONNECTED_OPTIONS, 4: {}})
        x = out
    codes = [{0: code, 2: 1, 3: code} for code in (RESHAPE, CONCATENATION, FULLY_CONNECTED)]
    codes += [{0: min(code, 127), 1: name, 2: 1, 3: code} for code, name in more_operators]
    graph = {0: tensors, 1: inputs, 2: [x], 3: operators}

    def answer(windows: Any, features: Any) -> Any:
        flat = np.asarray(windows).reshape(len(windows), size)
        joined = flat if features is None else np.concatenate([flat, features], axis=1)
        return joined @ weights.T + offset

    return model_file({0: 3, 1: codes, 2: [graph], 4: buffers}), answer


def save_model(
    folder: Path, name: str, content: bytes, classes: tuple[str, ...], **more: Any
) -> Path:
    """A file of `affine_model` with a card that says it labels beats; the file."""
    file = folder / f"{name}.tflite"
    file.write_bytes(content)
    entries: dict[str, Any] = {
        "description": "For tests",
        "task": "beats",
        "inputs": (InputSpec("window", (72, 2)), InputSpec("features", FEATURES)),
        "window": WindowSpec(*BeatStream(250.0).window),
        "precisions": {
            "float32": {
                "file": file.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    }
    ModelCard(name=name, classes=classes, **entries | more).save(folder / f"{name}.json")
    return file


#: Shapes of the inputs of `toy_model`.
TOY_WINDOW, TOY_FEATURES = (4, 2), (3,)


def toy_model(folder: Path, rng: np.random.Generator) -> Answer:
    """Write the affine model "toy" of five classes and its card; returns what it answers."""
    content, answer = affine_model(rng, TOY_WINDOW, TOY_FEATURES, 5)
    save_model(
        folder,
        "toy",
        content,
        ("N", "S", "V", "F", "Q"),
        inputs=(InputSpec("window", TOY_WINDOW, "mV"), InputSpec("features", TOY_FEATURES)),
        window=WindowSpec(125.0, 3, 1),
        lookahead=1,
    )
    return answer
