/* Which candidates are QRS complexes.
 *
 * Every pending candidate has a score of its own (height over threshold, shape), and every interval
 * between two accepted ones a cost (too short, too long, a T wave). The best path through at most
 * PENDING_MAX candidates replaces threshold, refractory period, search-back and T-wave rule at once.
 * Its first candidate is accepted at once where it is clear, and otherwise when its time is up. */
#include "adaptive.h"

#define ADAPTIVE_LEARNING_BEATS 8 /* beats until levels, shape and rhythm are those of this recording */
#define DOUBTS 5         /* beats without trust after which learning begins anew */
#define LATE_S 0.03f     /* s: decisions fall due on decimated samples */
#define OWN_MIN -0.5f    /* the first lead's own score below which it does not show the complex */
#define FAINT -1.0f      /* own score below which the shape is not looked at: it cannot be a beat */

/* ------------------------------------------------------------------ scores and costs */

static void score(adaptive_state *a, int leads, uint32_t slot) {
    adaptive_candidate *c = &a->pending[slot];
    adaptive_lead *s = adaptive_leads(a);
    float gap = 0.0f, distrust = 0.0f;
    if (a->accepted) {
        float since = adaptive_seconds(a, a->last_at, c->at), over = since - K.gap_from * a->rr_ref;
        if (over > 0.0f) gap = K.gap_rate * over;
        if (since > K.distrust_after_s) distrust = 2.0f * (K.distrust_from - a->recent);
        distrust = distrust < 0.0f ? 0.0f : distrust > 1.0f ? 1.0f : distrust;
    }
    float total = 0.0f, sum = 0.0f, like = 0.0f, likes = 0.0f;
    c->height = c->share = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        float w = s->weight;
        if (!s->seeded) continue;
        if (s->faulty[slot]) { /* neither higher nor lower than the last beat */
            c->height += w * s->last_height;
            c->share += w * s->last_share;
            continue;
        }
        c->height += w * s->height[slot];
        c->share += w * s->share[slot];
        float own = s->height[slot] - adaptive_threshold(s, gap, distrust);
        if (own > K.cap) own = K.cap;
        if (s->models && own > FAINT) {
            int lag;
            if (s->like[slot] < -1.5f) s->like[slot] = adaptive_likeness(a, s, slot, &lag);
            own += K.like_cost * (s->like[slot] - K.like_from);
            like += w * s->like[slot];
            likes += w;
        }
        if (leads > 1 && own < -K.floor) own = -K.floor;
        s->own[slot] = own;
        sum += w * own;
        total += w;
    }
    c->score = total > 0.0f ? sum / total : FAINT;
    c->like = likes > 0.0f ? like / likes : 0.0f;
}

static float interval_cost(const adaptive_state *a, float rr) {
    float soft = 1.0f / (1.0f + K.soft * a->rr_var), cost = 0.0f;
    float shortest = K.short_from * a->rr_ref, longest = K.long_from * a->rr_ref;
    if (rr < shortest) cost += K.short_cost * soft * (shortest / rr - 1.0f);
    if (rr > longest) {
        float late = K.long_cost * soft * (rr / longest - 1.0f);
        cost += late < K.long_cap ? late : K.long_cap;
    }
    if (rr < K.refractory_s) cost += K.refractory_cost * (K.refractory_s / rr - 1.0f);
    return cost;
}

/* Of an interval that is still open: it will be at least so long. */
static float open_cost(const adaptive_state *a, int64_t from, int64_t now) {
    float open = adaptive_seconds(a, from, now);
    return open > a->rr_ref ? interval_cost(a, open) : 0.0f;
}

/* Cost of `c` being the beat after one of that height and share, `rr` seconds before. */
static float pair_cost(const adaptive_state *a, float height, float share, const adaptive_candidate *c,
                       float rr) {
    float cost = interval_cost(a, rr), fall = height - c->height + K.t_share * (share - c->share);
    if (rr < K.refractory_s && c->like > K.twin_like && fabsf(fall) < K.twin_drop) cost *= K.twin_share;
    if (rr < K.t_full_s + K.t_ramp_s) {
        float drop = fall - K.t_from;
        float ramp = 1.0f - (rr - K.t_full_s) / K.t_ramp_s;
        if (drop > 0.0f) cost += K.t_gain * (ramp < 1.0f ? ramp : 1.0f) * drop;
    }
    return cost;
}

