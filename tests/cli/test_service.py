"""``ecgfast service``: a unit that systemd takes, with the command that was meant."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ecgfast.cli import main
from ecgfast.cli.service import _is_readable

COMMAND = ["stream", "serial:/dev/ecgfast", "--fs", "250", "--save", "my night", "--alarms"]


def test_the_files_are_written_for_another_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["service", "--root", str(tmp_path), "--usb", "1A86:7523", *COMMAND]
    assert main(args) == 0
    unit = tmp_path / "etc/systemd/system/ecgfast.service"
    rule = tmp_path / "etc/udev/rules.d/70-ecgfast.rules"
    line = '-m ecgfast stream serial:/dev/ecgfast --fs 250 --save "my night" --alarms'
    assert line in unit.read_text()
    assert 'ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523"' in rule.read_text()
    assert 'SYMLINK+="ecgfast"' in rule.read_text()
    told = capsys.readouterr().out
    assert str(unit) in told
    assert str(rule) in told


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    name = 'odd "name" 100% $HOME'
    assert main(["service", "--root", str(tmp_path), "--name", "bed-3", *COMMAND, name]) == 2
    command = ["stream", "udp:9000", "--fs", "250", "--save", name]
    assert main(["service", "--root", str(tmp_path), "--name", "bed-3", *command]) == 0
    unit = tmp_path / "etc/systemd/system/bed-3.service"
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "bed-3.service" not in done.stderr, done.stderr
    assert '--save "odd \\"name\\" 100%% $$HOME"' in unit.read_text()


def test_print_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "--print", "--root", str(tmp_path), *COMMAND]) == 0
    assert "ExecStart=" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "name the command to run: stream or live"),
        (["detect", "100"], "name the command to run: stream or live"),
        (["stream"], "SOURCE"),
        (["stream", "udp:9000", "--fss", "250"], "did you mean --fs?"),
        (["stream", "udp:9000"], "a UDP port carries no sampling rate: give --fs HZ"),
        (["live", "seral:/dev/ttyUSB0"], "did you mean serial:/dev/ttyUSB0?"),
        (["stream", "-", "--fs", "250"], "a service has no standard input"),
        ([*COMMAND, "--output", "/srv/night.ecg"], "started again, and then the file is there"),
        (
            ["stream", "udp:9000", "--fs", "250", "--save", "/srv/night"],
            "give a name, such as --save",
        ),
        (["live", "udp:9000", "--fs", "250", "--port", "80"], "may not serve on ports below 1024"),
        (["--name", "../x", *COMMAND], "give letters, digits"),
        (["--usb", "1a86", *COMMAND], "as lsusb lists them"),
    ],
)
def test_wrong_use_is_seen_before_anything_is_written(
    args: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "--root", str(tmp_path), *args]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_files_that_a_service_would_not_find_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("")
    args = ["service", "--print", "stream", "polar:", "--alarms", "mine.toml"]
    assert main(args) == 2
    assert f"give the whole path of the file, {tmp_path / 'mine.toml'}" in capsys.readouterr().err
    monkeypatch.setattr("sys.executable", "/opt/ecgfast/bin/python")
    monkeypatch.setattr("ecgfast.cli.service._UNSEEN", ("home", "root"))  # tests are in /tmp
    monkeypatch.setattr("ecgfast.cli.service._is_readable", lambda path: True)
    args[-1] = str(tmp_path / "mine.toml")
    assert main(args) == 0
    assert main([*args, "--model", "/home/ada/mine.tflite"]) == 2
    assert "/home/ada/mine.tflite: a service does not see" in capsys.readouterr().err
    monkeypatch.setattr("sys.executable", "/home/ada/.venv/bin/python")
    assert main(["service", "--print", "stream", "polar:"]) == 2
    assert "/home/ada/.venv/bin/python: a service does not see what is in /home" in (
        capsys.readouterr().err
    )


@pytest.mark.skipif(os.name == "nt", reason="no systemd there")
def test_files_that_the_user_of_the_service_cannot_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/opt/ecgfast/bin/python")
    monkeypatch.setattr("ecgfast.cli.service._UNSEEN", ())
    alarms = tmp_path / "mine.toml"
    alarms.write_text("")
    alarms.chmod(0o600)
    args = ["service", "--print", "stream", "polar:", "--alarms"]
    assert main([*args, str(alarms)]) == 2
    assert f"{alarms}: a service runs as a user of its own, who cannot read it" in (
        capsys.readouterr().err
    )
    assert _is_readable(Path("/etc/passwd"))


def test_alarm_actions_that_would_fail_are_seen_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.cli.service._check_reach", lambda words: None)
    alarms = tmp_path / "alarms.toml"
    args = ["service", "--print", "stream", "polar:", "--alarms", str(alarms)]
    for action, told in (
        (
            "kind = 'command'\ncommand = ['no-such-program']",
            "there is no program 'no-such-program'",
        ),
        (
            "kind = 'command'\ncommand = ['./tell.sh']",
            "command ./tell.sh: a service runs in a folder",
        ),
        (
            "kind = 'mqtt'\nhost = 'x'\nusername = 'x'\npassword_file = 'mine'",
            "password_file mine: a service runs in a folder of its own",
        ),
    ):
        alarms.write_text(f"[[actions]]\n{action}\n")
        assert main(args) in (1, 2)
        assert told in capsys.readouterr().err
