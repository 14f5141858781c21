"""A board on a serial port, played by a pseudo-terminal, and the lines that it sends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


def written(values: Any) -> bytes:
    return "".join(f"{value:.5f}\r\n" for value in values).encode()


def read_back(values: Any) -> np.ndarray:
    return np.array([float(f"{value:.5f}") for value in values], np.float32)


class Board:
    """The other end of a serial port that can be plugged in and out, under one name."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "ttyBoard"
        self.plug()

    def plug(self) -> None:
        import tty

        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        beside = self.port.with_name("ttyNew")
        beside.symlink_to(os.ttyname(theirs))
        beside.replace(self.port)
        self._theirs = theirs

    def pull(self) -> None:
        self.port.unlink()
        os.close(self._theirs)
        os.close(self._ours)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._ours, view[:1000]) :]
