"""The table of file formats: how each is recognised, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import RecordError
from .files import check_regular, damaged, no_file, open_regular, true_format
from .opened import Opened

__all__ = ["CONVERTERS", "FORMATS", "Format", "by_suffix", "header_of", "open_file"]

# Bytes of a file by which its format is recognised.
_HEAD = 256


@dataclass(frozen=True)
class Format:
    """A file format that is read.

    Attributes
    ----------
    name : str
        As messages call it.
    suffixes : tuple of str
        Extensions of its files, in small letters.
    reader : str
        ``module:function``, imported when a file needs it. The function takes the path of a regular
        file and the `options`, and returns what it holds as an `Opened`. It raises RecordError
        where the file is damaged, cut short or of another format, and MissingExtraError where a
        package is missing. Whatever else it raises counts as damage of the file.
    kind : str
        A file of it, with its article.
    recognised : callable, optional
        Whether a file begins like one; takes its first 256 bytes. A format without it is recognised
        by the extension alone.
    options : tuple of str
        Options of `open_record` that the reader takes: ``fs`` (None unless given), ``follow``.
    advice : str
        What to do with a damaged file.
    shared : tuple of str
        Extensions that files of another sort have too: in a folder, only `recognised` ones count.
    gzipped : bool
        Whether the reader takes ``.gz`` files.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    kind: str
    recognised: Callable[[bytes], bool] | None = None
    options: tuple[str, ...] = ()
    advice: str = "export or fetch it again"
    shared: tuple[str, ...] = ()
    gzipped: bool = False


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _is_scp(head: bytes) -> bool:
    # Section 0 comes first, and its first pointer is to itself.
    return head[8:10] == b"\0\0" and head[28:32] == b"\7\0\0\0"


def _is_xml(head: bytes) -> bool:
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-8 or UTF-16
    return plain[:5] in (b"<?xml", b"<!DOC") or (plain[:1] == b"<" and plain[1:2].isalpha())


def _is_ishne(head: bytes) -> bool:
    return head[:8] == b"ISHNE1.0"


