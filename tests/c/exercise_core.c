/* Drives every public function of the core on synthetic signals, without Python: to be built with
 * sanitizers. Asserts what must hold for any signal and prints one closing line. */
#include "ecgfast.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __NEWLIB__ /* has no aligned_alloc */
#include <malloc.h>
#define aligned_alloc memalign
#endif

#define BEATS_MAX 400
#ifndef EXERCISE_RATES /* Hz; an emulated microcontroller gets fewer */
#define EXERCISE_RATES 99.5, 128, 360, 499.31, 2010
#endif
#ifndef EXERCISE_FS /* Hz, of what is exercised at one rate */
#define EXERCISE_FS 360
#endif
#ifndef EXERCISE_GAINS /* of streams of two leads; within 1e-4..1e4 of beats, beyond it of noise */
#define EXERCISE_GAINS 1e-4, 1e4, -1e4, 1e-30, 1e25
#endif
#ifndef EXERCISE_WINDOWS /* signals that each kind of window but the first is cut of */
#define EXERCISE_WINDOWS CLEAN, NOISE
#endif

static uint64_t random_state = 88172645463325252ull;

static uint32_t random_number(uint32_t below) { /* xorshift */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static double noise(void) {
    return (double)random_number(20001) / 10000.0 - 1.0;
}

/* Most leads that are exercised. */
#ifndef EXERCISE_LEADS
#define EXERCISE_LEADS ECG_LEADS_MAX
#endif

/* A state block of exactly the size asked for, so that a step beyond it is seen. */
static void *block(size_t bytes) {
    assert(bytes > 0 && bytes % ECG_ALIGNMENT == 0);
    void *at = aligned_alloc(ECG_ALIGNMENT, bytes);
    assert(at);
    memset(at, 0xa5, bytes); /* init must not rely on zeros */
    return at;
}

typedef enum spoilt {
    CLEAN,
    GAPS,       /* NaN and infinities */
    FLAT,       /* lead off */
    RAILS,      /* saturated */
    NOTHING,    /* NaN only */
    NOISE,
    SPOILT_KINDS
} spoilt;

/* `n` samples of `n_leads` leads: beats every 0.8 s with a premature one now and then, noise, faults. */
static float *signal_of(double fs, int n_leads, size_t n, double gain, spoilt kind) {
    float *samples = malloc(n * (size_t)n_leads * sizeof *samples);
    assert(samples);
    double next = 0.5, last = -1.0;
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / fs;
        if (t > next) {
            last = next;
            next += random_number(8) ? 0.78 + 0.02 * noise() : 0.5;
        }
        double x = 0.0;
        for (int k = 0; k < 2; k++) { /* waves only where they are: a microcontroller has no double precision */
            const double r = (t - (k ? last : next)) / 0.012, wave = (t - (k ? last : next) - 0.25) / 0.05;
            if (r > -8.0 && r < 8.0) x += exp(-0.5 * r * r);
            if (wave > -5.0 && wave < 5.0) x += 0.25 * exp(-0.5 * wave * wave);
        }
        const double turn = 0.3 * t - floor(0.3 * t), wander = 0.4 * fabs(turn - 0.5) - 0.1;
        for (int l = 0; l < n_leads; l++) {
            double y = (l % 2 ? -0.7 : 1.0) * x + (l % 2 ? -wander : wander) + 0.02 * noise();
            if (kind == NOISE) y = noise();
            y *= gain;
            double phase = fmod(t, 10.0);
            if (kind == GAPS && phase > 4.0 && phase < 5.5) y = i % 2 ? (double)NAN : l % 2 ? HUGE_VAL : -HUGE_VAL;
            if (kind == FLAT && phase > 4.0 && phase < 6.5 && l == 0) y = 0.25 * gain;
            if (kind == RAILS && phase > 4.0 && phase < 6.5) y = (fmod(t, 0.4) < 0.2 ? -3.0 : 3.0) * gain;
            if (kind == NOTHING) y = (double)NAN;
            samples[i * (size_t)n_leads + (size_t)l] = (float)y;
        }
    }
    return samples;
}

/* ---------------------------------------------------------------- band-pass filter */

