/* The adaptive method's state, shared by its stages:
 *
 *   adaptive.c              samples in, block by block
 *   adaptive_feature.c      decimation, two band filters, candidates (local maxima of the band energy)
 *   adaptive_spikes.c       candidates that are pacing spikes
 *   adaptive_phase.c        phases: waiting, collecting the first seconds, learning, running
 *   adaptive_levels.c       levels of signal and noise, threshold, weights of the leads
 *   adaptive_shape.c        templates of the QRS complex, similarity of candidates
 *   adaptive_rhythm.c       RR intervals and what they cost
 *   adaptive_path.c         scores of candidates, the best path through them
 *   adaptive_decision.c     which candidates are accepted, when they are reported
 *   adaptive_trust.c        is it an ECG, may it be reported
 *   adaptive_patient.c      what the patient looks like; recognised after noise or with another gain
 *   adaptive_clear_beats.c  beats beyond doubt where levels are wrong
 *   adaptive_constants.c    every constant, with unit and reason
 *   adaptive_snapshot.c     whether a restored state is one that a stream can have
 *
 * Heights are logarithms, so that gain is a shift and every threshold a ratio. */
#ifndef ECGFAST_ADAPTIVE_H
#define ECGFAST_ADAPTIVE_H

#include "../common/internal.h"

/* Every constant of the method but the sizes and counts below; adaptive_constants.c gives values, units and reasons. */
typedef struct adaptive_constants {
    /* feature */
    float low_hz, high_hz, high_gain, hold_s, edge_s;
    float spike_s, spike_bands, spike_faint, spike_share;
    /* levels */
    float mix, depth, cap, faint, quantile, noise_quantile, near_s, gap_from, gap_rate, gap_depth, start_s, learn_s;
    float first_excess, first_range, first_noise;
    /* shape */
    float similarity_cost, similarity_from, template_gain, band_from;
    /* rhythm */
    float rr_min_s, rr_max_s, rr_first_s, rr_first_var;
    float short_from, short_cost, long_from, long_cost, long_cap, soft;
    float refractory_s, refractory_cost, twin_similarity, twin_drop, twin_share;
    float t_gain, t_band_ratio, t_from, t_full_s, t_ramp_s;
    float t_smooth_s, t_smooth, t_smooth_drop, t_smooth_cost;
    /* small waves between tall beats */
    float small_s, small_drop, small_energy, small_bands, small_cost, small_follow;
    /* when to decide */
    float clear_score, clear_short, clear_long, clear_similarity, clear_drop;
    float wait_rr, wait_min_s, wait_max_s, linger_s, late_s, report_s;
    /* several leads */
    float weight_cap, weight_gap_min, floor, lead_score_min, loss_margin, loss_rate, loss_noise_rate, loss_floor;
    /* trust */
    float trust_cap, trust_similarity, trust_similarity_min, trust_neutral, trust_var, trust_rate, trust_from;
    float trust_gap, noisy_gap, start_trust, relearn_trust, relearn_similarity, recent_rate;
    float distrust_from, distrust_slope, distrust_after_s, slow_gain, slow_similarity;
    /* the patient is back */
    float store_from, store_similarity, return_similarity, return_height, return_short, return_long, return_pause;
    float return_lower, return_higher;
    /* evidence before trust */
    float start_contrast, start_low, start_similarity, start_var, mean_similarity_from, mean_similarity_rate;
    float clear_beats_similarity;
} adaptive_constants;

extern const adaptive_constants ecg_adaptive_constants;
#define CONSTANT ecg_adaptive_constants

