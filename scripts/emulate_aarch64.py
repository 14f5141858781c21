"""Builds the aarch64 wheel and runs it in an emulated arm64 userland, on an x86-64 Debian machine.

    apt-get install debootstrap qemu-user-static proot gcc-aarch64-linux-gnu
    python scripts/emulate_aarch64.py --work /var/tmp/arm64 --data recordings --log docs/aarch64

Run it as root, with a Python (3.11 for bookworm, 3.13 for trixie) that has ecgfast's dependencies,
pytest, hypothesis, pytest-benchmark, pytest-timeout, edfio, pyserial, setuptools and Cython: the
emulated Python gets the same versions of them, from pip's configured index, and tflite-runtime
where this one has it. It takes a commit, not the working tree:

1. an arm64 userland by debootstrap, from the mirror that apt uses here (once);
2. the wheel for x86-64, and that for aarch64 by the cross compiler;
3. the machine code: vector kernels, and nothing that ARMv8.0-A lacks (``machine_code.py``);
4. the wheel installed with pip inside the userland, under the emulated core of a Raspberry Pi 3,
   which stops a program at the first instruction that it lacks;
5. beats, windows, features and model outputs of recordings, compared with x86-64's
   (``trace_beats.py``);
6. ``ecgfast-bench``, for what runs: an emulator's times mean nothing;
7. beside 5 and 6, the tests, file by file, but those whose results for this commit are there.

Writes LOG.json and LOG.md. The exit status is 0 only if everything agreed and every test passed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from machine_code import examine

HERE = Path(__file__).resolve().parents[1]
TOOLS = ("debootstrap", "qemu-aarch64-static", "proot", "aarch64-linux-gnu-gcc", "dpkg-deb")
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
# No compiler: proot 5.1 asks the host, not the userland, in access() and statx(), which stops gcc
# from finding its parts. Tests of the C core alone skip themselves then.
DEBIAN_PACKAGES = ("python3", "python3-dev", "python3-venv")
PACKAGES = (
    *("numpy", "scipy", "wfdb", "ai-edge-litert"),
    *("pytest", "pytest-benchmark", "pytest-timeout", "hypothesis", "edfio", "pyserial"),
)
OPTIONAL_PACKAGES = ("tflite-runtime", "scikit-learn")
RECORDS = ("100", "105", "119", "200", "208", "222", "232")
#: Probabilities of the two machines may differ by this much; other outputs, relative to their size.
AGREEMENT = 1e-5
# Tests that hold a clock to a limit: an emulator is some twenty times slower.
TIMED = (
    "test_import.py::test_import_is_quick",
    "test_records.py::test_real_record_is_read_without_wfdb_and_fast",
    "test_synthetic.py::test_a_minute_takes_under_a_second",
)
# An instruction of ARMv8.1: the emulated core must stop here, else it shows nothing.
_BEYOND = 'int main(void) { int x = 1; __asm__ volatile("ldadd w0, w0, [%0]" :: "r"(&x)); }\n'
# What qemu says of a program that it stops; proot loses its exit status.
_STOPPED = "qemu: uncaught target signal"
# File that tells which commit the work folder holds.
_COMMIT = "commit"


@dataclass
class Userland:
    """An arm64 Debian in a folder, run by an emulator."""

    root: Path
    """Its folder."""
    share: Path
    """Folder that it sees as /share."""
    data: Path | None
    """Folder of recordings, which it sees as /data."""
    cpu: str
    """Core that qemu emulates."""

    def run(
        self, *command: str, cwd: str = "/", limit: float | None = None, log: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its output is kept in `log`, or returned."""
        binds = ["/proc", "/dev", f"{self.share}:/share"]
        if self.data is not None:
            binds.append(f"{self.data}:/data")
        words = ["proot", "-q", f"qemu-aarch64-static -cpu {self.cpu}", "-r", str(self.root)]
        words += [word for bind in binds for word in ("-b", bind)]
        words += [
            *("-w", cwd, "/usr/bin/env", "-i", "HOME=/tmp", "LC_ALL=C.UTF-8"),
            "PATH=/venv/bin:/usr/bin:/bin",
            *(["ECGFAST_DATA=/data"] if self.data is not None else []),
            *command,
        ]
        with (
            nullcontext(subprocess.PIPE) if log is None else log.open("w", encoding="utf-8") as out,
            subprocess.Popen(
                words, stdout=out, stderr=out, text=True, start_new_session=True
            ) as process,
        ):
            try:
                text, errors = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # proot and all that it traces
                raise
        return subprocess.CompletedProcess(words, process.returncode, text, errors)

    def must(self, *command: str) -> str:
        """Run a command inside; its standard output. Raises RuntimeError if it fails."""
        done = self.run(*command)
        if done.returncode or _STOPPED in done.stderr:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def here(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command on this machine; its standard output. Raises RuntimeError if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def say(text: str) -> None:
    """Tell what goes on."""
    print(f"{datetime.now(timezone.utc):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def apt_mirror() -> str:
    """First Debian mirror among apt's sources."""
    sources = Path("/etc/apt")
    for path in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("debian*"))]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if found := re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+)", text, re.M):
                return found[1]
    raise RuntimeError("apt has no Debian mirror here; name one with --mirror")


