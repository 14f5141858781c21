/* Pan-Tompkins QRS detection, streaming (J. Pan and W. J. Tompkins, A real-time QRS detection
 * algorithm, IEEE Trans. Biomed. Eng. 32, 1985, 230-236).
 *
 * The stages of the paper: band-pass, derivative, square, moving-window integral, two adaptive
 * thresholds, search-back, T-wave discrimination by slope, refractory period. What differs:
 * - no sampling rate is built in, and no amplitude: all levels are relative. Above RATE_MIN the mean
 *   of each group of samples goes on, so that the stages run at 160 to 320 Hz (paper: 200 Hz);
 * - the first seconds are kept and decided in retrospect, instead of two seconds of learning;
 * - the levels learn from amplitudes (square root of the integral) and not from energies, so that
 *   one tall beat does not silence the next; the signal level fades in a long pause;
 * - where the signal moves all the time (noise, mains, fibrillation), nothing is reported;
 * - of several leads each is followed by itself, and the steadiest one speaks.
 * Constants without a source were chosen on every second record of mitdb (100, 102, 104, ... in the
 * order of their names) and rounded; the others and svdb confirmed them. */
#include "internal.h"

/* Hz: where the energy of a QRS complex stands out from P and T waves and from muscle (paper). */
#define BAND_LOW 5.0
#define BAND_HIGH 15.0
/* s: about the width of the widest QRS complex and the filter's ringing (paper: 0.15). */
#define INTEGRAL_S 0.172
/* The integral has passed a peak when it is down to this share of it: lower, and beats are told late;
 * higher, and a notched complex counts twice. */
#define FALL 0.6
/* s: a peak has also passed after so long without a higher one. */
#define HOLD_S 0.2
/* First threshold: noise level + this share of the distance to the signal level (paper: 0.25 of
 * energies). */
#define FIRST 0.36
/* Second threshold as a share of the first (paper: 0.5). */
#define SECOND 0.6
/* Weight of a new peak in the running signal and noise levels (paper: 0.125). */
#define SIGNAL_RATE 0.125
#define NOISE_RATE 0.1
/* No threshold is lower than this many times the noise level. */
#define NOISE_FLOOR 1.4
/* A peak within T_WAVE_S of a beat with less than this share of its slope is a T wave (paper: 0.5,
 * 0.36 s). */
#define SLOPE 0.65
#define T_WAVE_S 0.33
/* RR intervals without a beat until the search-back (paper). */
#define SEARCH_RR 1.66
/* s: no ventricle beats again earlier (paper: 0.2). */
#define REFRACTORY_S 0.19
/* Weight of a beat found by search-back in the signal level (paper: 0.25). */
#define SEARCH_RATE 0.35
/* A peak counts at most this many times the signal level when a level learns from it. */
#define SIGNAL_CAP 2.4
/* s without a beat until the signal level fades, and s in which it then halves. */
#define FADE_AFTER_S 1.4
#define FADE_S 1.2
/* The same after noise, which may have been much larger than any beat. */
#define NOISE_WAIT_S 0.8
#define NOISE_FADE_S 0.3
/* After noise, and where it has faded to less than LOST_SHARE, the level is known no more: it learns
 * with this weight, and the time since the last beat is no RR interval. */
#define LOST_SHARE 0.7
#define LOST_RATE 0.5
/* Signal level at the start, as a share of the highest peak; peaks below START_SPLIT of it make the
 * noise level. */
#define START_LEVEL 0.7
#define START_SPLIT 0.4
/* s from the first sample until the first decision: two beats at 55 a minute. */
#define START_S 2.2
/* s between the two samples whose difference is the slope. */
#define SLOPE_S 0.018
/* A block is busy with more than this share of a beat's mean block energy; the signal is noise with
 * more than the share BUSY of busy blocks (beats of mitdb: 99 % below 0.73; white noise: above 0.8). */
#define BUSY_LEVEL 0.1
#define BUSY 0.8
/* Until CALM_BEATS beats in a row were none, less is noise: more than CALM of busy blocks, more than
 * CALM_LOW of blocks above the lower CALM_LEVEL, or a signal level below CALM_RATIO noise levels (beats
 * of mitdb and svdb: 99 % above 3; white noise: about 2). */
