/* Any bytes as a model: refused, or a network that runs within its memory, twice the same. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
    /* It ends where its memory does, so that a step beyond it is seen. */
    const size_t n = n_data / ECG_ALIGNMENT * ECG_ALIGNMENT;
    if (!n) return 0;
    unsigned char *model = block_of(n);
    memcpy(model, data, n);
    ecg_network *network = NULL;
    ecg_network_report report;
    size_t size = 0;
    int status, tries = 0;
    while ((status = ecg_network_init(network, size, model, n, &report)) == ECG_ERROR_MEMORY) {
        CHECK(++tries < 4 && report.bytes > size && report.bytes % ECG_ALIGNMENT == 0);
        free(network);
        size = report.bytes;
        network = block_of(size);
    }
    CHECK(status == ECG_OK || status == ECG_ERROR_MODEL || status == ECG_ERROR_OPERATOR);
    if (status == ECG_OK) {
        CHECK(report.bytes == size && ecg_network_input(network, 0) && ecg_network_output(network, 0));
        for (int k = 0; ecg_network_input(network, k); k++) {
            const ecg_tensor *tensor = ecg_network_input(network, k);
            for (size_t i = 0; i < tensor->count; i++) {
                if (tensor->type == ECG_TENSOR_INT8) ((int8_t *)tensor->data)[i] = (int8_t)(i * 37 % 256 - 128);
                else ((float *)tensor->data)[i] = (float)(i * 37 % 256) / 32.0f - 4.0f;
            }
        }
        ecg_network_run(network);
        const ecg_tensor *out = ecg_network_output(network, 0);
        const size_t bytes = out->count * (out->type == ECG_TENSOR_INT8 ? 1 : 4);
        void *first = block_of((bytes + ECG_ALIGNMENT) / ECG_ALIGNMENT * ECG_ALIGNMENT);
        memcpy(first, out->data, bytes);
        ecg_network_run(network);
        CHECK(memcmp(first, out->data, bytes) == 0);
        free(first);
    }
    free(network);
    free(model);
    return 0;
}
