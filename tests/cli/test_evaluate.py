"""``ecgfast evaluate``: figures are the library's, in every form of output."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from model_files import affine_model

from ecgfast import BeatStream, Classifier, QRSDetector, detect_qrs, stream_classify
from ecgfast.cli import main
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import evaluate_beat_model, other_detectors, score_detection
from ecgfast.evaluation.detector import (
    ReportedBeats,
    annotated_records,
    evaluate_detector,
    own_detector,
    report_times,
)
from ecgfast.evaluation.mitdb import DS2
from ecgfast.evaluation.other_detectors import as_detector
from ecgfast.records import Record, read_record, synthetic_ecg, write_annotations
from ecgfast.runtime import InputSpec, ModelCard
from ecgfast.window import WindowSpec

FS = 250.0


def save_record(
    folder: Path, name: str, signal: npt.NDArray[Any], marks: Sequence[tuple[int, str]] | None
) -> Path:
    """A WFDB record of 16-bit samples, 1000 a mV; annotations (.atr) where `marks` is given."""
    folder.mkdir(exist_ok=True)
    data = np.rint(1000 * np.atleast_2d(signal.T).T).astype("<i2")
    (folder / f"{name}.dat").write_bytes(data.tobytes())
    lines = [f"{name} {data.shape[1]} {FS:g} {len(data)}"]
    lines += [f"{name}.dat 16 1000(0)/mV 16 0 0 0 0 V{i + 1}" for i in range(data.shape[1])]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    if marks is not None:
        samples, symbols = zip(*marks, strict=True)
        write_annotations(folder / f"{name}.atr", list(samples), list(symbols), FS)
    return folder / name


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(45.0, FS, ventricular=0.1, supraventricular=0.1, muscle=0.01, seed=11)


@pytest.fixture
def folder(tmp_path: Path, ecg: Record) -> Path:
    """Two annotated records, one without annotations."""
    where = tmp_path / "ref<b>"
    for name, shift in (("r1", 0), ("r2", 3)):
        path = save_record(where, name, ecg.signal, [(1, "+")])
        peaks = detect_qrs(read_record(path).signal[:, 0], FS)
        marks = [(int(p) + shift, "N") for p in peaks]
        if name == "r2":  # three false beats, two missed ones, and what is no beat
            between = [(int((peaks[i] + peaks[i + 1]) // 2), "V") for i in (8, 20)]
            marks = sorted([*marks[:5], *marks[6:11], *marks[13:], *between, (700, "~")])
        write_annotations(path.with_suffix(".atr"), *map(list, zip(*marks, strict=True)), FS)
    save_record(where, "bare", ecg.signal, None)
    return where


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*args: object) -> str:
        assert main(["evaluate", *map(str, args)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*args: object, status: int = 1) -> str:
        assert main(["evaluate", *map(str, args)]) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1 or status == 2
        return err

    return call


# ---------------------------------------------------------------- detection


def test_json_counts_what_was_put_in(folder: Path, run: Callable[..., str]) -> None:
    result = json.loads(run("--detector", folder, "--json"))
    assert result["left_out"] == ["bare"]
    (own,) = result["detectors"]
    strict, late = own["counted"]
    assert (strict["set_aside_s"], late["set_aside_s"]) == (0, 300)
    exact, shifted = strict["records"]
    beats = exact["tp"]
    assert beats > 40
    assert (exact["fn"], exact["fp"], exact["f1"], exact["error_abs_ms"]) == (0, 0, 100, 0)
    assert (shifted["tp"], shifted["fn"], shifted["fp"]) == (beats - 3, 2, 3)
    assert shifted["error_ms"] == pytest.approx(-3e3 / FS)
    assert strict["gross"]["tp"] == 2 * beats - 3
    assert strict["worst"]["record"] == "r2"
    assert late["gross"]["tp"] == 0  # 45 s are over before the count begins
    assert late["gross"]["f1"] is None


@pytest.mark.parametrize("method", ["adaptive", "pan-tompkins"])
@pytest.mark.parametrize("leads", ["0", "1", "all"])
def test_figures_are_those_of_the_library(
    folder: Path, run: Callable[..., str], method: str, leads: str
) -> None:
    result = json.loads(
        run("--detector", folder, "--method", method, "--leads", leads, "--start", 10, "--json")
    )
    (counted,) = result["detectors"][0]["counted"]
    for got in counted["records"]:
        record = read_record(folder / got["record"], leads=None if leads == "all" else int(leads))
        marks = record.annotations
        assert marks is not None
        reference = marks.sample[(marks.symbol == "N") | (marks.symbol == "V")]
        found = detect_qrs(record.signal, FS, method=method)
        score = score_detection(reference, found, FS, start=10.0, record=got["record"])
        assert got == pytest.approx(score.to_dict())


@pytest.mark.parametrize(
    ("method", "max_delay"), [("adaptive", None), ("adaptive", 0.5), ("pan-tompkins", None)]
)
def test_report_times_are_those_of_single_samples(
    ecg: Record, method: Any, max_delay: float | None
) -> None:
    signal = ecg.signal[: int(20 * FS)]
    detector = QRSDetector(FS, method=method, max_delay=max_delay, n_leads=signal.shape[1])
    peaks, seen = [], []
    for k in range(len(signal)):
        found = detector.process(signal[k : k + 1]).tolist()
        peaks += found
        seen += [k + 1] * len(found)
    result = report_times(signal, FS, method=method, max_delay=max_delay)
    assert result.reported_at.tolist() == seen
    assert result.sample.tolist() == peaks + detector.flush().tolist()
    assert np.all(result.delays(FS) > 0)
    if max_delay is not None:
        started = result.sample[: result.live] > 5 * FS
        assert np.all(result.delays(FS)[started] <= max_delay)


def test_delays_are_summed_up_in_ms(folder: Path, run: Callable[..., str]) -> None:
    result = json.loads(run("--detector", folder, "--json"))["detectors"][0]["delay"]
    late = report_times(read_record(folder / "r1", leads=0).signal, FS)
    seconds = late.delays(FS)
    assert result["r1"]["median_ms"] == pytest.approx(1e3 * np.median(seconds))
    assert result["r1"]["max_ms"] == pytest.approx(1e3 * seconds.max())
    started = seconds[late.sample[: late.live] >= 5 * FS]
    assert result["r1"]["max_after_5_s_ms"] == pytest.approx(1e3 * started.max())
    assert result["all"]["max_ms"] == max(result["r1"]["max_ms"], result["r2"]["max_ms"])


def test_table_shows_every_record_and_the_total(folder: Path, run: Callable[..., str]) -> None:
    out = run("--detector", folder, "--start", 0)
    assert "Left out, without reference annotations: bare." in out
    rows = {
        line.split()[0]: line.split()
        for line in out.splitlines()
        if line[:3] in ("r1 ", "r2 ", "all")
    }
    assert rows["r1"][2:7] == ["0", "0", "100.000", "100.000", "100.000"]
    assert rows["r2"][2:4] == ["2", "3"]
    assert rows["all"][2:4] == ["2", "3"]


class Outside(HTMLParser):
    """Whatever a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [v or "" for k, v in attrs if k in ("src", "href", "data", "action")]
        self.loads += [tag] if tag in ("script", "link", "iframe", "object") else []


