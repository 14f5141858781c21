/* Forged snapshots with a true checksum: refused, or a stream that continues within its memory. */
#include "fuzz.h"

#define SAMPLES_MAX 5000

static uint64_t checksum(const unsigned char *body, size_t n) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++) hash = (hash ^ body[i]) * 0x100000001b3ull;
    return hash;
}

/* Forgeries near either end, where states lie: rings and tables are between. */
static int forge(bytes *in, unsigned char *body, size_t size) {
    int forged = 0;
    for (int edits = byte_of(in) & 7; edits > 0; edits--) {
        const uint8_t kind = byte_of(in);
        const int width = 1 << (kind & 3);
        size_t offset = number_of(in, 2) % size;
        if (kind & 4) offset = size - 1 - offset;
        if (kind & 8) offset = (size_t)number_of(in, 3) % size;
        offset -= offset % (size_t)width;
        if (offset + (size_t)width > size) continue;
        uint64_t value = number_of(in, width);
        if (kind & 16) value = 0ull - (value & 255); /* small negative ones */
        if (kind & 32) value = value & 255;
        const int changes = memcmp(body + offset, &value, (size_t)width) != 0;
        memcpy(body + offset, &value, (size_t)width);
        forged |= changes;
    }
    return forged;
}

static void process_rest(ecg_stream *state, const ecg_window_config *window, const float *samples, size_t n, size_t n_leads,
                  record *out) {
    rows r = rows_of(window, 2);
    size_t done = 0, found = 0;
    while (done < n || found == r.capacity) {
        done += ecg_stream_process(state, samples + done * n_leads, n - done, r.beats, r.windows, r.feature_rows,
                                   r.capacity, &found);
        append_rows(out, &r, found);
    }
    do {
        found = ecg_stream_flush(state, r.beats, r.windows, r.feature_rows, r.capacity);
        append_rows(out, &r, found);
    } while (found);
    free_rows(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
    static float samples[SAMPLES_MAX];
    bytes in = {data, n_data};
    const ecg_detector_config config = detector_of(&in);
    const ecg_window_config window = window_of(&in);
    if (ecg_stream_check(&config, &window) != ECG_OK || config.n_leads > 4 || config.keep > 10.0) return 0;
    const size_t size = ecg_stream_size(&config, &window), n_leads = (size_t)config.n_leads;
    if (size > (1u << 20)) return 0;
    bytes forgeries = {data + n_data - in.left, in.left < 64 ? in.left : 64};
    in.at += forgeries.left;
    in.left -= forgeries.left;
    const size_t n = signal_of(&in, config.fs, config.n_leads, samples, SAMPLES_MAX / n_leads), first = n / 2;

    ecg_stream *state = block_of(size), *other = block_of(size);
    CHECK(ecg_stream_init(state, size, &config, &window) == ECG_OK);
    CHECK(ecg_stream_init(other, size, &config, &window) == ECG_OK);
    rows r = rows_of(&window, 1);
    size_t found = 0;
    int64_t mark = 0;
    for (size_t done = 0; done < first;) {
        size_t step = first - done < 50 ? first - done : 50;
        if (config.method == ECG_EXTERNAL && (mark += (int64_t)config.fs / 3)) ecg_stream_announce(state, mark);
        done += ecg_stream_process(state, samples + done * n_leads, step, r.beats, r.windows, r.feature_rows, 1, &found);
    }
    free_rows(&r);

    unsigned char *snapshot = malloc(size + ECG_SNAPSHOT_EXTRA);
    CHECK(snapshot);
    ecg_snapshot_save(state, size, snapshot);
    const int forged = forge(&forgeries, snapshot + ECG_SNAPSHOT_EXTRA, size);
    const uint64_t sum = checksum(snapshot + ECG_SNAPSHOT_EXTRA, size);
    memcpy(snapshot + 16, &sum, sizeof sum);
    const int status = ecg_snapshot_restore(other, size, snapshot, size + ECG_SNAPSHOT_EXTRA);
    record expected = {0}, got = {0};
    process_rest(other, &window, samples + first * n_leads, n - first, n_leads, &got); /* also where it was refused */
    if (!forged) {
        CHECK(status == ECG_OK);
        process_rest(state, &window, samples + first * n_leads, n - first, n_leads, &expected);
        CHECK(expected.n == got.n && (!got.n || memcmp(expected.bytes, got.bytes, got.n) == 0));
    }
    free(expected.bytes);
    free(got.bytes);
    free(snapshot);
    free(state);
    free(other);
    return 0;
}
