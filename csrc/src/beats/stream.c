/* The fused path: samples in, beats with their model inputs out. */
#include "beat_features.h"
#include "window_kinds.h"
#include "beat_window.h"
#include "wave_leakage.h"

/* R peaks reported and still waiting for the samples after them: no heart beats so often in a window. */
#define STREAM_PENDING 64
/* Seconds to either side of R whose faults are the beat's. */
#define QUALITY_S 0.25
/* Beats until thresholds and templates have settled. */
#define STREAM_LEARNING_BEATS 8
/* Seconds after R that still show what the beat is part of. */
#define FLUTTER_AFTER_S 0.2
/* Seconds that a beat waits for the next one at most: longer is a pause, however long. */
#define LOOKAHEAD_MAX_S 3.0

/* How far the beat in `held` is. Cutting takes several samples where the window is long and the sampling rate
 * high: the work at each sample is bounded, whatever the window. */
typedef enum stage {
    STAGE_NONE,                /* there is none */
    STAGE_BEAT,                /* the ECG around it is being cut on the features' grid */
    STAGE_WINDOW,              /* the window is being cut */
    STAGE_HELD                 /* complete, it waits for the next RR interval */
} stage;

typedef struct finished_beat {
    ecg_beat beat;
    float rr_level;            /* s, what the next RR interval is compared with */
    float features[ECG_FEATURES];
} finished_beat;

/* A lead that windows show; its parts lie behind it. */
typedef struct shown_lead {
    finished_beat held;
    float rr_level;            /* of the last beat put out */
    int32_t fluttering;        /* was the last beat part of a flutter */
} shown_lead;

/* Byte offsets of the parts behind the struct, from the block's start. */
typedef struct stream_places {
    size_t beat_at, window_at; /* time grids of features and window (ecg_window) */
    size_t shape_at;           /* scratch space: the window of a beat */
    size_t leads_at;           /* shown_lead of each lead, and what it has, ... */
    size_t lead_bytes;         /* ... in so many bytes; from a lead's start: */
    size_t held_at;            /* window of the held beat: all but that of a beat put out at once */
    size_t past_at;            /* features of the last beats put out, a ring of `history` rows */
    size_t features_at;        /* ecg_features_state */
    size_t points_at;          /* the ECG around the held beat, as far as it is cut */
    size_t detector_at;
} stream_places;

struct ecg_stream {
    ecg_header header;
    ecg_window_config config;
    /* from the configuration */
    int64_t beat_reach;        /* samples that the features need after R */
    int64_t reach;             /* samples that features and window need after R at most */
    int64_t patience;          /* samples that a beat waits for the next R peak */
    stream_places at;
    /* of the stream */
    int64_t last_r;            /* of the last beat cut; negative before the first */
    uint32_t pending_head, pending_tail;
    ecg_qrs pending[STREAM_PENDING];
    int32_t stage;             /* of the held beat */
    int32_t cut;               /* grid points of this stage that are cut */
    int32_t filled;            /* points of the window that the beat fills */
    int64_t due;               /* samples from which on the next part may be cut */
    int64_t put;               /* beats put out */
};

static ecg_window *grid_of(ecg_stream *s, size_t at) {
    return (ecg_window *)((char *)s + at);
}
static shown_lead *lead_of(const ecg_stream *s, int32_t l) {
    return (shown_lead *)((char *)(uintptr_t)s + s->at.leads_at + (size_t)l * s->at.lead_bytes);
}
static float *floats_of(shown_lead *lead, size_t at) {
    return (float *)((char *)lead + at);
}
static ecg_features_state *features_of(const ecg_stream *s, int32_t l) {
    return (ecg_features_state *)((char *)lead_of(s, l) + s->at.features_at);
}
static ecg_detector *detector_of(const ecg_stream *s) {
    return (ecg_detector *)((char *)(uintptr_t)s + s->at.detector_at);
}

int ecg_stream_check(const ecg_detector_config *detector, const ecg_window_config *window) {
    int status = ecg_detector_check(detector);
    if (status != ECG_OK) return status;
    if (!window) return ECG_ERROR_ARGUMENT;
    if (window->lead < 0 || window->lead >= detector->n_leads || window->leads < 0
        || window->leads > detector->n_leads - window->lead || (window->leads > 1 && window->kind != ECG_WINDOW_BEAT))
        return ECG_ERROR_LEADS;
    return ecg_window_kind_check(window) ? ECG_OK : ECG_ERROR_WINDOW;
}

