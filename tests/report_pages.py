"""Pages of reports, read again, and analyses of made beats."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from ecgfast import Classifier
from ecgfast.records import RecordSource
from ecgfast.reports.analysis import Analysis
from ecgfast.reports.figures import figures
from ecgfast.reports.model_facts import model_facts
from ecgfast.reports.recording_report import recording_report

FS = 360.0
VOID = {"meta", "br", "hr", "img", "input", "link", "col"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers their attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += f" {data}"


def report_of(found: Analysis, classifier: Classifier, **options: object) -> str:
    return recording_report(found, figures(found), model_facts(classifier), **options)  # type: ignore[arg-type]


def made(time: list[float], labels: str | None = None, **more: object) -> Analysis:
    """An analysis of beats alone."""
    n = len(time)
    duration = float(more.pop("duration", max([*time, 0.0]) + 1))  # type: ignore[arg-type]
    given = {
        "name": "made", "fs": FS, "duration": duration, "leads": ("I",), "units": ("mV",),
        "start": None, "sample": np.round(np.array(time) * FS).astype(np.int64),
        "time": np.array(time, np.float64), "label": np.array(list(labels or "N" * n), "<U1"),
        "good": np.ones(n, bool), "flutter": np.zeros(n, bool), "events": [], "lost": 0.0,
        "fetch": lambda a, b: np.zeros((b - a, 1), np.float32),
    }  # fmt: skip
    return Analysis(**{**given, **more})  # type: ignore[arg-type]


def open_source_of(signal: np.ndarray, fs: float) -> RecordSource:
    return RecordSource(fs, ("I", "II"), len(signal), lambda a, b: signal[a:b])
