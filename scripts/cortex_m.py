"""The C core on Cortex-M: a test on emulated boards, and what it takes of flash, RAM and time.

    python scripts/cortex_m.py                  # runs the test, writes docs/cortex_m.md
    python scripts/cortex_m.py --check          # runs the test, and compares with docs/cortex_m.md
    python scripts/cortex_m.py --tests          # runs the test alone

Needs `arm-none-eabi-gcc`, newlib and `qemu-system-arm` (Debian: gcc-arm-none-eabi,
libnewlib-arm-none-eabi, qemu-system-arm). The emulator counts instructions; it knows nothing of
cycles, wait states or caches. Exit status: 0, 1 where the test or the comparison fails, 2 without
the tools.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emulated import Row, differences, installed, run, table

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests" / "c" / "cortex_m"
PAGE = ROOT / "docs" / "cortex_m.md"
CC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
OPTIONS = ("-std=c11", "-O2", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections")
CORE = ROOT / "csrc" / "src"
# An emulated processor without double precision is some hundred times slower.
EXERCISE = (
    *("-DEXERCISE_RATES=128", "-DEXERCISE_FS=128", "-DEXERCISE_LEADS=4"),
    *("-DEXERCISE_GAINS=-1e4,1e25", "-DEXERCISE_WINDOWS=CLEAN"),
)
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
MODELS = ROOT / "models"
EXAMPLE = ROOT / "csrc" / "examples" / "label_beats.c"
PRECISIONS = {"int8": "beats.int8.tflite", "float32": "beats.tflite"}
METHODS = {
    "ECG_PAN_TOMPKINS": "Pan-Tompkins",
    "ECG_ADAPTIVE": "adaptive",
    "ECG_NEURAL": "neural",
}


@dataclass(frozen=True)
class Board:
    """A processor and the emulated board that has it."""

    name: str
    flags: tuple[str, ...]
    machine: str
    code: str
    data: str
    tick_ns: int  # of the emulator's SysTick


BOARDS = (
    Board(
        "Cortex-M4F",
        ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        "mps2-an386",
        *("0x0", "0x21000000", 40),
    ),
    Board(
        "Cortex-M33",
        ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
        "mps2-an505",
        *("0x10000000", "0x80000000", 50),
    ),
)


class Build:
    """The core compiled for a board, once; programs are linked with it."""

    def __init__(self, board: Board, folder: Path) -> None:
        self.board, self.folder = board, folder
        self.flags = ("-mthumb", *board.flags, *OPTIONS, f"-I{ROOT / 'csrc' / 'include'}")
        self.objects = [self._compiled(source) for source in sorted(CORE.glob("*/*.c"))]

    def _compiled(self, source: Path, *defines: str) -> Path:
        target = self.folder / f"{source.stem}{len(defines)}.o"
        run(CC, *self.flags, *defines, *WARNINGS, "-c", source, "-o", target)
        return target

    def keep_one_method(self, method: str) -> None:
        """From now on programs have this method alone."""
        others = {"ECG_PAN_TOMPKINS", "ECG_ADAPTIVE", "ECG_NEURAL", "ECG_EXTERNAL"} - {method}
        without = [f"-D{name.replace('ECG_', 'ECG_WITH_')}=0" for name in sorted(others)]
        for source in (CORE / "common" / "detector.c", CORE / "beats" / "stream.c"):
            usual = self.folder / f"{source.stem}0.o"
            usual.write_bytes(self._compiled(source, *without).read_bytes())

    def program(self, source: Path, *defines: str, specs: str = "rdimon") -> Path:
        """An executable; with `specs="nosys"` one that needs no emulator."""
        target = self.folder / f"{source.stem}.elf"
        run(
            CC,
            *self.flags,
            *defines,
            *(("-DSEMIHOSTING",) if specs == "rdimon" else ()),
            HERE / "startup.c",
            source,
            *self.objects,
            "-nostartfiles",
            f"--specs={specs}.specs",
            *("-T", HERE / "mps2.ld", "-Wl,--gc-sections"),
            f"-Wl,--defsym=CODE={self.board.code},--defsym=DATA={self.board.data}",
            *("-lm", "-o", target),
        )
        return target

    def emulated(self, program: Path, *options: str, limit: float = 120) -> str:
        """What the program prints on the emulated board."""
        return run(
            *(QEMU, "-M", self.board.machine, "-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            *options,
            *("-kernel", program),
            limit=limit,
        )


def tested(build: Build) -> None:
    """The core's own tests: of a build and its limits on each board, of every function on one."""
    tests: list[tuple[str, tuple[str, ...], str]] = [("exercise_build.c", (), "this build holds")]
    if build.board is BOARDS[-1]:
        tests.append(("exercise_core.c", EXERCISE, "the core holds"))
    for name, defines, expected in tests:
        said = build.emulated(build.program(ROOT / "tests" / "c" / name, *defines), limit=1800)
        if said.strip() != expected:
            sys.exit(f"{build.board.name}, {name}: {said}")
        print(f"{build.board.name}: {said}", end="", flush=True)
    as_numbers(MODELS / PRECISIONS["int8"], build.folder / "beats_model.inc")
    said = build.emulated(build.program(EXAMPLE, f"-I{build.folder}"), limit=1800)
    labels = [line.split()[2] for line in said.splitlines()]
    # Every eighth beat of the example's signal is ventricular.
    if labels.count("V") != 9 or labels.count("N") != len(labels) - 9 or len(labels) < 70:
        sys.exit(f"{build.board.name}, {EXAMPLE.name}: {said}")
    print(f"{build.board.name}: the example labels beats", flush=True)