static void exercise_bandpass(void) {
    ecg_bandpass filter;
    static const double bad[][3] = {{0, 5, 15},   {-1, 5, 15},  {360, 0, 15},  {360, 15, 5},
                                    {360, 5, 5},  {30, 5, 15},  {360, 5, 180}, {(double)NAN, 5, 15}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert(ecg_bandpass_init(&filter, bad[i][0], bad[i][1], bad[i][2]) < 0);
    static const double rates[] = {EXERCISE_RATES};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        enum { N = 3000 };
        float *in = signal_of(rates[k], 1, N, 1.0, GAPS), whole[N], pieces[N];
        assert(ecg_bandpass_init(&filter, rates[k], 5.0, 15.0) == ECG_OK);
        assert(filter.delay > 0.0 && filter.delay < rates[k]);
        ecg_bandpass_process(&filter, in, whole, N);
        ecg_bandpass_reset(&filter);
        for (size_t done = 0, step; done < N; done += step) {
            step = random_number(50);
            if (step > N - done) step = N - done;
            ecg_bandpass_process(&filter, in + done, pieces + done, step);
        }
        assert(memcmp(whole, pieces, sizeof whole) == 0);
        for (int i = 0; i < N; i++) assert(isfinite(whole[i]));
        ecg_bandpass_reset(&filter);
        ecg_bandpass_process(&filter, in, in, N); /* in place */
        assert(memcmp(whole, in, sizeof whole) == 0);
        free(in);
    }
}

/* ---------------------------------------------------------------- detector */

static size_t detect(ecg_detector *detector, const float *samples, size_t n, int n_leads, size_t chunk_max,
                     size_t capacity, ecg_qrs *beats) {
    size_t done = 0, count = 0, found;
    while (done < n) {
        size_t step = chunk_max ? random_number((uint32_t)chunk_max + 1) : n;
        if (step > n - done) step = n - done;
        size_t taken = 0;
        do {
            assert(count + capacity <= BEATS_MAX);
            taken += ecg_detector_process(detector, samples + (done + taken) * (size_t)n_leads, step - taken,
                                          beats + count, capacity, &found);
            assert(taken <= step && found <= capacity);
            assert(taken == step || found == capacity); /* stops early only when full */
            count += found;
        } while (taken < step || found == capacity);
        done += step;
    }
    assert(ecg_detector_count(detector) == (int64_t)n);
    while ((found = ecg_detector_flush(detector, beats + count, capacity)) > 0) {
        count += found;
        assert(count + capacity <= BEATS_MAX);
    }
    return count;
}

static void check_order(const ecg_qrs *beats, size_t count, size_t n) {
    for (size_t i = 0; i < count; i++) {
        assert(beats[i].sample >= 0 && beats[i].sample < (int64_t)n);
        assert(beats[i].reported_at > beats[i].sample && beats[i].reported_at <= (int64_t)n);
        assert(i == 0 || beats[i].sample > beats[i - 1].sample);
        assert(beats[i].strength > 0.0f && isfinite(beats[i].strength));
        assert((beats[i].quality & ~127u) == 0);
    }
}

static int same_peaks(const ecg_qrs *a, size_t na, const ecg_qrs *b, size_t nb) {
    if (na != nb) return 0;
    for (size_t i = 0; i < na; i++)
        if (a[i].sample != b[i].sample || a[i].reported_at != b[i].reported_at
            || memcmp(&a[i].strength, &b[i].strength, sizeof a[i].strength) != 0 || a[i].quality != b[i].quality)
            return 0;
    return 1;
}

