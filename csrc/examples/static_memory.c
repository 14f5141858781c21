/* Heart rate on a microcontroller: one lead, no heap, one sample at a time.
 *
 * Put your converter where read_sample() is and your display where show() is. On a host, this runs on a made
 * signal of 75 beats a minute for half a minute:
 *
 *   cc -std=c11 -O2 -Icsrc/include csrc/examples/static_memory.c $(find csrc/src -name "*.c") -lm -o static_memory
 */
#include "ecgfast.h"

#include <stdalign.h>
#include <stdio.h>

#define FS 250
#define SECONDS 30

/* What ecg_detector_size() says for this configuration, rounded up; init refuses a smaller block. */
static alignas(ECG_ALIGNMENT) unsigned char memory[12 * 1024];

/* The converter's next sample; any unit will do. */
static float read_sample(void) {
    static int n;
    const int phase = n++ % (FS * 60 / 75), from_r = phase > 100 ? phase - 100 : 100 - phase;
    return (float)(n * 7 % 5) + (from_r < 8 ? 1000.0f - 125.0f * (float)from_r : 0.0f);
}

static void show(float rate, uint32_t quality) {
    printf("%.0f beats a minute%s\n", (double)rate, quality ? ", signal poor" : "");
}

int main(void) {
    const ecg_detector_config config = {.fs = FS, .n_leads = 1, .method = ECG_PAN_TOMPKINS};
    ecg_detector *detector = (ecg_detector *)memory;
    const int status = ecg_detector_init(detector, sizeof memory, &config);
    if (status != ECG_OK) {
        fprintf(stderr, "ecgfast %s: %s; %zu bytes are needed\n", ecg_version(), ecg_status_text(status),
                ecg_detector_size(&config));
        return 1;
    }
    int64_t last = -1;
    for (long n = 0; n < (long)FS * SECONDS; n++) {
        const float sample = read_sample();
        ecg_qrs beat;
        size_t found;
        ecg_detector_process(detector, &sample, 1, &beat, 1, &found);
        if (!found) continue;
        if (last >= 0) show(60.0f * FS / (float)(beat.sample - last), beat.quality);
        last = beat.sample;
    }
    return 0;
}
