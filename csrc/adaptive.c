/* Adaptive QRS detection: doubtful candidates wait for context. */
#include "internal.h"

#ifdef ECG_TUNABLE
#define CONSTANTS struct constants ecg_adaptive_constants
#else
#define CONSTANTS static const struct constants
#endif

struct constants {
    float low_hz, high_hz, high_gain, hold_s;
    float mix, cap, quantile;
    float clear_score, clear_short, clear_long, clear_like;
    float short_from, short_cost, long_from, long_cost, long_cap, soft;
    float refractory_s, refractory_cost;
    float like_cost, like_from, template_gain;
    float gap_from, gap_rate;
    float wait_rr, wait_min, wait_max;
    float start_s;
    float first_score;
    float t_gain, t_hf, t_from, t_full, t_until;
    float near_s;
    float clear_drop;
};

CONSTANTS
#ifndef ECG_TUNABLE
K
#endif
= {
    .low_hz = 10.0f, .high_hz = 18.0f, .high_gain = 1.0f, .hold_s = 0.095f,
    .mix = 0.55f, .cap = 2.0f, .quantile = 0.45f,
    .clear_score = 0.3f, .clear_short = 0.75f, .clear_long = 1.5f, .clear_like = 0.8f,
    .short_from = 0.85f, .short_cost = 0.5f, .long_from = 1.3f, .long_cost = 0.5f, .long_cap = 1.0f, .soft = 4.0f,
    .refractory_s = 0.30f, .refractory_cost = 2.0f,
    .like_cost = 0.3f, .like_from = 0.7f, .template_gain = 0.2f,
    .gap_from = 1.8f, .gap_rate = 0.7f,
    .wait_rr = 1.0f, .wait_min = 0.35f, .wait_max = 1.1f,
    .start_s = 2.3f,
    .first_score = 0.0f,
    .t_gain = 2.0f, .t_hf = 0.5f, .t_from = 1.0f, .t_full = 0.36f, .t_until = 0.5f,
    .near_s = 0.28f,
    .clear_drop = 0.5f,
};
#ifdef ECG_TUNABLE
#define K ecg_adaptive_constants
#endif

#define TAPS_MAX 56
#define RECENT 256      /* decimated samples kept per lead */
#define PENDING 32
#define PENDING_MAX 24
#define SIGNALS 7
#define NOISES 16
#define SNIPPET_MAX 40
#define RRS 8

typedef struct lead_state {
    float sum;
    float f1, f2;
    float line[2 * TAPS_MAX];
    float wave[RECENT];
    float feature[RECENT];
    float high[RECENT];
    float log_height[PENDING];
    float likeness[PENDING];
    float signals[SIGNALS], noises[NOISES];
    int32_t signal_count, noise_count;
    float log_signal, log_noise;
    float template_[SNIPPET_MAX];
    int32_t template_count;
} lead_state;

typedef struct candidate {
    int64_t at;
    float score, value, like;
    float height, share; /* logs */
    float drop; /* of height below signal level */
    int32_t from;
} candidate;

typedef struct adaptive_state {
    int32_t decimation, phase;
    int32_t taps, centre, line_at;
    int32_t hold, half_snippet;
    float fd;
    int64_t index;           /* decimated samples taken */
    int64_t peak_at;         /* highest local maximum of late, -1 none */
    float peak;
    int32_t started;
    int64_t last_at;         /* feature index of the last accepted */
    int32_t accepted;
    float last_height, last_share;
    float rr_ref, rr_var;
    float rr[RRS];
    int32_t rr_count;
    uint32_t head, tail;
    candidate pending[PENDING];
    float kernel[TAPS_MAX][4];
} adaptive_state;

static size_t lead_offset(void) { return ecg_round_up(sizeof(adaptive_state)); }

static size_t adaptive_size(const ecg_detector_config *config) {
    return lead_offset() + (size_t)config->leads * ecg_round_up(sizeof(lead_state));
}

static lead_state *leads_of(adaptive_state *a) {
    return (lead_state *)((char *)a + lead_offset());
}

