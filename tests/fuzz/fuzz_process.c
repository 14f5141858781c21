/* Detector and stream on any configuration and signal: memory, and the same bits for two ways to cut the input. */
#include "fuzz.h"

#define SAMPLES_MAX 9000

static void detect(const ecg_detector_config *config, const float *samples, size_t n, bytes *cuts, record *out) {
    const size_t size = ecg_detector_size(config), n_leads = (size_t)config->n_leads;
    ecg_detector *detector = block_of(size);
    CHECK(ecg_detector_init(detector, size, config) == ECG_OK);
    const int whole = !cuts->left;
    ecg_qrs beats[5];
    size_t done = 0, found;
    while (done < n) {
        size_t step = whole ? n : 1 + byte_of(cuts) % 200u, capacity = whole ? 5 : 1 + step % 5;
        if (step > n - done) step = n - done;
        done += ecg_detector_process(detector, samples + done * n_leads, step, beats, capacity, &found);
        append_qrs(out, beats, found);
    }
    while (ecg_detector_process(detector, samples, 0, beats, 5, &found), found) append_qrs(out, beats, found);
    CHECK(ecg_detector_count(detector) == (int64_t)n);
    while ((found = ecg_detector_flush(detector, beats, 1 + (size_t)!whole))) append_qrs(out, beats, found);
    free(detector);
}

static void stream(const ecg_detector_config *config, const ecg_window_config *window, const float *samples, size_t n,
                   bytes *cuts, record *out) {
    const size_t size = ecg_stream_size(config, window), n_leads = (size_t)config->n_leads;
    ecg_stream *state = block_of(size);
    CHECK(ecg_stream_init(state, size, config, window) == ECG_OK);
    const int whole = !cuts->left;
    rows r = rows_of(window, whole ? 4 : 1);
    size_t done = 0, found = 0;
    while (done < n || found == r.capacity) {
        size_t step = whole ? n : 1 + byte_of(cuts) % 200u;
        if (step > n - done) step = n - done;
        done += ecg_stream_process(state, samples + done * n_leads, step, r.beats, r.windows, r.feature_rows, r.capacity,
                                   &found);
        check_rows(&r, found, (int64_t)done);
        for (size_t i = 0; i < found; i++) {
            rows one = r;
            one.beats += i * r.per;
            one.windows += i * r.per * r.window;
            one.feature_rows += i * r.per * r.features;
            append_rows(out, &one, 1);
        }
    }
    do {
        found = ecg_stream_flush(state, r.beats, r.windows, r.feature_rows, 1);
        check_rows(&r, found, (int64_t)n);
        append_rows(out, &r, found);
    } while (found);
    free_rows(&r);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
    static float samples[SAMPLES_MAX];
    bytes in = {data, n_data}, none = {0};
    const ecg_detector_config config = detector_of(&in);
    const ecg_window_config window = window_of(&in);
    if (ecg_detector_check(&config) != ECG_OK) {
        CHECK(ecg_detector_size(&config) == 0 && ecg_stream_size(&config, &window) == 0);
        return 0;
    }
    if (config.n_leads > 8) return 0; /* only slower */
    const size_t n = signal_of(&in, config.fs, config.n_leads, samples, SAMPLES_MAX / (size_t)config.n_leads);
    bytes cuts = {data, n_data};
    record once = {0}, pieces = {0};
    detect(&config, samples, n, &none, &once);
    detect(&config, samples, n, &cuts, &pieces);
    CHECK(once.n == pieces.n && (!once.n || memcmp(once.bytes, pieces.bytes, once.n) == 0));
    if (ecg_stream_check(&config, &window) == ECG_OK) {
        once.n = pieces.n = once.beats = pieces.beats = 0;
        cuts = (bytes){data, n_data};
        stream(&config, &window, samples, n, &none, &once);
        stream(&config, &window, samples, n, &cuts, &pieces);
        CHECK(once.n == pieces.n && (!once.n || memcmp(once.bytes, pieces.bytes, once.n) == 0));
    } else {
        CHECK(ecg_stream_size(&config, &window) == 0);
    }
    free(once.bytes);
    free(pieces.bytes);
    return 0;
}
