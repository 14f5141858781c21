"""No command destroys its input or what is not its own, however the output is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lazily import Lazily
from record_files import write_wfdb

from ecgfast.cli import main
from ecgfast.cli.errors import UsageError
from ecgfast.cli.overwriting import (
    ANNOTATIONS,
    CARD,
    DATA_SET,
    MODEL,
    PAGE,
    PICTURE,
    RUN_FILE,
    FileKind,
    OutputGuard,
    csv_kind,
    json_kind,
    record_files,
)
from ecgfast.records import Record, read_annotations, synthetic_ecg, write_annotations
from ecgfast.reports.table import write_tables
from ecgfast.training.datasets.examples import ExampleSet

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files and descriptors")


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(20.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture
def record(tmp_path: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WFDB record with reference annotations in the working folder."""
    pytest.importorskip("wfdb")
    monkeypatch.chdir(tmp_path)
    path = write_wfdb(tmp_path, "a", ecg.signal.astype(float), "16")
    write_annotations(tmp_path / "a.atr", [10, 500], ["N", "V"], 250.0)
    return path


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused: one line, and every file as it was."""

    def run(*args: object, status: int = 2) -> str:
        before = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}
        capsys.readouterr()
        assert main([str(arg) for arg in args]) == status
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()} == before
        return err

    return run


# ------------------------------------------------------------------ inputs


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_no_file_of_a_record_is_written_over(
    record: Path, refused: Refused, force: list[str]
) -> None:
    for name in ("a.atr", "a.dat", "a.hea", "../" + record.parent.name + "/a.dat"):
        told = refused("detect", record, "--output", name, *force)
        assert f"--output {name}: is the input" in told
        assert "--force" not in told
    assert refused("detect", "a", "--output", "a.atr", *force)


@posix
@pytest.mark.parametrize("command", ["detect", "classify", "stream"])
def test_links_to_an_input_are_known(
    record: Path, model: Path, refused: Refused, command: str
) -> None:
    Path("hard.ecg").hardlink_to("a.dat")
    Path("soft.ecg").symlink_to("a.dat")
    args = [command, record, *([] if command == "detect" else ["--model", model])]
    for name in ("hard.ecg", "soft.ecg"):
        assert "is the input" in refused(*args, "--output", name, "--force")


def test_a_table_is_not_written_over_itself(
    tmp_path: Path, ecg: Record, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savetxt("in.csv", ecg.signal[:, 0])
    told = refused("detect", "in.csv", "--fs", 250, "--output", "in.csv", "--force")
    assert told == "ecgfast: --output in.csv: is read as input; give another file\n"


def test_a_model_is_not_written_over(record: Path, model: Path, refused: Refused) -> None:
    before = model.read_bytes()
    for name in (model, model.with_suffix(".json")):
        told = refused("classify", record, "--model", model, "--output", name, "--force")
        assert "is the input" in told or "is read as input" in told
    assert model.read_bytes() == before


def test_files_of_a_record_of_segments(tmp_path: Path) -> None:
    (tmp_path / "m.hea").write_text("m/2 1 250 2000\ns1 1000\ns2 1000\n")
    for name in ("s1", "s2"):
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 250 1000\n{name}.dat 16\n")
    (tmp_path / "loop.hea").write_text("loop/1 1 250 1000\nloop 1000\n")
    for given in ("m", "m.hea", "m.dat"):
        found = {path.name for path in record_files(tmp_path / given)}
        assert {"m.hea", "m.atr", "s1.hea", "s1.dat", "s2.hea", "s2.dat"} <= found
    assert {path.name for path in record_files(tmp_path / "loop")} >= {"loop.hea"}
    assert [path.name for path in record_files(tmp_path / "x.npy")] == ["x.npy"]
    assert list(record_files(".")) == [Path()]


def test_what_is_in_a_folder_of_inputs(tmp_path: Path) -> None:
    (tmp_path / "data" / "mitdb").mkdir(parents=True)
    file = tmp_path / "data" / "mitdb" / "100.dat"
    file.write_bytes(b"signal")
    (tmp_path / "link").hardlink_to(file)
    guard = OutputGuard([tmp_path / "data"], force=True)
    for path in (file, tmp_path / "link"):
        with pytest.raises(UsageError, match="is among the inputs in"):
            guard.check(path, DATA_SET)
    with pytest.raises(UsageError, match="--force"):
        OutputGuard([tmp_path / "data"], force=False).check(file, DATA_SET)


# ------------------------------------------------------------------ earlier outputs


def test_an_earlier_output_is_replaced_and_named(
    record: Path, model: Path, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    outputs = {"detect": ("o.qrs", "o.csv", "o.json"), "classify": ("p.ecg", "p.csv", "p.json")}
    for command, names in outputs.items():
        more = [] if command == "detect" else ["--model", str(model)]
        for name in names:
            for again in (False, True):
                capsys.readouterr()
                assert main([command, str(record), *more, "--output", name]) == 0
                err = capsys.readouterr().err
                assert err.startswith(f"ecgfast: {name}: replaced a" if again else "")
                assert err.count("\n") == again
    # Of another command, or of another kind: not unasked.
    for name in ("p.csv", "p.json"):
        told = refused("detect", record, "--output", name)
        assert told.startswith(f"ecgfast: --output {name}: is there already, and not known as ")
        assert told.endswith("give another file, or --force to replace it\n")
    assert main(["detect", str(record), "--output", "p.csv", "--force"]) == 0
    assert "p.csv: replaced what was there, as --force asks" in capsys.readouterr().err


def test_the_output_with_a_name_made_up_is_guarded_too(
    record: Path, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "a.qrs").write_text("my notes")
    assert "ecgfast: output a.qrs: is there already" in refused("detect", record)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.qrs").write_text("my notes")
    assert "--output out/a.qrs: is there" in refused("detect", record, "--output", "out")


def test_nothing_is_lost_with_an_empty_file(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "o.csv").touch()
    assert main(["detect", str(record), "--output", "o.csv"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.thorough
def test_demo_replaces_its_own_files_only(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    args = ["demo", "--output", str(tmp_path), "--model", str(model)]
    for name in ("demo.png", "demo.html"):
        (tmp_path / name).write_text("mine")
        assert f"{name}: is there already" in refused(*args)
        (tmp_path / name).unlink()
    assert main(args) == 0
    assert capsys.readouterr().err == ""
    assert main(args) == 0
    assert capsys.readouterr().err.count("replaced a p") == 2


@pytest.mark.parametrize(
    "args",
    [
        ["prepare", "--output", "mine"],
        ["prepare", "--csv", "mine", "--output", "mine", "--force"],
        ["train", "beats", "--output", "models", "--work", "w"],
        ["train", "beats", "--output", "x", "--work", "run"],
        ["crossval", "beats", "--output", "stem"],
        ["export", "mine.keras", "--output", "models"],
        ["export", "models/beats.json", "--output", "models", "--force"],
        ["evaluate", "beats", "--html", "mine"],
        ["evaluate", "--detector", "data", "--html", "mine"],
        ["evaluate", "beats", "--work", "judged"],
    ],
)
def test_every_command_is_refused_before_it_works(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    if args[0] == "export" or "--work" in args:  # asks for its extra first
        Lazily("keras", "the extra train is not installed")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mine.keras", "models/beats.json", "models/beats.tflite", "stem.md"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"PK\x03\x04, as files of Keras begin: what somebody needs")
    for name in ("run/model.keras", "judged/scores/own.json", "data/RECORDS"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("what somebody needs")
    data = [] if "--detector" in args else ["--data", "data"]
    told = refused(*args, *data)
    assert "is there already, and not known as" in told or "is read as input" in told


@pytest.mark.parametrize(
    "args",
    [
        ["demo", "--output", "mine/x"],
        ["detect", "a", "--output", "mine/x.csv"],
        ["detect", "a", "a", "--output", "mine/x/"],
        ["detect", "a", "a", "--output", "x", "--summary", "mine/x.csv"],
        ["classify", "a", "--output", "mine/x.csv"],
        ["stream", "a", "--output", "mine/x.ecg"],
        ["stream", "a", "--save", "mine/x"],
        ["report", "a", "--output", "mine/x.html"],
        ["report", "a", "a", "--output", "mine/x"],
        ["review", "a", "--terminal", "--output", "mine/x"],
        ["review", "a", "--export", "mine/x.npz"],
        ["annotate", "data", "--output", "mine/x"],
        ["summary", "data", "--output", "mine/x"],
        ["prepare", "--output", "mine/x.npz"],
        ["prepare", "--csv", "mine", "--output", "mine/x.npz"],
        ["train", "beats", "--output", "mine/x", "--work", "w"],
        ["train", "beats", "--output", "x", "--work", "mine/x"],
        ["crossval", "beats", "--output", "mine/x"],
        ["crossval", "beats", "--output", "x", "--work", "mine/x"],
        ["export", "mine.keras", "--output", "mine/x"],
        ["evaluate", "beats", "--html", "mine/x.html"],
        ["evaluate", "beats", "--work", "mine/x"],
        ["evaluate", "--detector", "data", "--html", "mine/x.html"],
        ["service", "--root", "mine/x", "stream", "udp:9000", "--fs", "250", "--save", "night"],
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    args: list[str], record: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of these recordings, models and results can be worked on: the output is seen first."""
    if args[0] in ("export", "train", "crossval") or "--work" in args:
        Lazily("keras", "the extra train is not installed")
    for name in ("mine", "mine.keras"):
        Path(name).write_bytes(b"PK\x03\x04, as files of Keras begin: what somebody needs")
    Path("data").mkdir()
    Path("data/RECORDS").write_text("what somebody needs")
    monkeypatch.setenv("ECGFAST_DATA", "data")
    before = sorted(Path().rglob("*"))
    told = refused(*args, status=1)
    where = "mine" if args[0] in ("annotate", "service") else "mine/x"
    assert where in told
    assert "mine is a file, not a folder; give another path" in told
    assert sorted(Path().rglob("*")) == before


