/* Adaptive QRS detection: doubtful candidates wait for context (see adaptive.h for the stages).
 *
 * The idea of a score against adaptive levels of signal and noise is Pan and Tompkins (1985); what is
 * new is that the decision is a path through pending candidates, taken at two speeds. */
#include "adaptive.h"

/* s: refinement may find R so much before the feature's maximum (rpeak.c searches that far). */
#define REFINE_S 0.12
/* s of signal: what the first seconds (2.15 s) hold back, a filter, a decimated sample for each of their beats, and the
 * 0.19 s before a beat that refinement takes. */
#define ADAPTIVE_MEMORY_S 3.0
/* Maxima of the feature that are found at once: fours of decimated samples, a bit each in a word. */
#define MAXIMA 32

static size_t adaptive_size(const ecg_detector_config *config) {
    const size_t n_leads = (size_t)config->n_leads, shape = (size_t)adaptive_shape_room(config->fs) * sizeof(float);
    return ecg_round_up(sizeof(adaptive_state)) + ecg_round_up(n_leads * sizeof(adaptive_lead)) + n_leads * PENDING * shape;
}

static void adaptive_init(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    adaptive_feature_init(a, d->config.fs);
    a->shapes_at =
        ecg_round_up(sizeof(adaptive_state)) + ecg_round_up((size_t)d->config.n_leads * sizeof(adaptive_lead));
    a->wait_s = CONSTANT.wait_max_s;
    a->expire_s = CONSTANT.wait_max_s + CONSTANT.linger_s;
    a->start_s = CONSTANT.start_s;
    if (d->config.max_delay > 0.0) {
        float longest = (float)d->config.max_delay - CONSTANT.report_s;
        if (longest < a->wait_s) a->wait_s = longest;
        if (longest < a->expire_s) a->expire_s = longest;
        if (longest < a->start_s) a->start_s = longest;
    }
    adaptive_enter(a, d->config.n_leads, ADAPTIVE_WAITS);
}

/* Decides on `steps` decimated samples, up to the one at which the beats that are wanted are queued; returns how many.
 * `first`: samples taken when the first is complete. */
static int decide_steps(ecg_detector *d, adaptive_state *a, int steps, int64_t first, size_t wanted) {
    const int n_leads = d->config.n_leads;
    const int64_t begun = a->index, end = begun + steps;
    float peaks[MAXIMA];
    uint32_t maxima = 0;
    int64_t from = begun, known = begun; /* index of the first of them, and after the last */
    while (a->index < end) {
        int64_t until = end;
        if (a->wake < until) until = a->wake;
        if (adaptive_learns_levels(a) && a->learn_until >= 0 && a->learn_until + 1 < until) until = a->learn_until + 1;
        if (until <= a->index) until = a->index + 1;
        if (a->index == known || n_leads > 1) { /* decisions change the weights of several leads */
            from = a->index;
            known = n_leads > 1 ? until : end;
            if (known > from + MAXIMA) known = from + MAXIMA;
            maxima = adaptive_feature_maxima(a, n_leads, (int)(known - from), peaks);
        }
        if (until > known) until = known;
        const int64_t done = a->index - from;
        const int complete = adaptive_feature_search(a, peaks + done, maxima >> done, until);
        if (!complete && a->index < a->wake && !adaptive_learns_levels(a)) continue;
        d->count = first + (a->index - begun - 1) * a->decimation;
        adaptive_event(d, a, complete);
        if (ecg_queue_length(d) >= wanted) break;
    }
    return (int)(a->index - begun);
}

/* Adds up `n` groups of `length` samples. */
static inline void adaptive_add_up(float *sums, const float *x, int n, int length) {
    for (int i = 0; i < n; i++, x += length) {
        float sum = x[0];
        for (int k = 1; k < length; k++) sum += x[k];
        sums[i] = sum;
    }
}

/* Adds up `n` samples in groups; the last may stay open. */
static void decimate(const adaptive_state *a, adaptive_lead *s, const float *x, int n) {
    float *wave = s->wave + (a->index - a->base);
    const float *end = x + n;
    if (a->open > 0) {
        int left = a->decimation - a->open;
        for (; left > 0 && x < end; left--) s->sum += *x++;
        if (left > 0) return;
        *wave++ = s->sum;
        s->sum = 0.0f;
    }
    int groups = (int)(end - x) / a->decimation;
    switch (a->decimation) { /* the usual ones without a loop */
    case 1: adaptive_add_up(wave, x, groups, 1); break;
    case 2: adaptive_add_up(wave, x, groups, 2); break;
    case 3: adaptive_add_up(wave, x, groups, 3); break;
    case 4: adaptive_add_up(wave, x, groups, 4); break;
    default: adaptive_add_up(wave, x, groups, a->decimation);
    }
    for (x += groups * a->decimation; x < end;) s->sum += *x++;
}

