/* Ventricular flutter: how little of a stretch of signal is one wave. Without a detector, so that rules of rhythm can
 * ask it of signals in which next to nothing is detected. */
#ifndef ECGFAST_WAVE_LEAKAGE_H
#define ECGFAST_WAVE_LEAKAGE_H

#include <stdint.h>

#define ECG_FLUTTER_LEAKAGE 0.55f /* flutter begins below this */
/* Leakage above which flutter is over. With this and ECG_FLUTTER_LEAKAGE two in three detections in the flutter of
 * mitdb 207 get the bit, and of all others in mitdb and svdb only some of fast ventricular runs, and of noise on
 * second leads. */
#define ECG_FLUTTER_ENDS 0.72f

/* From 0, a sine, to 1, of `n` points at this rate, Hz; below 150 Hz and 2.5 s or more. The points are replaced. */
float ecg_wave_leakage(float *x, int32_t n, float rate);

#endif
