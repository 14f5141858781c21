/* Memory, stack and instructions of one configuration on an emulated Cortex-M, as one line of JSON: a lead at
 * 250 Hz, METHOD, with beat windows where WINDOWS is 1. One instruction takes one nanosecond of the emulator's
 * time (-icount shift=0), which SysTick counts in steps of TICK_NS. */
#include "ecgfast.h"

#include <math.h>
#include <stdalign.h>
#include <stdio.h>

#define FS 250
#ifndef SECONDS
#define SECONDS 40
#endif
#define PAINTED 8192 /* bytes of stack looked at */
#define PATTERN 0x5AA5C33Cu

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

static alignas(ECG_ALIGNMENT) unsigned char memory[64 * 1024];
static const ecg_detector_config config = {.fs = FS, .n_leads = 1, .method = METHOD};
#if WINDOWS
static const ecg_window_config window = {.grid_fs = 125.0, .before = 44, .after = 28};
static ecg_beat beats[2];
static float windows[2 * 72 * ECG_CHANNELS], features[2 * ECG_FEATURES];
#else
static ecg_qrs beats[2];
#endif

/* 75 beats a minute with a premature one now and then, T waves, wander and noise. */
static float sample_at(long n) {
    static long begin, length = FS * 4 / 5;
    if (n - begin >= length) {
        begin = n;
        length = begin / length % 7 == 6 ? FS / 2 : FS * 4 / 5;
    }
    const float t = (float)(n - begin) / FS, r = (t - 0.2f) / 0.012f, wave = (t - 0.43f) / 0.05f;
    const float noise = (float)((unsigned long)n * 2654435761u >> 7 & 255u) / 255.0f - 0.5f;
    return expf(-0.5f * r * r) + 0.25f * expf(-0.5f * wave * wave) + 0.05f * noise
           + 0.2f * sinf((float)(n % 750) * 6.2832f / 750.0f);
}

static __attribute__((noinline)) uint32_t *below(void) {
    uint32_t here;
    __asm volatile("mov %0, sp" : "=r"(here));
    return (uint32_t *)((here - 64u) & ~3u);
}

static size_t step(float sample) {
    size_t found;
#if WINDOWS
    ecg_stream_process((ecg_stream *)memory, &sample, 1, beats, windows, features, 2, &found);
#else
    ecg_detector_process((ecg_detector *)memory, &sample, 1, beats, 2, &found);
#endif
    return found;
}

int main(void) {
#if WINDOWS
    const size_t bytes = ecg_stream_size(&config, &window);
    const int status = ecg_stream_init((ecg_stream *)memory, sizeof memory, &config, &window);
#else
    const size_t bytes = ecg_detector_size(&config);
    const int status = ecg_detector_init((ecg_detector *)memory, sizeof memory, &config);
#endif
    if (status != ECG_OK) {
        printf("%s\n", ecg_status_text(status));
        return 1;
    }
    volatile uint32_t *const top = below();
    for (uint32_t i = 1; i <= PAINTED / 4; i++) top[-(long)i] = PATTERN;

    SYST_RVR = 0xFFFFFFu;
    SYST_CVR = 0;
    SYST_CSR = 5; /* the processor's clock, no interrupt */
    unsigned long long ticks = 0;
    uint32_t most = 0;
    size_t count = 0;
    for (long n = 0; n < (long)FS * SECONDS; n++) {
        const float sample = sample_at(n);
        const uint32_t before = SYST_CVR;
        count += step(sample);
        const uint32_t took = (before - SYST_CVR) & 0xFFFFFFu;
        ticks += took;
        if (took > most) most = took;
    }
    uint32_t untouched = PAINTED / 4;
    while (untouched > 0 && top[-(long)untouched] == PATTERN) untouched--;
    const unsigned mean = (unsigned)(ticks * TICK_NS / ((unsigned long long)FS * SECONDS));
    printf("{\"bytes\": %u, \"stack\": %u, \"mean\": %u, \"most\": %u, \"beats\": %u}\n", (unsigned)bytes,
           (unsigned)(untouched * 4), mean, (unsigned)(most * TICK_NS), (unsigned)count);
    return 0;
}
