/* Pan-Tompkins QRS detection (IEEE Trans. Biomed. Eng. 32, 1985, 230-236), streaming.
 *
 * The stages of the paper: band-pass, derivative, square, moving-window integral, two adaptive
 * thresholds with search-back, T-wave discrimination by slope, refractory period. */
#include "internal.h"

/* Hz: where the energy of a QRS complex stands out from P and T waves and from muscle (paper). */
#define BAND_LOW 5.0
#define BAND_HIGH 15.0
/* s: about the width of the widest QRS complex (paper). */
#define INTEGRAL_S 0.15
/* The integral has passed a peak when it is down to this share of it; a new one is rising when it
 * is up by this factor from the valley. */
#define FALL 0.5
#define RISE 1.5
/* s: a peak counts as passed after so long without a higher one, whatever follows. */
#define HOLD_S 0.15
/* First threshold: noise level + this share of the distance to the signal level (amplitudes; the
 * paper's 0.25 of the squared signal). */
#define THRESHOLD 0.45
/* Second threshold as a share of the first (paper). */
#define SECOND 0.5
/* Weight of a new peak in the running signal and noise levels (paper). */
#define SIGNAL_RATE 0.125
#define NOISE_RATE 0.125
/* No threshold is lower than this many times the noise level. */
#define NOISE_FLOOR 1.5
/* A peak within T_WAVE_S of a beat with less than this share of its slope is a T wave (paper). */
#define SLOPE 0.5
/* RR intervals without a beat until the search-back (paper). */
#define SEARCH_RR 1.66
#define REFRACTORY_S 0.2
#define T_WAVE_S 0.36
/* Weight of a beat found by search-back in the signal level (paper). */
#define SEARCH_RATE 0.25
/* A peak counts at most this many times the signal level when the level learns from it. */
#define SIGNAL_CAP 3.0
/* s without a beat until the signal level fades, and s in which it then halves. */
#define FADE_AFTER_S 2.0
#define FADE_S 1.0
/* Signal level at the start, as a share of the highest peak. */
#define START_LEVEL 0.7
/* s from the first sample until the first decision. */
#define START_S 2.2
/* s between the two samples whose difference is the slope. */
#define SLOPE_S 0.02
/* s: longest age of a peak that search-back may still report. */
#define OLDEST_S 1.2
/* Beats that count as learning, and RR intervals in the running mean (paper). */
#define LEARNING_BEATS 4
#define RR_KEPT 8
/* Peaks since the last beat that are remembered; at more than ten a second noise rules. */
#define PEAKS 32

typedef struct pt_peak {
    int64_t about;  /* sample of the complex's main band-pass extremum, filter delay removed */
    double height;  /* square root of the integral */
    double slope;   /* largest difference of the band-passed signal */
} pt_peak;

/* Filter and rings of one lead. */
typedef struct pt_lead {
    ecg_biquad section[2];
} pt_lead;

typedef struct pt_state {
    int64_t delay;      /* samples: group delay of the band-pass */
    int64_t width;      /* samples: moving window */
    int64_t step;       /* samples: difference for the slope */
    int64_t hold;       /* samples */
    int64_t oldest;     /* samples: longest age that may be reported */
    uint32_t mask;      /* rings of band-passed signal and squared slope, length less one */

    double sum, fresh;  /* the integral; the same since the window's ring last began anew */
    int32_t fill;       /* samples in `fresh` */
    int32_t tracking;   /* above a valley, looking for a peak; else falling */
    double peak;        /* highest value since the valley, or lowest since the peak */
    int64_t peak_at;
    int64_t wake;       /* sample count of the next decision that no peak brings about */

    int32_t started;    /* the first seconds have been decided */
    double signal, noise;  /* running levels, amplitudes */
    double last_slope;  /* of the last beat */
    int64_t last;       /* R peak of the last beat */
    int64_t learned;    /* beats so far */
    int32_t rr_count, rr_next;
    double rr[RR_KEPT]; /* samples */
    double rr_mean;
    int32_t peaks;
    pt_peak kept[PEAKS];
    pt_lead lead[1];
} pt_state;

static uint32_t pt_ring(double fs) {
    uint32_t length = 1;
    while (length < 0.6 * fs) length <<= 1;
    return length;
}