static void adaptive_init(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    double fs = d->config.fs;
    a->decimation = (int32_t)floor(fs / 120.0);
    if (a->decimation < 1) a->decimation = 1;
    double fd = fs / a->decimation;
    a->fd = (float)fd;
    a->centre = (int32_t)floor(fd / K.low_hz);
    if (a->centre > (TAPS_MAX - 1) / 2) a->centre = (TAPS_MAX - 1) / 2;
    a->taps = 2 * a->centre + 1;
    for (int band = 0; band < 2; band++) {
        double hz = band ? K.high_hz : K.low_hz, sum = 0.0, dc = 0.0;
        for (int k = -a->centre; k <= a->centre; k++) {
            double w = 1.0 - fabs(k * hz / fd);
            if (w < 0.0) w = 0.0;
            sum += w;
            dc += w * cos(6.283185307179586 * hz * k / fd);
        }
        for (int k = -a->centre; k <= a->centre; k++) {
            double w = 1.0 - fabs(k * hz / fd);
            if (w < 0.0) w = 0.0;
            double g = (band ? K.high_gain : 1.0) / sum;
            a->kernel[k + a->centre][2 * band] = (float)(g * w * (cos(6.283185307179586 * hz * k / fd) - dc / sum));
            a->kernel[k + a->centre][2 * band + 1] = (float)(g * w * sin(6.283185307179586 * hz * k / fd));
        }
    }
    a->hold = (int32_t)ceil(K.hold_s * fd);
    a->half_snippet = (int32_t)floor(0.07 * fd + 0.5);
    a->peak_at = -1;
    a->rr_ref = 0.8f;
    a->rr_var = 0.5f;
}

static float filter(adaptive_state *a, lead_state *s, float x, float *share) {
    int at = a->line_at, taps = a->taps;
    s->line[at] = s->line[at + taps] = x;
    const float *line = s->line + at + 1; /* oldest first */
    float even[4] = {0}, odd[4] = {0};
    int k = 0;
    for (; k + 1 < taps; k += 2) {
        for (int j = 0; j < 4; j++) even[j] += a->kernel[k][j] * line[k];
        for (int j = 0; j < 4; j++) odd[j] += a->kernel[k + 1][j] * line[k + 1];
    }
    if (k < taps) for (int j = 0; j < 4; j++) even[j] += a->kernel[k][j] * line[k];
    for (int j = 0; j < 4; j++) even[j] += odd[j];
    float low = sqrtf(even[0] * even[0] + even[1] * even[1]), high = sqrtf(even[2] * even[2] + even[3] * even[3]);
    *share = high;
    return low + high;
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
    s->log_noise = quantile(s->noises, s->noise_count < NOISES ? s->noise_count : NOISES, 0.5f);
}

/* ---- decision */

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

static float candidate_score(adaptive_state *a, int leads, uint32_t slot, float gap) {
    lead_state *s = leads_of(a);
    float score = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        float threshold = s->log_noise + K.mix * (s->log_signal - gap - s->log_noise);
        float e = s->log_height[slot] - threshold;
        if (e > K.cap) e = K.cap;
        if (s->template_count) e += K.like_cost * (s->likeness[slot] - K.like_from);
        score += e;
    }
    return score;
}

static float seconds(const adaptive_state *a, int64_t from, int64_t to) {
    return (float)(to - from) / a->fd;
}

static float pair_cost(const adaptive_state *a, float height, float share, const candidate *c, float rr) {
    float cost = rr_cost(a, rr);
    if (rr < K.t_until) {
        float drop = height - c->height + K.t_hf * (share - c->share) - K.t_from;
        float ramp = (K.t_until - rr) / (K.t_until - K.t_full);
        if (ramp > 1.0f) ramp = 1.0f;
        if (drop > 0.0f) cost += K.t_gain * ramp * drop;
    }
    return cost;
}