/* Sizes of arrays, and counts. */
#define FEATURE_HZ 120.0   /* the feature runs at this rate or up to twice that: 18 Hz needs no more */
#define HALF_MAX 24        /* taps on either side of a filter's centre */
#define RECENT 128         /* decimated samples that stay: filter, hold and shape at 240 Hz */
#define LINE (2 * RECENT + 4) /* room before what stays moves to the start; filters run by fours */
#define PENDING 32         /* slots for candidates */
#define PENDING_MAX 24     /* candidates that may wait, so that the work is bounded */
#define SIGNALS 7          /* accepted heights that give the signal level: robust to three ectopic ones */
#define NOISES 16          /* rejected heights that give the noise level: about four beats' worth */
#define INTERVALS 8        /* RR intervals that give the rhythm */
#define SHAPE_S 0.07       /* s on either side of a candidate that make its shape: a wide complex */
#define SHAPE_MAX 35       /* points, at 240 Hz */
#define LAG_S 0.02         /* s by which shapes are moved to fit: the feature's jitter */
#define LAG_MAX 5          /* points, at 240 Hz */
#define MERGE_S 0.05f      /* s within which maxima of several leads are one candidate */
#define HOLD_MAX 23        /* decimated samples, at 240 Hz */
#define SPIKE_REACH 2      /* decimated samples on either side of a candidate that is a spike, in which the spike lies */
#define LOG_TINY -70.0f    /* logarithm of no height at all */
#define LOG_HUGE 80.0f     /* logarithm of more than a float's square holds */
#define NOT_COMPARED -2.0f /* similarity of a candidate that was not compared yet */
#define TEMPLATE_BEATS 8   /* beats after which the slow template parts from the running one */
#define STORED_BEATS 8     /* typical beats from which the stored template stands for the patient */
#define MISMATCHES 48      /* beats of another shape in a row after which that is the patient's: half a minute */
#define LATE_CANDIDATES 12 /* candidates that give the levels of a lead that joins late: three seconds' worth */
#define ADAPTIVE_LEARNING_BEATS 8 /* beats until levels, shape and rhythm are those of this recording */
#define PROBATION_BEATS 10 /* beats that have to keep trust up after relearning in poor signal */
#define DOUBTS 5           /* beats without trust after which all is forgotten */

/* What is being done; adaptive_phase.c has the table of transitions. */
typedef enum adaptive_phase {
    ADAPTIVE_WAITS,             /* for the first candidate */
    ADAPTIVE_COLLECTS,          /* the candidates of the first seconds */
    ADAPTIVE_LEARNS,            /* beats are decided; levels still come from the first candidates */
    ADAPTIVE_RUNS               /* levels come from what is decided */
} adaptive_phase;

typedef struct adaptive_lead {
    /* feature */
    float sum;                      /* samples of the decimated one being built */
    float wave[LINE];               /* decimated samples, from index `base` on */
    float energy[LINE];             /* of both bands */
    float high[LINE];               /* of the upper band */
    /* of pending candidates, by slot */
    float height[PENDING];          /* log of the feature */
    float band_ratio[PENDING];      /* log of upper over lower band: low for T waves */
    float similarity[PENDING];      /* with the running template, -1..1; NOT_COMPARED before */
    float shape_energy[PENDING];    /* of the shape, where it was compared */
    float lead_score[PENDING];      /* this lead's part of the score */
    uint8_t faulty[PENDING];        /* missing or flat around the candidate */
    uint8_t lags[PENDING];          /* 1 + lag at which that similarity was found, with the templates as they are; 0 unknown */
    /* levels */
    float first[PENDING];           /* heights seen while learning */
    int32_t first_count;
    int32_t seeded;                 /* are there levels */
    float signals[SIGNALS], noises[NOISES];
    int32_t signal_count, noise_count;
    int32_t noise_stale;            /* `noise` is older than `noises` */
    float signal, noise;            /* levels, logs */
    float slow_signal, slow_noise;  /* the same, slowly, from trusted beats */
    /* shape: zero mean, unit energy */
    float template[SHAPE_MAX];      /* running */
    float slow_template[SHAPE_MAX]; /* the same, slowly, from trusted beats */
    int32_t template_beats;         /* beats in it, up to a few */
    float tall_height, tall_energy; /* of the latest tall beat: height, energy of its shape */
    int64_t tall_at;                /* where it was */
    /* the patient */
    float stored_template[SHAPE_MAX]; /* running template and levels at the last typical beat while trust was high */
    float stored_signal, stored_noise;
    int32_t stored_beats;           /* such beats, up to a few, ever */
    int32_t mismatch_run;           /* such beats in a row that do not match it */
    float match_height;             /* height of the last candidate that matched it */
    float last_height, last_band_ratio; /* of the last accepted candidate */
    float loss_accepted, loss_rejected; /* running losses over accepted and over rejected candidates */
    float weight;                   /* in the common score; all leads' add up to 1 */
    float scale;                    /* of energies, so that leads compare */
} adaptive_lead;