static int32_t shown_leads(const ecg_window_config *config) {
    return config->leads > 1 ? config->leads : 1;
}

static size_t window_floats(const ecg_window_config *config) {
    return (size_t)(config->before + config->after) * (size_t)ecg_window_channels(config);
}

/* Bytes of the window of the held beat: what is cut at once and put out at once needs none. */
static size_t held_bytes(const ecg_window_config *config) {
    if (config->kind == ECG_WINDOW_BEAT && !config->lookahead) return 0;
    return ecg_round_up(window_floats(config) * sizeof(float));
}

/* A detector that remembers as much as the window shows. */
static ecg_detector_config with_memory(const ecg_detector_config *detector, const ecg_window_config *window) {
    ecg_detector_config config = *detector;
    double seconds = ECG_RING_S;
    if (window->kind == ECG_WINDOW_STRIP) seconds += window->before / window->grid_fs;
    if (config.keep < seconds) config.keep = seconds;
    return config;
}

/* Places of the parts behind the struct; returns the bytes of all together. */
static size_t lay_out(stream_places *s, const ecg_detector_config *detector, const ecg_window_config *window) {
    const ecg_window_config beat = ecg_window_beat_grid(window);
    const ecg_detector_config config = with_memory(detector, window);
    s->beat_at = ecg_round_up(sizeof(ecg_stream));
    s->window_at = window->kind == ECG_WINDOW_BEAT ? s->beat_at
                                                 : s->beat_at + ecg_window_size(detector->fs, &beat);
    s->shape_at = s->window_at + ecg_window_size(detector->fs, window);
    s->leads_at =
        s->shape_at + (window->kind == ECG_WINDOW_BEAT ? 0 : ecg_round_up(window_floats(&beat) * sizeof(float)));
    s->held_at = ecg_round_up(sizeof(shown_lead));
    s->past_at = s->held_at + held_bytes(window);
    s->features_at = s->past_at + ecg_round_up((size_t)window->history * ECG_FEATURES * sizeof(float));
    s->points_at = s->features_at + ecg_features_size(&beat);
    s->lead_bytes = s->points_at + ecg_round_up((size_t)(beat.before + beat.after) * sizeof(float));
    s->detector_at = s->leads_at + (size_t)shown_leads(window) * s->lead_bytes;
    return s->detector_at + ecg_detector_bytes(&config);
}

size_t ecg_stream_size(const ecg_detector_config *detector, const ecg_window_config *window) {
    stream_places places;
    if (ecg_stream_check(detector, window) != ECG_OK) return 0;
    const ecg_detector_config on_clock = ecg_detector_clock(detector);
    return lay_out(&places, &on_clock, window);
}

/* Field by field: snapshots compare the bytes, and those of padding stay zero. */
static void copy_config(ecg_window_config *to, const ecg_window_config *from) {
    to->grid_fs = from->grid_fs;
    to->before = from->before;
    to->after = from->after;
    to->lead = from->lead;
    to->lookahead = from->lookahead;
    to->kind = from->kind;
    to->history = from->history;
    to->leads = shown_leads(from);
}

/* `detector` is on the stages' clock. */
static int stream_begin(ecg_stream *s, size_t bytes, const ecg_detector_config *detector, const ecg_window_config *window) {
    stream_places places;
    const size_t needed = lay_out(&places, detector, window);
    if (!s || bytes < needed || (uintptr_t)s % ECG_ALIGNMENT) return ECG_ERROR_MEMORY;
    memset(s, 0, needed);
    s->header = (ecg_header){ECG_KIND_STREAM, ECG_STATE_VERSION, needed};
    copy_config(&s->config, window);
    s->last_r = -1;
    s->at = places;
    const ecg_window_config beat = ecg_window_beat_grid(window);
    ecg_window_init(grid_of(s, s->at.beat_at), detector->fs, &beat);
    if (window->kind != ECG_WINDOW_BEAT) ecg_window_init(grid_of(s, s->at.window_at), detector->fs, window);
    for (int32_t l = 0; l < shown_leads(window); l++) ecg_features_init(features_of(s, l), &beat);
    s->beat_reach = ecg_window_reach(grid_of(s, s->at.beat_at));
    s->reach = ecg_window_reach(grid_of(s, s->at.window_at));
    if (s->reach < s->beat_reach) s->reach = s->beat_reach;
    s->patience = (int64_t)ceil(LOOKAHEAD_MAX_S * detector->fs);
    const ecg_detector_config config = with_memory(detector, window);
    return ecg_detector_begin(detector_of(s), ecg_detector_bytes(&config), &config);
}

