"""Writes ecgfast's results for recordings, so that two machines can be compared bit by bit.

    python scripts/trace_beats.py $ECGFAST_DATA/mitdb/100 $ECGFAST_DATA/mitdb/208 --out traces

Each record gives NAME.npz: by detector what `BeatStream` gives (R peaks, RR intervals, windows,
features, ...), and by model the windows and features that it takes and, by precision and runtime,
its outputs for some hundred beats spread over the recording, as "beats/float32/ai-edge-litert".
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ecgfast import BeatBatch, BeatStream, Classifier, read_record
from ecgfast.errors import ModelError
from ecgfast.runtime import available_backends, available_models

# Beats of a recording that each model answers: an emulated core takes seconds for some.
_OUTPUTS = 300


def traced(path: Path) -> dict[str, Any]:
    """All that is made of a recording.

    Parameters
    ----------
    path : Path
        The record, as `ecgfast.read_record` takes it.

    Returns
    -------
    dict of str to ndarray
    """
    record = read_record(path)
    n_leads = record.signal.shape[1]
    found: dict[str, Any] = {}

    def beats(stream: BeatStream) -> BeatBatch:
        return stream.finish(record.signal)

    def keep(name: str, batch: BeatBatch) -> None:
        found.update({f"{name}/{f.name}": getattr(batch, f.name) for f in fields(batch)})

    for method in ("adaptive", "pan-tompkins"):
        keep(method, beats(BeatStream(record.fs, n_leads=n_leads, method=method)))
    for name, card in available_models().items():
        kept = False
        for precision in card.precisions:
            for backend in available_backends():
                try:
                    classifier = Classifier(name, precision=precision, backend=backend)
                except ModelError:
                    continue  # a runtime that would crash on it on this machine
                if not kept:
                    batch = beats(
                        BeatStream(
                            record.fs,
                            n_leads=n_leads,
                            lookahead=classifier.lookahead,
                            window=classifier.window,
                        )
                    )
                    keep(name, batch)
                    kept = True
                few = slice(None, None, max(1, len(batch) // _OUTPUTS))
                features = batch.features[few] if "features" in classifier.input_shapes else None
                outputs = classifier.predict_proba(batch.windows[few], features)
                found[f"{name}/{precision}/{backend}"] = outputs
    return found


def main() -> None:
    """Write the traces that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.records:
        np.savez(args.out / path.name, **traced(path))
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