# ------------------------------------------------------------------ kinds


def refuses(kind: FileKind, path: Path) -> bool:
    try:
        OutputGuard([], force=False).check(path, kind)
    except UsageError:
        return True
    return False


def test_kinds_are_known_by_their_content(tmp_path: Path, model: Path) -> None:
    write_annotations(tmp_path / "a.ecg", [5], ["N"], 359.97, aux=["text"])
    write_tables(tmp_path / "page", "Title", ["line"], [])
    (tmp_path / "table").write_text("sample,time\n1,2\n")
    (tmp_path / "object").write_text('{"one": 1, "two": 2}')
    ExampleSet(
        {"window": np.zeros((2, 4), np.float32)},
        np.zeros(2, np.int8),
        np.array(["p", "q"]),
        np.array(["r", "s"]),
        {"classes": ["N"]},
    ).save(tmp_path / "set")
    kinds = {
        "a.ecg": ANNOTATIONS,
        "page": PAGE,
        "table": csv_kind("a table", ("sample", "time")),
        "object": json_kind("an object", "one", "two"),
        "set": DATA_SET,
    }
    write_annotations(tmp_path / "corrected.ecg", [5, 9], ["N", "A"], 360.0)  # by a cardiologist
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "text").write_bytes(b"\0\1\2 nothing known " * 1000)
    files = list(tmp_path.iterdir())
    for name, kind in kinds.items():
        assert [path.name for path in files if not refuses(kind, path)] == [name]
    for kind in (PICTURE, CARD, MODEL, RUN_FILE):
        assert all(refuses(kind, path) for path in files)
    assert not refuses(CARD, model.with_suffix(".json"))
    assert not refuses(MODEL, model)
    other = tmp_path / "arbitrary.int8.tflite"  # the card beside it lists no such file
    other.write_bytes(model.read_bytes())
    (tmp_path / "arbitrary.json").write_bytes(model.with_suffix(".json").read_bytes())
    assert refuses(MODEL, other)
    other = other.rename(tmp_path / model.name)
    assert not refuses(MODEL, other)
    np.savez(tmp_path / "checkpoint.npz", numbers=np.zeros(1))
    assert not refuses(RUN_FILE, tmp_path / "text")
    assert not refuses(PAGE, tmp_path / "page")
    wider = csv_kind("a table", ("sample",), more=True)
    assert not refuses(wider, tmp_path / "table")


