/* The Pan-Tompkins method's state, shared by its two stages:
 *
 *   pan_tompkins.c            the signal path: groups of samples, band-pass, slope, moving-window integral
 *   pan_tompkins_decision.c   which of the integral's peaks are QRS complexes, and when they are reported */
#ifndef ECGFAST_PAN_TOMPKINS_H
#define ECGFAST_PAN_TOMPKINS_H

#include "../common/internal.h"

/* Last peaks whose heights are remembered: those of START_S at 400 a minute. */
#define HEIGHTS 16
/* The integral is made of so many blocks: its running sum is renewed, and decisions fall, at the end of
 * each block, whatever the chunks of the input. */
#define BLOCKS 4
/* Blocks remembered to recognise noise: 2.75 s. */
#define HISTORY 64
/* Steps of a block at most: 0.043 s at 320 Hz. */
#define BLOCK_MAX 14
/* RR intervals in the running mean (paper). */
#define RR_KEPT 8
/* Peaks since the last beat that are remembered; with more, only noise is lost. */
#define PEAKS 32
/* Peaks of the integral in one block at most: it falls by half and rises again only once. */
#define PASSED 2
/* Beats of a silent lead that are remembered: those of the first seconds at 300 a minute. */
#define PT_RECENT 16

typedef struct pt_peak {
    int64_t about;  /* sample of the complex's main band-pass extremum, filter delay removed */
    double height;  /* square root of the integral */
    double slope;   /* largest difference of the band-passed signal */
} pt_peak;

typedef struct pt_beat {
    int64_t about;
    float strength;
    uint32_t quality;
} pt_beat;

/* Peak search on the integral. */
typedef struct pt_search {
    float peak;       /* highest value since the valley, or lowest since the peak */
    int64_t peak_at;  /* step of the highest value */
    int32_t rising;   /* a valley has been passed, the peak has not */
} pt_search;

typedef struct pt_found {
    double peak;
    int64_t at;
} pt_found;

/* Between the samples and the integral. */
typedef struct pt_filter {
    float x1, x2, u1, u2, y1, y2; /* the last two values of the band-pass */
    float part;            /* sum of the samples of a group that is not complete */
    float sum;             /* the moving-window integral */
    float block;           /* energy of the block that is being filled */
    float energy[BLOCKS - 1]; /* of those before it, oldest first */
} pt_filter;

/* One lead. */
typedef struct pt_lead {
    /* Band-pass, two sections without the constant gain: u[n] = x[n] - x[n-2] - a2 u[n-2] - a1 u[n-1],
     * likewise y from u with c1 and c2. */
    float a1, a2, c1, c2;  /* from the configuration */
    pt_filter filter;
    pt_search search;
    int32_t passed;
    pt_found found[PASSED]; /* peaks passed in the block that is being filled */
    uint32_t faults;       /* quality bits of the block that is being filled */
    int32_t noisy;         /* the last beat was noise and has not been reported */
    int32_t calm;          /* beats in a row that were none, up to KNOWN_BEATS of the decision, which last */
    int32_t even;          /* beats in a row like the one before in height and interval, up to a few */
    double interval, height; /* of the last beat: samples since the one before, amplitude */
    int32_t started;       /* the first seconds have been decided */
    int64_t begin;         /* samples: end of the first seconds, once the lead has moved */
    int64_t fault_at;      /* sample count at the last fault */
    double signal, noise;  /* running levels, amplitudes */
    double last_slope;     /* of the last beat */
    int64_t last;          /* mark of the last beat */
    int64_t beats;         /* so far */
    int64_t idle;          /* samples without signal since the last beat */
    double rr[RR_KEPT];    /* samples */
    double rr_mean;
    int32_t rr_count, rr_next;
    uint32_t recent_next, heights_next;
    int32_t peaks;
    float energy[HISTORY];  /* of the last blocks */
    pt_found heights[HEIGHTS]; /* last peaks, amplitudes */
    pt_peak kept[PEAKS];    /* peaks since the last beat that are none so far */
    pt_beat recent[PT_RECENT]; /* last beats, reported if the lead becomes the active one */
    float integral[BLOCK_MAX]; /* at the last steps; of no meaning between two calls */
} pt_lead;

typedef struct pt_state {
    /* from the configuration */
    int32_t group;      /* samples that make one of the stages' (a "step" of time below) */
    int32_t delay;      /* samples: group delay of the band-pass and of the groups */
    int32_t width;      /* steps: moving window, BLOCKS blocks */
    int32_t step;       /* steps: difference for the slope */
    int32_t hold;       /* steps */
    int32_t block;      /* steps a block */
    int32_t history;    /* steps before the end of a block that a decision looks at */
    int32_t length;     /* steps that the buffers of band-passed signal and squared slope hold */
    int64_t pair;       /* steps: longest interval of two peaks that confirm each other */
    int64_t first;      /* samples: length of the first seconds, which are decided in retrospect */
    int64_t oldest;     /* samples: longest age of a mark that search-back may report */
    int64_t limit;      /* samples: longest age of an R peak that may be reported; 0: no limit asked */
    /* of the stream */
    int32_t left;       /* steps until the block is full */
    int32_t open;       /* samples of the step that is not complete */
    int32_t active_lead; /* the lead that is reported */
    uint32_t blocks;    /* so far */
    int64_t count;      /* steps so far */
    int64_t base;       /* step at the buffers' start */
    int64_t reported;   /* mark of the last beat reported */
    pt_lead lead[1];
} pt_state;

/* At least one. */
static inline int64_t pt_samples(double seconds, double fs) {
    int64_t n = (int64_t)floor(seconds * fs + 0.5);
    return n > 1 ? n : 1;
}

static inline size_t pt_head(int n_leads) {
    return ecg_round_up(sizeof(pt_state) + (size_t)(n_leads - 1) * sizeof(pt_lead));
}

/* Band-passed signal and squared slope of a lead. Step `base` comes first. */
static inline float *pt_band(const ecg_detector *d, pt_state *s, int lead) {
    return (float *)((char *)s + pt_head(d->config.n_leads)) + (size_t)lead * 2 * (size_t)s->length;
}

static inline float *pt_squared(const ecg_detector *d, pt_state *s, int lead) {
    return pt_band(d, s, lead) + s->length;
}

/* A peak of the integral has been passed, which is now `integral`. */
static inline void pt_pass(pt_lead *f, float integral) {
    if (f->passed < PASSED) f->found[f->passed++] = (pt_found){f->search.peak, f->search.peak_at};
    f->search.rising = 0;
    f->search.peak = integral;
}

/* pan_tompkins_decision.c */
/* Decides on the peaks passed in the block that ends now, then what time brings about. */
void pt_decide(ecg_detector *d, pt_state *s);
/* Of a lead after a restored snapshot: what decisions are made from. */
int pt_decision_valid(const ecg_detector *d, const pt_state *s, const pt_lead *f);

#endif /* ECGFAST_PAN_TOMPKINS_H */
