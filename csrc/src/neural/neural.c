/* The method `neural`: samples to cells, cells to odds, odds to beats. */
#include "neural.h"

/* Steps that a sample may bring: one in 11 samples at 360 Hz brings one, the first seconds are caught up. */
#define STEPS_AT_ONCE 2
/* Leads are joined by a mean of exp(JOIN * odds): one that shows a complex counts more than one that does not. */
#define JOIN 0.25f
/* A lead is silent where no cell of the last seconds had these log-odds: leads of mitdb, svdb and nsrdb have more in most
 * seconds, noise, hum and an open input less. Beside a lead that showed several complexes as clear as this in that time it
 * does not count; noise alone does not show them. */
#define SILENT 1.0f
#define CLEAR 2.5f
#define LISTEN_S 10
#define APART_S 0.25f
/* Log-odds of cells in which no lead is usable. */
#define NO_SIGNAL (-15.0f)
#define ODDS_MAX 30.0f
/* The R peak may lie so long before the cell. */
#define REFINED_S 0.12
/* s of signal: what a candidate waits at most, or the first ones until the scale is known (1.8 s), and the 0.19 s before
 * it that refinement takes. */
#define NEURAL_MEMORY_S 2.0
/* Cells after the end, so that the late output knows of the last ones and nothing tops them. */
#define PAD_CELLS ((NEURAL_LATE + 1) * NEURAL_STRIDE + 24)

static size_t neural_size(const ecg_detector_config *config) {
    return ecg_round_up(sizeof(neural_state)) + (size_t)config->n_leads * sizeof(neural_lead);
}

static void neural_init(ecg_detector *d, void *state) {
    neural_state *s = state;
    ecg_neural_input_init(s, d->config.n_leads, d->config.fs);
    ecg_neural_decision_init(s, &d->config);
}

static float probability(float odds) {
    return 1.0f / (1.0f + expf(-odds));
}

typedef struct lead_sum {
    float odds;                    /* of exp(JOIN * odds); of one lead alone its log-odds */
    int leads;
} lead_sum;

/* Remembers what the late output, of the cells from `first` on, shows of a lead. */
static void listen(neural_lead *lead, int64_t first, const float *late) {
    for (int k = 0; k < NEURAL_STRIDE; k++) {
        const int64_t at = first + k;
        if (at < 0 || !ecg_neural_usable(lead, at) || late[k] < SILENT) continue;
        lead->heard = at;
        const int64_t last = lead->clear[NEURAL_CLEAR - 1];
        if (late[k] < CLEAR || (last >= 0 && ecg_neural_seconds(at - last) < APART_S)) continue;
        memmove(lead->clear, lead->clear + 1, (NEURAL_CLEAR - 1) * sizeof lead->clear[0]);
        lead->clear[NEURAL_CLEAR - 1] = at;
    }
}

static int lately(const neural_state *s, int64_t at) {
    return at >= 0 && s->steps * NEURAL_STRIDE - at <= LISTEN_S * NEURAL_HZ;
}

