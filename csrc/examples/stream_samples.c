/* Streams a text file of samples through the core and prints each beat as soon as it is known.
 *
 *   cc -std=c11 -O3 -Icsrc/include csrc/examples/stream_samples.c $(find csrc/src -name "*.c") -lm -o stream_samples
 *   ./stream_samples 360 < samples.txt
 *
 * One sample a line, in millivolts (any gain works); `nan` is a missing one. Prints the R peak in seconds,
 * the RR interval in seconds, the quality bits and how many seconds after the R peak the beat was known.
 * Exit status: 0, 1 where samples cannot be read or beats not be written, 2 on wrong use. */
#include "ecgfast.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 32 /* samples at a time, as a device would deliver them; any number gives the same beats */
#define ROWS 16
#define LINE_MAX_CHARS 80

static int print_beats(const ecg_beat *beats, size_t n, double fs) {
    for (size_t i = 0; i < n; i++)
        if (printf("%10.3f  rr %6.3f  quality %2u  known after %.3f s\n", (double)beats[i].sample / fs,
                   beats[i].rr, (unsigned)beats[i].quality,
                   (double)(beats[i].known_at - beats[i].sample) / fs) < 0)
            return 0;
    return fflush(stdout) == 0; /* a beat is read at once by what comes next in the pipe */
}

/* The next sample of standard input: 1, 0 at the end, -1 with a message where the line has none. */
static int next_sample(float *sample, unsigned long *line) {
    char text[LINE_MAX_CHARS + 2], *end;
    if (!fgets(text, sizeof text, stdin)) {
        if (!ferror(stdin)) return 0;
        fprintf(stderr, "standard input: cannot be read after line %lu\n", *line);
        return -1;
    }
    ++*line;
    *sample = strtof(text, &end);
    const char *rest = end;
    while (isspace((unsigned char)*rest)) rest++;
    if (end != text && *rest == '\0' && (strchr(text, '\n') || feof(stdin))) return 1;
    text[strcspn(text, "\r\n")] = '\0';
    for (char *c = text; *c; c++)
        if (!isprint((unsigned char)*c)) *c = '?';
    fprintf(stderr, "standard input, line %lu: '%.40s' is no sample; write one number a line\n", *line, text);
    return -1;
}

int main(int argc, char **argv) {
    ecg_detector_config detector = {
        .fs = argc > 1 ? atof(argv[1]) : 0.0, .n_leads = 1, .method = ECG_ADAPTIVE};
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
    unsigned long line = 0;
    int more = 1, written = 1;
    while (more > 0 && written) {
        more = next_sample(&chunk[n], &line);
        n += more > 0;
        if (n == CHUNK || more <= 0) {
            size_t done = 0;
            do { /* stops early when `beats` is full */
                done += ecg_stream_process(stream, chunk + done, n - done, beats, windows, features,
                                           ROWS, &found);
                written = print_beats(beats, found, detector.fs);
            } while (written && (done < n || found == ROWS));
            n = 0;
        }
    }
    do { /* also after a bad line: what came before it is complete */
        found = ecg_stream_flush(stream, beats, windows, features, ROWS);
        written = written && print_beats(beats, found, detector.fs);
    } while (written && found == ROWS);
    free(stream);
    if (!written) fprintf(stderr, "standard output: beats cannot be written\n");
    return more < 0 || !written ? 1 : 0;
}
