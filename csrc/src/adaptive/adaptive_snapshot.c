/* Is a restored state one that a stream can have? */
#include "adaptive.h"

static int adaptive_lead_valid(const adaptive_state *a, const adaptive_lead *s) {
    for (int i = 0; i < PENDING; i++)
        if (s->lags[i] > 1 + 2 * a->lag) return 0;
    const float values[] = {s->sum,           s->signal,       s->noise,         s->slow_signal, s->slow_noise,
                            s->stored_signal, s->stored_noise, s->match_height,  s->last_height, s->last_band_ratio,
                            s->loss_accepted, s->loss_rejected, s->weight,        s->tall_height, s->tall_energy};
    return ecg_all_finite(values, sizeof values / sizeof *values) && ecg_all_finite(s->wave, LINE)
           && ecg_all_finite(s->height, PENDING) && ecg_all_finite(s->band_ratio, PENDING)
           && ecg_all_finite(s->similarity, PENDING) && ecg_all_finite(s->lead_score, PENDING)
           && ecg_all_finite(s->first, PENDING) && ecg_all_finite(s->shape_energy, PENDING)
           && ecg_all_finite(s->signals, SIGNALS) && ecg_all_finite(s->noises, NOISES)
           && ecg_all_finite(s->template, SHAPE_MAX) && ecg_all_finite(s->slow_template, SHAPE_MAX)
           && ecg_all_finite(s->stored_template, SHAPE_MAX) && ecg_within(s->first_count, 0, PENDING)
           && ecg_within(s->seeded, 0, 1) && ecg_within(s->noise_stale, 0, 1)
           && ecg_within(s->signal_count, s->seeded, 2 * SIGNALS - 1)
           && ecg_within(s->noise_count, s->seeded || s->noise_stale, 2 * NOISES - 1)
           && ecg_within(s->template_beats, 0, TEMPLATE_BEATS) && ecg_within(s->stored_beats, 0, STORED_BEATS)
           && ecg_within(s->mismatch_run, 0, MISMATCHES) && s->weight >= 0.0f && s->loss_accepted >= 0.0f
           && s->loss_rejected >= 0.0f;
}

int adaptive_levels_valid(adaptive_state *a, int n_leads) {
    const float values[] = {a->trust, a->gap, a->recent, a->mean_similarity, a->match_height, a->tallest_since_match};
    const adaptive_lead *s = adaptive_leads(a);
    if (!ecg_all_finite(values, sizeof values / sizeof *values) || !ecg_all_finite(a->rr, INTERVALS)
        || !ecg_within(a->rr_count, 0, 2 * INTERVALS - 1)
        || !(a->rr_ref >= CONSTANT.rr_min_s && a->rr_ref <= CONSTANT.rr_max_s)
        || !(a->rr_var >= 0.0f && a->rr_var <= 1.0f) || !(a->stored_rr >= 0.0f && a->stored_rr <= CONSTANT.rr_max_s)
        || !ecg_within(a->match_at, -1, a->index) || !ecg_within(a->trusted, 0, 2 * PENDING)
        || !ecg_within(a->probation, 0, PROBATION_BEATS))
        return 0;
    if (!ecg_all_finite(adaptive_shape(a, s, 0), (size_t)n_leads * PENDING * (size_t)a->shape_room)) return 0;
    for (int l = 0; l < n_leads; l++, s++)
        if (!adaptive_lead_valid(a, s) || !ecg_within(s->tall_at, 0, a->index)
            || (s->stored_beats == STORED_BEATS && a->stored_rr < CONSTANT.rr_min_s)) return 0;
    return 1;
}

/* A path leads back through earlier pending candidates, or following it would not end. */
static int path_valid(const adaptive_state *a, uint32_t i) {
    const int32_t from = a->pending[i % PENDING].from;
    if (from == -1) return 1;
    for (uint32_t j = a->head; j != i; j++)
        if (from == (int32_t)(j % PENDING)) return 1;
    return 0;
}

int adaptive_decision_valid(const adaptive_state *a) {
    if (!ecg_within(a->phase, ADAPTIVE_WAITS, ADAPTIVE_RUNS) || !ecg_within(a->relearning, 0, 1)
        || !ecg_within(a->learn_until, -1, a->index + (int64_t)(CONSTANT.learn_s * a->rate) + 1)
        || a->tail - a->head > PENDING_MAX || a->solved - a->head > a->tail - a->head
        || !ecg_within(a->accepted, 0, ADAPTIVE_LEARNING_BEATS) || !ecg_within(a->last_at, 0, a->index)
        || !ecg_within(a->last_reported, 0, a->index) || !isfinite(a->last_height) || !isfinite(a->last_band_ratio)
        || !ecg_within(a->doubts, 0, DOUBTS + PENDING_MAX))
        return 0;
    for (int i = 0; i < PENDING; i++) {
        const adaptive_candidate *c = &a->pending[i];
        if (!ecg_within(c->at, 0, a->index) || !isfinite(c->height) || !isfinite(c->band_ratio)
            || !isfinite(c->similarity) || !isfinite(c->score) || !isfinite(c->value))
            return 0;
    }
    for (uint32_t i = a->head; i != a->tail; i++) {
        if (i != a->head && a->pending[i % PENDING].at <= a->pending[(i - 1) % PENDING].at) return 0;
        if (i - a->head < a->solved - a->head && !path_valid(a, i)) return 0;
    }
    return 1;
}
