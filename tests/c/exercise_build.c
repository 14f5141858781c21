/* Checks one build of the core, whatever its limits and methods: what is refused, and that each method that is
 * there finds the beats of a made signal, in static memory. Runs on a host and on a microcontroller. */
#include "ecgfast.h"

#include <math.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#define FS 250
#define SECONDS 20
#define BEATS_MAX 64

static alignas(ECG_ALIGNMENT) unsigned char memory[48 * 1024];
static int failed;

static void check(int so, const char *what) {
    if (so) return;
    printf("not so: %s\n", what);
    failed = 1;
}

/* 75 beats a minute with T waves and a little noise. */
static float sample_at(long n) {
    const float t = (float)(n % (FS * 4 / 5)) / FS, r = (t - 0.3f) / 0.012f, wave = (t - 0.55f) / 0.05f;
    const float noise = (float)((unsigned long)n * 2654435761u >> 7 & 255u) / 255.0f - 0.5f;
    return expf(-0.5f * r * r) + 0.25f * expf(-0.5f * wave * wave) + 0.02f * noise;
}

static void check_refusals(void) {
    ecg_detector_config config = {.fs = FS, .n_leads = 1};
    config.n_leads = ECG_LEADS_MAX + 1;
    check(ecg_detector_check(&config) == ECG_ERROR_LEADS, "more leads than ECG_LEADS_MAX are refused");
    config.n_leads = 1;
    config.fs = ECG_FS_MAX + 1.0;
    check(ecg_detector_check(&config) == ECG_ERROR_FS, "a rate above ECG_FS_MAX is refused");
    config.fs = FS;
    static const double bad[] = {-1.0, ECG_KEEP_MAX_S + 1.0, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config.keep = bad[i];
        config.method = ECG_WITH_PAN_TOMPKINS ? ECG_PAN_TOMPKINS : ECG_WITH_ADAPTIVE ? ECG_ADAPTIVE : ECG_EXTERNAL;
        check(ecg_detector_check(&config) == ECG_ERROR_KEEP, "a bad keep is refused as such");
    }
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", ECG_VERSION_MAJOR, ECG_VERSION_MINOR, ECG_VERSION_PATCH);
    check(strcmp(version, ecg_version()) == 0, "header and library are of one release");
}

static void check_method(int method, int present, size_t detector_most, size_t stream_most) {
    const ecg_detector_config config = {.fs = FS, .n_leads = 1, .method = method};
    const ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
    if (!present) {
        check(ecg_detector_check(&config) == ECG_ERROR_METHOD, "a method that was left out is unknown");
        return;
    }
    check(ecg_detector_size(&config) <= detector_most, "a detector takes the memory that the header says");
    check(ecg_stream_size(&config, &window) <= stream_most, "a stream takes the memory that the header says");
    ecg_stream *stream = (ecg_stream *)memory;
    if (ecg_stream_init(stream, sizeof memory, &config, &window) != ECG_OK) {
        check(0, "a stream of one lead fits 48 KB");
        return;
    }
    static ecg_beat beats[2];
    static float windows[2 * 72 * ECG_CHANNELS], features[2 * ECG_FEATURES];
    int64_t last = 0;
    int count = 0;
    for (long n = 0; n < (long)FS * SECONDS; n++) {
        const float sample = sample_at(n);
        const long ahead = n + FS / 2; /* what a caller who knows the beats would announce */
        if (method == ECG_EXTERNAL && ahead % (FS * 4 / 5) == 75)
            check(ecg_stream_announce(stream, ahead) == ECG_OK, "R peaks are taken");
        size_t found;
        check(ecg_stream_process(stream, &sample, 1, beats, windows, features, 2, &found) == 1, "samples are taken");
        for (size_t i = 0; i < found; i++, count++) {
            const int64_t off = beats[i].sample % (FS * 4 / 5) - 75;
            check(off >= -2 && off <= 2, "R peaks lie on the beats");
            check(count == 0 || fabs(beats[i].rr - 0.8) < 0.02, "RR intervals are those of the beats");
            check(fabsf(windows[(i * 72 + 44) * ECG_CHANNELS]) > 0.5f, "windows show the QRS complex");
            last = beats[i].sample;
        }
    }
    check(count >= 23 && last > FS * (SECONDS - 2), "beats are found to the end");
}

int main(void) {
    check_refusals();
    check_method(ECG_PAN_TOMPKINS, ECG_WITH_PAN_TOMPKINS, 12 * 1024, 28 * 1024);
    check_method(ECG_ADAPTIVE, ECG_WITH_ADAPTIVE, 23 * 1024, 34 * 1024);
    check_method(ECG_NEURAL, ECG_WITH_NEURAL, 19 * 1024, 35 * 1024);
    check_method(ECG_EXTERNAL, ECG_WITH_EXTERNAL, 8 * 1024, 26 * 1024);
    if (!failed) printf("this build holds\n");
    return failed;
}
