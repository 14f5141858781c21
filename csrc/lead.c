/* Front end of one lead, and the quality of a stretch of it. */
#include "internal.h"

void ecg_lead_init(ecg_lead *lead, double fs) {
    memset(lead, 0, sizeof *lead);
    lead->flat_run = (int32_t)ceil(ECG_FLAT_S * fs);
    lead->clip_run = (int32_t)ceil(ECG_CLIP_S * fs);
    if (lead->clip_run < 4) lead->clip_run = 4; /* at 100 Hz two or three equal samples are a rounded peak */
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
