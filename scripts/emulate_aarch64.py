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
import platform
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from typing import Any

from aarch64_page import markdown, verdicts
from aarch64_userland import STOPPED, Userland, apt_mirror, here, make_userland, say
from compare_traces import compare
from machine_code import examine

HERE = Path(__file__).resolve().parents[1]
TOOLS = ("debootstrap", "qemu-aarch64-static", "proot", "aarch64-linux-gnu-gcc", "dpkg-deb")
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
PACKAGES = (
    *("numpy", "scipy", "wfdb", "ai-edge-litert", "jinja2", "pooch", "tabulate"),
    *("pytest", "pytest-benchmark", "pytest-timeout", "hypothesis", "edfio", "pyserial"),
)
OPTIONAL_PACKAGES = ("tflite-runtime", "scikit-learn")
RECORDS = ("100", "105", "119", "200", "208", "222", "232")
# Tests that hold a clock to a limit: an emulator is some twenty times slower.
TIMED = (
    "test_import.py::test_import_is_quick",
    "records/test_records.py::test_real_record_is_read_without_wfdb_and_fast",
    "records/test_synthetic.py::test_a_minute_takes_under_a_second",
)
# An instruction of ARMv8.1: the emulated core must stop here, else it shows nothing.
_BEYOND = 'int main(void) { int x = 1; __asm__ volatile("ldadd w0, w0, [%0]" :: "r"(&x)); }\n'
# File that tells which commit the work folder holds.
_COMMIT = "commit"


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
    env = {"ECGFAST_SYMBOLS": "1"}  # machine code is told by function
    if root is not None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        env |= {
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
    return f"{STOPPED} 4 (Illegal instruction)" in userland.run("/share/beyond").stderr


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


def bench(userland: Userland) -> dict[str, Any]:
    """What ecgfast-bench measured inside: names, not times."""
    told = json.loads(userland.must("/venv/bin/ecgfast-bench", "--quick", "--json"))
    return {
        "command": "ecgfast-bench --quick --json",
        "machine": {key: told["machine"][key] for key in ("system", "python", "numpy", "runtimes")},
        "stages": list(told["stages"]),
        "models": {
            model: {
                precision: sorted(set(entry) - {"bytes"})
                if "error" not in entry
                else entry["error"]
                for precision, entry in precisions.items()
            }
            for model, precisions in told["models"].items()
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
    file = name.replace("/", ".")
    report = kept / f"{file}.xml"
    if report.is_file():
        return outcome(report)
    if limit <= 0:
        return {"unfinished": "not run: no time left"}
    say(f"tests/{name}")
    left_out = [f"--deselect=tests/{test}" for test in TIMED if test.startswith(name)]
    fresh = userland.share / f"{file}.xml"
    fresh.unlink(missing_ok=True)
    try:
        userland.run(
            *("/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "0"),
            *("-m", "not slow", f"--junitxml=/share/{fresh.name}", *left_out, f"tests/{name}"),
            cwd="/share/source",
            limit=limit,
            log=kept / f"{file}.log",
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
    tests = userland.share / "source" / "tests"
    every = sorted(path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py"))
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
    args.log.with_suffix(".md").write_text(markdown(log, TIMED), encoding="utf-8")
    print(markdown(log, TIMED))
    return 0 if all(log["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
