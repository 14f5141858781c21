"""Alarms of a live stream: which events raise one, what it does, and when it is over."""

from __future__ import annotations

from .actions import ActionRunner, check_actions, open_actions
from .alarm import Alarm, Alarms
from .settings import ActionSettings, AlarmRule, AlarmSettings, read_settings

__all__ = [
    "ActionRunner",
    "ActionSettings",
    "Alarm",
    "AlarmRule",
    "AlarmSettings",
    "Alarms",
    "check_actions",
    "open_actions",
    "read_settings",
]