/* One step: the outputs of all leads that show anything, joined, as probabilities. */
static void step(ecg_detector *d, neural_state *s) {
    const int n_leads = d->config.n_leads;
    const int64_t first = s->steps * NEURAL_STRIDE;
    const int64_t cells[2] = {first - NEURAL_EARLY * NEURAL_STRIDE, first - NEURAL_LATE * NEURAL_STRIDE};
    float inputs[NEURAL_STRIDE * NEURAL_INPUTS], outputs[NEURAL_OUTPUTS];
    lead_sum sums[NEURAL_OUTPUTS][2] = {{{0.0f, 0}}}; /* of all leads, and of those that are not silent */
    int shows = 0; /* does a lead show beats */
    neural_lead *lead = ecg_neural_leads(s);
    for (int l = 0; l < n_leads; l++, lead++) {
        for (int k = 0; k < NEURAL_STRIDE; k++) ecg_neural_see(lead, first + k, inputs + k * NEURAL_INPUTS);
        ecg_neural_step(lead, s->steps, inputs, outputs);
        listen(lead, cells[1], outputs + NEURAL_STRIDE);
        shows |= lately(s, lead->clear[0]);
        const int loud = lately(s, lead->heard);
        for (int k = 0; k < NEURAL_OUTPUTS; k++) {
            const int64_t cell = cells[k / NEURAL_STRIDE] + k % NEURAL_STRIDE;
            if (cell < 0 || !ecg_neural_usable(lead, cell)) continue;
            const float odds = n_leads == 1 ? outputs[k] : expf(JOIN * (outputs[k] < ODDS_MAX ? outputs[k] : ODDS_MAX));
            for (int i = 0; i <= loud; i++) {
                sums[k][i].odds += odds;
                sums[k][i].leads++;
            }
            lead->odds[cell % NEURAL_CELLS] = outputs[k]; /* the late output corrects the early one */
        }
    }
    for (int k = 0; k < NEURAL_OUTPUTS; k++) {
        const int64_t cell = cells[k / NEURAL_STRIDE] + k % NEURAL_STRIDE;
        if (cell < 0) continue;
        const lead_sum sum = sums[k][shows && sums[k][1].leads > 0];
        float odds = NO_SIGNAL;
        if (sum.leads > 0) odds = n_leads == 1 ? sum.odds : logf(sum.odds / (float)sum.leads + 1e-9f) / JOIN;
        (k < NEURAL_STRIDE ? s->p_early : s->p_late)[cell % NEURAL_RECENT] = probability(odds);
    }
    s->steps++;
}

static void neural_advance(ecg_detector *d, neural_state *s, int most) {
    const int64_t ready = ecg_neural_ready(s);
    for (; most > 0 && (s->steps + 1) * NEURAL_STRIDE <= ready; most--) {
        step(d, s);
        ecg_neural_decide(d, s, 0);
    }
}

static size_t neural_process(ecg_detector *d, void *state, const float *samples, size_t n, size_t wanted) {
    (void)wanted; /* one is enough */
    neural_state *s = state;
    const int n_leads = d->config.n_leads;
    float clean[ECG_LEADS_MAX];
    for (size_t i = 0; i < n; i++) {
        ecg_detector_take(d, samples + i * (size_t)n_leads, clean);
        const ecg_lead *front = ecg_leads(d);
        neural_lead *lead = ecg_neural_leads(s);
        for (int l = 0; l < n_leads; l++) {
            lead[l].value = clean[l];
            lead[l].bad |= front[l].missing >= front[l].gap_run || front[l].run >= front[l].flat_run;
        }
        const int64_t before = s->cells;
        if (ecg_neural_take(s, n_leads) == before) continue;
        neural_advance(d, s, STEPS_AT_ONCE);
        if (ecg_queue_filled(d)) return i + 1;
    }
    return n;
}

static void neural_flush(ecg_detector *d, void *state) {
    neural_state *s = state;
    const int n_leads = d->config.n_leads;
    if (s->end < 0) {
        s->end = s->cells;
        if (s->end == 0) return;
        const int64_t all = s->end + PAD_CELLS, least = NEURAL_START * NEURAL_BLOCK;
        while (s->cells < all || s->cells < least) {
            ecg_neural_pad(s, n_leads);
            neural_advance(d, s, STEPS_AT_ONCE);
        }
        while ((s->steps + 1) * NEURAL_STRIDE <= s->cells) neural_advance(d, s, STEPS_AT_ONCE);
    }
    if (!ecg_queue_filled(d)) ecg_neural_decide(d, s, 1);
}

static int64_t neural_delay(const ecg_detector *d, const void *state) {
    const neural_state *s = state;
    return (int64_t)ceil((ecg_neural_longest_s(d, s) + REFINED_S) * d->config.fs);
}

static int neural_same(const ecg_detector *d, const void *state, const unsigned char *saved) {
    (void)d;
    return memcmp(state, saved, offsetof(neural_state, left)) == 0;
}

const ecg_method_ops ecg_neural_ops = {NEURAL_MEMORY_S, neural_size,  neural_init, neural_process, neural_flush,
                                       neural_delay,    neural_same,  ecg_neural_valid};
