"""The TFLite interpreter wrapper: beats in, probabilities out."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..deprecated import renamed_argument, warn_renamed
from ..errors import InputError, ModelError, name_hint, no_card
from ..exclusive import Exclusive, exclusive
from ..window import WindowSpec
from .backends import chosen_backend, open_interpreter
from .cards import ModelCard, available_models, models_folder, read_model
from .flatbuffer import check_model, refused_operators
from .forks import BUILDING

__all__ = ["NO_MODEL", "Classifier", "loaded", "names_a_file"]

FloatArray = npt.NDArray[np.float32]

#: Name that stands for no model.
NO_MODEL = "none"

#: Beats of one batched call: larger batches no longer get faster.
BATCH = 64
# Up to this many beats, one by one is faster than a padded batch.
_FEW = 24


class _Session:
    """One interpreter at one batch size, with its tensors found by name."""

    def __init__(
        self,
        content: bytes,
        origin: str,
        backend: str | None,
        threads: int,
        batch: int | None,
        *,
        trusted: bool,
    ) -> None:
        self.interpreter, self.backend = open_interpreter(
            content, origin, backend=backend, num_threads=threads, batch=batch, trusted=trusted
        )
        self.inputs = _by_role(self.interpreter.get_input_details(), origin)
        outputs = self.interpreter.get_output_details()
        if len(outputs) != 1:
            raise ModelError(f"{origin}: has {len(outputs)} outputs, where one is expected")
        self.output = outputs[0]
        self.buffers = {
            name: np.zeros(tuple(detail["shape"]), np.float32)
            for name, detail in self.inputs.items()
        }
        shape = tuple(int(n) for n in self.output["shape"])
        if len(shape) != 2 or any(b.shape[0] != shape[0] for b in self.buffers.values()):
            raise ModelError(f"{origin}: its output has the shape {shape}, not (batch, classes)")
        self.result = np.zeros(shape, np.float32)
        # A file that was converted for one beat cannot be resized.
        self.resizable = all(
            [*detail["shape_signature"], 1][0] == -1 for detail in self.inputs.values()
        )
        self._set = [
            (detail["index"], self.buffers[name], _quantisation(detail, origin))
            for name, detail in self.inputs.items()
        ]
        self._get = self.interpreter.tensor(self.output["index"])
        self._out = _quantisation(self.output, origin)

    def run(self) -> None:
        """Take `buffers` through the model into `result`."""
        interpreter = self.interpreter
        for index, buffer, scaled in self._set:
            interpreter.set_tensor(index, buffer if scaled is None else _quantise(buffer, *scaled))
        interpreter.invoke()
        # The view lives for this line only: one that is held blocks the next invoke.
        np.copyto(self.result, self._get())
        if self._out is not None:
            scale, zero, _ = self._out
            self.result -= zero
            self.result *= scale


def _plain_name(name: str) -> str:
    """Name of a tensor as the model's author gave it."""
    return name.removeprefix("serving_default_").partition(":")[0]


def _by_role(details: list[dict[str, Any]], origin: str) -> dict[str, dict[str, Any]]:
    """Inputs as "window" and "features", by name; a single input is the window."""
    named = {_plain_name(detail["name"]): detail for detail in details}
    if len(details) == 1:
        return {"window": details[0]}
    if named.keys() != {"window", "features"}:
        raise ModelError(
            f"{origin}: its inputs are {', '.join(sorted(named))}, not 'window' and 'features'"
        )
    return {"window": named["window"], "features": named["features"]}


def _quantisation(detail: dict[str, Any], origin: str) -> tuple[float, int, Any] | None:
    """Scale, zero point and type of an integer tensor; None for float32."""
    dtype = np.dtype(detail["dtype"])
    if dtype == np.float32:
        return None
    scale, zero = detail["quantization"]
    if dtype.kind not in "iu" or not scale:
        raise ModelError(f"{origin}: tensor {detail['name']} is {dtype}, not float32 or quantised")
    return float(scale), int(zero), dtype


def _quantise(values: FloatArray, scale: float, zero: int, dtype: Any) -> npt.NDArray[Any]:
    limits = np.iinfo(dtype)
    quantised: npt.NDArray[Any] = np.clip(
        np.rint(values / scale) + zero, limits.min, limits.max
    ).astype(dtype)
    return quantised


