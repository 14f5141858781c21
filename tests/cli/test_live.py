"""``ecgfast live``: the stream of ``ecgfast stream``, with a page."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecgfast import stream_classify
from ecgfast.cli import main
from ecgfast.cli.live import _Page
from ecgfast.live import LiveFeed

NEEDED = "the extra 'live' is not installed"
pytest.importorskip("uvicorn", reason=NEEDED)
client = pytest.importorskip("websockets.sync.client", reason=NEEDED)

EXCERPT = Path(__file__).parents[1] / "excerpts" / "mitdb" / "208"


def test_it_prints_and_labels_what_stream_does(capsys: pytest.CaptureFixture[str]) -> None:
    if not EXCERPT.with_suffix(".hea").is_file():
        pytest.skip("the excerpts are not in this checkout")
    assert main(["live", str(EXCERPT), "--port", "0", "--pace", "fast", "--json"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    beats = [(r["sample"], r["label"]) for r in rows if r.get("type", "beat") == "beat"]
    assert beats == [(b.sample, b.label) for b in stream_classify(EXCERPT)]
    assert re.search(r"this machine only: http://127\.0\.0\.1:\d+/\n", err)
    assert main(["live", str(EXCERPT), "--port", "0", "--pace", "fast"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", ["-", "recording.npz"])
def test_what_cannot_run_is_refused_before_the_address_is_printed(
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A model without a card, from a pipe that never gives a sample; a recording without an ECG."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "own.tflite"
    shutil.copy(Path(__file__).parents[2] / "models" / "beats.tflite", model)
    np.savez(source, signal=np.zeros((500, 3)), fs=250.0)
    reader, writer = os.pipe()
    with open(reader) as stdin, open(writer, "w"):  # noqa: PTH123 - descriptors
        monkeypatch.setattr(sys, "stdin", stdin)
        options = ["--model", str(model)] if source == "-" else []
        assert main(["live", source, "--fs", "250", "--port", "0", *options]) == 1
    error = capsys.readouterr().err
    assert ("has no card" if source == "-" else "no signal is marked as an ECG") in error
    assert "http://" not in error


def test_the_page_names_the_strap_that_was_found() -> None:
    feed = LiveFeed()
    live = SimpleNamespace(
        source=SimpleNamespace(name="", fs=130.0, leads=("ECG",)),
        link=SimpleNamespace(name="polar:Polar H10 12345678"),
        time_of_day=None,
    )
    for asked, shown in (("polar:", live.link.name), ("polar:AA:BB", "polar:AA:BB")):
        _Page(feed, asked).begin(live, SimpleNamespace(labelled=(0,)), None)  # type: ignore[arg-type]
        assert json.loads(feed.snapshot()[0][0])["source"] == shown


def test_the_page_shows_what_comes_on_standard_input() -> None:
    command = [sys.executable, "-m", "ecgfast", "live", "-", "--fs", "250", "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            url = process.stderr.readline().split()[-1]
            page = urllib.request.urlopen(url, timeout=300).read().decode()
            assert "ecgfast live" in page
            with client.connect(url.replace("http", "ws") + "socket", max_size=None) as socket:
                first = json.loads(socket.recv(timeout=300))
                assert (first["type"], first["leads"]) == ("hello", [])  # no sample yet
                process.stdin.write("I,II\n" + "0.1,0.2\n" * 500)
                process.stdin.flush()
                message: Any = b""
                while isinstance(message, bytes) or json.loads(message)["type"] != "hello":
                    message = socket.recv(timeout=300)
                hello = json.loads(message)
                assert (hello["source"], hello["leads"]) == ("standard input", ["I", "II"])
                process.send_signal(signal.SIGINT)
                while isinstance(message, bytes) or json.loads(message)["type"] != "end":
                    message = socket.recv(timeout=300)
            assert process.wait(300) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        (["--port", "70000"], 2, "--port 70000"),
        (["--viewers", "0"], 2, "--viewers 0"),
        (["--token", "short"], 2, "--token"),
        (["--queue", "-1"], 2, "--queue"),
        (["--host", "no such host", "--port", "0"], 1, "cannot be listened on"),
        (["--alarms", "no_such.toml"], 2, "no_such.toml"),
    ],
)
def test_wrong_use(
    options: list[str], status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "x.csv", *options]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert word in err
    assert "page, for" not in err


def test_a_source_that_cannot_be_read_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", str(tmp_path / "nothing_here.csv"), "--port", "0"]) == 1
    assert "nothing_here" in capsys.readouterr().err
    assert main(["live", "-"]) == 2
    assert "--fs" in capsys.readouterr().err