static void exercise_detector(double fs, int n_leads, int method, double gain, spoilt kind, double max_delay) {
    ecg_detector_config config = {.fs = fs, .n_leads = n_leads, .method = method, .max_delay = max_delay};
    size_t n = (size_t)(24 * fs), bytes = ecg_detector_size(&config);
    assert(ecg_detector_check(&config) == ECG_OK);
    float *samples = signal_of(fs, n_leads, n, gain, kind);
    ecg_detector *detector = block(bytes);
    static ecg_qrs whole[BEATS_MAX], other[BEATS_MAX];

    assert(ecg_detector_init(detector, bytes, &config) == ECG_OK);
    assert(ecg_detector_delay(detector) > 0);
    size_t count = detect(detector, samples, n, n_leads, 0, 100, whole);
    check_order(whole, count, n);
    if (kind == CLEAN) assert(count >= 24 && count <= 50);
    if (kind == NOTHING) assert(count == 0);

    assert(ecg_detector_init(detector, bytes, &config) == ECG_OK);
    size_t again = detect(detector, samples, n, n_leads, 1 + (size_t)fs, 1, other);
    assert(same_peaks(whole, count, other, again));

    assert(ecg_detector_init(detector, bytes, &config) == ECG_OK);
    again = detect(detector, samples, n, n_leads, 3, 2, other);
    assert(same_peaks(whole, count, other, again));
    free(detector);
    free(samples);
}

/* ---------------------------------------------------------------- stream */

typedef struct output {
    size_t count, shown, told; /* floats of a row of windows, of features */
    ecg_beat beats[BEATS_MAX];
    float *windows, *features;
} output;

static output *new_output(const ecg_window_config *window) {
    output *out = calloc(1, sizeof *out);
    assert(out);
    out->shown = (size_t)(window->before + window->after) * (size_t)ecg_window_channels(window);
    out->told = (size_t)(window->history + 1) * ECG_FEATURES;
    out->windows = calloc(BEATS_MAX * out->shown, sizeof(float));
    out->features = calloc(BEATS_MAX * out->told, sizeof(float));
    assert(out->windows && out->features);
    return out;
}

static void free_output(output *out) {
    free(out->windows);
    free(out->features);
    free(out);
}

/* Rows for `capacity` beats, allocated to the byte; what comes is moved into `out`. */
typedef struct rows {
    size_t capacity;
    ecg_beat *beats;
    float *windows, *features;
} rows;

static rows new_rows(size_t capacity, const output *out) {
    rows r = {capacity, malloc(capacity * sizeof *r.beats), malloc(capacity * out->shown * sizeof(float)),
              malloc(capacity * out->told * sizeof(float))};
    assert(r.beats && r.windows && r.features);
    return r;
}

static void free_rows(rows *r) {
    free(r->beats);
    free(r->windows);
    free(r->features);
}

static void keep(output *out, const rows *r, size_t found) {
    assert(found <= r->capacity && out->count + found <= BEATS_MAX);
    memcpy(out->beats + out->count, r->beats, found * sizeof *r->beats);
    memcpy(out->windows + out->count * out->shown, r->windows, found * out->shown * sizeof(float));
    memcpy(out->features + out->count * out->told, r->features, found * out->told * sizeof(float));
    out->count += found;
}

/* Streams samples `from`..`to`; announces every R peak of a given rhythm in time. */
static void stream(ecg_stream *s, const ecg_detector_config *config, const float *samples, size_t from, size_t to,
                   size_t chunk_max, rows *r, output *out) {
    int64_t rhythm = (int64_t)(0.6 * config->fs);
    size_t found;
    while (from < to) {
        size_t step = chunk_max ? random_number((uint32_t)chunk_max + 1) : (size_t)config->fs;
        if (step > to - from) step = to - from;
        if (config->method == ECG_EXTERNAL)
            for (int64_t mark = (int64_t)from; mark < (int64_t)(from + step); mark++)
                if (mark % rhythm == rhythm / 2) assert(ecg_stream_announce(s, mark) == ECG_OK);
        size_t taken = 0;
        do {
            taken += ecg_stream_process(s, samples + (from + taken) * (size_t)config->n_leads, step - taken, r->beats,
                                        r->windows, r->features, r->capacity, &found);
            assert(taken <= step && (taken == step || found == r->capacity));
            keep(out, r, found);
        } while (taken < step || found == r->capacity);
        from += step;
    }
    assert(ecg_stream_count(s) == (int64_t)to);
}

static void flush(ecg_stream *s, rows *r, output *out) {
    size_t found;
    do {
        found = ecg_stream_flush(s, r->beats, r->windows, r->features, r->capacity);
        keep(out, r, found);
    } while (found == r->capacity);
}

