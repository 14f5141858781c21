"""Which columns of a file are the ECG: one policy for every format.

1. **The caller** decides: columns named with ``leads`` are read, whatever they are.
2. **Names.** A column that the file calls ECG or EKG, or by the name of a lead (``I`` to ``V6``,
   ``MLII``, ``Lead_1``), is a lead. One named like a clock, a counter, or another sensor (EEG,
   accelerometer, photoplethysmogram, respiration, pressure, marker, ...) is none.
3. **Units.** A column measured in something that is no voltage (mmHg, g, %) is no lead.
4. **Values**, where no name says ECG: in their first 20 seconds a clock climbs steadily, a counter
   climbs and wraps, a flag has few values, a pulse wave or a breath is smooth, and an ECG has a
   short burst of energy from 8 to 20 Hz in every beat. Columns that look like an ECG are leads.

Where none of this is clear the recording is refused, with a list of the columns, what each looks
like, and the option that picks one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..core import BandpassFilter
from ..errors import InputError, RecordError
from .joined_leads import apart, successive
from .missing_codes import find_codes
from .opened import Column, Opened
from .record import FS_MAX, FS_MIN, find_leads
from .units import to_seconds, unit_kind

__all__ = ["ABOUT", "Choice", "Leads", "choose", "look_of", "role_of", "sensor_around"]

Leads = str | int | Sequence[str | int] | None

# The usual names of limb, chest, modified, bipolar chest and Frank leads.
_LEAD_NAME = re.compile(
    r"(?:ecg|ekg)?[ _-]*(?:lead|ch(?:annel)?|d[eé]rivation|ableitung|derivaci[oó]n|derivazione"
    r"|deriva[cç][aã]o|afleiding|avledning|отведение|导联|導聯|導程|誘導|第)?[ _-]*"
    r"(?:(?:ml|d)?i{1,3}|[dl][1-3]|m?avr|m?avl|m?avf|m?v[1-9]?r?|mod[._ ]v[1-9]|v[1-6]-v[1-6]"
    r"|mcl[1-6]?|c[mcb]\d|v[xyz]|(?:la|ll|ra)-(?:la|ll|ra))",
    re.IGNORECASE,
)
# Names of leads only beside the word: "Lead 1" is one, "1" is not.
_LEAD_WORD = re.compile(r"(?:ecg|ekg|lead|derivation)[ _-]*[\dixyz]*", re.IGNORECASE)
_FRANK = re.compile(r"[xyz]", re.IGNORECASE)
_ECG_WORD = re.compile(r"ecg|ekg|ele[ck]trocardio|elektrokardio|экг|心电|心電|심전", re.IGNORECASE)
# What devices derive from an ECG, or say of it.
_ECG_BUT = re.compile(
    r"hr|rate|bpm|rr|ibi|quality|noise|time|stamp|status\d*|event|label|flag|lead ?off|loff"
    r"|r ?peaks?"
    r"|interval|index|conf\w*|phase\w*|onsets?|offsets?|[pqst] peaks?|artifacts?|valid|seq\w*"
    r"|amplitude|temp",
    re.IGNORECASE,
)

_OTHER_WORDS = {
    "an EEG": """
        eeg fp1 fp2 fpz fz fcz cz cpz pz oz poz f3 f4 f7 f8 c3 c4 p3 p4 p7 p8 o1 o2 t3
        t4 t5 t6 t7 t8 af3 af4 fc1 fc2 fc5 fc6 cp1 cp2 cp5 cp6 tp9 tp10
    """,
    "an eye movement": """
        eog loc roc e1 e2 heog veog
    """,
    "a muscle": """
        emg chin leg tibialis masseter submental
    """,
    "a photoplethysmogram": """
        ppg pleth plethysmogram plethysmograph photoplethysmogram pulse bvp red ir
        infrared green
    """,
    "a stomach": """
        egg egg100c electrogastrogram
    """,
    "an oxygen saturation": """
        spo2 sao2 osat o2sat oxygen saturation
    """,
    "a respiration": """
        resp rsp respiration respiratory breath breathing airflow flow thor thorax thoracic
        abd abdo abdomen abdominal nasal snore co2 etco2 capno impedance effort rip
        ribcage
    """,
    "a pressure": """
        abp art bp nibp cvp pap icp pressure press ao ibp map sbp dbp
    """,
    "a motion": """
        acc accel accelerometer acceleration accx accy accz ax ay az gyr gyro gyroscope
        gx gy gz mag magnetometer mx my mz motion activity imu position posture steps
        roll pitch yaw quat body
    """,
    "a skin conductance": """
        eda gsr scr scl skin conductance electrodermal
    """,
    "a temperature": """
        temp temperature thermistor skt
    """,
    "a derived number": """
        hr heartrate bpm rr rri ibi hrv rate pulserate
    """,
    "an event or a state": """
        event events marker markers mark trigger trig label labels annotation
        annotations annot ann status state flag flags button digital loff leadoff lo
        beat beats peak peaks rpeak rpeaks class symbol quality sqi valid error err
        checksum crc
    """,
    "a device's own": """
        battery bat batt rssi lux light humidity gps lat lon altitude audio sound mic
        microphone volume supply vbat
    """,
}
_OTHER = {word: what for what, words in _OTHER_WORDS.items() for word in words.split()}
# Sensors whose columns a device's name may call ECG too: "Shimmer_ECG_Accel_X".
_FOREIGN = {
    "a motion", "a photoplethysmogram", "a respiration", "a temperature", "a device's own",
    "a skin conductance",
}  # fmt: skip
_CLOCKS = """
    time times timestamp timestamps datetime date elapsed clock millis micros nanos epoch utc unix
    unixtime localtime zeit uhrzeit zeitstempel temps tiempo tempo hora fecha datum ts
    время 时间 時間 시간
