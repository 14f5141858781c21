/* R-peak refinement: the main extremum of the QRS complex on the ECG itself, blind to polarity.
 *
 * Height is the distance between a short mean (so that noise, mains and pacing spikes do not move
 * the peak) and a longer one around the same sample (so that baseline slope and the T wave count
 * little, and a sharp deflection counts more than a broad one). */
#include "simd4.h"
#include "internal.h"

/* s searched on either side of the mark: a wide QRS complex and the mark's own error. */
#define SEARCH_S 0.12
/* s on either side that the short mean covers: 25 ms in all, half a narrow R wave; centres of blunt
 * and notched peaks then agree with where people mark them. */
#define SMOOTH_S 0.01
/* s on either side that the long mean covers: the QRS complex without the T wave. */
#define LEVEL_S 0.07
/* s after the mark that are looked at; beyond, the long mean becomes one-sided. */
#define REACH_S 0.15
/* Of deflections that are this close to the highest the first is the R peak, until a choice is kept. */
#define EARLY_SHARE 0.95
/* The kept deflection (R, S or R') stays the R peak while it has this share of the highest one: breathing and
 * posture tip nearly equal ones by less, an ectopic beat of the other direction by more. */
#define KEEP_SHARE 0.7
/* s by which the kept deflection may lie elsewhere against the mark: the mark's jitter, below half the distance
 * of R and R'. */
#define KEEP_S 0.025
/* Another one takes over where it is higher by this share in the mean over OTHER_RATE's eight beats: more than
 * breathing makes of two equal ones ... */
#define OTHER_SHARE 1.1
#define OTHER_RATE 0.125
/* ... or where so many beats in a row do not have the kept one at all: another rhythm, no ectopic beats. */
#define MISSES_MAX 8
/* The kept place follows the marks within four beats. */
#define OFFSET_RATE 0.25
/* Longest pacing spike, s: pulses last up to 2 ms, and filters of the recorder widen them. Where a sample lasts longer (below
 * 222 Hz) none is looked for. */
#define SPIKE_S 0.0045
/* Where spikes make this share of the highest deflection ... */
#define SPIKE_SHARE 0.4
/* ... and one is so many times as high as all there is without them, the R peak is looked for without them: 2.4 to 15
 * times in two paced patients (LUDB), up to 0.7 times in QRS complexes of mitdb, svdb, QTDB and LUDB. */
#define SPIKE_TIMES 1.5

int64_t ecg_refine_reach(double fs) {
    return (int64_t)ceil(REACH_S * fs);
}

/* Samples looked at: SEARCH_S and LEVEL_S before the mark, REACH_S after it, and the mark. */
static int32_t refine_points(double fs) {
    return (int32_t)ceil(SEARCH_S * fs) + (int32_t)ceil(LEVEL_S * fs) + (int32_t)ecg_refine_reach(fs) + 1;
}

int32_t ecg_refine_scratch(double fs) {
    return 2 * refine_points(fs) + 1;
}

int ecg_r_choice_valid(const ecg_r_choice *c, double fs) {
    return fabs(c->offset) <= REACH_S * fs + 1.0 && isfinite(c->surplus) && ecg_within(c->sign, -1, 1)
           && ecg_within(c->misses, 0, MISSES_MAX);
}

/* Where the largest magnitude is from `from` to `to`, the first of equal ones. */
static int highest_deflection(const double *height, int from, int to) {
    double top = -1.0;
    int at = from, i = from;
    for (; i + 7 <= to; i += 8) { /* eight at a time: which of them it is matters for the last ones only */
        const double *x = height + i;
        const pair low = pair_max(pair_abs(pair_load(x)), pair_abs(pair_load(x + 2)));
        const pair high = pair_max(pair_abs(pair_load(x + 4)), pair_abs(pair_load(x + 6)));
        double tops[2];
        pair_store(tops, pair_max(low, high));
        const double most = tops[0] > tops[1] ? tops[0] : tops[1];
        if (!(most > top)) continue;
        top = most;
        at = i;
    }
    for (; i <= to; i++) {
        if (!(fabs(height[i]) > top)) continue;
        top = fabs(height[i]);
        at = i;
    }
    while (fabs(height[at]) < top) at++;
    return at;
}

