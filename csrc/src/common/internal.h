/* What the stages share: the lead's front end, the ring of recent samples, the detector's frame. */
#ifndef ECGFAST_INTERNAL_H
#define ECGFAST_INTERNAL_H

#include "../../include/ecgfast.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* First bytes of every state block: what a snapshot is checked by. */
typedef struct ecg_header {
    uint32_t kind;
    uint32_t version;
    uint64_t bytes;
} ecg_header;

#define ECG_KIND_DETECTOR 0x51525331u /* "QRS1" */
#define ECG_KIND_STREAM 0x45434731u   /* "ECG1" */

/* Whether a block holds an initialised state of this kind: what a caller hands in may be NULL, or too early. */
static inline int ecg_is_state(const void *block, uint32_t kind) {
    return block && (uintptr_t)block % ECG_ALIGNMENT == 0 && ((const ecg_header *)block)->kind == kind
           && ((const ecg_header *)block)->version == ECG_STATE_VERSION;
}

/* What every `..._valid` below is made of: it says whether a restored state is one that a stream can have. */
#define ECG_COUNT_MAX ((int64_t)1 << 60) /* samples: sums and differences of a few positions fit 64 bits */
static inline int ecg_within(int64_t x, int64_t low, int64_t high) {
    return x >= low && x <= high;
}
static inline int ecg_all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}
static inline int ecg_all_finite_doubles(const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}

static inline size_t ecg_round_up(size_t bytes) {
    return (bytes + (ECG_ALIGNMENT - 1)) & ~(size_t)(ECG_ALIGNMENT - 1);
}

/* Which of the bits is the lowest; there is one. */
static inline int ecg_lowest_bit(uint32_t bits) {
    static const uint8_t place[32] = {0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
                                      31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9};
    return place[((bits & (~bits + 1u)) * 0x077CB531u) >> 27]; /* de Bruijn */
}

/* Front end of one lead: replaces missing samples, takes the offset away, flags flat and clipped ones. */
typedef struct ecg_lead {
    /* from the configuration */
    int32_t flat_run;  /* from this run on the lead counts as flat */
    int32_t clip_run;  /* from this run on, at an extreme, it counts as saturated */
    int32_t gap_run;   /* from so many missing samples on the lead continues where it stopped */
    int32_t bridge_run; /* so many missing samples at most are bridged: the lead is not lost */
    int32_t period;    /* samples after which extremes are renewed */
    /* of the stream */
    float offset;      /* mV, taken from all samples so that filters start at rest; NaN: to be found */
    float base;        /* mV: the last offset in force */
    float last;        /* mV, offset removed: the last finite sample, stands in for missing ones */
    float low, high;   /* mV: extremes of this period */
    float low_before, high_before; /* mV: of the period before */
    int32_t left;      /* samples left of this period */
    int32_t seen;      /* has a finite sample come */
    int32_t missing;   /* samples in a row that were not finite */
    int32_t run;       /* samples in a row equal to the one before */
} ecg_lead;

/* Seconds without any change that make a lead flat; 16-bit converters dither far more often. */
#define ECG_FLAT_S 0.3
/* Percent of the samples around a beat at which a flat lead is a fault: half of them follow on a lead that was off.
 * Between the beats of a simulator or of a coarse converter fewer are flat. */
#define ECG_FLAT_PERCENT 48
/* Seconds at an extreme of the recording that make it saturated; a QRS peak is never that blunt. */
#define ECG_CLIP_S 0.02
/* Seconds that extremes are kept for at least, and half of what they are at most: a single spike must not hide
 * for good where the converter's limit is, and every few heart beats show a saturated lead's limit. */
#define ECG_EXTREMES_S 10.0
/* Seconds of missing samples after which a jump means nothing: longer than a QRS complex. */
#define ECG_GAP_S 0.12
/* Seconds of missing samples that are bridged, and no gap for the detector: a fifth of a narrow QRS complex. */
#define ECG_BRIDGE_S 0.01
/* In the rings' flags only, beside ECG_QUALITY_GAP: more is missing here than can be bridged. */
#define ECG_FLAG_LOST 0x80u

void ecg_lead_init(ecg_lead *lead, double fs);
int ecg_lead_valid(const ecg_lead *lead);
/* A period is over: its extremes are those of the period before. */
void ecg_lead_renew(ecg_lead *lead);
/* The rare cases of ecg_lead_step: a sample that is not finite, or whose offset is not known. */
uint32_t ecg_lead_resume(ecg_lead *lead, float sample, float *clean);
/* The lead has not moved for `run` samples. */
uint32_t ecg_lead_still(ecg_lead *lead, float x);

