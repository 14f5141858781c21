/* The detector's frame: memory layout, dispatch to the method, and the queue of reported beats. */
#include "internal.h"

#define MAX_DELAY_MIN 0.35 /* s: refinement and the classical fiducial mark need that long */

/* RR intervals this near to the shortest that can be found say that some may be shorter ... */
#define NEAR_SHORTEST 1.1
/* ... where they are five or more of the last eight: the median. */
#define FAST_BEATS 0xffu
#define FAST_LEAST 5

static const ecg_method_ops *ops_of(int method) {
    switch (method) {
#if ECG_WITH_PAN_TOMPKINS
    case ECG_PAN_TOMPKINS: return &ecg_pan_tompkins_ops;
#endif
#if ECG_WITH_ADAPTIVE
    case ECG_ADAPTIVE: return &ecg_adaptive_ops;
#endif
#if ECG_WITH_EXTERNAL
    case ECG_EXTERNAL: return &ecg_external_ops;
#endif
#if ECG_WITH_NEURAL
    case ECG_NEURAL: return &ecg_neural_ops;
#endif
    default: return NULL;
    }
}

static uint32_t ring_length(const ecg_detector_config *config) {
    const double needed = ops_of(config->method)->memory_s;
    double seconds = config->keep > needed ? config->keep : needed;
    uint32_t length = 1;
    while (length < seconds * config->fs + ECG_AHEAD) length <<= 1;
    return length;
}

ecg_detector_config ecg_detector_clock(const ecg_detector_config *config) {
    ecg_detector_config on_clock = *config;
    const double clock = ecg_clock(config);
    on_clock.fs *= clock;
    on_clock.max_delay /= clock;
    on_clock.keep /= clock;
    return on_clock;
}

int ecg_detector_check(const ecg_detector_config *as_given) {
    if (!as_given) return ECG_ERROR_ARGUMENT;
    if (!(as_given->max_rate == 0.0 || (as_given->max_rate >= ECG_RATE_MAX && as_given->max_rate <= ECG_RATE_MAX_ANIMALS)))
        return ECG_ERROR_RATE;
    const ecg_detector_config on_clock = ecg_detector_clock(as_given), *config = &on_clock;
    if (!(config->fs >= ECG_FS_MIN && config->fs <= ECG_FS_MAX)) return ECG_ERROR_FS;
    if (config->n_leads < 1 || config->n_leads > ECG_LEADS_MAX) return ECG_ERROR_LEADS;
    if (!ops_of(config->method)) return ECG_ERROR_METHOD;
    if (!(config->max_delay == 0.0
          || (config->max_delay >= MAX_DELAY_MIN && config->max_delay <= 1e6)))
        return ECG_ERROR_DELAY;
    if (!(config->keep >= 0.0 && config->keep <= ECG_KEEP_MAX_S)) return ECG_ERROR_KEEP;
    return ECG_OK;
}

size_t ecg_detector_size(const ecg_detector_config *config) {
    if (ecg_detector_check(config) != ECG_OK) return 0;
    const ecg_detector_config on_clock = ecg_detector_clock(config);
    return ecg_detector_bytes(&on_clock);
}

size_t ecg_detector_bytes(const ecg_detector_config *config) {
    size_t n_leads = (size_t)config->n_leads, ring = ring_length(config);
    return ecg_round_up(sizeof(ecg_detector)) + 2 * ecg_round_up(n_leads * sizeof(ecg_lead))
           + ecg_round_up(n_leads * ring * sizeof(float)) + ecg_round_up(n_leads * ring)
           + ecg_round_up(n_leads * sizeof(ecg_r_choice))
           + ecg_round_up((size_t)ecg_refine_scratch(config->fs) * sizeof(double))
           + ecg_round_up(ops_of(config->method)->size(config));
}

int ecg_detector_init(ecg_detector *d, size_t bytes, const ecg_detector_config *config) {
    int status = ecg_detector_check(config);
    if (status != ECG_OK) return status;
    const ecg_detector_config on_clock = ecg_detector_clock(config);
    return ecg_detector_begin(d, bytes, &on_clock);
}

int ecg_detector_begin(ecg_detector *d, size_t bytes, const ecg_detector_config *config) {
    size_t needed = ecg_detector_bytes(config);
    if (!d || bytes < needed || (uintptr_t)d % ECG_ALIGNMENT) return ECG_ERROR_MEMORY;
    memset(d, 0, needed);
    d->header = (ecg_header){ECG_KIND_DETECTOR, ECG_STATE_VERSION, needed};
    d->config = *config;
    d->ring_mask = ring_length(config) - 1;
    d->last_r = INT64_MIN / 2;
    size_t n_leads = (size_t)config->n_leads, ring = d->ring_mask + (size_t)1;
    d->scratch_length = ecg_refine_scratch(config->fs);
    d->leads_at = ecg_round_up(sizeof(ecg_detector));
    d->before_at = d->leads_at + ecg_round_up(n_leads * sizeof(ecg_lead));
    d->rings_at = d->before_at + ecg_round_up(n_leads * sizeof(ecg_lead));
    d->flags_at = d->rings_at + ecg_round_up(n_leads * ring * sizeof(float));
    d->choices_at = d->flags_at + ecg_round_up(n_leads * ring);
    d->scratch_at = d->choices_at + ecg_round_up(n_leads * sizeof(ecg_r_choice));
    d->method_at = d->scratch_at + ecg_round_up((size_t)d->scratch_length * sizeof(double));
    for (int i = 0; i < config->n_leads; i++) ecg_lead_init(&ecg_leads(d)[i], config->fs);
    ops_of(config->method)->init(d, ecg_method_state(d));
    return ECG_OK;
}

