"""CPU time of the page of a live stream: one minute of 8 leads at 1 kHz; writes docs/live.json.

python bench/live_page.py [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ecgfast import Classifier, RhythmStream, StreamingClassifier
from ecgfast.live import LiveFeed, LiveServer
from ecgfast.records import synthetic_ecg

FS, N_LEADS, CHUNK, SECONDS = 1000.0, 8, 33, 60

# A page that takes all that it is sent, in a process of its own.
VIEWER = """
import sys
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
messages = size = 0
with connect(sys.argv[1], max_size=None, compression=None) as page:
    try:
        while True:
            size += len(page.recv())
            messages += 1
    except ConnectionClosed:
        print(messages, size)
"""


def measured(kind: str) -> dict[str, float]:
    """CPU seconds of this process; `kind` is "stream", "server" or "page"."""
    record = synthetic_ecg(SECONDS, FS, leads=("MLII", "V1"), seed=3)
    signal = np.tile(record.signal, N_LEADS // 2)
    labeller = StreamingClassifier(Classifier("beats"), FS, n_leads=N_LEADS)
    rhythm = RhythmStream(FS, n_leads=N_LEADS, delay=labeller.stream.delay / FS)
    feed = server = viewer = None
    if kind != "stream":
        feed = LiveFeed()
        server = LiveServer(feed, port=0)
        server.start()
        feed.begin("bench", FS, [f"L{i + 1}" for i in range(N_LEADS)])
    if kind == "page" and server is not None:
        url = server.url.replace("http:", "ws:") + "socket"
        command = [sys.executable, "-c", VIEWER, url]
        viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(3)
    used, begin = time.process_time(), time.monotonic()
    for i in range(0, len(signal), CHUNK):
        chunk = signal[i : i + CHUNK]
        beats = labeller.process(chunk)
        events = rhythm.process(beats, chunk)
        if feed is not None:
            feed.take(chunk, beats, events)
        time.sleep(max(0.0, begin + (i + CHUNK) / FS - time.monotonic()))
    found = {"cpu_s": round(time.process_time() - used, 2)}
    if server is not None:
        server.stop()
    if viewer is not None:
        messages, size = viewer.communicate()[0].split()
        found |= {"messages": int(messages), "bytes": int(size)}
    return found


def main() -> None:
    """Measure all three, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[1] / "docs" / "live.json"
    parser.add_argument("--output", type=Path, default=default)
    args = parser.parse_args()
    result = {
        "seconds": SECONDS,
        "fs": FS,
        "n_leads": N_LEADS,
        "chunk": CHUNK,
        **{kind: measured(kind) for kind in ("stream", "server", "page")},
    }
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
