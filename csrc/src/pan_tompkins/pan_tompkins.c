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
#include "../common/simd4.h"

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

/* Buffers of twice the history: moving it to their start costs little, and small devices have little memory. At least
 * one run of samples has room. */
static int32_t buffer_length(double rate) {
    const int32_t history = history_length(rate), usual = 2 * history + block_length(rate);
    return usual > history + ECG_AHEAD ? usual : history + ECG_AHEAD;
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
    s->left = s->block;
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

static void come_to_rest(pt_filter *f) {
    f->u1 = f->u2 = f->y1 = f->y2 = 0.0f;
}

/* Sums of groups of samples; `open` samples of the first are in f->part. */
static void sum_groups(pt_filter *f, const float *in, float *out, int32_t n, int32_t group, int32_t open) {
    if (open > 0) {
        for (; n > 0 && open < group; n--, open++) f->part += *in++;
        if (open < group) return;
        *out++ = f->part;
        f->part = 0.0f;
    }
    int32_t whole = n / group;
    switch (group) { /* the usual ones without a loop */
    case 1: pt_add_up(out, in, whole, 1); break;
    case 2: pt_add_up(out, in, whole, 2); break;
    case 3: pt_add_up(out, in, whole, 3); break;
    default: pt_add_up(out, in, whole, group);
    }
    for (int32_t i = whole * group; i < n; i++) f->part += in[i];
}

/* The block is over: its energy is the newest of the window's, of which the running sum is made anew. */
static float close_block(pt_filter *f) {
    const float energy = f->block;
    f->sum = ((f->energy[0] + f->energy[1]) + f->energy[2]) + energy;
    f->energy[0] = f->energy[1];
    f->energy[1] = f->energy[2];
    f->energy[2] = energy;
    f->block = 0.0f;
    if (fabsf(f->u1) + fabsf(f->u2) < REST && fabsf(f->y1) + fabsf(f->y2) < REST) come_to_rest(f);
    return energy;
}

/* Band-pass of `n` steps in place, their squared slopes, and the integral at each. All in one loop: the band-pass waits
 * for its last values, the rest of the arithmetic has time while it does. */
static void filter(const pt_state *s, pt_lead *lead, float *restrict x_to_y, float *restrict squared, int32_t n) {
    const float a1 = lead->a1, a2 = lead->a2, c1 = lead->c1, c2 = lead->c2;
    const float *before = x_to_y - s->step, *leaving = squared - s->width;
    float *restrict integral = lead->integral;
    pt_filter f = lead->filter;
    for (ptrdiff_t i = 0; i < n; i++) {
        /* What is known a sample ahead comes first: the loop waits for one product and one sum. */
        const float x = x_to_y[i], u = (x - f.x2 - a2 * f.u2) - a1 * f.u1, y = (u - f.u2 - c2 * f.y2) - c1 * f.y1;
        f.x2 = f.x1;
        f.x1 = x;
        f.u2 = f.u1;
        f.u1 = u;
        f.y2 = f.y1;
        f.y1 = y;
        x_to_y[i] = y;
        const float slope = y - before[i], square = slope * slope;
        const float entering = square < STEEPEST * STEEPEST ? square : STEEPEST * STEEPEST;
        squared[i] = entering;
        f.sum += entering - leaving[i];
        f.block += entering;
        integral[i] = f.sum;
    }
    lead->filter = f;
}

/* From step `i` on, while the integral rises: up to the step after the one at which a peak is passed, or to `n`. Without
 * a branch on what is higher, which is not predictable. Steps count from `first` on. */
static int32_t search_peak(const pt_state *s, pt_lead *f, int64_t first, int32_t i, int32_t n) {
    pt_search *q = &f->search;
    int32_t at = (int32_t)(q->peak_at - first);
    const int32_t held = at + s->hold, end = n < held ? n : held;
    float peak = q->peak;
    for (; i < end; i++) {
        const float x = f->integral[i];
        if (x < FALL * peak && !(x > peak)) break;
        at = x > peak ? i : at;
        peak = x > peak ? x : peak;
    }
    q->peak_at = first + at;
    q->peak = peak;
    if (i == n) return n;
    const float x = f->integral[i];
    if (x > peak) {
        q->peak = x;
        q->peak_at = first + i;
    } else if (x < FALL * peak || i - at >= s->hold) {
        pt_pass(f, x);
    }
    return i + 1;
}

/* The same while it falls, up to the step after the one at which it rises. */
static int32_t search_valley(pt_lead *f, int64_t first, int32_t i, int32_t n) {
    pt_search *q = &f->search;
    float lowest = q->peak;
    for (; i < n && !(f->integral[i] > lowest); i++) lowest = f->integral[i];
    q->peak = lowest;
    if (i == n) return n;
    q->peak = f->integral[i];
    q->peak_at = first + i;
    q->rising = 1;
    return i + 1;
}

/* Looks for peaks of the integral in the last `n` steps, which lie in one block. */
static void search(const pt_state *s, pt_lead *f, int32_t n) {
    const int64_t first = s->count - n;
    for (int32_t i = 0; i < n;) i = f->search.rising ? search_peak(s, f, first, i, n) : search_valley(f, first, i, n);
}

/* After an artefact beyond all measure the filters would ring for seconds. */
static int is_artefact(const pt_lead *f, float energy) {
    return f->started && (double)energy > ARTEFACT * ARTEFACT * f->signal * f->signal;
}

static void forget_artefact(const ecg_detector *d, pt_state *s, int lead) {
    pt_lead *f = &s->lead[lead];
    const size_t kept = (size_t)(s->count - s->base) - (size_t)s->history;
    memset(pt_band(d, s, lead) + kept, 0, (size_t)s->history * sizeof(float));
    memset(pt_squared(d, s, lead) + kept, 0, (size_t)s->history * sizeof(float));
    for (uint32_t i = 2; i <= BLOCKS; i++) f->energy[(s->blocks - i) % HISTORY] = 0.0f;
    come_to_rest(&f->filter);
    f->filter.sum = f->filter.block = 0.0f;
    memset(f->filter.energy, 0, sizeof f->filter.energy);
    f->search = (pt_search){0};
    f->passed = 0;
}

/* The end of a block in one lead; whether there are peaks. */
static int end_block(ecg_detector *d, pt_state *s, int lead) {
    pt_lead *f = &s->lead[lead];
    float energy = close_block(&f->filter);
    if (is_artefact(f, energy)) {
        forget_artefact(d, s, lead);
        energy = 0.0f;
    }
    f->energy[(s->blocks - 1) % HISTORY] = energy;
    if (f->begin == INT64_MAX && energy > 0.0f) f->begin = d->count - s->block * s->group + s->first;
    if (f->faults) {
        f->fault_at = d->count;
        if (f->faults & (ECG_FLAG_LOST | ECG_QUALITY_FLAT)) f->idle += s->block * s->group;
        f->faults = 0;
    }
    return f->passed > 0 || f->peaks > 0;
}

/* Makes room in the buffers for `steps` more. */
static void make_room(ecg_detector *d, pt_state *s, int32_t steps) {
    const int32_t used = (int32_t)(s->count - s->base);
    if (used + steps <= s->length) return;
    for (int l = 0; l < 2 * d->config.n_leads; l++) {
        float *b = pt_band(d, s, 0) + (size_t)l * (size_t)s->length;
        memmove(b, b + used - s->history, (size_t)s->history * sizeof *b);
    }
    s->base = s->count - s->history;
}

/* Samples `first` and after, `n` of all leads, through the front ends into the rings; the quality bits that occurred. */
static uint32_t take(ecg_detector *d, int64_t first, const float *samples, int32_t n) {
    const int n_leads = d->config.n_leads;
    const uint32_t at = (uint32_t)first & d->ring_mask;
    uint32_t any = 0;
    for (int l = 0; l < n_leads; l++)
        any |= ecg_lead_block(&ecg_leads(d)[l], samples + l, n_leads, n, ecg_ring(d, l) + at, ecg_flags(d, l) + at);
    return any;
}

/* The place in the stream is now `count`; `faults`: is there any among the samples taken. */
static void go_on(ecg_detector *d, pt_state *s, int64_t count, uint32_t faults) {
    const int64_t first = d->count;
    d->count = count;
    for (int l = 0; faults && l < d->config.n_leads; l++)
        s->lead[l].faults |= ecg_flags_between(d, l, first, count - 1);
}

/* At most ECG_AHEAD samples; returns how many it took. Front ends run ahead of the decisions, and go back where the last
 * beat that is wanted is reported before the end. */
static int32_t run(ecg_detector *d, pt_state *s, const float *samples, int32_t n, size_t wanted) {
    const int n_leads = d->config.n_leads;
    const int64_t begin = d->count;
    const int32_t steps = (s->open + n) / s->group;
    make_room(d, s, steps);
    const size_t at = (size_t)(s->count - s->base);
    if (s->left * s->group - s->open < n) /* else no block ends before the run does */
        memcpy(ecg_leads_before(d), ecg_leads(d), (size_t)n_leads * sizeof(ecg_lead));
    const uint32_t faults = take(d, begin, samples, n);
    for (int l = 0; l < n_leads; l++)
        sum_groups(&s->lead[l].filter, ecg_ring(d, l) + ((uint32_t)begin & d->ring_mask), pt_band(d, s, l) + at, n,
                   s->group, s->open);
    s->open += n - steps * s->group;
    for (int32_t done = 0, now; done < steps; done += now) {
        const int ends = s->left <= steps - done; /* a block */
        now = ends ? s->left : steps - done;
        s->count += now;
        s->left = ends ? s->block : s->left - now;
        s->blocks += (uint32_t)ends;
        go_on(d, s, s->count * s->group, faults);
        int undecided = n_leads > 1 || s->limit > 0; /* nothing else is in a lone lead without peaks */
        for (int l = 0; l < n_leads; l++) {
            float *band = pt_band(d, s, l) + at + done;
            filter(s, &s->lead[l], band, band + s->length, now);
            search(s, &s->lead[l], now);
            if (ends) undecided |= end_block(d, s, l);
        }
        if (!ends || !undecided) continue;
        pt_decide(d, s);
        if (d->count == begin + n || ecg_queue_length(d) < wanted) continue;
        memcpy(ecg_leads(d), ecg_leads_before(d), (size_t)n_leads * sizeof(ecg_lead));
        take(d, begin, samples, (int32_t)(d->count - begin));
        for (int l = 0; l < n_leads; l++) s->lead[l].filter.part = 0.0f;
        s->open = 0;
        return (int32_t)(d->count - begin);
    }
    go_on(d, s, begin + n, faults);
    return n;
}

static size_t pt_process(ecg_detector *d, void *state, const float *samples, size_t n, size_t wanted) {
    size_t done = 0;
    while (done < n && !ecg_queue_filled(d)) {
        const uint32_t room = d->ring_mask + 1u - ((uint32_t)d->count & d->ring_mask);
        int32_t length = n - done < ECG_AHEAD ? (int32_t)(n - done) : ECG_AHEAD;
        if ((uint32_t)length > room) length = (int32_t)room;
        done += (size_t)run(d, state, samples + done * (size_t)d->config.n_leads, length, wanted);
    }
    return done;
}

static void pt_flush(ecg_detector *d, void *state) {
    pt_state *s = state;
    for (int l = 0; l < d->config.n_leads; l++) {
        if (s->lead[l].search.rising) pt_pass(&s->lead[l], s->lead[l].filter.sum);
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
        same = same && memcmp(&s->lead[l], saved + at, offsetof(pt_lead, filter)) == 0;
    }
    return same;
}

static int pt_lead_valid(const ecg_detector *d, const pt_state *s, const pt_lead *f) {
    const pt_filter *q = &f->filter;
    const float values[] = {q->x1, q->x2, q->u1, q->u2, q->y1, q->y2, q->part, q->sum, q->block, f->search.peak};
    if (!ecg_all_finite(values, sizeof values / sizeof *values) || !ecg_all_finite(q->energy, BLOCKS - 1)
        || !isfinite(f->signal) || !isfinite(f->noise)
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
    if (s->count != d->count / s->group || s->open != d->count % s->group
        || s->left != s->block - s->count % s->block || s->blocks != (uint32_t)(s->count / s->block)
        || !ecg_within(s->count - s->base, s->history, s->length) || !ecg_within(s->active_lead, 0, n_leads - 1)
        || !ecg_within(s->reported, INT64_MIN / 4, d->count)
        || !ecg_all_finite(pt_band(d, s, 0), 2 * (size_t)n_leads * (size_t)s->length))
        return 0;
    for (int l = 0; l < n_leads; l++)
        if (!pt_lead_valid(d, s, &s->lead[l])) return 0;
    return 1;
}

const ecg_method_ops ecg_pan_tompkins_ops = {PT_MEMORY_S, pt_size,  pt_init, pt_process, pt_flush,
                                             pt_delay, pt_same, pt_valid};