#define CALM 0.7
#define CALM_LEVEL 0.0625
#define CALM_LOW 0.75
#define CALM_RATIO 2.2
#define CALM_BEATS 8
/* After as many the lead has shown an ECG, and that is not asked again. */
#define KNOWN_BEATS 24
/* Two beats are alike when neither has less than this share of the other's height, and evenly apart when
 * their RR intervals differ by less than the share EVEN: as many beats in a row are no noise either,
 * however fast they come. */
#define ALIKE 0.65
#define EVEN 0.1
/* s without a beat until faint peaks that are alike tell a new signal level. */
#define MISFIT_S 1.6
/* The filters are set to rest when they are so many times beyond the signal level: they would ring for
 * seconds. */
#define ARTEFACT 1e5
/* Last peaks whose heights are remembered: those of START_S at 400 a minute. */
#define HEIGHTS 16
/* s: longest age of a mark that search-back may still report, so that no R peak waits for 1.2 s. */
#define OLDEST_S 1.1
/* Hz: lowest rate of the stages, where the recording has it; ten samples of the band's upper edge. */
#define RATE_MIN 160.0
/* The integral is made of so many blocks: its running sum is renewed, and decisions fall, at the end of
 * each block, whatever the chunks of the input. */
#define BLOCKS 4
/* Blocks remembered to tell noise: 2.75 s. */
#define HISTORY 64
/* Blocks that must be known before a signal can be called noise: a second. */
#define HISTORY_MIN 24
/* s on either side of the R peak whose quality is told. */
#define QRS_HALF_S 0.06
/* Beats that count as learning, and RR intervals in the running mean (paper). */
#define LEARNING_BEATS 4
#define RR_KEPT 8
/* Peaks since the last beat that are remembered; with more, only noise is lost. */
#define PEAKS 32
/* Peaks of the integral in one block at the most: it falls by half and rises again only once. */
#define PASSED 2
/* Beats of a silent lead that are remembered: those of the first seconds at 300 a minute. */
#define RECENT 16
/* Another lead takes over when its share of busy blocks is lower by this much; a lead with a fault in
 * the last FAULT_S or without a beat for LOST_S counts as one that is always busy. */
#define SWITCH 0.2
#define FAULT_S 0.5
#define LOST_S 2.5
/* Halvings of the signal level at the most, so that it does not vanish in days of silence. */
#define FADE_MOST 40.0
/* A filter that has decayed this far (no unit: any gain is far above) is set to rest, since
 * arithmetic on denormal numbers is slow. */
#define REST 1e-140

typedef struct pt_peak {
    int64_t about;  /* sample of the complex's main band-pass extremum, filter delay removed */
    double height;  /* square root of the integral */
    double slope;   /* largest difference of the band-passed signal */
} pt_peak;

typedef struct pt_beat {
    int64_t about;
    float strength;
    uint32_t quality;
} pt_beat;

/* Peak search on the integral. */
typedef struct pt_search {
    double sum;       /* the moving-window integral */
    double block;     /* energy of the block that is being filled */
    double peak;      /* highest value since the valley, or lowest since the peak */
    int64_t peak_at;  /* step of the highest value */
    int32_t rising;   /* a valley has been passed, the peak has not */
} pt_search;

typedef struct pt_found {
    double peak;
    int64_t at;
} pt_found;

/* One lead. */
typedef struct pt_lead {
    /* Band-pass, two sections without the constant gain: u[n] = x[n] - x[n-2] - a2 u[n-2] - a1 u[n-1],
     * likewise y from u with c1 and c2. */
    double a1, a2, c1, c2;
    double x1, x2, u1, u2, y1, y2; /* the last two values */
    double part;           /* sum of the samples of a group that is not complete */
    pt_search search;
    int32_t passed;
    pt_found found[PASSED]; /* peaks passed in the block that is being filled */
    uint32_t faults;       /* quality bits of the block that is being filled */
    int32_t noisy;         /* the last beat was noise and has not been reported */
    int32_t calm;          /* beats in a row that were none, up to KNOWN_BEATS, which last */
    int32_t even;          /* beats in a row like the one before in height and interval, up to a few */
    double interval, height; /* of the last beat: samples since the one before, amplitude */
    int32_t started;       /* the first seconds have been decided */
    int64_t begin;         /* samples: end of the first seconds, once the lead has moved */
    int64_t fault_at;      /* sample count at the last fault */
    double signal, noise;  /* running levels, amplitudes */
    double last_slope;     /* of the last beat */
    int64_t last;          /* mark of the last beat */
    int64_t beats;         /* so far */
    int64_t idle;          /* samples without signal since the last beat */
    double rr[RR_KEPT];    /* samples */
    double rr_mean;
    int32_t rr_count, rr_next;
    uint32_t recent_next, heights_next;
    int32_t peaks;
    double energy[HISTORY]; /* of the last blocks */
    pt_found heights[HEIGHTS]; /* last peaks, amplitudes */
    pt_peak kept[PEAKS];    /* peaks since the last beat that are none so far */
    pt_beat recent[RECENT]; /* last beats, reported if the lead speaks */
} pt_lead;

