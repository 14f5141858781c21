"""A run over an archive: what it writes, whatever lies in the archive."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfast
from ecgfast import RecordError, annotate_archive, classify_record
from ecgfast.archive import archive_status
from ecgfast.archive.classify import Facts
from ecgfast.archive.manifest import Manifest
from ecgfast.archive.places import Item, find_remote, local_copy
from ecgfast.archive.planning import cut, look
from ecgfast.archive.tables import COLUMNS, schema
from ecgfast.cli import main
from ecgfast.cli.annotate import _listed
from ecgfast.records import read_annotations

pq = pytest.importorskip("pyarrow.parquet")

Save = Callable[..., Path]
Parts = Callable[[Path], dict[str, bytes]]
Capture = pytest.CaptureFixture[str]
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX links, names and modes")

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
TYPES = {"text": "string", "word": "string", "words": "list of string", "time": "timestamp"}

ALPHABETS = ["العربية", "中文", "ελληνικά", "עברית", "русский", "a b'c.csv", "é", "e\u0301", "🫀"]


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in sorted((folder / name).glob("*.parquet")):
        rows += pq.read_table(file).to_pylist()
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, save: Save) -> Path:
    """An archive of good and bad recordings, and the results of one run in results/."""
    home = tmp_path_factory.mktemp("run")
    archive = home / "archive"
    for i in range(4):
        save(archive / "a" / f"{i}", i)
        save(archive / "b" / f"{i}", i + 4)  # of the same names
    save(archive / "c.csv", 9)
    save(archive / "long", repeat=30)
    for i, name in enumerate(ALPHABETS):
        save(archive / "names" / name, i)
    if os.name == "posix":
        save(archive / "names" / os.fsdecode(b"no\xfftext.csv"))
    # Bad ones
    bad = archive / "bad"
    save(bad / "truncated")
    dat = bad / "truncated.dat"
    dat.write_bytes(dat.read_bytes()[:-5000])
    (bad / "empty.csv").write_bytes(b"")
    (bad / "empty.hea").write_bytes(b"")
    (bad / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    (bad / "norate.csv").write_text("ECG\n" + "\n".join(str(i % 7) for i in range(3000)))
    (bad / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (bad / "notes.txt").write_text("This folder holds recordings of nobody.\n")
    if os.name == "posix":
        (archive / "loop").symlink_to(archive, target_is_directory=True)
        (archive / "dangling.csv").symlink_to(home / "nowhere.csv")
    status = annotate_archive(archive, archive / "results", workers=2, annotations=True)
    assert status.complete
    assert not status.running
    assert archive_status(archive / "results").counts == status.counts
    return home


def test_each_good_recording_has_its_row_and_each_bad_one_a_reason(run: Path) -> None:
    results = run / "archive" / "results"
    rows = table(results, "records")
    names = [row["recording"] for row in rows]
    wanted = [f"{folder}/{i}" for folder in "ab" for i in range(4)]
    wanted += ["c.csv", "long", *(f"names/{name}" for name in ALPHABETS)]
    if os.name == "posix":
        wanted.append("names/no\\udcfftext.csv")
    assert sorted(names) == sorted(wanted)
    failures = {row["recording"]: row["reason"] for row in table(results, "failures")}
    expected = {"bad/empty", "bad/empty.csv", "bad/norate.csv", "bad/picture.csv", "bad/truncated"}
    assert set(failures) - {"dangling.csv"} == expected
    assert "sampling rate" in failures["bad/norate.csv"]
    for name, reason in failures.items():
        assert reason.startswith(str(Path(name).parent) if "/" in name else name), reason
        assert str(run) not in reason
    status = archive_status(results)
    assert (status.counts.done, status.counts.failed) == (len(wanted), len(failures))
    assert dict(status.failures) == failures
    assert status.left_out >= 1


def test_the_rows_are_what_the_stream_says(run: Path) -> None:
    archive, results = run / "archive", run / "archive" / "results"
    beats = list(ecgfast.stream_classify(archive / "b" / "2"))
    rows = [row for row in table(results, "beats") if row["recording"] == "b/2"]
    assert [row["sample"] for row in rows] == [beat.sample for beat in beats]
    assert [row["label"] for row in rows] == [beat.label for beat in beats]
    assert [row["quality"] for row in rows] == [int(beat.quality) for beat in beats]
    assert np.allclose([row["time"] for row in rows], [beat.time for beat in beats])
    assert rows[0]["rr"] is None
    assert np.allclose([row["rr"] for row in rows[1:]], [beat.rr for beat in beats[1:]])
    found = [event for event in ecgfast.events(archive / "b" / "2") if not event.ongoing]
    events = [row for row in table(results, "events") if row["recording"] == "b/2"]
    assert sorted((row["start"], row["kind"]) for row in events) == sorted(
        (event.start, str(event.kind)) for event in found
    )
    (record,) = [row for row in table(results, "records") if row["recording"] == "b/2"]
    assert record["beats"] == len(beats)
    assert record["v"] == sum(beat.label == "V" for beat in beats)
    assert (record["fs"], record["duration"]) == (250.0, 12.0)
    assert record["labelled_leads"] == record["leads"][:2]
    assert record["version"] == ecgfast.__version__
    marks = read_annotations(results / "annotations" / "b" / "2.ecg")
    assert marks.sample.tolist() == [beat.sample for beat in beats]
    assert marks.symbol.tolist() == [beat.label for beat in beats]


def test_a_recording_as_one_row_of_arrow(run: Path) -> None:
    archive, results = run / "archive", run / "archive" / "results"
    one = classify_record(archive / "b" / "2", name="b/2").to_pylist()[0]
    (record,) = [row for row in table(results, "records") if row["recording"] == "b/2"]
    beats = [row for row in table(results, "beats") if row["recording"] == "b/2"]
    events = [row for row in table(results, "events") if row["recording"] == "b/2"]
    assert one.pop("error") is None
    assert [{"recording": "b/2", **beat} for beat in one.pop("beats")] == beats
    assert [{"recording": "b/2", **event} for event in one.pop("events")] == events
    record["n_beats"] = record.pop("beats")
    assert one == record
    bad = classify_record(archive / "bad" / "truncated", on_error="row")
    assert bad.schema.equals(classify_record(archive / "a" / "0").schema)
    assert "truncated" in bad["error"][0].as_py()
    assert bad["beats"][0].as_py() is None
    with pytest.raises(RecordError):
        classify_record(archive / "bad" / "truncated")


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_tables_are_read_by(library: str, run: Path) -> None:
    module = pytest.importorskip(library)
    pattern = str(run / "archive" / "results" / "beats" / "*.parquet")
    wanted = table(run / "archive" / "results", "beats")
    if library == "pandas":
        labels = module.read_parquet(os.path.dirname(pattern))["label"]  # noqa: PTH120
        counts = labels.value_counts().to_dict()
    elif library == "polars":
        counts = dict(module.read_parquet(pattern)["label"].value_counts().rows())
    else:
        query = f"SELECT label, count(*) FROM '{pattern}' GROUP BY ALL"
        counts = dict(module.sql(query).fetchall())
    assert sum(counts.values()) == len(wanted)
    assert counts["V"] == sum(row["label"] == "V" for row in wanted)


@pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this checkout")
def test_the_page_has_every_column_and_its_queries_run(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PAGE.read_text("utf-8")
    for name, columns in COLUMNS.items():
        section = text.partition(f"### `{name}`")[2].partition("###")[0]
        rows = [
            f"| `{column}` | {TYPES.get(kind, kind)} | {what} |" for column, kind, what in columns
        ]
        assert "\n".join(rows) in section, "\n".join(rows)
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(run / "archive")
    (queries,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    lines = queries.strip().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert duckdb.sql(line).fetchall() is not None, line


def test_a_recording_as_one_row_maps_over_a_dask_bag(run: Path) -> None:
    bag = pytest.importorskip("dask.bag")
    pa = pytest.importorskip("pyarrow")
    paths = [run / "archive" / "a" / "0", run / "archive" / "bad" / "empty.csv"]
    tables = bag.from_sequence(paths).map(classify_record, on_error="row")
    rows = pa.concat_tables(tables.compute(scheduler="sync")).to_pylist()
    assert [row["error"] is None for row in rows] == [True, False]


def test_columns_are_those_of_the_documented_schema(run: Path) -> None:
    results = run / "archive" / "results"
    for name in COLUMNS:
        for file in (results / name).glob("*.parquet"):
            found = pq.read_schema(file)
            assert found.equals(schema(name)), file
            for field in found:
                wanted = schema(name).field(field.name)
                assert field.metadata[b"meaning"] == wanted.metadata[b"meaning"]


def test_a_second_run_changes_nothing(run: Path, parts: Parts, capsys: Capture) -> None:
    results = run / "archive" / "results"
    before = parts(results)
    stamps = {file: (results / file).stat().st_mtime_ns for file in before}
    status = annotate_archive(run / "archive", results, annotations=True)
    assert parts(results) == before
    changed = [f for f in before if (results / f).stat().st_mtime_ns != stamps[f]]
    assert changed == ["failures/failures.parquet"]
    assert status.counts.batches == status.counts.batches_done
    assert main(["annotate", "--status", str(results)]) == 0
    out = capsys.readouterr().out
    assert f"{status.counts.done} of {status.counts.recordings} done" in out
    assert main(["annotate", "--status", str(results), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["complete"] is True
    assert told["failed"] == status.counts.failed == len(told["failures"])


def test_another_run_gives_the_same_bytes(run: Path, parts: Parts, tmp_path: Path) -> None:
    """One worker or two, another folder of results, an archive that lies elsewhere."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(run / "archive", moved, symlinks=True, ignore=lambda *_: ["results", "loop"])
    status = annotate_archive(str(moved), tmp_path / "again", workers=1, annotations=True)
    assert status.complete
    assert parts(tmp_path / "again") == parts(run / "archive" / "results")


