"""Open and read recordings of every format that ecgfast knows."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError, RecordError
from ..printable import printable
from .choosing import Choice, Leads, choose
from .files import check_regular, damaged, named_file, open_regular
from .opened import Opened
from .record import Annotations, FloatArray, Origin, Record, RecordSource, check_fs
from .resampling import resampled
from .units import UNKNOWN, to_millivolt, unit_kind
from .wfdb_annotations import read_annotations

__all__ = ["SUFFIXES", "annotation_file", "header_of", "open_record", "read_record"]

_TEXT = (".csv", ".tsv", ".txt", ".json", ".asc", ".log")
_ARRAY = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf")
_PARQUET = (".parquet", ".pq")
_SOUND = (".wav", ".flac", ".w64", ".rf64")
_EDF = (".edf", ".bdf", ".rec")
_ISHNE = (".ecg", ".hol")
# Formats that are known by content; their usual extensions.
_CLINICAL = {
    ".dcm": "DICOM", ".dicom": "DICOM", ".scp": "SCP-ECG", ".xml": "XML", ".aecg": "XML",
}  # fmt: skip

#: Extensions of files that are recordings; `_open` reads each of them.
SUFFIXES = frozenset((".hea", *_TEXT, *_ARRAY, *_EDF, *_ISHNE, *_PARQUET, *_SOUND, *_CLINICAL))
_KNOWN = (
    "WFDB (.hea), EDF or BDF (.edf, .bdf), ISHNE (.ecg), text (.csv, .tsv, .txt, also .gz), "
    "arrays (.npy, .npz, .mat, .h5, .parquet), WAV and FLAC, DICOM (.dcm), SCP-ECG (.scp), HL7 "
    "aECG, GE MUSE or Philips XML (.xml)"
)

# Formats that are not read, by extension, with what makes one that is.
_PICTURE = "a picture of an ECG holds no samples; ask for the recording itself"
_SAVE2GDF = "convert it to EDF with BioSig's save2gdf"
_CONVERTERS = {
    suffix: advice
    for suffixes, advice in (
        (".nwb", "export the column with h5py and numpy.savez"),
        (".feather .arrow", "export it with pandas.DataFrame.to_parquet"),
        (".xls .xlsx .ods", "save the sheet as CSV"),
        (".pdf .png .jpg .jpeg .tif .tiff .svg", _PICTURE),
        (".gdf .vhdr .eeg .cnt .set .mwf .mfer", _SAVE2GDF),
        (".acq", "convert it with bioread's acq2txt"),
        (".adicht", "export it from LabChart as text"),
        (".fit .gpx .tcx", "they hold heart rates and no ECG"),
        (".mp3 .m4a .ogg .aac .amr", "compression for the ear loses the ECG; ask for a WAV file"),
    )
    for suffix in suffixes.split()
}

# Rates of recordings that are read: below the QRS complex is lost, above no ECG is sampled.
_SLOWEST, _FASTEST = 50.0, 100_000.0


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
        A WFDB record (with or without ``.hea``), or an ``.edf``, ``.bdf``, ``.ecg`` (ISHNE),
        ``.csv``, ``.tsv``, ``.txt``, ``.npy``, ``.npz``, ``.mat``, ``.h5``, ``.parquet`` or
        ``.wav`` file; text also as ``.gz``.
        DICOM, SCP-ECG, HL7 aECG, GE MUSE and Philips XML are known by their content (extra
        ``formats``).
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
        100 to 2000 Hz is resampled, and `origin` says so.

    Raises
    ------
    RecordError
        If the recording is missing, damaged, truncated or of an unknown format, or it is not
        clear which of its columns is the ECG.
    InputError
        If `fs` is needed, out of range or contradicts the file, or a lead is not there.
    MissingExtraError
        If the format needs a package that is not installed.
    """
    if fs is not None:
        _check_given(fs)
    try:
        where = Path(path).expanduser()
        where.exists()
    except (ValueError, RuntimeError, OSError) as error:  # a NUL, no such user, a name too long
        raise RecordError(f"{path}: is no name of a file ({error}); correct it") from None
    with damaged(where, "a recording"):
        opened = _open(where, fs, follow)
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
        float32 samples of shape (n, leads), in mV where the file's unit is known, NaN where a
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