/* ------------------------------------------------------------------ the best path */

/* Slot of the last candidate on it, -1 where none is best. */
static int path_end(adaptive_state *a, int leads) {
    int64_t now = adaptive_now(a);
    for (uint32_t i = a->solved; i != a->tail; i++) {
        adaptive_candidate *c = &a->pending[i % PENDING];
        score(a, leads, i % PENDING);
        float value = 0.0f;
        if (a->accepted)
            value = -pair_cost(a, a->last_height, a->last_share, c, adaptive_seconds(a, a->last_at, c->at));
        c->from = -1;
        for (uint32_t j = a->head; j != i; j++) {
            const adaptive_candidate *p = &a->pending[j % PENDING];
            if (p->value <= value) continue; /* costs only lower it */
            float v = p->value - pair_cost(a, p->height, p->share, c, adaptive_seconds(a, p->at, c->at));
            if (v > value) {
                value = v;
                c->from = (int32_t)(j % PENDING);
            }
        }
        c->value = value + c->score;
    }
    a->solved = a->tail;

    int end = -1;
    float best = a->accepted ? -open_cost(a, a->last_at, now) : 0.0f;
    for (uint32_t i = a->head; i != a->tail; i++) {
        const adaptive_candidate *c = &a->pending[i % PENDING];
        if (c->value <= best) continue;
        float value = c->value - open_cost(a, c->at, now);
        if (value > best) {
            best = value;
            end = (int)(i % PENDING);
        }
    }
    return end;
}

static int path_start(adaptive_state *a, int leads) {
    int slot = path_end(a, leads);
    while (slot >= 0 && a->pending[slot].from >= 0) slot = a->pending[slot].from;
    return slot;
}

/* ------------------------------------------------------------------ what becomes of candidates */

static void reject_first(adaptive_state *a, int leads) {
    adaptive_learn_rejected(a, leads, a->head % PENDING);
    a->head++;
    a->solved = a->head;
}

