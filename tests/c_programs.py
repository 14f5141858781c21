"""Programs with the C core, which is compiled once for each compiler and options."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[1] / "csrc"
SOURCES = sorted(CSRC.glob("src/**/*.c"))
COMPILERS = ("gcc", "clang")
# Compilers as parameters of a test, those of this machine first: all after the first are slow, and
# one that is missing skips, so that it is seen.
EACH_COMPILER = [
    pytest.param(name, marks=pytest.mark.slow) if k else name
    for k, name in enumerate(sorted(COMPILERS, key=lambda name: shutil.which(name) is None))
]
# With sanitizers the core runs under one of them, and the fuzzers under clang's.
ONE_COMPILER = EACH_COMPILER[:1]
SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
STRICT = (
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
    "-ffp-contract=off",
)


class CPrograms:
    """Compiles and links; a warning is an error.

    Parameters
    ----------
    folder : Path
        Where object files and programs are kept.

    Notes
    -----
    The core is compiled as one file, in half the time; files one by one are compiled by the
    package's build, by CMake and, with all warnings, by `test_c_core.py`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects: dict[tuple[str, ...], Path] = {}
        self._programs = 0

    def build(self, compiler: str, source: Path, *flags: str) -> Path:
        """A program of the source and the core, at -O1 unless flags say otherwise.

        Skips without the compiler or its sanitizer libraries.
        """
        key = (compiler, *flags)
        if key not in self._objects:
            self._objects[key] = self._compiled(key)
        self._programs += 1
        program = self._folder / f"{source.stem}-{self._programs}"
        self._run(key, self._folder, source, self._objects[key], "-lm", "-o", program)
        return program

    def _compiled(self, key: tuple[str, ...]) -> Path:
        source = self._folder / "core.c"
        source.write_text("".join(f'#include "{path}"\n' for path in SOURCES))
        made = self._folder / f"core-{len(self._objects)}.o"
        self._run(key, self._folder, "-c", "-o", made, source)
        return made

    @staticmethod
    def _run(key: tuple[str, ...], folder: Path, *arguments: str | Path) -> None:
        compiler, *flags = key
        if shutil.which(compiler) is None:
            pytest.skip(f"no {compiler} here")
        command = [compiler, *STRICT, "-O1", *flags, f"-I{CSRC / 'include'}", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if "cannot find" in done.stderr and "san" in done.stderr:
            pytest.skip(f"{compiler} has no sanitizer libraries here")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
