/* R peaks that the caller knows (reference annotations), refined on the ECG like detected ones. */
#include "../common/internal.h"

#define EXTERNAL_MAX 64 /* announced and not yet reported */
/* Seconds between two marks at least: no two hearts' beats in one recording are closer. */
#define EXTERNAL_APART_S 0.01

typedef struct external_state {
    int64_t reach;       /* samples that refinement needs after a mark */
    int64_t apart;       /* samples from mark to mark at least */
    int64_t last;        /* last mark announced */
    uint32_t head, tail;
    int64_t marks[EXTERNAL_MAX];
} external_state;

static size_t external_size(const ecg_detector_config *config) {
    (void)config;
    return sizeof(external_state);
}

static void external_init(ecg_detector *d, void *state) {
    external_state *g = state;
    g->reach = ecg_refine_reach(d->config.fs);
    g->apart = (int64_t)ceil(EXTERNAL_APART_S * d->config.fs);
    g->last = -g->apart;
}

/* `last`: where its R peak may lie at the latest. */
static void report_first(ecg_detector *d, external_state *g, int64_t last) {
    int64_t r = ecg_refine(d, 0, g->marks[g->head++ % EXTERNAL_MAX]);
    if (r > last) r = last;
    /* Each mark gives one beat, also where two are refined to the same sample. */
    if (r <= d->last_r) r = d->last_r + 1;
    if (r < d->count) ecg_detector_report(d, r, 1.0f, 0);
}

static size_t external_process(ecg_detector *d, void *state, const float *samples, size_t n, size_t wanted) {
    (void)wanted; /* one is enough */
    external_state *g = state;
    float clean[ECG_LEADS_MAX];
    for (size_t i = 0; i < n; i++) {
        ecg_detector_take(d, samples + i * (size_t)d->config.n_leads, clean);
        if (g->head != g->tail && d->count > g->marks[g->head % EXTERNAL_MAX] + g->reach) {
            report_first(d, g, d->count - 1);
            if (ecg_queue_filled(d)) return i + 1;
        }
    }
    return n;
}

static void external_flush(ecg_detector *d, void *state) {
    external_state *g = state;
    /* A mark beyond the end of the signal gives no beat; those before it each have a sample of their own. */
    while (g->head != g->tail && g->marks[(g->tail - 1) % EXTERNAL_MAX] >= d->count) g->tail--;
    while (g->head != g->tail && !ecg_queue_filled(d))
        report_first(d, g, d->count - (int64_t)(g->tail - g->head));
}

static int64_t external_delay(const ecg_detector *d, const void *state) {
    (void)d;
    return ((const external_state *)state)->reach + 1;
}

int ecg_external_announce(ecg_detector *d, int64_t sample) {
    external_state *g = ecg_method_state(d);
    if (d->config.method != ECG_EXTERNAL) return ECG_ERROR_METHOD;
    if (sample < 0 || sample > INT64_MAX / 2) return ECG_ERROR_ORDER;
    if (sample - g->last < g->apart || sample + g->reach < d->count || g->tail - g->head >= EXTERNAL_MAX)
        return ECG_ERROR_ORDER;
    g->last = sample;
    g->marks[g->tail++ % EXTERNAL_MAX] = sample;
    return ECG_OK;
}

static int external_same(const ecg_detector *d, const void *state, const unsigned char *saved) {
    (void)d;
    return memcmp(state, saved, offsetof(external_state, last)) == 0;
}

static int external_valid(ecg_detector *d, void *state) {
    const external_state *g = state;
    int64_t before = -g->apart;
    if (g->tail - g->head > EXTERNAL_MAX) return 0;
    for (uint32_t i = g->head; i != g->tail; i++) {
        const int64_t mark = g->marks[i % EXTERNAL_MAX];
        if (!ecg_within(mark, before + g->apart, INT64_MAX / 2) || mark + g->reach < d->count) return 0;
        before = mark;
    }
    return ecg_within(g->last, before, INT64_MAX / 2);
}

/* s of signal: what refinement takes before a mark and after it. */
#define EXTERNAL_MEMORY_S 1.0

const ecg_method_ops ecg_external_ops = {EXTERNAL_MEMORY_S, external_size,  external_init, external_process,
                                         external_flush,    external_delay, external_same, external_valid};
