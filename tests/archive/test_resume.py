"""Stopped at any moment and started again, a run ends with what an undisturbed one writes."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from thorough import thorough_cases

from ecgfast import InputError, StateError, annotate_archive
from ecgfast._files import whole_file
from ecgfast.archive import archive_status
from ecgfast.archive.manifest import Manifest
from ecgfast.cli import main
from ecgfast.processes import module_command

pytest.importorskip("pyarrow")
if os.name != "posix":
    pytest.skip("signals of POSIX", allow_module_level=True)

Save = Callable[..., Path]
Parts = Callable[[Path], dict[str, bytes]]
Hook = Callable[[str], None]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, save: Save) -> Path:
    """Sixteen recordings in several batches, one that takes longer, and a bad one."""
    folder = tmp_path_factory.mktemp("archive")
    for i in range(16):
        save(folder / f"{i:02}", i, repeat=6, beside=4)
    save(folder / "long", repeat=100)
    save(folder / "bad").with_name("bad.dat").write_bytes(b"short")
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    archive: Path, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What one run from beginning to end writes."""
    out = tmp_path_factory.mktemp("undisturbed")
    status = annotate_archive(archive, out, workers=2, annotations=True)
    assert (status.counts.done, status.counts.failed) == (17, 1)
    assert status.counts.batches >= 4
    return parts(out)


