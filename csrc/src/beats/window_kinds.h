/* What a model's window shows, made from the ECG on its time grid (see ecg_window_kind). */
#ifndef ECGFAST_WINDOW_KINDS_H
#define ECGFAST_WINDOW_KINDS_H

#include "../common/internal.h"

/* Is the kind known, and the grid within what it can be? */
int ecg_window_kind_check(const ecg_window_config *config);
/* Time grid that features are made on: the window's own where it shows a beat. */
ecg_window_config ecg_window_beat_grid(const ecg_window_config *config);
/* Points of a cycle that show the beat, where the RR interval is usually `rr_level` s (0: unknown). */
int32_t ecg_window_cycle_points(const ecg_window_config *config, float rr_level);
/* Scales window[kept] to 0..1 and fills up to `points` with zeros. */
void ecg_window_cycle(float *window, int32_t kept, int32_t points);
/* Takes level and size away: window[points] becomes running QRS sizes (`unit`, mV), R upright. */
void ecg_window_strip(float *window, int32_t points, float unit, float orientation);

#endif /* ECGFAST_WINDOW_KINDS_H */
