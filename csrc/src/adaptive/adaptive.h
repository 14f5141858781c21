/* The adaptive method's state, shared by its three stages:
 *
 *   adaptive_feature.c   decimation, two band filters, candidates (local maxima of the band energy)
 *   adaptive_levels.c    what is known of signal, noise, shape, rhythm, and how far to trust it
 *   adaptive_decision.c  which candidates are QRS complexes, and when that is told
 *
 * Heights are logarithms, so that gain is a shift and every threshold a ratio. */
#ifndef ECGFAST_ADAPTIVE_H
#define ECGFAST_ADAPTIVE_H

#include "../common/internal.h"

/* Every constant of the method; adaptive_constants.c gives the values and the reasons. */
typedef struct adaptive_constants {
    /* feature */
    float low_hz, high_hz, high_gain, hold_s, edge_s;
    /* levels */
    float mix, depth, cap, quantile, noise_quantile, near_s, gap_from, gap_rate, gap_depth, start_s, learn_s;
    /* shape */
    float like_cost, like_from, template_gain, band_from;
    /* rhythm */
    float short_from, short_cost, long_from, long_cost, long_cap, soft;
    float refractory_s, refractory_cost, twin_like, twin_drop, twin_share, t_gain, t_share, t_from, t_full_s, t_ramp_s;
    /* when to decide */
    float clear_score, clear_short, clear_long, clear_like, clear_drop;
    float wait_rr, wait_min_s, wait_max_s;
    /* several leads */
    float weight_cap, floor, loss_margin, loss_rate, loss_noise_rate, loss_floor;
    /* trust */
    float trust_cap, trust_like, trust_var, trust_rate, trust_from, trust_gap, noisy_gap;
    float start_trust, again_trust, again_like, recent_rate, distrust_from, distrust_after_s;
    float steady_gain, steady_like;
    /* the patient is back */
    float keep_from, keep_like, back_like, back_height, back_short, back_long, back_pause, back_lower, back_higher;
    /* evidence before trust */
    float start_contrast, start_low, start_like, start_var, alike_from, alike_rate, sure_kept;
} adaptive_constants;

extern const adaptive_constants ecg_adaptive_constants;
#define K ecg_adaptive_constants

#define FEATURE_HZ 120.0 /* the feature runs at this rate or up to twice that: 18 Hz needs no more */
#define HALF_MAX 24      /* taps on either side of a filter's centre */
#define RECENT 128       /* decimated samples kept: filter, hold and shape at 240 Hz */
#define LINE (2 * RECENT + 4) /* room to go on before what is kept moves to the start; filters run by fours */
#define PENDING 32       /* slots for candidates */
#define PENDING_MAX 24   /* candidates that may wait, so that the work is bounded */
#define SIGNALS 7        /* accepted heights that tell the signal level: robust to three ectopic ones */
#define NOISES 16        /* rejected heights that tell the noise level: about four beats' worth */
#define INTERVALS 8      /* RR intervals that tell the rhythm */
#define SHAPE_S 0.07     /* s on either side of a candidate that make its shape: a wide complex */
#define SHAPE_MAX 35     /* points, at 240 Hz */
#define LAG_S 0.02       /* s by which shapes are moved to fit: the feature's jitter */
#define LAG_MAX 5
#define MERGE_S 0.05f    /* s within which maxima of several leads are one candidate */
#define LOG_TINY -70.0f  /* logarithm of no height at all */
#define LOG_HUGE 80.0f