typedef struct pt_state {
    int32_t group;      /* samples that make one of the stages' (a "step" of time below) */
    int32_t delay;      /* samples: group delay of the band-pass and of the groups */
    int32_t width;      /* steps: moving window, BLOCKS blocks */
    int32_t step;       /* steps: difference for the slope */
    int32_t hold;       /* steps */
    int32_t block;      /* steps a block */
    int32_t history;    /* steps before the present one that a decision looks at */
    int32_t length;     /* steps that the buffers of band-passed signal and squared slope hold */
    int32_t left;       /* samples until the block is full */
    int32_t speaker;    /* the lead that is reported */
    uint32_t blocks;    /* so far */
    int64_t count;      /* steps so far */
    int64_t base;       /* step at the buffers' start */
    int64_t pair;       /* steps: longest interval of two peaks that confirm each other */
    int64_t first;      /* samples: length of the first seconds, which are decided in retrospect */
    int64_t oldest;     /* samples: longest age of a mark that search-back may report */
    int64_t limit;      /* samples: longest age of an R peak that may be reported; 0: no limit asked */
    int64_t reported;   /* mark of the last beat reported */
    pt_lead lead[1];
} pt_state;

static int64_t samples_of(double seconds, double fs) {
    int64_t n = (int64_t)floor(seconds * fs + 0.5);
    return n > 1 ? n : 1;
}

static int32_t group_length(double fs) {
    return fs < 2.0 * RATE_MIN ? 1 : (int32_t)floor(fs / RATE_MIN);
}

static int32_t block_length(double rate) {
    return (int32_t)samples_of(INTEGRAL_S / BLOCKS, rate);
}

/* Steps that examine() looks back: hold, window, slope, block; all below 0.5 s. */
static int32_t history_length(double rate) {
    return (int32_t)ceil(0.5 * rate) + BLOCKS;
}

/* The buffers take as much again, so that moving the history to their start costs next to nothing. */
static int32_t buffer_length(double rate) {
    return 4 * history_length(rate) + block_length(rate);
}

static size_t head_size(int leads) {
    return ecg_round_up(sizeof(pt_state) + (size_t)(leads - 1) * sizeof(pt_lead));
}

static size_t pt_size(const ecg_detector_config *config) {
    return head_size(config->leads)
           + (size_t)config->leads * 2 * (size_t)buffer_length(config->fs / group_length(config->fs))
                 * sizeof(double);
}

/* Band-passed signal and squared slope of a lead. Step `base` comes first. */
static double *band_of(const ecg_detector *d, pt_state *s, int lead) {
    return (double *)((char *)s + head_size(d->config.leads)) + (size_t)lead * 2 * (size_t)s->length;
}

static double *squared_of(const ecg_detector *d, pt_state *s, int lead) {
    return band_of(d, s, lead) + s->length;
}

static void pt_init(ecg_detector *d, void *state) {
    pt_state *s = state;
    const double fs = d->config.fs;
    s->group = group_length(fs);
    const double rate = fs / s->group;
    ecg_bandpass design;
    ecg_bandpass_init(&design, rate, BAND_LOW, BAND_HIGH);
    for (int i = 0; i < d->config.leads; i++) {
        pt_lead *f = &s->lead[i];
        f->a1 = design.section[0].a1;
        f->a2 = design.section[0].a2;
        f->c1 = design.section[1].a1;
        f->c2 = design.section[1].a2;
        f->last = f->fault_at = INT64_MIN / 4;
        f->begin = INT64_MAX;
        f->rr_mean = fs;
    }
    s->delay = (int32_t)floor(design.delay * s->group + 0.5 * (s->group - 1) + 0.5);
    s->block = block_length(rate);
    s->left = s->block * s->group;
    s->width = BLOCKS * s->block;
    s->step = (int32_t)samples_of(SLOPE_S, rate);
    s->hold = (int32_t)samples_of(HOLD_S, rate);
    s->length = buffer_length(rate);
    s->history = history_length(rate);
    s->base = -s->history; /* silence before the first sample */
    s->oldest = samples_of(OLDEST_S, fs);
    s->first = samples_of(START_S, fs);
    s->pair = samples_of(START_S, rate);
    if (d->config.max_delay > 0.0) {
        s->limit = (int64_t)floor(d->config.max_delay * fs);
        if (s->oldest > s->limit) s->oldest = s->limit;
        if (s->first > s->limit) s->first = s->limit;
    }
    s->reported = INT64_MIN / 4;
}

