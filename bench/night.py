"""A whole night of a faulty board and strap, as fast as it goes: is anything lost, and told?

    python bench/night.py [--hours 8] [--method neural]

One process holds all that ``ecgfast live --save --alarms`` has: a link that parses lines, labels,
rhythm events, alarms, a folder that is written, and the page's server with 100 viewers (a process
of their own), one of which sends garbage. The board's clock is 200 ppm faster than this machine's;
time is made, so that hours pass in minutes. In each hour

- minute 5: for ten seconds random bytes come, as at a wrong baud rate;
- minute 10: for ten seconds every tenth line lacks its end;
- minute 15: the lead is at the rail of the converter for 20 s;
- minute 20: an asystole of 8 s;
- minute 25: a run of six V beats at 150 per minute;
- minutes 30 to 39: the strap is away for eight seconds of each minute.

The exit status is 1 where a sample that arrived was not saved, an event was not reported or its
alarm not raised, another alarm of the heart was raised, a viewer missed the end, or memory grew.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
import numpy.typing as npt
from week import resident

from ecgfast import Classifier, Event, RhythmStream, StreamingClassifier, read_record
from ecgfast.alarms import Alarm, Alarms
from ecgfast.live import LiveFeed, LiveServer
from ecgfast.records import synthetic_ecg
from ecgfast.records.saving import RecordingFolder
from ecgfast.reports.table import Table
from ecgfast.sources import link as link_module
from ecgfast.sources.clock import SampleClock
from ecgfast.sources.link import LineLink

FS = 250.0
DRIFT = 200e-6
STEP_S = 0.1
HOUR = round(3600 * FS)
VIEWERS = 100

# Bytes that a process may gain from its second hour on.
GROWTH = 4 << 20

BEGIN, END = "<!-- bench/night.py -->\n", "<!-- end of bench/night.py -->"


class Fault:
    """Something that happens each hour.

    Attributes
    ----------
    name : str
    begin_s, seconds : float
        Of the hour.
    kind : str
        Of the rhythm event that reports it; empty where none does.
    alarm : str
        Kind of the alarm that it raises; empty where none does.
    """

    def __init__(
        self, name: str, begin_s: float, seconds: float, kind: str = "", alarm: str = ""
    ) -> None:
        self.name, self.begin_s, self.seconds = name, begin_s, seconds
        self.kind, self.alarm = kind, alarm


BAUD, HALF = "bytes of a wrong baud rate, 10 s", "every tenth line without its end, 10 s"
RAIL, STOP = "lead at the rail, 20 s", "asystole, 8 s"
RUN, AWAY = "run of six V beats", "strap away, 8 s"
FAULTS = [
    Fault(BAUD, 300.0, 10.0, "gap", "gap"),
    Fault(HALF, 600.0, 10.0, "gap", "gap"),
    Fault(RAIL, 900.0, 20.0, "lead_off", "lead_off"),
    Fault(STOP, 1200.0, 8.0, "asystole", "asystole"),
    Fault(RUN, 1500.0, 2.4, "ventricular_run", "ventricular_run"),
    *(Fault(AWAY, 1800.0 + 60.0 * i, 8.0, "gap", "gap") for i in range(10)),
]

# A hundred pages that take what they are sent, one more that sends garbage; in one process.
VIEWERS_PROGRAM = """
import asyncio, json, os, sys
from websockets.asyncio.client import connect

url, count = sys.argv[1], int(sys.argv[2])
seen = {"messages": 0, "closed": 0, "ended": 0, "garbage": 0}

async def view():
    try:
        async with connect(url, max_size=None, compression=None) as page:
            async for message in page:
                seen["messages"] += 1
                if isinstance(message, str) and message.startswith('{"type":"end"'):
                    seen["ended"] += 1
                    return
    except Exception:
        pass
    seen["closed"] += 1

async def garbage(stop):
    while not stop.is_set():
        try:
            async with connect(url, max_size=None, compression=None) as page:
                await page.send(os.urandom(200))
                await page.send("[" * 1000)
                seen["garbage"] += 1
                await asyncio.wait_for(page.wait_closed(), 2)
        except Exception:
            pass
        await asyncio.sleep(1)