static size_t take_queued(ecg_detector *d, ecg_qrs *beats, size_t capacity) {
    size_t taken = 0;
    while (taken < capacity && ecg_queue_filled(d))
        beats[taken++] = d->queue[d->queue_head++ % ECG_QUEUE];
    return taken;
}

size_t ecg_detector_process(ecg_detector *d, const float *samples, size_t n,
                            ecg_qrs *beats, size_t capacity, size_t *found) {
    if (found) *found = 0;
    if (!found || !ecg_is_state(d, ECG_KIND_DETECTOR) || (!samples && n) || (!beats && capacity)) return 0;
    const ecg_method_ops *ops = ops_of(d->config.method);
    size_t done = 0;
    *found = take_queued(d, beats, capacity);
    while (done < n && *found < capacity) {
        size_t wanted = capacity - *found;
        if (wanted > ECG_QUEUE / 2) wanted = ECG_QUEUE / 2; /* what one sample adds has room */
        done += ops->process(d, ecg_method_state(d), samples + done * (size_t)d->config.n_leads, n - done, wanted);
        *found += take_queued(d, beats + *found, capacity - *found);
    }
    return done;
}

size_t ecg_detector_flush(ecg_detector *d, ecg_qrs *beats, size_t capacity) {
    if (!ecg_is_state(d, ECG_KIND_DETECTOR) || (!beats && capacity)) return 0;
    if (!ecg_queue_filled(d)) ops_of(d->config.method)->flush(d, ecg_method_state(d));
    return take_queued(d, beats, capacity);
}

static int ones_of(uint32_t bits) {
    int ones = 0;
    for (; bits; bits &= bits - 1) ones++;
    return ones;
}

void ecg_detector_report(ecg_detector *d, int64_t sample, float strength, uint32_t quality) {
    if (sample <= d->last_r || d->queue_tail - d->queue_head >= ECG_QUEUE) return;
    const double shortest = 60.0 / ECG_RATE_MAX * d->config.fs;
    d->fast = (d->fast << 1 | ((double)(sample - d->last_r) <= NEAR_SHORTEST * shortest)) & FAST_BEATS;
    if (ones_of(d->fast) >= FAST_LEAST) quality |= ECG_QUALITY_RATE_LIMIT;
    d->last_r = sample;
    d->queue[d->queue_tail++ % ECG_QUEUE] = (ecg_qrs){sample, d->count, strength, quality};
}

int64_t ecg_detector_delay(const ecg_detector *d) {
    if (!ecg_is_state(d, ECG_KIND_DETECTOR)) return 0;
    return ops_of(d->config.method)->delay(d, (const char *)d + d->method_at);
}

int64_t ecg_detector_count(const ecg_detector *d) {
    return ecg_is_state(d, ECG_KIND_DETECTOR) ? d->count : 0;
}

/* ------------------------------------------------------------------ snapshots */

int ecg_detector_same(ecg_detector *d, const unsigned char *saved) {
    const size_t config = offsetof(ecg_detector, config);
    if (memcmp(&d->config, saved + config, sizeof d->config) != 0) return ECG_ERROR_CONFIG;
    if (memcmp(d, saved, offsetof(ecg_detector, count)) != 0) return ECG_ERROR_SNAPSHOT;
    for (size_t l = 0; l < (size_t)d->config.n_leads; l++)
        if (memcmp(&ecg_leads(d)[l], saved + d->leads_at + l * sizeof(ecg_lead), offsetof(ecg_lead, offset)) != 0)
            return ECG_ERROR_SNAPSHOT;
    const int same = ops_of(d->config.method)->same(d, ecg_method_state(d), saved + d->method_at);
    return same ? ECG_OK : ECG_ERROR_SNAPSHOT;
}

int ecg_qrs_valid(const ecg_qrs *beats, uint32_t head, uint32_t tail, uint32_t size, int64_t count) {
    if (tail - head > size) return 0;
    for (uint32_t i = head; i != tail; i++) {
        const ecg_qrs *beat = &beats[i % size];
        if (!ecg_within(beat->sample, 0, count - 1) || !ecg_within(beat->reported_at, 0, count)
            || !isfinite(beat->strength))
            return 0;
    }
    return 1;
}

int ecg_detector_valid(ecg_detector *d) {
    const size_t samples = (size_t)d->config.n_leads * (d->ring_mask + 1u);
    const uint8_t *flags = ecg_flags(d, 0);
    if (!ecg_within(d->count, 0, ECG_COUNT_MAX) || !ecg_within(d->last_r, INT64_MIN / 2, d->count - 1)
        || d->fast > FAST_BEATS || !ecg_qrs_valid(d->queue, d->queue_head, d->queue_tail, ECG_QUEUE, d->count)
        || !ecg_all_finite(ecg_ring(d, 0), samples))
        return 0;
    for (size_t i = 0; i < samples; i++)
        if (flags[i] & ~(ECG_QUALITY_GAP | ECG_QUALITY_FLAT | ECG_QUALITY_SATURATED | ECG_FLAG_LOST)) return 0;
    for (int l = 0; l < d->config.n_leads; l++)
        if (!ecg_lead_valid(&ecg_leads(d)[l]) || !ecg_r_choice_valid(&ecg_r_choices(d)[l], d->config.fs)) return 0;
    return ops_of(d->config.method)->valid(d, ecg_method_state(d));
}

void ecg_detector_restart(ecg_detector *d) {
    const ecg_detector_config config = d->config;
    ecg_detector_begin(d, (size_t)d->header.bytes, &config);
}
