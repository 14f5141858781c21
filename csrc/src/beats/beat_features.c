/* Features of a beat: its RR intervals against the recent rhythm, its shape against the running
 * templates of the patient. All are ratios, correlations or seconds: none depends on gain, offset or
 * polarity, and all are causal. */
#include "beat_features.h"
#include "../common/simd4.h"

/* Correlation from which a beat belongs to a template, and the size ratio it must stay within. */
#define JOIN_CORRELATION 0.85f
#define JOIN_SIZE_RATIO 1.6f
/* Correlation from which two templates are one: beats in noise begin one anew for shapes that are known. */
#define MERGE_CORRELATION 0.95f
/* Beats over which a template forgets, and over which shares and the long RR average do. */
#define TEMPLATE_MEMORY 24.0f
#define SHARE_MEMORY 128.0f
#define RR_MEMORY 64.0f
/* A template becomes the dominant one when its share exceeds the old one's by this factor. */
#define DOMINANT_FACTOR 1.25f
/* The usual beat is turned over when its other deflection is larger by this factor. */
#define ORIENTATION_FACTOR 1.3f
/* Grid points that alignment may move a beat by: the error of R on a noisy or blunt complex. */
#define TEMPLATE_LAG 2
/* Natural logarithms beyond this say only "very different". */
#define LOG_LIMIT 1.5f
/* Windows are cut here, in running QRS sizes: an artefact must not drown the other inputs. */
#define WINDOW_LIMIT 5.0f
/* And for templates and features far beyond: what would overflow would stay in them. */
#define SHAPE_LIMIT 1e6f
/* A line is level where what is left without its mean may be rounding: this share of its energy, and this square of
 * running QRS sizes at each point. */
#define ROUNDING_SHARE 1e-9f
#define ROUNDING_SQUARE 1e-10f
/* Mean change of log RR that the steadiest rhythm is taken to have, and the limit of surprise. */
#define RR_STEADY 0.04f
#define SURPRISE_LIMIT 10.0f
/* Beats until templates and rhythm are settled. */
#define EXPERIENCED 32.0f
/* Seconds: a longer interval is a gap or a standstill, which says nothing of the rhythm after it. */
#define SILENCE_S 10.0
/* Fewer beats than this before such a silence were none: an electrode was being put on. */
#define FIRST_BEATS 8

static const char *const NAMES[ECG_FEATURES] = {
    "rr_ratio",        "rr_change",      "rr_ratio_long", "rr_before_ratio",
    "rr",              "rr_local",       "rr_variability", "rr_next",
    "rr_next_known",   "qrs_correlation", "qrs_difference", "qrs_size",
    "qrs_width",       "qrs_width_ratio", "qrs_balance",   "p_correlation",
    "p_difference",    "p_size",         "t_correlation", "t_difference",
    "previous_correlation", "own_share", "own_dominant",  "experience",
    "rr_surprise",     "p_level",        "before_rr_ratio", "before_qrs_correlation",
    "before_qrs_width_ratio", "before_own_dominant", "second_qrs_correlation", "second_own_dominant",
    "home_ratio",      "home_level",     "home_p_correlation", "home_p_difference",
    "early_p_preference"};

_Static_assert(ECG_F_EARLY_P_PREFERENCE + 1 == ECG_FEATURES, "one name and one place for each feature");

const char *ecg_feature_name(int index) {
    return index >= 0 && index < ECG_FEATURES ? NAMES[index] : NULL;
}

static int32_t grid_point(const ecg_window_config *config, double seconds) {
    int32_t point = config->before + (int32_t)floor(seconds * config->grid_fs + 0.5);
    int32_t last = config->before + config->after - 1;
    return point < 0 ? 0 : point > last ? last : point;
}

static size_t size_with(int32_t points) {
    return ecg_round_up(sizeof(ecg_features_state) + ECG_CURVES * (size_t)points * sizeof(float));
}

size_t ecg_features_size(const ecg_window_config *config) {
    return size_with(config->before + config->after);
}

static float *curve(ecg_features_state *state, int which) {
    return state->curves + (size_t)which * (size_t)state->regions.points;
}

/* Shape of template `k`. */
static const float *shape_of(const ecg_features_state *state, int32_t k) {
    return state->curves + (size_t)(ECG_CURVE_TEMPLATE + k) * (size_t)state->regions.points;
}

static ecg_p_waves p_waves(ecg_features_state *state) {
    return (ecg_p_waves){curve(state, ECG_CURVE_LATE), curve(state, ECG_CURVE_EARLY)};
}

