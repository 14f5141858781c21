/* How tall complexes are: of a candidate, of those before, and of one beside another. */
#include "neural.h"
#include "neural_constants.h"

/* Log of the size of the complex in a lead, from peak to peak. */
static float height_of(const neural_lead *lead, int64_t at) {
    float low = 0.0f, high = 0.0f;
    for (int64_t k = at - SUM_CELLS; k <= at + SUM_CELLS; k++) {
        if (k < 0) continue;
        const float x = lead->cells[k % NEURAL_CELLS];
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    return logf(high - low > 1e-30f ? high - low : 1e-30f);
}

/* Tells whether it is known how tall complexes are in a lead, and writes the log of that. */
static int known_height(neural_state *s, const neural_lead *lead, float *height) {
    int known = lead->heights > 0;
    *height = lead->height;
    if (lead->heights >= NEURAL_HEIGHT_BEATS) return 1;
    for (int i = 0; i < s->pending_count; i++) {
        const neural_candidate *c = &s->pending[i];
        if (c->odds < HEIGHT_ODDS || !ecg_neural_usable(lead, c->at)) continue;
        const float here = height_of(lead, c->at);
        if (!known || here > *height) *height = here;
        known = 1;
    }
    return known;
}

float ecg_neural_shortfall(neural_state *s, int n_leads, int64_t at) {
    const neural_lead *lead = ecg_neural_leads(s);
    float sum = 0.0f, height;
    int n = 0;
    for (int l = 0; l < n_leads; l++, lead++)
        if (ecg_neural_usable(lead, at) && known_height(s, lead, &height)) {
            sum += height - height_of(lead, at);
            n++;
        }
    return n > 0 ? sum / (float)n : 0.0f;
}

float ecg_neural_taller_by(const neural_lead *lead, int n_leads, int64_t a, int64_t b) {
    float sum = 0.0f;
    int n = 0;
    for (int l = 0; l < n_leads; l++, lead++)
        if (ecg_neural_usable(lead, a) && ecg_neural_usable(lead, b)) {
            sum += height_of(lead, b) - height_of(lead, a);
            n++;
        }
    return n > 0 ? sum / (float)n : 0.0f;
}

int ecg_neural_heights_unclear(const neural_state *s) {
    return s->accepted >= LEARNING_BEATS && s->clarity < P_WAVE_CLARITY;
}

/* A beat that comes long after the one before, `alone`, may be an artefact, and so may that one: the height of
 * few beats is learned anew from it, and that of more is not raised. */
void ecg_neural_learn_height(neural_lead *lead, const neural_candidate *c, int alone) {
    const int known = lead->heights >= NEURAL_HEIGHT_BEATS;
    if (alone && !known) lead->heights = 0;
    const float excess = height_of(lead, c->at) - lead->height, share = 1.0f / (float)(1 + lead->heights);
    const int clear = c->odds >= HEIGHT_CLEAR && lead->odds[c->at % NEURAL_CELLS] > 0.0f;
    if (known && excess > 0.0f && (alone || !clear)) return;
    lead->height += (share > HEIGHT_RATE ? share : HEIGHT_RATE) * excess;
    if (lead->heights < 1000) lead->heights++;
}
