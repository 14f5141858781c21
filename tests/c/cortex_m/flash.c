/* The smallest firmware with the core in it, to be weighed against the same without (METHOD undefined). */
#include "ecgfast.h"

#include <stdalign.h>

volatile float converter;
volatile long display;

int main(void) {
#ifdef METHOD
    static alignas(ECG_ALIGNMENT) unsigned char memory[64 * 1024];
    const ecg_detector_config config = {.fs = 250, .n_leads = 1, .method = METHOD};
#if WINDOWS
    static ecg_beat beat;
    static float points[72 * ECG_CHANNELS], features[ECG_FEATURES];
    const ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
    if (ecg_stream_init((ecg_stream *)memory, sizeof memory, &config, &window) != ECG_OK) return 1;
#else
    static ecg_qrs beat;
    if (ecg_detector_init((ecg_detector *)memory, sizeof memory, &config) != ECG_OK) return 1;
#endif
    for (;;) {
        const float sample = converter;
        size_t found;
#if WINDOWS
        ecg_stream_process((ecg_stream *)memory, &sample, 1, &beat, points, features, 1, &found);
#else
        ecg_detector_process((ecg_detector *)memory, &sample, 1, &beat, 1, &found);
#endif
        if (found) display = (long)beat.sample;
    }
#else
    for (;;) display = (long)converter;
#endif
}
