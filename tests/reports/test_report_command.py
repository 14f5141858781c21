"""`ecgfast report` and `make_report`: files in, pages out, wrong use refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from limited import run_limited
from report_pages import FS, Page

from ecgfast import Annotations, InputError, detect_qrs, read_record, stream_classify
from ecgfast.cli import main
from ecgfast.records import demo_record, write_annotations
from ecgfast.reports import make_report

pytest.importorskip("jinja2")


def test_json_has_the_figures_of_the_page(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo.html"
    assert main(["report", str(demo), "--output", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    text = re.sub(r"\s+", " ", Page(out.read_text("utf-8")).text)
    assert f"all {told['beats']['total']:,}" in text
    assert f"Minimum rate {told['rate']['minimum']['rate']:.0f} /min" in text
    assert f"at {told['rate']['maximum']['clock']}" in text
    assert f"{told['hrv']['nn_intervals']:,} NN intervals of" in text
    assert told["model"]["name"] == "beats"
    assert told["ectopy"]["V"]["beats"] == told["beats"]["by_class"]["V"] > 0
    assert sum(row["beats"] for row in told["table"]) == told["beats"]["total"]


@pytest.mark.parametrize("kind", ["noise", "flat", "missing", "two seconds", "three samples"])
def test_what_is_no_ecg_has_a_page_that_says_so_and_no_rate(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    signal = {
        "noise": 0.3 * rng.standard_normal((int(60 * FS), 1)),
        "flat": np.zeros((int(60 * FS), 1)),
        "missing": np.full((int(60 * FS), 1), np.nan),
        "two seconds": demo_record().signal[:720, :1],
        "three samples": np.array([[0.1], [0.3], [0.2]]),
    }[kind]
    path, out = tmp_path / "x.npz", tmp_path / "x.html"
    np.savez(path, signal=signal.astype(np.float32), fs=FS)
    assert main(["report", str(path), "--leads", "0", "--output", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rate"]["mean"] is None
    assert told["rate"]["maximum"] is None
    html = out.read_text("utf-8")
    Page(html)
    assert 'class="banner"' in html
    if told["beats"]["total"] == 0:
        assert "No heartbeat was found" in html
    if kind in ("noise", "flat", "missing"):
        assert told["quality"]["lost_share"] > 0.8  # noise takes some seconds to be known as such


def test_several_recordings_have_an_index(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.npz").write_bytes(demo.read_bytes())
    (tmp_path / "index.npz").write_bytes(demo.read_bytes())
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    out = tmp_path / "pages"
    names = [str(tmp_path / f"{name}.npz") for name in ("a", "b", "index", "broken")]
    assert main(["report", *names, "--output", f"{out}/"]) == 1
    assert "1 of 4 recordings failed" in capsys.readouterr().err
    page = Page((out / "index.html").read_text("utf-8"))
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links == ["a.html", "b.html", "index-2.html"]
    assert all((out / str(link)).is_file() for link in links)
    assert "broken" in page.text
    assert main(["report", *names[:2], "--output", f"{out}/", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["recordings"]) == 2


def test_results_in_a_folder_are_no_recordings(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "holter"
    folder.mkdir()
    (folder / "demo.npz").write_bytes(demo.read_bytes())
    assert main(["classify", str(demo), "--output", str(folder / "demo.csv")]) == 0
    for _ in range(2):  # the second time there are pages too
        assert main(["report", str(folder), "--output", f"{folder}/"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.csv", "demo.html", "demo.npz", "index.html",
    ]  # fmt: skip


def test_labels_of_an_annotation_file_are_those_of_the_page(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "night.npz", tmp_path / "night.html"
    path.write_bytes(demo.read_bytes())
    peaks = detect_qrs(read_record(path))
    symbols = ["N"] * len(peaks)
    symbols[20:23] = ["V", "E", "V"]
    symbols[40] = "A"
    symbols[50], symbols[60] = "|", "+"  # an artefact, and a change of rhythm: no beats
    write_annotations(tmp_path / "night.cor", peaks, symbols, FS)
    command = ["report", str(path), "--annotator", "cor", "--output", str(out)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] is None
    assert told["annotations"] == "night.cor"
    assert told["beats"]["by_class"] == {"N": len(peaks) - 6, "S": 1, "V": 3, "F": 0, "Q": 0}
    assert [e["kind"] for e in told["events"] if e["kind"].endswith("_run")] == ["ventricular_run"]
    page = Page(out.read_text("utf-8"))
    assert "those of the annotation file night.cor" in page.text
    assert "no person has checked" not in page.text
    assert "sensitivity" not in page.text
    assert main([*command, "--reject", "0.1"]) == 2
    assert "--reject goes with a model" in capsys.readouterr().err
    for option in ("--average-leads", "--no-average-leads"):
        assert main([*command, option]) == 2
        assert f"{option} goes with a model" in capsys.readouterr().err
    assert main([*command[:3], "qrs"]) == 1
    assert "there is no annotation file night.qrs beside it" in capsys.readouterr().err


def test_the_labels_that_classify_writes_make_the_same_report(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.npz"
    path.write_bytes(demo.read_bytes())
    assert main(["classify", str(path), "--output", str(tmp_path / "night.ecg")]) == 0
    capsys.readouterr()
    ours, theirs = make_report(path).figures, make_report(path, annotator="ecg").figures
    for part in ("quality", "rate", "beats", "ectopy", "rhythm", "table"):
        assert theirs[part] == ours[part], part
    assert theirs["annotations"] == "night.ecg"


def test_a_report_of_labels_knows_what_cannot_be_read_as_the_models_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.npz"
    signal = np.tile(demo_record().signal, (3, 1))
    noise = np.random.default_rng(1).normal(0, 0.7, (int(30 * FS), 2))
    signal[int(40 * FS) :][: len(noise)] += noise
    np.savez(path, signal=signal, fs=FS, leads=np.array(["MLII", "V1"]))
    assert main(["classify", str(path), "--output", str(tmp_path / "night.ecg")]) == 0
    capsys.readouterr()
    ours = make_report(path).figures["quality"]
    theirs = make_report(path, annotator="ecg").figures["quality"]
    assert ours["lost_seconds"] > 15
    for name in ("lost_seconds", "beats_in_bad_signal"):
        assert theirs[name] == pytest.approx(ours[name], rel=0.1), name


def test_a_report_in_one_call_is_that_of_the_command_and_shows_itself(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(demo), "--output", str(tmp_path / "c.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    report = make_report(demo)
    assert report.html == (tmp_path / "c.html").read_text("utf-8")
    assert report.figures["beats"] == told["beats"]
    assert report.figures["model"]["name"] == "beats"
    assert report.figures["model"]["labelled_from"] == "leads MLII and V1, averaged"
    assert ") from leads MLII and V1, averaged." in report.html
    alone = make_report(demo, average_leads=False)
    assert alone.figures["model"]["labelled_from"] == "lead MLII"
    assert alone.analysis.labelled_leads == ("MLII",)
    report.save(tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text("utf-8") == report.html
    assert f"{told['beats']['total']:,} beats" in repr(report)
    frame = Page(report._repr_html_())
    assert {name: value for _, name, value in frame.attributes}["srcdoc"] == report.html
    assert frame.tags == ["iframe"]  # its style cannot reach the notebook's
    assert make_report(read_record(demo)).figures["rate"] == report.figures["rate"]
    marks = Annotations(np.array([100, 400, 700]), np.array(["N", "V", "N"]))
    marked = make_report(read_record(demo), annotations=marks)
    assert marked.figures["beats"]["total"] == 3
    assert "those of annotations" in marked.html
    for other in (detect_qrs(demo), list(stream_classify(demo, model="none")), "atr"):
        with pytest.raises(InputError, match=r"annotations is of .*give ecgfast\.Annotations"):
            make_report(demo, annotations=other)
    with pytest.raises(InputError, match="is open already"):
        make_report(read_record(demo), annotator="cor")


def weasyprint_or_skip() -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # it, or Pango of the system
        pytest.skip(f"WeasyPrint cannot be imported: {error}")


@pytest.mark.thorough
def test_page_is_printed_to_pdf_and_replaced_only_if_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weasyprint_or_skip()
    record = demo_record()
    signal = record.signal[: int(20 * record.fs)]
    np.savez(tmp_path / "demo.npz", signal=signal, fs=record.fs)
    out = tmp_path / "demo.html"
    command = ["report", str(tmp_path / "demo.npz"), "--output", str(out), "--pdf"]
    assert main(command) == 0
    assert (tmp_path / "demo.pdf").read_bytes().startswith(b"%PDF-")
    assert main(command) == 0
    (tmp_path / "demo.pdf").write_bytes(b"%PDF-1.7 somebody else's")
    assert main(command) == 2
    assert "--pdf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--output", "x.csv"], 2, "--output x.csv"),
        (["--output", "x.pdf"], 2, "--pdf prints it"),
        (["--model", "normality"], 1, "AAMI"),
    ],
)
def test_wrong_use_is_one_line(
    demo: Path, arguments: list[str], status: int, words: str,
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(demo), *arguments]) == status
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux has it")
def test_a_day_takes_little_memory(tmp_path: Path) -> None:
    record = demo_record()
    count = int(86400 * record.fs)
    block = np.round(record.signal * 200).astype("<i2")
    with (tmp_path / "day.dat").open("wb") as file:
        left = count
        while left:
            part = block[:left]
            file.write(part.tobytes())
            left -= len(part)
    (tmp_path / "day.hea").write_text(
        f"day 2 {record.fs:g} {count} 09:13:00\n"
        + "".join(f"day.dat 16 200 16 0 0 0 0 {lead}\n" for lead in ("MLII", "V1"))
    )
    code = """
