"""Pages about the model of beat classes: figures for a reader of papers, a card for a clinician.

    python bench/beats_pages.py $ECGFAST_DATA --folder docs

Writes beats.md (intervals, other models, calibration), beats-card.md (whom it was made from,
what it is for, where it fails) and their pictures. Figures come from the model's
card, which `ecgfast train beats` wrote, and for the records one by one, and what thresholds reach
on them, from its file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from beats_pictures import draw_mistakes, draw_probabilities

from ecgfast.evaluation import (
    AAMI_CLASSES,
    BeatModelScores,
    evaluate_beat_model,
    evaluate_probabilities,
    is_beat,
)
from ecgfast.evaluation.beat_model import PUBLISHED
from ecgfast.evaluation.classes import confusion_matrix, from_matrix
from ecgfast.evaluation.false_alarms import ECTOPIC, HEALTHY, STRIPS
from ecgfast.records import read_record
from ecgfast.runtime import Classifier, ModelCard
from ecgfast.runtime.cards import LOOKAHEAD_LABELS
from ecgfast.runtime.corrections import Corrections
from ecgfast.training.datasets.splits import DS2, patient_of

ONE_PATIENT = "mitdb/232"
#: Heading of the card's figures of cross-validation.
LEFT_OUT_OF_TRAINING = "people left out of training, cross-validation"
#: How many of the least sure beats of the first five minutes are corrected, patient by patient.
ANSWERS, FIRST_S = (0, 5, 10, 20), 300.0
#: What was worse or no better in cross-validation over the same patients and folds.
LEFT_OUT = (
    "Ventricular beats of one training patient put into the recordings of another, at early times: "
    "V F1 of svdb is lower. Whole recordings made at other heart rates, made sinus arrhythmia, "
    "two random versions of each made rhythm, nine passes or four: no better, or worse. A made "
    "sinus rhythm that changes its rate abruptly: as good, with fewer normal beats called S and "
    "fewer beats of tachycardia found.",
    "Weights that make all classes alike: worse, once calibrated too. Mild weights, resampling and "
    "the focal loss: nothing was shown ([side by side](beats-balancing.md)).",
    "With the recipe before (no nsrdb, no cinc2017), by five folds: the window alone (F1 of S and "
    "V -0.24 [-0.29, -0.16]) and the features alone (-0.025 [-0.048, -0.008]) were worse; without "
    "P waves, without the patient's baseline and with mixed pairs of beats nothing was shown.",
    "A balanced part of the training beats: an eighth of the normal ones in each pass, classes "
    "weighted mildly, as in early models. The items below were tried with it and without made "
    "rhythms.",
    "Scores of each shape feature against the patient's own scatter, quantiles of the last 64 RR "
    "intervals, irregularity and the share of early beats over a minute: worse on svdb.",
    "The home rhythm in place of the local one: fast irregular rhythms are then called S.",
    "Mixed pairs of beats with stronger noise and dropout: S and V F1 are lower.",
    "Second leads, two sums of both leads in shares drawn at random, and recordings that begin in "
    "noise (calibration pulses, spikes, motion, muscle) as training beats too, and strips with "
    "three times the weight: candidate 'other leads and noisy starts' of `ecgfast crossval "
    "beats`. In three folds of half of the beats, by a script by hand, its criterion was higher by "
    "0.05 and 0.02 (two seeds); trained whole, five folds of all beats, it was lower: 0.691 and "
    "0.694 (two seeds; the model 0.718), with S F1 of svdb 57.8 and 57.5 (62.3) and V F1 85.3 and "
    "85.4 (87.8). What it gained: V F1 of DS2 from detected beats 95.5 and 95.6 (94.8; other seeds "
    "of the recipe 95.0 and 95.5), beats of fibrillation called V 1.1 and 0.9 % (1.6). With half "
    "of the patients in training and the others labelled from both leads (`bench/leads.py` with "
    "that recipe): false V per hour of the healthy 0.4 (3.8), the mean of patients' S F1 71.2 on "
    "svdb (68.8) and 53.1 on DS1 (66.6). Starts in noise mend one thing: two of three other seeds "
    "of the recipe in use call nsrdb 19090 V for two minutes after the pulses that it begins with; "
    "the model's seed does not.",
    "Second leads alone, with the weight of the first ones or three tenths of it: with half of the "
    "patients in training and the other half labelled from both leads, S F1 of svdb was 67.9 and "
    "70.5 (first leads alone, two seeds: 62.9 and 65.5) and V F1 88.7 and 89.3 (90.3 and 91.1), S "
    "F1 of mitdb's DS1 54.9 and 56.2 (59.6 and 55.9); false V per hour of the healthy were 30 and "
    "27 on average (3.8 and 4.0). Candidate 'second leads too' has them with another weight.",
    "Half and twice the width and the batch, a third of the learning rate and three times it, with "
    "the recipe that had no made rhythms yet: nothing was shown, as the 95 % intervals of the "
    "difference in F1 of S and V (five folds by patient) all contained 0. Half as many passes: no "
    "better.",
    "Boosted trees on the same features: lower S F1 on svdb than the network.",
    "The mean of three networks of other seeds: better than one of them on average, but three "
    "times as large. Distilled into one network (their mean as half of the target, or as all of "
    "it): no better than a network of the same seed that learns from the labels alone.",
)


def percent(value: float | None) -> str:
    """A share in %, or a dash where it is not defined."""
    return "-" if value is None or value != value else f"{100 * value:.1f}"  # noqa: PLR0124


def counted(counts: dict[str, int]) -> str:
    """Numbers of beats, class by class."""
    return ", ".join(f"{n:,} {label}" for label, n in counts.items() if n)


def with_interval(score: dict[str, Any], label: str, figure: str) -> str:
    """A figure and its 95 % interval over patients."""
    low, high = score["intervals_95"][label].get(figure, (None, None))
    return f"{percent(score['classes'][label][figure])} [{percent(low)}, {percent(high)}]"


def class_rows(scores: dict[str, dict[str, Any]]) -> list[str]:
    """A table: a row for each score, N, S and V in columns."""
    lines = [
        "| | N Se | S Se | S +P | S F1 | V Se | V +P | V F1 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, score in scores.items():
        cells = [with_interval(score, "N", "sensitivity")]
        for label in ("S", "V"):
            cells += [
                with_interval(score, label, figure)
                for figure in ("sensitivity", "positive_predictivity", "f1")
            ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def tested(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Scores on DS2 by heading."""
    return {
        f"{score['form']}, {score['beats']} beats, {LOOKAHEAD_LABELS[score['lookahead']]}": score
        for score in card.metrics["scores"]
    }


