/* R peaks that the caller knows (reference annotations), refined on the ECG like detected ones. */
#include "../common/internal.h"

#define GIVEN_MAX 64 /* announced and not yet reported */
/* Seconds between two marks at least: no two hearts' beats in one recording are closer. */
#define GIVEN_APART_S 0.01

typedef struct given_state {
    int64_t reach;       /* samples that refinement needs after a mark */
    int64_t apart;       /* samples from mark to mark at least */
    int64_t last;        /* last mark announced */
    uint32_t head, tail;
    int64_t marks[GIVEN_MAX];
} given_state;

static size_t given_size(const ecg_detector_config *config) {
    (void)config;
    return sizeof(given_state);
}

static void given_init(ecg_detector *d, void *state) {
    given_state *g = state;
    g->reach = ecg_refine_reach(d->config.fs);
    g->apart = (int64_t)ceil(GIVEN_APART_S * d->config.fs);
    g->last = -g->apart;
}

/* `last`: where its R peak may lie at the latest. */
static void report_first(ecg_detector *d, given_state *g, int64_t last) {
    int64_t r = ecg_refine(d, 0, g->marks[g->head++ % GIVEN_MAX]);
    if (r > last) r = last;
    /* Each mark gives one beat, also where two are refined to the same sample. */
    if (r <= d->last_r) r = d->last_r + 1;
    if (r < d->count) ecg_detector_report(d, r, 1.0f, 0);
}

static size_t given_process(ecg_detector *d, void *state, const float *samples, size_t n) {
    given_state *g = state;
    float clean[ECG_LEADS_MAX];
    for (size_t i = 0; i < n; i++) {
        ecg_detector_take(d, samples + i * (size_t)d->config.leads, clean);
        if (g->head != g->tail && d->count > g->marks[g->head % GIVEN_MAX] + g->reach) {
            report_first(d, g, d->count - 1);
            if (ecg_queue_filled(d)) return i + 1;
        }
    }
    return n;
}

static void given_flush(ecg_detector *d, void *state) {
    given_state *g = state;
    /* A mark beyond the end of the signal gives no beat; those before it each have a sample of their own. */
    while (g->head != g->tail && g->marks[(g->tail - 1) % GIVEN_MAX] >= d->count) g->tail--;
    while (g->head != g->tail && !ecg_queue_filled(d))
        report_first(d, g, d->count - (int64_t)(g->tail - g->head));
}

static int64_t given_delay(const ecg_detector *d, const void *state) {
    (void)d;
    return ((const given_state *)state)->reach + 1;
}

int ecg_given_announce(ecg_detector *d, int64_t r_sample) {
    given_state *g = ecg_method_state(d);
    if (d->config.method != ECG_GIVEN) return ECG_ERROR_METHOD;
    if (r_sample < 0 || r_sample > INT64_MAX / 2) return ECG_ERROR_ORDER;
    if (r_sample - g->last < g->apart || r_sample + g->reach < d->count || g->tail - g->head >= GIVEN_MAX)
        return ECG_ERROR_ORDER;
    g->last = r_sample;
    g->marks[g->tail++ % GIVEN_MAX] = r_sample;
    return ECG_OK;
}

static int given_same(const ecg_detector *d, const void *state, const unsigned char *saved) {
    (void)d;
    return memcmp(state, saved, offsetof(given_state, last)) == 0;
}

static int given_valid(ecg_detector *d, void *state) {
    const given_state *g = state;
    int64_t before = -g->apart;
    if (g->tail - g->head > GIVEN_MAX) return 0;
    for (uint32_t i = g->head; i != g->tail; i++) {
        const int64_t mark = g->marks[i % GIVEN_MAX];
        if (!ecg_within(mark, before + g->apart, INT64_MAX / 2) || mark + g->reach < d->count) return 0;
        before = mark;
    }
    return ecg_within(g->last, before, INT64_MAX / 2);
}

/* s of signal: what refinement takes before a mark and after it. */
#define EXTERNAL_MEMORY_S 1.0

const ecg_method_ops ecg_given_ops = {EXTERNAL_MEMORY_S,    given_size,  given_init, given_process,
                                      given_flush, given_delay, given_same, given_valid};