/* Fills values of all pending candidates; returns the slot of the first accepted one of the best path, -1 none. *second next in path. */
static int best_path(adaptive_state *a, int leads, int64_t now, int *second) {
    float best = 0.0f;
    int end = -1;
    if (a->accepted) best = -rr_cost(a, seconds(a, a->last_at, now));
    for (uint32_t i = a->head; i != a->tail; i++) {
        candidate *c = &a->pending[i % PENDING];
        float gap = 0.0f;
        if (a->accepted) {
            float over = seconds(a, a->last_at, c->at) - K.gap_from * a->rr_ref;
            if (over > 0.0f) gap = K.gap_rate * over;
        }
        c->score = candidate_score(a, leads, i % PENDING, gap);
        float value = a->accepted ? -pair_cost(a, a->last_height, a->last_share, c, seconds(a, a->last_at, c->at)) : K.first_score;
        int from = -1;
        for (uint32_t j = a->head; j != i; j++) {
            candidate *p = &a->pending[j % PENDING];
            float v = p->value - pair_cost(a, p->height, p->share, c, seconds(a, p->at, c->at));
            if (v > value) { value = v; from = (int)(j % PENDING); }
        }
        c->value = value + c->score;
        c->from = from;
        float total = c->value - rr_cost(a, seconds(a, c->at, now) > a->rr_ref ? seconds(a, c->at, now) : a->rr_ref);
        if (total > best) { best = total; end = (int)(i % PENDING); }
    }
    *second = -1;
    while (end >= 0 && a->pending[end].from >= 0) { *second = end; end = a->pending[end].from; }
    return end;
}

static void reject_first(adaptive_state *a, int leads) {
    lead_state *s = leads_of(a);
    uint32_t slot = a->head % PENDING;
    float after = a->accepted ? seconds(a, a->last_at, a->pending[slot].at) : 9.0f;
    for (int l = 0; l < leads; l++) {
        learn_noise(&s[l], s[l].log_height[slot]);
        if (after < K.near_s) {
            float *v = &s[l].signals[(s[l].signal_count - 1) % SIGNALS];
            if (s[l].log_height[slot] > *v) *v = s[l].log_height[slot];
        }
    }
    a->head++;
}

static int64_t raw_of(const adaptive_state *a, int64_t index) {
    return index * a->decimation + (a->decimation - 1) / 2;
}

static void learn_template(adaptive_state *a, int leads, int64_t at);

static void learn_rr(adaptive_state *a, float rr) {
    a->rr[a->rr_count++ % RRS] = rr;
    if (a->rr_count >= 2 * RRS) a->rr_count -= RRS;
    int n = a->rr_count < RRS ? a->rr_count : RRS;
    a->rr_ref = quantile(a->rr, n, 0.5f);
    if (a->rr_ref < 0.2f) a->rr_ref = 0.2f;
    if (a->rr_ref > 2.0f) a->rr_ref = 2.0f;
    float var = 0.0f;
    for (int i = 0; i < n; i++) {
        float r = a->rr[i] / a->rr_ref - 1.0f;
        r = r < 0.0f ? -r : r;
        var += r < 1.0f ? r : 1.0f;
    }
    a->rr_var = var / (float)n;
}

static void commit(ecg_detector *d, adaptive_state *a, int slot) {
    int leads = d->config.leads;
    candidate *c = &a->pending[slot];
    lead_state *s = leads_of(a);
    float before[ECG_LEADS_MAX];
    for (int l = 0; l < leads; l++) before[l] = -80.0f;
    while (a->head % PENDING != (uint32_t)slot) {
        if (seconds(a, a->pending[a->head % PENDING].at, c->at) < K.near_s)
            for (int l = 0; l < leads; l++)
                if (s[l].log_height[a->head % PENDING] > before[l]) before[l] = s[l].log_height[a->head % PENDING];
        reject_first(a, leads);
    }
    for (int l = 0; l < leads; l++) learn_signal(&s[l], s[l].log_height[slot] > before[l] ? s[l].log_height[slot] : before[l]);
    if (a->accepted) learn_rr(a, seconds(a, a->last_at, c->at));
    learn_template(a, leads, c->at);
    a->accepted = 1;
    a->last_at = c->at;
    a->last_height = c->height;
    a->last_share = c->share;
    a->head++;
    int64_t r = ecg_refine(d, 0, raw_of(a, c->at));
    ecg_detector_report(d, r, expf(c->score), 0);
}