int ecg_stream_init(ecg_stream *s, size_t bytes, const ecg_detector_config *detector,
                    const ecg_window_config *window) {
    int status = ecg_stream_check(detector, window);
    if (status != ECG_OK) return status;
    const ecg_detector_config on_clock = ecg_detector_clock(detector);
    return stream_begin(s, bytes, &on_clock, window);
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

/* Row of a lead for the next beat. */
static size_t next_row(const ecg_stream *s, const outlet *out, int32_t l) {
    return out->found * (size_t)shown_leads(&s->config) + (size_t)l;
}

static float *next_window(const ecg_stream *s, const outlet *out, int32_t l) {
    return out->windows + next_row(s, out, l) * window_floats(&s->config);
}

/* Puts out what a lead has of a beat whose window is in its row already. */
static void put_out_lead(ecg_stream *s, int32_t l, const outlet *out) {
    shown_lead *lead = lead_of(s, l);
    const finished_beat *done = &lead->held;
    const size_t at = next_row(s, out, l);
    int64_t past = s->config.history;
    float *row = out->features + at * (size_t)(past + 1) * ECG_FEATURES;
    float *rows = floats_of(lead, s->at.past_at);
    out->beats[at] = done->beat;
    out->beats[at].known_at = detector_of(s)->count;
    for (int64_t k = s->put - past; k < s->put; k++, row += ECG_FEATURES) {
        if (k < 0) memset(row, 0, sizeof done->features);
        else memcpy(row, rows + k % past * ECG_FEATURES, sizeof done->features);
    }
    memcpy(row, done->features, sizeof done->features);
    if (past) memcpy(rows + s->put % past * ECG_FEATURES, done->features, sizeof done->features);
    lead->rr_level = done->rr_level;
}

/* The RR interval after the last beat put out is known now. */
static void complete_past(ecg_stream *s, int32_t l, double rr) {
    int64_t past = s->config.history;
    if (!past || !s->put) return;
    shown_lead *lead = lead_of(s, l);
    ecg_features_look_ahead(floats_of(lead, s->at.past_at) + (s->put - 1) % past * ECG_FEATURES, lead->rr_level,
                            rr < LOOKAHEAD_MAX_S ? rr : LOOKAHEAD_MAX_S);
}

static void release_held(ecg_stream *s, outlet *out) {
    const size_t held = held_bytes(&s->config) ? window_floats(&s->config) * sizeof(float) : 0;
    for (int32_t l = 0; l < shown_leads(&s->config); l++) {
        if (held) memcpy(next_window(s, out, l), floats_of(lead_of(s, l), s->at.held_at), held);
        put_out_lead(s, l, out);
    }
    s->put++;
    out->found++;
    s->stage = STAGE_NONE;
}

/* R peak of the held beat. */
static int64_t held_sample(const ecg_stream *s) {
    return lead_of(s, 0)->held.beat.sample;
}

/* Seconds on the stages' clock from the last beat cut to this R peak; NaN before the first. */
static double interval_to(const ecg_stream *s, int64_t sample) {
    return s->last_r < 0 ? (double)NAN : (double)(sample - s->last_r) / detector_of(s)->config.fs;
}

/* Points of the window that this beat fills. */
static int32_t points_of(const ecg_stream *s, double rr) {
    if (s->config.kind == ECG_WINDOW_CYCLE)
        return ecg_window_cycle_points(&s->config, ecg_features_rr_level(features_of(s, 0), rr));
    return s->config.before + s->config.after;
}

/* Samples after its R peak that the first pending beat waits for. */
static int64_t reach_of_first(ecg_stream *s) {
    if (s->config.kind != ECG_WINDOW_CYCLE) return s->reach;
    double rr = interval_to(s, s->pending[s->pending_head % STREAM_PENDING].sample);
    int64_t reach = ecg_window_reach_of(grid_of(s, s->at.window_at), points_of(s, rr));
    return reach > s->beat_reach ? reach : s->beat_reach;
}

/* What a lead shows of the signal around the held beat, before any of it is cut. */
static void begin_lead(ecg_stream *s, int32_t l, const ecg_qrs *qrs, double rr) {
    ecg_detector *d = detector_of(s);
    shown_lead *lead = lead_of(s, l);
    const double fs = d->config.fs;
    const int64_t around = (int64_t)(QUALITY_S * fs), after = qrs->sample + (int64_t)(FLUTTER_AFTER_S * fs);
    const int32_t number = s->config.lead + l;
    uint32_t quality = qrs->quality | ecg_quality_between(d, number, qrs->sample - around, qrs->sample + around);
    if (features_of(s, l)->beats < STREAM_LEARNING_BEATS) quality |= ECG_QUALITY_LEARNING;
    const float leakage = ecg_flutter_leakage(d, number, after < d->count ? after : d->count - 1);
    lead->fluttering = leakage < (lead->fluttering ? ECG_FLUTTER_ENDS : ECG_FLUTTER_LEAKAGE);
    if (lead->fluttering) quality |= ECG_QUALITY_FLUTTER;
    lead->held = (finished_beat){.beat = {qrs->sample, 0, rr * ecg_clock(&d->config), quality, qrs->strength}};
}

/* The first pending R peak becomes the held beat, of which nothing is cut yet. */
static void begin_first(ecg_stream *s) {
    const ecg_qrs qrs = s->pending[s->pending_head++ % STREAM_PENDING];
    const double rr = interval_to(s, qrs.sample);
    for (int32_t l = 0; l < shown_leads(&s->config); l++) begin_lead(s, l, &qrs, rr);
    s->filled = points_of(s, rr);
    s->stage = STAGE_BEAT;
    s->cut = 0;
}

/* Cuts the next part of a stage's `points`, of each lead to the same place of its own; returns 1 when all are cut. */
static int cut_part(ecg_stream *s, const ecg_window *grid, int32_t points, size_t to) {
    int32_t end = s->cut + ecg_window_part(grid);
    if (end > points) end = points;
    for (int32_t l = 0; l < shown_leads(&s->config); l++)
        ecg_window_cut(grid, detector_of(s), s->config.lead + l, held_sample(s), s->cut, end,
                       floats_of(lead_of(s, l), to));
    s->cut = end;
    return end == points;
}

static void complete_held(ecg_stream *s, outlet *out) {
    if (s->config.lookahead) s->stage = STAGE_HELD;
    else release_held(s, out);
}

/* Features and shape of the held beat in a lead, whose ECG is cut. */
static void take_lead(ecg_stream *s, int32_t l, double rr, const outlet *out) {
    shown_lead *lead = lead_of(s, l);
    float *points = floats_of(lead, s->at.points_at), *window = (float *)((char *)s + s->at.shape_at);
    if (s->config.kind == ECG_WINDOW_BEAT)
        window = s->config.lookahead ? floats_of(lead, s->at.held_at) : next_window(s, out, l);
    ecg_window_level(points, grid_of(s, s->at.beat_at)->points);
    lead->held.rr_level = ecg_features_take(features_of(s, l), points, rr, window, lead->held.features);
    complete_past(s, l, rr);
}

/* What one sample adds to the held beat. */
static void make_part(ecg_stream *s, outlet *out) {
    s->due = detector_of(s)->count + 1;
    if (s->stage == STAGE_BEAT) {
        const ecg_window *grid = grid_of(s, s->at.beat_at);
        const double rr = interval_to(s, held_sample(s));
        if (!cut_part(s, grid, grid->points, s->at.points_at)) return;
        for (int32_t l = 0; l < shown_leads(&s->config); l++) take_lead(s, l, rr, out);
        s->last_r = held_sample(s);
        if (s->config.kind == ECG_WINDOW_BEAT) {
            complete_held(s, out);
        } else {
            s->stage = STAGE_WINDOW;
            s->cut = 0;
        }
    } else {
        const ecg_window *grid = grid_of(s, s->at.window_at);
        const ecg_features_state *features = features_of(s, 0);
        float *held = floats_of(lead_of(s, 0), s->at.held_at);
        if (!cut_part(s, grid, s->filled, s->at.held_at)) return;
        if (s->config.kind == ECG_WINDOW_CYCLE) ecg_window_cycle(held, s->filled, grid->points);
        else ecg_window_strip(held, s->filled, features->unit, features->orientation);
        complete_held(s, out);
    }
}

static int is_cutting(const ecg_stream *s) {
    return s->stage == STAGE_BEAT || s->stage == STAGE_WINDOW;
}

/* Does what can be done at this sample; returns 1 if there was something. */
static int settle(ecg_stream *s, outlet *out) {
    ecg_detector *d = detector_of(s);
    const int full = s->pending_tail - s->pending_head == STREAM_PENDING;
    if (s->stage == STAGE_HELD) {
        const int64_t sample = held_sample(s);
        if (!pending(s) && d->count - sample < s->patience) return 0;
        int64_t next = pending(s) ? s->pending[s->pending_head % STREAM_PENDING].sample : sample + s->patience;
        for (int32_t l = 0; l < shown_leads(&s->config); l++) {
            finished_beat *held = &lead_of(s, l)->held;
            ecg_features_look_ahead(held->features, held->rr_level, (double)(next - sample) / d->config.fs);
        }
        release_held(s, out);
        return 1;
    }
    if (d->count < s->due && !full) return 0;
    if (s->stage == STAGE_NONE) {
        if (!pending(s)) return 0;
        if (!full && d->count <= s->pending[s->pending_head % STREAM_PENDING].sample + reach_of_first(s)) return 0;
        begin_first(s);
    }
    make_part(s, out);
    return 1;
}

/* Samples until something can be settled without another R peak; at least 1. */
static int64_t samples_to_wait(ecg_stream *s) {
    const ecg_detector *d = detector_of(s);
    int64_t until = INT64_MAX;
    if (s->stage == STAGE_HELD) {
        until = held_sample(s) + s->patience;
    } else if (is_cutting(s)) {
        until = s->due;
    } else if (pending(s)) {
        until = s->pending[s->pending_head % STREAM_PENDING].sample + reach_of_first(s) + 1;
        if (until < s->due) until = s->due;
    }
    return until > d->count ? until - d->count : 1;
}

size_t ecg_stream_process(ecg_stream *s, const float *samples, size_t n, ecg_beat *beats,
                          float *windows, float *features, size_t capacity, size_t *found) {
    if (found) *found = 0;
    if (!found || !ecg_is_state(s, ECG_KIND_STREAM) || (!samples && n)
        || (capacity && !(beats && windows && features)))
        return 0;
    ecg_detector *d = detector_of(s);
    outlet out = {beats, windows, features, capacity, 0};
    size_t done = 0;
    for (;;) {
        while (out.found < capacity && settle(s, &out)) {}
        if (out.found == capacity || (done == n && !ecg_queue_filled(d))) break;
        int64_t wait = samples_to_wait(s);
        size_t step = (uint64_t)wait < n - done ? (size_t)wait : n - done, reported;
        done += ecg_detector_process(d, samples + done * (size_t)d->config.n_leads, step,
                                     &s->pending[s->pending_tail % STREAM_PENDING], 1, &reported);
        s->pending_tail += (uint32_t)reported;
    }
    *found = out.found;
    return done;
}

size_t ecg_stream_flush(ecg_stream *s, ecg_beat *beats, float *windows, float *features, size_t capacity) {
    if (!ecg_is_state(s, ECG_KIND_STREAM) || (capacity && !(beats && windows && features))) return 0;
    ecg_detector *d = detector_of(s);
    outlet out = {beats, windows, features, capacity, 0};
    while (out.found < capacity) {
        if (is_cutting(s)) { /* a window's missing end repeats the last sample */
            make_part(s, &out);
            continue;
        }
        if (settle(s, &out)) continue;
        if (!pending(s)) { /* decides the next beat that the detector still has in doubt */
            size_t reported = ecg_detector_flush(d, &s->pending[s->pending_tail % STREAM_PENDING], 1);
            s->pending_tail += (uint32_t)reported;
            if (reported) continue;
        }
        if (s->stage == STAGE_HELD) release_held(s, &out); /* the recording ends: the next RR interval stays unknown */
        else if (pending(s)) begin_first(s);
        else break;
    }
    return out.found;
}

int ecg_stream_announce(ecg_stream *s, int64_t sample) {
#if ECG_WITH_EXTERNAL
    if (!ecg_is_state(s, ECG_KIND_STREAM)) return ECG_ERROR_ARGUMENT;
    return ecg_external_announce(detector_of(s), sample);
#else
    (void)s;
    (void)sample;
    return ECG_ERROR_METHOD;
#endif
}

int64_t ecg_stream_count(const ecg_stream *s) {
    return ecg_is_state(s, ECG_KIND_STREAM) ? detector_of(s)->count : 0;
}

/* Samples at which a window is cut. */
static int64_t parts_of(const ecg_window *grid) {
    const int32_t part = ecg_window_part(grid);
    return (grid->points + part - 1) / part;
}

int64_t ecg_stream_delay(const ecg_stream *s) {
    if (!ecg_is_state(s, ECG_KIND_STREAM)) return 0;
    ecg_stream *state = (ecg_stream *)(uintptr_t)s;
    int64_t detected = ecg_detector_delay(detector_of(s)), cut = s->reach + 1;
    int64_t delay = (detected > cut ? detected : cut) + parts_of(grid_of(state, s->at.beat_at)) - 1;
    if (s->config.kind != ECG_WINDOW_BEAT) delay += parts_of(grid_of(state, s->at.window_at));
    return s->config.lookahead ? delay + s->patience : delay;
}

/* ------------------------------------------------------------------ snapshots */

int ecg_stream_same(ecg_stream *s, const unsigned char *saved) {
    if (memcmp(&s->config, saved + offsetof(ecg_stream, config), sizeof s->config) != 0) return ECG_ERROR_CONFIG;
    /* Sizes and places are those of both configurations: the detector's comes next, where it must be. */
    const int status = ecg_detector_same(detector_of(s), saved + s->at.detector_at);
    if (status != ECG_OK) return status;
    int same = memcmp(s, saved, offsetof(ecg_stream, last_r)) == 0
               && memcmp(grid_of(s, s->at.beat_at), saved + s->at.beat_at, s->at.shape_at - s->at.beat_at) == 0;
    for (int32_t l = 0; l < shown_leads(&s->config); l++) {
        const size_t regions = s->at.leads_at + (size_t)l * s->at.lead_bytes + s->at.features_at
                               + offsetof(ecg_features_state, regions);
        same &= memcmp(&features_of(s, l)->regions, saved + regions, sizeof(ecg_regions)) == 0;
    }
    return same ? ECG_OK : ECG_ERROR_SNAPSHOT;
}

static int lead_valid(ecg_stream *s, int32_t l) {
    shown_lead *lead = lead_of(s, l);
    const ecg_beat *held = &lead->held.beat;
    return ecg_within(lead->fluttering, 0, 1) && isfinite(held->strength) && held->sample == held_sample(s)
           && ecg_all_finite(floats_of(lead, s->at.points_at), (size_t)grid_of(s, s->at.beat_at)->points)
           && isfinite(lead->held.rr_level) && ecg_all_finite(lead->held.features, ECG_FEATURES)
           && isfinite(lead->rr_level)
           && ecg_all_finite(floats_of(lead, s->at.held_at), held_bytes(&s->config) / sizeof(float))
           && ecg_all_finite(floats_of(lead, s->at.past_at), (size_t)s->config.history * ECG_FEATURES)
           && ecg_features_valid(features_of(s, l));
}

int ecg_stream_valid(ecg_stream *s) {
    ecg_detector *d = detector_of(s);
    const int32_t points = s->stage == STAGE_WINDOW ? s->filled : grid_of(s, s->at.beat_at)->points;
    const int last = s->config.lookahead ? STAGE_HELD : s->config.kind == ECG_WINDOW_BEAT ? STAGE_BEAT : STAGE_WINDOW;
    for (int32_t l = 0; l < shown_leads(&s->config); l++)
        if (!lead_valid(s, l)) return 0;
    return ecg_detector_valid(d) && ecg_within(s->last_r, -1, d->count - 1)
           && ecg_qrs_valid(s->pending, s->pending_head, s->pending_tail, STREAM_PENDING, d->count)
           && ecg_within(s->stage, STAGE_NONE, last)
           && !(s->stage == STAGE_WINDOW && s->config.kind == ECG_WINDOW_BEAT)
           && ecg_within(s->filled, 0, s->config.before + s->config.after)
           && (!is_cutting(s) || ecg_within(s->cut, 0, points - 1)) && ecg_within(s->due, 0, d->count + 1)
           && (s->stage == STAGE_NONE || ecg_within(held_sample(s), 0, d->count - 1))
           && ecg_within(s->put, 0, ECG_COUNT_MAX);
}

void ecg_stream_restart(ecg_stream *s) {
    const ecg_window_config window = s->config;
    ecg_detector_config detector = detector_of(s)->config;
    stream_begin(s, (size_t)s->header.bytes, &detector, &window);
}
