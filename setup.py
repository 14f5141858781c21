"""Builds the C core and its compiled layer; everything else is in pyproject.toml."""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CSRC = Path("csrc")
# Exact, portable arithmetic: no fused multiply-add, so that x86-64 and aarch64 give the same bits.
FLAGS = (
    ["/O2", "/std:c11", "/fp:precise"]
    if sys.platform == "win32"
    else ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden"]
)

core = Extension(
    "ecgfast.core",
    ["ecgfast/core.pyx", *sorted(str(path) for path in CSRC.glob("*.c"))],
    include_dirs=[str(CSRC)],
    depends=sorted(str(path) for path in CSRC.glob("*.h")),
    extra_compile_args=FLAGS,
)

# The text reader's inner loop; the C core has no part in it.
table = Extension(
    "ecgfast.records._table",
    ["ecgfast/records/_table.pyx"],
    extra_compile_args=FLAGS,
)

setup(ext_modules=cythonize([core, table], language_level=3))
