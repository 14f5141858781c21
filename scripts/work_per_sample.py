"""The most instructions that one sample takes, counted on an emulated Cortex-A53.

    python scripts/work_per_sample.py            # measure, write docs/work_per_sample.md
    python scripts/work_per_sample.py --check    # fail where a number has grown by 15 %

Needs aarch64-linux-gnu-gcc with its C library and qemu-system-aarch64 (Debian:
gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-system-arm); exit status 2 without them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulated import Row, differences, installed, run, table

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests" / "c" / "cortex_a53"
PAGE = ROOT / "docs" / "work_per_sample.md"
CC, QEMU = "aarch64-linux-gnu-gcc", "qemu-system-aarch64"
OPTIONS = (
    *("-std=c11", "-O3", "-ffp-contract=off", "-mcpu=cortex-a53", "-fno-stack-protector"),
    *("-ffunction-sections", "-fdata-sections", "-fno-tree-loop-distribute-patterns"),
    *("-Wall", "-Wextra", "-Wno-sign-compare", "-Werror"),
)
METHODS = {0: "Pan-Tompkins", 1: "adaptive", 3: "neural"}
SIGNALS = {
    "e": "an ECG",
    "t": "270 beats a minute",
    "w": "white noise",
    "r": "a random walk",
    "p": "pulses, ten a second",
    "a": "bursts of noise",
    "s": "spikes",
    "g": "gaps",
    "c": "changing gain",
}
# Of a Raspberry Pi 3: instructions a millisecond at 1.2 GHz and one in two cycles.
PER_MS = 600_000

HEAD = """# Work per sample

Made by `python scripts/work_per_sample.py`: the core, compiled for the Cortex-A53 of a Raspberry
Pi 3 ({compiler}, `-O3 -ffp-contract=off`), runs on an emulated one (QEMU's board `virt`) that
counts instructions. Each row gives the largest mean and the worst single sample of {signals}
signals of {seconds} s: an ECG, a tachycardia, noise, a random walk, pulses, spikes, bursts, gaps,
changing gains, and {pieces} random ones of the fuzzers' generator. This is a search, not a proof;
the bounds are below the table.

Time: at 1.2 GHz and 0.5 instructions a cycle, an assumption on the slow side (numerical code on a
Cortex-A53 runs at 0.5 to 0.8), 600,000 instructions take 1 ms. No Pi was measured.

"""
COLUMNS = (
    *("method", "windows", "fs, Hz", "leads", "instructions a sample, mean", "most"),
    *("most, ms on a Pi 3", "on"),
)
TAIL = """
What bounds the work at one sample, whatever the signal:

- **Windows**: at most one beat is worked on at a sample. A window is cut in parts of at most 16,384
  products (taps times points), one part a sample, and the features are made with the last part of
  the beat's. The strip of `normality` takes 1 sample up to 400 Hz and 5 at 2000 Hz (2.5 ms), one of
  2048 points 17. Beats that are reported together, as those of the first seconds, come out at one
  sample each.
- **`adaptive`**: at most 24 candidates wait, and at most one beat is accepted at each decimated
  sample (120 to 240 a second). The worst sample is the one that ends the first seconds, with the
  shapes of all candidates in all leads to compare: it grows in proportion to the leads.
- **`neural`**: at most two steps of the network at a sample, in each lead; at most 24 candidates;
  while a beat is overdue, at most eight cells a step and lead compared with the shape of beats.
- **Pan-Tompkins**: at most one beat, and at the end of the first seconds all beats of these.
- **R peaks**: 0.34 s of samples are looked at for each.

The end of a recording (`flush`) decides all that waits and is not bounded so. Many samples in one
call take what each takes alone, or less.
"""


def measured(seconds: int, pieces: int) -> list[Row]:
    """Rows of the table: of each configuration its worst signal."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "work.elf"
        run(
            *(CC, *OPTIONS, f"-I{ROOT / 'csrc' / 'include'}"),
            *(f"-DSECONDS={seconds}", f"-DPIECES={pieces}"),
            *(HERE / "startup.c", HERE / "work.c", *sorted(ROOT.glob("csrc/src/*/*.c"))),
            *("-nostartfiles", "-static", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"),
            *("-T", HERE / "virt.ld", "-lm", "-o", program),
        )
        said = run(
            *(QEMU, "-M", "virt", "-cpu", "cortex-a53", "-m", "1G", "-icount", "shift=0"),
            *("-display", "none", "-monitor", "none", "-nic", "none", "-serial", "stdio"),
            *("-kernel", program),
            limit=3600,
        )
    worst: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in said.splitlines():
        if not line.startswith("{"):
            sys.exit(line)
        one = json.loads(line)
        key = (one["method"], one["windows"], one["fs"], one["leads"])
        mean = max(one["mean"], worst[key]["mean"] if key in worst else 0)
        if key not in worst or one["most"] > worst[key]["most"]:
            worst[key] = one
        worst[key]["mean"] = mean
    return [
        (
            METHODS[method],
            windows,
            str(fs),
            str(leads),
            f"{one['mean']:,}",
            f"{one['most']:,}",
            f"{one['most'] / PER_MS:.2f}",
            SIGNALS.get(one["signal"], f"random signal {one['signal']}"),
        )
        for (method, windows, fs, leads), one in worst.items()
    ]


def page(rows: list[Row], seconds: int, pieces: int) -> str:
    """The page as Markdown."""
    version = run(CC, "-dumpfullversion").strip()
    head = HEAD.format(
        compiler=f"GCC {version}", signals=len(SIGNALS) + pieces, seconds=seconds, pieces=pieces
    )
    return head + table(COLUMNS, ("---", "---", *["---:"] * 5, "---"), rows) + TAIL


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the page, write nothing")
    parser.add_argument("--seconds", type=int, default=12, help="of each signal (default: 12)")
    parser.add_argument("--pieces", type=int, default=12, help="random signals (default: 12)")
    args = parser.parse_args()
    if not installed(CC, QEMU):
        return 2
    rows = measured(args.seconds, args.pieces)
    if args.check:
        found = differences(PAGE, rows, 4, {5: COLUMNS[5]})
        print("\n".join(found) or f"as {PAGE.name} says")
        return 1 if found else 0
    PAGE.write_text(page(rows, args.seconds, args.pieces), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
