"""What an archive holds, in a few tables: findings, rates, ectopy, quality, alarms."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._files import whole_file
from ..errors import InputError, system_reason
from ..extras import need
from ..printable import printable
from ..records.writers import no_formula
from ..reports.report_text import NOTHING
from ..rhythm import EventKind
from .batches import part_files
from .engine import Status, archive_status
from .manifest import Counts, Manifest
from .tables import COLUMNS, arrow

__all__ = ["Summary", "summarise", "write_summary"]

Column = npt.NDArray[np.float64]

# Rows of a list on the page; the CSV files have all.
_LISTED = 50

# Quality is worth a look from this share of the time, or of the beats, on.
_BAD_SHARE = 0.1

# Seconds that an episode has to last to be one: shorter recordings cannot show it.
_SUSTAINED_S = 30.0

# What is counted in how many recordings: column, text, and the shortest recording that can show it.
_FINDINGS = (
    ("ventricular_flutter", "ventricular flutter or fibrillation", 0.0),
    ("asystole", "asystole", 0.0),
    ("extreme_tachycardia", "extreme tachycardia", 0.0),
    ("extreme_bradycardia", "extreme bradycardia", 0.0),
    ("pause", "pause", 0.0),
    ("atrial_fibrillation", "atrial fibrillation", _SUSTAINED_S),
    ("tachycardia", "tachycardia", _SUSTAINED_S),
    ("bradycardia", "bradycardia", _SUSTAINED_S),
    ("v_runs", "ventricular run", 0.0),
    ("v_couplets", "ventricular couplet", 0.0),
    ("v", "ventricular ectopic beat", 0.0),
    ("r_on_t", "R-on-T", 0.0),
    ("s_runs", "supraventricular run", 0.0),
    ("s", "supraventricular ectopic beat", 0.0),
)
_NAMES = frozenset(name for name, _, _ in COLUMNS["records"])
_TIMED = frozenset(name for name, _, _ in _FINDINGS if f"{name}_s" in _NAMES)

# Distributions: column, heading, unit, edges of classes, and the shortest recording that counts:
# one beat in ten seconds would be 360 per hour.
_HOURLY_S = 600.0
_RATES = (40, 50, 60, 70, 80, 90, 100, 110, 120, 140)
_PER_HOUR = (0, 1, 10, 30, 100, 300, 1000)
_SHARE = (0, 0.01, 0.05, 0.1, 0.2, 0.5)
_PERCENT = "% of the beats"
_DISTRIBUTIONS: tuple[tuple[str, str, str, tuple[float, ...], float], ...] = (
    ("heart_rate", "Mean heart rate", "per minute", _RATES, 0.0),
    ("heart_rate_min", "Lowest heart rate", "per minute", _RATES, 0.0),
    ("heart_rate_max", "Highest heart rate", "per minute", _RATES, 0.0),
    ("v_share", "Ventricular ectopic beats", _PERCENT, _SHARE, 0.0),
    ("v_per_hour", "Ventricular ectopic beats", "per hour", _PER_HOUR, _HOURLY_S),
    ("s_per_hour", "Supraventricular ectopic beats", "per hour", _PER_HOUR, _HOURLY_S),
)

_QUALITY = ("recording", "duration", "lost_share", "bad_beats_share", "beats")
_EVENT = ("recording", "kind", "start_time", "end_time", "rate", "confidence")

_COLUMNS = (
    *dict.fromkeys(
        (
            *_QUALITY,
            *(name for name, _, _ in _FINDINGS),
            *(f"{name}_s" for name, _, _ in _FINDINGS if name in _TIMED),
            *(name for name, *_ in _DISTRIBUTIONS),
            "sha256",
        )
    ),
)


@dataclass(frozen=True)
class Summary:
    """The tables of a summary; each a list of rows, values by name.

    Attributes
    ----------
    status : Status
    hours : float
        Of signal.
    prevalence : list of dict
        Each finding: in how many recordings, of how many that are long enough for it, the share
        with its 95 % interval (Wilson), how many of them there are and how long they last.
    distributions : list of dict
        Recordings by classes of rates and ectopy.
    quality : list of dict
        Recordings of which much cannot be read or lies in noise, the worst first.
    critical : list of dict
        Events of high severity, the gravest kinds first, then by confidence.
    duplicates : list of dict
        Recordings whose files hold what those of an earlier one do, and which one: they count too.
    """

    status: Status
    hours: float
    prevalence: list[dict[str, Any]]
    distributions: list[dict[str, Any]]
    quality: list[dict[str, Any]]
    critical: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The tables by name, that of failures among them."""
        failures = [{"recording": name, "reason": why} for name, why in self.status.failures]
        return {
            "prevalence": self.prevalence,
            "distributions": self.distributions,
            "quality": self.quality,
            "critical": self.critical,
            "duplicates": self.duplicates,
            "failures": failures,
        }