static void forget(ecg_features_state *state) {
    const ecg_regions regions = state->regions;
    memset(state, 0, size_with(regions.points));
    state->regions = regions;
    state->orientation = 1.0f;
}

void ecg_features_init(ecg_features_state *state, const ecg_window_config *config) {
    ecg_regions *r = &state->regions;
    r->points = config->before + config->after;
    r->p_first = grid_point(config, -0.272); /* a PR interval of 0.2 s and half a P wave */
    r->p_last = grid_point(config, -0.072);
    r->qrs_first = grid_point(config, -0.08);
    r->qrs_last = grid_point(config, 0.096); /* wide complexes widen after R */
    r->t_first = grid_point(config, 0.104);
    r->t_last = r->points - 1;
    forget(state);
}

float ecg_limited_log(float ratio) {
    if (!(ratio > 0.0f)) return 0.0f;
    float value = logf(ratio);
    return value > LOG_LIMIT ? LOG_LIMIT : value < -LOG_LIMIT ? -LOG_LIMIT : value;
}

static float median_of(const float *values, int32_t n) {
    float sorted[ECG_SIZE_RECENT > ECG_RR_RECENT ? ECG_SIZE_RECENT : ECG_RR_RECENT];
    for (int32_t i = 0; i < n; i++) {
        int32_t j = i;
        for (; j > 0 && sorted[j - 1] > values[i]; j--) sorted[j] = sorted[j - 1];
        sorted[j] = values[i];
    }
    return n % 2 ? sorted[n / 2] : 0.5f * (sorted[n / 2 - 1] + sorted[n / 2]);
}

static float mean_of(const float *x, int32_t n) {
    four sums = four_zero();
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) sums = four_add(sums, four_load(x + i));
    float sum = four_sum(sums);
    for (; i < n; i++) sum += x[i];
    return sum / (float)n;
}

/* `varying`: the sum of squares of n points without their mean. */
static int is_level(float varying, float mean, int32_t n) {
    return !(varying > ROUNDING_SHARE * (varying + mean * mean * (float)n) && varying > ROUNDING_SQUARE * (float)n);
}

/* Mean-removed correlation of a[first + lag ..] with b[first ..]; 0 where one of them is level. */
float ecg_correlation(const float *a, const float *b, int32_t first, int32_t last, int32_t lag,
                         int32_t points) {
    if (first + lag < 0) first = -lag;
    if (last + lag >= points) last = points - 1 - lag;
    const int32_t n = last - first + 1;
    if (n < 2) return 0.0f;
    a += first + lag;
    b += first;
    const float mean_a = mean_of(a, n), mean_b = mean_of(b, n);
    const four means_a = four_all(mean_a), means_b = four_all(mean_b);
    four squares_a = four_zero(), squares_b = squares_a, products = squares_a;
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const four x = four_sub(four_load(a + i), means_a), y = four_sub(four_load(b + i), means_b);
        squares_a = four_add(squares_a, four_mul(x, x));
        squares_b = four_add(squares_b, four_mul(y, y));
        products = four_add(products, four_mul(x, y));
    }
    float va = four_sum(squares_a), vb = four_sum(squares_b), covariance = four_sum(products);
    for (; i < n; i++) {
        const float x = a[i] - mean_a, y = b[i] - mean_b;
        va += x * x;
        vb += y * y;
        covariance += x * y;
    }
    if (is_level(va, mean_a, n) || is_level(vb, mean_b, n)) return 0.0f;
    return covariance / (sqrtf(va) * sqrtf(vb));
}

/* Root mean square of the difference over that of the template, both with their mean kept. */
static float difference(const float *a, const float *b, int32_t first, int32_t last, int32_t lag,
                        int32_t points, float reference) {
    if (first + lag < 0) first = -lag;
    if (last + lag >= points) last = points - 1 - lag;
    float sum = 0.0f;
    for (int32_t i = first; i <= last; i++) {
        const float e = a[i + lag] - b[i];
        sum += e * e;
    }
    if (last < first || !(reference > 0.0f)) return 0.0f;
    const float value = sqrtf(sum / (float)(last - first + 1)) / reference;
    return value > 3.0f ? 3.0f : value;
}

typedef struct extent {
    float low, high;
} extent;

static extent extent_of(const float *shape, int32_t first, int32_t last) {
    extent e = {shape[first], shape[first]};
    for (int32_t i = first + 1; i <= last; i++) {
        if (shape[i] < e.low) e.low = shape[i];
        if (shape[i] > e.high) e.high = shape[i];
    }
    return e;
}

