"""The run: find, plan, classify in workers, take down, and end so that it can go on."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError, RecordError, system_reason
from ..printable import printable
from ..runtime.classifier import names_a_file
from .batches import Outcome, Task, annotation_file, encode_table, write_files
from .classify import Annotator
from .guard import Guard, Limits, StoppedError
from .manifest import FAILURES, LOG, Counts, Manifest, forget, is_running
from .planning import Changes, Plan, changes, cut, look, of_shard
from .settings import Made, Settings
from .tables import arrow, row_table

__all__ = ["Status", "annotate_archive", "archive_status"]

# Recordings that a message names.
_NAMED = 3


@dataclass(frozen=True)
class Status:
    """How far an archive is.

    Attributes
    ----------
    folder : Path
        Folder of the results.
    counts : Counts
    running : bool
        Whether a run is at work on it.
    made : dict
        Model, version and parameters of the results.
    failures : list of (str, str)
        Recordings without results, and what could not be searched, with the reason.
    left_out : int
        Files of the archive that are no recording.
    earlier : list of dict
        Where results were made in several ways (``mix=True``), the ways before `made`.
    """

    folder: Path
    counts: Counts
    running: bool
    made: dict[str, Any]
    failures: list[tuple[str, str]]
    left_out: int = 0
    earlier: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mixed(self) -> list[str]:
        """How `made` differs from each of `earlier`."""
        return ["; ".join(Made(**self.made).differences(one)) for one in self.earlier]

    @property
    def complete(self) -> bool:
        """Whether every recording has results or a reason why not."""
        return self.counts.recordings > 0 and self.counts.waiting == 0

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "folder": str(self.folder),
            **asdict(self.counts),
            "waiting": self.counts.waiting,
            "running": self.running,
            "complete": self.complete,
            "left_out": self.left_out,
            "made": self.made,
            "earlier": self.earlier,
            "failures": [{"recording": name, "reason": why} for name, why in self.failures],
        }


class Workers(Protocol):
    """What runs tasks, here or elsewhere."""

    @property
    def slots(self) -> int:
        """Tasks that may be in work at a time."""

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def wait(self) -> Outcome:
        """Return the outcome of the task that ends next, or raise what went wrong."""

    def close(self) -> None:
        """End all work."""


#: Called with the counts when a run begins and after each batch, and with what happened meanwhile.
Watch = Callable[[Counts, str], None]


def annotate_archive(
    archive: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    scheduler: Any = None,
    workers: int | None = None,
    retry_failed: bool = False,
    update: bool = False,
    mix: bool = False,
    restart: bool = False,
    timeout: float = Limits.seconds,
    memory: int = Limits.memory,
    batch: int | None = None,
    shard: tuple[int, int] | None = None,
    watch: Watch | None = None,
    is_output: Callable[[Path], bool] | None = None,
    **settings: Any,
) -> Status:
    """Classify every recording of an archive into Parquet tables, and continue what was stopped.

    Parameters
    ----------
    archive : path, or iterable of paths
        Recordings, folders, patterns such as ``"data/**/*.edf"``, or addresses that fsspec knows,
        such as ``"s3://bucket/folder"``.
    output : path
        Folder of the results: ``records/``, ``beats/`` and ``events/`` of Parquet files,
        ``failures/``, the manifest, and ``log.txt``.
    scheduler : str or dask.distributed.Client, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``; by default processes of
        this machine do the work.
    workers : int, optional
        Processes on this machine; by default one for each core that this process may use.
    retry_failed : bool
        Try recordings again that failed before.
    update : bool
        Classify recordings again that changed since, and forget those that are gone.
    mix : bool
        Go on although model, version or parameters differ from those of the results so far; the
        table of records has those of each.
    restart : bool
        Delete the results in `output` and begin anew.
    timeout : float
        Seconds without a sign of life after which a recording is given up.
    memory : int
        Bytes that a worker may take for recordings, beyond those of the loaded model.
    batch : int, optional
        Bytes of recordings that are classified together and share a file of each table; by default
        a 64th of all that is new, from 1 to 64 MB. A larger recording is alone.
    shard : (int, int), optional
        Which part of the archive to take, from 1 on, and of how many: (3, 16) is the third of 16.
        Each part has an `output` of its own, and together they hold each recording once.
    watch : callable, optional
        Called with `Counts` and a text, empty or of what happened, after each batch.
    is_output : callable, optional
        Whether a file of the archive is a result of something else and no recording.
    **settings
        Fields of `Settings`: ``model``, ``method``, ``lookahead``, ``fs``, ``leads``,
        ``annotations`` and so on.

    Returns
    -------
    Status

    Raises
    ------
    InputError
        If the results so far were made otherwise, recordings changed or are gone, and it was not
        said what is to be done; or a file cannot be written.
    StateError
        If another run is at work on `output`, or workers die without a cause.
    RecordError
        If nothing was found.
    ModelError
        If the model cannot be used.
    MissingExtraError
        If pyarrow, dask.distributed or fsspec is needed and not installed.

    Notes
    -----
    Results depend on nothing but the recordings and the settings: neither on the number of workers
    nor on how often a run was stopped. Each batch has its own file of each table, which appears
    whole under its name before the manifest says that the batch is done.

    Examples
    --------
    >>> from ecgfast import annotate_archive
    >>> status = annotate_archive("holter/", "results/")        # doctest: +SKIP
    >>> status.counts.done, status.failures                     # doctest: +SKIP
    """
    arrow()
    given = [archive] if isinstance(archive, (str, os.PathLike)) else list(archive)
    texts = [os.fspath(one) for one in given]
    folder = Path(output).expanduser()
    chosen = Settings(**settings)
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise InputError(f"shard={shard[0]}/{shard[1]}: give which part, from 1 on, of how many")
    if names_a_file(chosen.model):
        # A file, which a worker elsewhere finds by its whole path alone.
        chosen = replace(chosen, model=os.path.abspath(chosen.model))  # noqa: PTH100
    made = Made.by(chosen, Annotator(chosen).model_sha256)
    if restart:
        forget(folder)
    with Manifest(folder, write=True) as manifest, _Log(folder, watch) as log:
        before = manifest.about("made")
        if before is not None and not mix and (differ := made.differences(before)):
            raise InputError(
                f"{folder}: holds results made otherwise: {'; '.join(differ)}. Give mix=True to "
                "go on with both, restart=True to begin anew, or another output="
            )
        part = None if shard is None else list(shard)
        if before is not None and (had := manifest.about("shard")) != part:
            raise InputError(
                f"{folder}: holds {_part_text(had)}, and this is {_part_text(part)}. Give each "
                "part an output= of its own, or restart=True to begin anew"
            )
        plan = look(texts, folder, is_output=is_output)
        known = manifest.known()
        somewhere = bool(plan.found)
        plan = plan if shard is None else of_shard(plan, shard)
        if not plan.found and not known and not (somewhere and shard is not None):
            raise RecordError("; ".join(f"{name}: {why}" for name, why in plan.problems))
        found = changes(plan, known, retry_failed=retry_failed)
        if (found.changed or found.gone) and not update:
            raise InputError(_changed(folder, found))
        _plan(manifest, plan, found, made, before, batch, part)
        manifest.sweep()
        log(manifest.counts(), _begun(found, plan))
        _run(manifest, chosen, made, log, scheduler, workers, Limits(timeout, memory))
        manifest.sweep()  # what workers left that were killed
        _write_failures(manifest)
        counts = manifest.counts()
        log.line(f"ended: {counts.done} recordings done, {counts.failed} failed")
        return _status(manifest, running=False)


def archive_status(output: str | os.PathLike[str]) -> Status:
    """Return how far the results in a folder are; a run that is at work on them is not disturbed.

    Parameters
    ----------
    output : path
        As given to `annotate_archive`.

    Returns
    -------
    Status

    Raises
    ------
    InputError
        If the folder holds no results.

    Examples
    --------
    >>> from ecgfast.archive import archive_status
    >>> status = archive_status("results/")                         # doctest: +SKIP
    >>> status.counts.done                                          # doctest: +SKIP
    """
    folder = Path(output).expanduser()
    with Manifest(folder, write=False) as manifest:
        return _status(manifest, running=is_running(folder))


def _status(manifest: Manifest, *, running: bool) -> Status:
    return Status(
        manifest.folder,
        manifest.counts(),
        running,
        manifest.about("made") or {},
        [(printable(name), why) for name, why in manifest.failures()],
        manifest.about("left_out") or 0,
        manifest.about("earlier") or [],
    )


def _changed(folder: Path, found: Changes) -> str:
    parts = []
    for names, what in ((found.changed, "changed since"), (found.gone, "gone")):
        if names:
            shown = ", ".join(printable(name) for name in names[:_NAMED])
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            parts.append(f"of the recordings with results {len(names)} {what} ({shown}{more})")
    return (
        f"{folder}: {'; '.join(parts)}. Give update=True to follow the archive, restart=True to "
        "begin anew, or another output="
    )


def _begun(found: Changes, plan: Plan) -> str:
    parts = [f"begun: {len(plan.found)} recordings found"]
    for number, what in (
        (len(found.new), "new"),
        (len(found.retried), "tried again"),
        (len(found.changed), "changed"),
        (len(found.gone), "gone"),
        (plan.left_out, "other files left out"),
        (len(plan.problems), "places that cannot be searched"),
    ):
        if number:
            parts.append(f"{number} {what}")
    return ", ".join(parts)


def _part_text(shard: list[int] | None) -> str:
    return "the whole archive" if shard is None else f"part {shard[0]} of {shard[1]} of it"


def _plan(
    manifest: Manifest,
    plan: Plan,
    found: Changes,
    made: Made,
    before: Mapping[str, Any] | None,
    most: int | None,
    shard: list[int] | None,
) -> None:
    """Take up what was found: new recordings and those tried again make further batches."""
    batches = [*cut(found.new, most=most), *cut(found.retried, most=most)]
    work = batches or found.changed or found.gone or manifest.waiting()
    earlier = manifest.about("earlier") or []
    if before is not None and made.differences(before) and work and before not in earlier:
        earlier.append(before)
    manifest.plan(
        batches,
        moved=found.moved,
        seen=[*found.seen, *_facts_of(plan, found.changed)],
        again=found.changed,
        gone=found.gone,
        problems=plan.problems,
        # A run that has nothing to do makes no results.
        made=made.to_dict() if work or before is None else before,
        earlier=earlier,
        left_out=plan.left_out,
        shard=shard,
    )
    for name in found.gone:
        with suppress(OSError):
            (manifest.folder / annotation_file(name)).unlink()


def _facts_of(plan: Plan, names: list[str]) -> list[Any]:
    wanted = set(names)
    return [(item.name, facts) for item, facts in plan.found if item.name in wanted]


def _run(
    manifest: Manifest,
    settings: Settings,
    made: Made,
    log: _Log,
    scheduler: Any,
    workers: int | None,
    limits: Limits,
) -> None:
    waiting = manifest.waiting()
    if not waiting:
        return

    def say(text: str) -> None:
        log(manifest.counts(), text)

    crew = _crew(settings, scheduler, workers, limits, len(waiting), say)
    tasks: dict[int, Task] = {}

    def take() -> None:
        outcome = crew.wait()
        task = tasks.pop(outcome.number)
        write_files(manifest.folder, outcome.files)
        manifest.finish(task.items, outcome)
        for note in outcome.notes:
            log.line(note)
        counts = manifest.counts()
        failed = [
            f"{printable(item.name)}: {result.reason}"
            for item, result in zip(task.items, outcome.results, strict=True)
            if result.reason
        ]
        for line in failed:
            log.line(line)
        log(counts, "", f"batch {outcome.number} done, {counts.batches_done} of {counts.batches}")

    try:
        for number in waiting:
            part, _, items = manifest.batch(number)
            while len(tasks) >= crew.slots:
                take()
            task = Task(
                number, part, items, str(manifest.folder.absolute()), manifest.identity,
                made.to_dict(),
            )  # fmt: skip
            tasks[number] = task
            crew.submit(task)
        while tasks:
            take()
    finally:
        crew.close()


def _crew(
    settings: Settings,
    scheduler: Any,
    workers: int | None,
    limits: Limits,
    batches: int,
    say: Callable[[str], None],
) -> Workers:
    if scheduler is not None:
        from .cluster import Cluster

        return Cluster(scheduler, settings, limits, say)
    if workers is not None and workers < 1:
        raise InputError(f"workers={workers}: give 1 or more")
    return _Local(settings, limits, min(workers or _cores(), batches))


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class _Local:
    """Processes on this machine, each with a thread that watches it."""

    def __init__(self, settings: Settings, limits: Limits, workers: int) -> None:
        self._tasks: queue.Queue[Task] = queue.Queue()
        self._outcomes: queue.Queue[Outcome | BaseException] = queue.Queue()
        self._guards = [Guard(settings, limits) for _ in range(workers)]
        self.slots = workers + 1
        for guard in self._guards:
            threading.Thread(target=self._work, args=(guard,), daemon=True).start()

    def _work(self, guard: Guard) -> None:
        while True:
            task = self._tasks.get()
            try:
                self._outcomes.put(guard.run(task))
            except StoppedError:
                return
            except BaseException as error:  # for the thread that waits
                self._outcomes.put(error)

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def wait(self) -> Outcome:
        outcome = self._outcomes.get()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def close(self) -> None:
        for guard in self._guards:
            guard.stop()


def _write_failures(manifest: Manifest) -> None:
    rows = [
        {"recording": printable(name), "reason": reason} for name, reason in manifest.failures()
    ]
    write_files(manifest.folder, {FAILURES: encode_table(row_table("failures", rows))})


class _Log:
    """What happened, for people: a file that grows, and whoever watches."""

    def __init__(self, folder: Path, watch: Watch | None) -> None:
        self._path, self._watch = folder / LOG, watch

    def __enter__(self) -> _Log:
        try:
            self._file = self._path.open("a", encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({system_reason(error)})") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, _: Any) -> None:
        with suppress(OSError):  # a full disk, which the run itself has said
            if kind is not None:
                ending = "interrupted" if issubclass(kind, KeyboardInterrupt) else f"ended: {error}"
                self.line(ending)
            self._file.close()

    def line(self, text: str) -> None:
        """Add a line, with the time."""
        now = datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
        self._file.write(f"{now} {text}\n")
        self._file.flush()

    def __call__(self, counts: Counts, text: str, quiet: str = "") -> None:
        if text or quiet:
            self.line(text or quiet)
        if self._watch is not None:
            self._watch(counts, text)
