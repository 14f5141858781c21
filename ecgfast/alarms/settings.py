"""What raises an alarm and what it does: a small TOML file."""

from __future__ import annotations

import difflib
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError
from ..extras import need
from ..records.files import read_regular
from ..rhythm import EventKind, RhythmStream, Severity

__all__ = [
    "PRIORITIES",
    "ActionSettings",
    "AlarmRule",
    "AlarmSettings",
    "read_settings",
]

#: Priorities of alarms, the lowest first (IEC 60601-1-8).
PRIORITIES = ("low", "medium", "high")

# A file of settings is text of a screen or two.
_MOST_BYTES = 1 << 20

#: Thresholds that `RhythmStream` takes.
_THRESHOLDS = (
    "pause", "asystole", "bradycardia", "tachycardia", "extreme_bradycardia",
    "extreme_tachycardia", "sustained", "irregular", "irregular_probability",
)  # fmt: skip

# Whether thresholds go together depends on no sampling rate.
_ANY_FS = 250.0


@dataclass(frozen=True)
class AlarmRule:
    """When events of one kind raise an alarm.

    Attributes
    ----------
    priority : str or None
        ``"low"``, ``"medium"`` or ``"high"``; by the event's severity where it is None.
    after : float
        Seconds that the event must have lasted.
    latching : bool
        Whether the alarm stays until it is acknowledged, though its event has ended.
    again_after : float
        Seconds after its end in which the same kind of event belongs to the same alarm.
    min_confidence : float
        Confidence that the event must have.
    """

    priority: str | None = None
    after: float = 0.0
    latching: bool = True
    again_after: float = 30.0
    min_confidence: float = 0.0


@dataclass(frozen=True)
class ActionSettings:
    """Something that is done when an alarm is raised.

    Attributes
    ----------
    kind : str
        ``"bell"``, ``"command"``, ``"webhook"`` or ``"mqtt"``.
    priority : str
        The lowest priority that it is done for.
    options : mapping
        Options of its kind; see `ecgfast.alarms.actions`.
    """

    kind: str
    priority: str = "low"
    options: Mapping[str, Any] = field(default_factory=dict)


#: What raises an alarm where nothing else is said: the arrhythmias that IEC 60601-2-27 and the
#: CinC 2015 challenge count as alarms, the onset of atrial fibrillation, and a lost signal.
DEFAULT_RULES: dict[EventKind, AlarmRule] = {
    EventKind.ASYSTOLE: AlarmRule("high"),
    EventKind.VENTRICULAR_FLUTTER: AlarmRule("high"),
    # Of 78 runs in mitdb, true and false, none has a confidence below 0.4; beats that are hardly
    # labelled V, half of them in doubt, have 0.2.
    EventKind.VENTRICULAR_RUN: AlarmRule(min_confidence=0.3),
    EventKind.EXTREME_BRADYCARDIA: AlarmRule("high"),
    EventKind.EXTREME_TACHYCARDIA: AlarmRule("high"),
    EventKind.ATRIAL_FIBRILLATION: AlarmRule("low"),
    EventKind.LEAD_OFF: AlarmRule("medium", after=2.0, latching=False),
    EventKind.FLAT_LINE: AlarmRule("medium", after=5.0, latching=False),
    EventKind.MAINS_HUM: AlarmRule("medium", after=5.0, latching=False),
    EventKind.GAP: AlarmRule("medium", after=5.0, latching=False),
    EventKind.NOISE: AlarmRule("low", after=30.0, latching=False),
}


@dataclass(frozen=True)
class AlarmSettings:
    """What raises alarms, and what they do.

    Attributes
    ----------
    rules : mapping of EventKind to AlarmRule
        Kinds of events that raise an alarm.
    thresholds : mapping of str to float
        Parameters of `RhythmStream`.
    actions : tuple of ActionSettings
        None by default: nothing is sent anywhere unless it is configured.

    Examples
    --------
    >>> from ecgfast.alarms import AlarmSettings
    >>> AlarmSettings().rules["asystole"].latching
    True
    """

    rules: Mapping[EventKind, AlarmRule] = field(default_factory=lambda: dict(DEFAULT_RULES))
    thresholds: Mapping[str, float] = field(default_factory=dict)
    actions: tuple[ActionSettings, ...] = ()


