/* Beat windows: anti-aliased resampling onto the model's time grid by a windowed sinc. */
#include "beat_window.h"

#define PI 3.14159265358979323846

/* Hz: above it a monitoring ECG holds mains and muscle rather than heart. */
#define CUTOFF_HZ 40.0
/* Share of either sampling rate that is kept at the most; the rest is the filter's slope. */
#define NYQUIST_SHARE 0.45
/* Seconds on either side of a grid point: 2.5 half-periods of the cut-off, what a beat waits for. */
#define HALF_WIDTH_S 0.032

static int32_t taps_of(double fs) {
    return (int32_t)floor(2.0 * HALF_WIDTH_S * fs) + 1;
}

size_t ecg_window_size(double fs, const ecg_window_config *config) {
    size_t points = (size_t)(config->before + config->after), taps = (size_t)taps_of(fs);
    return ecg_round_up(sizeof(ecg_window)) + ecg_round_up(points * sizeof(int32_t))
           + ecg_round_up(points * taps * sizeof(float));
}

void ecg_window_init(ecg_window *window, double fs, const ecg_window_config *config) {
    window->points = config->before + config->after;
    window->taps = taps_of(fs);
    window->first_at = ecg_round_up(sizeof(ecg_window));
    window->weight_at = window->first_at + ecg_round_up((size_t)window->points * sizeof(int32_t));
    int32_t *first = (int32_t *)((char *)window + window->first_at);
    float *weight = (float *)((char *)window + window->weight_at);

    double cutoff = CUTOFF_HZ;
    if (cutoff > NYQUIST_SHARE * fs) cutoff = NYQUIST_SHARE * fs;
    if (cutoff > NYQUIST_SHARE * config->grid_fs) cutoff = NYQUIST_SHARE * config->grid_fs;
    for (int32_t k = 0; k < window->points; k++) {
        double centre = (k - config->before) / config->grid_fs; /* s from R */
        first[k] = (int32_t)ceil((centre - HALF_WIDTH_S) * fs);
        float *row = weight + (size_t)k * (size_t)window->taps;
        double sum = 0.0;
        for (int pass = 0; pass < 2; pass++) {
            for (int32_t j = 0; j < window->taps; j++) {
                double t = (first[k] + j) / fs - centre;
                double u = 2.0 * cutoff * t;
                double sinc = fabs(u) < 1e-9 ? 1.0 : sin(PI * u) / (PI * u);
                double hann = fabs(t) >= HALF_WIDTH_S ? 0.0 : 0.5 + 0.5 * cos(PI * t / HALF_WIDTH_S);
                if (pass == 0) sum += sinc * hann;
                else row[j] = (float)(sinc * hann / sum); /* gain one for a level */
            }
        }
    }
}

int64_t ecg_window_reach_of(const ecg_window *window, int32_t points) {
    const int32_t *first = (const int32_t *)((const char *)window + window->first_at);
    return (int64_t)first[points - 1] + window->taps - 1;
}

int64_t ecg_window_reach(const ecg_window *window) {
    return ecg_window_reach_of(window, window->points);
}

/* The value of rank k of n; reorders them so that those before k are no larger (Hoare's selection). */
static float select_rank(float *values, int32_t n, int32_t k) {
    int32_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = values[(low + high) / 2];
        int32_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) i++;
            while (pivot < values[j]) j--;
            if (i <= j) {
                float swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else break;
    }
    return values[k];
}

/* Mean of the two middle values where n is even, so that turning the signal over turns it over. */
static float median(float *values, int32_t n) {
    float upper = select_rank(values, n, n / 2);
    if (n % 2) return upper;
    float lower = values[0];
    for (int32_t i = 1; i < n / 2; i++)
        if (values[i] > lower) lower = values[i];
    return 0.5f * (lower + upper);
}

void ecg_window_level(float *out, int32_t points) {
    float sorted[ECG_STRIP_MAX];
    memcpy(sorted, out, (size_t)points * sizeof(float));
    float level = median(sorted, points);
    for (int32_t k = 0; k < points; k++) out[k] -= level;
}

void ecg_window_cut(const ecg_window *window, ecg_detector *d, int lead, int64_t r_sample, int32_t points,
                    float *out) {
    const int32_t *first = (const int32_t *)((const char *)window + window->first_at);
    const float *weight = (const float *)((const char *)window + window->weight_at);
    const float *ring = ecg_ring(d, lead);
    const uint32_t mask = d->ring_mask;
    int64_t newest = d->count - 1, oldest = d->count - (int64_t)mask - 1;
    if (oldest < 0) oldest = 0;
    int inside = r_sample + first[0] >= oldest && r_sample + ecg_window_reach_of(window, points) <= newest;
    float centre = ring[(uint32_t)(r_sample < oldest ? oldest : r_sample) & mask];
    for (int32_t k = 0; k < points; k++) {
        const float *row = weight + (size_t)k * (size_t)window->taps;
        int64_t from = r_sample + first[k];
        double sum = 0.0;
        for (int32_t j = 0; j < window->taps; j++) {
            int64_t at = from + j;
            if (!inside) at = at < oldest ? oldest : at > newest ? newest : at;
            /* Relative to R, so that a far level costs no digits. */
            sum += (double)row[j] * (double)(ring[(uint32_t)at & mask] - centre);
        }
        out[k] = (float)sum;
    }
}
