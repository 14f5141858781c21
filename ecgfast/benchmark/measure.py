"""The measurements. All run on one thread, one after the other; times are of the wall clock."""

from __future__ import annotations

import json
import subprocess
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    "Signal",
    "built_in",
    "cpu_share",
    "live",
    "model",
    "signal_for",
    "stages",
    "start_up",
]

#: A device that delivers ten times a second.
CHUNK_S = 0.1
_BLOCK_S = 10.0
_LONGEST_S = 1800.0

# Beats one by one, however slow: fewer have no 99th percentile.
_FEWEST = 100

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much is repeated."""

    quick: bool = False

    @property
    def repeats(self) -> int:
        """Passes over the signal; the median counts."""
        return 3 if self.quick else 7

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
        return 1 if self.quick else 3


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
    beats = BeatBatch.concatenate([stream.process(values), stream.flush()])
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


def stages(signal: Signal, effort: Effort, tell: Tell) -> dict[str, Any]:
    """Measure filter, detectors, windower and the fused stream.

    Returns
    -------
    dict
        As `ecgfast.benchmark` documents under ``stages``.
    """
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

    makers: dict[str, Callable[[], Callable[[int, int], object]]] = {
        "filter": filtered,
        "detector neural": lambda: detected("neural"),
        "detector adaptive": lambda: detected("adaptive"),
        "detector pan-tompkins": lambda: detected("pan-tompkins"),
        "windower": windowed,
        "beat stream": fused,
    }
    found = {}
    for name, make in makers.items():
        tell(name)
        found[name] = _stage(make, signal, effort)
    return found


def _stage(
    make: Callable[[], Callable[[int, int], object]], signal: Signal, effort: Effort
) -> dict[str, Any]:
    n = len(signal.values)
    block = round(_BLOCK_S * signal.fs)
    passes = []
    for _ in range(effort.repeats):
        step = make()
        begin = perf_counter_ns()
        for a in range(0, n, block):
            step(a, min(a + block, n))
        passes.append(perf_counter_ns() - begin)
    per_sample = median(passes) / n
    step = make()
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


def model(name: str, signal: Signal, effort: Effort, tell: Tell) -> dict[str, Any]:
    """Measure one model in every precision and on every runtime present.

    Returns
    -------
    dict
        As `ecgfast.benchmark` documents under ``models``.

    Raises
    ------
    ModelError
        If the model cannot be used at all.
    """
    given = Classifier(name)
    # A .tflite file is one precision; a name or a card stands for all of them.
    one = given.card is None or name.endswith(".tflite")
    precisions = [None] if one or given.card is None else list(given.card.precisions)
    found: dict[str, Any] = {}
    for precision in precisions:
        entry: dict[str, Any] = {"bytes": None}
        for backend in available_backends():
            tell(f"{name} {precision or ''} on {backend}")
            try:
                begin = perf_counter()
                classifier = Classifier(name, backend=backend, precision=precision)
                load = perf_counter() - begin
            except EcgfastError as error:
                entry[backend] = {"error": str(error)}
                continue
            entry["bytes"] = classifier.path.stat().st_size
            entry[backend] = {"load_ms": 1e3 * load, **_inference(classifier, signal, effort)}
        found[precision or given.precision or "file"] = entry
    return found


def _inference(classifier: Classifier, signal: Signal, effort: Effort) -> dict[str, Any]:
    given = _inputs(classifier, signal)
    count = len(given[0])
    times: list[int] = []
    spent, limit = 0, 1e9 * effort.seconds
    while len(times) < effort.beats and (spent < limit or len(times) < _FEWEST):
        beat = [values[len(times) % count] for values in given]
        begin = perf_counter_ns()
        classifier.predict_one(*beat)
        times.append(perf_counter_ns() - begin)
        spent += times[-1]
    # A batch that fills the interpreter's, whatever the recording's length.
    batch = [values[np.resize(np.arange(count), 256)] for values in given]
    classifier.predict_proba(*batch)
    passes: list[int] = []
    while len(passes) < effort.repeats and sum(passes) < limit:
        begin = perf_counter_ns()
        classifier.predict_proba(*batch)
        passes.append(perf_counter_ns() - begin)
    return {
        "one_beat_us": percentiles(times),
        "batch_us_per_beat": median(passes) / 1e3 / len(batch[0]),
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
    beats = BeatBatch.concatenate([stream.process(signal.values), stream.flush()])
    return [beats.windows, beats.features][: len(classifier.input_shapes)]


def live(name: str, signal: Signal, effort: Effort, tell: Tell) -> dict[str, Any]:
    """Measure samples in to labels out, in chunks as a device delivers them, without waiting.

    Returns
    -------
    dict
        As `ecgfast.benchmark` documents under ``end_to_end``, without the start-up.
    """
    tell(f"end to end with {name}")
    classifier = Classifier(name)
    n, step = len(signal.values), signal.chunk
    chunk_times: list[int] = []
    latencies: list[int] = []
    for _ in range(1 if effort.quick else 2):
        labeller = StreamingClassifier(
            classifier, signal.fs, n_leads=signal.values.shape[1], lookahead=classifier.lookahead
        )
        for a in range(0, n, step):
            begin = perf_counter_ns()
            labelled = labeller.process(signal.values[a : a + step])
            took = perf_counter_ns() - begin
            chunk_times.append(took)
            # Every beat of a chunk is delivered when the call returns.
            latencies += [took] * len(labelled)
    per_sample = sum(chunk_times) / (len(chunk_times) * step)
    return {
        "form": classifier.precision,
        "runtime": classifier.backend,
        "beats": len(latencies),
        "latency_us": percentiles(latencies) if latencies else None,
        "chunk_us": percentiles(chunk_times),
        "ns_per_sample": per_sample,
        "real_time_factor": 1e9 / per_sample / signal.fs,
        "core_share": per_sample * signal.fs / 1e9,
    }


def start_up(name: str, signal: Signal, starts: int) -> dict[str, Any]:
    """Measure new processes: from starting Python to the first label, and their memory.

    Parameters
    ----------
    name : str
        The model.
    signal : Signal
    starts : int
        Processes; the medians count.

    Returns
    -------
    dict
        ``first_beat_s``, ``import_ms``, ``memory_bytes``.

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
                told = problem.read_text(encoding="utf-8", errors="replace").strip()
                reason = told.splitlines()[-1] if told else "no beat was labelled"
                raise InputError(f"the start-up of {name} cannot be measured: {reason}")
            answers.append({**json.loads(rest), "first_beat_s": first})
    return {key: median(answer[key] for answer in answers) for key in answers[0]}
