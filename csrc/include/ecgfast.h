/*
 * ecgfast: streaming band-pass filter, QRS detection, R-peak refinement, beat windowing and networks that label beats.
 *
 * Plain C11, no dependency but the C standard library. Every state lives in memory that the caller
 * owns: ask for its size, hand in a block, process samples, take the beats. Nothing is allocated,
 * nothing is global, the work per sample is bounded, and the result is the same bits however the
 * input is cut into chunks. A state of these streams holds no pointers, so that a copy of its bytes is a snapshot.
 *
 * Work: bounded for each sample, whatever the signal; docs/work_per_sample.md has the most that was found for each
 * method, rate and window. What takes longer is spread: at most one beat is worked on at a sample, and a long window
 * is cut over several (a strip of ten seconds on a 62.5 Hz grid: 1 at 360 Hz, 5 at 2000 Hz). The end of a recording
 * (flush) decides all that waits and is not bounded so. No stack frame is larger than 2 KB.
 *
 * Misuse is answered, not obeyed: a NULL pointer, a block that is too small, not aligned or not initialised gives
 * ECG_ERROR_ARGUMENT or ECG_ERROR_MEMORY from a function that returns a status, and nothing (0 samples, 0 beats)
 * from one that returns a number. A block must not be used by two threads at a time.
 *
 * Units: samples in millivolts (any gain works: no threshold is absolute), times in seconds,
 * frequencies in hertz, positions as 64-bit counts of samples since the stream's first.
 */
#ifndef ECGFAST_H
#define ECGFAST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The release; ecg_version() returns that of the compiled library. */
#define ECG_VERSION_MAJOR 0
#define ECG_VERSION_MINOR 1
#define ECG_VERSION_PATCH 0
#define ECG_STATE_VERSION 17    /* of the layout of states; a snapshot of another version is refused */

/* Limits that a build may lower, with the same -D for the library and for what uses it: what is refused, and
 * what some arrays are sized for (a state block takes no more than its configuration needs). */
#ifndef ECG_LEADS_MAX
#define ECG_LEADS_MAX 64
#endif
#ifndef ECG_FS_MAX
#define ECG_FS_MAX 2010         /* Hz: 2000 Hz, and half a percent that a device's clock is off */
#endif
#ifndef ECG_WINDOW_MAX
#define ECG_WINDOW_MAX 512      /* points of a beat window */
#endif
#ifndef ECG_STRIP_MAX
#define ECG_STRIP_MAX 2048      /* points of a strip */
#endif
#define ECG_FS_MIN 99.5         /* Hz: 100 Hz, likewise */
#define ECG_RATE_MAX 300.0      /* beats a minute: the highest rate of a human heart */
#define ECG_RATE_MAX_ANIMALS 900.0 /* of the smallest animals whose ECG is recorded */
#define ECG_ALIGNMENT 16        /* bytes, of every state block */

/* Detection methods that a build may leave out, with -DECG_WITH_...=0: they are unknown then. */
#ifndef ECG_WITH_PAN_TOMPKINS
#define ECG_WITH_PAN_TOMPKINS 1
#endif
#ifndef ECG_WITH_ADAPTIVE
#define ECG_WITH_ADAPTIVE 1
#endif
#ifndef ECG_WITH_NEURAL
#define ECG_WITH_NEURAL 1
#endif
#ifndef ECG_WITH_EXTERNAL
#define ECG_WITH_EXTERNAL 1
#endif

