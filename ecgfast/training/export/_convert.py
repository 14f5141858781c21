"""What `export` runs in processes of its own, since converters and runtimes can crash.

``python -m ecgfast.training.export._convert convert JOB.json`` turns a Keras model into TFLite
files; ``... check JOB.json`` runs them in one runtime, without TensorFlow in the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["main"]

# Operators that hold state or need the Flex delegate of full TensorFlow.
_STATEFUL = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}

Beats = dict[str, npt.NDArray[np.float32]]
Work = Callable[[str], dict[str, Any]]


def main(arguments: list[str]) -> None:
    """Do a job for each precision; answers so far are in a file, so that a crash tells where."""
    verb, path = arguments
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    with np.load(job["beats"]) as stored:
        beats = {name: stored[name] for name in stored.files}
    work = _converting(job, beats) if verb == "convert" else _checking(job, beats)
    answers = {}
    for precision in job["precisions"]:
        try:
            answers[precision] = work(precision)
        except _RefusedError as refused:
            answers[precision] = {"problem": str(refused)}
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            answers[precision] = {"problem": f"{type(error).__name__}: {' '.join(lines[:2])}"}
        Path(job["answers"]).write_text(json.dumps(answers), encoding="utf-8")


class _RefusedError(Exception):
    """A file that must not be handed on; the message says why."""


def _converting(job: dict[str, Any], beats: Beats) -> Work:
    """Write what Keras answers; return what writes one precision."""
    import keras
    import tensorflow as tf

    import ecgfast.networks.layers
    import ecgfast.networks.losses  # noqa: F401  (both: names that saved models refer to)
    from ecgfast.networks import ARCHITECTURES, network

    if job.get("network") and job["network"] not in ARCHITECTURES:
        network(job["network"])  # its module registers layers of its own

    model = keras.saving.load_model(job["model"], compile=False)
    feed = {tensor.name: beats[tensor.name] for tensor in model.inputs}
    np.save(job["reference"], np.asarray(model.predict(feed, batch_size=256, verbose=0)))

    @cache
    def saved() -> str:
        """A SavedModel: the converter would write it anew for each precision."""
        folder = str(Path(job["folder"]) / "saved_model")
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs]
        archive.add_endpoint(
            "serve",
            partial(model.__call__, training=False),
            [signature] if len(signature) > 1 else signature,
        )
        archive.write_out(folder, verbose=False)
        return folder

    def plain() -> Any:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved(), signature_keys=["serving_default"]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter

    @cache
    def scaling() -> list[str]:
        return _scaling(plain().convert(), "features")

    def convert(trial: str) -> dict[str, Any]:
        precision, _, count = trial.partition("-")

        def representative() -> Any:
            for i in job["calibration"][: int(count)]:
                yield {name: values[i : i + 1] for name, values in feed.items()}

        converter = plain()
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision in ("dynamic", "int8"):
            # Per-channel dense weights need an operator version that tflite-runtime 2.14 lacks.
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        if precision == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = representative
        if precision == "int8" and scaling():
            # Numbers of many sizes share one int8 scale at the input: they are scaled as floats.
            kept = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=scaling())
            content = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=representative, debug_options=kept
            ).get_nondebug_quantized_model()
        else:
            content = converter.convert()
        content, operators = _tidy(content, list(model.output_names))
        (Path(job["folder"]) / f"{trial}.tflite").write_bytes(content)
        return {"operators": operators, "parameters": int(model.count_params())}

    return convert


def _scaling(content: bytes, name: str) -> list[str]:
    """Names of the tensors by which a float model shifts and scales an input, number by number."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    graph = model.subgraphs[0]
    steps = {schema.BuiltinOperator.MUL, schema.BuiltinOperator.ADD, schema.BuiltinOperator.SUB}
    inputs = {
        entry.tensorIndex
        for signature in model.signatureDefs
        for entry in signature.inputs
        if entry.name.decode() == name
    }
    reached = set(inputs)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        given = [i for i in operator.inputs if i not in reached]
        constant = all(model.buffers[graph.tensors[i].buffer].data is not None for i in given)
        if (
            max(code.builtinCode, code.deprecatedBuiltinCode) in steps
            and len(given) == 1
            and constant
        ):
            reached.update(operator.outputs)
    return [graph.tensors[i].name.decode() for i in sorted(reached - inputs)]


