"""Is this model file whole and sound? A runtime trusts what it reads and would crash on it.

The layout is TensorFlow Lite's schema, version 3. Runtimes read a file in place: an offset that
points outside, a vector that is too short, or a constant that is smaller than its shape makes them
read what is not theirs. Everything they follow is checked here first, at a bounded price.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from math import prod

__all__ = ["check_model", "has_int8_layers", "refused_operators"]

# Builtin operators that keep variables, by code: a model that holds one carries state from beat to
# beat. Code 32 is any custom operator, which only TensorFlow's Flex delegate or a plug-in has.
_STATEFUL = {129: "CALL_ONCE", 142: "VAR_HANDLE", 143: "READ_VARIABLE", 144: "ASSIGN_VARIABLE"}
_CUSTOM = 32
# The last operator of TensorFlow Lite proper: StableHLO's follow, with options of their own.
_LAST_OPERATOR = 161

# Code of the operator, and of the type of weights, that `has_int8_layers` looks for.
_FULLY_CONNECTED, _INT8 = 9, 9

# More than ten times what the largest built-in model holds: work on any file is bounded.
_MOST_TABLES = 100_000
# Bytes read over bytes there are. One that is pointed at many times is also held many times.
_MOST_READ = 4
# Bytes of one tensor, and of all that a graph computes, for one beat: a hundred times what a
# window of ten seconds needs.
_MOST_TENSOR, _MOST_TENSORS = 64 << 20, 256 << 20
_MOST_AXES = 8

# Bits of an element by the code of its type; text, resources and variants are left out: what they
# hold has a layout of its own.
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128, 12: 64}
_BITS |= {15: 32, 16: 16, 17: 4, 18: 16}

# What the fields of each table hold, by slot: a scalar's bytes, "[" and an element's bytes, text, a
# kind of table, "[" and a kind of table. "-" must be absent: sparse and external tensors, custom
# quantisation and options of StableHLO, which no model here has. A scalar and the union it tells
# the kind of are written "kind options".
_SCHEMA = {
    "Model": "4 [Code [Graph text [Buffer [4 [Metadata [Signature - -",
    "Code": "1 text 4 4",
    "Graph": "[Tensor [4 [4 [Operator text 4",
    "Tensor": "[4 1 4 text Quantisation 1 - [4 1 - -",
    "Quantisation": "[4 [4 [4 [8 1 - 4",
    "Operator": "4 [4 [4 1 options [1 1 [1 [4 8 8 1 - 4",
    "Buffer": "[1 8 8",
    "Metadata": "text 4",
    "Signature": "[Map [Map text - 4",
    "Map": "text 4",
}
# Options of operators: layout, and the codes of the tables that have it.
_OPTIONS = {
    "": [
        *(22, 24, 25, 26, 33, 34, 36, 38, 39, *range(41, 49), 51, 52, 53, 54, 56, 60, 62, 63, 65),
        *(66, 67, 68, 72, 73, 76, 78, *range(81, 87), 88, 89, 90, 91, *range(95, 101), 104, 105),
        *(108, 109, 110, 112, 113, *range(117, 127)),
    ],
    "1": [4, 12, 20, 21, 27, 29, 40, 50, 55, 57, 77, 80, 116],
    "1 1": [7, 11, 28, 37, 74, 102],
    "1 1 1": [31, 101],
    "1 1 1 1": [70],
    "1 1 1 1 1": [8],
    "1 4 4 1 1": [14, 49],
    "1 4 4 1 1 1": [69, 71],
    "1 4 4 1 4 4 1": [1],
    "1 4 4 4 1 4 4": [2],
    "1 4 4 4 1 4 4 4": [106],
    "1 4 4 4 4 1": [5],
    "4": [9, 16, 19, 35, 61, 75, 79, 94, 103],
    "4 1": [10],
    "4 1 1": [6, 107],
    "4 4": [23, 59, 64, 87, 92, 93],
    "4 4 1": [18],
    "4 4 1 1": [15],
    "4 4 4 1": [58],
    "4 4 4 4": [13],
    "4 4 4 4 4 1": [32],
    "4 [4 [4": [3],
    "8 8": [114],
    "[4": [17, 30, 115],
    "text text": [111],
}
_LAYOUT_OF = {code: layout for layout, codes in _OPTIONS.items() for code in codes}


class _File:
    """The bytes, and what has been read of them so far."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tables = 0
        self.bytes = 0

    def read(self, form: str, at: int) -> int:
        size = struct.calcsize(form)
        if not 0 <= at <= len(self.content) - size:
            raise ValueError("an offset points outside")
        if at % size:
            raise ValueError("an offset points between two words")
        return int(struct.unpack_from(form, self.content, at)[0])

    def count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > _MOST_READ * len(self.content):
            raise ValueError("its parts point at each other's bytes over and over")

    def root(self) -> _Table:
        """The table that everything hangs on."""
        return _Table(self, self.read("<I", 0), "Model")


