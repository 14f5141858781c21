/* Pan-Tompkins QRS detection, streaming (J. Pan and W. J. Tompkins, A real-time QRS detection
 * algorithm, IEEE Trans. Biomed. Eng. 32, 1985, 230-236).
 *
 * The stages of the paper: band-pass, derivative, square, moving-window integral, two adaptive
 * thresholds, search-back, T-wave discrimination by slope, refractory period. What differs:
 * - no sampling rate is built in, and no amplitude: all levels are relative. Above RATE_MIN the mean
 *   of each group of samples is taken, so that the stages run at 160 to 320 Hz (paper: 200 Hz);
 * - the first seconds are kept and decided in retrospect, instead of two seconds of learning;
 * - the levels learn from amplitudes (square root of the integral) and not from energies, so that
 *   one tall beat does not silence the next; the signal level fades in a long pause;
 * - where the signal moves all the time (noise, mains, fibrillation), nothing is reported;
 * - each of several leads is processed alone, and the beats of the steadiest one are reported.
 * Constants without a source were chosen on every second record of mitdb (100, 102, 104, ... in the
 * order of their names) and rounded; the others and svdb confirmed them. */
#include "pan_tompkins.h"

/* Hz: where the energy of a QRS complex stands out from P and T waves and from muscle (paper). */
#define BAND_LOW 5.0
#define BAND_HIGH 15.0
/* s: about the width of the widest QRS complex and the filter's ringing (paper: 0.15). */
#define INTEGRAL_S 0.172
/* The integral has passed a peak when it is down to this share of it: lower, and beats are reported late;
 * higher, and a notched complex counts twice. */
#define FALL 0.6f
/* s: a peak has also passed after so long without a higher one. */
#define HOLD_S 0.2
/* s from the first sample until the first decision: two beats at 55 a minute. */
#define START_S 2.2
/* s of signal: START_S, two blocks and the filter's delay late, and the 0.19 s before it that refinement takes. */
#define PT_MEMORY_S 3.2
/* s between the two samples whose difference is the slope. */
#define SLOPE_S 0.018
/* The filters are set to rest when they are so many times beyond the signal level: they would ring for
 * seconds. */
#define ARTEFACT 1e5
/* s: longest age of a mark that search-back may still report, so that no R peak waits for 1.2 s. */
#define OLDEST_S 1.1
/* Hz: lowest rate of the stages, where the recording has it; ten samples of the band's upper edge. */
#define RATE_MIN 160.0
/* A filter that has decayed this far (no unit: any gain is far above) is set to rest, since
 * arithmetic on denormal numbers, as its square would soon be, is slow. */
#define REST 1e-16f
/* Slopes count as this at most, so that the sum of their squares is never infinite (no unit: far above any gain). */
#define STEEPEST 1e17f

static int32_t group_length(double fs) {
    return fs < 2.0 * RATE_MIN ? 1 : (int32_t)floor(fs / RATE_MIN);
}

static int32_t block_length(double rate) {
    return (int32_t)pt_samples(INTEGRAL_S / BLOCKS, rate);
}

/* Steps that examine() looks back: hold, window, slope, block; all below 0.5 s. */
static int32_t history_length(double rate) {
    return (int32_t)ceil(0.5 * rate) + BLOCKS;
}

/* Buffers of twice the history: moving it to their start costs little, and small devices have little memory. */
static int32_t buffer_length(double rate) {
    return 2 * history_length(rate) + block_length(rate);
}

static size_t pt_size(const ecg_detector_config *config) {
    return pt_head(config->n_leads)
           + (size_t)config->n_leads * 2 * (size_t)buffer_length(config->fs / group_length(config->fs))
                 * sizeof(float);
}

