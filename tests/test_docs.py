"""What the documentation site has to hold, checked without building it (`.ci/docs` builds it)."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast.records import demo_record, read_record, write_annotations
from ecgfast.runtime import available_models
from ecgfast.training.recipes.recipe import Recipe

DOCS = Path(__file__).parents[1] / "docs"
pytestmark = pytest.mark.skipif(
    not (DOCS / "conf.py").is_file(), reason="the docs are not in this checkout"
)

_TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
PUBLIC = (
    *("ecgfast", "ecgfast.records", "ecgfast.sources", "ecgfast.runtime", "ecgfast.streaming"),
    *("ecgfast.rhythm", "ecgfast.hrv", "ecgfast.alarms", "ecgfast.evaluation", "ecgfast.networks"),
    *("ecgfast.reports", "ecgfast.live", "ecgfast.review", "ecgfast.archive"),
)


def pages() -> Iterator[Path]:
    for path in DOCS.rglob("*.md"):
        if not {"_build", "generated"} & set(path.relative_to(DOCS).parts):
            yield path


@pytest.mark.parametrize(
    ("page", "module", "function"),
    [
        ("generalisation", "generalisation_page", "page"),
        ("noise_stress", "noise_stress", "markdown"),
        ("alarms", "alarms", "tables"),
        ("beats-elsewhere", "beats_elsewhere", "page"),
        ("beat_robustness", "beat_robustness", "markdown"),
        ("breathing", "breathing", "page"),
        ("hrv", "hrv_ectopy", "tables"),
        ("installs", "installs", "page"),
        ("review", "review_study", "table"),
    ],
)
def test_a_page_of_figures_has_those_of_its_json_file(
    page: str, module: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page written from a template or a file that changed since is no longer what is measured."""
    monkeypatch.syspath_prepend(str(DOCS.parent / "bench"))
    figures = json.loads((DOCS / f"{page}.json").read_text("utf-8"))
    written = getattr(importlib.import_module(module), function)(figures)
    assert written.strip() in (DOCS / f"{page}.md").read_text("utf-8")


def test_the_page_of_rhythm_has_the_words_of_its_template() -> None:
    """What is written into the page alone is lost when it is made again."""
    template = (DOCS.parent / "bench" / "rhythm.md.in").read_text("utf-8")
    written = (DOCS / "rhythm.md").read_text("utf-8")
    for words in re.split(r"\{[^{}\n]+\}", template):
        assert words.strip() in written


