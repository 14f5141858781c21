"""Labels of one's own for the task normality: the file, the strips, and who tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError, RecordError
from ecgfast.records import synthetic_ecg
from ecgfast.training.datasets.label_files import read_labels
from ecgfast.training.datasets.strips import prepare_labelled_strips
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import load_task

WHOLE = "record,label\n"
PARTS = "record,start_s,end_s,label,patient\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode())
    return path


def test_whole_recordings_and_parts_of_them(tmp_path: Path) -> None:
    first, second = read_labels(written(tmp_path, WHOLE + "a.npz,normal\n\nx/b, Abnormal\r\n"))
    assert (first.name, first.patient, first.whole, first.abnormal) == ("a.npz", "a.npz", 0, False)
    assert (second.name, second.whole, second.line, second.abnormal) == ("x/b", 1, 4, True)
    text = "\ufeffrecord;start_s;end_s;label;patient;note\na;;;normal;p;x\na;30;40.5;abnormal;p;\n"
    (only,) = read_labels(written(tmp_path, text))  # as a spreadsheet writes it
    assert (only.patient, only.whole, only.abnormal) == ("p", 0, True)
    assert [(part.start, part.end, part.label) for part in only.intervals] == [(30.0, 40.5, 1)]


def test_labels_of_strips_by_hand(tmp_path: Path) -> None:
    text = PARTS + "a,0,20,normal,\na,20,30,normal,\na,50,60,abnormal,\n"
    (bare,) = read_labels(written(tmp_path, text))
    (whole,) = read_labels(written(tmp_path, text + "a,,,normal,\n"))
    begin = np.array([0.0, 15.0, 25.0, 41.0, 49.9, 59.9, 60.0])
    assert bare.labels(begin, begin + 10).tolist() == [0, 0, -1, 1, 1, 1, -1]
    assert whole.labels(begin, begin + 10).tolist() == [0, 0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"labels\.csv, line 1: no column 'record' \(has nothing\)"),
        (WHOLE, "holds no labels"),
        ("record,labels\na,normal\n", "line 1: no column 'label' .*has 'labels'"),
        ("record,start_s,label\n", "line 1: no column 'end_s'"),
        ("record,label,label\n", "line 1: column 'label' is there twice"),
        ("record,label,patients\n", "line 1: no column 'patient' .*has 'patients'"),
        (WHOLE + "a,normal\nb,nromal\n", "line 3: label 'nromal' is not normal or abnormal"),
        (WHOLE + "a,normal,3\n", "line 2: has 3 cells, the header has 2"),
        (WHOLE + ",normal\n", "line 2: names no record"),
        (WHOLE + "a,normal\na,abnormal\n", "line 3: a as a whole has a label in line 2"),
        (PARTS + "a,x,3,normal,\n", "line 2: start_s 'x' is no number of seconds"),
        (PARTS + "a,1,,normal,\n", "line 2: end_s '' is no number of seconds"),
        (PARTS + "a,5,5,normal,\n", "line 2: 5 to 5 s is no part of a recording"),
        (PARTS + "a,-1,5,normal,\n", "line 2: -1 to 5 s is no part"),
        (PARTS + "a,10,30,normal,\na,0,11,abnormal,\n", "line 3: 0 to 11 s of a overlaps line 2"),
        (PARTS + "a,0,1,normal,p\na,1,2,normal,q\n", "line 3: a is of patients 'p' and 'q'"),
    ],
)
def test_files_that_say_nothing_clear(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_labels(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_labels(tmp_path / "none.csv")
    path = tmp_path / "labels.csv"
    path.write_bytes("record,label\nJos\xe9,normal\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"labels\.csv: is not UTF-8 text"):
        read_labels(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of a minute, in no database and without annotations."""
    root = tmp_path_factory.mktemp("own")
    for i, name in enumerate("abcdef"):
        made = synthetic_ecg(60.0, 250.0, seed=i)
        np.savez(root / f"{name}.npz", signal=made.signal, fs=250.0, leads=list(made.leads))
    return root


def test_strips_are_cut_and_named_by_their_labels(data: Path, tmp_path: Path) -> None:
    file = written(tmp_path, PARTS + "a.npz,0,35,normal,p\na.npz,45,60,abnormal,p\n")
    strips = prepare_labelled_strips(data, read_labels(file), file=file)
    end = strips.columns["sample"] / 250.0 + 0.22
    assert (end[strips.target == 0] <= 35.0).all()
    assert (end[strips.target == 1] > 45.0).all()
    assert strips.counts() == {"normal": 2, "abnormal": 2}
    assert strips.about["without_label"] == 1
    assert set(strips.patient) == {"p"}
    assert set(strips.record) == {"a.npz"}
    file = written(tmp_path, PARTS + "a.npz,61,70,normal,p\n")
    with pytest.raises(InputError, match=r"line 2: 61 s is after the end of a\.npz, .*60\.0 s"):
        prepare_labelled_strips(data, read_labels(file), file=file)
    file = written(tmp_path, WHOLE + "a.npz,normal\nz.npz,normal\n")
    with pytest.raises(RecordError, match=r"labels\.csv, line 3: .*z\.npz"):
        prepare_labelled_strips(data, read_labels(file), file=file)


