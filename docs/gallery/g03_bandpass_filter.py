"""
The band-pass filter
====================

Baseline wander, muscle noise and mains hum, and what a causal filter leaves of them.
"""

import matplotlib.pyplot as plt
import numpy as np

from ecgfast import BandpassFilter
from ecgfast.records import synthetic_ecg

record = synthetic_ecg(10, 360, wander=0.4, muscle=0.05, mains=0.1, seed=1)
noisy = record.lead(0)

bandpass = BandpassFilter(record.fs, low=5, high=15)
chunks = np.array_split(noisy, 100)  # any sizes give the same bits
filtered = np.concatenate([bandpass.process(chunk) for chunk in chunks])

# %%
# The output is late by `BandpassFilter.delay` samples; the picture shifts it back.

time = np.arange(len(noisy)) / record.fs
fig, (above, below) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
above.plot(time, noisy, linewidth=0.8)
above.set(ylabel="mV", title="recorded")
below.plot(time - bandpass.delay / record.fs, filtered, linewidth=0.8, color="C1")
below.set(ylabel="mV", xlabel="s", title="5 to 15 Hz", xlim=(2, 8))
