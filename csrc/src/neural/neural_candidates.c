/* From the network's outputs to candidates: where most beats are expected, by the early and the late output. */
#include "neural.h"
#include "neural_constants.h"

/* Beats expected around cell `at`. */
static float mass(const float *p, int64_t at, int64_t known) {
    float sum = 0.0f;
    for (int64_t k = at - SUM_CELLS; k <= at + SUM_CELLS; k++)
        if (k >= 0 && k < known) sum += p[k % NEURAL_RECENT];
    return sum / TARGET_CELLS;
}

static float odds_of(float expected) {
    const float p = expected < SURE ? expected : SURE;
    return logf(p / (1.0f - p));
}

/* Centre of what is expected around cell `at`. */
static int64_t centre(const float *p, int64_t at, int64_t known) {
    float sum = 0.0f, moment = 0.0f;
    for (int64_t k = at - SUM_CELLS; k <= at + SUM_CELLS; k++)
        if (k >= 0 && k < known) {
            sum += p[k % NEURAL_RECENT];
            moment += (float)(k - at) * p[k % NEURAL_RECENT];
        }
    return at + (int64_t)floorf(moment / sum + 0.5f);
}

static int neural_is_maximum(const float *p, int64_t at, int64_t known, float here) {
    for (int64_t k = at - HOLD_CELLS; k <= at + HOLD_CELLS; k++)
        if (k >= 0 && k < known && mass(p, k, known) > here) return 0;
    return 1;
}

void ecg_neural_pass_over(neural_state *s, int first, int count) {
    for (int i = first; i < first + count; i++)
        if (s->pending[i].odds > s->passed_over) s->passed_over = s->pending[i].odds;
}

void ecg_neural_remove(neural_state *s, int first, int count) {
    s->pending_count -= count;
    memmove(s->pending + first, s->pending + first + count,
            (size_t)(s->pending_count - first) * sizeof *s->pending);
}

void ecg_neural_drop(neural_state *s, int index) {
    ecg_neural_pass_over(s, index, 1);
    ecg_neural_remove(s, index, 1);
}

/* Counted back from now: products of days of cells do not fit 64 bits. */
int64_t ecg_neural_sample(const ecg_detector *d, const neural_state *s, int64_t at) {
    const int64_t whole = s->end < 0 ? s->cells : s->end, open = s->cell - s->left;
    const int64_t back = (whole - at) * s->cell + open - s->cell / 2;
    return d->count - ((back + (INT64_C(1) << 32) - 1) >> 32);
}

/* Do all usable leads show nothing around a cell but a converter's lowest bit? */
static int all_flicker(ecg_detector *d, neural_state *s, int64_t at) {
    const neural_lead *lead = ecg_neural_leads(s);
    int shown = 0;
    for (int l = 0; l < d->config.n_leads; l++) {
        if (!ecg_neural_usable(&lead[l], at)) continue;
        if (!ecg_flickers(d, l, ecg_neural_sample(d, s, at))) return 0;
        shown = 1;
    }
    return shown;
}

/* A new candidate, or a better reading of one that waits. */
static int add_candidate(ecg_detector *d, neural_state *s, int64_t at, float odds) {
    if (at < 0 || (s->last >= 0 && at <= s->last + MERGE_CELLS) || (s->end >= 0 && at >= s->end - END_CELLS)) return 0;
    if (all_flicker(d, s, at)) return 0;
    int i = 0;
    while (i < s->pending_count && s->pending[i].at < at - MERGE_CELLS) i++;
    /* The nearest of two, so that their order stays. */
    if (i + 1 < s->pending_count && s->pending[i + 1].at - at < at - s->pending[i].at) i++;
    const int known = i < s->pending_count && s->pending[i].at <= at + MERGE_CELLS;
    if (!known) {
        if (s->pending_count == NEURAL_PENDING) {
            if (i == 0) return 0;
            ecg_neural_drop(s, 0);
            i--;
        }
        memmove(s->pending + i + 1, s->pending + i, (size_t)(s->pending_count - i) * sizeof *s->pending);
        s->pending_count++;
    }
    neural_candidate *c = &s->pending[i];
    c->at = at;
    c->odds = odds;
    if (s->accepted >= NEURAL_HEIGHT_BEATS) ecg_neural_set_score(s, d->config.n_leads, c);
    else
        for (int k = 0; k < s->pending_count; k++) ecg_neural_set_score(s, d->config.n_leads, &s->pending[k]);
    return 1;
}

int ecg_neural_search_early(ecg_detector *d, neural_state *s, int64_t known) {
    int found = 0;
    for (; s->searched_early + SUM_CELLS + 1 < known; s->searched_early++) {
        const int64_t at = s->searched_early;
        const float here = mass(s->p_early, at, known);
        if (here < 0.9f || here <= mass(s->p_early, at + 1, known) || here < mass(s->p_early, at - 1, known)) continue;
        const float odds = odds_of(here);
        if (odds < EARLY_ODDS || !neural_is_maximum(s->p_early, at, at + SUM_CELLS + 2, here)) continue;
        s->claims[s->claim] = at;
        s->claim = (s->claim + 1) % NEURAL_CLAIMS;
        if (s->early_hold == 0 && s->accepted >= LEARNING_BEATS)
            found |= add_candidate(d, s, centre(s->p_early, at, known), odds);
    }
    return found;
}

/* Does the late output confirm what the early one claimed `SUM_CELLS` before cell `at`? */
static void check_claims(neural_state *s, int64_t at, int64_t known) {
    for (int i = 0; i < NEURAL_CLAIMS; i++) {
        if (s->claims[i] < 0 || s->claims[i] + SUM_CELLS > at) continue;
        float best = 0.0f;
        for (int64_t k = s->claims[i] - SUM_CELLS; k <= s->claims[i] + SUM_CELLS; k++) {
            const float here = k >= 0 ? mass(s->p_late, k, known) : 0.0f;
            best = here > best ? here : best;
        }
        if (best <= NEURAL_FAINT || odds_of(best) < EARLY_CONFIRMED) s->early_hold = EARLY_BEATS;
        s->claims[i] = -1;
    }
}

int ecg_neural_search(ecg_detector *d, neural_state *s, const float *p, int64_t known) {
    int found = 0;
    for (; s->searched + SUM_CELLS + HOLD_CELLS < known; s->searched++) {
        const int64_t at = s->searched;
        const float here = mass(p, at, known);
        if (s->uses_late) check_claims(s, at, known);
        if (here < NEURAL_FAINT || here <= mass(p, at + 1, known) || here < mass(p, at - 1, known)) continue;
        if (neural_is_maximum(p, at, known, here)) found |= add_candidate(d, s, centre(p, at, known), odds_of(here));
    }
    return found;
}
