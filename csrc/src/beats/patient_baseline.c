/* Patient baseline: an atrial rhythm that lasts for minutes must not become its own reference, and a P wave
 * is judged by the patient's own. */
#include "beat_features.h"

/* Change of log RR up to which the home rhythm follows within some beats: the sinus node drifts. */
#define HOME_GATE 0.12f
/* Beats over which it follows then, and over which it follows intervals that are suddenly short: an
 * ectopic rhythm starts at once, and can last for minutes. */
#define HOME_MEMORY 8.0f
#define HOME_SHORT_MEMORY 1024.0f
/* A pause counts as so many home intervals at most. */
#define HOME_PAUSE 1.5f
/* Log ratio to the home rhythm below which a beat is early, and above which it is in time. */
#define EARLY_CHANGE (-0.15f)
#define IN_TIME (-0.08f)
/* Seconds that an interval counts as at most. */
#define RR_LIMIT 3.0f
/* Beats over which the averages of P waves forget, and that they need to be of use. */
#define P_MEMORY 24
#define P_KNOWN 3
/* Running QRS sizes: less than that is no P wave. */
#define P_FLOOR 0.02f
#define P_DIFFERENCE_LIMIT 4.0f

/* Root mean square of the difference of two P waves, each without its mean. */
static float p_distance(const ecg_regions *r, const float *a, const float *b) {
    const float n = (float)(r->p_last - r->p_first + 1);
    float mean = 0.0f, sum = 0.0f;
    for (int32_t i = r->p_first; i <= r->p_last; i++) mean += a[i] - b[i];
    mean /= n;
    for (int32_t i = r->p_first; i <= r->p_last; i++) {
        const float e = a[i] - b[i] - mean;
        sum += e * e;
    }
    return sqrtf(sum / n);
}

void ecg_patient_baseline_features(const ecg_patient_baseline *h, ecg_p_waves p, const ecg_regions *r,
                                   const float *beat, double rr, float rr_level, float *f) {
    const float now = rr > 0.0 ? (float)rr : 0.0f;
    for (int i = ECG_F_HOME_RATIO; i < ECG_FEATURES; i++) f[i] = 0.0f;
    if (h->home > 0.0f) {
        f[ECG_F_HOME_RATIO] = ecg_limited_log(now / h->home);
        f[ECG_F_HOME_LEVEL] = ecg_limited_log(rr_level / h->home);
    }
    if (h->late_beats >= P_KNOWN) {
        float own = ecg_spread_of(p.late, r->p_first, r->p_last), far = p_distance(r, beat, p.late);
        float ratio = far / (own > P_FLOOR ? own : P_FLOOR);
        f[ECG_F_HOME_P_CORRELATION] = ecg_correlation(beat, p.late, r->p_first, r->p_last, 0, r->points);
        f[ECG_F_HOME_P_DIFFERENCE] = ratio < P_DIFFERENCE_LIMIT ? ratio : P_DIFFERENCE_LIMIT;
        if (h->early_beats >= P_KNOWN) {
            float near = p_distance(r, beat, p.early);
            f[ECG_F_EARLY_P_PREFERENCE] = (far - near) / (far + near + P_FLOOR);
        }
    }
}

/* The home rhythm after an interval between two beats of the usual shape. */
static void follow(ecg_patient_baseline *h, float rr) {
    if (h->settled < ECG_BASELINE_FIRST) {
        int32_t i = h->settled++;
        for (; i > 0 && h->first[i - 1] > rr; i--) h->first[i] = h->first[i - 1];
        h->first[i] = rr;
        h->home = h->first[h->settled / 2];
        return;
    }
    float change = ecg_limited_log(rr / h->home);
    float most = HOME_PAUSE * h->home, memory = HOME_MEMORY;
    if (change < -HOME_GATE) memory = HOME_SHORT_MEMORY;
    else if (change > HOME_GATE && h->last_early) return; /* the pause after an early beat */
    h->home += ((rr < most ? rr : most) - h->home) / memory;
}

static void average(float *mean, const ecg_regions *r, const float *beat, int32_t *beats) {
    if (*beats < P_MEMORY) ++*beats;
    for (int32_t i = r->p_first; i <= r->p_last; i++) mean[i] += (beat[i] - mean[i]) / (float)*beats;
}

void ecg_patient_baseline_learn(ecg_patient_baseline *h, ecg_p_waves p, const ecg_regions *r, const float *beat,
                                double rr, int usual) {
    const float now = rr > 0.0 ? ((float)rr < RR_LIMIT ? (float)rr : RR_LIMIT) : 0.0f;
    const int timed = now > 0.0f && h->home > 0.0f;
    const float change = timed ? ecg_limited_log(now / h->home) : 0.0f;
    const int early = change < EARLY_CHANGE;
    if (usual && timed) {
        if (early) average(p.early, r, beat, &h->early_beats);
        else if (change > IN_TIME) average(p.late, r, beat, &h->late_beats);
    }
    if (usual && h->last_usual && now > 0.0f) follow(h, now);
    h->last_early = early;
    h->last_usual = usual;
}

int ecg_patient_baseline_valid(const ecg_patient_baseline *h) {
    return ecg_all_finite(h->first, ECG_BASELINE_FIRST) && isfinite(h->home) && h->home >= 0.0f
           && ecg_within(h->settled, 0, ECG_BASELINE_FIRST) && ecg_within(h->last_early, 0, 1)
           && ecg_within(h->last_usual, 0, 1) && ecg_within(h->late_beats, 0, P_MEMORY)
           && ecg_within(h->early_beats, 0, P_MEMORY);
}
