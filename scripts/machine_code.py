"""What machine code an aarch64 extension holds: its vector kernels, and what an old core lacks.

    python scripts/machine_code.py core.cpython-311-aarch64-linux-gnu.so

Needs objdump and as for aarch64 (Debian: binutils-aarch64-linux-gnu). Prints JSON:

==================  ===============================================================================
``instructions``    how many there are
``kernels``         by function that computes on vectors of floats: its instructions, and the
                    vector arithmetic among them (``fmul``, ``fadd``, ... on ``.4s``, ``.2s``,
                    ``.2d``)
``fused``           fused multiply-adds (``fmadd``, ``fmla``, ...): they round once, not twice, so
                    their results differ from x86-64's
``beyond``          by function, instructions that ARMv8.0-A lacks, and so a Raspberry Pi 3
``dispatched``      such instructions in libgcc's atomics, which first ask the kernel for them
==================  ===============================================================================
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>[^>]+)>:$")
_INSTRUCTION = re.compile(r"^ *[0-9a-f]+:\s+(?P<mnemonic>[a-z.][\w.]*)(?:\s+(?P<operands>.*))?$")
_TARGET = re.compile(r"\b(?:0x)?[0-9a-f]+ <[^>]*>")
_VECTOR_FLOAT = re.compile(r"^f\w+\s+v\d+\.(?:4s|2s|2d),")
_FUSED = re.compile(r"^(?:fn?madd|fn?msub|fmla|fmls)\s")
# Hints are no operation on a core that does not know them.
_HINTS = {"bti", "paciasp", "pacibsp", "autiasp", "autibsp", "xpaclri"}
_DISPATCHED = re.compile(r"^__aarch64_(?:cas|swp|ld(?:add|clr|eor|set))\d+_\w+$")
_REJECTED = re.compile(r":(?P<line>\d+): Error:")


def functions(listing: str) -> dict[str, list[str]]:
    """Instructions of each function in what ``objdump -d --no-show-raw-insn`` prints.

    Parameters
    ----------
    listing : str
        The disassembly.

    Returns
    -------
    dict of str to list of str
        "mnemonic operands" by function; addresses within the code are written as ``.``.
    """
    found: dict[str, list[str]] = {}
    here: list[str] = []
    for line in listing.splitlines():
        if start := _FUNCTION.match(line):
            here = found.setdefault(start["name"], [])
        elif instruction := _INSTRUCTION.match(line):
            operands = (instruction["operands"] or "").partition("//")[0].strip()
            here.append(f"{instruction['mnemonic']} {_TARGET.sub('.', operands)}".strip())
    return found


def beyond_armv8_0(instructions: set[str], assembler: str) -> set[str]:
    """Instructions that an assembler for plain ARMv8.0-A refuses.

    Parameters
    ----------
    instructions : set of str
        As `functions` gives them.
    assembler : str
        GNU as for aarch64.

    Returns
    -------
    set of str

    Raises
    ------
    RuntimeError
        If the assembler fails for another reason.
    """
    ordered = sorted(
        text
        for text in instructions
        if not text.startswith(".word") and text.partition(" ")[0] not in _HINTS
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "code.s"
        source.write_text("\n".join(ordered) + "\n", encoding="ascii")
        done = subprocess.run(
            [assembler, "-march=armv8-a", "-o", str(source.with_suffix(".o")), str(source)],
            capture_output=True,
            text=True,
            check=False,
        )
    refused = {ordered[int(m["line"]) - 1] for m in _REJECTED.finditer(done.stderr)}
    if done.returncode and not refused:
        raise RuntimeError(f"{assembler}: {done.stderr.strip()}")
    return refused


def examine(
    extension: Path,
    objdump: str = "aarch64-linux-gnu-objdump",
    assembler: str = "aarch64-linux-gnu-as",
) -> dict[str, Any]:
    """Facts of an extension's machine code, as the module's text describes them.

    Parameters
    ----------
    extension : Path
        The shared object.
    objdump, assembler : str
        GNU binutils for aarch64.

    Returns
    -------
    dict
    """
    listing = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", str(extension)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    code = functions(listing)
    refused = beyond_armv8_0({text for body in code.values() for text in body}, assembler)
    kernels: dict[str, dict[str, int]] = {}
    beyond: dict[str, list[str]] = {}
    dispatched: dict[str, list[str]] = {}
    fused = 0
    for name, body in code.items():
        if vector := sum(bool(_VECTOR_FLOAT.match(text)) for text in body):
            kernels[name] = {"instructions": len(body), "vector": vector}
        fused += sum(bool(_FUSED.match(text)) for text in body)
        if found := sorted(set(body) & refused):
            (dispatched if _DISPATCHED.match(name) else beyond)[name] = found
    return {
        "instructions": sum(map(len, code.values())),
        "kernels": dict(sorted(kernels.items(), key=lambda item: -item[1]["vector"])),
        "fused": fused,
        "beyond": beyond,
        "dispatched": dispatched,
    }


def main() -> None:
    """Print the facts of one extension as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extension", type=Path, help="the shared object")
    print(json.dumps(examine(parser.parse_args().extension), indent=2))


if __name__ == "__main__":
    main()
