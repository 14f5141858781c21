"""Recordings in JSON: arrays, a list of leads, packets with stamps, an object or a pair a sample.

No list of programs: numbers are gathered by the path of keys that leads to them, with what the
objects around them say: a name, a unit, a sampling rate, a stamp. Arrays of one path and name are
packets of one signal; those that the file names differently are different signals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ._table import TIME, parse_rows
from .choosing import look_of, role_of, sensor_around
from .clocks import Clock, count_for, read_clock, start_of, unit_of_clock
from .fhir import begin_of, lead_name, sampled_data
from .json_content import content_of, lost_packets
from .opened import Column, Opened, Values
from .stated_rates import stated_rate
from .stated_scales import scale_note, unapplied_scale
from .text_body import zone_of
from .text_head import split_unit
from .time_stamps import UNITS

__all__ = ["open_json"]

Floats = npt.NDArray[np.float64]

# Levels of lists and objects, columns of a table of rows, rows of one for each column at least, the
# longest text that is a time, and samples that tell a clock.
_DEEPEST, _MOST_COLUMNS, _LEAST_RATIO, _LONGEST, _LOOKED = 12, 64, 10, 40, 4096

# What an object calls itself, its unit, and the columns of the rows in it.
_NAMES = ("name", "label", "lead", "channel", "signal", "sensor", "type")
_UNITS = ("unit", "units")
_COLUMNS = (
    "columns", "leads", "lead_names", "leadnames", "labels", "names", "channels", "ch_names",
    "channel_names", "channelnames", "sig_name",
)  # fmt: skip

# Members of an object that are samples, at least.
_LEAST_KEYED = 64

_HEART = re.compile("heart|pulse", re.IGNORECASE)
_LIST = re.compile(r"[-+\d.eEUL,;\s\[\]]+", re.ASCII)

# A stated rate and that of a clock are the same up to this share.
_SAME = 0.05


@dataclass(frozen=True)
class _Around:
    """What the objects around some numbers say of them."""

    path: tuple[str, ...] = ()
    name: str = ""
    unit: str = ""
    fs: float | None = None
    fs_of: int = 0  # the object that states the rate
    stamp: float = math.nan
    stamp_name: str = ""
    count: float = math.nan
    counter: str = ""
    is_text: bool = False  # of stamps: times as text, in seconds
    zone: float | None = None
    columns: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Signal:
    """The numbers of one path and name, piece by piece."""

    around: _Around
    pieces: list[Floats] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    rates: set[int] = field(default_factory=set)  # objects that state a rate

    @property
    def counter(self) -> str:
        """What the packets' counter is called."""
        return self.around.counter

    @property
    def group(self) -> tuple[str, ...]:
        """Signals of one group have one clock."""
        return (*self.around.path[:-1], "", self.around.name)

    def label(self) -> tuple[str, str]:
        """Return name and unit: by the key where that says what it is, else by what is around."""
        key = self.around.path[-1] if self.around.path else "signal"
        name, unit = split_unit("" if key.startswith("#") else key)
        above = [self.around.name, *reversed(self.around.path[:-1])]
        found = sensor_around(name, above)
        if not found and role_of(name)[0] in ("unclear", "counter"):
            found = self.around.name
        return found or name, unit or self.around.unit

    def is_column(self) -> bool:
        """Whether it is one of the columns of an array."""
        return bool(self.around.path) and self.around.path[-1].startswith("#")

    def is_clock(self) -> bool:
        """Whether these are stamps, by their name, or of rows without names by their values."""
        name = self.label()[0]
        if name:
            return role_of(name)[0] == "clock"
        return look_of(self.pieces[0][:_LOOKED], None) == "clock"


