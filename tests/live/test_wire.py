"""Samples on their way to a page: no peak is lost, and each block has its own scale."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.live.wire import Decimator, decode, encode


def cut(signal: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    at = np.sort(rng.integers(0, len(signal), 40))
    return np.split(signal, at)


@pytest.mark.parametrize("fs", [130.0, 250.0, 360.0, 500.0, 999.6, 1000.0, 2000.0])
def test_decimation_depends_on_no_chunks_and_keeps_every_extreme(
    fs: float, rng: np.random.Generator
) -> None:
    signal = rng.standard_normal((5003, 3)).astype(np.float32)
    signal[1000:1100, 1] = np.nan
    whole = Decimator(fs, 3)
    points = whole.process(signal)
    pieces = Decimator(fs, 3)
    parted = np.concatenate([pieces.process(piece) for piece in cut(signal, rng)])
    np.testing.assert_array_equal(points, parted)
    step = whole.step
    assert 250 <= fs / step < 500 or step == 1
    size = 2 * step if step > 1 else 1
    assert len(points) == (len(signal) // size) * (2 if step > 1 else 1)
    for i in range(len(signal) // size):
        block = signal[i * size : (i + 1) * size]
        shown = points[i * 2 : i * 2 + 2] if step > 1 else points[i : i + 1]
        for lead in range(3):
            values = block[:, lead]
            if np.isnan(values).all():
                assert np.isnan(shown[:, lead]).all()
                continue
            assert shown[:, lead].min() == np.nanmin(values)
            assert shown[:, lead].max() == np.nanmax(values)
            if step > 1 and not np.isnan(values).any():
                order = [list(values).index(v) for v in shown[:, lead]]
                assert order == sorted(order)


@pytest.mark.parametrize("gain", [1e-4, 1.0, 1e4, 1e25])
@pytest.mark.parametrize("offset", [0.0, 512.0, -1e6])
def test_what_is_decoded_is_what_was_encoded(
    gain: float, offset: float, rng: np.random.Generator
) -> None:
    points = (gain * (rng.standard_normal((777, 2)) + offset)).astype(np.float32)
    points[100:120, 0] = np.nan
    points[:, 1] = np.where(np.arange(777) < 600, points[:, 1], np.nan)
    message = encode(points, 10**9, 100)
    blocks = decode(message)
    assert [begin for begin, _ in blocks] == [10**9 + i for i in range(0, 777, 100)]
    found = np.concatenate([block for _, block in blocks])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(points))
    # Half a step of the scale, and the precision of the offset in float32.
    error = np.nanmax(np.abs(found.astype(float) - points.astype(float)))
    assert error <= 8 * gain / 60000 + 4e-7 * gain * abs(offset)


def test_an_artefact_makes_other_blocks_no_coarser() -> None:
    points = np.linspace(-1, 1, 200, dtype=np.float32).reshape(-1, 1)
    points[150] = 5000.0
    first, second = (block for _, block in decode(encode(points, 0, 100)))
    assert np.abs(first - points[:100]).max() < 2e-5
    assert second[50, 0] == pytest.approx(5000.0, rel=1e-6)


def test_flat_and_empty_messages() -> None:
    flat = np.full((5, 1), 3.25, np.float32)
    ((begin, found),) = decode(encode(flat, 7, 100))
    assert begin == 7
    np.testing.assert_array_equal(found, flat)
    assert decode(encode(np.empty((0, 4), np.float32), 0, 10)) == []
    ((_, none),) = decode(encode(np.full((3, 2), np.nan, np.float32), 0, 10))
    assert np.isnan(none).all()