def summarise(folder: str | Path, *more: str | Path) -> Summary:
    """Sum up the results in a folder, complete or not.

    Parameters
    ----------
    folder : path
        As given to `annotate_archive`.
    *more : path
        Further ones, of other parts of the archive (``shard``).

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If it holds no results, or none of a recording yet; or folders were made otherwise than each
        other, or hold the same recording.
    MissingExtraError
        If pyarrow is not installed.
    """
    folders = [Path(one).expanduser() for one in (folder, *more)]
    pq = arrow("parquet")
    parts: list[Path] = []
    events: list[Path] = []
    for where in folders:
        with Manifest(where, write=False) as manifest:
            done = [part_files(part) for part in manifest.done_parts()]
        parts += [where / files["records"] for files in done]
        events += [where / files["events"] for files in done]
    status = _together([archive_status(where) for where in folders])
    where = status.folder
    if not status.counts.done:
        raise InputError(f"{where}: no recording has results yet; run `ecgfast annotate` first")
    pa = arrow()
    try:
        records = pa.concat_tables(pq.read_table(part, columns=list(_COLUMNS)) for part in parts)
        high = pa.concat_tables(
            pq.read_table(part, columns=list(_EVENT), filters=[("severity", "=", "high")])
            for part in events
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{where}: a table cannot be read ({error}); start the run again"
        ) from None
    columns: dict[str, Any] = {
        name: records[name].to_numpy().astype(np.float64)
        for name in records.column_names
        if name not in ("recording", "sha256")
    }
    names = np.array(records["recording"].to_pylist(), dtype=object)
    if len(folders) > 1 and len(set(names)) < len(names):
        twice = next(name for name, n in Counter(names.tolist()).items() if n > 1)
        raise InputError(
            f"{printable(twice)}: is in more than one of the {len(folders)} folders; give folders "
            "of different parts"
        )
    return Summary(
        status=status,
        hours=float(columns["duration"].sum()) / 3600,
        prevalence=[_prevalence(columns, *finding) for finding in _FINDINGS],
        distributions=[row for which in _DISTRIBUTIONS for row in _distribution(columns, *which)],
        quality=_worst(columns, names),
        critical=_critical(high.to_pylist()),
        duplicates=_duplicates(names.tolist(), records["sha256"].to_pylist()),
    )


def _together(each: Sequence[Status]) -> Status:
    """The status of several folders as one."""
    first = each[0]
    for other in each[1:]:
        if other.made != first.made:
            raise InputError(
                f"{other.folder}: was made otherwise than {first.folder}: sum them up one by one"
            )
    counts = [asdict(one.counts) for one in each]
    return replace(
        first,
        counts=Counts(**{name: sum(one[name] for one in counts) for name in counts[0]}),
        running=any(one.running for one in each),
        failures=sorted(failure for one in each for failure in one.failures),
        earlier=[made for one in each for made in one.earlier],
        left_out=sum(one.left_out for one in each),
    )


def _prevalence(columns: dict[str, Column], name: str, text: str, least: float) -> dict[str, Any]:
    shows = columns["duration"] >= least
    counts = columns[name][shows]
    have, of = int((counts > 0).sum()), int(shows.sum())
    low, high = _wilson(have, of)
    return {
        "finding": text,
        "recordings": have,
        "of": of,
        "share": have / of if of else math.nan,
        "low": low,
        "high": high,
        "count": int(counts.sum()),
        "seconds": float(columns[f"{name}_s"][shows].sum()) if name in _TIMED else math.nan,
        "shortest": least,
    }


