"""The constants of the adaptive detector, by the names that the C core gives them.

Units and reasons: `adaptive_constants.c` in `csrc/src/adaptive` for those of `CONSTANT`,
`adaptive.h` for sizes and counts.
"""

from __future__ import annotations

from types import SimpleNamespace

FEATURE_HZ = 120.0
PENDING = 32
PENDING_MAX = 24
SIGNALS = 7
NOISES = 16
INTERVALS = 8
SHAPE_S = 0.07
SHAPE_MAX = 35
LAG_S = 0.02
LAG_MAX = 5
MERGE_S = 0.05
SPIKE_REACH = 2
LOG_TINY = -70.0
LOG_HUGE = 80.0
TEMPLATE_BEATS = 8
STORED_BEATS = 8
MISMATCHES = 48
LATE_CANDIDATES = 12
PROBATION_BEATS = 10
DOUBTS = 5

CONSTANT = SimpleNamespace(
    # feature
    low_hz=11.0,
    high_hz=18.0,
    high_gain=2.0,
    hold_s=0.095,
    edge_s=0.05,
    # pacing spikes
    spike_s=0.0045,
    spike_bands=7.5,
    spike_faint=0.02,
    spike_share=0.5,
    # levels: thresholds lie between them
    mix=0.53,
    depth=1.8,
    cap=2.0,
    faint=-1.0,
    quantile=0.45,
    noise_quantile=0.5,
    near_s=0.28,
    gap_from=1.8,
    gap_rate=0.7,
    gap_depth=2.0,
    start_s=2.15,
    learn_s=3.5,
    first_excess=0.7,
    first_range=3.0,
    first_noise=1.0,
    # shape
    similarity_cost=0.3,
    similarity_from=0.7,
    band_from=0.2,
    template_gain=0.2,
    # rhythm: costs of an RR interval, in the units of the score
    rr_min_s=0.2,
    rr_max_s=2.0,
    rr_first_s=0.8,
    rr_first_var=0.5,
    short_from=0.8,
    short_cost=0.5,
    long_from=1.2,
    long_cost=0.8,
    long_cap=1.0,
    soft=4.0,
    refractory_s=0.33,
    refractory_cost=2.0,
    twin_similarity=0.85,
    twin_drop=0.2,
    twin_share=0.2,
    t_gain=1.3,
    t_band_ratio=0.5,
    t_from=1.0,
    t_full_s=0.36,
    t_ramp_s=0.09,
    t_smooth_s=0.34,
    t_smooth=0.05,
    t_smooth_drop=0.6,
    t_smooth_cost=2.5,
    # P waves beside a wide escape rhythm: small, slow waves between tall beats
    small_s=3.5,
    small_drop=0.9,
    small_energy=0.09,
    small_bands=0.35,
    small_cost=2.0,
    small_follow=0.5,
    # when to decide: a clear candidate at once, a doubtful one in context
    clear_score=0.3,
    clear_short=0.75,
    clear_long=1.5,
    clear_similarity=0.8,
    clear_drop=0.5,
    wait_rr=1.0,
    wait_min_s=0.35,
    wait_max_s=1.05,
    linger_s=0.03,
    late_s=0.03,
    report_s=0.265,
    # several leads
    weight_cap=1.6,
    weight_gap_min=0.05,
    floor=1.5,
    lead_score_min=-0.5,
    loss_margin=0.3,
    loss_rate=0.15,
    loss_noise_rate=0.05,
    loss_floor=0.3,
    # trust: is it an ECG at all?
    trust_cap=2.0,
    trust_similarity=1.5,
    trust_similarity_min=0.1,
    trust_neutral=0.5,
    trust_var=0.5,
    trust_rate=0.2,
    trust_from=1.0,
    trust_gap=0.25,
    noisy_gap=1.6,
    start_trust=1.1,
    relearn_trust=1.6,
    relearn_similarity=0.65,
    recent_rate=0.35,
    distrust_from=1.5,
    distrust_slope=2.0,
    distrust_after_s=0.7,
    slow_gain=0.03,
    slow_similarity=0.7,
    # the patient is back, after noise or with another gain: two beats are enough
    store_from=2.0,
    store_similarity=0.8,
    return_similarity=0.93,
    return_height=0.35,
    return_short=0.65,
    return_long=1.6,
    return_pause=2.1,
    return_lower=0.7,
    return_higher=1.0,
    # evidence before trust
    start_contrast=1.3,
    start_low=0.9,
    start_similarity=0.8,
    start_var=0.15,
    mean_similarity_from=0.7,
    mean_similarity_rate=0.12,
    clear_beats_similarity=0.6,
)