def test_results_in_the_archive_are_no_recordings(run: Path) -> None:
    found = look([str(run / "archive")], run / "other")
    assert not [item.name for item, _ in found.found if item.name.startswith("results")]


def test_batches_depend_on_the_recordings_alone(run: Path) -> None:
    found = look([str(run / "archive")], run / "other").found
    batches = list(cut(found, most=40_000))
    assert [item.name for batch in batches for item, _ in batch.items if not batch.long] == [
        item.name for item, _ in found if item.name != "long"
    ]
    assert [batch.items[0][0].name for batch in batches if batch.long] == ["long"]
    assert all(batch.bytes <= 40_000 for batch in batches if not batch.long)
    assert [batch.part for batch in batches] == [batch.part for batch in cut(found, most=40_000)]


def test_a_recording_of_many_days_is_begun_first(tmp_path: Path) -> None:
    sizes = [5, 5, 900, 5, 700, 5]
    found = [(Item(f"{i}", f"/{i}"), Facts(size, 0)) for i, size in enumerate(sizes)]
    with Manifest(tmp_path, write=True) as manifest:
        manifest.plan(cut(found, most=10), made={})
        first = [[item.name for item in manifest.batch(n)[2]] for n in manifest.waiting()]
    assert first == [["2"], ["4"], ["0", "1"], ["3", "5"]]


