/* What a beat is compared with: the patient's recent RR intervals and running beat templates. */
#ifndef ECGFAST_FEATURES_H
#define ECGFAST_FEATURES_H

#include "patient_baseline.h"

#define ECG_TEMPLATES 8   /* running beat shapes kept at most */
#define ECG_RR_RECENT 8   /* RR intervals that make the local rhythm */
#define ECG_SIZE_RECENT 9 /* QRS sizes whose median scales the windows */

/* Index of each feature; the names are in beat_features.c, in the same order. */
enum {
    ECG_F_RR_RATIO,
    ECG_F_RR_CHANGE,
    ECG_F_RR_RATIO_LONG,
    ECG_F_RR_BEFORE_RATIO,
    ECG_F_RR,
    ECG_F_RR_LOCAL,
    ECG_F_RR_VARIABILITY,
    ECG_F_RR_NEXT,
    ECG_F_RR_NEXT_KNOWN,
    ECG_F_QRS_CORRELATION,
    ECG_F_QRS_DIFFERENCE,
    ECG_F_QRS_SIZE,
    ECG_F_QRS_WIDTH,
    ECG_F_QRS_WIDTH_RATIO,
    ECG_F_QRS_BALANCE,
    ECG_F_P_CORRELATION,
    ECG_F_P_DIFFERENCE,
    ECG_F_P_SIZE,
    ECG_F_T_CORRELATION,
    ECG_F_T_DIFFERENCE,
    ECG_F_PREVIOUS_CORRELATION,
    ECG_F_OWN_SHARE,
    ECG_F_OWN_DOMINANT,
    ECG_F_EXPERIENCE,
    ECG_F_RR_SURPRISE,
    ECG_F_P_LEVEL,
    ECG_F_BEFORE_RR_RATIO,       /* of the beat before, as its own features had it */
    ECG_F_BEFORE_QRS_CORRELATION,
    ECG_F_BEFORE_QRS_WIDTH_RATIO,
    ECG_F_BEFORE_OWN_DOMINANT,
    ECG_F_SECOND_QRS_CORRELATION, /* of the second beat before */
    ECG_F_SECOND_OWN_DOMINANT,
    ECG_F_HOME_RATIO,            /* from here on against the patient's baseline */
    ECG_F_HOME_LEVEL,
    ECG_F_HOME_P_CORRELATION,
    ECG_F_HOME_P_DIFFERENCE,
    ECG_F_EARLY_P_PREFERENCE
};

typedef struct ecg_template {
    float share;                 /* exponential share of the patient's beats, 0 free */
    float count;                 /* beats averaged */
} ecg_template;

/* Curves kept of the patient, of as many points as the beat window has. */
enum {
    ECG_CURVE_PREVIOUS,          /* the beat before */
    ECG_CURVE_LATE,              /* ecg_p_waves */
    ECG_CURVE_EARLY,
    ECG_CURVE_TEMPLATE,          /* of ECG_TEMPLATES, in units of the running QRS size, not oriented */
    ECG_CURVES = ECG_CURVE_TEMPLATE + ECG_TEMPLATES
};

typedef struct ecg_features_state {
    ecg_regions regions;
    int64_t beats;               /* seen so far */
    int32_t rr_count;            /* RR intervals in rr_recent */
    float rr_recent[ECG_RR_RECENT]; /* s, a ring: interval k at k % ECG_RR_RECENT */
    float rr_long;               /* s, slow average */
    int32_t sizes;
    float size_recent[ECG_SIZE_RECENT]; /* mV */
    float unit;                  /* mV, their median: the unit of the windows */
    int32_t dominant;            /* template that stands for the patient's usual beat */
    float orientation;           /* +1 or -1: makes the usual beat's main deflection upright */
    float before[ECG_FEATURES];  /* features of the beat before; zero before the first */
    float second[ECG_FEATURES];  /* of the second beat before */
    ecg_template templates[ECG_TEMPLATES];
    ecg_patient_baseline baseline;
    float curves[];              /* ECG_CURVES of regions.points points */
} ecg_features_state;

/* Bytes of a state for this window, curves included. */
size_t ecg_features_size(const ecg_window_config *config);
void ecg_features_init(ecg_features_state *state, const ecg_window_config *config);
int ecg_features_valid(const ecg_features_state *state);
/* Takes the beat `beat` (mV, level removed, made into the units of the output) with its RR interval
 * (s, NaN on the first). Writes the model's window (points x ECG_CHANNELS, interleaved) and its
 * features, then lets the beat into the running templates. A few first beats before a long silence
 * are forgotten. Returns the RR level of the moment (s), which the next interval is compared with. */
float ecg_features_take(ecg_features_state *state, float *beat, double rr, float *window, float *features);
/* Median of the last RR intervals and of `rr` (s, left out where NaN), the one that ends now; 0 where
 * none is known. */
float ecg_features_rr_level(const ecg_features_state *state, double rr);
/* Fills in the next RR interval (s), for a model that looks one beat ahead. */
void ecg_features_look_ahead(float *features, float rr_level, double rr_next);

#endif /* ECGFAST_FEATURES_H */