static int is_maximum(const double *height, int i, int from) {
    return fabs(height[i + 1]) <= fabs(height[i]) && (i == from || fabs(height[i - 1]) <= fabs(height[i]));
}

/* The first of the deflections that have EARLY_SHARE of the highest; `to` where there is none. */
static int first_deflection(const double *height, int from, int to, double top) {
    const double least = EARLY_SHARE * top;
    int i = from;
    while (i < to && (fabs(height[i]) < least || !is_maximum(height, i, from))) i++;
    return i;
}

/* Has the deflection at `i` the kept direction and place? */
static int is_kept(const ecg_r_choice *c, const double *height, int i, int mark, double keep) {
    return (height[i] < 0.0 ? -1 : 1) == c->sign && fabs(i - mark - c->offset) <= keep;
}

/* The highest deflection of the kept direction and place; -1 where none has KEEP_SHARE of the highest of all, which is
 * at `highest`. */
static int kept_deflection(const ecg_r_choice *c, const double *height, int from, int to, int highest, int mark,
                           double fs) {
    const double least = KEEP_SHARE * fabs(height[highest]), keep = KEEP_S * fs;
    const int about = mark + (int)floor(c->offset), reach = (int)keep + 1;
    const int begin = about - reach < from ? from : about - reach, end = about + reach + 2 > to ? to : about + reach + 2;
    int kept = -1;
    if (c->sign == 0) return -1;
    if (highest < to && is_kept(c, height, highest, mark, keep)) return highest;
    for (int i = begin; i < end; i++) {
        if (fabs(height[i]) < least || !is_maximum(height, i, from)) continue;
        if (is_kept(c, height, i, mark, keep) && (kept < 0 || fabs(height[i]) > fabs(height[kept]))) kept = i;
    }
    return kept;
}

/* The deflection that is the R peak: the kept one where the complex has it, otherwise the first of the highest.
 * `highest`, `mark`: indices of the highest of all and of the mark. With `learn` the choice follows. */
static int choose(ecg_r_choice *c, const double *height, int from, int to, int highest, int mark, double fs, int learn) {
    const double top = fabs(height[highest]);
    const int kept = kept_deflection(c, height, from, to, highest, mark, fs);
    if (!learn) return kept < 0 ? first_deflection(height, from, to, top) : kept;
    if (kept < 0) {
        if (c->sign != 0 && ++c->misses < MISSES_MAX) return first_deflection(height, from, to, top);
    } else {
        c->misses = 0;
        c->offset += OFFSET_RATE * (kept - mark - c->offset);
        c->surplus += OTHER_RATE * (log(top / fabs(height[kept])) - c->surplus);
        if (c->surplus < log(OTHER_SHARE)) return kept;
    }
    const int first = first_deflection(height, from, to, top);
    *c = (ecg_r_choice){first - mark, 0.0, height[first] < 0.0 ? -1 : 1, 0};
    return first;
}

/* Running sums of `n` samples of a ring from `at` on: n + 1 of them. */
static void add_up(double *sum, const float *ring, uint32_t mask, uint32_t at, size_t n) {
    const int around = n > mask + 1u - at; /* the ring's end */
    pair total = pair_zero(); /* twice */
    size_t done = 0;
    sum[0] = 0.0;
    for (; done + 4 <= n; done += 4, at += 4) { /* four at a time wait for one sum only */
        const float *x = ring + at;
        float joined[4];
        if (around) {
            for (uint32_t k = 0; k < 4; k++) joined[k] = ring[(at + k) & mask];
            x = joined;
        }
        const pair two = pair_sums(pair_of_floats(x)), rest = pair_add(pair_last(two), pair_sums(pair_of_floats(x + 2)));
        const pair after = pair_add(total, rest);
        pair_store(sum + done + 1, pair_add(total, two));
        pair_store(sum + done + 3, after);
        total = pair_last(after);
    }
    for (; done < n; done++, at++) sum[done + 1] = sum[done] + (double)ring[at & mask];
}

