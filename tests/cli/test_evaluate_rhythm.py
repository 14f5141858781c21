"""``ecgfast evaluate rhythm`` on small recordings whose events are known."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from record_files import write_wfdb

from ecgfast import Classifier, InputError, RecordError
from ecgfast.cli import main
from ecgfast.evaluation.ec57 import is_beat
from ecgfast.evaluation.mitdb import DS2, PACED
from ecgfast.evaluation.rhythm_alarms import evaluate_pauses
from ecgfast.evaluation.rhythm_fibrillation import evaluate_fibrillation, evaluate_strips
from ecgfast.records import Annotations, Record, read_record, synthetic_ecg, write_annotations

EXCERPT = Path(__file__).parents[1] / "excerpts" / "mitdb" / "210"

#: Records of mitdb that are a calm synthetic ECG; those of DS2 besides are the excerpt.
CALM = ("100", "118")
PAUSES = 2 * 20


def save(
    path: Path, record: Record, signal: npt.NDArray[np.float32] | None = None, rhythm: str = "(N"
) -> None:
    """A record with its reference beats and one rhythm from its first sample on."""
    path.parent.mkdir(exist_ok=True, parents=True)
    samples = record.signal if signal is None else signal
    write_wfdb(path.parent, path.name, samples.astype(np.float64), "16", fs=record.fs)
    marks = record.annotations
    assert marks is not None
    beats = is_beat(marks.symbol)
    symbols = ["+", *marks.symbol[beats]]
    write_annotations(
        path.with_name(f"{path.name}.atr"),
        [0, *marks.sample[beats]],
        symbols,
        record.fs,
        aux=[rhythm, *[""] * (len(symbols) - 1)],
    )


def longer(excerpt: Record) -> Record:
    """The excerpt, and its seconds without a ventricular beat twice more: 108 s of fibrillation."""
    marks, first = excerpt.annotations, round(36 * excerpt.fs)
    assert marks is not None
    n = excerpt.n_samples - first
    calm = marks.sample >= first
    assert not np.isin(marks.symbol[calm], ["V", "E"]).any()
    return Record(
        signal=np.concatenate([excerpt.signal, *[excerpt.signal[first:]] * 2]),
        fs=excerpt.fs,
        leads=excerpt.leads,
        annotations=Annotations(
            np.concatenate([marks.sample, marks.sample[calm] + n, marks.sample[calm] + 2 * n]),
            np.concatenate([marks.symbol, *[marks.symbol[calm]] * 2]),
        ),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as published: fibrillation under each name of DS2, and calm records."""
    root = tmp_path_factory.mktemp("recordings")
    fibrillation = longer(read_record(EXCERPT))
    calm = synthetic_ecg(430.0, 128.0, muscle=0.01, seed=3)
    for name in DS2:
        if name not in CALM:
            save(root / "mitdb" / name, fibrillation, rhythm="(AFIB")
    for name in CALM:
        save(root / "mitdb" / name, calm)
    save(root / "mitdb" / PACED[0], fibrillation, rhythm="(AFIB")
    save(root / "nsrdb" / "n1", calm)

    rng = np.random.default_rng(5)
    noise = rng.normal(0.0, 0.5, calm.signal.shape).astype(np.float32)
    noisy = calm.signal.copy()
    noisy[round(300 * calm.fs) :] += noise[round(300 * calm.fs) :]
    save(root / "nstdb" / "118e_6", calm, noisy)
    for name in ("bw", "ma"):
        save(root / "nstdb" / name, calm, noise)

    strips = {"A00014": "O", "A00060": "A", "A00087": "N", "A00119": "~"}
    for name, label in strips.items():
        one = calm if label == "N" else fibrillation
        save(root / "cinc2017" / name, one, one.signal[: round(60 * one.fs), :1])
    (root / "cinc2017" / "REFERENCE.csv").write_text(
        "".join(f"{name},{label}\n" for name, label in strips.items())
    )
    return root


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command writes its page."""
    return tmp_path_factory.mktemp("page") / "rhythm.html"


@pytest.fixture(scope="module")
def result(data: Path, page: Path) -> dict[str, Any]:
    """The figures that the command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        args = ["evaluate", "rhythm", "--data", str(data), "--html", str(page), "--json"]
        assert main(args) == 0
    figures: dict[str, Any] = json.loads(printed.getvalue())
    return figures


def test_fibrillation_is_scored_on_all_but_paced_records(result: dict[str, Any]) -> None:
    assert result["command"] == "ecgfast evaluate rhythm"
    own, *others = result["fibrillation"]
    assert [own["name"], *(one["name"] for one in others)] == [
        *("ecgfast", "Lian 2011, RR only", "Zhou 2014, RR only")
    ]
    assert {one["record"] for one in own["records"]} == {*DS2, *CALM}
    for one in own["records"]:
        calm = one["record"] in CALM
        assert one["reference_s"] == (0.0 if calm else 108.0)
        assert one["test_s"] == 0.0 if calm else one["test_s"] > 54.0
    assert own["all"]["episode_sensitivity"] == own["all"]["episode_predictivity"] == 100.0
    assert own["with_flutter"] == own["all"]


