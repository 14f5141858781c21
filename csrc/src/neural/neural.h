/* The method `neural`: a small causal network scores every cell of 8 ms, and the best path through the
 * candidates decides, as in the method `adaptive`. Its state, shared by its stages:
 *
 *   neural.c             samples in; the network's outputs of all leads joined
 *   neural_input.c       samples to cells, their running scale
 *   neural_network.c     one step of the network
 *   neural_weights.c     its weights, made by a command
 *   neural_candidates.c  cells where beats are expected, by the early and the late output
 *   neural_heights.c     how tall complexes are
 *   neural_rhythm.c      RR intervals and what they cost
 *   neural_waves.c       P and T waves that look like complexes
 *   neural_shape.c       the shape of the last beats: beats after a fall of the gain
 *   neural_path.c        scores of candidates, the best path through them
 *   neural_decision.c    which candidates are accepted, and when
 *   neural_report.c      R peak and quality of a beat
 *   neural_constants.h   every constant of the decision, with unit and reason
 *   neural_snapshot.c    whether a restored state is one that a stream can have */
#ifndef ECGFAST_NEURAL_H
#define ECGFAST_NEURAL_H

#include "../common/internal.h"

#define NEURAL_HZ 125              /* cells a second; the network was trained on that grid */
#define NEURAL_STRIDE 4            /* cells of one step of the deep layers: 31.25 steps a second */
#define NEURAL_INPUTS 2
#define NEURAL_STEM 12             /* channels at 62.5 Hz */
#define NEURAL_WIDTH 28            /* channels at 31.25 Hz */
#define NEURAL_STEM1_TAPS 10
#define NEURAL_STEM2_TAPS 6
#define NEURAL_DEEP_TAPS 3
#define NEURAL_LAYERS 5            /* deep layers; layer k looks 2^k steps back, twice */
#define NEURAL_OUTPUTS 8           /* log-odds of four cells by the early, then by the late output */
#define NEURAL_EARLY 4             /* steps that an output looks ahead */
#define NEURAL_LATE 9

#define NEURAL_BLOCK 16            /* cells of which one maximum is kept for the running scale: 0.128 s */
#define NEURAL_WINDOW 8            /* blocks of a window: about a second */
#define NEURAL_PEAKS 48            /* blocks that the scale looks back: six windows */
#define NEURAL_START 12            /* blocks that are held back until their scale is known: 1.5 s */
#define NEURAL_CELLS 256           /* cells kept of each lead: 1.6 s that a candidate waits at most, and 0.45 s before it */
#define NEURAL_RECENT 64           /* cells whose probabilities are kept: more than a candidate spans */
#define NEURAL_PENDING 24          /* candidates that wait */
#define NEURAL_HEIGHT_BEATS 3      /* beats until the running height of complexes is known */
#define NEURAL_CLAIMS 4            /* early outputs that the late one has yet to confirm */
#define NEURAL_INTERVALS 8         /* RR intervals that the rhythm is taken from */
#define NEURAL_CLEAR 4             /* clear complexes in ten seconds of a lead that shows beats */
#define NEURAL_SHAPE 50            /* cells of the shape of a beat: 0.4 s */

typedef struct ecg_neural_weights {
    float stem1[NEURAL_STEM1_TAPS * NEURAL_INPUTS][NEURAL_STEM];
    float stem1_bias[NEURAL_STEM];
    float stem2[NEURAL_STEM2_TAPS * NEURAL_STEM][NEURAL_WIDTH];
    float stem2_bias[NEURAL_WIDTH];
    float deep[NEURAL_LAYERS][NEURAL_DEEP_TAPS * NEURAL_WIDTH][NEURAL_WIDTH];
    float deep_bias[NEURAL_LAYERS][NEURAL_WIDTH];
    float hidden[NEURAL_WIDTH][NEURAL_WIDTH];
    float hidden_bias[NEURAL_WIDTH];
    float heads[NEURAL_WIDTH][NEURAL_OUTPUTS];
    float heads_bias[NEURAL_OUTPUTS];
} ecg_neural_weights;

/* neural_weights.c, made by `python -m ecgfast.training.qrs`. */
extern const ecg_neural_weights ecg_neural_trained;

/* Inputs of the deep layers, oldest first where `at` points: layer k holds the last 2^(k+1) steps. */
#define NEURAL_MEMORY 62           /* 2 + 4 + 8 + 16 + 32 steps */

