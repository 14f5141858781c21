"""Beats of reference annotations as examples, and the files that keep them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from training_records import write_record

from ecgfast import InputError, RecordError, WindowSpec, read_record
from ecgfast.cli import main
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import AAMI_CLASSES
from ecgfast.records import Record
from ecgfast.training.datasets.beats import cut_reference_beats, prepare_beats, without_lookahead
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.splits import PACED
from ecgfast.training.tasks.beat_examples import of_training_patients


def test_beats_are_those_of_the_annotations(data: Path, beats: ExampleSet) -> None:
    assert set(beats.record) == {"mitdb/100", "mitdb/101"}  # 102 is paced
    assert beats.about["left_out"] == [f"mitdb/{name}" for name in PACED]
    assert beats.inputs["window"].shape == (len(beats), 72, 2)
    assert beats.inputs["features"].shape == (len(beats), len(FEATURE_NAMES))
    for name in ("100", "101"):
        record = read_record(data / "mitdb" / name)
        marks = record.annotations
        kept = np.isin(marks.symbol, ["N", "V", "A"])
        own = beats.of_records([f"mitdb/{name}"])
        # S is A's class; each beat within the refinement's reach of its mark.
        classes = ["NSV".index({"A": "S"}.get(s, s)) for s in marks.symbol[kept]]
        assert own.target.tolist() == classes
        assert np.abs(own.columns["sample"] - marks.sample[kept]).max() <= 3
        assert np.isnan(own.columns["rr"][0])
        assert own.columns["rr"][1:] == pytest.approx(np.diff(own.columns["sample"]) / 360.0)
        batch, symbols = cut_reference_beats(record)
        assert np.array_equal(batch.windows, own.inputs["window"])
        assert symbols.tolist() == marks.symbol[kept].tolist()
    counts = beats.counts()
    assert list(counts) == list(AAMI_CLASSES)
    assert sum(counts.values()) == len(beats)
    assert min(counts[c] for c in "NSV") > 0


def test_the_next_interval_is_known_and_can_be_taken_away(beats: ExampleSet) -> None:
    known = FEATURE_NAMES.index("rr_next_known")
    last = np.append(beats.record[1:] != beats.record[:-1], True)
    assert np.array_equal(beats.inputs["features"][:, known] == 0, last)
    before = beats.inputs["features"].copy()
    without = without_lookahead(beats.inputs["features"])
    assert np.array_equal(before, beats.inputs["features"], equal_nan=True)
    ahead = [known, FEATURE_NAMES.index("rr_next")]
    assert not without[:, ahead].any()
    others = np.setdiff1d(np.arange(len(FEATURE_NAMES)), ahead)
    assert np.array_equal(without[:, others], beats.inputs["features"][:, others])


def test_saved_sets_are_the_same_bytes_and_come_back(
    data: Path, beats: ExampleSet, tmp_path
) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    beats.save(one)
    prepare_beats(data).save(two)
    assert one.read_bytes() == two.read_bytes()
    assert [path.name for path in tmp_path.iterdir()].count("one.npz") == len([one])
    assert {path.name for path in tmp_path.iterdir()} == {"one.npz", "two.npz"}
    back = ExampleSet.load(one)
    assert back.about == beats.about
    kept, loaded = beats._arrays(), back._arrays()
    assert sorted(kept) == sorted(loaded)
    for name, values in kept.items():
        assert values.dtype == loaded[name].dtype
        assert values.tobytes() == loaded[name].tobytes()


def test_files_that_are_no_data_set(beats: ExampleSet, tmp_path) -> None:
    with pytest.raises(RecordError, match=r"none\.npz: no such data set.*ecgfast prepare"):
        ExampleSet.load(tmp_path / "none.npz")
    path = tmp_path / "set.npz"
    beats.save(path)
    whole = path.read_bytes()
    for content in (b"", b"words", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"set\.npz: not a data set"):
            ExampleSet.load(path)
    np.savez(path, label=beats.target)
    with pytest.raises(RecordError, match=r"set\.npz: not a data set"):
        ExampleSet.load(path)
    dataclasses.replace(beats, about={**beats.about, "features": ["old"]}).save(path)
    with pytest.raises(RecordError, match="made by another version; run `ecgfast prepare` again"):
        ExampleSet.load(path)
    with pytest.raises(RecordError, match="cannot be written"):
        beats.save(tmp_path / "no" / "folder" / "set.npz")


def test_rows_are_chosen_together(beats: ExampleSet) -> None:
    some = beats.only(beats.target == 2)
    assert len(some) == beats.counts()["V"]
    assert set(some.target) == {2}
    assert np.array_equal(some.inputs["window"], beats.inputs["window"][beats.target == 2])
    with pytest.raises(InputError, match=r"mitdb/999 is not in the data set"):
        beats.of_records(["mitdb/100", "mitdb/999"])


def test_test_records_never_train(beats: ExampleSet) -> None:
    kept = of_training_patients(beats)
    assert set(kept.record) == {"mitdb/101"}  # 100 is in DS2
    with pytest.raises(InputError, match="holds no training records"):
        of_training_patients(beats.of_records(["mitdb/100"]))


def test_another_grid_and_lead(data: Path, beats: ExampleSet) -> None:
    other = prepare_beats(data, window=WindowSpec(250.0, 50, 50), lead=1)
    assert other.inputs["window"].shape == (len(beats), 100, 2)
    assert other.about["window"] == [250.0, 50, 50, "beat", 1]
    assert other.about["lead"] == 1


def test_folders_and_records_that_cannot_be_prepared(data: Path, tmp_path) -> None:
    with pytest.raises(RecordError, match=r"nodb: no WFDB records there; give the folder"):
        prepare_beats(data, ["nodb"])
    record = write_record(tmp_path / "x", "100")
    with pytest.raises(RecordError, match="no reference annotations"):
        cut_reference_beats(Record(record.signal, record.fs, record.leads, name="bare"))
    (tmp_path / "x" / "100.atr").unlink()
    with pytest.raises(RecordError, match=r"100: no reference annotations .* put its \.atr"):
        prepare_beats(tmp_path, ["x"])
    (tmp_path / "x" / "100.reviewed").write_bytes(b"")  # the labels of a review
    with pytest.raises(RecordError, match=r"copy 100\.reviewed to 100\.atr$"):
        prepare_beats(tmp_path, ["x"])


def test_prepare_takes_a_database_once_and_says_which_recordings_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "mine", "a")
    (tmp_path / "mine" / "RECORDS").write_text("a\nb\n")
    file = tmp_path / "new" / "set.npz"  # a missing folder is made
    command = ["prepare", "--data", str(tmp_path), "--output", str(file), "--json"]
    assert main([*command, "--database", "mine"]) == 0
    once = capsys.readouterr()
    assert "mine lacks 1 of its recordings, which the data set lacks too: b" in once.err
    assert json.loads(once.out)["missing_records"] == {"mine": ["b"]}
    assert main([*command, *["--database", "mine"] * 2]) == 0
    assert json.loads(capsys.readouterr().out)["beats"] == json.loads(once.out)["beats"]
