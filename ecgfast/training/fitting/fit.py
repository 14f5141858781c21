"""Training of one network on one set of examples, with any Keras backend, resumable."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ... import __version__
from ..._files import whole_file
from ..._types import FloatArray, Report
from ...errors import InputError
from ...networks import HyperLoss, build
from ...networks.checks import check_examples
from ...networks.conditioning import settle_norms, widen_sigmoids
from ..datasets.examples import ExampleSet
from ..recipes.recipe import Recipe, Schedule
from ..scoring import write_curves
from .batches import Batches

__all__ = ["Fitted", "difference_text", "fingerprint", "fit", "predict"]

# Steps over which the learning rate rises: the averages of batch normalisation must settle first.
_WARM_UP = 200
_PREDICT_BATCH = 1024
# Batches from which batch normalisation is settled for averaged weights, which it never saw.
_SETTLE = 200


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it got there.

    Attributes
    ----------
    model : keras.Model
        Not compiled; its outputs are in the targets' own unit.
    history : list of dict
        A row an epoch: "epoch", "learning rate", "loss" and "accuracy" or "mae" as trained (with
        augmentation, the mean over the epoch), and the same with "validation " before it where
        there is a validation part. The losses, and "mae", are of standardised targets.
    resumed : int
        Epochs that came from a checkpoint.
    """

    model: Any
    history: list[dict[str, float]]
    resumed: int = 0


def _accuracy(outputs: int) -> Any:
    """Share of right labels; targets may be softened or mixed."""
    if outputs > 1:
        return keras.metrics.CategoricalAccuracy(name="accuracy")

    def right(target: Any, output: Any) -> Any:
        return keras.ops.cast(keras.ops.equal(target > 0.5, output > 0.5), "float32")

    return keras.metrics.MeanMetricWrapper(right, name="accuracy")


