"""Make the weights of the detector `neural` from recordings.

    python -m ecgfast.training.qrs --data recordings --output weights.npz
    python -m ecgfast.training.qrs --data recordings --without ludb,mitdb:ds2 --output noludb.npz
    python -m ecgfast.training.qrs --to-c weights.npz > csrc/src/neural/neural_weights.c

`recordings` holds mitdb, svdb, nsrdb, qtdb, ludb and nstdb as PhysioNet has them. What is left out
of training (`--without`: names of databases, `mitdb:ds1`, `mitdb:ds2`, and `nstdb` for the recorded
noise) is free for honest figures; the built-in weights leave out `mitdb:ds2`, on which beat classes
are reported. Any Keras back end will do (`KERAS_BACKEND`); the processors that make the windows
(`--workers`) limit the speed, not the network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..._files import write_whole
from .c_source import weights_source
from .fit import fit_score
from .recordings import load_noise, load_strips, pack


def _command(made: dict[str, Any]) -> str:
    """The command that made a file of weights."""
    options = f"--steps {made['steps']} --seed {made['seed']} --workers {made['workers']}"
    return f"python -m ecgfast.training.qrs --without {','.join(made['without'])} {options}"


def main() -> None:
    """Train, or write trained weights as C."""
    parser = argparse.ArgumentParser(
        prog="python -m ecgfast.training.qrs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of the recordings")
    parser.add_argument("--without", default="mitdb:ds2", help="left out, separated by commas")
    parser.add_argument("--steps", type=int, default=14000, help="of training")
    parser.add_argument("--workers", type=int, default=2, help="processes that make windows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="weights, .npz")
    parser.add_argument("--to-c", type=Path, metavar="WEIGHTS", help="print weights as C")
    args = parser.parse_args()
    if args.to_c:
        with np.load(args.to_c) as file:
            weights = {name: file[name] for name in file.files if "." in name}
            sys.stdout.write(weights_source(weights, _command(json.loads(str(file["made"])))))
        return
    if args.data is None or args.output is None:
        parser.error("name the recordings (--data) and the file to write (--output)")
    without = frozenset(name for name in args.without.split(",") if name)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "recordings.npz"
        print("reading recordings", file=sys.stderr)
        pack(load_strips(args.data), load_noise(args.data), packed)
        weights = fit_score(
            packed,
            without=without,
            steps=args.steps,
            seed=args.seed,
            workers=args.workers,
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    made = {
        "without": sorted(without),
        "steps": args.steps,
        "seed": args.seed,
        "workers": args.workers,
    }
    with tempfile.TemporaryFile() as file:
        arrays: dict[str, Any] = {"made": np.array(json.dumps(made)), **weights}
        np.savez_compressed(file, **arrays)
        file.seek(0)
        write_whole(args.output, file.read())


if __name__ == "__main__":
    main()
