/* From samples to candidates.
 *
 * Samples are added up in groups to 120 to 240 Hz. Two quadrature filters (a carrier under a triangle
 * of one period to either side, zero at DC) give the energy around 11 and 18 Hz, blind to polarity
 * and phase. A candidate is a maximum of their sum that nothing tops for a while. */
#include "adaptive.h"
#include "../common/simd4.h"

#if RECENT + ECG_AHEAD > LINE - 4
#error "the lines are too short for a block"
#endif

#define TWO_PI 6.283185307179586

/* Taps from the centre on, for a filter with even (cosine) and odd (sine) part; returns how many. */
static int design(double rate, double hz, double gain, float (*even)[4], float (*odd)[4], float *centre) {
    int half = (int)ceil(rate / hz) - 1; /* the triangle is zero one period off */
    if (half > HALF_MAX) half = HALF_MAX;
    double sum = 0.0, dc = 0.0;
    for (int k = -half; k <= half; k++) {
        double w = 1.0 - fabs(k * hz / rate);
        sum += w;
        dc += w * cos(TWO_PI * hz * k / rate);
    }
    *centre = (float)(gain / sum * (1.0 - dc / sum));
    for (int k = 1; k <= half; k++) {
        double w = gain / sum * (1.0 - k * hz / rate);
        for (int j = 0; j < 4; j++) {
            even[k - 1][j] = (float)(w * (cos(TWO_PI * hz * k / rate) - dc / sum));
            odd[k - 1][j] = (float)(w * sin(TWO_PI * hz * k / rate));
        }
    }
    return half;
}

static int32_t samples_of(double seconds, double rate, int32_t most) {
    int32_t n = (int32_t)floor(seconds * rate + 0.5);
    return n < most ? n : most;
}

static int32_t decimation_of(double fs) {
    const int32_t decimation = (int32_t)floor(fs / FEATURE_HZ);
    return decimation < 1 ? 1 : decimation;
}

static int32_t points_of_shape(double rate) {
    return 2 * samples_of(SHAPE_S, rate, SHAPE_MAX / 2) + 1;
}

static int32_t lag_of(double rate) {
    return samples_of(LAG_S, rate, LAG_MAX);
}

int32_t adaptive_shape_room(double fs) {
    const double rate = fs / decimation_of(fs);
    return points_of_shape(rate) + 4 * adaptive_lag_fours(lag_of(rate)) - 1;
}

void adaptive_feature_init(adaptive_state *a, double fs) {
    a->decimation = decimation_of(fs);
    a->block = ECG_AHEAD / (4 * a->decimation) * 4 * a->decimation;
    double rate = fs / a->decimation;
    a->rate = (float)rate;
    a->centre = a->low_half = design(rate, CONSTANT.low_hz, 1.0, a->low_even, a->low_odd, &a->low_centre);
    a->high_half = design(rate, CONSTANT.high_hz, CONSTANT.high_gain, a->high_even, a->high_odd, &a->high_centre);
    if (a->high_half > a->low_half) a->high_half = a->low_half;
    a->hold = (int32_t)ceil(CONSTANT.hold_s * rate - 1e-3);
    a->edge = (int32_t)ceil(CONSTANT.edge_s * rate - 1e-3);
    a->spike = CONSTANT.spike_s * fs < 1.0 ? 0 : (int32_t)ceil(CONSTANT.spike_s * fs - 1e-3);
    a->merge = samples_of(MERGE_S, rate, RECENT / 8);
    a->shape = points_of_shape(rate);
    a->lag = lag_of(rate);
    a->shape_room = adaptive_shape_room(fs);
    a->peak_at = a->end = a->match_at = -1;
    a->base = -RECENT; /* silence before the first sample */
}

/* Even and odd part of one filter, taps k, k + 4, ... */
typedef struct filter_parts {
    four even, odd;
} filter_parts;

/* Both filters for four samples at once, as they look at the same ones. */
typedef struct both_filters {
    filter_parts low, high;
} both_filters;

