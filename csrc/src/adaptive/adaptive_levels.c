/* Levels of signal and noise in each lead, the threshold between them, and each lead's weight. */
#include "adaptive.h"
#include "../common/simd4.h"

static void sort(float *v, int n) {
    for (int i = 1; i < n; i++) {
        float x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

static float highest_value(four values) {
    float each[4], highest = -INFINITY;
    four_store(each, values);
    for (int k = 0; k < 4; k++) highest = each[k] > highest ? each[k] : highest;
    return highest;
}

/* By counting, without branches on the values: which of two heights is larger is not predictable. */
float adaptive_quantile(const float *values, int n, float q) {
    const float p = q * (float)(n - 1);
    const int k = (int)p;
    const four none = four_all(-INFINITY), one = four_all(1.0f), zero = four_zero();
    const four rank = four_all((float)k + 0.5f), next_rank = four_all((float)k + 1.5f);
    float padded[PENDING]; /* to fours */
    four_store(padded + (n - 1) / 4 * 4, none);
    memcpy(padded, values, (size_t)n * sizeof *values);
    four at_rank = none, at_next = none; /* the highest with so few below them */
    for (int i = 0; i < n; i += 4) {
        const four these = four_load(padded + i);
        four below = zero;
        for (int j = 0; j < n; j++) below = four_add(below, four_where(four_over(these, four_all(values[j])), one, zero));
        at_rank = four_max(at_rank, four_where(four_over(rank, below), these, none));
        at_next = four_max(at_next, four_where(four_over(next_rank, below), these, none));
    }
    const float at = highest_value(at_rank);
    return at + (p - (float)k) * (highest_value(at_next) - at);
}

void adaptive_push(float *ring, int size, int32_t *count, float value) {
    ring[*count % size] = value;
    if (++*count >= 2 * size) *count -= size;
}

int adaptive_filled(int32_t count, int size) {
    return count < size ? count : size;
}

void adaptive_refresh_noise(adaptive_lead *s) {
    if (!s->noise_stale) return;
    s->noise_stale = 0;
    s->noise = adaptive_quantile(s->noises, adaptive_filled(s->noise_count, NOISES), CONSTANT.noise_quantile);
}

float adaptive_gap(adaptive_lead *s) {
    adaptive_refresh_noise(s);
    return s->signal - s->noise;
}

static float threshold_of(float signal, float noise) {
    float depth = (1.0f - CONSTANT.mix) * (signal - noise);
    return signal - (depth < CONSTANT.depth ? depth : CONSTANT.depth);
}

/* After a pause, in which the signal level has fallen by `gap`. */
static float lowered(float signal, float noise, float gap) {
    float threshold = threshold_of(signal - gap, noise), lowest = signal - CONSTANT.gap_depth;
    return threshold > lowest ? threshold : lowest;
}

/* `gap`: how far the signal level has fallen since the last beat; `distrust` 0..1: how far to go back
 * to the slow levels. */
float adaptive_threshold(adaptive_lead *s, float gap, float distrust) {
    adaptive_refresh_noise(s);
    float threshold = lowered(s->signal, s->noise, gap), slow = lowered(s->slow_signal, s->slow_noise, gap);
    return s->template_beats && threshold > slow ? threshold - distrust * (threshold - slow) : threshold;
}

/* Weights: good leads have their levels far apart and seldom disagree with what was decided. */
void adaptive_weigh(adaptive_state *a, int n_leads) {
    if (n_leads == 1) return;
    adaptive_lead *s = adaptive_leads(a);
    float total = 0.0f;
    for (int l = 0; l < n_leads; l++) {
        float gap = s[l].seeded ? adaptive_gap(&s[l]) : 0.0f;
        if (gap < CONSTANT.weight_gap_min) gap = CONSTANT.weight_gap_min;
        if (gap > CONSTANT.weight_cap) gap = CONSTANT.weight_cap;
        s[l].weight = gap / (CONSTANT.loss_floor + s[l].loss_accepted + s[l].loss_rejected);
        total += s[l].weight;
    }
    for (int l = 0; l < n_leads; l++) {
        s[l].weight /= total;
        s[l].scale = s[l].seeded ? s[l].weight * expf(-2.0f * s[l].signal) : 0.0f; /* energies: twice the log */
    }
}

/* Levels from the heights of the first candidates: the split with the largest variance between. */
static void split_first(adaptive_lead *s) {
    float v[PENDING], total = 0.0f, low = 0.0f, best = -1.0f;
    int n = s->first_count, split = n - 1;
    memcpy(v, s->first, (size_t)n * sizeof *v);
    sort(v, n);
    if (n > 2 && v[n - 1] > v[n - 2] + CONSTANT.first_excess) v[n - 1] = v[n - 2] + CONSTANT.first_excess;
    for (int i = 0; i < n; i++) {
        if (v[i] < v[n - 1] - CONSTANT.first_range) v[i] = v[n - 1] - CONSTANT.first_range;
        total += v[i];
    }
    for (int i = 1; i < n; i++) {
        low += v[i - 1];
        float apart = (total - low) / (float)(n - i) - low / (float)i;
        float between = apart * apart * (float)i * (float)(n - i);
        if (between > best) {
            best = between;
            split = i;
        }
    }
    s->signal = v[split + (n - 1 - split) / 2];
    s->noise = split > 0 ? v[(split - 1) / 2] : v[0] - CONSTANT.first_noise;
    s->signal_count = 3; /* they count as some beats and some rejected candidates */
    s->noise_count = 4;
    s->noise_stale = 0;
    for (int i = 0; i < s->signal_count; i++) s->signals[i] = s->signal;
    for (int i = 0; i < s->noise_count; i++) s->noises[i] = s->noise;
    s->last_height = s->signal;
    s->last_band_ratio = 0.0f;
    s->seeded = 1;
}

void adaptive_learn_first(adaptive_state *a, int n_leads) {
    adaptive_lead *s = adaptive_leads(a);
    int changed = 0;
    for (int l = 0; l < n_leads; l++)
        if (s[l].first_count > 0
            && (adaptive_learns_levels(a) || (!s[l].seeded && s[l].first_count >= LATE_CANDIDATES))) {
            split_first(&s[l]);
            changed = 1;
        }
    if (!changed) return;
    adaptive_weigh(a, n_leads);
    a->solved = a->head;
}

void adaptive_learn_rejected(adaptive_state *a, int n_leads, uint32_t slot) {
    adaptive_lead *s = adaptive_leads(a);
    int near = a->accepted && adaptive_seconds(a, a->last_at, a->pending[slot].at) < CONSTANT.near_s;
    for (int l = 0; l < n_leads; l++, s++) {
        if (s->faulty[slot] || !s->seeded) continue;
        adaptive_push(s->noises, NOISES, &s->noise_count, s->height[slot]);
        s->noise_stale = 1;
        float loss = s->lead_score[slot] + CONSTANT.loss_margin;
        s->loss_rejected += CONSTANT.loss_noise_rate * ((loss > 0.0f ? loss : 0.0f) - s->loss_rejected);
        float *latest = &s->signals[(s->signal_count - 1) % SIGNALS];
        if (near && s->height[slot] > *latest) *latest = s->height[slot];
    }
}

void adaptive_learn_accepted(adaptive_state *a, int n_leads, uint32_t slot, const float *around) {
    adaptive_lead *s = adaptive_leads(a);
    int typical = 0;
    for (int l = 0; l < n_leads; l++) {
        if (s[l].seeded && !s[l].faulty[slot]) {
            float height = s[l].height[slot] > around[l] ? s[l].height[slot] : around[l];
            adaptive_push(s[l].signals, SIGNALS, &s[l].signal_count, height);
            const int n = adaptive_filled(s[l].signal_count, SIGNALS);
            s[l].signal = adaptive_quantile(s[l].signals, n, CONSTANT.quantile);
            typical |= adaptive_learn_shape(a, &s[l], slot);
            float loss = CONSTANT.loss_margin - s[l].lead_score[slot];
            s[l].loss_accepted += CONSTANT.loss_rate * ((loss > 0.0f ? loss : 0.0f) - s[l].loss_accepted);
            s[l].last_height = s[l].height[slot];
            s[l].last_band_ratio = s[l].band_ratio[slot];
        }
    }
    if (!adaptive_learns_levels(a)) adaptive_weigh(a, n_leads);
    a->last_height = a->last_band_ratio = 0.0f;
    for (int l = 0; l < n_leads; l++)
        if (s[l].seeded) {
            a->last_height += s[l].weight * s[l].last_height;
            a->last_band_ratio += s[l].weight * s[l].last_band_ratio;
        }
    if (a->accepted) adaptive_learn_interval(a, adaptive_seconds(a, a->last_at, a->pending[slot].at));
    if (typical) a->stored_rr = a->rr_ref;
}
