"""``ecgfast service``: a live command at every start of the machine."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from .._files import check_writable, write_whole
from ..alarms import AlarmSettings, check_actions
from ..errors import InputError
from .errors import UsageError
from .live_input import check_input
from .options import example
from .output_path import make_folder
from .parser import Parser

_LIVE = ("stream", "live")

# Serial ports are of this group, and the service is in it.
_GROUP = "dialout"

# Where somebody else's files are; the service has a /tmp of its own.
_UNSEEN = ("home", "root", "tmp")

# Ports below are root's.
_FREE_PORT = 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_USB = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")

_UNIT = """\
[Unit]
Description=ecgfast: {what}
After=network-online.target bluetooth.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
DynamicUser=yes
SupplementaryGroups={group}
StateDirectory={name}
WorkingDirectory=/var/lib/{name}
ExecStart={command}
Restart=always
RestartSec=5
SuccessExitStatus=143
NoNewPrivileges=yes
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""

_RULE = """\
# The board of {name}, under one name whatever else is plugged in.
SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", \\
  SYMLINK+="{name}", GROUP="{group}"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast service``."""
    parser.description = """\
Run a live command at every start of a Linux machine with systemd, such as a Raspberry Pi: a unit is
written, enabled and started. The command runs as a user of its own, in the folder
/var/lib/NAME, and is started again whenever it ends; with --save it continues its folder. What it
prints is in the journal (journalctl -u NAME -o cat -f).

With --usb a udev rule gives a USB board the fixed name /dev/NAME; lsusb lists the numbers.

--print shows the files and writes nothing."""
    parser.epilog = example(
        "sudo ecgfast service --usb 1a86:7523 stream serial:/dev/ecgfast --fs 250 --alarms "
        "--save recording"
    )
    parser.add_argument(
        "--name", default="ecgfast", help="of the unit, the folder and the board (default: ecgfast)"
    )
    parser.add_argument(
        "--usb", metavar="VENDOR:PRODUCT", help="numbers of the USB board, such as 1a86:7523"
    )
    parser.add_argument(
        "--print", action="store_true", dest="show", help="print the files, and write nothing"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="FOLDER",
        help="write below this folder, for the image of another machine, and start nothing",
    )
    parser.add_argument(
        "live_command",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="stream or live, with all of its arguments",
    )


def run(args: argparse.Namespace) -> None:
    """Write the files, and start the service."""
    command = args.live_command[1:] if args.live_command[:1] == ["--"] else args.live_command
    live = _checked(args.name, command)
    needed = _files_of_actions(live.alarms)
    files = {
        Path("etc/systemd/system") / f"{args.name}.service": _UNIT.format(
            what=_plain(" ".join(command)),
            name=args.name,
            group=_GROUP,
            command=_exec_line(command),
        )
    }
    if args.usb is not None:
        numbers = _USB.fullmatch(args.usb)
        if numbers is None:
            raise UsageError(
                f"--usb {args.usb}: give two numbers of four digits as lsusb lists them, such as "
                "1a86:7523"
            )
        vendor, product = (number.lower() for number in numbers.groups())
        files[Path("etc/udev/rules.d") / f"70-{args.name}.rules"] = _RULE.format(
            name=args.name, vendor=vendor, product=product, group=_GROUP
        )
    if args.root == Path("/"):
        _check_reach([sys.executable, *command, *needed])
        if live.alarms is not None:
            check_actions(live.alarms.actions)
    if args.show:
        for path, text in files.items():
            print(f"# {args.root / path}\n{text}")
        return
    targets = {args.root / path: text for path, text in files.items()}
    try:
        for target in targets:  # all of them, or none
            check_writable(target)
    except InputError as error:
        raise InputError(f"{error}; run it with sudo, or look with --print") from None
    for target, text in targets.items():
        make_folder(target.parent, "--root")
        write_whole(target, text)
        print(f"written     {target}")
    if args.root == Path("/"):
        _start(args.name, usb=args.usb is not None)


class _Checked(Parser):
    """A parser that refuses instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command."""
        raise UsageError(f"{self.prog}: {message}")


