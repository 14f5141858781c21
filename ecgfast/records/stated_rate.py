"""The sampling rate that a line of text states: in the head of a file, or on a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .choosing import role_of
from .units import to_seconds

__all__ = [
    "LEAST_HZ",
    "RATE_LINE",
    "is_rate_word",
    "names_rate",
    "rate_alone",
    "rate_in",
    "rate_of_interval",
    "stated_rate",
    "unreadable_rate",
]

# Units of a rate that have a number in them: "[1/s]".
_PER_SECOND = re.compile(r"[\[(]\s*(?:1\s*/\s*s\w*|s\s*\^?-1|samples?\s*/\s*s\w*)\s*[\])]")

#: The lowest rate that is one of samples, Hz.
LEAST_HZ = 25.0

# Quantifiers are bounded: a head of a megabyte must not take minutes.
_RATE_WORD = (
    r"(?:sampl\w{0,12}[ _-]{0,4}(?:rate|freq\w{0,12}|hz)|samplerate|\bfs\b|\bsrate\b|\bsfreq\b"
    r"|\bfsamp\b"
    r"|(?<!heart )(?<!pulse )(?<!baud )(?<!bit )(?<!resp )\brate\b|\bfreq(?:uency)?\b"
    r"|abtast\w{0,12}|fr[eé]quence\w{0,12}|frecuencia\w{0,12}|частота\w{0,12}"
    r"|sampling(?=\s*[:=])|[eé]chantillonnage|campionamento|muestreo|amostragem"
    r"|samples?(?: per |/)s(?:ec|econd)?\b|\bf_s\b|\bfs_hz\b|\bodr\b|samplingsfrekvens"
    r"|örnekleme \w{1,12}|próbkowania|vzorkovac\w{1,3} frekvenc\w{1,3}|näytteenotto\w{1,12}"
    r"|サンプリング(?:周波数|レート)|[采取採][样樣](?:频?率|頻率)|샘플링? ?(?:주파수|레이트|속도))"
)
_RATE = re.compile(
    _RATE_WORD + r"[^\d\n:=,;\t]{0,30}[\"']?\s*[:=,;\t ]+\s*[\"'\[]?\s*"
    r"(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)\s*(khz|ksps)?",
    re.IGNORECASE,
)
#: A line that gives a rate, and no sample of a channel with a name.
RATE_LINE = re.compile(rb"[#%\s]*" + _RATE_WORD.encode() + rb"[^\d\n:=]{0,30}[:=]", re.IGNORECASE)
_ANY_NUMBER = re.compile(r"\d")
_STATED_RATE = re.compile(_RATE_WORD + r"\s*[=:]+\s*([^,;\s]+)", re.IGNORECASE)
_INTERVAL = re.compile(
    r"(?:(?:sampl\w{0,12}[ _-]{0,4})?(?:interval|period)\w{0,12}|\bdelta[ _-]?[xt]\b|\bdt\b"
    r"|\btime per sample\b|\bsampl\w{0,12} (?:spacing|distance)\b|\bx?[ _-]?increment\b)\s{0,4}"
    r"(?:[(\[](\w{1,16})[)\]])?\s{0,4}[:=,;\t ]{1,24}\s{0,4}"
    r"(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)\s*(\w+)?",
    re.IGNORECASE,
)
_BARE_RATE = re.compile(
    r"(?<!\d)(?<!\d[.,])(\d{1,9}(?:[.,]\d{1,20})?)\s{0,8}(?:hz|hertz|гц|ヘルツ|赫兹|赫茲|헤르츠|sps|sa/s"
    r"|samples(?:/| per )s(?:ec|econd)?)\b",
    re.IGNORECASE,
)
_PER_SAMPLE = re.compile(
    r"(?<!\d)(?<!\d[.,])(\d{1,9}(?:[.,]\d{1,20})?(?:e[+-]?\d{1,3})?)\s{0,4}(\w{1,16})\s{0,4}"
    r"(?:/|per )\s{0,4}sample\b",
    re.IGNORECASE,
)
# Spike2: when the samples begin, and seconds between them.
_SPIKE2_START = re.compile(r"\"?START\"?[\t, ]+\"?[\d.]+\"?[\t, ]+\"?(\d+(?:\.\d+)?)\"?")
_NOT_RATE = re.compile(
    r"filter|notch|low|high|band|cut|mains|heart|pulse|bpm|refresh|frame|display|screen|packet"
    r"|update|notif|error",
    re.IGNORECASE,
)
# A rate that the samples do not have: they had it once, or could have it.
_NOT_NOW = re.compile(
    r"\b(?:original|originally|native|initial|former|max|maximum|maximal|before|prior)\b"
    r"|decimat|down-?sampl|re-?sampl|up-?sampl",
    re.IGNORECASE,
)
_BROUGHT = re.compile(r"(?:down|re|up)-?sampl|decimat", re.IGNORECASE)
# The rate to which samples were brought.
_RESAMPLED = re.compile(
    r"(?:(?:down|up|re)-?sampled|decimated)[^\d\n:=,;]{0,12}(?: from \d[\d.,]{0,12} ?k?hz)?"
    r"(?: (?:to|at)|:) {0,4}(\d{1,9}(?:[.,]\d{1,9})?) {0,4}(k?)(?:hz|sps)\b",
    re.IGNORECASE,
)
# What follows a number that is a time from sample to sample: its unit.
_TIME_UNIT = re.compile(r"\s*([^\W\d]{1,16})(?![\w/])")
_BRACKETED_UNIT = re.compile(r"[(\[]\s*([^\W\d]{1,16})\s*[)\]]")


def rate_in(line: str) -> float | None:
    """Return the sampling rate in Hz that a line of a head states; None if it states none."""
    return stated_rate(line)[0]


def stated_rate(line: str) -> tuple[float | None, int]:
    """Return the rate that a line states, and how surely it is that of the samples of an ECG.

    5 where samples were brought to it, 3 where the line says samples, 1 for a rate of whatever, one
    more where it says ECG, and 0 for the rate of another sensor.
    """
    line = _PER_SECOND.sub("", line)
    if again := _RESAMPLED.search(line):
        return (1e3 if again[2] else 1.0) * float(again[1].replace(",", ".")), 5
    found = _RATE.search(line)
    if found is None or _NOT_RATE.search(re.split("[;|]", line[: found.start()])[-1]):
        return None, 0
    if _NOT_NOW.search(line[: found.start()]) or _BROUGHT.search(line, found.end()):
        return None, 0
    value = float(found[1].replace(",", "."))
    before_value = line[found.start() : found.start(1)]
    units = (_BRACKETED_UNIT.search(before_value), _TIME_UNIT.match(line, found.end()))
    seconds = next((s for unit in units if unit and (s := to_seconds(unit[1]))), None)
    if seconds is not None and (seconds < 1.0 or value < 1.0 / LEAST_HZ):
        return (1.0 / (seconds * value), 3) if value > 0 else (None, 0)
    if value < LEAST_HZ and re.fullmatch(r"\d{1,3}[.,]\d{3}", found[1]):
        value = float(re.sub("[.,]", "", found[1]))  # "1,000 Hz"
    if re.match(r"\s*(?:mm|bpm|beats|1?/\s*min|per min)", line[found.end() :], re.IGNORECASE):
        return None, 0  # the speed of paper, or of a heart
    before = line[: found.start()]
    role = role_of(before)[0] if before.strip() else "unclear"
    sure = 1 if re.match(r"rate|freq", found[0], re.IGNORECASE) else 3
    sure = 0 if role == "other" else sure + (role == "ecg")
    thousands = found[2] or re.search(r"[(\[]\s*k(?:hz|s/s|sps)", before_value, re.IGNORECASE)
    return (1e3 if thousands else 1.0) * value, sure


def is_rate_word(name: str) -> bool:
    """Return whether a name is that of a sampling rate, and nothing else."""
    return re.fullmatch(_RATE_WORD, name.strip(), re.IGNORECASE) is not None


def names_rate(line: str) -> bool:
    """Return whether a line has a number for a rate of whatever."""
    return _RATE.search(line) is not None


def unreadable_rate(line: str) -> str | None:
    """Return what a line says in place of a sampling rate's number; None if it says nothing."""
    found = _STATED_RATE.search(line)
    return found[1] if found and not _ANY_NUMBER.match(found[1]) else None


def rate_of_interval(line: str) -> float | None:
    """Return the sampling rate in Hz of a time between samples; None if a line states none."""
    if found := _SPIKE2_START.fullmatch(line):
        return 1.0 / float(found[1]) if 1e-5 < float(found[1]) < 1.0 else None
    if found := _INTERVAL.search(line):
        unit, value = found[3] or found[1] or "s", found[2]
    elif found := _PER_SAMPLE.search(line):
        unit, value = found[2], found[1]
    else:
        return None
    seconds, number = to_seconds(unit), float(value.replace(",", "."))
    return 1.0 / (seconds * number) if seconds and number > 0 else None


def rate_alone(lines: Iterable[str]) -> float | None:
    """Return the one rate in Hz that lines have without a name for it; None if there are others."""
    found = {
        each[1]
        for line in lines
        if not (_NOT_RATE.search(line) or _NOT_NOW.search(line))
        for each in _BARE_RATE.finditer(line)
    }
    return float(found.pop().replace(",", ".")) if len(found) == 1 else None