typedef struct adaptive_lead {
    /* feature */
    float sum;                      /* samples of the decimated one being built */
    float wave[LINE];               /* decimated samples, from index `base` on */
    float energy[LINE];             /* of both bands */
    float high[LINE];               /* of the upper band */
    /* of pending candidates, by slot */
    float height[PENDING];          /* log of the feature */
    float share[PENDING];           /* log of upper over lower band: low for T waves */
    float like[PENDING];            /* correlation with the running shape; below -1.5 not yet known */
    float own[PENDING];             /* this lead's part of the score */
    uint8_t faulty[PENDING];        /* missing or flat around the candidate */
    /* levels */
    float first[PENDING];           /* heights seen while learning */
    int32_t first_count;
    int32_t seeded;                 /* levels are known */
    float signals[SIGNALS], noises[NOISES];
    int32_t signal_count, noise_count;
    int32_t noise_stale;            /* `noise` is older than `noises` */
    float signal, noise;            /* levels, logs */
    float steady_signal, steady_noise; /* the same, slowly, from trusted beats */
    float model[SHAPE_MAX];         /* running shape: zero mean, unit energy */
    float steady[SHAPE_MAX];        /* the same, slowly, from trusted beats */
    int32_t models;                 /* beats in it, up to a few */
    int32_t known;                  /* beats of the usual shape while trust was high, up to a few, ever */
    float kept[SHAPE_MAX];          /* running shape and levels at the last such beat */
    float kept_signal, kept_noise;
    int32_t strange;                /* such beats in a row of another shape */
    float familiar;                 /* height of the last candidate of that shape */
    float last_height, last_share;  /* of the last accepted candidate */
    float missed, raised;           /* running loss over accepted and over rejected candidates */
    float weight;                   /* in the common score; all leads' add up to 1 */
    float scale;                    /* of energies, so that leads compare */
} adaptive_lead;

typedef struct adaptive_candidate {
    int64_t at;                     /* decimated index of the feature's maximum */
    float height, share, like;      /* over the leads */
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
    int32_t shape_room;             /* floats for each candidate's shape */
    size_t shapes_at;               /* byte offset of float[leads][PENDING][shape_room] */
    float wait_s, expire_s, start_s; /* longest waits: for context, of any kind, of the first ones */
    /* feature */
    int32_t phase;                  /* samples of the decimated one being built */
    int64_t index;                  /* decimated samples taken */
    int64_t base;                   /* index of the lines' first */
    int64_t peak_at;                /* highest local maximum that may still be topped; -1 none */
    float peak;
    int64_t end;                    /* of the recording; -1 while it lasts */
    /* learning */
    int32_t learning;               /* levels come from the first candidates */
    int32_t started;                /* decisions are being made */
    int32_t again;                  /* not the first time */
    int64_t learn_until;            /* -1: no candidate yet */
    /* decision */
    int64_t wake;                   /* index at which something is due */
    uint32_t head, tail, solved;    /* pending candidates; those with a value */
    adaptive_candidate pending[PENDING];
    int32_t accepted;               /* beats, up to a few */
    int64_t last_at;                /* last accepted */
    int64_t last_reported;          /* of the beats, which what is learned anew may find again */
    float last_height, last_share;
    float rr[INTERVALS];            /* s */
    int32_t rr_count;
    float rr_ref, rr_var;           /* s, their median; mean deviation from it, relative */
    /* trust */
    float trust, gap, recent;       /* running means; `recent` is the faster one of trust */
    float alike;                    /* of likeness */
    float kept_rr;                  /* s, rr_ref at the last such beat */
    float familiar;                 /* height of the last candidate of the kept shape, over its level */
    float tallest;                  /* height of the highest candidate since then, likewise */
    int64_t familiar_at;            /* where that was; -1 none */
    int32_t trusted;                /* beats in them, up to a few */
    int32_t doubts, probation;
} adaptive_state;

