"""A result as a table for people, and its ratios to an older one."""

from __future__ import annotations

from typing import Any

__all__ = ["comparison", "ratios", "table"]

_POINTS = ("p50", "p95", "p99", "max")


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    machine, signal = result["machine"], result["signal"]
    lines = [f"ecgfast {result['ecgfast']}, {result['when']}", *_machine(machine), ""]
    lines.append(
        f"signal: {signal['name']}, {signal['seconds']:.0f} s, {signal['leads']} leads at "
        f"{signal['fs']:g} Hz, {signal['beats']} beats; chunks of {signal['chunk']} samples"
    )
    lines += ["", f"{'':24}{'in blocks of 10 s':^32}{'one chunk, us':^36}"]
    lines.append(f"{'stage':24}{'ns/sample':>10}{'x real time':>14}{'':8}{_heads()}")
    for name, stage in result["stages"].items():
        lines.append(
            f"{name:24}{stage['ns_per_sample']:>10.1f}{stage['real_time_factor']:>14,.0f}{'':8}"
            f"{_points(stage['chunk_us'])}"
        )
    if result["models"]:
        lines += ["", f"{'':56}{'one beat, us':^36}"]
        head = f"{'model':24}{'form':9}{'runtime':15}"
        lines.append(f"{head}{'kB':>8}{_heads()}{'batch':>9}")
    for name, forms in result["models"].items():
        for form, entry in forms.items():
            lines += _model_lines(name, form, entry)
    if result["end_to_end"]:
        lines += ["", f"{'':24}{'samples in to label out, us':^36}"]
        lines.append(
            f"{'end to end':24}{_heads()}{'ns/sample':>11}{'of a core':>11}"
            f"{'start-up':>11}{'memory':>10}"
        )
    for name, entry in result["end_to_end"].items():
        memory = entry.get("memory_bytes")
        resident = f"{memory / 1e6:>7.0f} MB" if memory else f"{'':>10}"
        lines.append(
            f"{_short(name):24}{_points(entry['latency_us'])}{entry['ns_per_sample']:>11.1f}"
            f"{100 * entry['core_share']:>9.3f} %{entry['first_beat_s']:>9.2f} s{resident}"
        )
    if not result["models"]:
        lines += ["", "no built-in models in this installation: give one with --model"]
    lines += [f"warning: {text}" for text in result["warnings"]]
    return "\n".join(lines)


def _machine(machine: dict[str, Any]) -> list[str]:
    cpu = machine["cpu"] or "unknown processor"
    first = [f"{machine['board']}: {cpu}" if machine["board"] else cpu, f"{machine['cores']} cores"]
    if machine["governor"]:
        first.append(f"governor {machine['governor']}")
    if machine["mhz"]:
        first.append(f"{machine['mhz']:.0f} MHz")
    if machine["celsius_before"] is not None:
        first.append(f"{machine['celsius_before']:.0f} to {machine['celsius_after']:.0f} C")
    runtimes = [f"{name} {number}" for name, number in machine["runtimes"].items()]
    second = [
        machine["system"],
        f"Python {machine['python']}",
        f"numpy {machine['numpy']}",
        *runtimes,
    ]
    return [", ".join(first), ", ".join(second)]


def _model_lines(name: str, form: str, entry: dict[str, Any]) -> list[str]:
    size = f"{entry['bytes'] / 1e3:.1f}" if entry["bytes"] else ""
    lines = []
    for runtime, figures in entry.items():
        if runtime == "bytes":
            continue
        head = f"{_short(name):24}{form:9}{runtime:15}{size:>8}"
        if "error" in figures:
            lines.append(f"{head}  {figures['error']}")
        else:
            lines.append(
                f"{head}{_points(figures['one_beat_us'])}{figures['batch_us_per_beat']:>9.1f}"
            )
    return lines


def _short(name: str) -> str:
    return name if len(name) < 24 else f"...{name[-20:]}"


def _heads() -> str:
    return "".join(f"{point:>9}" for point in _POINTS)


def _points(times: dict[str, float] | None) -> str:
    if times is None:
        return f"{'no beat':>36}"
    return "".join(f"{times[point]:>9.1f}" for point in _POINTS)


def ratios(old: dict[str, Any], new: dict[str, Any]) -> dict[str, float]:
    """New over old of every time, size and rate that both results have.

    Parameters
    ----------
    old, new : dict
        Results of ``ecgfast-bench``.

    Returns
    -------
    dict of str to float
        By the figure's place, such as ``stages / filter / ns_per_sample``.
    """
    before = {}
    for part in ("stages", "models", "end_to_end"):
        before.update(_leaves(old.get(part, {}), (part,)))
    found = {}
    for part in ("stages", "models", "end_to_end"):
        for place, value in _leaves(new[part], (part,)).items():
            if before.get(place):
                found[" / ".join(place)] = value / before[place]
    return found


def comparison(old: dict[str, Any], new: dict[str, Any], name: str) -> str:
    """The ratios that matter as text; below 1 is faster or smaller now."""
    lines = [f"compared with {name} ({old.get('when')}): new over old, below 1 is better now"]
    if old.get("machine", {}).get("cpu") != new["machine"]["cpu"]:
        lines.append(f"another processor then: {old.get('machine', {}).get('cpu')}")
    if old.get("signal") != new["signal"]:
        lines.append("another signal then: times per beat and per sample still compare, roughly")
    shown = {
        place: ratio
        for place, ratio in ratios(old, new).items()
        if place.endswith(("ns_per_sample", "p50", "p99", "per_beat", "_s", "bytes"))
        and not place.endswith("samples_per_s")
    }
    if not shown:
        lines.append("nothing in common")
    lines += [f"  {ratio:6.2f}  {place}" for place, ratio in shown.items()]
    return "\n".join(lines)


def _leaves(value: Any, place: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            found.update(_leaves(item, (*place, key)))
        return found
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {place: float(value)}
    return {}