static size_t pt_head(int leads) {
    return ecg_round_up(sizeof(pt_state) + (size_t)(leads - 1) * sizeof(pt_lead));
}

static size_t pt_size(const ecg_detector_config *config) {
    return pt_head(config->leads) + ((size_t)config->leads + 1) * pt_ring(config->fs) * sizeof(float);
}

static float *pt_band(const ecg_detector *d, pt_state *s, int lead) {
    return (float *)((char *)s + pt_head(d->config.leads)) + (size_t)lead * (s->mask + 1u);
}

static float *pt_squared(const ecg_detector *d, pt_state *s) {
    return pt_band(d, s, d->config.leads);
}

static int64_t samples_of(double seconds, double fs) {
    int64_t n = (int64_t)floor(seconds * fs + 0.5);
    return n > 1 ? n : 1;
}

static void pt_init(ecg_detector *d, void *state) {
    pt_state *s = state;
    double fs = d->config.fs;
    ecg_bandpass filter;
    ecg_bandpass_init(&filter, fs, BAND_LOW, BAND_HIGH);
    for (int i = 0; i < d->config.leads; i++)
        for (int k = 0; k < 2; k++) s->lead[i].section[k] = filter.section[k];
    s->mask = pt_ring(fs) - 1;
    s->delay = samples_of(filter.delay / fs, fs);
    s->width = samples_of(INTEGRAL_S, fs);
    s->step = samples_of(SLOPE_S, fs);
    s->hold = samples_of(HOLD_S, fs);
    s->oldest = samples_of(OLDEST_S, fs);
    double start = START_S;
    if (d->config.max_delay > 0.0) {
        int64_t limit = (int64_t)floor(d->config.max_delay * fs);
        int64_t hold = limit - s->width - s->delay - ecg_refine_reach(fs);
        if (hold < s->hold) s->hold = hold > 1 ? hold : 1;
        if (limit < s->oldest) s->oldest = limit;
        if (start > d->config.max_delay) start = d->config.max_delay;
    }
    s->wake = samples_of(start, fs);
    s->last = INT64_MIN / 2;
    s->rr_mean = fs;
}

static double level_now(const ecg_detector *d, const pt_state *s, int64_t at) {
    double wait = (double)(at - s->last) / d->config.fs - FADE_AFTER_S;
    if (s->learned == 0 || wait <= 0.0) return s->signal;
    return s->signal * exp2(-wait / FADE_S);
}

static double threshold(const pt_state *s, double signal) {
    return s->noise + THRESHOLD * (signal - s->noise);
}

static void learn_noise(pt_state *s, double height) {
    s->noise += NOISE_RATE * (height - s->noise);
}