/* ------------------------------------------------------------------ decision --------------- */

static double signal_at(const ecg_detector *d, const pt_lead *f, int64_t at) {
    if (f->beats == 0) return f->signal;
    double wait = (double)(at - f->last - f->idle) / d->config.fs - (f->noisy ? NOISE_WAIT_S : FADE_AFTER_S);
    if (wait <= 0.0) return f->signal;
    double halvings = wait / (f->noisy ? NOISE_FADE_S : FADE_S);
    return f->signal * exp2(halvings < FADE_MOST ? -halvings : -FADE_MOST);
}

static double threshold(const pt_lead *f, double signal, double share) {
    double limit = share * (f->noise + FIRST * (signal - f->noise)), least = NOISE_FLOOR * f->noise;
    return limit > least ? limit : least;
}

static int is_t_wave(const ecg_detector *d, const pt_lead *f, const pt_peak *p) {
    return (double)(p->about - f->last) < T_WAVE_S * d->config.fs && p->slope < SLOPE * f->last_slope;
}

/* Share of the last blocks with more than `level` of a beat's mean block energy. */
static double busy(const pt_state *s, const pt_lead *f, double level) {
    const double limit = level * f->signal * f->signal / BLOCKS;
    const int known = s->blocks < HISTORY ? (int)s->blocks : HISTORY;
    int count = 0;
    if (known < HISTORY_MIN) return 0.0;
    for (int i = 0; i < known; i++) count += f->energy[i] > limit;
    return (double)count / known;
}

/* Could it be noise, as long as there is no evidence of beats? */
static int restless(const pt_state *s, const pt_lead *f, double share) {
    return share > CALM || busy(s, f, CALM_LEVEL) > CALM_LOW || f->signal < CALM_RATIO * f->noise;
}

static void report(ecg_detector *d, pt_state *s, int lead, const pt_beat *b) {
    if ((double)(b->about - s->reported) < REFRACTORY_S * d->config.fs) return;
    int64_t r = ecg_refine(d, lead, b->about), half = samples_of(QRS_HALF_S, d->config.fs);
    if (s->limit > 0 && d->count - r > s->limit) return;
    s->reported = b->about;
    ecg_detector_report(d, r, b->strength, b->quality | ecg_quality_between(d, lead, r - half, r + half));
}

static int alike(double a, double b) {
    return a >= ALIKE * b && b >= ALIKE * a;
}

static void accept(ecg_detector *d, pt_state *s, pt_lead *f, const pt_peak *p, double signal, double limit,
                   int searched) {
    const double interval = (double)(p->about - f->last);
    const int even = fabs(interval - f->interval) < EVEN * f->interval && alike(p->height, f->height);
    f->even = !even ? 0 : f->even < CALM_BEATS ? f->even + 1 : CALM_BEATS;
    f->interval = interval;
    f->height = p->height;
    const int lost = f->noisy || signal < LOST_SHARE * f->signal;
    if (f->beats > 0 && f->idle == 0 && !lost) {
        f->rr[f->rr_next] = (double)(p->about - f->last);
        f->rr_next = (f->rr_next + 1) % RR_KEPT;
        if (f->rr_count < RR_KEPT) f->rr_count++;
        double sum = 0.0;
        for (int i = 0; i < f->rr_count; i++) sum += f->rr[i];
        f->rr_mean = sum / f->rr_count;
    }
    double height = p->height < SIGNAL_CAP * f->signal || lost ? p->height : SIGNAL_CAP * f->signal;
    f->signal = signal + (lost ? LOST_RATE : searched ? SEARCH_RATE : SIGNAL_RATE) * (height - signal);
    f->last_slope = p->slope;
    f->last = p->about;
    f->idle = 0;
    f->beats++;
    /* Peaks up to the beat are history. */
    int left = 0;
    for (int i = 0; i < f->peaks; i++)
        if (f->kept[i].about > p->about) f->kept[left++] = f->kept[i];
    f->peaks = left;

    const double share = busy(s, f, BUSY_LEVEL);
    const int proven = f->calm >= CALM_BEATS || f->even >= CALM_BEATS;
    f->noisy = share > BUSY || (!proven && restless(s, f, share));
    f->calm = f->noisy && f->calm < KNOWN_BEATS ? 0 : f->calm < KNOWN_BEATS ? f->calm + 1 : KNOWN_BEATS;
    if (f->noisy) return;
    pt_beat b = {p->about, (float)(p->height / limit), 0};
    if (f->beats <= LEARNING_BEATS) b.quality |= ECG_QUALITY_LEARNING;
    if (share > 0.75 * BUSY) b.quality |= ECG_QUALITY_NOISY;
    if (searched) b.quality |= ECG_QUALITY_DOUBTFUL;
    f->recent[f->recent_next++ % RECENT] = b;
    if (f == &s->lead[s->speaker]) report(d, s, s->speaker, &b);
}

