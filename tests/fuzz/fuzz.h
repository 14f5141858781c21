/* What the fuzzers share: bytes into configurations and signals, a block of exact size, a check that aborts. */
#ifndef ECGFAST_FUZZ_H
#define ECGFAST_FUZZ_H

#include "ecgfast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                  \
        }                                                                             \
    } while (0)

/* The input; zeros come after its end. */
typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

static inline uint8_t byte_of(bytes *in) {
    if (!in->left) return 0;
    in->left--;
    return *in->at++;
}

static inline uint64_t number_of(bytes *in, int width) {
    uint64_t x = 0;
    for (int i = 0; i < width; i++) x = x << 8 | byte_of(in);
    return x;
}

static inline double double_of(bytes *in) {
    uint64_t bits = number_of(in, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float float_of(bytes *in) {
    uint32_t bits = (uint32_t)number_of(in, 4);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline double rate_of(bytes *in) {
    static const double usual[] = {100.0, 100.5, 128.0, 250.0, 360.0, 499.31, 1000.0, 2000.0};
    const uint8_t kind = byte_of(in);
    if (kind < 8) return usual[kind];
    if (kind < 64) return 100.0 + (double)number_of(in, 2) * (1900.0 / 65535.0);
    return kind < 72 ? double_of(in) : 360.0;
}

static inline ecg_detector_config detector_of(bytes *in) {
    ecg_detector_config config = {.fs = rate_of(in)};
    const uint8_t kind = byte_of(in), delay = byte_of(in);
    config.method = kind & 3;
    config.n_leads = kind & 4 ? 1 + (kind >> 3 & 3) : 1;
    if (kind == 255) config.n_leads = (int32_t)number_of(in, 4);
    if (delay < 32) config.max_delay = 0.35 + delay / 20.0;
    else if (delay < 36) config.max_delay = double_of(in);
    if (delay == 37) config.keep = double_of(in);
    return config;
}

static inline ecg_window_config window_of(bytes *in) {
    ecg_window_config config = {.grid_fs = 125.0, .before = 44, .after = 28};
    const uint8_t kind = byte_of(in);
    config.kind = kind & 3;
    config.lookahead = kind >> 2 & 1;
    config.history = kind & 8 ? byte_of(in) & 15 : 0;
    if (config.kind == ECG_WINDOW_CYCLE) {
        config.before = 0;
        config.after = 187;
    } else if (config.kind == ECG_WINDOW_STRIP) {
        config.before = 611;
        config.after = 14;
        config.grid_fs = 62.5;
    }
    if (kind & 64) config.leads = 1 + (kind >> 7);
    if (kind & 16) {
        config.grid_fs = kind & 32 ? double_of(in) : 50.0 + (double)number_of(in, 2) * (950.0 / 65535.0);
        config.before = (int32_t)(int16_t)number_of(in, 2);
        config.after = (int32_t)(int16_t)number_of(in, 2);
    }
    if (kind == 0xdf) {
        config.history = (int32_t)number_of(in, 4);
        config.lead = (int32_t)number_of(in, 4);
        config.kind = (int32_t)number_of(in, 4);
        config.leads = (int32_t)number_of(in, 4);
    }
    return config;
}

/* A signal of at most `most` samples, built from pieces so that few bytes make many heart beats. */
static inline size_t signal_of(bytes *in, double fs, int n_leads, float *out, size_t most) {
    size_t n = 0;
    uint32_t seed = 1;
    while (in->left && n < most) {
        const uint8_t kind = byte_of(in) & 7;
        const uint8_t length = byte_of(in);
        const float gain = kind == 7 ? float_of(in) : (float)ldexp(1.0, (int)(byte_of(in) & 31) - 20);
        const size_t samples = kind < 2 ? 1 + length % 16 : (size_t)((double)length * fs / 64.0) + 1;
        for (size_t i = 0; i < samples && n < most; i++, n++)
            for (int l = 0; l < n_leads; l++) {
                const double t = (double)i / fs, period = 0.25 + (length & 15) / 12.0, from_r = fmod(t, period) - 0.1;
                float x = 0.0f;
                seed = seed * 1664525u + 1013904223u;
                if (kind == 0) x = float_of(in);
                else if (kind == 1) x = gain * (float)(int16_t)number_of(in, 2);
                else if (kind == 2) x = n ? out[(n - 1) * (size_t)n_leads + (size_t)l] : gain;
                else if (kind == 3) x = (float)NAN;
                else if (kind == 4) x = gain * (float)((double)(seed >> 8) / 8388608.0 - 1.0);
                else if (kind == 5) x = gain * (float)sin(6.283185307 * t * (double)(length % 60));
                else x = gain * (float)(exp(-from_r * from_r / 0.0003) + 0.02 * ((double)(seed >> 8) / 8388608.0 - 1.0));
                if (l & 1) x = -x;
                out[n * (size_t)n_leads + (size_t)l] = x;
            }
    }
    return n;
}

/* Of exactly the size asked for, so that a step beyond it is seen, and not of zeros. */
static inline void *block_of(size_t size) {
    void *at = aligned_alloc(ECG_ALIGNMENT, size);
    CHECK(at);
    memset(at, 0xa5, size);
    return at;
}

/* What came out of a stream or detector so far, as bytes. */
typedef struct record {
    unsigned char *bytes;
    size_t n, room, beats;
} record;

static inline void append(record *to, const void *what, size_t n) {
    if (!n) return;
    if (to->n + n > to->room) {
        to->room = 2 * (to->n + n);
        to->bytes = realloc(to->bytes, to->room);
        CHECK(to->bytes);
    }
    memcpy(to->bytes + to->n, what, n);
    to->n += n;
}

static inline void append_qrs(record *to, const ecg_qrs *beats, size_t n) {
    for (size_t i = 0; i < n; i++, to->beats++) {
        append(to, &beats[i].sample, sizeof beats[i].sample);
        append(to, &beats[i].reported_at, sizeof beats[i].reported_at);
        append(to, &beats[i].strength, sizeof beats[i].strength);
        append(to, &beats[i].quality, sizeof beats[i].quality);
    }
}

/* Rows of a stream's output: `per` for each beat. */
typedef struct rows {
    size_t capacity, per, window, features;
    ecg_beat *beats;
    float *windows, *feature_rows;
} rows;

static inline rows rows_of(const ecg_window_config *config, size_t capacity) {
    rows r = {.capacity = capacity};
    r.window = (size_t)(config->before + config->after) * (size_t)ecg_window_channels(config);
    r.features = (size_t)(config->history + 1) * ECG_FEATURES;
    r.per = config->leads > 1 ? (size_t)config->leads : 1;
    r.beats = malloc(capacity * r.per * sizeof *r.beats);
    r.windows = malloc(capacity * r.per * r.window * sizeof(float));
    r.feature_rows = malloc(capacity * r.per * r.features * sizeof(float));
    CHECK(r.beats && r.windows && r.feature_rows);
    return r;
}

static inline void free_rows(rows *r) {
    free(r->beats);
    free(r->windows);
    free(r->feature_rows);
}

static inline void append_rows(record *to, const rows *r, size_t n) {
    to->beats += n;
    for (size_t i = 0; i < n * r->per; i++) {
        const ecg_beat *b = &r->beats[i];
        append(to, &b->sample, sizeof b->sample);
        append(to, &b->known_at, sizeof b->known_at);
        append(to, &b->rr, sizeof b->rr);
        append(to, &b->quality, sizeof b->quality);
        append(to, &b->strength, sizeof b->strength);
    }
    append(to, r->windows, n * r->per * r->window * sizeof(float));
    append(to, r->feature_rows, n * r->per * r->features * sizeof(float));
}

/* What holds for the output of any signal of `n` samples. */
static inline void check_rows(const rows *r, size_t found, int64_t n) {
    CHECK(found <= r->capacity);
    for (size_t i = 0; i < found * r->per; i++) {
        const ecg_beat *b = &r->beats[i];
        CHECK(b->sample >= 0 && b->sample < n && b->known_at <= n && b->known_at > b->sample);
        CHECK(b->quality < 256 && !isinf(b->rr));
        CHECK(i < r->per || b->sample > r->beats[i - r->per].sample);
        CHECK(i % r->per == 0 || b->sample == r->beats[i - 1].sample);
    }
    for (size_t i = 0; i < found * r->per * r->window; i++) CHECK(isfinite(r->windows[i]));
    for (size_t i = 0; i < found * r->per * r->features; i++) CHECK(isfinite(r->feature_rows[i]));
}

#endif /* ECGFAST_FUZZ_H */