static inline filter_parts add_parts(filter_parts a, filter_parts b) {
    return (filter_parts){four_add(a.even, b.even), four_add(a.odd, b.odd)};
}

static inline both_filters add_filters(both_filters a, both_filters b) {
    return (both_filters){add_parts(a.low, b.low), add_parts(a.high, b.high)};
}

/* Tap k of both; `x`: the first sample's centre. */
static inline both_filters tap(const adaptive_state *a, const float *x, int k) {
    const four newer = four_load(x + 1 + k), older = four_load(x - 1 - k);
    const four even = four_add(newer, older), odd = four_sub(newer, older);
    return (both_filters){
        {four_mul(even, four_load_aligned(a->low_even[k])), four_mul(odd, four_load_aligned(a->low_odd[k]))},
        {four_mul(even, four_load_aligned(a->high_even[k])), four_mul(odd, four_load_aligned(a->high_odd[k]))},
    };
}

/* Taps k, k + 4, ... of both; k < 4 is below either's length. */
static inline both_filters fold(const adaptive_state *a, int low_half, int high_half, const float *x, int k) {
    both_filters sum = tap(a, x, k);
    for (k += 4; k < high_half; k += 4) sum = add_filters(sum, tap(a, x, k));
    for (; k < low_half; k += 4) sum.low = add_parts(sum.low, tap(a, x, k).low);
    return sum;
}

static inline four energy_of(filter_parts filter, float centre, four middle) {
    const four even = four_add(filter.even, four_mul(four_all(centre), middle));
    return four_add(four_mul(even, even), four_mul(filter.odd, filter.odd));
}

/* Energy of both bands, *high of the upper one alone, at the four samples from `x` on. */
static inline void filter_four(const adaptive_state *a, int low_half, int high_half, const float *x, float *energy,
                               float *high) {
    const both_filters near = add_filters(fold(a, low_half, high_half, x, 0), fold(a, low_half, high_half, x, 1));
    const both_filters far = add_filters(fold(a, low_half, high_half, x, 2), fold(a, low_half, high_half, x, 3));
    const both_filters sum = add_filters(near, far);
    const four middle = four_load(x), upper = energy_of(sum.high, a->high_centre, middle);
    four_store(high, upper);
    four_store(energy, four_add(energy_of(sum.low, a->low_centre, middle), upper));
}

void adaptive_feature_room(adaptive_state *a, int n_leads, int steps) {
    size_t used = (size_t)(a->index - a->base);
    if (used + (size_t)steps <= LINE - 4) return;
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < n_leads; l++, s++) {
        memmove(s->wave, s->wave + used - RECENT, RECENT * sizeof *s->wave);
        memmove(s->energy, s->energy + used - RECENT, RECENT * sizeof *s->energy);
        memmove(s->high, s->high + used - RECENT, RECENT * sizeof *s->high);
    }
    a->base = a->index - RECENT;
}

void adaptive_feature_filter(adaptive_state *a, int n_leads, int steps) {
    const int64_t at = a->index - a->base - a->centre;
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < n_leads; l++, s++)
        adaptive_feature_energies(a, s->wave + at, steps, s->energy + at, s->high + at);
}

static inline void filter_fours(const adaptive_state *a, int low_half, int high_half, const float *wave, int n,
                                float *energy, float *high) {
    for (int k = 0; k < n; k += 4) filter_four(a, low_half, high_half, wave + k, energy + k, high + k);
}

void adaptive_feature_energies(const adaptive_state *a, const float *wave, int n, float *energy, float *high) {
    const int low = a->low_half, upper = a->high_half;
    /* The usual lengths are known to the compiler: at 120 Hz (of 360) and 125 Hz (of 250, 500 and 1000). */
    if (low == 10 && upper == 6) filter_fours(a, 10, 6, wave, n, energy, high);
    else if (low == 11 && upper == 6) filter_fours(a, 11, 6, wave, n, energy, high);
    else filter_fours(a, low, upper, wave, n, energy, high);
}

