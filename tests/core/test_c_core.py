"""The C core without Python: every function under sanitizers, and the streaming example."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from c_programs import (
    COMPILERS,
    CSRC,
    EACH_COMPILER,
    ONE_COMPILER,
    SANITIZED,
    SOURCES,
    STRICT,
    CPrograms,
)
from shared_ecgs import demo_record

from ecgfast import BeatBatch, BeatStream

HERE = Path(__file__).parents[1]
# Bytes of a stack frame at most: a small device has a few thousand for everything.
FRAME_MAX = 2048
MODELS = HERE.parent / "models"
EXAMPLE = CSRC / "examples" / "stream_samples.c"

pytestmark = pytest.mark.skipif(not CSRC.is_dir(), reason="csrc/ is not beside tests/")


@pytest.mark.thorough
@pytest.mark.parametrize("compiler", ONE_COMPILER)
def test_every_function_under_address_and_undefined_sanitizers(
    compiler: str, c_programs: CPrograms
) -> None:
    program = c_programs.build(compiler, HERE / "c" / "exercise_core.c", *SANITIZED)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the core holds\n"


@pytest.mark.thorough
@pytest.mark.parametrize("compiler", ONE_COMPILER)
def test_damaged_models_under_address_and_undefined_sanitizers(
    compiler: str, c_programs: CPrograms
) -> None:
    models = [MODELS / name for name in ("beats.tflite", "beats.int8.tflite")]
    if not all(model.is_file() for model in models):
        pytest.skip("models/ is not beside tests/")
    program = c_programs.build(compiler, HERE / "c" / "exercise_network.c", *SANITIZED)
    done = subprocess.run([program, *models], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the networks hold\n"), done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("compiler", ONE_COMPILER)
def test_streams_in_threads_under_the_thread_sanitizer(
    compiler: str, c_programs: CPrograms
) -> None:
    source = HERE / "c" / "exercise_threads.c"
    program = c_programs.build(compiler, source, "-g", "-fsanitize=thread", "-pthread")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the threads agree\n"


@pytest.mark.parametrize("compiler", EACH_COMPILER)
def test_the_example_prints_the_beats_of_the_stream(compiler: str, c_programs: CPrograms) -> None:
    # At -O0, as the tests of the library compile the core: any optimisation gives the same bits.
    program = c_programs.build(compiler, EXAMPLE, "-O0")
    record = demo_record()
    signal = record.signal[:, 0]
    text = "\n".join(repr(float(sample)) for sample in signal)
    done = subprocess.run([program, "360"], input=text, capture_output=True, text=True, check=True)
    stream = BeatStream(360.0, method="adaptive")
    beats = BeatBatch.concatenate([stream.process(signal), stream.flush()])
    expected = [
        f"{r / 360.0:10.3f}  rr {rr:6.3f}  quality {quality:2d}  "
        f"known after {(known - r) / 360.0:.3f} s"
        for r, rr, quality, known in zip(
            beats.sample, beats.rr, beats.quality, beats.known_at, strict=True
        )
    ]
    assert len(expected) > 60
    assert done.stdout.splitlines() == expected
    wrong = subprocess.run([program, "50"], input="", capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "sampling rate outside 99.5..2010 Hz" in wrong.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("compiler", ONE_COMPILER)
def test_first_seconds_without_a_path_read_no_value_that_is_not_there(
    compiler: str, c_programs: CPrograms
) -> None:
    program = c_programs.build(compiler, EXAMPLE, *SANITIZED)
    samples = (HERE / "c" / "no_path.txt").read_text()
    done = subprocess.run(
        [program, "100.5"], input=samples, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def example(c_programs: CPrograms) -> Path:
    return c_programs.build("gcc", EXAMPLE, "-O0")


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


def compiled(compiler: str, *what: str | Path) -> None:
    """Compile something with the core; a warning is an error."""
    flags = [*STRICT, "-Wstrict-prototypes", "-Wmissing-prototypes", f"-I{CSRC / 'include'}"]
    done = subprocess.run(
        [compiler, *flags, *map(str, what)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Object file of the core as one file at -O3, without a large frame, by compiler."""
    folder = tmp_path_factory.mktemp("one_file")
    source = folder / "core.c"
    source.write_text("".join(f'#include "{path}"\n' for path in SOURCES))

    @cache
    def build(compiler: str) -> Path:
        if shutil.which(compiler) is None:
            pytest.skip(f"no {compiler} here")
        made = folder / f"{compiler}.o"
        compiled(compiler, "-O3", f"-Wframe-larger-than={FRAME_MAX}", "-c", "-o", made, source)
        return made

    return build


@pytest.mark.thorough
@pytest.mark.parametrize("compiler", EACH_COMPILER)
def test_the_core_compiles_as_one_file_without_large_frames(
    compiler: str, one_file: Callable[[str], Path]
) -> None:
    assert one_file(compiler).is_file()
    compiled(compiler, "-fsyntax-only", *SOURCES)


def test_the_core_knows_nothing_of_python_and_allocates_nothing() -> None:
    for path in (p for p in CSRC.rglob("*.[ch]") if "examples" not in p.parts):
        text = path.read_text(encoding="utf-8")
        for word in ("Python.h", "stdlib.h", "malloc(", "stdio.h", "errno"):
            assert word not in text, f"{path.name} has {word}"


@pytest.mark.slow
def test_both_compilers_give_the_same_bits(
    c_programs: CPrograms, one_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """And so does any optimisation: no fused multiply-add, no reordering of sums."""
    text = "\n".join(repr(float(s)) for s in np.nan_to_num(demo_record().signal[:8000, 1]))
    seen = set()
    for compiler in filter(shutil.which, COMPILERS):
        optimised = tmp_path / compiler
        compiled(compiler, "-O3", EXAMPLE, one_file(compiler), "-lm", "-o", optimised)
        for program in (c_programs.build(compiler, EXAMPLE, "-O0"), optimised):
            env = {**os.environ, "LC_ALL": "C"}
            done = subprocess.run(
                [program, "360"], input=text, capture_output=True, text=True, check=True, env=env
            )
            seen.add(done.stdout)
    if not seen:
        pytest.skip("no C compiler here")
    assert len(seen) == 1
