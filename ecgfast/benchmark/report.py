"""A result as a table for people, and its ratios to an older one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..reports.table import Table
from .compare import Comparison, Verdict
from .machine import BUSY

__all__ = ["comparison", "ratios", "table", "verdicts"]

_POINTS = ("p50", "p95", "p99", "max")


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    machine, signal = result["machine"], result["signal"]
    lines = [f"ecgfast {result['ecgfast']}, {result['when']}", *_machine(machine), ""]
    lines.append(
        f"signal: {signal['name']}, {signal['seconds']:.0f} s, {signal['leads']} leads at "
        f"{signal['fs']:g} Hz, {signal['beats']} beats; chunks of {signal['chunk']} samples"
    )
    lines += ["", _stages(result["stages"]).text()]
    if result["models"]:
        lines += ["", _models(result["models"]).text(), *_failures(result["models"])]
    if result["end_to_end"]:
        lines += ["", _end_to_end(result["end_to_end"]).text()]
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


def _stages(stages: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            f"{stage['ns_per_sample']:.1f}",
            f"{stage['real_time_factor']:,.0f}",
            *_points(stage["chunk_us"]),
        ]
        for name, stage in stages.items()
    ]
    groups = [("", 1), ("blocks, 10 s", 2), ("chunk, us", len(_POINTS))]
    return Table("", ["stage", "ns/sample", "x real time", *_POINTS], rows, groups)


def _models(models: dict[str, Any]) -> Table:
    rows = [
        [
            name,
            precision,
            runtime,
            f"{size / 1e3:.1f}" if size else "",
            *_points(figures["one_beat_us"]),
            f"{figures['batch_us_per_beat']:.1f}",
        ]
        for name, precision, runtime, size, figures in _runs(models)
        if "error" not in figures
    ]
    groups = [("", 4), ("beat, us", len(_POINTS)), ("", 1)]
    return Table(
        "", ["model", "precision", "runtime", "kB", *_POINTS, "batch"], rows, groups, left=3
    )


def _failures(models: dict[str, Any]) -> list[str]:
    """What a runtime says that cannot run a model."""
    return [
        f"{name} {precision}, {runtime}: {figures['error']}"
        for name, precision, runtime, _, figures in _runs(models)
        if "error" in figures
    ]


def _runs(models: dict[str, Any]) -> Iterator[tuple[str, str, str, int | None, dict[str, Any]]]:
    """Name, precision, runtime, bytes of the file, and figures of everything that ran."""
    for name, precisions in models.items():
        for precision, entry in precisions.items():
            for runtime, figures in entry.items():
                if runtime != "bytes":
                    yield _short(name), precision, runtime, entry["bytes"], figures


def _end_to_end(runs: dict[str, Any]) -> Table:
    rows = []
    for name, entry in runs.items():
        memory = entry.get("memory_bytes")
        rows.append(
            [
                _short(name),
                *_points(entry["latency_us"]),
                f"{entry['ns_per_sample']:.1f}",
                f"{100 * entry['core_share']:.3f} %",
                f"{entry['first_beat_s']:.2f} s",
                f"{memory / 1e6:.0f} MB" if memory else "",
            ]
        )
    groups = [("", 1), ("to label, us", len(_POINTS)), ("", 4)]
    columns = ["end to end", *_POINTS, "ns/sample", "of a core", "start-up", "memory"]
    return Table("", columns, rows, groups)


def _short(name: str) -> str:
    return name if len(name) < 24 else f"...{name[-20:]}"


def _points(times: dict[str, float] | None) -> list[str]:
    if times is None:
        return ["no beat", *[""] * (len(_POINTS) - 1)]
    return [f"{times[point]:.1f}" for point in _POINTS]


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


def verdicts(compared: Comparison) -> dict[str, Any]:
    """Verdicts as plain JSON, under the names that ``ecgfast-bench`` documents.

    Parameters
    ----------
    compared : Comparison

    Returns
    -------
    dict
    """
    of = compared.machine
    return {
        "verdicts": {place: _plain(verdict) for place, verdict in compared.verdicts.items()},
        "machine_verdict": None if of is None else _plain(of),
        "changed": {what: list(versions) for what, versions in compared.changed.items()},
    }


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "ratio": verdict.ratio,
        "low": verdict.low,
        "high": verdict.high,
        "verdict": verdict.word,
    }


def comparison(
    old: dict[str, Any], new: dict[str, Any], name: str, compared: Comparison, margin: float
) -> str:
    """What is slower, faster and the same as text; ratios alone where there are no verdicts.

    Parameters
    ----------
    old, new : dict
        Results of ``ecgfast-bench``.
    name : str
        Of the old one.
    compared : Comparison
    margin : float
        Share up to which a difference is none.

    Returns
    -------
    str
    """
    lines = [f"compared with {name} ({old.get('when')}): new over old, below 1 is better now"]
    lines += [f"  {what}: {then} then, {now} now" for what, (then, now) in compared.changed.items()]
    if compared.obstacle:
        return "\n".join([*lines, compared.obstacle, *_ratio_lines(old, new)])
    if compared.machine is not None:
        lines.append(
            f"the machine itself, on fixed work: {_told(compared.machine)}; a margin of "
            f"{100 * margin:g} % counts as no difference"
        )
    then, now = compared.shares
    if min(then, now) < BUSY:
        lines.append(
            f"others took the core: {100 * then:.0f} % of it came to the measurement then, "
            f"{100 * now:.0f} % now; what that may explain is unclear"
        )
    found = compared.verdicts
    order = ("slower", "unclear", "faster", "same")
    lines += [
        f"  {verdict.word:8}{_told(verdict, word=False)}  {place}"
        for word in order
        for place, verdict in found.items()
        if verdict.word == word
    ]
    words = [verdict.word for verdict in found.values()]
    lines.append(", ".join(f"{words.count(word)} {word}" for word in order))
    if "unclear" in words:
        lines.append("unclear: measure both again, without --quick, on an idle machine")
    return "\n".join(lines)


def _told(verdict: Verdict, *, word: bool = True) -> str:
    text = f"{verdict.ratio:.2f} [{verdict.low:.2f}, {verdict.high:.2f}]"
    return f"{verdict.word}, {text}" if word else text


def _ratio_lines(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The ratios that matter."""
    shown = {
        place: ratio
        for place, ratio in ratios(old, new).items()
        if place.endswith(("ns_per_sample", "p50", "p99", "per_beat", "_s", "bytes"))
        and not place.endswith("samples_per_s")
    }
    if not shown:
        return ["nothing in common"]
    return [f"  {ratio:6.2f}  {place}" for place, ratio in shown.items()]


def _leaves(value: Any, place: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            found.update(_leaves(item, (*place, key)))
        return found
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {place: float(value)}
    return {}