static void adaptive_report(ecg_detector *d, adaptive_state *a, uint32_t slot, int clear) {
    int leads = d->config.leads, lead = 0;
    const adaptive_lead *s = adaptive_leads(a);
    const adaptive_candidate *c = &a->pending[slot];
    int64_t sample = c->at * a->decimation + (a->decimation - 1) / 2;
    int64_t around = 2 * a->merge * a->decimation;
    uint32_t quality = ~0u;
    for (int l = 0; l < leads; l++) quality &= ecg_quality_between(d, l, sample - around, sample + around);
    if (!clear) quality |= ECG_QUALITY_DOUBTFUL;
    if (a->accepted < ADAPTIVE_LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    if (a->gap < K.noisy_gap || a->recent < K.distrust_from) quality |= ECG_QUALITY_NOISY;
    /* The first lead tells the R peak, unless it does not show the complex. */
    if (s[0].faulty[slot] || s[0].own[slot] < OWN_MIN)
        for (int l = 1; l < leads; l++)
            if (!s[l].faulty[slot] && s[l].own[slot] > s[lead].own[slot]) lead = l;
    ecg_detector_report(d, ecg_refine(d, lead, sample), expf(c->score), quality);
}

/* Learning anew took longer than a report may. What has the patient's shape and stands out from what
 * follows is one of the first beats after a bad stretch, and may take as long as those at the start. */
static int first_again(adaptive_state *a, int leads, uint32_t slot) {
    float after[PENDING];
    int n = 0;
    for (uint32_t i = a->head; i != a->tail; i++) after[n++] = a->pending[i % PENDING].height;
    const adaptive_candidate *c = &a->pending[slot];
    return n > 0 && adaptive_seconds(a, c->at, adaptive_now(a)) <= a->start_s + LATE_S
           && c->height > adaptive_quantile(after, n, 0.5f) + K.start_contrast && adaptive_familiar(a, leads, slot);
}

static void adaptive_accept(ecg_detector *d, adaptive_state *a, uint32_t slot, int clear) {
    int leads = d->config.leads;
    adaptive_lead *s = adaptive_leads(a);
    const adaptive_candidate *c = &a->pending[slot];
    float around[ECG_LEADS_MAX];
    for (int l = 0; l < leads; l++) around[l] = LOG_TINY;
    while (a->head % PENDING != slot) {
        uint32_t other = a->head % PENDING;
        if (adaptive_seconds(a, a->pending[other].at, c->at) < K.near_s)
            for (int l = 0; l < leads; l++)
                if (!s[l].faulty[other] && s[l].height[other] > around[l]) around[l] = s[l].height[other];
        reject_first(a, leads);
    }
    adaptive_learn_accepted(a, leads, slot, around);
    adaptive_trust_next(a, leads, c->like);
    if (a->accepted < ADAPTIVE_LEARNING_BEATS) a->accepted++;
    a->last_at = c->at;
    a->head++;
    a->solved = a->head;

    if (a->trust <= K.trust_from || a->gap <= K.trust_gap) {
        a->doubts += a->recent <= K.trust_from;
        return;
    }
    a->doubts = 0;
    if (!adaptive_believed(a, leads)) {
        if (a->probation > 0) a->probation--;
        return;
    }
    if (a->again && adaptive_seconds(a, c->at, adaptive_now(a)) > a->wait_s + LATE_S
        && !first_again(a, leads, slot))
        return;
    if (c->at <= a->last_reported) return;
    a->last_reported = c->at;
    adaptive_report(d, a, slot, clear);
}

static int is_clear(adaptive_state *a, int leads, const adaptive_candidate *c) {
    if (!a->accepted) return 0;
    const adaptive_lead *s = adaptive_leads(a);
    float rr = adaptive_seconds(a, a->last_at, c->at), level = 0.0f;
    for (int l = 0; l < leads; l++) level += s[l].weight * s[l].signal;
    return c->score > K.clear_score && c->like > K.clear_like && c->height > level - K.clear_drop
           && rr > K.clear_short * a->rr_ref && rr < K.clear_long * a->rr_ref;
}

static float wait_of(const adaptive_state *a) {
    float wait = K.wait_rr * a->rr_ref;
    if (wait < K.wait_min_s) wait = K.wait_min_s;
    return wait < a->wait_s ? wait : a->wait_s;
}

void adaptive_decide(ecg_detector *d, adaptive_state *a, int final) {
    int leads = d->config.leads, slot;
    int64_t now = adaptive_now(a), until_known = a->index - now; /* a wish for `now` in terms of index */
    a->wake = INT64_MAX;
    while ((slot = path_start(a, leads)) >= 0) {
        const adaptive_candidate *c = &a->pending[slot];
        int clear = is_clear(a, leads, c);
        int64_t due = c->at + (int64_t)(wait_of(a) * a->rate);
        if (!final && !clear && now < due) {
            a->wake = due + until_known;
            break;
        }
        adaptive_accept(d, a, (uint32_t)slot, clear);
        if (!final) { /* one beat at each decimated sample: the work at each is bounded */
            a->wake = a->index + 1;
            return;
        }
    }
    if (a->doubts >= DOUBTS && !final) {
        adaptive_forget(a, leads);
        a->again = 1;
        return;
    }
    int64_t expire = (int64_t)(a->expire_s * a->rate);
    while (a->head != a->tail && a->pending[a->head % PENDING].at + expire <= now) reject_first(a, leads);
    if (a->head != a->tail) {
        int64_t due = a->pending[a->head % PENDING].at + expire + until_known;
        if (due < a->wake) a->wake = due;
    }
}

/* How far the candidates of the path that ends at slot `end` stand out from those passed over, medians
 * of either: a heart is silent between beats, noise is not. */
static float contrast(const adaptive_state *a, int end) {
    float heights[2][PENDING];
    int counts[2] = {0, 0};
    for (uint32_t i = a->tail; i != a->head; i--) {
        int slot = (int)((i - 1) % PENDING), on = slot == end;
        if (on) end = a->pending[slot].from;
        heights[on][counts[on]++] = a->pending[slot].height;
    }
    if (!counts[1]) return 0.0f; /* no path: nothing stands out */
    if (!counts[0]) return K.trust_cap;
    return adaptive_quantile(heights[1], counts[1], 0.5f) - adaptive_quantile(heights[0], counts[0], 0.5f);
}

int adaptive_begin(adaptive_state *a, int leads) {
    adaptive_learn_first(a, leads);
    /* The best candidate of a path without shapes is the first shape; then once more with it. */
    int best = path_end(a, leads);
    for (int slot = best; slot >= 0; slot = a->pending[slot].from)
        if (a->pending[slot].score > a->pending[best].score) best = slot;
    if (best < 0) return 0;
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < leads; l++)
        if (s[l].seeded && !s[l].faulty[best]) adaptive_learn_shape(a, &s[l], (uint32_t)best);
    a->solved = a->head;

    float like = 0.0f, rr[PENDING], mean = 0.0f, var = 0.0f;
    int n = 0, others = 0;
    const int end = path_end(a, leads);
    for (int slot = end; slot >= 0; slot = a->pending[slot].from) {
        if (slot != best) {
            like += a->pending[slot].like;
            others++;
        }
        if (a->pending[slot].from >= 0) {
            rr[n] = adaptive_seconds(a, a->pending[a->pending[slot].from].at, a->pending[slot].at);
            mean += rr[n++];
        }
    }
    mean /= (float)(n > 0 ? n : 1);
    for (int i = 0; i < n; i++) var += fabsf(rr[i] / mean - 1.0f) / (float)n;
    adaptive_trust_first(a, leads, others > 0 ? like / (float)others : 0.5f, var, n + 1);
    if (!a->again && a->start_s < K.start_s) {
        /* A short max_delay leaves no time to judge: the beats that follow do. */
        if (a->trust < K.start_trust) a->trust = a->recent = K.start_trust;
        return 1;
    }
    const int alike = n > 1 && like > K.start_like * (float)others && var < K.start_var;
    return a->trust > K.start_trust && contrast(a, end) > (alike ? K.start_low : K.start_contrast);
}

