"""From a Keras model to TFLite files that are checked before anyone gets to see them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._files import temporary_folder, whole_file
from ...deprecated import renamed, renamed_argument
from ...errors import InputError, ModelError, system_reason
from ...extras import need_installed
from ...processes import module_command
from ...runtime.cards import ModelCard

__all__ = ["PRECISIONS", "export"]

#: Precisions that `export` can write; float32 is always among them, and is the file NAME.tflite.
PRECISIONS = ("float32", "float16", "dynamic", "int8")

#: How far the float32 file may be from Keras, in units of its output (or of its largest one).
#: The networks of the recipes keep well below it. A network of sigmoids before batch normalisations
#: was ten times as far from Keras after a few steps, and Keras nearer to the exact function: the
#: converter folds a normalisation that magnifies into the next layer, where it seems to cancel.
TOLERANCE = 1e-5

_CHECKED = 1000  # beats compared with Keras
# Beats that set the ranges of int8: many hold rare extremes, which make the steps coarse.
_CALIBRATIONS = (500, 150, 50)
_PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
_TIME_LIMIT = 1800.0  # s, of one conversion


def export(
    model: Any,
    out_dir: str | os.PathLike[str],
    name: str,
    *,
    representative: Mapping[str, npt.ArrayLike],
    labels: npt.ArrayLike | None = None,
    precisions: Sequence[str] = ("float32", "int8"),
    card: ModelCard,
    seed: int = 0,
    forms: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Convert a model, check every file in every runtime present, and write files and card.

    Conversion runs in a process of its own, with built-in operators only and, where the
    model allows, any batch size. A file is refused if it holds custom (Flex) operators or keeps
    state, returns NaN, loads in no runtime, or (float32) is further than 1e-5 from Keras, relative
    to outputs over 1; nothing at all is written then. float32 and float16 must load in
    tflite-runtime where it is installed.

    Parameters
    ----------
    model : keras.Model or path
        The trained model, or a .keras file.
    out_dir : path
        Folder for the files; it is made.
    name : str
        Stem of the files: NAME.tflite (float32), NAME.PRECISION.tflite, NAME.json (the card).
    representative : mapping of str to array_like, shapes (n, ...)
        Training beats by input name: at most 1000 are compared with Keras, and at most 500, 150
        or 50 of these set the ranges of int8, whichever keeps the most of Keras's labels.
    labels : array_like, shape (n,), optional
        Class of each of these beats; both choices are then balanced over classes.
    precisions : sequence of str, default ("float32", "int8")
        Of `PRECISIONS`; float32 is added if it is missing.
    card : ModelCard
        All but `name`, `precisions`, `parameters` and library versions, which are filled in.
    seed : int, default 0
        Seed of the choice of beats.
    forms : sequence of str, optional
        Deprecated: `precisions`.

    Returns
    -------
    dict of str to dict
        By precision: file, bytes, sha256, operators (name to count), max_abs_difference and
        same_label (share of checked beats with Keras's label), dynamic_batch, and runtimes: for
        each one present "ok" or why it cannot load the file. The card holds the same.

    Raises
    ------
    ModelError
        A conversion failed, or a file was refused.
    InputError
        A precision is unknown, or the representative beats do not fit.
    MissingExtraError
        TensorFlow is not installed.
    """
    given = renamed_argument("export", "forms", forms, "precisions", precisions)
    precisions = _ordered(given)
    need_installed(("tensorflow",), "Exporting a model", "train")
    beats, classes = _beats(representative, labels)
    expected = {spec.name for spec in card.inputs}
    if beats.keys() != expected:
        raise InputError(
            f"representative has {sorted(beats)}, but the card's inputs are {sorted(expected)}"
        )
    generator = np.random.default_rng(seed)
    chosen = _balanced(classes, _CHECKED, generator)
    calibration = _balanced(classes[chosen], max(_CALIBRATIONS), generator)
    trials = [trial for precision in precisions for trial in _trials(precision)]
    out = Path(out_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{out}: cannot be made ({system_reason(error)})") from None

    with temporary_folder(ModelError) as folder:
        shown: dict[str, Any] = {name: values[chosen] for name, values in beats.items()}
        np.savez(folder / "beats.npz", **shown)
        source = _saved(model, folder)
        reference = folder / "reference.npy"
        converted = _run(
            "convert",
            folder,
            trials,
            {
                "model": str(source),
                "reference": str(reference),
                "calibration": calibration.tolist(),
                "network": card.architecture.get("name", ""),
            },
        )
        for trial, answer in converted.items():
            if "problem" in answer:
                raise ModelError(f"{name}: converting to {trial} failed: {answer['problem']}")
        parameters = next(answer["parameters"] for answer in converted.values())
        present = [b for b, package in _PACKAGES.items() if find_spec(package)] or ["tf.lite"]
        ran = {
            backend: _run(
                "check", folder, trials, {"backend": backend, "reference": str(reference)}
            )
            for backend in present
        }
        largest = max(1.0, float(np.abs(np.load(reference)).max()))
        made: dict[str, dict[str, Any]] = {}
        for precision in precisions:
            best, facts = _best(name, precision, ran, largest)
            content = (folder / f"{best}.tflite").read_bytes()
            (folder / f"{precision}.tflite").write_bytes(content)
            plain = precision == "float32"
            made[precision] = {
                "file": f"{name}.tflite" if plain else f"{name}.{precision}.tflite",
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "operators": converted[best]["operators"],
                **facts,
            }
        final = dataclasses.replace(
            card,
            name=name,
            parameters=parameters,
            precisions=made,
            versions={**card.versions, **_versions()},
            path=None,
        )
        sources = {entry["file"]: folder / f"{key}.tflite" for key, entry in made.items()}
        _write(out, sources, final)
    return made


def __getattr__(name: str) -> Any:
    return renamed(__name__, name)


def _ordered(precisions: Sequence[str]) -> list[str]:
    for precision in precisions:
        if precision not in PRECISIONS:
            raise InputError(f"no precision {precision!r}: choose of {', '.join(PRECISIONS)}")
    return [one for one in PRECISIONS if one == "float32" or one in precisions]


def _trials(precision: str) -> list[str]:
    """Ways to convert to a precision; the best is kept."""
    return [f"int8-{count}" for count in _CALIBRATIONS] if precision == "int8" else [precision]


def _beats(
    representative: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike | None
) -> tuple[dict[str, npt.NDArray[np.float32]], npt.NDArray[Any]]:
    """Beats as float32 and the class of each (all of one class without labels)."""
    beats = {key: np.asarray(values, np.float32) for key, values in representative.items()}
    counts = {len(values) if values.ndim else 0 for values in beats.values()}
    if len(counts) != 1 or counts == {0}:
        raise InputError("representative needs the same number of beats, at least one, everywhere")
    count = counts.pop()
    for key, values in beats.items():
        if not np.isfinite(values).all():
            raise InputError(f"representative {key!r} holds NaN or infinity")
    classes = np.zeros(count, np.int64) if labels is None else np.asarray(labels)
    if classes.shape != (count,):
        raise InputError(f"labels has the shape {classes.shape}, not ({count},)")
    return beats, classes


def _balanced(
    classes: npt.NDArray[Any], count: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """At most `count` indices, as even over the classes as their numbers allow, shuffled."""
    # The first of each class, then the second of each, and so on: rare classes come whole.
    order = generator.permutation(len(classes))
    turn = np.empty(len(classes), np.int64)
    for label in np.unique(classes):
        own = order[classes[order] == label]
        turn[own] = np.arange(len(own))
    first = order[np.argsort(turn[order], kind="stable")][:count]
    return generator.permutation(first)


# What .keras (a ZIP archive) and .h5 files begin with.
_KERAS_FILES = (b"PK\x03\x04", b"\x89HDF")


def check_keras_file(path: Path) -> None:
    """Refuse what is no file of Keras, before TensorFlow is loaded for it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ModelError
        If it is missing, or neither a ``.keras`` nor an ``.h5`` file by how it begins.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such Keras model; make it with `ecgfast train`")
    with path.open("rb") as file:
        if file.read(4) not in _KERAS_FILES:
            raise ModelError(
                f"{path}: is no Keras model; give a .keras file, as model.save() writes it"
            )


def _saved(model: Any, folder: Path) -> Path:
    """The model as a .keras file that the converter's process can read."""
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        check_keras_file(path)
        return path.absolute()
    path = folder / "model.keras"
    model.save(path)
    return path


def _run(
    verb: str, folder: Path, precisions: Sequence[str], job: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Run a job of `_convert` in a process of its own; answer, or "problem", by precision."""
    file = folder / "answers.json"
    job = {
        **job,
        "folder": str(folder),
        "beats": str(folder / "beats.npz"),
        "answers": str(file),
    }
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",  # whatever trained it, TensorFlow converts it
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [*module_command(f"{__package__}._convert"), verb, str(folder / "job.json")]
    answers: dict[str, dict[str, Any]] = {}
    left = list(precisions)
    while left:
        file.write_text("{}", encoding="utf-8")
        (folder / "job.json").write_text(json.dumps({**job, "precisions": left}), encoding="utf-8")
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_TIME_LIMIT,
                check=False,
            )
            if done.returncode < 0:
                problem = f"crashed (signal {-done.returncode})"
            else:
                lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
                problem = lines[-1] if lines else f"exit status {done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"took more than {_TIME_LIMIT:.0f} s"
        answers.update(json.loads(file.read_text(encoding="utf-8")))
        left = [one for one in left if one not in answers]
        if left:  # the process died over the first of these; the others still have their turn
            answers[left.pop(0)] = {"problem": problem}
    return answers


def _best(
    name: str, precision: str, ran: dict[str, dict[str, Any]], largest: float
) -> tuple[str, dict[str, Any]]:
    """Of the conversions of a precision the one that labels most like Keras, and its facts."""
    judged = {
        trial: _judged(name, precision, {b: x[trial] for b, x in ran.items()}, largest)
        for trial in _trials(precision)
    }
    best = max(judged, key=lambda trial: judged[trial]["same_label"])
    return best, judged[best]


def _judged(
    name: str, precision: str, answers: dict[str, dict[str, Any]], largest: float
) -> dict[str, Any]:
    """What the card says of a file that the runtimes have run; or why it is refused."""
    passed = [answer for answer in answers.values() if "problem" not in answer]
    # Without the name of the error and of the file, which was a passing one.
    runtimes = {
        backend: answer.get("problem", "ok").rpartition(".tflite: ")[2]
        for backend, answer in answers.items()
    }
    for backend, problem in runtimes.items():
        if "NaN" in problem or "state from beat" in problem:
            raise ModelError(f"{name}: the {precision} file on {backend}: {problem}")
        # A runtime that does not work at all says nothing about the file.
        if precision in ("float32", "float16") and "cannot load it" in problem:
            raise ModelError(f"{name}: the {precision} file must load in every runtime: {problem}")
    if not passed:
        raise ModelError(f"{name}: no runtime runs the {precision} file: {runtimes}")
    difference = max(answer["max_abs_difference"] for answer in passed)
    if precision == "float32" and not difference <= TOLERANCE * largest:
        raise ModelError(
            f"{name}: the float32 file is {difference:.2g} away from Keras, more than "
            f"{TOLERANCE * largest:.0e}: a network of few training steps may magnify rounding; "
            "train longer (schedule.epochs)"
        )
    return {
        "max_abs_difference": difference,
        "same_label": min(answer["same_label"] for answer in passed),
        "dynamic_batch": all(answer["dynamic_batch"] for answer in passed),
        "runtimes": runtimes,
    }


def _write(out: Path, sources: dict[str, Path], card: ModelCard) -> None:
    """Put all files in place: each whole, and none unless all could be written."""
    with ExitStack() as stack:
        for name, source in sources.items():
            file = stack.enter_context(whole_file(out / name, ModelError))
            file.write(source.read_bytes())
            file.flush()  # a full disk shows before the first file is in place
        # First the card: files that it names are known as ours should the run end here.
        card.save(out / f"{card.name}.json")


def _versions() -> dict[str, str]:
    found = {}
    for package in ("keras", "tensorflow", "tensorflow-cpu", "numpy", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