/* A lead's lines around a candidate, without spikes: energies from `hold` before it to `hold` after it. */
typedef struct adaptive_lines {
    float wave[2 * (HOLD_MAX + HALF_MAX) + 8], energy[2 * HOLD_MAX + 4], high[2 * HOLD_MAX + 4];
} adaptive_lines;

typedef struct adaptive_candidate {
    int64_t at;                     /* decimated index of the feature's maximum */
    float height, band_ratio, similarity; /* over the leads */
    float score;                    /* > 0: more likely a QRS complex than not, by itself */
    float value;                    /* of the best path that ends here */
    int32_t from;                   /* slot before it on that path; -1: the last accepted */
} adaptive_candidate;

typedef struct adaptive_state {
    /* from the configuration */
    int32_t decimation;
    int32_t block;                  /* samples: most that make fours of decimated ones, in ECG_AHEAD */
    float rate;                     /* Hz, decimated */
    int32_t centre;                 /* of the longer filter */
    int32_t low_half, high_half;    /* taps on either side */
    float low_centre, high_centre;
    /* taps from the centre on, each four times over */
    _Alignas(16) float low_even[HALF_MAX][4];
    _Alignas(16) float low_odd[HALF_MAX][4];
    _Alignas(16) float high_even[HALF_MAX][4];
    _Alignas(16) float high_odd[HALF_MAX][4];
    int32_t hold, edge, merge, shape, lag; /* decimated samples */
    int32_t spike;                  /* samples, not decimated, that no spike is longer than */
    int32_t shape_room;             /* floats for each candidate's shape */
    size_t shapes_at;               /* byte offset of float[leads][PENDING][shape_room] */
    float wait_s, expire_s, start_s; /* longest waits: for context, of any kind, of the first ones */
    /* feature */
    int32_t open;                   /* samples of the decimated one being built */
    int64_t index;                  /* decimated samples taken */
    int64_t base;                   /* index of the lines' first */
    int64_t peak_at;                /* highest local maximum that may still be topped; -1 none */
    float peak;
    int64_t end;                    /* of the recording; -1 while it lasts */
    /* phase */
    int32_t phase;                  /* adaptive_phase */
    int32_t relearning;             /* not the first time: an earlier start was given up */
    int64_t learn_until;            /* index up to which levels come from the first candidates; -1: no candidate yet */
    /* decision */
    int64_t wake;                   /* index at which something is due */
    uint32_t head, tail, solved;    /* pending candidates; those with a value */
    adaptive_candidate pending[PENDING];
    int32_t accepted;               /* beats, up to a few */
    int64_t last_at;                /* last accepted */
    int64_t last_reported;          /* of the beats, which relearning may find again */
    float last_height, last_band_ratio;
    float rr[INTERVALS];            /* s */
    int32_t rr_count;
    float rr_ref, rr_var;           /* s, their median; mean deviation from it, relative */
    /* trust */
    float trust, gap, recent;       /* running means; `recent` is the faster one of trust */
    float mean_similarity;          /* running mean of accepted candidates */
    int32_t trusted;                /* beats in them, up to a few */
    /* the patient */
    float stored_rr;                /* s, rr_ref at the last typical beat */
    float match_height;             /* height of the last candidate that matched the stored template, over its level */
    float tallest_since_match;      /* height of the highest candidate since then, likewise */
    int64_t match_at;               /* where that was; -1 none */
    int32_t doubts;                 /* beats in a row without trust */
    int32_t probation;              /* beats that still have to prove what was learned anew */
} adaptive_state;

