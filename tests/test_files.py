"""Files are whole or not there, whatever kills, crowds or starves their writer."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfast
from ecgfast._files import (
    check_writable,
    descriptor_of,
    temporary_folder,
    whole_file,
    write_whole,
)
from ecgfast.errors import InputError, ModelError, RecordError
from ecgfast.records import read_annotations
from ecgfast.records.annotation_file import AnnotationFile
from ecgfast.training.datasets.set_files import write_set

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files, signals and limits")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def in_process(code: str, *args: object, **more: Any) -> subprocess.Popen[bytes]:
    """A fresh interpreter that runs some code."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


# ------------------------------------------------------------------ mode, links, what is no file


@posix
def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path, umask: Callable[[int], int]) -> None:
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        umask(mask)
        file = tmp_path / f"{mask}"
        write_whole(file, "new")
        assert stat.S_IMODE(file.stat().st_mode) == mode


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    file.chmod(mode)
    with whole_file(file) as out:
        draft = next(path for path in tmp_path.iterdir() if path != file)
        assert stat.S_IMODE(draft.stat().st_mode) == mode  # at no time wider
        out.write(b"new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == mode
    growing = tmp_path / "g.ecg"
    growing.touch()
    growing.chmod(mode)
    AnnotationFile(growing, 250.0, replace=True).close()
    assert stat.S_IMODE(growing.stat().st_mode) == mode


@posix
@pytest.mark.skipif(os.name == "posix" and os.getuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_protected(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    file.chmod(0o444)
    with pytest.raises(InputError, match="read-only"):
        write_whole(file, "new")
    assert file.read_text() == "old"


@posix
def test_the_target_of_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    folder = tmp_path / "far"
    folder.mkdir()
    (folder / "old").write_text("old")
    for link, target in (("link", "far/old"), ("second", "link"), ("dangling", "far/new")):
        (tmp_path / link).symlink_to(target)
        write_whole(tmp_path / link, link)
        assert (tmp_path / link).is_symlink()
        assert (tmp_path / target).read_text() == link
    assert names(folder) == ["new", "old"]
    growing = tmp_path / "night.ecg"
    growing.symlink_to("far/night.ecg")
    with AnnotationFile(growing, 250.0) as file:
        file.write(5, "N")
    assert growing.is_symlink()
    assert read_annotations(folder / "night.ecg").sample.tolist() == [5]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"loop: cannot be written"):
        write_whole(tmp_path / "loop", "x")


@posix
def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "p.ecg"
    os.mkfifo(pipe)
    for write in (
        lambda: write_whole(pipe, b"abc"),
        lambda: write_set(pipe, {"a": 1}, {"x": np.arange(5)}),
        lambda: AnnotationFile(pipe, 250.0).close(),
    ):
        got: list[bytes] = []
        reader = threading.Thread(target=lambda got=got: got.append(pipe.read_bytes()))
        reader.start()
        write()
        reader.join(300)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert len(got[0]) >= 3
    assert got[0].endswith(b"\0\0")
    assert names(tmp_path) == ["p.ecg"]


@posix
def test_devices_are_written_through(tmp_path: Path) -> None:
    write_whole(os.devnull, "gone")
    assert Path(os.devnull).is_char_device()
    if Path("/dev/full").exists():
        with pytest.raises(
            InputError, match=r"/dev/full: cannot be written \(No space left.*: make room there\)"
        ):
            write_whole("/dev/full", "x" * 100_000)
        with pytest.raises(RecordError, match="No space left"):
            write_set("/dev/full", {}, {"x": np.zeros(10_000)})


@posix
def test_standard_output_by_name_keeps_its_place(tmp_path: Path) -> None:
    """A second opening of the file would start at its beginning again."""
    code = """
import sys
from ecgfast._files import write_whole
print("before", flush=True)
for name in sys.argv[1:]:
    write_whole(name, name + "\\n")
print("after", flush=True)
"""
    link = tmp_path / "link"
    link.symlink_to("/dev/stdout")
    given = ["/dev/stdout", "/dev/fd/1", str(link)]
    out = tmp_path / "out"
    with out.open("wb") as file:
        command = [sys.executable, "-c", code, *given]
        subprocess.run(command, stdout=file, check=True)
    assert out.read_text().splitlines() == ["before", *given, "after"]
    assert descriptor_of("/dev/stderr") == 2
    assert descriptor_of(out) is None
    assert descriptor_of(f"/proc/{os.getppid()}/fd/1") is None


def test_folders_and_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        write_whole(tmp_path, "x")
    with pytest.raises(ModelError, match=r"none.f: cannot be written \(No such file"):
        write_whole(tmp_path / "none" / "f", "x", ModelError)
    assert names(tmp_path) == []


def test_text_with_bytes_that_are_none_is_written_out(tmp_path: Path) -> None:
    """A heading that was typed in another encoding ends no report."""
    write_whole(tmp_path / "f", "Gr\udcf6\udcdfe \u00f6")
    assert (tmp_path / "f").read_text("utf-8") == "Gr\\udcf6\\udcdfe \u00f6"


def test_what_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for given, told in (
        (tmp_path, "--output .* is a folder; give the name of a file"),
        (tmp_path / "file" / "f", "file is a file, not a folder; give another path"),
        (tmp_path / "file" / "none" / "f", "file is a file, not a folder; give another path"),
        (tmp_path / ("n" * 300), r"cannot be written \(File name too long\)"),
    ):
        with pytest.raises(InputError, match=told):
            check_writable(given, "--output")
    check_writable(tmp_path / "none" / "none" / "f")
    check_writable(tmp_path / "file")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that takes no file")
def test_a_folder_that_takes_no_file_is_named_before_the_work() -> None:
    for given in ("/proc/f", "/proc/none/f"):
        with pytest.raises(ModelError, match=rf"--html {given}: cannot be written \(.* in /proc;"):
            check_writable(given, "--html", ModelError)
    check_writable("/dev/null")
    check_writable("/dev/stdout")


# Scratch files in temporary folders of their own.
SCRATCH = {
    "archive/places.py", "benchmark/measure.py", "training/export/_convert.py",
    "training/export/tflite.py",
}  # fmt: skip
# Files that grow: a log, and a live signal.
GROWING = {"archive/engine.py", "records/saving.py"}
WRITES = re.compile(
    r"""\.write_(text|bytes)\(|open\([^)]*["'][rwax]b?\+?[wxa+]|open\(["'][wxa]|\bos\.(replace|rename)\("""
    r"""|\.(to_csv|savetxt|tofile)\(|np\.save\("""
)


def test_every_file_of_the_package_is_written_in_one_place() -> None:
    home = Path(ecgfast.__file__).parent
    found = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found == SCRATCH | GROWING


# ------------------------------------------------------------------ kills, crowds, full disks

SLOW = """
import sys, time
from ecgfast.cli.errors import guarded
from ecgfast._files import whole_file

def work():
    with whole_file(sys.argv[1]) as file:
        file.write(b"half")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
    return 0

sys.exit(guarded(work, "slow", debug=False))
"""


@posix
@pytest.mark.parametrize(
    ("number", "status", "left"),
    [("SIGTERM", 143, 1), ("SIGHUP", 129, 1), ("SIGINT", 130, 1), ("SIGKILL", -9, 2)],
)
def test_a_killed_writer(tmp_path: Path, number: str, status: int, left: int) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    with in_process(SLOW, file) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(getattr(signal, number))
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (status, b"")
    assert file.read_text() == "old"
    assert len(names(tmp_path)) == left
    write_whole(file, "new")  # what a killed run left behind is in nobody's way
    assert file.read_text() == "new"


@posix
def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLOW.replace(
        "60", "0.5"
    )
    with in_process(code, tmp_path / "f") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert process.wait(300) == 0
    assert (tmp_path / "f").read_text() == "half"


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = """
import sys
from ecgfast._files import whole_file
for _ in range(40):
    with whole_file(sys.argv[1]) as file:
        for _ in range(20):
            file.write(sys.argv[2].encode() * 1000)
            file.flush()
"""
    file = tmp_path / "f"
    writers = [in_process(code, file, letter) for letter in "abc"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if file.exists():
            content = file.read_bytes()
            assert len(content) == 20_000
            assert len(set(content)) == 1
            seen.add(content[:1])
    assert [writer.communicate() for writer in writers] == [(b"", b"")] * 3
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert seen
    assert names(tmp_path) == ["f"]


def test_threads_write_one_file(tmp_path: Path) -> None:
    def write(letter: str) -> None:
        for _ in range(50):
            write_whole(tmp_path / "f", letter * 10_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set((tmp_path / "f").read_text())) == 1
    assert names(tmp_path) == ["f"]


LIMITED = """
import resource, sys
from pathlib import Path
from ecgfast.errors import EcgfastError
sys.dont_write_bytecode = True  # which Python would cut short without a word
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
path = Path(sys.argv[1])
"""


@posix
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    code = (
        LIMITED
        + """
import numpy as np
from ecgfast._files import write_whole
from ecgfast.training.datasets.set_files import write_set
for data in ("x" * 100_000, {"x": np.zeros(100_000)}):
    try:
        write_whole(path, data) if isinstance(data, str) else write_set(path, {}, data)
    except EcgfastError as error:
        print(error)
"""
    )
    file = tmp_path / "f"
    file.write_text("old")
    with in_process(code, file, 5000) as process:
        out, err = process.communicate(timeout=300)
    if int(np.__version__.split(".")[0]) > 1:  # the archive of an older NumPy is closed by its end
        assert err == b""
    assert out.decode().splitlines() == [f"{file}: cannot be written (File too large)"] * 2
    assert file.read_text() == "old"
    assert names(tmp_path) == ["f"]


@posix
def test_a_growing_file_on_a_full_disk_keeps_its_end(tmp_path: Path) -> None:
    """At every size at which the disk may be full, the file ends after its last whole mark."""
    code = (
        LIMITED
        + """
from ecgfast.records.annotation_file import AnnotationFile
for room in range(20, 90):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, int(sys.argv[2])))
    file, count = path.with_suffix(f".r{'x' * room}"), 0
    try:
        out = AnnotationFile(file, 250.0)
        for i in range(20):
            out.write(5000 * i, "Q", "abnormal"[: i % 4])
            count += 1
    except EcgfastError as error:
        assert not file.exists() or file.read_bytes()[-2:] == bytes(2)  # at once, not when closed
        print(count, error)
        if file.exists():
            out.close()
"""
    )
    with in_process(code, tmp_path / "n.x", 5000) as process:
        out, err = process.communicate(timeout=300)
    assert err == b""
    lines = out.decode().splitlines()
    assert len(lines) == 70
    files = {path.suffix.count("x"): path for path in tmp_path.iterdir()}
    for room, line in zip(range(20, 90), lines, strict=True):
        count, _, told = line.partition(" ")
        assert told.endswith("cannot be written (File too large)")
        if room not in files:  # not even its head fitted: then there is no file
            assert room < 34
            assert count == "0"
            continue
        data = files[room].read_bytes()
        assert data.endswith(b"\0\0")
        assert len(data) <= room
        marks = read_annotations(files[room])
        assert marks.sample.tolist() == [5000 * i for i in range(int(count))]
    assert len(files) > 50


@posix
def test_a_growing_file_may_replace_another_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "night.ecg"
    file.write_bytes(b"old" * 100)
    with AnnotationFile(file, 250.0, replace=True) as out:
        assert len(read_annotations(file)) == 0
        out.write(100, "V")
    assert read_annotations(file).sample.tolist() == [100]
    assert names(tmp_path) == ["night.ecg"]


def test_models_and_card_come_together_or_not_at_all(tmp_path: Path) -> None:
    from ecgfast.runtime import ModelCard
    from ecgfast.training.export.tflite import _write

    card = ModelCard(name="m", description="", task="beats", classes=("N",), inputs=())
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b"model")
    out.mkdir()
    with pytest.raises(FileNotFoundError):
        _write(out, {"m.tflite": source, "m.int8.tflite": tmp_path / "missing"}, card)
    assert names(out) == []
    (out / "m.json").mkdir()
    with pytest.raises(ModelError, match=r"m\.json: is a folder"):
        _write(out, {"m.tflite": source, "m.int8.tflite": source}, card)
    assert names(out) == ["m.json"]
    (out / "m.json").rmdir()
    _write(out, {"m.tflite": source, "m.int8.tflite": source}, card)
    assert names(out) == ["m.int8.tflite", "m.json", "m.tflite"]


def test_a_full_folder_for_temporary_files_is_named() -> None:
    """Libraries that write there name no file."""

    def fill() -> None:
        with temporary_folder(RecordError) as folder:
            (folder / "kept").write_bytes(b"a while")
            folders.append(folder)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folders: list[Path] = []
    with pytest.raises(RecordError, match=r"temporary files cannot .*make room there\); TMPDIR"):
        fill()
    assert not folders[0].exists()
