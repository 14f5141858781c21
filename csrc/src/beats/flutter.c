/* Whether a beat lies in ventricular flutter or fibrillation: the leakage of the signal up to it. */
#include "../common/internal.h"
#include "wave_leakage.h"

/* Seconds looked at: five waves of the slowest flutter. */
#define SPAN_S 2.5
/* Hz: rate of the means that are compared; flutter has nothing above 10 Hz. */
#define RATE 64.0
#define POINTS_MAX 320 /* of 2.5 s below twice RATE */

float ecg_flutter_leakage(ecg_detector *d, int lead, int64_t last) {
    const float *ring = ecg_ring(d, lead);
    const double fs = d->config.fs;
    int32_t group = (int32_t)floor(fs / RATE);
    if (group < 1) group = 1;
    int32_t n = (int32_t)floor(SPAN_S * fs / group);
    int64_t first = last + 1 - (int64_t)n * group;
    if (n > POINTS_MAX || first < 0 || first < d->count - (int64_t)d->ring_mask - 1) return 1.0f;

    const float start = ring[(uint32_t)first & d->ring_mask]; /* so that a far level costs no digits */
    float x[POINTS_MAX];
    for (int32_t i = 0; i < n; i++) {
        x[i] = 0.0f;
        for (int32_t j = 0; j < group; j++)
            x[i] += ring[(uint32_t)(first + (int64_t)i * group + j) & d->ring_mask] - start;
    }
    return ecg_wave_leakage(x, n, (float)fs / (float)group);
}