static void accept(ecg_detector *d, pt_state *s, const pt_peak *p, double signal, double limit, double rate) {
    int64_t r = ecg_refine(d, 0, p->about);
    if (s->learned > 0) {
        double rr = (double)(p->about - s->last);
        s->rr[s->rr_next] = rr;
        s->rr_next = (s->rr_next + 1) % RR_KEPT;
        if (s->rr_count < RR_KEPT) s->rr_count++;
        double sum = 0.0;
        for (int i = 0; i < s->rr_count; i++) sum += s->rr[i];
        s->rr_mean = sum / s->rr_count;
    }
    double height = p->height < SIGNAL_CAP * signal ? p->height : SIGNAL_CAP * signal;
    s->signal = signal + rate * (height - signal);
    s->last_slope = p->slope;
    s->last = p->about;
    s->learned++;
    int64_t half = samples_of(0.06, d->config.fs);
    uint32_t quality = ecg_quality_between(d, 0, r - half, r + half);
    if (s->learned <= LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    if (s->noise > 0.5 * s->signal) quality |= ECG_QUALITY_NOISY;
    if (rate != SIGNAL_RATE) quality |= ECG_QUALITY_DOUBTFUL;
    ecg_detector_report(d, r, (float)(p->height / limit), quality);
}

static void keep(pt_state *s, const pt_peak *p) {
    if (s->peaks == PEAKS) { /* forget the lowest */
        int low = 0;
        for (int i = 1; i < PEAKS; i++)
            if (s->kept[i].height < s->kept[low].height) low = i;
        if (p->height <= s->kept[low].height) return;
        memmove(&s->kept[low], &s->kept[low + 1], (size_t)(PEAKS - 1 - low) * sizeof *p);
        s->peaks--;
    }
    s->kept[s->peaks++] = *p;
}

/* Peaks up to a beat are history. */
static void forget(pt_state *s, int64_t until) {
    int left = 0;
    for (int i = 0; i < s->peaks; i++)
        if (s->kept[i].about > until) s->kept[left++] = s->kept[i];
    s->peaks = left;
}

static int is_t_wave(const ecg_detector *d, const pt_state *s, const pt_peak *p) {
    return (double)(p->about - s->last) < T_WAVE_S * d->config.fs && p->slope < SLOPE * s->last_slope;
}

static double second(const pt_state *s, double signal) {
    double limit = SECOND * threshold(s, signal), floor_ = NOISE_FLOOR * s->noise;
    return limit > floor_ ? limit : floor_;
}

/* The highest peak above the second threshold becomes a beat, until there is none. */
static void search_back(ecg_detector *d, pt_state *s) {
    for (;;) {
        double overdue = (double)s->last + SEARCH_RR * s->rr_mean;
        int64_t now = d->count;
        const pt_peak *best = NULL;
        if ((double)(now - s->width / 2 - s->delay) < overdue) break;
        double signal = level_now(d, s, now);
        double limit = second(s, signal);
        for (int i = 0; i < s->peaks; i++) {
            const pt_peak *p = &s->kept[i];
            if (now - p->about > s->oldest || (double)(p->about - s->last) < REFRACTORY_S * d->config.fs) continue;
            if (p->height > limit && (!best || p->height > best->height) && !is_t_wave(d, s, p)) best = p;
        }
        if (!best) break;
        pt_peak found = *best;
        accept(d, s, &found, signal, limit, SEARCH_RATE);
        forget(s, found.about);
    }
}

static void set_wake(const ecg_detector *d, pt_state *s) {
    double due = (double)s->last + SEARCH_RR * s->rr_mean + (double)(s->width / 2 + s->delay);
    s->wake = INT64_MAX;
    if (s->learned && due > (double)d->count) s->wake = (int64_t)ceil(due) + 1;
}

static void decide(ecg_detector *d, pt_state *s, const pt_peak *p) {
    double fs = d->config.fs, since = (double)(p->about - s->last);
    if (since < REFRACTORY_S * fs) return;
    double signal = level_now(d, s, p->about);
    double limit = threshold(s, signal), floor_ = NOISE_FLOOR * s->noise;
    if (limit < floor_) limit = floor_;
    if (!is_t_wave(d, s, p) && p->height > limit) {
        accept(d, s, p, signal, limit, SIGNAL_RATE);
        s->peaks = 0;
    } else {
        learn_noise(s, p->height);
        keep(s, p);
    }
}

static void start(ecg_detector *d, pt_state *s) {
    double highest = 0.0, sum = 0.0;
    int low = 0;
    for (int i = 0; i < s->peaks; i++)
        if (s->kept[i].height > highest) highest = s->kept[i].height;
    s->signal = START_LEVEL * highest;
    for (int i = 0; i < s->peaks; i++)
        if (s->kept[i].height < 0.4 * highest) {
            sum += s->kept[i].height;
            low++;
        }
    s->noise = low ? sum / low : 0.1 * highest;
    pt_peak first[PEAKS];
    int peaks = s->peaks;
    memcpy(first, s->kept, sizeof first);
    s->peaks = 0;
    s->started = 1;
    for (int i = 0; i < peaks; i++) decide(d, s, &first[i]);
}

/* A decision that time brings about. */
static void on_time(ecg_detector *d, pt_state *s) {
    if (!s->started) start(d, s);
    else search_back(d, s);
    set_wake(d, s);
}

/* The integral has passed a peak at `s->peak_at` (a sample index). */
static void on_peak(ecg_detector *d, pt_state *s) {
    const float *band = pt_band(d, s, 0), *squared = pt_squared(d, s);
    int64_t first = s->peak_at - s->width - s->step;
    if (first < 0) first = 0;
    int64_t at = s->peak_at;
    float best = -1.0f, steep = 0.0f;
    for (int64_t i = first; i <= s->peak_at; i++) {
        float x = fabsf(band[(uint32_t)i & s->mask]), q = squared[(uint32_t)i & s->mask];
        if (x > best) {
            best = x;
            at = i;
        }
        if (q > steep) steep = q;
    }
    pt_peak p = {at - s->delay, sqrt(s->peak), sqrt((double)steep)};
    if (p.about < 0) p.about = 0;
    if (!s->started) {
        keep(s, &p);
        return;
    }
    decide(d, s, &p);
    search_back(d, s);
    set_wake(d, s);
}

static size_t pt_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    pt_state *s = state;
    const uint32_t ring_mask = d->ring_mask, mask = s->mask;
    float *ring = ecg_ring(d, 0), *band = pt_band(d, s, 0), *squared = pt_squared(d, s);
    uint8_t *flags = ecg_flags(d, 0);
    ecg_lead lead = ecg_leads(d)[0];
    ecg_biquad p = s->lead[0].section[0], q = s->lead[0].section[1];
    double sum = s->sum, fresh = s->fresh, peak = s->peak;
    int32_t fill = s->fill, tracking = s->tracking, width = (int32_t)s->width;
    int64_t peak_at = s->peak_at, wake = s->wake, count = d->count, hold = s->hold;
    const uint32_t step = (uint32_t)s->step;
    const int leads = d->config.leads;
    size_t i = 0;
    while (i < n) {
        float x;
        uint32_t quality = ecg_lead_step(&lead, samples[i * (size_t)leads], &x);
        uint32_t now = (uint32_t)count & mask;
        ring[(uint32_t)count & ring_mask] = x;
        flags[(uint32_t)count & ring_mask] = (uint8_t)quality;
        for (int k = 1; k < leads; k++) {
            uint32_t at = (uint32_t)count & ring_mask;
            ecg_flags(d, k)[at] = (uint8_t)ecg_lead_step(&ecg_leads(d)[k], samples[i * (size_t)leads + (size_t)k],
                                                         &ecg_ring(d, k)[at]);
        }

        double u = p.b0 * (double)x + p.s1;
        p.s1 = p.s2 - p.a1 * u;
        p.s2 = -p.b0 * (double)x - p.a2 * u;
        double y = q.b0 * u + q.s1;
        q.s1 = q.s2 - q.a1 * y;
        q.s2 = -q.b0 * u - q.a2 * y;
        float b = (float)y;
        band[now] = b;
        float slope = b - band[(now - step) & mask];
        float e = slope * slope;
        sum += (double)e - (double)squared[(now - (uint32_t)width) & mask];
        squared[now] = e;
        fresh += (double)e;
        if (++fill == width) {
            sum = fresh;
            fresh = 0.0;
            fill = 0;
        }
        int event = 0;
        if (tracking) {
            if (sum > peak) {
                peak = sum;
                peak_at = count;
            } else if (sum < FALL * peak || count - peak_at >= hold) {
                event = 1;
            }
        } else if (sum < peak) {
            peak = sum;
        } else if (sum > RISE * peak) {
            tracking = 1;
            peak = sum;
            peak_at = count;
        }
        count++;
        i++;
        if (event || count >= wake) {
            d->count = count;
            s->peak = peak;
            s->peak_at = peak_at;
            if (event) {
                on_peak(d, s);
                tracking = 0;
                peak = sum;
            }
            if (count >= s->wake) on_time(d, s);
            wake = s->wake;
            if (ecg_queue_filled(d)) break;
        }
    }
    ecg_leads(d)[0] = lead;
    s->lead[0].section[0] = p;
    s->lead[0].section[1] = q;
    s->sum = sum;
    s->fresh = fresh;
    s->fill = fill;
    s->tracking = tracking;
    s->peak = peak;
    s->peak_at = peak_at;
    d->count = count;
    return i;
}

static void pt_flush(ecg_detector *d, void *state) {
    pt_state *s = state;
    if (s->tracking) {
        s->tracking = 0;
        on_peak(d, s);
    }
    if (!s->started) start(d, s);
    search_back(d, s);
}

static int64_t pt_delay(const ecg_detector *d, const void *state) {
    (void)d;
    return ((const pt_state *)state)->oldest;
}

const ecg_method_ops ecg_pan_tompkins_ops = {pt_size, pt_init, pt_process, pt_flush, pt_delay};
