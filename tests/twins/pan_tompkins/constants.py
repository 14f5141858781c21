"""The constants of the Pan-Tompkins detector, by the names that the C core gives them.

Units and reasons: `csrc/src/pan_tompkins`, where each stands at the head of its file.
"""

from __future__ import annotations

NEVER = -(10**12)  # a sample before any signal

# pan_tompkins.h
HEIGHTS = 16
BLOCKS = 4
HISTORY = 64
RR_KEPT = 8
PEAKS = 32

# pan_tompkins.c: the signal path
BAND_LOW, BAND_HIGH = 5.0, 15.0
INTEGRAL_S = 0.172
FALL = 0.6
HOLD_S = 0.2
START_S = 2.2
SLOPE_S = 0.018
ARTEFACT = 1e5
OLDEST_S = 1.1
RATE_MIN = 160.0

# pan_tompkins_decision.c: thresholds and levels
FIRST = 0.36
SECOND = 0.6
SIGNAL_RATE = 0.125
NOISE_RATE = 0.1
NOISE_FLOOR = 1.4
SEARCH_RATE = 0.35
SIGNAL_CAP = 2.4
FADE_AFTER_S, FADE_S = 1.4, 1.2
NOISE_WAIT_S, NOISE_FADE_S = 0.8, 0.3
FADE_MOST = 40.0
LOST_SHARE, LOST_RATE = 0.7, 0.5
START_LEVEL, START_SPLIT = 0.7, 0.4
MISFIT_S = 1.6
# T waves, search-back, refractory period
SLOPE, T_WAVE_S = 0.65, 0.33
SEARCH_RR = 1.66
EARLY_RR = 0.65
REFRACTORY_S = 0.19
# noise
BUSY_LEVEL, BUSY = 0.1, 0.8
CALM, CALM_LEVEL, CALM_LOW, CALM_RATIO = 0.7, 0.0625, 0.75, 2.2
CALM_BEATS, KNOWN_BEATS = 8, 24
HISTORY_MIN = 24
ALIKE, EVEN = 0.65, 0.1
