/* The most instructions that one sample takes, by configuration: on ordinary signals, on signals that are made to be
 * hard, and on PIECES random ones of the fuzzers' generator. One instruction takes one nanosecond of the emulator's
 * time (-icount shift=0), which the timer counts in steps of TICK_NS. Prints one line of JSON for each signal. */
#include "../../fuzz/fuzz.h"
#include "board.h"

#include <stdalign.h>

#define TICK_NS 16 /* of CNTVCT_EL0 at 62.5 MHz */
#define LEADS_MOST 12
#ifndef SECONDS
#define SECONDS 12
#endif
#ifndef PIECES
#define PIECES 12
#endif

static alignas(ECG_ALIGNMENT) unsigned char memory[4 << 20];
static float samples[LEADS_MOST * 2000 * SECONDS];
static ecg_beat rows_beats[4];
static ecg_qrs beats[4];
static float windows[4 * ECG_STRIP_MAX * ECG_CHANNELS], features[4 * 16 * ECG_FEATURES];

static uint64_t ticks(void) {
    uint64_t now;
    __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(now));
    return now;
}

static uint32_t seed;
static float noise(void) { /* -1..1 */
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

static float beat_at(double from_r) {
    const float r = (float)(from_r / 0.012), t = (float)((from_r - 0.25) / 0.05);
    return expf(-0.5f * r * r) + 0.25f * expf(-0.5f * t * t);
}

/* Signals, one letter each: what tests/fuzz/fuzz.h cannot make of few bytes. */
static float sample_of(char kind, double t, int lead) {
    static float walk[LEADS_MOST];
    switch (kind) {
    case 'e': return beat_at(fmod(t, 0.8) - 0.2) + 0.05f * noise();                        /* an ECG */
    case 't': return beat_at(fmod(t, 0.22) - 0.05) + 0.05f * noise();                      /* 270 a minute */
    case 'w': return noise();                                                              /* white noise */
    case 'r': return walk[lead] = 0.999f * walk[lead] + noise();                           /* nearly a random walk */
    case 'p': return fmod(t, 0.1) < 0.02 ? 1.0f + 0.5f * noise() : 0.02f * noise();        /* pulses, ten a second */
    case 'a': return beat_at(fmod(t, 0.8) - 0.2) + (fmod(t, 10.0) > 5.0 ? 2.0f : 0.02f) * noise(); /* bursts of noise */
    case 's': return noise() > 0.9f ? 5.0f * noise() : 0.01f * noise();                    /* spikes */
    case 'g': return fmod(t, 7.0) > 6.0 ? (float)NAN : beat_at(fmod(t, 0.8) - 0.2) + 0.05f * noise(); /* gaps */
    default:                                                                               /* gains change */
        return (fmod(t, 8.0) < 4.0 ? 1.0f : 0.1f) * beat_at(fmod(t, 0.5) - 0.2) + 0.002f * noise();
    }
}

static size_t made(char kind, double fs, int n_leads) {
    const size_t n = (size_t)(SECONDS * fs);
    seed = 1;
    for (size_t i = 0; i < n; i++)
        for (int l = 0; l < n_leads; l++)
            samples[i * (size_t)n_leads + (size_t)l] = (l & 1 ? -1.0f : 1.0f) * sample_of(kind, (double)i / fs, l);
    return n;
}

static size_t random_one(uint32_t number, double fs, int n_leads) {
    uint8_t text[256];
    seed = 7919u * number + 1u;
    for (size_t i = 0; i < sizeof text; i++) {
        noise();
        text[i] = (uint8_t)(seed >> 24);
    }
    bytes in = {text, sizeof text};
    return signal_of(&in, fs, n_leads, samples, (size_t)(SECONDS * fs));
}

static void measure(char kind, uint32_t number, const ecg_detector_config *config, const char *output,
                    const ecg_window_config *window) {
    const size_t n_leads = (size_t)config->n_leads;
    const size_t n = kind ? made(kind, config->fs, config->n_leads) : random_one(number, config->fs, config->n_leads);
    const int status = window ? ecg_stream_init((ecg_stream *)memory, sizeof memory, config, window)
                              : ecg_detector_init((ecg_detector *)memory, sizeof memory, config);
    if (status != ECG_OK) {
        put(ecg_status_text(status));
        return;
    }
    uint64_t all = 0, most = 0;
    size_t found, count = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t before = ticks();
        if (window)
            ecg_stream_process((ecg_stream *)memory, samples + i * n_leads, 1, rows_beats, windows, features, 4, &found);
        else ecg_detector_process((ecg_detector *)memory, samples + i * n_leads, 1, beats, 4, &found);
        const uint64_t took = ticks() - before;
        all += took;
        count += found;
        if (took > most) most = took;
    }
    put("{\"method\": ");
    put_number((uint64_t)config->method);
    put(", \"fs\": ");
    put_number((uint64_t)config->fs);
    put(", \"leads\": ");
    put_number(n_leads);
    put(", \"windows\": \"");
    put(output);
    put("\", \"signal\": \"");
    if (kind) put((char[2]){kind, 0});
    else put_number(number);
    put("\", \"mean\": ");
    put_number(all * TICK_NS / n);
    put(", \"most\": ");
    put_number(most * TICK_NS);
    put(", \"beats\": ");
    put_number(count);
    put("}\n");
}

static void measure_all(int method, double fs, int n_leads, const char *output, const ecg_window_config *window) {
    const ecg_detector_config config = {.fs = fs, .n_leads = n_leads, .method = method};
    for (const char *kind = "etwrpasgc"; *kind; kind++) measure(*kind, 0, &config, output, window);
    for (uint32_t number = 0; number < PIECES; number++) measure(0, number, &config, output, window);
}

int main(void) {
    static const ecg_window_config beat = {.grid_fs = 125.0, .before = 44, .after = 28, .history = 7};
    static const ecg_window_config widest = {.grid_fs = 1000.0, .before = 256, .after = 256};
    static const ecg_window_config cycle = {.grid_fs = 125.0, .after = 187, .kind = ECG_WINDOW_CYCLE};
    static const ecg_window_config strip = {
        .grid_fs = 62.5, .before = 611, .after = 14, .kind = ECG_WINDOW_STRIP, .history = 15};
    static const ecg_window_config longest = {
        .grid_fs = 190.0, .before = ECG_STRIP_MAX - 100, .after = 100, .kind = ECG_WINDOW_STRIP};
    static const double rates[] = {239.0, 360.0, 2000.0}; /* 239 Hz: just not decimated, the most work a second */
    static const int leads[] = {1, LEADS_MOST};
    for (int method = ECG_PAN_TOMPKINS; method <= ECG_NEURAL; method++)
        for (size_t r = 0; r < 3 && method != ECG_EXTERNAL; r++)
            for (size_t l = 0; l < 2; l++) measure_all(method, rates[r], leads[l], "none", NULL);
    for (size_t r = 1; r < 3; r++) {
        measure_all(ECG_ADAPTIVE, rates[r], 1, "beat, 72 points", &beat);
        measure_all(ECG_ADAPTIVE, rates[r], 1, "beat, 512 points", &widest);
        measure_all(ECG_ADAPTIVE, rates[r], 1, "cycle, 187 points", &cycle);
        measure_all(ECG_ADAPTIVE, rates[r], 1, "strip, 625 points", &strip);
        measure_all(ECG_ADAPTIVE, rates[r], 1, "strip, 2048 points", &longest);
    }
    return 0;
}