def fit(
    recipe: Recipe,
    examples: ExampleSet,
    validation: ExampleSet | None = None,
    *,
    seed: int | None = None,
    noise: Sequence[FloatArray] = (),
    checkpoint: Path | None = None,
    curves: Path | None = None,
    report: Report = lambda line: None,
    begun: Report | None = None,
    progress: bool = False,
) -> Fitted:
    """Build and train a network.

    After every epoch all that the next one depends on (weights, the optimizer's state, the state
    of every random generator) is kept in one file. A run that was broken off continues from there
    and ends with the same weights as an unbroken one, on the same machine, backend and number of
    threads.

    Parameters
    ----------
    recipe : Recipe
    examples : ExampleSet
        Training part. What has no weight is only ever scored: it is left out.
    validation : ExampleSet, optional
        To watch, and to stop by where the schedule says so.
    seed : int, optional
        Instead of the recipe's.
    noise : sequence of ndarray of float32, each of shape (m,)
        Recorded noise (`augment.recorded_noise`) for a schedule that adds some.
    checkpoint : Path, optional
        File for the state after each epoch. One of other settings or examples is not used, and
        replaced.
    curves : Path, optional
        CSV file of `Fitted.history`, written anew, whole, after each epoch.
    report : callable
        Gets a line after each epoch.
    begun : callable, optional
        Gets a line where a checkpoint is continued, or is of another training; `report` by default.
    progress : bool
        Show a progress bar with the losses on a terminal.

    Returns
    -------
    Fitted

    Raises
    ------
    InputError
        If the schedule stops by a validation part that is not there, or loss and head do not go
        together.
    ModelError
        If the network does not fit the examples.
    """
    seed = recipe.seed if seed is None else seed
    schedule = recipe.schedule
    if "weight" in examples.columns and not examples.columns["weight"].all():
        examples = examples.only(examples.columns["weight"] > 0)
    if schedule.stop_patience and not (validation and len(validation)):
        raise InputError(f"recipe {recipe.name}: stop_patience needs a validation part")
    keras.utils.set_random_seed(seed)
    options = dict(recipe.architecture)
    name = options.pop("name")
    model = build(name, **options)
    shapes = {key: values.shape[1:] for key, values in examples.inputs.items()}
    check_examples(name, model, shapes, examples.classes, labelled=examples.labelled)
    scale = _Scale(model, examples)
    targets = scale.targets(examples, schedule.label_smoothing)
    batches = Batches(examples, targets, schedule, seed, noise)
    model.compile(
        optimizer=_optimizer(schedule, len(batches)),
        loss=_loss(schedule, scale, targets),
        metrics=["mae" if scale.linear else _accuracy(scale.outputs)],
    )
    model.optimizer.build(model.trainable_variables)
    begun = report if begun is None else begun
    settings = fingerprint(recipe, examples, validation, seed, noise)
    state = _State(model, batches, checkpoint, settings)
    resumed = len(state.history)
    if resumed:
        begun(f"continues after epoch {resumed}, from {checkpoint}")
    elif state.other:
        begun(f"{checkpoint} is of another training, and is replaced: {state.other}")
        if curves is not None:
            write_curves(curves, state.history)
    with tqdm(
        total=len(batches) * schedule.epochs,
        initial=len(batches) * resumed,
        desc="train",
        unit="step",
        disable=None if progress else True,
    ) as bar:
        while len(state.history) < schedule.epochs and not state.stopped(schedule):
            row = {
                "epoch": len(state.history) + 1,
                "learning rate": float(model.optimizer.learning_rate),
                **_train_epoch(model, batches, bar),
            }
            with _averaged(model, batches, schedule):
                if validation is not None and len(validation):
                    row |= _validation_losses(model, validation, scale)
                state.end_epoch(row, schedule)
            state.save()
            if curves is not None:
                write_curves(curves, state.history)
            bar.set_postfix({k: f"{v:.4f}" for k, v in row.items() if k.endswith("loss")})
            report(", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    if schedule.stop_patience:
        state.take_best()
    elif schedule.weight_average:
        model.optimizer.finalize_variable_values(model.trainable_variables)
        settle_norms(model, _shown(batches))
    scale.fold_into(model)
    widen_sigmoids(model)
    # Without loss, metrics and optimizer, which another program could not load.
    bare = build(name, **options)
    bare.set_weights(model.get_weights())
    return Fitted(bare, state.history, resumed)


def _train_epoch(model: Any, batches: Batches, bar: Any) -> dict[str, float]:
    """Train on every batch once; mean loss and metrics."""
    # Step by step: Keras's own loop over a generator waits most of the time on its queue.
    batches.draw()
    results: list[dict[str, float]] = []
    sizes: list[int] = []
    for i in range(len(batches)):
        inputs, target, weight = batches[i]
        sizes.append(len(target))
        results.append(
            _plain(model.train_on_batch(inputs, target, sample_weight=weight, return_dict=True))
        )
        bar.update()
        bar.set_postfix(loss=f"{results[-1]['loss']:.4f}", refresh=False)
    # Keras begins its means anew with every batch.
    return {k: float(np.average([r[k] for r in results], weights=sizes)) for k in results[0]}


def _validation_losses(model: Any, validation: ExampleSet, scale: _Scale) -> dict[str, float]:
    """Loss and metrics on the validation part."""
    results = model.evaluate(
        validation.inputs,
        scale.targets(validation, 0.0),
        batch_size=_PREDICT_BATCH,
        verbose=0,
        return_dict=True,
    )
    return {f"validation {name}": value for name, value in _plain(results).items()}


def predict(model: Any, examples: ExampleSet) -> FloatArray:
    """Outputs of a network.

    Parameters
    ----------
    model : keras.Model
    examples : ExampleSet
        Of n rows.

    Returns
    -------
    ndarray of float32, shape (n, outputs)
    """
    return np.asarray(
        model.predict(examples.inputs, batch_size=_PREDICT_BATCH, verbose=0), np.float32
    )


def fingerprint(
    recipe: Recipe,
    examples: ExampleSet,
    validation: ExampleSet | None,
    seed: int,
    noise: Sequence[FloatArray] = (),
) -> dict[str, Any]:
    """What a training depends on, as plain JSON: equal for equal settings and examples.

    Parameters
    ----------
    recipe : Recipe
    examples, validation : ExampleSet
    seed : int
    noise : sequence of ndarray of float32, each of shape (m,)

    Returns
    -------
    dict
    """
    checksum = 0
    for one in noise:
        checksum = zlib.crc32(np.ascontiguousarray(one).data, checksum)
    for part in (examples, validation):
        if part is not None:
            weights = [values for name, values in part.columns.items() if name == "weight"]
            for values in (*part.inputs.values(), part.target, *weights):
                checksum = zlib.crc32(np.ascontiguousarray(values).data, checksum)
    settings = {
        "architecture": recipe.architecture,
        "schedule": dataclasses.asdict(recipe.schedule),
        "examples": checksum,
        "seed": seed,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "ecgfast": __version__,
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def difference_text(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in which settings two trainings differ.

    Parameters
    ----------
    before, now : mapping
        From `fingerprint`; what holds one more setting by name is looked into.

    Returns
    -------
    str
        Empty where they are equal.
    """
    differences = []
    for name in dict.fromkeys([*now, *before]):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name in ("examples", "folds"):
            differences.append(f"other {name}")
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            keys = [key for key in dict.fromkeys([*new, *old]) if old.get(key) != new.get(key)]
            differences += [
                f"{name}.{key} was {old.get(key)} and is {new.get(key)}" for key in keys
            ]
        else:
            differences.append(f"{name} was {old} and is {new}")
    return "; ".join(differences)


class _Scale:
    """Targets as a loss takes them, and back: classes as shares, numbers standardised."""

    def __init__(self, model: Any, examples: ExampleSet) -> None:
        self.outputs = int(model.output_shape[-1])
        self.linear = model.output_names[0] == "value"
        if self.linear:
            self.mean = examples.target.mean(axis=0, dtype=np.float64)
            self.deviation = examples.target.std(axis=0, dtype=np.float64)
            self.deviation[self.deviation == 0] = 1.0

    def targets(self, examples: ExampleSet, smoothing: float) -> FloatArray:
        taken: Any
        if self.linear:
            taken = (examples.target - self.mean) / self.deviation
        elif self.outputs == 1:
            taken = examples.target[:, np.newaxis] * (1 - smoothing) + smoothing / 2
        else:
            shares = np.eye(self.outputs) * (1 - smoothing) + smoothing / self.outputs
            taken = shares[examples.target]
        return np.asarray(taken, np.float32)

    def fold_into(self, model: Any) -> None:
        """Put the scale into the last layer: the model then answers in the targets' unit."""
        if self.linear:
            last = model.get_layer("value")
            kernel, bias = last.get_weights()
            last.set_weights([kernel * self.deviation, bias * self.deviation + self.mean])


def _shown(batches: Batches) -> Iterator[dict[str, FloatArray]]:
    """Inputs of some batches of a new pass, as training shows them."""
    batches.draw()
    return (batches[i][0] for i in range(min(len(batches), _SETTLE)))


@contextmanager
def _averaged(model: Any, batches: Batches, schedule: Schedule) -> Iterator[None]:
    """The model with the running average of its weights, where the schedule keeps one."""
    if not schedule.weight_average:
        yield
        return
    own = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    settle_norms(model, _shown(batches))
    yield
    model.set_weights(own)


def _optimizer(schedule: Schedule, steps_per_epoch: int) -> Any:
    average: dict[str, Any] = {}
    if schedule.weight_average:
        average = {"use_ema": True, "ema_momentum": schedule.weight_average}
    if schedule.optimizer == "adam":
        return keras.optimizers.Adam(schedule.learning_rate, **average)
    steps = max(steps_per_epoch * schedule.epochs, 2)
    warm_up = min(_WARM_UP, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-6, steps - warm_up, warmup_target=schedule.learning_rate, warmup_steps=warm_up
    )
    return keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay, **average)


def _loss(schedule: Schedule, scale: _Scale, targets: FloatArray) -> Any:
    """The loss of a schedule, for a head."""
    losses = keras.losses
    if scale.linear:
        heads = {"mse": losses.MeanSquaredError, "mae": losses.MeanAbsoluteError}
        heads |= {"huber": losses.Huber, "hyperloss": HyperLoss}
        usual = "mse"
    elif scale.outputs == 1:
        heads = {"binary crossentropy": losses.BinaryCrossentropy}
        heads |= {"focal": losses.BinaryFocalCrossentropy}
        usual = "binary crossentropy"
    else:
        heads = {"categorical crossentropy": losses.CategoricalCrossentropy}
        heads |= {"focal": losses.CategoricalFocalCrossentropy}
        usual = "categorical crossentropy"
    name, options = schedule.loss or usual, dict(schedule.loss_options)
    if name not in heads:
        raise InputError(f"loss {name!r} does not go with this head: give {', '.join(heads)}")
    try:
        if name == "hyperloss" and options.get("outlier") == "target":
            del options["outlier"]
            return HyperLoss.from_targets(targets, **options)
        return heads[name](**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"loss {name!r}: {str(error).splitlines()[0]}") from None


def _plain(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


class _State:
    """All that the next epoch depends on, and its file."""

    def __init__(
        self, model: Any, batches: Batches, file: Path | None, settings: dict[str, Any]
    ) -> None:
        self._model, self._batches, self._file, self._settings = model, batches, file, settings
        self.history: list[dict[str, float]] = []
        self._best, self._waited, self._since_best = math.inf, 0, 0
        self._best_weights: list[npt.NDArray[Any]] = []
        self.other = ""  # how the training differs of which the file is
        if file is not None:
            self._read(file)

    def stopped(self, schedule: Schedule) -> bool:
        return 0 < schedule.stop_patience <= self._since_best

    def end_epoch(self, row: dict[str, float], schedule: Schedule) -> None:
        """Note an epoch, its weights if they are the best, and lower a rate that stalls."""
        self.history.append(row)
        watched = row.get("validation loss", row["loss"])
        if watched < self._best:
            self._best, self._waited, self._since_best = watched, 0, 0
            if schedule.stop_patience:
                self._best_weights = self._model.get_weights()
        else:
            self._waited += 1
            self._since_best += 1
        if schedule.optimizer == "adam" and 0 < schedule.plateau_patience <= self._waited:
            optimizer = self._model.optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) * schedule.plateau_factor
            self._waited = 0

    def save(self) -> None:
        """Keep all that the next epoch depends on, if there is a file for it."""
        if self._file is not None:
            self._write(self._file)

    def take_best(self) -> None:
        self._model.set_weights(self._best_weights)

    def _variables(self) -> list[Any]:
        """Weights, the states of dropout's generators, and the optimizer's numbers."""
        model = self._model
        return [*model.variables, *model.optimizer.variables]

    def _write(self, file: Path) -> None:
        numbers = {
            "settings": self._settings,
            "history": self.history,
            "best": self._best,
            "waited": self._waited,
            "since_best": self._since_best,
            "generator": self._batches.generator.bit_generator.state,
        }
        arrays: dict[str, Any] = {
            **{f"variable.{i}": _array(v) for i, v in enumerate(self._variables())},
            **{f"best.{i}": w for i, w in enumerate(self._best_weights)},
        }
        if keras.backend.backend() == "torch":
            arrays["torch"] = _torch().get_rng_state().numpy()
        with whole_file(file) as out:
            np.savez(out, numbers=np.array(json.dumps(numbers)), **arrays)

    def _read(self, file: Path) -> None:
        try:
            with np.load(file, allow_pickle=False) as stored:
                numbers = json.loads(str(stored["numbers"]))
                arrays = {name: stored[name] for name in stored.files}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"{file}: damaged ({error}); delete it and run again") from None
        variables = self._variables()
        kept = [arrays.get(f"variable.{i}") for i in range(len(variables))]
        lacking = keras.backend.backend() == "torch" and "torch" not in arrays
        self.other = difference_text(numbers["settings"], self._settings)
        if not self.other and (
            lacking
            or any(
                old is None or old.shape != tuple(new.shape)
                for old, new in zip(kept, variables, strict=True)
            )
        ):
            self.other = "other variables"
        if self.other:
            return
        for old, new in zip(kept, variables, strict=True):
            new.assign(old)
        self.history = numbers["history"]
        self._best, self._waited = numbers["best"], numbers["waited"]
        self._since_best = numbers["since_best"]
        self._best_weights = [
            arrays[f"best.{i}"] for i in range(sum(name.startswith("best.") for name in arrays))
        ]
        self._batches.generator.bit_generator.state = numbers["generator"]
        if keras.backend.backend() == "torch":
            torch = _torch()
            torch.set_rng_state(torch.from_numpy(arrays["torch"]))


def _torch() -> Any:
    """Torch, whose own generator Keras's dropout draws from there."""
    # By name: no extra installs it, so that the type check does not know it.
    return importlib.import_module("torch")


def _array(variable: Any) -> npt.NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(variable))
