/* Beats beyond doubt: several candidates that stand out from all others, similar and regular. They are found
 * without levels, where levels may be wrong. */
#include "adaptive.h"

uint32_t adaptive_look_back(const adaptive_state *a) {
    const int64_t oldest = a->pending[(a->tail - 1) % PENDING].at - (int64_t)(CONSTANT.start_s * a->rate);
    const uint32_t most = a->tail < PENDING_MAX ? a->tail : PENDING_MAX;
    uint32_t n = 0;
    while (n < most && a->pending[(a->tail - n - 1) % PENDING].at > oldest) n++;
    return a->tail - n;
}

/* Do the highest candidates of the last seconds stand out from the others, all similar and not too
 * irregular? `level`: their height. */
static int lead_shows_clear_beats(const adaptive_state *a, const adaptive_lead *s, int latest, float *level) {
    uint32_t order[PENDING], first = adaptive_look_back(a);
    int n = 0;
    for (uint32_t i = first; i != a->tail; i++) {
        uint32_t slot = i % PENDING;
        int j = n;
        if (s->faulty[slot]) continue;
        for (; j > 0 && s->height[order[j - 1]] < s->height[slot]; j--) order[j] = order[j - 1];
        order[j] = slot;
        n++;
    }
    int high = 0;
    float widest = 0.0f;
    for (int k = 2; k < n; k++) {
        float step = s->height[order[k - 1]] - s->height[order[k]];
        if (step > widest) {
            widest = step;
            high = k;
        }
    }
    if (!high || (latest && s->height[(a->tail - 1) % PENDING] < s->height[order[high - 1]])) return 0;
    *level = s->height[order[high / 2]];
    if (*level - s->height[order[(high + n) / 2]] < CONSTANT.start_contrast) return 0;

    float shortest = INFINITY, longest = 0.0f, last = -1.0f;
    for (uint32_t i = first; i != a->tail; i++) {
        uint32_t slot = i % PENDING;
        if (s->faulty[slot] || s->height[slot] < s->height[order[high - 1]]) continue;
        float at = adaptive_seconds(a, a->pending[first % PENDING].at, a->pending[slot].at);
        if (last >= 0.0f && at - last < shortest) shortest = at - last;
        if (last >= 0.0f && at - last > longest) longest = at - last;
        last = at;
    }
    if (shortest < CONSTANT.refractory_s || longest > CONSTANT.return_long * shortest) return 0;

    float w[SHAPE_MAX];
    adaptive_fit fit;
    if (adaptive_unit_shape(a, s, order[high / 2], a->lag, w) == 0.0f) return 0;
    for (int k = 0; k < high; k++)
        if (k != high / 2 && adaptive_correlation(a, s, order[k], w, NULL, &fit) < CONSTANT.clear_similarity) return 0;
    /* In standstill P waves stand out, as similar as beats and far fainter: these need the patient's shape. */
    const int faint = *level < s->stored_signal - CONSTANT.return_lower;
    const float least = faint ? CONSTANT.return_similarity : CONSTANT.clear_beats_similarity;
    return s->stored_beats < STORED_BEATS
           || adaptive_correlation(a, s, order[high / 2], s->stored_template, NULL, &fit) > least;
}

/* Are beats of that height too loud for the levels, or faint ones `missing`? */
static int misfit(const adaptive_lead *s, float height, int missing) {
    return height > s->signal + CONSTANT.return_higher || (missing && height < s->signal - CONSTANT.return_lower);
}

int adaptive_shows_clear_beats(adaptive_state *a, int n_leads) {
    const adaptive_lead *s = adaptive_leads(a);
    const uint32_t slot = (a->tail - 1) % PENDING;
    const int well = adaptive_decides(a) && !a->probation && adaptive_confident(a, n_leads);
    const float since = adaptive_seconds(a, a->last_at, a->pending[slot].at);
    const int missing = !a->accepted || since > CONSTANT.clear_long * a->rr_ref;
    float clear = 0.0f, total = 0.0f;
    for (int l = 0; l < n_leads; l++, s++) {
        if (s->faulty[slot]) continue;
        total += s->weight;
        float level = s->height[slot];
        if (well && !misfit(s, level, missing)) continue;
        if (lead_shows_clear_beats(a, s, well, &level) && (!well || misfit(s, level, missing))) clear += s->weight;
    }
    return clear > 0.5f * total;
}
