"""
What the network sees
=====================

Windows around the beats of a recording, on the model's time grid, in running QRS sizes.
"""

import matplotlib.pyplot as plt
import numpy as np

from ecgfast import Classifier, read_record, stream_beats

record = read_record("../../tests/excerpts/mitdb/208")
classifier = Classifier("beats")
window = classifier.window
batches = list(stream_beats(record, window=window))
windows = np.concatenate([batch.windows for batch in batches])
features = np.concatenate([batch.features for batch in batches])
probabilities = classifier.predict_proba(windows, features)
labels = np.array(classifier.classes)[probabilities.argmax(axis=1)]

# %%
# Each line is one beat; the black one is their median.

time = (np.arange(windows.shape[1]) - window.before) / window.grid_fs
shown = [label for label in classifier.classes if (labels == label).sum() > 1]
fig, axes = plt.subplots(1, len(shown), figsize=(8, 3), sharey=True, layout="constrained")
for panel, label in zip(axes, shown, strict=True):
    beats = windows[labels == label, :, 0]
    panel.plot(time, beats.T, linewidth=0.5, color="C0", alpha=0.4)
    panel.plot(time, np.median(beats, axis=0), color="k")
    panel.set(title=f"{label}: {len(beats)} beats", xlabel="s from R")
