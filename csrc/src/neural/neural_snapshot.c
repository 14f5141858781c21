/* Is a restored state one that a stream can have? */
#include "neural.h"
#include "neural_constants.h"

/* Largest number of a network's memory, and of mV, that a stream can have: beyond, sums could overflow. */
#define ACTIVITY_MAX 1e6f
#define SIGNAL_MAX 1e33f

static int all_below(const float *x, size_t n, float limit) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < limit)) return 0;
    return 1;
}

static int neural_lead_valid(const neural_lead *lead) {
    const float values[6] = {lead->value, lead->sum, lead->cell, lead->filtered, lead->highest, lead->scale};
    for (int i = 0; i < NEURAL_CELLS; i++)
        if (lead->fault[i] > 1) return 0;
    return all_below(values, 6, SIGNAL_MAX) && lead->scale > 0.0f && lead->highest >= 0.0f
           && ecg_within(lead->whole, 0, 1) && ecg_within(lead->bad, 0, 1)
           && all_below(lead->peaks, NEURAL_PEAKS, SIGNAL_MAX) && all_below(lead->cells, NEURAL_CELLS, SIGNAL_MAX)
           && all_below(lead->input, NEURAL_STEM1_TAPS * NEURAL_INPUTS, ACTIVITY_MAX)
           && all_below(lead->stem, NEURAL_STEM2_TAPS * NEURAL_STEM, ACTIVITY_MAX)
           && all_below(lead->deep, NEURAL_MEMORY * NEURAL_WIDTH, ACTIVITY_MAX)
           && all_below(lead->odds, NEURAL_CELLS, ACTIVITY_MAX) && all_below(&lead->height, 1, 1e3f)
           && ecg_within(lead->heights, 0, 1000);
}

static int heard_valid(const neural_state *s, const neural_lead *lead) {
    for (int i = 0; i < NEURAL_CLEAR; i++)
        if (!ecg_within(lead->clear[i], i > 0 ? lead->clear[i - 1] : -1, s->cells)) return 0;
    return ecg_within(lead->heard, -1, s->cells);
}

static int shape_valid(const neural_state *s, const neural_lead *lead) {
    return ecg_within(lead->shapes, 0, SHAPE_BEATS) && ecg_within(lead->unlike, 0, SHAPE_UNLIKE - 1)
           && all_below(lead->shape, NEURAL_SHAPE, SIGNAL_MAX) && ecg_within(lead->looked, 0, s->cells + NEURAL_CELLS)
           && ecg_within(lead->best_at, 0, s->cells) && ecg_within(lead->match, -1, s->cells)
           && lead->best >= 0.0f && lead->best < 2.0f && lead->best_gain >= 0.0f && lead->best_gain <= 1.0f
           && lead->match_gain >= 0.0f && lead->match_gain <= 1.0f;
}

/* Each step is searched at once, as far as its output reaches. */
static int64_t searched_of(const neural_state *s) {
    const int64_t at = ecg_neural_known(s->steps, s->uses_late ? NEURAL_LATE : NEURAL_EARLY) - SUM_CELLS - HOLD_CELLS;
    return at > 0 ? at : 0;
}

static int64_t searched_early_of(const neural_state *s) {
    const int64_t at = ecg_neural_known(s->steps, NEURAL_EARLY) - SUM_CELLS - 1;
    return s->uses_late && at > 0 ? at : 0;
}

static int decision_valid(const neural_state *s) {
    if (!ecg_within(s->pending_count, 0, NEURAL_PENDING) || !ecg_within(s->rr_count, 0, 2 * NEURAL_INTERVALS - 1)
        || !ecg_within(s->accepted, 0, LEARNING_BEATS) || s->searched != searched_of(s)
        || s->searched_early != searched_early_of(s) || !ecg_within(s->last, -1, s->cells)
        || !ecg_within(s->last_clear, -1, s->last) || s->wake < 0 || !ecg_within(s->claim, 0, NEURAL_CLAIMS - 1)
        || !ecg_within(s->early_hold, 0, EARLY_BEATS) || !ecg_within(s->halves, 0, HALF_BEATS - 1))
        return 0;
    for (int i = 0; i < NEURAL_CLAIMS; i++)
        if (!ecg_within(s->claims[i], -1, s->searched_early)) return 0;
    /* No decision looks farther back than the cells that are kept. */
    int64_t before = s->cells - NEURAL_CELLS;
    for (int i = 0; i < s->pending_count; i++) {
        const neural_candidate *c = &s->pending[i];
        if (!ecg_within(c->at, before < 0 ? 0 : before, (s->end < 0 ? s->cells : s->end) - 1)
            || !(fabsf(c->odds) < 10.0f) || !(fabsf(c->score) < 20.0f))
            return 0; /* value and from are found anew before each use */
        before = c->at;
    }
    for (int i = 0; i < NEURAL_INTERVALS; i++)
        if (!(s->rr[i] >= 0.0f && s->rr[i] < 1e9f)) return 0;
    return s->rr_ref >= RR_LEAST_S && s->rr_ref <= RR_MAX_S && s->rr_var >= 0.0f && s->rr_var <= 1.0f
           && fabsf(s->clarity) < 1e3f && s->passed_over >= NONE_PASSED && s->passed_over < 10.0f;
}

int ecg_neural_valid(ecg_detector *d, void *state) {
    neural_state *s = state;
    const neural_lead *lead = ecg_neural_leads(s);
    if (!ecg_within(s->left, 1, s->cell) || !ecg_within(s->cells, 0, ECG_COUNT_MAX)
        || s->blocks != s->cells / NEURAL_BLOCK || !ecg_within(s->steps, 0, s->cells / NEURAL_STRIDE)
        || !ecg_within(s->end, -1, s->cells) || (s->end >= 0 && s->cells - s->end > NEURAL_CELLS)
        || s->cells - s->steps * NEURAL_STRIDE > NEURAL_CELLS)
        return 0;
    for (int i = 0; i < NEURAL_RECENT; i++)
        if (!(s->p_early[i] >= 0.0f && s->p_early[i] <= 1.0f && s->p_late[i] >= 0.0f && s->p_late[i] <= 1.0f)) return 0;
    for (int l = 0; l < d->config.n_leads; l++)
        if (!neural_lead_valid(&lead[l]) || !heard_valid(s, &lead[l]) || !shape_valid(s, &lead[l]))
            return 0;
    return decision_valid(s);
}
