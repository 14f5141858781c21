/* When it is decided: the first candidate of the best path is accepted at once where it is clear, and otherwise when
 * its context is known. */
#include "neural.h"
#include "neural_constants.h"

#define LAG_LATE (NEURAL_LATE * NEURAL_STRIDE + NEURAL_STRIDE + SUM_CELLS + HOLD_CELLS + 1)
#define LAG_EARLY (NEURAL_EARLY * NEURAL_STRIDE + NEURAL_STRIDE + SUM_CELLS + HOLD_CELLS + 1)

/* Within a caller's limit a candidate expires when its wait is over. */
static float expire_s(const ecg_detector *d, const neural_state *s) {
    return d->config.max_delay > 0.0 ? s->wait_s : EXPIRE_S;
}

double ecg_neural_longest_s(const ecg_detector *d, const neural_state *s) {
    return (double)expire_s(d, s) + (double)(s->uses_late ? LAG_LATE : LAG_EARLY) / NEURAL_HZ;
}

void ecg_neural_decision_init(neural_state *s, const ecg_detector_config *config) {
    const float lag = (float)LAG_LATE / NEURAL_HZ, early_lag = (float)LAG_EARLY / NEURAL_HZ;
    const float limit = (float)config->max_delay;
    s->uses_late = limit == 0.0f || limit >= lag + 0.02f;
    s->wait_s = limit == 0.0f ? WAIT_MAX_S : limit - (s->uses_late ? lag : early_lag);
    if (s->wait_s > WAIT_MAX_S) s->wait_s = WAIT_MAX_S;
    if (s->wait_s < 0.0f) s->wait_s = 0.0f;
    s->wake = INT64_MAX;
    s->last = s->last_clear = -1;
    for (int i = 0; i < NEURAL_CLAIMS; i++) s->claims[i] = -1;
    s->rr_ref = RR_FIRST_S;
    s->rr_var = VAR_FIRST;
    s->passed_over = NONE_PASSED;
}

/* Was a candidate as clear and as tall as a beat passed over in the middle of a short interval? Beyond 280 a minute
 * every second beat is better on the path, as long as the rhythm is not known to be so fast. */
static int passed_half(neural_state *s, int n_leads, int index) {
    const int64_t at = s->pending[index].at, rr = at - s->last;
    if (s->last < 0 || ecg_neural_seconds(rr) > HALF_RR_S) return 0;
    for (int i = 0; i < index; i++) {
        const neural_candidate *c = &s->pending[i];
        const float off = (float)(2 * (c->at - s->last) - rr) / (float)rr;
        if (c->odds >= HEIGHT_ODDS && fabsf(off) <= HALF_OFF
            && ecg_neural_taller_by(ecg_neural_leads(s), n_leads, c->at, at) <= SMALLER)
            return 1;
    }
    return 0;
}

static void neural_accept(ecg_detector *d, neural_state *s, int index) {
    const neural_candidate c = s->pending[index];
    neural_lead *lead = ecg_neural_leads(s);
    s->halves = passed_half(s, d->config.n_leads, index) ? s->halves + 1 : 0;
    if (s->last >= 0 && s->last == s->last_clear && c.at - s->last >= SHAPE_AFTER)
        for (int l = 0; l < d->config.n_leads; l++) ecg_neural_learn_shape(s, &lead[l], s->last);
    ecg_neural_pass_over(s, 0, index);
    if (ecg_neural_worth(&c) >= 0.0f) {
        if (s->last_clear >= 0) ecg_neural_learn_rr(s, ecg_neural_seconds(c.at - s->last_clear));
        s->last_clear = c.at;
    }
    if (s->halves >= HALF_BEATS) {
        ecg_neural_halve_rr(s);
        s->halves = 0;
    }
    const int alone = s->last >= 0 && ecg_neural_seconds(c.at - s->last) > RR_MAX_S;
    for (int l = 0; l < d->config.n_leads; l++, lead++)
        if (ecg_neural_usable(lead, c.at)) ecg_neural_learn_height(lead, &c, alone);
    const float share = 1.0f / (float)(1 + s->accepted);
    s->clarity += (share > CLARITY_RATE ? share : CLARITY_RATE) * (ecg_neural_worth(&c) - s->clarity);
    const float rr = s->last >= 0 ? ecg_neural_seconds(c.at - s->last) : s->rr_ref;
    s->last = c.at;
    const int hidden = s->accepted >= LEARNING_BEATS && s->clarity < HIDE_CLARITY && c.odds < HIDE_ODDS;
    if (!hidden) ecg_neural_report(d, s, &c, rr);
    s->passed_over = NONE_PASSED;
    if (s->accepted < LEARNING_BEATS) s->accepted++;
    if (s->early_hold > 0) s->early_hold--;
    ecg_neural_remove(s, 0, index + 1);
}