# ------------------------------------------------------------------ processes


def command(*args: object, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ecgfast", *map(str, args)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if line.startswith(("ecgfast ", "(")):
        line = line.replace("ecgfast", f"'{sys.executable}' -m ecgfast")
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, cwd=folder, timeout=120
    )


@posix
def test_standard_streams_are_inputs_and_outputs_too(record: Path, tmp_path: Path) -> None:
    (tmp_path / "in.ecg").write_text("0.1\n" * 500)
    done = shell("ecgfast stream - --fs 250 --output in.ecg --force < in.ecg", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is the input standard input" in done.stderr
    done = shell("ecgfast detect a --output o.csv > o.csv", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is where standard output or standard error goes" in done.stderr


@posix
def test_beats_on_standard_output_come_alone(record: Path, tmp_path: Path) -> None:
    done = shell("ecgfast detect a --output o.csv", tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "log").write_text("before\n")
    for target in ("/dev/stdout | cat > piped", "/dev/stdout >> log"):
        done = shell(f"ecgfast detect a --format csv --output {target}", tmp_path)
        assert done.returncode == 0
        assert "written     /dev/stdout" in done.stderr
    assert (tmp_path / "piped").read_text() == (tmp_path / "o.csv").read_text()
    assert (tmp_path / "log").read_text() == "before\n" + (tmp_path / "o.csv").read_text()


@posix
def test_closed_standard_streams(record: Path, tmp_path: Path) -> None:
    closed = "standard output is closed"
    for line, status, told in (
        ("ecgfast models >&-", 1, closed),
        ("ecgfast --help >&-", 1, closed),
        ("ecgfast detect a >&-", 1, closed),
        ("ecgfast stream - --fs 250 <&-", 1, "standard input is closed"),
        ("ecgfast stream - --fs 250 >&- <&-", 1, closed),
    ):
        done = shell(line, tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1), line
        assert told in done.stderr
    assert not (tmp_path / "a.qrs").exists()
    # What is not needed may be closed; no file gets its number, where messages would go.
    done = shell("ecgfast detect a --output o.csv <&- 2>&- >told", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "written     o.csv" in (tmp_path / "told").read_text()
    assert (tmp_path / "o.csv").read_text().startswith("sample,time")
    done = shell("ecgfast detect missing 2>&-", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


@posix
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os; from ecgfast.cli.process import reserve_standard_streams as r; "
        "r(); print(os.open(os.devnull, os.O_RDONLY))"
    )
    done = shell(f"'{sys.executable}' -c '{code}' <&- 2>&-", tmp_path)
    assert int(done.stdout) > 2


@pytest.mark.thorough
@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output(record: Path, tmp_path: Path) -> None:
    for line in ("ecgfast models --json", "ecgfast stream a --pace fast", "ecgfast detect a"):
        done = shell(f"{line} > /dev/full", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "No space left on device" in done.stderr


@pytest.mark.thorough
@posix
def test_a_reader_that_goes_away(record: Path, tmp_path: Path) -> None:
    for line in ("ecgfast stream a --pace fast", "ecgfast models --json", "ecgfast stream --help"):
        done = shell(f"{line} | head -1", tmp_path)
        assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    os.mkfifo(tmp_path / "p.csv")
    done = shell("(: < p.csv) & ecgfast detect a --output p.csv; wait", tmp_path)
    assert done.stderr.count("\n") <= 1
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
@posix
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 0)])
def test_what_was_live_on_disk_is_complete(
    record: Path, model: Path, name: str, status: int, tmp_path: Path
) -> None:
    """Everything printed is in the file, and the file ends as it should."""
    file = tmp_path / "night.ecg"
    args = ["stream", record, "--model", model, "--json", "--output", file]
    with command(*args) as process:
        assert process.stdout is not None
        # What is streamed, then the first beat.
        first = process.stdout.readline() + process.stdout.readline()
        process.send_signal(getattr(signal, name))
        assert process.stderr is not None
        rest, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (status, b"")
    rows = map(json.loads, (first + rest).splitlines())
    printed = [row["sample"] for row in rows if "label" in row]
    assert len(printed) >= 1
    assert read_annotations(file).sample.tolist() == printed
    assert file.read_bytes().endswith(b"\0\0")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux makes it")
def test_a_terminal_that_is_closed(record: Path, model: Path, tmp_path: Path) -> None:
    """Nothing can be printed any more; the file still gets every beat."""
    import fcntl
    import termios

    ours, theirs = os.openpty()
    file = tmp_path / "night.ecg"
    with command(
        *("stream", record, "--model", model, "--output", file),
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(theirs)
        shown = b""
        while shown.count(b"\n") < 3:  # a heading and two beats
            shown += os.read(ours, 1 << 12)
        os.close(ours)
        assert process.wait(300) == 129
    data = file.read_bytes()
    assert data.endswith(b"\0\0")
    times = [float(line.split()[0][:-1]) for line in shown.decode().splitlines()[1:3]]
    marks = read_annotations(file).sample
    np.testing.assert_allclose(marks[:2] / 250.0, times, atol=6e-4)


@posix
def test_beats_live_through_a_pipe(record: Path, model: Path, tmp_path: Path) -> None:
    pipe, got = tmp_path / "night.ecg", tmp_path / "got.ecg"
    os.mkfifo(pipe)
    with command("stream", record, "--model", model, "--pace", "fast", "--output", pipe) as process:
        got.write_bytes(pipe.read_bytes())
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    lines = [line for line in out.splitlines() if b"  event  " not in line]
    assert len(read_annotations(got)) == len(lines) - 1
    assert pipe.is_fifo()


def full_pipe(path: Path) -> int:
    """A pipe with a name, into which nothing fits; the descriptor that holds it open."""
    os.mkfifo(path)
    number = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    for size in (1 << 12, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(number, bytes(size))
    return number


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):
            if link.readlink() == path.resolve():
                return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has open is found in /proc")
def test_a_command_that_is_ended_leaves_no_draft(record: Path, model: Path, tmp_path: Path) -> None:
    """The output is a pipe that nobody reads any more: the command waits, and is ended there."""
    waiting = {}
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):  # at once: they all wait
        output = tmp_path / f"{name}.csv"
        held = full_pipe(output)
        waiting[name] = output, held, command("classify", record, "--model", model, "-o", output)
    for name, (output, held, process) in waiting.items():
        with process:
            while not has_open(process, output):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(getattr(signal, name))
            out, err = process.communicate(timeout=300)
        os.close(held)
        status = 128 + getattr(signal, name)
        assert (process.returncode, out, err) == (status, b"", b""), name
    assert not list(tmp_path.glob(".*"))