/* One sample in; returns its quality bits and puts the usable value into *clean. */
static inline uint32_t ecg_lead_step(ecg_lead *lead, float sample, float *clean) {
    float x = sample - lead->offset;
    if (lead->left == 0) ecg_lead_renew(lead);
    lead->left--;
    if (!(fabsf(x) <= 1e30f)) return ecg_lead_resume(lead, sample, clean);
    /* Without branches on the signal: whether a sample repeats is not predictable. */
    lead->run = x == lead->last ? lead->run + 1 : 0;
    lead->high = x > lead->high ? x : lead->high;
    lead->low = x < lead->low ? x : lead->low;
    lead->last = x;
    *clean = x;
    return lead->run < lead->clip_run ? 0 : ecg_lead_still(lead, x);
}

/* The same for `n` samples, `stride` floats apart, into contiguous `clean` and `flags`: the same
 * values, several times as fast. Returns the quality bits that occurred. */
uint32_t ecg_lead_block(ecg_lead *lead, const float *samples, int stride, int n, float *clean, uint8_t *flags);

/* Which deflection of the QRS complex is a lead's R peak: where several are about equal it is the same from
 * beat to beat. */
typedef struct ecg_r_choice {
    double offset;     /* samples from the mark to the deflection, running mean */
    double surplus;    /* log of the highest deflection over the kept one, running mean */
    int32_t sign;      /* of the deflection; 0: nothing is kept yet */
    int32_t misses;    /* beats in a row that do not have it */
} ecg_r_choice;

/* The detector's frame: front ends, rings of the last seconds, beats waiting to be taken. */
#define ECG_QUEUE 32 /* beats: more than a method decides at one sample, or at the end */

struct ecg_detector {
    ecg_header header;
    ecg_detector_config config; /* on the stages' clock: see ecg_detector_clock */
    /* from the configuration */
    uint32_t ring_mask;       /* ring length in samples, less one */
    int32_t scratch_length;   /* numbers of scratch space */
    size_t leads_at;          /* byte offsets from the block's start: ecg_lead[leads] */
    size_t before_at;         /* ecg_lead[leads]: front ends as they were before a block */
    size_t rings_at;          /* float[leads][ring length] */
    size_t flags_at;          /* uint8_t[leads][ring length] */
    size_t choices_at;        /* ecg_r_choice[leads] */
    size_t scratch_at;        /* double[scratch_length]: of no meaning between two calls */
    size_t method_at;         /* the method's own state */
    /* of the stream */
    int64_t count;            /* samples taken */
    int64_t last_r;           /* last R peak reported; far negative before the first */
    uint32_t fast;            /* bit k: was the RR interval k beats ago near the shortest */
    uint32_t queue_head, queue_tail;
    ecg_qrs queue[ECG_QUEUE];
};

/* Samples that front ends may run ahead of the decisions, and so overwrite in the rings. */
#define ECG_AHEAD 128

/* Seconds of signal kept for beat windows: the longest wait for a decision, a window, and room. */
#define ECG_RING_S 6.0

static inline ecg_lead *ecg_leads(ecg_detector *d) {
    return (ecg_lead *)((char *)d + d->leads_at);
}
/* Seconds in one of the stages' seconds: below 1 for small animals. */
static inline double ecg_clock(const ecg_detector_config *config) {
    return config->max_rate > 0.0 ? ECG_RATE_MAX / config->max_rate : 1.0;
}
/* The configuration on the clock of the stages, where the highest rate is ECG_RATE_MAX. */
ecg_detector_config ecg_detector_clock(const ecg_detector_config *config);
/* ecg_detector_init with a configuration on that clock. */
int ecg_detector_begin(ecg_detector *d, size_t bytes, const ecg_detector_config *config);
size_t ecg_detector_bytes(const ecg_detector_config *config);
/* A copy of the front ends, for a method that runs them ahead and may go back. */
static inline ecg_lead *ecg_leads_before(ecg_detector *d) {
    return (ecg_lead *)((char *)d + d->before_at);
}
/* At least ecg_refine_scratch(fs) numbers: large objects do not belong on a small device's stack. */
static inline double *ecg_scratch(ecg_detector *d) {
    return (double *)((char *)d + d->scratch_at);
}
static inline float *ecg_ring(ecg_detector *d, int lead) {
    return (float *)((char *)d + d->rings_at) + (size_t)lead * (d->ring_mask + 1u);
}
static inline uint8_t *ecg_flags(ecg_detector *d, int lead) {
    return (uint8_t *)d + d->flags_at + (size_t)lead * (d->ring_mask + 1u);
}
static inline ecg_r_choice *ecg_r_choices(ecg_detector *d) {
    return (ecg_r_choice *)((char *)d + d->choices_at);
}
static inline void *ecg_method_state(ecg_detector *d) {
    return (char *)d + d->method_at;
}
static inline int ecg_queue_filled(const ecg_detector *d) {
    return d->queue_head != d->queue_tail;
}
static inline size_t ecg_queue_length(const ecg_detector *d) {
    return d->queue_tail - d->queue_head;
}

