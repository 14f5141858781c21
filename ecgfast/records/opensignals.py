"""What OpenSignals says of a recording, in text and in HDF5 alike.

OpenSignals records from biosignalsplux and BITalino devices. It describes each device by the same
properties: its columns or channels, their labels and sensors, a sampling rate, a date and a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

__all__ = ["channels_of", "column_names", "sensor_name", "start_of"]

# Sensors that say nothing of what is measured.
_UNNAMED = ("", "RAW", "CUSTOM")

_CHANNEL = re.compile(r"[^/]+/raw/channel_\d+")


def sensor_name(sensor: str, label: str) -> str:
    """Return the name of a channel: its sensor, or its label where any sensor may be plugged in.

    Examples
    --------
    >>> sensor_name("ECG", "CH1"), sensor_name("RAW", "CH2")
    ('ECG', 'CH2')
    """
    return label if sensor.strip().upper() in _UNNAMED else sensor.strip()


def column_names(devices: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns that stand in a row, device by device.

    Digital inputs and outputs are called so: one is named ``DI``, as lead I is in some languages.

    Parameters
    ----------
    devices : mapping
        Properties of each device, by its address.

    Returns
    -------
    list of str
        Empty if these are no devices of OpenSignals.

    Examples
    --------
    >>> column_names({"00:07": {"column": ["nSeq", "DI", "CH1"], "label": ["CH1"],
    ...                         "sensor": ["ECG"]}})
    ['nSeq', 'digital DI', 'ECG']
    """
    names: list[str] = []
    found = [device for device in devices.values() if isinstance(device, dict)]
    if not found or any(not _is_device(device) for device in found):
        return []
    for device in sorted(found, key=_position):
        columns, labels, sensors = (device[key] for key in ("column", "label", "sensor"))
        # Channels with names of their own are the last columns.
        places = labels if set(labels) <= set(columns) else columns[-len(labels) :]
        named = {p: sensor_name(*of) for p, *of in zip(places, sensors, labels, strict=False)}
        names += [named.get(column) or _digital(column) for column in columns]
    return names


def channels_of(names: Iterable[str]) -> set[str]:
    """Return which data sets of an HDF5 file are the channels of devices.

    OpenSignals keeps much besides: averages of each channel at other scales, counters, digital
    inputs, events.

    Parameters
    ----------
    names : iterable of str
        Of all data sets, with the groups that they are in.

    Returns
    -------
    set of str
        Empty unless all groups of the file are devices of OpenSignals.

    Examples
    --------
    >>> channels_of(["00:07/raw/channel_1", "00:07/raw/nSeq", "00:07/support/level_10/t"])
    {'00:07/raw/channel_1'}
    """
    listed = list(names)
    found = {name for name in listed if _CHANNEL.fullmatch(name)}
    groups, devices = ({name.partition("/")[0] for name in some} for some in (listed, found))
    return found if groups == devices else set()


def start_of(properties: Mapping[str, Any]) -> datetime | None:
    """Return when a recording began by its properties ``date`` and ``time``.

    Parameters
    ----------
    properties : mapping
        Such as ``{"date": "2019-2-7", "time": "15:11:20.455"}``: no part is padded, so that ``.69``
        is 69 milliseconds.

    Returns
    -------
    datetime or None

    Examples
    --------
    >>> start_of({"date": "2019-3-12", "time": "13:56:2.69"})
    datetime.datetime(2019, 3, 12, 13, 56, 2, 69000)
    """
    try:
        year, month, day = (int(part) for part in str(properties["date"]).split("-"))
        clock, _, milli = str(properties["time"]).partition(".")
        hour, minute, second = (int(part) for part in clock.split(":"))
        return datetime(year, month, day, hour, minute, second, 1000 * int(milli or 0))
    except (KeyError, ValueError):
        return None


def _is_device(device: dict[str, Any]) -> bool:
    lists = [device.get(key) for key in ("column", "label", "sensor")]
    return all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists
    ) and len(device["label"]) == len(device["sensor"])


def _digital(column: str) -> str:
    return column if column.lower() == "nseq" else f"digital {column}"


def _position(device: dict[str, Any]) -> float:
    position = device.get("position")
    return position if isinstance(position, (int, float)) else 0