/* Grid points over which the complex moves: twice the standard deviation of its slope's energy. */
static float width_of(const float *shape, int32_t first, int32_t last) {
    float all = 0.0f, moment = 0.0f, spread = 0.0f;
    for (int32_t i = first + 1; i <= last; i++) {
        const float slope = shape[i] - shape[i - 1], energy = slope * slope;
        all += energy;
        moment += energy * (float)(i - first);
    }
    if (!(all > 0.0f)) return 0.0f;
    const float middle = moment / all;
    for (int32_t i = first + 1; i <= last; i++) {
        const float slope = shape[i] - shape[i - 1], away = (float)(i - first) - middle;
        spread += slope * slope * (away * away);
    }
    return 2.0f * sqrtf(spread / all);
}

float ecg_spread_of(const float *shape, int32_t first, int32_t last) {
    const int32_t n = last - first + 1;
    const float mean = mean_of(shape + first, n);
    float varying = 0.0f;
    for (int32_t i = first; i <= last; i++) varying += (shape[i] - mean) * (shape[i] - mean);
    return is_level(varying, mean, n) ? 0.0f : sqrtf(varying / (float)n);
}

/* Median QRS size of the last beats, this one included: the unit of the windows. */
static float running_size(ecg_features_state *state, float size) {
    state->size_recent[state->beats % ECG_SIZE_RECENT] = size;
    if (state->sizes < ECG_SIZE_RECENT) state->sizes++;
    float unit = median_of(state->size_recent, state->sizes);
    state->unit = unit > 0.0f ? unit : 1.0f;
    return state->unit;
}

static void rhythm_features(ecg_features_state *state, double rr, float *f, float *rr_level) {
    *rr_level = 0.0f;
    f[ECG_F_RR_NEXT] = f[ECG_F_RR_NEXT_KNOWN] = 0.0f;
    f[ECG_F_RR_RATIO] = f[ECG_F_RR_CHANGE] = f[ECG_F_RR_RATIO_LONG] = f[ECG_F_RR_BEFORE_RATIO] = 0.0f;
    f[ECG_F_RR] = f[ECG_F_RR_LOCAL] = f[ECG_F_RR_VARIABILITY] = 0.0f;
    if (!(rr > 0.0)) return;

    float now = (float)rr;
    int32_t n = state->rr_count < ECG_RR_RECENT ? state->rr_count : ECG_RR_RECENT;
    if (n == 0) {
        *rr_level = now;
    } else {
        float local = median_of(state->rr_recent, n);
        float before = state->rr_recent[(state->rr_count - 1) % ECG_RR_RECENT];
        float change = 0.0f;
        for (int32_t i = 1; i < n; i++) {
            float a = state->rr_recent[(state->rr_count - i) % ECG_RR_RECENT];
            float b = state->rr_recent[(state->rr_count - i - 1) % ECG_RR_RECENT];
            change += fabsf(ecg_limited_log(a / b));
        }
        f[ECG_F_RR_RATIO] = ecg_limited_log(now / local);
        f[ECG_F_RR_CHANGE] = ecg_limited_log(now / before);
        f[ECG_F_RR_RATIO_LONG] = ecg_limited_log(now / state->rr_long);
        f[ECG_F_RR_BEFORE_RATIO] = ecg_limited_log(before / local);
        f[ECG_F_RR_VARIABILITY] = n > 1 ? change / (float)(n - 1) : 0.0f;
        *rr_level = local;
    }
    f[ECG_F_RR] = (now < 2.0f ? now : 2.0f) - 0.8f; /* centred on a rate of 75 a minute */
    f[ECG_F_RR_LOCAL] = (*rr_level < 2.0f ? *rr_level : 2.0f) - 0.8f;
    if (rr > SILENCE_S) return;
    float rate = 1.0f / ((float)state->rr_count < RR_MEMORY ? (float)state->rr_count + 1.0f : RR_MEMORY);
    state->rr_long = n == 0 ? now : state->rr_long + rate * (now - state->rr_long);
    state->rr_recent[state->rr_count % ECG_RR_RECENT] = now;
    state->rr_count++;
    if (state->rr_count >= 1 << 24) state->rr_count -= 1 << 23; /* a multiple of the ring: never overflows */
}

