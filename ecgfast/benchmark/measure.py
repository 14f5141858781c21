"""The measurements. All run on one thread, one after the other; times are of the wall clock."""

from __future__ import annotations

import json
import subprocess
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns, process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core import BandpassFilter, BeatBatch, BeatStream, QRSDetector
from ..errors import EcgfastError, InputError
from ..processes import module_command
from ..records import open_record, synthetic_ecg
from ..runtime import Classifier, available_backends, available_models
from ..streaming import StreamingClassifier

__all__ = [
    "CHUNK_S",
    "Effort",
    "Measured",
    "Signal",
    "built_in",
    "cpu_share",
    "measure",
    "model",
    "place",
    "signal_for",
]

#: A device that delivers ten times a second.
CHUNK_S = 0.1
_BLOCK_S = 10.0
_LONGEST_S = 1800.0

# Beats one by one, however slow: fewer have no 99th percentile.
_FEWEST = 100
# Rounds of slow work, however long: fewer on each side allow no interval of 95 %.
_FEWEST_ROUNDS = 4

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much is repeated."""

    quick: bool = False

    @property
    def rounds(self) -> int:
        """Rounds in which everything is measured; a figure is the median of its rounds."""
        return 5 if self.quick else 7

    @property
    def beats(self) -> int:
        """Beats through each interpreter, one by one."""
        return 300 if self.quick else 1500

    @property
    def seconds(self) -> float:
        """What one-by-one or batched inference may take, in each precision and runtime."""
        return 0.1 if self.quick else 0.4

    @property
    def starts(self) -> int:
        """Processes started for the first model; one for each further."""
        return 1 if self.quick else 5


@dataclass(frozen=True, eq=False)
class Signal:
    """What everything is measured on.

    Attributes
    ----------
    name : str
    fs : float
        Hz.
    values : ndarray of float32, shape (n, n_leads)
    beats : BeatBatch
        The beats of the stream.
    """

    name: str
    fs: float
    values: npt.NDArray[np.float32]
    beats: BeatBatch

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.values) / self.fs

    @property
    def chunk(self) -> int:
        """Samples in a tenth of a second."""
        return max(1, round(CHUNK_S * self.fs))

    def facts(self) -> dict[str, Any]:
        """What the result says about the signal."""
        return {
            "name": self.name,
            "fs": self.fs,
            "leads": self.values.shape[1],
            "seconds": self.seconds,
            "beats": len(self.beats),
            "chunk": self.chunk,
        }


class _Share:
    value = 1.0


@contextmanager
def cpu_share() -> Iterator[_Share]:
    """Measure which share of a core the enclosed work got."""
    share = _Share()
    wall, cpu = perf_counter(), process_time()
    yield share
    share.value = min(1.0, (process_time() - cpu) / (perf_counter() - wall))


def signal_for(record: str | None, fs: float | None, *, quick: bool) -> Signal:
    """Read the recording, or make a synthetic one like that of ``ecgfast demo``.

    Parameters
    ----------
    record : str or None
        A path, of which the first half hour is used.
    fs : float or None
        Its sampling rate, where it carries none.
    quick : bool
        Make one minute instead of five.

    Raises
    ------
    RecordError, InputError
        If the recording cannot be read or holds no beats.
    """
    if record is None:
        made = synthetic_ecg(
            60.0 if quick else 300.0,
            heart_rate=72.0,
            ventricular=0.09,
            supraventricular=0.07,
            wander=0.12,
            muscle=0.012,
            seed=1,
        )
        name, rate, values = "synthetic", made.fs, made.signal
    else:
        source = open_record(record, fs=fs)
        end = min(source.n_samples, round(_LONGEST_S * source.fs))
        name, rate, values = Path(source.name).name, source.fs, source.fetch(0, end)
    stream = BeatStream(rate, n_leads=values.shape[1])
    beats = stream.finish(values)
    if len(beats) < 2:
        raise InputError(f"{name}: holds {len(beats)} beats; give a recording with more")
    return Signal(name, rate, np.ascontiguousarray(values, np.float32), beats)


def built_in() -> list[str]:
    """Names of the built-in models that run beat by beat, the default one first."""
    names = [name for name, card in available_models().items() if card.window is not None]
    return sorted(names, key=lambda name: name != "beats")


def percentiles(nanoseconds: Sequence[int]) -> dict[str, float]:
    """p50, p95, p99 and max, in microseconds."""
    times = np.asarray(nanoseconds) / 1e3
    p50, p95, p99 = (float(v) for v in np.percentile(times, (50, 95, 99)))
    return {"p50": p50, "p95": p95, "p99": p99, "max": float(times.max())}


@dataclass
class Measured:
    """What was measured.

    Attributes
    ----------
    stages, models, end_to_end : dict
        As `ecgfast.benchmark` documents them.
    yardstick_us : float
        What fixed work took that has nothing to do with this package.
    cpu_share : float
        Processor time over wall time.
    rounds : dict of str to list of float
        By `place`, the figure of each round.
    """

    stages: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    end_to_end: dict[str, Any] = field(default_factory=dict)
    yardstick_us: float = 0.0
    cpu_share: float = 1.0
    rounds: dict[str, list[float]] = field(default_factory=dict)


def place(*parts: str) -> str:
    """Where a figure is in a result, such as ``stages / filter / ns_per_sample``."""
    return " / ".join(parts)


def measure(signal: Signal, models: Sequence[str], effort: Effort, tell: Tell) -> Measured:
    """Measure everything, round by round: what slows the machine for a while slows all alike.

    Parameters
    ----------
    signal : Signal
    models : sequence of str
        Names or files.
    effort : Effort
    tell : callable
        Gets what is being measured.

    Returns
    -------
    Measured

    Raises
    ------
    ModelError, InputError
        If a model cannot be used.
    """
    found = Measured()
    stages = {name: _Stage(make, signal) for name, make in _makers(signal).items()}
    inference: list[tuple[tuple[str, str, str], _Inference]] = []
    for name in models:
        tell(f"loading {name}")
        found.models[name], runs = _loaded(name, signal, effort)
        inference += [((name, *run), probe) for run, probe in runs.items()]
    whole = {name: _Live(name, signal, effort) for name in models}
    probes: list[_Stage | _Inference | _Live] = [
        *stages.values(),
        *(probe for _, probe in inference),
        *whole.values(),
    ]
    yardstick: list[float] = []
    with cpu_share() as share:
        for i in range(effort.rounds):
            tell(f"round {i + 1} of {effort.rounds}")
            yardstick.append(_yardstick())
            for probe in probes:
                probe.once()
    found.cpu_share = share.value
    found.yardstick_us = median(yardstick)
    found.rounds["yardstick_us"] = yardstick
    for name, stage in stages.items():
        found.stages[name] = stage.result()
        found.rounds[place("stages", name, "ns_per_sample")] = stage.rounds
    for (name, precision, backend), run in inference:
        found.models[name][precision][backend] |= run.result()
        at = ("models", name, precision, backend)
        found.rounds[place(*at, "one_beat_us", "p50")] = run.one_by_one
        found.rounds[place(*at, "batch_us_per_beat")] = run.batches
    for i, (name, probe) in enumerate(whole.items()):
        tell(f"start-up with {name}")
        starts = _starts(name, signal, 1 if i else effort.starts)
        of_all = {key: median(start[key] for start in starts) for key in starts[0]}
        found.end_to_end[name] = {**probe.result(), **of_all}
        at_name = ("end_to_end", name)
        found.rounds[place(*at_name, "ns_per_sample")] = probe.rounds
        found.rounds[place(*at_name, "latency_us", "p50")] = probe.latencies
        found.rounds[place(*at_name, "first_beat_s")] = [start["first_beat_s"] for start in starts]
    return found


def _yardstick() -> float:
    """Microseconds of fixed work in Python and NumPy: the least of three, as it is so short."""
    numbers = np.arange(50_000, dtype=np.float64)
    times = []
    for _ in range(3):
        begin = perf_counter_ns()
        total = 0
        for i in range(20_000):
            total += i & 7
        for _ in range(10):
            np.sqrt(np.cumsum(numbers)).sum()
        times.append(perf_counter_ns() - begin)
    return min(times) / 1e3


def _makers(signal: Signal) -> dict[str, Callable[[], Callable[[int, int], object]]]:
    """By stage, what makes one that takes samples from one place to another."""
    fs, values = signal.fs, signal.values
    n_leads = values.shape[1]
    lead = np.ascontiguousarray(values[:, 0])
    out = np.empty_like(lead)

    def filtered() -> Callable[[int, int], object]:
        band = BandpassFilter(fs)
        return lambda a, b: band.process(lead[a:b], out[a:b])

    def detected(method: Any) -> Callable[[int, int], object]:
        detector = QRSDetector(fs, method=method, n_leads=n_leads)
        return lambda a, b: detector.process(values[a:b])

    def windowed() -> Callable[[int, int], object]:
        stream = BeatStream(fs, n_leads=n_leads, method="external")
        peaks = signal.beats.sample
        places = peaks.tolist()

        def step(a: int, b: int) -> object:
            # bisect costs next to nothing beside the windower; numpy's search would not.
            own = peaks[bisect_left(places, a) : bisect_left(places, b)]
            return stream.process(values[a:b], own)

        return step

    def fused() -> Callable[[int, int], object]:
        stream = BeatStream(fs, n_leads=n_leads)
        return lambda a, b: stream.process(values[a:b])

    return {
        "filter": filtered,
        "detector neural": lambda: detected("neural"),
        "detector adaptive": lambda: detected("adaptive"),
        "detector pan-tompkins": lambda: detected("pan-tompkins"),
        "windower": windowed,
        "beat stream": fused,
    }


class _Stage:
    """One stage: a pass over the signal in each round."""

    def __init__(self, make: Callable[[], Callable[[int, int], object]], signal: Signal) -> None:
        self._make, self._signal = make, signal
        self.rounds: list[float] = []

    def once(self) -> None:
        n, block = len(self._signal.values), round(_BLOCK_S * self._signal.fs)
        step = self._make()
        begin = perf_counter_ns()
        for a in range(0, n, block):
            step(a, min(a + block, n))
        self.rounds.append((perf_counter_ns() - begin) / n)

    def result(self) -> dict[str, Any]:
        """As `ecgfast.benchmark` documents under ``stages``."""
        signal, per_sample = self._signal, median(self.rounds)
        n, step = len(signal.values), self._make()
        chunks = []
        for a in range(0, n, signal.chunk):
            begin = perf_counter_ns()
            step(a, min(a + signal.chunk, n))
            chunks.append(perf_counter_ns() - begin)
        return {
            "ns_per_sample": per_sample,
            "samples_per_s": 1e9 / per_sample,
            "real_time_factor": 1e9 / per_sample / signal.fs,
            "chunk_us": percentiles(chunks),
        }


def _loaded(
    name: str, signal: Signal, effort: Effort
) -> tuple[dict[str, Any], dict[tuple[str, str], _Inference]]:
    """One model in every precision and on every runtime present.

    Returns
    -------
    entries : dict
        By precision: bytes, and by runtime what loading took or why it cannot.
    runs : dict
        By precision and runtime, what is to be measured.
    """
    given = Classifier(name)
    # A .tflite file is one precision; a name or a card stands for all of them.
    one = given.card is None or name.endswith(".tflite")
    precisions = [None] if one or given.card is None else list(given.card.precisions)
    found: dict[str, Any] = {}
    runs: dict[tuple[str, str], _Inference] = {}
    for precision in precisions:
        entry: dict[str, Any] = {"bytes": None}
        called = precision or given.precision or "file"
        for backend in available_backends():
            try:
                begin = perf_counter()
                classifier = Classifier(name, backend=backend, precision=precision)
                load = perf_counter() - begin
            except EcgfastError as error:
                entry[backend] = {"error": str(error)}
                continue
            entry["bytes"] = classifier.path.stat().st_size
            entry[backend] = {"load_ms": 1e3 * load}
            runs[called, backend] = _Inference(classifier, signal, effort)
        found[called] = entry
    return found, runs


def model(name: str, signal: Signal, effort: Effort, tell: Tell) -> dict[str, Any]:
    """Measure one model in every precision and on every runtime present.

    Parameters
    ----------
    name : str
        Name or file.
    signal : Signal
    effort : Effort
    tell : callable
        Gets what is being measured.

    Returns
    -------
    dict
        As `ecgfast.benchmark` documents under ``models``.

    Raises
    ------
    ModelError
        If the model cannot be used at all.
    """
    tell(name)
    found, runs = _loaded(name, signal, effort)
    for _ in range(effort.rounds):
        for run in runs.values():
            run.once()
    for (precision, backend), run in runs.items():
        found[precision][backend] |= run.result()
    return found


class _Inference:
    """One interpreter: some beats one by one, and a batch of them, in each round."""

    def __init__(self, classifier: Classifier, signal: Signal, effort: Effort) -> None:
        self._classifier = classifier
        self._given = _inputs(classifier, signal)
        # A batch that fills the interpreter's, whatever the recording's length.
        self._batch = [v[np.resize(np.arange(len(v)), 256)] for v in self._given]
        self._beats = -(-effort.beats // effort.rounds)
        self._fewest = -(-_FEWEST // effort.rounds)
        self._limit = 1e9 * effort.seconds
        self._share = self._limit / effort.rounds
        self._times: list[int] = []
        self._spent = 0
        self.one_by_one: list[float] = []
        self.batches: list[float] = []
        classifier.predict_proba(*self._batch)

    def once(self) -> None:
        count = len(self._given[0])
        times: list[int] = []
        spent = 0
        while len(times) < self._beats and (spent < self._share or len(times) < self._fewest):
            at = (len(self._times) + len(times)) % count
            beat = [values[at] for values in self._given]
            begin = perf_counter_ns()
            self._classifier.predict_one(*beat)
            times.append(perf_counter_ns() - begin)
            spent += times[-1]
        self._times += times
        self.one_by_one.append(median(times) / 1e3)
        if self._spent < self._limit or len(self.batches) < _FEWEST_ROUNDS:
            begin = perf_counter_ns()
            self._classifier.predict_proba(*self._batch)
            took = perf_counter_ns() - begin
            self._spent += took
            self.batches.append(took / 1e3 / len(self._batch[0]))

    def result(self) -> dict[str, Any]:
        """As `ecgfast.benchmark` documents under ``models``, without the time to load."""
        return {
            "one_beat_us": percentiles(self._times),
            "batch_us_per_beat": median(self.batches),
        }


def _inputs(classifier: Classifier, signal: Signal) -> list[npt.NDArray[np.float32]]:
    """Windows, and features where the model has them; noise for a model that no stream feeds."""
    if classifier.window is None:
        generator = np.random.default_rng(0)
        return [
            generator.standard_normal((_FEWEST, *shape)).astype(np.float32)
            for shape in classifier.input_shapes.values()
        ]
    stream = BeatStream(signal.fs, n_leads=signal.values.shape[1], window=classifier.window)
    beats = stream.finish(signal.values)
    return [beats.windows, beats.features][: len(classifier.input_shapes)]


class _Live:
    """Samples in to labels out, in chunks as a device delivers them, without waiting."""

    def __init__(self, name: str, signal: Signal, effort: Effort) -> None:
        self._classifier, self._signal = Classifier(name), signal
        self._limit = 5e9 * effort.seconds
        self._chunks: list[int] = []
        self._latencies: list[int] = []
        self.rounds: list[float] = []
        self.latencies: list[float] = []

    def once(self) -> None:
        if sum(self._chunks) > self._limit and len(self.rounds) >= _FEWEST_ROUNDS:
            return
        signal, classifier = self._signal, self._classifier
        labeller = StreamingClassifier(
            classifier, signal.fs, n_leads=signal.values.shape[1], lookahead=classifier.lookahead
        )
        chunks: list[int] = []
        latencies: list[int] = []
        for a in range(0, len(signal.values), signal.chunk):
            begin = perf_counter_ns()
            labelled = labeller.process(signal.values[a : a + signal.chunk])
            took = perf_counter_ns() - begin
            chunks.append(took)
            # Every beat of a chunk is delivered when the call returns.
            latencies += [took] * len(labelled)
        self._chunks += chunks
        self._latencies += latencies
        self.rounds.append(sum(chunks) / len(signal.values))
        if latencies:
            self.latencies.append(median(latencies) / 1e3)

    def result(self) -> dict[str, Any]:
        """As `ecgfast.benchmark` documents under ``end_to_end``, without the start-up."""
        per_sample, fs = median(self.rounds), self._signal.fs
        return {
            "form": self._classifier.precision,
            "runtime": self._classifier.backend,
            "beats": len(self._latencies),
            "latency_us": percentiles(self._latencies) if self._latencies else None,
            "chunk_us": percentiles(self._chunks),
            "ns_per_sample": per_sample,
            "real_time_factor": 1e9 / per_sample / fs,
            "core_share": per_sample * fs / 1e9,
        }


def _starts(name: str, signal: Signal, starts: int) -> list[dict[str, Any]]:
    """Measure new processes: from starting Python to the first label, and their memory.

    Parameters
    ----------
    name : str
        The model.
    signal : Signal
    starts : int
        Processes.

    Returns
    -------
    list of dict
        Of each ``first_beat_s``, ``import_ms``, ``memory_bytes``.

    Raises
    ------
    InputError
        If a process ends without a label.
    """
    answers = []
    with tempfile.TemporaryDirectory(prefix="ecgfast-bench-") as folder:
        file, problem = Path(folder) / "minute.npy", Path(folder) / "errors.txt"
        np.save(file, signal.values[: round(60 * signal.fs)])
        command = [*module_command(f"{__package__}.first_beat"), str(file)]
        for _ in range(starts):
            begin = perf_counter()
            with (
                problem.open("w+", encoding="utf-8") as errors,
                subprocess.Popen(
                    [*command, repr(signal.fs), name],
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                ) as process,
            ):
                assert process.stdout is not None
                process.stdout.readline()  # comes with the first label
                first = perf_counter() - begin
                rest = process.stdout.read()
            if process.returncode or not rest.strip():
                output = problem.read_text(encoding="utf-8", errors="replace").strip()
                reason = output.splitlines()[-1] if output else "no beat was labelled"
                raise InputError(f"the start-up of {name} cannot be measured: {reason}")
            answers.append({**json.loads(rest), "first_beat_s": first})
    return answers
