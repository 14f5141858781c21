"""How signal files of WFDB records store samples: signal(5) of the WFDB Applications Guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._samples import unpack_212

__all__ = ["COMPRESSED", "LAYOUTS", "IntArray", "Layout"]

IntArray = npt.NDArray[np.signedinteger[Any]]

#: Compressed formats with their bits a sample.
COMPRESSED = {508: 8, 516: 16, 524: 24}


@dataclass(frozen=True)
class Layout:
    """How a format stores samples: so many in `size` bytes, and the value of a missing one."""

    samples: int
    size: int
    missing: int | None
    decode: Callable[[bytes], IntArray]

    def count(self, size: int) -> int:
        """Return how many samples `size` bytes hold."""
        whole, rest = divmod(size, self.size)
        if (
            self.samples == 2
        ):  # a lone last sample of format 212 takes two of the pair's three bytes
            return whole * 2 + (1 if rest >= 2 else 0)
        return whole * self.samples


def _decode_24(data: bytes) -> IntArray:
    """Decode 24-bit little-endian samples."""
    triples = np.frombuffer(data, np.uint8, len(data) // 3 * 3).reshape(-1, 3)
    wide = np.zeros((len(triples), 4), np.uint8)
    # Into the high bytes, then shifted down: the shift extends the sign.
    wide[:, 1:] = triples
    return wide.view("<i4")[:, 0] >> 8


def _decode_212(data: bytes) -> IntArray:
    """Decode pairs of 12-bit samples packed in three bytes."""
    # A lone last sample takes two of the pair's bytes.
    out = np.empty(len(data) // 3 * 2 + len(data) % 3 // 2, np.int16)
    unpack_212(data, out)
    return out


def _decode_310(data: bytes) -> IntArray:
    """Decode triples of 10-bit samples: two 11-bit fields, the third from the high bits of both."""
    words = np.frombuffer(data, "<u2", len(data) // 4 * 2).reshape(-1, 2).astype(np.int32)
    third = (words[:, 0] >> 11) | (words[:, 1] >> 11) << 5
    return _ten_bits([words[:, 0] >> 1, words[:, 1] >> 1, third])


def _decode_311(data: bytes) -> IntArray:
    """Decode triples of 10-bit samples, one after the other in 32 bits."""
    words = np.frombuffer(data, "<u4", len(data) // 4).astype(np.int64)
    return _ten_bits([words, words >> 10, words >> 20])


def _ten_bits(columns: list[IntArray]) -> IntArray:
    """Return the low ten bits of the columns, with their sign, interleaved."""
    digits = np.stack(columns, axis=1).astype(np.int32) & 0x3FF
    return (digits - ((digits & 0x200) << 1)).reshape(-1)


def _decode_words(dtype: str, zero: int = 0) -> Callable[[bytes], IntArray]:
    """Return a decoder of plain integers, offset by `zero`."""
    kind = np.dtype(dtype)

    def decode(data: bytes) -> IntArray:
        plain = np.frombuffer(data, kind, len(data) // kind.itemsize)
        return plain.astype(np.int32) - zero if zero else plain

    return decode


#: How samples of each format are stored, but of the compressed ones.
LAYOUTS: dict[int, Layout] = {
    0: Layout(1, 1, None, _decode_words("i1")),
    8: Layout(1, 1, None, _decode_words("i1")),
    16: Layout(1, 2, -(1 << 15), _decode_words("<i2")),
    24: Layout(1, 3, -(1 << 23), _decode_24),
    32: Layout(1, 4, -(1 << 31), _decode_words("<i4")),
    61: Layout(1, 2, -(1 << 15), _decode_words(">i2")),
    80: Layout(1, 1, -(1 << 7), _decode_words("u1", 1 << 7)),
    160: Layout(1, 2, -(1 << 15), _decode_words("<u2", 1 << 15)),
    212: Layout(2, 3, -(1 << 11), _decode_212),
    310: Layout(3, 4, -(1 << 9), _decode_310),
    311: Layout(3, 4, -(1 << 9), _decode_311),
}