def test_page_stands_alone_and_says_the_same(
    folder: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    page = tmp_path / "new" / "page.html"  # a missing folder is made
    out = run("--detector", folder, "--html", page)
    text = page.read_text()
    parser = Outside()
    parser.feed(text)
    assert parser.loads == []
    assert "http" not in text
    assert "url(" not in text
    assert "ref&lt;b&gt;" in text
    assert "ref<b>" not in text
    assert "not a medical device" in text
    cells = set(re.findall(r"<td[^>]*>([^<]*)</td>", text))
    shown = [line.split() for line in out.splitlines() if line.startswith("r2 ")]
    assert set(shown[0]) <= cells


def test_others_stand_beside_and_may_fail(
    folder: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []

    def perfect(x: npt.NDArray[np.float64], fs: float) -> Any:
        lengths.append((x.shape, x.dtype))
        return detect_qrs(x, fs)[::-1]  # out of order, as some are

    def broken(x: npt.NDArray[np.float64], fs: float) -> Any:
        raise ZeroDivisionError("no beats")

    monkeypatch.setattr(
        other_detectors, "installed_detectors", lambda: {"perfect": perfect, "broken": broken}
    )
    result = json.loads(run("--detector", folder, "--other-detectors", "--start", 0, "--json"))
    own, same, none = result["detectors"]
    assert same["detector"] == "perfect"
    assert same["counted"] == own["counted"]
    assert same["delay"]["all"]["median_ms"] is None  # it needs the whole recording
    assert none["counted"][0]["gross"]["tp"] == 0
    assert none["failed"]["r1"] == "ZeroDivisionError: no beats"
    assert lengths == [((round(45 * FS),), np.float64)] * 2


@pytest.mark.thorough
def test_installed_detectors_find_the_beats(ecg: Record) -> None:
    found = {
        name: as_detector(peer) for name, peer in other_detectors.installed_detectors().items()
    }
    quick = {name: detect for name, detect in found.items() if name.startswith("sleepecg")}
    if not quick:
        pytest.skip("sleepecg is not installed")
    (score,) = evaluate_detector(quick, [ecg], starts=(0.0,))
    assert score.totals[0.0].gross.f1 > 95
    assert score.failed == {}


def test_own_errors_are_not_forgiven(ecg: Record) -> None:
    def broken(record: Record) -> ReportedBeats:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate_detector({"own": broken}, [ecg])


def test_without_reference_there_is_nothing_to_score(ecg: Record) -> None:
    from ecgfast.errors import InputError, RecordError

    bare = Record(ecg.signal, FS, name="bare")
    with pytest.raises(RecordError, match=r"bare: no reference annotations .* beside it; put"):
        evaluate_detector({"own": own_detector()}, [bare])
    with pytest.raises(InputError, match="no recording"):
        evaluate_detector({"own": own_detector()}, [])


def test_one_record_may_be_named(folder: Path, run: Callable[..., str]) -> None:
    whole = json.loads(run("--detector", folder, "--records", "r2", "--json"))
    alone = json.loads(run("--detector", folder / "r2", "--json"))
    assert whole["detectors"] == alone["detectors"]
    assert alone["detectors"][0]["counted"][0]["gross"]["fp"] == 3


def test_missing_annotations_and_records_are_named(
    folder: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert "bare" in fails("--detector", folder, "--records", "bare")
    assert "bare" in fails("--detector", folder / "bare")
    assert "r9" in fails("--detector", folder, "--records", "r1,r9")
    assert "nowhere" in fails("--detector", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no WFDB records" in fails("--detector", tmp_path / "empty")
    (folder / "r2.dat").unlink()
    assert "r2" in fails("--detector", folder)
    assert annotated_records(folder)[1] == ["bare"]


def test_wrong_use(folder: Path, fails: Callable[..., str]) -> None:
    assert "name a model" in fails(status=2)
    assert "name a model" in fails("beats", "--detector", folder, status=2)
    assert "--method" in fails("beats", "--method", "adaptive", status=2)
    assert "--precision" in fails("--detector", folder, "--precision", "int8", status=2)
    assert "--start" in fails("--detector", folder, "--start", "-1", status=2)
    assert "--records" in fails("--detector", folder, "--records", "r1,,r2", status=2)
    assert "--max-delay outside 0.35..1000000 s" in fails(
        "--detector", folder, "--max-delay", "0.01", status=2
    )


# ---------------------------------------------------------------- beat classes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose labels are arbitrary, but vary."""
    features = (len(FEATURE_NAMES),)
    content, _ = affine_model(np.random.default_rng(23), (72, 2), features, 5)
    file = tmp_path / "arbitrary.tflite"
    file.write_bytes(content)
    ModelCard(
        name="arbitrary",
        description="For tests",
        task="beats",
        classes=tuple("NSVFQ"),
        inputs=(InputSpec("window", (72, 2)), InputSpec("features", features)),
        window=WindowSpec(*BeatStream(FS).window),
        precisions={
            "float32": {
                "file": file.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    ).save(tmp_path / "arbitrary.json")
    return file


@pytest.fixture
def data(tmp_path: Path, ecg: Record) -> Path:
    """A folder with a mitdb of two records, one patient each."""
    assert ecg.annotations is not None
    marks = list(zip(ecg.annotations.sample.tolist(), ecg.annotations.symbol.tolist(), strict=True))
    (tmp_path / "data").mkdir()
    for name, end in (("100", 45), ("202", 30)):
        n = round(end * FS)
        kept = [(at, symbol) for at, symbol in marks if at < n]
        save_record(tmp_path / "data" / "mitdb", name, ecg.signal[:n], kept)
    return tmp_path / "data"


def test_model_figures_are_those_of_the_library(
    model: Path, data: Path, run: Callable[..., str]
) -> None:
    result = json.loads(run(model, "--data", data, "--records", "100,202", "--json"))
    expected = evaluate_beat_model(
        Classifier(model), data, [("mitdb", "100", "mitdb/100"), ("mitdb", "202", "mitdb/201")]
    )
    assert result["scores"] == json.loads(json.dumps([score.to_dict() for score in expected]))
    assert result["patients_on_both_sides"] == "202 is the person of 201 in DS1"
    points = [(score["beats"], score["lookahead"]) for score in result["scores"]]
    assert points == [("reference", 0), ("reference", 1), ("detected", 0), ("detected", 1)]


def test_a_model_is_scored_on_other_leads_and_on_several(
    model: Path, data: Path, run: Callable[..., str]
) -> None:
    told = {}
    for leads in ("0", "1", "0,1", "all"):
        result = json.loads(
            run(model, "--data", data, "--records", "100", "--json", "--leads", leads)
        )
        assert f"--leads {leads}" in result["command"]
        told[leads] = result["scores"]
    assert told["0,1"] == told["all"]
    assert told["0"] != told["1"] != told["all"] != told["0"]
    assert sum(told["1"][0]["confusion"][0]) == sum(told["0"][0]["confusion"][0])


def test_model_tables_tell_classes_intervals_and_confusion(
    model: Path, data: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    page = tmp_path / "model.html"
    out = run(model, "--data", data, "--records", "100,202", "--html", page)
    assert out.startswith("Beat classes of arbitrary (float32) on mitdb records 100, 202 (202 is")
    score = evaluate_beat_model(
        Classifier(model), data, [("mitdb", "100", "mitdb/100"), ("mitdb", "202", "mitdb/201")]
    )[0]
    tables = out.split("\n\n")
    # F1 by patient, false ones per hour, what others published, and where the page is.
    assert len(tables) == 1 + 2 * 4 + 4
    assert "F1 by patient" in tables[9]
    assert tables[1].startswith("reference beats, label with the beat: accuracy ")
    row = next(line for line in tables[1].splitlines() if line.startswith("N "))
    assert f"{100 * score.scores().sensitivity('N'):.2f}" in row
    low, high = score.intervals()["N"]["sensitivity"]
    assert f"[{100 * low:.1f}, {100 * high:.1f}]" in row
    assert tables[2].splitlines()[2].split()[1:] == [f"{n}" for n in score.scores().confusion[0]]
    assert tables[6].splitlines()[-1].startswith("false ")
    assert "http" not in page.read_text()


@pytest.fixture
def with_healthy(data: Path, ecg: Record) -> Path:
    """The folder with all of DS2, a healthy person with no S and V, and three strips."""
    assert ecg.annotations is not None
    marks = ecg.annotations
    beats = list(zip(marks.sample.tolist(), marks.symbol.tolist(), strict=True))
    for name in DS2:
        save_record(data / "mitdb", name, ecg.signal, beats)
    save_record(data / "nsrdb", "n1", ecg.signal, [(at, "N") for at, _ in beats])
    labels = {"A1": "A", "A2": "N", "A3": "~"}
    for name in labels:
        save_record(data / "cinc2017", name, ecg.signal[: round(20 * FS), :1], None)
    listed = "".join(f"{name},{label}\n" for name, label in labels.items())
    (data / "cinc2017" / "REFERENCE.csv").write_text(listed)
    return data


def test_false_s_and_v_are_counted_where_there_are_none(
    model: Path, with_healthy: Path, run: Callable[..., str]
) -> None:
    out = run(model, "--data", with_healthy, "--json")
    result = json.loads(out)
    for ahead, told in enumerate(result["false_alarms"]):
        assert told["lookahead"] == ahead
        person = with_healthy / "nsrdb" / "n1"
        beats = list(stream_classify(person, model=model, leads=0, lookahead=ahead))
        for label in "SV":
            called = sum(beat.label == label for beat in beats)
            rate = pytest.approx(called * 3600 / 45, abs=0.01)
            assert told[label]["median"] == told[label]["mean"] == told[label]["worst"] == rate
            assert told[label]["worst record"] == "nsrdb/n1"
    assert [(one["rhythm"], one["lookahead"]) for one in result["strips"]] == [
        ("fibrillation", 0), ("normal", 0), ("fibrillation", 1), ("normal", 1)
    ]  # fmt: skip
    beats = list(stream_classify(with_healthy / "cinc2017" / "A1", model=model))
    for told in result["strips"][:2]:  # the same signal under both labels
        assert (told["strips"], told["beats"]) == (1, len(beats))
        first = [beat for beat in beats if beat.sample < beats[0].sample + 3 * FS]
        for label in "SV":
            share = sum(beat.label == label for beat in beats) / len(beats)
            early = sum(beat.label == label for beat in first) / len(first)
            assert told[label]["share"] == pytest.approx(share, abs=1e-5)
            assert told[label]["share of the first three seconds"] == pytest.approx(early, abs=1e-5)
            assert told[label]["share of strips with over a tenth"] == float(share > 0.1)


def test_what_is_not_there_is_named_and_what_was_learnt_from_is_no_test(
    model: Path, with_healthy: Path, run: Callable[..., str]
) -> None:
    card_path = model.with_suffix(".json")
    card = ModelCard.load(card_path)
    card.split = {"training": ["mitdb/101", "nsrdb/n1"]}
    card.save(card_path)
    shutil.rmtree(with_healthy / "cinc2017")
    out = run(model, "--data", with_healthy)
    assert "no test of it: 101" not in out, "it is not scored here"
    assert "no cinc2017 in the data folder" in out
    assert "nsrdb is in the training of this model, and no test of it" in out
    assert "Healthy people of nsrdb (1 recording," in out
    assert "Strips of" not in out


def test_people_left_out_of_training_stand_beside(
    model: Path, with_healthy: Path, run: Callable[..., str]
) -> None:
    """Results for people who trained the model say little of new people."""
    card_path = model.with_suffix(".json")
    card = ModelCard.load(card_path)
    told = {
        "accuracy": 0.97,
        "svdb S by patient": 0.749,
        "nsrdb false S per hour, worst": 2.001,
        "fibrillation called S": 0.0236,
    }
    card.metrics = {
        "people left out of training, cross-validation, label with the beat": told,
        "people left out of training, cross-validation, label one beat later": {
            "svdb S by patient": 0.5
        },
    }
    card.save(card_path)
    out = run(model, "--data", with_healthy)
    (table,) = (part for part in out.split("\n\n") if part.startswith("People left out of"))
    lines = [line.split() for line in table.splitlines()[2:]]
    rows = {" ".join(words[:-2]): words[-2:] for words in lines}
    assert rows == {
        "svdb, F1 of S, median of patients, %": ["74.9", "50.0"],
        "nsrdb false S per hour, worst": ["2.0", "-"],
        "fibrillation called S, %": ["2.4", "-"],
    }
    result = json.loads(run(model, "--data", with_healthy, "--json"))
    (first, _) = result["people_left_out_of_training"].values()
    assert first["nsrdb false S per hour, worst"] == 2.001
    # Of other records it says nothing.
    assert "People left out" not in run(model, "--data", with_healthy, "--records", "100")


def test_the_test_part_of_a_card_is_scored(
    model: Path, with_healthy: Path, run: Callable[..., str]
) -> None:
    card_path = model.with_suffix(".json")
    card = ModelCard.load(card_path)
    card.split = {"training": ["mitdb/101", "nsrdb/n1"], "test": ["mitdb/202", "nsrdb/n1"]}
    card.save(card_path)
    result = json.loads(run(model, "--data", with_healthy, "--json"))
    assert result["database"] == "mitdb, nsrdb"
    assert result["records"] == ["mitdb/202", "nsrdb/n1"]
    assert result["patients_on_both_sides"] == "none"
    expected = evaluate_beat_model(
        Classifier(model),
        with_healthy,
        [("mitdb", "202", "mitdb/201"), ("nsrdb", "n1", "nsrdb/n1")],
    )
    assert result["scores"] == json.loads(json.dumps([score.to_dict() for score in expected]))
    out = run(model, "--data", with_healthy)
    assert "on mitdb, nsrdb records mitdb/202, nsrdb/n1" in out
    assert "train this model, and are no test of it: nsrdb/n1." in out


def test_annotated_recordings_of_ones_own_are_scored(
    model: Path, data: Path, ecg: Record, run: Callable[..., str], fails: Callable[..., str]
) -> None:
    assert ecg.annotations is not None
    marks = list(zip(ecg.annotations.sample.tolist(), ecg.annotations.symbol.tolist(), strict=True))
    for name in ("anna", "bert"):
        save_record(data / "mine", name, ecg.signal, marks)
    options = ("--data", data, "--json", "--records")
    whole = json.loads(run(model, *options, "mine"))
    assert whole["database"] == "mine"
    assert whole["records"] == ["mine/anna", "mine/bert"]
    assert whole["scores"] == json.loads(run(model, *options, "mine/anna,mine/bert"))["scores"]
    mixed = json.loads(run(model, *options, "mine/bert,100"))
    assert mixed["records"] == ["mine/bert", "mitdb/100"]
    detected = whole["scores"][2]["confusion"]
    false = sum(row[1] for row in detected) - detected[1][1]
    hours = 2 * ecg.n_samples / ecg.fs / 3600
    told = whole["false_alarms_of_records"][0]["S"]["mean"]
    assert told == pytest.approx(false / hours, abs=0.01)
    out = run(model, "--data", data, "--records", "mine")
    assert "on mine records mine/anna, mine/bert" in out
    assert "Published figures of others" not in out, "they are of mitdb"
    assert "mine/ana" in fails(model, "--data", data, "--records", "mine/ana")
    (data / "mine" / "bert.atr").unlink()
    assert "mine/bert: no reference annotations" in fails(
        model, "--data", data, "--records", "mine"
    )


def test_model_on_training_and_paced_records_says_so(
    model: Path, data: Path, run: Callable[..., str]
) -> None:
    for path in (data / "mitdb").glob("100.*"):
        text = path.read_bytes().replace(b"100", b"102") if path.suffix == ".hea" else None
        path.with_stem("102").write_bytes(text or path.read_bytes())
        text = path.read_bytes().replace(b"100", b"101") if path.suffix == ".hea" else None
        path.with_stem("101").write_bytes(text or path.read_bytes())
    out = run(model, "--data", data, "--records", "101,102")
    assert "train this model, and are no test of it: 101" in out
    assert "these are paced: 102" in out


def test_model_without_recordings(
    model: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECGFAST_DATA", raising=False)
    assert "--data" in fails(model, status=2)
    assert "100" in fails(model, "--data", tmp_path, "--records", "100")
    assert "nothing.tflite" in fails(tmp_path / "nothing.tflite", "--data", tmp_path)


def test_records_that_cannot_be_scored_are_named_before_the_work(
    model: Path, data: Path, fails: Callable[..., str]
) -> None:
    missing = fails(model, "--data", data)
    assert "lacks mitdb/103, mitdb/105" in missing
    assert "ecgfast prepare --download mitdb" in missing
    reference = data / "mitdb" / "100.atr"
    whole = reference.read_bytes()
    reference.write_bytes(whole[: len(whole) // 4 * 2])
    assert "100.atr: truncated, the word that ends it is missing" in fails(
        model, "--data", data, "--records", "100"
    )
    reference.write_bytes(b"")
    assert "mitdb/100: its annotations mark no beat" in fails(
        model, "--data", data, "--records", "100"
    )


def test_a_recipe_means_nothing_for_a_model_of_beats(
    model: Path, data: Path, fails: Callable[..., str]
) -> None:
    given = (model, "--data", data, "--records", "100")
    for option in (("--recipe", "beats"), ("--set", "seed=3")):
        assert f"{option[0]} does not go with a model of beats" in fails(*given, *option, status=2)


@pytest.fixture
def pressures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross-validation of pressure in place of the one that trains networks."""
    from ecgfast.training.tasks import blood_pressure

    def scored(self: Any, card: Any, data: Any, recipe: Any, report: Any, **others: Any) -> Any:
        report("cross-validation: 20 networks are trained")
        report("\na table: of 2 windows")
        gain = {"mmHg": 0.25, "interval_95": [-0.12, 0.64], "percent": 2.4}
        return {
            "by group": {
                "minimum, mean": {"ME ± SD": "-1.00 ± 2.00", "MAE": 10.39},
                "minimum, model": {"ME ± SD": "+1.00 ± 2.00", "MAE": 10.15, "gain": gain},
            },
            "training windows, float32": {"minimum MAE": 9.5, "maximum MAE": 20.0},
            "scores": [],
        }

    monkeypatch.setattr(blood_pressure.PressureTask, "score_precisions", scored)


@pytest.mark.usefixtures("pressures")
def test_figures_of_several_outputs_are_printed_with_what_they_are_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bp").mkdir()
    (tmp_path / "bp" / "RECORDS").write_text("v1s\nv2l\n")
    assert main(["evaluate", "blood-pressure", "--data", str(tmp_path), "--set", "seed=3"]) == 0
    out, err = capsys.readouterr()
    assert err == "cross-validation: 20 networks are trained\n", "tables are printed once"
    title, *lines = out.split("\n\n")[0].splitlines()
    assert title == "blood-pressure by cross-validation of its recipe"
    assert "No recording is kept aside as a test" in lines[0]
    assert lines[1] == "Trained with seed=3: not the recipe of this model."
    assert lines[2] == "Missing, so not scored: 2 recordings of bp: v1s, v2l."
    assert "{" not in out
    assert max(map(len, lines)) < 400, "94 recordings are not listed one by one"
    table, files = (part.splitlines() for part in out.strip().split("\n\n")[1:])
    assert table[0] == "by group"
    assert [line.split()[-1] for line in table[2:]] == ["-", "+0.64]"]
    assert table[3].split() == [
        "minimum,",
        "model",
        "+1.00",
        "±",
        "2.00",
        "10.15",
        "+0.25",
        "[-0.12,",
        "+0.64]",
    ]
    assert files[-1].split() == ["training", "windows,", "float32", "9.5", "20"]


def test_a_recipe_of_another_task_is_refused(tmp_path: Path, fails: Callable[..., str]) -> None:
    error = fails("normality", "--data", tmp_path, "--recipe", "blood-pressure", status=2)
    assert "--recipe blood-pressure: makes models of blood-pressure" in error
    assert "normality is one of normality" in error


def test_recordings_of_the_test_part_that_are_missing_are_named(
    data: Path, fails: Callable[..., str]
) -> None:
    assert "lacks mitdb/103, mitdb/105" in fails("normality", "--data", data)


def test_a_split_at_random_without_some_recordings_is_no_test(
    data: Path, run: Callable[..., str]
) -> None:
    out = run("normality-td-lstm", "--data", data)
    assert "Missing, so not scored: 42 recordings of mitdb: 101" in out
    assert "beats that train this model are among those scored" in out
