"""The rooms of the package: each imports only what is below it, and no modules tie a circle."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ecgfast

HOME = Path(ecgfast.__file__).parent

#: What every room may import.
FOUNDATION = {
    *("_files", "_types", "errors", "extras", "printable", "processes", "exclusive", "deprecated"),
    *("outside", "versioned", "web", "_progress", "_one_run", "_equality", "_interrupts"),
}

#: What each room may import besides.
BASE = {"beat_batch", "core", "inputs", "window"}
RECORDS = BASE | {"records"}
RUNTIME = {"runtime", "window"}
SOURCES = RECORDS | {"sources"}
STREAMING = SOURCES | RUNTIME | {"streaming"}
HRV = STREAMING | {"hrv"}
RHYTHM = STREAMING | {"rhythm"}
ALARMS = RHYTHM | {"alarms"}
EVALUATION = RHYTHM | {"evaluation"}
TRAINING = EVALUATION | {"networks", "training"}
REPORTS = TRAINING | HRV | {"reports"}
LIVE = REPORTS | {"live"}
REVIEW = REPORTS | {"review"}
ARCHIVE = REPORTS | {"archive"}
MAY_IMPORT: dict[str, set[str]] = {
    "beat_batch": {"beat_batch"},
    "core": BASE,
    "inputs": BASE,
    "window": {"window"},
    "records": RECORDS,
    "sources": SOURCES,
    "runtime": RUNTIME,
    "streaming": STREAMING,
    "rhythm": RHYTHM,
    "alarms": ALARMS,
    "networks": {"networks"},
    "hrv": HRV,
    "evaluation": EVALUATION,
    "training": TRAINING,
    "reports": REPORTS,
    "live": LIVE,
    "archive": ARCHIVE,
    "review": REVIEW,
    "cli": ARCHIVE | LIVE | REVIEW | {"alarms", "cli"},
    "benchmark": ARCHIVE | LIVE | REVIEW | {"cli", "benchmark"},
    "__main__": {"cli"},
}

#: The same within `training`.
DATASETS = {"datasets"}
FITTING = DATASETS | {"recipes", "scoring", "tasks.base", "fitting"}
MAY_IMPORT_IN_TRAINING: dict[str, set[str]] = {
    "datasets": DATASETS,
    "recipes": {"recipes"},
    "scoring": DATASETS,
    "tasks.base": DATASETS | {"recipes", "scoring"},
    "fitting": FITTING,
    "export": {"export"},
    "tasks": FITTING | {"tasks"},
    "qrs": FITTING | {"qrs"},
    "workflow": FITTING | {"tasks", "export"},
}


def module_name(path: Path) -> str:
    """Dotted name within the package; "" for the package itself."""
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path
    for path in sorted(HOME.rglob("*"))
    if path.suffix in (".py", ".pyx") and "models" not in path.relative_to(HOME).parts
}


@cache
def imported(name: str, *, late: bool) -> set[str]:
    """Modules of the package that a module imports; `late` adds imports within functions."""
    path = FILES[name]
    if path.suffix == ".pyx":  # no Python syntax: the few imports are found by their lines
        lines = [line for line in path.read_text("utf-8").splitlines() if "import" in line]
        text = "\n".join(line for line in lines if line.startswith("from ."))
        text = text.replace(" cimport ", " import ")
    else:
        text = path.read_text("utf-8")
    tree = ast.parse(text)
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    found = set()
    nodes = list(ast.walk(tree)) if late else list(_at_import(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "ecgfast"}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = ["ecgfast", *package][: len(package) + 2 - node.level]
                start = ".".join([*base, *([node.module] if node.module else [])])
            elif (node.module or "").split(".")[0] == "ecgfast":
                start = str(node.module)
            else:
                continue
            for alias in node.names:
                whole = f"{start}.{alias.name}".removeprefix("ecgfast.")
                found.add(whole if whole in FILES else start)
    return {one.removeprefix("ecgfast").removeprefix(".") for one in found} - {name}


def _at_import(tree: ast.AST) -> list[ast.AST]:
    """Nodes that run when the module is imported."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found += [node, *_at_import(node)]
    return found


def room_of(name: str, rooms: dict[str, set[str]]) -> str:
    """The room of a module: the longest of the names that it begins with."""
    fitting = [room for room in rooms if f"{name}.".startswith(f"{room}.")]
    return max(fitting, key=len, default=name.split(".", maxsplit=1)[0])


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_a_room_imports_only_what_is_below_it(name: str) -> None:
    top = name.split(".", maxsplit=1)[0]
    if top in FOUNDATION:
        assert {one.split(".")[0] for one in imported(name, late=True)} <= FOUNDATION | {""}
        return
    assert top in MAY_IMPORT, f"{name}: say in this test what this room may import"
    for other in imported(name, late=True):
        there = other.split(".")[0]
        # The package itself holds the version, and lazy names that nothing inside uses.
        assert there in MAY_IMPORT[top] | FOUNDATION | {""}, f"{name} imports {other}"


def test_the_rooms_of_training_import_only_what_is_below_them() -> None:
    inside = {
        name.removeprefix("training."): name for name in FILES if name.startswith("training.")
    }
    for short, name in inside.items():
        room = room_of(short, MAY_IMPORT_IN_TRAINING)
        assert room in MAY_IMPORT_IN_TRAINING, f"{name}: say in this test what it may import"
        for other in imported(name, late=True):
            if other.startswith("training."):
                there = room_of(other.removeprefix("training."), MAY_IMPORT_IN_TRAINING)
                assert there in MAY_IMPORT_IN_TRAINING[room], f"{name} imports {other}"


def test_no_modules_tie_a_circle() -> None:
    graph = {name: imported(name, late=True) & set(FILES) - {""} for name in FILES if name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
