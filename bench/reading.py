"""CPU time and memory of reading 24 hours of two leads from WFDB and from CSV with a clock.

``python bench/reading.py`` writes the recordings into a temporary folder (about 1.2 GB), reads each
in a process of its own, and prints a Markdown table: CPU time, and by how much the highest memory
of the process exceeds that after its imports (Linux only). ``--hours 1`` is quick. ``pyarrow.csv``
with one thread is measured for comparison where pyarrow is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ecgfast.records import synthetic_ecg

_CSV_FS, _WFDB_FS = 250, 360
_GAP_S = 600  # of the CSV file with a gap, after a tenth of it

_MEASURE = """
import json, sys
from pathlib import Path
from time import process_time
{imports}
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM:")) / 1024
path, before, begin = sys.argv[1], peak(), process_time()
{work}
print(json.dumps([process_time() - begin, peak() - before]))
"""
_OURS = "from ecgfast.records import open_record, read_record"
_BLOCKS = "for block in open_record(path).blocks(60.0): pass"
_RECORD = "record = read_record(path)"
_ARROW = "import pyarrow.csv"
_ARROW_WORK = (
    "table = pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(use_threads=False))"
)


def write_csv(path: Path, hours: float, gap_s: int) -> None:
    """Write seconds with milliseconds, and two leads in mV."""
    hour = synthetic_ecg(3600.0, float(_CSV_FS), wander=0.1, muscle=0.01).signal
    values = [f",{a:.4f},{b:.4f}\n" for a, b in np.tile(hour[:, :1], 2).tolist()]
    n = round(hours * 3600 * _CSV_FS)
    step = 1000 // _CSV_FS  # milliseconds
    with path.open("w", encoding="ascii") as file:
        file.write("time (s),II (mV),V5 (mV)\n")
        for begin in range(0, n, len(values)):
            rows = range(begin, min(begin + len(values), n))
            late = [(k + gap_s * _CSV_FS * (k >= n // 10)) * step for k in rows]
            file.writelines(
                f"{t // 1000}.{t % 1000:03d}{v}" for t, v in zip(late, values, strict=False)
            )


def write_212(folder: Path, hours: float) -> Path:
    """Write a WFDB record of two leads in format 212."""
    signal = synthetic_ecg(3600.0, float(_WFDB_FS), wander=0.1, muscle=0.01).signal[:, 0]
    digits = np.rint(signal * 200).astype(np.int64) & 0xFFF
    # Both samples of a triple are the same: the two leads are.
    triples = np.stack([digits & 0xFF, digits >> 8 | digits >> 8 << 4, digits & 0xFF], axis=1)
    hour = triples.astype(np.uint8).tobytes()
    n = round(hours * 3600 * _WFDB_FS)
    with (folder / "w.dat").open("wb") as file:
        for begin in range(0, 3 * n, len(hour)):
            file.write(hour[: 3 * n - begin])
    lines = [f"w 2 {_WFDB_FS} {n}", *(f"w.dat 212 200 12 0 0 0 0 {x}" for x in ("II", "V5"))]
    (folder / "w.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
    return folder / "w.hea"


def measured(path: Path, imports: str, work: str) -> tuple[float, float]:
    """Return CPU seconds and MB of a process that does `work`."""
    code = _MEASURE.format(imports=imports, work=work)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = write_212(folder, args.hours)
        write_csv(folder / "even.csv", args.hours, 0)
        write_csv(folder / "gap.csv", args.hours, _GAP_S)
        megabytes = round((folder / "even.csv").stat().st_size / 1e6)
        rows = [
            (f"WFDB format 212, {_WFDB_FS} Hz, block by block", record, _OURS, _BLOCKS),
            (
                f"CSV with a clock, {_CSV_FS} Hz ({megabytes} MB), block by block",
                folder / "even.csv",
                _OURS,
                _BLOCKS,
            ),
            ("the same with a gap", folder / "gap.csv", _OURS, _BLOCKS),
            ("the same as a `Record`", folder / "even.csv", _OURS, _RECORD),
        ]
        if importlib.util.find_spec("pyarrow"):
            rows.append(
                ("the same in `pyarrow.csv`, one thread", folder / "even.csv", _ARROW, _ARROW_WORK)
            )
        print(f"| {args.hours:g} h of two leads | CPU, s | memory, MB |")
        print("| --- | --- | --- |")
        for what, path, imports, work in rows:
            seconds, memory = measured(path, imports, work)
            print(f"| {what} | {seconds:.1f} | {memory:,.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
