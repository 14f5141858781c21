/* Which candidates are beats: the best path through them, by the network's odds, rhythm and height.
 *
 * Log-odds are natural logs. The constants were chosen by hand on all the databases of
 * docs/generalisation.md, each scored by a network that had not seen it: the weights' figures there are
 * blind, the constants' are not. */
#include "neural.h"

#define SUM_CELLS 6       /* on either side: the odds of a beat are those of the cells around it together */
#define TARGET_CELLS 5.0f /* cells that training marks for each beat */
#define HOLD_CELLS 10     /* a maximum that nothing tops for 80 ms on either side is a candidate */
#define MERGE_CELLS 12    /* two outputs within 96 ms belong to the same complex */
#define NEURAL_FAINT 0.004f /* beats expected around a cell, below which it is no candidate */
#define SURE 0.9975f      /* ... and above which log-odds stay at 6 */
#define EARLY_ODDS 4.5f   /* by the early output, from which the late one is not waited for, ... */
#define EARLY_CONFIRMED 1.0f /* ... unless lately the late one did not confirm such a complex: a tall P wave */
#define EARLY_BEATS 30    /* beats without the early output after it was wrong once */

/* Score of a candidate: its log-odds and a bias, less costs. */
#define BIAS 2.0f         /* a candidate with odds of one to seven is a beat where rhythm and height cost nothing */
#define SCORE_MAX 6.0f    /* one clear candidate shall not outweigh three costs of rhythm */
#define HEIGHT_FROM 0.8f  /* logs below the running height, from which a complex is too small: 0.45 of it */
#define HEIGHT_COST 2.5f  /* for each log more: a P wave has a tenth */
#define HEIGHT_CAP 3.0f   /* gains may change: what the network sees clearly stays a beat */
#define HEIGHT_RATE 0.2f  /* over the last five beats */
#define HEIGHT_CLEAR 4.0f /* beats below lower the running height and never raise it: artefacts are tall */
#define HEIGHT_ODDS 4.5f  /* of waiting candidates whose height counts too in the first beats: P waves stay small */

/* P and T waves that the network takes for complexes. */
#define SMALLER 0.4f      /* logs: two thirds of the height of a complex at most */
#define P_WAVE_S 0.30f    /* a smaller candidate so long before a complex is its P wave: the PR interval of a block ... */
#define P_WAVE_RR 0.45f   /* ... but less than half of the RR reference: the complexes of a tachycardia are none */
#define P_WAVE_CLARITY 2.0f /* log-odds of the last beats, below which that does not hold: noise */
#define START_CELLS 56    /* a smaller candidate so early (0.45 s) is the T wave of a complex before the first sample */
#define START_COST 10.0f  /* more than any score */

/* Costs of an RR interval beside the reference. */
#define SHORT_FROM 0.8f   /* of the reference: shorter ones are premature */
#define SHORT_COST 2.0f   /* times the excess of reference over interval */
#define LONG_FROM 1.2f    /* of the reference: longer ones are late */
#define LONG_COST 2.0f    /* times the excess of interval over reference */
#define LONG_CAP 2.0f     /* a pause may be of any length */
#define NEURAL_SOFT 4.0f  /* costs fall to a half at 25 % RR variability: atrial fibrillation */
#define NEURAL_REFRACTORY_S 0.30f /* intervals below 200 a minute need good reason ... */
#define REFRACTORY_COST 3.0f /* at 0.17 s */
#define REFRACTORY_RAMP_S 0.13f /* ... the more the shorter */
#define RR_MIN_S 0.19f    /* 315 a minute: no human ventricle follows faster */
#define NEVER 1e3f        /* cost of what cannot be */
#define RR_MAX_S 2.0f     /* 30 a minute */
#define RR_LEAST_S 0.2f   /* 300 a minute, of the reference */
#define RR_FIRST_S 0.8f   /* before any interval is known */
#define VAR_FIRST 0.6f    /* any rhythm is possible */

