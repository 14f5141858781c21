/* Habits: an atrial rhythm that goes on for minutes must not become its own reference, and a P wave
 * is judged by the patient's own. */
#include "beat_features.h"

/* Change of log RR up to which the home rhythm follows within some beats: the sinus node drifts. */
#define HOME_GATE 0.12f
/* Beats over which it follows then, and over which it follows intervals that are suddenly short: an
 * ectopic rhythm starts at once, and can last for minutes. */
#define HOME_MEMORY 8.0f
#define HOME_SHORT_MEMORY 1024.0f
/* A pause counts as so many home intervals at the most. */
#define HOME_PAUSE 1.5f
/* Intervals until the home rhythm is more than the median of what there was. */
#define HOME_SETTLED 16
/* Log ratio to the home rhythm below which a beat is early, and above which it is in time. */
#define EARLY (-0.15f)
#define IN_TIME (-0.08f)
/* Seconds that an interval counts as at the most. */
#define RR_LIMIT 3.0f
/* Change of log RR from which two intervals differ. */
#define DIFFERENT 0.08f
/* Beats over which shares, scatter and the averages of P waves forget. */
#define SHARE_MEMORY 64
#define SCATTER_MEMORY 32
#define P_MEMORY 24
/* Beats that a scatter and an average need to be of use. */
#define SCATTER_KNOWN 4
#define P_KNOWN 3
/* Variance that every measure has, the one it starts with, and the largest score told. */
#define VARIANCE_FLOOR 1e-3f
#define VARIANCE_FIRST 0.05f
#define SCORE_LIMIT 8.0f
/* Deviations beyond this are cut before they count: one artefact must not widen the scatter. */
#define OUTLIER 3.0f
/* Running QRS sizes: less than that is no P wave. */
#define P_FLOOR 0.02f
#define P_DIFFERENCE_LIMIT 4.0f

static const int SHAPES[ECG_HABIT_SHAPES] = {
    ECG_F_QRS_DIFFERENCE, ECG_F_QRS_SIZE, ECG_F_P_CORRELATION,
    ECG_F_P_DIFFERENCE,   ECG_F_P_SIZE,   ECG_F_T_DIFFERENCE};

/* The interval below which `tenths` of ten lie. */
static float quantile(const ecg_habits *h, int32_t tenths) {
    return h->rr_sorted[((h->rr_count - 1) * tenths + 5) / 10];
}

/* Root mean square of the difference of two P waves, each without its mean. */
static float p_distance(const ecg_regions *r, const float *a, const float *b) {
    double s = 0.0, ss = 0.0;
    int32_t n = r->p_last - r->p_first + 1;
    for (int32_t i = r->p_first; i <= r->p_last; i++) {
        double e = (double)a[i] - b[i];
        s += e;
        ss += e * e;
    }
    double variance = ss / n - (s / n) * (s / n);
    return variance > 0.0 ? (float)sqrt(variance) : 0.0f;
}

void ecg_habits_features(const ecg_habits *h, const ecg_regions *r, const float *beat, double rr,
                         float rr_level, float *f) {
    const float now = rr > 0.0 ? (float)rr : 0.0f;
    for (int i = ECG_F_HOME_RATIO; i < ECG_FEATURES; i++) f[i] = 0.0f;
    if (h->home > 0.0f) {
        f[ECG_F_HOME_RATIO] = ecg_limited_log(now / h->home);
        f[ECG_F_HOME_LEVEL] = ecg_limited_log(rr_level / h->home);
    }
    if (h->rr_count > 1) {
        float high = quantile(h, 9);
        f[ECG_F_RR_RATIO_MEDIAN] = ecg_limited_log(now / quantile(h, 5));
        f[ECG_F_RR_RATIO_HIGH] = ecg_limited_log(now / high);
        f[ECG_F_RR_SPREAD] = ecg_limited_log(high / quantile(h, 1));
    }
    if (h->change_count) {
        float sum = 0.0f, different = 0.0f;
        for (int32_t i = 0; i < h->change_count; i++) {
            sum += h->change[i];
            different += h->change[i] > DIFFERENT ? 1.0f : 0.0f;
        }
        f[ECG_F_RR_IRREGULARITY] = sum / (float)h->change_count;
        f[ECG_F_RR_IRREGULAR_SHARE] = different / (float)h->change_count;
    }
    if (h->shapes >= SCATTER_KNOWN) {
        for (int i = 0; i < ECG_HABIT_SHAPES; i++)
            f[ECG_F_QRS_DIFFERENCE_SCORE + i] =
                ecg_limited((f[SHAPES[i]] - h->mean[i]) / sqrtf(h->variance[i] + VARIANCE_FLOOR), SCORE_LIMIT);
        f[ECG_F_USUAL_QRS_DIFFERENCE] = h->mean[0];
        f[ECG_F_USUAL_P_CORRELATION] = h->mean[2];
    }
    if (h->late_beats >= P_KNOWN) {
        float own = ecg_spread_of(h->late, r->p_first, r->p_last), far = p_distance(r, beat, h->late);
        float ratio = far / (own > P_FLOOR ? own : P_FLOOR);
        f[ECG_F_HOME_P_CORRELATION] = ecg_correlation(beat, h->late, r->p_first, r->p_last, 0, r->points);
        f[ECG_F_HOME_P_DIFFERENCE] = ratio < P_DIFFERENCE_LIMIT ? ratio : P_DIFFERENCE_LIMIT;
        if (h->early_beats >= P_KNOWN) {
            float near = p_distance(r, beat, h->early);
            f[ECG_F_EARLY_P_PREFERENCE] = (far - near) / (far + near + P_FLOOR);
        }
    }
    f[ECG_F_EARLY_SHARE] = h->early_share;
    f[ECG_F_OTHER_SHARE] = h->other_share;
}

