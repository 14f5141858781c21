/* P and T waves that the network takes for complexes. */
#include "neural.h"
#include "neural_constants.h"

int ecg_neural_may_be_t_wave(const neural_state *s, const neural_candidate *c) {
    return s->last < 0 && c->at < START_CELLS && c->odds < HEIGHT_ODDS;
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