class _Table:
    """One table: its fields by slot, vectors as (start, length), tables within as `_Table`.

    Kinds of tables form no circle, so that the depth is that of the schema.
    """

    def __init__(self, file: _File, at: int, kind: str, layout: str | None = None) -> None:
        self.file = file
        self.at = at
        file.tables += 1
        if file.tables > _MOST_TABLES:
            raise ValueError(f"it holds more than {_MOST_TABLES} tables")
        vtable = at - file.read("<i", at)
        size, inline = file.read("<H", vtable), file.read("<H", vtable + 2)
        if size < 4 or size % 2 or vtable + size > len(file.content):
            raise ValueError(f"a table {kind} lies outside")
        if inline < 4 or at + inline > len(file.content):
            raise ValueError(f"a table {kind} is cut off")
        file.count(inline)
        self.offsets = struct.unpack_from(f"<{size // 2 - 2}H", file.content, vtable + 4)
        self.vectors: dict[int, tuple[int, int]] = {}
        self.tables: dict[int, list[_Table]] = {}
        holds = (_SCHEMA[kind] if layout is None else layout).split()
        for slot, offset in enumerate(self.offsets):
            if not offset:
                continue
            if slot >= len(holds):
                raise ValueError(f"a table {kind} has a field of a newer version of the format")
            what = holds[slot]
            if what == "-":
                raise ValueError(f"a table {kind} has a field that is not supported ({slot})")
            width = int(what) if what.isdigit() else 4
            if offset < 4 or offset + width > inline or (at + offset) % width:
                raise ValueError(f"a field of a table {kind} lies outside it")
            if not what.isdigit():
                self._follow(slot, what, kind)

    def _follow(self, slot: int, what: str, kind: str) -> None:
        """Check what an offset field leads to."""
        file, start = self.file, self.at + self.offsets[slot]
        target = start + file.read("<I", start)
        if what == "options":
            code = self.byte(slot - 1) & 0xFF
            if code not in _LAYOUT_OF:
                raise ValueError(f"an operator has options of an unknown kind ({code})")
            self.tables[slot] = [_Table(file, target, "Options", _LAYOUT_OF[code])]
            return
        if what in _SCHEMA:
            self.tables[slot] = [_Table(file, target, what)]
            return
        length = file.read("<I", target)
        inner = what.removeprefix("[")
        width = 1 if what == "text" else int(inner) if inner.isdigit() else 4
        begin, end = target + 4, target + 4 + length * width
        if end + (what == "text") > len(file.content):
            raise ValueError(f"a vector of a table {kind} is cut off")
        if begin % width:
            raise ValueError(f"a vector of a table {kind} lies between two words")
        file.count(4 + length * width)
        self.vectors[slot] = (begin, length)
        if what == "text":
            if file.content[end]:
                raise ValueError(f"a text of a table {kind} has no end")
            file.content[begin:end].decode()
        elif inner in _SCHEMA:
            if length > _MOST_TABLES:
                raise ValueError(f"it holds more than {_MOST_TABLES} tables")
            self.tables[slot] = [
                _Table(file, e + file.read("<I", e), inner) for e in range(begin, end, 4)
            ]

    def _scalar(self, slot: int, form: str) -> int:
        offset = self.offsets[slot] if slot < len(self.offsets) else 0
        return self.file.read(form, self.at + offset) if offset else 0

    def number(self, slot: int) -> int:
        """A 32-bit scalar field; zero where it is left out."""
        return self._scalar(slot, "<I")

    def long(self, slot: int) -> int:
        """A 64-bit scalar field; zero where it is left out."""
        return self._scalar(slot, "<Q")

    def byte(self, slot: int) -> int:
        """An 8-bit scalar field; zero where it is left out."""
        return self._scalar(slot, "<b")

    def text(self, slot: int) -> str:
        """A string; empty where it is left out."""
        start, length = self.vectors.get(slot, (0, 0))
        return self.file.content[start : start + length].decode()

    def length(self, slot: int) -> int:
        """Elements of a vector."""
        return self.vectors.get(slot, (0, 0))[1]

    def integers(self, slot: int) -> Iterator[int]:
        """A vector of 32-bit integers."""
        start, length = self.vectors.get(slot, (0, 0))
        yield from struct.unpack_from(f"<{length}i", self.file.content, start)