/* A path leads back through earlier pending candidates, or following it would not end. */
static int path_valid(const adaptive_state *a, uint32_t i) {
    const int32_t from = a->pending[i % PENDING].from;
    if (from == -1) return 1;
    for (uint32_t j = a->head; j != i; j++)
        if (from == (int32_t)(j % PENDING)) return 1;
    return 0;
}

int adaptive_decision_valid(const adaptive_state *a) {
    if (!ecg_within(a->learning, 0, 1) || !ecg_within(a->started, 0, 1) || !ecg_within(a->again, 0, 1)
        || !ecg_within(a->learn_until, -1, a->index + (int64_t)(K.learn_s * a->rate) + 1)
        || a->tail - a->head > PENDING_MAX || a->solved - a->head > a->tail - a->head
        || !ecg_within(a->accepted, 0, ADAPTIVE_LEARNING_BEATS) || !ecg_within(a->last_at, 0, a->index)
        || !ecg_within(a->last_reported, 0, a->index) || !isfinite(a->last_height) || !isfinite(a->last_share)
        || !ecg_within(a->doubts, 0, DOUBTS + PENDING_MAX))
        return 0;
    for (int i = 0; i < PENDING; i++) {
        const adaptive_candidate *c = &a->pending[i];
        if (!ecg_within(c->at, 0, a->index) || !isfinite(c->height) || !isfinite(c->share) || !isfinite(c->like)
            || !isfinite(c->score) || !isfinite(c->value))
            return 0;
    }
    for (uint32_t i = a->head; i != a->tail; i++) {
        if (i != a->head && a->pending[i % PENDING].at <= a->pending[(i - 1) % PENDING].at) return 0;
        if (i - a->head < a->solved - a->head && !path_valid(a, i)) return 0;
    }
    return 1;
}
