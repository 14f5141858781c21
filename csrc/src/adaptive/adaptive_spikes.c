/* Pacing spikes. One beside the QRS complex is as high as it in both bands, so that a candidate that is a spike gives way
 * to what lies around it in the signal without spikes: a complex, or nothing of that height. */
#include "adaptive.h"

/* The signal goes on level at either end. */
static float sample_of(ecg_detector *d, int lead, int64_t at) {
    const int64_t last = d->count - 1;
    return at < 0 ? 0.0f : ecg_ring(d, lead)[(uint32_t)(at < last ? at : last) & d->ring_mask];
}

static float median_of(float a, float b, float c) {
    const float low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Decimated sample `at` of the medians of each sample and those a spike's width before and after it; adds what the
 * samples differ from them to *spikes. */
static float without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at, float *spikes) {
    float sum = 0.0f;
    for (int64_t i = at * a->decimation; i < (at + 1) * a->decimation; i++) {
        const float x = sample_of(d, lead, i);
        const float middle = median_of(sample_of(d, lead, i - a->spike), x, sample_of(d, lead, i + a->spike));
        sum += middle;
        *spikes += fabsf(x - middle);
    }
    return sum;
}

int adaptive_is_spike(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const adaptive_lead *s = adaptive_leads((adaptive_state *)(uintptr_t)a) + lead;
    const float energy = s->energy[at - a->base], high = s->high[at - a->base];
    if (!(high > CONSTANT.spike_bands * (energy - high))) return 0;
    if (a->phase == ADAPTIVE_RUNS && s->seeded && energy < CONSTANT.spike_faint * expf(2.0f * s->signal)) return 0;
    float spikes = 0.0f;
    for (int64_t k = at - SPIKE_REACH; k <= at + SPIKE_REACH; k++) without_spikes(d, a, lead, k, &spikes);
    const float gain = a->low_centre * a->low_centre + a->high_centre * a->high_centre;
    return gain * spikes * spikes > CONSTANT.spike_share * energy;
}

void adaptive_lines_without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at,
                                   adaptive_lines *lines) {
    const int reach = a->hold + a->centre, points = 2 * a->hold + 1;
    float spikes = 0.0f;
    memset(lines->wave, 0, sizeof lines->wave);
    for (int k = 0; k <= 2 * reach; k++) lines->wave[k] = without_spikes(d, a, lead, at - reach + k, &spikes);
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