def _checked(name: str, command: list[str]) -> argparse.Namespace:
    """Read the command's arguments; what would fail at the next start of the machine is refused."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: give letters, digits, - and _ alone")
    if not command or command[0] not in _LIVE:
        raise UsageError("name the command to run: stream or live, with its arguments")
    module = importlib.import_module(f"{__package__}.{command[0]}")
    parser = _Checked(prog=f"ecgfast {command[0]}", add_help=False)
    module.configure(parser)
    live = parser.parse_args(command[1:])
    if "-" in command[1:]:
        raise UsageError("a service has no standard input: name another source than -")
    check_input(live)
    if live.output is not None and not live.output.is_fifo():
        raise UsageError(
            f"--output {live.output}: a service is started again, and then the file is there "
            "already; give --save FOLDER, which is continued"
        )
    for word in command[1:]:
        if not Path(word).is_absolute() and Path(word).is_file():
            raise UsageError(
                f"{word}: a service runs in the folder /var/lib/{name}; give the whole path of the "
                f"file, {Path(word).absolute()}"
            )
    own = Path("/var/lib") / name
    if live.save is not None and live.save.is_absolute() and own not in live.save.parents:
        raise UsageError(
            f"--save {live.save}: a service can write into {own} alone; give a name, such as "
            f"--save {live.save.name or 'recording'}, and it is saved there"
        )
    if 0 < getattr(live, "port", 0) < _FREE_PORT:
        raise UsageError(
            f"--port {live.port}: a service may not serve on ports below {_FREE_PORT}; give another"
        )
    return live


def _files_of_actions(alarms: AlarmSettings | None) -> list[str]:
    """Programs and passwords of alarm actions, by their whole paths."""
    files: list[str] = []
    for action in () if alarms is None else alarms.actions:
        program = action.options.get("command", [""])[0]
        named = (("command", program), ("password_file", action.options.get("password_file", "")))
        for name, path in named:
            if not path or (name == "command" and "/" not in path):  # found in PATH
                continue
            if not Path(path).is_absolute():
                raise UsageError(
                    f"--alarms: {name} {path}: a service runs in a folder of its own; give the "
                    "whole path of the file"
                )
            files.append(path)
    return files


def _check_reach(words: list[str]) -> None:
    """Refuse files that a service does not see, or that its user cannot read."""
    for path in map(Path, words):
        if not path.is_absolute():
            continue
        if path.parts[1] in _UNSEEN:
            raise UsageError(
                f"{path}: a service does not see what is in /{', /'.join(_UNSEEN)}; have it "
                "elsewhere, such as ecgfast in a virtual environment in /opt/ecgfast"
            )
        if path.is_file() and not _is_readable(path):
            raise UsageError(
                f"{path}: a service runs as a user of its own, who cannot read it; sudo chmod o+rX "
                "it and the folders above it, or, where not everybody may read it, sudo chgrp "
                f"{_GROUP} and sudo chmod g+rX"
            )


def _is_readable(path: Path) -> bool:
    """Whether everybody, or the group of the service, may read a file."""
    try:
        import grp

        group = grp.getgrnam(_GROUP).gr_gid
    except (ImportError, KeyError):
        group = -1

    def allows(path: Path, rights: int) -> bool:
        found = path.stat()
        shift = 3 if found.st_gid == group else 0
        return (found.st_mode >> shift) & rights == rights

    target = path.resolve()
    try:
        return allows(target, 0o4) and all(
            allows(above, 0o1) for above in {*path.parents, *target.parents}
        )
    except OSError:
        return False


def _exec_line(command: list[str]) -> str:
    """Return the command as a unit file quotes it: absolute, ``%`` and ``$`` doubled."""
    words = [sys.executable, "-m", "ecgfast", *command]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    if any(ord(sign) < 32 for sign in plain):
        raise UsageError(f"{word!r}: an argument of a service has no control characters")
    return f'"{plain}"' if plain != shlex.quote(plain) else plain


def _plain(text: str) -> str:
    return text.replace("%", "%%")[:200]


def _start(name: str, *, usb: bool) -> None:
    commands = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", name]]
    if usb:
        commands = [["udevadm", "control", "--reload"], ["udevadm", "trigger"], *commands]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(
                f"{command[0]}: cannot be run ({error.strerror}); the files are written, start the "
                "service yourself"
            ) from None
        if done.returncode:
            reason = " ".join(done.stderr.split())
            raise InputError(f"{' '.join(command)}: failed ({reason}); the files are written")
    print(f"started     {name}: journalctl -u {name} -o cat -f shows what it prints")
