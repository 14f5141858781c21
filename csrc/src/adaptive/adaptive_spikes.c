/* Pacing spikes. One beside the QRS complex is as high as it in both bands, so that a candidate that is a spike gives way
 * to what lies around it in the signal without spikes: a complex, or nothing of that height. */
#include "adaptive.h"
#include "../common/simd4.h"

/* Samples within the reach of a candidate and a spike's width around them, at the highest sampling rate. */
#define NEAR_MAX ((2 * SPIKE_REACH + 1) * (ECG_FS_MAX / 120) + 2 * (ECG_FS_MAX / 200) + 8)

static inline float middle_of(float a, float b, float c) {
    const float low = a < b ? a : b, high = a < b ? b : a, most = c < high ? c : high;
    return most > low ? most : low;
}

/* Decimated sample `at` of the medians of each sample and those a spike's width before and after it. The signal goes
 * on level at either end. */
static float without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const float *ring = ecg_ring(d, lead);
    const uint32_t mask = d->ring_mask;
    const int64_t first = at * a->decimation, last = d->count - 1;
    float sum = 0.0f;
    for (int64_t i = first; i < first + a->decimation; i++) {
        const int64_t before = i - a->spike, after = i + a->spike;
        const float old = before < 0 ? 0.0f : ring[(uint32_t)(before < last ? before : last) & mask];
        const float now = i < 0 ? 0.0f : ring[(uint32_t)(i < last ? i : last) & mask];
        const float next = after < 0 ? 0.0f : ring[(uint32_t)(after < last ? after : last) & mask];
        sum += middle_of(old, now, next);
    }
    return sum;
}

/* What the samples within the reach, in fours, differ from their medians. */
static float spikes_near(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const float *ring = ecg_ring(d, lead), *x;
    const uint32_t size = d->ring_mask + 1u, width = (uint32_t)a->spike;
    const int64_t first = (at - SPIKE_REACH) * a->decimation - a->spike, last = d->count - 1;
    const uint32_t n = (uint32_t)((2 * SPIKE_REACH + 1) * a->decimation + 3) & ~3u, length = n + 2 * width;
    const uint32_t begin = (uint32_t)first & d->ring_mask;
    float joined[NEAR_MAX];
    if (first >= 0 && first + (int64_t)length - 1 <= last && begin + length <= size) {
        x = ring + begin;
    } else { /* the ring's end, or the signal's, where it goes on level */
        for (uint32_t k = 0; k < length; k++) {
            const int64_t i = first + k;
            joined[k] = i < 0 ? 0.0f : ring[(uint32_t)(i < last ? i : last) & d->ring_mask];
        }
        x = joined;
    }
    four sum = four_zero();
    for (uint32_t i = 0; i < n; i += 4) {
        const four old = four_load(x + i), now = four_load(x + i + width), next = four_load(x + i + 2 * width);
        const four middle = four_max(four_min(old, next), four_min(four_max(old, next), now));
        const four off = four_sub(now, middle);
        sum = four_add(sum, four_max(off, four_sub(four_zero(), off)));
    }
    return four_sum(sum);
}

int adaptive_is_spike(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const adaptive_lead *s = adaptive_leads((adaptive_state *)(uintptr_t)a) + lead;
    const float energy = s->energy[at - a->base], spikes = spikes_near(d, a, lead, at);
    const float gain = a->low_centre * a->low_centre + a->high_centre * a->high_centre;
    if (!(gain * spikes * spikes > CONSTANT.spike_share * energy)) return 0;
    return a->phase != ADAPTIVE_RUNS || !s->seeded || energy > CONSTANT.spike_faint * expf(2.0f * s->signal);
}

void adaptive_lines_without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at,
                                   adaptive_lines *lines) {
    const int reach = a->hold + a->centre, points = 2 * a->hold + 1;
    memset(lines->wave, 0, sizeof lines->wave);
    for (int k = 0; k <= 2 * reach; k++) lines->wave[k] = without_spikes(d, a, lead, at - reach + k);
    adaptive_feature_energies(a, lines->wave + a->centre, points, lines->energy, lines->high);
}

int64_t adaptive_beside_spike(ecg_detector *d, const adaptive_state *a, int n_leads, int64_t at) {
    const adaptive_lead *s = adaptive_leads((adaptive_state *)(uintptr_t)a);
    int64_t from = at - a->hold + 1, found = -1;
    float highest = 0.0f;
    if (a->tail > 0 && a->pending[(a->tail - 1) % PENDING].at + a->hold > from)
        from = a->pending[(a->tail - 1) % PENDING].at + a->hold;
    if (from < a->edge) from = a->edge;
    for (int l = 0; l < n_leads; l++, s++) {
        adaptive_lines lines;
        adaptive_lines_without_spikes(d, a, l, at, &lines);
        for (int64_t k = from; k < at + a->hold - 1; k++) {
            const float *energy = lines.energy + (k - at + a->hold);
            if (energy[0] > energy[-1] && energy[0] >= energy[1] && s->scale * energy[0] > highest) {
                highest = s->scale * energy[0];
                found = k;
            }
        }
    }
    return found;
}
