/* P and T waves that the network takes for complexes. */
#include "neural.h"
#include "neural_constants.h"

/* Did the signal of every lead begin so short a time before, with the recording or after missing samples. */
static int begins_before(neural_state *s, int n_leads, int64_t at) {
    const int64_t before = at - START_CELLS;
    if (before < 0) return 1;
    const neural_lead *lead = ecg_neural_leads(s);
    for (int l = 0; l < n_leads; l++)
        if (ecg_neural_usable(&lead[l], before)) return 0;
    return 1;
}

int ecg_neural_may_be_t_wave(neural_state *s, int n_leads, const neural_candidate *c) {
    /* After missing samples the scale is not known yet: any wave may look like a complex. */
    return s->last < 0 && (c->odds < HEIGHT_ODDS || c->at >= START_CELLS) && begins_before(s, n_leads, c->at);
}

/* To the network a narrow P wave before a wide or paced complex may look more like a complex than that. */
int ecg_neural_is_p_wave(neural_state *s, int n_leads, int index) {
    const neural_candidate *c = &s->pending[index];
    if (ecg_neural_heights_unclear(s)) return 0;
    for (int i = index + 1; i < s->pending_count; i++) {
        const neural_candidate *next = &s->pending[i];
        const float pr = ecg_neural_seconds(next->at - c->at);
        if (pr > P_WAVE_S || pr > P_WAVE_RR * s->rr_ref) break;
        if (next->odds < NEED) continue;
        if (s->rr_count > 0 && ecg_neural_misfit(s, next->at) >= ecg_neural_misfit(s, c->at)) continue;
        if (ecg_neural_taller_by(ecg_neural_leads(s), n_leads, c->at, next->at) > SMALLER) return 1;
    }
    return 0;
}