"""
_CLOCK_WORDS = set(_CLOCKS.split())
# What ends the name of an ECG's clock: "ecg_ms".
_CLOCK_UNITS = {"ms", "us", "µs", "ns", "sec", "seconds", "milliseconds", "microseconds"}
_COUNTERS = """
    sample samples index idx seq nseq sequence counter count packet packets frame row line number
    num no nr id #
"""
_COUNTER_WORDS = set(_COUNTERS.split())

# Seconds of a column that are looked at, and the least that says anything.
_PROBE_S, _LEAST_S = 20.0, 3.0

# Measures of the first 20 s after an 8 to 20 Hz band-pass, over mitdb, svdb, qtdb, cinc2017 and
# the ECGs of bp, 5th percentile: burst 15, share 0.026, kurtosis 5.7; noise (nstdb, white, random
# walk), 95th percentile: burst 18 at a kurtosis of 3, share 0.14 at a burst of 5; pulse waves'
# share 0.004, random walks' 0.007. Below a share of 0.01 lie 0.7 % of cinc2017, and half of bp's
# arterial pressures.
_BURST, _SHARE, _KURTOSIS = 10.0, 0.02, 4.5
_SMOOTH_SHARE = 0.01

# Seconds over which means are taken, and their share of all of what moves, in a drift.
_DRIFT_S, _DRIFT_SHARE = 2.0, 0.9


@dataclass(frozen=True)
class Choice:
    """What was chosen of a file's columns.

    Attributes
    ----------
    columns : list of int
        The leads, in order.
    labels : list of str
        A name for each column of the file.
    left_out : list of (str, str)
        Name of each column that is not read, and why.
    notes : list of str
        What the user should know about the choice.
    """

    columns: list[int]
    labels: list[str]
    left_out: list[tuple[str, str]]
    notes: list[str]


def _words(name: str) -> list[str]:
    """Split a column's name into lower-case words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^\w#²]+|_", spaced.lower()) if word]