/* Differences of the means over `smooth` and `level` samples to either side, at `n` samples from `first` on, around
 * which both are whole: a product does what a quotient does elsewhere. */
static void whole_heights(const double *sum, double *restrict height, size_t first, size_t n, size_t smooth,
                          size_t level) {
    const double near = 1.0 / (double)(2 * smooth + 1), far = 1.0 / (double)(2 * level + 1);
    const double *near_end = sum + first + smooth + 1, *near_begin = sum + first - smooth;
    const double *far_end = sum + first + level + 1, *far_begin = sum + first - level;
    for (size_t i = 0; i < n; i++)
        height[i] = (near_end[i] - near_begin[i]) * near - (far_end[i] - far_begin[i]) * far;
}

/* The same where the samples end, after `n` of them, within the long mean. */
static void late_heights(const double *sum, double *restrict height, int first, int end, int n, int smooth, int level) {
    const double near = 1.0 / (2 * smooth + 1), total = sum[n];
    const double *near_end = sum + smooth + 1, *near_begin = sum - smooth, *far_begin = sum - level;
    for (int i = first; i < end; i++)
        height[i] = (near_end[i] - near_begin[i]) * near - (total - far_begin[i]) / (n - i + level);
}

/* The same at one of the `n` samples, where a mean may be cut off; `near`: 1 / (2 smooth + 1). */
static double edge_height(const double *sum, int n, int i, int smooth, int level, double near) {
    const int a = i - smooth < 0 ? 0 : i - smooth, b = i + smooth + 1 > n ? n : i + smooth + 1;
    const int l = i - level < 0 ? 0 : i - level, r = i + level + 1 > n ? n : i + level + 1;
    const double short_mean = b - a == 2 * smooth + 1 ? (sum[b] - sum[a]) * near : (sum[b] - sum[a]) / (b - a);
    return short_mean - (sum[r] - sum[l]) / (r - l);
}

/* Heights from `from` to `to` among `n` samples of which `sum` holds the running sums. */
static void find_heights(const double *sum, double *restrict height, int n, int from, int to, int smooth, int level) {
    const int whole_from = from > level ? from : level, whole_to = to < n - 1 - level ? to : n - 1 - level;
    const double near = 1.0 / (2 * smooth + 1);
    const int after = whole_to >= whole_from ? whole_to + 1 : whole_from;
    for (int i = from; i < whole_from && i <= to; i++) height[i] = edge_height(sum, n, i, smooth, level, near);
    if (after > whole_from)
        whole_heights(sum, height + whole_from, (size_t)whole_from, (size_t)(after - whole_from), (size_t)smooth,
                      (size_t)level);
    const int late = after > n - smooth ? after : to + 1 < n - smooth ? to + 1 : n - smooth;
    late_heights(sum, height, after, late, n, smooth, level);
    for (int i = late; i <= to; i++) height[i] = edge_height(sum, n, i, smooth, level, near);
}

/* Sample `i` of `n` from `first` on, as the median of it and those `width` before and after it. */
static float without_spike(const float *ring, uint32_t mask, int64_t first, int n, int i, int width) {
    const float now = ring[(uint32_t)(first + i) & mask];
    if (i < width || i + width >= n) return now;
    const float before = ring[(uint32_t)(first + i - width) & mask];
    const float after = ring[(uint32_t)(first + i + width) & mask];
    const float low = before < after ? before : after, high = before < after ? after : before;
    return now < low ? low : now > high ? high : now;
}

/* Is a spike what is highest at `at`, where the mean deflects by `top`, and taller than all from `from` to `to` without
 * spikes? */
