"""An arm64 Debian in a folder, run by an emulator on an x86-64 Debian machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

# No compiler: proot 5.1 asks the host, not the userland, in access() and statx(), which stops gcc
# from finding its parts. Tests of the C core alone skip themselves then.
DEBIAN_PACKAGES = ("python3", "python3-dev", "python3-venv")
#: What qemu says of a program that it stops; proot loses its exit status.
STOPPED = "qemu: uncaught target signal"


@dataclass
class Userland:
    """An arm64 Debian in a folder, run by an emulator."""

    root: Path
    """Its folder."""
    share: Path
    """Folder that it sees as /share."""
    data: Path | None
    """Folder of recordings, which it sees as /data."""
    cpu: str
    """Core that qemu emulates."""

    def run(
        self, *command: str, cwd: str = "/", limit: float | None = None, log: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its output is kept in `log`, or returned."""
        binds = ["/proc", "/dev", f"{self.share}:/share"]
        if self.data is not None:
            binds.append(f"{self.data}:/data")
        words = ["proot", "-q", f"qemu-aarch64-static -cpu {self.cpu}", "-r", str(self.root)]
        words += [word for bind in binds for word in ("-b", bind)]
        words += [
            *("-w", cwd, "/usr/bin/env", "-i", "HOME=/tmp", "LC_ALL=C.UTF-8"),
            "PATH=/venv/bin:/usr/bin:/bin",
            *(["ECGFAST_DATA=/data"] if self.data is not None else []),
            *command,
        ]
        with (
            nullcontext(subprocess.PIPE) if log is None else log.open("w", encoding="utf-8") as out,
            subprocess.Popen(
                words, stdout=out, stderr=out, text=True, start_new_session=True
            ) as process,
        ):
            try:
                text, errors = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # proot and all that it traces
                raise
        return subprocess.CompletedProcess(words, process.returncode, text, errors)

    def must(self, *command: str) -> str:
        """Run a command inside; its standard output. Raises RuntimeError if it fails."""
        done = self.run(*command)
        if done.returncode or STOPPED in done.stderr:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def here(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command on this machine; its standard output. Raises RuntimeError if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def say(text: str) -> None:
    """Report progress."""
    print(f"{datetime.now(timezone.utc):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def apt_mirror() -> str:
    """First Debian mirror among apt's sources."""
    sources = Path("/etc/apt")
    for path in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("debian*"))]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if found := re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+)", text, re.M):
                return found[1]
    raise RuntimeError("apt has no Debian mirror here; name one with --mirror")


def make_userland(root: Path, suite: str, mirror: str) -> None:
    """Fetch an arm64 Debian and unpack it; nothing of it has to be run for that."""
    fresh = root.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    packages = ",".join(DEBIAN_PACKAGES)
    here(
        *("debootstrap", "--arch=arm64", "--foreign", "--variant=minbase"),
        *(f"--include={packages}", suite, fresh, mirror),
    )
    for package in sorted((fresh / "var/cache/apt/archives").glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as files:
            subprocess.run(
                ["tar", "-x", "--keep-directory-symlink", "-C", fresh],
                stdin=files.stdout,
                check=True,
            )
        if files.returncode:
            raise RuntimeError(f"{package}: cannot be unpacked")
        package.unlink()
    # What the packages' own scripts would have written.
    for name in ("passwd", "group"):
        shutil.copy(fresh / f"usr/share/base-passwd/{name}.master", fresh / "etc" / name)
    if (fresh / "proc").is_symlink():
        (fresh / "proc").unlink()
        (fresh / "proc").mkdir()
    fresh.rename(root)
