"""
Heart-rate variability
======================

NN intervals of five minutes, and the Task Force's measures.
"""

import matplotlib.pyplot as plt

from ecgfast import hrv, stream_classify
from ecgfast.records import synthetic_ecg

record = synthetic_ecg(300, 250, heart_rate=64, heart_rate_std=3, lf_hf=0.8, seed=8)
nn = hrv.nn_intervals(list(stream_classify(record)))
print(hrv.measures(nn))

# %%
# The tachogram sways with breathing (0.25 Hz) and with Mayer waves (0.1 Hz), as it was made to.

frequency, power = hrv.lomb_scargle(nn)
fig, (above, below) = plt.subplots(2, 1, figsize=(8, 5), layout="constrained")
above.plot(nn.time, 1000 * nn.interval, linewidth=0.8)
above.set(xlabel="s", ylabel="NN, ms")
below.plot(frequency, power)
below.set(xlabel="Hz", ylabel="ms²/Hz", xlim=(0, 0.4))
