"""What an installation of ecgfast weighs: the base, and each extra for users.

``python bench/installs.py`` builds the wheel of this checkout, installs it with pip in a fresh
virtual environment, alone and with each extra, counts distributions and MB (1e6 bytes, bytecode
included), and writes docs/installs.json and docs/installs.md. ``python bench/installs.py plot hrv``
measures these again and keeps the others. The exit status is 1 if the base is larger than `AIM`.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone
from email import message_from_bytes
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
LOG = HERE / "docs" / "installs"
AIM = (10, 190)  # distributions and MB of the base, at most; .ci/packages holds it
# Extras for work on this package, and a name that brings nothing any more.
NOT_FOR_USERS = ("bench", "dev", "docs", "edf", "notebooks", "test", "tflite")


def extras_of(wheel: Path) -> list[str]:
    """Names of the extras that a wheel offers its users."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        names = message_from_bytes(archive.read(metadata)).get_all("Provides-Extra", [])
    return [name for name in names if name not in NOT_FOR_USERS]


def contents_of(wheel: Path) -> dict[str, float]:
    """MB of a wheel, of the models and of the compiled extensions in it, as they are packed."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {one.filename: one.compress_size / 1e6 for one in archive.infolist()}
    compiled = [size for name, size in packed.items() if name.endswith((".so", ".pyd"))]
    models = [size for name, size in packed.items() if name.startswith("ecgfast/models/")]
    sizes = {"wheel": wheel.stat().st_size / 1e6, "models": sum(models), "compiled": sum(compiled)}
    return {name: round(size, 2) for name, size in sizes.items()}


def install(wheel: Path, extra: str, folder: Path) -> dict[str, Any]:
    """Install the wheel in a fresh environment; what it holds then, and what that took."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    need = f"{wheel}[{extra}]" if extra else str(wheel)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-m", "pip", "install", "-q", need], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = subprocess.run(
        [python, HERE / ".ci" / "check_base.py", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    sizes: dict[str, float] = json.loads(counted.stdout)
    return {
        "distributions": len(sizes),
        "mb": round(sum(sizes.values()), 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "sizes": {name: round(size, 2) for name, size in sizes.items()},
    }


def page(log: dict[str, Any]) -> str:
    """The table as a page of the documentation."""
    base = log["installs"]["base"]
    largest = ", ".join(f"{name} {size:.0f}" for name, size in list(base["sizes"].items())[:3])
    about = (
        f"Made by `python bench/installs.py` on {log['date']}: ecgfast {log['version']} with pip "
        f"in a fresh virtual environment, Python {log['python']} on {log['machine']}. MB are 1e6 "
        "bytes on the disk, with compiled bytecode and without pip. Processor time is pip's, "
        "without the wait for downloads."
    )
    aim = (
        f"The base aims at no more than {AIM[0]} distributions and {AIM[1]} MB, which "
        f"`.ci/packages` checks. Its largest, in MB: {largest}. Every extra includes the base."
    )
    wheel = "The wheel has {wheel:.1f} MB: models {models:.1f}, compiled code {compiled:.1f}."
    head = (
        "`pip install`",
        "distributions",
        "MB",
        "added MB",
        "largest addition, MB",
        "processor, s",
    )
    lines = [
        "# What an installation weighs",
        "",
        about,
        "",
        aim,
        "",
        wheel.format(**log["wheel"]),
        "",
    ]
    lines += [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for extra, one in log["installs"].items():
        new = {k: v for k, v in one["sizes"].items() if k not in base["sizes"]}
        most = max(new, key=new.__getitem__, default="")
        lines.append(
            f"| `{'ecgfast' if extra == 'base' else f'ecgfast[{extra}]'}` | {one['distributions']} "
            f"| {one['mb']:.0f} | {one['mb'] - base['mb']:.0f} "
            f"| {f'{most} {new[most]:.0f}' if most else 'none'} | {one['cpu_s']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extras", nargs="*", help="these alone, `base` among them (default: all)")
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = chosen.wheel
        if wheel is None:
            pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
            subprocess.run([*pip, "-w", folder, HERE], check=True)
            (wheel,) = folder.glob("*.whl")
        names = ["base", *extras_of(wheel)]
        if unknown := set(chosen.extras) - set(names):
            parser.error(f"no extra {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        found: dict[str, Any] = {}
        if LOG.with_suffix(".json").is_file():
            found = json.loads(LOG.with_suffix(".json").read_text("utf-8"))["installs"]
        for extra in chosen.extras or names:
            with tempfile.TemporaryDirectory() as place:
                found[extra] = install(wheel, "" if extra == "base" else extra, Path(place, "venv"))
            print(f"{extra}: {found[extra]['distributions']}, {found[extra]['mb']} MB", flush=True)
            log = {
                "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
                "version": wheel.name.split("-")[1],
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}",
                "wheel": contents_of(wheel),
                "installs": {extra: found[extra] for extra in names if extra in found},
            }
            if "base" in found:
                LOG.with_suffix(".json").write_text(json.dumps(log, indent=1) + "\n", "utf-8")
                LOG.with_suffix(".md").write_text(page(log), "utf-8")
    base = found["base"]
    return int(base["distributions"] > AIM[0] or base["mb"] > AIM[1])


if __name__ == "__main__":
    sys.exit(main())
