"""Pictures of trainings show the numbers that they were given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError
from ecgfast.reports.training import (
    candidates_figure,
    confusion_figure,
    draw_score,
    learning_figure,
    precision_recall_figure,
    roc_figure,
    value_figure,
)
from ecgfast.training.scoring import write_score


def test_curves_show_both_parts() -> None:
    history = [
        {"epoch": i, "learning rate": 0.1, "accuracy": 0.5, "loss": 1 / i, "validation loss": 2 / i}
        for i in (1, 2, 3)
    ]
    loss, accuracy = learning_figure(history, "trial").axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[1, 1 / 2, 1 / 3], [2, 1, 2 / 3]]
    assert len(accuracy.lines) == 1
    with pytest.raises(InputError, match="no epochs"):
        learning_figure([])


def test_confusion_shows_counts_and_shares() -> None:
    (ax,) = confusion_figure([[9, 1, 0], [1500, 500, 0], [2, 0, 0]], "NV").axes
    texts = [text.get_text() for text in ax.texts]
    assert texts[:2] == ["9\n90.0 %", "1\n10.0 %"]
    assert texts[3] == "1,500\n75.0 %"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["N", "V", "missed"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["N", "V", "false"]


def test_curves_of_one_probability() -> None:
    pytest.importorskip("sklearn", reason="curves need scikit-learn (extra train)")
    target, probability = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    (ax,) = roc_figure(target, probability).axes
    assert ax.get_legend().get_texts()[0].get_text() == "area 0.7500"
    (ax,) = precision_recall_figure(target, probability).axes
    assert ax.get_legend().get_texts()[0].get_text() == "average precision 0.8333"
    with pytest.raises(InputError, match="both classes"):
        roc_figure([1, 1], [0.2, 0.3])


def test_values_and_candidates() -> None:
    target = np.array([[60.0, 120.0], [70.0, 130.0]])
    figure = value_figure(target, target + 1, ("minimum", "maximum"))
    assert [ax.get_xlabel() for ax in figure.axes] == ["minimum, reference", "maximum, reference"]
    folds, pooled = [[0.5, 0.6], [0.7, 0.8]], [(0.55, 0.4, 0.7), (0.75, 0.6, 0.9)]
    (ax,) = candidates_figure(["a", "b"], folds, pooled, criterion="F1").axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_xlabel().startswith("F1")


def test_a_score_s_file_holds_its_report(tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn (extra train)")
    path = write_score(tmp_path / "scores", "DS2, float32", "NV", [[8, 2], [1, 4]])
    assert path.name == "ds2-float32.json"
    content = json.loads(path.read_text())
    target, given = [0] * 10 + [1] * 5, [0] * 8 + [1] * 2 + [0] + [1] * 4
    assert content["report"]["accuracy"] == pytest.approx(metrics.accuracy_score(target, given))
    assert content["report"]["V"]["f1-score"] == pytest.approx(metrics.f1_score(target, given))
    assert [p.name for p in draw_score(path)] == ["ds2-float32.confusion.png"]
    assert "macro avg" in path.with_suffix(".txt").read_text()
    path.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        draw_score(path)
