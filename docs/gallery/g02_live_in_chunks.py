"""
Live, chunk by chunk
====================

A tenth of a second of samples at a time: when is each beat reported?
"""

import matplotlib.pyplot as plt
import numpy as np

from ecgfast import Classifier, StreamingClassifier
from ecgfast.records import synthetic_ecg

record = synthetic_ecg(60, 360, ventricular=0.1, wander=0.1, muscle=0.02, seed=3)
labeller = StreamingClassifier(Classifier("beats"), record.fs, n_leads=2)

size = 36
times, delays = [], []
for end in range(size, len(record.signal) + 1, size):
    for beat in labeller.process(record.signal[end - size : end]):
        times.append(beat.time)
        delays.append(end / record.fs - beat.time)

print(f"{len(times)} beats, median {np.median(delays):.2f} s after the R peak")

# %%
# The first beats wait for the detector to learn the patient's levels.

fig, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.plot(times, delays, "o", markersize=4)
axes.set(xlabel="R peak, s", ylabel="from R peak to label, s", ylim=(0, None))
axes.grid(alpha=0.3)
