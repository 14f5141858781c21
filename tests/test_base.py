"""What the base installation does with numpy and a runtime alone, and what it says of the rest."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

import ecgfast
from ecgfast.extras import need, need_installed

RECORDINGS = Path(__file__).parent / "recordings"

# Top-level modules that `pip install ecgfast` brings, and this package's own.
BASE = (
    *("ecgfast", "_ecgfast_editable_loader", "__editable___ecgfast_0_1_0_finder"),
    *("numpy", "tabulate", "tqdm"),
    *("ai_edge_litert", "tflite_runtime", "flatbuffers", "google", "ml_dtypes", "backports"),
    "typing_extensions",
)

# Finds nothing but the standard library and `BASE`, and runs commands.
RUN = """
import contextlib, io, json, sys

class Only:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in sys.stdlib_module_names or top in base or top.startswith("__editable__")
        return self.finder.find_spec(name, path, target) if known else None

base, commands = map(json.loads, sys.argv[1:])
sys.meta_path[:] = map(Only, sys.meta_path)

from ecgfast.benchmark import main as bench
from ecgfast.cli import main

done = []
for program, *command in commands:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(
        io.StringIO()
    ) as err:
        status = {"ecgfast": main, "ecgfast-bench": bench}[program](command)
    done.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


def in_base(folder: Path, *commands: list[Any]) -> list[tuple[int, str, str]]:
    """Run commands where only the base is installed: exit status, standard output and error."""
    given = [[str(word) for word in command] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(BASE), json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(one) for one in json.loads(done.stdout)]


def test_what_is_declared_is_what_this_test_lets_pass() -> None:
    declared = [line for line in requires("ecgfast") or () if "extra ==" not in line]
    names = {re.split(r"[<>=;\s]", line)[0] for line in declared}
    runtimes = {"ai-edge-litert", "tflite-runtime"}  # where there is none, the package does without
    assert names - runtimes == {"numpy", "tabulate", "tqdm"}
    assert names & runtimes in (runtimes, set())


# What else is imported than what a module has `need` import first, and where.
ELSEWHERE = {
    "alarms/settings.py": {"tomllib"},  # of Python 3.11; for 3.10 `need` brings tomli
    "cli/libraries.py": {"dask"},  # comes with distributed; nothing is needed where it is missing
    "networks": {"keras"},
    "training/fitting/fit.py": {"keras"},
    "training/qrs": {"keras"},
    "training/export/_convert.py": {"keras", "tensorflow"},  # run by export, which has checked
    "training/datasets/physionet.py": {"requests"},  # comes with pooch
}


