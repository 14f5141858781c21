"""Damages recordings and reads them: SECONDS FOLDER KIND=NAME,NAME...; run by test_readers.py."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import logging
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.io
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
import clinical_writers as clinical
from acq_writer import write_acq

from ecgfast.errors import EcgfastError
from ecgfast.records import open_record, synthetic_ecg, write_annotations
from ecgfast.sources.text_lines import LineParser

LIMIT_S, MEMORY = 10, 3 << 30

WORDS = [
    *(b"\0", b"\xff", b"nan", b"inf", b"-", b"1e999", b"1e-320", b"99999999999", b"-1", b",", b";"),
    *(b"\t", b"\n", b"\r", b'"', b"#", b"{", b"[", b"%", b":", b"/", b"..", b"~", b"x2", b":9"),
    *(
        b"+8",
        b"\xec\xff\xff\x7f",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"time",
        b"ECG",
        b"mV",
        b"fs=1",
    ),
]
EDIT = st.tuples(
    st.floats(0, 1),
    st.sampled_from(["cut", "put", "over", "double", "drop", "flip"]),
    st.one_of(st.sampled_from(WORDS), st.binary(min_size=1, max_size=8)),
    st.integers(1, 4000),
)
Edits = list[tuple[float, str, bytes, int]]


def make_seeds(folder: Path) -> None:
    """Files of the kinds that are not among the recordings."""
    x = synthetic_ecg(8.0, 250.0, seed=1).signal[:, 0]
    np.save(folder / "made.npy", x)
    inner = {"a": [1.0, 2.0], "name": "ECG"}
    scipy.io.savemat(folder / "made.mat", {"ecg": x, "fs": 250, "s": inner}, do_compression=True)
    (folder / "made.csv.gz").write_bytes(gzip.compress(b"\n".join(b"%g" % v for v in x)))
    packets = [
        {"ecg": {"Timestamp": 64 * k, "Samples": x[16 * k : 16 * k + 16].tolist()}}
        for k in range(60)
    ]
    (folder / "made.json").write_text(json.dumps(packets))
    marks = list(range(0, 9000, 300))
    write_annotations(folder / "vl.atr", marks, ["N"] * 30, 250.0, aux=["note"] * 30)
    head = b"\xffBIOSEMI" + b" " * 160 + b"01.01.2407.08.09512     " + b" " * 44
    head += b"%-8d%-8d%-4d" % (8, 1, 1) + b"%-16s" % b"ECG" + b" " * 80 + b"uV      "
    head += b"%-8d%-8d%-8d%-8d" % (-100, 100, -8388608, 8388607) + b" " * 80 + b"%-8d" % 250
    body = b"".join(int(v * 1e5).to_bytes(3, "little", signed=True) for v in x[:2000])
    (folder / "made.bdf").write_bytes(head + b" " * 32 + body)


def make_columns(folder: Path) -> None:
    """Files of column formats, by the packages that are there."""
    x = synthetic_ecg(8.0, 250.0, seed=1).signal[:, 0].astype(np.float64)
    if importlib.util.find_spec("pyarrow"):
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({"time": np.arange(len(x)) / 250, "ECG (mV)": x})
        pyarrow.parquet.write_table(table, folder / "made.parquet", row_group_size=900)
    if importlib.util.find_spec("h5py"):
        import h5py

        with h5py.File(folder / "made.h5", "w") as file:
            held = file.create_dataset("a/ecg", data=x, chunks=(500,), compression="gzip")
            held.attrs["fs"] = 250.0
            file["a/names"] = ["x"]
    if importlib.util.find_spec("soundfile"):
        import soundfile

        for name in ("made.wav", "made.flac"):
            soundfile.write(folder / name, x / 4, 250, subtype="PCM_16")


def make_clinical(folder: Path) -> None:
    """Files of electrocardiographs, short enough that the damage hits what counts."""
    x = clinical.counts(800)
    beat = np.rint(np.hanning(100)[:, np.newaxis] * [300, 200, -100]).astype(np.int64)
    clinical.scp_file(folder / "plain.scp", x)
    clinical.scp_file(folder / "packed.scp", x, huffman=True, order=2, beats=(beat, [100, 500]))
    clinical.muse_file(folder / "muse.xml", x)
    clinical.cardiosoft_file(folder / "cardiosoft.xml", x)
    clinical.aecg_file(folder / "aecg.xml", x)
    clinical.philips_file(folder / "philips.xml", clinical.counts(800, n_leads=12))
    if importlib.util.find_spec("pydicom"):
        clinical.dicom_file(folder / "made.dcm", x, groups=2)


def damaged(data: bytes, edits: Edits) -> bytes:
    """Return `data` after the edits; half of them hit the head, where sizes stand."""
    for where, how, word, length in edits:
        at = int(where * (len(data) if length % 2 else min(len(data), 600)))
        rest = {
            "cut": b"",
            "put": word + data[at:],
            "over": word + data[at + len(word) :],
            "double": data[at : at + length] * 2 + data[at + length :],
            "drop": data[at + length :],
            "flip": bytes(c ^ word[0] for c in data[at : at + 1]) + data[at + 1 :],
        }
        data = data[:at] + rest[how]
    return data


def read(kind: str, folder: Path, name: str, data: bytes, fs: float | None) -> None:
    """Read what was damaged, as a stream of lines or as a file."""
    if kind == "stream":
        parser = LineParser("x", fs=fs)
        for i in range(0, len(data), 5000):
            parser.feed(data[i : i + 5000])
        parser.finish()
        return
    (folder / name).write_bytes(data)
    source = open_record(folder / ("vl.hea" if name.startswith("vl") else name), fs=fs)
    for k, block in enumerate(source.blocks(10.0)):
        assert block.dtype == np.float32
        assert block.shape[1] == len(source.leads)
        if k > 100:
            break


def late(*_: object) -> None:
    raise TimeoutError(f"took more than {LIMIT_S} s")


def main() -> None:
    seconds, seeds, *cases = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")  # none may reach the user
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, late)
    folder = Path(tempfile.mkdtemp())
    for file in Path(seeds).iterdir():
        shutil.copyfile(file, folder / file.name)
    make_seeds(folder)
    kinds = [case.partition("=")[0] for case in cases]
    if {"scp", "xml", "dicom"} & {*kinds}:
        make_clinical(folder)
    if {"parquet", "hdf5", "sound"} & {*kinds}:
        make_columns(folder)
    if "acq" in kinds:
        write_acq(folder / "plain.acq", markers=((0, "Segment 1"), (2000, "a breath")))
        write_acq(folder / "packed.acq", compressed=True)
    try:
        for case in cases:
            kind, _, names = case.partition("=")
            print(f"{kind}: ", end="", flush=True)
            try_damage(kind, float(seconds), folder, names.split(","))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def try_damage(kind: str, seconds: float, folder: Path, names: list[str]) -> None:
    """Damage files of one kind for so many seconds."""
    content = {name: (folder / name).read_bytes() for name in names}
    end, longest, count = time.monotonic() + seconds, 0.0, 0

    @settings(
        max_examples=10**7,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(names), st.lists(EDIT, min_size=1, max_size=6), st.booleans())
    def run(name: str, edits: Edits, told: bool) -> None:
        nonlocal longest, count
        if time.monotonic() > end:
            raise KeyboardInterrupt
        count += 1
        begin = time.process_time()
        signal.alarm(LIMIT_S)
        try:
            read(kind, folder, name, damaged(content[name], edits), 250.0 if told else None)
        except EcgfastError as error:
            text = str(error)
            assert text.isprintable(), text
            assert len(text) < 5000, text
            assert "unexpected" not in text, text
        finally:
            signal.alarm(0)
            (folder / name).write_bytes(content[name])
        longest = max(longest, time.process_time() - begin)

    with contextlib.suppress(KeyboardInterrupt):
        run()
    print(f"{count} examples, the longest {longest:.2f} s")


if __name__ == "__main__":
    main()
