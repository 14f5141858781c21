/* Windows around given R peaks: any marks, any window, the same bits for two ways to cut the input. */
#include "fuzz.h"

#define SAMPLES_MAX 6000
#define MARKS_MAX 256

/* Announces the marks of each piece of 0.1 s before it, as a caller with annotations does; within a piece the
 * input is cut as `cuts` says. */
static void windows(const ecg_detector_config *config, const ecg_window_config *window, const float *samples, size_t n,
                    const int64_t *marks, size_t n_marks, bytes *cuts, record *out) {
    const size_t size = ecg_stream_size(config, window), n_leads = (size_t)config->n_leads;
    const size_t piece = (size_t)(0.1 * config->fs);
    ecg_stream *state = block_of(size);
    CHECK(ecg_stream_init(state, size, config, window) == ECG_OK);
    const int whole = !cuts->left;
    rows r = rows_of(window, 1);
    size_t done = 0, found = 0, next = 0, accepted = 0;
    while (done < n) {
        const size_t until = n - done < piece ? n : done + piece;
        for (; next < n_marks && marks[next] < (int64_t)until; next++)
            accepted += ecg_stream_announce(state, marks[next]) == ECG_OK && marks[next] < (int64_t)n;
        while (done < until || found) {
            size_t step = whole ? until - done : 1 + byte_of(cuts) % 40u;
            if (step > until - done) step = until - done;
            done += ecg_stream_process(state, samples + done * n_leads, step, r.beats, r.windows, r.feature_rows, 1,
                                       &found);
            check_rows(&r, found, (int64_t)done);
            append_rows(out, &r, found);
        }
    }
    /* Beyond the end, or behind a mark that was: those lie in the signal all the same. */
    for (; next < n_marks; next++)
        accepted += ecg_stream_announce(state, marks[next]) == ECG_OK && marks[next] < (int64_t)n;
    do {
        found = ecg_stream_flush(state, r.beats, r.windows, r.feature_rows, 1);
        check_rows(&r, found, (int64_t)n);
        append_rows(out, &r, found);
    } while (found);
    CHECK(out->beats <= accepted);
    free_rows(&r);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
    static float samples[SAMPLES_MAX];
    static int64_t marks[MARKS_MAX];
    bytes in = {data, n_data}, none = {0};
    ecg_detector_config config = detector_of(&in);
    const ecg_window_config window = window_of(&in);
    config.method = ECG_EXTERNAL;
    if (ecg_stream_check(&config, &window) != ECG_OK || config.n_leads > 4) return 0;
    size_t n_marks = 0;
    int64_t mark = 0;
    for (int count = byte_of(&in); count > 0; count--) {
        const uint8_t step = byte_of(&in);
        /* Unsigned, so that the sum of two large numbers wraps. */
        mark = (int64_t)((uint64_t)mark + (step < 200 ? (uint64_t)(step * config.fs / 100.0)
                                                      : number_of(&in, step < 250 ? 2 : 8) - 9));
        marks[n_marks++] = mark;
        if (mark > INT64_MAX / 4 || mark < -1000) mark = 0;
    }
    const size_t n = signal_of(&in, config.fs, config.n_leads, samples, SAMPLES_MAX / (size_t)config.n_leads);
    bytes cuts = {data, n_data};
    record once = {0}, pieces = {0};
    windows(&config, &window, samples, n, marks, n_marks, &none, &once);
    windows(&config, &window, samples, n, marks, n_marks, &cuts, &pieces);
    CHECK(once.n == pieces.n && (!once.n || memcmp(once.bytes, pieces.bytes, once.n) == 0));
    free(once.bytes);
    free(pieces.bytes);
    return 0;
}
