/* What the patient looks like: a template that is stored while trust is high, by which the patient is recognised
 * after noise or with another gain. */
#include "adaptive.h"

int adaptive_store_template(adaptive_lead *s, int n) {
    float similarity = 0.0f;
    for (int k = 0; k < n; k++) similarity += s->template[k] * s->stored_template[k];
    /* Motion may look like another rhythm, for some seconds. */
    const int other = similarity < CONSTANT.store_similarity;
    if (s->stored_beats == STORED_BEATS && other && ++s->mismatch_run < MISMATCHES) return 0;
    if (other) s->stored_beats = 0;
    s->mismatch_run = 0;
    adaptive_refresh_noise(s);
    memcpy(s->stored_template, s->template, sizeof s->stored_template);
    s->stored_signal = s->signal;
    s->stored_noise = s->noise;
    if (s->stored_beats < STORED_BEATS) s->stored_beats++;
    return 1;
}

/* Levels and shape of a lead as they were, at the gain of the last two beats that match the stored template. */
static void restore(adaptive_lead *s, float height) {
    s->signal = height;
    s->noise = height - (s->stored_signal - s->stored_noise);
    s->signal_count = 3;
    s->noise_count = 4;
    s->noise_stale = 0;
    for (int i = 0; i < s->signal_count; i++) s->signals[i] = s->signal;
    for (int i = 0; i < s->noise_count; i++) s->noises[i] = s->noise;
    s->slow_signal = s->signal;
    s->slow_noise = s->noise;
    memcpy(s->slow_template, s->stored_template, sizeof s->slow_template);
    memcpy(s->template, s->stored_template, sizeof s->template);
    s->template_beats = TEMPLATE_BEATS;
    s->last_height = s->signal;
    s->seeded = 1;
}

int adaptive_matches_stored(adaptive_state *a, int n_leads, uint32_t slot) {
    const adaptive_lead *s = adaptive_leads(a);
    float similarity = 0.0f;
    int compared = 0;
    adaptive_fit fit;
    for (int l = 0; l < n_leads; l++, s++) {
        if (s->stored_beats < STORED_BEATS || s->faulty[slot]) continue;
        similarity += adaptive_correlation(a, s, slot, s->stored_template, NULL, &fit);
        compared++;
    }
    return compared && similarity >= CONSTANT.return_similarity * (float)compared;
}

int adaptive_resume(adaptive_state *a, int n_leads) {
    adaptive_lead *s = adaptive_leads(a);
    uint32_t slot = (a->tail - 1) % PENDING;
    int64_t at = a->pending[slot].at, before = a->match_at;
    float over = 0.0f, off = 0.0f;
    int compared = 0;
    for (int l = 0; l < n_leads; l++) {
        if (s[l].stored_beats < STORED_BEATS || s[l].faulty[slot]) continue;
        over += s[l].height[slot] - s[l].stored_signal;
        off += s[l].height[slot] - s[l].signal;
        compared++;
    }
    if (!compared) return 0;
    over /= (float)compared;
    off /= (float)compared;
    float tallest = a->tallest_since_match;
    if (over > tallest) a->tallest_since_match = over;
    int lost = 1;
    if (adaptive_decides(a) && a->accepted) {
        float since = adaptive_seconds(a, a->last_at, at) / a->rr_ref;
        int lower = off < -CONSTANT.return_lower && since > CONSTANT.return_short;
        if (!lower && off < CONSTANT.return_higher) return 0;
        lost = !lower || since > CONSTANT.clear_long || a->recent < CONSTANT.distrust_from || a->last_at == before;
    }
    if (!adaptive_matches_stored(a, n_leads, slot)) return 0;
    float rr = adaptive_seconds(a, before, at) / a->stored_rr;
    if (before >= 0 && rr < CONSTANT.return_long && over < a->match_height - CONSTANT.return_height)
        return 0; /* its P or T wave */
    int back = lost && before >= 0 && rr > CONSTANT.return_short && rr < CONSTANT.return_pause
               && fabsf(over - a->match_height) < CONSTANT.return_height && tallest < over + CONSTANT.return_height;
    a->match_at = at;
    a->match_height = a->tallest_since_match = over;
    for (int l = 0; l < n_leads; l++) {
        if (s[l].stored_beats < STORED_BEATS || s[l].faulty[slot]) continue;
        if (back) restore(&s[l], 0.5f * (s[l].height[slot] + s[l].match_height));
        s[l].match_height = s[l].height[slot];
    }
    if (!back) return 0;
    /* What lies before the two is noise; the first is decided once more where it was not reported, and gives
     * the rhythm even where it is too old to be reported. */
    if (!a->accepted || a->last_at != before || (before > a->last_reported && !adaptive_confident(a, n_leads))) {
        const uint32_t oldest = a->tail < PENDING_MAX ? 0 : a->tail - PENDING_MAX;
        a->accepted = 0;
        a->head = a->tail - 1;
        while (a->head != oldest && a->pending[(a->head - 1) % PENDING].at >= before) a->head--;
        a->rr_count = 0;
        a->rr_ref = a->stored_rr;
    }
    for (uint32_t i = a->head; i != a->tail; i++)
        for (int l = 0; l < n_leads; l++) s[l].similarity[i % PENDING] = NOT_COMPARED;
    a->solved = a->head;
    a->doubts = a->probation = 0;
    a->trust = a->recent = CONSTANT.relearn_trust;
    adaptive_weigh(a, n_leads);
    a->gap = adaptive_common_gap(a, n_leads);
    adaptive_enter(a, n_leads, ADAPTIVE_RUNS);
    return 1;
}
