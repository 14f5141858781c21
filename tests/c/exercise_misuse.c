/* Wrong calls: each is answered by a status or by nothing, and none touches memory that is not its own. */
#include "ecgfast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define EXPECT(what) ((what) ? (void)0 : (void)(failures++, printf("line %d: %s\n", __LINE__, #what)))

int main(void) {
    const ecg_detector_config config = {.fs = 250.0, .n_leads = 2, .method = ECG_ADAPTIVE};
    const ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
    const size_t bytes = ecg_stream_size(&config, &window), detector_bytes = ecg_detector_size(&config);
    ecg_stream *stream = calloc(1, bytes + ECG_ALIGNMENT);
    ecg_detector *detector = calloc(1, detector_bytes);
    void *snapshot = malloc(bytes + ECG_SNAPSHOT_EXTRA);
    static float samples[2 * 5000], windows[144], features[ECG_FEATURES];
    ecg_beat beat;
    ecg_qrs qrs;
    size_t found = 7;
    if (!stream || !detector || !snapshot) return 2;

    /* Nothing where something is needed. */
    EXPECT(ecg_detector_check(NULL) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_detector_size(NULL) == 0);
    EXPECT(ecg_detector_init(detector, detector_bytes, NULL) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_detector_init(NULL, detector_bytes, &config) == ECG_ERROR_MEMORY);
    EXPECT(ecg_stream_check(&config, NULL) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_stream_check(NULL, &window) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_stream_size(&config, NULL) == 0);
    EXPECT(ecg_stream_init(NULL, bytes, &config, &window) == ECG_ERROR_MEMORY);
    EXPECT(ecg_stream_announce(NULL, 1) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_stream_count(NULL) == 0 && ecg_stream_delay(NULL) == 0);
    EXPECT(ecg_detector_count(NULL) == 0 && ecg_detector_delay(NULL) == 0);
    EXPECT(ecg_window_channels(NULL) == 0);
    EXPECT(ecg_bandpass_init(NULL, 250.0, 5.0, 15.0) == ECG_ERROR_ARGUMENT);
    ecg_bandpass_reset(NULL);
    ecg_bandpass_process(NULL, samples, samples, 10);
    ecg_snapshot_save(NULL, bytes, snapshot);
    EXPECT(ecg_snapshot_restore(NULL, bytes, snapshot, bytes) == ECG_ERROR_ARGUMENT);

    /* A block too small or not aligned. */
    EXPECT(ecg_stream_init(stream, bytes - 1, &config, &window) == ECG_ERROR_MEMORY);
    EXPECT(ecg_stream_init((ecg_stream *)((char *)stream + 4), bytes, &config, &window) == ECG_ERROR_MEMORY);
    EXPECT(ecg_detector_init(detector, detector_bytes - 1, &config) == ECG_ERROR_MEMORY);

    /* Before the initialisation. */
    EXPECT(ecg_detector_process(detector, samples, 10, &qrs, 1, &found) == 0 && found == 0);
    EXPECT(ecg_detector_flush(detector, &qrs, 1) == 0);
    found = 7;
    EXPECT(ecg_stream_process(stream, samples, 10, &beat, windows, features, 1, &found) == 0 && found == 0);
    EXPECT(ecg_stream_flush(stream, &beat, windows, features, 1) == 0);
    EXPECT(ecg_stream_announce(stream, 1) == ECG_ERROR_ARGUMENT);
    EXPECT(ecg_stream_count(stream) == 0 && ecg_stream_delay(stream) == 0);
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, bytes) == ECG_ERROR_ARGUMENT);

    /* One for the other. */
    EXPECT(ecg_detector_init(detector, detector_bytes, &config) == ECG_OK);
    EXPECT(ecg_stream_count((ecg_stream *)(void *)detector) == 0);
    EXPECT(ecg_stream_init(stream, bytes, &config, &window) == ECG_OK);
    EXPECT(ecg_detector_process((ecg_detector *)(void *)stream, samples, 10, &qrs, 1, &found) == 0);

    /* Nowhere to write, nothing to read; then it works. */
    EXPECT(ecg_stream_process(stream, NULL, 10, &beat, windows, features, 1, &found) == 0);
    EXPECT(ecg_stream_process(stream, samples, 10, NULL, windows, features, 1, &found) == 0);
    EXPECT(ecg_stream_process(stream, samples, 10, &beat, NULL, features, 1, &found) == 0);
    EXPECT(ecg_stream_process(stream, samples, 10, &beat, windows, features, 1, NULL) == 0);
    EXPECT(ecg_stream_flush(stream, NULL, NULL, NULL, 1) == 0);
    EXPECT(ecg_stream_count(stream) == 0);
    EXPECT(ecg_stream_process(stream, NULL, 0, NULL, NULL, NULL, 0, &found) == 0);
    EXPECT(ecg_stream_process(stream, samples, 5000, &beat, windows, features, 1, &found) == 5000 && found == 0);
    EXPECT(ecg_stream_announce(stream, 6000) == ECG_ERROR_METHOD);

    /* A snapshot of another configuration, of a detector, cut off, of another version. */
    const ecg_detector_config other = {.fs = 250.0, .n_leads = 2, .method = ECG_ADAPTIVE, .max_delay = 1.0};
    ecg_snapshot_save(stream, bytes, snapshot);
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_OK);
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, bytes) == ECG_ERROR_SNAPSHOT);
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, 0) == ECG_ERROR_SNAPSHOT);
    EXPECT(ecg_snapshot_restore(detector, detector_bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_ERROR_SNAPSHOT);
    EXPECT(ecg_stream_init(stream, bytes, &other, &window) == ECG_OK);
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_ERROR_CONFIG);
    ((char *)snapshot)[ECG_SNAPSHOT_EXTRA + 4]++;
    EXPECT(ecg_snapshot_restore(stream, bytes, snapshot, bytes + ECG_SNAPSHOT_EXTRA) == ECG_ERROR_SNAPSHOT);

    /* A network that could not be planned. */
    static _Alignas(ECG_ALIGNMENT) unsigned char block[4096], model[64];
    ecg_network_report report;
    memset(block, 0xa5, sizeof block);
    EXPECT(ecg_network_init((ecg_network *)(void *)block, sizeof block, NULL, 0, &report) == ECG_ERROR_MODEL);
    EXPECT(ecg_network_init((ecg_network *)(void *)block, sizeof block, model, sizeof model, NULL) != ECG_OK);
    EXPECT(ecg_network_input((ecg_network *)(void *)block, 0) == NULL);
    ecg_network_run((ecg_network *)(void *)block);
    ecg_network_run(NULL);
    EXPECT(ecg_network_output(NULL, 0) == NULL);

    /* Every status has a line of its own. */
    for (int status = ECG_ERROR_ARGUMENT; status <= ECG_OK; status++)
        EXPECT(strcmp(ecg_status_text(status), ecg_status_text(1)) != 0);
    free(stream);
    free(detector);
    free(snapshot);
    puts(failures ? "misuse is not answered" : "misuse is answered");
    return failures != 0;
}
