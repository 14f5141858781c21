/* Memory, stack and instructions of one model on an emulated Cortex-M, as one line of JSON; MODEL is the file that holds
 * its bytes as numbers. With WEIGHT, the smallest firmware that runs a network, to be weighed: the model is elsewhere. */
#include "ecgfast.h"

#include <stdalign.h>

#ifdef WEIGHT
volatile float converter;
const void *volatile model;
static alignas(ECG_ALIGNMENT) unsigned char memory[64 * 1024];

int main(void) {
    ecg_network *network = (ecg_network *)memory;
    if (ecg_network_init(network, sizeof memory, model, 60000, NULL) != ECG_OK) return 1;
    for (;;) {
        *(float *)ecg_network_input(network, 0)->data = converter;
        ecg_network_run(network);
        converter = *(const float *)ecg_network_output(network, 0)->data;
    }
}
#else
#include <stdio.h>

#define PAINTED 8192 /* bytes of stack looked at */
#define PATTERN 0x5AA5C33Cu

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

static alignas(ECG_ALIGNMENT) const unsigned char model[] = {
#include MODEL
};
static alignas(ECG_ALIGNMENT) unsigned char memory[256 * 1024];

static __attribute__((noinline)) uint32_t *below(void) {
    uint32_t here;
    __asm volatile("mov %0, sp" : "=r"(here));
    return (uint32_t *)((here - 64u) & ~3u);
}

int main(void) {
    volatile uint32_t *const top = below();
    for (uint32_t i = 1; i <= PAINTED / 4; i++) top[-(long)i] = PATTERN;
    SYST_RVR = 0xFFFFFFu;
    SYST_CVR = 0;
    SYST_CSR = 5; /* the processor's clock, no interrupt */

    ecg_network *network = (ecg_network *)memory;
    ecg_network_report report;
    const uint32_t begin = SYST_CVR;
    const int status = ecg_network_init(network, sizeof memory, model, sizeof model, &report);
    const uint32_t made = (begin - SYST_CVR) & 0xFFFFFFu;
    if (status != ECG_OK) {
        printf("%s\n", ecg_status_text(status));
        return 1;
    }
    for (int k = 0; ecg_network_input(network, k); k++) {
        const ecg_tensor *tensor = ecg_network_input(network, k);
        for (size_t i = 0; i < tensor->count; i++) ((float *)tensor->data)[i] = (float)(i % 17) / 8.0f - 1.0f;
    }
    const uint32_t before = SYST_CVR;
    ecg_network_run(network);
    const uint32_t took = (before - SYST_CVR) & 0xFFFFFFu;
    uint32_t untouched = PAINTED / 4;
    while (untouched > 0 && top[-(long)untouched] == PATTERN) untouched--;
    const float *out = ecg_network_output(network, 0)->data;
    printf("{\"bytes\": %u, \"stack\": %u, \"made\": %llu, \"run\": %llu, \"first\": %.6f}\n", (unsigned)report.bytes,
           (unsigned)(untouched * 4), (unsigned long long)made * TICK_NS, (unsigned long long)took * TICK_NS,
           (double)out[0]);
    return 0;
}
#endif