typedef struct neural_lead {
    float value;                   /* mV, offset removed: the latest sample */
    float sum;                     /* of the open cell: samples times their share of it */
    float cell;                    /* the last whole cell */
    float filtered;                /* the same, baseline removed */
    float highest;                 /* of the open block, absolute */
    float scale;                   /* in force */
    int32_t whole;                 /* has there been a whole cell */
    int32_t bad;                   /* the open cell holds a fault */
    float peaks[NEURAL_PEAKS];     /* highest of the last blocks */
    float cells[NEURAL_CELLS];     /* filtered */
    uint8_t fault[NEURAL_CELLS];   /* cells without a usable signal */
    float input[NEURAL_STEM1_TAPS * NEURAL_INPUTS];
    float stem[NEURAL_STEM2_TAPS * NEURAL_STEM];
    float deep[NEURAL_MEMORY * NEURAL_WIDTH];
    float odds[NEURAL_CELLS];      /* log-odds of each cell by this lead */
    int64_t heard;                 /* the last cell in which there may have been a beat; -1 none */
    int64_t clear[NEURAL_CLEAR];   /* the last clear complexes, oldest first; -1 none */
    float height;                  /* log of the running size of accepted complexes */
    int32_t heights;               /* accepted complexes in it, up to a few */
    int32_t shapes, unlike;        /* beats in the shape, up to a few; beats of another shape in a row */
    float shape[NEURAL_SHAPE];     /* running mean of accepted beats, from before R to behind T */
    int64_t looked;                /* cell that is compared with it next, where beats are overdue */
    float best, best_gain;         /* of the cells that look like it now, the one most like it: correlation, size */
    int64_t best_at;
    int64_t match;                 /* the last such cell */
    float match_gain;
} neural_lead;

typedef struct neural_candidate {
    int64_t at;                    /* cell */
    float odds;                    /* log-odds that it is a QRS complex, by the network alone */
    float score;                   /* > 0: better on the path than off it */
    float value;                   /* of the best path that ends here */
    int32_t from;                  /* index before it on that path; -1: the last accepted */
} neural_candidate;

typedef struct neural_state {
    /* from the configuration */
    int64_t cell;                  /* samples of one cell, times 2^32 */
    int32_t uses_late;             /* the late output decides; else the early one */
    float wait_s;                  /* longest wait for context */
    /* of the stream */
    int64_t left;                  /* samples of the open cell still to come, times 2^32 */
    int64_t cells;                 /* whole cells */
    int64_t blocks;                /* whole blocks */
    int64_t steps;                 /* steps of the network */
    int64_t end;                   /* cells of the recording; -1 while it lasts */
    float p_early[NEURAL_RECENT], p_late[NEURAL_RECENT]; /* of each of the latest cells, by output */
    int64_t searched_early, searched; /* cells searched for candidates, by output */
    int32_t pending_count;
    neural_candidate pending[NEURAL_PENDING];
    int64_t wake;                  /* searched cell at which something is due */
    int64_t last;                  /* last accepted cell; -1 none */
    int64_t last_clear;            /* the same, of those with odds above even; -1 none */
    float rr[NEURAL_INTERVALS];    /* s */
    int32_t rr_count;
    float rr_ref, rr_var;          /* s, their median; mean deviation from it, relative */
    float clarity;                 /* running log-odds of accepted beats */
    float passed_over;             /* largest log-odds since the last beat of what was none */
    int32_t accepted;              /* beats, up to a few */
    int32_t halves;                /* accepted beats in a row that passed over one halfway, up to a few */
    int64_t claims[NEURAL_CLAIMS]; /* cells where the early output was beyond doubt; -1 none */
    int32_t claim;                 /* the next of them to be written */
    int32_t early_hold;            /* beats until the early output is believed again */
} neural_state;

static inline neural_lead *ecg_neural_leads(neural_state *s) {
    return (neural_lead *)((char *)s + ecg_round_up(sizeof(neural_state)));
}

/* neural_input.c */
void ecg_neural_input_init(neural_state *s, int n_leads, double fs);
/* Cells from one sample of each lead, already in the leads' `value`; returns the whole cells there are. */
int64_t ecg_neural_take(neural_state *s, int n_leads);
/* Adds a cell that repeats the last value, at the end of a recording. */
void ecg_neural_pad(neural_state *s, int n_leads);
/* Cells that the network may take: those whose scale is known. */
int64_t ecg_neural_ready(const neural_state *s);
/* What the network sees of cell `at`; the scale of its block comes into force. */
void ecg_neural_see(neural_lead *lead, int64_t at, float *input);