typedef enum ecg_status {
    ECG_OK = 0,
    ECG_ERROR_FS = -1,          /* sampling rate outside ECG_FS_MIN..ECG_FS_MAX or not finite */
    ECG_ERROR_BAND = -2,        /* band edges not 0 < low < high < fs / 2, or beyond double precision */
    ECG_ERROR_LEADS = -3,       /* number of leads, or the chosen lead, out of range */
    ECG_ERROR_METHOD = -4,      /* unknown detection method */
    ECG_ERROR_DELAY = -5,       /* max_delay neither 0 nor from 0.35 to 1e6 s */
    ECG_ERROR_WINDOW = -6,      /* beat window empty, too long or on an impossible grid */
    ECG_ERROR_MEMORY = -7,      /* block too small or not aligned to ECG_ALIGNMENT */
    ECG_ERROR_SNAPSHOT = -8,    /* bytes are no snapshot of such a state, or damaged */
    ECG_ERROR_ORDER = -9,       /* an R peak announced out of order or too far back */
    ECG_ERROR_CONFIG = -10,     /* a snapshot of a state with another configuration */
    ECG_ERROR_RATE = -11,       /* max_rate outside ECG_RATE_MAX..ECG_RATE_MAX_ANIMALS or not finite */
    ECG_ERROR_KEEP = -12,       /* keep negative, beyond ECG_KEEP_MAX_S or not finite */
    ECG_ERROR_MODEL = -13,      /* bytes are no TensorFlow Lite file, damaged or not aligned to ECG_ALIGNMENT */
    ECG_ERROR_OPERATOR = -14,   /* a model needs an operator, a type or a size that networks here do not have */
    ECG_ERROR_ARGUMENT = -15,   /* a pointer is NULL, or a state was not initialised */
    ECG_ERROR_VERSION = -16     /* a snapshot of another ECG_STATE_VERSION */
} ecg_status;

/* One English line for a status; never NULL. */
const char *ecg_status_text(int status);
/* Release of the compiled library, "major.minor.patch". */
const char *ecg_version(void);

/* ------------------------------------------------------------------ band-pass filter ------- */

/* One second-order section, transposed direct form II, double precision. */
typedef struct ecg_biquad {
    double b0, b1, b2, a1, a2;  /* y = b0 x + s1 */
    double s1, s2;              /* state */
} ecg_biquad;

/* Fourth-order Butterworth band-pass (two sections), by the bilinear transform with pre-warped
 * edges. The first sample sets the steady state, so that an offset does not ring. */
typedef struct ecg_bandpass {
    ecg_biquad section[2];
    double delay;               /* samples: group delay at the band's geometric centre */
    double last;                /* the last finite sample, stands in for missing ones */
    int32_t primed;             /* has a finite sample been seen */
} ecg_bandpass;

/* Designs the filter. `fs` in Hz, above 0 (ECG_ERROR_FS); `low` and `high` in Hz, 0 < low < high < fs / 2, and the
 * band not so narrow that double precision cannot hold it (ECG_ERROR_BAND). */
int ecg_bandpass_init(ecg_bandpass *filter, double fs, double low, double high);
/* A new signal begins: the filter forgets what it has seen, and keeps its design. */
void ecg_bandpass_reset(ecg_bandpass *filter);
/* Filters `n` samples, in any unit, of one lead. `in` and `out` may be the same. A sample that is not finite counts as
 * a repetition of the last finite one: the output stays finite. */
void ecg_bandpass_process(ecg_bandpass *filter, const float *in, float *out, size_t n);

/* ------------------------------------------------------------------ QRS detection ---------- */

typedef enum ecg_method {
    ECG_PAN_TOMPKINS = 0,       /* Pan and Tompkins, 1985, streaming */
    ECG_ADAPTIVE = 1,           /* doubtful candidates wait for context */
    ECG_EXTERNAL = 2,           /* R peaks come from the caller (reference annotations) */
    ECG_NEURAL = 3              /* a small network scores, context decides */
} ecg_method;

/* Quality of the signal around a beat, one bit each; 0 is good. */
typedef enum ecg_quality {
    ECG_QUALITY_GAP = 1,        /* samples that were not finite */
    ECG_QUALITY_FLAT = 2,       /* the lead did not move: lead-off */
    ECG_QUALITY_SATURATED = 4,  /* the converter was at its limit */
    ECG_QUALITY_NOISY = 8,      /* noise of the size of the QRS complex */
    ECG_QUALITY_LEARNING = 16,  /* too few beats seen for thresholds or templates */
    ECG_QUALITY_DOUBTFUL = 32,  /* not sure that this is a beat, or (neural) that none was missed before it */
    ECG_QUALITY_FLUTTER = 64,   /* ventricular flutter or fibrillation: a wave, no beat (streams only) */
    ECG_QUALITY_RATE_LIMIT = 128 /* most of the last eight RR intervals are within 10 % of the shortest that can be
                                 * found (max_rate): beats may be missed */
} ecg_quality;

