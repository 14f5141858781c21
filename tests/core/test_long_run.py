"""Hours of signal: memory stays flat, and the same signal gives the same R peaks hours later.

``bench/week.py`` does this for a week, with the model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from shared_ecgs import synthetic_ecg

from ecgfast import BeatStream
from ecgfast.records import open_record

LOOPS = 24


def resident() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.parametrize("method", ["adaptive", "pan-tompkins"])
def test_four_hours_later_the_same_signal_gives_the_same_beats(method) -> None:
    loop = synthetic_ecg(600.0, 250.0, ventricular=0.08, wander=0.1, muscle=0.01, seed=5).signal
    stream = BeatStream(250.0, n_leads=loop.shape[1], method=method)
    found, memory = [], []
    for _ in range(LOOPS):
        found += [
            stream.process(loop[begin : begin + 15_000]).sample
            for begin in range(0, len(loop), 15_000)
        ]
        memory.append(resident() if sys.platform == "linux" else 0)
    found.append(stream.flush().sample)
    peaks = np.concatenate(found)
    assert (np.diff(peaks) > 0).all()
    own = [peaks[peaks // len(loop) == i] - i * len(loop) for i in range(LOOPS)]
    assert len(own[1]) > 550
    for late in own[2:-1]:
        np.testing.assert_array_equal(late, own[1])
    assert max(memory[4:]) - memory[4] < 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("suffix", [".npy", ".edf"])
def test_a_long_file_does_not_become_resident(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"day{suffix}"
    if suffix == ".npy":
        np.lib.format.open_memmap(path, "w+", np.float32, (10_000_000, 1)).flush()
    else:
        edfio = pytest.importorskip("edfio")
        lead = edfio.EdfSignal(np.zeros(20_000_000), 250.0, label="ECG", physical_dimension="mV")
        edfio.Edf([lead]).write(path)
        del lead
    source = open_record(path, fs=250.0)
    before = resident()
    for _ in source.blocks(600.0):
        pass
    assert path.stat().st_size > 39e6
    assert resident() - before < 30e6
