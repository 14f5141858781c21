"""
Rhythm events
=============

Ectopic beats, a pause and a lead that falls off, found by rules from beats and signal.
"""

import numpy as np

from ecgfast import Record, events
from ecgfast.records import synthetic_ecg

fs = 250.0
ectopic = synthetic_ecg(40, fs, heart_rate=70, ventricular=0.3, muscle=0.01, seed=2).signal
calm = synthetic_ecg(30, fs, heart_rate=70, muscle=0.01, seed=4).signal
pause = np.random.default_rng(0).normal(0, 0.01, (int(3.5 * fs), 2)).astype(np.float32)
off = np.zeros((int(5 * fs), 2), dtype=np.float32)
signal = np.concatenate([ectopic, calm, pause, calm, off, calm])
record = Record(signal, fs, ("MLII", "V1"))

found = list(events(record))
for event in found:
    print(f"{event.start_time:7.1f} s  {event.duration:6.1f} s  {event.severity:6}  {event.kind}")

# %%
# Around the pause; events are shaded in the colour of their severity.

figure = record.plot(events=found, start=66, duration=16, leads="MLII")