def test_strips_are_scored_by_their_label(result: dict[str, Any]) -> None:
    strips = result["strips"]
    assert (strips["tp"], strips["fn"], strips["fp"], strips["tn"]) == (1, 0, 0, 1)
    assert (strips["others"], strips["others_called"]) == (1, 1)  # the same fibrillation, as "O"


def test_rows_are_those_of_the_reference(result: dict[str, Any]) -> None:
    marks = read_record(EXCERPT).annotations
    assert marks is not None
    symbols = "".join(marks.symbol[is_beat(marks.symbol)])
    lengths = [len(row) for row in re.findall("VV+", symbols)]
    assert lengths
    for kind, least, most in (("couplet", 2, 2), ("short run", 3, 5), ("long run", 6, 999)):
        n = len(set(DS2) - set(CALM)) * sum(least <= one <= most for one in lengths)
        (reference,) = [one for one in result["rows"]["reference"] if one["kind"] == kind]
        assert [reference[key] for key in ("reference", "found", "test", "right")] == [n] * 4
        (detected,) = [one for one in result["rows"]["detected"] if one["kind"] == kind]
        assert detected["reference"] == n
        assert detected["found"] <= n


def test_pauses_and_alarms(result: dict[str, Any]) -> None:
    pauses = result["pauses"]
    assert (pauses["inserted"], pauses["found"], pauses["false"]) == (PAUSES, PAUSES, 0)
    assert pauses["missed"] == []
    (healthy,) = result["healthy"]
    assert (healthy["record"], healthy["alarms"], healthy["noise"]) == ("n1", [], 0.0)
    assert healthy["beats"] > 400
    assert [one["record"] for one in result["noise"]] == ["nstdb bw", "nstdb ma", "nstdb em"]
    assert all(one["noise"] > 0.9 and not one["alarms"] for one in result["noise"])


@pytest.mark.usefixtures("result")
def test_the_page_has_every_table(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("<table") == 7
    assert f"Atrial fibrillation on mitdb, {len(DS2) + 1} records" in text
    assert re.search(r"<td[^>]*>40</td>\s*<td[^>]*>40</td>\s*<td[^>]*>0</td>", text)


def test_missing_folders_and_unknown_records_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mitdb", "nsrdb"):
        (tmp_path / name).symlink_to(data / name)
    assert main(["evaluate", "rhythm", "--data", str(tmp_path), "--json"]) == 2
    assert "has no folder nstdb, cinc2017" in capsys.readouterr().err
    with pytest.raises(InputError, match="n1: no model of atrial fibrillation"):
        evaluate_fibrillation(data / "nsrdb", Classifier("beats"))
    with pytest.raises(InputError, match="n1: 40 pauses need more than 460 s"):
        evaluate_pauses([data / "nsrdb" / "n1"], Classifier("beats"), each=40)


def test_what_a_database_lacks_is_named_before_the_work(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nsrdb", "nstdb", "cinc2017"):
        (tmp_path / name).symlink_to(data / name)
    (tmp_path / "mitdb").mkdir()
    command = ["evaluate", "rhythm", "--data", str(tmp_path)]
    assert main(command) == 1
    assert "mitdb: no WFDB records there" in capsys.readouterr().err
    for path in (data / "mitdb").iterdir():
        if path.stem != "103":
            (tmp_path / "mitdb" / path.name).symlink_to(path)
    assert main(command) == 1
    assert "lacks mitdb/103 of the records of rows" in capsys.readouterr().err
    (tmp_path / "nstdb").unlink()
    (tmp_path / "nstdb").mkdir()
    for path in (data / "nstdb").glob("118*"):
        (tmp_path / "nstdb" / path.name).symlink_to(path)
    for path in (data / "mitdb").glob("103.*"):
        (tmp_path / "mitdb" / path.name).symlink_to(path)
    assert main(command) == 1
    assert "lacks nstdb/bw, nstdb/ma of the records of noise" in capsys.readouterr().err


def test_a_record_without_reference_and_a_missing_list_are_named(
    data: Path, tmp_path: Path
) -> None:
    for path in (data / "mitdb").glob("103.[hd]*"):
        (tmp_path / path.name).symlink_to(path)
    with pytest.raises(RecordError, match="103: no reference annotations"):
        evaluate_fibrillation(tmp_path, Classifier("beats"))
    with pytest.raises(
        RecordError, match=r"REFERENCE\.csv: no list .* prepare --download cinc2017"
    ):
        evaluate_strips(tmp_path, Classifier("beats"))
