/* When it is decided: the first candidate of the best path is accepted at once where it is clear, and otherwise when
 * its time is up. */
#include "adaptive.h"

static void reject_first(adaptive_state *a, int n_leads) {
    adaptive_learn_rejected(a, n_leads, a->head % PENDING);
    a->head++;
    a->solved = a->head;
}

static void adaptive_report(ecg_detector *d, adaptive_state *a, uint32_t slot, int clear) {
    int n_leads = d->config.n_leads, lead = 0;
    const adaptive_lead *s = adaptive_leads(a);
    const adaptive_candidate *c = &a->pending[slot];
    int64_t sample = c->at * a->decimation + (a->decimation - 1) / 2;
    int64_t around = 2 * a->merge * a->decimation;
    uint32_t quality = ~0u;
    for (int l = 0; l < n_leads; l++) quality &= ecg_quality_between(d, l, sample - around, sample + around);
    if (!clear) quality |= ECG_QUALITY_DOUBTFUL;
    if (a->accepted < ADAPTIVE_LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    if (a->gap < CONSTANT.noisy_gap || a->recent < CONSTANT.distrust_from) quality |= ECG_QUALITY_NOISY;
    /* The first lead gives the R peak, unless it does not show the complex. */
    if (s[0].faulty[slot] || s[0].lead_score[slot] < CONSTANT.lead_score_min)
        for (int l = 1; l < n_leads; l++)
            if (!s[l].faulty[slot] && s[l].lead_score[slot] > s[lead].lead_score[slot]) lead = l;
    ecg_detector_report(d, ecg_refine(d, lead, sample), expf(c->score), quality);
}

/* Relearning took longer than a report may. What has the patient's shape and stands out from what
 * follows is one of the first beats after a bad stretch, and may take as long as those at the start. */
static int first_after_relearning(adaptive_state *a, int n_leads, uint32_t slot) {
    float after[PENDING];
    int n = 0;
    for (uint32_t i = a->head; i != a->tail; i++) after[n++] = a->pending[i % PENDING].height;
    const adaptive_candidate *c = &a->pending[slot];
    return n > 0 && adaptive_seconds(a, c->at, adaptive_now(a)) <= a->start_s + CONSTANT.late_s
           && c->height > adaptive_quantile(after, n, 0.5f) + CONSTANT.start_contrast
           && adaptive_matches_stored(a, n_leads, slot);
}

static void adaptive_accept(ecg_detector *d, adaptive_state *a, uint32_t slot, int clear) {
    int n_leads = d->config.n_leads;
    adaptive_lead *s = adaptive_leads(a);
    const adaptive_candidate *c = &a->pending[slot];
    float around[ECG_LEADS_MAX];
    for (int l = 0; l < n_leads; l++) around[l] = LOG_TINY;
    while (a->head % PENDING != slot) {
        uint32_t other = a->head % PENDING;
        if (adaptive_seconds(a, a->pending[other].at, c->at) < CONSTANT.near_s)
            for (int l = 0; l < n_leads; l++)
                if (!s[l].faulty[other] && s[l].height[other] > around[l]) around[l] = s[l].height[other];
        reject_first(a, n_leads);
    }
    adaptive_learn_accepted(a, n_leads, slot, around);
    adaptive_trust_next(a, n_leads, c->similarity);
    if (a->accepted < ADAPTIVE_LEARNING_BEATS) a->accepted++;
    a->last_at = c->at;
    a->head++;
    a->solved = a->head;

    if (a->trust <= CONSTANT.trust_from || a->gap <= CONSTANT.trust_gap) {
        a->doubts += a->recent <= CONSTANT.trust_from;
        return;
    }
    a->doubts = 0;
    if (!adaptive_confident(a, n_leads)) {
        if (a->probation > 0) a->probation--;
        return;
    }
    if (a->relearning && adaptive_seconds(a, c->at, adaptive_now(a)) > a->wait_s + CONSTANT.late_s
        && !first_after_relearning(a, n_leads, slot))
        return;
    if (c->at <= a->last_reported) return;
    a->last_reported = c->at;
    adaptive_report(d, a, slot, clear);
}

static int is_clear(adaptive_state *a, int n_leads, const adaptive_candidate *c) {
    if (!a->accepted) return 0;
    const adaptive_lead *s = adaptive_leads(a);
    float rr = adaptive_seconds(a, a->last_at, c->at), level = 0.0f;
    for (int l = 0; l < n_leads; l++) level += s[l].weight * s[l].signal;
    return c->score > CONSTANT.clear_score && c->similarity > CONSTANT.clear_similarity
           && c->height > level - CONSTANT.clear_drop && rr > CONSTANT.clear_short * a->rr_ref
           && rr < CONSTANT.clear_long * a->rr_ref;
}

static float wait_of(const adaptive_state *a) {
    float wait = CONSTANT.wait_rr * a->rr_ref;
    if (wait < CONSTANT.wait_min_s) wait = CONSTANT.wait_min_s;
    return wait < a->wait_s ? wait : a->wait_s;
}

void adaptive_decide(ecg_detector *d, adaptive_state *a, int final) {
    int n_leads = d->config.n_leads, slot;
    int64_t now = adaptive_now(a), until_known = a->index - now; /* from a time on the scale of `now` to its index */
    a->wake = INT64_MAX;
    while ((slot = adaptive_path_start(a, n_leads)) >= 0) {
        const adaptive_candidate *c = &a->pending[slot];
        int clear = is_clear(a, n_leads, c);
        int64_t due = c->at + (int64_t)(wait_of(a) * a->rate);
        if (!final && !clear && now < due) {
            a->wake = due + until_known;
            break;
        }
        adaptive_accept(d, a, (uint32_t)slot, clear);
        if (!final) { /* one beat at each decimated sample: the work at each is bounded */
            a->wake = a->index + 1;
            return;
        }
    }
    if (a->doubts >= DOUBTS && !final) {
        adaptive_give_up(a, n_leads);
        return;
    }
    int64_t expire = (int64_t)(a->expire_s * a->rate);
    while (a->head != a->tail && a->pending[a->head % PENDING].at + expire <= now) reject_first(a, n_leads);
    if (a->head != a->tail) {
        int64_t due = a->pending[a->head % PENDING].at + expire + until_known;
        if (due < a->wake) a->wake = due;
    }
}