static void pt_init(ecg_detector *d, void *state) {
    pt_state *s = state;
    const double fs = d->config.fs;
    s->group = group_length(fs);
    const double rate = fs / s->group;
    ecg_bandpass design;
    ecg_bandpass_init(&design, rate, BAND_LOW, BAND_HIGH);
    for (int i = 0; i < d->config.n_leads; i++) {
        pt_lead *f = &s->lead[i];
        f->a1 = (float)design.section[0].a1;
        f->a2 = (float)design.section[0].a2;
        f->c1 = (float)design.section[1].a1;
        f->c2 = (float)design.section[1].a2;
        f->last = f->fault_at = INT64_MIN / 4;
        f->begin = INT64_MAX;
        f->rr_mean = fs;
    }
    s->delay = (int32_t)floor(design.delay * s->group + 0.5 * (s->group - 1) + 0.5);
    s->block = block_length(rate);
    s->left = s->block * s->group;
    s->width = BLOCKS * s->block;
    s->step = (int32_t)pt_samples(SLOPE_S, rate);
    s->hold = (int32_t)pt_samples(HOLD_S, rate);
    s->length = buffer_length(rate);
    s->history = history_length(rate);
    s->base = -s->history; /* silence before the first sample */
    s->oldest = pt_samples(OLDEST_S, fs);
    s->first = pt_samples(START_S, fs);
    s->pair = pt_samples(START_S, rate);
    if (d->config.max_delay > 0.0) {
        s->limit = (int64_t)floor(d->config.max_delay * fs);
        if (s->oldest > s->limit) s->oldest = s->limit;
        if (s->first > s->limit) s->first = s->limit;
    }
    s->reported = INT64_MIN / 4;
}

static inline void pt_add_up(float *sums, const float *x, int32_t n, int32_t length) {
    for (int32_t i = 0; i < n; i++, x += length) {
        float sum = x[0];
        for (int32_t k = 1; k < length; k++) sum += x[k];
        sums[i] = sum;
    }
}

/* Sums of groups of samples; `begun` samples of the first are in f->part. Returns how many were
 * completed. */
static int32_t group_block(pt_lead *f, const float *in, float *out, int32_t n, int32_t group, int32_t begun) {
    int32_t first = 0;
    if (begun > 0) {
        for (; n > 0 && begun < group; n--, begun++) f->part += *in++;
        if (begun < group) return 0;
        out[first++] = f->part;
        f->part = 0.0f;
    }
    int32_t whole = n / group;
    switch (group) { /* the usual ones without a loop */
    case 1: pt_add_up(out + first, in, whole, 1); break;
    case 2: pt_add_up(out + first, in, whole, 2); break;
    case 3: pt_add_up(out + first, in, whole, 3); break;
    default: pt_add_up(out + first, in, whole, group);
    }
    for (int32_t i = whole * group; i < n; i++) f->part += in[i];
    return first + whole;
}

/* Band-pass of `n` steps in place. */
static void filter_block(pt_lead *f, float *x_to_y, int32_t n) {
    const float a1 = f->a1, a2 = f->a2, c1 = f->c1, c2 = f->c2;
    float x1 = f->x1, x2 = f->x2, u1 = f->u1, u2 = f->u2, y1 = f->y1, y2 = f->y2;
    for (int32_t i = 0; i < n; i++) {
        /* What is known a sample ahead comes first: the loop waits for one product and one sum. */
        float x = x_to_y[i], u = (x - x2 - a2 * u2) - a1 * u1, y = (u - u2 - c2 * y2) - c1 * y1;
        x2 = x1;
        x1 = x;
        u2 = u1;
        u1 = u;
        y2 = y1;
        y1 = y;
        x_to_y[i] = y;
    }
    f->x1 = x1;
    f->x2 = x2;
    f->u1 = u1;
    f->u2 = u2;
    f->y1 = y1;
    f->y2 = y2;
}

/* Looks for peaks of the integral in `n` steps from `count` on. */
static void search(pt_state *s, pt_lead *f, const float *entering, int32_t n) {
    pt_search q = f->search;
    const float *leaving = entering - s->width;
    const int64_t count = s->count, hold = s->hold;
    for (int32_t i = 0; i < n; i++) {
        q.sum += entering[i] - leaving[i];
        q.block += entering[i];
        if (q.sum > q.peak) {
            q.rising = 1;
            q.peak = q.sum;
            q.peak_at = count + i;
        } else if (!q.rising) {
            q.peak = q.sum;
        } else if (q.sum < FALL * q.peak || count + i - q.peak_at >= hold) {
            f->search = q;
            pt_pass(f);
            q = f->search;
        }
    }
    f->search = q;
}

/* All stages for the next `n` samples, which the front ends have put into the rings, up to the end of
 * a block. */
