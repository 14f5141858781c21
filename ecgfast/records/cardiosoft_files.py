"""XML files of GE CardioSoft: what each element means stands beside it, in its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..errors import RecordError
from .opened import Column, Opened, Values, filter_notes

__all__ = ["open_cardiosoft"]

_MOST_LEADS = 64

# The unit of a resolution, and that of samples which are multiplied by it.
_UNITS = {"uvperlsb": "uV", "mvperlsb": "mV", "nvperlsb": "nV"}


def open_cardiosoft(path: Path, data: bytes) -> Opened:
    """Open a CardioSoft file, whose XML has been checked: the strip of it, with a lead an element.

    A full disclosure beside it, whose order of samples differs between versions, is not read.
    """
    root = ElementTree.fromstring(data)
    strip = root.find("StripData")
    waves = [] if strip is None else strip.findall("WaveformData")
    full = root.find("FullDisclosure/FullDisclosureData") is not None
    if strip is None or not waves:
        what = "a full disclosure alone" if full else "no strip"
        raise RecordError(
            f"{path}: holds {what}, and StripData is what is read; export the resting ECG, or the "
            "samples as text"
        )
    rate, unit = _number(path, strip, "SampleRate"), strip.find("SampleRate")
    if unit is None or unit.get("units", "").lower() != "hz" or not rate > 0:
        raise RecordError(f"{path}: its strip states no sampling rate in Hz; export it again")
    resolution = strip.find("Resolution")
    per_count = resolution.get("units", "") if resolution is not None else ""
    unit_of = _UNITS.get(per_count.lower(), "")
    gain = _number(path, strip, "Resolution") if unit_of else 1.0
    count = int(_number(path, strip, "ChannelSampleCountTotal"))
    names = [wave.get("lead", "").strip() for wave in waves]
    if len(waves) > _MOST_LEADS or len(set(names)) != len(names):
        raise RecordError(
            f"{path}: its strip has {len(waves)} leads {', '.join(names)[:80]}, some of one name; "
            "export it again"
        )
    table: Values = np.stack([_samples(path, wave, count) for wave in waves]) * gain
    notes = []
    if full:
        notes.append("the full disclosure beside the strip is not read")
    if not unit_of:
        notes.append(
            f"the resolution is in {per_count or 'no unit'!r}, which is not known: the samples are "
            "counts"
        )
    notes += filter_notes(
        _hertz(root, "FilterSetting/HighPass"), _hertz(root, "FilterSetting/LowPass")
    )

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        picked: Values = table[list(chosen), begin:end].T
        return picked

    return Opened(
        path=path,
        format="GE CardioSoft XML",
        columns=tuple(Column(name, unit_of, rate, count) for name in names),
        read=read,
        declared=True,
        start=_start(root),
        notes=tuple(notes),
    )


def _number(path: Path, parent: ElementTree.Element, tag: str) -> float:
    text = (parent.findtext(tag) or "").strip()
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise RecordError(
            f"{path}: {tag} of its strip is {text[:20]!r} and no number; export it again"
        ) from None


def _hertz(root: ElementTree.Element, tag: str) -> float | None:
    element = root.find(tag)
    if element is None or element.get("units", "").lower() != "hz":
        return None
    try:
        return float((element.text or "").replace(",", "."))
    except ValueError:
        return None


def _samples(path: Path, wave: ElementTree.Element, count: int) -> Values:
    """Return the samples of a lead: whole numbers with commas between them."""
    cells = [cell for cell in "".join((wave.text or "").split()).split(",") if cell]
    name = wave.get("lead", "")
    if len(cells) != count:
        raise RecordError(
            f"{path}: lead {name} of its strip has {len(cells)} samples, and {count} are promised; "
            "export it again"
        )
    try:
        return np.array(cells, np.float64)
    except ValueError:
        raise RecordError(
            f"{path}: lead {name} of its strip holds something that is no number; export it again"
        ) from None


def _start(root: ElementTree.Element) -> datetime | None:
    fields = ("Year", "Month", "Day", "Hour", "Minute", "Second")
    try:
        parts = [int(root.findtext(f"ObservationDateTime/{field}") or "") for field in fields]
        return datetime(*parts)  # type: ignore[arg-type]
    except ValueError:
        return None