/* When to decide. */
#define CLEAR_SCORE 3.0f  /* a candidate this clear at a plausible interval ... */
#define CLEAR_SHORT 0.75f /* of the RR reference */
#define CLEAR_LONG 1.5f   /* ... is reported at once, */
#define CERTAIN_SCORE 5.0f /* and one beyond doubt at any interval but a refractory one */
#define WAIT_RR 1.0f      /* others wait for what follows within one RR interval, ... */
#define WAIT_MIN_S 0.35f  /* at least past their own T wave, ... */
#define WAIT_MAX_S 1.05f  /* and at most so long */
#define EXPIRE_S 1.1f     /* after that a candidate on no path is dropped: just after the longest wait */

/* Log-odds, less the cost of height, that at least one candidate of the rest of the path must reach. A candidate
 * below is a beat only before such a one: an ectopic complex among clear ones is, the P waves of a heart in
 * standstill are not. */
#define NEED (-1.0f)
#define CLARITY_RATE 0.2f /* over the last five beats */
#define END_CELLS 4       /* cells before the end of a recording: half of a complex there is none */
#define FINAL_ODDS (-0.5f) /* of the last candidate of a recording, which nothing follows */

/* Quality bits of a beat. */
#define LEARNING_BEATS 4
#define NOISY_CLARITY 3.3f /* of 4: several of the last five beats were not beyond doubt */
#define DOUBTFUL_ODDS 4.0f /* below 55 to one ... */
#define DOUBTFUL_OFF 5.5f  /* ... or 245 to one at an early or a late interval; */
#define DOUBTFUL_PASSED (-3.0f) /* or a candidate above one to twenty since the last beat was none */
/* Half of the beats are none where the last five were so unclear: those below are not reported. */
#define HIDE_CLARITY 0.5f
#define HIDE_ODDS 2.0f
#define NONE_PASSED (-20.0f) /* less than any odds */
#define QUALITY_CELLS 18   /* on either side of a beat: P to T */

#define LAG_LATE (NEURAL_LATE * NEURAL_STRIDE + NEURAL_STRIDE + SUM_CELLS + HOLD_CELLS + 1)
#define LAG_EARLY (NEURAL_EARLY * NEURAL_STRIDE + NEURAL_STRIDE + SUM_CELLS + HOLD_CELLS + 1)

static float neural_seconds(int64_t cells) {
    return (float)cells / NEURAL_HZ;
}

/* Within a caller's limit a candidate expires when its wait is over. */
static float expire_s(const ecg_detector *d, const neural_state *s) {
    return d->config.max_delay > 0.0 ? s->wait_s : EXPIRE_S;
}

double ecg_neural_longest_s(const ecg_detector *d, const neural_state *s) {
    return (double)expire_s(d, s) + (double)(s->uses_late ? LAG_LATE : LAG_EARLY) / NEURAL_HZ;
}

void ecg_neural_decision_init(neural_state *s, const ecg_detector_config *config) {
    const float lag = (float)LAG_LATE / NEURAL_HZ, early_lag = (float)LAG_EARLY / NEURAL_HZ;
    const float limit = (float)config->max_delay;
    s->uses_late = limit == 0.0f || limit >= lag + 0.02f;
    s->wait_s = limit == 0.0f ? WAIT_MAX_S : limit - (s->uses_late ? lag : early_lag);
    if (s->wait_s > WAIT_MAX_S) s->wait_s = WAIT_MAX_S;
    if (s->wait_s < 0.0f) s->wait_s = 0.0f;
    s->wake = INT64_MAX;
    s->last = s->last_clear = -1;
    for (int i = 0; i < NEURAL_CLAIMS; i++) s->claims[i] = -1;
    s->rr_ref = RR_FIRST_S;
    s->rr_var = VAR_FIRST;
    s->passed_over = NONE_PASSED;
}