def open_json(path: Path, text: bytes) -> Opened:
    """Open a JSON file: one value, or an object a line.

    Parameters
    ----------
    path : Path
        The file.
    text : bytes
        What is in it, in UTF-8.

    Returns
    -------
    Opened

    Raises
    ------
    RecordError
        If it is damaged, holds no samples, or several recordings.
    """
    try:
        content, notes = content_of(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: is no intact JSON file ({error}); export it again") from None
    gathered = _Gathered(path)
    gathered.walk(content, _Around(), 0)
    signals = [s for s in gathered.signals.values() if sum(map(len, s.pieces)) >= 3]
    if not signals:
        raise RecordError(f"{path}: holds no array of samples; export it again, as CSV")
    common = gathered.rates.pop() if len(gathered.rates) == 1 else None
    return _opened(path, signals, common, notes)


class _Gathered:
    """The signals in a JSON value.

    Attributes
    ----------
    signals : dict
        By path of keys, name and column.
    rates : set of float
        Sampling rates of objects that hold no signal: those of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.signals: dict[tuple[str, ...], _Signal] = {}
        self.rates: set[float] = set()

    def walk(self, value: Any, around: _Around, depth: int) -> bool:
        """Gather the numbers in a value; return whether it holds any signal."""
        if depth > _DEEPEST:
            return False
        if isinstance(value, dict):
            return self._object(value, around, depth)
        if not isinstance(value, list) or not value:
            return False
        numbers = _numbers(value)
        if numbers is not None:
            self._add(around, "", numbers)
            return True
        if around.path and role_of(around.path[-1])[0] == "clock":
            moments = _moments(value)
            if moments is not None:
                self._add(_text_clock(around, value), "", moments)
                return True
        if all(isinstance(item, list) for item in value):
            return self._rows(value, around, depth)
        objects = [item for item in value if isinstance(item, dict)]
        if len(objects) == len(value) and not any(map(_has_arrays, objects)):
            return self._records(objects, around)
        held = [self.walk(item, around, depth + 1) for item in value]
        return any(held)

    def _object(self, value: dict[str, Any], around: _Around, depth: int) -> bool:
        inside = _inside(value, around)
        if (held := self._keyed(value, inside)) is not None:
            return held
        self._indexed(value, inside)
        held = False
        for key, item in value.items():
            below = replace(inside, path=(*inside.path, str(key)))
            if isinstance(item, (dict, list)):
                held |= self.walk(item, below, depth + 1)
            elif isinstance(item, str) and (numbers := _listed(item)) is not None:
                self._listed(value, numbers, below)
                held = True
        if not held and inside.fs is not None and inside.fs_of == id(value):
            self.rates.add(inside.fs)
        return held

    def _keyed(self, value: dict[str, Any], around: _Around) -> bool | None:
        """Take an object with a member a sample, as pandas and Firebase write them; None if not."""
        if len(value) < _LEAST_KEYED:
            return None
        keys, items = list(value), list(value.values())
        moments = _moments(keys)
        index = moments is not None and np.array_equal(moments, np.arange(len(keys)))
        if all(isinstance(item, dict) for item in items) and not any(map(_has_arrays, items)):
            if moments is not None and not index and not any(
                role_of(key)[0] == "clock" for key in items[0]
            ):  # fmt: skip
                items = [{"time": key, **item} for key, item in zip(keys, items, strict=True)]
            return self._records(items, around)
        numbers = None if moments is None else _numbers(items)
        if moments is None or numbers is None:
            return None
        if index:
            self._add(around, "", numbers)
        else:
            self._add(around, "value", numbers)
            self._add(_text_clock(around, keys), "time", moments)
        return True

    def _indexed(self, value: dict[str, Any], around: _Around) -> None:
        """Take the times that pandas writes beside rows."""
        index, data = value.get("index"), value.get("data")
        if not (isinstance(index, list) and isinstance(data, list) and "columns" in value):
            return
        if len(index) == len(data) and _listed_rows(data):
            moments = _moments(index)
            if moments is not None and not np.array_equal(moments, np.arange(len(index))):
                below = replace(_text_clock(around, index), path=(*around.path, "data"))
                self._add(below, "time", moments)

    def _listed(self, value: dict[str, Any], numbers: Floats, around: _Around) -> None:
        """Take the numbers of a text, scaled if they are FHIR's; several may be of one time."""
        told = sampled_data(value)
        if told is None:
            self._add(around, "", numbers)
            return
        around = replace(around, fs=told.fs, fs_of=id(value), unit=told.unit or around.unit)
        numbers = numbers * told.factor + told.origin
        if told.dimensions == 1:
            self._add(around, "", numbers)
            return
        if told.dimensions > _MOST_COLUMNS or len(numbers) % told.dimensions:
            raise RecordError(
                f"{self._path}: has {len(numbers)} values in {told.dimensions} dimensions; export "
                "it again"
            )
        for i, values in enumerate(numbers.reshape(-1, told.dimensions).T):
            self._add(around, f"#{i}", values)

    def _rows(self, value: list[list[Any]], around: _Around, depth: int) -> bool:
        """Take a list of lists: a row a sample, a row a lead, or something else in each."""
        width = len(value[0])
        rows = [_numbers(row) if row else None for row in value]
        if width == 0 or any(row is None or len(row) != width for row in rows):
            held = [self.walk(item, around, depth + 1) for item in value]
            return any(held)
        table = np.array(rows, np.float64)
        table = table.T if len(table) < width else table
        n, columns = table.shape
        if columns > _MOST_COLUMNS or n < _LEAST_RATIO * columns:
            raise RecordError(
                f"{self._path}: {'.'.join(around.path) or 'its list'} has {len(value)} rows of "
                f"{width} numbers, which may be leads, samples or pieces; write an array a lead"
            )
        names = around.columns if len(around.columns) == columns else ()
        for i in range(columns):
            self._add(around, names[i] if names else f"#{i}", table[:, i])
        return True

    def _records(self, objects: list[dict[str, Any]], around: _Around) -> bool:
        """Take a list of objects that hold no arrays: one a sample."""
        flat = [
            {k: v for k, v in item.items() if not isinstance(v, (dict, list))} for item in objects
        ]
        for key in _NAMES:  # an object a sample and signal
            names = list(dict.fromkeys(item.get(key) for item in flat))
            if 2 <= len(names) <= _MOST_COLUMNS and all(isinstance(n, (str, int)) for n in names):
                held = [
                    self._records(
                        [{k: v for k, v in item.items() if k != key} for item in flat
                         if item[key] == name],
                        replace(around, name=str(name)),
                    )
                    for name in names
                ]  # fmt: skip
                return any(held)
        units = {item[key] for item in flat for key in _UNITS if key in item}
        if len(units) == 1 and isinstance(unit := units.pop(), str):
            around = replace(around, unit=unit)
        return self._of_sensors(flat, around)

    def _of_sensors(self, objects: list[dict[str, Any]], around: _Around) -> bool:
        """Take a list of objects, one a sample: of all signals, or of one sensor each."""
        keys = {key for item in objects for key in item}
        signals = {key for key in keys if role_of(key)[0] != "clock"}
        sensors: list[set[str]] = []
        for item in objects:
            sensor = signals.intersection(item)
            if sensor not in sensors and len(sensors) <= _MOST_COLUMNS:
                sensors.append(sensor)
        if len(sensors) > _MOST_COLUMNS or sum(map(len, sensors)) != len(signals):
            sensors = [signals]
        held = False
        for sensor in sensors:
            rows = [item for item in objects if signals.intersection(item) <= sensor]
            name = ", ".join(sorted(sensor)) if len(sensors) > 1 else around.name
            held |= self._columns_of(rows, replace(around, name=name))
        return held

    def _columns_of(self, objects: list[dict[str, Any]], around: _Around) -> bool:
        """Take a list of objects with numbers under the same keys."""
        held = False
        for key in list(dict.fromkeys(key for item in objects for key in item))[:_MOST_COLUMNS]:
            values = [item.get(key) for item in objects]
            inside = around
            column = _numbers(values)
            if column is None and role_of(key)[0] == "clock":
                column = _moments(values)
                inside = _text_clock(around, values)
            if column is not None:
                self._add(inside, key, column)
                held = True
        return held

    def _add(self, around: _Around, column: str, values: Floats) -> None:
        """Add numbers to the signal of their path, name and column."""
        path = (*around.path, column) if column else around.path
        signal = self.signals.setdefault(
            (*path, "", around.name), _Signal(replace(around, path=path))
        )
        signal.pieces.append(values)
        signal.stamps.append(around.stamp)
        signal.counts.append(around.count)
        if around.fs is not None:
            signal.rates.add(around.fs_of)


def _listed_rows(data: list[Any]) -> bool:
    return bool(data) and all(isinstance(row, list) for row in data)


def _has_arrays(value: dict[str, Any]) -> bool:
    return any(
        (isinstance(v, (dict, list)) and v) or (isinstance(v, str) and len(v) > _LONGEST)
        for v in value.values()
    )


def _inside(value: dict[str, Any], around: _Around) -> _Around:
    """Return what an object adds to what is known of the numbers in it."""
    folded = {str(key).lower(): item for key, item in value.items()}
    plain = {
        str(k): v
        for k, v in value.items()
        if isinstance(v, (int, float, str)) and not isinstance(v, bool)
    }
    name = next((str(folded[k]) for k in _NAMES if isinstance(folded.get(k), (str, int))), "")
    name = name or lead_name(value)
    unit = next((folded[k] for k in _UNITS if isinstance(folded.get(k), str)), "")
    columns = next((tuple(folded[k]) for k in _COLUMNS if _are_texts(folded.get(k))), ())
    new = replace(
        around,
        name=name or around.name,
        unit=unit or around.unit,
        columns=columns or around.columns,
        numbers={**around.numbers, **{k: v for k, v in plain.items() if not isinstance(v, str)}},
    )
    fs, _ = stated_rate(plain)
    if fs is not None and not any(_HEART.search(key) for key in around.path):
        new = replace(new, fs=fs, fs_of=id(value))
    for key, item in plain.items():
        if isinstance(item, int) and role_of(key)[0] == "counter":
            new = replace(new, count=float(item), counter=key)
    if begin := begin_of(value):
        plain["effectivePeriod time"] = begin
    for key, item in plain.items():
        moments = _moments([item]) if role_of(key)[0] == "clock" else None
        if moments is not None:
            return replace(_text_clock(new, [item]), stamp=float(moments[0]), stamp_name=key)
    return new


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _text_clock(around: _Around, stamps: Sequence[Any]) -> _Around:
    """Return what is known with the zone of stamps that are text."""
    first = next((item for item in stamps if isinstance(item, str)), None)
    if first is None or _is_number(first):
        return around
    return replace(around, is_text=True, zone=zone_of(first))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(items: list[Any]) -> Floats | None:
    """Return a list of numbers, of their text or of null (NaN); None if it is something else."""
    known = [item for item in items if item is not None]
    if not known or not isinstance(known[0], (int, float, str)):
        return None
    if any(isinstance(item, (bool, list, dict)) for item in known):
        return None
    try:
        return np.array([math.nan if item is None else float(item) for item in items])
    except (ValueError, OverflowError):
        return None


def _listed(text: str) -> Floats | None:
    """Return the numbers of a long text such as ``"12 14 13"``; None if it is something else."""
    if len(text) <= _LONGEST or not _LIST.fullmatch(text):
        return None
    words = re.split(r"[\s,;]+", text.strip("[] \n"))
    # E, U and L are FHIR's signs of an error, and of values above and below the converter's.
    numbers = _numbers([None if word in "EUL" else word for word in words])
    return None if numbers is None or len(numbers) < 3 else numbers


def _moments(items: Sequence[Any]) -> Floats | None:
    """Return stamps as numbers: times of text in seconds; None if there is something else."""
    numbers = _numbers(list(items))
    if numbers is not None:
        return numbers
    if not all(isinstance(item, str) and 0 < len(item) <= _LONGEST for item in items):
        return None
    text = "\n".join(items).encode()
    out = np.empty((len(items), 1))
    rows, *_ = parse_rows(text, 9, 46, np.array([TIME], np.int8), out, True)
    return out[:, 0] if rows == len(items) else None


@dataclass
class _Timed:
    """A signal as one array, with its clock."""

    name: str
    unit: str
    values: Floats
    fs: float | None
    role: str
    clock: Clock | None = None


def _opened(path: Path, signals: list[_Signal], common: float | None, notes: list[str]) -> Opened:
    """Join the pieces of each signal, and find their clocks; what to say is added to `notes`."""
    start: datetime | None = None
    zone: float | None = None
    fs_from = "the file's fields"
    clocks: dict[tuple[str, ...], _Signal] = {}
    for signal in signals:
        if signal.is_clock():
            clocks.setdefault(signal.group, signal)
    timed: list[_Timed] = []
    for signal in signals:
        name, unit = signal.label()
        role = "clock" if signal.is_clock() else ""
        fs = common if signal.around.fs is None else signal.around.fs
        values = np.concatenate(signal.pieces)
        if not role and not clocks and not np.isfinite(signal.stamps).all():
            values = _with_lost(signal, values, notes)
        gain = "" if role else unapplied_scale(values, signal.around.numbers)
        if gain and (note := scale_note(name, gain)) not in notes:
            notes.append(note)
        timed.append(_Timed(name, "" if gain else unit, values, fs, role))
    _tell_apart(signals, timed)
    counts: dict[str, float] = {}  # what a clock counts in, as the fastest signal tells
    most = max(len(each.values) for each in timed)
    for i in sorted(range(len(timed)), key=lambda i: -len(timed[i].values)):
        signal, each = signals[i], timed[i]
        values, role, fs = each.values, each.role, each.fs
        if start is None and not role:
            start, zone = _begin_of(signal)
        stamps, label, stamped = _stamps_of(path, signal, clocks, notes)
        if role or stamps is None:
            continue
        count = 1.0 if stamped.is_text else unit_of_clock(label, "")
        if count is None and fs is not None:
            count = count_for(stamps, fs)
        count = counts.get(label, count)
        part = _part_of(values[:, np.newaxis])
        # Strips some time apart: a stamp is that of the first sample of each.
        strips = fs if count and len(signal.pieces) > 1 and len(stamps) == len(values) else None
        try:
            clock, first, counted = read_clock(
                stamps, count, str(path), label, values[:, np.newaxis], part
            )
        except RecordError:
            if label in counts and 4 * len(values) < most:
                continue  # of a sensor too slow for an ECG
            if strips is None:
                raise
            clock = None
        if strips and count and (clock is None or abs(clock.fs - strips) > _SAME * strips):
            begins = [np.arange(len(piece)) / (strips * count) for piece in signal.pieces]
            stamps = stamps + np.concatenate(begins)
            clock, first, counted = read_clock(stamps, count, str(path), label, samples=part)
        if clock is None:
            continue
        guessed = next((seconds for seconds, unit in UNITS if unit == counted), None)
        if guessed is not None:
            counts[label] = guessed
        if fs is not None and abs(clock.fs - fs) > _SAME * fs:
            raise RecordError(
                f"{path}: its fields say {fs:g} Hz and the clock {label!r} {clock.fs:g} Hz; "
                "correct one of them"
            )
        each.clock, each.fs = clock, clock.fs
        fs_from = f"the clock {label!r}" if label else "the clock in it"
        notes += [note for note in clock.notes if note not in notes]
        if start is None and first is not None:
            zone = stamped.zone if stamped.is_text else 0.0
            start = first if not zone else first + timedelta(seconds=zone)
            if not stamped.is_text:
                notes.append(f"times of day are UTC: {label or 'the clock'!r} counts from 1970")
    return Opened(
        path=path,
        format="JSON",
        columns=tuple(
            Column(
                each.name,
                each.unit,
                each.fs,
                len(each.values) if each.clock is None else each.clock.n_samples,
                each.role,
            )
            for each in timed
        ),
        read=_reader(timed),
        fs_from=fs_from,
        start=start,
        utc_offset=None if start is None else zone,
        notes=tuple(notes),
    )


def _tell_apart(signals: list[_Signal], timed: list[_Timed]) -> None:
    """Name ECGs of one name by where they stand: they may be of several people."""
    for name in {each.name for each in timed if role_of(each.name)[0] == "ecg"}:
        same = [i for i, each in enumerate(timed) if each.name == name]
        # Columns of one array are leads.
        places = {signals[i].around.path for i in same if not signals[i].is_column()}
        if len(same) > 1 and len(places) == len(same):
            for i in same:
                timed[i].name = ".".join(signals[i].around.path)
                timed[i].role = f"one of {len(same)} recordings of {name!r}"


def _begin_of(signal: _Signal) -> tuple[datetime | None, float | None]:
    """Return when a signal of one piece begins, as the objects around it say, and the zone."""
    around = signal.around
    if len(signal.pieces) != 1 or not around.is_text or not math.isfinite(around.stamp):
        return None, None
    start = start_of(around.stamp)
    return (start and start + timedelta(seconds=around.zone or 0.0)), around.zone


def _stamps_of(
    path: Path, signal: _Signal, clocks: dict[tuple[str, ...], _Signal], notes: list[str]
) -> tuple[Floats | None, str, _Around]:
    """Return a stamp for each sample of a signal, the name of the clock, and what is said of it."""
    sizes = [len(piece) for piece in signal.pieces]
    beside = clocks.get(signal.group)
    if beside is None and len(clocks) == 1:  # of the whole file
        beside = next(iter(clocks.values()))
    if beside is not None and [len(piece) for piece in beside.pieces] == sizes:
        return np.concatenate(beside.pieces), beside.label()[0], beside.around
    if len(sizes) == 1:
        return None, "", signal.around
    if np.isfinite(signal.stamps).all():
        if len(set(signal.stamps)) == 1:
            raise RecordError(
                f"{path}: holds {len(sizes)} arrays {signal.label()[0]!r} of one time, which may "
                "be leads; name each, such as {'name': 'II', ...}"
            )
        return np.repeat(signal.stamps, sizes), signal.around.stamp_name, signal.around
    name = signal.label()[0]
    if len(signal.rates) > 1:
        raise RecordError(
            f"{path}: holds {len(sizes)} recordings of {name!r}, each with its own rate and "
            "without a time; write a file each"
        )
    notes.append(f"{len(sizes)} arrays {name!r} are joined in their order: they have no times")
    return None, "", signal.around


def _with_lost(signal: _Signal, values: Floats, notes: list[str]) -> Floats:
    """Return the samples of packets with those that are lost by the packets' counter."""
    told = lost_packets(signal.counts, [len(piece) for piece in signal.pieces])
    if told is None:
        return values
    lost, size = told
    notes.append(
        f"{int(lost.sum())} packets of {size} samples are missing by their counter "
        f"{signal.counter!r}"
    )
    filled: list[Floats] = []
    for piece, n in zip(signal.pieces, lost.tolist(), strict=True):
        filled += [np.full(n * size, np.nan), piece]
    return np.concatenate(filled)


def _part_of(column: Floats) -> Callable[[int, int], Floats]:
    return lambda begin, end: column[begin:end]


def _reader(timed: list[_Timed]) -> Callable[[int, int, Sequence[int]], Values]:
    """Return what reads samples of the signals by their numbers."""

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        out = np.full((end - begin, len(chosen)), np.nan)
        for target, i in enumerate(chosen):
            part = _part_of(timed[i].values[:, np.newaxis])
            clock = timed[i].clock
            values = part(begin, end) if clock is None else clock.place(begin, end, part)
            out[: len(values), target] = values[:, 0]
        return out

    return read