static void check_beats(const output *out, size_t n, double fs, int lookahead) {
    for (size_t i = 0; i < out->count; i++) {
        const ecg_beat *b = &out->beats[i];
        assert(b->sample >= 0 && b->sample < (int64_t)n);
        assert(b->known_at > b->sample && b->known_at <= (int64_t)n);
        assert((b->quality & ~127u) == 0);
        if (i == 0) {
            assert(isnan(b->rr));
        } else {
            int64_t rr = b->sample - out->beats[i - 1].sample;
            assert(rr > 0 && fabs(b->rr - (double)rr / fs) < 1e-9);
            assert(b->known_at >= out->beats[i - 1].known_at);
        }
        for (size_t k = 0; k < out->shown; k++) assert(fabsf(out->windows[i * out->shown + k]) <= 5.0f);
        for (size_t k = 0; k < out->told; k++) assert(fabsf(out->features[i * out->told + k]) < 100.0f);
        if (lookahead && i + 1 < out->count)
            assert(b->known_at > out->beats[i + 1].sample || b->known_at - b->sample >= (int64_t)(3 * fs));
    }
}

static void check_same(const output *a, const output *b) {
    assert(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert(a->beats[i].sample == b->beats[i].sample && a->beats[i].known_at == b->beats[i].known_at);
        assert(memcmp(&a->beats[i].rr, &b->beats[i].rr, sizeof(double)) == 0);
        assert(a->beats[i].quality == b->beats[i].quality);
    }
    assert(memcmp(a->windows, b->windows, a->count * a->shown * sizeof(float)) == 0);
    assert(memcmp(a->features, b->features, a->count * a->told * sizeof(float)) == 0);
}

static void exercise_stream(const ecg_detector_config *config, const ecg_window_config *window, double gain,
                            spoilt kind) {
    size_t bytes = ecg_stream_size(config, window);
    size_t n = (size_t)(25 * config->fs);
    float *samples = signal_of(config->fs, config->n_leads, n, gain, kind);
    ecg_stream *s = block(bytes);
    output *whole = new_output(window), *other = new_output(window);
    rows wide = new_rows(64, whole), narrow = new_rows(1, whole);

    assert(ecg_stream_init(s, bytes, config, window) == ECG_OK);
    assert(ecg_stream_delay(s) > 0);
    stream(s, config, samples, 0, n, 0, &wide, whole);
    flush(s, &wide, whole);
    check_beats(whole, n, config->fs, window->lookahead);
    if (kind == CLEAN || config->method == ECG_EXTERNAL) assert(whole->count >= 24);

    /* The same in random pieces, one beat at a time, moved to another block midway. */
    assert(ecg_stream_init(s, bytes, config, window) == ECG_OK);
    size_t half = n / 3 + random_number((uint32_t)(n / 3));
    stream(s, config, samples, 0, half, 1 + (size_t)(config->fs / 4), &narrow, other);
    unsigned char *snapshot = malloc(bytes + ECG_SNAPSHOT_EXTRA);
    assert(snapshot);
    ecg_snapshot_save(s, bytes, snapshot);
    free(s);
    s = block(bytes);
    assert(ecg_stream_init(s, bytes, config, window) == ECG_OK);
    assert(ecg_snapshot_restore(s, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_OK);
    stream(s, config, samples, half, n, 7, &narrow, other);
    flush(s, &narrow, other);
    check_same(whole, other);

    free(snapshot);
    free_rows(&wide);
    free_rows(&narrow);
    free_output(whole);
    free_output(other);
    free(s);
    free(samples);
}

static void exercise_streams(void) {
    static const double rates[] = {EXERCISE_RATES};
    static const ecg_window_config grids[] = {{.grid_fs = 125, .before = 44, .after = 28},
                                              {.grid_fs = 1000, .before = 256, .after = 256},
                                              {.grid_fs = 50, .before = 1, .after = 1, .history = 63},
                                              {.grid_fs = 125, .after = 187, .kind = ECG_WINDOW_CYCLE},
                                              {.grid_fs = 125,
                                               .before = 1222,
                                               .after = 28,
                                               .kind = ECG_WINDOW_STRIP,
                                               .history = 15,
                                               .lookahead = 1}};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++)
        for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++)
            for (int kind = CLEAN; kind < SPOILT_KINDS; kind++) {
                ecg_detector_config config = {.fs = rates[k], .n_leads = 1 + kind % 3, .method = method};
                ecg_window_config window = grids[0];
                window.lead = kind % config.n_leads;
                window.lookahead = (int)(k + (size_t)(method + kind)) % 2; /* each kind of signal has both */
                exercise_stream(&config, &window, 1.0, (spoilt)kind);
            }
    for (size_t g = 1; g < sizeof grids / sizeof *grids; g++)
        for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++) {
            static const spoilt kinds[] = {EXERCISE_WINDOWS};
            ecg_detector_config config = {.fs = EXERCISE_FS, .n_leads = 1, .method = method};
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
                exercise_stream(&config, &grids[g], 1.0, kinds[k]);
        }
    static const double gains[] = {EXERCISE_GAINS};
    for (size_t k = 0; k < sizeof gains / sizeof *gains; k++)
        for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++) {
            ecg_detector_config config = {.fs = EXERCISE_FS, .n_leads = 2, .method = method};
            const int beyond = fabs(gains[k]) < 1e-4 || fabs(gains[k]) > 1e4;
            exercise_stream(&config, &grids[0], gains[k], beyond ? NOISE : CLEAN);
        }
}

