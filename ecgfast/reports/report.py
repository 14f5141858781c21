"""The report of a recording, from its path to its page, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy.typing as npt

from .._files import write_whole
from ..errors import InputError
from ..inputs import foreign_hint
from ..records import Annotations, Record, RecordSource, open_record
from ..records.missing_codes import cleaned
from ..records.reading import annotation_file as find_annotation_file
from ..records.record import FloatArray, check_annotations
from ..runtime.decision import Decision
from ..sources.chunks import is_array, open_source
from .analysis import Analysis, analyse
from .figures import page_figures, with_events
from .model_facts import (
    ModelFacts,
    annotation_facts,
    labelled_from_text,
    model_facts,
    operating_point_text,
)
from .pdf import write_pdf
from .recording_report import recording_report

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["Report", "make_report"]

# Height of the frame in which a notebook shows the page.
_FRAME = "48rem"


@dataclass(frozen=True, eq=False)
class Report:
    """The report of a recording; a notebook shows its page.

    Attributes
    ----------
    summary : dict
        Every figure, without the list of events.
    html : str
        The page, which needs no other file and no network.
    analysis : Analysis
        The beats as columns, and the events.
    """

    summary: dict[str, Any]
    html: str = field(repr=False)
    analysis: Analysis = field(repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Report reads from its recording and cannot be pickled: pickle its html and figures, "
            "or save it as a page"
        )

    def __copy__(self) -> Report:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Report:
        return self  # nothing of it changes

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Every figure and event: what ``ecgfast report --json`` prints."""
        return with_events(self.analysis, self.summary)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as HTML (``.html``) or as PDF (``.pdf``, extra ``pdf``).

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.

        Raises
        ------
        InputError
            If the file cannot be written, or has another extension.
        MissingExtraError
            If a PDF is wanted and WeasyPrint is not installed.
        """
        file = Path(path)
        kind = file.suffix.lower()
        if kind == ".pdf":
            write_pdf(file, self.html)
        elif kind in (".html", ".htm"):
            write_whole(file, self.html)
        else:
            raise InputError(f"{file}: a report is saved as .html or .pdf; give such a name")

    def __repr__(self) -> str:
        beats = self.summary["beats"]["total"]
        return (
            f"Report({self.analysis.name!r}, {beats:,} beats, {len(self.analysis.events):,} events)"
        )

    def _repr_html_(self) -> str:
        # In a frame: its style is of a page, and would change the notebook's.
        return (
            f'<iframe srcdoc="{escape(self.html, quote=True)}" '
            f'style="width: 100%; height: {_FRAME}; border: 1px solid #ddd"></iframe>'
        )


def make_report(
    recording: str | os.PathLike[str] | Record | RecordSource | npt.ArrayLike,
    *,
    fs: float | None = None,
    leads: Any = None,
    follow: bool = False,
    annotator: str | None = None,
    annotations: Annotations | None = None,
    annotation_file: str = "",
    model: str | os.PathLike[str] | Classifier = "beats",
    lookahead: int = 0,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    decision: Decision | None = None,
    average_leads: bool | None = None,
    title: str = "",
    minutes: bool = False,
    full: bool = False,
    progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
) -> Report:
    """Find the beats and events of a recording, and make its report.

    Parameters
    ----------
    recording : path, Record, RecordSource or array
        An array has the shape (n,) or (n, n_leads), in mV.
    fs, leads, follow
        As for `open_record`; with a path, or `fs` and `leads` with an array.
    annotator : str, optional
        Extension of the WFDB annotation file beside the recording whose beats and labels are taken
        instead of a model's, such as corrected ones; with a path. The quality of the signal around
        them is that of the beats that `method` finds.
    annotations : Annotations, optional
        Marks that are taken likewise.
    annotation_file : str
        Name that the page gives as their file.
    model : str, path or Classifier
        Of AAMI classes.
    lookahead, method, decision, average_leads
        As for `stream_classify`.
    title : str
        Heading of the page; by default the recording's name.
    minutes : bool
        Show the minute around each strip, also in print.
    full : bool
        Add the whole recording, a minute in each row.
    progress : callable
        Wraps the blocks of the recording, to show how far it is.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If an argument cannot be used.
    RecordError
        If the recording cannot be read.
    ModelError
        If the model cannot be used.
    MissingExtraError
        If Jinja2 is not installed: ``pip install 'ecgfast[report]'``.

    Examples
    --------
    >>> from ecgfast.reports import make_report
    >>> report = make_report("mitdb/208")                     # doctest: +SKIP
    >>> report.figures["rate"]["minimum"]                     # doctest: +SKIP
    >>> report.save("208.html")                               # doctest: +SKIP
    """
    from ..runtime.classifier import loaded

    check_annotations(annotations)
    source = _opened(recording, fs, leads, annotator, follow=follow)
    facts: ModelFacts
    if annotations is None and annotator is not None:
        annotations = source.annotations
        annotation_file = find_annotation_file(Path(str(recording)), annotator).name
    if annotations is not None:
        found = analyse(source, annotations, progress=progress, method=method)
        facts = annotation_facts(annotation_file)
    else:
        found, facts = _labelled(
            source,
            loaded(model),
            progress,
            lookahead=lookahead,
            method=method,
            decision=decision or Decision(),
            average_leads=average_leads,
        )
    result = page_figures(found)
    html = recording_report(found, result, facts, title=title, minutes=minutes, full=full)
    result["model"] = None if facts.annotated else facts.to_dict()
    result["annotations"] = facts.name if facts.annotated else None
    return Report(result, html, found)


def _opened(
    recording: Any,
    fs: float | None,
    leads: Any,
    annotator: str | None,
    *,
    follow: bool,
) -> RecordSource:
    if isinstance(recording, (str, os.PathLike)):
        return open_record(recording, fs=fs, leads=leads, follow=follow, annotator=annotator)
    if is_array(recording):
        if annotator is not None:
            raise InputError("annotator goes with a path: give annotations= with an array")
        array = open_source(recording, fs, leads)
        assert array.fetch is not None
        assert array.n_samples is not None
        return RecordSource(array.fs, array.leads, array.n_samples, array.fetch)
    if not isinstance(recording, (Record, RecordSource)):
        raise InputError(
            f"cannot make a report of {type(recording).__name__}: "
            + (
                foreign_hint(recording)
                or "give a path, a Record, a RecordSource, or an array with fs="
            )
        )
    if fs is not None or leads is not None or annotator is not None:
        raise InputError(
            f"{recording.name or 'the recording'}: is open already: give fs, leads and annotator "
            "to read_record or open_record"
        )
    if isinstance(recording, RecordSource):
        return recording
    signal = recording.signal
    if recording.origin is None:  # readers of files have looked
        signal = cleaned(signal, recording.fs, recording.leads, stacklevel=4)
    return RecordSource(
        recording.fs,
        recording.leads,
        recording.n_samples,
        lambda start, stop: signal[start:stop],
        recording.start,
        recording.annotations,
        recording.name,
        recording.units,
        recording.comments,
        recording.origin,
        recording.start_time,
    )


def _labelled(
    source: RecordSource,
    classifier: Classifier,
    progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]],
    *,
    lookahead: int,
    decision: Decision,
    average_leads: bool | None,
    **options: Any,
) -> tuple[Analysis, ModelFacts]:
    """The beats as a model labels them, and what the page says of the model."""
    found = analyse(
        source,
        classifier,
        progress=progress,
        lookahead=lookahead,
        decision=decision,
        average_leads=average_leads,
        **options,
    )
    return found, model_facts(
        classifier,
        lookahead=lookahead,
        labelled_from=labelled_from_text(
            found.labelled_leads or source.leads[:1], found.passed_over
        ),
        operating_points=[
            f"Asked for: {operating_point_text(point)}, in cross-validation."
            for point in decision.rule(classifier, lookahead).operating_points
        ],
    )
