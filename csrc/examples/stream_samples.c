/* Streams a text file of samples through the core and prints each beat as soon as it is known.
 *
 *   cc -std=c11 -O3 -Icsrc csrc/examples/stream_samples.c csrc/[a-z]*.c -lm -o stream_samples
 *   ./stream_samples 360 < samples.txt
 *
 * One sample a line, in millivolts (any gain works). Prints the R peak in seconds, the RR interval
 * in seconds, the quality bits and how many seconds after the R peak the beat was known. */
#include "ecgfast.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK 32 /* samples at a time, as a device would deliver them; any number gives the same beats */
#define ROWS 16

static void print_beats(const ecg_beat *beats, size_t n, double fs) {
    for (size_t i = 0; i < n; i++)
        printf("%10.3f  rr %6.3f  quality %2u  known after %.3f s\n", (double)beats[i].r_sample / fs,
               beats[i].rr, (unsigned)beats[i].quality,
               (double)(beats[i].known_at - beats[i].r_sample) / fs);
}

int main(int argc, char **argv) {
    ecg_detector_config detector = {
        .fs = argc > 1 ? atof(argv[1]) : 0.0, .leads = 1, .method = ECG_ADAPTIVE};
    ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
    int status = ecg_stream_check(&detector, &window);
    if (status != ECG_OK) {
        fprintf(stderr, "usage: %s SAMPLING_RATE < samples.txt (%s)\n", argv[0], ecg_status_text(status));
        return 2;
    }

    /* The only allocation: the block that holds the whole state. malloc aligns it well enough. */
    size_t bytes = ecg_stream_size(&detector, &window);
    ecg_stream *stream = malloc(bytes);
    if (!stream || ecg_stream_init(stream, bytes, &detector, &window) != ECG_OK) {
        fprintf(stderr, "no memory for %zu bytes of state\n", bytes);
        free(stream);
        return 1;
    }

    static ecg_beat beats[ROWS];
    static float windows[ROWS * ECG_WINDOW_MAX * ECG_CHANNELS], features[ROWS * ECG_FEATURES];
    float chunk[CHUNK];
    size_t n = 0, found;
    int more = 1;
    while (more) {
        double sample;
        more = scanf("%lf", &sample) == 1;
        if (more) chunk[n++] = (float)sample;
        if (n == CHUNK || !more) {
            size_t done = 0;
            do { /* stops early when `beats` is full */
                done += ecg_stream_process(stream, chunk + done, n - done, beats, windows, features,
                                           ROWS, &found);
                print_beats(beats, found, detector.fs);
            } while (done < n || found == ROWS);
            n = 0;
        }
    }
    do {
        found = ecg_stream_flush(stream, beats, windows, features, ROWS);
        print_beats(beats, found, detector.fs);
    } while (found == ROWS);
    free(stream);
    return 0;
}