#define ECG_KEEP_MAX_S 60.0     /* s: the most that a caller may ask to keep */

typedef struct ecg_detector_config {
    double fs;                  /* Hz */
    double max_delay;           /* s from R peak to report at most; 0: as the method needs */
    int32_t n_leads;            /* samples come interleaved, `n_leads` values each */
    int32_t method;             /* ecg_method */
    double keep;                /* s of signal that stay in memory at least; 0: as detection needs */
    double max_rate;            /* beats a minute that can be found, ECG_RATE_MAX..ECG_RATE_MAX_ANIMALS; 0:
                                 * ECG_RATE_MAX. Above that the core works as at fs * ECG_RATE_MAX / max_rate, which
                                 * has to be ECG_FS_MIN or more: all times of detection and windows shrink.
                                 * Positions stay samples, the RR intervals of beats stay s. */
} ecg_detector_config;

typedef struct ecg_qrs {
    int64_t sample;             /* R peak: the extremum of the QRS complex on the ECG itself */
    int64_t reported_at;        /* number of samples that had been seen when it was reported */
    float strength;             /* candidate over threshold, > 0; above 1 is clear */
    uint32_t quality;           /* ecg_quality bits known to the detector */
} ecg_qrs;

typedef struct ecg_detector ecg_detector;

/* Bytes that a detector with this configuration takes; 0 where the configuration is invalid
 * (ecg_detector_check says why). */
size_t ecg_detector_size(const ecg_detector_config *config);
/* Whether the configuration is valid: ECG_OK, or the first of ECG_ERROR_RATE, _FS, _LEADS, _METHOD, _DELAY, _KEEP. */
int ecg_detector_check(const ecg_detector_config *config);
/* Begins a detector in a block of `bytes` bytes, ecg_detector_size or more, aligned to ECG_ALIGNMENT (ECG_ERROR_MEMORY),
 * whatever the block held: a new stream is begun the same way. Other errors as ecg_detector_check. */
int ecg_detector_init(ecg_detector *detector, size_t bytes, const ecg_detector_config *config);
/* Takes up to `n` samples (of `n_leads` values each), stops early when `capacity` beats are out.
 * Returns how many samples it took; *found says how many beats it wrote. Call again with the rest: with a capacity
 * of 1 or more that ends, as each call takes a sample or writes a beat. A sample that is not finite is a missing one. */
size_t ecg_detector_process(ecg_detector *detector, const float *samples, size_t n,
                            ecg_qrs *beats, size_t capacity, size_t *found);
/* The stream has ended: decides what is still pending. Returns the number of beats written;
 * call again while it fills `capacity`. */
size_t ecg_detector_flush(ecg_detector *detector, ecg_qrs *beats, size_t capacity);
/* Samples from an R peak to its report at most; the first, also after a bad stretch, may take 2.5 s. */
int64_t ecg_detector_delay(const ecg_detector *detector);
/* Samples (of `n_leads` values each) that were taken since the stream's begin. */
int64_t ecg_detector_count(const ecg_detector *detector);

/* ------------------------------------------------------------------ beats for a model ------ */

#define ECG_CHANNELS 2          /* of a beat window; 0: the beat, 1: the patient's running dominant beat */
#define ECG_FEATURES 37         /* ecg_feature_name() has their names */
#define ECG_HISTORY_MAX 63      /* earlier beats whose features a row may hold */

