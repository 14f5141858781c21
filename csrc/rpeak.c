/* R-peak refinement on the ECG itself. */
#include "internal.h"

/* Seconds searched on either side of the mark: half a wide QRS complex and the mark's own error. */
#define SEARCH_S 0.06
/* Seconds on either side of the search that tell the level the complex stands on. */
#define LEVEL_S 0.04

int64_t ecg_refine_reach(double fs) {
    return (int64_t)ceil((SEARCH_S + LEVEL_S) * fs);
}

int64_t ecg_refine(ecg_detector *d, int lead, int64_t about) {
    const float *ring = ecg_ring(d, lead);
    uint32_t mask = d->ring_mask;
    int64_t search = (int64_t)ceil(SEARCH_S * d->config.fs), reach = ecg_refine_reach(d->config.fs);
    int64_t oldest = d->count - (int64_t)mask - 1;
    int64_t first = about - reach, last = about + reach;
    if (oldest < 0) oldest = 0;
    if (first < oldest) first = oldest;
    if (last >= d->count) last = d->count - 1;
    if (last <= first) return about < 0 ? 0 : about;

    double level = 0.0;
    int64_t counted = 0;
    for (int64_t i = first; i <= last; i++) {
        if (i > about - search && i < about + search) continue;
        level += ring[(uint32_t)i & mask];
        counted++;
    }
    if (counted) level /= (double)counted;

    int64_t best = about < first ? first : about > last ? last : about;
    double height = -1.0;
    for (int64_t i = about - search; i <= about + search; i++) {
        if (i < first || i > last) continue;
        double h = fabs(ring[(uint32_t)i & mask] - level);
        if (h > height) {
            height = h;
            best = i;
        }
    }
    return best;
}