static int spike_stands_out(const float *ring, uint32_t mask, int64_t first, int n, int from, int to, int at, int smooth,
                            int width, double top) {
    double total = 0.0, spike = 0.0, low = INFINITY, high = -INFINITY;
    for (int i = at - smooth < 0 ? 0 : at - smooth; i <= at + smooth && i < n; i++) {
        const double with = (double)ring[(uint32_t)(first + i) & mask];
        const double off = with - (double)without_spike(ring, mask, first, n, i, width);
        total += off;
        spike = fabs(off) > spike ? fabs(off) : spike;
    }
    if (!(fabs(total) > SPIKE_SHARE * top * (2 * smooth + 1))) return 0;
    for (int i = from; i <= to; i++) {
        const double x = (double)without_spike(ring, mask, first, n, i, width);
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    return high > low && spike > SPIKE_TIMES * (high - low);
}

static int64_t refine(ecg_detector *d, int lead, int64_t about, int learn) {
    const float *ring = ecg_ring(d, lead);
    const uint32_t mask = d->ring_mask;
    const double fs = d->config.fs;
    const int search = (int)ceil(SEARCH_S * fs), smooth = (int)floor(SMOOTH_S * fs + 0.5);
    const int level = (int)ceil(LEVEL_S * fs), width = (int)floor(SPIKE_S * fs + 1e-3);
    int64_t oldest = d->count - (int64_t)mask - 1;
    int64_t first = about - search - level, last = about + ecg_refine_reach(fs);
    if (oldest < 0) oldest = 0;
    if (first < oldest) first = oldest;
    if (last >= d->count) last = d->count - 1;
    if (last <= first) return about < 0 ? 0 : about;

    const int n = (int)(last - first) + 1;
    double *sum = ecg_scratch(d), *height = sum + n + 1;
    add_up(sum, ring, mask, (uint32_t)first & mask, (size_t)n);
    int from = (int)(about - first) - search, to = (int)(about - first) + search;
    if (from < 0) from = 0;
    if (to > n - 1) to = n - 1;
    if (to < from) return about < first ? first : last;

    find_heights(sum, height, n, from, to, smooth, level);
    int at = highest_deflection(height, from, to);
    if (width > 0 && spike_stands_out(ring, mask, first, n, from, to, at, smooth, width, fabs(height[at]))) {
        for (int i = 0; i < n; i++) sum[i + 1] = sum[i] + (double)without_spike(ring, mask, first, n, i, width);
        find_heights(sum, height, n, from, to, smooth, level);
        at = highest_deflection(height, from, to);
    }
    return first + choose(&ecg_r_choices(d)[lead], height, from, to, at, (int)(about - first), fs, learn);
}

int64_t ecg_refine(ecg_detector *d, int lead, int64_t about) {
    return refine(d, lead, about, 1);
}

int64_t ecg_refine_peek(ecg_detector *d, int lead, int64_t about) {
    return refine(d, lead, about, 0);
}

/* Are no two of them equal? */
static int all_differ(float a, float b, float c, float e) {
    return (a != b) & (a != c) & (a != e) & (b != c) & (b != e) & (c != e);
}

int ecg_flickers(ecg_detector *d, int lead, int64_t about) {
    const float *ring = ecg_ring(d, lead);
    const uint32_t mask = d->ring_mask;
    const int64_t search = (int64_t)ceil(SEARCH_S * d->config.fs), oldest = d->count - (int64_t)mask - 1;
    int64_t first = about - search, last = about + search;
    if (first < oldest) first = oldest;
    if (first < 0) first = 0;
    if (last >= d->count) last = d->count - 1;
    /* Four far apart show at once that it is an ECG, in most cases. */
    const uint32_t at = (uint32_t)first, part = (uint32_t)(last - first) / 8;
    if (last > first
        && all_differ(ring[(at + part) & mask], ring[(at + 3 * part) & mask], ring[(at + 5 * part) & mask],
                      ring[(at + 7 * part) & mask]))
        return 0;
    float levels[3];
    int known = 0;
    for (int64_t i = first; i <= last; i++) {
        const float x = ring[(uint32_t)i & mask];
        int k = 0;
        while (k < known && levels[k] != x) k++;
        if (k < known) continue;
        if (known == 3) return 0;
        levels[known++] = x;
    }
    return 1;
}
