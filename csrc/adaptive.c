/* Adaptive QRS detection: doubtful candidates wait for context. */
#include "four.h"
#include "internal.h"

struct constants {
    /* feature */
    float low_hz, high_hz, high_gain, hold_s, edge_s;
    /* levels */
    float mix, depth, cap, quantile, noise_quantile;
    float near_s;
    float gap_from, gap_rate;
    float start_s;
    /* shape */
    float like_cost, like_from, template_gain;
    /* RR context */
    float short_from, short_cost, long_from, long_cost, long_cap, soft;
    float refractory_s, refractory_cost;
    float t_gain, t_hf, t_from, t_full, t_ramp;
    /* when to decide */
    float clear_score, clear_short, clear_long, clear_like, clear_drop;
    float wait_rr, wait_min, wait_max;
    /* several leads */
    float w_from, w_power, w_cap;
    /* trust */
    float noisy_gap, start_trust, again_trust, trust_cap, trust_like, trust_var, trust_from, trust_rate, trust_gap;
    float distrust_after, distrust_from, steady_gain, steady_like;
    float floor;
    float loss_margin, loss_rate, loss_noise_rate, loss_floor, loss_power;
};

#ifdef ECG_TUNABLE
struct constants ecg_adaptive_constants
#define K ecg_adaptive_constants
#else
static const struct constants K
#endif
= {
    .low_hz = 11.0f, .high_hz = 18.0f, .high_gain = 2.0f, .hold_s = 0.095f, .edge_s = 0.05f,
    .mix = 0.53f, .depth = 1.8f, .cap = 2.0f, .quantile = 0.45f, .noise_quantile = 0.5f,
    .near_s = 0.28f,
    .gap_from = 1.8f, .gap_rate = 0.7f,
    .start_s = 2.15f,
    .like_cost = 0.3f, .like_from = 0.7f, .template_gain = 0.2f,
    .short_from = 0.8f, .short_cost = 0.5f, .long_from = 1.2f, .long_cost = 0.8f, .long_cap = 1.0f, .soft = 4.0f,
    .refractory_s = 0.33f, .refractory_cost = 2.0f,
    .t_gain = 1.3f, .t_hf = 0.5f, .t_from = 1.0f, .t_full = 0.36f, .t_ramp = 0.09f,
    .clear_score = 0.3f, .clear_short = 0.75f, .clear_long = 1.5f, .clear_like = 0.8f, .clear_drop = 0.5f,
    .wait_rr = 1.0f, .wait_min = 0.35f, .wait_max = 1.05f,
    .w_from = 0.0f, .w_power = 1.0f, .w_cap = 1.6f,
    .noisy_gap = 1.6f, .start_trust = 1.1f, .again_trust = 1.6f, .trust_cap = 2.0f, .trust_like = 1.5f, .trust_var = 0.5f, .trust_from = 1.0f, .trust_rate = 0.15f, .trust_gap = 0.25f,
    .distrust_after = 0.7f, .distrust_from = 1.5f, .steady_gain = 0.03f, .steady_like = 0.7f,
    .floor = 1.5f,
    .loss_margin = 0.3f, .loss_rate = 0.15f, .loss_noise_rate = 0.05f, .loss_floor = 0.3f, .loss_power = 1.0f,
};

#define FD_MIN 120.0 /* Hz */
#define HALF_MAX 24 /* taps on either side of the centre, a multiple of four */
#define LINE_MAX (4 * HALF_MAX + 8)
#define RECENT 128
#define PENDING 32
#define PENDING_MAX 24
#define SIGNALS 7
#define NOISES 16
#define LAG_MAX 5
#define SNIPPET_MAX 36
#define SHAPE_MAX (SNIPPET_MAX + 2 * LAG_MAX)
#define RRS 8
#define STEADY 8
#define DOUBTS 5
#define PROBATION 8
#define LEARNING_BEATS 8
#define EXPIRE_S 1.08f
#define SNIPPET_S 0.07
#define LAG_S 0.02
#define MERGE_S 0.05f
#define LOG_TINY -70.0f
#define LOG_HUGE 80.0f

typedef struct lead_state {
    float sum;
    float last, before;                 /* feature, one and two samples ago */
    float forward[LINE_MAX];            /* decimated samples twice over, oldest first */
    float backward[LINE_MAX];           /* the same, newest first */
    float wave[RECENT];
    float feature[RECENT];
    float high[RECENT];
    float log_height[PENDING];
    float share[PENDING];
    float like[PENDING];
    float shape[PENDING][SHAPE_MAX];
    uint8_t bad[PENDING];
    float first[PENDING];               /* heights while learning */
    int32_t first_count;
    float signals[SIGNALS], noises[NOISES];
    int32_t signal_count, noise_count;
    float log_signal, log_noise;
    int32_t noise_stale;
    float weight, scale;
    float own[PENDING];
    float missed, raised;               /* running loss over accepted and over rejected candidates */
    float last_height, last_share;
    float model[SNIPPET_MAX];           /* running template, zero mean, unit energy */
    float steady[SNIPPET_MAX];          /* the same, slowly, from trusted beats */
    float steady_signal, steady_noise;
    int32_t model_count;
} lead_state;