/* What a window shows. */
typedef enum ecg_window_kind {
    ECG_WINDOW_BEAT = 0,        /* the beat and the dominant beat, in running QRS sizes, R upright */
    ECG_WINDOW_CYCLE = 1,       /* from R on: 1.2 running RR intervals, scaled to 0..1, then zeros
                                 * (Kachuee et al., 2018); one channel, `before` is 0 */
    ECG_WINDOW_STRIP = 2        /* up to ten seconds that end with the beat, in running QRS sizes,
                                 * R upright; one channel */
} ecg_window_kind;

typedef struct ecg_window_config {
    double grid_fs;             /* Hz, time grid of the model */
    int32_t before;             /* grid points before the R peak */
    int32_t after;              /* grid points from the R peak on, the R peak included */
    int32_t lead;               /* the first lead that windows show */
    int32_t lookahead;          /* 0: beat by itself; 1: wait for the next RR interval */
    int32_t kind;               /* ecg_window_kind */
    int32_t history;            /* earlier beats whose features come before this one's in a row */
    int32_t leads;              /* how many leads windows show, of ECG_WINDOW_BEAT alone; 0 is 1 */
} ecg_window_config;

/* Channels of each point of a window: ECG_CHANNELS or 1. */
int ecg_window_channels(const ecg_window_config *window);

typedef struct ecg_beat {
    int64_t sample;             /* R peak */
    int64_t known_at;           /* samples seen when the beat was complete */
    double rr;                  /* s to the previous beat; NaN on the first */
    uint32_t quality;           /* ecg_quality bits */
    float strength;             /* as in ecg_qrs */
} ecg_beat;

typedef struct ecg_stream ecg_stream;

/* Bytes that a stream with these configurations takes; 0 where one is invalid (ecg_stream_check says why). */
size_t ecg_stream_size(const ecg_detector_config *detector, const ecg_window_config *window);
/* Whether both are valid: ECG_OK, an error as of ecg_detector_check, ECG_ERROR_LEADS where windows show leads that there
 * are not, or several with another kind than ECG_WINDOW_BEAT, or ECG_ERROR_WINDOW. */
int ecg_stream_check(const ecg_detector_config *detector, const ecg_window_config *window);
/* As ecg_detector_init. */
int ecg_stream_init(ecg_stream *stream, size_t bytes, const ecg_detector_config *detector,
                    const ecg_window_config *window);
/* As ecg_detector_process. For each beat one row of each lead that is shown in each array, lead after lead: `beats`
 * holds capacity * leads, `windows` capacity * leads * (before + after) * ecg_window_channels floats, `features`
 * capacity * leads * (history + 1) * ECG_FEATURES. The rows of a beat differ in `quality`. Of the beats before,
 * oldest first, the next RR interval is known; features of beats before the first are zero. */
size_t ecg_stream_process(ecg_stream *stream, const float *samples, size_t n,
                          ecg_beat *beats, float *windows, float *features,
                          size_t capacity, size_t *found);
/* As ecg_detector_flush, with rows as ecg_stream_process writes them. */
size_t ecg_stream_flush(ecg_stream *stream, ecg_beat *beats, float *windows, float *features,
                        size_t capacity);
/* ECG_EXTERNAL only: announces an R peak, in order, before the samples around it have been processed,
 * at most 64 ahead (ECG_ERROR_ORDER otherwise). The refinement on the ECG that moves a detected peak
 * moves this one. One beyond the end of the signal gives no beat. ECG_ERROR_METHOD with another method. */
int ecg_stream_announce(ecg_stream *stream, int64_t sample);
/* Samples (of `n_leads` values each) that were taken since the stream's begin. */
int64_t ecg_stream_count(const ecg_stream *stream);
/* Samples from an R peak to its complete window at most; the first ones may take longer, as above, and beats that are
 * reported together come out at one sample each. */
int64_t ecg_stream_delay(const ecg_stream *stream);
/* Short name of feature `index`; NULL out of range. */
const char *ecg_feature_name(int index);

/* ------------------------------------------------------------------ networks --------------- */