def read_settings(path: str | os.PathLike[str]) -> AlarmSettings:
    """Read a file of settings.

    Parameters
    ----------
    path : str or path
        TOML with the tables ``thresholds`` (parameters of `RhythmStream`), ``alarms.KIND`` (fields
        of `AlarmRule`, or ``enabled = false``) and ``actions`` (a list).

    Returns
    -------
    AlarmSettings
        What the file does not say is as by default.

    Raises
    ------
    InputError
        If it cannot be read, is no TOML, or holds a name or value that has no meaning: the nearest
        name is suggested.
    MissingExtraError
        If Python is older than 3.11 and tomli is not installed.

    Examples
    --------
    >>> read_settings("alarms.toml").rules["asystole"].after       # doctest: +SKIP
    4.0
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        tomllib = need("tomli", "A file of alarms", "alarms")
    try:
        # Editors of Windows begin a file with a byte order mark.
        text = read_regular(Path(path).expanduser(), _MOST_BYTES).decode("utf-8-sig")
        content: dict[str, Any] = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text in UTF-8; save it as that") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is no TOML: {error}; correct it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _settings(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _settings(content: Mapping[str, Any]) -> AlarmSettings:
    _known(content, ("thresholds", "alarms", "actions"), "table")
    thresholds = _table(content, "thresholds")
    _known(thresholds, _THRESHOLDS, "threshold")
    for name, value in thresholds.items():
        if not _is_number(value) or value <= 0:
            raise InputError(f"thresholds.{name} is {value!r}: give a number above 0")
    if thresholds:
        try:
            RhythmStream(_ANY_FS, **thresholds)
        except InputError as error:
            raise InputError(f"thresholds: {error}") from None
    rules = dict(DEFAULT_RULES)
    alarms = _table(content, "alarms")
    _known(alarms, tuple(str(kind) for kind in EventKind), "kind of event")
    for name, value in alarms.items():
        kind = EventKind(name)
        rule = _rule(f"alarms.{name}", value, rules.get(kind, AlarmRule()))
        if rule is None:
            rules.pop(kind, None)
        else:
            rules[kind] = rule
    actions = content.get("actions", [])
    if not isinstance(actions, list):
        raise InputError("actions is no list: begin each action with [[actions]]")
    return AlarmSettings(
        rules,
        {name: float(value) for name, value in thresholds.items()},
        tuple(_action(f"actions[{i}]", action) for i, action in enumerate(actions)),
    )


def _rule(where: str, value: Any, rule: AlarmRule) -> AlarmRule | None:
    if not isinstance(value, dict):
        raise InputError(f"{where} is no table: write [{where}] and its settings below")
    _known(
        value,
        ("enabled", "priority", "after", "latching", "again_after", "min_confidence"),
        f"setting of {where}",
    )
    for name in ("enabled", "latching"):
        if not isinstance(value.get(name, True), bool):
            raise InputError(f"{where}.{name} is {value[name]!r}: give true or false")
    for name, most, wanted in (
        ("after", math.inf, "seconds, 0 or more"),
        ("again_after", math.inf, "seconds, 0 or more"),
        ("min_confidence", 1.0, "a number from 0 to 1"),
    ):
        number = value.get(name, 0)
        if not _is_number(number) or not 0 <= number <= most:
            raise InputError(f"{where}.{name} is {number!r}: give {wanted}")
    if "priority" in value:
        _priority(f"{where}.priority", value["priority"])
    if not value.get("enabled", True):
        return None
    return AlarmRule(
        value.get("priority", rule.priority),
        float(value.get("after", rule.after)),
        value.get("latching", rule.latching),
        float(value.get("again_after", rule.again_after)),
        float(value.get("min_confidence", rule.min_confidence)),
    )


#: Options of each kind of action: name, type, and whether it is needed.
ACTION_OPTIONS: dict[str, dict[str, tuple[type, bool]]] = {
    "bell": {},
    "command": {"command": (list, True)},
    "webhook": {"url": (str, True), "headers": (dict, False)},
    "mqtt": {
        "host": (str, True),
        "port": (int, False),
        "topic": (str, False),
        "username": (str, False),
        "password_file": (str, False),
        "tls": (bool, False),
    },
}

# How a value of a type is written in TOML.
_WRITTEN = {
    bool: "true or false",
    dict: 'a table, such as { Authorization = "Bearer ..." }',
    int: "an integer, without quotation marks",
    list: 'a list of texts, such as ["notify-send", "{text}"]',
    str: "a text, in quotation marks",
}


def _action(where: str, value: Any) -> ActionSettings:
    if not isinstance(value, dict):
        raise InputError(f"{where} is no table: begin it with [[actions]]")
    kind = value.get("kind")
    if kind not in ACTION_OPTIONS:
        raise InputError(f"{where}.kind is {kind!r}: give one of {', '.join(ACTION_OPTIONS)}")
    options = ACTION_OPTIONS[kind]
    _known(value, ("kind", "priority", *options), f"option of {where}")
    for name, (wanted, needed) in options.items():
        if needed and name not in value:
            raise InputError(f"{where} ({kind}) needs {name}")
        if name in value and not isinstance(value[name], wanted):
            raise InputError(f"{where}.{name} is {value[name]!r}: give {_WRITTEN[wanted]}")
    if kind == "command" and not (
        value["command"] and all(isinstance(part, str) for part in value["command"])
    ):
        raise InputError(f"{where}.command is {value['command']!r}: give {_WRITTEN[list]}")
    if kind == "webhook":
        _check_webhook(where, value)
    if kind == "mqtt":
        _check_mqtt(where, value)
    priority = _priority(f"{where}.priority", value.get("priority", "low"))
    return ActionSettings(kind, priority, {k: value[k] for k in options if k in value})


def _check_webhook(where: str, value: Mapping[str, Any]) -> None:
    url = value["url"]
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{where}.url is {url!r}: it begins with https:// or http://")
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or not url.isprintable() or " " in url:
        raise InputError(
            f"{where}.url is {url!r}: no address; give one such as https://example.org/alarms"
        )
    for name, text in value.get("headers", {}).items():
        if not isinstance(text, str) or not text.isprintable():
            raise InputError(f"{where}.headers.{name} is {text!r}: give a text of one line")


def _check_mqtt(where: str, value: Mapping[str, Any]) -> None:
    host, topic, port = value["host"], value.get("topic", "-"), value.get("port", 1)
    if not host or not host.isprintable() or any(mark in host for mark in " /"):
        raise InputError(f"{where}.host is {host!r}: give a name or an address alone")
    if host.count(":") == 1:  # an IPv6 address has more
        raise InputError(f"{where}.host is {host!r}: give the name alone, and the port as port")
    if isinstance(port, bool) or not 1 <= port <= 65535:
        raise InputError(f"{where}.port is {port!r}: give a number from 1 to 65535")
    if not topic or not topic.isprintable() or any(mark in topic for mark in "+#"):
        raise InputError(
            f"{where}.topic is {topic!r}: give the name of one topic, without + and #, such as "
            "ward/bed-3"
        )
    if "password_file" in value and "username" not in value:
        raise InputError(f"{where}.password_file: it needs username")


def _priority(where: str, value: Any) -> str:
    if value not in PRIORITIES:
        raise InputError(f"{where} is {value!r}: give one of {', '.join(PRIORITIES)}")
    return str(value)


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"{name} is no table: write [{name}]")
    return table


def _known(table: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in table:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise InputError(f"{name!r} is no {what}; {hint}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def priority_of(severity: Severity) -> str | None:
    """Priority of an alarm by its event's severity; None for an event that raises none."""
    return None if severity is Severity.INFO else str(severity)
