"""The pages of recordings: the report of one, printed well, and the index of several.

`report_text` has the words and tables, `report_pictures` the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .analysis import Analysis
from .choosing import chosen_strips
from .model_facts import ModelFacts
from .paper import CLASS_COLOURS
from .report_pictures import FULL_S, event_strip, full_disclosure, rr_pictures, trend_picture
from .report_text import (
    NOTHING,
    banners,
    class_rows,
    ectopy_rows,
    event_list,
    facts_line,
    hrv_section,
    key_figures,
    percent,
    quality_rows,
    rhythm_rows,
    step_name,
    time_rows,
)
from .shell import page, render
from .words import CLASS_NAMES, length

__all__ = ["index_page", "recording_report", "report_style"]

_INDEX_TILES = (
    "Minimum rate", "Mean rate", "Maximum rate", "Longest RR", "Pauses", "V beats", "S beats",
    "AF burden",
)  # fmt: skip


def recording_report(
    found: Analysis,
    figures: Mapping[str, Any],
    model: ModelFacts,
    *,
    title: str = "",
    minutes: bool = False,
    full: bool = False,
) -> str:
    """Make the page.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.
    figures : mapping
        As `page_figures` makes it.
    model : ModelFacts
        What labelled the beats.
    title : str
        Heading; by default the recording's name.
    minutes : bool
        Show the minute around each strip, also in print.
    full : bool
        Add the whole recording, a minute in each row.

    Returns
    -------
    str
        HTML that needs no other file and no network.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    strips = [event_strip(found, shown) for shown in chosen_strips(found)]
    body = render(
        "report.html",
        found=found,
        figures=figures,
        model=model,
        facts=facts_line(found),
        banners=banners(found, figures, annotated=model.annotated),
        tiles=key_figures(figures),
        trend=trend_picture(found) if key_figures(figures) or found.flutter.any() else "",
        quality=quality_rows(figures),
        classes=class_rows(figures),
        ectopy=ectopy_rows(figures),
        rhythm=rhythm_rows(figures),
        rows=time_rows(found, figures),
        step=step_name(found),
        pictures=rr_pictures(found),
        hrv=hrv_section(figures),
        events=event_list(found),
        strips=strips,
        minutes=minutes,
        disclosure=list(full_disclosure(found)) if full else [],
        undisclosed=length(found.duration - FULL_S) if found.duration > FULL_S else "",
        CLASS_NAMES=CLASS_NAMES,
        CLASS_COLOURS=CLASS_COLOURS,
    )
    return page(title or f"ECG report: {found.name}", body, style=report_style())


def index_page(rows: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """Make the page that lists the reports of several recordings.

    Parameters
    ----------
    rows : sequence of mapping
        Figures of each recording with its ``file``, or its name and ``error``.
    title : str
        Heading.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    listed = []
    for row in rows:
        if "error" in row:
            listed.append({"record": row["record"], "error": row["error"]})
            continue
        tiles = dict.fromkeys(_INDEX_TILES, NOTHING)
        tiles |= {name: value for name, value, _, _ in key_figures(row)}
        listed.append(
            {
                "record": row["record"],
                "href": quote(row["file"]),
                "error": "",
                "cells": [
                    length(row["duration"]),
                    f"{row['beats']['total']:,}",
                    *(tiles[name] for name in _INDEX_TILES),
                    percent(row["quality"]["lost_share"]),
                ],
            }
        )
    names = [name if name[1] in " F" else name[0].lower() + name[1:] for name in _INDEX_TILES]
    heads = ["length", "beats", *names, "not readable"]
    body = render("index.html", rows=listed, heads=heads)
    return page(title, body, style=report_style() + "body { max-width: 72rem; }")


def report_style() -> str:
    """Return the CSS that pages of recordings add to that of the shell."""
    from importlib.resources import files

    return (files("ecgfast.reports") / "templates" / "report.css").read_text("utf-8")
