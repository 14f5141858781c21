"""The C core's networks as a TFLite interpreter, as far as `Classifier` uses one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._network import Network, NetworkTensor

__all__ = ["OwnInterpreter"]

# Operators that models of others hold most often, by code: for messages.
_NAMES = {
    **{1: "AVERAGE_POOL_2D", 4: "DEPTHWISE_CONV_2D", 7: "EMBEDDING_LOOKUP", 8: "FLOOR", 16: "LSTM"},
    **{19: "RELU", 21: "RELU6", 23: "RESIZE_BILINEAR", 24: "RNN", 34: "PAD", 36: "GATHER"},
    **{39: "TRANSPOSE", 41: "SUB", 42: "DIV", 43: "SQUEEZE", 44: "UNIDIRECTIONAL_SEQUENCE_LSTM"},
    **{47: "EXP", 50: "LOG_SOFTMAX", 53: "CAST", 54: "PRELU", 55: "MAXIMUM", 56: "ARG_MAX"},
    **{57: "MINIMUM", 59: "NEG", 60: "PADV2", 65: "SLICE", 67: "TRANSPOSE_CONV", 69: "TILE"},
    **{73: "LOG", 74: "SUM", 75: "SQRT", 76: "RSQRT", 77: "SHAPE", 78: "POW", 89: "REDUCE_MIN"},
    **{92: "SQUARE", 94: "FILL", 96: "RANGE", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU"},
    **{99: "SQUARED_DIFFERENCE", 101: "ABS", 105: "REVERSE_V2", 117: "HARD_SWISH", 118: "IF"},
    **{119: "WHILE", 123: "SELECT_V2", 126: "BATCH_MATMUL", 128: "CUMSUM", 130: "BROADCAST_TO"},
    150: "GELU",
}


class OwnInterpreter:
    """A TFLite interpreter for the operators that the models of this package consist of.

    Parameters
    ----------
    model_content : bytes
        The .tflite file.
    num_threads : int
        One thread is used, whatever it is.

    Raises
    ------
    ValueError
        The file is damaged.
    NotImplementedError
        It needs an operator that is not here; the message names it.
    """

    def __init__(self, *, model_content: bytes, num_threads: int = 1) -> None:
        self._content = model_content
        self._rows = 1
        self._network = self._made(1)

    def _made(self, rows: int) -> Network:
        try:
            return Network(self._content, rows)
        except NotImplementedError as error:
            text = re.sub(
                r"of kind (\d+)",
                lambda found: _NAMES.get(int(found[1]), f"{found[0]} in TFLite's schema"),
                str(error),
            )
            raise NotImplementedError(text) from None

    def resize_tensor_input(self, index: int, shape: Sequence[int]) -> None:
        """Give every input so many rows, from `allocate_tensors` on."""
        self._rows = int(shape[0])

    def allocate_tensors(self) -> None:
        """Make arrays for as many rows as was asked for."""
        if self._network.inputs[0].array.shape[0] != self._rows:
            self._network = self._made(self._rows)

    def get_input_details(self) -> list[dict[str, Any]]:
        """Name, index, shape, type and scale of each input."""
        return [_details(tensor, k) for k, tensor in enumerate(self._network.inputs)]

    def get_output_details(self) -> list[dict[str, Any]]:
        """The same of each output."""
        return [_details(tensor, k) for k, tensor in enumerate(self._network.outputs)]

    def set_tensor(self, index: int, value: npt.NDArray[Any]) -> None:
        """Fill an input."""
        self._network.inputs[index].array[...] = value

    def tensor(self, index: int) -> Callable[[], npt.NDArray[Any]]:
        """What returns the array of an output."""
        return lambda: self._network.outputs[index].array

    def invoke(self) -> None:
        """Run the model, row by row."""
        self._network.run()


def _details(tensor: NetworkTensor, index: int) -> dict[str, Any]:
    shape = tensor.array.shape
    return {
        "name": tensor.name,
        "index": index,
        "shape": np.array(shape, np.int32),
        # Rows are run one after the other: any number of them.
        "shape_signature": np.array([-1, *shape[1:]], np.int32),
        "dtype": tensor.array.dtype.type,
        "quantization": (tensor.scale, tensor.zero_point),
    }