@pytest.mark.thorough
def test_a_hundred_thousand_files_in_a_folder(tmp_path: Path) -> None:
    """Found, looked at and cut; a thirtieth of that here, so that it takes no second."""
    for i in range(3000):
        (tmp_path / f"{i}.csv").write_bytes(b"1\n" * 8)
    found = look([str(tmp_path)], tmp_path / "out").found
    assert len(found) == 3000
    batches = list(cut(found))
    assert max(len(batch.items) for batch in batches) <= 1000


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_a_failure(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "archive" / "good")
    save(tmp_path / "archive" / "locked")
    (tmp_path / "archive" / "locked.dat").chmod(0)
    (tmp_path / "archive" / "closed").mkdir(mode=0)
    status = annotate_archive(tmp_path / "archive", tmp_path / "out", workers=1)
    assert status.counts.done == 1
    assert sorted(Path(name).name for name, _ in status.failures) == ["closed", "locked"]
    assert all("ermission denied" in reason for _, reason in status.failures)


def test_wrong_use_is_said(tmp_path: Path, save: Save, capsys: Capture) -> None:
    save(tmp_path / "a" / "1")
    archive, out = str(tmp_path / "a"), str(tmp_path / "out")
    for argv, status, text in (
        ([archive], 2, "--output is missing"),
        (["--output", out], 2, "ARCHIVE is missing"),
        (["--status", out], 1, "holds no results"),
        (["--status", out, archive], 2, "archive does not go with --status"),
        ([archive, "--output", out, "--workers", "0"], 2, "no number of processes"),
        ([str(tmp_path / "none"), "--output", out], 1, "none: no such folder or recording"),
        ([archive, "--output", out, "--model", "none"], 1, "model 'none' labels no beat"),
        ([archive, "--output", out, "--model", "blood-pressure"], 1, "AAMI"),
    ):
        assert main(["annotate", *argv]) == status, argv
        assert text in capsys.readouterr().err, argv
    (tmp_path / "empty").mkdir()
    assert main(["annotate", str(tmp_path / "empty"), "--output", f"{out}2"]) == 1
    assert "the folder is empty" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "nothing is begun for a path that is not there"
    (tmp_path / "binary").write_bytes(bytes(range(1, 256)))
    assert main(["annotate", "--list", str(tmp_path / "binary"), "--output", out]) == 2
    assert "binary: is no list of names" in capsys.readouterr().err
    (tmp_path / "noise.csv").write_bytes(bytes(range(1, 256)))
    assert main(["annotate", str(tmp_path / "noise.csv"), "--output", out, "--workers", "1"]) == 1
    assert capsys.readouterr().err.endswith("ecgfast: the recording failed\n")