static void advance(ecg_detector *d, pt_state *s, int32_t n) {
    const int n_leads = d->config.n_leads;
    const int32_t step = s->step, group = s->group, begun = s->block * group - s->left;
    const int32_t steps = (begun % group + n) / group;
    const size_t at = (size_t)(s->count - s->base);
    const uint32_t now = (uint32_t)d->count & d->ring_mask;
    for (int l = 0; l < n_leads; l++) {
        float *band = pt_band(d, s, l) + at, *squared = pt_squared(d, s, l) + at;
        pt_lead *f = &s->lead[l];
        group_block(f, ecg_ring(d, l) + now, band, n, group, begun % group);
        filter_block(f, band, steps);
        for (int32_t i = 0; i < steps; i++) {
            float slope = fabsf(band[i] - band[i - step]);
            slope = slope < STEEPEST ? slope : STEEPEST;
            squared[i] = slope * slope;
        }
        search(s, f, squared, steps);
    }
    s->count += steps;
    s->left -= n;
    d->count += n;
}

/* After an artefact beyond all measure the filters would ring for seconds. */
static void come_to_rest(const ecg_detector *d, pt_state *s, int lead) {
    pt_lead *f = &s->lead[lead];
    const size_t kept = (size_t)(s->count - s->base) - (size_t)s->history;
    memset(pt_band(d, s, lead) + kept, 0, (size_t)s->history * sizeof(float));
    memset(pt_squared(d, s, lead) + kept, 0, (size_t)s->history * sizeof(float));
    for (uint32_t i = 1; i <= BLOCKS; i++) f->energy[(s->blocks - i) % HISTORY] = 0.0f;
    f->u1 = f->u2 = f->y1 = f->y2 = 0.0f;
    f->search = (pt_search){0};
    f->passed = 0;
}

static void end_block(ecg_detector *d, pt_state *s) {
    const int n_leads = d->config.n_leads;
    s->left = s->block * s->group;
    s->blocks++;
    for (int l = 0; l < n_leads; l++) {
        pt_lead *f = &s->lead[l];
        if (f->started && (double)f->search.block > ARTEFACT * ARTEFACT * f->signal * f->signal) come_to_rest(d, s, l);
        f->energy[(s->blocks - 1) % HISTORY] = f->search.block;
        if (f->begin == INT64_MAX && f->search.block > 0.0f)
            f->begin = d->count - s->block * s->group + s->first;
        f->search.block = 0.0f;
        float sum = 0.0f;
        for (uint32_t i = s->blocks < BLOCKS ? s->blocks : BLOCKS; i >= 1; i--)
            sum += f->energy[(s->blocks - i) % HISTORY];
        f->search.sum = sum;
        if (fabsf(f->u1) + fabsf(f->u2) < REST && fabsf(f->y1) + fabsf(f->y2) < REST)
            f->u1 = f->u2 = f->y1 = f->y2 = 0.0f;
        if (f->faults) f->fault_at = d->count;
        if (f->faults & (ECG_FLAG_LOST | ECG_QUALITY_FLAT)) f->idle += s->block * s->group;
        f->faults = 0;
    }
    pt_decide(d, s);
    const int32_t used = (int32_t)(s->count - s->base);
    if (used + s->block > s->length) {
        for (int l = 0; l < 2 * n_leads; l++) {
            float *b = pt_band(d, s, 0) + (size_t)l * (size_t)s->length;
            memmove(b, b + used - s->history, (size_t)s->history * sizeof *b);
        }
        s->base = s->count - s->history;
    }
}

/* The next `n` samples through all front ends into the rings; the quality bits that occurred. */
static uint32_t pt_clean(ecg_detector *d, const float *samples, int32_t n) {
    const int n_leads = d->config.n_leads;
    const uint32_t now = (uint32_t)d->count & d->ring_mask;
    uint32_t any = 0;
    for (int l = 0; l < n_leads; l++)
        any |= ecg_lead_block(&ecg_leads(d)[l], samples + l, n_leads, n, ecg_ring(d, l) + now, ecg_flags(d, l) + now);
    return any;
}