/* Searched cell at which a candidate is decided; a clear one at once unless it is small. */
static int64_t due_at(neural_state *s, int n_leads, const neural_candidate *c, int clear) {
    float wait = WAIT_RR * s->rr_ref;
    if (wait < WAIT_MIN_S) wait = WAIT_MIN_S;
    if (ecg_neural_may_be_t_wave(s, n_leads, c)) {
        wait = WAIT_MAX_S;
    } else if (clear) {
        if (ecg_neural_heights_unclear(s) || ecg_neural_shortfall(s, n_leads, c->at) <= SMALLER) return 0;
        wait = P_WAVE_S;
    }
    if (wait > s->wait_s) wait = s->wait_s;
    return c->at + (int64_t)(wait * NEURAL_HZ);
}

static void decide_pending(ecg_detector *d, neural_state *s, int final) {
    int end;
    s->wake = INT64_MAX;
    while ((end = ecg_neural_path_end(s, d->config.n_leads)) >= 0) {
        int enough = 0;
        for (;; end = s->pending[end].from) {
            enough |= ecg_neural_worth(&s->pending[end]) >= NEED;
            if (s->pending[end].from < 0) break;
        }
        const neural_candidate *c = &s->pending[end];
        const float rr = s->last >= 0 ? ecg_neural_seconds(c->at - s->last) : s->rr_ref;
        const int expected = rr > CLEAR_SHORT * s->rr_ref && rr < CLEAR_LONG * s->rr_ref;
        const int clear = c->score > CERTAIN_SCORE ? rr > NEURAL_REFRACTORY_S : c->score > CLEAR_SCORE && expected;
        const int64_t due = due_at(s, d->config.n_leads, c, clear);
        if (!final && s->searched < due) {
            s->wake = due;
            break;
        }
        if (!enough && !(final && ecg_neural_worth(c) > FINAL_ODDS)) {
            ecg_neural_drop(s, end);
            continue;
        }
        neural_accept(d, s, end);
    }
    const int64_t expire = (int64_t)(expire_s(d, s) * NEURAL_HZ);
    while (s->pending_count > 0 && s->pending[0].at + expire <= s->searched) ecg_neural_drop(s, 0);
    if (s->pending_count > 0 && s->pending[0].at + expire < s->wake) s->wake = s->pending[0].at + expire;
}

void ecg_neural_decide(ecg_detector *d, neural_state *s, int final) {
    const int64_t early = ecg_neural_known(s->steps, NEURAL_EARLY);
    const int64_t late = ecg_neural_known(s->steps, NEURAL_LATE);
    int found = ecg_neural_search(d, s, s->uses_late ? s->p_late : s->p_early, s->uses_late ? late : early);
    if (s->uses_late) found |= ecg_neural_search_early(d, s, early);
    if (found || final || s->searched >= s->wake) decide_pending(d, s, final);
    ecg_neural_look_for_shape(s, d->config.n_leads);
}
