"""Files that were made to hang, exhaust or mislead: each ends in one clear line, under limits."""

from __future__ import annotations

import copy
import gzip
import os
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from limited import read_limited, run_limited
from record_files import ecg, wave, write_wfdb

from ecgfast.cli import main
from ecgfast.errors import RecordError
from ecgfast.records import open_record, read_annotations, read_record
from ecgfast.records.finding import find_recordings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")


def refused(path: Path, says: str, **more: int) -> None:
    (line,) = read_limited(path, **more)
    assert line.startswith("refused"), line
    assert says in line
    assert path.name.partition(".")[0] in line


# ---------------------------------------------------------------- headers


def header(folder: Path, *lines: str, samples: int = 1500) -> Path:
    (folder / "r.dat").write_bytes(np.arange(samples, dtype="<i2").tobytes())
    (folder / "r.hea").write_text("\n".join(lines) + "\n")
    return folder / "r.hea"


PROMISES = [
    (
        ["r 1 360 1000", "r.dat 212:1200000000 500 12 0 0 0 0 I"],
        "shifts signal 0 by 1200000000",
    ),
    (["r 1 360 1000", "r.dat 16x100000000 500 12 0 0 0 0 I"], "truncated"),
    (["r 1 360 100000000000", "r.dat 16 500 12 0 0 0 0 I"], "truncated"),
    (["r 1 360 100000000000", "~ 0 500 12 0 0 0 0 I"], "says that"),
    (["r/2 1 360 0", "~ 100000000000", "~ 5"], "no segment with samples"),
    (["r/2 1 360 0", "~ 100000000000", "s 5"], "missing"),
    (["r/99999999 1 360 0", "~ 5"], "99999999 segments"),
    (["r 40000000 360 0", "r.dat 16 500 12 0 0 0 0 I"], "40000000 signals"),
    (["r 1 360 100", "r.dat 16+9999999999999999 500 12 0 0 0 0 I"], "truncated"),
    (["r 1 360 100", "r.dat 99 500 12 0 0 0 0 I"], "signal format 99"),
    (["r 1 360 100", "r.dat 16 1e999 12 0 0 0 0 I"], "no WFDB signal line"),
    (["r 1 nan 100", "r.dat 16 200 12 0 0 0 0 I"], "no WFDB record line"),
    (["r 1 360\0 100", "r.dat 16 200 12 0 0 0 0 I"], "binary data"),
    (["r 1 360 100", "r\0.dat 16 200 12 0 0 0 0 I"], "binary data"),
    (["r 1 360 " + "9" * 5000, "r.dat 16 200 12 0 0 0 0 I"], "r.hea"),
]