/* The template that the beat resembles most over the QRS complex; -1 where none is kept yet. */
static int32_t nearest_template(const ecg_features_state *state, const float *beat, float *best, int32_t *lag) {
    const ecg_regions *r = &state->regions;
    int32_t nearest = -1;
    *best = -2.0f;
    *lag = 0;
    for (int32_t k = 0; k < ECG_TEMPLATES; k++) {
        if (!(state->templates[k].share > 0.0f)) continue;
        for (int32_t shift = -TEMPLATE_LAG; shift <= TEMPLATE_LAG; shift++) {
            float c = ecg_correlation(beat, shape_of(state, k), r->qrs_first, r->qrs_last, shift, r->points);
            if (c > *best) {
                *best = c;
                *lag = shift;
                nearest = k;
            }
        }
    }
    return nearest;
}

static float qrs_size(const ecg_regions *r, const float *shape) {
    extent e = extent_of(shape, r->qrs_first, r->qrs_last);
    return e.high - e.low;
}

/* Are two shapes of these sizes near enough to be one. */
static int alike_in_size(float a, float b) { return a <= JOIN_SIZE_RATIO * b && b <= JOIN_SIZE_RATIO * a; }

/* Does the beat belong to the template it resembles most. */
static int belongs(const ecg_features_state *state, const float *beat, int32_t nearest, float best) {
    if (nearest < 0 || best < JOIN_CORRELATION) return 0;
    return alike_in_size(qrs_size(&state->regions, beat), qrs_size(&state->regions, shape_of(state, nearest)));
}

/* How much a template stands for the patient's conducted beats: frequent, and narrow, since ventricular
 * beats can be as frequent as the others but are wider. */
static float standing(const ecg_features_state *state, int32_t k) {
    const float width = width_of(shape_of(state, k), state->regions.qrs_first, state->regions.qrs_last);
    const float share = state->templates[k].share;
    return share > 0.0f && width > 0.0f ? share / (width * width) : 0.0f;
}

/* Templates that have come to resemble `own` hold the same beats: the one of more beats is kept. */
static void merge(ecg_features_state *state, int32_t own) {
    const ecg_regions *r = &state->regions;
    for (int32_t k = 0; k < ECG_TEMPLATES; k++) {
        if (k == own || !(state->templates[k].share > 0.0f)) continue;
        const float *a = shape_of(state, own);
        if (ecg_correlation(a, shape_of(state, k), r->qrs_first, r->qrs_last, 0, r->points) < MERGE_CORRELATION) continue;
        if (!alike_in_size(qrs_size(r, a), qrs_size(r, shape_of(state, k)))) continue;
        int32_t keep = state->templates[own].count > state->templates[k].count ? own : k, gone = own + k - keep;
        state->templates[keep].share += state->templates[gone].share;
        state->templates[gone].share = state->templates[gone].count = 0.0f;
        if (state->dominant == gone) state->dominant = keep;
        own = keep;
    }
}

/* Lets the beat into template `own`, or into a new one where `own` is negative. */
static void learn(ecg_features_state *state, const float *beat, int32_t own, int32_t lag) {
    const ecg_regions *r = &state->regions;
    if (own < 0) {
        own = 0;
        for (int32_t k = 1; k < ECG_TEMPLATES; k++)
            if (state->templates[k].share < state->templates[own].share) own = k;
        state->templates[own].count = state->templates[own].share = 0.0f;
        lag = 0;
    }
    ecg_template *t = &state->templates[own];
    float *shape = curve(state, ECG_CURVE_TEMPLATE + own);
    if (t->count < TEMPLATE_MEMORY) t->count += 1.0f;
    for (int32_t i = 0; i < r->points; i++) {
        int32_t at = i + lag;
        at = at < 0 ? 0 : at >= r->points ? r->points - 1 : at;
        if (t->count <= 1.0f) shape[i] = beat[at];
        else shape[i] += (beat[at] - shape[i]) / t->count;
    }
    float beats = (float)state->beats + 1.0f, rate = 1.0f / (beats < SHARE_MEMORY ? beats : SHARE_MEMORY);
    for (int32_t k = 0; k < ECG_TEMPLATES; k++) state->templates[k].share *= 1.0f - rate;
    t->share += rate;
    merge(state, own);
    float usual = standing(state, state->dominant);
    for (int32_t k = 0; k < ECG_TEMPLATES; k++) {
        float other = standing(state, k);
        if (other > DOMINANT_FACTOR * usual) {
            usual = other;
            state->dominant = k;
        }
    }
}