def validated(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Scores of cross-validation by database and view."""
    start = "cross-validation, calibrated, "
    return {k.removeprefix(start): v for k, v in card.metrics.items() if k.startswith(start)}


def lead_rows(scores: dict[str, list[BeatModelScores]]) -> list[str]:
    """A table: scores on the first lead, the second and both."""
    told = {
        f"{leads}, {score.beats} beats, {LOOKAHEAD_LABELS[score.lookahead]}": score
        for leads, of in scores.items()
        for score in of
    }
    lines = class_rows({title: score.to_dict() for title, score in told.items()})
    lines[0] += " S F1 without 232 |"
    lines[1] += " --- |"
    alone = [percent(score.scores(without=(ONE_PATIENT,)).f1("S")) for score in told.values()]
    return lines[:2] + [f"{line} {f1} |" for line, f1 in zip(lines[2:], alone, strict=True)]


def figures_page(
    card: ModelCard,
    probabilities: list[dict[str, Any]],
    leads: dict[str, list[BeatModelScores]],
    corrected: list[str],
) -> str:
    """Figures, leads, corrections, other models and calibration."""
    lines = [
        "# Beat classes of patients never seen",
        "",
        "Written by `bench/beats_pages.py` from the card of the model `beats`. All figures in %; "
        "in brackets 95 % intervals (bootstrap over patients). Se: sensitivity, +P: positive "
        "predictivity.",
        "",
        "## Test: MIT-BIH DS2, 22 records",
        "",
        "Record 202 is of the person of 201, who is in training: a known flaw of this split.",
        "",
        *class_rows(tested(card)),
        "",
        "Three in four S beats of DS2 are one patient's (record 232), so the pooled S figures are "
        "nearly those of one patient. Without it:",
        "",
        "| | S F1 |",
        "| --- | --- |",
    ]
    for title, told in card.metrics.items():
        if title.startswith("DS2 "):
            row = title[4:].replace("own detections", "detected beats")
            lines.append(f"| {row} | {percent(told.get('S F1 without record 232'))} |")
    lines += [
        "",
        *patient_section(card),
        *false_alarm_section(card),
        "## One lead and two",
        "",
        "The same test with the same network (float32), which was trained on first leads only: "
        "applied to the second lead, and the mean of its log-odds on both leads, as "
        "recordings with two leads are labelled by default (`--no-average-leads` labels the first "
        "alone; here `ecgfast evaluate beats --leads 0,1`). R peaks are detected on the leads "
        "named.",
        "",
        *lead_rows(leads),
        "",
        "## Some answers for each patient",
        "",
        "Within a patient the probabilities rank beats well, but their level differs from patient "
        "to patient. An expert labels the least certain beats of the first five minutes, "
        "`StreamingClassifier.correct(beat, label)` fits one offset for each class, and the beats "
        "after those five minutes are scored (DS2, reference beats, label with the beat; the "
        "expert's labels are the annotations). This helps a patient whose level is far off, here "
        "232; the others gain little or nothing:",
        "",
        *corrected,
        "",
        "## Cross-validation over the training patients",
        "",
        "Five folds by patient over DS1, svdb, nsrdb and strips, reference beats; each beat "
        "labelled by a network that had not seen its patient, calibrated over all folds. The "
        "recipe was chosen on these folds too, so these figures are optimistic. How much of a "
        "difference is chance: [the model from other seeds](beats-spread.md). The recipe before "
        "this one gave S F1 69, 45 and 49 on DS2 with three seeds: a difference of pooled S F1 on "
        "DS2 below about twenty points is within chance.",
        "",
        *class_rows(validated(card)),
        "",
        "One patient of svdb, 865, has a quarter of its S beats: a tachycardia of twelve minutes "
        "that looks like a sinus rhythm.",
        "",
        *made_section(card),
        "## Published figures of others",
        "",
        "| | figures | on |",
        "| --- | --- | --- |",
        *(f"| {who} | {what} | {where} |" for who, what, where in PUBLISHED),
        "",
        "Their protocols differ from paper to paper, in the leads and in how much of a recording "
        "they use; the figures above are causal and from one lead.",
    ]
    lines += ["", "## Tried and left out", "", *(f"* {what}" for what in LEFT_OUT)]
    lines += [
        "",
        "`ecgfast crossval beats` compares [inputs](beats-inputs.md), and with `--study balancing` "
        "[ways of balancing the classes](beats-balancing.md). More: "
        "[recordings that had no part in it](beats-elsewhere.md), "
        "[worse signals](beat_robustness.md), "
        "[card for a clinician](beats-card.md).",
        "",
        "![Reliability and rejection](beats-probabilities.png)",
    ]
    for told in probabilities:
        lines += ["", *probability_section(told)]
    return "\n".join(lines) + "\n"


def patient_section(card: ModelCard) -> list[str]:
    """F1 of S and V patient by patient."""
    lines = [
        "Patient by patient, of those with ten beats of the class:",
        "",
        "| | class | patients | median F1 | mean | quartiles |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, score in tested(card).items():
        for label, told in score["f1_by_patient"].items():
            if told["patients"]:
                shares = [told["median"], told["mean"], *told["quartiles"]]
                median, mean, low, high = map(percent, shares)
                row = [title, label, str(told["patients"]), median, mean, f"{low} to {high}"]
                lines.append(f"| {' | '.join(row)} |")
    return [*lines, ""]


def false_alarm_section(card: ModelCard) -> list[str]:
    """False S and V where there are none."""
    trained = {str(name).partition("/")[0] for name in card.split["training"]}
    lines = [
        "## False S and V where there are none",
        "",
        "Nine healthy people who move about (nsrdb, half an hour each), and handheld strips of "
        "normal rhythm and of atrial fibrillation (cinc2017), from detected beats. A false S or V "
        "is a beat called so that is none, a false detection among them. Beats of strips have no "
        "reference labels: in fibrillation and normal rhythm none is S, and few are V. cinc2017 "
        "does not publish which strips are of one person, so a person may have one strip in "
        "training and another in the test. "
        "`ecgfast evaluate beats --data DATA` prints these tables.",
        "",
    ]
    learnt = sorted({HEALTHY, STRIPS} & trained)
    if learnt:
        lines += [
            "**People left out of training.** Each person and each strip by a network of "
            "cross-validation that had not seen them, reference beats of nsrdb and detected beats "
            "of strips, calibrated. Other people of the same databases were in training, and the "
            "recipe was chosen on these folds too, so these figures are optimistic:",
            "",
            *left_out_rows(card),
            "",
            f"**The model itself.** {' and '.join(learnt)} are in its training, so this is no test "
            "of it, except for false detections:",
            "",
        ]
    lines += [*false_rate_rows(card), "", *strip_rows(card), ""]
    return lines


def left_out_rows(card: ModelCard) -> list[str]:
    """Tables: false S and V of people and strips that a network had not seen."""
    views = {view: card.metrics[f"{LEFT_OUT_OF_TRAINING}, {view}"] for view in LOOKAHEAD_LABELS}
    lines = [
        "| false per hour, healthy people | class | median | mean | worst |",
        "| --- | --- | --- | --- | --- |",
    ]
    for view, told in views.items():
        for label in ECTOPIC:
            figures = ("median", "mean", "worst")
            rates = [f"{told[f'{HEALTHY} false {label} per hour, {x}']:.1f}" for x in figures]
            lines.append(f"| {view} | {label} | {' | '.join(rates)} |")
    kinds = ("fibrillation", "normal strips")
    columns = [f"{kind} called {label}" for kind in kinds for label in ECTOPIC]
    lines += ["", f"| % of beats | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for view, told in views.items():
        lines.append(f"| {view} | {' | '.join(percent(told[name]) for name in columns)} |")
    return lines


def false_rate_rows(card: ModelCard) -> list[str]:
    """A table: false S and V per hour of healthy people."""
    lines = [
        "| false per hour, healthy people | class | median | mean | worst record |",
        "| --- | --- | --- | --- | --- |",
    ]
    for told in card.metrics["false alarms per hour, nsrdb"]:
        for label in ECTOPIC:
            one = told[label]
            title = f"{told['form']}, {LOOKAHEAD_LABELS[told['lookahead']]}"
            worst = f"{one['worst']:.0f} ({one['worst record']})"
            lines.append(
                f"| {title} | {label} | {one['median']:.1f} | {one['mean']:.1f} | {worst} |"
            )
    return lines


def strip_rows(card: ModelCard) -> list[str]:
    """A table: beats of strips that are called S and V."""
    shares = {
        "called": "share",
        "in the first 3 s": "share of the first three seconds",
        "strips with over a tenth": "share of strips with over a tenth",
    }
    columns = [f"{label} {what}" for what in shares for label in ECTOPIC]
    lines = [
        f"| strips, % | beats | {' | '.join(columns)} |",
        f"| --- | --- |{' --- |' * len(columns)}",
    ]
    for told in card.metrics["strips, cinc2017"]:
        cells = [percent(told[label][key]) for key in shares.values() for label in ECTOPIC]
        title = f"{told['rhythm']}, {told['form']}, {LOOKAHEAD_LABELS[told['lookahead']]}"
        lines.append(f"| {title} | {told['beats']:,} | {' | '.join(cells)} |")
    return lines


def corrected_rows(score: BeatModelScores, data: Path) -> list[str]:
    """A table: scores of the beats after five minutes, by number of corrected beats before."""
    matrices = np.zeros((len(ANSWERS), len(score.records), len(AAMI_CLASSES), len(AAMI_CLASSES)))
    for i, name in enumerate(score.records):
        rows = score.record == i
        outputs, target = score.outputs[rows].astype(np.float64), score.target[rows]
        record = read_record(data / name, leads=0)
        marks = record.annotations
        assert marks is not None
        at = marks.sample[is_beat(marks.symbol) & (marks.sample < record.n_samples)]
        early = np.flatnonzero(at < FIRST_S * record.fs)
        late = at >= FIRST_S * record.fs
        least_sure = early[np.argsort(outputs[early].max(axis=1), kind="stable")]
        for k, answers in enumerate(ANSWERS):
            corrections = Corrections(AAMI_CLASSES)
            for row in least_sure[:answers]:
                corrections.add(outputs[row].tolist(), AAMI_CLASSES[target[row]])
            shown = corrections(outputs[late]) if answers else outputs[late]
            matrices[k, i] = confusion_matrix(target[late], shown.argmax(axis=1), len(AAMI_CLASSES))
    lines = [
        "| answers for each patient | S F1 | V F1 | S F1 without 232 |",
        "| --- | --- | --- | --- |",
    ]
    others = [name != ONE_PATIENT for name in score.records]
    for answers, of in zip(ANSWERS, matrices.astype(np.int64), strict=True):
        total, rest = (from_matrix(m.sum(axis=0), AAMI_CLASSES) for m in (of, of[others]))
        figures = [total.f1("S"), total.f1("V"), rest.f1("S")]
        lines.append(f"| {answers} | {' | '.join(map(percent, figures))} |")
    return lines


def made_section(card: ModelCard) -> list[str]:
    """What was made of the training recordings, and why."""
    counts = card.data["made_examples"]
    return [
        "## Made rhythms",
        "",
        "Few training patients have more than a beat or two of each kind of atrial rhythm, and "
        "almost none is recorded during exercise. Training therefore also uses made recordings "
        "of each patient; no test and no cross-validation scores them. They consist of the "
        "patient's own beats at other intervals, with other P waves: premature atrial beats and "
        "tachycardia of sudden onset (S); atrial fibrillation and flutter (N, as in EC57); and "
        "exertion (N): a sinus rhythm that speeds up and slows down gradually, as in exercise, on "
        "standing up and in deep breathing, with the patient's own P waves and a QT interval that "
        "follows the rate. Its rate changes no faster than in whole days of nine healthy people "
        "(nsrdb_rr). These nine are also the healthy people of this page, so this limit was set "
        "with them in sight. Training also uses recordings that start in the middle (cold "
        "starts), because in the first seconds nothing is known of the patient. The C core cuts "
        "all these beats as it cuts recorded ones. They are "
        + counted(counts)
        + "; in cross-validation a network is trained on those made from its own training "
        "patients only. Healthy people (nsrdb) and handheld strips (cinc2017) are training data "
        "too: beats of a normal rhythm are N, and so are those of fibrillation that are not wide "
        "(wide ones, and beats in bad signal, are left out).",
        "",
        "The gain in S from made premature beats, tachycardia and fibrillation in "
        "cross-validation comes mostly from one patient, svdb 865. On the other half of svdb, "
        "which is in no training, the recipe before this one was trained with three seeds with "
        "and without them: S F1 changed by -0.1 points [-2.1, 1.7] and V F1 by +0.2 [-1.2, 1.4]; "
        "beats of fibrillation called S fell from 14.8 to 11.2 %; regular fast sinus rhythm was "
        "called S more often, so exertion and healthy people were added. "
        "The recipe in use, which learns from nsrdb and cinc2017 too, is not shown to need them: "
        "without any made beats the criterion is the same (+0.000 [-0.027, +0.040]), and beats of "
        "fibrillation called S are fewer, 2.0 in place of 2.9 % ([inputs](beats-inputs.md): three "
        "folds, half of the beats, one seed).",
        "",
        "![What is made of a recording](made-rhythms.png)",
        "",
        "Drawn by `python bench/rhythm_augmentation.py DATA`.",
        "",
    ]


def probability_section(told: dict[str, Any]) -> list[str]:
    """Reliability, rejection and operating points of one view, promised and reached."""
    sides = [told["promised"], told["reached"]]
    errors = [f"{100 * side['expected_calibration_error']:.2f}" for side in sides]
    lines = [
        f"## Probabilities, {LOOKAHEAD_LABELS[told['lookahead']]}",
        "",
        f"Expected calibration error {errors[0]} points in cross-validation, {errors[1]} on DS2.",
        "",
        "| probability of the label | beats | mean | right | beats, DS2 | mean | right |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    bins = [{row["from"]: row for row in side["bins"]} for side in sides]
    for start in sorted(bins[0] | bins[1]):
        cells = []
        for row in (side.get(start) for side in bins):
            cells += (
                ["0", "-", "-"]
                if row is None
                else [f"{row['beats']:,}", percent(row["probability"]), percent(row["right"])]
            )
        lines.append(f"| {start:.1f} to {start + 0.1:.1f} | " + " | ".join(cells) + " |")
    rejections = [row for row in told["decisions"] if row["by"] == "reject"]
    thresholds = [row for row in told["decisions"] if row["by"] != "reject"]
    return [
        *lines,
        "",
        "Rejecting the least sure beats (`Decision(reject=...)`, `--reject`):",
        "",
        *decision_rows(rejections, ("kept", "accuracy")),
        "",
        "Thresholds of one class's probability (`Decision(sensitivity=...)`, "
        "`Decision(positive_predictivity=...)`):",
        "",
        *decision_rows(thresholds, ("Se", "+P")),
        "",
        "\\* Sensitivities of S do not hold for patients of other recordings: on the other half of "
        "svdb, which is in no training, 80, 90 and 95 % became 64, 80 and 90. Levels whose other "
        "figure falls below 20 % are not offered.",
    ]


def decision_rows(rows: list[dict[str, Any]], names: tuple[str, str]) -> list[str]:
    """A table: a row a threshold, as cross-validation promised it and as DS2 had it."""
    columns = ["wanted", "threshold", *names, *(f"{name}, DS2" for name in names)]
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in rows:
        star = "" if row.get("holds", True) else " \\*"
        cells = [f"{row.get('class', '')} {row['by']} {percent(row['wanted'])}{star}".strip()]
        cells.append(percent(row["threshold"]))
        for side in (row["promised"], row["reached"]):
            for name, (low, high) in side["intervals_95"].items():
                cells.append(f"{percent(side[name])} [{percent(low)}, {percent(high)}]")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def failures(score: BeatModelScores) -> list[str]:
    """Records with the most mistakes."""
    wrong = [int(m.sum() - np.trace(m)) for m in score.matrices]
    lines = [
        "| record | beats | wrong | N Se | S beats | S Se | V beats | V Se | mistake made most |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for i in np.argsort(wrong)[::-1][:10]:
        matrix = score.matrices[i]
        one = from_matrix(matrix, AAMI_CLASSES)
        off = matrix - np.diag(np.diag(matrix))
        worst, called = np.unravel_index(off.argmax(), off.shape)
        lines.append(
            f"| {score.records[i]} | {matrix.sum():,} | {wrong[i]:,} | "
            f"{percent(one.sensitivity('N'))} | {matrix[1].sum():,} | "
            f"{percent(one.sensitivity('S'))} | {matrix[2].sum():,} | "
            f"{percent(one.sensitivity('V'))} | {AAMI_CLASSES[worst]} called "
            f"{AAMI_CLASSES[called]}: {off.max():,} |"
        )
    return lines


def clinical_page(card: ModelCard, score: BeatModelScores, picture: str) -> str:
    """The card."""
    scores = tested(card)
    main_ones = {title: s for title, s in scores.items() if title.startswith("float32, detected")}
    counts = card.data["training_beats"]
    lines = [
        "# Card of the model `beats`",
        "",
        "Written by `bench/beats_pages.py`.",
        "",
        "**What it does.** Gives each heartbeat of one ECG lead an AAMI class: N (normal and "
        "bundle branch block), S (supraventricular ectopic), V (ventricular ectopic), F (fusion), "
        "Q (unknown), with a probability for each, as the signal comes in: about a quarter of a "
        "second after the R peak, or one beat later.",
        "",
        "**What it must not be used for.** It is not a medical device. Not for diagnosis, alarms "
        "or therapy; not for paced rhythms, children or leads far from the limb leads; not to "
        "exclude an arrhythmia. It labels beats, not rhythms: it detects no atrial fibrillation, "
        "ventricular fibrillation or asystole.",
        "",
        "**Whom it was made from.** "
        f"{card.data['training_patients']} patients of {', '.join(card.data['databases'])} "
        "(ambulatory recordings, first lead, 30 minutes each): "
        + counted(counts)
        + ". The databases' reference labels, mapped to the AAMI classes. Paced "
        "records were left out. And rhythms made from those recordings, for training alone "
        "([what they are](beats.md#made-rhythms)): " + counted(card.data["made_examples"]) + ".",
        "",
        "**How good it is on patients it had not seen** (MIT-BIH DS2, 22 records, detected beats; "
        "%, 95 % intervals over patients; record 202 is the person of 201, who is in training):",
        "",
        *class_rows(main_ones),
        "",
        "**False alarms.** In nine healthy people who move about, and in strips (detected beats). "
        "The model was trained on these people and strips, so this is no test; figures of people "
        "left out of training are in [beats.md](beats.md#false-s-and-v-where-there-are-none).",
        "",
        *false_rate_rows(card),
        "",
        *strip_rows(card),
        "",
        "So a count of S in a patient with atrial fibrillation still means nothing: look first at "
        "the result of `normality` for the recording.",
        "",
        "F and Q come from too few patients for meaningful figures. Three in four S beats of this "
        "test are one patient's (record 232). The intervals are wide: a single patient can be far "
        "from the mean.",
        "",
        "**Where it fails.** Records with the most mistakes (reference beats, no waiting):",
        "",
        *failures(score),
        "",
        "The most confident mistake of each of the records with the most mistakes; grey: right, "
        "red: wrong.",
        "",
        f"![Typical mistakes]({picture})",
        "",
        "**Known limits.**",
        "",
        *(f"* {limit}" for limit in card.limits),
        "",
        "More figures: [beats.md](beats.md).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder that holds mitdb")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    args = parser.parse_args()
    classifier = Classifier("beats", precision="float32")
    assert classifier.card is not None
    picture = "beats-mistakes.png"
    draw_mistakes(classifier, args.data, args.folder / picture)
    records = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
    leads = {
        title: evaluate_beat_model(classifier, args.data, records, leads=columns)
        for title, columns in (("first lead", (0,)), ("second lead", (1,)), ("both", (0, 1)))
    }
    reference = leads["first lead"][: len(LOOKAHEAD_LABELS)]
    probabilities = [evaluate_probabilities(classifier, score) for score in reference]
    draw_probabilities(probabilities, args.folder / "beats-probabilities.png")
    pages = {
        "beats.md": figures_page(
            classifier.card, probabilities, leads, corrected_rows(reference[0], args.data)
        ),
        "beats-card.md": clinical_page(classifier.card, reference[0], picture),
    }
    for name, text in pages.items():
        (args.folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
