"""The guide for the Raspberry Pi: its commands are accepted, its Python compiles."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest

from ecgfast import benchmark, cli
from ecgfast.cli import live_input, stream

GUIDE = Path(__file__).parents[2] / "docs" / "raspberry-pi.md"
pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the docs are not in this checkout")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_stream_commands_are_accepted() -> None:
    (command,) = re.findall(r"bin/ecgfast (stream [^'\n]*)", GUIDE.read_text(encoding="utf-8"))
    parser, subparsers = cli._parser()
    stream.configure(subparsers["stream"])
    args = parser.parse_args(shlex.split(command))
    live_input.check_input(args)
    assert (args.source, args.fs) == ("serial:/dev/ttyUSB0", 250)


def test_the_service_of_the_guide_is_a_unit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/opt/ecgfast/bin/python")  # as the guide installs it
    (command,) = re.findall(r"bin/ecgfast service ([^\n]*)", GUIDE.read_text(encoding="utf-8"))
    assert cli.main(["service", "--print", *shlex.split(command)]) == 0
    unit, _, _ = capsys.readouterr().out.partition("# /etc/udev")
    parser = configparser.ConfigParser(interpolation=None, delimiters="=")
    parser.read_string(unit)
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_bench_commands_are_accepted() -> None:
    commands = re.findall(r"bin/ecgfast-bench([^\n>]*)", GUIDE.read_text(encoding="utf-8"))
    assert len(commands) == 3
    for command in commands:
        args = benchmark._parser().parse_args(shlex.split(command))
        if args.compare:
            assert (GUIDE.parents[1] / args.compare.relative_to("ecgfast")).is_file()


def test_python_compiles_and_its_names_exist() -> None:
    (code,) = blocks("python")
    head, _, _ = code.partition("FS =")
    names: dict[str, object] = {}
    exec(compile(head, str(GUIDE), "exec"), names)
    assert {"SampleQueue", "SerialSamples", "stream_classify"} <= names.keys()
    compile(code, str(GUIDE), "exec")