static void keep(pt_lead *f, const pt_peak *p) {
    if (f->peaks == PEAKS) { /* the oldest goes */
        memmove(&f->kept[0], &f->kept[1], (PEAKS - 1) * sizeof *p);
        f->peaks--;
    }
    f->kept[f->peaks++] = *p;
}

/* A peak far above any beat is an artefact and tells no noise level. */
static void learn_noise(pt_lead *f, double height) {
    double most = SIGNAL_CAP * f->signal;
    f->noise += NOISE_RATE * ((height < most ? height : most) - f->noise);
}

static void decide(ecg_detector *d, pt_state *s, pt_lead *f, const pt_peak *p) {
    if ((double)(p->about - f->last) < REFRACTORY_S * d->config.fs) return;
    double signal = signal_at(d, f, p->about), limit = threshold(f, signal, 1.0);
    if (p->height > limit && !is_t_wave(d, f, p)) {
        accept(d, s, f, p, signal, limit, 0);
    } else {
        learn_noise(f, p->height);
        keep(f, p);
    }
}

/* The highest remembered peak above the second threshold becomes a beat once the next beat is overdue,
 * as long as there is one. */
static void search_back(ecg_detector *d, pt_state *s, pt_lead *f) {
    const double seen_after = (double)(s->delay + s->width * s->group / 2);
    while (f->started && f->peaks > 0 && (double)d->count >= (double)f->last + SEARCH_RR * f->rr_mean + seen_after) {
        double signal = signal_at(d, f, d->count), limit = threshold(f, signal, SECOND);
        const pt_peak *best = NULL;
        for (int i = 0; i < f->peaks; i++) {
            const pt_peak *p = &f->kept[i];
            if (p->height > limit && (!best || p->height > best->height) && d->count - p->about <= s->oldest
                && (double)(p->about - f->last) >= REFRACTORY_S * d->config.fs && !is_t_wave(d, f, p))
                best = p;
        }
        if (!best) break;
        pt_peak found = *best;
        accept(d, s, f, &found, signal, limit, 1);
    }
}

/* Levels from all peaks of the first seconds. */
static void start_levels(pt_lead *f) {
    double highest = 0.0, sum = 0.0;
    int low = 0;
    for (int i = 0; i < f->peaks; i++) highest = f->kept[i].height > highest ? f->kept[i].height : highest;
    for (int i = 0; i < f->peaks; i++)
        if (f->kept[i].height < START_SPLIT * highest) {
            sum += f->kept[i].height;
            low++;
        }
    f->signal = START_LEVEL * highest;
    f->noise = low > 0 ? sum / low : 0.0;
}

/* Each peak of the first seconds as if it came now. */
static void decide_start(ecg_detector *d, pt_state *s, pt_lead *f) {
    pt_peak first[PEAKS];
    int peaks = f->peaks;
    memcpy(first, f->kept, sizeof first);
    f->peaks = 0;
    f->started = 1;
    for (int i = 0; i < peaks; i++) decide(d, s, f, &first[i]);
}

/* What lies under a peak of the integral. */
static pt_peak examine(ecg_detector *d, pt_state *s, int lead, double integral, int64_t step) {
    const double *band = band_of(d, s, lead), *squared = squared_of(d, s, lead);
    const int32_t last = (int32_t)(step - s->base), first = last - s->width - s->step;
    double highest = 0.0, steepest = 0.0;
    for (int32_t i = first; i <= last; i++) {
        double x = fabs(band[i]);
        highest = x > highest ? x : highest;
        steepest = squared[i] > steepest ? squared[i] : steepest;
    }
    int32_t at = first;
    while (at < last && fabs(band[at]) < highest) at++;
    int64_t about = (s->base + at + 1) * s->group - 1 - s->delay;
    pt_peak p = {about > 0 ? about : 0, sqrt(integral), sqrt(steepest)};
    return p;
}

