/* The fused path: samples in, beats with their model inputs out. */
#include "beat_features.h"
#include "beat_window.h"

/* R peaks reported and still waiting for the samples after them: a quarter of a second holds no more. */
#define PENDING_MAX 64
/* Seconds to either side of R whose faults are the beat's. */
#define QUALITY_S 0.25
/* Beats until thresholds and templates have settled. */
#define LEARNING_BEATS 8
/* Leakage below which flutter begins, and above which it is over: three in four detections in the
 * flutter of mitdb 207 are told, and of all others in mitdb and svdb only some of fast ventricular
 * runs. */
#define FLUTTER_BEGINS 0.55f
#define FLUTTER_ENDS 0.72f
/* Seconds after R that still show what the beat is part of. */
#define FLUTTER_AFTER_S 0.2
/* Seconds that a beat waits for the next one at the most: longer is a pause, however long. */
#define LOOKAHEAD_MAX_S 3.0

typedef struct finished_beat {
    ecg_beat beat;
    float rr_level;
    float window[ECG_WINDOW_MAX * ECG_CHANNELS];
    float features[ECG_FEATURES];
} finished_beat;

struct ecg_stream {
    ecg_header header;
    ecg_window_config config;
    int64_t last_r;            /* of the last beat cut; negative before the first */
    int64_t reach;             /* samples that a window needs after R */
    int64_t patience;          /* samples that a beat waits for the next R peak */
    uint32_t pending_head, pending_tail;
    ecg_qrs pending[PENDING_MAX];
    int32_t fluttering;        /* was the last beat part of a flutter */
    int32_t held_full;         /* is `held` waiting for the next RR interval */
    finished_beat held;
    finished_beat scratch;
    ecg_features_state features;
    size_t window_at, detector_at;
};

static ecg_window *window_of(ecg_stream *s) {
    return (ecg_window *)((char *)s + s->window_at);
}
static ecg_detector *detector_of(const ecg_stream *s) {
    return (ecg_detector *)((char *)(uintptr_t)s + s->detector_at);
}

int ecg_stream_check(const ecg_detector_config *detector, const ecg_window_config *window) {
    int status = ecg_detector_check(detector);
    if (status != ECG_OK) return status;
    if (window->lead < 0 || window->lead >= detector->leads) return ECG_ERROR_LEADS;
    if (!(window->grid_fs >= 50.0 && window->grid_fs <= 1000.0) || window->before < 1 || window->after < 1
        || window->before > ECG_WINDOW_MAX || window->after > ECG_WINDOW_MAX
        || window->before + window->after > ECG_WINDOW_MAX || window->before / window->grid_fs > 1.0
        || window->after / window->grid_fs > 1.0 || window->lookahead < 0 || window->lookahead > 1)
        return ECG_ERROR_WINDOW;
    return ECG_OK;
}

size_t ecg_stream_size(const ecg_detector_config *detector, const ecg_window_config *window) {
    if (ecg_stream_check(detector, window) != ECG_OK) return 0;
    return ecg_round_up(sizeof(ecg_stream)) + ecg_window_size(detector->fs, window)
           + ecg_detector_size(detector);
}

int ecg_stream_init(ecg_stream *s, size_t bytes, const ecg_detector_config *detector,
                    const ecg_window_config *window) {
    int status = ecg_stream_check(detector, window);
    if (status != ECG_OK) return status;
    size_t needed = ecg_stream_size(detector, window);
    if (!s || bytes < needed || (uintptr_t)s % ECG_ALIGNMENT) return ECG_ERROR_MEMORY;
    memset(s, 0, needed);
    s->header = (ecg_header){ECG_KIND_STREAM, ECG_VERSION, needed};
    s->config = *window;
    s->last_r = -1;
    s->window_at = ecg_round_up(sizeof(ecg_stream));
    s->detector_at = s->window_at + ecg_window_size(detector->fs, window);
    ecg_window_init(window_of(s), detector->fs, window);
    ecg_features_init(&s->features, window);
    s->reach = ecg_window_reach(window_of(s));
    s->patience = (int64_t)ceil(LOOKAHEAD_MAX_S * detector->fs);
    return ecg_detector_init(detector_of(s), ecg_detector_size(detector), detector);
}

static int pending(const ecg_stream *s) {
    return s->pending_head != s->pending_tail;
}

/* Where beats go, and how many more fit. */
typedef struct outlet {
    ecg_beat *beats;
    float *windows, *features;
    size_t capacity, found;
} outlet;

static void put_out(const ecg_stream *s, const finished_beat *done, outlet *out) {
    size_t points = (size_t)(s->config.before + s->config.after) * ECG_CHANNELS;
    out->beats[out->found] = done->beat;
    out->beats[out->found].known_at = detector_of(s)->count;
    memcpy(out->windows + out->found * points, done->window, points * sizeof(float));
    memcpy(out->features + out->found * ECG_FEATURES, done->features, sizeof done->features);
    out->found++;
}

static void release_held(ecg_stream *s, outlet *out) {
    put_out(s, &s->held, out);
    s->held_full = 0;
}