typedef struct candidate {
    int64_t at;
    float score, value, like;
    float height, share;
    int32_t from;
} candidate;

typedef struct adaptive_state {
    int32_t decimation, phase;
    int32_t taps, centre, line_at;
    int32_t low_half, high_half; /* taps on either side, filled up to fours */
    int32_t hold, merge, snippet, lag;
    float fd;
    int64_t index;           /* decimated samples taken */
    int64_t peak_at;         /* highest local maximum of late, -1 none */
    float peak;
    int64_t wake;
    int64_t start_at, learn_until;
    int32_t started, learning;
    int32_t flushed;
    int32_t edge;
    int64_t end;
    float wait_cap, expire;
    int64_t last_at;         /* of the last accepted */
    int32_t accepted, beats, again, doubts, probation;
    float trust, trust_gap, recent;
    int32_t trusted;
    float last_height, last_share;
    float rr_ref, rr_var;
    float rr[RRS];
    int32_t rr_count;
    uint32_t head, tail, solved;
    candidate pending[PENDING];
    float low_even[HALF_MAX], low_odd[HALF_MAX], high_even[HALF_MAX], high_odd[HALF_MAX];
    float low_centre, high_centre;
} adaptive_state;

static size_t lead_offset(void) { return ecg_round_up(sizeof(adaptive_state)); }

static size_t adaptive_size(const ecg_detector_config *config) {
    return lead_offset() + (size_t)config->leads * sizeof(lead_state);
}

static lead_state *leads_of(adaptive_state *a) {
    return (lead_state *)((char *)a + lead_offset());
}

/* Forgets levels, shapes and rhythm: at the start, and when what was learned is no ECG. */
static void begin_learning(adaptive_state *a, int leads) {
    a->learning = 1;
    a->started = 0;
    a->accepted = 0;
    a->beats = 0;
    a->start_at = -1;
    a->wake = INT64_MAX;
    a->rr_count = 0;
    a->rr_ref = 0.8f;
    a->rr_var = 0.5f;
    a->head = a->solved = a->tail;
    lead_state *s = leads_of(a);
    for (int l = 0; l < leads; l++, s++) {
        s->weight = 1.0f / (float)leads;
        s->scale = 1.0f;
        s->first_count = s->model_count = 0;
        s->missed = s->raised = 0.0f;
    }
}

static int design(double fd, double hz, double gain, float *even, float *odd, float *centre) {
    int half = (int)ceil(fd / hz) - 1; /* the triangle is zero from one period on */
    if (half > HALF_MAX) half = HALF_MAX;
    double sum = 0.0, dc = 0.0;
    for (int k = -half; k <= half; k++) {
        double w = 1.0 - fabs(k * hz / fd);
        sum += w;
        dc += w * cos(6.283185307179586 * hz * k / fd);
    }
    *centre = (float)(gain / sum * (1.0 - dc / sum));
    for (int k = 1; k <= half; k++) {
        double w = gain / sum * (1.0 - k * hz / fd);
        even[k - 1] = (float)(w * (cos(6.283185307179586 * hz * k / fd) - dc / sum));
        odd[k - 1] = (float)(w * sin(6.283185307179586 * hz * k / fd));
    }
    return half;
}

static void adaptive_init(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    double fs = d->config.fs;
    a->decimation = (int32_t)floor(fs / FD_MIN);
    if (a->decimation < 1) a->decimation = 1;
    double fd = fs / a->decimation;
    a->fd = (float)fd;
    a->low_half = design(fd, K.low_hz, 1.0, a->low_even, a->low_odd, &a->low_centre);
    a->high_half = design(fd, K.high_hz, K.high_gain, a->high_even, a->high_odd, &a->high_centre);
    a->centre = a->low_half;
    a->taps = 2 * a->centre + 1;
    a->low_half = (a->low_half + 3) / 4 * 4;
    a->high_half = (a->high_half + 3) / 4 * 4;
    a->hold = (int32_t)ceil(K.hold_s * fd);
    a->edge = (int32_t)ceil(K.edge_s * fd);
    a->merge = (int32_t)floor(MERGE_S * fd + 0.5);
    a->snippet = 2 * (int32_t)floor(SNIPPET_S * fd + 0.5) + 1;
    if (a->snippet > SNIPPET_MAX) a->snippet = SNIPPET_MAX - 1;
    a->lag = (int32_t)floor(LAG_S * fd + 0.5);
    if (a->lag > LAG_MAX) a->lag = LAG_MAX;
    a->peak_at = -1;
    a->wait_cap = d->config.max_delay > 0.0 ? (float)d->config.max_delay - 0.265f : 1e9f;
    a->expire = EXPIRE_S < a->wait_cap ? EXPIRE_S : a->wait_cap;
    begin_learning(a, d->config.leads);
}

