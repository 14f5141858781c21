"""The C core as a library: one version everywhere, builds with lower limits, CMake, examples."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from c_programs import CSRC, ONE_COMPILER, SANITIZED, CPrograms

import ecgfast

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not CSRC.is_dir(), reason="csrc/ is not beside tests/")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_file_names_one_version() -> None:
    header = (CSRC / "include" / "ecgfast.h").read_text()
    parts = re.findall(r"#define ECG_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    names = {
        ".".join(parts),
        ecgfast.__version__,
        json.loads((CSRC / "library.json").read_text())["version"],
    }
    assert len(names) == 1, names


LOW = ("-DECG_LEADS_MAX=1", "-DECG_FS_MAX=500", "-DECG_WINDOW_MAX=128", "-DECG_STRIP_MAX=128")


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((), id="whole"),
        pytest.param(LOW, marks=pytest.mark.thorough, id="low limits"),
        pytest.param(
            (*LOW, "-DECG_WITH_ADAPTIVE=0", "-DECG_WITH_NEURAL=0", "-DECG_WITH_EXTERNAL=0"),
            id="pan-tompkins alone",
        ),
        pytest.param(
            ("-DECG_WITH_PAN_TOMPKINS=0",), marks=pytest.mark.thorough, id="without pan-tompkins"
        ),
        pytest.param(
            ("-DECG_WITH_EXTERNAL=0", "-m32", "-msse2", "-mfpmath=sse"),
            marks=pytest.mark.thorough,
            id="32 bits",
        ),
    ],
)
def test_a_build_with_lower_limits_or_fewer_methods_holds(
    flags: tuple[str, ...], c_programs: CPrograms
) -> None:
    if "-m32" in flags and not Path("/usr/include/gnu/stubs-32.h").exists():
        pytest.skip("no 32-bit C library here")
    program = c_programs.build("gcc", ROOT / "tests" / "c" / "exercise_build.c", "-O0", *flags)
    assert run(program) == "this build holds\n"


@pytest.mark.parametrize("compiler", ONE_COMPILER)
def test_misuse_is_answered(compiler: str, c_programs: CPrograms) -> None:
    source = ROOT / "tests" / "c" / "exercise_misuse.c"
    program = c_programs.build(compiler, source, *SANITIZED)
    assert run(program) == "misuse is answered\n"


def test_each_function_of_the_header_is_documented() -> None:
    header = (CSRC / "include" / "ecgfast.h").read_text()
    functions = re.findall(
        r"(\*/|[^*]/|;|})\s*\n+(?:[a-z_0-9]+ )+\*?(?:const )?\*?(ecg_\w+)\(", header
    )
    assert len(functions) > 25
    assert [name for before, name in functions if before != "*/"] == []


def test_the_firmware_example_counts_the_rate(c_programs: CPrograms) -> None:
    # At -O0, as the test above has compiled the core: any optimisation gives the same bits.
    source = CSRC / "examples" / "static_memory.c"
    lines = run(c_programs.build("gcc", source, "-O0")).splitlines()
    assert len(lines) >= 35
    assert set(lines) == {"75 beats a minute", "75 beats a minute, signal poor"}
    assert lines.count("75 beats a minute, signal poor") <= 4, "only the first beats"


def test_the_example_with_a_network_labels_early_wide_beats(
    tmp_path: Path, c_programs: CPrograms
) -> None:
    model = ROOT / "models" / "beats.int8.tflite"
    if not model.is_file():
        pytest.skip("models/ is not beside tests/")
    source = tmp_path / "label_beats.c"  # beside its model
    source.write_text((CSRC / "examples" / source.name).read_text("utf-8"), encoding="utf-8")
    (tmp_path / "beats_model.inc").write_text(", ".join(map(str, model.read_bytes())))
    lines = [line.split() for line in run(c_programs.build("gcc", source, "-O0")).splitlines()]
    early = [float(time) for time, _, label, *_ in lines if label == "V"]
    assert early == pytest.approx([5.496 + 6.4 * k for k in range(9)])
    assert [line[2] for line in lines].count("N") == len(lines) - 9 > 60


SIZES = """
#include "ecgfast.h"
#include <stdio.h>
int main(void) {
    const ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
    const int methods[] = {ECG_PAN_TOMPKINS, ECG_ADAPTIVE, ECG_NEURAL};
    for (int i = 0; i < 3; i++) {
        const ecg_detector_config config = {.fs = 250.0, .n_leads = 1, .method = methods[i]};
        printf("%.1f %.1f\\n", (double)ecg_detector_size(&config) / 1024.0,
               (double)ecg_stream_size(&config, &window) / 1024.0);
    }
}
"""


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the figures are of 64-bit machines")
def test_the_readme_says_how_much_memory_a_method_takes(
    tmp_path: Path, c_programs: CPrograms
) -> None:
    source = tmp_path / "sizes.c"
    source.write_text(SIZES)
    said = (CSRC / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(ECG_\w+)` \| ([\d.]+) KB \| ([\d.]+) KB \|$", said, re.MULTILINE)
    assert [name for name, *_ in rows] == ["ECG_PAN_TOMPKINS", "ECG_ADAPTIVE", "ECG_NEURAL"]
    sizes = run(c_programs.build("gcc", source, "-O0")).splitlines()
    assert [f"{one} {both}" for _, one, both in rows] == sizes


@pytest.mark.thorough
def test_cmake_builds_installs_and_is_found(tmp_path) -> None:
    cmake = shutil.which("cmake")
    if cmake is None or subprocess.run([cmake], check=False, capture_output=True).returncode:
        pytest.skip("no cmake here")
    build, prefix, user = tmp_path / "build", tmp_path / "prefix", tmp_path / "user"
    options = ["-DECG_LEADS_MAX=2", "-DECG_WITH_ADAPTIVE=OFF"]
    run(cmake, "-S", CSRC, "-B", build, *options)
    run(cmake, "--build", build)
    run("ctest", "--test-dir", build, "--output-on-failure")
    run(cmake, "--install", build, "--prefix", prefix)  # chosen now, not when it was configured
    (pc,) = prefix.glob("**/ecgfast.pc")
    assert "-DECG_WITH_ADAPTIVE=0 -DECG_LEADS_MAX=2" in pc.read_text()
    assert f"Version: {ecgfast.__version__}\n" in pc.read_text()
    if shutil.which("pkg-config"):
        found = run(
            "env", f"PKG_CONFIG_PATH={pc.parent}", "pkg-config", "--cflags", "--libs", "ecgfast"
        )
        example = CSRC / "examples" / "static_memory.c"
        # Linked as it says, a static library too.
        run("cc", example, *found.split(), "-o", tmp_path / "linked")
    user.mkdir()
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user C)\n"
        "find_package(ecgfast 0.1 REQUIRED)\nadd_executable(user main.c)\n"
        "target_link_libraries(user ecgfast::ecgfast)\n"
    )
    (user / "main.c").write_text(
        "#include <ecgfast.h>\n#include <stdio.h>\n"
        'int main(void) { printf("%s %d\\n", ecg_version(), ECG_LEADS_MAX); }\n'
    )
    run(cmake, "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run(cmake, "--build", user / "build")
    assert run(user / "build" / "user") == f"{ecgfast.__version__} 2\n"