class Classifier:
    """A trained model, ready to label beats.

    Beats are independent: nothing is carried from one to the next, in any order or batch.

    Parameters
    ----------
    model : str or path, default "beats"
        Name of a built-in model (`available_models`), a .tflite file, or a card (.json). "none" is
        no model: it needs no runtime, and beats get no label.
    num_threads : int, default 1
        Threads of the interpreter; more than one never helped models of this size.
    backend : {"ai-edge-litert", "tflite-runtime", "tf.lite", "ecgfast"}, optional
        Runtime to use; by default that named by the environment variable ECGFAST_RUNTIME, else
        the first that works and can load the model. "ecgfast" is part of this package, runs the
        built-in models and those of the same operators, and stands in where there is no other.
    precision : str, optional
        Which file of a model with a card to run: "float32" (default), "int8" and whatever else
        the card lists, or "fastest", which the card names for the runtime. A .tflite file is its
        own precision.
    trusted : bool, default False
        The file is from somebody you trust. Any other than a built-in one is opened and run in a
        process of its own first, with limits, once for this process: a runtime that crashes on it
        takes nothing with it, but a fraction of a second passes.

    Attributes
    ----------
    backend : str
        Runtime in use.
    classes : tuple of str
        Label of each output, or name of each number; "0", "1", ... for a file without a card.
    card : ModelCard or None
        The model's card; None for a .tflite file without one beside it.
    precision : str or None
        Precision in use, such as "int8"; None without a card.
    output : {"probability", "value"}
        What the outputs are.
    window : WindowSpec or None
        What the model sees of a beat: `grid_fs` in Hz, grid points `before` R and `after` it,
        `kind`, and `history`, the beats whose features it sees.
    lookahead : int
        How many later beats the features of a beat need.
    input_shapes : dict of str to tuple of int
        Shape of "window" and, where the model has it, "features", without the batch.
    resizable : bool
        The file takes any batch size, and its batches give the numbers of single beats; otherwise
        `predict_proba` goes beat by beat.
    path : Path
        The .tflite file.
    in_use : Exclusive
        Held by each call; entered with ``with`` it keeps other threads out for longer.

    Raises
    ------
    ModelError
        The model is unknown, or its file is missing, damaged, not what its card says (checksum,
        inputs, window, classes), holds custom operators, keeps state from beat to beat, or no
        runtime can load it.
    MissingRuntimeError
        The model has operators that ecgfast does not have, and no TFLite runtime is installed.
    StateError
        Another thread uses the classifier: raised at once, by every method.

    Notes
    -----
    One thread at a time can use a classifier: give each its own. Several give the results of one.
    A fork waits for classifiers that other threads are building.

    Examples
    --------
    >>> from ecgfast import BeatStream, Classifier
    >>> from ecgfast.records import demo_record
    >>> classifier, record = Classifier(), demo_record()
    >>> batch = BeatStream(record.fs, window=classifier.window).process(record.lead(0))
    >>> classifier.predict_proba(batch.windows, batch.features).shape
    (73, 5)
    """

    in_use: Exclusive

    def __new__(cls, model: str | os.PathLike[str] = "beats", *_: Any, **__: Any) -> Classifier:
        """Make a `Classifier`, or where `model` is "none" what labels nothing."""
        return super().__new__(_NoModel if cls is Classifier and model == NO_MODEL else cls)

    @exclusive
    @BUILDING
    def __init__(
        self,
        model: str | os.PathLike[str] = "beats",
        num_threads: int = 1,
        *,
        backend: str | None = None,
        precision: str | None = None,
        trusted: bool = False,
        form: str | None = None,
    ) -> None:
        if not isinstance(num_threads, (int, np.integer)) or num_threads < 1:
            raise InputError(f"num_threads must be an integer of at least 1, not {num_threads!r}")
        precision = renamed_argument(
            "Classifier", "form", form, "precision", precision, stacklevel=5
        )
        if precision == "fastest":
            backend = chosen_backend(backend)
        self.path, self.card, self.precision = _locate(model, precision, backend)
        self._content = _read(self.path)
        origin = str(self.path)
        if self.card is not None and self.precision is not None:
            _check_sum(self._content, self.path, self.card.precisions[self.precision])
        # What the package brought has been tested; its checksum says that it is still that.
        built_in = self.precision is not None and self.path.parent == models_folder()
        if not built_in:
            _check_whole(self._content, self.path)
        self._trusted = trusted or built_in
        self._threads = num_threads
        self._one = _Session(
            self._content, origin, backend, num_threads, None, trusted=self._trusted
        )
        self.backend = self._one.backend
        if self._one.result.shape[0] != 1:
            raise ModelError(f"{origin}: takes batches of {self._one.result.shape[0]} only")
        self.input_shapes = {
            name: tuple(buffer.shape[1:]) for name, buffer in self._one.buffers.items()
        }
        self.resizable = self._one.resizable
        self._many: _Session | None = None
        outputs = self._one.result.shape[1]
        self.classes = tuple(str(i) for i in range(outputs))
        self.output = "probability"
        self.window: WindowSpec | None = None
        self.lookahead = 0
        if self.card is not None:
            self._check_card(self.card, outputs)
            self.classes = self.card.classes
            self.output = self.card.output
            self.window = self.card.window
            self.lookahead = self.card.lookahead
        self._window_shape = self.input_shapes["window"]
        self._features_shape = self.input_shapes.get("features")
        self._window_in = self._one.buffers["window"][0]
        self._features_in = (
            self._one.buffers["features"][0] if self._features_shape is not None else None
        )
        self._results = threading.local()
        self._warm_up()

    def _check_card(self, card: ModelCard, outputs: int) -> None:
        expected = {spec.name: spec.shape for spec in card.inputs}
        if expected != self.input_shapes:
            raise ModelError(
                f"{self.path}: its inputs are {self.input_shapes}, but its card says {expected}"
            )
        # One probability may stand for two classes: its complement is the first one's.
        if outputs != len(card.classes) and not (outputs == 1 and len(card.classes) == 2):
            raise ModelError(
                f"{self.path}: has {outputs} outputs, but its card names "
                f"{len(card.classes)} classes"
            )
        if card.window is not None:
            self._check_window(card.window)

    def _check_window(self, window: WindowSpec) -> None:
        shapes = {"window": (window.before + window.after, 2 if window.kind == "beat" else 1)}
        if "features" in self.input_shapes:
            rows = (window.history,) if window.history > 1 else ()
            shapes["features"] = (*rows, self.input_shapes["features"][-1])
        if shapes != self.input_shapes:
            raise ModelError(
                f"{self.path}: its inputs are {self.input_shapes}, which the window of its card, "
                f"{tuple(window)}, does not make"
            )

    def _warm_up(self) -> None:
        """First, slow calls; and proof that no state and no NaN is in the model."""
        generator = np.random.default_rng(0)
        beats = [
            {name: generator.standard_normal(shape) for name, shape in self.input_shapes.items()}
            for _ in range(2)
        ]
        results = [
            self.predict_one(beat["window"], beat.get("features")).copy()
            for beat in (beats[0], beats[1], beats[0])
        ]
        if not np.isfinite(results).all():
            raise ModelError(f"{self.path}: the model returns NaN or infinity; export it again")
        if not np.array_equal(results[0], results[2]):
            raise ModelError(f"{self.path}: the model keeps state from beat to beat")

    @exclusive
    def predict_one(
        self, window: npt.NDArray[Any], features: npt.NDArray[Any] | None = None
    ) -> FloatArray:
        """Probabilities (or values) of one beat, without allocating.

        Parameters
        ----------
        window : ndarray, shape (points, channels)
            One window of a `BeatBatch`; float32 is fastest.
        features : ndarray, shape (features,), optional
            Its features; None for a model that takes none.

        Returns
        -------
        ndarray of float32, shape (outputs,)
            The classifier's own array, one for each thread, written anew by every call from that
            thread: copy it to keep it.

        Raises
        ------
        InputError
            A shape is not the model's.
        """
        if window.shape != self._window_shape:
            raise InputError(f"window has the shape {window.shape}, not {self._window_shape}")
        self._window_in[...] = window
        if self._features_in is None:
            if features is not None:
                raise InputError(f"model {self.path.name} takes no features")
        else:
            if features is None or features.shape != self._features_shape:
                shape = None if features is None else features.shape
                raise InputError(f"features has the shape {shape}, not {self._features_shape}")
            self._features_in[...] = features
        self._one.run()
        try:
            result: FloatArray = self._results.array
        except AttributeError:
            result = self._results.array = np.empty_like(self._one.result[0])
        np.copyto(result, self._one.result[0])
        return result

    def predict(self, windows: npt.ArrayLike, features: npt.ArrayLike | None = None) -> FloatArray:
        """Old name of `predict_proba`."""
        warn_renamed("Classifier.predict", "Classifier.predict_proba")
        return self.predict_proba(windows, features)

    @exclusive
    def predict_proba(
        self, windows: npt.ArrayLike, features: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Probabilities (or values) of many beats: those of `predict_one`.

        Beats go through a batched version of the model where that is faster. Its first use checks
        over 64 beats that it gives what one beat at a time gives, bit for bit; where a runtime's
        does not, none is used. On x86-64 no difference is known beyond that check; on aarch64 a
        float32 model's output may differ in its last bit, an int8 model's by one layer's rounding.

        Parameters
        ----------
        windows : array_like, shape (n, points, channels)
            Windows of a `BeatBatch`; n may be zero.
        features : array_like, shape (n, features), optional
            Their features; None for a model that takes none.

        Returns
        -------
        ndarray of float32, shape (n, outputs)
            A new array.

        Raises
        ------
        InputError
            A shape is not the model's, or the numbers of windows and features differ.
        """
        given = {"window": np.asarray(windows)}
        if features is not None:
            given["features"] = np.asarray(features)
        if given.keys() != self.input_shapes.keys():
            needs = "takes no features" if "features" in given else "needs features too"
            raise InputError(f"model {self.path.name} {needs}")
        count = len(given["window"]) if given["window"].ndim else 0
        for name, array in given.items():
            if array.shape != (count, *self.input_shapes[name]):
                label = "windows" if name == "window" else name
                shape = ", ".join(str(n) for n in self.input_shapes[name])
                raise InputError(
                    f"{label} has the shape {array.shape}, not ({count}, {shape}); "
                    "BeatStream(fs, window=classifier.window) cuts what this model takes"
                )
        out = np.empty((count, self._one.result.shape[1]), np.float32)
        start = 0
        many = self._batched() if count > _FEW else None
        while many is not None and count - start > _FEW:
            n = min(BATCH, count - start)
            for name, array in given.items():
                many.buffers[name][:n] = array[start : start + n]
            many.run()
            out[start : start + n] = many.result[:n]
            start += n
        self._singly(given, out, start)
        return out

    def _singly(self, given: dict[str, npt.NDArray[Any]], out: FloatArray, start: int = 0) -> None:
        """Run beats one at a time into `out`, from row `start` on."""
        one = self._one
        for i in range(start, len(out)):
            for name, array in given.items():
                one.buffers[name][0] = array[i]
            one.run()
            out[i] = one.result[0]

    def _batched(self) -> _Session | None:
        """An interpreter for batches; None where the file or the runtime allows none."""
        if self._many is None and self.resizable:
            try:
                many = _Session(
                    self._content,
                    str(self.path),
                    self.backend,
                    self._threads,
                    BATCH,
                    trusted=self._trusted,
                )
            except ModelError:  # a runtime learns some shapes only as it runs: beat by beat then
                self.resizable = False
                return None
            generator = np.random.default_rng(1)
            for buffer in many.buffers.values():
                buffer[...] = generator.standard_normal(buffer.shape)
            many.run()
            singly = np.empty_like(many.result)
            self._singly(many.buffers, singly)
            if np.array_equal(singly, many.result):
                self._many = many
            else:
                self.resizable = False
        return self._many

    @property
    def form(self) -> str | None:
        """Deprecated: `precision`."""
        warn_renamed("Classifier.form", "Classifier.precision")
        return self.precision

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Classifier holds a runtime and cannot be pickled or copied: make one in each "
            f"process, as of {self.path.name}"
        )

    def __repr__(self) -> str:
        precision = f", {self.precision}" if self.precision else ""
        return f"<Classifier {self.path.name}{precision} on {self.backend}>"


class _NoModel(Classifier):
    """What stands for a model where there is none: R peaks and rhythm without classes."""

    @exclusive
    def __init__(
        self,
        model: str | os.PathLike[str] = NO_MODEL,
        num_threads: int = 1,
        *,
        backend: str | None = None,
        precision: str | None = None,
        trusted: bool = False,
        form: str | None = None,
    ) -> None:
        self.path, self.card, self.precision = Path(model), None, None
        self.backend = NO_MODEL
        self.classes = ()
        self.output = "probability"
        self.window = WindowSpec()
        self.lookahead = 0
        self.input_shapes = {"window": (self.window.before + self.window.after, 2)}
        self.resizable = True

    def predict_one(
        self, window: npt.NDArray[Any], features: npt.NDArray[Any] | None = None
    ) -> FloatArray:
        """Say nothing of a beat: an empty array."""
        return np.empty(0, np.float32)

    def predict_proba(
        self, windows: npt.ArrayLike, features: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Say nothing of beats: an array of shape (n, 0)."""
        return np.empty((len(np.asarray(windows)), 0), np.float32)


def loaded(model: str | os.PathLike[str] | Classifier, num_threads: int = 1) -> Classifier:
    """The model: a loaded one as it is, with its own threads, else by its name or file."""
    return model if isinstance(model, Classifier) else Classifier(model, num_threads)


def names_a_file(model: str | os.PathLike[str]) -> bool:
    """Whether a model is named by its file: a plain name is built in, whatever lies here."""
    path = Path(os.fspath(model))
    return path.suffix in (".json", ".tflite") or len(path.parts) > 1


def _of_folder(path: Path) -> str:
    """What to give in place of a folder of models."""
    cards = sorted(path.glob("*.json")) if path.is_dir() else []
    return f"it is a folder: give a file of it, such as {cards[0]}" if cards else ""


def _locate(
    model: str | os.PathLike[str], precision: str | None, backend: str | None
) -> tuple[Path, ModelCard | None, str | None]:
    """File, card and precision for what the user named."""
    if not isinstance(model, (str, os.PathLike)):
        raise ModelError(
            f"model is of {type(model).__name__}: give a model's name, such as 'beats', or the "
            "path of its file"
        )
    text = os.fspath(model)
    path = Path(text)

    def of_card(card: ModelCard) -> tuple[Path, ModelCard, str]:
        own = (
            card.fastest_precision(backend or "")
            if precision == "fastest"
            else precision or "float32"
        )
        return card.file(own), card, own

    if path.suffix == ".json":
        return of_card(ModelCard.load(path))
    if names_a_file(path):
        if folder := _of_folder(path):
            raise ModelError(f"no model {text!r}: {folder}")
        beside = path.with_name(path.name.partition(".")[0] + ".json")
        for candidate in (path.with_suffix(".json"), beside):
            if candidate.is_file():
                card = ModelCard.load(candidate)
                for own, entry in card.precisions.items():
                    if entry.get("file") == path.name:
                        if precision not in (None, "fastest", own):
                            raise ModelError(f"{path}: is the {own} file, not {precision!r}")
                        return path, card, own
        if precision not in (None, "fastest"):
            raise no_card(path, f"which file is {precision}")
        return path, None, None
    built_in = models_folder() / f"{text}.json"
    if built_in.is_file():  # the other cards are not read for it
        return of_card(ModelCard.load(built_in))
    models = available_models()
    if text not in models:
        hint = name_hint(text, models) if models else f"{models_folder()} is empty"
        hint = _of_keras(text) or _of_folder(path) or hint
        raise ModelError(f"no model {text!r}: neither a .tflite file nor built in; {hint}")
    return of_card(models[text])


def _read(path: Path) -> bytes:
    content = read_model(path)
    if content[4:8] != b"TFL3":
        hint = _of_keras(path)
        raise ModelError(
            f"{path}: not a TFLite model (a flatbuffer with the mark TFL3){hint and f'; {hint}'}"
        )
    return content


def _of_keras(path: str | Path) -> str:
    """What to do with a file of Keras; empty for other names."""
    of_keras = Path(path).suffix.lower() in (".keras", ".h5")
    return "a Keras model is converted with `ecgfast export`" if of_keras else ""


def _check_whole(content: bytes, path: Path) -> None:
    try:
        check_model(content)
    except ValueError as error:
        raise ModelError(f"{path}: a damaged model file ({error}); copy it again") from None
    if refused := refused_operators(content):
        raise ModelError(
            f"{path}: holds {', '.join(refused)}: models must consist of built-in operators "
            "without state; export it with `ecgfast export`"
        )


def _check_sum(content: bytes, path: Path, entry: dict[str, Any]) -> None:
    if hashlib.sha256(content).hexdigest() != entry.get("sha256"):
        raise ModelError(f"{path}: its checksum is not the card's; install or export it again")
