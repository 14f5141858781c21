"""The check of aarch64 machine code finds what a Raspberry Pi 3 lacks, and what rounds once."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "machine_code.py"
ASSEMBLER = "aarch64-linux-gnu-as"
COMPILER = "aarch64-linux-gnu-gcc"

LISTING = """
core.so:     file format elf64-littleaarch64

Disassembly of section .text:

0000000000007930 <filter>:
    7930:	adrp	x16, 90000 <memcpy@GLIBC_2.17>
    7934:	fmul	v0.4s, v1.4s, v2.4s
    7938:	b.ne	7934 <filter+0x4>  // b.any
    793c:	fmadd	s0, s1, s2, s3
    7940:	ret

0000000000007950 <other>:
    7950:	nop
"""


@pytest.fixture(scope="module")
def machine_code() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("scripts/ is not beside tests/")
    spec = importlib.util.spec_from_file_location("machine_code", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_listing_is_read(machine_code: ModuleType) -> None:
    assert machine_code.functions(LISTING) == {
        "filter": [
            "adrp x16, .",
            "fmul v0.4s, v1.4s, v2.4s",
            "b.ne .",
            "fmadd s0, s1, s2, s3",
            "ret",
        ],
        "other": ["nop"],
    }


def test_newer_instructions_are_found(machine_code: ModuleType) -> None:
    if shutil.which(ASSEMBLER) is None:
        pytest.skip(f"no {ASSEMBLER} here")
    old = {"fmul v0.4s, v1.4s, v2.4s", "b.ne .", "adrp x16, .", "ldaxr w0, [x1]", "bti c"}
    new = {
        "ldadd w0, w0, [x1]",  # atomics
        "udot v0.4s, v1.16b, v2.16b",  # dot product
        "fadd v0.8h, v1.8h, v2.8h",  # half precision
        "fadd z0.s, z1.s, z2.s",  # SVE
        "aese v0.16b, v1.16b",  # cryptography, which no Raspberry Pi before the 5 has
    }
    assert machine_code.beyond_armv8_0(old | new, ASSEMBLER) == new
    assert machine_code.beyond_armv8_0(old, ASSEMBLER) == set()


def test_an_extension_is_examined(machine_code: ModuleType, tmp_path: Path) -> None:
    if shutil.which(COMPILER) is None:
        pytest.skip(f"no {COMPILER} here")
    source = tmp_path / "code.c"
    source.write_text(
        "void scale(float *x) { for (int i = 0; i < 64; i++) x[i] *= 2.0f; }\n"
        "float fused(float a, float b, float c) { return a * b + c; }\n"
        'void newer(int *x) { __asm__ volatile("ldadd w0, w0, [%0]" :: "r"(x)); }\n'
    )
    library = tmp_path / "code.so"
    flags = ["-std=gnu11", "-O3", "-march=armv8.1-a", "-shared", "-fPIC", "-nostdlib"]
    for contraction, fused in (("fast", 1), ("off", 0)):
        subprocess.run(
            [COMPILER, *flags, f"-ffp-contract={contraction}", str(source), "-o", str(library)],
            check=True,
        )
        found = machine_code.examine(library)
        assert found["kernels"].keys() == {"scale"}
        assert found["kernels"]["scale"]["vector"] >= 1
        assert found["fused"] == fused
        assert list(found["beyond"]) == ["newer"]
        assert found["beyond"]["newer"][0].startswith("ldadd")
        assert found["dispatched"] == {}


def test_the_commands_explain_themselves() -> None:
    for name in ("machine_code", "trace_beats", "emulate_aarch64"):
        path = SCRIPT.with_name(f"{name}.py")
        if not path.is_file():
            pytest.skip("scripts/ is not beside tests/")
        done = subprocess.run(
            [sys.executable, str(path), "--help"], capture_output=True, text=True, check=True
        )
        assert "python scripts/" in done.stdout