static void orient(ecg_features_state *state) {
    const ecg_regions *r = &state->regions;
    extent e = extent_of(shape_of(state, state->dominant), r->qrs_first, r->qrs_last);
    float up = state->orientation > 0.0f ? e.high : -e.low;
    float down = state->orientation > 0.0f ? -e.low : e.high;
    float factor = state->beats == 0 ? 1.0f : ORIENTATION_FACTOR;
    if (down > up * factor) state->orientation = -state->orientation;
}

static void shape_features(const ecg_features_state *state, const float *beat, int32_t own, float *f) {
    const ecg_regions *r = &state->regions;
    const float *usual = shape_of(state, state->dominant);
    int32_t lag = 0;
    float best = -2.0f;
    for (int32_t shift = -TEMPLATE_LAG; shift <= TEMPLATE_LAG; shift++) {
        float c = ecg_correlation(beat, usual, r->qrs_first, r->qrs_last, shift, r->points);
        if (c > best) {
            best = c;
            lag = shift;
        }
    }
    float qrs_spread = ecg_spread_of(usual, r->qrs_first, r->qrs_last);
    extent e = extent_of(beat, r->qrs_first, r->qrs_last);
    float size = e.high - e.low, usual_size = qrs_size(r, usual);
    float width = width_of(beat, r->qrs_first, r->qrs_last);
    float usual_width = width_of(usual, r->qrs_first, r->qrs_last);
    f[ECG_F_QRS_CORRELATION] = best;
    f[ECG_F_QRS_DIFFERENCE] = difference(beat, usual, r->qrs_first, r->qrs_last, lag, r->points, qrs_spread);
    f[ECG_F_QRS_SIZE] = usual_size > 0.0f ? ecg_limited_log(size / usual_size) : 0.0f;
    f[ECG_F_QRS_WIDTH] = width / (float)(r->qrs_last - r->qrs_first);
    f[ECG_F_QRS_WIDTH_RATIO] = usual_width > 0.0f ? ecg_limited_log(width / usual_width) : 0.0f;
    f[ECG_F_QRS_BALANCE] = size > 0.0f ? state->orientation * (e.high + e.low) / size : 0.0f;
    f[ECG_F_P_CORRELATION] = ecg_correlation(beat, usual, r->p_first, r->p_last, lag, r->points);
    f[ECG_F_P_DIFFERENCE] = difference(beat, usual, r->p_first, r->p_last, lag, r->points,
                                       0.3f * qrs_spread); /* P waves are about a third of the spread */
    float p = ecg_spread_of(beat, r->p_first, r->p_last), usual_p = ecg_spread_of(usual, r->p_first, r->p_last);
    f[ECG_F_P_SIZE] = usual_p > 0.0f ? ecg_limited_log(p / usual_p) : 0.0f;
    f[ECG_F_T_CORRELATION] = ecg_correlation(beat, usual, r->t_first, r->t_last, lag, r->points);
    f[ECG_F_T_DIFFERENCE] = difference(beat, usual, r->t_first, r->t_last, lag, r->points, qrs_spread);
    f[ECG_F_PREVIOUS_CORRELATION] =
        state->beats > 0 ? ecg_correlation(beat, state->curves + ECG_CURVE_PREVIOUS * r->points, r->qrs_first,
                                           r->qrs_last, 0, r->points)
                         : 0.0f;
    f[ECG_F_OWN_SHARE] = own >= 0 ? state->templates[own].share : 0.0f;
    f[ECG_F_OWN_DOMINANT] = own == state->dominant ? 1.0f : 0.0f;
    float beats = (float)state->beats;
    f[ECG_F_EXPERIENCE] = (beats < EXPERIENCED ? beats : EXPERIENCED) / EXPERIENCED;
}

