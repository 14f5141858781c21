"""Detection in noise: sensitivity and positive predictivity against the signal-to-noise ratio.

    python bench/noise_stress.py $ECGFAST_DATA --json docs/noise_stress.json \
        --markdown docs/noise_stress.md --picture docs/noise_stress.png

(`--only ecgfast --others docs/noise_stress.json` leaves the others' figures as they were.)

The recipe is that of the MIT-BIH Noise Stress Test Database (Moody, Muldrow and Mark, Computers in
Cardiology 11, 1984), as the documentation of WFDB's `nst` describes it. A record that is analysed
nearly without error when clean gets noise from a recording without ECG: baseline wander (`bw`) or
muscle (`ma`). The first five minutes stay clean, then two minutes with noise and two without take
turns. The noise is scaled to the wanted ratio of powers:

* signal: the range of the lead within 50 ms of each of the first 300 normal beats; the mean of
  these, without the 5 % largest and smallest, squared and divided by 8 (the power of a sinusoid of
  that range);
* noise: the standard deviation in each of the first 300 seconds; the mean of these, without the
  5 % largest and smallest, squared.

Where noise begins or ends, the signal is shifted so that it does not jump. `118e` are the
database's own records: 118 with electrode motion, the hardest kind.

Counted within the noisy stretches only: AAMI EC57, 150 ms, one to one, ventricular flutter left
out. That is harder than the usual count after five minutes, half of which is clean; the JSON holds
both. ecgfast runs live; the others get the whole record at once. `neural` has weights in whose
training was none of this noise, nor 118 and 119 (`fold_a` of `bench/qrs_weights`); 100 and 221
were.

The second table shows how well ecgfast's quality flags find wrong beats. A beat whose signal is
flagged (gap, flat, saturated, noisy) marks the time from half way to the beat before to half way
to the next as not to be trusted, and so does a silence of more than two seconds. Of all missed
and false beats after five minutes, how many lie in such time; and how much of the noisy and of
the clean time is marked. "Or doubtful" is the same with beats of which the detector was not sure,
such as early ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from compiled_core import Found
from generalisation import read_weights
from other_weights import WeightedDetector
from side_by_side import METHODS, Detect, detectors, note, one_thread, own_name

from ecgfast import BeatStream
from ecgfast.core import BeatBatch
from ecgfast.evaluation import (
    AAMI_OF_SYMBOL,
    DetectionScore,
    flutter_intervals,
    is_beat,
    match_beats,
    score_detection,
    total_scores,
)
from ecgfast.evaluation.detector import Method, ReportedBeats
from ecgfast.evaluation.ec57 import LEARNING_S, TOLERANCE_S
from ecgfast.records import Annotations, Record, read_record
from ecgfast.streaming import Quality

# Nearly no errors when clean, by all detectors, yet of many kinds: sinus rhythm, bundle branch
# block, bigeminy, atrial fibrillation with ectopic beats.
RECORDS = ("100", "118", "119", "221")
NOISES = ("bw", "ma")
RATIOS = (24, 18, 12, 6, 0, -6)
OWN_RATIOS = {24: "118e24", 12: "118e12", 6: "118e06", 0: "118e00", -6: "118e_6"}
STRETCH_S = 120.0
SILENCE_S = 2.0
BAD_SIGNAL = int(Quality.GAP | Quality.FLAT | Quality.SATURATED | Quality.NOISY)
FLAGS = {"signal": BAD_SIGNAL, "signal_or_doubtful": BAD_SIGNAL | int(Quality.DOUBTFUL)}

WEIGHTS = Path(__file__).parent / "qrs_weights"
UNSEEN = "fold_a"
"""Weights of `neural` that learned from no recorded noise."""

Lead = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Flagged = BeatBatch | Found
"""Beats with their quality."""


def trimmed_mean(values: npt.ArrayLike) -> float:
    """Mean without the largest and the smallest 5 %."""
    ordered = np.sort(np.asarray(values, np.float64))
    cut = round(0.05 * len(ordered))
    return float(ordered[cut : len(ordered) - cut].mean())


def signal_power(lead: Lead, fs: float, marks: Annotations) -> float:
    """Power that `nst` ascribes to the QRS complexes of a lead, in mV squared."""
    half = round(0.05 * fs)
    normal = [AAMI_OF_SYMBOL.get(symbol) == "N" for symbol in marks.symbol.tolist()]
    at = [r for r in marks.sample[normal].tolist() if half <= r < len(lead) - half][:300]
    return trimmed_mean([np.ptp(lead[r - half : r + half + 1]) for r in at]) ** 2 / 8


def noise_power(noise: Lead, fs: float) -> float:
    """Power of a noise recording, slow drift left out, in mV squared."""
    second = round(fs)
    seconds = noise[: min(300, len(noise) // second) * second].reshape(-1, second)
    return trimmed_mean(seconds.std(axis=1)) ** 2


def noisy_stretches(n: int, fs: float) -> list[tuple[int, int]]:
    """First and last sample of each noisy stretch."""
    step = round(STRETCH_S * fs)
    begins = range(round(LEARNING_S * fs), n, 2 * step)
    return [(begin, min(begin + step, n) - 1) for begin in begins]


def add_noise(clean: Record, noise: Lead, ratio: float) -> Record:
    """The first lead of a record with noise at a signal-to-noise ratio in dB."""
    assert clean.annotations is not None
    lead = clean.signal[:, 0].astype(np.float64)
    power = signal_power(lead, clean.fs, clean.annotations)
    gain = np.sqrt(power / noise_power(noise, clean.fs) / 10 ** (ratio / 10))
    added = np.zeros(len(lead))
    for begin, end in noisy_stretches(len(lead), clean.fs):
        steps = np.diff(np.take(noise, np.arange(begin, end + 1), mode="wrap"))
        added[begin + 1 : end + 1] = steps
    noisy = (lead + gain * np.cumsum(added)).astype(np.float32)
    return Record(noisy, clean.fs, clean.leads[:1], annotations=clean.annotations, name=clean.name)


def cases(data: Path, names: list[str]) -> Iterator[tuple[str, float, Record]]:
    """Kind of noise, its ratio in dB, and the record, one after the other."""
    clean = [read_record(data / "mitdb" / name, leads=0) for name in names]
    for record in clean:
        yield "none", np.inf, record
    for kind in NOISES:
        noise = read_record(data / "nstdb" / kind, leads=0).signal[:, 0].astype(np.float64)
        for ratio in RATIOS:
            for record in clean:
                yield kind, ratio, add_noise(record, noise, ratio)
    for ratio, name in OWN_RATIOS.items():
        yield "118e", ratio, read_record(data / "nstdb" / name, leads=0)


def flagged(batch: Flagged, bits: int, n: int, fs: float) -> Mask:
    """Samples that are not to be trusted, after the beats' flags and where beats are missing."""
    r = batch.sample
    marked = np.zeros(n, bool)
    edges = np.concatenate([[0], (r[1:] + r[:-1]) // 2, [n]]) if len(r) else np.array([0, n])
    for i in np.flatnonzero(batch.quality & bits):
        marked[edges[i] : edges[i + 1]] = True
    ends = np.concatenate([[0], r, [n]])
    for i in np.flatnonzero(np.diff(ends) > SILENCE_S * fs):
        marked[ends[i] : ends[i + 1]] = True
    return marked


def clean_stretches(n: int, fs: float) -> npt.NDArray[np.int64]:
    """The samples outside the noisy stretches."""
    noisy = np.asarray(noisy_stretches(n, fs), np.int64)
    begins = np.concatenate([[0], noisy[:, 1] + 1])
    ends = np.concatenate([noisy[:, 0] - 1, [n - 1]])
    return np.stack([begins, ends], axis=1)


def score(record: Record, found: ReportedBeats) -> tuple[DetectionScore, DetectionScore]:
    """Counts in the noisy stretches, and as usual after five minutes."""
    marks = record.annotations
    assert marks is not None
    beats = marks.sample[is_beat(marks.symbol)]
    flutter = flutter_intervals(marks.sample, marks.symbol.tolist())
    outside = np.concatenate([flutter, clean_stretches(record.n_samples, record.fs)])

    def count(excluded: npt.NDArray[np.int64], start: float) -> DetectionScore:
        return score_detection(
            beats, found.sample, record.fs, flutter=excluded, start=start, record=record.name
        )

    return count(outside, 0.0), count(flutter, LEARNING_S)


def live(method: Method) -> tuple[Detect, Callable[[], Flagged]]:
    """A detector, and the beats with their flags of the record that it had last."""
    last: list[Flagged] = []
    core = None
    if method == "neural":
        core = WeightedDetector(read_weights(WEIGHTS)[UNSEEN])

    def detect(record: Record) -> ReportedBeats:
        lead = record.signal[:, 0]
        if core is None:
            last[:] = [BeatStream(record.fs, method=method).finish(lead)]
        else:
            last[:] = [core.found(lead, record.fs, method)]
        return ReportedBeats(last[0].sample)

    return detect, lambda: last[0]


def flag_counts(record: Record, batch: Flagged) -> npt.NDArray[np.int64]:
    """For each of `FLAGS`: errors flagged, errors; noisy and clean samples flagged, all of each."""
    marks = record.annotations
    assert marks is not None
    n, fs = record.n_samples, record.fs
    beats = marks.sample[is_beat(marks.symbol)]
    pairs = match_beats(beats, batch.sample, TOLERANCE_S * fs)
    wrong = [np.delete(beats, pairs[:, 0]), np.delete(batch.sample, pairs[:, 1])]
    at = np.concatenate(wrong)
    at = at[(at >= LEARNING_S * fs) & (at < n)]
    noisy = np.zeros(n, bool)
    for begin, end in noisy_stretches(n, fs):
        noisy[begin : end + 1] = True
    clean = ~noisy
    clean[: round(LEARNING_S * fs)] = False
    rows = []
    for bits in FLAGS.values():
        on = flagged(batch, bits, n, fs)
        sums = [on[at].sum(), len(at), (on & noisy).sum(), noisy.sum(), (on & clean).sum()]
        rows.append([*sums, clean.sum()])
    return np.array(rows, np.int64)


def measure(data: Path, names: list[str], only: str) -> dict[str, Any]:
    """Run everything."""
    taking_part = detectors(only)
    batches = {}
    for method in METHODS:
        if own_name(method) in taking_part:
            taking_part[own_name(method)], batches[own_name(method)] = live(method)
    scores: dict[tuple[str, float, str], list[tuple[DetectionScore, DetectionScore]]]
    scores = defaultdict(list)
    flags: dict[tuple[str, float, str], npt.NDArray[np.int64]] = {}
    for kind, ratio, record in cases(data, names):
        for name, detect in taking_part.items():
            note(f"{kind} {ratio} dB, record {record.name}: {name}")
            try:
                found = detect(record)
            except Exception as error:  # a peer may fail on noise: its beats count as missed
                print(f"{name}: {kind} {ratio} dB, {record.name}: {error}", file=sys.stderr)
                found = ReportedBeats(np.empty(0, np.int64))
            key = (kind, ratio, name)
            scores[key].append(score(record, found))
            if name in batches:
                flags[key] = flags.get(key, 0) + flag_counts(record, batches[name]())
    return {
        "records": names,
        "detectors": list(taking_part),
        "scores": [
            {
                "noise": kind,
                "snr_db": ratio if np.isfinite(ratio) else None,
                "detector": name,
                "noisy_stretches": total_scores(one for one, _ in both).gross.to_dict(),
                "after_300_s": total_scores(one for _, one in both).gross.to_dict(),
            }
            for (kind, ratio, name), both in scores.items()
        ],
        "flags": [
            {
                "noise": kind,
                "snr_db": ratio if np.isfinite(ratio) else None,
                "detector": name,
                "errors": int(sums[0, 1]),
                **{
                    flag: {
                        "errors": _share(own[0], own[1]),
                        "noisy_time": _share(own[2], own[3]),
                        "clean_time": _share(own[4], own[5]),
                    }
                    for flag, own in zip(FLAGS, sums, strict=True)
                },
            }
            for (kind, ratio, name), sums in flags.items()
        ],
    }


def _share(part: np.int64, whole: np.int64) -> float | None:
    return round(float(part / whole), 4) if whole else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _ratio(row: dict[str, Any]) -> str:
    return "clean" if row["snr_db"] is None else f"{row['noise']} {row['snr_db']:g} dB"


def markdown(result: dict[str, Any]) -> str:
    """Both tables."""
    names = result["detectors"]
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for row in result["scores"]:
        counted = row["noisy_stretches"]
        cells[_ratio(row)][row["detector"]] = (
            f"{counted['sensitivity']:.2f} / {counted['positive_predictivity']:.2f}"
        )
    lines = [
        "# Detection in noise",
        "",
        "Made by `python bench/noise_stress.py recordings --markdown docs/noise_stress.md`.",
        "",
        f"Se / +P in %, noisy stretches of records {', '.join(result['records'])} "
        "(118e: of the database's own). `neural` has weights that learned from none of this noise,",
        "nor from 118 and 119: `fold_a` of `bench/qrs_weights`; 100 and 221 were in its training.",
        "",
        "| noise | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
        *(f"| {at} | " + " | ".join(by[name] for name in names) + " |" for at, by in cells.items()),
        "",
        "Share of errors, noisy and clean time flagged, in %: bad signal, and (with doubtful)",
        "",
        "| detector | noise | errors | of these flagged | noisy time | clean time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(result["flags"], key=lambda row: names.index(row["detector"])):
        shown = [
            f"{_percent(row['signal'][key])} ({_percent(row['signal_or_doubtful'][key])})"
            for key in ("errors", "noisy_time", "clean_time")
        ]
        lines.append(
            f"| {row['detector']} | {_ratio(row)} | {row['errors']} | " + " | ".join(shown) + " |"
        )
    return "\n".join(lines) + "\n"


def draw(result: dict[str, Any], path: Path) -> None:
    """One picture: sensitivity above, positive predictivity below, a column for each noise."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    kinds = {"bw": "baseline wander", "ma": "muscle", "118e": "electrode motion (118eXX)"}
    lines_of = {own_name("adaptive"): "--", own_name("pan-tompkins"): ":"}
    figures = {"sensitivity": "sensitivity, %", "positive_predictivity": "positive predictivity, %"}
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.5), sharex=True, sharey=True)
    others = [name for name in result["detectors"] if not name.startswith("ecgfast")]
    # Red is ecgfast's.
    palette = [colour for i, colour in enumerate(plt.get_cmap("tab10").colors) if i != 3]
    colours = dict(zip(others, palette, strict=False))
    for column, (kind, title) in enumerate(kinds.items()):
        axes[0, column].set_title(title)
        axes[1, column].set_xlabel("signal-to-noise ratio, dB")
        for line, (key, label) in enumerate(figures.items()):
            axis = axes[line, column]
            for name in result["detectors"]:
                rows = [r for r in result["scores"] if (r["noise"], r["detector"]) == (kind, name)]
                own = name not in colours
                axis.plot(
                    [r["snr_db"] for r in rows],
                    [r["noisy_stretches"][key] for r in rows],
                    color="#c1121f" if own else colours[name],
                    linestyle=lines_of.get(name, "-"),
                    linewidth=2.4 if own else 1.2,
                    marker="o",
                    markersize=4 if own else 3,
                    label=name,
                    zorder=3 if own else 2,
                )
            axis.grid(color="#e5e5e5")
            axis.set_ylim(40, 101)
            axis.set_xticks(RATIOS)
            axis.invert_xaxis() if not axis.xaxis_inverted() else None
            if not column:
                axis.set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"QRS detection in noise: mitdb {', '.join(result['records'])}, one lead")
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(path, dpi=130)


def with_others(result: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """The figures, with those of an earlier run for detectors that did not take part now."""
    names = [*result["detectors"], *earlier["detectors"]]
    names = list(dict.fromkeys(names))
    cases = list(dict.fromkeys((row["noise"], row["snr_db"]) for row in result["scores"]))

    def merged(key: str) -> list[dict[str, Any]]:
        rows = result[key] + [r for r in earlier[key] if r["detector"] not in result["detectors"]]
        kept = [row for row in rows if (row["noise"], row["snr_db"]) in cases]
        return sorted(
            kept,
            key=lambda row: (
                cases.index((row["noise"], row["snr_db"])),
                names.index(row["detector"]),
            ),
        )

    return {**result, "detectors": names, "scores": merged("scores"), "flags": merged("flags")}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds mitdb/ and nstdb/")
    parser.add_argument("--records", default=",".join(RECORDS), help="of mitdb")
    parser.add_argument("--only", default="", help="names of detectors that contain this text")
    parser.add_argument(
        "--others",
        type=Path,
        help="figures of an earlier run on the same records, for detectors not run now: the others "
        "take most of the time, and they have not changed",
    )
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    parser.add_argument("--picture", type=Path, help="file for the picture (.png)")
    args = parser.parse_args()
    one_thread()
    warnings.simplefilter("ignore")
    result = measure(args.data, args.records.split(","), args.only)
    if args.others:
        earlier = json.loads(args.others.read_text())
        if earlier["records"] != result["records"]:
            parser.error(f"{args.others}: figures of other records; run all detectors")
        result = with_others(result, earlier)
    result["command"] = "python bench/noise_stress.py DATA"
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.markdown:
        args.markdown.write_text(markdown(result))
    if args.picture:
        draw(result, args.picture)
    print(markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
