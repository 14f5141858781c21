"""Does a batch give what one beat at a time gives, bit for bit?

``python bench/batches.py RECORDINGS`` takes every beat that the stream finds in RECORDINGS/mitdb
through each precision of a model in each runtime, one by one and in batches of several sizes, and
prints JSON: how many beats differ in any bit, and what a beat took. `Classifier.predict_proba`
relies on it, and checks it on a few beats when it is first used on a machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import BeatBatch, BeatStream, Classifier, ModelError
from ecgfast.benchmark import machine
from ecgfast.records import open_record
from ecgfast.runtime import ModelCard, available_backends, available_models, classifier

_SIZES = (8, 64, 256)


def beats_of(folder: Path, window: Any) -> BeatBatch:
    """All beats of a database, each recording from its start."""
    parts = []
    for header in sorted(folder.glob("*.hea")):
        source = open_record(header.with_suffix(""))
        stream = BeatStream(source.fs, n_leads=len(source.leads), window=window)
        parts += [stream.process(block) for block in source.blocks(120.0)]
        parts.append(stream.flush())
    return BeatBatch.concatenate(parts)


def compared(card: ModelCard, precision: str, backend: str, beats: BeatBatch) -> dict[str, Any]:
    """One precision in one runtime."""
    try:
        model = Classifier(card.name, precision=precision, backend=backend)
    except ModelError as error:
        return {"error": str(error)}
    given = [beats.windows, beats.features][: len(model.input_shapes)]
    begin = perf_counter()
    singly = np.array([model.predict_one(*beat).copy() for beat in zip(*given, strict=True)])
    found: dict[str, Any] = {"one_beat_us": 1e6 * (perf_counter() - begin) / len(beats)}
    for size in _SIZES:
        own = classifier._Session(card.file(precision).read_bytes(), card.name, backend, 1, size)
        begin = perf_counter()
        batched = through(own, dict(zip(model.input_shapes, given, strict=True)), len(beats))
        found[f"batches of {size}"] = {
            "us_per_beat": 1e6 * (perf_counter() - begin) / len(beats),
            "beats_that_differ": int((batched != singly).any(axis=1).sum()),
            "largest_difference": float(np.abs(batched - singly).max()),
        }
    return found


def through(
    session: classifier._Session, given: dict[str, npt.NDArray[np.float32]], count: int
) -> npt.NDArray[np.float32]:
    """The outputs of whole batches; what is left of the last one repeats old beats."""
    size = len(session.result)
    out = np.empty((count, session.result.shape[1]), np.float32)
    for begin in range(0, count, size):
        n = min(size, count - begin)
        for name, values in given.items():
            session.buffers[name][:n] = values[begin : begin + n]
        session.run()
        out[begin : begin + n] = session.result[:n]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--model", default="beats")
    args = parser.parse_args()
    card = available_models()[args.model]
    beats = beats_of(args.recordings / "mitdb", card.window)
    where = machine.describe()
    result = {
        "model": card.name,
        "beats": len(beats),
        "machine": {name: where[name] for name in ("cpu", "system", "runtimes")},
        "forms": {
            precision: {
                backend: compared(card, precision, backend, beats)
                for backend in available_backends()
            }
            for precision in card.precisions
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
