/* What a status means, in one line; the release. */
#include "../../include/ecgfast.h"

#define TEXT_OF(number) #number
#define TEXT(macro) TEXT_OF(macro)

const char *ecg_status_text(int status) {
    switch (status) {
    case ECG_OK: return "no error";
    case ECG_ERROR_FS: return "sampling rate outside " TEXT(ECG_FS_MIN) ".." TEXT(ECG_FS_MAX) " Hz";
    case ECG_ERROR_BAND:
        return "band edges are not 0 < low < high < fs / 2, or too close together for that sampling rate";
    case ECG_ERROR_LEADS:
        return "number of leads outside 1.." TEXT(ECG_LEADS_MAX) ", or the chosen lead out of range";
    case ECG_ERROR_METHOD: return "unknown detection method";
    case ECG_ERROR_DELAY: return "max_delay outside 0.35..1000000 s";
    case ECG_ERROR_WINDOW: return "beat window empty, too long or on an impossible grid";
    case ECG_ERROR_MEMORY: return "memory block too small or not aligned";
    case ECG_ERROR_SNAPSHOT: return "bytes are no snapshot of this kind of state, or damaged";
    case ECG_ERROR_VERSION:
        return "snapshot of another version of ecgfast: restore it with that version, or begin a new stream";
    case ECG_ERROR_RATE: return "max_rate outside 300..900 beats a minute";
    case ECG_ERROR_ORDER: return "R peaks announced out of order, too late or too many ahead";
    case ECG_ERROR_CONFIG: return "snapshot of another configuration";
    case ECG_ERROR_KEEP: return "keep is negative, above 60 s or not a number";
    case ECG_ERROR_MODEL: return "bytes are no TensorFlow Lite model, damaged or not aligned";
    case ECG_ERROR_ARGUMENT: return "a pointer is NULL, or the state was not initialised";
    case ECG_ERROR_OPERATOR: return "the model needs an operator, a type or a size that is not supported here";
    default: return "unknown status";
    }
}

const char *ecg_version(void) {
    return TEXT(ECG_VERSION_MAJOR) "." TEXT(ECG_VERSION_MINOR) "." TEXT(ECG_VERSION_PATCH);
}
