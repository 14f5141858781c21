/* What is usual for the patient over minutes: the rhythm of the sinus node, and the P waves that go
 * with it. */
#ifndef ECGFAST_PATIENT_BASELINE_H
#define ECGFAST_PATIENT_BASELINE_H

#include "../common/internal.h"

#define ECG_BASELINE_FIRST 16 /* undisturbed RR intervals whose median is the first home rhythm */

/* Stretches of the window, as grid points. */
typedef struct ecg_regions {
    int32_t points;
    int32_t p_first, p_last;     /* the P wave */
    int32_t qrs_first, qrs_last; /* the QRS complex */
    int32_t t_first, t_last;     /* ST segment and the start of the T wave */
} ecg_regions;

typedef struct ecg_patient_baseline {
    int32_t settled;             /* undisturbed intervals seen, ECG_BASELINE_FIRST at most */
    float first[ECG_BASELINE_FIRST]; /* s, those, in ascending order */
    float home;                  /* s, RR interval of the home rhythm; 0 before the first */
    int32_t last_early;          /* did the beat before come early */
    int32_t last_usual;          /* had it the usual shape */
    int32_t late_beats, early_beats; /* beats averaged, up to the memory */
} ecg_patient_baseline;

/* Mean beats of usual shape, of r->points points each: their P waves are used. */
typedef struct ecg_p_waves {
    float *late;                 /* beats that came in time */
    float *early;                /* those that came early */
} ecg_p_waves;

/* Writes the features that compare the beat (in running QRS sizes) and its RR interval (s, NaN on the
 * first) with the baseline. `rr_level` (s): median of the recent intervals. */
void ecg_patient_baseline_features(const ecg_patient_baseline *baseline, ecg_p_waves p, const ecg_regions *r,
                                   const float *beat, double rr, float rr_level, float *features);
/* Lets the beat into the baseline; `usual`: has it the shape of the patient's usual beat. */
void ecg_patient_baseline_learn(ecg_patient_baseline *baseline, ecg_p_waves p, const ecg_regions *r, const float *beat,
                                double rr, int usual);

int ecg_patient_baseline_valid(const ecg_patient_baseline *baseline);

/* beat_features.c: measures that both share. */
float ecg_limited_log(float ratio);
float ecg_correlation(const float *a, const float *b, int32_t first, int32_t last, int32_t lag,
                      int32_t points);
float ecg_spread_of(const float *shape, int32_t first, int32_t last);

#endif /* ECGFAST_PATIENT_BASELINE_H */