static float filter(const adaptive_state *a, lead_state *s, float x, float *high) {
    int at = a->line_at, taps = a->taps, centre = a->centre;
    s->forward[at] = s->forward[at + taps] = x;
    s->backward[taps - 1 - at] = s->backward[2 * taps - 1 - at] = x;
    const float *newer = s->forward + at + 1 + centre, *older = s->backward + taps - 1 - at + centre;
    float middle = newer[0];
    newer++, older++;
    four zero = {0}, low_even = zero, low_odd = zero, high_even = zero, high_odd = zero;
    int k = 0;
    for (; k < a->high_half; k += 4) {
        four n = four_load(newer + k), o = four_load(older + k), even = four_add(n, o), odd = four_sub(n, o);
        low_even = four_add(low_even, four_mul(even, four_load(a->low_even + k)));
        low_odd = four_add(low_odd, four_mul(odd, four_load(a->low_odd + k)));
        high_even = four_add(high_even, four_mul(even, four_load(a->high_even + k)));
        high_odd = four_add(high_odd, four_mul(odd, four_load(a->high_odd + k)));
    }
    for (; k < a->low_half; k += 4) {
        four n = four_load(newer + k), o = four_load(older + k);
        low_even = four_add(low_even, four_mul(four_add(n, o), four_load(a->low_even + k)));
        low_odd = four_add(low_odd, four_mul(four_sub(n, o), four_load(a->low_odd + k)));
    }
    float e = four_sum(low_even) + a->low_centre * middle, o = four_sum(low_odd);
    float f = four_sum(high_even) + a->high_centre * middle, p = four_sum(high_odd);
    *high = f * f + p * p;
    return e * e + o * o + *high;
}

