"""Writing beats: wfdb.rdann is the judge of annotation files; nothing is left half-written."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ecgfast._files import whole_file
from ecgfast.errors import InputError, RecordError
from ecgfast.records import (
    Annotations,
    read_annotations,
    write_annotations,
    write_csv,
    write_json,
)
from ecgfast.records.wfdb_annotations import CODES


@dataclass
class Beat:
    """As much of a beat as is written."""

    sample: int
    time: float
    label: str
    probability: float = 1.0
    rr: float = math.nan
    heart_rate: float = math.nan
    quality: int = 0


BEATS = [
    Beat(100, 100 / 360, "N", 0.98),
    Beat(390, 390 / 360, "V", 0.75, 0.8055555555, 74.48275862, 8),
]


def test_codes_are_those_of_wfdb() -> None:
    annotation = pytest.importorskip("wfdb.io.annotation")
    table = annotation.ann_label_table
    theirs = dict(zip(table["symbol"], table["label_store"], strict=True))
    assert {symbol: theirs[symbol] for symbol in CODES} == CODES


def test_rdann_reads_what_was_written(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    rng = np.random.default_rng(0)
    # Steps around every boundary of the encoding, and far beyond it.
    steps = np.concatenate([rng.integers(0, 1200, 500), [0, 1, 1023, 1024, 65535, 65536, 10**9]])
    sample = np.cumsum(steps)
    symbol = rng.choice(list(CODES), len(sample))
    aux = [rng.choice(["", "(N", "(AFIB", "x" * 254, "y" * 255]) for _ in sample]
    write_annotations(tmp_path / "r.ecg", sample, symbol, 360.5, aux=aux)
    marks = wfdb.rdann(str(tmp_path / "r"), "ecg")
    np.testing.assert_array_equal(marks.sample, sample)
    assert marks.symbol == symbol.tolist()
    assert [a.rstrip("\0") for a in marks.aux_note] == aux
    assert marks.fs == 360.5
    mine = read_annotations(tmp_path / "r.ecg")
    np.testing.assert_array_equal(mine.sample, sample)
    assert mine.symbol.tolist() == symbol.tolist()
    assert mine.aux.tolist() == aux


def test_what_wrann_writes_is_read(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    sample, symbol = np.array([3, 500, 90000]), ["N", "V", "+"]
    aux = ["", "", "(VT"]
    wfdb.wrann(
        "r", "atr", sample, symbol, aux_note=aux, num=np.array([0, 5, 0]),
        subtype=np.array([0, 2, -1]), chan=np.array([0, 1, 1]), fs=250, write_dir=str(tmp_path),
    )  # fmt: skip
    mine = read_annotations(tmp_path / "r.atr")
    assert mine.sample.tolist() == sample.tolist()
    assert mine.symbol.tolist() == symbol
    assert mine.aux.tolist() == aux
    assert read_annotations(tmp_path / "r.atr", fs=500).sample.tolist() == [6, 1000, 180000]


def test_codes_of_a_files_own_go_through_wfdb(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    labels = [(42, "X", "something else")]
    wfdb.wrann(
        "r", "atr", np.array([3, 500]), ["N", "X"], custom_labels=labels, fs=250,
        write_dir=str(tmp_path),
    )  # fmt: skip
    mine = read_annotations(tmp_path / "r.atr")
    assert mine.sample.tolist() == [3, 500]
    assert mine.symbol.tolist() == ["N", "X"]


def test_gaps_beyond_the_format_s_integers(tmp_path: Path) -> None:
    sample = [5, 5 + 2**31, 5 + 2**33]
    write_annotations(tmp_path / "r.ecg", sample, ["N", "N", "N"], 360)
    assert read_annotations(tmp_path / "r.ecg").sample.tolist() == sample


def test_no_marks_at_all(tmp_path: Path) -> None:
    write_annotations(tmp_path / "r.ecg", [], [], 360)
    assert len(read_annotations(tmp_path / "r.ecg")) == 0
    (tmp_path / "empty.atr").write_bytes(b"")
    assert len(read_annotations(tmp_path / "empty.atr")) == 0


def test_text_in_front_of_every_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.atr").write_bytes((63 << 10 | 2).to_bytes(2, "little") + b"ab\0\0")
    with pytest.raises(RecordError, match="no annotation file"):
        read_annotations(tmp_path / "r.atr")


@pytest.mark.parametrize("name", ["mitdb/207", "mitdb/208", "svdb/800"])
def test_real_annotations_survive(
    tmp_path: Path, record_path: Callable[[str], Path], name: str
) -> None:
    truth = read_annotations(record_path(name).with_suffix(".atr"))
    write_annotations(tmp_path / "r.atr", truth.sample, truth.symbol, 360, aux=truth.aux)
    back = read_annotations(tmp_path / "r.atr")
    assert isinstance(back, Annotations)
    np.testing.assert_array_equal(back.sample, truth.sample)
    np.testing.assert_array_equal(back.symbol, truth.symbol)
    np.testing.assert_array_equal(back.aux, truth.aux)


@pytest.mark.parametrize(
    ("name", "sample", "symbol", "fs", "says"),
    [
        ("r.ecg", [5, 4], ["N", "N"], 360, "annotation 1 is at sample 4, before"),
        ("r.ecg", [-1], ["N"], 360, "annotation 0 is at sample -1"),
        ("r.ecg", [1], ["normal"], 360, "'normal' has no code"),
        ("r.ecg", [1, 2], ["N"], 360, "2 samples, 1 symbols"),
        ("r.ecg", [1], ["N"], 5, "5 Hz"),
        ("r", [1], ["N"], 360, r"needs an extension of letters, such as r\.ecg"),
        ("r.1", [1], ["N"], 360, "extension of letters"),
        ("none/r.ecg", [1], ["N"], 360, "cannot be written .No such file"),
    ],
)
def test_annotations_that_cannot_be_written(
    tmp_path: Path, *, name: str, sample: list[int], symbol: list[str], fs: float, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        write_annotations(tmp_path / name, sample, symbol, fs)
    assert list(tmp_path.iterdir()) == []


def test_csv(tmp_path: Path) -> None:
    write_csv(tmp_path / "b.csv", BEATS)
    with (tmp_path / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "sample", "time", "label", "probability", "rr", "heart_rate", "quality",
    ]  # fmt: skip
    assert rows[0]["rr"] == rows[0]["heart_rate"] == ""
    assert rows[1] == {
        "sample": "390", "time": "1.083333", "label": "V", "probability": "0.75",
        "rr": "0.805556", "heart_rate": "74.482759", "quality": "8",
    }  # fmt: skip


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "b.json", iter(BEATS), about={"record": "208", "fs": 360.0})
    told = json.loads((tmp_path / "b.json").read_text())
    assert told["record"] == "208"
    assert told["beats"][0]["rr"] is None
    assert told["beats"][1]["rr"] == 0.805556
    assert [beat["sample"] for beat in told["beats"]] == [100, 390]
    write_json(tmp_path / "b.json", [])
    assert json.loads((tmp_path / "b.json").read_text()) == {"beats": []}


def failing() -> Iterator[Beat]:
    yield BEATS[0]
    raise RuntimeError("the source broke")


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_an_error_leaves_the_old_file_and_no_other(
    tmp_path: Path, write: Callable[[Path, Iterator[Beat]], None]
) -> None:
    (tmp_path / "b").write_text("old")
    with pytest.raises(RuntimeError, match="the source broke"):
        write(tmp_path / "b", failing())
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text() == "old"


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "f") as file:
        file.write(b"part")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f").read_bytes() == b"part"
    with pytest.raises(InputError, match="is a folder"), whole_file(tmp_path):
        pass


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1"])
def test_a_class_of_a_foreign_card_is_no_formula(tmp_path, label):
    beat = Beat(1, 0.1, label)
    beat.outputs = {label: -1.0}
    write_csv(tmp_path / "a.csv", [beat])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        head, row = csv.reader(file)
    assert row[head.index("label")] == f"'{label}"
    assert head[-1] == f"'{label}"
    assert row[-1] == "-1.0"
    write_json(tmp_path / "a.json", [beat])
    assert json.loads((tmp_path / "a.json").read_text())["beats"][0]["label"] == label