def test_recordings_of_one_lead_train_with_those_of_two(data: Path, tmp_path: Path) -> None:
    with np.load(data / "a.npz") as both:
        signal = both["signal"]
    np.savez(tmp_path / "one.npz", signal=signal[:, 0], fs=250.0)
    np.savez(tmp_path / "two.npz", signal=signal, fs=250.0)
    file = written(tmp_path, WHOLE + "one.npz,normal\ntwo.npz,abnormal\n")
    strips = prepare_labelled_strips(tmp_path, read_labels(file), file=file, leads=(0, 1))
    leads = {name: set(strips.columns["lead"][strips.record == name]) for name in strips.record}
    assert leads == {"one.npz": {0}, "two.npz": {0, 1}}
    with pytest.raises(InputError, match=r"line 2: .*one\.npz: no lead 1"):
        prepare_labelled_strips(tmp_path, read_labels(file), file=file, leads=(1,))


def own_recipe(file: Path, **options: object) -> Recipe:
    recipe = Recipe.load("normality")
    return dataclasses.replace(
        recipe, options={"step_s": 10.0, "leads": [0], "labels": str(file), **options}
    )


def test_no_patient_of_a_file_trains_and_tests(data: Path, tmp_path: Path) -> None:
    rows = (
        f"{name}.npz,{'abnormal' if i % 2 else 'normal'},{whose}\n"
        for i, (name, whose) in enumerate(zip("abcdef", "ppqqrs", strict=True))
    )
    text = "record,label,patient\n" + "".join(rows)
    file, task = written(tmp_path, text), load_task("normality")
    recipe = own_recipe(file)
    training = task.training_set(recipe, data)
    ((heading, tested),) = task.test_sets(recipe, data).items()
    assert heading.startswith("by patient: test recordings")
    assert set(training.patient) | set(tested.patient) == set("pqrs")
    assert not set(training.patient) & set(tested.patient)
    facts = task.facts(recipe, training)
    assert facts.split["test"] == sorted(set(tested.record))
    assert facts.data["databases"] == ["labels.csv"]
    assert task.databases(recipe) == ()  # of which none can lack recordings
    assert facts.limits is not None
    assert "labels.csv" in facts.limits[0]

    named = own_recipe(file, test=["c.npz"])
    (tested,) = task.test_sets(named, data).values()
    assert set(tested.record) == {"c.npz", "d.npz"}, "both are of q"
    with pytest.raises(InputError, match=r"test 'g\.npz' is not in .*did you mean"):
        task.test_sets(own_recipe(file, test=["g.npz"]), data)
    with pytest.raises(InputError, match="training part has strips of one class alone"):
        task.training_set(own_recipe(file, test=["b.npz", "d.npz", "f.npz"]), data)


def test_one_patient_alone_cannot_test(data: Path, tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE + "a.npz,normal\n")
    with pytest.raises(InputError, match="labels one patient alone"):
        load_task("normality").training_set(own_recipe(file), data)


def test_patients_who_cannot_be_shared_out_are_told(data: Path, tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE + "a.npz,normal\nb.npz,abnormal\n")
    with pytest.raises(InputError, match=r"labels 2 patients, too few .*; label more, or name"):
        load_task("normality").training_set(own_recipe(file), data)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a.npz,normal\nz.npz,abnormal\n", r"line 3: .*z\.npz: no such recording"),
        ("a.npz,normal\nb,abnormal\n", r"line 3: .*/b: no such recording; did you mean b\.npz\?"),
        (
            "y.npz,normal\na.npz,normal\nz.npz,abnormal\n",
            r"no such recordings as 2 of its 3: y\.npz \(line 2\), z\.npz \(line 4\);",
        ),
        ("".join(f"{i},normal\n" for i in range(9)), r"4 \(line 6\) and 4 more;"),
    ],
)
def test_missing_recordings_are_named_before_any_is_read(
    data: Path, tmp_path: Path, rows: str, told: str
) -> None:
    """Not that patients are too few, which may be true as well and is not the cause."""
    recipe = own_recipe(written(tmp_path, WHOLE + rows))
    with pytest.raises(RecordError, match=rf"labels\.csv.*{told}") as raised:
        load_task("normality").check_data(recipe, data)
    assert "column record is a path below" in str(raised.value)
    with pytest.raises(RecordError, match=told):
        load_task("normality").training_set(recipe, data)
