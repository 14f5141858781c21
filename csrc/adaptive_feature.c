/* From samples to candidates.
 *
 * Samples are added up in groups to 120 to 240 Hz. Two quadrature filters (a carrier under a triangle
 * of one period to either side, zero at DC) give the energy around 11 and 18 Hz, blind to polarity
 * and phase. A candidate is a maximum of their sum that nothing tops for a while. */
#include "adaptive.h"
#include "four.h"

#define TWO_PI 6.283185307179586

/* Taps from the centre on, for a filter with even (cosine) and odd (sine) part; returns how many. */
static int design(double rate, double hz, double gain, float *even, float *odd, float *centre) {
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
        even[k - 1] = (float)(w * (cos(TWO_PI * hz * k / rate) - dc / sum));
        odd[k - 1] = (float)(w * sin(TWO_PI * hz * k / rate));
    }
    return half;
}

static int32_t samples_of(double seconds, double rate, int32_t most) {
    int32_t n = (int32_t)floor(seconds * rate + 0.5);
    return n < most ? n : most;
}

void adaptive_feature_init(adaptive_state *a, double fs) {
    a->decimation = (int32_t)floor(fs / FEATURE_HZ);
    if (a->decimation < 1) a->decimation = 1;
    double rate = fs / a->decimation;
    a->rate = (float)rate;
    a->centre = design(rate, K.low_hz, 1.0, a->low_even, a->low_odd, &a->low_centre);
    a->taps = 2 * a->centre + 1;
    a->low_half = (a->centre + 3) / 4 * 4;
    a->high_half = design(rate, K.high_hz, K.high_gain, a->high_even, a->high_odd, &a->high_centre);
    a->high_half = (a->high_half + 3) / 4 * 4;
    if (a->high_half > a->low_half) a->high_half = a->low_half;
    a->hold = (int32_t)ceil(K.hold_s * rate - 1e-3);
    a->edge = (int32_t)ceil(K.edge_s * rate - 1e-3);
    a->merge = samples_of(MERGE_S, rate, RECENT / 8);
    a->shape = 2 * samples_of(SHAPE_S, rate, SHAPE_MAX / 2) + 1;
    a->lag = samples_of(LAG_S, rate, LAG_MAX);
    a->peak_at = a->end = -1;
}

/* Energy of both bands at the centre of the filters, *high of the upper one alone. */
static float filter(const adaptive_state *a, adaptive_lead *s, float x, float *high) {
    int at = a->line_at, taps = a->taps;
    s->forward[at] = s->forward[at + taps] = x;
    s->backward[taps - 1 - at] = s->backward[2 * taps - 1 - at] = x;
    const float *newer = s->forward + at + 1 + a->centre;
    const float *older = s->backward + taps - 1 - at + a->centre;
    float middle = *newer++;
    older++;
    four low_even = four_zero(), low_odd = four_zero(), high_even = four_zero(), high_odd = four_zero();
    int k = 0;
    for (; k < a->high_half; k += 4) {
        four n = four_load(newer + k), o = four_load(older + k);
        four even = four_add(n, o), odd = four_sub(n, o);
        low_even = four_add(low_even, four_mul(even, four_load(a->low_even + k)));
        low_odd = four_add(low_odd, four_mul(odd, four_load(a->low_odd + k)));
        high_even = four_add(high_even, four_mul(even, four_load(a->high_even + k)));
        high_odd = four_add(high_odd, four_mul(odd, four_load(a->high_odd + k)));
    }
    for (; k < a->low_half; k += 4) {
        four n = four_load(newer + k), o = four_load(older + k);
        low_even = four_add(low_even, four_mul(four_add(n, o), four_load(a->low_even + k)));
        low_odd = four_add(low_odd, four_mul(four_sub(n, o), four_load(a->low_odd + k)));
    }
    float e = four_sum(low_even) + a->low_centre * middle, o = four_sum(low_odd);
    float f = four_sum(high_even) + a->high_centre * middle, p = four_sum(high_odd);
    *high = f * f + p * p;
    return e * e + o * o + *high;
}

int adaptive_feature_step(adaptive_state *a, int leads) {
    adaptive_lead *s = adaptive_leads(a);
    int64_t centre = a->index - a->centre; /* what the filters tell now */
    uint32_t slot = (uint32_t)centre % RECENT;
    for (int l = 0; l < leads; l++, s++) {
        float x = s->sum;
        s->sum = 0.0f;
        s->wave[(uint32_t)a->index % RECENT] = x;
        float energy = filter(a, s, x, &s->high[slot]);
        s->energy[slot] = energy;
        if (s->last > s->before && s->last >= energy) {
            float peak = s->last * s->scale;
            if ((a->peak_at < 0 || peak > a->peak) && centre > 0) {
                a->peak = peak;
                a->peak_at = centre - 1;
            }
        }
        s->before = s->last;
        s->last = energy;
    }
    if (++a->line_at >= a->taps) a->line_at = 0;
    a->index++;
    return a->peak_at >= 0 && centre - a->peak_at >= a->hold;
}

/* Is a lead missing or flat over a quarter of the samples around decimated index `at`? The jumps into
 * and out of such a stretch are no complexes. */
static int faulty(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const uint8_t *flags = ecg_flags(d, lead);
    int64_t first = (at - a->merge) * a->decimation, last = (at + a->merge + 1) * a->decimation;
    int64_t count = 0;
    if (first < 0) first = 0;
    if (last > d->count) last = d->count;
    for (int64_t i = first; i < last; i++)
        count += (flags[(uint32_t)i & d->ring_mask] & (ECG_QUALITY_GAP | ECG_QUALITY_FLAT)) != 0;
    return 4 * count > last - first;
}

int adaptive_feature_emit(ecg_detector *d, adaptive_state *a) {
    int leads = d->config.leads, good = 0;
    int before = a->shape / 2 + a->lag, points = a->shape + 2 * a->lag;
    uint32_t slot = a->tail % PENDING;
    adaptive_candidate *c = &a->pending[slot];
    adaptive_lead *s = adaptive_leads(a);
    c->at = a->peak_at;
    a->peak_at = -1;
    if (c->at < a->edge || (a->end >= 0 && c->at >= a->end - a->edge)) return 0;
    for (int l = 0; l < leads; l++, s++) {
        int64_t at = c->at;
        float energy = s->energy[(uint32_t)at % RECENT];
        if (leads > 1)
            for (int64_t k = c->at - a->merge; k <= c->at + a->merge; k++)
                if (k >= 0 && s->energy[(uint32_t)k % RECENT] > energy) {
                    energy = s->energy[(uint32_t)k % RECENT];
                    at = k;
                }
        float high = s->high[(uint32_t)at % RECENT], height = energy > 0.0f ? 0.5f * logf(energy) : LOG_TINY;
        s->height[slot] = height > LOG_HUGE ? LOG_HUGE : height > LOG_TINY ? height : LOG_TINY;
        s->share[slot] = energy > high && high > 0.0f ? 0.5f * logf(high / (energy - high)) : 0.0f;
        s->like[slot] = -2.0f;
        s->own[slot] = -1.0f;
        for (int k = 0; k < points; k++)
            s->shape[slot][k] = s->wave[(uint32_t)(at - before + k) % RECENT];
        s->faulty[slot] = (uint8_t)faulty(d, a, l, c->at);
        good += !s->faulty[slot];
        if (!s->faulty[slot] && (a->learning || !s->seeded) && s->first_count < PENDING)
            s->first[s->first_count++] = s->height[slot];
    }
    if (!good) return 0;
    a->tail++;
    return 1;
}