def test_recordings_of_a_list(tmp_path: Path, save: Save, capsys: Capture) -> None:
    for name in "123":
        save(tmp_path / "a" / name)
    (tmp_path / "list").write_text(f"{tmp_path}/a/1\n{tmp_path}/a/3.hea\n\n")
    argv = ["annotate", "--list", str(tmp_path / "list"), "--output", str(tmp_path / "out")]
    assert main([*argv, "--workers", "1"]) == 0
    assert "2 of 2 done" in capsys.readouterr().out
    assert [row["recording"] for row in table(tmp_path / "out", "records")] == ["1", "3"]


@posix
def test_a_list_of_find_has_names_with_line_ends(tmp_path: Path, save: Save) -> None:
    """Zeros part them, and what else some call a line end is none."""
    names = ["one\ntwo.csv", "a\u2028b.csv", "plain.csv"]
    for name in names:
        save(tmp_path / "a" / name)
    listed = tmp_path / "list"
    for mark, of in (("\0", names), ("\n", names[1:])):
        listed.write_text("".join(f"{tmp_path}/a/{name}{mark}" for name in of))
        assert _listed(listed) == [f"{tmp_path}/a/{name}" for name in of]


def test_parts_of_an_archive_hold_each_recording_once(
    tmp_path: Path, save: Save, capsys: Capture
) -> None:
    """As the jobs of an array take them, one of which finds nothing in its part."""
    names = [str(save(tmp_path / "a" / f"x{i}", i).relative_to(tmp_path / "a")) for i in range(3)]
    (tmp_path / "a" / "bad.csv").write_text("")
    jobs = [tmp_path / f"part{k}" for k in range(1, 10)]
    for k, job in enumerate(jobs, 1):
        archive = ["annotate", str(tmp_path / "a"), "--workers", "1", "--output", str(job)]
        assert main([*archive, "--shard", f"{k}/9"]) in (0, 1)
    of_jobs = [[row["recording"] for row in table(job, "records")] for job in jobs]
    assert sorted(name for of in of_jobs for name in of) == sorted(names)
    assert [] in of_jobs
    capsys.readouterr()
    # A part in the folder of another one, and a recording that is in two of them.
    for other in ([], ["--shard", "2/9"]):
        assert main([*archive[:-1], str(jobs[0]), *other]) == 1
        assert "holds part 1 of 9 of it, and this is" in capsys.readouterr().err
    summary = ["summary", *map(str, jobs)]
    assert main(summary) == 2
    assert main([*summary, "--output", str(tmp_path / "summary")]) == 0
    assert "recordings  3, 1 failed" in capsys.readouterr().out
    some = str(next(job for job, of in zip(jobs, of_jobs, strict=True) if of))
    assert main([*summary, some, "--output", str(tmp_path / "summary")]) == 1
    assert "is in more than one of the 10 folders" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "-1/4"])