static void decide(ecg_detector *d, adaptive_state *a, int final) {
    int leads = d->config.leads;
    int64_t now = a->index - 1 - a->centre - a->hold;
    while (a->head != a->tail) {
        int second, slot = best_path(a, leads, now, &second);
        if (slot < 0) break;
        candidate *c = &a->pending[slot];
        float age = seconds(a, c->at, now);
        float rr = a->accepted ? seconds(a, a->last_at, c->at) : 0.0f;
        int clear = c->score > K.clear_score && a->accepted && rr > K.clear_short * a->rr_ref && rr < K.clear_long * a->rr_ref
                    && c->like > K.clear_like && c->height > leads_of(a)->log_signal - K.clear_drop;
        float wait = K.wait_rr * a->rr_ref;
        if (wait < K.wait_min) wait = K.wait_min;
        if (wait > K.wait_max) wait = K.wait_max;
        if (!final && !clear && age < wait) break;
        commit(d, a, slot);
    }
    while (a->head != a->tail && seconds(a, a->pending[a->head % PENDING].at, now) > 1.3f) reject_first(a, leads);
}

/* ---- start */
static void start(ecg_detector *d, adaptive_state *a) {
    int leads = d->config.leads;
    lead_state *s = leads_of(a);
    int n = (int)(a->tail - a->head);
    if (n > PENDING) n = PENDING;
    if (n < 1) return;
    for (int l = 0; l < leads; l++) {
        float v[PENDING];
        for (int i = 0; i < n; i++) v[i] = s[l].log_height[(a->head + (uint32_t)i) % PENDING];
        sort(v, n);
        /* split with the largest between-class variance of logs */
        float total = 0.0f;
        if (n > 2 && v[n - 1] > v[n - 2] + 0.7f) v[n - 1] = v[n - 2] + 0.7f;
        for (int i = 0; i < n; i++) { if (v[i] < v[n - 1] - 3.0f) v[i] = v[n - 1] - 3.0f; total += v[i]; }
        float low = 0.0f, best = -1.0f;
        int split = n - 1;
        for (int i = 1; i < n; i++) {
            low += v[i - 1];
            float m = (total - low) / (float)(n - i) - low / (float)i;
            float between = m * m * (float)i * (float)(n - i);
            if (between > best) { best = between; split = i; }
        }
        s[l].log_signal = v[split + (n - 1 - split) / 2];
        s[l].log_noise = split > 0 ? v[(split - 1) / 2] : v[0] - 1.0f;
        for (int i = 0; i < 3; i++) learn_signal(&s[l], s[l].log_signal);
        float ln = s[l].log_noise;
        for (int i = 0; i < 4; i++) learn_noise(&s[l], ln);
    }
    a->started = 1;
}

/* ---- candidates */

static int snippet(const adaptive_state *a, const lead_state *s, int64_t at, float *out) {
    int n = 2 * a->half_snippet + 1;
    float mean = 0.0f, energy = 0.0f;
    for (int k = 0; k < n; k++) {
        out[k] = s->wave[(uint32_t)(at - a->half_snippet + k) % RECENT];
        mean += out[k];
    }
    mean /= (float)n;
    for (int k = 0; k < n; k++) { out[k] -= mean; energy += out[k] * out[k]; }
    if (!(energy > 0.0f)) return 0;
    float g = 1.0f / sqrtf(energy);
    for (int k = 0; k < n; k++) out[k] *= g;
    return 1;
}