def as_numbers(model: Path, target: Path) -> None:
    """A file's bytes as C numbers, as `xxd -i` writes them."""
    target.write_text(", ".join(map(str, model.read_bytes())), encoding="ascii")


def weight(program: Path) -> int:
    """Bytes of code and of data with a value."""
    text, data = run("arm-none-eabi-size", program).splitlines()[1].split()[:2]
    return int(text) + int(data)


def measured(build: Build) -> list[Row]:
    """Rows of the table for one board."""
    flash = HERE / "flash.c"
    rows: list[Row] = []
    empty = weight(build.program(flash, specs="nosys"))
    for method, name in METHODS.items():
        build.keep_one_method(method)
        for windows in (0, 1):
            defines = (f"-DMETHOD={method}", f"-DWINDOWS={windows}")
            code = weight(build.program(flash, *defines, specs="nosys")) - empty
            tick = f"-DTICK_NS={build.board.tick_ns}"
            program = build.program(HERE / "measure.c", tick, *defines)
            told = json.loads(build.emulated(program, "-icount", "shift=0"))
            if told["beats"] < 45:
                sys.exit(f"{build.board.name}, {name}: only {told['beats']} of 53 beats found")
            rows.append(
                (
                    build.board.name,
                    name,
                    "yes" if windows else "no",
                    f"{code / 1024:.1f}",
                    f"{told['bytes'] / 1024:.1f}",
                    f"{told['stack'] / 1024:.1f}",
                    f"{told['mean']:,}",
                    f"{told['most']:,}",
                )
            )
    return rows


def networks(build: Build) -> list[Row]:
    """Rows of the table of networks for one board."""
    source = HERE / "network.c"
    rows: list[Row] = []
    empty = weight(build.program(HERE / "flash.c", specs="nosys"))
    code = weight(build.program(source, "-DWEIGHT", specs="nosys")) - empty
    for precision, name in PRECISIONS.items():
        numbers = build.folder / f"{name}.inc"
        as_numbers(MODELS / name, numbers)
        tick = f"-DTICK_NS={build.board.tick_ns}"
        program = build.program(source, tick, f'-DMODEL="{numbers}"')
        told = json.loads(build.emulated(program, "-icount", "shift=0"))
        rows.append(
            (
                build.board.name,
                "`beats`",
                precision,
                f"{code / 1024:.1f}",
                f"{(MODELS / name).stat().st_size / 1024:.1f}",
                f"{told['bytes'] / 1024:.1f}",
                f"{told['stack'] / 1024:.1f}",
                f"{told['run']:,}",
            )
        )
    return rows


HEAD = """# The C core on Cortex-M

Made by `python scripts/cortex_m.py`, which also runs the core's tests `exercise_build.c` and, on
the M33, `exercise_core.c` (at 128 Hz, two gains) of `tests/c` on emulated boards (QEMU's
mps2-an386 and mps2-an505). One lead at 250 Hz, a sample at a time; beat windows of 72 points with
features. Compiled with {compiler}, `-O2 -ffp-contract=off`, for a floating-point unit of single
precision.

- **Flash**: code and constants beyond an empty program, of a build with that method alone, linked
  with `--gc-sections`; what the core needs of the C library and of
  double-precision routines is included.
- **RAM**: the state block; nothing else is static.
- **Stack**: the deepest that was reached.
- **Instructions**: for each sample of a synthetic ECG of 40 s, mean and most (a sample at which
  beats are decided or a window is cut). The emulator knows nothing of cycles, wait states, caches.

"""
COLUMNS = (
    *("processor", "method", "windows", "flash, KB", "RAM, KB", "stack, KB"),
    *("instructions a sample, mean", "most"),
)


NETWORKS = """
## Networks

The same model files as on other machines, run from flash by `ecg_network_run`: **code** is that of
all operators, **RAM** the network's block (plan and tensors). A beat takes one run. The example
`csrc/examples/label_beats.c` labels beats on both boards here, from samples to classes; it takes a
stream with windows (above) beside the network.

"""
NETWORK_COLUMNS = (
    *("processor", "model", "precision", "code, KB", "model, KB", "RAM, KB", "stack, KB"),
    "instructions a beat",
)


def page(rows: Sequence[Row], of_networks: Sequence[Row]) -> str:
    """The page as Markdown."""
    version = run(CC, "--version").splitlines()[0]
    number = re.search(r"\d+\.\d+\.\d+", version)
    head = HEAD.format(compiler=f"GCC {number[0] if number else version}")
    alignment = ("---", "---", "---", *["---:"] * 5)
    return (
        head
        + table(COLUMNS, alignment, rows)
        + NETWORKS
        + table(NETWORK_COLUMNS, alignment, of_networks)
    )


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the page, write nothing")
    parser.add_argument("--tests", action="store_true", help="run the test alone")
    args = parser.parse_args()
    if not installed(CC, QEMU):
        return 2
    rows, of_networks = [], []
    for board in BOARDS:
        with tempfile.TemporaryDirectory() as folder:
            build = Build(board, Path(folder))
            tested(build)
            if not args.tests:
                of_networks += networks(build)
                rows += measured(build)
    if args.check:
        names = {k: f"{COLUMNS[k]} ({NETWORK_COLUMNS[k]})" for k in range(3, len(COLUMNS))}
        found = differences(PAGE, [*rows, *of_networks], 3, names)
        print("\n".join(found) or f"as {PAGE.name} says")
        return 1 if found else 0
    if not args.tests:
        PAGE.write_text(page(rows, of_networks), encoding="utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
