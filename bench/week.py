"""A week of signal through the live path: is memory flat, and is nothing drifting?

``python bench/week.py`` sends one synthetic hour (two leads at 360 Hz), or a recording
(``--record``), around and around, 168 hours in all, and prints JSON: how the beats of the last
whole loop differ from those of the second (in the first the detector learns), memory after each
loop, and the time it took. The exit status is 1 where an R peak moved, or memory grew by more than
a megabyte after the fourth loop. Labels may move a little: a patient's running templates are found
anew in each loop, and on some recordings two or three sets of them take turns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import Classifier
from ecgfast.records import Record, read_record, synthetic_ecg
from ecgfast.streaming import StreamingClassifier

_CHUNK_S = 120.0  # as `ecgfast classify` reads
_GROWTH = 1 << 20  # bytes: what allocators may take without a leak
_SETTLED = 4  # loops until every buffer has had its largest size

#: Sample, class, probability and RR interval of each beat.
_BEAT = np.dtype([("sample", "i8"), ("label", "i2"), ("probability", "f8"), ("rr", "f8")])
Beats = npt.NDArray[np.void]


def resident() -> int:
    """Bytes resident now; zero where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def labelled(record: Record, model: str, loops: int) -> Iterator[Beats]:
    """The beats of each whole loop, all but the last one's, in samples of the stream."""
    classifier = Classifier(model)
    labeller = StreamingClassifier(
        classifier, record.fs, n_leads=len(record.leads), lookahead=classifier.lookahead
    )
    number = {label: i for i, label in enumerate(classifier.classes)}
    length, step = record.n_samples, round(_CHUNK_S * record.fs)
    held = np.empty(0, _BEAT)
    for loop in range(loops):
        parts = [held]
        for begin in range(0, length, step):
            beats = labeller.process(record.signal[begin : begin + step])
            rows = [(b.sample, number[b.label], b.probability, b.rr) for b in beats]
            parts.append(np.array(rows, _BEAT))
        held = np.concatenate(parts)
        if loop:  # by now every beat of the loop before has been told
            before = held["sample"] < loop * length
            yield held[before]
            held = held[~before]


def trimmed(record: Record) -> Record:
    """Whole seconds of a recording: the detector works on a grid of several samples."""
    n = int(record.duration) * round(record.fs)
    return Record(record.signal[:n], record.fs, record.leads, name=record.name)


def compared(then: Beats, now: Beats, shift: int) -> dict[str, Any]:
    """How the beats of a late loop differ from those of an early one."""
    same = np.array_equal(then["sample"], now["sample"] - shift)
    found: dict[str, Any] = {
        "beats": len(then),
        "beats_late": len(now),
        "r_peaks_equal": same,
    }
    if same:
        found["labels_changed"] = int((then["label"] != now["label"]).sum())
        found["probability_moved"] = float(np.abs(then["probability"] - now["probability"]).max())
        found["rr_moved_s"] = float(np.abs(then["rr"] - now["rr"]).max())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=168.0)
    parser.add_argument("--record", help="a recording instead of the synthetic hour")
    parser.add_argument("--model", default="beats")
    args = parser.parse_args()
    record = (
        trimmed(read_record(args.record))
        if args.record
        else synthetic_ecg(
            3600.0, 360.0, ventricular=0.09, supraventricular=0.07, wander=0.12, muscle=0.012
        )
    )
    loops = max(_SETTLED + 2, round(3600 * args.hours / record.duration))
    memory: list[int] = []
    early = late = np.empty(0, _BEAT)
    beats = 0
    begin, cpu = perf_counter(), process_time()
    for loop, late in enumerate(labelled(record, args.model, loops)):
        memory.append(resident())
        beats += len(late)
        if loop == 1:
            early = late
    wall, cpu = perf_counter() - begin, process_time() - cpu
    samples = loops * record.n_samples
    settled = memory[_SETTLED:]
    result = {
        "hours": samples / record.fs / 3600,
        "fs": record.fs,
        "leads": len(record.leads),
        "samples": samples,
        "beats": beats,
        "loops": loops,
        "compared_loops": [2, loops - 1],
        "compared": compared(early, late, (loops - 3) * record.n_samples),
        "memory_bytes": {
            "first": memory[0],
            "settled": settled[0],
            "most": max(settled),
            "last": settled[-1],
        },
        "wall_s": wall,
        "cpu_s": cpu,
        "real_time_factor": samples / record.fs / wall,
    }
    print(json.dumps(result, indent=2))
    moved = not result["compared"]["r_peaks_equal"]
    return int(moved or max(settled) - settled[0] > _GROWTH)


if __name__ == "__main__":
    sys.exit(main())
