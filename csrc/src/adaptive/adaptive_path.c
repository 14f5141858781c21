/* The best path through the pending candidates.
 *
 * Every candidate has a score of its own (height over threshold, shape), and every interval between two on the path a
 * cost (adaptive_rhythm.c). The best path through at most PENDING_MAX candidates replaces threshold, refractory
 * period, search-back and T-wave rule at once. */
#include "adaptive.h"

/* Is it a small, slow wave beside a tall beat: a P wave in third-degree block? */
static int is_small(const adaptive_state *a, const adaptive_lead *s, uint32_t slot) {
    return s->band_ratio[slot] < CONSTANT.small_bands && s->height[slot] < s->tall_height - CONSTANT.small_drop
           && s->shape_energy[slot] < CONSTANT.small_energy * s->tall_energy
           && fabsf(adaptive_seconds(a, s->tall_at, a->pending[slot].at)) < CONSTANT.small_s;
}

/* Score of a candidate over the leads, and what the costs need of it. */
static void score(adaptive_state *a, int n_leads, uint32_t slot) {
    adaptive_candidate *c = &a->pending[slot];
    adaptive_lead *s = adaptive_leads(a);
    float gap = 0.0f, distrust = 0.0f;
    if (a->accepted) {
        float since = adaptive_seconds(a, a->last_at, c->at), over = since - CONSTANT.gap_from * a->rr_ref;
        if (over > 0.0f) gap = CONSTANT.gap_rate * over;
        if (since > CONSTANT.distrust_after_s)
            distrust = CONSTANT.distrust_slope * (CONSTANT.distrust_from - a->recent);
        distrust = distrust < 0.0f ? 0.0f : distrust > 1.0f ? 1.0f : distrust;
    }
    float total = 0.0f, sum = 0.0f, similarity = 0.0f, weights = 0.0f;
    int compared = 0, small = 0;
    c->height = c->band_ratio = 0.0f;
    for (int l = 0; l < n_leads; l++, s++) {
        float w = s->weight;
        if (!s->seeded) continue;
        if (s->faulty[slot]) { /* neither higher nor lower than the last beat */
            c->height += w * s->last_height;
            c->band_ratio += w * s->last_band_ratio;
            continue;
        }
        c->height += w * s->height[slot];
        c->band_ratio += w * s->band_ratio[slot];
        float lead_score = s->height[slot] - adaptive_threshold(s, gap, distrust);
        if (lead_score > CONSTANT.cap) lead_score = CONSTANT.cap;
        if (s->template_beats && lead_score > CONSTANT.faint) {
            if (s->similarity[slot] == NOT_COMPARED) {
                adaptive_fit fit = {a->lag, 0.0f};
                s->similarity[slot] = adaptive_similarity(a, s, slot, &fit);
                s->shape_energy[slot] = fit.energy;
                s->lags[slot] = (uint8_t)(1 + fit.lag);
            }
            compared++;
            small += is_small(a, s, slot);
            lead_score += CONSTANT.similarity_cost * (s->similarity[slot] - CONSTANT.similarity_from);
            similarity += w * s->similarity[slot];
            weights += w;
        }
        if (n_leads > 1 && lead_score < -CONSTANT.floor) lead_score = -CONSTANT.floor;
        s->lead_score[slot] = lead_score;
        sum += w * lead_score;
        total += w;
    }
    c->score = total > 0.0f ? sum / total : CONSTANT.faint;
    if (small && small == compared) c->score -= CONSTANT.small_cost;
    c->similarity = weights > 0.0f ? similarity / weights : 0.0f;
}

int adaptive_path_end(adaptive_state *a, int n_leads) {
    int64_t now = adaptive_now(a);
    for (uint32_t i = a->solved; i != a->tail; i++) {
        adaptive_candidate *c = &a->pending[i % PENDING];
        score(a, n_leads, i % PENDING);
        float value = 0.0f;
        if (a->accepted)
            value =
                -adaptive_pair_cost(a, a->last_height, a->last_band_ratio, c, adaptive_seconds(a, a->last_at, c->at));
        c->from = -1;
        for (uint32_t j = a->head; j != i; j++) {
            const adaptive_candidate *p = &a->pending[j % PENDING];
            if (p->value <= value) continue; /* costs only lower it */
            float v = p->value - adaptive_pair_cost(a, p->height, p->band_ratio, c, adaptive_seconds(a, p->at, c->at));
            if (v > value) {
                value = v;
                c->from = (int32_t)(j % PENDING);
            }
        }
        c->value = value + c->score;
    }
    a->solved = a->tail;

    int end = -1;
    float best = a->accepted ? -adaptive_open_cost(a, a->last_at, now) : 0.0f;
    for (uint32_t i = a->head; i != a->tail; i++) {
        const adaptive_candidate *c = &a->pending[i % PENDING];
        if (c->value <= best) continue;
        float value = c->value - adaptive_open_cost(a, c->at, now);
        if (value > best) {
            best = value;
            end = (int)(i % PENDING);
        }
    }
    return end;
}

int adaptive_path_start(adaptive_state *a, int n_leads) {
    int slot = adaptive_path_end(a, n_leads);
    while (slot >= 0 && a->pending[slot].from >= 0) slot = a->pending[slot].from;
    return slot;
}

/* Does the T wave of the beat `before` stand out like a beat? */
static int is_tall_t(const adaptive_state *a, const adaptive_candidate *before, const adaptive_candidate *c) {
    return c->height > before->height - CONSTANT.start_contrast
           && adaptive_is_smooth_t(before->band_ratio, c, adaptive_seconds(a, before->at, c->at));
}

float adaptive_contrast(const adaptive_state *a, int end) {
    float heights[2][PENDING];
    int counts[2] = {0, 0};
    for (uint32_t i = a->tail; i != a->head; i--) {
        const int slot = (int)((i - 1) % PENDING), on = slot == end;
        const adaptive_candidate *c = &a->pending[slot];
        if (on) end = c->from; /* otherwise `end` is the beat before */
        else if (end >= 0 && is_tall_t(a, &a->pending[end], c)) continue;
        heights[on][counts[on]++] = c->height;
    }
    if (!counts[1]) return 0.0f; /* no path: nothing stands out */
    if (!counts[0]) return CONSTANT.trust_cap;
    return adaptive_quantile(heights[1], counts[1], 0.5f) - adaptive_quantile(heights[0], counts[0], 0.5f);
}
