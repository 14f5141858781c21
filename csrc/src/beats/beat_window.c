/* Beat windows: anti-aliased resampling onto the model's time grid by a windowed sinc. */
#include "beat_window.h"
#include "../common/simd4.h"

#define PI 3.14159265358979323846

/* Hz: above it a monitoring ECG holds mains and muscle rather than heart. */
#define CUTOFF_HZ 40.0
/* Share of either sampling rate that is kept at most; the rest is the filter's slope. */
#define NYQUIST_SHARE 0.45
/* Seconds on either side of a grid point: 2.5 half-periods of the cut-off, what a beat waits for. */
#define HALF_WIDTH_S 0.032
/* Products of a tap and a sample at one sample of the stream at most: a strip of ten seconds on a 62.5 Hz grid
 * up to 400 Hz, a fifth of one at 2000 Hz; about 100,000 instructions. */
#define PART_TAPS 16384

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

int32_t ecg_window_part(const ecg_window *window) {
    return PART_TAPS / window->taps;
}

/* Unsigned numbers in the order of the floats. */
static inline uint32_t rank_key(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ ((0u - (bits >> 31)) | 0x80000000u);
}

static float of_rank_key(uint32_t key) {
    uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Median of n > 0 values, the mean of the two middle ones where n is even, so that turning the signal over
 * turns it over. Byte by byte of the keys: the same work whatever the values are. */
static float median(const float *values, int32_t n) {
    uint32_t upper = 0, known = 0;
    int32_t rank = n / 2; /* among those that share the known bytes */
    for (int shift = 24; shift >= 0; shift -= 8) {
        int32_t counts[256] = {0}, byte = 0;
        for (int32_t i = 0; i < n; i++) {
            uint32_t key = rank_key(values[i]) ^ upper;
            if (!(key & known)) counts[key >> shift & 255]++;
        }
        while (rank >= counts[byte]) rank -= counts[byte++];
        upper |= (uint32_t)byte << shift;
        known |= 255u << shift;
    }
    if (n % 2 || rank > 0) return of_rank_key(upper); /* rank > 0: the one before is the same */
    uint32_t lower = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t key = rank_key(values[i]);
        if (key < upper && key > lower) lower = key;
    }
    return 0.5f * (of_rank_key(lower) + of_rank_key(upper));
}

void ecg_window_level(float *out, int32_t points) {
    float level = median(out, points);
    for (int32_t k = 0; k < points; k++) out[k] -= level;
}

/* Samples `from` .. `from` + n - 1 relative to `centre`, so that a far level costs no digits; those before
 * `oldest` or after `newest` repeat the nearest one. */
static void copy_samples(float *x, const float *ring, uint32_t mask, int64_t from, int32_t n, int64_t oldest,
                         int64_t newest, float centre) {
    int32_t i = 0;
    for (; i < n && from + i < oldest; i++) x[i] = ring[(uint32_t)oldest & mask] - centre;
    while (i < n && from + i <= newest) {
        const uint32_t at = (uint32_t)(from + i) & mask;
        int64_t length = newest - (from + i) + 1;
        if (length > n - i) length = n - i;
        if (length > (int64_t)(mask + 1u - at)) length = (int64_t)(mask + 1u - at);
        for (int32_t j = 0; j < (int32_t)length; j++) x[i + j] = ring[at + (uint32_t)j] - centre;
        i += (int32_t)length;
    }
    for (; i < n; i++) x[i] = ring[(uint32_t)newest & mask] - centre;
}

/* Sums that wait for one another no more than they have to, in the same order everywhere. */
static float weighted_sum(const float *weight, const float *x, int32_t n) {
#define TAPS(sum, k) sum = four_add(sum, four_mul(four_load(weight + (k)), four_load(x + (k))))
    four even = four_zero(), odd = even;
    int32_t j = 0;
    for (; j + 8 <= n; j += 8) {
        TAPS(even, j);
        TAPS(odd, j + 4);
    }
    if (j + 4 <= n) {
        TAPS(even, j);
        j += 4;
    }
#undef TAPS
    float sum = four_sum(four_add(even, odd));
    for (; j < n; j++) sum += weight[j] * x[j];
    return sum;
}

void ecg_window_cut(const ecg_window *window, ecg_detector *d, int lead, int64_t sample, int32_t from, int32_t to,
                    float *out) {
    const int32_t *first = (const int32_t *)((const char *)window + window->first_at);
    const float *weight = (const float *)((const char *)window + window->weight_at);
    const float *ring = ecg_ring(d, lead);
    const uint32_t mask = d->ring_mask;
    int64_t newest = d->count - 1, oldest = d->count - (int64_t)mask - 1;
    if (oldest < 0) oldest = 0;
    const int64_t middle = sample < oldest ? oldest : sample > newest ? newest : sample;
    const float centre = ring[(uint32_t)middle & mask];
    float *x = (float *)ecg_scratch(d);
    const int32_t room = 2 * d->scratch_length; /* floats in the place of doubles */
    for (int32_t k = from; k < to;) { /* as many points at a time as the scratch space has samples for */
        const int32_t begin = first[k];
        int32_t end = k + 1;
        while (end < to && first[end] + window->taps - begin <= room) end++;
        copy_samples(x, ring, mask, sample + begin, first[end - 1] + window->taps - begin, oldest, newest, centre);
        for (; k < end; k++) {
            const float *row = weight + (size_t)k * (size_t)window->taps;
            out[k] = weighted_sum(row, x + (first[k] - begin), window->taps);
        }
    }
}