#: Every format that is read; a new one is added here, and nowhere else.
FORMATS: tuple[Format, ...] = (
    Format("WFDB", (".hea",), ".wfdb_files:open_wfdb", "a WFDB record", options=("fs", "follow")),
    Format("EDF or BDF", (".edf", ".bdf", ".rec"), ".edf_files:open_edf", "an EDF or BDF file"),
    Format(
        "ISHNE",
        (".ecg", ".hol"),
        ".ishne_files:open_ishne",
        "an ISHNE file",
        recognised=_is_ishne,
        shared=(".ecg",),  # annotation files of WFDB
    ),
    Format(
        "text",
        (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".asc", ".log", ".tab", ".prn"),
        ".text_files:open_text",
        "a text file of samples",
        options=("fs",),
        gzipped=True,
    ),
    Format(
        "NumPy, MATLAB or HDF5",
        (".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".nwb"),
        ".array_files:open_array",
        "an array file",
        advice="save it again",
    ),
    Format(
        "Parquet",
        (".parquet", ".pq"),
        ".parquet_files:open_parquet",
        "a Parquet file",
        options=("fs",),
    ),
    Format(
        "WAV or FLAC", (".wav", ".flac", ".w64", ".rf64"), ".sound_files:open_sound", "a sound file"
    ),
    Format(
        "DICOM",
        (".dcm", ".dicom"),
        ".dicom_files:open_dicom",
        "a DICOM file",
        recognised=_is_dicom,
    ),
    Format(
        "AcqKnowledge",
        (".acq",),
        ".acq_files:open_acq",
        "an AcqKnowledge file",
        advice="copy it again, or export it from AcqKnowledge as text",
    ),
    Format("SCP-ECG", (".scp",), ".clinical_files:open_scp", "an SCP-ECG file", recognised=_is_scp),
    Format(
        "HL7 aECG, GE MUSE, GE CardioSoft or Philips XML",
        (".xml", ".aecg"),
        ".clinical_files:open_xml",
        "an XML file of an ECG",
        recognised=_is_xml,
    ),
)

_PICTURE = "a picture of an ECG holds no samples; ask for the recording itself"
_SAVE2GDF = "convert it to EDF with BioSig's save2gdf"

#: Formats that are not read, by extension, with what makes one that is.
CONVERTERS: Mapping[str, str] = {
    suffix: advice
    for suffixes, advice in (
        (".feather .arrow", "export it with pandas.DataFrame.to_parquet"),
        (".xls .xlsx .ods", "save the sheet as CSV"),
        (".pdf .png .jpg .jpeg .tif .tiff .svg", _PICTURE),
        (".gdf .vhdr .eeg .cnt .set .mwf .mfer", _SAVE2GDF),
        (".adicht", "export it from LabChart as text"),
        (".zip .7z .rar .tar .tgz .bz2 .xz .zst", "unpack it first"),
        (".pkl .pickle .joblib .pt", "they may run programs; save the array with numpy.save"),
        (".db .sqlite .sqlite3", "export the table as CSV"),
        (".fit .gpx .tcx", "they hold heart rates and no ECG"),
        (".mp3 .m4a .ogg .aac .amr", "compression for the ear loses the ECG; ask for a WAV file"),
    )
    for suffix in suffixes.split()
}


def by_suffix(path: Path) -> Format | None:
    """Return the format that a file's extension stands for.

    Parameters
    ----------
    path : Path
        It need not exist.

    Returns
    -------
    Format or None
        Of a ``.gz`` file that of the name without it, if it is read compressed; a file of no other
        extension counts as text.
    """
    suffix = path.suffix.lower()
    packed = suffix == ".gz"
    if packed:
        suffix = Path(path.stem).suffix.lower() or ".txt"
    named = (f for f in FORMATS if suffix in f.suffixes and (f.gzipped or not packed))
    return next(named, None)


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


def existing_file(path: Path) -> Path:
    """Return the file that a recording begins with.

    Parameters
    ----------
    path : Path
        The file, or a WFDB record without ``.hea``.

    Returns
    -------
    Path
        The WFDB header, or `path` itself.

    Raises
    ------
    RecordError
        If it is not there; the message names a file whose name only adds an extension.
    """
    file = header_of(path) or path
    if not file.exists():
        if file.is_symlink():
            raise RecordError(f"{path}: is a link to {file.readlink().name}, which is not there")
        if str(path) == "-":
            raise no_file(path, "standard input is no file")
        beside = sorted(path.parent.glob(f"{_glob_escape(path.name)}.*")) if path.name else []
        hint = f"did you mean {beside[0].name}?" if beside else "check the path"
        raise RecordError(f"{path}: no such recording; {hint}")
    return file


def open_file(path: Path, *, fs: float | None, follow: bool) -> Opened:
    """Open a recording's file with the reader of its format.

    Parameters
    ----------
    path : Path
        The file, or a WFDB record without ``.hea``.
    fs : float or None
        Sampling rate in Hz that the caller gave.
    follow : bool
        Whether files that a header names may lie outside its folder.

    Returns
    -------
    Opened

    Raises
    ------
    RecordError
        If there is no such file, its format is not known, or its reader refuses it.
    MissingExtraError
        If a package that reads it is not installed.
    """
    file = existing_file(path)
    check_regular(file)
    _refuse_web_page(file)
    found = _format_of(file)
    module, _, name = found.reader.partition(":")
    options = {"fs": fs, "follow": follow}
    with damaged(file, found.kind, found.advice):
        read: Callable[..., Any] = getattr(import_module(module, __package__), name)
        opened: Opened = read(file, **{option: options[option] for option in found.options})
        return opened


def _refuse_web_page(path: Path) -> None:
    """Refuse what a server sends in place of a file, such as a page to log in or of an error."""
    with open_regular(path) as file:
        head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise RecordError(
            f"{path}: is a web page (HTML) and no recording; download the file again, and look at "
            "the address in a browser first"
        )


def _format_of(path: Path) -> Format:
    """Return the format of a file, by its extension and by how it begins."""
    suffix = path.suffix.lower()
    named = by_suffix(path)
    if named is not None and named.recognised is None:
        return named
    if suffix == ".gz":
        raise RecordError(f"{path}: only text is read compressed; unpack it with gunzip first")
    if suffix in CONVERTERS:
        raise RecordError(f"{path}: {suffix} files are not read; {CONVERTERS[suffix]}")
    with open_regular(path) as file:
        head = file.read(_HEAD)
    for each in FORMATS:
        if each.recognised is not None and each.recognised(head):
            return each
    if named is not None:
        raise RecordError(f"{path}: is no {named.name} file; check that it was exported as one")
    likely = true_format(head)
    if suffix in (".dat", ".atr") and "rename it to" not in likely:
        raise RecordError(f"{path}: its WFDB header {path.stem}.hea is missing; put it beside it")
    known = ", ".join(each.name for each in FORMATS)
    raise RecordError(f"{path}: has no extension of a known format ({known}){likely}")


def _glob_escape(name: str) -> str:
    """Return `name` as a glob pattern for itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
