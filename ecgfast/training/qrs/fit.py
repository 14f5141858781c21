"""Training of the QRS score."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .network import HEADS, STRIDE, Shape, build, qrs_loss, weights_of
from .recordings import in_training, unpack
from .windows import WindowMaker, Windows

__all__ = ["CELLS", "DEFAULT_SHAPE", "fit_score", "step_targets"]

DEFAULT_SHAPE = Shape()

CELLS = 1280
"""Cells of a training window: 10.24 s."""


def step_targets(windows: Windows) -> npt.NDArray[np.float32]:
    """Targets and weights of every output of the network: shape (windows, cells / 4, 16)."""
    n = windows.targets.shape[1] // STRIDE
    parts = []
    for values in (windows.targets, windows.weights):
        steps = values.reshape(len(values), n, STRIDE)
        for head in HEADS:
            late = np.zeros_like(steps)
            late[:, head:] = steps[:, : n - head]
            parts.append(late)
    return np.concatenate(parts, axis=-1)


def _work(packed: str, without: frozenset[str], batch: int, seed: int, queue: Any) -> None:
    strips, noises = unpack(Path(packed))
    noises = [] if "nstdb" in without else noises
    maker = WindowMaker([s for s in strips if in_training(s, without)], noises, CELLS, seed)
    while True:
        windows = maker.batch(batch)
        queue.put((windows.inputs.astype(np.float16), step_targets(windows).astype(np.float16)))


def _batches(
    packed: Path, without: frozenset[str], batch: int, seed: int, workers: int
) -> Generator[tuple[Any, Any], None, None]:
    """Yield batches without end; the same ones for the same seed and number of workers."""
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(maxsize=8) for _ in range(workers)]
    processes = [
        context.Process(
            target=_work, args=(str(packed), without, batch, 1000 * seed + k, queue), daemon=True
        )
        for k, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    try:
        for queue in itertools.cycle(queues):
            x, y = queue.get()
            yield x.astype(np.float32), y.astype(np.float32)
    finally:
        for process in processes:
            process.terminate()


def fit_score(
    packed: Path,
    *,
    without: frozenset[str] = frozenset(),
    shape: Shape = DEFAULT_SHAPE,
    steps: int = 14000,
    batch: int = 64,
    rate: float = 3e-3,
    seed: int = 1,
    workers: int = 1,
    report_every: int = 200,
    report: Callable[[str], None] = print,
) -> dict[str, npt.NDArray[np.float32]]:
    """Train the score.

    The learning rate rises over the first twentieth of the steps and falls like a cosine; over the
    last third the weights are averaged.

    Parameters
    ----------
    packed : Path
        Recordings, as `recordings.pack` writes them.
    without : frozenset of str
        What is left out, as `recordings.in_training` has it.
    shape : Shape
        Sizes of the network; the C core takes the default alone.
    steps, batch : int
        Steps of the optimiser, and windows of 10.24 s in each.
    rate : float
        Largest learning rate.
    seed : int
        Of the first weights and of all windows.
    workers : int
        Processes that make windows; another number makes other windows.
    report_every : int
        Steps between two lines of progress.
    report : callable
        Takes a line of progress.

    Returns
    -------
    dict of str to ndarray
        As `weights_of`.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = build(shape, CELLS)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0)
    model.compile(optimizer, qrs_loss)
    mean: list[npt.NDArray[np.float32]] = []
    losses: list[float] = []
    source = _batches(packed, without, batch, seed, workers)
    for step, (x, y) in enumerate(itertools.islice(source, steps)):
        part = step / steps
        optimizer.learning_rate = (
            rate * min(1.0, part / 0.05 + 0.01) * (0.5 + 0.5 * np.cos(np.pi * part)) + 1e-5
        )
        losses.append(float(np.asarray(model.train_on_batch(x, y))))
        if part > 0.67 and step % 10 == 0:
            now = model.get_weights()
            mean = now if not mean else [a + 0.02 * (b - a) for a, b in zip(mean, now, strict=True)]
        if (step + 1) % report_every == 0:
            report(f"{step + 1} of {steps} steps, loss {np.mean(losses[-report_every:]):.4f}")
    source.close()
    if mean:
        model.set_weights(mean)
    return weights_of(model)
