/* The shape of beats: a running template of each lead, a slow one, and the similarity of candidates. */
#include "adaptive.h"
#include "../common/simd4.h"

#define LAGS (2 * LAG_MAX + 1)
#define ENERGY_MAX 1e36f /* of a shape; beyond, it overflows */

/* Sums over the `n` points of a shape at `fours` times four lags at once. */
typedef struct lag_sums {
    float of_shape[LAGS + 3], energies[LAGS + 3], dots[LAGS + 3], others[LAGS + 3];
} lag_sums;

static inline void add_up_lags(const float *shape, const float *template, const float *other, int n, int fours,
                               lag_sums *to) {
    four sum[3], energy[3], dot[3], second[3];
    for (int j = 0; j < fours; j++) sum[j] = energy[j] = dot[j] = second[j] = four_zero();
    for (int k = 0; k < n; k++) {
        const four at = four_all(template[k]), other_at = four_all(other ? other[k] : 0.0f);
        for (int j = 0; j < fours; j++) {
            const four x = four_load(shape + k + 4 * j);
            sum[j] = four_add(sum[j], x);
            energy[j] = four_add(energy[j], four_mul(x, x));
            dot[j] = four_add(dot[j], four_mul(x, at));
            if (other) second[j] = four_add(second[j], four_mul(x, other_at));
        }
    }
    for (int j = 0; j < fours; j++) {
        four_store(to->of_shape + 4 * j, sum[j]);
        four_store(to->energies + 4 * j, energy[j]);
        four_store(to->dots + 4 * j, dot[j]);
        four_store(to->others + 4 * j, second[j]);
    }
}

/* Correlation with `template` at the best lag, or with `other` (NULL for none) where that is higher. */
float adaptive_correlation(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, const float *template,
                           const float *other, adaptive_fit *fit) {
    const int n = a->shape;
    const float *shape = adaptive_shape(a, s, slot);
    lag_sums sums;
    if (adaptive_lag_fours(a->lag) == 2) { /* the number of fours is known to the compiler: all stays in registers */
        if (other) add_up_lags(shape, template, other, n, 2, &sums);
        else add_up_lags(shape, template, NULL, n, 2, &sums);
    } else {
        if (other) add_up_lags(shape, template, other, n, 3, &sums);
        else add_up_lags(shape, template, NULL, n, 3, &sums);
    }
    float best = -1.0f, best_energy = 0.0f;
    for (int shift = 0; shift <= 2 * a->lag; shift++) {
        float dot = other && sums.others[shift] > sums.dots[shift] ? sums.others[shift] : sums.dots[shift];
        float energy = sums.energies[shift] - sums.of_shape[shift] * sums.of_shape[shift] / (float)n;
        if (energy > 0.0f && dot > best * sqrtf(energy)) {
            best = dot / sqrtf(energy);
            best_energy = energy;
            fit->lag = shift;
        }
    }
    fit->energy = best_energy < ENERGY_MAX ? best_energy : ENERGY_MAX;
    /* A tone outside the bands resembles itself, whatever lies in them. */
    float outside = CONSTANT.band_from * sqrtf(best_energy / (float)n), inside = expf(s->height[slot]);
    return inside < outside && best > 0.0f ? best * inside / outside : best;
}

/* With the running template; where trust is low, with the slow one if that is higher. */
float adaptive_similarity(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, adaptive_fit *fit) {
    const float *slow = a->recent < CONSTANT.distrust_from ? s->slow_template : NULL;
    return adaptive_correlation(a, s, slot, s->template, slow, fit);
}

/* target += gain * (source - target), at unit energy again. */
static void blend(float *target, const float *source, float gain, int n) {
    float energy = 0.0f;
    for (int k = 0; k < n; k++) {
        target[k] += gain * (source[k] - target[k]);
        energy += target[k] * target[k];
    }
    energy = energy > 0.0f ? 1.0f / sqrtf(energy) : 0.0f;
    for (int k = 0; k < n; k++) target[k] *= energy;
}

float adaptive_unit_shape(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, int lag, float *w) {
    int n = a->shape;
    float mean = 0.0f, energy = 0.0f;
    memcpy(w, adaptive_shape(a, s, slot) + lag, (size_t)n * sizeof *w);
    for (int k = 0; k < n; k++) mean += w[k];
    mean /= (float)n;
    for (int k = 0; k < n; k++) {
        w[k] -= mean;
        energy += w[k] * w[k];
    }
    if (!(energy > 0.0f && energy < ENERGY_MAX)) return 0;
    const float scale = 1.0f / sqrtf(energy);
    for (int k = 0; k < n; k++) w[k] *= scale;
    return energy;
}

/* The latest tall beat: small waves are measured by it. */
static void learn_tall(const adaptive_state *a, adaptive_lead *s, uint32_t slot, float energy) {
    const int64_t at = a->pending[slot].at;
    if (s->template_beats && s->height[slot] <= s->tall_height - CONSTANT.small_follow
        && adaptive_seconds(a, s->tall_at, at) <= CONSTANT.small_s)
        return;
    s->tall_height = s->height[slot];
    s->tall_energy = energy;
    s->tall_at = at;
}

int adaptive_learn_shape(const adaptive_state *a, adaptive_lead *s, uint32_t slot) {
    const int n = a->shape;
    adaptive_fit fit = {a->lag, 0.0f};
    if (s->template_beats && s->lags[slot]) fit.lag = s->lags[slot] - 1;
    else if (s->template_beats) adaptive_similarity(a, s, slot, &fit);
    float w[SHAPE_MAX];
    const float energy = adaptive_unit_shape(a, s, slot, fit.lag, w);
    if (!(energy > 0.0f)) return 0;
    learn_tall(a, s, slot, energy);
    blend(s->template, w, s->template_beats ? CONSTANT.template_gain : 1.0f, n);
    if (s->template_beats < TEMPLATE_BEATS) {
        s->template_beats++;
        memcpy(s->slow_template, s->template, sizeof s->slow_template);
        s->slow_signal = s->signal;
        s->slow_noise = s->noise;
    } else if (a->trust > CONSTANT.trust_from && a->recent > CONSTANT.distrust_from
               && s->similarity[slot] > CONSTANT.slow_similarity) {
        blend(s->slow_template, s->template, CONSTANT.slow_gain, n);
        s->slow_signal += CONSTANT.slow_gain * (s->signal - s->slow_signal);
        s->slow_noise += CONSTANT.slow_gain * (s->noise - s->slow_noise);
    }
    return a->recent > CONSTANT.store_from && s->similarity[slot] > CONSTANT.return_similarity
           && adaptive_store_template(s, n);
}
