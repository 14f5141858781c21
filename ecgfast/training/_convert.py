"""What `export` runs in processes of its own, since converters and runtimes can crash.

``python -m ecgfast.training._convert convert JOB.json`` turns a Keras model into TFLite files;
``... check JOB.json`` runs one of them in one runtime, without TensorFlow in the process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["main"]

# Operators that hold state or need the Flex delegate of full TensorFlow.
_STATEFUL = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}

Beats = dict[str, npt.NDArray[np.float32]]


def main(arguments: list[str]) -> None:
    """Do one job; its answer is a JSON file, so that a crash leaves none."""
    verb, path = arguments
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    with np.load(job["beats"]) as stored:
        beats = {name: stored[name] for name in stored.files}
    answer = (_convert if verb == "convert" else _check)(job, beats)
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _convert(job: dict[str, Any], beats: Beats) -> dict[str, Any]:
    """Write one form of the model; the first form also writes what Keras itself answers."""
    import keras
    import tensorflow as tf

    import ecgfast.networks.layers
    import ecgfast.networks.losses  # noqa: F401  (both: names that saved models refer to)

    model = keras.saving.load_model(job["model"], compile=False)
    if job["reference"] is not None:
        feed = {tensor.name: beats[tensor.name] for tensor in model.inputs}
        np.save(job["reference"], np.asarray(model.predict(feed, batch_size=256, verbose=0)))

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    form = job["form"]
    if form != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if form in ("dynamic", "int8"):
        # Per-channel dense weights need an operator version that tflite-runtime 2.14 lacks.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if form == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

        def representative() -> Any:
            for i in job["calibration"]:
                yield {name: values[i : i + 1] for name, values in beats.items()}

        converter.representative_dataset = representative
    content, operators = _tidy(converter.convert())
    Path(job["file"]).write_bytes(content)
    return {"operators": operators, "parameters": int(model.count_params())}


def _tidy(content: bytes) -> tuple[bytes, dict[str, int]]:
    """Make a file smaller and plainer, and refuse what must not be in it.

    Inner tensors lose their names, calibration ranges, batch marks and empty buffers, which take
    a third of a small model; inputs and outputs get their plain names.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    operators: dict[str, int] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if code.customCode is not None:
                raise SystemExit(
                    f"holds {code.customCode.decode()}, which is not a built-in TFLite operator"
                )
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name in _STATEFUL:
                raise SystemExit(f"holds {name}: the model keeps variables")
            operators[name] = operators.get(name, 0) + 1
        if any(tensor.isVariable for tensor in graph.tensors):
            raise SystemExit("holds variable tensors: the model keeps state from beat to beat")

    for signature in model.signatureDefs or []:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
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


def _check(job: dict[str, Any], beats: Beats) -> dict[str, Any]:
    """Compare a file with Keras in one runtime, beat after beat and batched."""
    from ecgfast.errors import EcgfastError
    from ecgfast.runtime import Classifier

    try:
        classifier = Classifier(job["file"], backend=job["backend"])
    except EcgfastError as error:
        return {"problem": str(error)}
    reference = np.load(job["reference"])
    feed = {name: beats[name] for name in classifier.input_shapes}
    batched = classifier.predict(feed["window"], feed.get("features"))
    singly = np.stack(
        [
            classifier.predict_one(*(values[i] for values in feed.values())).copy()
            for i in range(len(reference))
        ]
    )
    if not (np.isfinite(batched).all() and np.isfinite(singly).all()):
        return {"problem": f"{job['file']}: returns NaN or infinity on the representative beats"}
    both = np.stack([batched, singly])
    return {
        "max_abs_difference": float(np.abs(both - reference).max()),
        "same_label": float((both.argmax(-1) == reference.argmax(-1)).mean())
        if reference.shape[-1] > 1
        else float(((both > 0.5) == (reference > 0.5)).mean()),
        "dynamic_batch": bool(classifier.resizable),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
