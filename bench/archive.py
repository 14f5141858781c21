"""What ``ecgfast annotate`` costs: CPU time of each stage, memory of a worker, and whole runs.

``python bench/archive.py`` makes 10-second recordings of 12 leads at 500 Hz and joined ones of 24
hours (two leads, 250 Hz) in a temporary folder, and takes

1. of a few of them, CPU time of each stage of a batch in one process, each stage's own without
   those within it, and the highest memory of the process (Linux);
2. with ``--runs``, whole runs over the few with one worker and with two, and over all with two: CPU
   time of all processes, wall time, and the highest memory of a process.

It prints Markdown tables and writes ``--output`` (JSON). Wall times are worth something on an idle
machine only; CPU times hardly depend on what else runs. The defaults take some minutes; those of
the documentation took 31 and 17 on two idle cores, and 12 GB of disk::

    python bench/archive.py --strips 100000 --few-strips 2000 --long 40 --few-long 4 --runs
    python bench/archive.py --strips 0 --long 100 --few-long 4 --runs
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from ecgfast.records import synthetic_ecg

_LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
_KINDS = ("strips", "long")

# Of which stage a function's own time is; what is left is the overhead.
_STAGES = ("reading", "checksum", "detection", "classification", "rhythm", "rows", "writing")


def write_record(path: Path, counts: np.ndarray[Any, Any], fs: float, leads: list[str]) -> None:
    """Write a WFDB record of format 16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.dat").write_bytes(counts.tobytes())
    line = f"{path.name}.dat 16 200 16 0 0 0 0"
    path.with_name(f"{path.name}.hea").write_text(
        f"{path.name} {len(leads)} {fs:g} {len(counts)}\n"
        + "".join(f"{line} {lead}\n" for lead in leads)
    )


