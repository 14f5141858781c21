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
from ..errors import InputError
from .errors import UsageError
from .live_input import check_input
from .options import example
from .output_path import make_folder
from .parser import Parser

_LIVE = ("stream", "live")

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
SupplementaryGroups=dialout
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
  SYMLINK+="{name}", GROUP="dialout"
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
    _check(args.name, command)
    files = {
        Path("etc/systemd/system") / f"{args.name}.service": _UNIT.format(
            what=_plain(" ".join(command)), name=args.name, command=_exec_line(command)
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
            name=args.name, vendor=vendor, product=product
        )
    if args.root == Path("/"):
        _check_reach([sys.executable, *command])
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


def _check(name: str, command: list[str]) -> None:
    """Refuse what would fail at the next start of the machine."""
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


def _check_reach(words: list[str]) -> None:
    """Refuse what lies in somebody's home, which a service does not see."""
    for word in words:
        if Path(word).is_absolute() and Path(word).parts[1:2] in (("home",), ("root",)):
            raise UsageError(
                f"{word}: a service does not see what is in /home and /root; have it elsewhere, "
                "such as ecgfast in a virtual environment in /opt/ecgfast"
            )


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
