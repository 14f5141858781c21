/* Adaptive QRS detection: doubtful candidates wait for context (see adaptive.h for the stages).
 *
 * The idea of a score against adaptive levels of signal and noise is Pan and Tompkins (1985); what is
 * new is that the decision is a path through pending candidates, taken at two speeds. */
#include "adaptive.h"

/* s: refinement may find R so much before the feature's maximum (rpeak.c searches that far). */
#define REFINE_S 0.12
/* s from R to report besides the wait: filters, hold and the usual refinement. */
#define REPORT_S 0.265f

/* s that a candidate outlives the longest wait: a path may still take it up at its neighbour's end. */
#define LINGER_S 0.03f

static size_t adaptive_size(const ecg_detector_config *config) {
    return ecg_round_up(sizeof(adaptive_state)) + (size_t)config->leads * sizeof(adaptive_lead);
}

static void adaptive_init(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    adaptive_feature_init(a, d->config.fs);
    a->wait_s = K.wait_max_s;
    a->expire_s = K.wait_max_s + LINGER_S;
    a->start_s = K.start_s;
    if (d->config.max_delay > 0.0) {
        float longest = (float)d->config.max_delay - REPORT_S;
        if (longest < a->wait_s) a->wait_s = longest;
        if (longest < a->expire_s) a->expire_s = longest;
        if (longest < a->start_s) a->start_s = longest;
    }
    adaptive_forget(a, d->config.leads);
}

/* The decimated samples of all leads are complete. */
static void step(ecg_detector *d, adaptive_state *a) {
    int leads = d->config.leads;
    int complete = adaptive_feature_step(a, leads);
    if (complete && a->tail - a->head >= PENDING_MAX) {
        adaptive_learn_rejected(a, leads, a->head % PENDING);
        a->solved = ++a->head;
    }
    if (complete && adaptive_feature_emit(d, a)) {
        if (a->learn_until < 0) { /* the first candidate starts the clock */
            a->learn_until = a->index + (int64_t)(K.start_s * a->rate);
            a->wake = a->index + (int64_t)((a->again ? K.start_s : a->start_s) * a->rate);
        }
        if (a->started) {
            adaptive_learn_first(a, leads);
            adaptive_decide(d, a, 0);
        }
    }
    if (a->index >= a->wake) {
        if (a->started || adaptive_begin(a, leads)) {
            a->started = 1;
            adaptive_decide(d, a, 0);
        } else {
            adaptive_forget(a, leads);
            a->again = 1;
        }
    }
    if (a->learn_until >= 0 && a->index > a->learn_until) a->learning = 0;
}

static size_t process_leads(ecg_detector *d, adaptive_state *a, const float *samples, size_t n) {
    adaptive_lead *s = adaptive_leads(a);
    int leads = d->config.leads;
    float clean[ECG_LEADS_MAX];
    size_t i = 0;
    while (i < n && !ecg_queue_filled(d)) {
        ecg_detector_take(d, samples + i++ * (size_t)leads, clean);
        for (int l = 0; l < leads; l++) s[l].sum += clean[l];
        if (++a->phase == a->decimation) {
            a->phase = 0;
            step(d, a);
        }
    }
    return i;
}

/* The same for one lead, its front end kept in registers. */
static size_t process_one(ecg_detector *d, adaptive_state *a, const float *samples, size_t n) {
    adaptive_lead *s = adaptive_leads(a);
    ecg_lead lead = ecg_leads(d)[0];
    float *ring = ecg_ring(d, 0);
    uint8_t *flags = ecg_flags(d, 0);
    uint32_t mask = d->ring_mask;
    size_t i = 0;
    while (i < n && !ecg_queue_filled(d)) {
        size_t left = (size_t)(a->decimation - a->phase), stop = n - i < left ? n : i + left;
        uint32_t at = (uint32_t)d->count;
        float sum = s->sum, clean;
        a->phase += (int32_t)(stop - i);
        d->count += (int64_t)(stop - i);
        for (; i < stop; i++, at++) {
            flags[at & mask] = (uint8_t)ecg_lead_step(&lead, samples[i], &clean);
            ring[at & mask] = clean;
            sum += clean;
        }
        s->sum = sum;
        if (a->phase == a->decimation) {
            a->phase = 0;
            step(d, a);
        }
    }
    ecg_leads(d)[0] = lead;
    return i;
}

static size_t adaptive_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    return d->config.leads == 1 ? process_one(d, state, samples, n) : process_leads(d, state, samples, n);
}

static void adaptive_flush(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    adaptive_lead *s = adaptive_leads(a);
    if (a->end < 0) {
        a->end = a->index;
        /* The last values go on until the filters have told what there was. */
        for (int k = a->centre + a->hold + 2; k > 0; k--) {
            for (int l = 0; l < d->config.leads; l++)
                s[l].sum += (float)(a->decimation - a->phase) * ecg_leads(d)[l].last;
            a->phase = 0;
            step(d, a);
        }
        if (!a->started && (a->learn_until < 0 || !adaptive_begin(a, d->config.leads))) return;
        a->started = 1;
    }
    if (a->started && !ecg_queue_filled(d)) adaptive_decide(d, a, 1);
}

static int64_t adaptive_delay(const ecg_detector *d, const void *state) {
    const adaptive_state *a = state;
    return (int64_t)ceil((a->expire_s + REFINE_S) * d->config.fs)
           + (int64_t)(a->centre + a->hold + 2) * a->decimation;
}

const ecg_method_ops ecg_adaptive_ops = {adaptive_size, adaptive_init, adaptive_process, adaptive_flush,
                                         adaptive_delay};
