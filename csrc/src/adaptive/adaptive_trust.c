/* Trust: is what is found an ECG at all, and may it be reported? */
#include "adaptive.h"

float adaptive_common_gap(adaptive_state *a, int n_leads) {
    adaptive_lead *s = adaptive_leads(a);
    float sum = 0.0f;
    for (int l = 0; l < n_leads; l++, s++) {
        float gap = s->seeded ? adaptive_gap(s) : 0.0f;
        sum += s->weight * (gap < CONSTANT.trust_cap ? gap : CONSTANT.trust_cap);
    }
    return sum;
}

static float trust_of(float gap, float similarity, float var) {
    const float least = CONSTANT.trust_similarity_min;
    return gap + CONSTANT.trust_similarity * ((similarity > least ? similarity : least) - CONSTANT.trust_neutral)
           - CONSTANT.trust_var * var;
}

void adaptive_trust_first(adaptive_state *a, int n_leads, float similarity, float var, int beats) {
    a->gap = adaptive_common_gap(a, n_leads);
    if (beats < 2) similarity = CONSTANT.trust_neutral;
    a->trust = a->recent = trust_of(a->gap, similarity, var);
    a->trusted = beats > 0 ? beats - 1 : 0;
    a->mean_similarity = similarity;
    const int poor = a->trust < CONSTANT.relearn_trust || similarity < CONSTANT.relearn_similarity;
    a->probation = a->relearning && poor ? PROBATION_BEATS : 0;
}

void adaptive_trust_next(adaptive_state *a, int n_leads, float similarity) {
    float gap = adaptive_common_gap(a, n_leads), rate = 1.0f / (float)(1 + a->trusted);
    float trust = trust_of(gap, a->accepted ? similarity : CONSTANT.trust_neutral, a->rr_var);
    if (rate < CONSTANT.trust_rate) rate = CONSTANT.trust_rate;
    else a->trusted++;
    a->trust += rate * (trust - a->trust);
    a->mean_similarity += CONSTANT.mean_similarity_rate * (similarity - a->mean_similarity);
    a->gap += rate * (gap - a->gap);
    a->recent += (rate > CONSTANT.recent_rate ? rate : CONSTANT.recent_rate) * (trust - a->recent);
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < n_leads; l++, s++) memset(s->lags, 0, sizeof s->lags); /* templates or trust are others now */
}

int adaptive_confident(adaptive_state *a, int n_leads) {
    const adaptive_lead *s = adaptive_leads(a);
    int stored = 0;
    for (int l = 0; l < n_leads; l++) stored |= s[l].stored_beats >= STORED_BEATS;
    if (a->trust <= CONSTANT.trust_from || a->gap <= CONSTANT.trust_gap) return 0;
    if (a->trust >= CONSTANT.relearn_trust) return 1;
    return !a->probation && (!a->relearning || stored || a->mean_similarity > CONSTANT.mean_similarity_from);
}