/* neural_network.c */
/* One step of a lead; `inputs`: of four cells. */
void ecg_neural_step(neural_lead *lead, int64_t step, const float *inputs, float *outputs);

/* neural_candidates.c */
/* Adds what the outputs of the latest steps show; returns 1 where that is a new candidate, or a better reading. */
int ecg_neural_search(ecg_detector *d, neural_state *s, const float *p, int64_t known);
/* A complex beyond doubt by the early output is decided at once, as long as the late output has confirmed such ones. */
int ecg_neural_search_early(ecg_detector *d, neural_state *s, int64_t known);
/* The clearest of candidates that were no beats is remembered until the next beat. */
void ecg_neural_pass_over(neural_state *s, int first, int count);
/* Forgets pending candidates; `drop` passes over the one. */
void ecg_neural_remove(neural_state *s, int first, int count);
void ecg_neural_drop(neural_state *s, int index);
/* The sample at the middle of a cell. */
int64_t ecg_neural_sample(const ecg_detector *d, const neural_state *s, int64_t at);

/* neural_heights.c */
/* How much smaller than usual a complex is, in logs, over the leads that show it. */
float ecg_neural_shortfall(neural_state *s, int n_leads, int64_t at);
/* How much taller candidate b is than candidate a, in logs, over the leads that show both. */
float ecg_neural_taller_by(const neural_lead *lead, int n_leads, int64_t a, int64_t b);
/* Do heights tell nothing, as in noise? */
int ecg_neural_heights_unclear(const neural_state *s);
/* `alone`: the beat comes long after the one before. */
void ecg_neural_learn_height(neural_lead *lead, const neural_candidate *c, int alone);

/* neural_rhythm.c */
void ecg_neural_learn_rr(neural_state *s, float rr);
/* Every interval was that of two beats. */
void ecg_neural_halve_rr(neural_state *s);
/* Of an RR interval. */
float ecg_neural_pair_cost(const neural_state *s, int64_t from, int64_t to);
/* Of having no beat from `from` up to now. */
float ecg_neural_open_cost(const neural_state *s, int64_t from);
/* How far the interval from the last beat to cell `at` is from the reference, in logs. */
float ecg_neural_misfit(const neural_state *s, int64_t at);

/* neural_waves.c */
/* The complex of this T wave may lie before the first sample: what follows has to be seen. */
int ecg_neural_may_be_t_wave(neural_state *s, int n_leads, const neural_candidate *c);
/* Does a taller candidate follow within a PR interval, and at an interval that fits better? */
int ecg_neural_is_p_wave(neural_state *s, int n_leads, int index);

/* neural_shape.c */
/* Learns the shape of an accepted beat around cell `at`. */
void ecg_neural_learn_shape(const neural_state *s, neural_lead *lead, int64_t at);
/* Where a beat is overdue and the shape of beats is seen twice, smaller than before, the gain has fallen: so do height
 * and scale. */
void ecg_neural_look_for_shape(neural_state *s, int n_leads);

/* neural_path.c */
void ecg_neural_set_score(neural_state *s, int n_leads, neural_candidate *c);
/* Log-odds with the height taken into account. */
float ecg_neural_worth(const neural_candidate *c);
/* Index of the last candidate of the best path; -1 where none is better. */
int ecg_neural_path_end(neural_state *s, int n_leads);

/* neural_report.c */
/* `rr`: s since the beat before. */
void ecg_neural_report(ecg_detector *d, neural_state *s, const neural_candidate *c, float rr);

/* neural_decision.c */
void ecg_neural_decision_init(neural_state *s, const ecg_detector_config *config);
/* The outputs of the latest step are in `p_early` and `p_late`: finds candidates and decides. */
void ecg_neural_decide(ecg_detector *d, neural_state *s, int final);
/* Longest time from a candidate's cell to its report, s. */
double ecg_neural_longest_s(const ecg_detector *d, const neural_state *s);

/* neural_snapshot.c */
int ecg_neural_valid(ecg_detector *d, void *state);

static inline float ecg_neural_seconds(int64_t cells) {
    return (float)cells / NEURAL_HZ;
}

/* Does a lead show anything at cell `at`? */
static inline int ecg_neural_usable(const neural_lead *lead, int64_t at) {
    return !lead->fault[at % NEURAL_CELLS];
}

/* Cells of which the early and the late output know after `steps` steps. */
static inline int64_t ecg_neural_known(int64_t steps, int ahead) {
    int64_t known = (steps - ahead) * NEURAL_STRIDE;
    return known > 0 ? known : 0;
}

#endif /* ECGFAST_NEURAL_H */