/* Without branches on the signal: where maxima lie is not predictable. */
uint32_t adaptive_feature_maxima(adaptive_state *a, int n_leads, int n, float *peaks) {
    const adaptive_lead *s = adaptive_leads(a);
    const int64_t centre = a->index - a->centre; /* of what is filtered */
    const four none = four_all(-1.0f);
    uint32_t maxima = 0;
    for (int i = 0; i < n; i += 4) four_store(peaks + i, none);
    for (int l = 0; l < n_leads; l++, s++) {
        const float *energy = s->energy + (centre - a->base);
        const four scale = four_all(s->scale);
        four now = four_load(energy - 4), before = four_delay(four_load(energy - 8), now);
        for (int i = 0; i < n; i += 4) {
            const four next = four_load(energy + i), middle = four_delay(now, next), last = four_delay(before, middle);
            const four rises = four_over(middle, last), falls = four_over(next, middle), others = four_load(peaks + i);
            const four peak = four_where(falls, none, four_where(rises, four_mul(middle, scale), none));
            const four higher = four_over(peak, others); /* NaN is over nothing */
            four_store(peaks + i, four_where(higher, peak, others));
            maxima |= (uint32_t)four_bits(higher) << i;
            now = next;
            before = middle;
        }
    }
    return maxima;
}

int adaptive_feature_search(adaptive_state *a, const float *peaks, uint32_t maxima, int64_t until) {
    const int64_t centre = a->index - a->centre, n = until - a->index;
    float highest = a->peak_at < 0 ? -1.0f : a->peak;
    int64_t due = a->peak_at < 0 ? n : a->peak_at + a->hold - centre;
    if (due < 0) due = 0;
    for (; maxima; maxima &= maxima - 1) {
        const int64_t i = ecg_lowest_bit(maxima);
        if (i >= n || i > due) break;
        if (!(peaks[i] > highest && centre + i > 0)) continue;
        highest = a->peak = peaks[i];
        a->peak_at = centre + i - 1;
        due = i - 1 + a->hold;
    }
    a->index = due < n ? a->index + due + 1 : until;
    return due < n;
}

/* Is a lead lost or flat over a quarter of the samples around decimated index `at`, or does it flicker
 * there? The jumps into and out of such a stretch are no complexes. Before decisions are made all flicker
 * counts: it shows that there is no ECG. */
static int faulty(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    int64_t first = (at - a->merge) * a->decimation, last = (at + a->merge + 1) * a->decimation;
    if (first < 0) first = 0;
    if (last > d->count) last = d->count;
    if (adaptive_decides(a) && ecg_flickers(d, lead, at * a->decimation)) return 1;
    if (!(ecg_flags_between(d, lead, first, last - 1) & (ECG_FLAG_LOST | ECG_QUALITY_FLAT))) return 0;
    const uint8_t *flags = ecg_flags(d, lead);
    int64_t count = 0;
    for (int64_t i = first; i < last; i++)
        count += (flags[(uint32_t)i & d->ring_mask] & (ECG_FLAG_LOST | ECG_QUALITY_FLAT)) != 0;
    return 4 * count > last - first;
}

/* A lead's lines at a candidate, and how far around it they hold maxima that are the same candidate. */
typedef struct lead_view {
    const float *wave, *energy, *high;
    int32_t back, ahead;
} lead_view;

