/* The shape of the last beats, by which they are found again where the gain falls: the height and the scale that are
 * known hide them for half a minute, so that P waves do not grow into complexes while the heart stands still. */
#include "neural.h"
#include "neural_constants.h"

typedef struct shape_match {
    float likeness;                /* correlation of the window with the shape */
    float gain;                    /* size beside the shape */
} shape_match;

/* Are all cells of the window around a cell kept, and do they show the signal? */
static int is_shown(const neural_state *s, const neural_lead *lead, int64_t at) {
    if (at < SHAPE_BEFORE || at - SHAPE_BEFORE <= s->cells - NEURAL_CELLS || at + SHAPE_AFTER > s->cells) return 0;
    for (int64_t k = at - SHAPE_BEFORE; k < at + SHAPE_AFTER; k++)
        if (!ecg_neural_usable(lead, k)) return 0;
    return 1;
}

/* The window around a cell without its mean. */
static void window_of(const neural_lead *lead, int64_t at, float *window) {
    float sum = 0.0f;
    for (int i = 0; i < NEURAL_SHAPE; i++) {
        window[i] = lead->cells[(at - SHAPE_BEFORE + i) % NEURAL_CELLS];
        sum += window[i];
    }
    sum /= (float)NEURAL_SHAPE;
    for (int i = 0; i < NEURAL_SHAPE; i++) window[i] -= sum;
}

static shape_match compare(const neural_lead *lead, const float *window) {
    float both = 0.0f, one = 0.0f, other = 0.0f;
    for (int i = 0; i < NEURAL_SHAPE; i++) {
        both += window[i] * lead->shape[i];
        one += window[i] * window[i];
        other += lead->shape[i] * lead->shape[i];
    }
    shape_match match = {0.0f, 0.0f};
    if (one > 0.0f && other > 0.0f && isfinite(one) && isfinite(other)) {
        match.likeness = both / (sqrtf(one) * sqrtf(other));
        match.gain = both / other;
    }
    return match;
}

/* Only beats like those before count: an ectopic one has another shape. After several of them it is learned anew. */
void ecg_neural_learn_shape(const neural_state *s, neural_lead *lead, int64_t at) {
    float window[NEURAL_SHAPE];
    if (!is_shown(s, lead, at)) return;
    window_of(lead, at, window);
    if (lead->shapes >= SHAPE_BEATS && compare(lead, window).likeness < SHAPE_LEARNED) {
        if (++lead->unlike < SHAPE_UNLIKE) return;
        lead->shapes = 0;
    }
    lead->unlike = 0;
    const float share = 1.0f / (float)(1 + lead->shapes), rate = share > SHAPE_RATE ? share : SHAPE_RATE;
    for (int i = 0; i < NEURAL_SHAPE; i++) {
        const float before = lead->shapes > 0 ? lead->shape[i] : 0.0f;
        lead->shape[i] = before + rate * (window[i] - before);
    }
    if (lead->shapes < SHAPE_BEATS) lead->shapes++;
}

/* What was known of sizes is so much smaller from here on. */
static void regain(neural_state *s, neural_lead *lead, float gain, int64_t first) {
    lead->height += logf(gain);
    lead->scale *= gain;
    if (!(lead->scale > SHAPE_SMALLEST)) lead->scale = SHAPE_SMALLEST;
    for (int64_t b = s->blocks - 1; b >= 0 && b >= s->blocks - NEURAL_PEAKS; b--)
        if (b < first / NEURAL_BLOCK) lead->peaks[b % NEURAL_PEAKS] *= gain;
    for (int i = 0; i < NEURAL_SHAPE; i++) lead->shape[i] *= gain;
}

/* Two in a row at an interval that fits the rhythm, of the same, smaller size. */
static void take_match(neural_state *s, neural_lead *lead, int64_t at, float gain) {
    if (lead->match > s->last) {
        const float rr = ecg_neural_seconds(at - lead->match) / s->rr_ref;
        const float change = fabsf(logf(gain / lead->match_gain));
        if (rr > SHAPE_SHORT && rr < SHAPE_LONG && change < SHAPE_CHANGE) {
            regain(s, lead, gain, lead->match);
            gain = 1.0f;
        }
    }
    lead->match = at;
    lead->match_gain = gain;
}

static void look(neural_state *s, neural_lead *lead, int64_t at) {
    float window[NEURAL_SHAPE];
    shape_match here = {0.0f, 0.0f};
    if (is_shown(s, lead, at)) {
        window_of(lead, at, window);
        here = compare(lead, window);
    }
    const int smaller = here.gain < SHAPE_SMALLER && here.gain > SHAPE_LEAST;
    if (smaller && here.likeness >= SHAPE_LIKE && here.likeness > lead->best) {
        lead->best = here.likeness;
        lead->best_gain = here.gain;
        lead->best_at = at;
    } else if (lead->best > 0.0f && at - lead->best_at >= SHAPE_BEFORE) {
        take_match(s, lead, lead->best_at, lead->best_gain);
        lead->best = 0.0f;
    }
}

void ecg_neural_look_for_shape(neural_state *s, int n_leads) {
    if (s->last < 0) return;
    const int64_t from = s->last + (int64_t)(SHAPE_FROM * s->rr_ref * NEURAL_HZ), oldest = s->cells - NEURAL_CELLS;
    neural_lead *lead = ecg_neural_leads(s);
    for (int l = 0; l < n_leads; l++, lead++) {
        if (lead->looked < from || lead->looked < oldest) {
            lead->looked = from > oldest ? from : oldest;
            lead->best = 0.0f;
        }
        if (lead->shapes < SHAPE_BEATS || lead->heights < NEURAL_HEIGHT_BEATS) continue;
        for (int i = 0; i < SHAPE_AT_ONCE && lead->looked + SHAPE_AFTER <= s->cells; i++, lead->looked++)
            look(s, lead, lead->looked);
    }
}
