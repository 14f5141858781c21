"""The parser of the command line: suggestions, help that wraps, completion by the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfast import benchmark
from ecgfast.cli import COMMANDS, main


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["detct", "x"], "did you mean detect?"),
        (["clasify"], "did you mean classify?"),
        (["detect", "x", "--metod", "neural"], "arguments: --metod neural; did you mean --method?"),
        (["detect", "x", "--outptu=a.csv"], "did you mean --output?"),
        (["classify", "x", "--lead", "1", "--stirct"], "did you mean --strict?"),
        (["detect", "x", "--method", "neurl"], "did you mean neural?"),
        (["stream", "-", "--pace", "fats"], "did you mean fast?"),
        (["report", "x", "-o", "y", "--pdf", "x.pdf"], "arguments: x.pdf; --pdf takes no value"),
        (
            ["detect", "x", "--fs", "9", "y"],
            "arguments: y; write all of them together, before the options",
        ),
        (["stream", "-", "more"], "error: unrecognized arguments: more"),
    ],
)
def test_typing_errors_get_a_suggestion(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.rstrip().endswith(told)


def test_what_is_like_nothing_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["xyzzy"], ["detect", "x", "--xyzzy"], ["detect", "x", "-q"]):
        assert main(args) == 2
        assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_wraps(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", [*COMMANDS, "ecgfast-bench"])
def test_help_fits_a_narrow_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    run = benchmark.main if name == "ecgfast-bench" else main
    assert run(["--help"] if name == "ecgfast-bench" else [name, "--help"]) == 0
    text = capsys.readouterr().out
    rest = text.partition("\n\n")[2]
    # A command stays on its line, to be copied; choices have no place to break.
    wide = [line for line in rest.splitlines() if len(line) > 60 and "{" not in line]
    assert all("ecgfast" in line.split() or "ecgfast-bench" in line.split() for line in wide), wide


def test_the_benchmark_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--comapre", "old.json"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("did you mean --compare?")


def completed(line: str, tmp_path: Path) -> list[str]:
    """What the shell is offered for a line."""
    out = tmp_path / "offered"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    subprocess.run(
        [sys.executable, "-m", "ecgfast"], env=environment, cwd=tmp_path, check=True, timeout=300
    )
    return out.read_text().split("\n") if out.exists() else []


def test_the_shell_completes(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    assert {"detect", "demo"} <= {word.strip() for word in completed("ecgfast de", tmp_path)}
    assert [w.strip() for w in completed("ecgfast detect --met", tmp_path)] == ["--method"]
    offered = [w.strip() for w in completed("ecgfast classify x --method ", tmp_path)]
    assert offered == ["neural", "adaptive", "pan-tompkins"]
    (tmp_path / "night.csv").touch()
    assert [w.strip() for w in completed("ecgfast detect nig", tmp_path)] == ["night.csv"]


_WITH_B = ("beats", "beats-cnn-bilstm", "beats-custom-cnn", "blood-pressure")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ecgfast classify x --model b", [*_WITH_B, "box.json", "box.tflite"]),
        ("ecgfast classify x --precision ", ["float32", "int8", "fastest"]),
        ("ecgfast models norm", ["normality", "normality-td-lstm"]),
        ("ecgfast evaluate rh", ["rhythm"]),
        ("ecgfast train b", [*_WITH_B, "box.json"]),
        ("ecgfast crossval norm", ["normality", "normality-td-lstm"]),
        ("ecgfast export x.keras --recipe norm", ["normality", "normality-td-lstm"]),
        ("ecgfast train beats --set schedule.epo", ["schedule.epochs="]),
        ("ecgfast train normality --set options.st", ["options.step_s="]),
        ("ecgfast train none --set sche", []),
    ],
)
def test_the_shell_completes_names(tmp_path: Path, line: str, offered: list[str]) -> None:
    pytest.importorskip("argcomplete")
    for name in ("box.tflite", "box.json", "box.csv"):
        (tmp_path / name).touch()
    assert sorted({word.strip() for word in completed(line, tmp_path)} - {""}) == sorted(offered)


def test_completion_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main([]) == 1
    assert "ecgfast[completion]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["detect", "x", "--max-rate", "fast"], "--max-rate: 'fast' is no number"),
        (["detect", "x", "--fs", "fast"], "--fs: 'fast' is no number"),
        (["detect", "x", "--fs", "-3"], "--fs: -3 is no sampling rate in Hz"),
        (["live", "x", "--port", "1.5"], "--port: '1.5' is no whole number"),
        (["annotate", "x", "--workers", "all"], "--workers: 'all' is no number"),
        (["evaluate", "--start", "soon"], "--start: 'soon' is no number"),
        (["crossval", "beats", "--share", "nan"], "--share: nan is no share above 0, up to 1"),
        (["crossval", "beats", "--share", "2"], "--share: 2 is no share above 0, up to 1"),
    ],
)
def test_what_is_no_number_is_said_without_names_of_functions(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "invalid" not in error
