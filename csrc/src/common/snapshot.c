/* A state's bytes with a checksum: a damaged snapshot is refused by it, a forged one by each stage's own check. */
#include "internal.h"

#define SNAPSHOT_MAGIC 0x50414e5347434545ull /* "EECGSNAP" */

typedef struct snapshot_head {
    uint64_t magic, bytes, checksum, reserved;
} snapshot_head;

_Static_assert(sizeof(snapshot_head) == ECG_SNAPSHOT_EXTRA, "documented size of a snapshot's head");

static uint64_t fnv1a(const unsigned char *bytes, size_t n) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

void ecg_snapshot_save(const void *state, size_t bytes, void *snapshot) {
    if (!state || !snapshot) return;
    snapshot_head head = {SNAPSHOT_MAGIC, bytes, fnv1a(state, bytes), 0};
    memcpy(snapshot, &head, sizeof head);
    memcpy((char *)snapshot + sizeof head, state, bytes);
}

int ecg_snapshot_restore(void *state, size_t bytes, const void *snapshot, size_t snapshot_bytes) {
    snapshot_head head;
    ecg_header now, saved;
    if (!snapshot || !(ecg_is_state(state, ECG_KIND_DETECTOR) || ecg_is_state(state, ECG_KIND_STREAM)))
        return ECG_ERROR_ARGUMENT;
    const unsigned char *body = (const unsigned char *)snapshot + sizeof head;
    if (snapshot_bytes < sizeof head + sizeof saved) return ECG_ERROR_SNAPSHOT;
    memcpy(&head, snapshot, sizeof head);
    memcpy(&saved, body, sizeof saved);
    memcpy(&now, state, sizeof now);
    if (head.magic != SNAPSHOT_MAGIC || head.bytes != snapshot_bytes - sizeof head || saved.bytes != head.bytes
        || saved.kind != now.kind || now.bytes != bytes || fnv1a(body, snapshot_bytes - sizeof head) != head.checksum)
        return ECG_ERROR_SNAPSHOT;
    if (saved.version != now.version) return ECG_ERROR_VERSION;
    if (saved.bytes != bytes) return ECG_ERROR_CONFIG; /* the size follows from the configuration */
    const int stream = now.kind == ECG_KIND_STREAM;
    const int status = stream ? ecg_stream_same(state, body) : ecg_detector_same(state, body);
    if (status != ECG_OK) return status;
    memcpy(state, body, bytes);
    if (stream ? ecg_stream_valid(state) : ecg_detector_valid(state)) return ECG_OK;
    if (stream) ecg_stream_restart(state);
    else ecg_detector_restart(state);
    return ECG_ERROR_SNAPSHOT;
}