/* One beat of a stream that was given one more sample, or ended. */
typedef struct lead_row {
    ecg_beat beat[2];
    float window[2 * 72 * ECG_CHANNELS], features[2 * 4 * ECG_FEATURES];
} lead_row;

static size_t next_beat(ecg_stream *s, const float *sample, lead_row *to) {
    size_t found;
    memset(to, 0, sizeof *to);
    if (!sample) return ecg_stream_flush(s, to->beat, to->window, to->features, 1);
    assert(ecg_stream_process(s, sample, 1, to->beat, to->window, to->features, 1, &found) == 1);
    return found;
}

/* Windows of two leads are those of a stream for each lead, at the same sample. */
static void exercise_leads(void) {
    for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++) {
        const ecg_detector_config config = {.fs = EXERCISE_FS, .n_leads = 3, .method = method};
        const ecg_window_config both = {.grid_fs = 125, .before = 44, .after = 28, .lead = 1, .leads = 2, .history = 3,
                                        .lookahead = method % 2};
        const size_t n = (size_t)(25 * config.fs);
        float *samples = signal_of(config.fs, config.n_leads, n, 1.0, CLEAN);
        ecg_stream *streams[3];
        for (int k = 0; k < 3; k++) {
            ecg_window_config window = both;
            if (k > 0) window.leads = 0, window.lead = k;
            const size_t bytes = ecg_stream_size(&config, &window);
            streams[k] = block(bytes);
            assert(ecg_stream_init(streams[k], bytes, &config, &window) == ECG_OK);
        }
        lead_row row[3];
        size_t total = 0, found = 0;
        for (size_t i = 0; i < n || found; i++) {
            const float *sample = i < n ? samples + 3 * i : NULL;
            found = next_beat(streams[0], sample, &row[0]);
            for (int k = 1; k < 3; k++) {
                const float *window = row[0].window + (k - 1) * 72 * ECG_CHANNELS;
                const float *features = row[0].features + (k - 1) * 4 * ECG_FEATURES;
                assert(next_beat(streams[k], sample, &row[k]) == found);
                if (!found) continue;
                assert(memcmp(&row[0].beat[k - 1], &row[k].beat[0], sizeof(ecg_beat)) == 0);
                assert(memcmp(window, row[k].window, 72 * ECG_CHANNELS * sizeof(float)) == 0);
                assert(memcmp(features, row[k].features, 4 * ECG_FEATURES * sizeof(float)) == 0);
            }
            total += found;
        }
        assert(total > 24 || method == ECG_EXTERNAL);
        for (int k = 0; k < 3; k++) free(streams[k]);
        free(samples);
    }
}