/* The front ends run up to ECG_AHEAD samples ahead; where a beat is reported before, they go back. */
static size_t pt_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    pt_state *s = state;
    const int n_leads = d->config.n_leads;
    ecg_lead *before = ecg_leads_before(d);
    size_t done = 0;
    while (done < n && !ecg_queue_filled(d)) {
        const float *in = samples + done * (size_t)n_leads;
        const uint32_t room = d->ring_mask + 1u - ((uint32_t)d->count & d->ring_mask);
        int32_t ahead = n - done < ECG_AHEAD ? (int32_t)(n - done) : ECG_AHEAD, used = 0;
        if ((uint32_t)ahead > room) ahead = (int32_t)room;
        memcpy(before, ecg_leads(d), (size_t)n_leads * sizeof *before);
        const uint32_t faults = pt_clean(d, in, ahead);
        while (used < ahead && !ecg_queue_filled(d)) {
            int32_t length = s->left < ahead - used ? s->left : ahead - used;
            advance(d, s, length);
            for (int l = 0; faults && l < n_leads; l++)
                s->lead[l].faults |= ecg_flags_between(d, l, d->count - length, d->count - 1);
            used += length;
            if (s->left == 0) end_block(d, s);
        }
        if (used < ahead) {
            memcpy(ecg_leads(d), before, (size_t)n_leads * sizeof *before);
            d->count -= used;
            pt_clean(d, in, used);
            d->count += used;
        }
        done += (size_t)used;
    }
    return done;
}

static void pt_flush(ecg_detector *d, void *state) {
    pt_state *s = state;
    for (int l = 0; l < d->config.n_leads; l++) {
        if (s->lead[l].search.rising) pt_pass(&s->lead[l]);
        s->lead[l].begin = 0;
    }
    pt_decide(d, s);
}

static int64_t pt_delay(const ecg_detector *d, const void *state) {
    const pt_state *s = state;
    return s->limit > 0 ? s->limit : s->oldest + ecg_refine_reach(d->config.fs);
}

static int pt_same(const ecg_detector *d, const void *state, const unsigned char *saved) {
    const pt_state *s = state;
    int same = memcmp(s, saved, offsetof(pt_state, left)) == 0;
    for (size_t l = 0; l < (size_t)d->config.n_leads; l++) {
        const size_t at = offsetof(pt_state, lead) + l * sizeof(pt_lead);
        same = same && memcmp(&s->lead[l], saved + at, offsetof(pt_lead, x1)) == 0;
    }
    return same;
}

static int pt_lead_valid(const ecg_detector *d, const pt_state *s, const pt_lead *f) {
    const float values[] = {f->x1, f->x2,   f->u1,         f->u2,           f->y1,
                            f->y2, f->part, f->search.sum, f->search.block, f->search.peak};
    if (!ecg_all_finite(values, sizeof values / sizeof *values) || !isfinite(f->signal) || !isfinite(f->noise)
        || !ecg_all_finite(f->energy, HISTORY)
        || !ecg_within(f->passed, 0, PASSED) || !ecg_within(f->search.rising, 0, 1)
        || (f->search.rising && !ecg_within(f->search.peak_at, s->count - s->hold, s->count - 1)))
        return 0;
    for (int i = 0; i < f->passed; i++)
        if (!ecg_within(f->found[i].at, s->count - s->block - s->hold, s->count - 1) || !(f->found[i].peak >= 0.0)
            || f->found[i].at < 0)
            return 0;
    return pt_decision_valid(d, s, f);
}

static int pt_valid(ecg_detector *d, void *state) {
    pt_state *s = state;
    const int n_leads = d->config.n_leads;
    const int64_t block = (int64_t)s->block * s->group, begun = d->count % block;
    const int64_t before = s->count - s->base - begun / s->group; /* steps in the buffers when the block began */
    if (s->left != block - begun || s->blocks != (uint32_t)(d->count / block) || s->count != d->count / s->group
        || !ecg_within(before, s->history, s->length - s->block) || !ecg_within(s->active_lead, 0, n_leads - 1)
        || !ecg_within(s->reported, INT64_MIN / 4, d->count)
        || !ecg_all_finite(pt_band(d, s, 0), 2 * (size_t)n_leads * (size_t)s->length))
        return 0;
    for (int l = 0; l < n_leads; l++)
        if (!pt_lead_valid(d, s, &s->lead[l])) return 0;
    return 1;
}

const ecg_method_ops ecg_pan_tompkins_ops = {PT_MEMORY_S, pt_size,  pt_init, pt_process, pt_flush,
                                             pt_delay, pt_same, pt_valid};
