/* The rhythm: RR intervals of the last beats, and what an interval costs beside them. */
#include "neural.h"
#include "neural_constants.h"

float ecg_neural_pair_cost(const neural_state *s, int64_t from, int64_t to) {
    const float rr = ecg_neural_seconds(to - from), ratio = rr / s->rr_ref;
    const float soft = 1.0f / (1.0f + NEURAL_SOFT * s->rr_var);
    float cost = 0.0f;
    if (rr < RR_MIN_S) return NEVER;
    if (ratio < SHORT_FROM) {
        cost = SHORT_COST * (s->rr_ref / rr - 1.0f / SHORT_FROM) * soft;
    } else if (ratio > LONG_FROM) {
        cost = LONG_COST * (ratio - LONG_FROM) * soft;
        if (cost > LONG_CAP) cost = LONG_CAP;
    }
    if (rr < NEURAL_REFRACTORY_S) cost += REFRACTORY_COST * (NEURAL_REFRACTORY_S - rr) / REFRACTORY_RAMP_S;
    return cost;
}

float ecg_neural_open_cost(const neural_state *s, int64_t from) {
    const float late = ecg_neural_seconds(s->searched - from) / s->rr_ref - LONG_FROM;
    const float cost = LONG_COST * late / (1.0f + NEURAL_SOFT * s->rr_var);
    return cost < 0.0f ? 0.0f : cost < LONG_CAP ? cost : LONG_CAP;
}

float ecg_neural_misfit(const neural_state *s, int64_t at) {
    return fabsf(logf(ecg_neural_seconds(at - s->last) / s->rr_ref));
}

void ecg_neural_learn_rr(neural_state *s, float rr) {
    s->rr[s->rr_count % NEURAL_INTERVALS] = rr;
    if (++s->rr_count >= 2 * NEURAL_INTERVALS) s->rr_count -= NEURAL_INTERVALS;
    const int n = s->rr_count < NEURAL_INTERVALS ? s->rr_count : NEURAL_INTERVALS;
    float sorted[NEURAL_INTERVALS] = {0.0f};
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && sorted[k - 1] > s->rr[i]; k--) sorted[k] = sorted[k - 1];
        sorted[k] = s->rr[i];
    }
    const float middle = sorted[n / 2];
    s->rr_ref = middle < RR_LEAST_S ? RR_LEAST_S : middle < RR_MAX_S ? middle : RR_MAX_S;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        const float off = fabsf(s->rr[i] / s->rr_ref - 1.0f);
        sum += off < 1.0f ? off : 1.0f;
    }
    s->rr_var = sum / (float)n;
}

void ecg_neural_halve_rr(neural_state *s) {
    const float rr = 0.5f * s->rr[(s->rr_count + NEURAL_INTERVALS - 1) % NEURAL_INTERVALS];
    for (int i = 0; i < NEURAL_INTERVALS; i++) ecg_neural_learn_rr(s, rr);
}
