/* What is known: levels of signal and noise, shape, rhythm, each lead's weight, and trust in all that. */
#include "adaptive.h"
#include "../common/simd4.h"

#define KNOWN 8         /* typical beats from which their shape tells that the patient is back */
#define STRANGE 48      /* beats of another shape in a row after which that is the patient's: half a minute */
#define MODELS 8        /* beats after which the steady shape parts from the running one */
#define LATE_FIRST 12   /* candidates that tell the levels of a lead that joins late: three seconds' worth */
#define ENERGY_MAX 1e36f /* of a shape; beyond, it overflows */
#define RR_MIN 0.2f     /* s: 300 a minute */
#define RR_MAX 2.0f     /* s: 30 a minute */

/* ------------------------------------------------------------------ small helpers */

static void sort(float *v, int n) {
    for (int i = 1; i < n; i++) {
        float x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

float adaptive_quantile(const float *values, int n, float q) {
    float v[PENDING];
    memcpy(v, values, (size_t)n * sizeof *v);
    sort(v, n);
    float p = q * (float)(n - 1);
    int k = (int)p;
    return k >= n - 1 ? v[n - 1] : v[k] + (p - (float)k) * (v[k + 1] - v[k]);
}

/* Keeps the last `size` values; `count` stays below twice that, `count` - 1 is the latest. */
static void adaptive_keep(float *ring, int size, int32_t *count, float value) {
    ring[*count % size] = value;
    if (++*count >= 2 * size) *count -= size;
}

static int kept(int32_t count, int size) {
    return count < size ? count : size;
}

/* ------------------------------------------------------------------ levels */

static void refresh_noise(adaptive_lead *s) {
    if (!s->noise_stale) return;
    s->noise_stale = 0;
    s->noise = adaptive_quantile(s->noises, kept(s->noise_count, NOISES), K.noise_quantile);
}

static float gap_between(adaptive_lead *s) {
    refresh_noise(s);
    return s->signal - s->noise;
}

static float threshold_of(float signal, float noise) {
    float depth = (1.0f - K.mix) * (signal - noise);
    return signal - (depth < K.depth ? depth : K.depth);
}

/* After a pause, in which the signal level has fallen by `gap`. */
static float lowered(float signal, float noise, float gap) {
    float threshold = threshold_of(signal - gap, noise), lowest = signal - K.gap_depth;
    return threshold > lowest ? threshold : lowest;
}

/* `gap`: how far the signal level has fallen since the last beat; `distrust` 0..1: how far to go back
 * to the steady levels. */
float adaptive_threshold(adaptive_lead *s, float gap, float distrust) {
    refresh_noise(s);
    float threshold = lowered(s->signal, s->noise, gap), steady = lowered(s->steady_signal, s->steady_noise, gap);
    return s->models && threshold > steady ? threshold - distrust * (threshold - steady) : threshold;
}

/* Weights: good leads have their levels far apart and seldom disagree with what was decided. */
static void weigh(adaptive_state *a, int leads) {
    if (leads == 1) return;
    adaptive_lead *s = adaptive_leads(a);
    float total = 0.0f;
    for (int l = 0; l < leads; l++) {
        float gap = s[l].seeded ? gap_between(&s[l]) : 0.0f;
        if (gap < 0.05f) gap = 0.05f;
        if (gap > K.weight_cap) gap = K.weight_cap;
        s[l].weight = gap / (K.loss_floor + s[l].missed + s[l].raised);
        total += s[l].weight;
    }
    for (int l = 0; l < leads; l++) {
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
    if (n > 2 && v[n - 1] > v[n - 2] + 0.7f) v[n - 1] = v[n - 2] + 0.7f; /* a single loud one is an artefact */
    for (int i = 0; i < n; i++) {
        if (v[i] < v[n - 1] - 3.0f) v[i] = v[n - 1] - 3.0f; /* how faint the faint ones are does not matter */
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
    s->noise = split > 0 ? v[(split - 1) / 2] : v[0] - 1.0f;
    s->signal_count = 3; /* they count as some beats and some rejected candidates */
    s->noise_count = 4;
    s->noise_stale = 0;
    for (int i = 0; i < s->signal_count; i++) s->signals[i] = s->signal;
    for (int i = 0; i < s->noise_count; i++) s->noises[i] = s->noise;
    s->last_height = s->signal;
    s->last_share = 0.0f;
    s->seeded = 1;
}

void adaptive_learn_first(adaptive_state *a, int leads) {
    adaptive_lead *s = adaptive_leads(a);
    int changed = 0;
    for (int l = 0; l < leads; l++)
        if (s[l].first_count > 0 && (a->learning || (!s[l].seeded && s[l].first_count >= LATE_FIRST))) {
            split_first(&s[l]);
            changed = 1;
        }
    if (!changed) return;
    weigh(a, leads);
    a->solved = a->head;
}

void adaptive_learn_rejected(adaptive_state *a, int leads, uint32_t slot) {
    adaptive_lead *s = adaptive_leads(a);
    int near = a->accepted && adaptive_seconds(a, a->last_at, a->pending[slot].at) < K.near_s;
    for (int l = 0; l < leads; l++, s++) {
        if (s->faulty[slot] || !s->seeded) continue;
        adaptive_keep(s->noises, NOISES, &s->noise_count, s->height[slot]);
        s->noise_stale = 1;
        float loss = s->own[slot] + K.loss_margin;
        s->raised += K.loss_noise_rate * ((loss > 0.0f ? loss : 0.0f) - s->raised);
        float *latest = &s->signals[(s->signal_count - 1) % SIGNALS];
        if (near && s->height[slot] > *latest) *latest = s->height[slot];
    }
}

static void learn_rr(adaptive_state *a, float rr) {
    adaptive_keep(a->rr, INTERVALS, &a->rr_count, rr);
    int n = kept(a->rr_count, INTERVALS);
    a->rr_ref = adaptive_quantile(a->rr, n, 0.5f);
    if (a->rr_ref < RR_MIN) a->rr_ref = RR_MIN;
    if (a->rr_ref > RR_MAX) a->rr_ref = RR_MAX;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        float off = fabsf(a->rr[i] / a->rr_ref - 1.0f);
        sum += off < 1.0f ? off : 1.0f;
    }
    a->rr_var = sum / (float)n;
}

void adaptive_learn_accepted(adaptive_state *a, int leads, uint32_t slot, const float *around) {
    adaptive_lead *s = adaptive_leads(a);
    int typical = 0;
    for (int l = 0; l < leads; l++) {
        if (s[l].seeded && !s[l].faulty[slot]) {
            float height = s[l].height[slot] > around[l] ? s[l].height[slot] : around[l];
            adaptive_keep(s[l].signals, SIGNALS, &s[l].signal_count, height);
            s[l].signal = adaptive_quantile(s[l].signals, kept(s[l].signal_count, SIGNALS), K.quantile);
            typical |= adaptive_learn_shape(a, &s[l], slot);
            float loss = K.loss_margin - s[l].own[slot];
            s[l].missed += K.loss_rate * ((loss > 0.0f ? loss : 0.0f) - s[l].missed);
            s[l].last_height = s[l].height[slot];
            s[l].last_share = s[l].share[slot];
        }
    }
    if (!a->learning) weigh(a, leads);
    a->last_height = a->last_share = 0.0f;
    for (int l = 0; l < leads; l++)
        if (s[l].seeded) {
            a->last_height += s[l].weight * s[l].last_height;
            a->last_share += s[l].weight * s[l].last_share;
        }
    if (a->accepted) learn_rr(a, adaptive_seconds(a, a->last_at, a->pending[slot].at));
    if (typical) a->kept_rr = a->rr_ref;
}

/* First of the candidates of the last seconds, pending or decided. */
static uint32_t look_back(const adaptive_state *a) {
    const int64_t oldest = a->pending[(a->tail - 1) % PENDING].at - (int64_t)(K.start_s * a->rate);
    const uint32_t most = a->tail < PENDING_MAX ? a->tail : PENDING_MAX;
    uint32_t n = 0;
    while (n < most && a->pending[(a->tail - n - 1) % PENDING].at > oldest) n++;
    return a->tail - n;
}

void adaptive_learn_again(adaptive_state *a, int leads) {
    a->learning = 1;
    a->started = a->accepted = 0;
    a->rr_count = 0;
    a->rr_ref = 0.8f; /* any rhythm is possible: a weak guess */
    a->rr_var = 0.5f;
    a->doubts = 0;
    a->head = a->solved = look_back(a);
    adaptive_lead *s = adaptive_leads(a);
    for (int l = 0; l < leads; l++, s++) {
        s->weight = 1.0f / (float)leads;
        s->scale = 1.0f;
        s->seeded = s->first_count = s->models = 0;
        s->missed = s->raised = 0.0f;
        for (uint32_t i = a->head; i != a->tail; i++) {
            uint32_t slot = i % PENDING;
            s->like[slot] = -2.0f;
            if (!s->faulty[slot]) s->first[s->first_count++] = s->height[slot];
        }
    }
}

void adaptive_forget(adaptive_state *a, int leads) {
    adaptive_learn_again(a, leads);
    a->learn_until = -1;
    a->wake = INT64_MAX;
}

/* ------------------------------------------------------------------ shape */

#define LAGS (2 * LAG_MAX + 1)

/* Sums over the `n` points of a shape at `fours` times four lags at once. */
typedef struct lag_sums {
    float of_shape[LAGS + 3], energies[LAGS + 3], dots[LAGS + 3], others[LAGS + 3];
} lag_sums;

static inline void add_up_lags(const float *shape, const float *model, const float *other, int n, int fours, lag_sums *to) {
    four sum[3], energy[3], dot[3], second[3];
    for (int j = 0; j < fours; j++) sum[j] = energy[j] = dot[j] = second[j] = four_zero();
    for (int k = 0; k < n; k++) {
        const four at = four_all(model[k]), other_at = four_all(other ? other[k] : 0.0f);
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

/* Correlation with `model` at the best lag, or with `other` (NULL for none) where that is higher. */
static float correlation(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, const float *model,
                         const float *other, int *lag) {
    const int n = a->shape;
    const float *shape = adaptive_shape(a, s, slot);
    lag_sums sums;
    if (adaptive_lag_fours(a->lag) == 2) { /* the number of fours is known to the compiler: all stays in registers */
        if (other) add_up_lags(shape, model, other, n, 2, &sums);
        else add_up_lags(shape, model, NULL, n, 2, &sums);
    } else {
        if (other) add_up_lags(shape, model, other, n, 3, &sums);
        else add_up_lags(shape, model, NULL, n, 3, &sums);
    }
    float best = -1.0f, best_energy = 0.0f;
    for (int shift = 0; shift <= 2 * a->lag; shift++) {
        float dot = other && sums.others[shift] > sums.dots[shift] ? sums.others[shift] : sums.dots[shift];
        float energy = sums.energies[shift] - sums.of_shape[shift] * sums.of_shape[shift] / (float)n;
        if (energy > 0.0f && dot > best * sqrtf(energy)) {
            best = dot / sqrtf(energy);
            best_energy = energy;
            *lag = shift;
        }
    }
    /* A tone outside the bands resembles itself, whatever lies in them. */
    float outside = K.band_from * sqrtf(best_energy / (float)n), inside = expf(s->height[slot]);
    return inside < outside && best > 0.0f ? best * inside / outside : best;
}

/* With the running shape; where trust is low, with the steady one if that is higher. */
float adaptive_likeness(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, int *lag) {
    return correlation(a, s, slot, s->model, a->recent < K.distrust_from ? s->steady : NULL, lag);
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

/* A beat of the running shape while trust is high: what the patient looks like. */
static int keep_patient(adaptive_lead *s, int n) {
    float alike = 0.0f;
    for (int k = 0; k < n; k++) alike += s->model[k] * s->kept[k];
    /* Motion may look like another rhythm, for some seconds. */
    if (s->known == KNOWN && alike < K.keep_like && ++s->strange < STRANGE) return 0;
    if (alike < K.keep_like) s->known = 0;
    s->strange = 0;
    refresh_noise(s);
    memcpy(s->kept, s->model, sizeof s->kept);
    s->kept_signal = s->signal;
    s->kept_noise = s->noise;
    if (s->known < KNOWN) s->known++;
    return 1;
}

/* Shape of a candidate at a lag, with zero mean and unit energy; 0 where it has none. */
static int unit_shape(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, int lag, float *w) {
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
    energy = 1.0f / sqrtf(energy);
    for (int k = 0; k < n; k++) w[k] *= energy;
    return 1;
}

int adaptive_learn_shape(const adaptive_state *a, adaptive_lead *s, uint32_t slot) {
    int n = a->shape, lag = a->lag;
    if (s->models) adaptive_likeness(a, s, slot, &lag);
    float w[SHAPE_MAX];
    if (!unit_shape(a, s, slot, lag, w)) return 0;
    blend(s->model, w, s->models ? K.template_gain : 1.0f, n);
    if (s->models < MODELS) {
        s->models++;
        memcpy(s->steady, s->model, sizeof s->steady);
        s->steady_signal = s->signal;
        s->steady_noise = s->noise;
    } else if (a->trust > K.trust_from && a->recent > K.distrust_from && s->like[slot] > K.steady_like) {
        blend(s->steady, s->model, K.steady_gain, n);
        s->steady_signal += K.steady_gain * (s->signal - s->steady_signal);
        s->steady_noise += K.steady_gain * (s->noise - s->steady_noise);
    }
    return a->recent > K.keep_from && s->like[slot] > K.back_like && keep_patient(s, n);
}

/* ------------------------------------------------------------------ trust */

#define PROBATION 10 /* beats that have to keep trust up after learning anew in poor signal */

static float common_gap(adaptive_state *a, int leads) {
    adaptive_lead *s = adaptive_leads(a);
    float sum = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        float gap = s->seeded ? gap_between(s) : 0.0f;
        sum += s->weight * (gap < K.trust_cap ? gap : K.trust_cap);
    }
    return sum;
}

/* Below 0.1 a shape is just another one: an ectopic beat, which noise hardly ever looks like. */
static float trust_of(float gap, float like, float var) {
    return gap + K.trust_like * ((like > 0.1f ? like : 0.1f) - 0.5f) - K.trust_var * var;
}

void adaptive_trust_first(adaptive_state *a, int leads, float like, float var, int beats) {
    a->gap = common_gap(a, leads);
    if (beats < 2) like = 0.5f;
    a->trust = a->recent = trust_of(a->gap, like, var);
    a->trusted = beats > 0 ? beats - 1 : 0;
    a->alike = like;
    a->probation = a->again && (a->trust < K.again_trust || like < K.again_like) ? PROBATION : 0;
}

void adaptive_trust_next(adaptive_state *a, int leads, float like) {
    float gap = common_gap(a, leads), rate = 1.0f / (float)(1 + a->trusted);
    float trust = trust_of(gap, a->accepted ? like : 0.5f, a->rr_var);
    if (rate < K.trust_rate) rate = K.trust_rate;
    else a->trusted++;
    a->trust += rate * (trust - a->trust);
    a->alike += K.alike_rate * (like - a->alike);
    a->gap += rate * (gap - a->gap);
    a->recent += (rate > K.recent_rate ? rate : K.recent_rate) * (trust - a->recent);
}

int adaptive_believed(adaptive_state *a, int leads) {
    const adaptive_lead *s = adaptive_leads(a);
    int known = 0;
    for (int l = 0; l < leads; l++) known |= s[l].known >= KNOWN;
    if (a->trust <= K.trust_from || a->gap <= K.trust_gap) return 0;
    if (a->trust >= K.again_trust) return 1;
    return !a->probation && (!a->again || known || a->alike > K.alike_from);
}

/* ------------------------------------------------------------------ the patient is back */

/* Levels and shape of a lead as they were, at the gain that the last two familiar beats have. */
static void restore(adaptive_lead *s, float height) {
    s->signal = height;
    s->noise = height - (s->kept_signal - s->kept_noise);
    s->signal_count = 3;
    s->noise_count = 4;
    s->noise_stale = 0;
    for (int i = 0; i < s->signal_count; i++) s->signals[i] = s->signal;
    for (int i = 0; i < s->noise_count; i++) s->noises[i] = s->noise;
    s->steady_signal = s->signal;
    s->steady_noise = s->noise;
    memcpy(s->steady, s->kept, sizeof s->steady);
    memcpy(s->model, s->kept, sizeof s->model);
    s->models = MODELS;
    s->last_height = s->signal;
    s->seeded = 1;
}

int adaptive_familiar(adaptive_state *a, int leads, uint32_t slot) {
    const adaptive_lead *s = adaptive_leads(a);
    float like = 0.0f;
    int known = 0, lag;
    for (int l = 0; l < leads; l++, s++) {
        if (s->known < KNOWN || s->faulty[slot]) continue;
        like += correlation(a, s, slot, s->kept, NULL, &lag);
        known++;
    }
    return known && like >= K.back_like * (float)known;
}

int adaptive_resume(adaptive_state *a, int leads) {
    adaptive_lead *s = adaptive_leads(a);
    uint32_t slot = (a->tail - 1) % PENDING;
    int64_t at = a->pending[slot].at, before = a->familiar_at;
    float over = 0.0f, off = 0.0f;
    int known = 0;
    for (int l = 0; l < leads; l++) {
        if (s[l].known < KNOWN || s[l].faulty[slot]) continue;
        over += s[l].height[slot] - s[l].kept_signal;
        off += s[l].height[slot] - s[l].signal;
        known++;
    }
    if (!known) return 0;
    over /= (float)known;
    off /= (float)known;
    float tallest = a->tallest;
    if (over > tallest) a->tallest = over;
    int lost = 1;
    if (a->started && a->accepted) {
        float since = adaptive_seconds(a, a->last_at, at) / a->rr_ref;
        int lower = off < -K.back_lower && since > K.back_short;
        if (!lower && off < K.back_higher) return 0;
        lost = !lower || since > K.clear_long || a->recent < K.distrust_from || a->last_at == before;
    }
    if (!adaptive_familiar(a, leads, slot)) return 0;
    float rr = adaptive_seconds(a, before, at) / a->kept_rr;
    if (before >= 0 && rr < K.back_long && over < a->familiar - K.back_height) return 0; /* its P or T wave */
    int back = lost && before >= 0 && rr > K.back_short && rr < K.back_pause && fabsf(over - a->familiar) < K.back_height
               && tallest < over + K.back_height;
    a->familiar_at = at;
    a->familiar = a->tallest = over;
    for (int l = 0; l < leads; l++) {
        if (s[l].known < KNOWN || s[l].faulty[slot]) continue;
        if (back) restore(&s[l], 0.5f * (s[l].height[slot] + s[l].familiar));
        s[l].familiar = s[l].height[slot];
    }
    if (!back) return 0;
    /* What lies before the two is noise; the first is decided once more where that went untold, and gives
     * the rhythm even where it is too old to be told. */
    if (!a->accepted || a->last_at != before || (before > a->last_reported && !adaptive_believed(a, leads))) {
        const uint32_t oldest = a->tail < PENDING_MAX ? 0 : a->tail - PENDING_MAX;
        a->accepted = 0;
        a->head = a->tail - 1;
        while (a->head != oldest && a->pending[(a->head - 1) % PENDING].at >= before) a->head--;
        a->rr_count = 0;
        a->rr_ref = a->kept_rr;
    }
    for (uint32_t i = a->head; i != a->tail; i++)
        for (int l = 0; l < leads; l++) s[l].like[i % PENDING] = -2.0f;
    a->solved = a->head;
    a->learning = 0;
    a->learn_until = a->index;
    a->doubts = a->probation = 0;
    a->trust = a->recent = K.again_trust;
    weigh(a, leads);
    a->gap = common_gap(a, leads);
    return 1;
}

/* ------------------------------------------------------------------ beats beyond doubt */

/* Do the highest candidates of the last seconds stand out from the others, all alike and not too
 * irregular? `level`: their height. */
static int shows_beats(const adaptive_state *a, const adaptive_lead *s, int latest, float *level) {
    uint32_t order[PENDING], first = look_back(a);
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
    if (*level - s->height[order[(high + n) / 2]] < K.start_contrast) return 0;

    float shortest = INFINITY, longest = 0.0f, last = -1.0f;
    for (uint32_t i = first; i != a->tail; i++) {
        uint32_t slot = i % PENDING;
        if (s->faulty[slot] || s->height[slot] < s->height[order[high - 1]]) continue;
        float at = adaptive_seconds(a, a->pending[first % PENDING].at, a->pending[slot].at);
        if (last >= 0.0f && at - last < shortest) shortest = at - last;
        if (last >= 0.0f && at - last > longest) longest = at - last;
        last = at;
    }
    if (shortest < K.refractory_s || longest > K.back_long * shortest) return 0;

    float w[SHAPE_MAX];
    int lag;
    if (!unit_shape(a, s, order[high / 2], a->lag, w)) return 0;
    for (int k = 0; k < high; k++)
        if (k != high / 2 && correlation(a, s, order[k], w, NULL, &lag) < K.clear_like) return 0;
    /* In standstill P waves stand out, as alike as beats and far fainter: such need the patient's shape. */
    const float least = *level < s->kept_signal - K.back_lower ? K.back_like : K.sure_kept;
    return s->known < KNOWN || correlation(a, s, order[high / 2], s->kept, NULL, &lag) > least;
}

/* Are beats of that height too loud for the levels, or faint ones `missing`? */
static int misfit(const adaptive_lead *s, float height, int missing) {
    return height > s->signal + K.back_higher || (missing && height < s->signal - K.back_lower);
}

int adaptive_sure(adaptive_state *a, int leads) {
    const adaptive_lead *s = adaptive_leads(a);
    const uint32_t slot = (a->tail - 1) % PENDING;
    const int well = a->started && !a->probation && adaptive_believed(a, leads);
    const float since = adaptive_seconds(a, a->last_at, a->pending[slot].at);
    const int missing = !a->accepted || since > K.clear_long * a->rr_ref;
    float sure = 0.0f, total = 0.0f;
    for (int l = 0; l < leads; l++, s++) {
        if (s->faulty[slot]) continue;
        total += s->weight;
        float level = s->height[slot];
        if (well && !misfit(s, level, missing)) continue;
        if (shows_beats(a, s, well, &level) && (!well || misfit(s, level, missing))) sure += s->weight;
    }
    return sure > 0.5f * total;
}

/* ------------------------------------------------------------------ snapshots */

static int adaptive_lead_valid(const adaptive_lead *s) {
    const float values[] = {s->sum,         s->signal,     s->noise,    s->steady_signal, s->steady_noise,
                            s->kept_signal, s->kept_noise, s->familiar, s->last_height,   s->last_share,
                            s->missed,      s->raised,     s->weight};
    return ecg_all_finite(values, sizeof values / sizeof *values) && ecg_all_finite(s->wave, LINE)
           && ecg_all_finite(s->height, PENDING) && ecg_all_finite(s->share, PENDING)
           && ecg_all_finite(s->like, PENDING) && ecg_all_finite(s->own, PENDING)
           && ecg_all_finite(s->first, PENDING)
           && ecg_all_finite(s->signals, SIGNALS) && ecg_all_finite(s->noises, NOISES)
           && ecg_all_finite(s->model, SHAPE_MAX) && ecg_all_finite(s->steady, SHAPE_MAX)
           && ecg_all_finite(s->kept, SHAPE_MAX) && ecg_within(s->first_count, 0, PENDING)
           && ecg_within(s->seeded, 0, 1) && ecg_within(s->noise_stale, 0, 1)
           && ecg_within(s->signal_count, s->seeded, 2 * SIGNALS - 1)
           && ecg_within(s->noise_count, s->seeded || s->noise_stale, 2 * NOISES - 1)
           && ecg_within(s->models, 0, MODELS) && ecg_within(s->known, 0, KNOWN)
           && ecg_within(s->strange, 0, STRANGE) && s->weight >= 0.0f && s->missed >= 0.0f && s->raised >= 0.0f;
}

int adaptive_levels_valid(adaptive_state *a, int leads) {
    const float values[] = {a->trust, a->gap, a->recent, a->alike, a->familiar, a->tallest};
    const adaptive_lead *s = adaptive_leads(a);
    if (!ecg_all_finite(values, sizeof values / sizeof *values) || !ecg_all_finite(a->rr, INTERVALS)
        || !ecg_within(a->rr_count, 0, 2 * INTERVALS - 1) || !(a->rr_ref >= RR_MIN && a->rr_ref <= RR_MAX)
        || !(a->rr_var >= 0.0f && a->rr_var <= 1.0f) || !(a->kept_rr >= 0.0f && a->kept_rr <= RR_MAX)
        || !ecg_within(a->familiar_at, -1, a->index) || !ecg_within(a->trusted, 0, 2 * PENDING)
        || !ecg_within(a->probation, 0, PROBATION))
        return 0;
    if (!ecg_all_finite(adaptive_shape(a, s, 0), (size_t)leads * PENDING * (size_t)a->shape_room)) return 0;
    for (int l = 0; l < leads; l++, s++)
        if (!adaptive_lead_valid(s) || (s->known == KNOWN && a->kept_rr < RR_MIN)) return 0;
    return 1;
}