/* ------------------------------------------------------------------ candidates */

/* Beats expected around cell `at`. */
static float mass(const float *p, int64_t at, int64_t known) {
    float sum = 0.0f;
    for (int64_t k = at - SUM_CELLS; k <= at + SUM_CELLS; k++)
        if (k >= 0 && k < known) sum += p[k % NEURAL_RECENT];
    return sum / TARGET_CELLS;
}

static float odds_of(float expected) {
    const float p = expected < SURE ? expected : SURE;
    return logf(p / (1.0f - p));
}

/* Centre of what is expected around cell `at`. */
static int64_t centre(const float *p, int64_t at, int64_t known) {
    float sum = 0.0f, moment = 0.0f;
    for (int64_t k = at - SUM_CELLS; k <= at + SUM_CELLS; k++)
        if (k >= 0 && k < known) {
            sum += p[k % NEURAL_RECENT];
            moment += (float)(k - at) * p[k % NEURAL_RECENT];
        }
    return at + (int64_t)floorf(moment / sum + 0.5f);
}

static int neural_is_maximum(const float *p, int64_t at, int64_t known, float here) {
    for (int64_t k = at - HOLD_CELLS; k <= at + HOLD_CELLS; k++)
        if (k >= 0 && k < known && mass(p, k, known) > here) return 0;
    return 1;
}

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

static int usable(const neural_lead *lead, int64_t at) {
    return !lead->fault[at % NEURAL_CELLS];
}

/* Tells whether it is known how tall complexes are in a lead, and writes the log of that. */
static int known_height(neural_state *s, const neural_lead *lead, float *height) {
    int known = lead->heights > 0;
    *height = lead->height;
    if (lead->heights >= NEURAL_HEIGHT_BEATS) return 1;
    for (int i = 0; i < s->pending_count; i++) {
        const neural_candidate *c = &s->pending[i];
        if (c->odds < HEIGHT_ODDS || !usable(lead, c->at)) continue;
        const float here = height_of(lead, c->at);
        if (!known || here > *height) *height = here;
        known = 1;
    }
    return known;
}

/* How much smaller than usual a complex is, in logs, over the leads that show it. */
static float shortfall(neural_state *s, int n_leads, int64_t at) {
    const neural_lead *lead = ecg_neural_leads(s);
    float sum = 0.0f, height;
    int n = 0;
    for (int l = 0; l < n_leads; l++, lead++)
        if (usable(lead, at) && known_height(s, lead, &height)) {
            sum += height - height_of(lead, at);
            n++;
        }
    return n > 0 ? sum / (float)n : 0.0f;
}

/* Perhaps the T wave of a complex before the first sample: what follows has to be seen. */
static int may_be_cut(const neural_state *s, const neural_candidate *c) {
    return s->last < 0 && c->at < START_CELLS && c->odds < HEIGHT_ODDS;
}

static void set_score(neural_state *s, int n_leads, neural_candidate *c) {
    const float smaller = shortfall(s, n_leads, c->at), short_of = HEIGHT_COST * (smaller - HEIGHT_FROM);
    float cost = short_of > HEIGHT_CAP ? HEIGHT_CAP : short_of > 0.0f ? short_of : 0.0f;
    if (may_be_cut(s, c) && smaller > SMALLER) cost = START_COST;
    c->score = c->odds + BIAS - cost;
    if (c->score > SCORE_MAX) c->score = SCORE_MAX;
}

/* The clearest of candidates that were no beats is remembered until the next beat. */
static void pass_over(neural_state *s, int first, int count) {
    for (int i = first; i < first + count; i++)
        if (s->pending[i].odds > s->passed_over) s->passed_over = s->pending[i].odds;
}

static void remove_pending(neural_state *s, int first, int count) {
    s->pending_count -= count;
    memmove(s->pending + first, s->pending + first + count,
            (size_t)(s->pending_count - first) * sizeof *s->pending);
}

