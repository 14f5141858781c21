/* Decisions of the Pan-Tompkins method: two adaptive thresholds, search-back, T-wave discrimination,
 * refractory period, noise, and which of several leads is reported. */
#include "pan_tompkins.h"
#include "../common/simd4.h"

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
/* RR intervals after the last beat from which one is found in retrospect: an earlier peak may be a tall T wave. */
#define EARLY_RR 0.65
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
/* s without a beat until faint peaks that are alike give a new signal level. */
#define MISFIT_S 1.6
/* Blocks that must be known before a signal can be called noise: a second. */
#define HISTORY_MIN 24
/* Beats that count as learning. */
#define PT_LEARNING_BEATS 4
/* s on either side of the R peak whose quality is reported. */
#define QRS_HALF_S 0.06
/* Another lead takes over when its share of busy blocks is lower by this much; a lead with a fault in
 * the last FAULT_S or without a beat for LOST_S counts as one that is always busy. */
#define SWITCH 0.2
#define FAULT_S 0.5
#define LOST_S 2.5
/* Halvings of the signal level at most, so that it does not vanish in days of silence. */
#define FADE_MOST 40.0

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

/* The largest float that is not above `x`: floats that are above it are above `x`. */
static float float_below(double x) {
    const float near = (float)x;
    return (double)near > x ? nextafterf(near, -INFINITY) : near;
}

static int count_above(const float *x, int n, float limit) {
    const four limits = four_all(limit), one = four_all(1.0f), zero = four_zero();
    four counts = zero;
    int i = 0, count = 0;
    for (; i + 4 <= n; i += 4) counts = four_add(counts, four_where(four_over(four_load(x + i), limits), one, zero));
    float each[4];
    four_store(each, counts);
    for (int k = 0; k < 4; k++) count += (int)each[k];
    for (; i < n; i++) count += x[i] > limit;
    return count;
}

/* Share of the last blocks with more than `level` of a beat's mean block energy. */
static double busy(const pt_state *s, const pt_lead *f, double level) {
    const double limit = level * f->signal * f->signal / BLOCKS;
    const int known = s->blocks < HISTORY ? (int)s->blocks : HISTORY;
    return known < HISTORY_MIN ? 0.0 : (double)count_above(f->energy, known, float_below(limit)) / known;
}

/* Could it be noise, as long as there is no evidence of beats? */
static int restless(const pt_state *s, const pt_lead *f, double share) {
    return share > CALM || busy(s, f, CALM_LEVEL) > CALM_LOW || f->signal < CALM_RATIO * f->noise;
}

static void pt_report(ecg_detector *d, pt_state *s, int lead, const pt_beat *b) {
    if ((double)(b->about - s->reported) < REFRACTORY_S * d->config.fs) return;
    int64_t r = ecg_refine(d, lead, b->about), half = pt_samples(QRS_HALF_S, d->config.fs);
    if (s->limit > 0 && d->count - r > s->limit) return;
    s->reported = b->about;
    ecg_detector_report(d, r, b->strength, b->quality | ecg_quality_between(d, lead, r - half, r + half));
}

static int alike(double a, double b) {
    return a >= ALIKE * b && b >= ALIKE * a;
}

static void pt_accept(ecg_detector *d, pt_state *s, pt_lead *f, const pt_peak *p, double signal, double limit,
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
    if (f->beats <= PT_LEARNING_BEATS) b.quality |= ECG_QUALITY_LEARNING;
    if (share > 0.75 * BUSY) b.quality |= ECG_QUALITY_NOISY;
    if (searched) b.quality |= ECG_QUALITY_DOUBTFUL;
    f->recent[f->recent_next++ % PT_RECENT] = b;
    if (f == &s->lead[s->active_lead]) pt_report(d, s, s->active_lead, &b);
}

static void pt_keep(pt_lead *f, const pt_peak *p) {
    if (f->peaks == PEAKS) { /* the oldest goes */
        memmove(&f->kept[0], &f->kept[1], (PEAKS - 1) * sizeof *p);
        f->peaks--;
    }
    f->kept[f->peaks++] = *p;
}

/* A peak far above any beat is an artefact and gives no noise level. */
static void learn_noise(pt_lead *f, double height) {
    double most = SIGNAL_CAP * f->signal;
    f->noise += NOISE_RATE * ((height < most ? height : most) - f->noise);
}

static void decide(ecg_detector *d, pt_state *s, pt_lead *f, const pt_peak *p) {
    if ((double)(p->about - f->last) < REFRACTORY_S * d->config.fs) return;
    double signal = signal_at(d, f, p->about), limit = threshold(f, signal, 1.0);
    if (p->height > limit && !is_t_wave(d, f, p)) {
        pt_accept(d, s, f, p, signal, limit, 0);
    } else {
        learn_noise(f, p->height);
        pt_keep(f, p);
    }
}

