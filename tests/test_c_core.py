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

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"
COMPILERS = ("gcc", "clang")

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
        f"-I{CSRC}",
        str(source),
        *sorted(str(path) for path in CSRC.glob("*.c")),
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
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
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


def test_the_core_knows_nothing_of_python_and_allocates_nothing() -> None:
    for path in CSRC.glob("*.[ch]"):
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