def check_model(content: bytes) -> None:
    """Check a TFLite file, so that a runtime reads nothing beyond it and computes what it can.

    Every table, vector and text lies inside it, and so does every index; the numbers of tables
    and of bytes that tensors take are limited; a constant has the bytes of its shape; each
    operator's inputs are there before it runs.

    Raises
    ------
    ValueError
        Something is not so; the message says what.
    """
    if content[4:8] != b"TFL3":
        raise ValueError("it has no mark TFL3")
    try:
        model = _File(content).root()
    except UnicodeDecodeError:
        raise ValueError("a text is not UTF-8") from None
    codes, graphs, buffers = (model.tables.get(slot, []) for slot in (1, 2, 4))
    if not graphs:
        raise ValueError("it holds no graph")
    # Zero and one stand for data within the file; more is a place after it.
    if any(buffer.long(slot) > 1 for buffer in buffers for slot in (1, 2)):
        raise ValueError("a buffer lies outside the flatbuffer")
    indices = chain(model.integers(5), (entry.number(1) for entry in model.tables.get(6, [])))
    if any(not 0 <= index < len(buffers) for index in indices):
        raise ValueError("a description has no buffer")
    for graph in graphs:
        _check_graph(graph, codes, buffers)
    for signature in model.tables.get(7, []):
        if signature.number(4) >= len(graphs):
            raise ValueError("a signature has no graph")
        tensors = graphs[signature.number(4)].tables.get(0, [])
        maps = chain(signature.tables.get(0, []), signature.tables.get(1, []))
        if any(entry.number(1) >= len(tensors) for entry in maps):
            raise ValueError("a tensor that is named does not exist")


def _check_graph(graph: _Table, codes: list[_Table], buffers: list[_Table]) -> None:
    tensors, operators = graph.tables.get(0, []), graph.tables.get(3, [])
    total = 0
    known = set()  # tensors that hold something by now
    for i, tensor in enumerate(tensors):
        size = _check_tensor(tensor, buffers)
        data = buffers[tensor.number(2)].length(0)
        if data and data != size:
            raise ValueError(f"a constant of {size} bytes has {data} in the file")
        # A variable holds zeros at first.
        if data or not size or tensor.byte(5):
            known.add(i)
        total += size
    if total > _MOST_TENSORS:
        raise ValueError(f"its tensors take {total >> 20} MB: more than {_MOST_TENSORS >> 20}")
    constants = frozenset(known)
    inputs, outputs = list(graph.integers(1)), list(graph.integers(2))
    _check_indices(chain(inputs, outputs), 0, len(tensors))
    known.update(inputs)
    for operator in operators:
        if operator.number(0) >= len(codes):
            raise ValueError("an operator has no code")
        taken, made = list(operator.integers(1)), list(operator.integers(2))
        # Minus one is an optional input that is not given.
        _check_indices(chain(taken, operator.integers(8)), -1, len(tensors))
        _check_indices(made, 0, len(tensors))
        if any(index >= 0 and index not in known for index in taken):
            raise ValueError("an operator needs what is computed after it, or never")
        if any(index in constants and not tensors[index].byte(5) for index in made):
            raise ValueError("an operator writes into a constant")
        known.update(made)
    if not known.issuperset(outputs):
        raise ValueError("an output is never computed")


