"""Beats of a BrainFlow board while they happen.

    pip install ecgfast brainflow "setuptools<81"
    python brainflow_board.py                       # BrainFlow's synthetic board: it has no heart
    python brainflow_board.py --board 1 --serial /dev/ttyUSB0 --channel 0

``brainflow`` 5.23 needs setuptools below 81 for its `pkg_resources`. Boards by number are listed in
BrainFlow's documentation (-1 is the synthetic one, 1 the Ganglion, 0 the Cyton).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Packets are numbered from 0 to 255.
NUMBERS = 256


class BoardSamples:
    """Chunks of one channel of a BrainFlow board, in mV; lost packets are missing samples.

    Parameters
    ----------
    board : int
        BrainFlow's number of the board.
    channel : int
        Which of the board's ECG channels (EXG channels where it names none).
    **parameters
        Of `BrainFlowInputParams`, such as ``serial_port``.

    Attributes
    ----------
    fs : float
        Sampling rate in Hz, as the board states it.
    lost : int
        Packets that were lost so far.
    """

    def __init__(self, board: int, channel: int = 0, **parameters: Any) -> None:
        from brainflow.board_shim import BoardShim, BrainFlowInputParams

        BoardShim.disable_board_logger()
        described = BoardShim.get_board_descr(board)
        channels = described.get("ecg_channels") or BoardShim.get_exg_channels(board)
        self.fs = float(described["sampling_rate"])
        self.lost = 0
        self._channel = channels[channel]
        self._number = described["package_num_channel"]
        self._before: int | None = None
        given = BrainFlowInputParams()
        for name, value in parameters.items():
            setattr(given, name, value)
        self._board = BoardShim(board, given)

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what has come, ten times a second, until the caller stops."""
        self._board.prepare_session()
        try:
            self._board.start_stream()
            while True:
                time.sleep(0.1)
                data = self._board.get_board_data()
                if data.shape[1]:
                    yield self.chunk(data[self._number], data[self._channel])
        finally:
            self._board.release_session()

    def chunk(
        self, numbers: npt.NDArray[np.float64], microvolts: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        """Samples in mV, with NaN for each packet that is missing between two numbers."""
        packets = numbers.astype(np.int64)
        first = packets[0] - 1 if self._before is None else self._before
        steps = (np.diff(packets, prepend=first) - 1) % NUMBERS + 1
        self._before = int(packets[-1])
        self.lost += int(steps.sum()) - len(steps)
        samples = np.full(int(steps.sum()), np.nan, np.float32)
        samples[np.cumsum(steps) - 1] = microvolts / 1000.0
        return samples


def main() -> None:
    """Print beats until Ctrl-C."""
    from ecgfast import stream_classify

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", type=int, default=-1)
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--serial", default="", help="serial port")
    args = parser.parse_args()
    board = BoardSamples(args.board, args.channel, serial_port=args.serial)
    for beat in stream_classify(board, board.fs):
        print(f"{beat.time:8.2f} s  {beat.label}  {beat.heart_rate:.0f} per minute", flush=True)


if __name__ == "__main__":
    main()