static inline adaptive_lead *adaptive_leads(adaptive_state *a) {
    return (adaptive_lead *)((char *)a + ecg_round_up(sizeof(adaptive_state)));
}
/* Shape of a candidate in a lead, with room for the lags. */
static inline float *adaptive_shape(const adaptive_state *a, const adaptive_lead *s, uint32_t slot) {
    const size_t lead = (size_t)(s - (const adaptive_lead *)((const char *)a + ecg_round_up(sizeof(adaptive_state))));
    return (float *)((char *)(uintptr_t)a + a->shapes_at) + (lead * PENDING + slot) * (size_t)a->shape_room;
}
/* Shapes are compared at four lags at once: how often, for lags to either side; 2 or 3. */
static inline int32_t adaptive_lag_fours(int32_t lag) {
    return 2 * lag / 4 + 1;
}
static inline float adaptive_seconds(const adaptive_state *a, int64_t from, int64_t to) {
    return (float)(to - from) / a->rate;
}
/* Index up to which candidates are known for sure. */
static inline int64_t adaptive_now(const adaptive_state *a) {
    return a->index - 1 - a->centre - a->hold;
}

/* adaptive_feature.c */
void adaptive_feature_init(adaptive_state *a, double fs);
/* Floats that a candidate's shape takes at this sampling rate. */
int32_t adaptive_shape_room(double fs);
/* Makes room in the lines for as many decimated samples as a block has. */
void adaptive_feature_room(adaptive_state *a, int leads);
/* Filters `steps` decimated samples that lie in the leads' `wave` from `index` on. */
void adaptive_feature_filter(adaptive_state *a, int leads, int steps);
/* Takes the next of these, up to index `until`; 1 as soon as a candidate is complete (peak_at). */
int adaptive_feature_search(adaptive_state *a, int leads, int64_t until);
/* Makes the candidate at peak_at pending; 0 where it is none after all. */
int adaptive_feature_emit(ecg_detector *d, adaptive_state *a);

/* adaptive_levels.c */
/* Linear between ranks; 1 <= n <= PENDING. */
float adaptive_quantile(const float *values, int n, float q);
/* Forgets levels, shape and rhythm; the candidates of the last seconds are the first ones. */
void adaptive_learn_again(adaptive_state *a, int leads);
/* The same, and the first seconds begin with the next candidate. */
void adaptive_forget(adaptive_state *a, int leads);
void adaptive_learn_first(adaptive_state *a, int leads);
void adaptive_learn_rejected(adaptive_state *a, int leads, uint32_t slot);
/* `around[lead]`: highest rejected neighbour. */
void adaptive_learn_accepted(adaptive_state *a, int leads, uint32_t slot, const float *around);
/* 1 for a beat that tells what the patient looks like. */
int adaptive_learn_shape(const adaptive_state *a, adaptive_lead *s, uint32_t slot);
float adaptive_threshold(adaptive_lead *s, float gap, float distrust);
float adaptive_likeness(const adaptive_state *a, const adaptive_lead *s, uint32_t slot, int *lag);
/* Has a candidate the shape that was kept, in the leads that have one? */
int adaptive_familiar(adaptive_state *a, int leads, uint32_t slot);
/* Looks whether the last candidate is the second in a row of the kept shape where levels, rhythm or all
 * are lost; if so restores them, and returns 1. */
int adaptive_resume(adaptive_state *a, int leads);
/* Starts trust from one path through the first candidates: its mean likeness over `beats` - 1 and
 * its relative RR variability. */
void adaptive_trust_first(adaptive_state *a, int leads, float like, float var, int beats);
void adaptive_trust_next(adaptive_state *a, int leads, float like);
/* Is trust enough for beats to be reported? */
int adaptive_believed(adaptive_state *a, int leads);
/* Is the last candidate one of several that are beats beyond doubt, where levels do not fit them or what
 * is found is not believed? */
int adaptive_sure(adaptive_state *a, int leads);

int adaptive_levels_valid(adaptive_state *a, int leads);

/* adaptive_decision.c */
int adaptive_decision_valid(const adaptive_state *a);
void adaptive_decide(ecg_detector *d, adaptive_state *a, int final);
/* Ends the first seconds; 0 where they hold no ECG. */
int adaptive_begin(adaptive_state *a, int leads);

#endif /* ECGFAST_ADAPTIVE_H */
