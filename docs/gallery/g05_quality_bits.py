"""
Quality bits
============

Samples that are missing, muscle noise, a converter at its limit: what each beat says of it.
"""

import matplotlib.pyplot as plt
import numpy as np

from ecgfast import BeatStream, Quality
from ecgfast.records import synthetic_ecg

record = synthetic_ecg(40, 250, seed=5)
signal = record.lead(0).copy()
fs = record.fs
at = np.arange(len(signal)) / fs
rng = np.random.default_rng(0)
signal[(at > 10) & (at < 14) & (at % 0.5 < 0.08)] = np.nan  # samples are lost
noisy = (at > 19) & (at < 24)
signal[noisy] += rng.normal(0, 0.4, noisy.sum())
loud = (at > 29) & (at < 35)
signal[loud] = (3 * signal[loud]).clip(-1.5, 1.5)  # the gain is too high

stream = BeatStream(fs)
batches = [stream.process(signal), stream.flush()]
samples = np.concatenate([batch.sample for batch in batches])
quality = np.concatenate([batch.quality for batch in batches])

for bit in Quality:
    if count := np.count_nonzero(quality & bit.value):
        print(f"{bit.name:10} {count} beats")

# %%
# Blue: good. Red: some bit is set, and the beat should not count in a statistic of RR intervals.

fig, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
axes.plot(at, signal, linewidth=0.7, color="0.4")
good = quality == 0
for chosen, colour, name in ((good, "C0", "good"), (~good, "C3", "flagged")):
    axes.plot(samples[chosen] / fs, signal[samples[chosen]], "o", color=colour, label=name)
axes.set(xlabel="s", ylabel="mV")
axes.legend(loc="lower right")