def test_a_part_that_is_none(text: str, tmp_path: Path, capsys: Capture) -> None:
    argv = ["annotate", str(tmp_path), "--output", str(tmp_path / "out"), f"--shard={text}"]
    assert main(argv) == 2
    assert f"{text} is no part: give K/N" in capsys.readouterr().err


def test_a_folder_named_as_a_model_is_not_taken_for_one(
    tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as labels that `ecgfast classify --output beats` wrote."""
    save(tmp_path / "a" / "1")
    (tmp_path / "beats").mkdir()
    monkeypatch.chdir(tmp_path)
    assert annotate_archive("a", "out", workers=1).counts.done == 1


def test_an_archive_elsewhere(tmp_path: Path, save: Save, parts: Parts) -> None:
    """Addresses of fsspec: the same tables as of the same files here."""
    fsspec = pytest.importorskip("fsspec")
    for name in ("x/1", "x/2", "x/y/3.csv"):
        save(tmp_path / "a" / name)
    (tmp_path / "a" / "x" / "notes.txt").write_text("words alone\n")
    (tmp_path / "a" / "x" / "bad.csv").write_text("")
    local = annotate_archive(tmp_path / "a", tmp_path / "local", workers=1)
    root = f"file://{tmp_path}/a"
    there = annotate_archive(root, tmp_path / "there", workers=1)
    assert (there.counts.done, there.counts.failed) == (3, 1)
    assert [name for name, _ in there.failures] == [name for name, _ in local.failures]
    for name in ("beats", "events", "records"):
        assert table(tmp_path / "there", name) == table(tmp_path / "local", name)
    again = annotate_archive(root, tmp_path / "there")
    assert again.counts == there.counts
    memory = fsspec.filesystem("memory")
    assert memory.protocol == "memory"
    for file in (tmp_path / "a").rglob("*.*"):
        name = file.relative_to(tmp_path / "a").as_posix()
        memory.pipe_file(f"/elsewhere/{name}", file.read_bytes())
    found, problems, left_out = find_remote(["memory://elsewhere"])
    assert [item.name for item, _ in found] == ["x/1", "x/2", "x/bad.csv", "x/y/3.csv"]
    assert (problems, left_out) == ([], 1)
    with local_copy(found[0][0].path) as path:
        fetched = classify_record(path, name="x/1")
    assert fetched.to_pylist() == classify_record(tmp_path / "a/x/1", name="x/1").to_pylist()
    memory.rm("/elsewhere", recursive=True)
    with pytest.raises(ecgfast.InputError, match="here and elsewhere"):
        look([root, str(tmp_path)], tmp_path / "out")


def test_a_worker_does_without_pandas() -> None:
    code = (
        "import sys\n"
        "from ecgfast.archive.tables import row_table, schema, without_pandas\n"
        "without_pandas()\n"
        "row_table('failures', [dict.fromkeys(schema('failures').names)])\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
