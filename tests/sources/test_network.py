"""Samples over TCP and UDP, from real sockets on this machine."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from ecgfast import stream_classify
from ecgfast.errors import InputError
from ecgfast.records import synthetic_ecg
from ecgfast.sources import TcpSamples, UdpSamples


def taken(chunks: Iterator[Any], until: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Samples until there are as wanted."""
    found: list[np.ndarray] = []
    for chunk in chunks:
        found.append(chunk)
        if until(np.concatenate(found)):
            break
    return np.concatenate(found)


class Server:
    """A device that serves one client at a time."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def client(self) -> socket.socket:
        self._listening.settimeout(20)
        link, _ = self._listening.accept()
        return link

    def stop(self) -> None:
        self._listening.close()

    def start_again(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def test_lines_of_a_connection_are_samples_from_the_first_on(server: Server) -> None:
    source = TcpSamples(server.address, 250)
    link = server.client()
    link.sendall(b"MLII,V1\n" + b"0.5,1\n0.25,2\n-1,3\n" * 30 + b"7,")
    found = taken(iter(source), lambda x: len(x) == 90)
    np.testing.assert_array_equal(found[:3], [[0.5, 1], [0.25, 2], [-1, 3]])
    assert source.names == ("MLII", "V1")
    link.sendall(b"8\n")
    np.testing.assert_array_equal(taken(iter(source), lambda x: len(x) == 1), [[7, 8]])
    assert source.troubles() == ()
    link.close()


def test_a_connection_that_is_lost_is_made_again_and_the_time_counted(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    source = TcpSamples(server.address, 100)
    link = server.client()
    chunks = iter(source)
    begin = time.monotonic()
    link.sendall(b"1\n2\n12.")  # a line that is cut
    before = taken(chunks, lambda x: len(x) == 2)
    stopped = time.monotonic()
    server.stop()
    link.close()
    lost = taken(chunks, lambda x: len(x) > 10)
    again = time.monotonic()
    server.start_again()
    while not any("is there again" in record.getMessage() for record in caplog.records):
        lost = np.concatenate([lost, next(chunks)])
    link = server.client()
    link.sendall(b"4\n5\n")
    after = taken(chunks, lambda x: x[-1, 0] == 5)
    end = time.monotonic()
    found = np.concatenate([before, lost, after])[:, 0]
    np.testing.assert_array_equal(found[[0, 1, -2, -1]], [1, 2, 4, 5])
    assert np.isnan(found[2:-2]).all()
    assert source.lost == len(found) - 4
    # However late a busy machine reads: from the last sample before the loss to the first after it.
    assert 100 * (again - stopped) - 3 <= source.lost <= 100 * (end - begin) + 3
    assert source.troubles() == (f"samples lost in gaps: {source.lost} in 1",)
    assert "went away (Connection reset by peer)" in caplog.text
    link.close()


def test_a_reader_that_pauses_makes_no_gap_of_what_waits(server: Server) -> None:
    """Half a megabyte waits in the connection, a read takes 64 KB: nothing is lost."""
    now = [0.0]
    source = TcpSamples(server.address, 250, clock=lambda: now[0])
    link = server.client()
    sent = threading.Thread(
        target=link.sendall, args=("".join(f"{i}.0\n" for i in range(80_000)).encode(),)
    )
    sent.start()
    found: list[np.ndarray] = []
    for chunk in source:
        found.append(chunk)
        if chunk[-1, 0] == 79_999:
            break
        now[0] += 60.0  # the reader is busy
    sent.join()
    np.testing.assert_array_equal(np.concatenate(found)[:, 0], np.arange(80_000))
    assert (source.gaps, source.lost) == (0, 0)
    link.close()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(InputError, match=f"tcp:{address}: cannot be reached \\(") as caught:
            TcpSamples(address, 250)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "9000", "host", "host:", "host:x", "host:99999", "host:-1", "host:٣"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"give HOST:PORT, such as"):
        TcpSamples(address, 250)


def sender() -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("127.0.0.1", 0))
    return link


def test_each_datagram_holds_whole_lines() -> None:
    source = UdpSamples("0", 250)
    assert source.address[0] == "127.0.0.1"
    with sender() as device:
        for datagram in (b"0.5\n0.25\n", b"-1", b"!\n3\n"):  # the second one without a line end
            device.sendto(datagram, source.address)
    found = taken(iter(source), lambda x: len(x) == 5)
    np.testing.assert_array_equal(found[:, 0], [0.5, 0.25, -1, np.nan, 3])
    assert source.troubles() == ("malformed lines: 1",)


def test_a_second_sender_does_not_mix_in(caplog: pytest.LogCaptureFixture) -> None:
    source = UdpSamples("127.0.0.1:0", 250)
    with sender() as device, sender() as other:
        for link, datagram in (
            (device, b"1\n"),
            (other, b"100\n"),
            (other, b"9\n"),
            (device, b"2\n"),
        ):
            link.sendto(datagram, source.address)
        np.testing.assert_array_equal(taken(iter(source), lambda x: len(x) == 2)[:, 0], [1, 2])
    assert caplog.text.count("sends too; its samples are left out") == 1


def test_another_sender_is_taken_once_the_first_is_silent() -> None:
    now = [0.0]
    source = UdpSamples("127.0.0.1:0", 250, clock=lambda: now[0])
    chunks = iter(source)
    with sender() as device, sender() as other:
        device.sendto(b"1\n", source.address)
        assert next(chunks) == 1
        now[0] += 3.0
        other.sendto(b"2\n", source.address)
        found = taken(chunks, lambda x: x[-1, 0] == 2)
    assert len(found) == 750
    assert np.isnan(found[:-1]).all()


def test_datagrams_that_wait_for_a_slow_reader_are_no_gap() -> None:
    now = [0.0]
    source = UdpSamples("127.0.0.1:0", 250, clock=lambda: now[0])
    chunks = iter(source)
    with sender() as device:
        device.sendto(b"0\n", source.address)
        assert next(chunks) == 0
        now[0] += 4.0
        for begin in range(1, 1001, 10):
            lines = "".join(f"{i}\n" for i in range(begin, begin + 10))
            device.sendto(lines.encode(), source.address)
        found = taken(chunks, lambda x: x[-1, 0] == 1000)
    np.testing.assert_array_equal(found[:, 0], np.arange(1, 1001))
    assert source.lost == 0


def test_a_port_in_use_is_one_line() -> None:
    source = UdpSamples("127.0.0.1:0", 250)
    reason = re.escape(os.strerror(errno.EADDRINUSE))  # each C library has words of its own
    with pytest.raises(InputError, match=rf"cannot listen there \({reason}\)"):
        UdpSamples(f"127.0.0.1:{source.address[1]}", 250)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_the_command_labels_a_board_over_tcp_as_the_recording_itself(server: Server) -> None:
    record = synthetic_ecg(30.0, 250.0, seed=4)
    text = "".join(f"{value:.5f}\n" for value in record.signal[:, 0])
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ecgfast",
            "stream",
            f"tcp:{server.address}",
            "--fs",
            "250",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with contextlib.closing(server.client()) as link:
        link.sendall(text.encode())
        expected = list(stream_classify(np.array(text.split(), "f4"), 250.0))
        assert process.stdout is not None
        # The last beats come at the end of the stream.
        lines = [process.stdout.readline() for _ in range(len(expected) - 5)]
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    beats = [json.loads(line) for line in lines if b'"label"' in line]
    assert len(beats) > 20
    # Half a minute came at once: the last sample has just been taken.
    at = datetime.fromisoformat(beats[0]["at"]).timestamp()
    assert at + 30.0 - beats[0]["time"] == pytest.approx(time.time(), abs=60.0)
    assert [(beat["sample"], beat["label"]) for beat in beats] == [
        (beat.sample, beat.label) for beat in expected[: len(beats)]
    ]
    assert process.returncode == 0, told


def test_the_command_needs_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    from ecgfast.cli import main

    assert main(["stream", "udp:9000"]) == 2
    assert "a UDP port carries no sampling rate: give --fs HZ" in capsys.readouterr().err