static float likeness(const adaptive_state *a, const lead_state *s, int64_t at, int *lag_out) {
    int n = 2 * a->half_snippet + 1;
    float best = -1.0f, w[SNIPPET_MAX];
    for (int lag = -3; lag <= 3; lag++) {
        if (!snippet(a, s, at + lag, w)) return 0.0f;
        float dot = 0.0f;
        for (int k = 0; k < n; k++) dot += w[k] * s->template_[k];
        if (dot > best) { best = dot; *lag_out = lag; }
    }
    return best;
}

static void learn_template(adaptive_state *a, int leads, int64_t at) {
    lead_state *s = leads_of(a);
    int n = 2 * a->half_snippet + 1;
    for (int l = 0; l < leads; l++, s++) {
        float w[SNIPPET_MAX];
        int lag = 0;
        if (a->index - at > RECENT - 40) continue;
        if (s->template_count) likeness(a, s, at, &lag);
        if (!snippet(a, s, at + lag, w)) continue;
        if (!s->template_count) { memcpy(s->template_, w, sizeof w); s->template_count = 1; continue; }
        float e = 0.0f;
        for (int k = 0; k < n; k++) {
            s->template_[k] += K.template_gain * (w[k] - s->template_[k]);
            e += s->template_[k] * s->template_[k];
        }
        if (e > 0.0f) { float g = 1.0f / sqrtf(e); for (int k = 0; k < n; k++) s->template_[k] *= g; }
    }
}

static void emit(ecg_detector *d, adaptive_state *a) {
    int leads = d->config.leads;
    if (a->tail - a->head >= (uint32_t)(a->started ? PENDING_MAX : PENDING)) reject_first(a, leads);
    uint32_t slot = a->tail % PENDING;
    candidate *c = &a->pending[slot];
    lead_state *s = leads_of(a);
    c->at = a->peak_at;
    c->like = 0.0f;
    for (int l = 0; l < leads; l++) {
        float h = 0.0f;
        int lag;
        for (int64_t k = a->peak_at - 6; k <= a->peak_at + 6; k++)
            if (s[l].feature[(uint32_t)k % RECENT] > h) h = s[l].feature[(uint32_t)k % RECENT];
        s[l].log_height[slot] = h > 0.0f ? logf(h) : -80.0f;
        s[l].likeness[slot] = s[l].template_count ? likeness(a, &s[l], c->at, &lag) : 0.0f;
        c->like += s[l].likeness[slot];
        if (l == 0) {
            float f = s->feature[(uint32_t)c->at % RECENT], g = s->high[(uint32_t)c->at % RECENT];
            c->height = s->log_height[slot];
            c->share = f > g && g > 0.0f ? logf(g / (f - g)) : 0.0f;
        }
    }
    a->tail++;
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
        if (centre < 0) f = 0.0f;
        s->feature[slot] = f;
        if (s->f1 > s->f2 && s->f1 >= f && (a->peak_at < 0 || s->f1 > a->peak)) {
            a->peak = s->f1;
            a->peak_at = centre - 1;
        }
        s->f2 = s->f1;
        s->f1 = f;
    }
    if (++a->line_at >= a->taps) a->line_at = 0;
    a->index++;
    if (a->peak_at >= 0 && centre - a->peak_at >= a->hold) {
        emit(d, a);
        a->peak_at = -1;
        a->peak = 0.0f;
        if (a->started) decide(d, a, 0);
    } else if (a->started && a->head != a->tail && (a->index & 7) == 0) decide(d, a, 0);
    if (!a->started && (float)a->index > K.start_s * a->fd) {
        start(d, a);
        if (a->started) decide(d, a, 0);
    }
}

static size_t adaptive_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    adaptive_state *a = state;
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

static void adaptive_flush(ecg_detector *d, void *state) {
    adaptive_state *a = state;
    if (!a->started) start(d, a);
    if (a->started) decide(d, a, 1);
}

static int64_t adaptive_delay(const ecg_detector *d, const void *state) {
    (void)state;
    return (int64_t)ceil(1.4 * d->config.fs);
}

const ecg_method_ops ecg_adaptive_ops = {adaptive_size, adaptive_init, adaptive_process, adaptive_flush, adaptive_delay};
