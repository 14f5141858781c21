"""The examples of docs/archive.md for clusters, on a cluster of this machine."""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lazily import Lazily
from thorough import thorough_cases

from ecgfast import annotate_archive

pytest.importorskip("pyarrow")
distributed = Lazily("distributed", "the cluster needs Dask (extra archive)")

if os.name != "posix":
    pytest.skip("as the cluster's other tests", allow_module_level=True)

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
Save = Callable[..., Path]
Parts = Callable[[Path], dict[str, bytes]]

# How each service's cluster is made, and what it may be asked for.
SERVICES = {
    "SLURMCluster": ("dask_jobqueue", {"cores", "processes", "memory", "walltime"}),
    "KubeCluster": ("dask_kubernetes.operator", {"name", "image", "n_workers", "resources"}),
    "Cluster": ("coiled", {"n_workers", "worker_cpu"}),
}


def local(allowed: set[str]) -> type:
    """Stands for a service's cluster: it takes the same arguments, and has one worker here."""

    class Local(distributed.LocalCluster):  # type: ignore[misc, name-defined]
        def __init__(self, **asked: Any) -> None:
            assert set(asked) <= allowed
            super().__init__(
                n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
            )

        def scale(self, n: int = 0, jobs: int = 0) -> None:
            """A service starts machines, which here are there."""
            if not jobs:
                super().scale(n)

    return Local


def snippet(service: str) -> str:
    if not PAGE.is_file():
        pytest.skip("the docs are not in this checkout")
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (code,) = [one for one in found if re.search(rf"(?<![A-Za-z]){service}\(", one)]
    return code


@pytest.mark.parametrize("service", ["SLURMCluster", *thorough_cases("KubeCluster", "Cluster")])
def test_the_example_gives_the_tables_of_a_local_run(
    service: str, save: Save, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    for i in range(3):
        save(archive / f"{i:03}", turn=i)
    annotate_archive(archive, tmp_path / "local", workers=1)
    name, allowed = SERVICES[service]
    modules = [".".join(name.split(".")[: i + 1]) for i in range(name.count(".") + 1)]
    for module in modules:
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    setattr(sys.modules[name], service, local(allowed))
    code = snippet(service)
    for there, here in (
        ("/data/ecg", archive), ("s3://bucket/ecg", archive),
        ("/data/results", out), ("results", out),
    ):  # fmt: skip
        code = code.replace(f'"{there}"', repr(str(here)))
    names: dict[str, Any] = {"annotate_archive": annotate_archive}
    if service == "Cluster":
        names["coiled"] = sys.modules["coiled"]
    try:
        exec(code, names)
        assert parts(out) == parts(tmp_path / "local")
    finally:
        if "cluster" in names:
            names["cluster"].close()