def make_strips(folder: Path, number: int) -> None:
    """Make 10-second recordings: eight made ones, each begun elsewhere."""
    made = []
    rng = np.random.default_rng(0)
    for seed in range(8):
        ecg = synthetic_ecg(10.0, 500.0, ventricular=0.05, muscle=0.01, seed=seed).signal
        mix = rng.normal(size=(ecg.shape[1], len(_LEADS)))
        mix[0] += 1.0
        made.append(np.clip(np.round(ecg @ mix * 200), -32000, 32000).astype("<i2"))
    for i in range(number):
        turned = np.roll(made[i % 8], 37 * (i // 8), axis=0)
        write_record(folder / f"{i // 1000:04}" / f"{i:07}", turned, 500.0, _LEADS)


def make_long(folder: Path, number: int, hours: float) -> None:
    """Make recordings of many hours, joined of one made hour that is begun elsewhere each time."""
    hour = synthetic_ecg(3600.0, 250.0, ventricular=0.02, muscle=0.01, seed=5).signal[:, :2]
    counts = np.round(hour * 200).astype("<i2")
    n = round(hours * 3600 * 250)
    for i in range(number):
        parts = [np.roll(counts, 997 * (i + k), axis=0) for k in range(int(np.ceil(hours)))]
        write_record(folder / f"{i:04}", np.concatenate(parts)[:n], 250.0, _LEADS[:2])


def make(kind: str, folder: Path, number: int, hours: float) -> None:
    """Make recordings of one of the two kinds, in a process of their own.

    On Linux the highest memory of a process begins with that of the one that starts it, so this one
    must stay small.
    """
    target, more = (make_strips, ()) if kind == "strips" else (make_long, (hours,))
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(folder, number, *more)
    )
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


class Stages:
    """CPU time of stages, each without those that run within it."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self._stack: list[list[float]] = []

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose time is the stage's."""

        @functools.wraps(function)
        def run(*args: Any, **more: Any) -> Any:
            self._stack.append([process_time(), 0.0])
            try:
                return function(*args, **more)
            finally:
                begin, within = self._stack.pop()
                whole = process_time() - begin
                self.own[stage] += whole - within
                if self._stack:
                    self._stack[-1][1] += whole

        return run

    def patch(self, owner: Any, name: str, stage: str) -> None:
        """Have a function of a module or class timed."""
        setattr(owner, name, self.timed(stage, getattr(owner, name)))

    def watch(self) -> None:
        """Time what a batch consists of."""
        import ecgfast.streaming.classify as streaming
        import ecgfast.streaming.lead_windows as windows
        from ecgfast import rhythm, runtime
        from ecgfast.archive import batches, classify
        from ecgfast.records import RecordSource

        stages = self

        class Stream(windows.BeatStream):  # type: ignore[misc]
            def __init__(self, *args: Any, **more: Any) -> None:
                stages.timed("detection", super().__init__)(*args, **more)

            def process(self, *args: Any, **more: Any) -> Any:
                return stages.timed("detection", super().process)(*args, **more)

            def flush(self, *args: Any, **more: Any) -> Any:
                return stages.timed("detection", super().flush)(*args, **more)

        windows.BeatStream = Stream  # type: ignore[misc]
        blocks = RecordSource.blocks

        def read(source: RecordSource, seconds: float) -> Iterator[Any]:
            found = blocks(source, seconds)
            while (block := self.timed("reading", lambda: next(found, None))()) is not None:
                yield block

        RecordSource.blocks = read  # type: ignore[assignment, method-assign]
        for owner, name, stage in (
            (classify, "open_record", "reading"),
            (classify, "_checksum", "checksum"),
            (runtime.Classifier, "predict_one", "classification"),
            (streaming, "mean_over_leads", "classification"),
            (streaming.StreamingClassifier, "_label", "classification"),
            (rhythm.RhythmStream, "__init__", "rhythm"),
            (rhythm.RhythmStream, "process", "rhythm"),
            (rhythm.RhythmStream, "flush", "rhythm"),
            (classify, "record_row", "rows"),
            (classify, "event_rows", "rows"),
            (batches, "beat_table", "rows"),
            (batches, "event_table", "rows"),
            (batches, "row_table", "rows"),
            (batches, "encode_table", "writing"),
            (batches, "write_files", "writing"),
        ):
            self.patch(owner, name, stage)


def stages(folder: Path) -> dict[str, Any]:
    """Classify a folder in this process; time of the stages, and memory."""
    from ecgfast.archive.batches import MARK, Task, run_batch
    from ecgfast.archive.classify import Annotator
    from ecgfast.archive.planning import cut, look
    from ecgfast.archive.settings import Made, Settings

    begin = process_time()
    plan = look([str(folder)], folder / "none")
    finding = process_time() - begin
    settings = Settings()
    annotator = Annotator(settings)
    made = Made.by(settings, annotator.model_sha256).to_dict()
    with tempfile.TemporaryDirectory() as out:
        (Path(out) / MARK).write_text('{"run": "x"}')

        def run(items: Any) -> Any:
            task = Task(0, "part", tuple(items), out, "x", made)
            return run_batch(task, annotator).results

        run([plan.found[0][0]])  # what is loaded late
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        timing = Stages()
        timing.watch()
        begin = process_time()
        results = []
        size = 0
        for batch in cut(plan.found, most=64 << 20):  # those of a large archive
            results += run(item for item, _ in batch.items)
            size += sum(file.stat().st_size for file in Path(out).rglob("*.parquet"))
        whole = process_time() - begin
    assert not any(result.reason for result in results)
    return {
        "recordings": len(results),
        "hours": sum(result.seconds for result in results) / 3600,
        "beats": sum(result.beats for result in results),
        "bytes": sum(facts.size for _, facts in plan.found),
        "finding_s": finding,
        "whole_s": whole,
        "stages_s": {stage: timing.own[stage] for stage in _STAGES},
        "overhead_s": whole - sum(timing.own.values()),
        "tables_bytes": size,
        "memory_before_mb": before,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def whole_run(folder: Path, workers: int) -> dict[str, float]:
    """A run by the command, into a new folder."""
    with tempfile.TemporaryDirectory() as out:
        begin = perf_counter()
        command = ["annotate", str(folder), "--output", out, "--workers", str(workers), "--json"]
        run = subprocess.Popen(
            [sys.executable, "-m", "ecgfast", *command],
            stdout=subprocess.PIPE,
            cwd=folder.parent,  # not this checkout, whose package may not be built
        )
        assert run.stdout is not None
        printed = run.stdout.read()
        _, status, used = os.wait4(run.pid, 0)  # of it and its workers alone
        wall = perf_counter() - begin
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, run.args)
    return {
        "workers": workers,
        "recordings": json.loads(printed)["done"],
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "memory_mb": used.ru_maxrss / 1024,  # of its largest process
    }


def report(found: dict[str, Any]) -> str:
    """Markdown of what was measured."""
    lines = []
    for kind in _KINDS:
        told = found.get(kind)
        if told is None:
            continue
        n = told["recordings"]
        title = "10 s, 12 leads, 500 Hz" if kind == "strips" else "24 h, 2 leads, 250 Hz"
        lines += [
            f"| {title}: stage | CPU ms a recording | share |",
            "| --- | ---: | ---: |",
        ]
        rows = {**told["stages_s"], "everything else": told["overhead_s"]}
        for stage, seconds in rows.items():
            share = 100 * seconds / told["whole_s"]
            lines.append(f"| {stage} | {1000 * seconds / n:,.2f} | {share:.1f} % |")
        lines += [
            f"| **all** | **{1000 * told['whole_s'] / n:,.2f}** | |",
            f"| finding, in the client | {1000 * told['finding_s'] / n:,.2f} | |",
            "",
            f"{n:,} recordings, {told['hours']:,.1f} h; {n / told['whole_s']:,.2f} recordings and "
            f"{told['hours'] / told['whole_s']:,.2f} h of ECG per second of CPU; tables "
            f"{told['tables_bytes'] / n:,.0f} bytes a recording; memory "
            f"{told['memory_before_mb']:.0f} MB before, at most {told['memory_mb']:.0f} MB.",
            "",
        ]
        runs = told.get("runs", ())
        if runs:
            hours = told["hours"] / n
            lines += [
                "| workers | recordings | wall, s | CPU, s | recordings/s | h of ECG/s | memory |",
                "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            ]
            for run in runs:
                speed = run["recordings"] / run["wall_s"]
                lines.append(
                    f"| {run['workers']} | {run['recordings']:,} | {run['wall_s']:,.1f} "
                    f"| {run['cpu_s']:,.1f} | {speed:,.2f} | {speed * hours:,.2f} "
                    f"| {run['memory_mb']:.0f} MB |"
                )
            one, two = runs[0], runs[1]
            share = one["wall_s"] / two["wall_s"] / 2
            lines += ["", f"Two workers do {100 * share:.0f} % of twice what one does.", ""]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--strips", type=int, default=2000, metavar="N")
    parser.add_argument("--long", type=int, default=2, metavar="N")
    parser.add_argument("--few-strips", type=int, metavar="N", help="as --strips by default")
    parser.add_argument("--few-long", type=int, metavar="N", help="as --long by default")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--runs", action="store_true", help="whole runs with one and two workers")
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    parser.add_argument("--stages-of", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stages_of is not None:
        print(json.dumps(stages(args.stages_of)))
        return
    found: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    with tempfile.TemporaryDirectory(prefix="ecgfast-bench-") as home:
        for kind in _KINDS:
            every = args.strips if kind == "strips" else args.long
            few = args.few_strips if kind == "strips" else args.few_long
            if not every:
                continue
            folder, whole = Path(home) / kind, Path(home) / f"{kind}-all"
            make(kind, folder, every if few is None else min(few, every), args.hours)
            command = [sys.executable, __file__, "--stages-of", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[kind] = json.loads(done.stdout.splitlines()[-1])
            if args.runs:
                found[kind]["runs"] = [whole_run(folder, workers) for workers in (1, 2)]
                if few is not None:
                    shutil.rmtree(folder)
                    make(kind, whole, every, args.hours)
                    found[kind]["runs"].append(whole_run(whole, 2))
            for made in (folder, whole):
                shutil.rmtree(made, ignore_errors=True)
    print(report(found))
    if args.output is not None:
        args.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
