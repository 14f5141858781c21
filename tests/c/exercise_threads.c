/* Streams in several threads, each with a state of its own, give what one gives: to be built with
 * the thread sanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "ecgfast.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define SAMPLES 9000 /* 25 s at 360 Hz */
#define POINTS 72
#define ROWS 8

static float samples[SAMPLES];

typedef struct task {
    int method;
    size_t chunk;
    int64_t beats;
    double sum; /* of all windows and features */
} task;

static void add(task *t, const ecg_beat *beats, const float *windows, const float *features, size_t found) {
    for (size_t i = 0; i < found * POINTS * ECG_CHANNELS; i++) t->sum += (double)windows[i];
    for (size_t i = 0; i < found * ECG_FEATURES; i++) t->sum += (double)features[i];
    for (size_t i = 0; i < found; i++) t->sum += (double)beats[i].sample;
    t->beats += (int64_t)found;
}

static void *work(void *argument) {
    task *t = argument;
    ecg_detector_config config = {.fs = 360, .n_leads = 1, .method = t->method};
    ecg_window_config window = {.grid_fs = 125, .before = 44, .after = 28};
    ecg_beat beats[ROWS];
    float windows[ROWS * POINTS * ECG_CHANNELS], features[ROWS * ECG_FEATURES];
    size_t bytes = ecg_stream_size(&config, &window), found;
    ecg_stream *stream = aligned_alloc(ECG_ALIGNMENT, bytes);
    assert(stream && ecg_stream_init(stream, bytes, &config, &window) == ECG_OK);
    for (size_t done = 0; done < SAMPLES;) {
        size_t step = t->chunk < SAMPLES - done ? t->chunk : SAMPLES - done;
        done += ecg_stream_process(stream, samples + done, step, beats, windows, features, ROWS, &found);
        add(t, beats, windows, features, found);
    }
    do {
        found = ecg_stream_flush(stream, beats, windows, features, ROWS);
        add(t, beats, windows, features, found);
    } while (found == ROWS);
    free(stream);
    return NULL;
}

int main(void) {
    for (int i = 0; i < SAMPLES; i++) {
        double t = fmod(i / 360.0, 0.8) - 0.4;
        samples[i] = (float)(exp(-0.5 * pow(t / 0.012, 2)) + 0.25 * exp(-0.5 * pow((t - 0.25) / 0.05, 2)));
    }
    for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++) {
        if (method == ECG_EXTERNAL) continue;
        pthread_t threads[THREADS];
        task tasks[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            tasks[i] = (task){.method = method, .chunk = 1 + 100 * i};
            assert(pthread_create(&threads[i], NULL, work, &tasks[i]) == 0);
        }
        for (size_t i = 0; i < THREADS; i++) assert(pthread_join(threads[i], NULL) == 0);
        assert(tasks[0].beats > 20);
        for (size_t i = 1; i < THREADS; i++)
            assert(tasks[i].beats == tasks[0].beats && memcmp(&tasks[i].sum, &tasks[0].sum, sizeof(double)) == 0);
    }
    puts("the threads agree");
    return 0;
}