/* Two peaks that are alike, with rest between them, tell the levels, whatever was learned before: after
 * noise, or where the gain has changed. Looks for one before the peak that was found. */
static void look_anew(const ecg_detector *d, const pt_state *s, pt_lead *f, const pt_found *found, double height) {
    const double since = (double)(d->count - f->last) / d->config.fs;
    const int misfit = height > SIGNAL_CAP * f->signal || (since > MISFIT_S && height < ALIKE * f->signal);
    if (!misfit && !f->noisy && (f->calm >= CALM_BEATS || f->noise <= ALIKE * height)) return;
    const pt_found *other = NULL;
    double sum = 0.0;
    int low = 0, quiet = 0;
    for (uint32_t i = 1; i <= HEIGHTS && i <= f->heights_next && !other; i++) {
        const pt_found *q = &f->heights[(f->heights_next - i) % HEIGHTS];
        if (q->peak >= ALIKE * height) {
            other = q;
        } else {
            sum += q->peak;
            low++;
        }
    }
    if (!other || !alike(height, other->peak) || found->at - other->at > s->pair) return;
    /* Blocks that lie in neither window. */
    const int64_t first = other->at / s->block + 1, end = (found->at - s->width) / s->block;
    if (end - first < BLOCKS) return;
    const double limit = CALM_LEVEL * height * height / BLOCKS;
    for (int64_t b = first; b < end; b++) quiet += f->energy[b % HISTORY] <= limit;
    if (3 * quiet < 2 * (end - first)) return;
    f->signal = height;
    f->noise = low > 0 ? sum / low : 0.0;
    f->noisy = 1; /* the last beat tells neither RR interval nor level */
    f->idle = d->count - f->last;
}

/* The integral has passed a peak. */
static void on_peak(ecg_detector *d, pt_state *s, int lead, const pt_found *found) {
    pt_lead *f = &s->lead[lead];
    double height = sqrt(found->peak);
    if (f->started) look_anew(d, s, f, found, height);
    f->heights[f->heights_next++ % HEIGHTS] = (pt_found){height, found->at};
    if (f->started && height < NOISE_FLOOR * f->noise) { /* below any threshold */
        learn_noise(f, height);
        return;
    }
    pt_peak p = examine(d, s, lead, found->peak, found->at);
    if (f->started) decide(d, s, f, &p);
    else keep(f, &p);
}

static void pass(pt_lead *f) {
    if (f->passed < PASSED) f->found[f->passed++] = (pt_found){f->search.peak, f->search.peak_at};
    f->search.rising = 0;
    f->search.peak = f->search.sum;
}

/* The integral still rises or stays high, but the R peak would be too old at the end of the next block:
 * the peak counts as passed. */
static void hurry(ecg_detector *d, pt_state *s, int lead) {
    pt_lead *f = &s->lead[lead];
    if (!f->started || !f->search.rising) return;
    pt_peak p = examine(d, s, lead, f->search.peak, f->search.peak_at);
    int64_t r = ecg_refine(d, lead, p.about), first = r < p.about ? r : p.about;
    if (d->count + s->block * s->group - first > s->limit) pass(f);
}

/* The speaker changes when another lead is clearly steadier; what that one has found since the last
 * report is reported. */
static void choose_speaker(ecg_detector *d, pt_state *s) {
    double best = 0.0, present = 0.0;
    int choice = 0;
    for (int i = 0; i < d->config.leads; i++) {
        const pt_lead *f = &s->lead[i];
        double share = busy(s, f, BUSY_LEVEL);
        if ((double)(d->count - f->fault_at) < FAULT_S * d->config.fs || !(f->signal > 0.0)
            || (f->beats > 0 && (double)(d->count - f->last) > LOST_S * d->config.fs))
            share = 1.0;
        if (i == s->speaker) present = share;
        if (i == 0 || share < best) {
            best = share;
            choice = i;
        }
    }
    if (!(best < present - SWITCH)) return;
    s->speaker = choice;
    pt_lead *f = &s->lead[choice];
    uint32_t oldest = f->recent_next > RECENT ? f->recent_next - RECENT : 0;
    for (uint32_t i = oldest; i != f->recent_next; i++) {
        const pt_beat *b = &f->recent[i % RECENT];
        if (d->count - b->about <= s->oldest) report(d, s, choice, b);
    }
}