def start(archive: Path, out: Path, *more: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ecgfast", "annotate", str(archive), "--output", str(out)]
    return subprocess.Popen(
        [*command, "--annotations", "--workers", "2", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=out.parent,
    )


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def done(out: Path) -> int:
    """Batches that are done."""
    try:
        return archive_status(out).counts.batches_done
    except (InputError, StateError):
        return 0


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def has_workers_or_ended(run: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: bool(children(run.pid)) or run.poll() is not None


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_killed_at_four_moments(
    archive: Path, undisturbed: dict[str, bytes], parts: Parts, tmp_path: Path
) -> None:
    """By turns the run and one of its workers, later and later, until it is complete."""
    out = tmp_path / "out"
    run = start(archive, out)
    for i in range(4):
        wait_for(has_workers_or_ended(run))
        time.sleep(0.3 * i)
        if i % 2 and run.poll() is None:
            for pid in children(run.pid)[:1]:
                os.kill(pid, signal.SIGKILL)
        else:
            run.kill()
        if i % 2 == 0:
            run.communicate()
            run = start(archive, out)
    _, err = run.communicate(timeout=300)
    assert run.returncode == 1, err
    assert b"1 of 18 recordings failed" in err
    assert parts(out) == undisturbed
    assert not list(out.rglob("*.part"))


HELD_AT_LONG = """
import time
def watch(event, args):
    if event == "open" and str(args[0]).endswith("long.dat"):
        time.sleep(600)
sys.addaudithook(watch)
"""


@pytest.mark.thorough
def test_interrupted_it_keeps_what_is_complete(
    archive: Path,
    undisturbed: dict[str, bytes],
    parts: Parts,
    tmp_path: Path,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However fast the machine is, the run is at work when it is interrupted."""
    out = tmp_path / "out"
    hook(HELD_AT_LONG)
    run = start(archive, out)
    monkeypatch.delenv("PYTHONPATH")
    assert wait_for(lambda: done(out) >= 1)
    with pytest.raises(StateError, match="another run is at work"):
        annotate_archive(archive, out)
    assert archive_status(out).running
    workers = children(run.pid)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=300)
    assert run.returncode == 130
    assert b"what is complete is kept" in err
    assert b"Traceback" not in err
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    kept = parts(out)
    assert kept
    assert all(undisturbed[name] == content for name, content in kept.items())
    annotate_archive(archive, out, annotations=True)
    assert parts(out) == undisturbed
    log = (out / "log.txt").read_text()
    assert "interrupted" in log
    assert "17 recordings done, 1 failed" in log


LIMIT = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.dont_write_bytecode = True  # which Python would cut short without a word
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("of", ["run", *thorough_cases("worker")])
def test_on_a_full_disk_it_ends_with_a_line_and_continues(
    of: str,
    archive: Path,
    undisturbed: dict[str, bytes],
    parts: Parts,
    tmp_path: Path,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No file may grow further: the manifest, or the tables that a worker writes."""
    out = tmp_path / "out"
    if of == "worker":
        hook(LIMIT)
    code = (LIMIT if of == "run" else "import sys\n") + (
        "from ecgfast.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = ["annotate", str(archive), "--output", str(out), "--annotations"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, check=False, timeout=300
    )
    assert ended.returncode == 1
    assert ended.stderr.count(b"\n") == 1, ended.stderr
    assert b"manifest" in ended.stderr if of == "run" else b"cannot be written" in ended.stderr
    monkeypatch.delenv("PYTHONPATH", raising=False)
    annotate_archive(archive, out, annotations=True)
    assert parts(out) == undisturbed


def drafts_of(path: Path) -> list[Path]:
    """The drafts that a writer leaves who is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = set(path.parent.iterdir())
    with suppress(ZeroDivisionError), whole_file(path):
        left = set(path.parent.iterdir()) - before
        raise ZeroDivisionError
    for file in left:
        file.write_bytes(b"half")
    return list(left)


def test_what_a_killed_run_began_is_removed_and_nothing_else(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "archive" / "one", 1)
    out = tmp_path / "out"
    annotate_archive(tmp_path / "archive", out, annotations=True)
    ours = ["archive.json", "manifest.sqlite", "failures/failures.parquet", "annotations/a/b.ecg"]
    drafts = [file for name in ours for file in drafts_of(out / name)]
    drafts += drafts_of(next((out / "beats").glob("*.parquet")))
    journals = [file.with_name(f"{file.name}-journal") for file in drafts if "sqlite" in file.name]
    for file in journals:
        file.write_bytes(b"half")
    theirs = [out / ".notes.part", out / "mine" / ".x.0123456789abcdef.part", *drafts_of(out / "x")]
    for file in theirs:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"theirs")
    assert (len(drafts), len(journals)) == (5, 1)
    annotate_archive(tmp_path / "archive", out, annotations=True)
    assert [file.name for file in [*drafts, *journals] if file.exists()] == []
    assert all(file.exists() for file in theirs)


def test_changes_are_noticed(tmp_path: Path, save: Save, parts: Parts, capsys: Capture) -> None:
    folder, out = tmp_path / "a", tmp_path / "out"
    for i in range(3):
        save(folder / str(i), i)
    (folder / "bad.csv").write_text("")
    argv = ["annotate", str(folder), "--output", str(out), "--workers", "1"]
    assert main(argv) == 1
    first = parts(out)
    # The same content at another time is the same recording; a new one is added unasked.
    os.utime(folder / "0.dat")
    save(folder / "3", 3)
    assert main(argv) == 1
    assert "4 of 5 done, 1 failed" in capsys.readouterr().out
    assert first.items() <= parts(out).items()
    # Another model or method
    assert main([*argv, "--method", "adaptive"]) == 1
    err = capsys.readouterr().err
    assert "method was 'neural' and is 'adaptive'" in err
    assert "--mix" in err
    assert "--restart" in err
    # Other content, and one that is gone
    save(folder / "0", 7)
    for file in folder.glob("1.*"):
        file.unlink()
    assert main(argv) == 1
    err = capsys.readouterr().err
    of = "of the recordings with results 1"
    assert f"{of} changed since (0); {of} gone (1)" in err
    assert "--update" in err
    assert main([*argv, "--update"]) == 1
    assert "3 of 4 done, 1 failed" in capsys.readouterr().out
    # The bad one is good now: it has changed, and is tried again.
    save(folder / "bad.csv", 5)
    assert main(argv) == 0
    assert "4 of 4 done" in capsys.readouterr().out
    updated = rows(out)
    assert main([*argv, "--restart"]) == 0
    assert rows(out) == updated


def test_a_failed_one_that_is_the_same_is_tried_when_it_is_asked_for(
    tmp_path: Path, save: Save, capsys: Capture
) -> None:
    save(tmp_path / "a" / "1")
    (tmp_path / "a" / "bad.csv").write_text("")
    argv = ["annotate", str(tmp_path / "a"), "--output", str(tmp_path / "out"), "--workers", "1"]
    for more in ([], [], ["--retry-failed"]):
        assert main([*argv, *more]) == 1
    begun = re.findall("begun: .*", (tmp_path / "out" / "log.txt").read_text())
    assert ["tried again" in line for line in begun] == [False, False, True]


def test_reasons_of_failures_are_grouped_and_a_run_without_work_says_so(
    tmp_path: Path, save: Save, capsys: Capture
) -> None:
    folder = tmp_path / "a"
    save(folder / "1")
    (folder / "a.csv").write_text("")
    for name in "bcd":
        (folder / f"{name}.csv").write_text("0.1\n0.2\n" * 500)
    argv = ["annotate", str(folder), "--output", str(tmp_path / "out"), "--workers", "1"]
    assert main(argv) == 1
    first, second = re.findall("failed      (.*)", capsys.readouterr().out)
    assert first.startswith("3 recordings, such as b.csv: carries no sampling rate")
    assert "--fs 360" in first
    assert second.startswith("a.csv: holds no samples")
    assert main(argv) == 1
    assert re.search(r"time .* s, nothing new to label\n", capsys.readouterr().out)


def test_of_mixed_results_each_recording_says_what_it_was_made_with(
    tmp_path: Path, save: Save, capsys: Capture
) -> None:
    folder, out = tmp_path / "a", tmp_path / "out"
    save(folder / "1")
    argv = ["annotate", str(folder), "--output", str(out), "--workers", "1"]
    assert main(argv) == 0
    # With nothing to do, nothing is made otherwise: the first settings stay those of the results.
    assert main([*argv, "--method", "adaptive", "--mix"]) == 0
    assert archive_status(out).mixed == []
    assert main(argv) == 0
    save(folder / "2", 2)
    capsys.readouterr()
    assert main([*argv, "--method", "adaptive", "--mix", "--reject", "0.05"]) == 0
    told = "mixed with  earlier results: method was 'neural' and is 'adaptive'; reject was 0.0"
    assert told in capsys.readouterr().out
    pq = pytest.importorskip("pyarrow.parquet")
    made = pq.read_table(out / "records", columns=["recording", "parameters"]).to_pylist()
    assert {row["recording"]: row["parameters"] for row in made} == {
        "1": "{}",
        "2": '{"method": "adaptive", "reject": 0.05}',
    }


def rows(out: Path) -> list[Any]:
    pq = pytest.importorskip("pyarrow.parquet")
    found = [pq.read_table(file) for file in (out / "records").glob("*.parquet")]
    return sorted((row["recording"], row["sha256"], row["beats"]) for t in found for row in
                  t.to_pylist())  # fmt: skip


def test_a_file_that_changes_while_it_is_read_is_a_failure(
    tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgfast.archive.classify import Annotator
    from ecgfast.archive.settings import Settings

    path = save(tmp_path / "growing")
    dat = path.with_name("growing.dat")

    def grow(blocks: Any) -> Any:
        for block in blocks:
            dat.write_bytes(dat.read_bytes() + bytes(400))
            yield block

    with pytest.raises(Exception, match="changed while it was read"):
        Annotator(Settings())(path, progress=grow)


DEADLY = """
import os, signal, time
def watch(event, args):
    name = str(args[0]) if event == "open" and str(args[0]).endswith(".dat") else ""
    if "deadly" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    elif "hanging" in name:
        time.sleep(600)
    elif "greedy" in name:
        raise MemoryError
sys.addaudithook(watch)
"""


@pytest.mark.thorough
def test_a_recording_that_kills_or_hangs_its_worker_harms_no_other(
    tmp_path: Path, save: Save, hook: Hook
) -> None:
    hook(DEADLY)
    folder, out = tmp_path / "a", tmp_path / "out"
    for i, name in enumerate(["1", "2", "deadly", "greedy", "hanging", "z"]):
        save(folder / name, i)
    status = annotate_archive(folder, out, workers=1, timeout=30.0)
    assert status.counts.done == 3
    reasons = dict(status.failures)
    assert reasons["deadly"] == "a worker died (SIGSEGV) at it"
    assert reasons["hanging"] == "a worker gave no sign of life for 30 s at it"
    assert "memory" in reasons["greedy"]
    assert re.search(r"SIGSEGV\) at deadly: Fatal", (out / "log.txt").read_text())


def test_a_worker_has_no_last_words_of_its_own() -> None:
    """What stands in the log beside a worker that was killed is not about its start."""
    ended = subprocess.run(
        module_command("ecgfast.archive.child"), input=b"", capture_output=True, check=True
    )
    assert ended.stderr == b""


def test_what_a_killed_worker_left_is_gone_when_the_run_ends(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "a" / "1")
    out = tmp_path / "out"
    left: list[Path] = []

    def watch(counts: Any, text: str) -> None:
        left.extend(drafts_of(out / "beats" / "000000-x.parquet"))

    annotate_archive(tmp_path / "a", out, workers=1, watch=watch)
    assert left
    assert not any(file.exists() for file in left)


HALF_WRITTEN = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.executemany("INSERT INTO problems VALUES (?, ?)", [("x" * 500, "y")] * 500)
os._exit(0)
"""


def test_the_status_of_a_run_that_was_killed_as_it_wrote(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "a" / "1")
    out = tmp_path / "out"
    annotate_archive(tmp_path / "a", out, workers=1)
    before = archive_status(out)
    file = out / "manifest.sqlite"
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(file)], check=True)
    assert file.with_name("manifest.sqlite-journal").stat().st_size
    assert archive_status(out) == before


def test_a_manifest_that_cannot_be_made_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.archive.manifest._LAYOUT", "CREATE TABLE a (b); nonsense;")
    with pytest.raises(InputError), Manifest(tmp_path / "out", write=True):
        pass
    assert not [
        path.name for path in (tmp_path / "out").iterdir() if "manifest.sqlite" in path.name
    ]


def test_a_full_disk_asks_for_room(tmp_path: Path) -> None:
    with Manifest(tmp_path, write=True) as manifest:
        manifest._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(InputError, match=r"disk is full.*make room there, and start again"):
            manifest.keep(made="x" * 100_000)


def test_a_damaged_manifest_and_a_strange_folder_are_refused(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "a" / "1")
    out = tmp_path / "out"
    (out / "beats").mkdir(parents=True)
    with pytest.raises(InputError, match="holds beats and no manifest"):
        annotate_archive(tmp_path / "a", out)
    (out / "beats").rmdir()
    with Manifest(out, write=True):
        pass
    (out / "manifest.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(InputError, match=r"manifest.sqlite: (is damaged|cannot be used)"):
        annotate_archive(tmp_path / "a", out)
    (out / "other.txt").write_text("kept")
    assert annotate_archive(tmp_path / "a", out, restart=True, workers=1).complete
    assert (out / "other.txt").read_text() == "kept"


def test_the_manifest_is_planned_whole_or_not_at_all(tmp_path: Path) -> None:
    from ecgfast.archive.classify import Facts
    from ecgfast.archive.places import Item
    from ecgfast.archive.planning import cut

    def broken() -> Any:
        yield from cut([(Item("1", "/1"), Facts(5, 0))])
        raise KeyboardInterrupt

    with Manifest(tmp_path, write=True) as manifest:
        with pytest.raises(KeyboardInterrupt):
            manifest.plan(broken(), made={})
        assert manifest.counts().recordings == 0
        assert manifest.about("made") is None
    with sqlite3.connect(tmp_path / "manifest.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