async def main():
    stop = asyncio.Event()
    bad = asyncio.create_task(garbage(stop))
    await asyncio.gather(*(view() for _ in range(count)))
    stop.set()
    bad.cancel()
    print(json.dumps(seen))

asyncio.run(main())
"""


class _Device:
    """What a link opens and closes."""

    def close(self) -> None:
        """It is away anyway."""


class Board(LineLink):
    """A board whose lines come over a link that goes away, in made time."""

    opens_mid_line = False

    def __init__(self, lines: list[bytes]) -> None:
        self.now = 0.0
        self.good = 0
        """Samples whose lines were sent whole."""
        self._lines = lines
        self._next = 0
        self._rng = np.random.default_rng(0)
        super().__init__(
            "board", FS, option="fs=", advice="check the board", clock=lambda: self.now
        )
        self._device = _Device()
        self._mid_line = False

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def _fault(self) -> str:
        at = self.now % 3600.0
        for one in FAULTS:
            if one.begin_s <= at < one.begin_s + one.seconds:
                return one.name
        return ""

    def _open(self) -> _Device:
        if self._fault() == AWAY:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._next = int(self.now * FS * (1.0 + DRIFT))
        return _Device()

    def _take(self) -> bytes:
        self.now += STEP_S
        fault = self._fault()
        if fault == AWAY:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        begin, self._next = self._next, int(self.now * FS * (1.0 + DRIFT))
        if fault == BAUD:
            noise = np.frombuffer(self._rng.bytes(round(STEP_S * 11520)), np.uint8)
            self._mid_line = bool(noise[-1] != ord("\n"))
            return np.where(noise == ord("\n"), noise, noise | 0x80).astype(np.uint8).tobytes()
        lines = [self._lines[i % HOUR] for i in range(begin, self._next)]
        self.good += len(lines) - int(
            self._mid_line
        )  # the first line is the end of what came before
        self._mid_line = False
        if fault == HALF:
            cut = [i for i in range(len(lines)) if (begin + i) % 10 == 0]
            for i in cut:
                lines[i] = lines[i][:-1]
            self.good -= 2 * len(cut)  # each takes the next one with it
        return b"".join(lines)


def hour() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """An hour of one lead with its faults of the signal, and the R peaks of its beats."""
    record = synthetic_ecg(
        3600.0, FS, ventricular=0.03, wander=0.1, muscle=0.01, leads=("MLII",), seed=11
    )
    marks = record.annotations
    assert marks is not None
    signal, peaks = record.signal[:, 0].copy(), np.asarray(marks.sample, np.int64)
    symbols = np.asarray(marks.symbol)
    rng = np.random.default_rng(1)
    for one in FAULTS:
        begin, end = round(one.begin_s * FS), round((one.begin_s + one.seconds) * FS)
        if one.name == RAIL:
            signal[begin:end] = 5.0
        elif one.name == STOP:
            signal[begin:end] = rng.normal(0.0, 0.01, end - begin)
        elif one.name == RUN:
            v = peaks[symbols == "V"][20]
            before, period = round(0.16 * FS), round(0.4 * FS)
            beat = signal[v - before : v - before + period] - signal[v - before]
            ends = np.minimum(np.arange(period), np.arange(period)[::-1]) / (0.06 * FS)
            beat *= np.minimum(1.0, ends)  # no step from one to the next
            for i in range(6):
                signal[begin + i * period : begin + (i + 1) * period] = signal[begin - 1] + beat
    clear = np.ones(len(peaks), bool)
    for one in FAULTS:
        # With the seconds in which the detector finds its way back.
        first, last = one.begin_s - 1.0, one.begin_s + one.seconds + 4.0
        clear &= (peaks < first * FS) | (peaks > last * FS)
    clear &= peaks > 20 * FS
    return signal, peaks[clear]


class Night:
    """All parts of ``ecgfast live``, and what they gave."""

    def __init__(self, hours: float, folder: Path, method: Any) -> None:
        signal, self.peaks = hour()
        self.hours = hours
        self.board = Board([f"{value:.4f}\n".encode() for value in signal])
        link_module.sleep = self.board.sleep  # type: ignore[attr-defined]
        self.labeller = StreamingClassifier(Classifier("beats"), FS, method=method)
        self.rhythm = RhythmStream(FS, delay=self.labeller.stream.delay / FS)
        self.alarms = Alarms()
        self.clock = SampleClock(FS, now=lambda: self.board.now)
        self.kept = RecordingFolder(folder, FS, ["ECG"], ["mV"], source="board")
        self.feed = LiveFeed()
        self.times: list[float] = []
        self.events: list[tuple[Event, float]] = []
        self.raised: list[tuple[Alarm, float]] = []
        self.withdrawn = 0
        self.memory: list[int] = []
        self.count = 0

    def run(self) -> None:
        """Let the night pass."""
        self.feed.begin("board", FS, ["ECG"])
        known: set[int] = set()
        for chunk in self.board:
            beats = self.labeller.process(chunk)
            self.count += len(chunk)
            self.clock.arrived(self.count)
            self.times += [self.clock.time_of(beat.sample) for beat in beats]
            events = self.rhythm.process(beats, chunk)
            self.events += [(event, self.clock.time_of(event.start)) for event in events]
            suspected = self.rhythm.suspected_asystole
            for alarm in self.alarms.process(events, self.count / FS, suspected):
                self.feed.publish({"type": "alarm", **alarm.to_dict()})
                self.withdrawn += alarm.withdrawn
                if alarm.id not in known and not alarm.over:
                    known.add(alarm.id)
                    self.raised.append((alarm, self.board.now))
            for alarm in self.alarms.shown:  # a nurse: each alarm is a new one
                self.alarms.acknowledge(alarm.id, self.count / FS)
            self.kept.write(chunk)
            for event in events:
                self.kept.event(event.to_dict())
            self.feed.take(chunk, beats, events)
            if self.board.now // 3600.0 > len(self.memory):
                self.memory.append(resident())
            if self.board.now >= 3600.0 * self.hours:
                break
        self.kept.close()
        self.feed.end("The stream has ended")


def judged(night: Night, folder: Path) -> dict[str, Any]:
    """Samples that were lost, and events that were reported."""
    hours = int(night.hours)
    speed = FS * (1.0 + DRIFT)
    true = np.concatenate([(night.peaks + HOUR * i) / speed for i in range(hours)])
    found = np.sort(night.times)
    at = np.clip(np.searchsorted(found, true), 1, len(found) - 1)
    error = np.minimum(np.abs(found[at] - true), np.abs(found[at - 1] - true))
    saved = read_record(folder / "recording").signal[:, 0]
    rows = []
    for name in dict.fromkeys(one.name for one in FAULTS):
        reported = alarmed = times = 0
        kind = alarm = ""
        for one in (one for one in FAULTS if one.name == name):
            kind, alarm = one.kind, one.alarm
            for i in range(hours):
                begin = HOUR * i / speed + one.begin_s
                end = begin + one.seconds
                times += 1
                reported += any(
                    event.kind == kind and begin - 2.0 < start < end + 1.0
                    for event, start in night.events
                    if not event.ongoing
                )
                alarmed += any(
                    one.kind == alarm and begin < now < end + 8.0 for one, now in night.raised
                )
        rows.append(
            {
                "fault": name,
                "times": times,
                "event": kind,
                "reported": reported if kind else None,
                "alarm": alarm,
                "raised": alarmed if alarm else None,
            }
        )
    expected = Counter(one.alarm for one in FAULTS)
    expected["extreme_bradycardia"] = 1  # the intervals around the asystole
    raised = Counter(str(alarm.kind) for alarm, _ in night.raised)
    return {
        "faults": rows,
        "samples_whole": int(night.board.good),
        "samples_saved": int(np.isfinite(saved).sum()),
        "samples_in_all": night.count,
        "gaps": night.board.gaps,
        "malformed_lines": int(night.board.lines.malformed),
        "beats_clear": len(true),
        "beats_found": int((error <= 0.15).sum()),
        "time_error_ms": {
            "median": round(float(np.median(error)) * 1000, 1),
            "p99": round(float(np.quantile(error[error <= 0.15], 0.99)) * 1000, 1),
        },
        "alarms": dict(raised),
        "alarms_expected": {kind: n * hours for kind, n in expected.items()},
        "withdrawn": night.withdrawn,
        "memory_mb": [round(size / 2**20, 1) for size in night.memory],
    }


def main() -> int:
    """Let a night pass, and write what came of it."""
    docs = Path(__file__).parents[1] / "docs"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--method", choices=("neural", "adaptive"), default="neural")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--json", type=Path, default=docs / "night.json")
    parser.add_argument("--page", type=Path, default=docs / "live.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "night"
        night = Night(args.hours, folder, args.method)
        server = LiveServer(night.feed, port=0, max_viewers=args.viewers + 20)
        with server:
            url = server.url.replace("http:", "ws:") + "socket"
            command = [sys.executable, "-c", VIEWERS_PROGRAM, url, str(args.viewers)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewers:
                sleep(5.0)
                begin, used = perf_counter(), process_time()
                night.run()
                wall, used = perf_counter() - begin, process_time() - used
                try:
                    seen = json.loads(viewers.communicate(timeout=60)[0])
                except subprocess.TimeoutExpired:
                    viewers.kill()
                    seen = {}
        result = judged(night, folder)
    result |= {
        "hours": args.hours,
        "method": args.method,
        "viewers": args.viewers,
        "seen": seen,
        "wall_s": round(wall, 1),
        "cpu_s": round(used, 1),
        "speed": round(3600 * args.hours / wall, 1),
        "load": os.getloadavg()[0],
    }
    args.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    write_page(args.page, result)
    print(table(result))
    wrong = failures(result)
    print(*wrong, sep="\n", file=sys.stderr)
    return int(bool(wrong))


def table(result: dict[str, Any]) -> str:
    """The part of docs/live.md."""
    rows = [
        [
            row["fault"],
            row["event"].replace("_", " ") or "-",
            "-" if row["reported"] is None else f"{row['reported']} of {row['times']}",
            "-" if row["raised"] is None else f"{row['raised']} of {row['times']}",
        ]
        for row in result["faults"]
    ]
    heads = ["fault", "event", "reported", "alarm raised"]
    memory, error = result["memory_mb"], result["time_error_ms"]
    due = sum(result["alarms_expected"].values())
    lines = [
        f"{result['samples_whole']:,} samples came in whole lines, {result['samples_saved']:,} "
        f"were saved; {result['malformed_lines']:,} malformed lines, {result['gaps']} gaps filled.",
        f"{result['beats_found']:,} of {result['beats_clear']:,} beats outside the faults and the "
        "four seconds after them were reported.",
        f"Times of day: half of them are right to {error['median']:.0f} ms, 99 % to "
        f"{error['p99']:.0f} ms.",
        f"Alarms: {due} were due; {sum(result['alarms'].values()) - due} more were raised, "
        f"{result['withdrawn']} withdrawn.",
        f"Memory: {memory[0]:.0f} MB after the first hour, later at most "
        f"{max(memory[1:], default=memory[0]):.0f} MB.",
        f"{result['seen'].get('ended', 0)} of {result['viewers']} pages that stayed open saw the "
        f"end; {result['seen'].get('garbage', 0)} times garbage came on another socket.",
        f"{result['hours']} hours, with the detector `{result['method']}`, took "
        f"{result['wall_s'] / 60:.0f} min ({result['speed']:.0f} times real time) at a load of "
        f"{result['load']:.0f} on {os.cpu_count()} cores, and {result['cpu_s']:.0f} s of CPU.",
    ]
    return "\n".join([Table("", heads, rows, left=2).markdown(), "", *(f"- {x}" for x in lines)])


def write_page(page: Path, result: dict[str, Any]) -> None:
    """Put the table between its marks."""
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{table(result)}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def failures(result: dict[str, Any]) -> list[str]:
    """What went wrong."""
    found = [
        row["fault"]
        for row in result["faults"]
        if row["reported"] not in (None, row["times"]) or row["raised"] not in (None, row["times"])
    ]
    if result["samples_saved"] != result["samples_whole"]:
        found.append("samples")
    if result["alarms"] != result["alarms_expected"] or result["withdrawn"]:
        found.append("alarms")
    memory = result["memory_mb"][1:]
    if memory and max(memory) - memory[0] > GROWTH / 2**20:
        found.append("memory")
    if result["seen"].get("ended") != result["viewers"]:
        found.append("viewers")
    return found


if __name__ == "__main__":
    sys.exit(main())