import sys
from ecgfast.cli import main
status = main(["report", sys.argv[1], "--output", sys.argv[2], "--method", "adaptive"])
print(status, peak_mb())
"""
    out = tmp_path / "day.html"
    done = run_limited(code, tmp_path / "day", out, seconds=300, memory=4 << 30)
    status, megabytes = done.stdout.split()[-2:]
    assert status == "0", done.stderr
    assert float(megabytes) < 300
    assert out.stat().st_size < 3_000_000


def test_pdf_fetches_nothing() -> None:
    weasyprint_or_skip()
    from ecgfast.reports.pdf import _fetch_nothing

    with pytest.raises(InputError, match="holds everything itself"):
        _fetch_nothing("http://example.org/x.png")


def test_a_report_of_an_array_is_that_of_its_record() -> None:
    record = demo_record()
    of_record = make_report(record).figures
    of_array = make_report(record.signal, fs=record.fs).figures
    assert of_array["beats"] == of_record["beats"]
    assert of_array["rate"] == of_record["rate"]
    assert make_report(record.signal, fs=record.fs, leads="ECG2").analysis.leads == ("ECG2",)


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        ([np.zeros(500)], {}, "fs is needed"),
        ([np.zeros(500)], {"fs": 250, "annotator": "atr"}, "annotator goes with a path"),
        ([5], {}, "cannot make a report of int: give a path, a Record, a RecordSource, or an"),
        ([{"II": [1, 2]}], {"fs": 250}, "cannot make a report of dict"),
    ],
)
def test_what_no_report_can_be_made_of(arguments: list, options: dict, told: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=told):
        make_report(*arguments, **options)


def test_a_report_is_saved_as_what_its_name_says(tmp_path: Path) -> None:
    report = make_report(demo_record())
    for name in ("a.docx", "a", "a.png"):
        with pytest.raises(InputError, match=r"a report is saved as \.html or \.pdf"):
            report.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    report.save(tmp_path / "a.HTM")
    assert (tmp_path / "a.HTM").read_text("utf-8") == report.html