def test_the_page_of_models_is_of_the_models_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Models made anew have lost which precision is the fastest, and have other figures."""
    monkeypatch.syspath_prepend(str(DOCS.parent / "bench"))
    models = importlib.import_module("models")
    stored = json.loads((DOCS / "models.json").read_text("utf-8"))["models"]
    for name, card in available_models().items():
        anew = f"{name}: run python bench/models.py --cards on an idle machine"
        assert stored[name]["fastest"] == card.fastest, anew
        figures = [row["figures"] for row in stored[name]["accuracy"]]
        now = [figures for p in card.precisions for figures in models.protocols(card, p).values()]
        assert figures == now, anew


def test_every_page_is_in_the_navigation() -> None:
    reached = {"index"}
    for path in pages():
        for entries in _TOCTREE.findall(path.read_text("utf-8")):
            for line in entries.splitlines():
                if line and not line.startswith(":"):
                    found = (path.parent / line).resolve().relative_to(DOCS.resolve())
                    reached.add(found.as_posix())
    assert {p.relative_to(DOCS).with_suffix("").as_posix() for p in pages()} <= reached


def test_every_public_name_is_in_the_api_reference() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "api").glob("*.md"))
    documented = {
        name.rpartition(".")[2] for name in re.findall(r"\.\. .*:: (ecgfast[\w.]+)", text)
    }
    public = {name for module in PUBLIC for name in importlib.import_module(module).__all__}
    assert public - documented == {"__version__", "hrv"}


def test_every_public_function_has_an_example() -> None:
    """`.ci/docs` runs them."""
    public = {
        f"{module}.{name}": getattr(importlib.import_module(module), name)
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
    }
    functions = {name: one for name, one in public.items() if inspect.isfunction(one)}
    assert len(functions) > 50
    bare = [name for name, one in functions.items() if "\n>>> " not in (inspect.getdoc(one) or "")]
    assert not bare


def test_every_database_of_a_model_has_its_licence() -> None:
    page = (DOCS / "licences.md").read_text("utf-8")
    for card in available_models().values():
        for database in card.data["databases"]:
            assert f"\n| `{database}` |" in page, f"{card.name}: no licence of {database}"


def test_every_page_has_a_title() -> None:
    for path in pages():
        first = path.read_text("utf-8").splitlines()[0]
        assert first.startswith(("# ", "```{include}")), path


def test_what_the_guide_prints_for_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks, in order, on the synthetic recording: but for those that need a device."""
    monkeypatch.chdir(tmp_path)
    record = demo_record()
    np.savez("208.npz", signal=record.signal, fs=record.fs, leads=np.array(record.leads))
    names = {"record": record, "chunks": [record.signal[:, 0]]}
    text = (DOCS / "guide.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    run = [block for block in blocks if "read_from_device" not in block and "plot(" not in block]
    assert len(run) >= 4
    for block in run:
        exec(block.replace("mitdb/208", "208.npz"), names)
    assert names["probabilities"].shape == (len(names["batch"]), 5)


@pytest.mark.parametrize(
    "page",
    [
        *("../README", "index", "hrv", "rhythm", "concepts/labels", "concepts/quality"),
        *("how-to/my-file", "how-to/holter"),
    ],
)
def test_what_other_pages_print_for_python_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the synthetic recording, under the names that they give."""
    for module in ("pandas", "jinja2"):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    record = demo_record()
    np.savez("made.npz", signal=record.signal, fs=record.fs, leads=np.array(record.leads))
    names: dict[str, Any] = {"chunks": [record.signal[:, :1]]}
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(re.sub(r"mitdb/\d+|walk\.csv|holter\.edf", "made.npz", block), names)


def test_what_the_how_to_prints_makes_records_to_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a table of beats, of the notes of an EDF+ file, and of a review."""
    edfio = pytest.importorskip("edfio")
    monkeypatch.chdir(tmp_path)
    made = demo_record()
    rows = [f"{i / made.fs},{a:.4f},{b:.4f}" for i, (a, b) in enumerate(made.signal)]
    Path("p07.csv").write_text("time,CH1 (mV),CH2 (mV)\n" + "\n".join(rows))
    assert made.annotations is not None
    words = {"N": "normal", "A": "atrial", "V": "ventricular"}
    beats = zip(made.annotations.sample.tolist(), made.annotations.symbol, strict=True)
    kept = [(sample, symbol) for sample, symbol in beats if symbol in words]
    table = "\n".join(f"{sample},{words[symbol]}" for sample, symbol in kept)
    Path("p07_beats.csv").write_text("sample,label\n" + table)
    notes = [(sample / made.fs, words[symbol]) for sample, symbol in kept]
    edfio.Edf(
        [
            edfio.EdfSignal(lead, made.fs, label=f"ECG {name}", physical_dimension="mV")
            for lead, name in zip(made.signal.T, ("I", "II"), strict=True)
        ],
        annotations=[
            edfio.EdfAnnotation(onset, None, text)
            for onset, text in sorted([*notes, (1.0, "Lights off")])
        ],
    ).write("p08.edf")
    shutil.copy("p08.edf", "p09.edf")
    samples, symbols = zip(*kept, strict=True)
    write_annotations("p09.reviewed", samples, symbols, made.fs)
    text = (DOCS / "how-to" / "own-data.md").read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    for name in ("p07", "p08", "p09"):
        written = read_record(f"recordings/mine/{name}")
        np.testing.assert_allclose(written.signal[: made.n_samples], made.signal, atol=1e-3)
        assert written.annotations is not None
        assert written.annotations.symbol.tolist() == list(symbols)
        np.testing.assert_allclose(written.annotations.sample, samples, atol=1)


def test_the_first_screen_of_the_readme_has_the_commands_that_install_and_test() -> None:
    first = (DOCS.parent / "README.md").read_text(encoding="utf-8").splitlines()[:32]
    commands = [line for line in first if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    install, test = commands
    assert "pip install . &&" in install
    assert "ecgfast demo" in install
    assert test.endswith(".venv/bin/pytest -n auto")
    assert test in (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()


def test_the_guide_lists_every_extra() -> None:
    """`archive` had been missing, and its command names it."""
    text = (DOCS.parent / "pyproject.toml").read_text("utf-8")
    (table,) = re.findall(r"^\[project\.optional-dependencies\]\n(.*?)^\[", text, re.M | re.S)
    extras = set(re.findall(r"^([a-z]+) = \[", table, re.M))
    guide = (DOCS / "guide.md").read_text("utf-8").partition("### Extras")[2]
    listed = set(re.findall(r"`([a-z]+)`", guide.partition("\n### ")[0]))
    # Of the site and of a second runtime; `edf` holds nothing.
    assert extras - {"docs", "tflite", "edf"} <= listed


def test_how_good_labels_are_is_what_the_card_says() -> None:
    """Figures that no script writes had stayed those of an earlier model."""
    metrics = available_models()["beats"].metrics
    page = (DOCS / "concepts" / "labels.md").read_text("utf-8")
    now, later = (
        metrics[f"DS2 float32, own detections, label {when}"]
        for when in ("with the beat", "one beat later")
    )
    for text in (
        f"| N | sensitivity {100 * now['N sensitivity']:.1f} % |",
        f"| V | sensitivity {100 * now['V sensitivity']:.1f} %, positive predictivity "
        f"{100 * now['V positive predictivity']:.1f} %, F1 {100 * now['V F1']:.1f} %",
        f"| S | F1 {100 * now['S F1']:.1f} % ({100 * now['S F1 without record 232']:.1f} %",
        f"S F1 {100 * now['S F1']:.1f} → {100 * later['S F1']:.1f} %, "
        f"V F1 {100 * now['V F1']:.1f} → {100 * later['V F1']:.1f} %",
    ):
        assert text in page


def test_headlines_are_means_over_seeds_and_the_card_has_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One seed had been the headline: by chance the best of three in false S."""
    monkeypatch.syspath_prepend(str(DOCS.parent / "bench"))
    tables = importlib.import_module("beats_tables")
    page, card = (
        (DOCS / f"{name}.md").read_text("utf-8").splitlines() for name in ("beats", "beats-card")
    )
    assert set(tables.headline_rows(DOCS)) <= set(page[:30]), "first of all"
    assert not any("S F1, %" in line and "232" not in line for line in page[:20])
    assert set(tables.criterion_rows(DOCS)) <= set(card)
    assert set(tables.size_rows(available_models()["beats"])) <= set(card)
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    seeds = tables.seed_figures(DOCS)
    for title, model in (
        ("DS2, detected beats: V F1, %", " % ({:.1f} %)"),
        ("healthy, false S per hour, mean", " ({:.1f})"),
        ("healthy, false V per hour, mean", " ({:.1f})"),
    ):
        assert tables.spread_text(seeds[title]) + model.format(seeds[title]["7"]) in readme


def test_what_a_second_lead_gains_is_what_its_file_says() -> None:
    """The sentence had stayed that of an earlier recipe."""
    found = json.loads((DOCS / "beats-leads.json").read_text("utf-8"))["lookahead 0"]
    first, both = found["first lead"], found["mean of log-odds (`average_leads`)"]
    gains = {
        label: " and ".join(
            f"{both[f'{base} {label} F1'] - first[f'{base} {label} F1']:.1f}"
            for base in ("mitdb", "svdb")
        )
        for label in "SV"
    }
    false = [one["nsrdb, false S per hour"]["mean"] for one in (both, first)]
    page = re.sub(r"\s+", " ", (DOCS / "figures.md").read_text("utf-8"))
    assert f"gains {gains['V']} points of V F1 of all beats, and {gains['S']} of S F1" in page
    assert f"false S are {false[0]:.1f} in place of {false[1]:.1f} per hour" in page


def test_figures_of_databases_left_out_are_those_of_their_file() -> None:
    (found,) = (
        one
        for one in json.loads((DOCS / "beats-left-out.json").read_text("utf-8"))["candidates"]
        if one["candidate"] == "nsrdb and cinc2017 left out"
    )
    now = found["label with the beat"]
    page = (DOCS / "figures.md").read_text("utf-8")
    for label, unit in (("S", "{:g}, {:.1f}, {:g}"), ("V", "{:g}, {:.1f}, {:g}")):
        rates = [now[f"nsrdb false {label} per hour, {x}"] for x in ("median", "mean", "worst")]
        rates[0], rates[2] = round(rates[0], 1), round(rates[2], 1)
        assert f"| {unit.format(*rates)} |" in page
    for kind in ("fibrillation", "normal strips"):
        shares = " / ".join(f"{100 * now[f'{kind} called {label}']:.1f}" for label in "SV")
        assert f"| {shares} |" in page


def test_the_card_says_how_often_strips_that_no_network_had_seen_are_called_ectopic() -> None:
    """It had said how often those of the training are, less than two thirds as often."""
    card = available_models()["beats"]
    figures = card.metrics["people left out of training, cross-validation, label with the beat"]
    shares = (1 / figures[f"fibrillation called {c}"] for c in "SV")
    (limit,) = (limit for limit in card.limits if limit.startswith("In atrial fibrillation"))
    assert re.findall(r"one(?: beat)? in (\d+)", limit) == [f"{share:.0f}" for share in shares]
    assert limit in Recipe.load("beats").limits


def test_the_figures_of_bad_signal_are_those_of_their_file() -> None:
    """A method was said to report no beat in a kind of noise in which it reports some."""
    found = json.loads((DOCS / "bad_signal.json").read_text("utf-8"))
    page = re.sub(r"\s+", " ", (DOCS / "figures.md").read_text("utf-8"))
    noise = found["adaptive"]["noise_beats_a_minute"]
    silent = ("white", "pink", "walk")
    assert not any(rate for kind in silent for rate in noise[kind].values())
    flicker = max(120 * max(noise[f"flicker {n}"].values()) for n in (1, 2, 3))
    assert 3.5 < flicker < 4.5
    assert "no beat in two hours each of white and pink noise and a random walk" in page
    assert "at most four in two hours of a converter's flicker" in page
    after = {method: found[method]["after_bad_stretches"] for method in ("neural", "adaptive")}
    for kind, words in (
        ("motion", "after motion"),
        ("drift", "after drift"),
        ("saturated", "after saturation"),
        ("fainter 10", "after a fall of the gain to a tenth"),
        ("fainter 3", "to a third"),
    ):
        missed, of_adaptive = (after[method][kind]["missed"] for method in after)
        assert f"{missed} ({of_adaptive}) {words}" in page
    lost = {method: after[method]["motion"]["still lost"] for method in after}
    limits = re.sub(r"\s+", " ", (DOCS / "concepts" / "detection.md").read_text("utf-8"))
    assert f"in {lost['neural']} of 144 made stretches (`adaptive`: {lost['adaptive']})" in limits
    assert f"after up to {after['neural']['fainter 10']['latest_s']:.0f} s." in limits