static inline adaptive_lead *adaptive_leads(adaptive_state *a) {
    return (adaptive_lead *)((char *)a + ecg_round_up(sizeof(adaptive_state)));
}
/* Shape of a candidate in a lead, with room for the lags. */
static inline float *adaptive_shape(const adaptive_state *a, const adaptive_lead *s, uint32_t slot) {
    const size_t lead = (size_t)(s - (const adaptive_lead *)((const char *)a + ecg_round_up(sizeof(adaptive_state))));
    return (float *)((char *)(uintptr_t)a + a->shapes_at) + (lead * PENDING + slot) * (size_t)a->shape_room;
}
/* Is it decided which candidates are beats? */
static inline int adaptive_decides(const adaptive_state *a) {
    return a->phase >= ADAPTIVE_LEARNS;
}
/* Do levels come from the first candidates? */
static inline int adaptive_learns_levels(const adaptive_state *a) {
    return a->phase < ADAPTIVE_RUNS;
}
/* Shapes are compared at four lags at once: how often, for lags to either side; 2 or 3. */
static inline int32_t adaptive_lag_fours(int32_t lag) {
    return 2 * lag / 4 + 1;
}
static inline float adaptive_seconds(const adaptive_state *a, int64_t from, int64_t to) {
    return (float)(to - from) / a->rate;
}
/* Index up to which all candidates are there. */
static inline int64_t adaptive_now(const adaptive_state *a) {
    return a->index - 1 - a->centre - a->hold;
}

/* adaptive_feature.c */
void adaptive_feature_init(adaptive_state *a, double fs);
/* Floats that a candidate's shape takes at this sampling rate. */
int32_t adaptive_shape_room(double fs);
/* Makes room in the lines for so many decimated samples more, at most ECG_AHEAD. */
void adaptive_feature_room(adaptive_state *a, int n_leads, int steps);
/* Filters `steps` decimated samples that lie in the leads' `wave` from `index` on. */
void adaptive_feature_filter(adaptive_state *a, int n_leads, int steps);
/* The highest maximum of any lead one before each of the next `n` of these, 32 at most; -1 where there is none, a bit
 * where there is one. `peaks` has room for fours. */
uint32_t adaptive_feature_maxima(adaptive_state *a, int n_leads, int n, float *peaks);
/* Takes them, up to index `until`, with their maxima; 1 as soon as a candidate is complete (peak_at). */
int adaptive_feature_search(adaptive_state *a, const float *peaks, uint32_t maxima, int64_t until);
/* Makes the candidate at peak_at pending; 0 where it is none after all. */
int adaptive_feature_emit(ecg_detector *d, adaptive_state *a);

/* Energies of `n` decimated samples from `wave` on; the arrays have room for fours. */
void adaptive_feature_energies(const adaptive_state *a, const float *wave, int n, float *energy, float *high);

/* adaptive_spikes.c */
/* Is the candidate at decimated index `at`, which has little in the lower band, a pacing spike in this lead? */
int adaptive_is_spike(ecg_detector *d, adaptive_state *a, int lead, int64_t at);
/* A lead's lines around decimated index `at`, made from the medians of its samples. */
void adaptive_lines_without_spikes(ecg_detector *d, const adaptive_state *a, int lead, int64_t at,
                                   adaptive_lines *lines);
/* The highest maximum around a spike without it, after the last candidate; -1 where there is none. `lines`: those of the
 * last lead, then. */
int64_t adaptive_beside_spike(ecg_detector *d, adaptive_state *a, int64_t at, adaptive_lines *lines);

/* adaptive_phase.c */
/* The only place where the phase changes. */
void adaptive_enter(adaptive_state *a, int n_leads, adaptive_phase phase);
/* Forgets levels, shape and rhythm, and waits for the next candidate. */
void adaptive_give_up(adaptive_state *a, int n_leads);
/* At an index at which a candidate is `complete`, or something is due. */
void adaptive_event(ecg_detector *d, adaptive_state *a, int complete);
/* The recording ends: so do the first seconds. */
void adaptive_end(ecg_detector *d, adaptive_state *a);

/* adaptive_levels.c */
/* Linear between ranks; 1 <= n <= PENDING. */
float adaptive_quantile(const float *values, int n, float q);
/* Keeps the last `size` values; `count` stays below twice that, `count` - 1 is the latest. */
void adaptive_push(float *ring, int size, int32_t *count, float value);
/* How many of them there are. */
int adaptive_filled(int32_t count, int size);
void adaptive_refresh_noise(adaptive_lead *s);
/* Between the levels, in logs. */
float adaptive_gap(adaptive_lead *s);
float adaptive_threshold(adaptive_lead *s, float gap, float distrust);
void adaptive_weigh(adaptive_state *a, int n_leads);
/* Levels from the first candidates, in the leads that still need them. */
void adaptive_learn_first(adaptive_state *a, int n_leads);
void adaptive_learn_rejected(adaptive_state *a, int n_leads, uint32_t slot);
/* `around[lead]`: highest rejected neighbour. */
void adaptive_learn_accepted(adaptive_state *a, int n_leads, uint32_t slot, const float *around);

