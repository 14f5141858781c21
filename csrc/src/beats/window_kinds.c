/* Kinds of a model's window: a beat, a cycle as Kachuee et al. (2018) have it, or a strip. */
#include "window_kinds.h"
#include "beat_window.h"

/* Seconds around R that a beat window may show, and that a cycle and a strip may. */
#define BEAT_MAX_S 1.0
#define CYCLE_MAX_S 2.0
#define STRIP_MAX_S 10.5
/* Share of the usual RR interval that a cycle shows: the beat with the next one's R peak (Kachuee et
 * al., 2018). */
#define CYCLE_SHARE 1.2f
/* The beat window that features are made on where the model looks at something else. */
#define BEAT_GRID_HZ 125.0
#define BEAT_BEFORE 44
#define BEAT_AFTER 28
/* Strips are cut here, in running QRS sizes, as beat windows are. */
#define STRIP_LIMIT 5.0f

int ecg_window_channels(const ecg_window_config *window) {
    if (!window) return 0;
    return window->kind == ECG_WINDOW_BEAT ? ECG_CHANNELS : 1;
}

int ecg_window_kind_check(const ecg_window_config *config) {
    int32_t most = config->kind == ECG_WINDOW_STRIP ? ECG_STRIP_MAX : ECG_WINDOW_MAX;
    double before_s = BEAT_MAX_S, after_s = BEAT_MAX_S;
    if (config->kind == ECG_WINDOW_CYCLE) {
        before_s = 0.0;
        after_s = CYCLE_MAX_S;
    } else if (config->kind == ECG_WINDOW_STRIP) {
        before_s = STRIP_MAX_S;
    } else if (config->kind != ECG_WINDOW_BEAT) {
        return 0;
    }
    return config->grid_fs >= 50.0 && config->grid_fs <= 1000.0
           && config->before >= (config->kind != ECG_WINDOW_CYCLE) && config->after >= 1
           && config->before <= most && config->after <= most && config->before + config->after <= most
           && config->before <= before_s * config->grid_fs && config->after <= after_s * config->grid_fs
           && config->history >= 0 && config->history <= ECG_HISTORY_MAX && config->lookahead >= 0
           && config->lookahead <= 1;
}

ecg_window_config ecg_window_beat_grid(const ecg_window_config *config) {
    ecg_window_config grid = *config;
    if (config->kind != ECG_WINDOW_BEAT) {
        grid.kind = ECG_WINDOW_BEAT;
        grid.grid_fs = BEAT_GRID_HZ;
        grid.before = BEAT_BEFORE;
        grid.after = BEAT_AFTER;
    }
    return grid;
}

int32_t ecg_window_cycle_points(const ecg_window_config *config, float rr_level) {
    if (!(rr_level > 0.0f)) return config->after;
    float points = CYCLE_SHARE * rr_level * (float)config->grid_fs;
    if (!(points < (float)config->after)) return config->after;
    return points < 2.0f ? 2 : (int32_t)points;
}

void ecg_window_cycle(float *window, int32_t kept, int32_t points) {
    float low = window[0], high = window[0];
    for (int32_t k = 1; k < kept; k++) {
        if (window[k] < low) low = window[k];
        if (window[k] > high) high = window[k];
    }
    float range = high - low;
    for (int32_t k = 0; k < kept; k++) window[k] = range > 0.0f ? (window[k] - low) / range : 0.0f;
    for (int32_t k = kept; k < points; k++) window[k] = 0.0f;
}

void ecg_window_strip(float *window, int32_t points, float unit, float orientation) {
    ecg_window_level(window, points);
    for (int32_t k = 0; k < points; k++) {
        float x = orientation * window[k] / unit;
        window[k] = x > STRIP_LIMIT ? STRIP_LIMIT : x < -STRIP_LIMIT ? -STRIP_LIMIT : x;
    }
}
