/* The rhythm: RR intervals of the last beats, and what an interval costs beside them. */
#include "adaptive.h"

void adaptive_learn_interval(adaptive_state *a, float rr) {
    adaptive_push(a->rr, INTERVALS, &a->rr_count, rr);
    int n = adaptive_filled(a->rr_count, INTERVALS);
    a->rr_ref = adaptive_quantile(a->rr, n, 0.5f);
    if (a->rr_ref < CONSTANT.rr_min_s) a->rr_ref = CONSTANT.rr_min_s;
    if (a->rr_ref > CONSTANT.rr_max_s) a->rr_ref = CONSTANT.rr_max_s;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        float off = fabsf(a->rr[i] / a->rr_ref - 1.0f);
        sum += off < 1.0f ? off : 1.0f;
    }
    a->rr_var = sum / (float)n;
}

static inline float soft_of(const adaptive_state *a) {
    return 1.0f / (1.0f + CONSTANT.soft * a->rr_var);
}

static float interval_cost(const adaptive_state *a, float rr) {
    float cost = 0.0f;
    float shortest = CONSTANT.short_from * a->rr_ref, longest = CONSTANT.long_from * a->rr_ref;
    if (rr < shortest) cost += CONSTANT.short_cost * soft_of(a) * (shortest / rr - 1.0f);
    if (rr > longest) {
        float late = CONSTANT.long_cost * soft_of(a) * (rr / longest - 1.0f);
        cost += late < CONSTANT.long_cap ? late : CONSTANT.long_cap;
    }
    if (rr < CONSTANT.refractory_s) cost += CONSTANT.refractory_cost * (CONSTANT.refractory_s / rr - 1.0f);
    return cost;
}

float adaptive_open_cost(const adaptive_state *a, int64_t from, int64_t now) {
    float open = adaptive_seconds(a, from, now);
    return open > a->rr_ref ? interval_cost(a, open) : 0.0f;
}

int adaptive_is_smooth_t(float band_ratio, const adaptive_candidate *c, float rr) {
    return rr < CONSTANT.t_smooth_s && c->band_ratio < CONSTANT.t_smooth
           && band_ratio - c->band_ratio > CONSTANT.t_smooth_drop;
}

float adaptive_pair_cost(const adaptive_state *a, float height, float band_ratio, const adaptive_candidate *c,
                         float rr) {
    const float fall = height - c->height + CONSTANT.t_band_ratio * (band_ratio - c->band_ratio);
    float cost = interval_cost(a, rr);
    if (rr < CONSTANT.refractory_s && c->similarity > CONSTANT.twin_similarity && fabsf(fall) < CONSTANT.twin_drop)
        cost *= CONSTANT.twin_share;
    if (rr < CONSTANT.t_full_s + CONSTANT.t_ramp_s) {
        float drop = fall - CONSTANT.t_from;
        float ramp = 1.0f - (rr - CONSTANT.t_full_s) / CONSTANT.t_ramp_s;
        if (drop > 0.0f) cost += CONSTANT.t_gain * (ramp < 1.0f ? ramp : 1.0f) * drop;
        if (adaptive_is_smooth_t(band_ratio, c, rr)) cost += CONSTANT.t_smooth_cost;
    }
    return cost;
}