@pytest.fixture(scope="module")
def promises(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each of `PROMISES`: one process reads them all."""
    folder = tmp_path_factory.mktemp("promises")
    paths = []
    for k, (lines, _) in enumerate(PROMISES):
        (folder / str(k)).mkdir()
        paths.append(header(folder / str(k), *lines))
    return read_limited(*paths)


@pytest.mark.parametrize("k", range(len(PROMISES)))
def test_headers_that_promise_too_much(k: int, promises: list[str]) -> None:
    assert promises[k].startswith("refused")
    assert PROMISES[k][1] in promises[k]
    assert f"/{k}/" in promises[k]


def test_segments_cannot_make_days_of_nothing(tmp_path: Path) -> None:
    write_wfdb(tmp_path, "s", wave(500, 1), "16")
    (tmp_path / "m.hea").write_text("m/2 1 250 0\n~ 99999999999\ns 500\n")
    refused(tmp_path / "m.hea", "missing")
    (tmp_path / "m.hea").write_text("m/2 1 250 0\nm 5\ns 500\n")
    refused(tmp_path / "m.hea", "segment that has segments")


def test_forty_thousand_leads_are_quick(tmp_path: Path) -> None:
    lines = [f"r {4000} 360 0", *[f"r.dat 16 200 12 0 0 0 0 L{i}" for i in range(4000)]]
    (line,) = read_limited(header(tmp_path, *lines, samples=40_000), seconds=10)
    assert line == "read 10"
    refused(
        header(tmp_path, "r 40000 360 0", *["r.dat 16 200 12 0 0 0 0 I"] * 40_000), "40000 signals"
    )


def test_headers_name_files_of_their_own_folder_only(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "sub").mkdir(parents=True)
    secret = tmp_path / "secret.dat"
    secret.write_bytes(np.arange(1000, dtype="<i2").tobytes())
    for name in ("../secret.dat", str(secret), "link.dat", "sub/../../secret.dat"):
        if name == "link.dat":
            (inner / name).symlink_to(secret)
        (inner / "r.hea").write_text(f"r 1 360 0\n{name} 16 200/mV 16 0 0 0 0 MLII\n")
        refused(inner / "r.hea", "outside its own folder")
        assert read_record(inner / "r", follow=True).n_samples == 1000
    assert main(["detect", str(inner / "r"), "--follow", "--output", str(tmp_path)]) == 0
    (inner / "r.hea").write_text("r/1 1 360 5\n../x 5\n")
    refused(inner / "r.hea", "outside its own folder")
    # Where the record itself is a link, its files may lie beside what it points to.
    write_wfdb(inner, "own", wave(500, 1), "16")
    for kind in ("hea", "dat"):
        (tmp_path / f"own.{kind}").symlink_to(inner / f"own.{kind}")
    assert read_record(tmp_path / "own").n_samples == 500


def test_the_message_spells_the_option_as_the_caller_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.hea").write_text("r 1 360 0\n../x.dat 16 200 16 0 0 0 0 MLII\n")
    with pytest.raises(RecordError, match="follow=True"):
        read_record(tmp_path / "r")
    assert main(["detect", str(tmp_path / "r")]) == 1
    told = capsys.readouterr().err
    assert "--follow" in told
    assert "follow=" not in told


PIPES = [
    "r.dat",
    "r.atr",
    "a.csv",
    "a.txt",
    "a.npz",
    "a.npy",
    "a.edf",
    "a.mat",
    "a.ecg",
    "a.csv.gz",
    "r.hea",
]


def test_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    paths = []
    for name in PIPES:
        folder = tmp_path / f"pipe {name}"
        folder.mkdir()
        header(folder, "r 1 360 0", "r.dat 16 200 16 0 0 0 0 MLII")
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        paths.append(folder / ("r.hea" if name.startswith("r.") else name))
    for name, line in zip(PIPES, read_limited(*paths, seconds=10), strict=True):
        assert "is a pipe or a device" in line, name


def test_devices_and_odd_names(tmp_path: Path) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    refused(tmp_path / "zero.csv", "is a pipe or a device")
    with pytest.raises(RecordError, match=r"no such recording|no name of a file"):
        open_record("a\0b.csv")
    with pytest.raises(RecordError, match=r"no such recording|no name of a file"):
        open_record("a" * 5000 + ".csv")


# ---------------------------------------------------------------- annotations


def note(text: bytes) -> bytes:
    size = len(text)
    return b"\0\x58" + bytes([size & 0xFF, 0xFC | size >> 8]) + text + b"\0" * (size % 2)


DEFINITIONS = note(b"## annotation type definitions")


@pytest.mark.parametrize(
    "data",
    [
        note(b"## made by me") + DEFINITIONS + note(b"## end of definitions") + b"\5\4\0\0",
        DEFINITIONS + b"\5\4\0\0",
    ],
)  # fmt: skip
def test_definitions_without_content(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.atr").write_bytes(data)
    done = run_limited(
        "from ecgfast.records import read_annotations as r; print(len(r(sys.argv[1])))",
        tmp_path / "r.atr",
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (note(b"## time resolution: 1e999"), "time resolution"),
        (note(b"## time resolution: 1e-320"), "time resolution"),
        (note(b"## time resolution: ..e+"), "time resolution"),
        (DEFINITIONS + note(b"99 X"), "annotation type"),
        (DEFINITIONS + note(b"what"), "annotation type"),
        (b"\0\xec\xff\x7f\xff\xff" * 5000 + b"\5\4\0\0", "beyond every recording"),
        (b"\0\xec\0", "truncated"),
        (b"\5\xfc" + b"a" * 100, "starts with text"),
    ],
)
def test_damaged_annotations(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "r.atr").write_bytes(data + b"\0\0")
    with pytest.raises(RecordError, match=says):
        read_annotations(tmp_path / "r.atr", fs=360)


# ---------------------------------------------------------------- arrays


def npy(shape: str, dtype: str = "<f4", body: bytes = b"") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


ARRAYS = [
    npy("(99999999999,)"),
    npy("(999999999999999999999,)"),
    npy("(-5,)"),
    npy("(4, 5, 6)", body=bytes(480)),
    npy("(100,)", "|O", bytes(800)),
    npy("(100,)", "<c8", bytes(800)),
    npy("(100,)", "|V8", bytes(800)),
    npy("(100,)", "<U9999999", bytes(800)),
    npy("(0, 5)"),
    npy("(5, 0)"),
    npy("()", body=bytes(4)),
    npy("((((((1,),),),),),)"),
    npy("[" * 900 + "]" * 900),
    npy("__import__('os').abort()"),
    b"\x93NUMPY\x09\x09" + bytes(100),
    b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100),
]


@pytest.fixture(scope="module")
def damaged_arrays(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each of `ARRAYS`, as a file and in an archive: one process reads them all."""
    folder = tmp_path_factory.mktemp("arrays")
    paths = []
    for k, data in enumerate(ARRAYS):
        paths += [folder / f"{k}.npy", folder / f"{k}.npz"]
        paths[-2].write_bytes(data)
        with zipfile.ZipFile(paths[-1], "w") as archive:
            archive.writestr("signal.npy", data)
    return read_limited(*paths)


@pytest.mark.parametrize("k", range(len(ARRAYS)))
def test_damaged_arrays(k: int, damaged_arrays: list[str]) -> None:
    for line in damaged_arrays[2 * k : 2 * k + 2]:
        assert line.startswith("refused")
        assert "unexpected" not in line


@pytest.mark.thorough
def test_archives_that_unpack_to_too_much(tmp_path: Path) -> None:
    with zipfile.ZipFile(
        tmp_path / "many.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        archive.writestr("x0.npy", bytes(1 << 25))
        for i in range(1, 70):  # all of them are the same bytes of the file
            other = copy.copy(archive.filelist[0])
            other.filename = f"x{i}.npy"
            archive.filelist.append(other)
    refused(tmp_path / "many.npz", "unpacks to more than 2 GB")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", npy("(400000000,)", body=bytes(1)))
    refused(tmp_path / "bomb.npz", "cut short")
    np.savez_compressed(tmp_path / "zeros.npz", signal=np.zeros(1 << 26, np.int8), fs=250.0)
    assert read_limited(tmp_path / "zeros.npz") == [f"read {1 << 26}"]
    with gzip.open(tmp_path / "zeros.csv.gz", "wb") as file:
        for _ in range(8):
            file.write(b"\n" * (1 << 22))
    refused(tmp_path / "zeros.csv.gz", "no samples")


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    write_wfdb(tmp_path, "w", wave(2000, 1), "16")
    np.save(tmp_path / "a.npy", ecg(2000, 1))
    for path, part in ((tmp_path / "w", "w.dat"), (tmp_path / "a.npy", "a.npy")):
        source = open_record(path, fs=250.0)
        os.truncate(tmp_path / part, 1000)
        with pytest.raises(RecordError, match="became shorter"):
            list(source.blocks(1.0))


# ---------------------------------------------------------------- text


NO_RECORDINGS = [
    ",".join(f"n{i}" for i in range(100_000)) + "\n" + "1\n" * 100_000,
    ",".join(["1"] * 100_000) + "\n" + "1\n" * 100_000,
    "1" * 5_000_000 + "\n2\n3\n",
    "time,ECG\n" + "".join(f"{i * 1e-320!r},{i % 7}\n" for i in range(500)),
    "time,ECG\n" + "".join(f"{i * 1e300!r},{i % 7}\n" for i in range(500)),
    "time,ECG\n" + "".join(f"{i * (1 if i < 250 else 1e9)},{i % 7}\n" for i in range(500)),
    "time,ECG\n" + "0,1\n" * 500,
    "time,ECG\n" + "nan,1\n" * 500,
    "# fs=1e999\n" + "0.1\n0.2\n" * 300,
    "# Sampling Rate: 0\n" + "0.1\n0.2\n" * 300,
    "# " + '{"a":' * 20_000 + "\n" + "1\n2\n" * 100,
    "[" * 100_000,
    '{"a": 1e999, "b": [1, 2, 3]}',
    "ECG\n" + "9" * 300 + "\n" + "1e400\n" * 100,
    "\n" * 1_000_000,
    "a\n" * 300_000,
    "'" * 100_000,
]


@pytest.mark.parametrize(
    "line",
    [
        "sampl" * 12_000,
        "1" * 60_000,
        "[" + "1" * 60_000,
        "freq" * 15_000,
        "a:" * 30_000,
        "[1 " * 9_000,
    ],
    ids=lambda line: line[:6],
)
def test_long_lines_of_a_head(tmp_path: Path, line: str) -> None:
    """Patterns that go back and forth took minutes for them."""
    (tmp_path / "a.csv").write_text(f"time,ecg\n{line}\n" + "0,1\n1,2\n" * 1000)
    (told,) = read_limited(tmp_path / "a.csv", seconds=20)
    assert told.startswith(("read", "refused"))


def test_an_array_of_very_many_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4096, 4000), np.int8))
    (told,) = read_limited(tmp_path / "a.npy", seconds=20)
    assert "an array of 4000 columns is no recording" in told