# JSON names its columns in each of many thousand objects.
@lru_cache(maxsize=4096)
def role_of(name: str, unit: str = "") -> tuple[str, str]:
    """Return what a column is by its name and unit.

    Parameters
    ----------
    name, unit : str
        As the file states them.

    Returns
    -------
    role : str
        ``ecg``, ``clock``, ``counter``, ``other`` (a sensor or note that is no ECG), or
        ``unclear``.
    why : str
        The reason, in words.
    """
    kind = unit_kind(unit)
    label = name.strip()
    words = _words(label)
    if kind == "other":
        if to_seconds(unit) is not None or ":" in unit:
            other = next((word for word in words if word in _OTHER), "")
            if other and not _CLOCK_WORDS.intersection(words):  # "RR [ms]"; "EDA (uS)" is siemens
                return "other", f"{_OTHER[other]} by its name"
            return "clock", "a clock by its unit"
        return "other", f"measured in {unit}"
    # "EEG ECG" is what some sleep recorders call the ECG channel of their headbox.
    if _ECG_WORD.search(label):
        if any(word in _CLOCK_WORDS or word in _CLOCK_UNITS for word in words):
            return "clock", "a clock by its name"
        rest = [word for word in words if not _ECG_WORD.fullmatch(word)]
        if len(words) == 1:
            rest = [_ECG_WORD.sub("", words[0]) or "ecg"]
        # One word that is none of an ECG, or all of them: "ECG_R_Peaks".
        several = [" ".join(rest), *words]
        if any(_ECG_BUT.fullmatch(one) or _OTHER.get(one) in _FOREIGN for one in several):
            return "other", "derived from an ECG, by its name"
        return "ecg", "an ECG by its name"
    if _LEAD_NAME.fullmatch(label) or _LEAD_WORD.fullmatch(label):
        return "ecg", "a lead by its name"
    if kind == "volt" and _FRANK.fullmatch(label):
        return "ecg", "a Frank lead by its name"
    for word in words:
        if word in _CLOCK_WORDS:
            return "clock", "a clock by its name"
    if (to_seconds(label) is not None or label.lower() == "t") and kind != "volt":
        return "clock", "a clock by its name"
    # A name in one piece first: "SpO2" has no electrode O2 in it.
    for word in (label.lower(), *words, *(re.sub(r"\d+$", "", word) for word in words)):
        if word in _OTHER:
            return "other", f"{_OTHER[word]} by its name"
    if (
        words
        and words[0] in _COUNTER_WORDS
        and all(w in _COUNTER_WORDS or w.isdigit() for w in words)
    ):
        return "counter", "a counter by its name"
    return "unclear", ""


def sensor_around(name: str, around: Iterable[str]) -> str:
    """Return the nearest of the names around an array that says what it holds.

    Parameters
    ----------
    name : str
        Of the array.
    around : iterable of str
        Of the objects, structures or groups that hold it, from the nearest on.

    Returns
    -------
    str
        Empty if none does, or `name` says it itself. ``v`` is a value inside another sensor
        (``ppg.v``), and lead V elsewhere.
    """
    own = role_of(name)[0]
    value = name.lower() == "v"
    if own not in ("unclear", "counter") and not value:
        return ""
    # "body" is also what the answer of a server is in.
    found = next((x for x in around if role_of(x)[0] in ("ecg", "other") and x != "body"), "")
    return "" if value and role_of(found)[0] != "other" else found