/* Runs TensorFlow Lite files of the operators that the models of this project are made of, in float32 or int8: ADD,
 * CONCATENATION, CONV_2D, DEQUANTIZE, EXPAND_DIMS, FULLY_CONNECTED, LOGISTIC, MAX_POOL_2D, MEAN, MUL, PACK, QUANTIZE,
 * REDUCE_MAX, RESHAPE, SOFTMAX, SPLIT, SPLIT_V, STRIDED_SLICE, TANH, UNPACK. int8 gives the bits of TensorFlow Lite's
 * reference kernels, float32 the same bits on every machine, within 1e-5 of theirs. The file is read in place and not
 * trusted: what is damaged is refused, and nothing outside it is read. */
#define ECG_TENSOR_AXES_MAX 4
#define ECG_NETWORK_INPUTS_MAX 4 /* and outputs */

typedef enum ecg_tensor_type {
    ECG_TENSOR_FLOAT32 = 0,
    ECG_TENSOR_INT8 = 9         /* a value is (x - zero) * scale */
} ecg_tensor_type;

/* An input or output of a network. */
typedef struct ecg_tensor {
    void *data;                 /* in the network's block: write inputs here, read outputs */
    const char *name;           /* in the model; no zero ends it */
    size_t name_length;
    size_t count;               /* elements */
    int32_t type;               /* ecg_tensor_type */
    int32_t n_axes;
    int32_t shape[ECG_TENSOR_AXES_MAX];
    float scale;
    int32_t zero;
} ecg_tensor;

typedef struct ecg_network_report {
    size_t bytes;               /* that the block has to have, as far as is known */
    int32_t operator_index;     /* which the error is about, from 0 on; -1: none */
    int32_t operator_code;      /* of TensorFlow Lite's schema */
} ecg_network_report;

typedef struct ecg_network ecg_network;

/* Plans the model into a block aligned to ECG_ALIGNMENT. Model and block must stay where they are, and the model as it is, as
 * long as the network is used: it holds pointers, and is no state of a snapshot. A block that is too small (NULL and 0
 * bytes to begin with) gives ECG_ERROR_MEMORY and in the report a size: that of the plan at first, with such a block that
 * of the whole. `report` may be NULL. */
int ecg_network_init(ecg_network *network, size_t bytes, const void *model, size_t model_bytes,
                     ecg_network_report *report);
/* The network's input `index`, from 0 on; NULL out of range. */
const ecg_tensor *ecg_network_input(const ecg_network *network, int index);
/* Its output `index`, likewise. */
const ecg_tensor *ecg_network_output(const ecg_network *network, int index);
/* From the inputs' data, which stay, to the outputs'; nothing else is kept from run to run. One whose initialisation
 * failed, in a block of the report's first size at least, has no inputs and does nothing. */
void ecg_network_run(ecg_network *network);

/* ------------------------------------------------------------------ snapshots -------------- */

/* Writes a copy of a detector or stream of `bytes` bytes with a checksum; `snapshot` takes
 * `bytes` + ECG_SNAPSHOT_EXTRA. `bytes` is what ecg_detector_size or ecg_stream_size gives. */
#define ECG_SNAPSHOT_EXTRA 32
void ecg_snapshot_save(const void *state, size_t bytes, void *snapshot);
/* Restores it into `state`, a detector or stream of `bytes` bytes that was initialised with the configuration
 * that the snapshot was made with: ECG_ERROR_CONFIG where that is another one, ECG_ERROR_SNAPSHOT where it is damaged
 * or of another kind, ECG_ERROR_VERSION where it is of another ECG_STATE_VERSION (begin a new stream then). The
 * snapshot is not trusted beyond its checksum, which anyone can compute: what follows from the configuration must be
 * the same in both, and every index, count, position and number in it must be one that a stream can have, so that the worst that
 * a forged snapshot does is other beats. Where it is refused, `state` is as before or as after its
 * initialisation, never in between. */
int ecg_snapshot_restore(void *state, size_t bytes, const void *snapshot, size_t snapshot_bytes);

#ifdef __cplusplus
}
#endif
#endif /* ECGFAST_H */