def test_text_that_is_no_recording(tmp_path: Path) -> None:
    paths = []
    for k, text in enumerate(NO_RECORDINGS):
        for suffix in ("csv", "json"):
            paths.append(tmp_path / f"{k}.{suffix}")
            paths[-1].write_text(text)
    for line in read_limited(*paths):
        assert "unexpected" not in line
        assert len(line) < 2000


# ---------------------------------------------------------------- what a terminal would obey

EVIL = "II\x1b[2J\x07\u202e\u200b\x9bx"


def test_names_reach_the_terminal_as_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", signal=ecg(), fs=250.0, leads=[EVIL, "V5"])
    record = read_record(tmp_path / "a.npz", leads=[0, 1])
    assert record.leads[0] == "II\\u001b[2J\\u0007\\u202e\\u200b\\u009bx"
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / f"{EVIL}.csv")
    assert "\x1b" not in str(caught.value)
    (tmp_path / f"{EVIL}.csv").write_text("# fs=250\n" + "\n".join(map(str, ecg()[:, 0])))
    for args in (["--leads", "0"], ["--leads", EVIL], []):
        main(["detect", str(tmp_path / "a.npz"), *args, "--output", str(tmp_path)])
        main(["detect", str(tmp_path / f"{EVIL}.csv"), *args, "--output", str(tmp_path)])
        main(["detect", str(tmp_path / f"{EVIL}.hea"), *args, "--json"])
    main(["stream", EVIL])
    main([EVIL])
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert text
        assert not set(text) & set("\x1b\x07\u202e\u200b\x9b")


