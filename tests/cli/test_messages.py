"""What commands say when something is wrong: one line, options as they are typed."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import affine_model, needs_runtime

import ecgfast
from ecgfast import detect_qrs
from ecgfast.cli import main


def test_bad_recordings_name_the_file(
    recording: Path, model: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    words = tmp_path / "words.csv"
    words.write_text("ECG\n0.1\n0.2\nhello\n0.3\n")
    short = tmp_path / "short.csv"
    short.write_text("0.1\n")
    strange = tmp_path / "strange.xyz"
    strange.write_bytes(b"\0\1\2")
    for command in (["detect"], ["classify", "--model", model]):
        assert "missing" in fails(*command, "missing", "--fs", 250)
        assert "words.csv" in fails(*command, words, "--fs", 250)
        assert "short: holds 1 sample" in fails(*command, short, "--fs", 250)
        assert "strange.xyz" in fails(*command, strange)
        assert "fs" in fails(*command, recording)
        assert "5 Hz" in fails(*command, recording, "--fs", 5)
        assert "'aVR'" in fails(*command, recording, "--fs", 250, "--leads", "aVR")


def test_a_source_where_a_file_of_alarms_may_stand_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for source in ("-", "serial:/dev/ttyUSB0"):
        assert main(["stream", "--alarms", source, "--fs", "250"]) == 2
        assert f"--alarms: {source} is a source: write it before" in capsys.readouterr().err


def test_a_truncated_record_leaves_no_output(
    record_path: Callable[[str], Path], fails: Callable[..., str], tmp_path: Path
) -> None:
    whole = record_path("mitdb/100")
    for suffix in (".hea", ".dat"):
        data = whole.with_name(f"100{suffix}").read_bytes()
        (tmp_path / f"100{suffix}").write_bytes(data if suffix == ".hea" else data[:100_000])
    assert "100" in fails("detect", tmp_path / "100", "--output", tmp_path / "100.qrs")


def test_bad_models_name_the_file(
    recording: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"this is not a model")
    content, _ = affine_model(np.random.default_rng(3), (70, 2), None, 5)
    small = tmp_path / "small.tflite"
    small.write_bytes(content)
    base = ["classify", recording, "--fs", 250, "--model"]
    assert "broken.tflite" in fails(*base, broken)
    assert "small.tflite" in fails(*base, small)
    assert "no model 'nobody'" in fails(*base, "nobody")


Fails = Callable[..., str]


@pytest.mark.parametrize(
    ("args", "unknown", "extras"),
    [
        (["classify", "night.csv"], "its beat window", ""),
        (["report", "night.csv"], "which classes its outputs are", "jinja2"),
        (["annotate", "night.csv", "--output", "results"], "which classes its", "pyarrow"),
        (["review", "night.csv", "--export", "x.npz"], "its beat window", ""),
        (["review", "night.csv"], "which classes its outputs are", "starlette"),
    ],
)
def test_a_model_without_a_card_says_what_is_unknown(
    args: list[str], unknown: str, extras: str, recording: Path, model: Path, fails: Fails
) -> None:
    if extras:
        pytest.importorskip(extras)
    bare = recording.with_name("bare.tflite")
    bare.write_bytes(model.read_bytes())
    rate = ["--fs", 250]
    told = fails(*args, *rate, "--model", bare)
    assert f"bare.tflite: has no card that says {unknown}" in told
    assert "put bare.json, as `ecgfast export` or `ecgfast train` writes it, beside" in told


def test_standard_input_is_no_recording(recording: Path, fails: Fails) -> None:
    for command in ("detect", "classify"):
        told = fails(command, "-", "--fs", 250)
        assert "-: standard input is no file; save the recording as a file first" in told
        assert "send its samples to `ecgfast stream -`" in told


def test_a_lead_that_is_listed_twice(
    recording: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("detect", "classify", "report"):
        args = [command, recording, "--fs", 250, "--leads"]
        assert main([str(arg) for arg in [*args, "0,0"]]) == 2
        assert "has lead 0 twice: give each lead once" in capsys.readouterr().err
        told = fails(*args, "0,MLII")
        assert "0 and 'MLII' are the same lead: give each lead once" in told


def test_impossible_outputs_are_wrong_use(
    recording: Path, model: Path, fails: Callable[..., str]
) -> None:
    base = ["classify", recording, "--fs", 250, "--model", model, "--output"]
    for name in ("night.b3", "night.xlsx", "night.html", "night.txt", "night.dat"):
        told = fails(*base, name, status=2)
        assert f"--output {name}: {name[5:]} names no output" in told
        assert "extension" in fails(*base, "night.b3", "--format", "atr", status=2)
    assert ".csv" in fails(*base, "x.csv", "--format", "atr", status=2)


def test_an_old_output_survives_a_failure(
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    fails: Callable[..., str],
    tmp_path: Path,
) -> None:
    old = tmp_path / "night.qrs"
    assert main(["detect", str(recording), "--fs", "250"]) == 0
    before = old.read_bytes()
    text = recording.read_text().splitlines()
    recording.write_text("\n".join([*text[:9000], *["oops,1"] * 900, *text[9000:]]))
    capsys.readouterr()
    assert "night.csv" in fails("detect", recording, "--fs", 250)
    assert old.read_bytes() == before


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["--debug", "detect", "missing"], ["detect", "missing", "--debug"]):
        assert main(args) == 1
        err = capsys.readouterr().err
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("ecgfast: missing")


def test_unexpected_errors_are_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ecgfast.cli.models as command

    def broken() -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(command, "available_models", broken)
    assert main(["models"]) == 1
    assert capsys.readouterr().err == (
        "ecgfast: unexpected ZeroDivisionError: division by zero "
        "(run again with --debug and report it)\n"
    )

    def swallowed() -> None:
        """As NumPy does it, interrupted while it is imported."""
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ImportError("unlikely to be a NumPy issue")

    monkeypatch.setattr(command, "available_models", swallowed)
    # What is started in the background ignores interrupts, the tests too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["models"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == ""

    def dropped() -> None:
        """As Python does it in callbacks of its own, such as those of imports."""

        class Last:
            def __del__(self) -> None:
                signal.raise_signal(signal.SIGINT)

        Last()
        threading.Event().wait(20)

    monkeypatch.setattr(command, "available_models", dropped)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["models"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == ""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "available_models", interrupted)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--max-delay", 0.1], 2, "--max-delay outside 0.35..1000000 s: --max-delay 0.1;"),
        (["--max-delay", 0], 2, "--max-delay outside 0.35..1000000 s: --max-delay 0;"),
        (["--max-delay", -1], 2, "--max-delay outside 0.35..1000000 s: --max-delay -1;"),
        (["--max-delay", "nan"], 2, ": --max-delay nan; leave it out to wait as long as the"),
        (["--max-delay", "inf"], 2, ": --max-delay inf; leave it out to wait as long as the"),
        (["--max-delay", "1e99"], 2, ": --max-delay 1e+99; leave it out to wait as long as the"),
        (["--max-rate", 100], 2, "--max-rate outside 300..900 beats a minute: --max-rate 100\n"),
        (
            ["--max-rate", 600, "--max-delay", 0.1],
            2,
            "--max-delay 0.1; --max-rate 600 divides these limits by 2;",
        ),
        (["--fs", 5], 1, "--fs is 5 Hz"),
        (["--max-rate", 900], 1, ": --fs 250; --max-rate 900 multiplies these limits by 3\n"),
    ],
)
def test_messages_spell_options_as_the_command_line_does(
    options: list[Any], status: int, told: str, recording: Path, fails: Callable[..., str]
) -> None:
    given = options if "--fs" in options else ["--fs", 250, *options]
    err = fails("detect", recording, *given, status=status)
    assert told in err
    assert "=" not in err
    with pytest.raises(ecgfast.InputError, match=r"max_delay=0\.1; leave it out"):
        detect_qrs(np.zeros(900), 250.0, max_delay=0.1)


def test_python_in_a_message_stays_python(fails: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "night.npz"
    np.savez(path, gps=np.zeros(900), quality=np.zeros(800))
    err = fails("detect", path, "--fs", 250)
    assert "save it with np.savez(path, signal=..., fs=..., leads=..., units=...)" in err


def test_what_no_recording_could_be_worked_through_with_is_wrong_use(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Said once, and not of each recording.
    assert main(["detect", str(recording), str(recording.parent), "--max-delay", "0.1"]) == 2
    assert capsys.readouterr().err.count("--max-delay outside 0.35..1000000 s") == 1
    for rate in ("0", "-250", "nan", "inf"):
        assert main(["detect", str(recording), f"--fs={rate}"]) == 2
        assert f"argument --fs: {rate} is no sampling rate in Hz" in capsys.readouterr().err


@needs_runtime
def test_a_model_that_cannot_be_tried_first(
    recording: Path, model: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.runtime.trial._outcomes", {})
    monkeypatch.setattr(sys, "executable", "")
    told = fails("classify", recording, "--fs", 250, "--model", model)
    # Not as an option: the command line has none for it.
    assert "in Python with Classifier(path, trusted=True)" in told


def test_shares_spell_options_as_the_command_line_does(
    recording: Path, fails: Callable[..., str]
) -> None:
    for options, told in (
        (["--sensitivity", "V=2"], "ecgfast: --sensitivity of V: 2 is no share"),
        (["--positive-predictivity", "V=2"], "ecgfast: --positive-predictivity of V: 2 is no"),
        (["--reject", 3], "ecgfast: --reject: 3 is no share"),
    ):
        assert fails("classify", recording, "--fs", 250, *options, status=2).startswith(told)


def test_libraries_report_errors_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ecgfast.cli.libraries import quiet_libraries

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")  # what a user sets stays
    quiet_libraries()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
    for level in (logging.WARNING, logging.ERROR):
        logging.getLogger("tensorflow").log(level, "level %d", level)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quiet_libraries()
        for module in ("keras.src.layers", "kerasy", "ecgfast.cli"):
            warnings.warn_explicit("old", UserWarning, "x.py", 1, module=module)
    assert [str(one.message) for one in seen] == ["old", "old"]


BINARY = bytes(range(128, 256)) * 8


def test_files_that_are_no_text_are_said_to_be_none(
    recording: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("odd.json", "odd.csv", "odd.keras"):
        (tmp_path / name).write_bytes(BINARY)
    (tmp_path / "mitdb").mkdir()
    kaggle = ["prepare", "--dataset", "kaggle", "--output", tmp_path / "rows.npz"]
    for words in (
        ["models", tmp_path / "odd.json"],
        ["train", tmp_path / "odd.json"],
        ["classify", recording, "--fs", 250, "--model", tmp_path / "odd.json"],
        [*kaggle, "--csv", tmp_path / "odd.csv"],
    ):
        error = fails(*words)
        assert "(it is no text)" in error
        assert "codec" not in error
    folder = fails(*kaggle, "--csv", tmp_path / "mitdb")
    assert "mitdb: cannot be read (Is a directory)" in folder


def test_a_model_of_keras_is_not_a_file_to_run_and_another_file_none_to_convert(
    recording: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    (tmp_path / "mine.keras").write_bytes(BINARY)
    base = ["classify", recording, "--fs", 250, "--model"]
    assert "converted with `ecgfast export`" in fails(*base, tmp_path / "mine.keras")
    error = fails("export", tmp_path / "mine.keras", "--data", tmp_path)
    assert "mine.keras: is no Keras model; give a .keras file" in error
