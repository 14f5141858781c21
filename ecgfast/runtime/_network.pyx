# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: embedsignature=True, embedsignature.format=python
"""The C core's networks on NumPy arrays: beat classes where there is no TFLite runtime."""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int32_t, uintptr_t
from libc.string cimport memcpy

from ecgfast.busy cimport ecg_use_begin, ecg_use_end, ecg_use_flag

from dataclasses import dataclass

import numpy as np

from ecgfast.errors import StateError

__all__ = ["Network", "NetworkTensor"]

cdef extern from "ecgfast.h" nogil:
    const int ECG_OK
    const int ECG_ERROR_MEMORY
    const int ECG_ERROR_OPERATOR
    const int ECG_ALIGNMENT
    const int ECG_NETWORK_INPUTS_MAX
    const int ECG_TENSOR_INT8
    const char *ecg_status_text(int status)

    ctypedef struct ecg_tensor:
        void *data
        const char *name
        size_t name_length
        size_t count
        int32_t type
        int32_t n_axes
        int32_t shape[4]
        float scale
        int32_t zero

    ctypedef struct ecg_network_report:
        size_t bytes
        int32_t operator_index
        int32_t operator_code

    ctypedef struct ecg_network:
        pass

    int ecg_network_init(ecg_network *network, size_t size, const void *model, size_t model_size,
                         ecg_network_report *report)
    const ecg_tensor *ecg_network_input(const ecg_network *network, int index)
    const ecg_tensor *ecg_network_output(const ecg_network *network, int index)
    void ecg_network_run(ecg_network *network)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkTensor:
    """An input or output.

    Attributes
    ----------
    name : str
        As the file has it.
    array : ndarray of float32 or int8
        What the next run takes, or what the last one gave; one row for each that runs go through.
    scale, zero_point : float, int
        Of an int8 array: a value is (x - zero_point) * scale; 0 and 0 for float32.
    """

    name: str
    array: object
    scale: float
    zero_point: int


cdef class _Block:
    """Aligned memory that nobody has written."""

    cdef void *raw
    cdef unsigned char *at
    cdef size_t size

    def __cinit__(self, size_t size):
        self.raw = PyMem_RawMalloc(size + ECG_ALIGNMENT)
        if self.raw == NULL:
            raise MemoryError(f"no memory for a network of {size} bytes")
        self.at = <unsigned char *>((<uintptr_t>self.raw + ECG_ALIGNMENT - 1)
                                    & ~<uintptr_t>(ECG_ALIGNMENT - 1))
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.raw)


cdef struct _Transfer:
    unsigned char *rows  # of the NumPy array
    unsigned char *row   # in the network
    size_t size


cdef class Network:
    """A TFLite file of the operators that the C core has, ready to run.

    Parameters
    ----------
    model : bytes
        The file.
    rows : int, default 1
        Beats that one run takes, one after the other. More than one needs a model that is made for one.

    Attributes
    ----------
    inputs, outputs : tuple of NetworkTensor
    size : int
        Bytes that the network takes beside the file.

    Raises
    ------
    ValueError
        The file is damaged.
    NotImplementedError
        It needs an operator that the core does not have; the message says which.
    StateError
        By `run`, while another call runs the network.
    """

    cdef ecg_use_flag used
    cdef _Block model, block
    cdef ecg_network *network
    cdef _Transfer taken[4]
    cdef _Transfer given[4]
    cdef int n_taken, n_given
    cdef Py_ssize_t rows
    cdef readonly tuple inputs, outputs

    def __init__(self, bytes model, Py_ssize_t rows=1):
        if self.network != NULL:
            raise StateError("this Network is there already: make another one")
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        self.model = _Block(len(model))
        memcpy(self.model.at, PyBytes_AS_STRING(model), self.model.size)
        cdef ecg_network_report report
        cdef _Block block = None
        cdef ecg_network *network = NULL
        cdef size_t size = 0
        cdef int status
        while True:
            with nogil:
                status = ecg_network_init(network, size, self.model.at, self.model.size, &report)
            if status != ECG_ERROR_MEMORY:
                break
            size = report.bytes
            block = _Block(size)
            network = <ecg_network *>block.at
        if status != ECG_OK:
            at = ""
            if report.operator_index >= 0:
                at = f" (operator {report.operator_index}, of kind {report.operator_code})"
            kind = NotImplementedError if status == ECG_ERROR_OPERATOR else ValueError
            raise kind(ecg_status_text(status).decode() + at)
        self.rows = rows
        self.block = block
        self.inputs = self._tensors(network, True)
        self.outputs = self._tensors(network, False)
        self.network = network

    cdef tuple _tensors(self, ecg_network *network, bint taken):
        cdef const ecg_tensor *tensor
        cdef _Transfer *transfer
        cdef unsigned char[::1] memory
        cdef int k
        found = []
        for k in range(ECG_NETWORK_INPUTS_MAX):
            tensor = ecg_network_input(network, k) if taken else ecg_network_output(network, k)
            if tensor == NULL:
                break
            shape = [tensor.shape[i] for i in range(tensor.n_axes)]
            if self.rows > 1:
                if not shape or shape[0] != 1:
                    raise ValueError(f"a tensor of the shape {tuple(shape)} takes one run only")
                shape[0] = self.rows
            array = np.zeros(shape, np.int8 if tensor.type == ECG_TENSOR_INT8 else np.float32)
            memory = array.reshape(-1).view(np.uint8)
            transfer = &self.taken[k] if taken else &self.given[k]
            transfer.rows = &memory[0]
            transfer.row = <unsigned char *>tensor.data
            transfer.size = memory.shape[0] // self.rows
            name = tensor.name[:tensor.name_length].decode("utf-8", "replace")
            found.append(NetworkTensor(name, array, tensor.scale, tensor.zero))
        if taken:
            self.n_taken = len(found)
        else:
            self.n_given = len(found)
        return tuple(found)

    @property
    def size(self):
        return self.block.size if self.network != NULL else 0

    def run(self):
        """Take the arrays of `inputs` through the model into those of `outputs`."""
        cdef Py_ssize_t i
        cdef int k
        if self.network == NULL:
            raise StateError("this Network was never initialised: make it by calling the class")
        if not ecg_use_begin(&self.used):
            raise StateError("this Network is in use by another call: use it from one thread at a time, "
                             "or give each thread its own")
        with nogil:
            for i in range(self.rows):
                for k in range(self.n_taken):
                    memcpy(self.taken[k].row, self.taken[k].rows + i * self.taken[k].size, self.taken[k].size)
                ecg_network_run(self.network)
                for k in range(self.n_given):
                    memcpy(self.given[k].rows + i * self.given[k].size, self.given[k].row, self.given[k].size)
            ecg_use_end(&self.used)
