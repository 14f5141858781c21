"""From the arrival of the sample that completes a beat's window to its label.

``python bench/live_latency.py`` measures three ways and prints JSON, in microseconds:

``in_process``   one call of `StreamingClassifier.process` with that one sample, after a wait
                 for it, as live: processor and caches have been elsewhere meanwhile;
``pipe``         from writing the line to the pipe of ``ecgfast stream -`` to reading its JSON line;
``serial``       the same through a pseudo-terminal and ``ecgfast stream serial:...``.

The last two hold a change of process there and back, and the parsing; the last one the queue and
its thread too. ``core_share`` is the command's processor time over the time of the signal. Samples
are sent one by one at their own pace times ``--speed``; ``load`` is that of the machine before.
Needs a POSIX system. On a busy machine Linux may hand the processor over at its next tick only,
milliseconds later: ``chrt -f 10 python bench/live_latency.py`` measures the path and not the queue
for the processor.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tty
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import BeatStream, Classifier
from ecgfast.benchmark.measure import percentiles
from ecgfast.records import synthetic_ecg
from ecgfast.streaming import StreamingClassifier

_FS = 360.0


def in_process(signal: npt.NDArray[np.float32], model: str, speed: float) -> dict[str, float]:
    """Calls that gave a beat, one sample each."""
    labeller = StreamingClassifier(Classifier(model), _FS)
    times = []

    def process(sample: npt.NDArray[np.float32]) -> None:
        begin = perf_counter_ns()
        if labeller.process(sample):
            times.append(perf_counter_ns() - begin)

    paced([signal[i : i + 1] for i in range(len(signal))], speed, process)
    return {"calls": len(times), **percentiles(times)}


def through_command(
    signal: npt.NDArray[np.float32], lines: list[bytes], model: str, speed: float, *, serial: bool
) -> dict[str, float | None]:
    """Lines in, JSON lines out, of the command in a process of its own."""
    stream = BeatStream(_FS, window=Classifier(model).window)
    beats = stream.finish(signal)
    completed_by = dict(zip(beats.sample.tolist(), (beats.known_at - 1).tolist(), strict=True))
    ours, theirs = os.openpty() if serial else (-1, -1)
    if serial:
        tty.setraw(theirs)
    source = f"serial:{os.ttyname(theirs)}" if serial else "-"
    command = [sys.executable, "-m", "ecgfast", "stream", source, "--fs", str(_FS), "--json"]
    with subprocess.Popen(
        [*command, "--model", model],
        stdin=subprocess.DEVNULL if serial else subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        # In a process of its own: a thread would wait for this one's interpreter lock.
        context = multiprocessing.get_context("fork")
        results, told = context.Pipe(duplex=False)
        reader = context.Process(target=_stamp, args=(process.stdout.fileno(), told))
        reader.start()
        number = ours if serial else process.stdin.fileno()  # type: ignore[union-attr]
        sleep(3.0)  # the command loads its model
        if serial:
            os.write(number, b"\n")  # ends the line that a port is opened in the middle of
        before = cpu_seconds(process.pid)
        written = paced(lines, speed, lambda line: os.write(number, line))
        sleep(0.5)
        spent = cpu_seconds(process.pid) - before
        process.terminate()
        process.wait()
        arrived = results.recv()
        reader.join()
    if serial:
        os.close(ours)
        os.close(theirs)
    # Beats that the end of the stream pushed out have no sample that completes them.
    ends = [(completed_by[sample], now) for sample, now in arrived]
    times = [now - written[end] for end, now in ends if end < len(written) - 1]
    share = spent / (len(signal) / _FS)
    return {"beats": len(times), **percentiles(times), "core_share": share or None}


def cpu_seconds(process: int) -> float:
    """Processor time of a running process so far; zero where the system does not tell."""
    try:
        fields = (
            Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stamp(number: int, told: Any) -> None:
    """Read lines and tell the sample of each and when it came, by the clock of the system."""
    arrived = []
    with os.fdopen(number, "rb", closefd=False) as output:
        while line := output.readline():
            now = perf_counter_ns()
            row = json.loads(line)
            if "sample" in row:  # a beat; others say what is streamed, or are events
                arrived.append((row["sample"], now))
    told.send(arrived)


def paced(items: list[Any], speed: float, give: Callable[[Any], Any]) -> list[int]:
    """Give the items at the pace of samples; when each was given, nanoseconds."""
    begin = perf_counter_ns()
    given = []
    for i, item in enumerate(items):
        due = begin + round(1e9 * i / _FS / speed)
        while (left := due - perf_counter_ns()) > 0:
            sleep(left / 1e9)
        given.append(perf_counter_ns())
        give(item)
    return given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=240.0, help="of signal")
    parser.add_argument("--speed", type=float, default=4.0, help="times real time")
    parser.add_argument("--model", default="beats")
    args = parser.parse_args()
    made = synthetic_ecg(
        args.seconds, _FS, ventricular=0.09, supraventricular=0.07, wander=0.12, muscle=0.012
    )
    lines = [f"{value:.4f}\n".encode() for value in made.signal[:, 0]]
    signal = np.array([float(line) for line in lines], np.float32)
    result = {
        "signal_s": args.seconds,
        "fs": _FS,
        "speed": args.speed,
        "model": args.model,
        "load": os.getloadavg()[0],
        "real_time_priority": os.sched_getscheduler(0) == os.SCHED_FIFO,
        "latency_us": {
            "in_process": in_process(signal, args.model, args.speed),
            "pipe": through_command(signal, lines, args.model, args.speed, serial=False),
            "serial": through_command(signal, lines, args.model, args.speed, serial=True),
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