def test_dollar_signs_in_pictures_are_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from ecgfast.reports import strip_figure

    figure = strip_figure(ecg(1000, 1)[:, 0], 250.0, lead="$^$", title="$_", note="$\\frac$")
    figure.savefig(tmp_path / "a.png")
    assert any(text.get_text() == r"lead \$^\$" for text in figure.texts)


def test_closed_standard_streams(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=ecg(), fs=250.0)
    for closing in ("0", "1", "2"):
        code = (
            f"import os; os.close({closing}); import sys; from ecgfast.cli import main\n"
            "sys.exit(main(['detect', sys.argv[1], '--output', sys.argv[2], '--force']))"
        )
        done = run_limited(
            "import subprocess\n"
            f"command = [sys.executable, '-c', {code!r}, *sys.argv[1:]]\n"
            "print(subprocess.run(command, capture_output=True, text=True))",
            tmp_path / "a.npz",
            tmp_path,
        )
        assert "unexpected" not in done.stdout
        assert "Traceback" not in done.stdout


@pytest.mark.parametrize("name", ["a.csv", "a.edf", "a.hea", "a.xml", "a.npz", "a.html", "a"])
def test_a_web_page_in_place_of_a_file_is_named_so(name: str, tmp_path: Path) -> None:
    """What is saved where a server wants a login, or has moved the file."""
    path = tmp_path / name
    path.write_text("\ufeff\n<!DOCTYPE html>\n<html><title>Log in</title></html>\n", "utf-8")
    with pytest.raises(RecordError, match=r"is a web page \(HTML\) and no recording; download"):
        read_record(path)


def test_a_link_to_nothing_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("moved.csv")
    with pytest.raises(RecordError, match=r"a\.csv: is a link to moved\.csv, which is not there"):
        read_record(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset variable of a shell script: `ecgfast classify "$RECORD"`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("II\n" + "1\n2\n3\n" * 500)
    for read in (read_record, lambda path: find_recordings([path])):
        with pytest.raises(RecordError, match="an empty name was given for a recording"):
            read(name)