def make_userland(root: Path, suite: str, mirror: str) -> None:
    """Fetch an arm64 Debian and unpack it; nothing of it has to be run for that."""
    fresh = root.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    packages = ",".join(DEBIAN_PACKAGES)
    here(
        *("debootstrap", "--arch=arm64", "--foreign", "--variant=minbase"),
        *(f"--include={packages}", suite, fresh, mirror),
    )
    for package in sorted((fresh / "var/cache/apt/archives").glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as files:
            subprocess.run(
                ["tar", "-x", "--keep-directory-symlink", "-C", fresh],
                stdin=files.stdout,
                check=True,
            )
        if files.returncode:
            raise RuntimeError(f"{package}: cannot be unpacked")
        package.unlink()
    # What the packages' own scripts would have written.
    for name in ("passwd", "group"):
        shutil.copy(fresh / f"usr/share/base-passwd/{name}.master", fresh / "etc" / name)
    if (fresh / "proc").is_symlink():
        (fresh / "proc").unlink()
        (fresh / "proc").mkdir()
    fresh.rename(root)


def versions() -> dict[str, str]:
    """Packages for the emulated Python: those of this one."""
    found = {}
    for name in (*PACKAGES, *OPTIONAL_PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in PACKAGES:
                raise RuntimeError(f"this Python lacks {name}: pip install {name}") from None
    return found


def fetch_packages(folder: Path, packages: dict[str, str]) -> None:
    """Download the aarch64 wheels with pip, from its configured index."""
    marker = folder / "complete.json"
    if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == packages:
        return
    # pip takes these one by one: each glibc up to that of bookworm.
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    here(
        *(sys.executable, "-m", "pip", "download", "-q", "--dest", folder),
        *("--only-binary=:all:", "--python-version", platform.python_version()),
        *(word for name in platforms for word in ("--platform", name)),
        *("--platform", "manylinux2014_aarch64", "pip"),
        *(f"{name}=={version}" for name, version in packages.items()),
    )
    marker.write_text(json.dumps(packages), encoding="utf-8")


def take_source(folder: Path, revision: str) -> str:
    """Unpack a commit; its id."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    here("git", "archive", "-o", archive, revision, cwd=HERE)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return here("git", "rev-parse", revision, cwd=HERE).strip()


def build_wheel(source: Path, to: Path, root: Path | None = None) -> Path:
    """Build a wheel for this machine, or, with a userland's folder, for aarch64."""
    env: dict[str, str] = {}
    if root is not None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        env = {
            "CC": "aarch64-linux-gnu-gcc",
            "LDSHARED": "aarch64-linux-gnu-gcc -shared",
            "CFLAGS": f"-I{root}/usr/include/python{version} -I{root}/usr/include",
            "_PYTHON_HOST_PLATFORM": "linux-aarch64",
            "SETUPTOOLS_EXT_SUFFIX": f".cpython-{version.replace('.', '')}-aarch64-linux-gnu.so",
        }
    shutil.rmtree(to, ignore_errors=True)
    shutil.rmtree(source / "build", ignore_errors=True)
    here(
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
        *("-w", to, "."),
        cwd=source,
        env=env,
    )
    (wheel,) = to.glob("*.whl")
    return wheel


def install(userland: Userland, wheel: Path, packages: dict[str, str]) -> None:
    """Install the wheel, and what it needs, inside the userland."""
    if not (userland.root / "venv/bin/python").exists():
        userland.must("/usr/bin/python3", "-m", "venv", "--without-pip", "/venv")
    (pip,) = (userland.share / "wheels").glob("pip-*.whl")
    pip_install = (
        *("/usr/bin/python3", f"/share/wheels/{pip.name}/pip", "--python", "/venv/bin/python"),
        *("install", "-q", "--no-index", "--find-links", "/share/wheels", "--no-compile"),
    )
    userland.must(*pip_install, *(f"{name}=={version}" for name, version in packages.items()))
    inside = f"/share/{wheel.relative_to(userland.share)}"
    # With its dependencies: they have to be satisfied by what is there.
    userland.must(*pip_install, "--force-reinstall", "--no-deps", inside)
    userland.must(*pip_install, inside)


def stops_at_newer_code(userland: Userland) -> bool:
    """Whether the emulated core stops a program at an instruction of ARMv8.1."""
    source = userland.share / "beyond.c"
    source.write_text(_BEYOND, encoding="ascii")
    program = source.with_suffix("")
    here("aarch64-linux-gnu-gcc", "-march=armv8.1-a", "-static", source, "-o", program)
    return f"{_STOPPED} 4 (Illegal instruction)" in userland.run("/share/beyond").stderr


def trace(userland: Userland, records: list[str], wheel: Path) -> tuple[Path, Path]:
    """Traces of the recordings from this machine and from the userland: their folders."""
    assert userland.data is not None
    site = userland.share / "x86_64"
    shutil.rmtree(site, ignore_errors=True)
    here(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
    script = "source/scripts/trace_beats.py"
    ours, theirs = userland.share / "traces-x86_64", userland.share / "traces-aarch64"
    for folder in (ours, theirs):
        shutil.rmtree(folder, ignore_errors=True)
    here(
        *(sys.executable, userland.share / script),
        *(userland.data / "mitdb" / name for name in records),
        *("--out", ours),
        env={"PYTHONPATH": str(site)},
    )
    for name in records:
        say(f"record {name} on the emulated core")
        userland.must(
            *("/venv/bin/python", f"/share/{script}", f"/data/mitdb/{name}"),
            *("--out", f"/share/{theirs.name}"),
        )
    return ours, theirs


def compare(ours: Path, theirs: Path) -> dict[str, Any]:
    """How two machines' traces of the same recordings differ.

    Parameters
    ----------
    ours, theirs : Path
        Folders with a .npz for each record.

    Returns
    -------
    dict
        ``records``, ``beats`` (of the adaptive detector); ``arrays``: by name, over all records,
        ``values``, how many ``differ`` in their bits, ``largest`` difference, and for outputs of
        models ``relative``, the largest against 1 or the value, and ``labels``, how many differ;
        ``runtimes``: the same for a form's outputs from two runtimes on this machine.
    """
    arrays: dict[str, dict[str, Any]] = {}
    runtimes: dict[str, dict[str, Any]] = {}
    beats = 0
    names = sorted(path.name for path in ours.glob("*.npz"))
    for name in names:
        with np.load(ours / name) as own, np.load(theirs / name) as other:
            if set(own.files) != set(other.files):
                raise RuntimeError(f"{name}: other arrays: {set(own.files) ^ set(other.files)}")
            beats += len(own["adaptive/r_sample"])
            for key in own.files:
                entry = arrays.setdefault(key, {"values": 0, "differ": 0, "largest": 0.0})
                add_difference(entry, own[key], other[key], output=is_output(key))
            for key, beside in pairwise(filter(is_output, own.files)):
                form, _, runtime = key.rpartition("/")
                if beside.rpartition("/")[0] == form:
                    pair = f"{form}: {runtime}, {beside.rpartition('/')[2]}"
                    entry = runtimes.setdefault(pair, {"values": 0, "differ": 0, "largest": 0.0})
                    add_difference(entry, own[key], own[beside], output=True)
    return {
        "records": [Path(name).stem for name in names],
        "beats": beats,
        "arrays": arrays,
        "runtimes": runtimes,
    }


def is_output(key: str) -> bool:
    """Whether an array of a trace is what a model gave: "model/form/runtime"."""
    return key.count("/") == 2


def add_difference(entry: dict[str, Any], own: Any, other: Any, *, output: bool) -> None:
    """Count how one array differs from its counterpart into `entry`, as `compare` says."""
    entry["values"] += own.size
    if own.shape != other.shape or own.dtype != other.dtype:
        entry["differ"] += max(own.size, other.size)
        entry["largest"] = float("inf")
        return
    bits = [np.ascontiguousarray(a).view(np.uint8).reshape(a.size, -1) for a in (own, other)]
    unlike = (bits[0] != bits[1]).any(axis=1) if own.size else np.zeros(0, bool)
    entry["differ"] += int(unlike.sum())
    gap = np.abs(own.ravel()[unlike].astype(np.float64) - other.ravel()[unlike])
    # A number beside none is no small difference.
    entry["largest"] = max(entry["largest"], float(np.nan_to_num(gap, nan=np.inf).max(initial=0)))
    if output:
        size = np.maximum(1.0, np.abs(own.astype(np.float64)))
        relative = (np.abs(own.astype(np.float64) - other) / size).max(initial=0.0)
        entry["relative"] = max(entry.get("relative", 0.0), float(relative))
        labels = (
            own.argmax(1) != other.argmax(1) if own.shape[1] > 1 else (own > 0.5) != (other > 0.5)
        )
        entry["labels"] = entry.get("labels", 0) + int(labels.sum())


def bench(userland: Userland) -> dict[str, Any]:
    """What ecgfast-bench measured inside: names, not times."""
    told = json.loads(userland.must("/venv/bin/ecgfast-bench", "--quick", "--json"))
    return {
        "command": "ecgfast-bench --quick --json",
        "machine": {key: told["machine"][key] for key in ("system", "python", "numpy", "runtimes")},
        "stages": list(told["stages"]),
        "models": {
            model: {
                form: sorted(set(entry) - {"bytes"}) if "error" not in entry else entry["error"]
                for form, entry in forms.items()
            }
            for model, forms in told["models"].items()
        },
        "end_to_end": {name: entry.get("beats") for name, entry in told["end_to_end"].items()},
    }


def run_tests(
    userland: Userland, files: list[str], args: argparse.Namespace, kept: Path
) -> dict[str, Any]:
    """Run test files inside, some at a time, while time is left; what each came to."""
    kept.mkdir(parents=True, exist_ok=True)
    end = monotonic() + args.budget
    with ThreadPoolExecutor(args.jobs) as pool:
        results = pool.map(
            lambda name: run_test_file(userland, name, min(args.limit, end - monotonic()), kept),
            files,
        )
        return dict(zip(files, results, strict=True))


def run_test_file(userland: Userland, name: str, limit: float, kept: Path) -> dict[str, Any]:
    """Run one test file inside, unless its report is there."""
    report = kept / f"{name}.xml"
    if report.is_file():
        return outcome(report)
    if limit <= 0:
        return {"unfinished": "not run: no time left"}
    say(f"tests/{name}")
    left_out = [f"--deselect=tests/{test}" for test in TIMED if test.startswith(name)]
    fresh = userland.share / f"{name}.xml"
    fresh.unlink(missing_ok=True)
    try:
        userland.run(
            *("/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "0"),
            *(f"--junitxml=/share/{fresh.name}", *left_out, f"tests/{name}"),
            cwd="/share/source",
            limit=limit,
            log=kept / f"{name}.log",
        )
    except subprocess.TimeoutExpired:
        return {"unfinished": f"stopped after {limit:.0f} s"}
    if not fresh.is_file():
        return {"unfinished": "pytest ended without a report"}
    shutil.move(fresh, report)
    return outcome(report)


def outcome(report: Path) -> dict[str, Any]:
    """Counts, reasons for skipping, and failures in a JUnit report."""
    tally: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    failed: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        problem = case.find("failure")
        problem = case.find("error") if problem is None else problem
        reason = case.find("skipped")
        if problem is not None:
            tally["failed"] += 1
            failed[str(case.get("name"))] = str(problem.get("message")).splitlines()[0][:200]
        elif reason is not None:
            tally["skipped"] += 1
            skipped[str(reason.get("message"))] += 1
        else:
            tally["passed"] += 1
    return {**tally, "reasons": dict(skipped), "failures": failed}


def verdicts(log: dict[str, Any]) -> dict[str, bool]:
    """What has to hold, and whether it does."""
    code, tests = log["machine_code"], log["tests"]
    said = {
        "vector kernels are there": bool(code["kernels"]),
        "no fused multiply-add": code["fused"] == 0,
        "nothing that ARMv8.0-A lacks": not code["beyond"],
        "the emulated core stops at newer instructions": log["stops_at_newer_code"],
        "every test file finished": bool(tests)
        and all("unfinished" not in t for t in tests.values()),
        "no test failed": not any(t.get("failed") for t in tests.values()),
    }
    if (comparison := log["comparison"]) is not None:
        arrays = comparison["arrays"]
        inputs = {key: entry for key, entry in arrays.items() if not is_output(key)}
        # Integer models round as each runtime's kernels for a machine do; see the page's text.
        outputs = [entry for key, entry in arrays.items() if is_output(key) and "/int8/" not in key]
        peaks = [entry for key, entry in inputs.items() if key.endswith("/r_sample")]
        said |= {
            "R peaks are identical": not any(entry["differ"] for entry in peaks),
            "windows, features, intervals and quality are the same bits": not any(
                entry["differ"] for entry in inputs.values()
            ),
            f"outputs of float models agree within {AGREEMENT:g}": all(
                entry["relative"] <= AGREEMENT for entry in outputs
            ),
            "labels of float models are identical": not any(entry["labels"] for entry in outputs),
        }
    return said


def difference_table(entries: dict[str, dict[str, Any]]) -> list[str]:
    """Rows of a table of differences, its head first."""
    return [
        "| compared | values | differ in a bit | largest difference | labels that differ |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {key} | {entry['values']} | {entry['differ']} | {entry['largest']:.2g} | "
            f"{entry.get('labels', '')} |"
            for key, entry in entries.items()
        ),
    ]


def markdown(log: dict[str, Any]) -> str:
    """The log as a page."""
    lines = [
        "# The aarch64 wheel, emulated",
        "",
        f"Made by `{log['command']}` on {log['when']}, from commit {log['commit'][:12]}: "
        f"{log['wheel']} in an arm64 Debian {log['suite']} under {log['emulator']}, core "
        f"`{log['cpu']}` (that of a Raspberry Pi 3 is `cortex-a53`). The emulator runs the same "
        "instructions as the core, at no meaningful speed.",
        "",
        "| what has to hold | |",
        "| --- | --- |",
        *(f"| {what} | {'yes' if holds else 'NO'} |" for what, holds in log["verdicts"].items()),
        "",
        "Versions, the same on both machines: "
        + ", ".join(f"{name} {version}" for name, version in log["packages"].items())
        + ".",
    ]
    if (comparison := log["comparison"]) is not None:
        lines += [
            "",
            "## The same beats as x86-64",
            "",
            f"Records of mitdb: {', '.join(comparison['records'])}; {comparison['beats']} beats. "
            "By detector or model, then what was compared (a model's output: form and runtime).",
            "",
            *difference_table(comparison["arrays"]),
            "",
            "Integer models round as each runtime's kernels for a machine do, and one step early "
            "in a network can become several at its end. As a measure, two runtimes on x86-64:",
            "",
            *difference_table(comparison["runtimes"]),
        ]
    code = log["machine_code"]
    dispatched = ", ".join(f"`{name}`" for name in code["dispatched"]) or "none"
    lines += [
        "",
        "## Machine code",
        "",
        f"{code['instructions']} instructions; {code['fused']} fused multiply-adds; "
        f"{sum(map(len, code['beyond'].values()))} that the assembler refuses for ARMv8.0-A, "
        f"beside libgcc's atomics, which ask first: {dispatched}. Functions that compute on "
        "vectors of floats (NEON):",
        "",
        "| function | instructions | vector arithmetic |",
        "| --- | --- | --- |",
        *(
            f"| `{name}` | {entry['instructions']} | {entry['vector']} |"
            for name, entry in code["kernels"].items()
        ),
        "",
        "## Tests",
        "",
        f"Left out, since they hold a clock to a limit: {', '.join(f'`{t}`' for t in TIMED)}.",
        "",
        "| file | passed | skipped | failed |",
        "| --- | --- | --- | --- |",
    ]
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    for name, entry in log["tests"].items():
        if "unfinished" in entry:
            lines.append(f"| {name} | {entry['unfinished']} | | |")
            continue
        lines.append(
            f"| {name} | {entry.get('passed', 0)} | {entry.get('skipped', 0)} | "
            f"{entry.get('failed', 0)} |"
        )
        reasons.update(entry["reasons"])
        failures += [f"- `{test}` ({name}): {why}" for test, why in entry["failures"].items()]
    if log["not_run"]:
        lines += ["", f"Not run: {', '.join(log['not_run'])}."]
    if reasons:
        lines += ["", "Skipped:", "", *(f"- {n} x {why}" for why, n in reasons.most_common())]
    if failures:
        lines += ["", "Failed:", "", *failures]
    lines += ["", "## ecgfast-bench", "", f"`{log['bench']['command']}` ran to its end: stages "]
    lines[-1] += (
        ", ".join(log["bench"]["stages"])
        + "; models "
        + "; ".join(
            f"{model} ({form}: {', '.join(told) if isinstance(told, list) else told})"
            for model, forms in log["bench"]["models"].items()
            for form, told in forms.items()
        )
    )
    lines[-1] += "; beats labelled end to end: " + ", ".join(
        f"{model} {beats}" for model, beats in log["bench"]["end_to_end"].items()
    )
    lines[-1] += "."
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the userland, kept for the next run"
    )
    parser.add_argument("--data", type=Path, help="recordings (mitdb/, svdb/, ...) for 5 and 7")
    parser.add_argument(
        "--records", nargs="+", default=list(RECORDS), help="records of mitdb to compare"
    )
    parser.add_argument(
        "--tests", nargs="+", metavar="FILE", help="test files to run (default: every one)"
    )
    parser.add_argument(
        "--limit", type=float, default=3600.0, metavar="S", help="longest time for a test file"
    )
    parser.add_argument(
        "--budget", type=float, default=86400.0, metavar="S", help="time for all test files"
    )
    parser.add_argument(
        "--cpu", default="cortex-a53", help="core to emulate (default: %(default)s)"
    )
    parser.add_argument(
        "--more", action="store_true", help="only go on with the tests that LOG.json lacks"
    )
    parser.add_argument("--revision", default="HEAD", help="commit to build (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="test files at a time (default: %(default)s)"
    )
    parser.add_argument("--suite", help="Debian suite (default: the one with this Python)")
    parser.add_argument("--mirror", help="Debian mirror (default: apt's)")
    parser.add_argument(
        "--log", type=Path, default=HERE / "docs" / "aarch64", help="LOG.json, LOG.md"
    )
    return parser.parse_args()


def chosen_tests(userland: Userland, named: list[str] | None) -> tuple[list[str], list[str]]:
    """Test files to run, and those left."""
    every = sorted(path.name for path in (userland.share / "source" / "tests").glob("test_*.py"))
    chosen = named or every
    return chosen, sorted(set(every) - set(chosen))


def run_all(userland: Userland, suite: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run all steps; the log without its verdicts."""
    share = userland.share
    if not userland.root.is_dir():
        say("arm64 userland")
        make_userland(userland.root, suite, args.mirror or apt_mirror())
    say("packages")
    packages = versions()
    fetch_packages(share / "wheels", packages)
    say("wheels")
    (share / _COMMIT).unlink(missing_ok=True)
    commit = take_source(share / "source", args.revision)
    own_wheel = build_wheel(share / "source", share / "dist-x86_64")
    wheel = build_wheel(share / "source", share / "dist-aarch64", userland.root)
    shutil.rmtree(share / "aarch64", ignore_errors=True)
    here(sys.executable, "-m", "zipfile", "-e", wheel, share / "aarch64")
    (extension,) = (share / "aarch64" / "ecgfast").glob("core*aarch64*.so")
    # Some tests start commands from the checkout.
    shutil.copy(extension, share / "source" / "ecgfast")
    say("installing inside")
    install(userland, wheel, packages)
    (share / _COMMIT).write_text(commit, encoding="ascii")
    chosen, not_run = chosen_tests(userland, args.tests)
    with ThreadPoolExecutor(1) as beside:
        tests = beside.submit(run_tests, userland, chosen, args, share / "tests" / commit)
        comparison = None
        if userland.data is not None:
            comparison = compare(*trace(userland, args.records, own_wheel))
        say("ecgfast-bench")
        measured = bench(userland)
        return {
            "command": "python scripts/emulate_aarch64.py",
            "when": f"{datetime.now(timezone.utc):%Y-%m-%d}",
            "commit": commit,
            "suite": suite,
            "cpu": args.cpu,
            "emulator": here("qemu-aarch64-static", "--version").splitlines()[0],
            "wheel": wheel.name,
            "packages": packages,
            "machine_code": examine(extension),
            "comparison": comparison,
            "bench": measured,
            "tests": tests.result(),
            "not_run": not_run,
        }


def main() -> int:
    """Run what is asked for; 0 if everything holds."""
    args = parse()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        sys.exit(f"missing: {', '.join(missing)}; see --help for the packages")
    suite = args.suite or SUITES.get(sys.version_info[:2])
    if suite is None:
        sys.exit("run it with the Python of a Debian suite: 3.11 (bookworm) or 3.13 (trixie)")
    work = args.work.resolve()
    share = work / "share"
    (share / "wheels").mkdir(parents=True, exist_ok=True)
    data = None if args.data is None else args.data.resolve()
    userland = Userland(work / suite, share, data, args.cpu)

    log_file = args.log.with_suffix(".json")
    if args.more:
        log = json.loads(log_file.read_text(encoding="utf-8"))
        if not (share / _COMMIT).is_file() or (share / _COMMIT).read_text() != log["commit"]:
            sys.exit(f"{work} does not hold the commit of {log_file}: run it without --more")
        chosen, log["not_run"] = chosen_tests(userland, args.tests)
        log["tests"] = run_tests(userland, chosen, args, share / "tests" / log["commit"])
    else:
        log = run_all(userland, suite, args)
    log["stops_at_newer_code"] = stops_at_newer_code(userland)
    log["verdicts"] = verdicts(log)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
    args.log.with_suffix(".md").write_text(markdown(log), encoding="utf-8")
    print(markdown(log))
    return 0 if all(log["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
