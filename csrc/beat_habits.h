/* What is usual for the patient over minutes: the rhythm of the sinus node, the P waves that go with
 * it, and how far each measure of shape scatters. */
#ifndef ECGFAST_HABITS_H
#define ECGFAST_HABITS_H

#include "internal.h"

#define ECG_HABIT_RR 64      /* undisturbed RR intervals whose quantiles are known */
#define ECG_HABIT_CHANGES 32 /* changes from one RR interval to the next */
#define ECG_HABIT_SHAPES 6   /* features whose usual scatter is known */

/* Stretches of the window, as grid points. */
typedef struct ecg_regions {
    int32_t points;
    int32_t p_first, p_last;     /* the P wave */
    int32_t qrs_first, qrs_last; /* the QRS complex */
    int32_t t_first, t_last;     /* ST segment and the start of the T wave */
} ecg_regions;

typedef struct ecg_habits {
    int32_t beats;               /* seen so far, up to what the shares remember */
    int32_t settled;             /* undisturbed intervals that made the home rhythm, up to a limit */
    float home;                  /* s, RR interval of the home rhythm; 0 before the first */
    float last_rr;               /* s, 0 before the first */
    int32_t last_early;          /* did the beat before come early */
    int32_t last_usual;          /* had it the usual shape */
    int32_t rr_count, rr_at;     /* how many there are, place of the next in the ring */
    float rr[ECG_HABIT_RR];      /* s, undisturbed intervals: a ring */
    float rr_sorted[ECG_HABIT_RR];
    int32_t change_count, change_at;
    float change[ECG_HABIT_CHANGES]; /* of log RR, without sign: a ring */
    float early_share, other_share;  /* of beats that come early, and that have another shape */
    int32_t shapes;              /* beats that made the scatter, up to its memory */
    float mean[ECG_HABIT_SHAPES], variance[ECG_HABIT_SHAPES];
    int32_t late_beats, early_beats; /* beats averaged, up to the memory */
    float late[ECG_WINDOW_MAX];  /* beats of usual shape that came in time: their P waves are used */
    float early[ECG_WINDOW_MAX]; /* those that came early */
} ecg_habits;

/* Writes the features that compare the beat (in running QRS sizes) and its RR interval (s, NaN on the
 * first) with the habits; reads those of shape. `rr_level` (s): median of the recent intervals. */
void ecg_habits_features(const ecg_habits *habits, const ecg_regions *r, const float *beat, double rr,
                         float rr_level, float *features);
/* Lets the beat into the habits. */
void ecg_habits_learn(ecg_habits *habits, const ecg_regions *r, const float *beat, double rr,
                      const float *features);

/* beat_features.c: measures that both share. */
float ecg_limited_log(float ratio);
float ecg_limited(float x, float limit);
float ecg_correlation(const float *a, const float *b, int32_t first, int32_t last, int32_t lag,
                      int32_t points);
float ecg_spread_of(const float *shape, int32_t first, int32_t last);

#endif /* ECGFAST_HABITS_H */