/* Takes one sample of every lead into front end and rings; clean[lead] gets the usable values.
 * Returns the quality bits that all leads share (a fault on one lead of several is no fault). */
static inline uint32_t ecg_detector_take(ecg_detector *d, const float *samples, float *clean) {
    uint32_t at = (uint32_t)d->count & d->ring_mask;
    uint32_t shared = ~0u;
    ecg_lead *leads = ecg_leads(d);
    for (int i = 0; i < d->config.n_leads; i++) {
        uint32_t quality = ecg_lead_step(&leads[i], samples[i], &clean[i]);
        ecg_ring(d, i)[at] = clean[i];
        ecg_flags(d, i)[at] = (uint8_t)quality;
        shared &= quality;
    }
    d->count++;
    return shared & ~ECG_FLAG_LOST;
}

/* Queues a beat; drops one at or before the last reported. */
void ecg_detector_report(ecg_detector *d, int64_t sample, float strength, uint32_t quality);

/* rpeak.c: the R peak, the main extremum of the QRS complex of `lead` near the sample `about`. Needs the
 * samples up to ecg_refine_reach(fs) after `about`, where they have been taken. Once a beat, in order: which of
 * several deflections it is depends on the beats before; ecg_refine_peek changes nothing. */
int64_t ecg_refine(ecg_detector *d, int lead, int64_t about);
int64_t ecg_refine_peek(ecg_detector *d, int lead, int64_t about);
int ecg_r_choice_valid(const ecg_r_choice *choice, double fs);
int64_t ecg_refine_reach(double fs); /* samples */
int32_t ecg_refine_scratch(double fs); /* numbers of scratch space that it needs */
/* Do the samples within 0.12 s of `about` take three values at most: a converter's lowest bit, no ECG? */
int ecg_flickers(ecg_detector *d, int lead, int64_t about);

/* What was said of `lead` over samples first..last (both taken and still in the ring), ECG_FLAG_LOST too; and the
 * quality of a beat that stands there. */
uint32_t ecg_flags_between(ecg_detector *d, int lead, int64_t first, int64_t last);
uint32_t ecg_quality_between(ecg_detector *d, int lead, int64_t first, int64_t last);

/* flutter.c: how little of the last seconds up to sample `last` is one wave: from 0, a sine, to 1. */
float ecg_flutter_leakage(ecg_detector *d, int lead, int64_t last);

/* What a detection method provides. `process` takes samples with an empty queue and returns how many: all, or fewer
 * once a beat is queued, and none beyond the one at which as many beats are queued as are `wanted`, at least one. */
typedef struct ecg_method_ops {
    double memory_s; /* s of signal that it looks back at most, refinement included */
    size_t (*size)(const ecg_detector_config *config);
    void (*init)(ecg_detector *d, void *state);
    size_t (*process)(ecg_detector *d, void *state, const float *samples, size_t n, size_t wanted);
    void (*flush)(ecg_detector *d, void *state);
    int64_t (*delay)(const ecg_detector *d, const void *state); /* samples */
    /* Has `saved` the same parts that follow from the configuration? Not aligned. */
    int (*same)(const ecg_detector *d, const void *state, const unsigned char *saved);
    int (*valid)(ecg_detector *d, void *state);
} ecg_method_ops;

extern const ecg_method_ops ecg_pan_tompkins_ops;
extern const ecg_method_ops ecg_adaptive_ops;
extern const ecg_method_ops ecg_external_ops;
extern const ecg_method_ops ecg_neural_ops;

/* Of the block of a detector and of a stream, for snapshots: an ecg_status that says whether `saved` was made
 * with the same configuration; whether the rest is valid; initialised anew. */
int ecg_detector_same(ecg_detector *d, const unsigned char *saved);
int ecg_detector_valid(ecg_detector *d);
int ecg_qrs_valid(const ecg_qrs *beats, uint32_t head, uint32_t tail, uint32_t size, int64_t count);
void ecg_detector_restart(ecg_detector *d);
int ecg_stream_same(ecg_stream *s, const unsigned char *saved);
int ecg_stream_valid(ecg_stream *s);
void ecg_stream_restart(ecg_stream *s);

/* external.c: announces an R peak to a detector whose method is ECG_EXTERNAL; an ecg_status. */
int ecg_external_announce(ecg_detector *d, int64_t sample);

#endif /* ECGFAST_INTERNAL_H */