static void drop_pending(neural_state *s, int index) {
    pass_over(s, index, 1);
    remove_pending(s, index, 1);
}

/* The sample at the middle of a cell, counted back from now: products of days of cells do not fit 64 bits. */
static int64_t sample_of(const ecg_detector *d, const neural_state *s, int64_t at) {
    const int64_t whole = s->end < 0 ? s->cells : s->end, open = s->cell - s->left;
    const int64_t back = (whole - at) * s->cell + open - s->cell / 2;
    return d->count - ((back + (INT64_C(1) << 32) - 1) >> 32);
}

/* Do all usable leads show nothing around a cell but a converter's lowest bit? */
static int all_flicker(ecg_detector *d, neural_state *s, int64_t at) {
    const neural_lead *lead = ecg_neural_leads(s);
    int shown = 0;
    for (int l = 0; l < d->config.n_leads; l++) {
        if (!usable(&lead[l], at)) continue;
        if (!ecg_flickers(d, l, sample_of(d, s, at))) return 0;
        shown = 1;
    }
    return shown;
}

/* A new candidate, or a better reading of one that waits. */
static int add_candidate(ecg_detector *d, neural_state *s, int64_t at, float odds) {
    if (at < 0 || (s->last >= 0 && at <= s->last + MERGE_CELLS) || (s->end >= 0 && at >= s->end - END_CELLS)) return 0;
    if (all_flicker(d, s, at)) return 0;
    int i = 0;
    while (i < s->pending_count && s->pending[i].at < at - MERGE_CELLS) i++;
    /* The nearest of two, so that their order stays. */
    if (i + 1 < s->pending_count && s->pending[i + 1].at - at < at - s->pending[i].at) i++;
    const int known = i < s->pending_count && s->pending[i].at <= at + MERGE_CELLS;
    if (!known) {
        if (s->pending_count == NEURAL_PENDING) {
            if (i == 0) return 0;
            drop_pending(s, 0);
            i--;
        }
        memmove(s->pending + i + 1, s->pending + i, (size_t)(s->pending_count - i) * sizeof *s->pending);
        s->pending_count++;
    }
    neural_candidate *c = &s->pending[i];
    c->at = at;
    c->odds = odds;
    if (s->accepted >= NEURAL_HEIGHT_BEATS) set_score(s, d->config.n_leads, c);
    else
        for (int k = 0; k < s->pending_count; k++) set_score(s, d->config.n_leads, &s->pending[k]);
    return 1;
}

/* A complex beyond doubt by the early output is decided at once, as long as the late output has confirmed such ones. */
static int search_early(ecg_detector *d, neural_state *s, int64_t known) {
    int found = 0;
    for (; s->searched_early + SUM_CELLS + 1 < known; s->searched_early++) {
        const int64_t at = s->searched_early;
        const float here = mass(s->p_early, at, known);
        if (here < 0.9f || here <= mass(s->p_early, at + 1, known) || here < mass(s->p_early, at - 1, known)) continue;
        const float odds = odds_of(here);
        if (odds < EARLY_ODDS || !neural_is_maximum(s->p_early, at, at + SUM_CELLS + 2, here)) continue;
        s->claims[s->claim] = at;
        s->claim = (s->claim + 1) % NEURAL_CLAIMS;
        if (s->early_hold == 0 && s->accepted >= LEARNING_BEATS)
            found |= add_candidate(d, s, centre(s->p_early, at, known), odds);
    }
    return found;
}

