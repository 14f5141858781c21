/* Scores of candidates by the network's odds and their height, and the best path through them. */
#include "neural.h"
#include "neural_constants.h"

void ecg_neural_set_score(neural_state *s, int n_leads, neural_candidate *c) {
    const float smaller = ecg_neural_shortfall(s, n_leads, c->at), short_of = HEIGHT_COST * (smaller - HEIGHT_FROM);
    float cost = short_of > HEIGHT_CAP ? HEIGHT_CAP : short_of > 0.0f ? short_of : 0.0f;
    if (ecg_neural_may_be_t_wave(s, n_leads, c) && smaller > SMALLER) cost = START_COST;
    c->score = c->odds + BIAS - cost;
    if (c->score > SCORE_MAX) c->score = SCORE_MAX;
}

float ecg_neural_worth(const neural_candidate *c) {
    return c->score - BIAS;
}

int ecg_neural_path_end(neural_state *s, int n_leads) {
    int end = -1;
    float best = s->last >= 0 ? -ecg_neural_open_cost(s, s->last) : 0.0f;
    for (int i = 0; i < s->pending_count; i++) {
        neural_candidate *c = &s->pending[i];
        float value = s->last >= 0 ? -ecg_neural_pair_cost(s, s->last, c->at) : 0.0f;
        c->from = -1;
        for (int j = 0; j < i; j++) {
            const neural_candidate *p = &s->pending[j];
            if (p->value <= value) continue; /* costs only lower it */
            const float v = p->value - ecg_neural_pair_cost(s, p->at, c->at);
            if (v > value) {
                value = v;
                c->from = j;
            }
        }
        c->value = ecg_neural_is_p_wave(s, n_leads, i) ? -NEVER : value + c->score;
        const float ended = c->value - ecg_neural_open_cost(s, c->at);
        if (ended > best) {
            best = ended;
            end = i;
        }
    }
    return end;
}
