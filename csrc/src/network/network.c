/* Networks: initialisation, and a run of all steps in order. */
#include "network.h"

int ecg_network_init(ecg_network *network, size_t bytes, const void *model, size_t model_bytes,
                     ecg_network_report *report) {
    ecg_network_report own;
    const int status = ecg_network_plan(network, bytes, model, model_bytes, report ? report : &own);
    /* One that could not be planned has no inputs and no steps, if somebody uses it all the same. */
    if (status != ECG_OK && network && bytes >= sizeof *network && (uintptr_t)network % ECG_ALIGNMENT == 0)
        memset(network, 0, sizeof *network);
    if (status == ECG_OK)
        for (int32_t i = 0; i < network->n_inputs; i++)
            memset(network->inputs[i].data, 0, network->inputs[i].count * (network->inputs[i].type == ECG_TENSOR_INT8 ? 1 : 4));
    return status;
}

const ecg_tensor *ecg_network_input(const ecg_network *network, int index) {
    return network && index >= 0 && index < network->n_inputs ? &network->inputs[index] : NULL;
}

const ecg_tensor *ecg_network_output(const ecg_network *network, int index) {
    return network && index >= 0 && index < network->n_outputs ? &network->outputs[index] : NULL;
}

static void run_move(const ecg_network *network, const ecg_step_move *step) {
    const uint32_t *parts = (const uint32_t *)(step + 1);
    for (uint32_t i = 0, before = 0; i < step->parts; i++) {
        const ecg_ref part = parts[2 * i];
        const uint32_t bytes = parts[2 * i + 1];
        for (uint32_t row = 0; row < step->rows; row++) {
            const uint32_t in_whole = step->whole + row * step->row_bytes + before, in_part = part + row * bytes;
            const ecg_ref from = step->gather ? in_part : in_whole, to = step->gather ? in_whole : in_part;
            memcpy(ecg_network_to(network, to), ecg_network_at(network, from), bytes);
        }
        before += bytes;
    }
}

static void run_slice(const ecg_network *network, const ecg_step_slice *step) {
    const unsigned char *in = ecg_network_at(network, step->in);
    unsigned char *out = ecg_network_to(network, step->out);
    const int32_t *n = step->count, *s = step->stride;
    for (int32_t i = 0; i < n[0]; i++)
        for (int32_t j = 0; j < n[1]; j++)
            for (int32_t k = 0; k < n[2]; k++)
                for (int32_t l = 0; l < n[3]; l++) {
                    const int32_t at = step->begin + i * s[0] + j * s[1] + k * s[2] + l * s[3];
                    memcpy(out, in + (size_t)at * step->width, step->width);
                    out += step->width;
                }
}

void ecg_network_run(ecg_network *network) {
    if (!network) return;
    const unsigned char *at = (const unsigned char *)network + network->first_step;
    for (uint32_t i = 0; i < network->n_steps; i++) {
        const void *body = at;
        const ecg_step *step = body;
        const int is_int8 = step->type == ECG_TENSOR_INT8;
        switch ((ecg_step_kind)step->kind) {
        case ECG_STEP_MOVE: run_move(network, body); break;
        case ECG_STEP_SLICE: run_slice(network, body); break;
        case ECG_STEP_ADD:
        case ECG_STEP_MUL: (is_int8 ? ecg_int8_binary : ecg_float_binary)(network, body); break;
        case ECG_STEP_LOGISTIC:
        case ECG_STEP_TANH: (is_int8 ? ecg_int8_unary : ecg_float_unary)(network, body); break;
        case ECG_STEP_DENSE: (is_int8 ? ecg_int8_dense : ecg_float_dense)(network, body); break;
        case ECG_STEP_CONV: (is_int8 ? ecg_int8_conv : ecg_float_conv)(network, body); break;
        case ECG_STEP_POOL: (is_int8 ? ecg_int8_pool : ecg_float_pool)(network, body); break;
        case ECG_STEP_MEAN:
        case ECG_STEP_MAX: (is_int8 ? ecg_int8_reduce : ecg_float_reduce)(network, body); break;
        case ECG_STEP_SOFTMAX: (is_int8 ? ecg_int8_softmax : ecg_float_softmax)(network, body); break;
        case ECG_STEP_QUANTIZE: ecg_int8_quantize(network, body); break;
        case ECG_STEP_DEQUANTIZE: ecg_int8_dequantize(network, body); break;
        }
        at += step->bytes;
    }
}
