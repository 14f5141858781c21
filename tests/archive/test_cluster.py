"""On a Dask cluster of separate processes: the tables of a local run, whoever is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lazily import Lazily

from ecgfast import StateError, annotate_archive
from ecgfast.cli import main

pytest.importorskip("pyarrow")
Lazily("distributed", "the cluster needs Dask (extra archive)")
if os.name != "posix":
    pytest.skip("signals of POSIX", allow_module_level=True)

Save = Callable[..., Path]
Parts = Callable[[Path], dict[str, bytes]]
Capture = pytest.CaptureFixture[str]

QUIET = {
    **os.environ,
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "60s",
}


class Processes:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=log, env=QUIET, cwd=self.folder
            )

    def start_scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        self.scheduler = self._start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port,
            "--no-dashboard", "--scheduler-file", str(file),
        )  # fmt: skip
        end = time.monotonic() + 120
        while True:  # the file is there before it is whole
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                self.address = json.loads(file.read_text())["address"]
                return
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def start_worker(self, *, nanny: bool = False) -> None:
        self.workers.append(
            self._start(
                "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-dashboard",
                "--nanny" if nanny else "--no-nanny", "--death-timeout", "60",
            )
        )  # fmt: skip

    def stop(self) -> None:
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    processes.start_scheduler()
    yield processes
    processes.stop()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, save: Save) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for i in range(12):
        save(folder / f"{i:02}", i, repeat=24)
    save(folder / "bad").with_name("bad.dat").write_bytes(b"short")
    return folder


@pytest.fixture(scope="module")
def local(
    archive: Path, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What a local run writes."""
    out = tmp_path_factory.mktemp("local")
    annotate_archive(archive, out, workers=2)
    return parts(out)


def test_a_cluster_writes_the_tables_of_a_local_run(
    archive: Path,
    local: dict[str, bytes],
    parts: Parts,
    tmp_path: Path,
    cluster: Processes,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.start_worker(nanny=True)
    argv = ["annotate", str(archive), "--scheduler", cluster.address]
    assert main([*argv, "--output", str(tmp_path / "out")]) == 1
    assert "12 of 13 done, 1 failed" in capsys.readouterr().out
    assert parts(tmp_path / "out") == local
    # Workers that do not see the folder hand the files back.
    from ecgfast.archive import batches

    away = batches.Task.__init__

    def elsewhere(self: batches.Task, *args: object, **more: object) -> None:
        away(self, *args, **more)  # type: ignore[arg-type]
        object.__setattr__(self, "folder", "/of/another/machine")

    monkeypatch.setattr(batches.Task, "__init__", elsewhere)
    assert main([*argv, "--output", str(tmp_path / "back")]) == 1
    assert parts(tmp_path / "back") == local


def test_a_scheduler_that_does_not_answer_is_said(archive: Path, tmp_path: Path) -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(StateError, match="no Dask scheduler answers"),
    ):
        annotate_archive(archive, tmp_path / "out", scheduler="tcp://127.0.0.1:9")


@pytest.mark.thorough
@pytest.mark.parametrize("level", [None, "info"])
def test_dask_logs_no_error_unless_its_log_was_asked_for(level: str | None) -> None:
    """A client that loses its scheduler logs tracebacks; the command tells of it itself."""
    code = (
        "from ecgfast.cli.libraries import quiet_dask; quiet_dask()\n"
        "import logging, distributed\n"
        "for name in ('distributed.client', 'distributed.core', 'tornado.application'):\n"
        "    logging.getLogger(name).error('lost', exc_info=OSError('x'))\n"
    )
    asked = {} if level is None else {"DASK_LOGGING__DISTRIBUTED": level}
    run = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**QUIET, **asked},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert ("lost" in run.stderr) == (level is not None)


@pytest.mark.slow
def test_killed_at_twenty_moments(
    archive: Path, local: dict[str, bytes], parts: Parts, tmp_path: Path, cluster: Processes
) -> None:
    """By turns a worker, the run and the scheduler, later and later, until it is complete."""
    out = tmp_path / "out"
    cluster.start_worker()
    command = [
        *(sys.executable, "-m", "ecgfast", "annotate", str(archive), "--output", str(out)),
        *("--scheduler", cluster.address),
    ]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=QUIET, cwd=tmp_path
        )

    run = start()
    for i in range(20):
        time.sleep(0.4 * (i % 10))
        if i % 3 == 0:
            worker = cluster.workers.pop()
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            cluster.start_worker()
        elif i % 3 == 1:
            run.kill()
            run.communicate()
            run = start()
        else:
            assert cluster.scheduler is not None
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            _, err = run.communicate(timeout=120)
            assert run.returncode == 1, err
            assert b"Traceback" not in err
            cluster.start_scheduler()
            cluster.workers.pop().kill()
            cluster.start_worker()
            run = start()
    _, err = run.communicate(timeout=400)
    assert b"1 of 13 recordings failed" in err
    assert parts(out) == local
    assert not list(out.rglob("*.part"))