/* The first seconds of a lead end, if it has shown a peak by now. */
static int begins(const ecg_detector *d, const pt_lead *f) {
    return !f->started && f->peaks > 0 && d->count >= f->begin;
}

/* The peaks passed in this block, then what time brings about. */
static void decide_block(ecg_detector *d, pt_state *s) {
    const int leads = d->config.leads;
    for (int l = 0; l < leads; l++) {
        pt_lead *f = &s->lead[l];
        if (s->limit > 0) hurry(d, s, l);
        for (int i = 0; i < f->passed; i++) on_peak(d, s, l, &f->found[i]);
        f->passed = 0;
        if (begins(d, f)) start_levels(f);
    }
    if (leads > 1) choose_speaker(d, s);
    for (int l = 0; l < leads; l++) {
        pt_lead *f = &s->lead[l];
        if (begins(d, f)) decide_start(d, s, f);
        search_back(d, s, f);
    }
}

/* ------------------------------------------------------------------ signal path ------------ */

static inline void add_up(double *sums, const float *x, int32_t n, int32_t length) {
    for (int32_t i = 0; i < n; i++, x += length) {
        double sum = (double)x[0];
        for (int32_t k = 1; k < length; k++) sum += (double)x[k];
        sums[i] = sum;
    }
}

/* Sums of groups of samples; `begun` samples of the first are in f->part. Returns how many were
 * completed. */
static int32_t group_block(pt_lead *f, const float *in, double *out, int32_t n, int32_t group, int32_t begun) {
    int32_t first = 0;
    if (begun > 0) {
        for (; n > 0 && begun < group; n--, begun++) f->part += (double)*in++;
        if (begun < group) return 0;
        out[first++] = f->part;
        f->part = 0.0;
    }
    int32_t whole = n / group;
    switch (group) { /* the usual ones without a loop */
    case 1: add_up(out + first, in, whole, 1); break;
    case 2: add_up(out + first, in, whole, 2); break;
    case 3: add_up(out + first, in, whole, 3); break;
    default: add_up(out + first, in, whole, group);
    }
    for (int32_t i = whole * group; i < n; i++) f->part += (double)in[i];
    return first + whole;
}

/* Band-pass of `n` steps in place. */
static void filter_block(pt_lead *f, double *x_to_y, int32_t n) {
    const double a1 = f->a1, a2 = f->a2, c1 = f->c1, c2 = f->c2;
    double x1 = f->x1, x2 = f->x2, u1 = f->u1, u2 = f->u2, y1 = f->y1, y2 = f->y2;
    for (int32_t i = 0; i < n; i++) {
        /* What is known a sample ahead comes first: the loop waits for one product and one sum. */
        double x = x_to_y[i], u = (x - x2 - a2 * u2) - a1 * u1, y = (u - u2 - c2 * y2) - c1 * y1;
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
static void search(pt_state *s, pt_lead *f, const double *entering, int32_t n) {
    pt_search q = f->search;
    const double *leaving = entering - s->width;
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
            pass(f);
            q = f->search;
        }
    }
    f->search = q;
}

/* All stages for the next `n` samples, which the front ends have put into the rings, up to the end of
 * a block. */
