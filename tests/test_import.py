"""Importing costs next to nothing, every public name is there, and the stubs tell the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import ecgfast

HEAVY = (
    "tensorflow",
    "keras",
    "ai_edge_litert",
    "tflite_runtime",
    "matplotlib",
    "pandas",
    "sklearn",
    "scipy",
    "wfdb",
    "edfio",
)


def loaded_after(code: str, modules: tuple[str, ...]) -> list[str]:
    """Which of the modules a fresh interpreter has loaded after some code."""
    tail = f"\nimport sys; print([m for m in {modules!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    )
    return eval(done.stdout)


@pytest.mark.parametrize(
    "code",
    [
        "import ecgfast",
        "from ecgfast import BandpassFilter, BeatStream, QRSDetector, detect_qrs",
        "from ecgfast import stream_classify, Classifier, read_record, Record, Beat",
        "import ecgfast; assert 'stream_classify' in dir(ecgfast)",
    ],
)
def test_import_is_light(code: str) -> None:
    assert loaded_after(code, HEAVY) == []


def test_ecgfast_alone_does_not_even_load_numpy() -> None:
    assert loaded_after("import ecgfast", ("numpy", "ecgfast.core")) == []


def test_detecting_needs_numpy_only() -> None:
    code = "import ecgfast; ecgfast.detect_qrs([0.0] * 1000, 250)"
    assert loaded_after(code, HEAVY) == []


def test_every_public_name_resolves() -> None:
    assert len(set(ecgfast.__all__)) == len(ecgfast.__all__)
    for name in ecgfast.__all__:
        assert getattr(ecgfast, name) is not None
        assert name in dir(ecgfast)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ecgfast.nonsense  # noqa: B018
    for name in ("BeatStream", "stream_classify", "Classifier", "read_record", "QRSDetector"):
        assert getattr(ecgfast, name).__doc__


@pytest.mark.thorough
@pytest.mark.parametrize("module", ["core", "records._samples", "records._table"])
def test_a_module_that_was_not_built_is_no_fault_of_the_recording(
    module: str, tmp_path: Path
) -> None:
    from ecgfast.records import synthetic_ecg

    record = synthetic_ecg(5.0, 250.0)
    (tmp_path / "a.csv").write_text("\n".join(map(str, record.signal[:, 0].tolist())))
    (tmp_path / "b.hea").write_text("b 1 250 100\nb.dat 16 200 16 0 0 0 0 II\n")
    (tmp_path / "b.dat").write_bytes(bytes(200))
    recording = tmp_path / ("a.csv" if module == "records._table" else "b.hea")
    missing = f"import sys; sys.modules['ecgfast.{module}'] = None\n"
    commands = "from ecgfast.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments in (
        ["classify", recording, "--fs", "250"],
        ["detect", recording, tmp_path / "other.csv", "--fs", "250"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", missing + commands, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("ecgfast: the compiled core of ecgfast is not here: leave this")
        assert "pip install -e ." in line
    code = (
        "from ecgfast import QRSDetector"
        if module == "core"
        else f"import ecgfast; ecgfast.read_record({str(recording)!r}, fs=250)"
    )
    done = subprocess.run(
        [sys.executable, "-c", missing + code], capture_output=True, text=True, check=False
    )
    assert "NotBuiltError: the compiled core of ecgfast is not here" in done.stderr


def test_the_version_is_that_of_the_package() -> None:
    try:
        installed = metadata.version("ecgfast")
    except metadata.PackageNotFoundError:
        pytest.skip("ecgfast runs from its source folder, not installed")
    assert installed == ecgfast.__version__


def test_types_are_installed() -> None:
    folder = resources.files("ecgfast")
    assert (folder / "py.typed").is_file()
    assert (folder / "core.pyi").is_file()


def mypy_environment() -> dict[str, str]:
    """mypy does not follow editable installs: they are shown to it."""
    home = Path(ecgfast.__file__).parents[1]
    shown = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    return {**os.environ, **shown}


@pytest.mark.slow
def test_stubs_agree_with_the_compiled_module(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # What every compiled class has and no stub tells.
    allowed = tmp_path / "allowed"
    allowed.write_text(
        "ecgfast.core.(BandpassFilter|BeatStream|QRSDetector)\n"
        "ecgfast.core.*__(reduce_cython|setstate_cython|test)__\n"
    )
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nignore_missing_imports = True\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "ecgfast.core", "--concise"),
            *("--allowlist", str(allowed), "--ignore-unused-allowlist"),
            *("--mypy-config-file", str(config)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=mypy_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


SCRIPT = """
import numpy as np
import numpy.typing as npt

from ecgfast import Beat, Classifier, Decision, Quality, Record, RhythmStream, StreamingClassifier
from ecgfast import detect_qrs, events, hrv, read_record, stream_classify, to_dataframe

record = Record(np.zeros((900, 2)), 250, ["II", "V1"], units=["mV", "mV"])
peaks: npt.NDArray[np.int64] = detect_qrs(read_record("208"), method="adaptive")
careful = Decision({"V": 0.95}, reject=0.05)
beats: list[Beat] = list(stream_classify(record, decision=careful, leads=["II"]))
noisy = [beat.time for beat in beats if beat.quality & Quality.NOISY]
names = [event.kind.text for event in events(record, model="none") if event.duration > 1]
live = StreamingClassifier(Classifier("beats"), 250)
rhythm = RhythmStream(250, delay=live.stream.delay / 250)
found = rhythm.process(live.process(np.zeros(25)), np.zeros(25))
print(hrv.measures(hrv.nn_intervals(beats)), to_dataframe(beats).shape, found[0].severity)
"""


@pytest.mark.slow
def test_a_script_of_the_public_names_passes_a_strict_type_check(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "script.py"],
        env=mypy_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