/* adaptive_rhythm.c */
/* `rr`: s */
void adaptive_learn_interval(adaptive_state *a, float rr);
/* Cost of an interval that is still open: it will be at least so long. */
float adaptive_open_cost(const adaptive_state *a, int64_t from, int64_t now);
/* Is `c` the T wave of a beat of that band ratio, `rr` seconds before, as it has no quick part? */
int adaptive_is_smooth_t(float band_ratio, const adaptive_candidate *c, float rr);
/* Cost of `c` being the beat after one of that height and band ratio, `rr` seconds before. */
float adaptive_pair_cost(const adaptive_state *a, float height, float band_ratio, const adaptive_candidate *c,
                         float rr);

/* adaptive_shape.c */
/* The lag at which a shape fits a template best, and the shape's energy there. */
typedef struct adaptive_fit {
    int lag;
    float energy;
} adaptive_fit;
/* Correlation with a template at the best lag, or with `other` (NULL for none) where that is higher. */
float adaptive_correlation(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, const float *template,
                           const float *other, adaptive_fit *fit);
float adaptive_similarity(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, adaptive_fit *fit);
/* Shape of a candidate at a lag, with zero mean and unit energy; returns its energy, 0 where it has none. */
float adaptive_unit_shape(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, int lag, float *w);
/* 1 for a beat that shows what the patient looks like. */
int adaptive_learn_shape(const adaptive_state *a, adaptive_lead *s, uint32_t slot);

/* adaptive_path.c */
/* Slot of the last candidate on the best path, of the first one; -1 where no path is best. */
int adaptive_path_end(adaptive_state *a, int n_leads);
int adaptive_path_start(adaptive_state *a, int n_leads);
/* How far the candidates of the path that ends at slot `end` stand out from those passed over but tall T waves, medians
 * of either: a heart is silent between beats, noise is not. */
float adaptive_contrast(const adaptive_state *a, int end);

/* adaptive_decision.c */
void adaptive_decide(ecg_detector *d, adaptive_state *a, int final);

/* adaptive_trust.c */
/* The leads' gaps between levels, weighted. */
float adaptive_common_gap(adaptive_state *a, int n_leads);
/* Starts trust from one path through the first candidates: its mean similarity over `beats` - 1 and its relative RR
 * variability. */
void adaptive_trust_first(adaptive_state *a, int n_leads, float similarity, float var, int beats);
/* After a beat, of which the templates have learned. */
void adaptive_trust_next(adaptive_state *a, int n_leads, float similarity);
/* Is trust enough for beats to be reported? */
int adaptive_confident(adaptive_state *a, int n_leads);

/* adaptive_patient.c */
/* The running template becomes the stored one, unless it is of another shape; 1 where it does. */
int adaptive_store_template(adaptive_lead *s, int n);
/* Does a candidate match the stored template, in the leads that have one? */
int adaptive_matches_stored(adaptive_state *a, int n_leads, uint32_t slot);
/* Looks whether the last candidate is the second in a row that matches the stored template where levels, rhythm or
 * all are lost; if so restores them, and returns 1. */
int adaptive_resume(adaptive_state *a, int n_leads);

/* adaptive_clear_beats.c */
/* First of the candidates of the last seconds, pending or decided. */
uint32_t adaptive_look_back(const adaptive_state *a);
/* Is the last candidate one of several that are beats beyond doubt, where levels do not fit them or there is no
 * confidence in what is found? */
int adaptive_shows_clear_beats(adaptive_state *a, int n_leads);

/* adaptive_snapshot.c */
int adaptive_levels_valid(adaptive_state *a, int n_leads);
int adaptive_decision_valid(const adaptive_state *a);

#endif /* ECGFAST_ADAPTIVE_H */
