"""EDF and BDF recordings, through the edfio package (extra ``edf``)."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError, RecordError
from .leads import Leads, choose_leads, to_millivolt
from .record import Annotations, FloatArray, RecordSource, check_fs

__all__ = ["open_edf"]

# Values read of an EDF file before it is mapped anew: pages of a mapping stay resident.
_MAPPED = 8 << 20


def open_edf(path: Path, leads: Leads) -> RecordSource:
    """Open an EDF, EDF+, BDF or BDF+ file.

    Blocks of an EDF file are read as they are asked for; a BDF file is held in memory as a whole.

    Parameters
    ----------
    path : Path
        The file.
    leads : str, int, sequence of these, or None
        Signals to read, as in `read_record`.

    Returns
    -------
    RecordSource
        EDF+ annotations become marks of the symbol ``"`` (a note) with their text.

    Raises
    ------
    MissingExtraError
        If edfio is not installed.
    RecordError
        If the file is none, is cut short, has gaps, or the leads differ in rate.
    """
    try:
        import edfio
    except ImportError:
        raise MissingExtraError("reading EDF and BDF files", "edf") from None

    name = str(path)
    _check_length(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            edf: Any = (
                edfio.read_bdf(path)
                if path.suffix.lower() == ".bdf"
                else edfio.read_edf(path, lazy_load_data=True)
            )
            signals = list(edf.signals)
            gaps = "+D" in edf.reserved and not edf.is_continuous
            notes = [(note.onset, note.text) for note in edf.annotations]
    except Exception as error:  # whatever it raises, the file is at fault
        raise RecordError(f"{name}: the edfio package cannot read it ({error})") from None
    if gaps:
        raise RecordError(f"{name}: the recording has gaps (EDF+D); split it at the gaps first")

    chosen = choose_leads(
        [s.label for s in signals],
        [s.physical_dimension for s in signals],
        leads,
        name,
        strict=True,
    )
    picked = [signals[i] for i in chosen]
    rates = {s.samples_per_data_record for s in picked}
    if len(rates) > 1:
        listed = ", ".join(f"{s.label} {s.sampling_frequency:g} Hz" for s in picked)
        raise RecordError(
            f"{name}: the chosen leads differ in rate ({listed}); pick some of one rate with leads="
        )
    fs = check_fs(picked[0].sampling_frequency, name)
    factors = [to_millivolt(s.physical_dimension) for s in picked]

    values = 0
    lazy = path.suffix.lower() != ".bdf"

    def fetch(start: int, stop: int) -> FloatArray:
        nonlocal picked, values
        values += (stop - start) * len(picked)
        if lazy and values > _MAPPED:
            values = 0
            again = edfio.read_edf(path, lazy_load_data=True).signals
            picked = [again[i] for i in chosen]
        out = np.empty((stop - start, len(picked)), np.float32)
        for i, (signal, factor) in enumerate(zip(picked, factors, strict=True)):
            value = signal.get_data_slice(start / fs, stop / fs)
            out[:, i] = value if factor is None else value * factor
        return out

    marks = None
    if notes:
        onset, text = zip(*notes, strict=True)
        marks = Annotations(
            np.rint(np.array(onset) * fs).astype(np.int64),
            np.full(len(notes), '"'),
            np.array(text, np.str_),
        )
    return RecordSource(
        fs=fs,
        leads=tuple(s.label for s in picked),
        n_samples=edf.num_data_records * picked[0].samples_per_data_record,
        fetch=fetch,
        start=_start(edf),
        annotations=marks,
        name=path.stem,
        units=tuple(
            s.physical_dimension if factor is None else "mV"
            for s, factor in zip(picked, factors, strict=True)
        ),
    )


def _start(edf: Any) -> datetime | None:
    """Return the recording's start; None where an anonymised file hides it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = edf.startdatetime
    except ValueError:
        return None
    return start if isinstance(start, datetime) else None


def _check_length(path: Path) -> None:
    """Compare the length that an EDF or BDF header promises with the file's own."""
    with path.open("rb") as file:
        head = file.read(256)
        if head[:8] not in (b"0       ", b"\xffBIOSEMI") or len(head) < 256:
            raise RecordError(f"{path}: is no EDF or BDF file; check that it was exported as one")
        try:
            n_records, n_signals = int(head[236:244]), int(head[252:256])
            file.seek(256 + 216 * n_signals)
            per_record = sum(int(file.read(8)) for _ in range(n_signals))
        except ValueError:
            raise RecordError(f"{path}: the EDF header is damaged; export the file again") from None
    width = 3 if head[0] == 0xFF else 2
    present = (path.stat().st_size - 256 * (n_signals + 1)) // max(1, per_record * width)
    # A recorder that was cut off leaves -1: then what is there counts.
    if n_records > present:
        raise RecordError(
            f"{path}: truncated: the header promises {n_records} data records of {per_record} "
            f"samples and {max(0, present)} are present; export or fetch the file again"
        )
