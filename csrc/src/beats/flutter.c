/* Ventricular flutter and fibrillation: a signal that is a wave and nothing else.
 *
 * The leakage of a notch filter at the signal's own mean period (Kuo and Dillman, Computers in
 * Cardiology, 1978): a wave added to itself half a period later cancels, an ECG with complexes and
 * level stretches does not. */
#include "../common/internal.h"

/* Seconds looked at: eight to twelve waves. */
#define SPAN_S 2.5
/* Hz: rate of the means that are compared; flutter has nothing above 10 Hz. */
#define RATE 64.0
#define POINTS_MAX 320 /* of 2.5 s below twice RATE */
/* Period of the wave, s: 130 to 600 a minute, slower and faster ones are something else. */
#define PERIOD_MIN 0.1f
#define PERIOD_MAX 0.45f
/* Waves faster than this may be noise, too: their leakage counts for more, so that the limit is the
 * stricter one of Kuo and Dillman, 0.406. */
#define PERIOD_FAST 0.2f
#define FAST_WEIGHT (ECG_FLUTTER_LEAKAGE / 0.406f)

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
    float level = 0.0f, size = 0.0f, slope = 0.0f;
    for (int32_t i = 0; i < n; i++) {
        x[i] = 0.0f;
        for (int32_t j = 0; j < group; j++)
            x[i] += ring[(uint32_t)(first + (int64_t)i * group + j) & d->ring_mask] - start;
        level += x[i];
    }
    level /= (float)n;
    for (int32_t i = 0; i < n; i++) {
        x[i] -= level;
        size += fabsf(x[i]);
        if (i > 0) slope += fabsf(x[i] - x[i - 1]);
    }
    if (!(slope > 0.0f)) return 1.0f;
    const float period = 6.2831853f * size / slope; /* points, of a sine with this size and slope */
    const float second = (float)fs / (float)group;
    if (!(period >= PERIOD_MIN * second && period <= PERIOD_MAX * second)) return 1.0f;
    const int32_t half = (int32_t)(0.5f * period);
    float left = 0.0f, all = 0.0f;
    for (int32_t i = half; i < n; i++) {
        left += fabsf(x[i] + x[i - half]);
        all += fabsf(x[i]) + fabsf(x[i - half]);
    }
    if (!(all > 0.0f)) return 1.0f;
    return left / all * (period < PERIOD_FAST * second ? FAST_WEIGHT : 1.0f);
}
