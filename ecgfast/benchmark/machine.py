"""What the system tells about this machine; None where it does not."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["BUSY", "describe", "joined", "warnings"]

#: Processor time over wall time below which others took the core from a measurement.
BUSY = 0.9

_SYS = Path("/sys")
_RUNTIMES = {
    "ai-edge-litert": "ai-edge-litert",
    "tflite-runtime": "tflite-runtime",
    "tf.lite": "tensorflow",
    "ecgfast": "ecgfast",
}


# What `describe` tells of one moment only.
_MOMENT = ("celsius", "load", "throttled", "throttle_events")


def describe() -> dict[str, Any]:
    """Processor, clock, temperature, load and versions, now.

    Returns
    -------
    dict
        Under the names that ``ecgfast-bench`` documents; those of `_MOMENT` belong to the moment.
    """
    import numpy as np

    clock = _SYS / "devices/system/cpu/cpu0/cpufreq"
    return {
        "cpu": _cpu(),
        "board": _text(Path("/proc/device-tree/model")),
        "cores": _cores(),
        "governor": _text(clock / "scaling_governor"),
        "mhz": _scaled(clock / "scaling_cur_freq", 1e3) or _cpuinfo_mhz(),
        "mhz_max": _scaled(clock / "cpuinfo_max_freq", 1e3),
        "celsius": _celsius(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "throttled": _throttled(),
        "throttle_events": _throttle_events(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "runtimes": _runtimes(),
    }


def joined(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """One description of two moments."""
    same = {k: v for k, v in before.items() if k not in _MOMENT}
    return {
        **same,
        "celsius_before": before["celsius"],
        "celsius_after": after["celsius"],
        "load_before": before["load"],
    }


def warnings(before: dict[str, Any], after: dict[str, Any], cpu_share: float) -> list[str]:
    """What makes figures doubtful: a busy machine, a clock held down."""
    found = []
    if cpu_share < BUSY:
        found.append(
            f"the machine was busy: only {100 * cpu_share:.0f} % of a core came to the "
            "measurement; run it again on an idle machine"
        )
    elif before["load"] is not None and before["load"] > max(0.5, 0.5 * (before["cores"] or 1)):
        found.append(f"the machine was busy before the start (load {before['load']:.1f})")
    events = before["throttle_events"], after["throttle_events"]
    if before["throttled"] or after["throttled"] or events[0] != events[1]:
        found.append("the clock was throttled: too hot, or too little power")
    if before["governor"] not in (None, "performance", "schedutil", "ondemand"):
        found.append(f"the governor is {before['governor']!r}: the clock may have stayed low")
    return found


def _cpu() -> str | None:
    info = _text(Path("/proc/cpuinfo")) or ""
    for key in ("model name", "Model", "Hardware"):
        for line in info.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or None


def _cpuinfo_mhz() -> float | None:
    for line in (_text(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("cpu MHz"):
            return float(line.partition(":")[2])
    return None


def _cores() -> int | None:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _celsius() -> float | None:
    """The hottest thermal zone."""
    zones = sorted(_SYS.glob("class/thermal/thermal_zone*/temp"))
    found = [value for zone in zones if (value := _scaled(zone, 1e3)) is not None]
    return max(found, default=None)


def _firmware() -> int | None:
    """A Raspberry Pi's throttling flags: bits 0 to 3 now, bits 16 to 19 since it was started."""
    flags = _text(_SYS / "devices/platform/soc/soc:firmware/get_throttled")
    try:
        return None if flags is None else int(flags, 16)
    except ValueError:
        return None


def _throttled() -> bool | None:
    """Whether a Raspberry Pi's firmware holds the clock down now."""
    flags = _firmware()
    return None if flags is None else bool(flags & 0xF)


def _throttle_events() -> int | None:
    """What grows when the clock is held down: a Pi's flags since the start, an x86's counters."""
    flags = _firmware()
    if flags is not None:
        return flags >> 16
    counters = (_SYS / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [value for file in counters if (value := _scaled(file, 1)) is not None]
    return int(sum(counts)) if counts else None


def _runtimes() -> dict[str, str]:
    found = {}
    for name, package in _RUNTIMES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _scaled(path: Path, unit: float) -> float | None:
    text = _text(path)
    try:
        return None if text is None else float(text) / unit
    except ValueError:
        return None