def _wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    if not n:
        return math.nan, math.nan
    z = 1.959964
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def _distribution(
    columns: dict[str, Column],
    name: str,
    heading: str,
    unit: str,
    edges: Sequence[float],
    least: float,
) -> list[dict[str, Any]]:
    values = columns[name]
    values = values[np.isfinite(values) & (columns["duration"] >= least)]
    scale = 100 if unit == _PERCENT else 1
    shown = [f"{scale * edge:g}" for edge in edges]
    if edges[0] == 0:  # none at all is a class of its own
        classes = [("0", values <= 0), (f"below {shown[1]}", (values > 0) & (values < edges[1]))]
    else:
        classes = [(f"below {shown[0]}", values < edges[0])]
        classes.append((f"{shown[0]} to {shown[1]}", _between(values, edges[0], edges[1])))
    for i in range(1, len(edges) - 1):
        classes.append((f"{shown[i]} to {shown[i + 1]}", _between(values, edges[i], edges[i + 1])))
    classes.append((f"{shown[-1]} and above", values >= edges[-1]))
    return [
        {
            "measure": heading,
            "unit": unit,
            "class": text,
            "recordings": int(inside.sum()),
            "share": float(inside.mean()) if len(values) else math.nan,
            "shortest": least,
        }
        for text, inside in classes
    ]


def _between(values: Column, low: float, high: float) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (values >= low) & (values < high)
    return inside


def _worst(columns: dict[str, Column], names: npt.NDArray[Any]) -> list[dict[str, Any]]:
    lost, bad = columns["lost_share"], np.nan_to_num(columns["bad_beats_share"])
    poor = (lost >= _BAD_SHARE) | (bad >= _BAD_SHARE) | (columns["beats"] == 0)
    order = sorted(
        np.flatnonzero(poor).tolist(), key=lambda i: (-max(lost[i], bad[i]), str(names[i]))
    )
    return [
        {
            "recording": names[i],
            "duration": float(columns["duration"][i]),
            "lost_share": float(lost[i]),
            "bad_beats_share": float(columns["bad_beats_share"][i]),
            "beats": int(columns["beats"][i]),
        }
        for i in order
    ]


def _duplicates(names: list[str], checksums: list[str]) -> list[dict[str, Any]]:
    first: dict[str, str] = {}
    return [
        {"recording": name, "same_as": first[checksum]}
        for name, checksum in sorted(zip(names, checksums, strict=True))
        if first.setdefault(checksum, name) != name
    ]


