"""Slow twin of the core's networks: a TFLite file, operator by operator, in plain NumPy."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TYPES = {0: np.dtype("<f4"), 2: np.dtype("<i4"), 9: np.dtype("i1")}
(ADD, CONCATENATION, CONV_2D, DEQUANTIZE, FULLY_CONNECTED, LOGISTIC, MAX_POOL_2D, MUL, RESHAPE) = (
    *(0, 2, 3, 6, 9, 14, 17, 18, 22),
)
(SOFTMAX, TANH, MEAN, STRIDED_SLICE, SPLIT, EXPAND_DIMS, REDUCE_MAX, PACK, UNPACK, SPLIT_V) = (
    *(25, 28, 40, 45, 49, 70, 82, 83, 88, 102),
)
QUANTIZE = 114


# ---- the file ----


class Table:
    """A table of a flatbuffer, its fields by slot."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at
        vtable = at - self._value("<i", at)
        size = self._value("<H", vtable)
        self.slots = struct.unpack_from(f"<{size // 2 - 2}H", content, vtable + 4)

    def _value(self, kind: str, at: int) -> Any:
        return struct.unpack_from(kind, self.content, at)[0]

    def scalar(self, slot: int, kind: str = "<i", absent: Any = 0) -> Any:
        there = slot < len(self.slots) and self.slots[slot]
        return self._value(kind, self.at + self.slots[slot]) if there else absent

    def _target(self, slot: int) -> int:
        if slot >= len(self.slots) or not self.slots[slot]:
            return 0
        at = self.at + self.slots[slot]
        return at + int(self._value("<I", at))

    def table(self, slot: int) -> Table | None:
        at = self._target(slot)
        return Table(self.content, at) if at else None

    def vector(self, slot: int, kind: str) -> Array:
        at = self._target(slot)
        count = self._value("<I", at) if at else 0
        return np.frombuffer(self.content, kind, count, at + 4 if at else 0)

    def tables(self, slot: int) -> list[Table]:
        start = self._target(slot) + 4
        places = [start + 4 * i for i in range(len(self.vector(slot, "<u4")))]
        return [Table(self.content, at + self._value("<I", at)) for at in places]


class Scale:
    """Scales and zero point of a tensor."""

    def __init__(self, tensor: Table) -> None:
        found = tensor.table(4)
        self.scales = found.vector(2, "<f4") if found else np.empty(0, "<f4")
        zeros = found.vector(3, "<i8") if found else np.empty(0, "<i8")
        self.scale = self.scales[0] if len(self.scales) else np.float32(0)
        self.zero = int(zeros[0]) if len(zeros) else 0


def run(content: bytes, inputs: list[Array]) -> list[Array]:
    """Outputs of a model for one set of inputs, in the order of the file."""
    model = Table(content, struct.unpack_from("<I", content)[0])
    codes = [max(c.scalar(0, "<b"), c.scalar(3)) for c in model.tables(1)]
    buffers, (graph,) = model.tables(4), model.tables(2)
    tensors = graph.tables(0)
    values: dict[int, Array] = {}
    for i, tensor in enumerate(tensors):
        data = buffers[tensor.scalar(2, "<I")].vector(0, "u1")
        if len(data):
            kind = _TYPES[tensor.scalar(1, "<b")]
            values[i] = data.view(kind).reshape(tensor.vector(0, "<i4"))
    values.update(zip(graph.vector(1, "<i4").tolist(), inputs, strict=True))
    for operator in graph.tables(3):
        taken = operator.vector(1, "<i4").tolist()
        made = operator.vector(2, "<i4").tolist()
        results = _operator(
            codes[operator.scalar(0, "<I")],
            operator.table(4),
            [values.get(i) for i in taken],
            [Scale(tensors[i]) if i >= 0 else None for i in taken],
            [Scale(tensors[i]) for i in made],
        )
        values.update(zip(made, results, strict=True))
    return [values[i] for i in graph.vector(2, "<i4").tolist()]


