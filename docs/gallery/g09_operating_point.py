"""
Choosing an operating point
===========================

Thresholds on calibrated probabilities: finding more ventricular beats, or rejecting what is not
sure.
"""

from collections import Counter

import matplotlib.pyplot as plt

from ecgfast import Decision, read_record, stream_classify

record = read_record("../../tests/excerpts/mitdb/210")
decisions = {
    "most probable class": Decision(),
    "V: sensitivity 95 %": Decision(sensitivity={"V": 0.95}),
    "V: positive predictivity 95 %": Decision(positive_predictivity={"V": 0.95}),
    "reject 5 %": Decision(reject=0.05),
}
for name, decision in decisions.items():
    labels = Counter(beat.label for beat in stream_classify(record, decision=decision))
    print(f"{name:30} {dict(labels.most_common())}")

# %%
# The probability of V along the recording. The default needs no threshold: the most probable class
# is reported.

beats = list(stream_classify(record))
fig, axes = plt.subplots(figsize=(8, 3), layout="constrained")
for label in dict.fromkeys(beat.label for beat in beats):
    chosen = [beat for beat in beats if beat.label == label]
    axes.plot([b.time for b in chosen], [b.probabilities["V"] for b in chosen], "o", label=label)
axes.set(xlabel="s", ylabel="probability of V", ylim=(-0.03, 1.03))
axes.legend(title="label")
