"""
Beats of a recording
====================

Read a recording, label its beats, draw ten seconds.
"""

from ecgfast import read_record, stream_classify

record = read_record("../../tests/excerpts/mitdb/208")
beats = list(stream_classify(record))

for beat in beats[:6]:
    print(f"{beat.time:6.2f} s  {beat.label}  probability {beat.probability:.2f}")

# %%
# `Record.plot` draws every lead on ECG paper, with the labels.

figure = record.plot(beats, start=20, duration=10)
