/* Networks of the C core on the model files that it is given: whole ones run, damaged ones are refused or run, and nothing
 * outside the file or the block is touched (which a sanitizer sees). Ends with status 0 and one line when all holds. */
#include "ecgfast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

static uint32_t seed = 1;

static uint32_t dice(uint32_t sides) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(seed >> 8) * sides) >> 24);
}

/* Of exactly the size asked for, and not of zeros. */
static void *block_of(size_t size) {
    void *at = aligned_alloc(ECG_ALIGNMENT, (size + ECG_ALIGNMENT - 1) / ECG_ALIGNMENT * ECG_ALIGNMENT);
    CHECK(at);
    memset(at, 0xa5, size);
    return at;
}

static void fill(const ecg_tensor *tensor) {
    for (size_t i = 0; i < tensor->count; i++) {
        if (tensor->type == ECG_TENSOR_INT8) ((int8_t *)tensor->data)[i] = (int8_t)((int)dice(256) - 128);
        else ((float *)tensor->data)[i] = (float)dice(4000) / 1000.0f - 2.0f;
    }
}

/* A network of these bytes, run once; its status. `first`, where it is given, takes the first output. */
static int run(const unsigned char *bytes, size_t n, float *first) {
    unsigned char *model = block_of(n + !n);
    memcpy(model, bytes, n);
    ecg_network_report report;
    ecg_network *network = NULL;
    size_t size = 0;
    int status;
    for (int tries = 0; (status = ecg_network_init(network, size, model, n, &report)) == ECG_ERROR_MEMORY; tries++) {
        CHECK(tries < 3 && report.bytes > size);
        free(network);
        size = report.bytes;
        network = block_of(size);
    }
    CHECK(status == ECG_OK || status == ECG_ERROR_MODEL || status == ECG_ERROR_OPERATOR);
    if (status == ECG_OK) {
        CHECK(ecg_network_init(network, size - ECG_ALIGNMENT, model, n, &report) == ECG_ERROR_MEMORY);
        CHECK(report.bytes == size || size - ECG_ALIGNMENT < report.bytes);
        CHECK(ecg_network_init(network, size, model, n, NULL) == ECG_OK);
        int inputs = 0;
        for (; ecg_network_input(network, inputs); inputs++) fill(ecg_network_input(network, inputs));
        CHECK(inputs > 0 && !ecg_network_input(network, -1) && !ecg_network_output(network, 99));
        ecg_network_run(network);
        const ecg_tensor *out = ecg_network_output(network, 0);
        CHECK(out && out->count);
        if (first) {
            CHECK(out->type == ECG_TENSOR_FLOAT32);
            *first = *(const float *)out->data;
            ecg_network_run(network); /* inputs stay, and nothing else does */
            CHECK(memcmp(first, out->data, sizeof *first) == 0 && isfinite(*first));
        }
    }
    free(network);
    free(model);
    return status;
}

static void exercise(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    const size_t n = (size_t)ftell(file);
    rewind(file);
    unsigned char *model = block_of(n), *damaged = block_of(n);
    CHECK(fread(model, 1, n, file) == n);
    fclose(file);

    float first, again;
    const uint32_t from = seed;
    CHECK(run(model, n, &first) == ECG_OK);
    seed = from;
    CHECK(run(model, n, &again) == ECG_OK && first == again);

    for (size_t k = 0; k < 200; k++) CHECK(run(model, k < 100 ? k : n * k / 200, NULL) != ECG_OK);
    for (int k = 0; k < 600; k++) {
        memcpy(damaged, model, n);
        /* At the ends, where tables are, and anywhere. */
        for (uint32_t edits = 1 + dice(4); edits; edits--) {
            const uint32_t kind = dice(3), span = n < 16384 ? (uint32_t)n : 16384;
            const size_t at = kind == 0 ? dice(span) : kind == 1 ? n - 1 - dice(span) : dice((uint32_t)n);
            damaged[at] = dice(2) ? (unsigned char)dice(256) : (unsigned char)(damaged[at] + dice(3) - 1);
        }
        run(damaged, n, NULL);
    }
    free(model);
    free(damaged);
}

int main(int n_paths, char **paths) {
    CHECK(n_paths > 1);
    for (int k = 1; k < n_paths; k++) exercise(paths[k]);
    puts("the networks hold");
    return 0;
}
