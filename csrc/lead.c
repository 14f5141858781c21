/* Front end of one lead, and the quality of a stretch of it. */
#include "internal.h"

void ecg_lead_init(ecg_lead *lead, double fs) {
    memset(lead, 0, sizeof *lead);
    lead->offset = NAN; /* the first finite sample goes to ecg_lead_resume */
    lead->flat_run = (int32_t)ceil(ECG_FLAT_S * fs);
    lead->clip_run = (int32_t)ceil(ECG_CLIP_S * fs);
    lead->gap_run = (int32_t)ceil(ECG_GAP_S * fs);
    if (lead->clip_run < 4) lead->clip_run = 4; /* at 100 Hz two or three equal samples are a rounded peak */
}

uint32_t ecg_lead_resume(ecg_lead *lead, float sample, float *clean) {
    if (!(fabsf(sample) <= 1e30f)) {
        *clean = lead->last;
        lead->offset = NAN;
        if (lead->missing < lead->gap_run) lead->missing++;
        return ECG_QUALITY_GAP;
    }
    if (!lead->seen) {
        lead->seen = 1;
        lead->base = sample;
    } else if (lead->missing >= lead->gap_run) {
        /* After a long gap the lead goes on where it stopped: a jump would look like a QRS complex. */
        float base = sample - lead->last, shift = lead->base - base;
        lead->base = base;
        lead->high += shift;
        lead->low += shift;
    }
    lead->offset = lead->base;
    lead->missing = 0;
    lead->run = 0;
    lead->last = *clean = sample - lead->base;
    return 0;
}

uint32_t ecg_lead_still(ecg_lead *lead, float x) {
    if (lead->run >= lead->flat_run) {
        lead->run = lead->flat_run; /* does not overflow in days of silence */
        return ECG_QUALITY_FLAT;
    }
    return (x == lead->high || x == lead->low) && lead->low < lead->high ? ECG_QUALITY_SATURATED : 0;
}

uint32_t ecg_lead_block(ecg_lead *lead, const float *samples, int stride, int n, float *clean, uint8_t *flags) {
    const float offset = lead->offset;
    float high = lead->high, low = lead->low;
    float none = 0.0f; /* stays zero unless a sample is not finite */
    if (n <= 0) return 0;
    for (int i = 0; i < n; i++) {
        float x = samples[i * stride] - offset;
        clean[i] = x;
        none += x * 0.0f;
        high = high > x ? high : x;
        low = low < x ? low : x;
    }
    int odd = !(none == 0.0f && high <= 1e30f && low >= -1e30f);
    int run = 0; /* repetitions that the block begins with */
    while (run < n && clean[run] == (run > 0 ? clean[run - 1] : lead->last)) run++;
    odd |= lead->run + run >= lead->clip_run;
    /* Of clip_run repetitions in a row some fill one of the stretches of half that length. */
    const int half = (lead->clip_run + 1) / 2;
    for (int i = half; i < n && !odd; i += half) {
        int k = i;
        while (k < n && k < i + half && clean[k] == clean[k - 1]) k++;
        odd = k == n || k == i + half;
    }
    if (odd) { /* a gap, or perhaps a flat stretch: one by one */
        uint32_t all = 0;
        for (int i = 0; i < n; i++) {
            uint32_t quality = ecg_lead_step(lead, samples[i * stride], &clean[i]);
            flags[i] = (uint8_t)quality;
            all |= quality;
        }
        return all;
    }
    memset(flags, 0, (size_t)n);
    int same = 0;
    while (same < n && clean[n - 1 - same] == (same < n - 1 ? clean[n - 2 - same] : lead->last)) same++;
    lead->run = same < n ? same : lead->run + n;
    lead->last = clean[n - 1];
    lead->high = high;
    lead->low = low;
    return 0;
}

uint32_t ecg_quality_between(ecg_detector *d, int lead, int64_t first, int64_t last) {
    const uint8_t *flags = ecg_flags(d, lead);
    int64_t oldest = d->count - (int64_t)d->ring_mask - 1;
    if (first < oldest) first = oldest;
    if (first < 0) first = 0;
    if (last >= d->count) last = d->count - 1;
    uint32_t quality = 0;
    for (int64_t i = first; i <= last; i++) quality |= flags[(uint32_t)i & d->ring_mask];
    return quality;
}