static void sort(float *v, int n) {
    for (int i = 1; i < n; i++) {
        float x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

static float quantile(const float *values, int n, float q) {
    float v[NOISES];
    for (int i = 0; i < n; i++) v[i] = values[i];
    sort(v, n);
    float p = q * (float)(n - 1);
    int k = (int)p;
    if (k >= n - 1) return v[n - 1];
    return v[k] + (p - (float)k) * (v[k + 1] - v[k]);
}

static void learn_signal(lead_state *s, float log_height) {
    s->signals[s->signal_count++ % SIGNALS] = log_height;
    if (s->signal_count >= 2 * SIGNALS) s->signal_count -= SIGNALS;
    s->log_signal = quantile(s->signals, s->signal_count < SIGNALS ? s->signal_count : SIGNALS, K.quantile);
}

static void learn_noise(lead_state *s, float log_height) {
    s->noises[s->noise_count++ % NOISES] = log_height;
    if (s->noise_count >= 2 * NOISES) s->noise_count -= NOISES;
    s->noise_stale = 1;
}

static void refresh_noise(lead_state *s) {
    if (!s->noise_stale) return;
    s->noise_stale = 0;
    s->log_noise = quantile(s->noises, s->noise_count < NOISES ? s->noise_count : NOISES, K.noise_quantile);
}

static void weigh(adaptive_state *a, int leads) {
    lead_state *s = leads_of(a);
    if (leads == 1) return;
    float total = 0.0f;
    for (int l = 0; l < leads; l++) {
        refresh_noise(&s[l]);
        float q = s[l].log_signal - s[l].log_noise - K.w_from;
        if (q < 0.05f) q = 0.05f;
        if (q > K.w_cap) q = K.w_cap;
        s[l].weight = powf(q, K.w_power) * powf(K.loss_floor + s[l].missed + s[l].raised, -K.loss_power);
        total += s[l].weight;
    }
    for (int l = 0; l < leads; l++) {
        s[l].weight /= total;
        s[l].scale = s[l].weight * expf(-2.0f * s[l].log_signal);
    }
}

static float level_gap(adaptive_state *a, int leads);

static float likeness_trust(float like) {
    return K.trust_like * (like > 0.1f ? like - 0.5f : -0.4f);
}

/* ---- decision */

static float seconds(const adaptive_state *a, int64_t from, int64_t to) {
    return (float)(to - from) / a->fd;
}

static float rr_cost(const adaptive_state *a, float rr) {
    float soft = 1.0f / (1.0f + K.soft * a->rr_var), cost = 0.0f;
    float shortest = K.short_from * a->rr_ref, longest = K.long_from * a->rr_ref;
    if (rr < shortest) cost += K.short_cost * soft * (shortest / rr - 1.0f);
    if (rr > longest) {
        float c = K.long_cost * soft * (rr / longest - 1.0f);
        cost += c < K.long_cap ? c : K.long_cap;
    }
    if (rr < K.refractory_s) cost += K.refractory_cost * (K.refractory_s / rr - 1.0f);
    return cost;
}

static float pair_cost(const adaptive_state *a, float height, float share, const candidate *c, float rr) {
    float cost = rr_cost(a, rr);
    if (rr < K.t_full + K.t_ramp) {
        float drop = height - c->height + K.t_hf * (share - c->share) - K.t_from;
        float ramp = 1.0f - (rr - K.t_full) / K.t_ramp;
        if (ramp > 1.0f) ramp = 1.0f;
        if (drop > 0.0f) cost += K.t_gain * ramp * drop;
    }
    return cost;
}

static float likeness(const adaptive_state *a, const lead_state *s, uint32_t slot, int *best_lag) {
    const float *shape = s->shape[slot];
    int n = a->snippet;
    float best = -1.0f;
    for (int lag = 0; lag <= 2 * a->lag; lag++) {
        float sum = 0.0f, energy = 0.0f, dot = 0.0f, steady = 0.0f;
        for (int k = 0; k < n; k++) {
            float w = shape[lag + k];
            sum += w;
            energy += w * w;
            dot += w * s->model[k];
            steady += w * s->steady[k];
        }
        if (steady > dot && a->recent < K.distrust_from) dot = steady;
        energy -= sum * sum / (float)n;
        if (energy > 0.0f) {
            dot /= sqrtf(energy);
            if (dot > best) {
                best = dot;
                *best_lag = lag;
            }
        }
    }
    return best;
}

static float level_between(float signal, float noise) {
    float depth = (1.0f - K.mix) * (signal - noise);
    return signal - (depth < K.depth ? depth : K.depth);
}

static void score_candidate(adaptive_state *a, int leads, uint32_t slot) {
    lead_state *s = leads_of(a);
    candidate *c = &a->pending[slot];
    float gap = 0.0f, fall = 0.0f, total = 0.0f, score = 0.0f, like = 0.0f, likes = 0.0f;
    if (a->accepted) {
        float since = seconds(a, a->last_at, c->at), over = since - K.gap_from * a->rr_ref;
        if (over > 0.0f) gap = K.gap_rate * over;
        float distrust = 2.0f * (K.distrust_from - a->recent);
        if (distrust > 0.0f && since > K.distrust_after)
            fall = distrust < 1.0f ? distrust : 1.0f;
    }
    c->height = c->share = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        float w = s->weight;
        c->height += w * s->log_height[slot];
        c->share += w * s->share[slot];
        if (s->bad[slot]) continue;
        refresh_noise(s);
        float threshold = level_between(s->log_signal - gap, s->log_noise);
        float steady = level_between(s->steady_signal - gap, s->steady_noise);
        if (threshold > steady) threshold -= fall * (threshold - steady);
        float e = s->log_height[slot] - threshold;
        if (e > K.cap) e = K.cap;
        if (s->model_count && e > -1.0f) {
            int lag;
            if (s->like[slot] < -1.5f) s->like[slot] = likeness(a, s, slot, &lag);
            e += K.like_cost * (s->like[slot] - K.like_from);
            like += w * s->like[slot];
            likes += w;
        }
        if (leads > 1 && e < -K.floor) e = -K.floor;
        s->own[slot] = e;
        score += w * e;
        total += w;
    }
    c->score = total > 0.0f ? score / total : -1.0f;
    c->like = likes > 0.0f ? like / likes : 0.0f;
}

/* Fills values of all pending candidates; returns the slot of the first accepted one of the best path, -1 none. */
static int best_path_end(adaptive_state *a, int leads, int64_t now) {
    float best = 0.0f;
    int end = -1;
    if (a->accepted) best = -rr_cost(a, seconds(a, a->last_at, now));
    for (uint32_t i = a->solved; i != a->tail; i++) {
        candidate *c = &a->pending[i % PENDING];
        score_candidate(a, leads, i % PENDING);
        float value = a->accepted ? -pair_cost(a, a->last_height, a->last_share, c, seconds(a, a->last_at, c->at)) : 0.0f;
        int from = -1;
        for (uint32_t j = a->head; j != i; j++) {
            candidate *p = &a->pending[j % PENDING];
            if (p->value < value) continue;
            float v = p->value - pair_cost(a, p->height, p->share, c, seconds(a, p->at, c->at));
            if (v > value) { value = v; from = (int)(j % PENDING); }
        }
        c->value = value + c->score;
        c->from = from;
    }
    a->solved = a->tail;
    for (uint32_t i = a->head; i != a->tail; i++) {
        candidate *c = &a->pending[i % PENDING];
        if (c->value <= best) continue;
        float open = seconds(a, c->at, now);
        float total = c->value - (open > a->rr_ref ? rr_cost(a, open) : 0.0f);
        if (total > best) { best = total; end = (int)(i % PENDING); }
    }
    return end;
}

static int best_path(adaptive_state *a, int leads, int64_t now) {
    int end = best_path_end(a, leads, now);
    while (end >= 0 && a->pending[end].from >= 0) end = a->pending[end].from;
    return end;
}

static void reject_first(adaptive_state *a, int leads) {
    lead_state *s = leads_of(a);
    uint32_t slot = a->head % PENDING;
    float after = a->accepted ? seconds(a, a->last_at, a->pending[slot].at) : 9.0f;
    for (int l = 0; l < leads; l++) {
        if (s[l].bad[slot]) continue;
        learn_noise(&s[l], s[l].log_height[slot]);
        float loss = s[l].own[slot] + K.loss_margin;
        s[l].raised += K.loss_noise_rate * ((loss > 0.0f ? loss : 0.0f) - s[l].raised);
        if (after < K.near_s && s[l].signal_count > 0) {
            float *v = &s[l].signals[(s[l].signal_count - 1) % SIGNALS];
            if (s[l].log_height[slot] > *v) *v = s[l].log_height[slot];
        }
    }
    a->head++;
    a->solved = a->head;
}

static void learn_rr(adaptive_state *a, float rr) {
    a->rr[a->rr_count++ % RRS] = rr;
    if (a->rr_count >= 2 * RRS) a->rr_count -= RRS;
    int n = a->rr_count < RRS ? a->rr_count : RRS;
    a->rr_ref = quantile(a->rr, n, 0.5f);
    if (a->rr_ref < 0.2f) a->rr_ref = 0.2f;
    if (a->rr_ref > 2.0f) a->rr_ref = 2.0f;
    float var = 0.0f;
    for (int i = 0; i < n; i++) {
        float r = fabsf(a->rr[i] / a->rr_ref - 1.0f);
        var += r < 1.0f ? r : 1.0f;
    }
    a->rr_var = var / (float)n;
}

static void learn_shape(const adaptive_state *a, lead_state *s, uint32_t slot) {
    int n = a->snippet, lag = a->lag;
    if (s->model_count) likeness(a, s, slot, &lag);
    const float *shape = s->shape[slot] + lag;
    float mean = 0.0f, energy = 0.0f, w[SNIPPET_MAX];
    for (int k = 0; k < n; k++) mean += shape[k];
    mean /= (float)n;
    for (int k = 0; k < n; k++) {
        w[k] = shape[k] - mean;
        energy += w[k] * w[k];
    }
    if (!(energy > 0.0f)) return;
    float gain = (s->model_count ? K.template_gain : 1.0f) / sqrtf(energy), keep = s->model_count ? 1.0f - K.template_gain : 0.0f;
    energy = 0.0f;
    for (int k = 0; k < n; k++) {
        s->model[k] = keep * s->model[k] + gain * w[k];
        energy += s->model[k] * s->model[k];
    }
    energy = energy > 0.0f ? 1.0f / sqrtf(energy) : 0.0f;
    for (int k = 0; k < n; k++) s->model[k] *= energy;
    if (s->model_count < STEADY) {
        memcpy(s->steady, s->model, sizeof s->steady);
        s->steady_signal = s->log_signal;
        s->steady_noise = s->log_noise;
        s->model_count++;
    } else if (a->trust > K.trust_from && a->recent > K.distrust_from && s->like[slot] > K.steady_like) {
        energy = 0.0f;
        for (int k = 0; k < n; k++) {
            s->steady[k] += K.steady_gain * (s->model[k] - s->steady[k]);
            energy += s->steady[k] * s->steady[k];
        }
        energy = energy > 0.0f ? 1.0f / sqrtf(energy) : 0.0f;
        for (int k = 0; k < n; k++) s->steady[k] *= energy;
        s->steady_signal += K.steady_gain * (s->log_signal - s->steady_signal);
        s->steady_noise += K.steady_gain * (s->log_noise - s->steady_noise);
    }
}

static void commit(ecg_detector *d, adaptive_state *a, int slot, int clear) {
    int leads = d->config.leads;
    candidate *c = &a->pending[slot];
    lead_state *s = leads_of(a);
    float before[ECG_LEADS_MAX];
    for (int l = 0; l < leads; l++) before[l] = LOG_TINY;
    float strength = expf(c->score);
    while (a->head % PENDING != (uint32_t)slot) {
        uint32_t h = a->head % PENDING;
        if (seconds(a, a->pending[h].at, c->at) < K.near_s)
            for (int l = 0; l < leads; l++)
                if (!s[l].bad[h] && s[l].log_height[h] > before[l]) before[l] = s[l].log_height[h];
        reject_first(a, leads);
    }
    a->last_height = a->last_share = 0.0f;
    for (int l = 0; l < leads; l++) {
        if (!s[l].bad[slot]) {
            learn_signal(&s[l], s[l].log_height[slot] > before[l] ? s[l].log_height[slot] : before[l]);
            learn_shape(a, &s[l], (uint32_t)slot);
            float loss = K.loss_margin - s[l].own[slot];
            s[l].missed += K.loss_rate * ((loss > 0.0f ? loss : 0.0f) - s[l].missed);
        }
        s[l].last_height = s[l].log_height[slot];
        s[l].last_share = s[l].share[slot];
    }
    if (!a->learning) weigh(a, leads);
    for (int l = 0; l < leads; l++) {
        a->last_height += s[l].weight * s[l].last_height;
        a->last_share += s[l].weight * s[l].last_share;
    }
    if (a->accepted) learn_rr(a, seconds(a, a->last_at, c->at));
    float gap = level_gap(a, leads), t;
    t = gap - K.trust_var * a->rr_var + (a->accepted ? likeness_trust(c->like) : 0.0f);
    float rate = 1.0f / (float)(1 + a->trusted);
    if (rate < K.trust_rate) rate = K.trust_rate;
    else a->trusted++;
    a->trust += rate * (t - a->trust);
    a->recent += (rate > 0.35f ? rate : 0.35f) * (t - a->recent);
    a->trust_gap += rate * (gap - a->trust_gap);
    a->accepted = 1;
    a->last_at = c->at;
    a->head++;
    a->solved = a->head;
    int64_t raw = c->at * a->decimation + (a->decimation - 1) / 2;
    if (a->beats < LEARNING_BEATS) a->beats++;
    if (a->trust <= K.trust_from || a->trust_gap <= K.trust_gap) {
        if (a->recent <= K.trust_from) a->doubts++;
        return;
    }
    a->doubts = 0;
    if (a->probation > 0 && a->trust < K.again_trust) {
        a->probation--;
        return;
    }
    if (a->again && seconds(a, a->last_at, a->index - a->centre - a->hold) > a->expire + 0.03f) return; /* too late to tell */
    uint32_t quality = clear ? 0u : ECG_QUALITY_DOUBTFUL, faults = ~0u;
    int64_t around = a->merge * 2 * a->decimation;
    for (int l = 0; l < leads; l++) faults &= ecg_quality_between(d, l, raw - around, raw + around);
    if (a->beats < LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    if (a->trust_gap < K.noisy_gap || a->recent < K.distrust_from) quality |= ECG_QUALITY_NOISY;
    /* The first lead tells the R peak, unless it does not show the complex. */
    int lead = 0;
    if (s[0].bad[slot] || s[0].own[slot] < -0.5f)
        for (int l = 1; l < leads; l++)
            if (!s[l].bad[slot] && s[l].own[slot] > s[lead].own[slot]) lead = l;
    ecg_detector_report(d, ecg_refine(d, lead, raw), strength, quality | faults);
}

static void decide(ecg_detector *d, adaptive_state *a, int final) {
    int leads = d->config.leads;
    int64_t now = a->index - 1 - a->centre - a->hold;
    lead_state *s = leads_of(a);
    a->wake = INT64_MAX;
    while (a->head != a->tail) {
        int slot = best_path(a, leads, now);
        if (slot < 0) break;
        candidate *c = &a->pending[slot];
        float rr = a->accepted ? seconds(a, a->last_at, c->at) : 0.0f;
        float level = 0.0f;
        for (int l = 0; l < leads; l++) level += s[l].weight * s[l].log_signal;
        int clear = c->score > K.clear_score && a->accepted && rr > K.clear_short * a->rr_ref && rr < K.clear_long * a->rr_ref
                    && c->like > K.clear_like && c->height > level - K.clear_drop;
        float wait = K.wait_rr * a->rr_ref;
        if (wait < K.wait_min) wait = K.wait_min;
        if (wait > K.wait_max) wait = K.wait_max;
        if (wait > a->wait_cap) wait = a->wait_cap;
        int64_t due = c->at + (int64_t)(wait * a->fd);
        if (!final && !clear && now < due) {
            a->wake = due + a->centre + a->hold + 1;
            break;
        }
        commit(d, a, slot, clear);
    }
    if (a->doubts >= DOUBTS && !final) {
        begin_learning(a, leads);
        a->again = 1;
        a->doubts = 0;
        return;
    }
    int64_t expire = (int64_t)(a->expire * a->fd);
    while (a->head != a->tail && a->pending[a->head % PENDING].at + expire <= now) reject_first(a, leads);
    if (a->head != a->tail && !final) {
        int64_t due = a->pending[a->head % PENDING].at + expire + a->centre + a->hold + 1;
        if (due < a->wake) a->wake = due;
    }
}

/* Levels from the heights of the first candidates: the split with the largest variance between. */
static void split_levels(lead_state *s) {
    float v[PENDING];
    int n = s->first_count;
    if (n < 1) return;
    for (int i = 0; i < n; i++) v[i] = s->first[i];
    sort(v, n);
    float total = 0.0f, low = 0.0f, best = -1.0f;
    if (n > 2 && v[n - 1] > v[n - 2] + 0.7f) v[n - 1] = v[n - 2] + 0.7f;
    for (int i = 0; i < n; i++) {
        if (v[i] < v[n - 1] - 3.0f) v[i] = v[n - 1] - 3.0f;
        total += v[i];
    }
    int split = n - 1;
    for (int i = 1; i < n; i++) {
        low += v[i - 1];
        float m = (total - low) / (float)(n - i) - low / (float)i;
        float between = m * m * (float)i * (float)(n - i);
        if (between > best) { best = between; split = i; }
    }
    s->log_signal = v[split + (n - 1 - split) / 2];
    s->log_noise = split > 0 ? v[(split - 1) / 2] : v[0] - 1.0f;
}

static void learn_levels(adaptive_state *a, int leads) {
    lead_state *s = leads_of(a);
    for (int l = 0; l < leads; l++) {
        split_levels(&s[l]);
        for (int i = 0; i < 3; i++) s[l].signals[i] = s[l].log_signal;
        for (int i = 0; i < 4; i++) s[l].noises[i] = s[l].log_noise;
        s[l].signal_count = 3;
        s[l].noise_count = 4;
        s[l].noise_stale = 0;
    }
    weigh(a, leads);
    a->solved = a->head;
}

/* How far the levels are apart, over all leads. */
static float level_gap(adaptive_state *a, int leads) {
    lead_state *s = leads_of(a);
    float gap = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        refresh_noise(s);
        float g = s->log_signal - s->log_noise;
        gap += s->weight * (g < K.trust_cap ? g : K.trust_cap);
    }
    return gap;
}

/* Decides in retrospect what the first seconds hold: levels, model, and whether it is an ECG. */
static int begin(adaptive_state *a, int leads, int64_t now) {
    lead_state *s = leads_of(a);
    learn_levels(a, leads);
    int end = best_path_end(a, leads, now), best = end, n = 0;
    for (int slot = end; slot >= 0; slot = a->pending[slot].from)
        if (a->pending[slot].score > a->pending[best].score) best = slot;
    if (best < 0) return 0;
    for (int l = 0; l < leads; l++)
        if (!s[l].bad[best]) learn_shape(a, &s[l], (uint32_t)best);
    a->solved = a->head;
    end = best_path_end(a, leads, now);
    float like = 0.0f, rr[PENDING], mean = 0.0f, var = 0.0f;
    for (int slot = end; slot >= 0; slot = a->pending[slot].from) {
        if (slot != best) like += a->pending[slot].like;
        if (a->pending[slot].from >= 0) {
            rr[n] = seconds(a, a->pending[a->pending[slot].from].at, a->pending[slot].at);
            mean += rr[n++];
        }
    }
    mean /= (float)(n > 0 ? n : 1);
    for (int i = 0; i < n; i++) var += fabsf(rr[i] / mean - 1.0f) / (float)n;
    a->trust_gap = level_gap(a, leads);
    a->trust = a->trust_gap - K.trust_var * var + (n > 0 ? likeness_trust(like / (float)n) : 0.0f);
    a->recent = a->trust;
    a->trusted = n;
    /* A short max_delay leaves no time to judge: the beats that follow do. */
    if (!a->again && a->wait_cap < K.start_s) {
        if (a->trust < K.start_trust) a->trust = a->recent = K.start_trust;
        return 1;
    }
    a->probation = a->again && a->trust < K.again_trust ? PROBATION : 0;
    return a->trust > K.start_trust;
}

/* ---- candidates */

/* Share of samples around decimated index `at` at which the lead was missing or flat. */
static float faulty(ecg_detector *d, const adaptive_state *a, int lead, int64_t at) {
    const uint8_t *flags = ecg_flags(d, lead);
    int64_t first = (at - a->merge) * a->decimation, last = (at + a->merge + 1) * a->decimation;
    int32_t count = 0;
    if (first < 0) first = 0;
    for (int64_t i = first; i < last; i++)
        count += (flags[(uint32_t)i & d->ring_mask] & (ECG_QUALITY_GAP | ECG_QUALITY_FLAT)) != 0;
    return (float)count / (float)(last - first);
}

static void emit(ecg_detector *d, adaptive_state *a) {
    int leads = d->config.leads;
    if (a->tail - a->head >= PENDING_MAX) reject_first(a, leads);
    uint32_t slot = a->tail % PENDING;
    candidate *c = &a->pending[slot];
    lead_state *s = leads_of(a);
    c->at = a->peak_at;
    int good = 0;
    int before = a->snippet / 2 + a->lag, n = a->snippet + 2 * a->lag;
    for (int l = 0; l < leads; l++, s++) {
        int64_t at = c->at;
        float h = s->feature[(uint32_t)at % RECENT];
        if (leads > 1)
            for (int64_t k = c->at - a->merge; k <= c->at + a->merge; k++)
                if (k >= 0 && s->feature[(uint32_t)k % RECENT] > h) h = s->feature[(uint32_t)k % RECENT], at = k;
        float g = s->high[(uint32_t)at % RECENT];
        s->bad[slot] = faulty(d, a, l, c->at) > 0.25f;
        good += !s->bad[slot];
        s->log_height[slot] = LOG_TINY;
        s->share[slot] = 0.0f;
        if (h > 0.0f) {
            float e = 0.5f * logf(h);
            s->log_height[slot] = e > LOG_HUGE ? LOG_HUGE : e > LOG_TINY ? e : LOG_TINY;
            if (h > g && g > 0.0f) s->share[slot] = 0.5f * logf(g / (h - g));
        }
        s->like[slot] = -2.0f;
        s->own[slot] = -1.0f;
        for (int k = 0; k < n; k++) s->shape[slot][k] = s->wave[(uint32_t)(at - before + k) % RECENT];
        if (a->learning && c->at >= a->edge && s->first_count < PENDING && !s->bad[slot]) s->first[s->first_count++] = s->log_height[slot];
    }
    /* A complex cut by either end of the recording shows neither its shape nor its R peak. */
    if (c->at < a->edge || (a->flushed && c->at >= a->end - a->edge)) good = 0;
    if (!good) return;
    a->tail++;
    if (a->start_at < 0) {
        a->start_at = a->index;
        a->learn_until = a->index + (int64_t)(K.start_s * a->fd);
        float wait = a->wait_cap < K.start_s && !a->again ? a->wait_cap : K.start_s;
        a->wake = a->index + (int64_t)(wait * a->fd);
    }
}

static void step(ecg_detector *d, adaptive_state *a) {
    lead_state *s = leads_of(a);
    int leads = d->config.leads;
    int64_t centre = a->index - a->centre; /* of the filters */
    uint32_t slot = (uint32_t)centre % RECENT;
    for (int l = 0; l < leads; l++, s++) {
        float x = s->sum;
        s->sum = 0.0f;
        s->wave[(uint32_t)a->index % RECENT] = x;
        float f = filter(a, s, x, &s->high[slot]);
        s->feature[slot] = f;
        if (s->last > s->before && s->last >= f) {
            float height = s->last * s->scale;
            if ((a->peak_at < 0 || height > a->peak) && centre > 0) {
                a->peak = height;
                a->peak_at = centre - 1;
            }
        }
        s->before = s->last;
        s->last = f;
    }
    if (++a->line_at >= a->taps) a->line_at = 0;
    a->index++;
    if (a->peak_at >= 0 && centre - a->peak_at >= a->hold) {
        emit(d, a);
        a->peak_at = -1;
        if (a->learning && a->started) learn_levels(a, leads);
        if (a->started) decide(d, a, 0);
    }
    if (a->index >= a->wake) {
        int64_t now = a->index - 1 - a->centre - a->hold;
        if (!a->started && !begin(a, leads, now)) {
            begin_learning(a, leads);
            a->again = 1;
        } else {
            a->started = 1;
            decide(d, a, 0);
        }
    }
    if (a->learning && a->start_at >= 0 && a->index > a->learn_until) a->learning = 0;
}

static size_t process_leads(ecg_detector *d, adaptive_state *a, const float *samples, size_t n) {
    lead_state *s = leads_of(a);
    int leads = d->config.leads;
    float clean[ECG_LEADS_MAX];
    for (size_t i = 0; i < n; i++) {
        ecg_detector_take(d, samples + i * (size_t)leads, clean);
        for (int l = 0; l < leads; l++) s[l].sum += clean[l];
        if (++a->phase < a->decimation) continue;
        a->phase = 0;
        step(d, a);
        if (ecg_queue_filled(d)) return i + 1;
    }
    return n;
}

/* The same for one lead, its front end kept in registers. */
static size_t process_one(ecg_detector *d, adaptive_state *a, const float *samples, size_t n) {
    lead_state *s = leads_of(a);
    ecg_lead lead = ecg_leads(d)[0];
    float *ring = ecg_ring(d, 0);
    uint8_t *flags = ecg_flags(d, 0);
    uint32_t mask = d->ring_mask;
    size_t i = 0;
    while (i < n && !ecg_queue_filled(d)) {
        size_t i0 = i, left = (size_t)(a->decimation - a->phase), stop = n - i < left ? n : i + left;
        a->phase += (int32_t)(stop - i);
        float sum = s->sum;
        for (uint32_t at = (uint32_t)d->count; i < stop; i++, at++) {
            float clean;
            flags[at & mask] = (uint8_t)ecg_lead_step(&lead, samples[i], &clean);
            ring[at & mask] = clean;
            sum += clean;
        }
        d->count += (int64_t)(stop - i0);
        s->sum = sum;
        if (a->phase == a->decimation) {
            a->phase = 0;
            step(d, a);
        }
    }
    ecg_leads(d)[0] = lead;
    return i;
}

static size_t adaptive_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    adaptive_state *a = state;
    return d->config.leads == 1 ? process_one(d, a, samples, n) : process_leads(d, a, samples, n);
}

static void adaptive_flush(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    lead_state *s = leads_of(a);
    int leads = d->config.leads;
    if (!a->flushed) {
        a->flushed = 1;
        a->end = a->index;
        int n = a->centre + a->hold + a->snippet;
        for (int k = 0; k < n; k++) {
            for (int l = 0; l < leads; l++)
                s[l].sum += (float)(a->decimation - a->phase) * ecg_leads(d)[l].last;
            a->phase = 0;
            step(d, a);
        }
        if (a->start_at < 0) return;
        if (!a->started && !begin(a, leads, a->index - 1 - a->centre - a->hold)) return;
        a->started = 1;
    }
    if (a->started && !ecg_queue_filled(d)) decide(d, a, 1);
}

static int64_t adaptive_delay(const ecg_detector *d, const void *state) {
    (void)state;
    return (int64_t)ceil(1.4 * d->config.fs);
}

const ecg_method_ops ecg_adaptive_ops = {adaptive_size, adaptive_init, adaptive_process, adaptive_flush, adaptive_delay};
