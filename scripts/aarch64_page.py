"""The log of a run under emulation: what has to hold in it, and its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from compare_traces import is_output

#: Probabilities of the two machines may differ by this much; other outputs, relative to their size.
AGREEMENT = 1e-5


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
        peaks = [entry for key, entry in inputs.items() if key.endswith("/sample")]
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


def markdown(log: dict[str, Any], left_out: Sequence[str]) -> str:
    """The log as a page; `left_out` are the tests that were."""
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
            "By detector or model, then what was compared (a model's output: precision and "
            "runtime, of some hundred beats spread over each record).",
            "",
            *difference_table(comparison["arrays"]),
            "",
            "Integer models round as each runtime's kernels for a machine do, and one step early "
            "in a network can become several at its end. As a measure, two runtimes on x86-64:",
            "",
            *difference_table(comparison["runtimes"]),
        ]
        if comparison["refused"]:
            lines += ["", f"Refused on one of the machines: {', '.join(comparison['refused'])}."]
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
        f"Left out, since they hold a clock to a limit: {', '.join(f'`{t}`' for t in left_out)}.",
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
            f"{model} ({precision}: {', '.join(told) if isinstance(told, list) else told})"
            for model, precisions in log["bench"]["models"].items()
            for precision, told in precisions.items()
        )
    )
    lines[-1] += "; beats labelled end to end: " + ", ".join(
        f"{model} {beats}" for model, beats in log["bench"]["end_to_end"].items()
    )
    lines[-1] += "."
    return "\n".join(lines) + "\n"