/* Window and features of the first pending R peak. */
static void cut_first(ecg_stream *s, outlet *out) {
    ecg_detector *d = detector_of(s);
    ecg_qrs qrs = s->pending[s->pending_head++ % PENDING_MAX];
    double fs = d->config.fs, rr = s->last_r < 0 ? (double)NAN : (double)(qrs.r_sample - s->last_r) / fs;
    int64_t around = (int64_t)(QUALITY_S * fs);
    uint32_t quality = qrs.quality | ecg_quality_between(d, s->config.lead, qrs.r_sample - around,
                                                         qrs.r_sample + around);
    if (s->features.beats < LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    int64_t after = qrs.r_sample + (int64_t)(FLUTTER_AFTER_S * fs);
    float leakage = ecg_flutter_leakage(d, s->config.lead, after < d->count ? after : d->count - 1);
    s->fluttering = leakage < (s->fluttering ? FLUTTER_ENDS : FLUTTER_BEGINS);
    if (s->fluttering) quality |= ECG_QUALITY_FLUTTER;
    s->last_r = qrs.r_sample;

    finished_beat *done = &s->scratch;
    float points[ECG_WINDOW_MAX];
    done->beat = (ecg_beat){qrs.r_sample, 0, rr, quality, qrs.strength};
    ecg_window_cut(window_of(s), d, s->config.lead, qrs.r_sample, points);
    done->rr_level = ecg_features_take(&s->features, points, rr, done->window, done->features);
    if (s->config.lookahead) {
        s->held = *done;
        s->held_full = 1;
    } else {
        put_out(s, done, out);
    }
}

/* Does what can be done at this sample; returns 1 if there was something. */
static int settle(ecg_stream *s, outlet *out) {
    ecg_detector *d = detector_of(s);
    if (s->held_full) {
        int64_t waited = d->count - s->held.beat.r_sample;
        if (!pending(s) && waited < s->patience) return 0;
        int64_t next = pending(s) ? s->pending[s->pending_head % PENDING_MAX].r_sample
                                  : s->held.beat.r_sample + s->patience;
        ecg_features_look_ahead(s->held.features, s->held.rr_level,
                                (double)(next - s->held.beat.r_sample) / d->config.fs);
        release_held(s, out);
        return 1;
    }
    if (pending(s) && d->count > s->pending[s->pending_head % PENDING_MAX].r_sample + s->reach) {
        cut_first(s, out);
        return 1;
    }
    return 0;
}

/* Samples until something can be settled without another R peak; at least 1. */
static int64_t samples_to_wait(const ecg_stream *s) {
    const ecg_detector *d = detector_of(s);
    int64_t wait = INT64_MAX;
    if (s->held_full) wait = s->held.beat.r_sample + s->patience - d->count;
    else if (pending(s)) wait = s->pending[s->pending_head % PENDING_MAX].r_sample + s->reach + 1 - d->count;
    return wait < 1 ? 1 : wait;
}

size_t ecg_stream_process(ecg_stream *s, const float *samples, size_t n, ecg_beat *beats,
                          float *windows, float *features, size_t capacity, size_t *found) {
    ecg_detector *d = detector_of(s);
    outlet out = {beats, windows, features, capacity, 0};
    size_t done = 0;
    for (;;) {
        while (out.found < capacity && settle(s, &out)) {}
        if (out.found == capacity || (done == n && !ecg_queue_filled(d))) break;
        int64_t wait = samples_to_wait(s);
        size_t step = (uint64_t)wait < n - done ? (size_t)wait : n - done, reported;
        done += ecg_detector_process(d, samples + done * (size_t)d->config.leads, step,
                                     &s->pending[s->pending_tail % PENDING_MAX], 1, &reported);
        s->pending_tail += (uint32_t)reported;
    }
    *found = out.found;
    return done;
}

size_t ecg_stream_flush(ecg_stream *s, ecg_beat *beats, float *windows, float *features, size_t capacity) {
    ecg_detector *d = detector_of(s);
    outlet out = {beats, windows, features, capacity, 0};
    while (out.found < capacity) {
        if (settle(s, &out)) continue;
        if (!pending(s)) { /* decides the next beat that the detector still has in doubt */
            size_t reported = ecg_detector_flush(d, &s->pending[s->pending_tail % PENDING_MAX], 1);
            s->pending_tail += (uint32_t)reported;
            if (reported) continue;
        }
        if (s->held_full) {
            release_held(s, &out); /* the recording ends: the next RR interval stays unknown */
        } else if (pending(s)) {
            cut_first(s, &out); /* the window's missing end repeats the last sample */
        } else {
            break;
        }
    }
    return out.found;
}

int ecg_stream_give(ecg_stream *s, int64_t r_sample) {
    return ecg_given_announce(detector_of(s), r_sample);
}

int64_t ecg_stream_count(const ecg_stream *s) {
    return detector_of(s)->count;
}

int64_t ecg_stream_delay(const ecg_stream *s) {
    int64_t detected = ecg_detector_delay(detector_of(s)), cut = s->reach + 1;
    int64_t delay = detected > cut ? detected : cut;
    return s->config.lookahead ? delay + s->patience : delay;
}
