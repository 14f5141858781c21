/* The report of a beat: its R peak and its quality. */
#include "neural.h"
#include "neural_constants.h"

/* Not sure that this is a beat, or that none was missed before it. */
static int doubtful(const neural_state *s, const neural_candidate *c, float rr) {
    const int off = rr < SHORT_FROM * s->rr_ref || rr > LONG_FROM * s->rr_ref;
    return c->odds < (off ? DOUBTFUL_OFF : DOUBTFUL_ODDS) || s->passed_over > DOUBTFUL_PASSED;
}

void ecg_neural_report(ecg_detector *d, neural_state *s, const neural_candidate *c, float rr) {
    const int n_leads = d->config.n_leads;
    const neural_lead *lead = ecg_neural_leads(s);
    const int64_t sample = ecg_neural_sample(d, s, c->at);
    const int64_t around = (QUALITY_CELLS * s->cell) >> 32;
    uint32_t quality = ~0u;
    for (int l = 0; l < n_leads; l++) quality &= ecg_quality_between(d, l, sample - around, sample + around);
    if (doubtful(s, c, rr)) quality |= ECG_QUALITY_DOUBTFUL;
    if (s->accepted < LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    else if (s->clarity < NOISY_CLARITY) quality |= ECG_QUALITY_NOISY;
    /* The first lead gives the R peak, unless it does not show the complex. */
    int shown = 0;
    if (!ecg_neural_usable(&lead[0], c->at) || lead[0].odds[c->at % NEURAL_CELLS] < NEED)
        for (int l = 1; l < n_leads; l++)
            if (ecg_neural_usable(&lead[l], c->at)
                && (!ecg_neural_usable(&lead[shown], c->at)
                    || lead[l].odds[c->at % NEURAL_CELLS] > lead[shown].odds[c->at % NEURAL_CELLS]))
                shown = l;
    ecg_detector_report(d, ecg_refine(d, shown, sample), expf(c->odds), quality);
}
