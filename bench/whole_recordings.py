"""How long ``ecgfast classify`` takes on half an hour and on a day, and how much memory.

``python bench/whole_recordings.py RECORDINGS`` joins the records of RECORDINGS/mitdb (two leads at
360 Hz) into one of 24 hours, runs the command on it, with both leads labelled and with the first,
and on one record, in processes of their own, each on one core, and prints JSON: ``wall_s`` and
``cpu_s`` of the whole process from its start to its end, ``memory_bytes`` (most ever resident), and
the beats found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ecgfast.records import open_record

_GAIN = 200.0  # steps a millivolt, as MIT-BIH has it

# The command, which then tells its memory.
_COMMAND = """
import sys
from ecgfast.benchmark.first_beat import most_resident
from ecgfast.cli import main
status = main(sys.argv[1:])
print(most_resident(), file=sys.stderr)
sys.exit(status)
"""


def join(records: list[Path], seconds: float, target: Path) -> None:
    """Write a WFDB record of `seconds` that holds `records` one after the other, as needed."""
    fs, written = 0.0, 0
    leads = 0
    with target.with_suffix(".dat").open("wb") as file:
        for path in cycle(records):
            source = open_record(path)
            fs, leads = source.fs, len(source.leads)
            left = round(seconds * fs) - written
            if left <= 0:
                break
            signal = source.fetch(0, min(left, source.n_samples))
            np.rint(np.nan_to_num(signal) * _GAIN).astype("<i2").tofile(file)
            written += len(signal)
    lines = [f"{target.name} {leads} {fs:g} {written}"]
    lines += [f"{target.name}.dat 16 {_GAIN:g} 12 0 0 0 0 ECG{i + 1}" for i in range(leads)]
    target.with_suffix(".hea").write_text("\n".join(lines) + "\n")


def measure(record: Path, folder: Path, model: str, *options: str) -> dict[str, Any]:
    """Run the command in a process of its own."""
    output = folder / "beats.ecg"
    arguments = ["classify", str(record), "--model", model, "--output", str(output), "--json"]
    arguments += ["--force", *options]
    command = [sys.executable, "-c", _COMMAND, *arguments]
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if sys.platform == "linux" else []
    before = os.times()
    begin = perf_counter()
    done = subprocess.run([*pin, *command], capture_output=True, text=True, check=False)
    wall = perf_counter() - begin
    after = os.times()
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    summary = told["summary"]
    return {
        "seconds": summary["duration"],
        "fs": summary["fs"],
        "leads": len(told["leads"]),
        "beats": summary["beats"],
        "model": told["model"],
        "form": told["form"],
        "runtime": told["runtime"],
        "wall_s": wall,
        "cpu_s": after.children_user + after.children_system - before[2] - before[3],
        "memory_bytes": int(done.stderr.split()[-1]),  # behind what the command says
        "annotation_bytes": output.stat().st_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--model", default="beats")
    args = parser.parse_args()
    records = sorted(path.with_suffix("") for path in (args.recordings / "mitdb").glob("*.hea"))
    if not records:
        parser.error(f"{args.recordings / 'mitdb'} holds no records")
    with tempfile.TemporaryDirectory(prefix="ecgfast-bench-") as scratch:
        folder = Path(scratch)
        joined = folder / "joined"
        join(records, 3600.0 * args.hours, joined)
        runs = {
            "half an hour": measure(records[0], folder, args.model),
            f"{args.hours:g} hours": measure(joined, folder, args.model),
            f"{args.hours:g} hours, first lead labelled": measure(
                joined, folder, args.model, "--no-average-leads"
            ),
        }
    print(json.dumps({"machine": platform.processor() or platform.machine(), **runs}, indent=2))


if __name__ == "__main__":
    main()
