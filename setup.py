"""Builds the C core and its compiled layer; everything else is in pyproject.toml.

With ``ECGFAST_SYMBOLS=1`` the extension keeps its symbols and line numbers, for debuggers and
profilers.
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

# Where ai-edge-litert has wheels; elsewhere the core runs the models.
LITERT = (
    "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "sys_platform == 'darwin' and platform_machine == 'arm64'",
    "sys_platform == 'win32' and platform_machine == 'AMD64'",
)
TFLITE = "sys_platform == 'linux' and platform_machine == 'armv7l' and python_version < '3.12'"
BASE = ["numpy>=1.24", "tabulate>=0.9", "tqdm>=4.60"]
RUNTIMES = [
    f"ai-edge-litert>=1.2; python_version < '3.15' and ({' or '.join(LITERT)})",
    f"tflite-runtime>=2.14; {TFLITE}",
]
# What no marker of a requirement can tell: a C library, and an interpreter without the GIL.
MUSL = "musl" in str(sysconfig.get_config_var("SOABI"))
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

CSRC = Path("csrc")
SYMBOLS = os.environ.get("ECGFAST_SYMBOLS", "") not in ("", "0")

if sys.platform == "win32":
    COMPILE, LINK = ["/O2", "/std:c11", "/fp:precise"], []
else:
    # Exact, portable arithmetic: no fused multiply-add, so that x86-64 and aarch64 give the same
    # bits. Hardened, as nothing measurable is paid for it. The same bytes from any folder.
    COMPILE = [
        *("-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden"),
        *("-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"),
        f"-ffile-prefix-map={Path.cwd()}=.",
        "-g" if SYMBOLS else "-g0",
    ]
    LINK = []
    if sys.platform.startswith("linux"):
        LINK = ["-Wl,-z,relro,-z,now", *(() if SYMBOLS else ("-Wl,--strip-all",))]

# Networks are a module of their own: streams need none, and the core is large enough.
NETWORK = sorted(str(path) for path in CSRC.glob("src/network/*.c"))
STREAMS = sorted({str(path) for path in CSRC.glob("src/**/*.c")}.difference(NETWORK))

core = Extension(
    "ecgfast.core",
    ["ecgfast/core.pyx", *STREAMS],
    include_dirs=[str(CSRC / "include")],
    depends=sorted(str(path) for path in CSRC.rglob("*.h")),
    extra_compile_args=COMPILE,
    extra_link_args=LINK,
)

network = Extension(
    "ecgfast.runtime._network",
    ["ecgfast/runtime/_network.pyx", *NETWORK, str(CSRC / "src" / "common" / "status.c")],
    include_dirs=[str(CSRC / "include")],
    depends=sorted(str(path) for path in CSRC.rglob("*.h")),
    extra_compile_args=COMPILE,
    extra_link_args=LINK,
)


def compiled(name: str, *sources: Path) -> Extension:
    """Compiled loops beside the C core, of which they have these sources."""
    return Extension(
        name,
        [f"{name.replace('.', '/')}.pyx", *map(str, sources)],
        depends=[str(source.with_suffix(".h")) for source in sources],
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
    )


# What Cython adds for memory views stands once, in a module of its own, not in each of the others:
# half the time of a build.
SHARED = "ecgfast._cyutility"

extensions = [
    core,
    network,
    compiled("ecgfast.records._table"),  # the text reader's inner loop
    compiled("ecgfast.records._samples"),  # stored samples as physical values
    compiled("ecgfast.rhythm._beat_window"),  # the beats from which fibrillation is scored
    # blocks and beats that no rhythm rule has to see
    compiled("ecgfast.rhythm._scan", CSRC / "src" / "beats" / "wave_leakage.c"),
    Extension(SHARED, [], extra_compile_args=COMPILE, extra_link_args=LINK),
]

setup(
    install_requires=[*BASE, *([] if MUSL or FREE_THREADED else RUNTIMES)],
    packages=[*find_packages(include=["ecgfast", "ecgfast.*"]), "ecgfast.models"],
    ext_modules=cythonize(
        extensions,
        language_level=3,
        # Every class with a state refuses a second thread by an atomic flag (ecgfast/busy.pxd).
        compiler_directives={"freethreading_compatible": True},
        shared_utility_qualified_name=SHARED,
    ),
)
