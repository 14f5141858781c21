/* Labelled beats on a microcontroller: samples in, detection, window and features, network, class. One lead, no heap.
 *
 * The model lies in flash, as numbers that `xxd -i` makes of its file. Put your converter where read_sample() is and your
 * display where show() is. On a host, this runs on a made signal in which every eighth beat is a wide early one:
 *
 *   xxd -i < models/beats.int8.tflite > beats_model.inc
 *   cc -std=c11 -O2 -I. -Icsrc/include csrc/examples/label_beats.c $(find csrc/src -name "*.c") -lm -o label_beats
 *
 * This is no medical device.
 */
#include "ecgfast.h"

#include <math.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#define FS 250
#define SECONDS 60

/* What the model's card (models/beats.json) says of its inputs. */
#define POINTS 72
#define BEATS 16 /* whose features it sees: the last one and those before */
static const char *const classes[] = {"N", "S", "V", "F", "Q"};
static const ecg_detector_config detector = {.fs = FS, .n_leads = 1, .method = ECG_ADAPTIVE};
static const ecg_window_config window_config = {.grid_fs = 125.0, .before = 44, .after = 28, .history = BEATS - 1};

static alignas(ECG_ALIGNMENT) const unsigned char model[] = {
#include "beats_model.inc"
};

/* What init asks for on a 64-bit host, rounded up; a smaller block is refused. 32 bits take a little less. */
static alignas(ECG_ALIGNMENT) unsigned char stream_memory[48 * 1024], network_memory[56 * 1024];
static float window[POINTS * ECG_CHANNELS], features[BEATS * ECG_FEATURES];

/* The converter's next sample; any unit will do. */
static float read_sample(void) {
    static int phase, beat, length = FS * 4 / 5;
    if (++phase >= length) {
        phase = 0;
        beat++;
        length = beat % 8 == 6 ? FS / 2 : beat % 8 == 7 ? FS * 11 / 10 : FS * 4 / 5;
    }
    const int wide = beat % 8 == 7;
    const float t = (float)phase / FS, r = (t - 0.2f) / (wide ? 0.045f : 0.012f), wave = (t - 0.47f) / 0.05f;
    const float p = (t - 0.05f) / 0.02f;
    return 1000.0f * ((wide ? 1.6f : 1.0f) * expf(-r * r) + (wide ? -0.4f : 0.25f) * expf(-wave * wave) +
                      (wide ? 0.0f : 0.12f) * expf(-p * p));
}

static void show(const ecg_beat *beat, const char *label, float probability) {
    printf("%8.3f s  %s  %.2f  quality %u\n", (double)beat->sample / FS, label, (double)probability,
           (unsigned)beat->quality);
}

/* Where the model's input of this name takes its data; NULL where it has none of so many numbers. */
static float *input_of(const ecg_network *network, const char *name, size_t count) {
    for (int i = 0; ecg_network_input(network, i); i++) {
        const ecg_tensor *tensor = ecg_network_input(network, i);
        const size_t length = strlen(name);
        if (tensor->name_length >= length && memcmp(tensor->name, name, length) == 0)
            return tensor->type == ECG_TENSOR_FLOAT32 && tensor->count == count ? tensor->data : NULL;
    }
    return NULL;
}

int main(void) {
    ecg_stream *stream = (ecg_stream *)stream_memory;
    int status = ecg_stream_init(stream, sizeof stream_memory, &detector, &window_config);
    if (status != ECG_OK) {
        fprintf(stderr, "stream: %s; %zu bytes are needed\n", ecg_status_text(status),
                ecg_stream_size(&detector, &window_config));
        return 1;
    }
    ecg_network *network = (ecg_network *)network_memory;
    ecg_network_report report;
    status = ecg_network_init(network, sizeof network_memory, model, sizeof model, &report);
    if (status != ECG_OK) {
        fprintf(stderr, "network: %s; %zu bytes are needed\n", ecg_status_text(status), report.bytes);
        return 1;
    }
    float *window_in = input_of(network, "window", sizeof window / sizeof *window);
    float *features_in = input_of(network, "features", sizeof features / sizeof *features);
    const ecg_tensor *out = ecg_network_output(network, 0);
    if (!window_in || !features_in || out->count != sizeof classes / sizeof *classes) {
        fprintf(stderr, "network: its inputs or outputs are not those of its card\n");
        return 1;
    }
    for (long n = 0; n < (long)FS * SECONDS; n++) {
        const float sample = read_sample();
        ecg_beat beat;
        size_t found;
        ecg_stream_process(stream, &sample, 1, &beat, window, features, 1, &found);
        if (!found) continue;
        memcpy(window_in, window, sizeof window);
        memcpy(features_in, features, sizeof features);
        ecg_network_run(network);
        const float *probabilities = out->data;
        size_t best = 0;
        for (size_t k = 1; k < out->count; k++)
            if (probabilities[k] > probabilities[best]) best = k;
        show(&beat, classes[best], probabilities[best]);
    }
    return 0;
}
