"""Is this whole and sound? Some runtimes crash the process on a truncated model file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["check_model", "has_int8_layers", "refused_operators"]

# Builtin operators that keep variables, by code: a model that holds one carries state from beat to
# beat. Code 32 is any custom operator, which only TensorFlow's Flex delegate or a plug-in has.
_STATEFUL = {129: "CALL_ONCE", 142: "VAR_HANDLE", 143: "READ_VARIABLE", 144: "ASSIGN_VARIABLE"}
_CUSTOM = 32

# Code of the operator, and of the type of weights, that `has_int8_layers` looks for.
_FULLY_CONNECTED, _INT8 = 9, 9

# What the fields of each table hold, by slot in TensorFlow Lite's schema, version 3: a number of
# bytes is a vector of such elements, a name a table, a list of one name a vector of such tables.
# Fields that are left out are scalars, or tables that runtimes read with their own checks.
_SCHEMA: dict[str, dict[int, Any]] = {
    "Model": {1: ["Code"], 2: ["Graph"], 3: 1, 4: ["Buffer"], 6: ["Metadata"], 7: ["Signature"]},
    "Code": {1: 1},
    "Graph": {0: ["Tensor"], 1: 4, 2: 4, 3: ["Operator"], 4: 1},
    "Tensor": {0: 4, 3: 1, 4: "Quantisation", 7: 4},
    "Quantisation": {0: 4, 1: 4, 2: 4, 3: 8},
    "Operator": {1: 4, 2: 4, 4: "Options", 5: 1},
    "Options": {},
    "Buffer": {0: 1},
    "Metadata": {0: 1},
    "Signature": {0: ["Map"], 1: ["Map"], 2: 1},
    "Map": {0: 1},
}


class _Table:
    """One table: its fields by slot, vectors as (start, length), tables within as `_Table`."""

    def __init__(self, content: bytes, at: int, kind: str) -> None:
        self.content = content
        self.at = at
        vtable = at - self._read("<i", at)
        size = self._read("<H", vtable)
        if size < 4 or vtable + size > len(content):
            raise ValueError(f"a {kind} table lies outside")
        if at + self._read("<H", vtable + 2) > len(content):
            raise ValueError(f"a {kind} table is cut off")
        self.offsets = struct.unpack_from(f"<{(size - 4) // 2}H", content, vtable + 4)
        self.vectors: dict[int, tuple[int, int]] = {}
        self.tables: dict[int, list[_Table]] = {}
        for slot, holds in _SCHEMA[kind].items():
            start = self._field(slot)
            if start is None:
                continue
            target = start + self._read("<I", start)
            if isinstance(holds, str):
                self.tables[slot] = [_Table(content, target, holds)]
                continue
            length = self._read("<I", target)
            width = holds if isinstance(holds, int) else 4
            if target + 4 + length * width > len(content):
                raise ValueError(f"a vector of a {kind} table is cut off")
            self.vectors[slot] = (target + 4, length)
            if isinstance(holds, list):
                elements = range(target + 4, target + 4 + 4 * length, 4)
                self.tables[slot] = [
                    _Table(content, e + self._read("<I", e), holds[0]) for e in elements
                ]

    def _read(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self.content) - struct.calcsize(form):
            raise ValueError("an offset points outside")
        return int(struct.unpack_from(form, self.content, at)[0])

    def _field(self, slot: int) -> int | None:
        offset = self.offsets[slot] if slot < len(self.offsets) else 0
        return self.at + offset if offset else None

    def number(self, slot: int) -> int:
        """A 32-bit scalar field; zero where it is left out."""
        at = self._field(slot)
        return 0 if at is None else self._read("<I", at)

    def byte(self, slot: int) -> int:
        """An 8-bit scalar field; zero where it is left out."""
        at = self._field(slot)
        return 0 if at is None else self._read("<b", at)

    def text(self, slot: int) -> str:
        """A string; empty where it is left out."""
        start, length = self.vectors.get(slot, (0, 0))
        return self.content[start : start + length].decode("utf-8", "replace")

    def integers(self, slot: int) -> Iterator[int]:
        """A vector of 32-bit integers."""
        start, length = self.vectors.get(slot, (0, 0))
        yield from struct.unpack_from(f"<{length}i", self.content, start)


def check_model(content: bytes) -> None:
    """Check that every table, vector and index of a TFLite file lies inside it.

    Raises
    ------
    ValueError
        Something does not; the message says what.
    """
    if content[4:8] != b"TFL3":
        raise ValueError("it has no mark TFL3")
    model = _Table(content, struct.unpack_from("<I", content)[0], "Model")
    codes, graphs, buffers = (model.tables.get(slot, []) for slot in (1, 2, 4))
    if not graphs:
        raise ValueError("it holds no graph")
    for graph in graphs:
        tensors, operators = graph.tables.get(0, []), graph.tables.get(3, [])
        if any(tensor.number(2) >= len(buffers) for tensor in tensors):
            raise ValueError("a tensor has no buffer")
        if any(operator.number(0) >= len(codes) for operator in operators):
            raise ValueError("an operator has no code")
        ends = [graph.integers(1), graph.integers(2)]
        ends += [operator.integers(slot) for operator in operators for slot in (1, 2)]
        # Minus one is an optional input that is not given.
        if any(not -1 <= index < len(tensors) for end in ends for index in end):
            raise ValueError("a tensor that is named does not exist")


def refused_operators(content: bytes) -> list[str]:
    """Names of operators that no runtime here may run: custom ones, and those that keep variables.

    Parameters
    ----------
    content : bytes
        A file that `check_model` passed.
    """
    model = _Table(content, struct.unpack_from("<I", content)[0], "Model")
    found = []
    for operator in model.tables.get(1, []):
        code = _code(operator)
        if code == _CUSTOM:
            found.append(operator.text(1) or "a custom operator")
        elif code in _STATEFUL:
            found.append(_STATEFUL[code])
    return found


def has_int8_layers(content: bytes) -> bool:
    """Whether a dense layer, or a step of an LSTM layer, has int8 weights.

    Parameters
    ----------
    content : bytes
        A file that `check_model` passed.
    """
    model = _Table(content, struct.unpack_from("<I", content)[0], "Model")
    codes = [_code(operator) for operator in model.tables.get(1, [])]
    for graph in model.tables.get(2, []):
        tensors = graph.tables.get(0, [])
        for operator in graph.tables.get(3, []):
            if codes[operator.number(0)] == _FULLY_CONNECTED:
                _, weights, *_ = operator.integers(1)
                if tensors[weights].byte(1) == _INT8:
                    return True
    return False


def _code(operator: _Table) -> int:
    """Which operator it is; codes beyond a byte have a field of their own, unknown to old files."""
    return max(operator.byte(0), operator.number(3))
