"""Open and read recordings of every format that ecgfast knows."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from ..errors import InputError, RecordError
from ..printable import printable
from .choosing import Choice, Leads, choose
from .files import damaged, named_file, path_of
from .formats import header_of, open_file
from .missing_codes import Code, code_text, find_codes, without_codes
from .opened import Opened, Values
from .record import Annotations, FloatArray, Origin, Record, RecordSource, check_fs
from .resampling import resampled
from .units import UNKNOWN, scale_notes, to_millivolt, unit_kind
from .wfdb_annotations import read_annotations

__all__ = ["annotation_file", "open_record", "read_record"]

# Rates of recordings that are read: below the QRS complex is lost, above no ECG is sampled.
_SLOWEST, _FASTEST = 50.0, 100_000.0

# Seconds of the start that tell whether the values fit their unit.
_PROBE_S = 10.0


def open_record(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    leads: Leads = None,
    follow: bool = False,
    annotator: str | None = None,
) -> RecordSource:
    """Open a recording without reading its samples yet.

    Parameters
    ----------
    path : str or path
        A WFDB record (with or without ``.hea``), or a file of another format in
        `ecgfast.records.formats.FORMATS`: EDF and BDF, ISHNE, text, arrays, Parquet, sound, DICOM,
        SCP-ECG, HL7 aECG, XML of GE and Philips, AcqKnowledge. Some need the extra ``formats``,
        AcqKnowledge the extra ``biopac``.
    fs : float, optional
        Sampling rate in Hz; needed only where the file does not carry it.
    leads : str, int, or sequence of these, optional
        Names or columns of the signals to read, in this order. Without it the ECG leads are
        chosen by names, units and values (`ecgfast.records.choosing`).
    follow : bool, default False
        Whether files that a header names may lie outside the recording's folder.
    annotator : str, optional
        Extension of a WFDB annotation file beside the recording, such as ``"qrs"``, whose marks
        are read instead of those of a WFDB record's ``.atr`` file, or of an EDF+ file.

    Returns
    -------
    RecordSource
        ``.fs``, ``.leads``, ``.n_samples``, ``.start``, ``.annotations``, ``.origin``;
        ``.blocks(seconds)`` yields the signal piece by piece, ``.read()`` returns a `Record`.
        WFDB, EDF, ISHNE and ``.npy`` files are never held in memory as a whole. A rate outside
        100 to 2000 Hz is resampled, and `origin` says so, as of values that stand for missing
        samples, such as -9999: for these, files of other formats than WFDB are looked through.

    Raises
    ------
    RecordError
        If the recording is missing, damaged, truncated or of an unknown format, or it is not
        clear which of its columns is the ECG.
    InputError
        If `fs` is needed, out of range or contradicts the file, or a lead is not there.
    MissingExtraError
        If the format needs a package that is not installed.

    Examples
    --------
    >>> from ecgfast.records import open_record
    >>> source = open_record("mitdb/208", leads="MLII")             # doctest: +SKIP
    >>> source.fs, source.leads, source.n_samples                   # doctest: +SKIP
    (360.0, ('MLII',), 650000)
    """
    if fs is not None:
        _check_given(fs)
    where = path_of(path)
    with damaged(where, "a recording"):
        opened = open_file(where, fs=fs, follow=follow)
        if annotator is not None:
            opened = _annotated(opened, annotator, fs, follow=follow)
        if fs is None and opened.columns and all(c.fs is None for c in opened.columns):
            _rate(None, None, str(opened.path))
        choice = choose(opened, leads, fs)
        return _source(opened, choice, fs)


def read_record(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    leads: Leads = None,
    follow: bool = False,
    annotator: str | None = None,
) -> Record:
    """Read a recording.

    Parameters
    ----------
    path, fs, leads, follow, annotator
        As in `open_record`.

    Returns
    -------
    Record
        float32 samples of shape (n, n_leads), in mV where the file's unit is known, NaN where a
        sample is missing; the marks of a WFDB record's ``.atr`` file, or of an EDF+ file, as its
        annotations.

    Raises
    ------
    RecordError, InputError, MissingExtraError
        As in `open_record`.

    Examples
    --------
    >>> record = read_record("mitdb/208")                      # doctest: +SKIP
    >>> record.signal.shape, record.fs, record.leads           # doctest: +SKIP
    ((650000, 2), 360.0, ('MLII', 'V1'))
    """
    return open_record(path, fs=fs, leads=leads, follow=follow, annotator=annotator).read()


def _check_given(fs: float) -> None:
    """Raise InputError unless `fs` is a rate that can be read."""
    try:
        ok = _SLOWEST <= float(fs) <= _FASTEST
    except (TypeError, ValueError):
        ok = False
    if not ok:
        check_fs(fs)


def _annotated(opened: Opened, annotator: str, given: float | None, *, follow: bool) -> Opened:
    """Return the recording with the marks of another annotation file beside it."""
    file = annotation_file(opened.path, annotator)
    if not file.is_file():
        raise RecordError(
            f"{opened.path}: there is no annotation file {file.name} beside it; give the extension "
            "of one that is there"
        )
    named = named_file(opened.path, file.name, follow=follow)
    stored = opened.annotation_fs or given or next((c.fs for c in opened.columns if c.fs), None)

    def annotations(fs: float) -> Annotations:
        return read_annotations(named, fs=fs, stored_fs=stored)

    return replace(opened, annotations=annotations)


def annotation_file(path: Path, annotator: str) -> Path:
    """Return where a recording's annotation file of this extension lies.

    Parameters
    ----------
    path : Path
        The recording's file, of a WFDB record its header or its name.
    annotator : str
        Extension, with or without its dot.

    Returns
    -------
    Path
        It need not exist.

    Raises
    ------
    InputError
        If `annotator` is no extension.
    """
    extension = annotator.removeprefix(".")
    if not extension.isalnum():
        raise InputError(
            f"annotator={annotator!r}: give the extension of an annotation file, such as 'atr'"
        )
    header = header_of(path)
    return (header or path).with_suffix(f".{extension}")


def _source(opened: Opened, choice: Choice, given: float | None) -> RecordSource:
    """Make the chosen columns a source of samples in mV."""
    name = str(opened.path)
    chosen = [opened.columns[i] for i in choice.columns]
    rates = {column.fs for column in chosen}
    if len(rates) > 1:
        listed = ", ".join(
            f"{choice.labels[i]} {opened.columns[i].fs:g} Hz" for i in choice.columns
        )
        raise RecordError(
            f"{name}: the chosen leads differ in rate ({listed}); pick some of one rate with leads="
        )
    found = rates.pop()
    fs = _rate(given, found, name)
    n_samples = min(column.n_samples for column in chosen)
    factors = [to_millivolt(column.unit) for column in chosen]
    wide = np.array([1.0 if factor is None else factor for factor in factors])
    scaled = bool((wide != 1.0).any())
    columns = choice.columns

    def stored(start: int, stop: int) -> Values:
        values = opened.read(start, stop, columns)
        if values.shape != (stop - start, len(columns)):
            raise RecordError(f"{name}: became shorter while it was read; read it again")
        return values

    codes: list[list[Code]] = []
    if not opened.marks_missing:
        known = [column.codes for column in chosen]
        codes = find_codes(stored, n_samples, len(columns), fs, known)

    def fetch(start: int, stop: int) -> FloatArray:
        with damaged(opened.path, f"samples {start} to {stop}"):
            values = without_codes(stored(start, stop), codes)
            if scaled:
                values = values * wide
            return np.ascontiguousarray(values, np.float32)

    units = tuple(
        "mV"
        if factor is not None
        else column.unit
        if unit_kind(column.unit) == "other"
        else UNKNOWN
        for column, factor in zip(chosen, factors, strict=True)
    )
    labels = tuple(printable(choice.labels[i]) for i in choice.columns)
    start, start_time = opened.start, opened.start_time
    undated: list[str] = []
    if start is not None and not _has_end(start, n_samples / fs):
        undated = [f"no date: {start:%Y-%m-%d} is none of a recording"]
        start_time = start.time()
        start = None
    scales: list[str] = []
    volts = [i for i, factor in enumerate(factors) if factor is not None]
    if volts and not opened.marks_missing:  # WFDB states a gain for each lead
        stated = [printable(chosen[i].unit) for i in volts]
        probe = fetch(0, min(n_samples, round(_PROBE_S * fs)))[:, volts]
        scales = scale_notes([labels[i] for i in volts], stated, probe, fs)
    return resampled(
        fetch,
        fs=fs,
        n_samples=n_samples,
        leads=labels,
        start=start,
        start_time=start_time,
        annotations=opened.annotations,
        name=printable(opened.path.name.removesuffix(".gz").rpartition(".")[0] or opened.path.name),
        units=units,
        comments=tuple(printable(line) for line in opened.comments),
        origin=Origin(
            file=printable(name),
            format=opened.format,
            leads=labels,
            units=tuple(printable(column.unit or "none stated") for column in chosen),
            left_out=tuple((printable(a), printable(b)) for a, b in choice.left_out),
            fs=fs,
            fs_from="the rate that was given" if found is None else opened.fs_from,
            notes=(
                *opened.notes,
                *undated,
                *map(printable, choice.notes),
                *(
                    code_text(label, code)
                    for label, found in zip(labels, codes, strict=False)
                    for code in found
                ),
                *scales,
            ),
            utc_offset=opened.utc_offset if start is not None else None,
        ),
    )


def _has_end(start: datetime, seconds: float) -> bool:
    """Whether the calendar reaches beyond the end: some write 9999 for an unknown date."""
    try:
        start + timedelta(seconds=seconds, days=1)
    except OverflowError:
        return False
    return True


def _rate(given: float | None, found: float | None, name: str) -> float:
    """Return the sampling rate in Hz, given by the caller or found in the file.

    Raises
    ------
    InputError
        If there is none, the two differ by more than a hundredth, or it is out of range.
    """
    if given is None and found is None:
        raise InputError(f"{name}: carries no sampling rate; give it, such as fs=360")
    fs = float(given if found is None else found)  # type: ignore[arg-type]
    if given is not None and abs(fs - given) > 0.01 * given:
        raise InputError(
            f"{name}: carries the sampling rate {fs:g} Hz and fs={given:g} was given; "
            "leave fs= out, or correct the file"
        )
    if not (math.isfinite(fs) and _SLOWEST <= fs <= _FASTEST):
        raise InputError(
            f"{name}: is sampled at {fs:g} Hz; ecgfast reads from {_SLOWEST:g} to {_FASTEST:g} Hz; "
            "check the rate"
        )
    return fs