/* Does the late output confirm what the early one claimed `SUM_CELLS` before cell `at`? */
static void check_claims(neural_state *s, int64_t at, int64_t known) {
    for (int i = 0; i < NEURAL_CLAIMS; i++) {
        if (s->claims[i] < 0 || s->claims[i] + SUM_CELLS > at) continue;
        float best = 0.0f;
        for (int64_t k = s->claims[i] - SUM_CELLS; k <= s->claims[i] + SUM_CELLS; k++) {
            const float here = k >= 0 ? mass(s->p_late, k, known) : 0.0f;
            best = here > best ? here : best;
        }
        if (best <= NEURAL_FAINT || odds_of(best) < EARLY_CONFIRMED) s->early_hold = EARLY_BEATS;
        s->claims[i] = -1;
    }
}

static int neural_search(ecg_detector *d, neural_state *s, const float *p, int64_t known) {
    int found = 0;
    for (; s->searched + SUM_CELLS + HOLD_CELLS < known; s->searched++) {
        const int64_t at = s->searched;
        const float here = mass(p, at, known);
        if (s->uses_late) check_claims(s, at, known);
        if (here < NEURAL_FAINT || here <= mass(p, at + 1, known) || here < mass(p, at - 1, known)) continue;
        if (neural_is_maximum(p, at, known, here)) found |= add_candidate(d, s, centre(p, at, known), odds_of(here));
    }
    return found;
}

/* ------------------------------------------------------------------ rhythm and path */

static float neural_pair_cost(const neural_state *s, int64_t from, int64_t to) {
    const float rr = neural_seconds(to - from), ratio = rr / s->rr_ref, soft = 1.0f / (1.0f + NEURAL_SOFT * s->rr_var);
    float cost = 0.0f;
    if (rr < RR_MIN_S) return NEVER;
    if (ratio < SHORT_FROM) {
        cost = SHORT_COST * (s->rr_ref / rr - 1.0f / SHORT_FROM) * soft;
    } else if (ratio > LONG_FROM) {
        cost = LONG_COST * (ratio - LONG_FROM) * soft;
        if (cost > LONG_CAP) cost = LONG_CAP;
    }
    if (rr < NEURAL_REFRACTORY_S) cost += REFRACTORY_COST * (NEURAL_REFRACTORY_S - rr) / REFRACTORY_RAMP_S;
    return cost;
}

/* Of having no beat from `from` up to now. */
static float neural_open_cost(const neural_state *s, int64_t from) {
    const float late = neural_seconds(s->searched - from) / s->rr_ref - LONG_FROM;
    const float cost = LONG_COST * late / (1.0f + NEURAL_SOFT * s->rr_var);
    return cost < 0.0f ? 0.0f : cost < LONG_CAP ? cost : LONG_CAP;
}

/* How far the interval from the last beat to cell `at` is from the reference, in logs. */
static float neural_misfit(const neural_state *s, int64_t at) {
    return fabsf(logf(neural_seconds(at - s->last) / s->rr_ref));
}

/* How much taller candidate b is than candidate a, in logs, over the leads that show both. */
static float taller_by(const neural_lead *lead, int n_leads, int64_t a, int64_t b) {
    float sum = 0.0f;
    int n = 0;
    for (int l = 0; l < n_leads; l++, lead++)
        if (usable(lead, a) && usable(lead, b)) {
            sum += height_of(lead, b) - height_of(lead, a);
            n++;
        }
    return n > 0 ? sum / (float)n : 0.0f;
}

/* Do heights tell nothing, as in noise? */
static int heights_unclear(const neural_state *s) {
    return s->accepted >= LEARNING_BEATS && s->clarity < P_WAVE_CLARITY;
}

/* Does a taller candidate follow within a PR interval, and at an interval that fits better? To the network a narrow
 * P wave before a wide or paced complex may look more like a complex than that. */
static int is_p_wave(neural_state *s, int n_leads, int index) {
    const neural_candidate *c = &s->pending[index];
    if (heights_unclear(s)) return 0;
    for (int i = index + 1; i < s->pending_count; i++) {
        const neural_candidate *next = &s->pending[i];
        const float pr = neural_seconds(next->at - c->at);
        if (pr > P_WAVE_S || pr > P_WAVE_RR * s->rr_ref) break;
        if (next->odds < NEED || (s->rr_count > 0 && neural_misfit(s, next->at) >= neural_misfit(s, c->at))) continue;
        if (taller_by(ecg_neural_leads(s), n_leads, c->at, next->at) > SMALLER) return 1;
    }
    return 0;
}

