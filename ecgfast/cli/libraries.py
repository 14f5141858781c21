"""Silence of the libraries behind a command: what a user can do nothing about is not shown."""

from __future__ import annotations

import logging
import os
import warnings
from importlib import import_module
from importlib.util import find_spec

__all__ = ["import_keras", "quiet_dask", "quiet_libraries"]

# Loggers of the libraries, and the packages whose warnings are about their own calls.
_LOGGERS = ("tensorflow", "absl", "h5py")
_DASK_LOGGERS = ("distributed", "distributed.client", "tornado.application", "asyncio")
_PACKAGES = ("keras", "tensorflow", "ai_edge_litert", "tflite_runtime", "h5py", "sklearn")


def quiet_libraries() -> None:
    """Let libraries report errors alone; call it before they are imported."""
    # Set before its import, this keeps TensorFlow from logging the devices of the machine.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        # A filter stays where the library sets the level of its logger as it is imported.
        if _is_error not in logger.filters:
            logger.addFilter(_is_error)
    for name in _PACKAGES:
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")


def import_keras() -> None:
    """Import Keras, and TensorFlow with it, where it is installed, without the lines that it logs.

    TensorFlow's C++ code logs the options of this machine before it has read how much to log.
    """
    if find_spec("keras") is None:  # who needs it says which extra is missing
        return
    from ..runtime.backends import quiet_runtime

    with quiet_runtime():
        import_module("keras")


def quiet_dask() -> None:
    """Keep Dask's tracebacks of a lost scheduler off the terminal: one line of ours tells of it.

    Call it before ``distributed`` is imported. Where the user configured Dask's log, that stays.
    """
    try:
        import dask
    except ImportError:  # told where the cluster is needed
        return
    if not any(dask.config.get(key, None) for key in ("logging", "logging-file-config")):
        dask.config.set({"logging": dict.fromkeys(_DASK_LOGGERS, "critical")})


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