def _critical(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rank = {name: i for i, (name, _, _) in enumerate(_FINDINGS)}
    events.sort(
        key=lambda e: (
            rank.get(e["kind"], len(rank)),
            -e["confidence"],
            e["recording"],
            e["start_time"],
        )
    )
    return events


def _by_recording(
    critical: list[dict[str, Any]],
) -> list[tuple[tuple[str, str], list[dict[str, Any]], dict[str, Any]]]:
    """Events of a kind in a recording together, and the longest of them, in the list's order."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in critical:
        groups.setdefault((event["kind"], event["recording"]), []).append(event)
    return [
        (key, events, max(events, key=lambda event: event["end_time"] - event["start_time"]))
        for key, events in groups.items()
    ]


# ------------------------------------------------------------------------- what is written


def write_summary(
    folder: str | Path, output: str | Path | None = None, *, found: Summary | None = None
) -> list[Path]:
    """Write the summary of the results in a folder as an HTML page and CSV tables.

    Parameters
    ----------
    folder : path
        As given to `annotate_archive`.
    output : path, optional
        Folder to write into; by default ``summary`` in `folder`.
    found : Summary, optional
        What `summarise` made of the folder already.

    Returns
    -------
    list of Path
        ``index.html`` and the tables.

    Raises
    ------
    InputError
        If there are no results, or a file cannot be written; page and tables of an earlier summary
        then stay as they were.
    MissingExtraError
        If pyarrow or Jinja2 is not installed.
    """
    found = summarise(folder) if found is None else found
    where = Path(folder).expanduser() / "summary" if output is None else Path(output).expanduser()
    html = summary_page(found)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{where}: cannot be made ({system_reason(error)}); check output="
        ) from None
    contents = {where / "index.html": html}
    contents |= {where / f"{name}.csv": _csv(name, rows) for name, rows in found.tables().items()}
    with ExitStack() as stack:
        for path, text in contents.items():
            file = stack.enter_context(whole_file(path))
            file.write(text.encode())
            file.flush()  # a full disk shows before the first file is in place
    return list(contents)


_HEADS = {
    "prevalence": (
        "finding", "recordings", "of", "share", "low", "high", "count", "seconds", "shortest",
    ),
    "distributions": ("measure", "unit", "class", "recordings", "share", "shortest"),
    "quality": _QUALITY,
    "critical": _EVENT,
    "duplicates": ("recording", "same_as"),
    "failures": ("recording", "reason"),
}  # fmt: skip


def _csv(name: str, rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, _HEADS[name], lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    for row in rows:
        table.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else ""
    return no_formula(value)


def summary_page(found: Summary) -> str:
    """Make the page of a summary.

    Parameters
    ----------
    found : Summary

    Returns
    -------
    str
        HTML that needs no other file and no network.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    from ..reports.recording_report import report_style
    from ..reports.shell import page, render
    from ..reports.svg import bars
    from ..reports.words import length

    safe = need("markupsafe", "An HTML report", "report").Markup
    counts = found.status.counts
    pictures = []
    for _, heading, unit, _, least in _DISTRIBUTIONS:
        which = (heading, unit)
        rows = [row for row in found.distributions if (row["measure"], row["unit"]) == which]
        of = sum(row["recordings"] for row in rows)
        if of:
            longer = f" of {least / 60:g} min and more" if least else ""
            text = f"{heading}, {unit}{longer}"
            picture = bars(
                [row["class"] for row in rows], [row["recordings"] for row in rows], label=text
            )
            pictures.append((f"{heading}, {unit}", f"{of:,} recordings{longer}", safe(picture)))
    groups = _by_recording(found.critical)
    made = found.status.made
    body = render(
        "archive.html",
        counts=counts,
        waiting=counts.waiting,
        hours=f"{found.hours:,.1f}",
        model=made.get("settings", {}).get("model", ""),
        method=made.get("settings", {}).get("method", ""),
        version=made.get("version", ""),
        findings=[
            {
                **row,
                "share": _percent(row["share"]),
                "interval": f"{_percent(row['low'])} to {_percent(row['high'])}",
                "seconds": length(row["seconds"]) if math.isfinite(row["seconds"]) else "",
            }
            for row in found.prevalence
        ],
        pictures=pictures,
        quality=[
            {
                **row,
                "duration": length(row["duration"]),
                "lost": _percent(row["lost_share"]),
                "bad": _percent(row["bad_beats_share"]),
            }
            for row in found.quality[:_LISTED]
        ],
        quality_more=max(0, len(found.quality) - _LISTED),
        critical=[
            {
                "kind": EventKind(kind).text,
                "recording": recording,
                "count": len(events),
                "at": _clock(longest["start_time"]),
                "lasts": length(longest["end_time"] - longest["start_time"]),
                "rate": NOTHING if longest["rate"] is None else f"{longest['rate']:.0f}",
                "confidence": f"{events[0]['confidence']:.2f}",
            }
            for (kind, recording), events, longest in groups[:_LISTED]
        ],
        critical_more=max(0, len(groups) - _LISTED),
        mixed=found.status.mixed,
        duplicates=len(found.duplicates),
        failures=[
            (printable(name), why.removeprefix(f"{name}: "))
            for name, why in found.status.failures[:_LISTED]
        ],
        failures_more=max(0, len(found.status.failures) - _LISTED),
    )
    return page("ECG archive", body, style=report_style() + "body { max-width: 72rem; }")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else NOTHING


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
