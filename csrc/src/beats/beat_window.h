/* Beat windows: the ECG around an R peak on the model's time grid. */
#ifndef ECGFAST_WINDOW_H
#define ECGFAST_WINDOW_H

#include "../common/internal.h"

/* Anti-aliased resampling around an R peak: one row of filter taps for each grid point, so that any
 * sampling rate gives the same window of the same beat. */
typedef struct ecg_window {
    int32_t points;      /* of the grid */
    int32_t taps;        /* input samples that one point is made of */
    size_t first_at;     /* byte offsets from this struct: int32_t[points], first tap relative to R */
    size_t weight_at;    /* float[points][taps] */
} ecg_window;

/* Bytes of struct and table together. */
size_t ecg_window_size(double fs, const ecg_window_config *config);
void ecg_window_init(ecg_window *window, double fs, const ecg_window_config *config);
/* Samples after R that the window needs. */
int64_t ecg_window_reach(const ecg_window *window);
/* The same for its first `points` grid points alone. */
int64_t ecg_window_reach_of(const ecg_window *window, int32_t points);
/* Cuts the grid points `from` .. `to` - 1 of `lead` around `sample` into the window `out`, in mV relative to R.
 * Samples before the stream's start or after its end repeat the nearest one. */
void ecg_window_cut(const ecg_window *window, ecg_detector *d, int lead, int64_t sample, int32_t from, int32_t to,
                    float *out);
/* Grid points that are cut at one sample at most. */
int32_t ecg_window_part(const ecg_window *window);
/* Takes the median away from out[points]. */
void ecg_window_level(float *out, int32_t points);

#endif /* ECGFAST_WINDOW_H */