/* The newest undisturbed interval into the ring and its sorted copy. */
static void keep_interval(ecg_habits *h, float rr) {
    int32_t n = h->rr_count, i = 0;
    if (n == ECG_HABIT_RR) {
        while (h->rr_sorted[i] != h->rr[h->rr_at]) i++;
        memmove(&h->rr_sorted[i], &h->rr_sorted[i + 1], (size_t)(n - i - 1) * sizeof(float));
        n--;
    }
    h->rr[h->rr_at] = rr;
    h->rr_at = (h->rr_at + 1) % ECG_HABIT_RR;
    for (i = n; i > 0 && h->rr_sorted[i - 1] > rr; i--) h->rr_sorted[i] = h->rr_sorted[i - 1];
    h->rr_sorted[i] = rr;
    h->rr_count = n + 1;
}

static void follow(ecg_habits *h, float rr) {
    if (h->settled < HOME_SETTLED) {
        h->settled++;
        h->home = h->rr_sorted[h->rr_count / 2];
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

static void scatter(ecg_habits *h, const float *f) {
    if (h->shapes < SCATTER_MEMORY) h->shapes++;
    const float rate = 1.0f / (float)h->shapes;
    for (int i = 0; i < ECG_HABIT_SHAPES; i++) {
        if (h->shapes == 1) {
            h->mean[i] = f[SHAPES[i]];
            h->variance[i] = VARIANCE_FIRST;
            continue;
        }
        float limit = OUTLIER * sqrtf(h->variance[i] + VARIANCE_FLOOR);
        float off = ecg_limited(f[SHAPES[i]] - h->mean[i], limit);
        h->mean[i] += rate * off;
        h->variance[i] = (1.0f - rate) * (h->variance[i] + rate * off * off);
    }
}

void ecg_habits_learn(ecg_habits *h, const ecg_regions *r, const float *beat, double rr, const float *f) {
    const float now = rr > 0.0 ? ((float)rr < RR_LIMIT ? (float)rr : RR_LIMIT) : 0.0f;
    const int usual = f[ECG_F_OWN_DOMINANT] > 0.5f, timed = now > 0.0f && h->home > 0.0f;
    const float change = timed ? ecg_limited_log(now / h->home) : 0.0f;
    const int early = change < EARLY;
    if (h->beats < SHARE_MEMORY) h->beats++;
    h->early_share += ((early ? 1.0f : 0.0f) - h->early_share) / (float)h->beats;
    h->other_share += ((usual ? 0.0f : 1.0f) - h->other_share) / (float)h->beats;
    if (now > 0.0f && h->last_rr > 0.0f) {
        h->change[h->change_at] = fabsf(ecg_limited_log(now / h->last_rr));
        h->change_at = (h->change_at + 1) % ECG_HABIT_CHANGES;
        if (h->change_count < ECG_HABIT_CHANGES) h->change_count++;
    }
    if (usual && !early) scatter(h, f);
    if (usual && timed) {
        if (early) average(h->early, r, beat, &h->early_beats);
        else if (change > IN_TIME) average(h->late, r, beat, &h->late_beats);
    }
    if (usual && h->last_usual && now > 0.0f) {
        keep_interval(h, now);
        follow(h, now);
    }
    if (now > 0.0f) h->last_rr = now;
    h->last_early = early;
    h->last_usual = usual;
}
