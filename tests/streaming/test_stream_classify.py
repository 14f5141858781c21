"""From any source of samples to labelled beats: the same ones however the samples come."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from model_files import affine_model
from shared_ecgs import demo_record

from ecgfast import (
    Beat,
    BeatStream,
    Classifier,
    InputError,
    ModelError,
    Quality,
    Record,
    RecordError,
    StreamingClassifier,
    detect_qrs,
    events,
    read_record,
    stream_classify,
)
from ecgfast.core import FEATURE_NAMES
from ecgfast.records import open_record
from ecgfast.runtime import InputSpec, ModelCard, available_models
from ecgfast.streaming import open_source
from ecgfast.streaming.lead_signal import leads_to_label
from ecgfast.window import WindowSpec

FS = 360.0
GRID = WindowSpec(125.0, 44, 28)
CLASSES = ("N", "S", "V", "F", "Q")


def write_model(folder: Path, name: str = "toy", *, window: WindowSpec = GRID, **more) -> Path:
    """A model that is an affine map of window and features, with its card."""
    channels = 2 if window.kind == "beat" else 1
    shape, width = (window.before + window.after, channels), (len(FEATURE_NAMES),)
    features = width if more.pop("with_features", True) else None
    classes = more.pop("classes", CLASSES)
    content, _ = affine_model(np.random.default_rng(4), shape, features, more.pop("outputs", 5))
    file = folder / f"{name}.tflite"
    file.write_bytes(content)
    card = ModelCard(
        name=name,
        description="An affine map.",
        task="beats",
        classes=classes,
        inputs=(InputSpec("window", shape), *([InputSpec("features", width)] if features else [])),
        window=window,
        precisions={
            "float32": {
                "file": file.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
        **more,
    )
    card.save(folder / f"{name}.json")
    return file


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module", params=["toy", "beats"])
def model(request, toy: Path) -> str:
    """A model made here, and the built-in one where it is installed."""
    if request.param == "beats" and "beats" not in available_models():
        pytest.skip("the built-in model 'beats' is not installed")
    return str(toy) if request.param == "toy" else "beats"


@pytest.fixture(scope="module")
def short() -> Record:
    """Twenty seconds of the built-in recording, one lead."""
    whole = demo_record()
    return Record(whole.signal[: 20 * 360, :1].copy(), whole.fs, whole.leads[:1], name="short")


def exactly(beats) -> list[str]:
    """Beats as text that tells every bit of every number."""
    return [repr(beat) for beat in beats]


def test_beats_are_those_of_stream_and_classifier(model: str, short: Record) -> None:
    beats = list(stream_classify(short, model=model))
    classifier = Classifier(model)
    stream = BeatStream(FS, window=classifier.window)
    batch = stream.finish(short.signal)
    assert len(beats) == len(batch) > 15
    for i, beat in enumerate(beats):
        assert isinstance(beat, Beat)
        assert beat.sample == batch.sample[i]
        assert beat.time == beat.sample / FS
        assert math.isnan(beat.rr) if i == 0 else beat.rr == batch.rr[i]
        assert beat.quality == batch.quality[i]
        assert isinstance(beat.quality, Quality)
        given = classifier.predict_one(batch.windows[i], batch.features[i])
        assert list(beat.probabilities) == list(classifier.classes)
        assert list(beat.probabilities.values()) == [float(p) for p in given]
        assert beat.label == classifier.classes[int(np.argmax(given))]
        assert beat.probability == max(beat.probabilities.values())
        rates = [60 / median(batch.rr[max(1, i - 7) : i + 1])] if i else []
        assert beat.heart_rate == rates[0] if i else math.isnan(beat.heart_rate)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_one_sample_at_a_time_gives_the_same_beats(model, lookahead, short) -> None:
    signal = short.signal[:, 0]
    whole = exactly(stream_classify(short, model=model, lookahead=lookahead))
    single = stream_classify((float(x) for x in signal), FS, model=model, lookahead=lookahead)
    assert exactly(single) == whole


@pytest.mark.parametrize("lookahead", [0, 1])
def test_one_sample_at_a_time_of_a_recording(model, lookahead, record_path) -> None:
    signal = read_record(record_path("excerpts/mitdb/208")).signal
    whole = exactly(stream_classify(signal, 360.0, model=model, lookahead=lookahead))
    single = stream_classify(
        (signal[i : i + 1] for i in range(len(signal))), 360.0, model=model, lookahead=lookahead
    )
    assert exactly(single) == whole
    assert len(whole) > 60


def test_a_loaded_model_serves_many_sources(model: str, short: Record) -> None:
    classifier = Classifier(model)
    expected = list(stream_classify(short, model=model))
    for _ in range(2):
        assert list(stream_classify(short, model=classifier)) == expected
    assert list(events(short, model=classifier)) == list(events(short, model=model))


def test_any_source_gives_the_same_beats(toy: Path, short: Record, tmp_path: Path) -> None:
    signal = short.signal[:, 0]
    expected = exactly(stream_classify(short, model=toy))
    np.save(tmp_path / "ecg.npy", signal)
    rng = np.random.default_rng(2)
    pieces = np.split(signal, np.sort(rng.integers(0, len(signal), 50)))
    sources = {
        "array": signal,
        "column": signal[:, np.newaxis],
        "doubles": signal.astype(np.float64),
        "list": signal.tolist(),
        "tuple": tuple(signal.tolist()),
        "nested list": [[x] for x in signal.tolist()],
        "list of chunks": pieces,
        "generator of chunks": (piece for piece in pieces),
        "generator of column chunks": (piece[:, np.newaxis] for piece in pieces),
        "generator of lists": (piece.tolist() for piece in pieces),
        "generator of NumPy numbers": (x for x in signal),
        "map": map(float, signal),
        "path": tmp_path / "ecg.npy",
        "path as text": str(tmp_path / "ecg.npy"),
        "opened recording": open_record(tmp_path / "ecg.npy", fs=FS),
    }
    for name, source in sources.items():
        fs = None if name == "opened recording" else FS
        assert exactly(stream_classify(source, fs, model=toy)) == expected, name


def test_a_record_on_disk_and_its_leads(toy: Path, record_path) -> None:
    path = record_path("excerpts/svdb/881")
    record = read_record(path)
    cut = Record(record.signal[: 40 * 128], record.fs, record.leads, name=record.name)
    beats = stream_classify(path, model=toy)
    first = list(itertools.islice(beats, 20))  # no more is read than is needed
    assert exactly(first) == exactly(itertools.islice(stream_classify(cut, model=toy), 20))


def test_leads_are_chosen_by_name_or_column(toy: Path) -> None:
    record = demo_record()
    both = exactly(stream_classify(record, model=toy))
    first = exactly(stream_classify(record, model=toy, leads=0))
    second = exactly(stream_classify(record, model=toy, leads="V1"))
    swapped = exactly(stream_classify(record, model=toy, leads=("V1", "MLII")))
    assert first != second != both
    assert first == exactly(stream_classify(record.signal[:, 0], FS, model=toy))
    assert first == exactly(stream_classify(record, model=toy, leads=["MLII"]))
    assert second == exactly(stream_classify(record.signal, FS, model=toy, leads=1))
    assert swapped == exactly(stream_classify(record.signal[:, ::-1], FS, model=toy))
    rows = (record.signal[i : i + 7] for i in range(0, record.n_samples, 7))
    assert second == exactly(stream_classify(rows, FS, model=toy, leads=[1]))
    for leads in ("aVR", 2, ["MLII", "aVR"]):
        with pytest.raises(InputError, match="lead"):
            list(stream_classify(record, model=toy, leads=leads))
    with pytest.raises(InputError, match="no lead was chosen"):
        list(stream_classify(record, model=toy, leads=[]))


def mean_of_log_odds(told: list[np.ndarray]) -> np.ndarray:
    """As it is written in books: the normalised geometric mean."""
    if len(told) == 1:
        return told[0]
    product = np.prod(np.maximum(np.array(told, np.float64), 1e-3), axis=0) ** (1 / len(told))
    return product / product.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_what_the_model_says_of_each_lead_is_averaged(toy: Path, lookahead: int) -> None:
    record = demo_record()
    beats = list(stream_classify(record, model=toy, average_leads=True, lookahead=lookahead))
    classifier = Classifier(toy)
    told = []
    for lead in (0, 1):
        stream = BeatStream(FS, n_leads=2, lead=lead, lookahead=lookahead, window=classifier.window)
        batch = stream.finish(record.signal)
        assert batch.sample.tolist() == [beat.sample for beat in beats]
        told.append(classifier.predict_proba(batch.windows, batch.features))
    assert not np.array_equal(*told)
    mean = np.array([list(beat.probabilities.values()) for beat in beats])
    np.testing.assert_allclose(mean, mean_of_log_odds(told), rtol=1e-5)
    pieces = (record.signal[i : i + 7] for i in range(0, record.n_samples, 7))
    again = stream_classify(pieces, FS, model=toy, average_leads=True, lookahead=lookahead)
    assert exactly(again) == exactly(beats)


def test_two_leads_are_labelled_by_default(toy: Path) -> None:
    record = demo_record()
    two = exactly(stream_classify(record, model=toy))
    first = exactly(stream_classify(record, model=toy, average_leads=False))
    assert two == exactly(stream_classify(record, model=toy, average_leads=True)) != first
    # Of three, the first two; all three find the beats.
    signal = np.column_stack([record.signal, record.signal[:, 1] - record.signal[:, 0]])
    classifier = Classifier(toy)
    told = []
    for lead in range(3):
        batch = BeatStream(FS, n_leads=3, lead=lead, window=classifier.window).finish(signal)
        told.append(classifier.predict_proba(batch.windows, batch.features))
    for average_leads, n in ((None, 2), (True, 3), (False, 1)):
        labeller = StreamingClassifier(classifier, FS, n_leads=3, average_leads=average_leads)
        assert labeller.n_labelled == n
        beats = list(stream_classify(signal, FS, model=toy, average_leads=average_leads))
        mean = np.array([list(beat.probabilities.values()) for beat in beats])
        np.testing.assert_allclose(mean, mean_of_log_odds(told[:n]), rtol=1e-5)
    # One lead: the same bits, whatever is asked for.
    alone = [
        exactly(stream_classify(record, model=toy, leads=0, average_leads=average_leads))
        for average_leads in (None, True, False)
    ]
    assert alone[0] == alone[1] == alone[2]


@pytest.mark.parametrize("model", ["normality", "blood-pressure", "beats-custom-cnn", "none"])
def test_only_models_of_beats_label_two_leads_by_default(model: str) -> None:
    if model not in (*available_models(), "none"):
        pytest.skip(f"no built-in model {model!r}")
    classifier = Classifier(model)
    for average_leads, n in ((None, 1), (True, 2), (False, 1)):
        labeller = StreamingClassifier(
            classifier,
            FS,
            n_leads=2,
            average_leads=average_leads,
            lookahead=classifier.lookahead,
        )
        assert labeller.n_labelled == (0 if model == "none" else n)


def test_a_lead_that_is_flat_or_missing_says_nothing(model: str) -> None:
    signal = demo_record().signal[: 60 * 360].copy()
    for nothing in (0.0, math.nan):
        signal[:, 1] = nothing
        averaged = exactly(stream_classify(signal, FS, model=model, average_leads=True))
        assert averaged == exactly(stream_classify(signal, FS, model=model))


def test_a_lead_whose_electrode_is_off_says_nothing_of_those_beats(toy: Path) -> None:
    signal = demo_record().signal.copy()
    classifier = Classifier(toy)
    # Missing; and flat, with a step at the edges that a window still shows.
    for nothing in (math.nan, 1.5):
        signal[20 * 360 : 25 * 360, 1] = nothing
        batches = []
        for lead in (0, 1):
            stream = BeatStream(FS, n_leads=2, lead=lead, window=classifier.window)
            batches.append(stream.finish(signal))
        first = classifier.predict_proba(batches[0].windows, batches[0].features)
        averaged = stream_classify(signal, FS, model=toy, average_leads=True)
        alone = [
            np.array_equal(told, list(beat.probabilities.values()))
            for told, beat in zip(first, averaged, strict=True)
        ]
        off = batches[1].quality & (Quality.GAP | Quality.FLAT) > 0
        assert 5 <= off.sum() < len(off) / 2
        assert alone == off.tolist()


def test_stored_recordings_are_labelled_from_the_leads_that_carry_a_signal(toy: Path) -> None:
    good = demo_record().signal
    n = len(good)
    flicker = 5.0 + np.arange(n) % 2 * 0.005  # a converter at its rail
    late = np.where(np.arange(n) < 0.8 * n, np.nan, good[:, 0])
    first, second = good[:, 0], good[:, 1]
    classifier = Classifier(toy)
    for leads, chosen in (
        ((np.zeros(n), first, second), (1, 2)),
        ((first, np.full(n, np.nan), second), (0, 2)),
        ((flicker, np.zeros(n), second, first), (2, 3)),
        ((late, first, second), (1, 2)),
        ((late, first), (0, 1)),  # there is no better one
        ((late, np.zeros(n), first), (0, 2)),
    ):
        signal = np.column_stack(leads).astype(np.float32)
        assert leads_to_label(open_source(signal, FS), classifier, None) == chosen
        told = []
        for lead in chosen:
            stream = BeatStream(FS, n_leads=len(leads), lead=lead, window=classifier.window)
            told.append(stream.finish(signal))
        beats = list(stream_classify(signal, FS, model=toy))
        assert [beat.sample for beat in beats] == told[0].sample.tolist()
        shows = np.array([batch.quality & 3 == 0 for batch in told])
        both = shows.all(axis=0)
        assert both.sum() >= 10
        each = [classifier.predict_proba(batch.windows, batch.features) for batch in told]
        mean = np.array([list(beat.probabilities.values()) for beat in beats])
        np.testing.assert_allclose(mean[both], mean_of_log_odds(each)[both], rtol=1e-5)
        labeller = StreamingClassifier(classifier, FS, n_leads=len(leads), label_leads=chosen)
        assert labeller.labelled == chosen
        pieces = [signal[i : i + 7] for i in range(0, n, 7)]
        again = [*itertools.chain.from_iterable(map(labeller.process, pieces)), *labeller.flush()]
        assert exactly(again) == exactly(beats)
    # Nothing in any lead, and a live source: the first ones.
    nothing = open_source(np.zeros((n, 3), np.float32), FS)
    assert leads_to_label(nothing, classifier, None) == (0, 1)
    arriving = open_source(iter([np.zeros((n, 3), np.float32)]), FS)
    assert leads_to_label(arriving, classifier, None) == (0, 1)
    with pytest.raises(InputError, match="label_leads"):
        StreamingClassifier(classifier, FS, n_leads=3, label_leads=(1, 1))


def live(signal: np.ndarray, step: int, given: list[int]) -> Iterator[np.ndarray]:
    """A device that notes how far it has come."""
    for begin in range(0, len(signal), step):
        given[0] = min(begin + step, len(signal))
        yield signal[begin : begin + step]


@pytest.mark.parametrize("lookahead", [0, 1])
def test_each_beat_comes_as_soon_as_it_can_be_known(toy, lookahead, short) -> None:
    signal = short.signal[:, 0]
    stream = BeatStream(FS, lookahead=lookahead)
    known = stream.process(signal).known_at
    for step in (1, 10):
        given = [0]
        beats = stream_classify(live(signal, step, given), FS, model=toy, lookahead=lookahead)
        for complete, beat in zip(known, beats, strict=False):
            assert given[0] == -(-complete // step) * step
            assert beat.sample < complete


@pytest.mark.parametrize("method", ["adaptive", "neural", "pan-tompkins"])
def test_the_method_of_detection_is_chosen(toy: Path, method: Any) -> None:
    record = demo_record()
    beats = [beat.sample for beat in stream_classify(record, model=toy, method=method)]
    assert beats == detect_qrs(record, method=method).tolist()
    assert len(beats) > 60
    with pytest.raises(InputError, match="unknown method 'magic'"):
        stream_classify(record, model=toy, method="magic")


def test_lookahead_tells_the_next_interval(toy: Path, short: Record) -> None:
    now = list(stream_classify(short, model=toy))
    later = list(stream_classify(short, model=toy, lookahead=1))
    assert [b.sample for b in now] == [b.sample for b in later]
    assert [b.rr for b in now][1:] == [b.rr for b in later][1:]
    assert any(a.probabilities != b.probabilities for a, b in zip(now, later, strict=True))


def test_a_model_with_another_window_or_without_features(short: Record, tmp_path: Path) -> None:
    model = write_model(tmp_path, window=WindowSpec(250.0, 80, 40), with_features=False)
    beats = list(stream_classify(short, model=model))
    stream = BeatStream(FS, window=(250.0, 80, 40))
    batch = stream.finish(short.signal)
    classifier = Classifier(model)
    for beat, window in zip(beats, batch.windows, strict=True):
        assert list(beat.probabilities.values()) == classifier.predict_one(window).tolist()


def test_a_model_of_strips_that_gives_numbers(short: Record, tmp_path: Path) -> None:
    window = WindowSpec(125.0, 1222, 28, "strip")
    names = ("minimum", "maximum")
    model = write_model(tmp_path, window=window, classes=names, outputs=2, output="value")
    beats = list(stream_classify(short, model=model))
    stream, classifier = BeatStream(FS, window=window), Classifier(model)
    batch = stream.finish(short.signal)
    assert len(beats) == len(batch) > 15
    for i, beat in enumerate(beats):
        given = classifier.predict_one(batch.windows[i], batch.features[i])
        assert beat.outputs == dict(zip(names, map(float, given), strict=True))
        assert beat.label == ""
        assert math.isnan(beat.probability)
        assert not beat.probabilities


def test_one_probability_stands_for_two_classes(short: Record, tmp_path: Path) -> None:
    window = WindowSpec(125.0, 0, 187, "cycle")
    model = write_model(tmp_path, window=window, classes=("normal", "abnormal"), outputs=1)
    stream, classifier = BeatStream(FS, window=window), Classifier(model)
    batch = stream.finish(short.signal)
    for i, beat in enumerate(stream_classify(short, model=model)):
        given = float(classifier.predict_one(batch.windows[i], batch.features[i])[0])
        assert beat.probabilities == {"normal": 1.0 - given, "abnormal": given}
        assert beat.label == ("abnormal" if given > 0.5 else "normal")


def test_gaps_and_lost_leads_go_through(toy: Path, short: Record) -> None:
    signal = short.signal[:, 0].copy()
    signal[2000:2600] = np.nan
    signal[4000:5000] = 0.1
    beats = list(stream_classify(signal, FS, model=toy))
    assert any(beat.quality & (Quality.GAP | Quality.FLAT) for beat in beats)
    assert all(math.isfinite(beat.probability) for beat in beats)


# ---------------------------------------------------------------- bad input


def test_the_rate_is_needed_where_the_source_has_none(toy: Path, short: Record) -> None:
    for source in (short.signal, short.signal[:, 0].tolist(), iter(short.signal)):
        with pytest.raises(InputError, match="fs is needed"):
            stream_classify(source, model=toy)
    with pytest.raises(InputError, match=r"fs=250 was given, but the recording says 360 Hz"):
        stream_classify(short, 250.0, model=toy)
    assert len(list(stream_classify(short, 360, model=toy))) > 15
    for fs in (50, 5000, float("nan"), "fast"):
        with pytest.raises(InputError, match=r"fs|sampling rate"):
            stream_classify(short.signal, fs, model=toy)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"decision": {"V": 0.95}}, "decision is .*: give a Decision, such as Decision\\("),
        ({"decision": 0.95}, "decision is 0.95: give a Decision"),
        ({"lookahead": np.array([0, 1])}, "lookahead must be 0 or 1 beats"),
        ({"num_threads": "4"}, "num_threads must be an integer of at least 1, not '4'"),
        ({"num_threads": 1.5}, "num_threads must be an integer of at least 1, not 1.5"),
    ],
)
def test_parameters_of_the_wrong_type_are_said(
    toy: Path, short: Record, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        stream_classify(short, model=toy, **wrong)


def test_a_name_is_no_classifier(toy: Path) -> None:
    with pytest.raises(InputError, match=r"give the model, Classifier\('beats'\)"):
        StreamingClassifier("beats", FS)  # type: ignore[arg-type]


def test_sources_that_give_nothing(toy: Path) -> None:
    with pytest.raises(InputError, match="the source ended before it gave a sample"):
        list(stream_classify(iter(()), FS, model=toy))
    with pytest.raises(InputError, match="the source ended before it gave a sample"):
        list(stream_classify((np.empty(0) for _ in range(3)), FS, model=toy))
    for few in ([], [1.0], np.empty(0), np.zeros((1, 2))):
        with pytest.raises(InputError, match="give at least two"):
            list(stream_classify(few, FS, model=toy))
    # Too short for a beat is no error.
    assert list(stream_classify(np.zeros(50), FS, model=toy)) == []
    assert list(stream_classify(iter([0.0, 0.1]), FS, model=toy)) == []


def test_sources_that_hold_no_samples(toy: Path, tmp_path: Path) -> None:
    words = [
        (5, "cannot read samples from int"),
        (None, "cannot read samples from NoneType"),
        (np.array(["a", "b"]), "samples must be real numbers"),
        (["a", "b"], "real numbers"),
        (iter(["a", "b"]), "real numbers"),
        (np.zeros((2, 500)), r"looks transposed, pass signal\.T"),
        (np.zeros((4, 4, 4)), r"shape \(n,\) or \(n, n_leads\)"),
        ([[1.0, 2.0], [3.0]], "real numbers"),
        (iter([[[1.0, 2.0], [3.0]]]), "a chunk has rows of different lengths"),
    ]
    for source, text in words:
        with pytest.raises(InputError, match=text):
            list(stream_classify(source, FS, model=toy))
    for first, second in [((5, 2), (5, 3)), ((5, 2), (5,)), ((5,), (5, 2)), ((5, 2), (5, 1))]:
        for leads in (None, 0):
            chunks = iter([np.zeros(first), np.zeros(second)])
            with pytest.raises(InputError, match=r"a chunk has the shape \(5,.*hold [12] lead"):
                list(stream_classify(chunks, FS, model=toy, leads=leads))
    with pytest.raises(RecordError, match="nothing-here"):
        list(stream_classify(tmp_path / "nothing-here", model=toy))


def test_models_that_cannot_be_used(toy: Path, short: Record, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no-such-model"):
        stream_classify(short, model="no-such-model")
    with pytest.raises(ModelError, match=r"none\.tflite"):
        stream_classify(short, model=tmp_path / "none.tflite")
    (tmp_path / "words.tflite").write_text("not a model")
    with pytest.raises(ModelError, match=r"words\.tflite"):
        stream_classify(short, model=tmp_path / "words.tflite")
    (tmp_path / "bare.tflite").write_bytes(toy.read_bytes())
    with pytest.raises(ModelError, match=r"bare\.tflite: has no card"):
        stream_classify(short, model=tmp_path / "bare.tflite")
    unseen = write_model(tmp_path, "unseen")
    card = json.loads(unseen.with_suffix(".json").read_text("utf-8"))
    unseen.with_suffix(".json").write_text(json.dumps({**card, "window": None}), "utf-8")
    with pytest.raises(ModelError, match=r"unseen\.tflite: its card tells no beat window"):
        stream_classify(short, model=unseen)
    later = write_model(tmp_path, "later", lookahead=1)
    with pytest.raises(ModelError, match="needs the next RR interval: use lookahead=1"):
        stream_classify(short, model=later)
    assert list(stream_classify(short, model=later, lookahead=1))
    for lookahead in (2, -1, "one"):
        with pytest.raises(InputError, match="lookahead must be 0 or 1 beats"):
            stream_classify(short, model=toy, lookahead=lookahead)


def test_an_opened_source_tells_what_it_is(short: Record) -> None:
    opened = open_source(demo_record())
    assert (opened.fs, opened.leads, opened.n_samples) == (360.0, ("MLII", "V1"), 21600)
    assert sum(len(chunk) for chunk in opened.chunks) == 21600
    opened = open_source(short.signal, 360, leads=0)
    assert (opened.fs, opened.leads, opened.n_samples) == (360.0, ("ECG1",), len(short.signal))