/* Index of the last candidate of the best path; -1 where none is better. */
static int neural_path_end(neural_state *s, int n_leads) {
    int end = -1;
    float best = s->last >= 0 ? -neural_open_cost(s, s->last) : 0.0f;
    for (int i = 0; i < s->pending_count; i++) {
        neural_candidate *c = &s->pending[i];
        float value = s->last >= 0 ? -neural_pair_cost(s, s->last, c->at) : 0.0f;
        c->from = -1;
        for (int j = 0; j < i; j++) {
            const neural_candidate *p = &s->pending[j];
            if (p->value <= value) continue; /* costs only lower it */
            const float v = p->value - neural_pair_cost(s, p->at, c->at);
            if (v > value) {
                value = v;
                c->from = j;
            }
        }
        c->value = is_p_wave(s, n_leads, i) ? -NEVER : value + c->score;
        const float ended = c->value - neural_open_cost(s, c->at);
        if (ended > best) {
            best = ended;
            end = i;
        }
    }
    return end;
}

/* Log-odds with the height taken into account. */
static float worth(const neural_candidate *c) {
    return c->score - BIAS;
}

static void neural_learn_rr(neural_state *s, float rr) {
    s->rr[s->rr_count % NEURAL_INTERVALS] = rr;
    if (++s->rr_count >= 2 * NEURAL_INTERVALS) s->rr_count -= NEURAL_INTERVALS;
    const int n = s->rr_count < NEURAL_INTERVALS ? s->rr_count : NEURAL_INTERVALS;
    float sorted[NEURAL_INTERVALS] = {0.0f};
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && sorted[k - 1] > s->rr[i]; k--) sorted[k] = sorted[k - 1];
        sorted[k] = s->rr[i];
    }
    const float middle = sorted[n / 2];
    s->rr_ref = middle < RR_LEAST_S ? RR_LEAST_S : middle < RR_MAX_S ? middle : RR_MAX_S;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) {
        const float off = fabsf(s->rr[i] / s->rr_ref - 1.0f);
        sum += off < 1.0f ? off : 1.0f;
    }
    s->rr_var = sum / (float)n;
}

/* ------------------------------------------------------------------ what becomes of candidates */

/* Not sure that this is a beat, or that none was missed before it. */
static int doubtful(const neural_state *s, const neural_candidate *c, float rr) {
    const int off = rr < SHORT_FROM * s->rr_ref || rr > LONG_FROM * s->rr_ref;
    return c->odds < (off ? DOUBTFUL_OFF : DOUBTFUL_ODDS) || s->passed_over > DOUBTFUL_PASSED;
}

