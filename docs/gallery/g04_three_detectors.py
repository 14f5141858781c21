"""
Three detectors in noise
========================

Electrode-motion noise at 6 dB (MIT-BIH Noise Stress Test, an excerpt of 118e06): beats found by
each method, beside the reference.
"""

import matplotlib.pyplot as plt
import numpy as np

from ecgfast import detect_qrs, read_record
from ecgfast.evaluation import score_detection

record = read_record("../../tests/excerpts/nstdb/118e06")
reference = record.annotations.sample

found = {
    method: detect_qrs(record.lead(0), record.fs, method=method)
    for method in ("adaptive", "neural", "pan-tompkins")
}
for method, peaks in found.items():
    score = score_detection(reference, peaks, record.fs, start=0)
    print(f"{method:13} sensitivity {score.sensitivity:.3f}, +P {score.positive_predictivity:.3f}")

# %%
# The reference is black; half a minute is an illustration, and no measurement.

time = np.arange(len(record.signal)) / record.fs
fig, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.plot(time, record.lead(0), linewidth=0.7, color="0.5")
rows = {"reference": reference, **found}
for row, (name, peaks) in enumerate(rows.items()):
    axes.plot(peaks / record.fs, np.full(len(peaks), 3.2 + 0.5 * row), "|", markersize=10,
              color="k" if name == "reference" else f"C{row}", label=name)  # fmt: skip
axes.set(xlabel="s", ylabel="mV", xlim=(0, 15))
axes.legend(loc="lower right", ncols=4, fontsize="small")