def _open(path: Path, fs: float | None, follow: bool) -> Opened:
    """Open `path` with the reader that its name calls for."""
    suffix = path.suffix.lower()
    header = header_of(path)
    if header is not None:
        from .wfdb_files import open_wfdb

        with damaged(header, "a WFDB record"):
            return open_wfdb(header, follow=follow)
    if not path.exists():
        beside = sorted(path.parent.glob(f"{_glob_escape(path.name)}.*")) if path.name else []
        hint = f"did you mean {beside[0].name}?" if beside else "check the path"
        raise RecordError(f"{path}: no such recording; {hint}")
    check_regular(path)
    if suffix == ".gz":
        suffix = Path(path.stem).suffix.lower() or ".txt"
        if suffix not in _TEXT:
            raise RecordError(f"{path}: only text is read compressed; unpack it with gunzip first")
    if suffix in _TEXT:
        from .text_files import open_text

        with damaged(path, "a text file of samples"):
            return open_text(path, fs)
    if suffix in _ARRAY:
        from .array_files import open_array

        with damaged(path, "an array file", "save it again"):
            return open_array(path)
    if suffix in _PARQUET:
        from .parquet_files import open_parquet

        with damaged(path, "a Parquet file"):
            return open_parquet(path, fs)
    if suffix in _SOUND:
        from .sound_files import open_sound

        with damaged(path, "a sound file"):
            return open_sound(path)
    if suffix in _EDF:
        from .edf_files import open_edf

        with damaged(path, "an EDF or BDF file"):
            return open_edf(path)
    advice = _CONVERTERS.get(suffix)
    if advice:
        raise RecordError(f"{path}: {suffix} files are not read; {advice}")
    clinical = _clinical(path, suffix)
    if clinical is not None:
        return clinical
    if suffix in _ISHNE:
        from .ishne_files import open_ishne

        with damaged(path, "an ISHNE file"):
            return open_ishne(path)
    if suffix in (".dat", ".atr"):
        raise RecordError(f"{path}: its WFDB header {path.stem}.hea is missing; put it beside it")
    raise RecordError(f"{path}: of an unknown format; known are {_KNOWN}")


def _clinical(path: Path, suffix: str) -> Opened | None:
    """Open a file of a clinical format, whose names say little; None if its content is none."""
    from .clinical_files import is_scp, is_xml, open_scp, open_xml
    from .dicom_files import is_dicom, open_dicom

    with open_regular(path) as file:
        head = file.read(256)
    if is_dicom(head):
        with damaged(path, "a DICOM file"):
            return open_dicom(path)
    if is_scp(head):
        with damaged(path, "an SCP-ECG file"):
            return open_scp(path)
    if is_xml(head):
        with damaged(path, "an XML file of an ECG"):
            return open_xml(path)
    named = _CLINICAL.get(suffix)
    if named:
        raise RecordError(f"{path}: is no {named} file; check that it was exported as one")
    return None


def _glob_escape(name: str) -> str:
    """Return `name` as a glob pattern for itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def header_of(path: Path) -> Path | None:
    """Return the WFDB header that `path` stands for, if it exists."""
    suffix = path.suffix.lower()
    if suffix == ".hea" and path.exists():
        return path
    appended = path.with_name(f"{path.name}.hea") if path.name else path
    if appended.is_file():
        return appended
    replaced = path.with_suffix(".hea") if suffix in (".dat", ".atr", ".mat") else path
    return replaced if replaced != path and replaced.is_file() else None


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

    def fetch(start: int, stop: int) -> FloatArray:
        with damaged(opened.path, f"samples {start} to {stop}"):
            values = opened.read(start, stop, columns)
            if values.shape != (stop - start, len(columns)):
                raise RecordError(f"{name}: became shorter while it was read; read it again")
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
    return resampled(
        fetch,
        fs=fs,
        n_samples=n_samples,
        leads=labels,
        start=opened.start,
        start_time=opened.start_time,
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
            fs_from="given by the caller" if found is None else opened.fs_from,
            notes=(*opened.notes, *map(printable, choice.notes)),
        ),
    )


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