def _tidy(content: bytes, outputs: list[str]) -> tuple[bytes, dict[str, int]]:
    """Make a file smaller and plainer, and refuse what must not be in it.

    Inner tensors lose their names, calibration ranges, batch marks and empty buffers, which take
    a third of a small model; inputs and outputs get their plain names.
    """
    import flatbuffers  # type: ignore[import-untyped, unused-ignore]
    from tensorflow.lite.python import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    operators: dict[str, int] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if code.customCode is not None:
                raise _RefusedError(
                    f"holds {code.customCode.decode()}, which is not a built-in TFLite operator"
                )
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name in _STATEFUL:
                raise _RefusedError(f"holds {name}: the model keeps variables")
            operators[name] = operators.get(name, 0) + 1
        if any(tensor.isVariable for tensor in graph.tensors):
            raise _RefusedError("holds variable tensors: the model keeps state from beat to beat")

    for signature in model.signatureDefs or []:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        if len(signature.outputs) == len(outputs) == 1:
            signature.outputs[0].name = outputs[0]  # the converter calls it output_0
        for entry in (*signature.inputs, *signature.outputs):
            tensors[entry.tensorIndex].name = entry.name
    buffers = [model.buffers[0]]
    moved: dict[int, int] = {}

    def keep(index: int) -> int:
        if index not in moved:
            data = model.buffers[index].data
            if data is None or len(data) == 0:
                return 0
            moved[index] = len(buffers)
            buffers.append(model.buffers[index])
        return moved[index]

    for graph in model.subgraphs:
        outside = {*graph.inputs, *graph.outputs}
        for i, tensor in enumerate(graph.tensors):
            tensor.buffer = keep(tensor.buffer)
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
            if i not in outside:
                tensor.name = tensor.shapeSignature = None
    model.metadata = [m for m in model.metadata or [] if m.name == b"min_runtime_version"]
    for metadata in model.metadata:
        metadata.buffer = keep(metadata.buffer)
    model.buffers = buffers
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), dict(sorted(operators.items()))


def _checking(job: dict[str, Any], beats: Beats) -> Work:
    """Return what compares one precision with Keras in one runtime, beat after beat and batched."""
    from ecgfast.runtime import Classifier

    reference = np.load(job["reference"])
    labels = _labels(reference)

    def check(precision: str) -> dict[str, Any]:
        classifier = Classifier(Path(job["folder"]) / f"{precision}.tflite", backend=job["backend"])
        feed = {name: beats[name] for name in classifier.input_shapes}
        batched = classifier.predict_proba(feed["window"], feed.get("features"))
        singly = np.stack(
            [
                classifier.predict_one(*(values[i] for values in feed.values())).copy()
                for i in range(len(reference))
            ]
        )
        both = np.stack([batched, singly])
        if not np.isfinite(both).all():
            raise _RefusedError("the model returns NaN or infinity on the representative beats")
        return {
            "max_abs_difference": float(np.abs(both - reference).max()),
            "same_label": float((_labels(both) == labels).mean()),
            "dynamic_batch": bool(classifier.resizable),
        }

    return check


def _labels(outputs: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Likeliest class of each output (..., classes), or whether one probability is over a half."""
    labels: npt.NDArray[Any] = (
        outputs.argmax(-1) if outputs.shape[-1] > 1 else outputs[..., 0] > 0.5
    )
    return labels


if __name__ == "__main__":
    main(sys.argv[1:])
