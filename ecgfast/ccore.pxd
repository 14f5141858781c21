# The C core's public header, as far as the compiled layer uses it.
from libc.stdint cimport int32_t, int64_t, uint32_t


cdef extern from "ecgfast.h" nogil:
    const int ECG_CHANNELS
    const int ECG_FEATURES
    const int ECG_ALIGNMENT
    const int ECG_SNAPSHOT_EXTRA
    const int ECG_LEADS_MAX
    const double ECG_RATE_MAX
    const double ECG_RATE_MAX_ANIMALS
    const double ECG_FS_MIN

    ctypedef enum ecg_status:
        ECG_OK
        ECG_ERROR_FS
        ECG_ERROR_LEADS
        ECG_ERROR_DELAY
        ECG_ERROR_SNAPSHOT
        ECG_ERROR_ORDER
        ECG_ERROR_RATE

    ctypedef enum ecg_method:
        ECG_PAN_TOMPKINS
        ECG_ADAPTIVE
        ECG_EXTERNAL
        ECG_NEURAL

    const char *ecg_status_text(int status)

    ctypedef struct ecg_biquad:
        double s1
        double s2

    ctypedef struct ecg_bandpass:
        ecg_biquad section[2]
        double delay
        double last
        int32_t primed

    int ecg_bandpass_init(ecg_bandpass *filter, double fs, double low, double high)
    void ecg_bandpass_reset(ecg_bandpass *filter)
    void ecg_bandpass_process(ecg_bandpass *filter, const float *samples, float *out, size_t n)

    ctypedef struct ecg_detector_config:
        double fs
        double max_delay
        int32_t n_leads
        int32_t method
        double keep
        double max_rate

    ctypedef struct ecg_qrs:
        int64_t sample
        uint32_t quality

    ctypedef struct ecg_detector:
        pass

    size_t ecg_detector_size(const ecg_detector_config *config)
    int ecg_detector_check(const ecg_detector_config *config)
    int ecg_detector_init(ecg_detector *detector, size_t size, const ecg_detector_config *config)
    size_t ecg_detector_process(ecg_detector *detector, const float *samples, size_t n,
                                ecg_qrs *beats, size_t capacity, size_t *found)
    size_t ecg_detector_flush(ecg_detector *detector, ecg_qrs *beats, size_t capacity)
    int64_t ecg_detector_delay(const ecg_detector *detector)
    int64_t ecg_detector_count(const ecg_detector *detector)

    ctypedef struct ecg_window_config:
        double grid_fs
        int32_t before
        int32_t after
        int32_t lead
        int32_t lookahead
        int32_t kind
        int32_t history
        int32_t leads

    ctypedef enum ecg_window_kind:
        ECG_WINDOW_BEAT
        ECG_WINDOW_CYCLE
        ECG_WINDOW_STRIP

    int ecg_window_channels(const ecg_window_config *window)

    ctypedef struct ecg_beat:
        int64_t sample
        int64_t known_at
        double rr
        uint32_t quality

    ctypedef struct ecg_stream:
        pass

    size_t ecg_stream_size(const ecg_detector_config *detector, const ecg_window_config *window)
    int ecg_stream_check(const ecg_detector_config *detector, const ecg_window_config *window)
    int ecg_stream_init(ecg_stream *stream, size_t size, const ecg_detector_config *detector,
                        const ecg_window_config *window)
    size_t ecg_stream_process(ecg_stream *stream, const float *samples, size_t n, ecg_beat *beats,
                              float *windows, float *features, size_t capacity, size_t *found)
    size_t ecg_stream_flush(ecg_stream *stream, ecg_beat *beats, float *windows, float *features,
                            size_t capacity)
    int ecg_stream_announce(ecg_stream *stream, int64_t sample)
    int64_t ecg_stream_count(const ecg_stream *stream)
    int64_t ecg_stream_delay(const ecg_stream *stream)
    const char *ecg_feature_name(int index)

    void ecg_snapshot_save(const void *state, size_t size, void *snapshot)
    int ecg_snapshot_restore(void *state, size_t size, const void *snapshot, size_t snapshot_bytes)