/* Fills what candidate `slot` is in one lead; 1 where the lead has a signal there. */
static inline int candidate_lead(ecg_detector *d, adaptive_state *a, int lead, uint32_t slot, lead_view view) {
    adaptive_lead *s = &adaptive_leads(a)[lead];
    const int before = a->shape / 2 + a->lag, points = a->shape + 2 * a->lag;
    float energy = view.energy[0];
    int at = 0;
    if (d->config.n_leads > 1)
        for (int k = -view.back; k <= view.ahead; k++)
            if (view.energy[k] > energy) {
                energy = view.energy[k];
                at = k;
            }
    float high = view.high[at], height = energy > 0.0f ? 0.5f * logf(energy) : LOG_TINY;
    s->height[slot] = height > LOG_HUGE ? LOG_HUGE : height > LOG_TINY ? height : LOG_TINY;
    float ratio = energy > high && high > 0.0f ? high / (energy - high) : 1.0f;
    s->band_ratio[slot] = ratio > 0.0f ? 0.5f * logf(ratio) : LOG_TINY; /* 0: beyond what a float holds */
    s->similarity[slot] = NOT_COMPARED;
    s->lead_score[slot] = -1.0f;
    s->lags[slot] = 0;
    memcpy(adaptive_shape(a, s, slot), view.wave + at - before, (size_t)points * sizeof(float));
    s->faulty[slot] = (uint8_t)faulty(d, a, lead, a->pending[slot].at);
    if (!s->faulty[slot] && (adaptive_learns_levels(a) || !s->seeded) && s->first_count < PENDING)
        s->first[s->first_count++] = s->height[slot];
    return !s->faulty[slot];
}

static inline int32_t at_most(int64_t limit, int32_t reach) {
    return limit < reach ? (int32_t)limit : reach;
}

/* The same for all leads: returns how many have a signal there. */
static int candidate_leads(ecg_detector *d, adaptive_state *a, uint32_t slot) {
    adaptive_lead *s = adaptive_leads(a);
    const int64_t at = a->pending[slot].at, k = at - a->base;
    const int32_t back = at_most(at, a->merge);
    int good = 0;
    for (int l = 0; l < d->config.n_leads; l++, s++)
        good += candidate_lead(d, a, l, slot, (lead_view){s->wave + k, s->energy + k, s->high + k, back, a->merge});
    return good;
}

/* The same for what lies beside the spike at `spike`, from the lines without it; 0 where there is nothing. */
static int candidate_beside_spike(ecg_detector *d, adaptive_state *a, uint32_t slot, int64_t spike, int64_t end) {
    adaptive_lines lines;
    const int64_t at = adaptive_beside_spike(d, a, spike, &lines), k = at - spike + a->hold;
    if (at < 0 || at >= end) return 0;
    a->pending[slot].at = at;
    const int32_t back = at_most(k - 1, a->merge), ahead = at_most(2 * a->hold - 2 - k, a->merge);
    int good = 0;
    for (int l = 0; l < d->config.n_leads; l++) {
        if (d->config.n_leads > 1) adaptive_lines_without_spikes(d, a, l, spike, &lines);
        good += candidate_lead(d, a, l, slot,
                               (lead_view){lines.wave + a->centre + k, lines.energy + k, lines.high + k, back, ahead});
    }
    return good;
}

/* Has any lead so little in the lower band that it may be a spike, and is it one? */
static int is_spike(ecg_detector *d, adaptive_state *a, int64_t at) {
    const adaptive_lead *s = adaptive_leads(a);
    if (!a->spike) return 0;
    for (int l = 0; l < d->config.n_leads; l++, s++) {
        const float energy = s->energy[at - a->base], high = s->high[at - a->base];
        if (high > CONSTANT.spike_bands * (energy - high) && adaptive_is_spike(d, a, l, at)) return 1;
    }
    return 0;
}

int adaptive_feature_emit(ecg_detector *d, adaptive_state *a) {
    const int64_t peak_at = a->peak_at, end = a->end >= 0 ? a->end - a->edge : INT64_MAX;
    const uint32_t slot = a->tail % PENDING;
    a->peak_at = -1;
    if (peak_at < a->edge || peak_at >= end) return 0;
    if (is_spike(d, a, peak_at)) {
        if (!candidate_beside_spike(d, a, slot, peak_at, end)) return 0;
    } else {
        a->pending[slot].at = peak_at;
        if (!candidate_leads(d, a, slot)) return 0;
    }
    a->tail++;
    return 1;
}
