/* Ventricular flutter and fibrillation: a signal that is a wave and nothing else.
 *
 * The leakage of a notch filter at the signal's own mean period (Kuo and Dillman, Computers in
 * Cardiology, 1978): a wave added to itself half a period later cancels, an ECG with complexes and
 * level stretches does not. Complexes with T waves of their size cancel, too, but repeat at the
 * interval of the beats rather than at that of the waves; and a short artefact leaves the rest of
 * the signal empty. */
#include "wave_leakage.h"

#include <math.h>

/* Period of the wave, s: 130 to 600 a minute, slower and faster ones are something else. */
#define PERIOD_MIN 0.1f
#define PERIOD_MAX 0.45f
/* Waves faster than this may be noise, too: their leakage counts for more, so that the limit is the
 * stricter one of Kuo and Dillman, 0.406. */
#define PERIOD_FAST 0.2f
#define FAST_WEIGHT (ECG_FLUTTER_LEAKAGE / 0.406f)
/* Parts of the points, and the share of their mean size that each has: waves fill all of them, an artefact some. */
#define PARTS 5
#define PART_SIZE 0.3f
/* Rate of the means whose repetition is looked at, Hz, and the longest interval, s. */
#define REPEAT_RATE 32.0f
#define REPEAT_MAX_S 0.9f
/* Shares of the period between which its own repetition lies; a longer one is another. */
#define PERIOD_LOW 0.75f
#define PERIOD_HIGH 1.35f
/* By how much the correlation at a longer interval exceeds that at the period where there are beats. It is 0.14 at most
 * in the waves of mitdb 207, but for one stretch, and 0.28 or more in organised rhythms with large T waves. */
#define REPEAT_MORE 0.25f

/* Correlation of `n` values with themselves `lag` later. */
static float wave_correlation(const float *x, int32_t n, int32_t lag) {
    float both = 0.0f, early = 0.0f, late = 0.0f;
    for (int32_t i = lag; i < n; i++) {
        both += x[i] * x[i - lag];
        early += x[i - lag] * x[i - lag];
        late += x[i] * x[i];
    }
    const float size = sqrtf(early) * sqrtf(late);
    return size > 0.0f ? both / size : 0.0f;
}

/* Do the points, at this rate, repeat better at an interval longer than `period` (points) than at the period? They are
 * replaced by means. */
static int repeats_slower(float *x, int32_t n, float period, float rate) {
    int32_t group = (int32_t)(rate / REPEAT_RATE);
    if (group < 1) group = 1;
    n /= group;
    for (int32_t i = 0; i < n; i++) {
        float sum = 0.0f;
        for (int32_t j = 0; j < group; j++) sum += x[i * group + j];
        x[i] = sum;
    }
    period /= (float)group;
    const int32_t longest = (int32_t)(REPEAT_MAX_S * rate / (float)group);
    float own = -1.0f, slower = -1.0f, before = 2.0f, now = wave_correlation(x, n, 1);
    for (int32_t lag = 1; lag < longest; lag++) {
        const float next = wave_correlation(x, n, lag + 1);
        if ((float)lag >= PERIOD_HIGH * period) {
            if (now >= before && now >= next && now > slower) slower = now;
        } else if ((float)lag > PERIOD_LOW * period && now > own) {
            own = now;
        }
        before = now;
        now = next;
    }
    return slower > own + REPEAT_MORE;
}

/* Do waves of this mean size fill all of the points? */
static int fills(const float *x, int32_t n, float size) {
    const int32_t part = n / PARTS;
    for (int32_t first = 0; first + part <= n; first += part) {
        float own = 0.0f;
        for (int32_t i = first; i < first + part; i++) own += fabsf(x[i]);
        if (own < PART_SIZE * size * (float)part) return 0;
    }
    return 1;
}

float ecg_wave_leakage(float *x, int32_t n, float rate) {
    float level = 0.0f, size = 0.0f, slope = 0.0f;
    for (int32_t i = 0; i < n; i++) level += x[i];
    level /= (float)n;
    for (int32_t i = 0; i < n; i++) {
        x[i] -= level;
        size += fabsf(x[i]);
        if (i > 0) slope += fabsf(x[i] - x[i - 1]);
    }
    if (!(slope > 0.0f)) return 1.0f;
    const float period = 6.2831853f * size / slope; /* points, of a sine with this size and slope */
    if (!(period >= PERIOD_MIN * rate && period <= PERIOD_MAX * rate)) return 1.0f;
    const int32_t half = (int32_t)(0.5f * period);
    float left = 0.0f, all = 0.0f;
    for (int32_t i = half; i < n; i++) {
        left += fabsf(x[i] + x[i - half]);
        all += fabsf(x[i]) + fabsf(x[i - half]);
    }
    if (!(all > 0.0f)) return 1.0f;
    const float leakage = left / all * (period < PERIOD_FAST * rate ? FAST_WEIGHT : 1.0f);
    if (leakage >= ECG_FLUTTER_ENDS || (fills(x, n, size / (float)n) && !repeats_slower(x, n, period, rate)))
        return leakage;
    return 1.0f;
}