/* ---------------------------------------------------------------- wrong use */

static void exercise_errors(void) {
    ecg_detector_config good = {.fs = 360, .n_leads = 2, .method = ECG_ADAPTIVE};
    ecg_window_config window = {.grid_fs = 125, .before = 44, .after = 28};
    assert(ecg_detector_check(&good) == ECG_OK && ecg_stream_check(&good, &window) == ECG_OK);
    static const double rates[] = {0, 99.4, 2010.1, -360, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        ecg_detector_config bad = good;
        bad.fs = rates[i];
        assert(ecg_detector_check(&bad) == ECG_ERROR_FS && ecg_detector_size(&bad) == 0);
        assert(ecg_stream_size(&bad, &window) == 0);
    }
    static const int32_t leads[] = {INT32_MIN, -1, 0, ECG_LEADS_MAX + 1, INT32_MAX};
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        ecg_detector_config bad = good;
        bad.n_leads = leads[i];
        assert(ecg_detector_check(&bad) == ECG_ERROR_LEADS && ecg_detector_size(&bad) == 0);
    }
    ecg_detector_config bad;
    bad = good;
    bad.method = 7;
    assert(ecg_detector_check(&bad) == ECG_ERROR_METHOD);
    static const double delays[] = {-1, 0.1, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        bad = good;
        bad.max_delay = delays[i];
        assert(ecg_detector_check(&bad) == ECG_ERROR_DELAY);
    }
    static const ecg_window_config grids[] = {
        {.grid_fs = 125, .before = 0, .after = 28},        {.grid_fs = 125, .before = 44, .after = 0},
        {.grid_fs = 125, .before = 44, .after = -1},       {.grid_fs = 20, .before = 4, .after = 4},
        {.grid_fs = 2000, .before = 44, .after = 28},      {.grid_fs = 1000, .before = 400, .after = 400},
        {.grid_fs = 125, .before = INT32_MAX, .after = 9}, {.grid_fs = 125, .before = 130, .after = 9},
        {.grid_fs = 125, .before = 44, .after = 28, .lookahead = 2},
        {.grid_fs = 125, .before = 44, .after = 28, .kind = 3},
        {.grid_fs = 125, .before = 44, .after = 28, .history = ECG_HISTORY_MAX + 1},
        {.grid_fs = 125, .before = 1, .after = 187, .kind = ECG_WINDOW_CYCLE},
        {.grid_fs = 125, .before = 1400, .after = 28, .kind = ECG_WINDOW_STRIP}};
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++)
        assert(ecg_stream_check(&good, &grids[i]) == ECG_ERROR_WINDOW && ecg_stream_size(&good, &grids[i]) == 0);
    window.lead = 2;
    assert(ecg_stream_check(&good, &window) == ECG_ERROR_LEADS);
    window.lead = 1;
    static const int32_t shown[] = {INT32_MIN, -1, 2, INT32_MAX};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        window.leads = shown[i];
        assert(ecg_stream_check(&good, &window) == ECG_ERROR_LEADS && ecg_stream_size(&good, &window) == 0);
    }
    window.leads = 0;
    const ecg_window_config cycles = {.grid_fs = 125, .after = 187, .kind = ECG_WINDOW_CYCLE, .leads = 2};
    assert(ecg_stream_check(&good, &cycles) == ECG_ERROR_LEADS);

    size_t bytes = ecg_stream_size(&good, &window), own = ecg_detector_size(&good);
    char *memory = block(bytes + ECG_ALIGNMENT);
    assert(ecg_stream_init((ecg_stream *)memory, bytes - 1, &good, &window) == ECG_ERROR_MEMORY);
    assert(ecg_stream_init((ecg_stream *)(void *)(memory + 8), bytes, &good, &window) == ECG_ERROR_MEMORY);
    assert(ecg_stream_init(NULL, bytes, &good, &window) == ECG_ERROR_MEMORY);
    assert(ecg_detector_init((ecg_detector *)memory, own - 1, &good) == ECG_ERROR_MEMORY);
    assert(ecg_detector_init(NULL, own, &good) == ECG_ERROR_MEMORY);
    assert(ecg_stream_init((ecg_stream *)memory, bytes, &good, &window) == ECG_OK);
    assert(ecg_stream_announce((ecg_stream *)memory, 100) == ECG_ERROR_METHOD);

    good.method = ECG_EXTERNAL;
    bytes = ecg_stream_size(&good, &window);
    ecg_stream *s = block(bytes);
    assert(ecg_stream_init(s, bytes, &good, &window) == ECG_OK);
    assert(ecg_stream_announce(s, -1) == ECG_ERROR_ORDER);
    assert(ecg_stream_announce(s, INT64_MIN) == ECG_ERROR_ORDER);
    assert(ecg_stream_announce(s, INT64_MAX) == ECG_ERROR_ORDER);
    for (int i = 0; i < 64; i++) assert(ecg_stream_announce(s, 100 * i) == ECG_OK);
    assert(ecg_stream_announce(s, 6400) == ECG_ERROR_ORDER); /* too many ahead */
    assert(ecg_stream_announce(s, 50) == ECG_ERROR_ORDER);

    /* Snapshots: every damaged byte is noticed, and so are those of other kinds and sizes. */
    unsigned char *snapshot = malloc(bytes + ECG_SNAPSHOT_EXTRA);
    assert(snapshot);
    ecg_snapshot_save(s, bytes, snapshot);
    assert(ecg_snapshot_restore(s, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_OK);
    assert(ecg_snapshot_restore(s, bytes, snapshot, bytes) == ECG_ERROR_SNAPSHOT);
    assert(ecg_snapshot_restore(s, bytes, snapshot, 0) == ECG_ERROR_SNAPSHOT);
    for (int i = 0; i < 300; i++) {
        size_t at = i < 80 ? (size_t)i : random_number((uint32_t)(bytes + ECG_SNAPSHOT_EXTRA));
        if (at >= 24 && at < 32) continue; /* reserved */
        snapshot[at] ^= 0x10;
        assert(ecg_snapshot_restore(s, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_ERROR_SNAPSHOT);
        snapshot[at] ^= 0x10;
    }
    assert(ecg_snapshot_restore(s, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_OK);
    assert(ecg_stream_count(s) == 0);
    good.method = ECG_ADAPTIVE;
    ecg_detector *detector = block(own);
    assert(ecg_detector_init(detector, own, &good) == ECG_OK);
    assert(ecg_snapshot_restore(detector, own, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_ERROR_SNAPSHOT);
    free(detector);
    free(snapshot);
    free(s);
    free(memory);

    for (int status = -20; status <= 2; status++) {
        const char *text = ecg_status_text(status);
        assert(text && strlen(text) > 5);
    }
    for (int i = 0; i < ECG_FEATURES; i++) {
        assert(ecg_feature_name(i) && strlen(ecg_feature_name(i)) > 1);
        for (int j = 0; j < i; j++) assert(strcmp(ecg_feature_name(i), ecg_feature_name(j)) != 0);
    }
    assert(!ecg_feature_name(-1) && !ecg_feature_name(ECG_FEATURES));
}

int main(void) {
    static const double rates[] = {EXERCISE_RATES};
    exercise_errors();
    exercise_bandpass();
    for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++) {
        if (method == ECG_EXTERNAL) continue;
        for (size_t k = 0; k < sizeof rates / sizeof *rates; k++)
            for (int kind = CLEAN; kind < SPOILT_KINDS; kind++)
                exercise_detector(rates[k], 1 + kind % 2, method, 1.0, (spoilt)kind, 0.0);
        exercise_detector(EXERCISE_FS, 1, method, 1e-4, CLEAN, 0.35);
        exercise_detector(EXERCISE_FS, 2, method, 1e4, RAILS, 0.6);
        exercise_detector(EXERCISE_FS, 1, method, 1.0, NOISE, 1e6);
        exercise_detector(EXERCISE_FS, EXERCISE_LEADS, method, 1.0, GAPS, 0.0);
        exercise_detector(EXERCISE_FS, 1, method, FLT_MAX, NOISE, 0.0);
    }
    exercise_streams();
    exercise_leads();
    puts("the core holds");
    return 0;
}