/* Is the next beat overdue, as far as its peak would have been seen by now? */
static int is_overdue(const ecg_detector *d, const pt_state *s, const pt_lead *f) {
    const double seen_after = (double)(s->delay + s->width * s->group / 2);
    return (double)d->count >= (double)f->last + SEARCH_RR * f->rr_mean + seen_after;
}

/* The highest remembered peak above the second threshold becomes a beat once the next beat is overdue,
 * as long as there is one. */
static void search_back(ecg_detector *d, pt_state *s, pt_lead *f) {
    while (f->started && f->peaks > 0 && is_overdue(d, s, f)) {
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
        pt_accept(d, s, f, &found, signal, limit, 1);
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

/* The largest of `n` magnitudes. */
static float largest_of(const float *x, int32_t n) {
    four top = four_zero();
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const four now = four_load(x + i);
        top = four_max(top, four_max(now, four_sub(four_zero(), now)));
    }
    float tops[4], largest = 0.0f;
    four_store(tops, top);
    for (int32_t k = 0; k < 4; k++) largest = tops[k] > largest ? tops[k] : largest;
    for (; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    return largest;
}

/* What lies under a peak of the integral. */
static pt_peak examine(ecg_detector *d, pt_state *s, int lead, double integral, int64_t step) {
    const float *band = pt_band(d, s, lead), *squared = pt_squared(d, s, lead);
    const int32_t last = (int32_t)(step - s->base), first = last - s->width - s->step;
    const float highest = largest_of(band + first, last - first + 1);
    const float steepest = largest_of(squared + first, last - first + 1);
    int32_t at = first;
    while (at < last && fabsf(band[at]) < highest) at++;
    int64_t about = (s->base + at + 1) * s->group - 1 - s->delay;
    pt_peak p = {about > 0 ? about : 0, sqrt(integral), sqrt((double)steepest)};
    return p;
}

/* Two peaks that are alike, with rest between them, give the levels, whatever was learned before: after
 * noise, or where the gain has changed. Looks for one before the peak that was found; at -1 without. */
static pt_found look_anew(const ecg_detector *d, const pt_state *s, pt_lead *f, const pt_found *found, double height) {
    const pt_found none = {0.0, -1};
    const double since = (double)(d->count - f->last) / d->config.fs;
    const int misfit = height > SIGNAL_CAP * f->signal || (since > MISFIT_S && height < ALIKE * f->signal);
    if (!misfit && !f->noisy && (f->calm >= CALM_BEATS || f->noise <= ALIKE * height)) return none;
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
    if (!other || !alike(height, other->peak) || found->at - other->at > s->pair) return none;
    /* Blocks that lie in neither window. */
    const int64_t first = other->at / s->block + 1, end = (found->at - s->width) / s->block;
    if (end - first < BLOCKS) return none;
    const float limit = float_below(CALM_LEVEL * height * height / BLOCKS);
    for (int64_t b = first; b < end; b++) quiet += f->energy[b % HISTORY] <= limit;
    if (3 * quiet < 2 * (end - first)) return none;
    f->signal = height;
    f->noise = low > 0 ? sum / low : 0.0;
    f->noisy = 1; /* the last beat gives neither RR interval nor level */
    f->idle = d->count - f->last;
    return *other;
}

/* The first of two peaks that are alike: its mark lies as long before the other's as the peaks are apart. */
static void accept_before(ecg_detector *d, pt_state *s, pt_lead *f, const pt_peak *p, const pt_found *found,
                          const pt_found *first) {
    const pt_peak before = {p->about - (found->at - first->at) * s->group, first->peak, p->slope};
    const double since = (double)(before.about - f->last);
    if (since < REFRACTORY_S * d->config.fs || since < EARLY_RR * f->rr_mean || d->count - before.about > s->first)
        return;
    pt_accept(d, s, f, &before, f->signal, threshold(f, f->signal, SECOND), 1);
}

/* The integral has passed a peak. */
static void on_peak(ecg_detector *d, pt_state *s, int lead, const pt_found *found) {
    pt_lead *f = &s->lead[lead];
    if (ecg_flickers(d, lead, (found->at - s->width / 2) * s->group - s->delay)) return;
    double height = sqrt(found->peak);
    const pt_found first = f->started ? look_anew(d, s, f, found, height) : (pt_found){0.0, -1};
    f->heights[f->heights_next++ % HEIGHTS] = (pt_found){height, found->at};
    if (f->started && height < NOISE_FLOOR * f->noise) { /* below any threshold */
        learn_noise(f, height);
        return;
    }
    pt_peak p = examine(d, s, lead, found->peak, found->at);
    if (first.at >= 0) accept_before(d, s, f, &p, found, &first);
    if (f->started) decide(d, s, f, &p);
    else pt_keep(f, &p);
}

/* The integral still rises or stays high, but the R peak would be too old at the end of the next block:
 * the peak counts as passed. */
static void hurry(ecg_detector *d, pt_state *s, int lead) {
    pt_lead *f = &s->lead[lead];
    if (!f->started || !f->search.rising) return;
    pt_peak p = examine(d, s, lead, f->search.peak, f->search.peak_at);
    int64_t r = ecg_refine_peek(d, lead, p.about), first = r < p.about ? r : p.about;
    if (d->count + s->block * s->group - first <= s->limit) return;
    float sum = 0.0f;
    for (uint32_t i = BLOCKS; i >= 1; i--) sum += f->energy[(s->blocks - i) % HISTORY]; /* 0 before the first */
    pt_pass(f, sum);
}

/* The active lead changes when another lead is clearly steadier; what that one has found since the last
 * report is reported. */
static void choose_active_lead(ecg_detector *d, pt_state *s) {
    double best = 0.0, present = 0.0;
    int choice = 0;
    for (int i = 0; i < d->config.n_leads; i++) {
        const pt_lead *f = &s->lead[i];
        double share = busy(s, f, BUSY_LEVEL);
        if ((double)(d->count - f->fault_at) < FAULT_S * d->config.fs || !(f->signal > 0.0)
            || (f->beats > 0 && (double)(d->count - f->last) > LOST_S * d->config.fs))
            share = 1.0;
        if (i == s->active_lead) present = share;
        if (i == 0 || share < best) {
            best = share;
            choice = i;
        }
    }
    if (!(best < present - SWITCH)) return;
    s->active_lead = choice;
    pt_lead *f = &s->lead[choice];
    uint32_t oldest = f->recent_next > PT_RECENT ? f->recent_next - PT_RECENT : 0;
    for (uint32_t i = oldest; i != f->recent_next; i++) {
        const pt_beat *b = &f->recent[i % PT_RECENT];
        if (d->count - b->about <= s->oldest) pt_report(d, s, choice, b);
    }
}

/* The first seconds of a lead end, if it has shown a peak by now. */
static int begins(const ecg_detector *d, const pt_lead *f) {
    return !f->started && f->peaks > 0 && d->count >= f->begin;
}

void pt_decide(ecg_detector *d, pt_state *s) {
    const int n_leads = d->config.n_leads;
    for (int l = 0; l < n_leads; l++) {
        pt_lead *f = &s->lead[l];
        if (s->limit > 0) hurry(d, s, l);
        for (int i = 0; i < f->passed; i++) on_peak(d, s, l, &f->found[i]);
        f->passed = 0;
        if (begins(d, f)) start_levels(f);
    }
    if (n_leads > 1) choose_active_lead(d, s);
    for (int l = 0; l < n_leads; l++) {
        pt_lead *f = &s->lead[l];
        if (begins(d, f)) decide_start(d, s, f);
        search_back(d, s, f);
    }
}

int pt_decision_valid(const ecg_detector *d, const pt_state *s, const pt_lead *f) {
    const double values[] = {f->interval, f->height, f->last_slope, f->rr_mean};
    const int64_t never = INT64_MIN / 4;
    if (!ecg_all_finite_doubles(values, sizeof values / sizeof *values) || !ecg_all_finite_doubles(f->rr, RR_KEPT)
        || !ecg_within(f->noisy, 0, 1) || !ecg_within(f->started, 0, 1) || !ecg_within(f->calm, 0, KNOWN_BEATS)
        || !ecg_within(f->even, 0, CALM_BEATS) || !ecg_within(f->fault_at, never, d->count)
        || !ecg_within(f->last, never, d->count) || !ecg_within(f->beats, 0, d->count)
        || !ecg_within(f->idle, 0, d->count - never) || !ecg_within(f->rr_count, 0, RR_KEPT)
        || !ecg_within(f->rr_next, 0, RR_KEPT - 1) || !ecg_within(f->peaks, 0, PEAKS))
        return 0;
    for (int i = 0; i < HEIGHTS; i++)
        if (!isfinite(f->heights[i].peak) || !ecg_within(f->heights[i].at, 0, s->count)) return 0;
    for (int i = 0; i < PEAKS; i++) {
        const pt_peak *p = &f->kept[i];
        if (!isfinite(p->height) || !isfinite(p->slope) || !ecg_within(p->about, 0, d->count)) return 0;
    }
    for (int i = 0; i < PT_RECENT; i++)
        if (!isfinite(f->recent[i].strength) || !ecg_within(f->recent[i].about, never, d->count)) return 0;
    return 1;
}