def _check_indices(indices: Iterator[int] | list[int], least: int, end: int) -> None:
    if any(not least <= index < end for index in indices):
        raise ValueError("a tensor that is named does not exist")


def _check_tensor(tensor: _Table, buffers: list[_Table]) -> int:
    """Bytes that a tensor takes for one beat."""
    if tensor.number(2) >= len(buffers):
        raise ValueError("a tensor has no buffer")
    if tensor.byte(1) not in _BITS:
        raise ValueError(f"a tensor has a type that is not supported ({tensor.byte(1)})")
    if max(tensor.length(0), tensor.length(7)) > _MOST_AXES:
        raise ValueError(f"a tensor has more than {_MOST_AXES} axes")
    shape, signature = list(tensor.integers(0)), list(tensor.integers(7))
    if any(n < 0 for n in shape):
        raise ValueError("a tensor has a negative shape")
    if signature and (
        len(signature) != len(shape)
        or any(s not in (-1, n) for s, n in zip(signature, shape, strict=True))
    ):
        raise ValueError("a tensor has two shapes that contradict each other")
    size = (prod(shape) * _BITS[tensor.byte(1)] + 7) // 8
    if size > _MOST_TENSOR:
        raise ValueError(f"a tensor takes {size >> 20} MB: more than {_MOST_TENSOR >> 20}")
    for quantisation in tensor.tables.get(4, []):
        scales, zeros = quantisation.length(2), quantisation.length(3)
        axis = quantisation.number(6)
        channels = shape[axis] if axis < len(shape) else 1
        if scales != zeros or scales not in (0, 1, channels):
            raise ValueError("a tensor has scales for other channels than its own")
    return size


def refused_operators(content: bytes) -> list[str]:
    """Names of operators that no runtime here may run: custom ones, and those that keep variables.

    Parameters
    ----------
    content : bytes
        A file that `check_model` passed.
    """
    found = []
    for operator in _File(content).root().tables.get(1, []):
        code = _code(operator)
        if code == _CUSTOM:
            found.append(operator.text(1) or "a custom operator")
        elif code in _STATEFUL:
            found.append(_STATEFUL[code])
        elif not 0 <= code <= _LAST_OPERATOR:
            found.append(f"operator {code}")
    return found


def has_int8_layers(content: bytes) -> bool:
    """Whether a dense layer, or a step of an LSTM layer, has int8 weights.

    Parameters
    ----------
    content : bytes
        A file that `check_model` passed.
    """
    model = _File(content).root()
    codes = [_code(operator) for operator in model.tables.get(1, [])]
    for graph in model.tables.get(2, []):
        tensors = graph.tables.get(0, [])
        for operator in graph.tables.get(3, []):
            if codes[operator.number(0)] == _FULLY_CONNECTED:
                weights = list(operator.integers(1))[1:2]
                if any(index >= 0 and tensors[index].byte(1) == _INT8 for index in weights):
                    return True
    return False


def _code(operator: _Table) -> int:
    """Which operator it is; codes beyond a byte have a field of their own, unknown to old files."""
    return max(operator.byte(0), operator.number(3))