# ---- numbers in 32 bits: a multiplier / 2**31 and a shift ----


def multiplier(real: Any) -> tuple[Array, Array]:
    mantissa, exponent = np.frexp(np.asarray(real, np.float64))
    fixed = np.floor(mantissa * 2.0**31 + 0.5).astype(np.int64)
    full = fixed == 1 << 31
    return np.where(full, fixed // 2, fixed), exponent + full


def high_product(a: Any, b: Any) -> Array:
    product = np.asarray(a, np.int64) * b
    nudged = product + np.where(product < 0, 1 - (1 << 30), 1 << 30)
    return np.sign(nudged) * (np.abs(nudged) >> 31)


def halved(x: Any, exponent: Any) -> Array:
    """Division by 2**exponent, halves away from zero."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def rescaled(x: Any, fixed: Any, shift: Any) -> Array:
    up, down = np.maximum(shift, 0), np.maximum(-np.asarray(shift), 0)
    return halved(high_product(np.asarray(x, np.int64) << up, fixed), down)


def rescaled_once(x: Any, fixed: Any, shift: Any) -> Array:
    total = 31 - np.asarray(shift, np.int64)
    return (np.asarray(x, np.int64) * fixed + (np.int64(1) << (total - 1))) >> total


def rounded(x: Any) -> Array:
    """Halves away from zero."""
    return np.trunc(x + np.copysign(np.nextafter(np.float32(0.5), np.float32(0)), x))


def to_int8(x: Any) -> Array:
    return np.clip(x, -128, 127).astype(np.int8)


def limits(activation: int, out: Scale) -> tuple[float, float]:
    low, high = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}[activation]
    if out.scale:
        low, high = (rounded(np.float32(x) / out.scale) + out.zero for x in (low, high))
        low, high = max(low, -128), min(high, 127)
    return float(low), float(high)


# ---- operators ----


def _operator(
    code: int, options: Table | None, x: list[Any], scales: list[Any], out: list[Scale]
) -> list[Array]:
    def option(slot: int, kind: str = "<i", absent: int = 0) -> Any:
        return absent if options is None else options.scalar(slot, kind, absent)

    if code in (ADD, MUL):
        return [_binary(code, x, scales, out[0], limits(option(0, "<b"), out[0]))]
    if code in (LOGISTIC, TANH):
        return [_unary(code, x[0], scales[0], out[0])]
    if code == FULLY_CONNECTED:
        rows = x[0].reshape(-1, x[1].shape[1])
        result = _layer(rows, x, scales, out[0], limits(option(0, "<b"), out[0]), rescaled_once)
        keeps = option(2, "<b")
        return [result.reshape(*x[0].shape[:-1], -1) if keeps else result]
    if code in (CONV_2D, MAX_POOL_2D):
        size = x[1].shape[1:3] if code == CONV_2D else (option(4), option(3))
        empty = scales[0].zero if code == CONV_2D else np.nan if x[0].dtype == "f4" else -128
        patches = _patches(x[0], size, (option(2), option(1)), option(0, "<b") == 0, empty)
        ends = limits(option(3 if code == CONV_2D else 5, "<b"), out[0])
        if code == CONV_2D:
            flat = patches.reshape(*patches.shape[:3], -1)
            return [_layer(flat, x, scales, out[0], ends, rescaled)]
        return [np.clip(np.nanmax(patches, axis=(3, 4)), *ends).astype(x[0].dtype)]
    if code in (MEAN, REDUCE_MAX):
        axes = tuple({int(axis) % x[0].ndim for axis in x[1].ravel()})
        keeps = bool(option(0, "<b"))
        if code == REDUCE_MAX:
            return [np.max(x[0], axis=axes, keepdims=keeps)]
        return [_mean(x[0], axes, keeps, scales[0], out[0])]
    if code == SOFTMAX:
        return [_softmax(x[0], option(0, "<f"), scales[0])]
    if code == QUANTIZE:
        return [to_int8(rounded(x[0] / out[0].scale) + out[0].zero)]
    if code == DEQUANTIZE:
        return [scales[0].scale * (x[0].astype("f4") - scales[0].zero)]
    return _moved(code, option, x, len(out))


def _moved(code: int, option: Any, x: list[Any], parts: int) -> list[Array]:
    """All that only moves elements."""
    if code == RESHAPE:
        return [x[0].reshape(x[1])]
    if code == EXPAND_DIMS:
        return [np.expand_dims(x[0], int(x[1].ravel()[0]))]
    if code == CONCATENATION:
        return [np.concatenate(x, axis=option(0))]
    if code == PACK:
        return [np.stack(x, axis=option(1))]
    if code == UNPACK:
        return [np.take(x[0], i, axis=option(1)) for i in range(parts)]
    if code == SPLIT:
        return np.split(x[1], parts, axis=int(x[0].ravel()[0]))
    if code == SPLIT_V:
        axis = int(x[2].ravel()[0])
        sizes = np.where(x[1] < 0, x[0].shape[axis] - x[1][x[1] > 0].sum(), x[1])
        return np.split(x[0], np.cumsum(sizes)[:-1], axis=axis)
    assert code == STRIDED_SLICE, code
    index: list[Any] = []
    for i, (begin, end, step) in enumerate(zip(*(part.tolist() for part in x[1:4]), strict=True)):
        if option(4) >> i & 1:
            index.append(begin)
        else:
            whole = (option(0) >> i & 1, option(1) >> i & 1)
            index.append(slice(None if whole[0] else begin, None if whole[1] else end, step))
    return [x[0][tuple(index)]]


def _binary(
    code: int, x: list[Any], scales: list[Any], out: Scale, ends: tuple[float, float]
) -> Array:
    a, b = x
    if a.dtype == "f4":
        return np.clip(a * b if code == MUL else a + b, *ends).astype("f4")
    p, q = (v.astype(np.int64) - s.zero for v, s in zip(x, scales, strict=True))
    if code == MUL:
        raw, real = p * q, scales[0].scale * scales[1].scale / out.scale
    else:
        twice = 2.0 * float(max(s.scale for s in scales))
        parts = [
            rescaled(v << 20, *multiplier(float(s.scale) / twice))
            for v, s in zip((p, q), scales, strict=True)
        ]
        raw, real = parts[0] + parts[1], twice / (2.0**20 * float(out.scale))
    return np.clip(rescaled(raw, *multiplier(real)) + out.zero, *ends).astype(np.int8)


def _unary(code: int, x: Array, scale: Scale, out: Scale) -> Array:
    if x.dtype != "f4":
        x = scale.scale * (x.astype("f4") - scale.zero)
    exact = x.astype(np.float64)
    one = np.float32(1)
    with np.errstate(over="ignore"):  # to infinity, as it has to
        power = np.exp(-exact).astype("f4")
    y = np.tanh(exact).astype("f4") if code == TANH else one / (one + power)
    return to_int8(rounded(y * (one / out.scale)) + out.zero) if out.scale else y


def _layer(
    rows: Array, x: list[Any], scales: list[Any], out: Scale, ends: Any, scaled: Any
) -> Array:
    """A dense layer or convolution: each row times the weights."""
    weights, bias = x[1].reshape(len(x[1]), -1), x[2] if len(x) > 2 else None
    if rows.dtype == "f4":
        sums = rows.astype(np.float64) @ weights.T + (0 if bias is None else bias)
        return np.clip(sums, *ends).astype("f4")
    sums = (rows.astype(np.int64) - scales[0].zero) @ weights.T.astype(np.int64)
    sums = sums + (0 if bias is None else bias)
    both = scales[0].scale.astype(np.float64) * scales[1].scales.astype(np.float64)
    if scaled is rescaled_once and len(scales[1].scales) == 1:
        both = (scales[0].scale * scales[1].scales).astype(np.float64)
    fixed, shift = multiplier(both / np.float64(out.scale))
    return np.clip(scaled(sums, fixed, shift) + out.zero, *ends).astype(np.int8)


def _patches(x: Array, size: Any, stride: Any, padded: bool, empty: float) -> Array:
    """What a kernel sees at each place: (batch, y, x, kernel y, kernel x, channel)."""
    pads, counts = [(0, 0)], []
    for n, k, s in zip(x.shape[1:3], size, stride, strict=True):
        count = -(-n // s) if padded else (n - k) // s + 1
        missing = max((count - 1) * s + k - n, 0) if padded else 0
        pads.append((missing // 2, missing - missing // 2))
        counts.append(count)
    whole = np.pad(x, [*pads, (0, 0)], constant_values=empty)
    windows = np.lib.stride_tricks.sliding_window_view(whole, size, axis=(1, 2))
    chosen = windows[:, :: stride[0], :: stride[1]][:, : counts[0], : counts[1]]
    return np.moveaxis(chosen, 3, 5)


def _mean(x: Array, axes: tuple[int, ...], keeps: bool, scale: Scale, out: Scale) -> Array:
    if x.dtype == "f4":
        return np.mean(x, axis=axes, keepdims=keeps, dtype=np.float64).astype("f4")
    sums = np.sum(x.astype(np.int64) - scale.zero, axis=axes, keepdims=keeps)
    count = int(np.prod([x.shape[axis] for axis in axes]))
    fixed, shift = multiplier(float(scale.scale) / float(out.scale))
    more = min(count.bit_length() - 1, 31 + int(shift))
    return to_int8(rescaled(sums, (int(fixed) << more) // count, int(shift) - more) + out.zero)


# ---- softmax in fixed point ----


def exp_fixed(x: int) -> int:
    """e**x, in 31 bits after the point, of x <= 0 with 26."""
    if x == 0:
        return (1 << 31) - 1
    within = (x & ((1 << 24) - 1)) - (1 << 24)
    a = (within << 5) + (1 << 28)
    a2 = int(high_product(a, a))
    a3, a4 = int(high_product(a2, a)), int(high_product(a2, a2))
    terms = int(halved(high_product(int(halved(a4, 2)) + a3, 715827883) + a2, 1))
    result = 1895147668 + int(high_product(1895147668, a + terms))
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors):
        if (within - x) >> (24 + bit) & 1:
            result = int(high_product(result, factor))
    return result


def reciprocal_fixed(x: int) -> int:
    """1 / (1 + x) of x in 0..1, both with 31 bits after the point."""
    half = (x + (1 << 31)) // 2
    y = 1515870810 + int(high_product(half, -1010580540))
    for _ in range(3):
        y += int(high_product(y, (1 << 29) - int(high_product(half, y)))) << 2
    return min(y << 1, (1 << 31) - 1)


def _softmax(x: Array, beta: float, scale: Scale) -> Array:
    if x.dtype == "f4":
        powers = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(beta))
        return powers / powers.sum(axis=-1, keepdims=True)
    real = float(np.float32(beta)) * float(scale.scale) * 2.0**26
    fixed, shift = multiplier(min(real, 2.0**31 - 1))
    least = -int(np.floor(31.0 * 2.0**26 / 2.0 ** int(shift)))
    out = np.full(x.shape, -128, np.int8)
    for row in np.ndindex(x.shape[:-1]):
        steps = x[row].astype(int) - int(x[row].max())
        powers = [
            exp_fixed(int(high_product(d << int(shift), int(fixed)))) if d >= least else None
            for d in steps.tolist()
        ]
        total = sum(int(halved(p, 12)) for p in powers if p is not None)
        headroom = 32 - total.bit_length()
        inverse = reciprocal_fixed((total << headroom) - (1 << 31))
        for c, p in enumerate(powers):
            if p is not None:
                share = int(halved(high_product(inverse, p), 12 - headroom + 23)) - 128
                out[(*row, c)] = np.clip(share, -128, 127)
    return out
