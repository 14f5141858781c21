"""Which recordings there are, what changed since the last run, and how they make batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, RecordError
from ..printable import printable
from ..records.finding import find_recordings
from .classify import Facts, checksum_of, facts_of
from .manifest import Batch, Known, holds_results
from .places import Item, find_remote, is_remote

__all__ = ["Changes", "Plan", "changes", "cut", "look", "of_shard"]

# A batch holds at most so many recordings and bytes; an archive that is small makes so many batches
# that several workers share them evenly.
_RECORDINGS, _BYTES = 1000, 64 << 20
_BATCHES, _FEWEST_BYTES = 64, 1 << 20


@dataclass
class Plan:
    """What was found.

    Attributes
    ----------
    found : list of (Item, Facts)
        In order of name.
    problems : list of (str, str)
        What could not be searched or holds nothing, and why.
    left_out : int
        Files that are no recording.
    """

    found: list[tuple[Item, Facts]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0


def of_shard(plan: Plan, shard: tuple[int, int]) -> Plan:
    """The part of what was found that one job of several takes.

    Parameters
    ----------
    plan : Plan
    shard : (int, int)
        Which one, from 1 on, of how many.

    Returns
    -------
    Plan
        By a checksum of each name, so that a recording stays in its part whatever else comes.
    """
    which, of = shard

    def is_ours(name: str) -> bool:
        number = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big")
        return number % of == which - 1

    return Plan(
        [one for one in plan.found if is_ours(one[0].name)],
        [one for one in plan.problems if is_ours(one[0])],
        plan.left_out if which == 1 else 0,
    )


@dataclass
class Changes:
    """How what was found differs from what the manifest knows.

    Attributes
    ----------
    new : list of (Item, Facts)
    retried : list of (Item, Facts)
        Failed ones, if these are to be tried again; those that changed since are.
    moved : list of Item
        All known ones, where they lie now.
    seen : list of (str, Facts)
        Those with other times or sizes that wait, or whose content is the same.
    changed : list of str
        Those with results that hold something else now.
    gone : list of str
        Those that are not there any more.
    """

    new: list[tuple[Item, Facts]] = field(default_factory=list)
    retried: list[tuple[Item, Facts]] = field(default_factory=list)
    moved: list[Item] = field(default_factory=list)
    seen: list[tuple[str, Facts]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def look(
    archive: Sequence[str], output: Path, *, is_output: Callable[[Path], bool] | None = None
) -> Plan:
    """Find the recordings of an archive.

    Parameters
    ----------
    archive : sequence of str
        Recordings, folders, patterns; or addresses of these on a file system that fsspec knows.
    output : Path
        Folder of the results, which is not searched.
    is_output : callable, optional
        Whether a file is an earlier result of something else.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If local paths and addresses are mixed, or addresses of several file systems.
    RecordError
        If a path is none.
    """
    remote = [is_remote(text) for text in archive]
    if any(remote):
        if not all(remote):
            raise InputError("the archive lies here and elsewhere: give paths, or addresses")
        plan = Plan()
        plan.found, plan.problems, plan.left_out = find_remote(archive)
        plan.found.sort(key=lambda one: one[0].name)
        return plan
    own = os.path.realpath(output)
    results: dict[Path, bool] = {}

    def is_result(path: Path) -> bool:
        for folder in (path.parent, path.parent.parent, *path.parents):
            if folder not in results:
                results[folder] = os.path.realpath(folder) == own or holds_results(folder)
            if results[folder]:
                return True
        return is_output is not None and is_output(path)

    finding = find_recordings(archive, is_output=is_result)
    plan = Plan(
        problems=[(printable(name), printable(why)) for name, why in finding.problems],
        left_out=len(finding.left_out),
    )
    pairs = sorted(zip(finding.names, finding.recordings, strict=True))
    plan.found = [
        (Item(name, os.path.abspath(path)), facts_of(path))  # noqa: PTH100 - resolves no link
        for name, path in pairs
    ]
    if not plan.found and not plan.problems:
        raise RecordError("no recording was named; give files, folders or patterns")
    return plan


def changes(plan: Plan, known: dict[str, Known], *, retry_failed: bool) -> Changes:
    """Compare what was found with what the manifest knows.

    A recording whose files have other times, but the same size, is read for its checksum.

    Parameters
    ----------
    plan : Plan
    known : dict of str to Known
    retry_failed : bool
        Whether recordings that failed are to be tried again.

    Returns
    -------
    Changes
    """
    result = Changes()
    names = set()
    for item, facts in plan.found:
        names.add(item.name)
        before = known.get(item.name)
        if before is None:
            result.new.append((item, facts))
            continue
        result.moved.append(item)
        if before.status == "failed":
            if retry_failed or facts != before.facts:
                result.retried.append((item, facts))
        elif facts != before.facts:
            if before.status == "waiting" or _same(item, facts, before):
                result.seen.append((item.name, facts))
            else:
                result.changed.append(item.name)
    result.gone = [name for name in known if name not in names]
    return result


def _same(item: Item, facts: Facts, before: Known) -> bool:
    if facts.size != before.facts.size or is_remote(item.path):
        return False
    try:
        return checksum_of(item.path) == before.sha256
    except OSError:
        return False


def cut(found: Iterable[tuple[Item, Facts]], *, most: int | None = None) -> Iterator[Batch]:
    """Cut recordings into batches; the same for the same recordings, on any machine.

    Parameters
    ----------
    found : iterable of (Item, Facts)
        In order of name.
    most : int, optional
        Bytes of a batch.

    Yields
    ------
    Batch
        A recording that is larger than a batch is one of its own.
    """
    listed = list(found)
    if most is None:
        total = sum(max(0, facts.size) for _, facts in listed)
        most = min(_BYTES, max(_FEWEST_BYTES, total // _BATCHES))
    ready: list[tuple[Item, Facts]] = []
    size = 0
    for item, facts in listed:
        own = max(0, facts.size)
        if own > most:
            yield _batch([(item, facts)], own, long=True)
            continue
        if ready and (size + own > most or len(ready) >= _RECORDINGS):
            yield _batch(ready, size)
            ready, size = [], 0
        ready.append((item, facts))
        size += own
    if ready:
        yield _batch(ready, size)


def _batch(items: list[tuple[Item, Facts]], size: int, *, long: bool = False) -> Batch:
    total = hashlib.sha256()
    for item, facts in items:
        total.update(os.fsencode(item.name) + b"\0" + facts.size.to_bytes(8, "little", signed=True))
    return Batch(total.hexdigest()[:12], size, long, items)
