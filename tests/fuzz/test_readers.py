"""Every reader on damaged files: each ends in one clear line or a recording, under limits.

Short by default; ``ECGFAST_FUZZ_S`` gives the seconds for each reader. Examples run in a process of
their own that has limits on memory and time, so that a hang or an exhaustion is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from thorough import thorough_cases

SEEDS = Path(__file__).parent.parent / "recordings"
SECONDS = float(os.environ.get("ECGFAST_FUZZ_S", "0.2"))

# What is damaged, and the files that go with it.
CASES = {
    "text": ["openbci.txt", "opensignals.txt", "physiobank.csv", "iso_time.csv", "watch.csv",
             "decimal_comma_one_column.csv", "movesense.csv", "utf16.csv", "units_row_unknown.csv"],
    "json": ["made.json"],
    "gzip": ["made.csv.gz"],
    "npz": ["x_fs.npz"],
    "npy": ["made.npy"],
    "mat": ["plain_ecg.mat", "made.mat"],
    "edf": ["edf_plus_d_gap.edf", "eeg_one_channel.edf"],
    "bdf": ["made.bdf"],
    "ishne": ["ishne.ecg"],
    "scp": ["plain.scp", "packed.scp"],
    "xml": ["muse.xml", "cardiosoft.xml", "aecg.xml", "philips.xml"],
    "dicom": ["made.dcm"],
    "parquet": ["made.parquet"],
    "hdf5": ["made.h5"],
    "sound": ["made.wav", "made.flac"],
    "acq": ["plain.acq", "packed.acq"],
    "header": ["wf_lead_names.hea", "vl.hea", "vl_layout.hea", "vl_0001.hea", "cinc.hea"],
    "annotations": ["vl.atr"],
    "stream": ["stream_millis.txt", "columns_named.csv", "iso_time.csv"],
}  # fmt: skip

NEEDS = {
    "scp": "ecgdatakit",
    "xml": "ecgdatakit",
    "dicom": "pydicom",
    "parquet": "pyarrow",
    "hdf5": "h5py",
    "sound": "soundfile",
    "acq": "bioread",
}

# Most of what reads these is not ours.
OTHERS = ("gzip", "mat", "scp", "xml", "dicom", "parquet", "hdf5", "sound", "acq")

SCRIPT = Path(__file__).parent / "damage_readers.py"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
@pytest.mark.parametrize("kind", ["ours", *thorough_cases(*OTHERS)])
def test_damaged_files_end_in_one_clear_line(kind: str) -> None:
    pytest.importorskip("hypothesis")
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    # Ours in one process: to begin one takes longer than to try one kind.
    kinds = [one for one in CASES if one not in OTHERS] if kind == "ours" else [kind]
    cases = [f"{one}={','.join(CASES[one])}" for one in kinds]
    done = subprocess.run(
        [sys.executable, SCRIPT, str(SECONDS), str(SEEDS), *cases],
        capture_output=True,
        text=True,
        timeout=6 * SECONDS * len(kinds) + 120,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr[-4000:]}"
    print(done.stdout)