static void advance(ecg_detector *d, pt_state *s, int32_t n) {
    const int leads = d->config.leads;
    const int32_t step = s->step, group = s->group, begun = s->block * group - s->left;
    const int32_t steps = (begun % group + n) / group;
    const size_t at = (size_t)(s->count - s->base);
    const uint32_t now = (uint32_t)d->count & d->ring_mask;
    for (int l = 0; l < leads; l++) {
        double *band = band_of(d, s, l) + at, *squared = squared_of(d, s, l) + at;
        pt_lead *f = &s->lead[l];
        group_block(f, ecg_ring(d, l) + now, band, n, group, begun % group);
        filter_block(f, band, steps);
        for (int32_t i = 0; i < steps; i++) {
            double slope = band[i] - band[i - step];
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
    memset(band_of(d, s, lead) + kept, 0, (size_t)s->history * sizeof(double));
    memset(squared_of(d, s, lead) + kept, 0, (size_t)s->history * sizeof(double));
    for (uint32_t i = 1; i <= BLOCKS; i++) f->energy[(s->blocks - i) % HISTORY] = 0.0;
    f->u1 = f->u2 = f->y1 = f->y2 = 0.0;
    f->search = (pt_search){0};
    f->passed = 0;
}

static void end_block(ecg_detector *d, pt_state *s) {
    const int leads = d->config.leads;
    s->left = s->block * s->group;
    s->blocks++;
    for (int l = 0; l < leads; l++) {
        pt_lead *f = &s->lead[l];
        if (f->started && f->search.block > ARTEFACT * ARTEFACT * f->signal * f->signal) come_to_rest(d, s, l);
        f->energy[(s->blocks - 1) % HISTORY] = f->search.block;
        if (f->begin == INT64_MAX && f->search.block > 0.0)
            f->begin = d->count - s->block * s->group + s->first;
        f->search.block = 0.0;
        double sum = 0.0;
        for (uint32_t i = s->blocks < BLOCKS ? s->blocks : BLOCKS; i >= 1; i--)
            sum += f->energy[(s->blocks - i) % HISTORY];
        f->search.sum = sum;
        if (fabs(f->u1) + fabs(f->u2) < REST && fabs(f->y1) + fabs(f->y2) < REST)
            f->u1 = f->u2 = f->y1 = f->y2 = 0.0;
        if (f->faults) f->fault_at = d->count;
        if (f->faults & (ECG_QUALITY_GAP | ECG_QUALITY_FLAT)) f->idle += s->block * s->group;
        f->faults = 0;
    }
    decide_block(d, s);
    const int32_t used = (int32_t)(s->count - s->base);
    if (used + s->block > s->length) {
        for (int l = 0; l < 2 * leads; l++) {
            double *b = band_of(d, s, 0) + (size_t)l * (size_t)s->length;
            memmove(b, b + used - s->history, (size_t)s->history * sizeof *b);
        }
        s->base = s->count - s->history;
    }
}

/* The next `n` samples through all front ends into the rings; the quality bits that occurred. */
static uint32_t clean(ecg_detector *d, const float *samples, int32_t n) {
    const int leads = d->config.leads;
    const uint32_t now = (uint32_t)d->count & d->ring_mask;
    uint32_t any = 0;
    for (int l = 0; l < leads; l++)
        any |= ecg_lead_block(&ecg_leads(d)[l], samples + l, leads, n, ecg_ring(d, l) + now, ecg_flags(d, l) + now);
    return any;
}

/* The front ends run up to ECG_AHEAD samples ahead; where a beat is reported before, they go back. */
static size_t pt_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    pt_state *s = state;
    const int leads = d->config.leads;
    ecg_lead before[ECG_LEADS_MAX];
    size_t done = 0;
    while (done < n && !ecg_queue_filled(d)) {
        const float *in = samples + done * (size_t)leads;
        const uint32_t room = d->ring_mask + 1u - ((uint32_t)d->count & d->ring_mask);
        int32_t ahead = n - done < ECG_AHEAD ? (int32_t)(n - done) : ECG_AHEAD, used = 0;
        if ((uint32_t)ahead > room) ahead = (int32_t)room;
        memcpy(before, ecg_leads(d), (size_t)leads * sizeof *before);
        const uint32_t faults = clean(d, in, ahead);
        while (used < ahead && !ecg_queue_filled(d)) {
            int32_t length = s->left < ahead - used ? s->left : ahead - used;
            advance(d, s, length);
            for (int l = 0; faults && l < leads; l++)
                s->lead[l].faults |= ecg_quality_between(d, l, d->count - length, d->count - 1);
            used += length;
            if (s->left == 0) end_block(d, s);
        }
        if (used < ahead) {
            memcpy(ecg_leads(d), before, (size_t)leads * sizeof *before);
            d->count -= used;
            clean(d, in, used);
            d->count += used;
        }
        done += (size_t)used;
    }
    return done;
}

static void pt_flush(ecg_detector *d, void *state) {
    pt_state *s = state;
    for (int l = 0; l < d->config.leads; l++) {
        if (s->lead[l].search.rising) pass(&s->lead[l]);
        s->lead[l].begin = 0;
    }
    decide_block(d, s);
}

static int64_t pt_delay(const ecg_detector *d, const void *state) {
    const pt_state *s = state;
    return s->limit > 0 ? s->limit : s->oldest + ecg_refine_reach(d->config.fs);
}

const ecg_method_ops ecg_pan_tompkins_ops = {pt_size, pt_init, pt_process, pt_flush, pt_delay};
