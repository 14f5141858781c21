"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# Before NumPy and TensorFlow are imported, here and in programs that tests start: on networks and
# matrices so small, more threads than one only wait for each other.
for _variable in (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
):
    os.environ.setdefault(_variable, "1")

# The tests start some hundred programs: each would compile the package anew, a third of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Programs that tests start buffer what they print, as those of users do.
os.environ.pop("PYTHONUNBUFFERED", None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from model_files import Answer, toy_model  # noqa: E402

if TYPE_CHECKING:
    from chromium import Chromium

# Tests that one worker runs, so that what they share is made once: TensorFlow's import, the objects
# of the core. The first is the longest.
TOGETHER = {
    "Keras": ("tests/training/", "tests/networks/"),
    "C": ("tests/core/test_c_core.py", "tests/core/test_c_library.py"),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Workers of ``pytest -n auto``: one more than processors, as live sources are waited for."""
    return min((os.cpu_count() or 1) + 1, 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file, or of files that belong together, run in one worker in their order."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((name for name, of in TOGETHER.items() if file.startswith(of)), file)

    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker ends alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(TOGETHER["Keras"]))


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> Iterator[None]:
    """Commands that tests start can be interrupted, also where `nohup` or `&` started the tests.

    A program inherits which signals are ignored, and one that ignores SIGHUP rightly lives on.
    """
    numbers = [getattr(signal, name, signal.SIGINT) for name in ("SIGINT", "SIGHUP")]
    ignored = [n for n in numbers if signal.getsignal(n) is signal.SIG_IGN]
    for number in ignored:  # this process still ignores it; programs do not inherit a handler
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    from chromium import Chromium  # needs fcntl: not on Windows

    with Chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def real_recordings() -> Path:
    """Folder of the real recordings (mitdb/, svdb/, ...); skips where ECGFAST_DATA names none."""
    root = os.environ.get("ECGFAST_DATA", "")
    if not root or not Path(root).is_dir():
        pytest.skip("ECGFAST_DATA does not name a folder of recordings (mitdb, svdb, ...)")
    return Path(root)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """As `real_recordings`."""
    return real_recordings()


@pytest.fixture(scope="session")
def record_path() -> Callable[[str], Path]:
    """Path of a real record, such as ``record_path("mitdb/208")``; skips where it is missing.

    ``excerpts/mitdb/208`` is a minute of it that comes with the tests.
    """

    def find(name: str) -> Path:
        if name.startswith("excerpts/"):
            return Path(__file__).parent / name
        path = real_recordings() / name
        if not path.with_name(f"{path.name}.hea").is_file():
            pytest.skip(f"{name} is not in ECGFAST_DATA")
        return path

    return find


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers in every test."""
    return np.random.default_rng(3)


class ToyBeats(NamedTuple):
    """Folder of the model "toy" of five beat classes, and what it answers."""

    folder: Path
    answer: Answer


@pytest.fixture
def toy_beats(tmp_path: Path, rng: np.random.Generator) -> ToyBeats:
    """A model whose answer is known."""
    return ToyBeats(tmp_path, toy_model(tmp_path, rng))