def test_a_library_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text("raise OSError('libsndfile.so: not\\nfound')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ecgfast.MissingExtraError) as caught:
        need("broken_library.part", "x.dat: FLAC", "formats")
    assert str(caught.value) == (
        "x.dat: FLAC needs the extra 'formats': it is installed, but broken_library fails to "
        "import: libsndfile.so: not found; install what that lacks (a shared library with the "
        "system's own packages)"
    )
    need_installed(("numpy", "broken_library"), "Training", "train")  # nothing is imported
    with pytest.raises(ecgfast.MissingExtraError, match=r"^Training \(no_such\) needs the extra"):
        need_installed(("numpy", "no_such"), "Training", "train")


def test_every_other_library_is_imported_through_need() -> None:
    home = Path(ecgfast.__file__).parent
    for path in sorted(home.rglob("*.py")):
        place = path.relative_to(home).as_posix()
        text = path.read_text("utf-8")
        needed = re.findall(r'need\(\s*f?"(\w+)', text)
        allowed = {*sys.stdlib_module_names, *BASE, *needed}
        for where, names in ELSEWHERE.items():
            allowed |= names if f"{place}/".startswith(f"{where}/") else set()
        assert imported(ast.parse(text)) <= allowed, f"{place}: import it through ecgfast.extras"


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of what is imported anywhere, but for types."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            found |= imported(node)
    return found


def test_records_are_read_labelled_streamed_and_scored(tmp_path: Path) -> None:
    files = {  # WFDB, EDF+D, CSV, ISHNE, NumPy
        "vl": "vl.hea",
        "gap": "edf_plus_d_gap.edf",
        "text": "opensignals.txt",
        "holter": "ishne.ecg",
        "array": "x_fs.npz",
    }
    commands = [
        ["ecgfast", "detect", RECORDINGS / file, "--output", f"{name}.csv"]
        for name, file in files.items()
    ]
    record = tmp_path / "scored"
    record.mkdir()
    for part in RECORDINGS.glob("wf_lead_names.*"):
        (record / part.name).write_bytes(part.read_bytes())
    commands += [
        ["ecgfast", "detect", record / "wf_lead_names", "--output", record / "wf_lead_names.atr"],
        ["ecgfast", "evaluate", "--detector", record, "--start", "0"],
        ["ecgfast", "classify", RECORDINGS / "ishne.ecg", "--output", "labels.csv"],
        ["ecgfast", "stream", RECORDINGS / "ishne.ecg", "--pace", "fast"],
        ["ecgfast", "models"],
        ["ecgfast", "models", "--json"],
        ["ecgfast-bench", "--quick", "--model", "beats"],
    ]
    for (status, out, err), command in zip(in_base(tmp_path, *commands), commands, strict=True):
        assert status == 0, (command, err)
        assert out, command
        if command[1] == "detect":
            assert int(re.search(r"beats +(\d+)", out)[1]) > 10, out  # type: ignore[index]
        assert "needs the extra" not in out


def test_the_demo_shows_its_picture_without_matplotlib(tmp_path: Path) -> None:
    ((status, out, err),) = in_base(tmp_path, ["ecgfast", "demo"])
    assert (status, err) == (0, "")
    assert "demo.html" in out
    assert [path.name for path in tmp_path.iterdir()] == ["demo.html"]
    page = (tmp_path / "demo.html").read_text("utf-8")
    assert page.count("<svg ") == page.count("<figcaption>Synthetic ECG of no patient") == 1


def test_what_is_missing_is_named_with_the_extra_that_brings_it(tmp_path: Path) -> None:
    (tmp_path / "flac.hea").write_text("flac 1 250 2500\nflac.dat 516 200 16 0 0 0 0 II\n")
    (tmp_path / "flac.dat").write_bytes(b"fLaC" + bytes(100))
    scored = tmp_path / "data"
    scored.mkdir()
    (tmp_path / "model.keras").touch()
    cases = {
        ("detect", RECORDINGS / "plain_ecg.mat"): "formats",
        ("detect", tmp_path / "flac"): "formats",
        ("stream", "serial:/dev/ttyUSB9", "--fs", "250"): "serial",
        ("live", RECORDINGS / "ishne.ecg", "--port", "0"): "live",
        ("evaluate", "--detector", scored, "--html", "page.html"): "report",
        ("evaluate", "beats", "--data", scored, "--work", "work"): "train",
        ("report", RECORDINGS / "ishne.ecg", "--output", "page.html"): "report",
        ("annotate", RECORDINGS / "ishne.ecg", "--output", "tables"): "archive",
        ("review", RECORDINGS / "ishne.ecg", "--output", "review"): "review",
        ("review", RECORDINGS / "ishne.ecg", "--output", "review", "--terminal"): "review",
        ("prepare", "--data", scored, "--download", "mitdb"): "download",
        ("train", "beats", "--data", scored): "train",
        ("crossval", "beats", "--data", scored): "train",
        ("export", "model.keras", "--data", scored): "train",
    }
    done = in_base(tmp_path, *(["ecgfast", *command] for command in cases))
    for (status, out, err), (command, extra) in zip(done, cases.items(), strict=True):
        assert status == 1, (command, out, err)
        assert err.count("\n") == 1, (command, err)
        assert f"pip install 'ecgfast[{extra}]'" in err, (command, err)