def look_of(
    values: npt.NDArray[np.floating], fs: float | None, *, least_s: float = _LEAST_S
) -> str:
    """Return what a column looks like.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Its first values, in any unit.
    fs : float or None
        Sampling rate in Hz; without one only clocks, counters, flags and flat lines are told.
    least_s : float
        Seconds that are needed to tell an ECG from other signals.

    Returns
    -------
    str
        ``flat``, ``clock``, ``counter``, ``flag``, ``ecg``, ``smooth`` (a pulse wave or a breath),
        ``unlike`` (none of these), or ``short``.
    """
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    finite = x[:, np.newaxis]
    for code in find_codes(lambda a, b: finite[a:b], len(finite), 1, fs or FS_MIN)[0]:
        x = x[x != code.value]
    if len(x) < 2 or x.min() == x.max():
        return "flat" if len(x) >= 2 else "short"
    steps = np.diff(x)
    if 3 <= len(x) < 8 and 0 < steps.max() < 1.5 * steps.min():
        return "clock"
    if len(x) >= 8:
        up = float(np.median(steps[steps != 0]))
        climbs = steps.min() >= 0
        line = np.linspace(x[0], x[-1], len(x))
        if climbs and np.abs(x - line).max() <= 0.1 * (x[-1] - x[0]):
            return "clock"
        # The same with gaps.
        if steps.min() > 0 and len(x) >= 64 and np.mean(np.abs(steps - up) < 0.5 * up) > 0.9:
            return "clock"
        # A counter steps by one and the same amount, or not, until it wraps.
        even = np.mean((steps == up) | (steps == 0))
        falls = steps[(steps != up) & (steps != 0)]
        if up > 0 and even > 0.9 and len(falls) and falls.max() < 0:
            return "counter"
    if fs is not None and fs > FS_MAX:  # a sound card's rate: averages keep the ECG
        every = int(np.ceil(fs / FS_MAX))
        x, fs = x[: len(x) // every * every].reshape(-1, every).mean(axis=1), fs / every
    distinct = len(np.unique(x[:4096]))
    if distinct <= 3 and len(x) >= 64:
        return "flag"
    if fs is None or not FS_MIN <= fs <= FS_MAX or len(x) < least_s * fs:
        return "short"
    scaled = (x - np.median(x)) / (x.std() or 1.0)
    band = np.asarray(BandpassFilter(fs, 8.0, 20.0).process(scaled.astype(np.float32)), np.float64)
    band = band[round(0.5 * fs) :] ** 2
    width = max(1, round(0.08 * fs))
    energy = np.convolve(band, np.full(width, 1 / width), "same")
    beat = round(1.5 * fs)  # holds a beat at 40 a minute
    pieces = energy[: len(energy) // beat * beat].reshape(-1, beat)
    share = float(band.mean())
    if not len(pieces) or share <= 0:
        return "smooth"
    burst = float(np.median(pieces.max(1) / (np.median(pieces, 1) + 1e-12 * share)))
    kurtosis = float((band**2).mean()) / share**2
    if burst > _BURST and share > _SHARE and kurtosis > _KURTOSIS:
        return "ecg"
    if share < _SMOOTH_SHARE:
        return "smooth"
    return "unlike"


# Values that tell RR intervals, and their correlation with the value before at most: in the first
# 20 s of ECGs 0.9 and more from 250 Hz on (1st percentile of mitdb, nstdb, cinc2017 and qtdb).
_LEAST_INTERVALS, _ROUGH = 30, 0.8

# Columns that a message lists.
_LISTED = 24

#: What a look means, in words.
ABOUT = {
    "flat": "never changes",
    "clock": "climbs steadily, like a clock",
    "counter": "climbs and wraps, like a counter",
    "flag": "has few values, like a flag",
    "ecg": "looks like an ECG",
    "smooth": "is smooth and has no QRS, like a pulse wave or a breath",
    "unlike": "has no clear QRS",
    "short": "is too short to tell",
}


def choose(opened: Opened, wanted: Leads, fs: float | None) -> Choice:
    """Choose the leads of a file.

    Parameters
    ----------
    opened : Opened
        The file.
    wanted : str, int, sequence of these, or None
        Names or columns that the caller asks for (clocks and counters do not count); None leaves
        it to the policy above.
    fs : float or None
        Sampling rate in Hz that the caller gave, for columns that carry none.

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        If a wanted lead is not there, or is asked for twice.
    RecordError
        If it is not clear which column is the ECG.
    """
    name, columns = str(opened.path), opened.columns
    roles = [_role(column, opened) for column in columns]
    signals = [i for i, (role, _) in enumerate(roles) if role not in ("clock", "counter")]
    labels = [column.name for column in columns]
    for place, i in enumerate(signals):
        labels[i] = labels[i] or f"ECG{place + 1}"
    if not columns:
        raise RecordError(f"{name}: holds no signals; give a recording with at least one lead")
    notes: list[str] = []
    why = {i: reason for i, (_, reason) in enumerate(roles)}
    if wanted is not None:
        chosen = [signals[i] for i in find_leads(wanted, [labels[i] for i in signals], name)]
        if not chosen:
            raise InputError(f"{name}: an empty list of leads was asked for; name at least one")
        why = dict.fromkeys(range(len(columns)), "not asked for")
    else:
        chosen = [i for i, (role, _) in enumerate(roles) if role == "ecg"]
        _refuse_joined(opened, chosen or _unclear(roles), labels, fs)
        if chosen:
            why.update({i: "not named as an ECG" for i, reason in why.items() if not reason})
        else:
            chosen = _by_look(opened, roles, labels, why, notes, fs)
    left_out = [
        (labels[i] or f"column {i}", why[i]) for i in range(len(columns)) if i not in chosen
    ]
    return Choice(chosen, labels, left_out, notes)


def _role(column: Column, opened: Opened) -> tuple[str, str]:
    if column.role:
        role = column.role if column.role in ("ecg", "clock", "counter", "unclear") else "other"
        return role, {"clock": "a clock", "counter": "a counter"}.get(role, column.role)
    role, why = role_of(column.name, column.unit)
    # A name such as "Sample" is a counter's only if the values count: the reader saw that.
    return ("unclear", "") if role == "counter" else (role, why)


def _unclear(roles: list[tuple[str, str]]) -> list[int]:
    return [i for i, (role, _) in enumerate(roles) if role == "unclear"]


def _refuse_joined(opened: Opened, leads: list[int], labels: list[str], fs: float | None) -> None:
    """Raise if columns that may be leads are parts of one signal, or recordings of their own."""
    columns = opened.columns
    rates = {columns[i].fs or fs for i in leads}
    if len(leads) < 2 or len(rates) > 1 or len({columns[i].n_samples for i in leads}) > 1:
        return
    # Leads by their usual names are of one recording; formats of their own keep them apart.
    other = [k for k, i in enumerate(leads) if not _LEAD_NAME.fullmatch(labels[i].strip())]
    if opened.declared and not other:
        return
    rate = rates.pop()
    begin, part = _probed(opened, leads[0], fs)
    table = np.array(opened.read(begin, begin + len(part), leads), np.float64)
    codes = find_codes(lambda a, b: table[a:b], len(table), len(leads), rate or FS_MIN)
    for k, found in enumerate(codes):
        table[np.isin(table[:, k], [code.value for code in found]), k] = np.nan
    if successive(table):
        raise RecordError(
            f"{opened.path}: its {len(leads)} columns hold successive samples of one signal, a "
            "packet in each row: write all samples in one column, in their order; if they are "
            "leads nevertheless, name them with leads="
        )
    if rate is not None and len(other) > 1:
        alike = [k for k in other if look_of(table[:, k], rate) == "ecg"]
        if apart(table[:, alike], rate):
            told = ", ".join(repr(labels[leads[k]]) for k in alike[:4])
            told += ", ..." * (len(alike) > 4)
            raise RecordError(
                f"{opened.path}: the beats of {told} lie at other times "
                "in each: they are pieces or recordings of their own, not leads of one recording;"
                " pick one with leads=, or write pieces below each other in one column"
            )


def _by_look(
    opened: Opened,
    roles: list[tuple[str, str]],
    labels: list[str],
    why: dict[int, str],
    notes: list[str],
    fs: float | None,
) -> list[int]:
    """Return the leads of a file whose names do not tell them."""
    columns = opened.columns
    unclear = _unclear(roles)
    if opened.declared:
        volts = [i for i in unclear if unit_kind(columns[i].unit) == "volt"]
        if volts or not unclear:
            unclear = volts
        if volts:
            why.update({i: "no voltage" for i, reason in why.items() if not reason})
            return volts
    looks = {i: look_of(_probe(opened, i, fs), columns[i].fs or fs) for i in unclear}
    # An electrode that was just put on settles for seconds, by many times the height of a beat.
    for i in (i for i in unclear if looks[i] == "smooth"):
        rate = columns[i].fs or fs
        if _drifts(_probe(opened, i, fs), rate or 250.0):
            later = look_of(_probe(opened, i, fs, from_=0.5), rate)
            looks[i] = later if later == "ecg" else "smooth"
    why.update({i: ABOUT[look] for i, look in looks.items()})
    alike = [i for i in unclear if looks[i] == "ecg"]
    if alike:
        return alike
    # Nothing that looks like an ECG: a single signal is taken at its word, unless it cannot be one.
    possible = [i for i in unclear if looks[i] in ("unlike", "short", "flat")]
    if (len(possible) == 1 and len(unclear) == 1) or (
        possible and all(looks[i] == "short" for i in possible)
    ):
        if len(possible) == 1 and _like_intervals(_probe(opened, possible[0], fs)):
            label = labels[possible[0]]
            raise RecordError(
                f"{opened.path}: its only signal, {label!r}, looks like a list of RR intervals in "
                f"milliseconds; if it is an ECG nevertheless, say so with leads={label}"
            )
        if any(looks[i] != "short" for i in possible):
            notes.append(
                f"{labels[possible[0]]!r} {ABOUT[looks[possible[0]]]} in its first seconds: check "
                "that it is an ECG"
            )
        return possible
    if len(unclear) == 1 and not possible:
        raise RecordError(
            f"{opened.path}: its only signal, {labels[unclear[0]]!r}, {ABOUT[looks[unclear[0]]]}; "
            f"if it is an ECG nevertheless, say so with leads={labels[unclear[0]]}"
        )
    told = [
        f"{labels[i] or f'column {i}'!r}{f' ({columns[i].unit})' if columns[i].unit else ''} "
        f"{ABOUT[looks[i]] if i in looks else 'is ' + why[i]}"
        for i in range(min(len(columns), _LISTED))
    ]
    listed = "; ".join(told) + (
        f"; and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
    )
    raise RecordError(
        f"{opened.path}: no signal is marked as an ECG; pick one by name with leads=NAME: {listed}"
    )


def _like_intervals(values: npt.NDArray[np.float64]) -> bool:
    """Whether values could be times between beats in ms: their size, and no wave from one to next.

    Samples of an ECG are close to the ones before, whatever their unit.
    """
    x = values[np.isfinite(values)]
    if len(x) < _LEAST_INTERVALS or x.min() < 200 or x.max() > 3000 or x.min() == x.max():
        return False
    apart = x - x.mean()
    return float(np.mean(apart[1:] * apart[:-1])) < _ROUGH * float(np.mean(apart**2))


def _drifts(values: npt.NDArray[np.float64], fs: float) -> bool:
    """Whether hardly anything but a slow drift is in some seconds: no pulse wave, no breath."""
    x = values[np.isfinite(values)]
    width = round(_DRIFT_S * fs)
    means = x[: len(x) // width * width].reshape(-1, width).mean(axis=1)
    return len(means) > 2 and float(means.std()) > _DRIFT_SHARE * float(x.std())


def _probe(
    opened: Opened, column: int, fs: float | None, *, from_: float = 0.0
) -> npt.NDArray[np.float64]:
    """Return the first seconds of a column, or of a part of it, that are mostly there."""
    return _probed(opened, column, fs, from_=from_)[1]


def _probed(
    opened: Opened, column: int, fs: float | None, *, from_: float = 0.0
) -> tuple[int, npt.NDArray[np.float64]]:
    """Return where these seconds begin, and their samples."""
    n = opened.columns[column].n_samples
    length = min(n, round(_PROBE_S * min(opened.columns[column].fs or fs or 250.0, 1e5)) + 1)
    begin, part = 0, np.empty(0)
    for share in (0.0, 0.25, 0.5, 0.75):
        if share < from_:
            continue
        begin = min(int(share * n), n - length)
        part = np.asarray(opened.read(begin, begin + length, [column]), np.float64)[:, 0]
        if np.isfinite(part).mean() > 0.5:
            break
    return begin, part
