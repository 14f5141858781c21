/* The phases of detection.
 *
 *   from            to          when
 *   WAITS           COLLECTS    a candidate is complete
 *   COLLECTS        LEARNS      the first seconds are over and hold an ECG
 *   COLLECTS        WAITS       they are over and hold none
 *   LEARNS          RUNS        levels have come from the first candidates for long enough
 *   LEARNS, RUNS    WAITS       several beats in a row without trust
 *   any             RUNS        the patient is recognised (adaptive_patient.c)
 *   RUNS, or any    RUNS        beats beyond doubt are in sight where levels do not fit them
 *   but LEARNS                  (adaptive_clear_beats.c); not at the very first start
 */
#include "adaptive.h"

/* Forgets levels, shape and rhythm; the candidates of the last seconds are the first ones. */
static void start_over(adaptive_state *a, int n_leads) {
    a->accepted = 0;
    a->rr_count = 0;
    a->rr_ref = CONSTANT.rr_first_s;
    a->rr_var = CONSTANT.rr_first_var;
    a->doubts = 0;
    a->head = a->solved = adaptive_look_back(a);
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < n_leads; l++, s++) {
        s->weight = 1.0f / (float)n_leads;
        s->scale = 1.0f;
        s->seeded = s->first_count = s->template_beats = 0;
        s->loss_accepted = s->loss_rejected = 0.0f;
        for (uint32_t i = a->head; i != a->tail; i++) {
            uint32_t slot = i % PENDING;
            s->similarity[slot] = NOT_COMPARED;
            if (!s->faulty[slot]) s->first[s->first_count++] = s->height[slot];
        }
    }
}

void adaptive_enter(adaptive_state *a, int n_leads, adaptive_phase phase) {
    a->phase = (int32_t)phase;
    if (phase == ADAPTIVE_WAITS) {
        start_over(a, n_leads);
        a->learn_until = -1;
        a->wake = INT64_MAX;
    } else if (phase == ADAPTIVE_COLLECTS) {
        a->learn_until = a->index + (int64_t)((a->relearning ? CONSTANT.start_s : CONSTANT.learn_s) * a->rate);
        a->wake = a->index + (int64_t)((a->relearning ? CONSTANT.start_s : a->start_s) * a->rate);
    }
}

void adaptive_give_up(adaptive_state *a, int n_leads) {
    adaptive_enter(a, n_leads, ADAPTIVE_WAITS);
    a->relearning = 1;
}

/* Ends the first seconds; 0 where they hold no ECG. */
static int begin(adaptive_state *a, int n_leads) {
    adaptive_learn_first(a, n_leads);
    /* The best candidate of a path without shapes gives the first template; then once more with it. */
    int best = adaptive_path_end(a, n_leads);
    for (int slot = best; slot >= 0; slot = a->pending[slot].from)
        if (a->pending[slot].score > a->pending[best].score) best = slot;
    if (best < 0) return 0;
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < n_leads; l++)
        if (s[l].seeded && !s[l].faulty[best]) adaptive_learn_shape(a, &s[l], (uint32_t)best);
    a->solved = a->head;

    float similarity = 0.0f, rr[PENDING], mean = 0.0f, var = 0.0f;
    int n = 0, others = 0;
    const int end = adaptive_path_end(a, n_leads);
    for (int slot = end; slot >= 0; slot = a->pending[slot].from) {
        if (slot != best) {
            similarity += a->pending[slot].similarity;
            others++;
        }
        if (a->pending[slot].from >= 0) {
            rr[n] = adaptive_seconds(a, a->pending[a->pending[slot].from].at, a->pending[slot].at);
            mean += rr[n++];
        }
    }
    mean /= (float)(n > 0 ? n : 1);
    for (int i = 0; i < n; i++) var += fabsf(rr[i] / mean - 1.0f) / (float)n;
    adaptive_trust_first(a, n_leads, others > 0 ? similarity / (float)others : CONSTANT.trust_neutral, var, n + 1);
    if (!a->relearning && a->start_s < CONSTANT.start_s) {
        /* A short max_delay leaves no time to judge: the beats that follow do. */
        if (a->trust < CONSTANT.start_trust) a->trust = a->recent = CONSTANT.start_trust;
        return 1;
    }
    const int uniform = n > 1 && similarity > CONSTANT.start_similarity * (float)others && var < CONSTANT.start_var;
    const float least = uniform ? CONSTANT.start_low : CONSTANT.start_contrast;
    return a->trust > CONSTANT.start_trust && adaptive_contrast(a, end) > least;
}

/* From the candidates of the last seconds, among which beats are beyond doubt. */
static void begin_from_clear_beats(adaptive_state *a, int n_leads) {
    adaptive_give_up(a, n_leads);
    adaptive_enter(a, n_leads, begin(a, n_leads) ? ADAPTIVE_RUNS : ADAPTIVE_WAITS);
}

static void on_candidate(ecg_detector *d, adaptive_state *a) {
    const int n_leads = d->config.n_leads;
    if (a->phase == ADAPTIVE_WAITS) adaptive_enter(a, n_leads, ADAPTIVE_COLLECTS);
    const int may_begin = a->phase == ADAPTIVE_RUNS || (a->phase == ADAPTIVE_COLLECTS && a->relearning);
    if (!adaptive_resume(a, n_leads) && may_begin && adaptive_shows_clear_beats(a, n_leads))
        begin_from_clear_beats(a, n_leads);
    if (!adaptive_decides(a)) return;
    adaptive_learn_first(a, n_leads);
    adaptive_decide(d, a, 0);
}

static void on_time(ecg_detector *d, adaptive_state *a) {
    const int n_leads = d->config.n_leads;
    if (a->phase == ADAPTIVE_COLLECTS) {
        if (a->relearning) start_over(a, n_leads);
        if (!begin(a, n_leads)) {
            adaptive_give_up(a, n_leads);
            return;
        }
        adaptive_enter(a, n_leads, ADAPTIVE_LEARNS);
    }
    adaptive_decide(d, a, 0);
}

void adaptive_event(ecg_detector *d, adaptive_state *a, int complete) {
    const int n_leads = d->config.n_leads;
    if (complete && a->tail - a->head >= PENDING_MAX) { /* so that the work is bounded */
        adaptive_learn_rejected(a, n_leads, a->head % PENDING);
        a->solved = ++a->head;
    }
    if (complete && adaptive_feature_emit(d, a)) on_candidate(d, a);
    if (a->index >= a->wake) on_time(d, a);
    if (a->phase == ADAPTIVE_LEARNS && a->index > a->learn_until) adaptive_enter(a, n_leads, ADAPTIVE_RUNS);
}

void adaptive_end(ecg_detector *d, adaptive_state *a) {
    const int n_leads = d->config.n_leads;
    if (a->phase == ADAPTIVE_COLLECTS && begin(a, n_leads)) adaptive_enter(a, n_leads, ADAPTIVE_LEARNS);
}