/* The front ends run a block ahead of the decisions; where the last beat that is wanted is reported within it, they
 * go back. */
static size_t adaptive_process(ecg_detector *d, void *state, const float *samples, size_t n, size_t wanted) {
    adaptive_state *a = state;
    adaptive_lead *s = adaptive_leads(a);
    ecg_lead *leads = ecg_leads(d), *before = ecg_leads_before(d);
    const int count = d->config.n_leads;
    size_t done = 0;
    while (done < n && !ecg_queue_filled(d)) {
        const int64_t begun = d->count;
        const uint32_t at = (uint32_t)begun & d->ring_mask, room = d->ring_mask + 1u - at;
        int length = n - done < (size_t)a->block ? (int)(n - done) : a->block;
        if ((uint32_t)length > room) length = (int)room;
        const float *in = samples + done * (size_t)count;
        const int first = a->decimation - a->open; /* samples that complete the first group */
        const int steps = length < first ? 0 : 1 + (length - first) / a->decimation;
        memcpy(before, leads, (size_t)count * sizeof *leads);
        adaptive_feature_room(a, count, steps);
        for (int l = 0; l < count; l++) {
            ecg_lead_block(&leads[l], in + l, count, length, ecg_ring(d, l) + at, ecg_flags(d, l) + at);
            decimate(a, &s[l], ecg_ring(d, l) + at, length);
        }
        a->open = (a->open + length) % a->decimation;
        if (steps > 0) {
            adaptive_feature_filter(a, count, steps);
            int taken = decide_steps(d, a, steps, begun + first, wanted);
            int used = first + (taken - 1) * a->decimation;
            if (ecg_queue_length(d) >= wanted && used < length) {
                length = used;
                a->open = 0;
                memcpy(leads, before, (size_t)count * sizeof *leads);
                for (int l = 0; l < count; l++) {
                    ecg_lead_block(&leads[l], in + l, count, length, ecg_ring(d, l) + at, ecg_flags(d, l) + at);
                    s[l].sum = 0.0f;
                }
            }
        }
        d->count = begun + length;
        done += (size_t)length;
    }
    return done;
}

static void adaptive_flush(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    adaptive_lead *s = adaptive_leads(a);
    if (a->end < 0) {
        a->end = a->index;
        /* The last values continue until the filters have seen the end. */
        int steps = a->centre + a->hold + 2;
        adaptive_feature_room(a, d->config.n_leads, steps);
        for (int l = 0; l < d->config.n_leads; l++) {
            float *wave = s[l].wave + (a->index - a->base), last = ecg_leads(d)[l].last;
            wave[0] = s[l].sum + (float)(a->decimation - a->open) * last;
            for (int k = 1; k < steps; k++) wave[k] = (float)a->decimation * last;
            s[l].sum = 0.0f;
        }
        a->open = 0;
        adaptive_feature_filter(a, d->config.n_leads, steps);
        for (int k = 0; k < steps; k++) {
            float peak[4];
            const uint32_t maxima = adaptive_feature_maxima(a, d->config.n_leads, 1, peak);
            adaptive_event(d, a, adaptive_feature_search(a, peak, maxima, a->index + 1));
        }
        adaptive_end(d, a);
    }
    if (adaptive_decides(a) && !ecg_queue_filled(d)) adaptive_decide(d, a, 1);
}

static int64_t adaptive_delay(const ecg_detector *d, const void *state) {
    const adaptive_state *a = state;
    return (int64_t)ceil((a->expire_s + REFINE_S) * d->config.fs)
           + (int64_t)(a->centre + a->hold + 2) * a->decimation;
}

static int adaptive_same(const ecg_detector *d, const void *state, const unsigned char *saved) {
    (void)d;
    return memcmp(state, saved, offsetof(adaptive_state, open)) == 0;
}

static int adaptive_valid(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    const int64_t index = a->index, ended = a->end < 0 ? 0 : a->centre + a->hold + 2;
    if (!ecg_within(a->open, 0, a->decimation - 1) || !ecg_within(a->end, -1, index)
        || !ecg_within(index, d->count / a->decimation, d->count / a->decimation + ended)
        || (a->end < 0 && index * a->decimation + a->open != d->count)
        || !ecg_within(index - a->base, RECENT, LINE - 4)
        || (a->peak_at != -1 && (a->peak_at < 0 || !ecg_within(a->peak_at, adaptive_now(a) - 1, index - a->centre - 1))))
        return 0;
    return adaptive_levels_valid(a, d->config.n_leads) && adaptive_decision_valid(a);
}

const ecg_method_ops ecg_adaptive_ops = {ADAPTIVE_MEMORY_S, adaptive_size,  adaptive_init, adaptive_process, adaptive_flush,
                                         adaptive_delay,    adaptive_same,  adaptive_valid};