static float limited(float x, float limit) {
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* Features of the beat in its rhythm and beside the two beats before. */
static void context_features(ecg_features_state *state, float *f) {
    const ecg_regions *r = &state->regions;
    /* A short interval means little where intervals always change, as in atrial fibrillation. */
    f[ECG_F_RR_SURPRISE] = limited(f[ECG_F_RR_RATIO] / (RR_STEADY + f[ECG_F_RR_VARIABILITY]), SURPRISE_LIMIT);
    f[ECG_F_P_LEVEL] = ecg_spread_of(shape_of(state, state->dominant), r->p_first, r->p_last);
    f[ECG_F_BEFORE_RR_RATIO] = state->before[ECG_F_RR_RATIO];
    f[ECG_F_BEFORE_QRS_CORRELATION] = state->before[ECG_F_QRS_CORRELATION];
    f[ECG_F_BEFORE_QRS_WIDTH_RATIO] = state->before[ECG_F_QRS_WIDTH_RATIO];
    f[ECG_F_BEFORE_OWN_DOMINANT] = state->before[ECG_F_OWN_DOMINANT];
    f[ECG_F_SECOND_QRS_CORRELATION] = state->second[ECG_F_QRS_CORRELATION];
    f[ECG_F_SECOND_OWN_DOMINANT] = state->second[ECG_F_OWN_DOMINANT];
    memcpy(state->second, state->before, sizeof state->second);
    memcpy(state->before, f, sizeof state->before);
}

float ecg_features_take(ecg_features_state *state, float *beat, double rr, float *window, float *features) {
    const ecg_regions *r = &state->regions;
    float rr_level;
    if (state->beats < FIRST_BEATS && rr > SILENCE_S) {
        forget(state);
        rr = NAN;
    }
    rhythm_features(state, rr, features, &rr_level);

    float unit = running_size(state, qrs_size(r, beat));
    for (int32_t i = 0; i < r->points; i++) beat[i] = limited(beat[i] / unit, SHAPE_LIMIT);

    if (state->beats == 0) { /* the first beat is all that is known of the patient */
        learn(state, beat, -1, 0);
        orient(state);
    }
    float best;
    int32_t lag;
    int32_t own = nearest_template(state, beat, &best, &lag);
    if (!belongs(state, beat, own, best)) own = -1;
    shape_features(state, beat, own, features);
    context_features(state, features);
    ecg_patient_baseline_features(&state->baseline, p_waves(state), r, beat, rr, rr_level, features);
    ecg_patient_baseline_learn(&state->baseline, p_waves(state), r, beat, rr, features[ECG_F_OWN_DOMINANT] > 0.5f);
    const float *usual = shape_of(state, state->dominant);
    for (int32_t i = 0; i < r->points; i++) {
        window[i * ECG_CHANNELS] = limited(state->orientation * beat[i], WINDOW_LIMIT);
        window[i * ECG_CHANNELS + 1] = limited(state->orientation * usual[i], WINDOW_LIMIT);
    }
    if (state->beats > 0) {
        learn(state, beat, own, lag);
        orient(state);
    }
    memcpy(curve(state, ECG_CURVE_PREVIOUS), beat, (size_t)r->points * sizeof(float));
    state->beats++;
    return rr_level;
}

float ecg_features_rr_level(const ecg_features_state *state, double rr) {
    float recent[ECG_RR_RECENT];
    int32_t known = state->rr_count < ECG_RR_RECENT ? state->rr_count : ECG_RR_RECENT, n = 0;
    if (rr > 0.0) recent[n++] = (float)rr;
    for (int32_t i = 1; i <= known && n < ECG_RR_RECENT; i++)
        recent[n++] = state->rr_recent[(state->rr_count - i) % ECG_RR_RECENT];
    return n ? median_of(recent, n) : 0.0f;
}

void ecg_features_look_ahead(float *features, float rr_level, double rr_next) {
    features[ECG_F_RR_NEXT] = rr_level > 0.0f ? ecg_limited_log((float)rr_next / rr_level) : 0.0f;
    features[ECG_F_RR_NEXT_KNOWN] = 1.0f;
}

int ecg_features_valid(const ecg_features_state *state) {
    for (int k = 0; k < ECG_TEMPLATES; k++) {
        const ecg_template *t = &state->templates[k];
        if (!(t->share >= 0.0f && t->share <= 1.0f) || !(t->count >= 0.0f && t->count <= TEMPLATE_MEMORY)) return 0;
    }
    return ecg_within(state->beats, 0, ECG_COUNT_MAX) && ecg_within(state->rr_count, 0, 1 << 24)
           && ecg_all_finite(state->rr_recent, ECG_RR_RECENT) && isfinite(state->rr_long)
           && ecg_within(state->sizes, 0, ECG_SIZE_RECENT) && ecg_all_finite(state->size_recent, ECG_SIZE_RECENT)
           && isfinite(state->unit) && (state->unit > 0.0f || state->beats == 0)
           && ecg_within(state->dominant, 0, ECG_TEMPLATES - 1) && fabsf(state->orientation) == 1.0f
           && ecg_all_finite(state->curves, ECG_CURVES * (size_t)state->regions.points)
           && ecg_all_finite(state->before, ECG_FEATURES)
           && ecg_all_finite(state->second, ECG_FEATURES) && ecg_patient_baseline_valid(&state->baseline);
}
