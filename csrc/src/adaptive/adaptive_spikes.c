/* Pacing spikes. One beside the QRS complex is as high as it in both bands, so that a candidate that is a spike gives way
 * to what lies around it in the signal without spikes: a complex, or nothing of that height. */
#include "adaptive.h"
#include "../common/simd4.h"

/* Samples within the reach of a candidate and a spike's width around them, at the highest sampling rate. */
#define NEAR_MAX ((2 * SPIKE_REACH + 1) * (ECG_FS_MAX / 120) + 2 * (ECG_FS_MAX / 200) + 8)

static inline float spike_middle(float a, float b, float c) {
    const float low = a < b ? a : b, high = a < b ? b : a, most = c < high ? c : high;
    return most > low ? most : low;
}

static inline four spike_middles(four old, four now, four next) {
    return four_max(four_min(old, next), four_min(four_max(old, next), now));
}

/* Where sample `i` lies in the ring; after the end of the signal its last sample is repeated. */
static inline uint32_t spike_ring_place(const ecg_detector *d, int64_t i) {
    return (uint32_t)(i < d->count ? i : d->count - 1) & d->ring_mask;
}

/* Decimated sample `at` of the medians of each sample and those a spike's width before and after it. */
static inline float without_spikes(ecg_detector *d, const adaptive_state *a, const float *ring, int64_t at) {
    const int64_t first = at * a->decimation, end = first + a->decimation;
    float sum = 0.0f;
    if (first >= a->spike && end + a->spike <= d->count) {
        const uint32_t mask = d->ring_mask, width = (uint32_t)a->spike, n = (uint32_t)(end - first);
        const uint32_t begin = (uint32_t)(first - a->spike) & mask;
        uint32_t i = 0;
        if (begin + n + 2 * width <= mask + 1u)
            for (const float *x = ring + begin; i + 4 <= n; i += 4) { /* medians by fours, added one by one */
                float middle[4];
                four_store(middle, spike_middles(four_load(x + i), four_load(x + i + width), four_load(x + i + 2 * width)));
                for (int k = 0; k < 4; k++) sum += middle[k];
            }
        for (; i < n; i++)
            sum += spike_middle(ring[(begin + i) & mask], ring[(begin + i + width) & mask],
                                ring[(begin + i + 2 * width) & mask]);
        return sum;
    }
    for (int64_t i = first; i < end; i++) { /* silence before the first sample */
        const float old = i < a->spike ? 0.0f : ring[spike_ring_place(d, i - a->spike)];
        const float now = i < 0 ? 0.0f : ring[spike_ring_place(d, i)];
        const float next = i < -a->spike ? 0.0f : ring[spike_ring_place(d, i + a->spike)];
        sum += spike_middle(old, now, next);
    }
    return sum;
}

/* What the samples within the reach, in fours, differ from their medians. */
static float spikes_near(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const float *ring = ecg_ring(d, lead), *x;
    const uint32_t size = d->ring_mask + 1u, width = (uint32_t)a->spike;
    const int64_t first = (at - SPIKE_REACH) * a->decimation - a->spike;
    const uint32_t n = (uint32_t)((2 * SPIKE_REACH + 1) * a->decimation + 3) & ~3u, length = n + 2 * width;
    const uint32_t begin = (uint32_t)first & d->ring_mask;
    float joined[NEAR_MAX];
    if (first >= 0 && first + (int64_t)length <= d->count && begin + length <= size) {
        x = ring + begin;
    } else { /* over the end of the ring, or of the signal, whose last sample is repeated */
        for (uint32_t k = 0; k < length; k++) joined[k] = first + k < 0 ? 0.0f : ring[spike_ring_place(d, first + k)];
        x = joined;
    }
    four sum = four_zero();
    for (uint32_t i = 0; i < n; i += 4) {
        const four old = four_load(x + i), now = four_load(x + i + width), next = four_load(x + i + 2 * width);
        const four off = four_sub(now, spike_middles(old, now, next));
        sum = four_add(sum, four_max(off, four_sub(four_zero(), off)));
    }
    return four_sum(sum);
}

int adaptive_is_spike(ecg_detector *d, adaptive_state *a, int lead, int64_t at) {
    const adaptive_lead *s = adaptive_leads(a) + lead;
    const float energy = s->energy[at - a->base], spikes = spikes_near(d, a, lead, at);
    const float gain = a->low_centre * a->low_centre + a->high_centre * a->high_centre;
    if (!(gain * spikes * spikes > CONSTANT.spike_share * energy)) return 0;
    return a->phase != ADAPTIVE_RUNS || !s->seeded || energy > CONSTANT.spike_faint * expf(2.0f * s->signal);
}

void adaptive_lines_without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at,
                                   adaptive_lines *lines) {
    const float *ring = ecg_ring(d, lead);
    const int reach = a->hold + a->centre, points = 2 * a->hold + 1;
    memset(lines->wave, 0, sizeof lines->wave);
    for (int k = 0; k <= 2 * reach; k++) lines->wave[k] = without_spikes(d, a, ring, at - reach + k);
    adaptive_feature_energies(a, lines->wave + a->centre, points, lines->energy, lines->high);
}

int64_t adaptive_beside_spike(ecg_detector *d, adaptive_state *a, int64_t at, adaptive_lines *lines) {
    const adaptive_lead *s = adaptive_leads(a);
    int64_t from = at - a->hold + 1, found = -1;
    float highest = 0.0f;
    if (a->tail > 0 && a->pending[(a->tail - 1) % PENDING].at + a->hold > from)
        from = a->pending[(a->tail - 1) % PENDING].at + a->hold;
    if (from < a->edge) from = a->edge;
    for (int l = 0; l < d->config.n_leads; l++, s++) {
        adaptive_lines_without_spikes(d, a, l, at, lines);
        for (int64_t k = from; k < at + a->hold - 1; k++) {
            const float *energy = lines->energy + (k - at + a->hold);
            if (energy[0] > energy[-1] && energy[0] >= energy[1] && s->scale * energy[0] > highest) {
                highest = s->scale * energy[0];
                found = k;
            }
        }
    }
    return found;
}
