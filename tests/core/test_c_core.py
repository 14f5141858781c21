"""The C core without Python: every function under sanitizers, and the streaming example."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ecgfast import BeatBatch, BeatStream
from ecgfast.records import demo_record

HERE = Path(__file__).parents[1]
CSRC = HERE.parent / "csrc"
COMPILERS = ("gcc", "clang")
SOURCES = sorted(CSRC.glob("src/**/*.c"))
INCLUDE = [f"-I{CSRC / 'include'}"]
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Bytes of a stack frame at most: a small device has a few thousand for everything.
FRAME_MAX = 2048

pytestmark = pytest.mark.skipif(not CSRC.is_dir(), reason="csrc/ is not beside tests/")


def build(compiler: str, source: Path, to: Path, *flags: str) -> Path:
    """Compile a program with the core; a warning is an error. Skips without the compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    program = to / source.stem
    command = [
        compiler,
        "-std=c11",
        *["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off"],
        *flags,
        *INCLUDE,
        str(source),
        *map(str, SOURCES),
        "-lm",
        "-o",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip(f"{compiler} has no sanitizer libraries here")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return program


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_function_under_address_and_undefined_sanitizers(compiler: str, tmp_path) -> None:
    program = build(
        compiler,
        HERE / "c" / "exercise_core.c",
        tmp_path,
        *SANITIZED,
    )
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the core holds\n"


@pytest.mark.parametrize("compiler", COMPILERS)
def test_streams_in_threads_under_the_thread_sanitizer(compiler: str, tmp_path) -> None:
    source = HERE / "c" / "exercise_threads.c"
    program = build(compiler, source, tmp_path, "-fsanitize=thread", "-pthread")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the threads agree\n"


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_example_prints_the_beats_of_the_stream(compiler: str, tmp_path) -> None:
    program = build(compiler, CSRC / "examples" / "stream_samples.c", tmp_path)
    record = demo_record()
    signal = record.signal[:, 0]
    text = "\n".join(repr(float(sample)) for sample in signal)
    done = subprocess.run([program, "360"], input=text, capture_output=True, text=True, check=True)
    stream = BeatStream(360.0)
    beats = BeatBatch.concatenate([stream.process(signal), stream.flush()])
    expected = [
        f"{r / 360.0:10.3f}  rr {rr:6.3f}  quality {quality:2d}  "
        f"known after {(known - r) / 360.0:.3f} s"
        for r, rr, quality, known in zip(
            beats.r_sample, beats.rr, beats.quality, beats.known_at, strict=True
        )
    ]
    assert len(expected) > 60
    assert done.stdout.splitlines() == expected
    wrong = subprocess.run([program, "50"], input="", capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "sampling rate outside 99.5..2010 Hz" in wrong.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
def test_first_seconds_without_a_path_read_no_value_that_is_not_there(
    compiler: str, tmp_path
) -> None:
    program = build(compiler, CSRC / "examples" / "stream_samples.c", tmp_path, *SANITIZED)
    samples = (HERE / "c" / "no_path.txt").read_text()
    done = subprocess.run(
        [program, "100.5"], input=samples, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    return build("gcc", CSRC / "examples" / "stream_samples.c", tmp_path_factory.mktemp("example"))


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        ("0.1 0.2", "0.1 0.2"),
        ("n/a", "n/a"),
        ("", ""),
        ("1,5", "1,5"),
        ("7" * 500, "7" * 40),
        ("\x1b[31m", "?[31m"),
    ],
)
def test_the_example_names_the_line_that_is_no_sample(bad: str, shown: str, example: Path) -> None:
    signal = demo_record().signal[:3600, 0]
    lines = [repr(float(sample)) for sample in signal]
    whole = subprocess.run(
        [example, "360"], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    done = subprocess.run(
        [example, "360"],
        input="\n".join([*lines, bad, "0.5", ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"standard input, line 3601: '{shown}' is no sample; write one number a line\n"
    )
    assert done.stdout == whole.stdout, "what came before is complete"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_example_sees_that_beats_cannot_be_written(example: Path) -> None:
    text = "\n".join(repr(float(sample)) for sample in demo_record().signal[:3600, 0])
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [example, "360"],
            input=text,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "standard output: beats cannot be written\n"


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_core_compiles_as_one_file_without_large_frames(compiler: str, tmp_path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    whole = tmp_path / "whole.c"
    whole.write_text("".join(f'#include "{path}"\n' for path in SOURCES))
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
    flags += ["-ffp-contract=off", f"-Wframe-larger-than={FRAME_MAX}", *INCLUDE]
    for source in (whole, *SOURCES):
        done = subprocess.run(
            [compiler, *flags, "-c", str(source), "-o", str(tmp_path / "object.o")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_the_core_knows_nothing_of_python_and_allocates_nothing() -> None:
    for path in (p for p in CSRC.rglob("*.[ch]") if "examples" not in p.parts):
        text = path.read_text(encoding="utf-8")
        for word in ("Python.h", "stdlib.h", "malloc(", "stdio.h", "errno"):
            assert word not in text, f"{path.name} has {word}"


def test_both_compilers_give_the_same_bits(tmp_path) -> None:
    """And so does any optimisation: no fused multiply-add, no reordering of sums."""
    text = "\n".join(repr(float(s)) for s in np.nan_to_num(demo_record().signal[:8000, 1]))
    seen = set()
    for compiler in filter(shutil.which, COMPILERS):
        for level in ("-O0", "-O3"):
            folder = tmp_path / f"{compiler}{level}"
            folder.mkdir()
            program = build(compiler, CSRC / "examples" / "stream_samples.c", folder, level)
            env = {**os.environ, "LC_ALL": "C"}
            done = subprocess.run(
                [program, "360"], input=text, capture_output=True, text=True, check=True, env=env
            )
            seen.add(done.stdout)
    if not seen:
        pytest.skip("no C compiler here")
    assert len(seen) == 1
