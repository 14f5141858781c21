"""Work on hostile input in a process of its own, with limits on time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_LIMITED = """
import resource, sys, sysconfig
# The allocator of a free-threaded Python reserves a GiB of addresses at once.
addresses = {memory} + ((2 << 30) if sysconfig.get_config_var("Py_GIL_DISABLED") else 0)
resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))

def peak_mb():
    # Not ru_maxrss, which begins with what the process that started this one takes.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) / 1024
"""

_READ = """
from ecgfast.errors import EcgfastError
from ecgfast.records import open_record
for path in sys.argv[1:]:
    try:
        record = open_record(path, fs=None if path.endswith((".hea", ".edf", ".ecg")) else 250.0)
        print("read", sum(len(block) for block in record.blocks(100.0)))
    except EcgfastError as error:
        print("refused", error)
"""


def run_limited(
    code: str, *args: object, seconds: int = 20, memory: int = 1 << 30
) -> subprocess.CompletedProcess[str]:
    """Run Python code under limits; on Linux ``peak_mb()`` is its peak memory in MiB."""
    return subprocess.run(
        [sys.executable, "-c", _LIMITED.format(seconds=seconds, memory=memory) + code,
         *map(str, args)],
        capture_output=True,
        text=True,
        timeout=10 * seconds,  # of the clock: other work may take most of the processors
        check=False,
    )  # fmt: skip


def read_limited(*paths: Path, seconds: int = 20, memory: int = 1 << 30) -> list[str]:
    """Read recordings under limits; a line each, beginning with ``read`` or ``refused``."""
    done = run_limited(_READ, *paths, seconds=seconds, memory=memory)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths), lines
    return lines