static void neural_report(ecg_detector *d, neural_state *s, const neural_candidate *c, float rr) {
    const int n_leads = d->config.n_leads;
    const neural_lead *lead = ecg_neural_leads(s);
    const int64_t sample = sample_of(d, s, c->at);
    const int64_t around = (QUALITY_CELLS * s->cell) >> 32;
    uint32_t quality = ~0u;
    for (int l = 0; l < n_leads; l++) quality &= ecg_quality_between(d, l, sample - around, sample + around);
    if (doubtful(s, c, rr)) quality |= ECG_QUALITY_DOUBTFUL;
    if (s->accepted < LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    else if (s->clarity < NOISY_CLARITY) quality |= ECG_QUALITY_NOISY;
    /* The first lead gives the R peak, unless it does not show the complex. */
    int shown = 0;
    if (!usable(&lead[0], c->at) || lead[0].odds[c->at % NEURAL_CELLS] < NEED)
        for (int l = 1; l < n_leads; l++)
            if (usable(&lead[l], c->at)
                && (!usable(&lead[shown], c->at)
                    || lead[l].odds[c->at % NEURAL_CELLS] > lead[shown].odds[c->at % NEURAL_CELLS]))
                shown = l;
    ecg_detector_report(d, ecg_refine(d, shown, sample), expf(c->odds), quality);
}

/* A beat that comes long after the one before, `alone`, may be an artefact, and so may that one: the height of
 * few beats is learned anew from it, and that of more is not raised. */
static void learn_height(neural_lead *lead, const neural_candidate *c, int alone) {
    const int known = lead->heights >= NEURAL_HEIGHT_BEATS;
    if (alone && !known) lead->heights = 0;
    const float excess = height_of(lead, c->at) - lead->height, share = 1.0f / (float)(1 + lead->heights);
    const int clear = c->odds >= HEIGHT_CLEAR && lead->odds[c->at % NEURAL_CELLS] > 0.0f;
    if (known && excess > 0.0f && (alone || !clear)) return;
    lead->height += (share > HEIGHT_RATE ? share : HEIGHT_RATE) * excess;
    if (lead->heights < 1000) lead->heights++;
}

static void neural_accept(ecg_detector *d, neural_state *s, int index) {
    const neural_candidate c = s->pending[index];
    neural_lead *lead = ecg_neural_leads(s);
    pass_over(s, 0, index);
    if (worth(&c) >= 0.0f) {
        if (s->last_clear >= 0) neural_learn_rr(s, neural_seconds(c.at - s->last_clear));
        s->last_clear = c.at;
    }
    const int alone = s->last >= 0 && neural_seconds(c.at - s->last) > RR_MAX_S;
    for (int l = 0; l < d->config.n_leads; l++, lead++)
        if (usable(lead, c.at)) learn_height(lead, &c, alone);
    const float share = 1.0f / (float)(1 + s->accepted);
    s->clarity += (share > CLARITY_RATE ? share : CLARITY_RATE) * (worth(&c) - s->clarity);
    const float rr = s->last >= 0 ? neural_seconds(c.at - s->last) : s->rr_ref;
    s->last = c.at;
    const int hidden = s->accepted >= LEARNING_BEATS && s->clarity < HIDE_CLARITY && c.odds < HIDE_ODDS;
    if (!hidden) neural_report(d, s, &c, rr);
    s->passed_over = NONE_PASSED;
    if (s->accepted < LEARNING_BEATS) s->accepted++;
    if (s->early_hold > 0) s->early_hold--;
    remove_pending(s, 0, index + 1);
}

/* Searched cell at which a candidate is decided; a clear one at once unless it is small. */
static int64_t due_at(neural_state *s, int n_leads, const neural_candidate *c, int clear) {
    float wait = WAIT_RR * s->rr_ref;
    if (wait < WAIT_MIN_S) wait = WAIT_MIN_S;
    if (may_be_cut(s, c)) {
        wait = WAIT_MAX_S;
    } else if (clear) {
        if (heights_unclear(s) || shortfall(s, n_leads, c->at) <= SMALLER) return 0;
        wait = P_WAVE_S;
    }
    if (wait > s->wait_s) wait = s->wait_s;
    return c->at + (int64_t)(wait * NEURAL_HZ);
}

static void decide_pending(ecg_detector *d, neural_state *s, int final) {
    int end;
    s->wake = INT64_MAX;
    while ((end = neural_path_end(s, d->config.n_leads)) >= 0) {
        int enough = 0;
        for (;; end = s->pending[end].from) {
            enough |= worth(&s->pending[end]) >= NEED;
            if (s->pending[end].from < 0) break;
        }
        const neural_candidate *c = &s->pending[end];
        const float rr = s->last >= 0 ? neural_seconds(c->at - s->last) : s->rr_ref;
        const int expected = rr > CLEAR_SHORT * s->rr_ref && rr < CLEAR_LONG * s->rr_ref;
        const int clear = c->score > CERTAIN_SCORE ? rr > NEURAL_REFRACTORY_S : c->score > CLEAR_SCORE && expected;
        const int64_t due = due_at(s, d->config.n_leads, c, clear);
        if (!final && s->searched < due) {
            s->wake = due;
            break;
        }
        if (!enough && !(final && worth(c) > FINAL_ODDS)) {
            drop_pending(s, end);
            continue;
        }
        neural_accept(d, s, end);
    }
    const int64_t expire = (int64_t)(expire_s(d, s) * NEURAL_HZ);
    while (s->pending_count > 0 && s->pending[0].at + expire <= s->searched) drop_pending(s, 0);
    if (s->pending_count > 0 && s->pending[0].at + expire < s->wake) s->wake = s->pending[0].at + expire;
}

void ecg_neural_decide(ecg_detector *d, neural_state *s, int final) {
    const int64_t early = ecg_neural_known(s->steps, NEURAL_EARLY);
    const int64_t late = ecg_neural_known(s->steps, NEURAL_LATE);
    int found = neural_search(d, s, s->uses_late ? s->p_late : s->p_early, s->uses_late ? late : early);
    if (s->uses_late) found |= search_early(d, s, early);
    if (found || final || s->searched >= s->wake) decide_pending(d, s, final);
}

/* Each step is searched at once, as far as its output reaches. */
static int64_t searched_of(const neural_state *s) {
    const int64_t at = ecg_neural_known(s->steps, s->uses_late ? NEURAL_LATE : NEURAL_EARLY) - SUM_CELLS - HOLD_CELLS;
    return at > 0 ? at : 0;
}

static int64_t searched_early_of(const neural_state *s) {
    const int64_t at = ecg_neural_known(s->steps, NEURAL_EARLY) - SUM_CELLS - 1;
    return s->uses_late && at > 0 ? at : 0;
}

int ecg_neural_decision_valid(const neural_state *s) {
    if (!ecg_within(s->pending_count, 0, NEURAL_PENDING) || !ecg_within(s->rr_count, 0, 2 * NEURAL_INTERVALS - 1)
        || !ecg_within(s->accepted, 0, LEARNING_BEATS) || s->searched != searched_of(s)
        || s->searched_early != searched_early_of(s) || !ecg_within(s->last, -1, s->cells)
        || !ecg_within(s->last_clear, -1, s->last) || s->wake < 0 || !ecg_within(s->claim, 0, NEURAL_CLAIMS - 1)
        || !ecg_within(s->early_hold, 0, EARLY_BEATS))
        return 0;
    for (int i = 0; i < NEURAL_CLAIMS; i++)
        if (!ecg_within(s->claims[i], -1, s->searched_early)) return 0;
    /* No decision looks farther back than the cells that are kept. */
    int64_t before = s->cells - NEURAL_CELLS / 2;
    for (int i = 0; i < s->pending_count; i++) {
        const neural_candidate *c = &s->pending[i];
        if (!ecg_within(c->at, before < 0 ? 0 : before, (s->end < 0 ? s->cells : s->end) - 1)
            || !(fabsf(c->odds) < 10.0f) || !(fabsf(c->score) < 20.0f))
            return 0; /* value and from are found anew before each use */
        before = c->at;
    }
    for (int i = 0; i < NEURAL_INTERVALS; i++)
        if (!(s->rr[i] >= 0.0f && s->rr[i] < 1e9f)) return 0;
    return s->rr_ref >= RR_LEAST_S && s->rr_ref <= RR_MAX_S && s->rr_var >= 0.0f && s->rr_var <= 1.0f
           && fabsf(s->clarity) < 1e3f && s->passed_over >= NONE_PASSED && s->passed_over < 10.0f;
}
