"""
A CSV file of your own
======================

From a file as a sensor's app writes it to a file of labelled beats.
"""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

from ecgfast import read_record, stream_classify
from ecgfast.records import synthetic_ecg

made = synthetic_ecg(30, 250, ventricular=0.1, supraventricular=0.05, muscle=0.01, seed=11)
folder = TemporaryDirectory()
path = Path(folder.name) / "walk.csv"
with path.open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["time [s]", "ECG [uV]"])
    for k, value in enumerate(made.lead(0)):
        rows.writerow([f"{k / made.fs:.3f}", f"{1000 * value:.0f}"])

# %%
# Sampling rate, unit and the column with the ECG are read from the file.

record = read_record(path)
print(record.fs, record.leads, f"{record.duration:.0f} s")

beats = list(stream_classify(record))
with (Path(folder.name) / "beats.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["time", "label", "probability", "rr"])
    rows.writerows([b.time, b.label, b.probability, b.rr] for b in beats)

figure = record.plot(beats, start=5, duration=10)
folder.cleanup()
