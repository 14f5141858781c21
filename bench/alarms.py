"""Alarms: how soon they come, and how many are false.

    python bench/alarms.py $ECGFAST_DATA

Writes ``docs/alarms.json`` and the tables of ``docs/alarms.md``, for each detector:

- delays in time of the signal, over many events: standstills cut into mitdb (see `standstill.py`),
  the third beat of each run of beats labelled V in mitdb, made ventricular fibrillation (see
  `flutter_events.py`), leads that come off and missing samples put into mitdb;
- delays in real time, one of each: a server sends a recording over TCP to ``ecgfast live``; from
  the sample of the event to the alarm on standard output, and to its banner in a headless Chromium
  (where one is installed);
- alarms on recordings that should have none: nsrdb, and nstdb's noise alone and on top of mitdb;
- alarms in intensive care (bp), and which of them the arterial pressure contradicts.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from flutter_events import BEGIN_S, people_of, with_fibrillation
from pressure_alarms import before_monitor, contradicted
from pressure_witness import witnessed
from standstill import standstills

from ecgfast import Classifier, Event, RhythmStream, StreamingClassifier, read_record
from ecgfast.alarms import Alarm, Alarms, AlarmSettings
from ecgfast.alarms.settings import DEFAULT_RULES
from ecgfast.cli.stream import ALARM_DELAY_S
from ecgfast.reports.table import Table
from ecgfast.rhythm import EventKind

METHODS = ("adaptive", "neural")
Signal = npt.NDArray[np.float32]

# Seconds of a chunk, as boards and straps send.
CHUNK_S = 0.1

# Every event is an alarm of its own: for delays.
SINGLE = AlarmSettings(
    {kind: replace(rule, latching=False, again_after=0.0) for kind, rule in DEFAULT_RULES.items()}
)

# Seconds of signal before an event put into a recording, and after its beginning.
BEFORE_S, AFTER_S = 60.0, 12.0

NOISE = {
    "nsrdb": "healthy people about their day (nsrdb)",
    "bw": "baseline wander alone (nstdb bw)",
    "ma": "muscle noise alone (nstdb ma)",
    "em": "electrode motion on two patients with ectopic beats (nstdb 118e, 119e)",
}

BEGIN, END = "<!-- bench/alarms.py -->\n", "<!-- end of bench/alarms.py -->"


class Found(NamedTuple):
    """What a recording raised."""

    changes: list[Alarm]
    events: list[Event]


def alarms_of(
    signal: Signal, fs: float, model: Classifier, method: Any, settings: AlarmSettings
) -> Found:
    """Alarms of a signal, chunk by chunk as live."""
    columns = signal.reshape(len(signal), -1)
    n_leads = columns.shape[1]
    labeller = StreamingClassifier(
        model, fs, n_leads=n_leads, method=method, max_delay=ALARM_DELAY_S
    )
    rhythm = RhythmStream(fs, n_leads=n_leads, delay=labeller.stream.delay / fs)
    alarms, step = Alarms(settings), max(1, round(CHUNK_S * fs))
    changes: list[Alarm] = []
    events: list[Event] = []
    for begin in range(0, len(columns), step):
        chunk = columns[begin : begin + step]
        found = rhythm.process(labeller.process(chunk), chunk)
        events += found
        now = (begin + len(chunk)) / fs
        changes += alarms.process(found, now, rhythm.suspected_asystole)
    return Found(changes, events)


def raised(changes: Sequence[Alarm], kind: str) -> list[Alarm]:
    """First reports of the alarms of a kind."""
    first = {alarm.id: alarm for alarm in reversed(changes) if str(alarm.kind) == kind}
    return [first[number] for number in sorted(first)]


# -------------------------------------------------------------------------- in time of the signal


def asystole_delays(data: Path, model: Classifier, method: str) -> dict[str, Any]:
    """From the last beat before a made standstill to its alarm."""
    delays: list[float] = []
    withdrawn = made = 0
    for path in records(data / "mitdb"):
        one = standstills(path)
        if one is None:
            continue
        beats = reference_beats(path)
        for first, _ in one.spans[:2]:
            last = int(beats[beats < first].max())
            begin, end = last - round(BEFORE_S * one.fs), last + round(AFTER_S * one.fs)
            changes = alarms_of(one.signal[begin:end], one.fs, model, method, SINGLE).changes
            at = BEFORE_S
            after = [a for a in raised(changes, "asystole") if a.raised > at]
            made += 1
            withdrawn += sum(alarm.withdrawn for alarm in changes)
            delays += [after[0].raised - at] if after else []
    return {"events": made, "withdrawn": withdrawn, **spread(delays, 4.0)}


def run_delays(data: Path, model: Classifier, method: str) -> dict[str, Any]:
    """From the third beat of each run labelled V to its alarm; in the records that have runs."""
    delays: list[float] = []
    for path in records(data / "mitdb"):
        if not has_run(path):
            continue
        record = read_record(path)
        found = alarms_of(record.signal, record.fs, model, method, SINGLE)
        thirds: dict[float, float] = {}
        for event in found.events:
            if event.kind is EventKind.VENTRICULAR_RUN and event.severity != "info":
                thirds.setdefault(event.start_time, event.beats[2] / record.fs)
        delays += [
            alarm.raised - thirds[alarm.since]
            for alarm in raised(found.changes, "ventricular_run")
            if alarm.since in thirds
        ]
    return {"events": len(delays), **spread(delays, 1.0)}


def fibrillation_delays(data: Path, model: Classifier, method: str) -> dict[str, Any]:
    """From the first wave of made ventricular fibrillation to its alarm."""
    delays: list[float] = []
    made = 0
    for path in people_of(data):
        for signal, fs in with_fibrillation(path):
            begin = round((BEGIN_S - BEFORE_S) * fs)
            signal = signal[begin : round((BEGIN_S + AFTER_S) * fs)]
            found = alarms_of(signal, fs, model, method, SINGLE).changes
            after = [a for a in raised(found, "ventricular_flutter") if a.raised > BEFORE_S]
            made += 1
            delays += [after[0].raised - BEFORE_S] if after else []
    return {"events": made, **spread(delays, 10.0)}


def lead_delays(data: Path, model: Classifier, method: str, kind: str) -> dict[str, Any]:
    """From the first sample that is constant, or missing, to the alarm."""
    delays: list[float] = []
    made = 0
    for path in records(data / "mitdb")[::2]:
        record = read_record(path, leads=0)
        begin = round(300 * record.fs)
        signal = record.signal[begin : begin + round((BEFORE_S + AFTER_S) * record.fs), 0].copy()
        at = round(BEFORE_S * record.fs)
        signal[at:] = np.nan if kind == "gap" else np.float32(np.ptp(signal) + signal.max())
        found = raised(alarms_of(signal, record.fs, model, method, SINGLE).changes, kind)
        made += 1
        delays += [alarm.raised - BEFORE_S for alarm in found[:1]]
    return {"events": made, **spread(delays, 5.0)}


def spread(delays: Sequence[float], aim: float) -> dict[str, Any]:
    """Number, those within the aim, median and extremes in seconds."""
    if not delays:
        return {"raised": 0, "within": 0, "aim_s": aim}
    return {
        "raised": len(delays),
        "within": sum(delay <= aim for delay in delays),
        "aim_s": aim,
        "median_s": round(median(delays), 2),
        "p90_s": round(float(np.quantile(delays, 0.9)), 2),
        "worst_s": round(max(delays), 2),
    }


def records(folder: Path) -> list[Path]:
    """Paths of the recordings of a database."""
    return [path.with_suffix("") for path in sorted(folder.glob("*.hea"))]


def reference_beats(path: Path) -> npt.NDArray[np.int64]:
    """R peaks of the reference."""
    from ecgfast.evaluation import is_beat

    marks = read_record(path, leads=0).annotations
    assert marks is not None
    return np.sort(marks.sample[is_beat(marks.symbol)])


def has_run(path: Path) -> bool:
    """Whether the reference has three V in a row."""
    from ecgfast.evaluation import is_beat

    marks = read_record(path, leads=0).annotations
    assert marks is not None
    symbols = np.asarray(marks.symbol)[is_beat(marks.symbol)]
    ectopic = np.isin(symbols, ["V", "E"])
    return bool((ectopic[2:] & ectopic[1:-1] & ectopic[:-2]).any())


# ------------------------------------------------------------------------------- false alarms


def false_alarms(data: Path, model: Classifier, method: str) -> dict[str, Any]:
    """Alarms, by kind, as the default settings raise them."""
    found = {}
    for name in NOISE:
        if name == "nsrdb":
            paths = records(data / "nsrdb")
        elif name == "em":
            paths = [path for path in records(data / "nstdb") if path.name.startswith("11")]
        else:
            paths = [data / "nstdb" / name]
        hours, counts, withdrawn = 0.0, Counter[str](), 0
        for path in paths:
            record = read_record(path)
            hours += record.duration / 3600
            changes = alarms_of(record.signal, record.fs, model, method, AlarmSettings()).changes
            counts += Counter(str(alarm.kind) for alarm in {a.id: a for a in changes}.values())
            withdrawn += sum(alarm.withdrawn for alarm in changes)
        found[name] = {
            "recordings": len(paths),
            "hours": round(hours, 2),
            "alarms": dict(sorted(counts.items())),
            "withdrawn": withdrawn,
        }
    return found


def intensive_care(data: Path, model: Classifier, method: str) -> dict[str, Any]:
    """Alarms of the heart of each kind, those that pressure can judge, and contradicts."""
    seconds, kinds = 0.0, dict[str, Counter[str]]()
    for path in records(data / "bp"):
        witness = witnessed(path)
        signal, fs = witness.case.signal, witness.case.fs
        seconds += len(signal) / fs
        changes = alarms_of(signal, fs, model, method, SINGLE).changes
        for alarm in {a.id: a for a in changes}.values():
            if alarm.withdrawn or alarm.kind in ("noise", *_OF_SIGNAL):
                continue
            verdict = contradicted(witness, alarm)
            counts = kinds.setdefault(str(alarm.kind), Counter())
            counts["alarms"] += 1
            counts["judged"] += verdict is not None
            counts["contradicted"] += verdict is True
            counts["before_monitor"] += before_monitor(alarm)
    return {"hours": round(seconds / 3600, 2), "kinds": {k: dict(kinds[k]) for k in sorted(kinds)}}


# ---------------------------------------------------------------------------------- in real time


class Scene(NamedTuple):
    """A signal with one event."""

    kind: str
    signal: Signal
    fs: float
    event: int
    """Sample of the last beat, of the third V beat, or of the first constant or missing one."""
    ends: bool = False
    """Whether the connection is closed at the event."""


def scenes(data: Path, model: Classifier, method: str) -> Iterator[Scene]:
    """An asystole, a run of V, a lead that comes off, and a lost connection."""
    path = data / "mitdb" / "100"
    one = standstills(path)
    assert one is not None
    beats = reference_beats(path)
    last = int(beats[beats < one.spans[0][0]].max())
    begin = last - round(20 * one.fs)
    yield Scene("asystole", one.signal[begin : last + round(8 * one.fs)], one.fs, last - begin)
    yield run_scene(data, model, method)
    record = read_record(path, leads=0)
    at = round(20 * record.fs)
    signal = record.signal[: at + round(10 * record.fs), 0].copy()
    signal[at:] = np.ptp(signal) + signal.max()
    yield Scene("lead_off", signal, record.fs, at)
    yield Scene("gap", record.signal[:at, 0], record.fs, at, ends=True)


def run_scene(data: Path, model: Classifier, method: str) -> Scene:
    """The first run of V that is found as well where the detector has seen 40 s only."""
    for path in filter(has_run, records(data / "mitdb")):
        record = read_record(path, leads=0)
        for run in alarms_of(record.signal, record.fs, model, method, SINGLE).events:
            begin = run.start - round(40 * record.fs)
            if run.kind is not EventKind.VENTRICULAR_RUN or run.severity == "info" or begin < 0:
                continue
            signal = record.signal[begin : run.start + round(10 * record.fs), 0]
            found = alarms_of(signal, record.fs, model, method, SINGLE).events
            again = [event for event in found if event.kind is run.kind and event.n_beats == 3]
            if again and (again[0].start, again[0].severity) == (run.start - begin, "medium"):
                return Scene("ventricular_run", signal, record.fs, again[0].beats[2])
    raise SystemExit("no run of V was found")


def in_real_time(scene: Scene, method: str) -> dict[str, Any]:
    """Send a scene over TCP to ``ecgfast live``, and watch its output and its page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [
            *(sys.executable, "-m", "ecgfast", "live", f"tcp:127.0.0.1:{port}"),
            *("--fs", f"{scene.fs:g}", "--port", "0", "--method", method, "--json"),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                link = _accepted(listener, process)
                said = (line for line in process.stderr if "the page" in line)
                address = next(said, "").split()[-1:]
                if not address:
                    raise SystemExit(f"{scene.kind}: ecgfast live ended before it had a page")
                threading.Thread(target=list, args=(process.stderr,), daemon=True).start()
                printed: list[float] = []
                threading.Thread(
                    target=_first_alarm, args=(process.stdout, scene.kind, printed), daemon=True
                ).start()
                with _page(address[0], EventKind(scene.kind).text) as page:
                    event = _send(link, scene)
                    until = monotonic() + 20.0
                    while not printed and monotonic() < until:
                        sleep(0.05)
                    sleep(1.0)
                    # The browser's clock is another one, and may be set: how long ago counts.
                    age = (
                        page.value("window.seen && performance.now() - window.seen")
                        if page
                        else None
                    )
                    shown = None if age is None else monotonic() - age / 1000
            finally:
                process.terminate()
                process.wait()
    if printed and printed[0] < event:
        raise SystemExit(
            f"{scene.kind}: an alarm before the event, as this machine is too busy; run this again"
        )
    found: dict[str, Any] = {"alarm_s": round(printed[0] - event, 2) if printed else None}
    if shown is not None:
        found["banner_s"] = round(shown - event, 2)
    return found


def _accepted(listener: socket.socket, process: subprocess.Popen[str]) -> socket.socket:
    """The connection of the command; ends this program with what it said if it ended itself."""
    listener.settimeout(1.0)
    until = monotonic() + 120.0
    while monotonic() < until:
        try:
            return listener.accept()[0]
        except TimeoutError:
            if process.poll() is not None:
                _, said = process.communicate()
                raise SystemExit(f"ecgfast live ended: {said.strip()[-500:]}") from None
    raise SystemExit("ecgfast live did not connect within two minutes; run this again")


def _first_alarm(lines: Any, kind: str, printed: list[float]) -> None:
    for line in lines:
        row = json.loads(line)
        if row.get("type") == "alarm" and row["kind"] == kind and not printed:
            printed.append(monotonic())


def _send(link: socket.socket, scene: Scene) -> float:
    """Send the signal at its pace, four samples at a time; when the event's sample was sent."""
    lines = [f"{value:.4f}\n".encode() for value in scene.signal]
    begin, event = monotonic(), 0.0
    for i in range(0, len(lines), 4):
        sleep(max(0.0, begin + i / scene.fs - monotonic()))
        link.sendall(b"".join(lines[i : i + 4]))
        if i <= scene.event < i + 4:
            event = monotonic()
    if scene.ends:
        link.close()
        return monotonic()
    return event


def _page(address: str, text: str) -> Any:
    """The page in a browser of the tests, which notes when it has a banner with this text."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import pytest
    from chromium import Chromium

    try:
        page = Chromium(Path(tempfile.mkdtemp(prefix="ecgfast-alarms-")))
    except pytest.skip.Exception:
        return nullcontext()  # no browser is here
    page.go(address)
    page.wait("!!(window.ecgfast && document.getElementById('alarms'))")
    page.value(
        "window.seen = null; new MutationObserver(() => {"
        " const all = [...document.querySelectorAll('.alarm b')].map((b) => b.textContent);"
        f" if (window.seen === null && all.some((t) => t.startsWith('{text}')))"
        " window.seen = performance.now();"
        "}).observe(document.getElementById('alarms'), {childList: true, subtree: true}); 1"
    )
    return page


# ------------------------------------------------------------------------------------ the page


def tables(result: dict[str, Any]) -> str:
    """The tables of docs/alarms.md."""
    names = {
        "asystole": "asystole, from the last beat (threshold 3 s)",
        "ventricular_run": "run of V, from its third beat",
        "ventricular_flutter": "made ventricular fibrillation, from its first wave",
        "lead_off": "lead off, from the first constant sample (alarm after 2 s)",
        "gap": "signal lost, from the last sample (alarm after 5 s)",
    }
    rows = []
    for kind, text in names.items():
        for method, found in result["detectors"].items():
            one, real = found["delays"][kind], found["real_time"].get(kind, {})
            rows.append(
                [
                    text,
                    method,
                    f"{one['raised']} of {one['events']}",
                    f"{one['within']} ({one['aim_s']:g} s)",
                    *(_seconds(one.get(key)) for key in ("median_s", "p90_s", "worst_s")),
                    _seconds(real.get("alarm_s")),
                    _seconds(real.get("banner_s")),
                ]
            )
    heads = [
        *("event", "detector", "alarms raised", "in time", "median", "90 %", "worst"),
        *("real time: alarm", "banner"),
    ]
    delays = Table("", heads, rows, left=2).markdown()
    rows = []
    for name, text in NOISE.items():
        for method, found in result["detectors"].items():
            one = found["false_alarms"][name]
            counts = Counter(one["alarms"])
            critical = {kind: n for kind, n in counts.items() if kind not in ("noise", *_OF_SIGNAL)}
            per_hour = sum(critical.values()) / one["hours"]
            listed = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in critical.items())
            rows.append(
                [
                    text,
                    method,
                    f"{one['hours']:.1f}",
                    f"{per_hour:.2f}",
                    listed or "none",
                    str(sum(counts.values()) - sum(critical.values())),
                    str(one["withdrawn"]),
                ]
            )
    heads = [
        *("recordings", "detector", "hours", "alarms of the heart per hour", "which"),
        *("noise, lead or gap", "withdrawn"),
    ]
    false = Table("", heads, rows, left=2).markdown()
    return f"{delays}\n\n{false}\n\n{intensive_care_table(result)}\n"


def intensive_care_table(result: dict[str, Any]) -> str:
    """Alarms of each kind, and what the pressure says of them."""
    found = {m: one["intensive_care"] for m, one in result["detectors"].items()}
    kinds = sorted({kind for one in found.values() for kind in one["kinds"]})
    rows = []
    for kind in kinds:
        for method, one in found.items():
            counts = Counter(one["kinds"].get(kind, {}))
            judged = f"{counts['contradicted']} of {counts['judged']}" if counts["judged"] else "-"
            rows.append([kind.replace("_", " "), method, str(counts["alarms"]), judged])
            rows[-1].append(str(counts["before_monitor"]))
    heads = ["alarm", "detector", "raised", "contradicted by the pressure"]
    heads.append("in the 20 s before the monitor's alarm")
    return Table("", heads, rows, left=2).markdown()


_OF_SIGNAL = ("lead_off", "flat_line", "gap")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def main() -> None:
    """Measure, and write the figures and the tables."""
    docs = Path(__file__).parents[1] / "docs"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/, nsrdb/, nstdb/ and bp/")
    parser.add_argument("--method", choices=METHODS, action="append", help="default: both")
    parser.add_argument("--json", type=Path, default=docs / "alarms.json")
    parser.add_argument("--page", type=Path, default=docs / "alarms.md")
    args = parser.parse_args()
    model = Classifier("beats")
    result: dict[str, Any] = {"detectors": {}}
    if args.json.is_file():  # the other detector's figures stay
        result = json.loads(args.json.read_text("utf-8"))
    result |= {"chunk_s": CHUNK_S, "load": os.getloadavg()[0]}
    for method in args.method or METHODS:
        delays = {
            "asystole": asystole_delays(args.data, model, method),
            "ventricular_run": run_delays(args.data, model, method),
            "ventricular_flutter": fibrillation_delays(args.data, model, method),
            "lead_off": lead_delays(args.data, model, method, "lead_off"),
            "gap": lead_delays(args.data, model, method, "gap"),
        }
        print(method, delays, file=sys.stderr)
        real = {s.kind: in_real_time(s, method) for s in scenes(args.data, model, method)}
        print(method, real, file=sys.stderr)
        result["detectors"][method] = {
            "delays": delays,
            "real_time": real,
            "false_alarms": false_alarms(args.data, model, method),
            "intensive_care": intensive_care(args.data, model, method),
        }
        args.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    text = args.page.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    args.page.write_text(head + BEGIN + "\n" + tables(result) + "\n" + END + rest.partition(END)[2])
    print(tables(result))


if __name__ == "__main__":
    main()
