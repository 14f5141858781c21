/* The plan: shapes, places in the arena, and for each operator a step with all that its kernel needs. The order of the
 * file is the order of execution; a tensor's place is free again after the last operator that reads it. */
#include "network_plan.h"

/* Of TensorFlow Lite's schema, version 3. */
enum {
    OP_ADD = 0, OP_CONCATENATION = 2, OP_CONV_2D = 3, OP_DEQUANTIZE = 6, OP_FULLY_CONNECTED = 9, OP_LOGISTIC = 14,
    OP_MAX_POOL_2D = 17, OP_MUL = 18, OP_RESHAPE = 22, OP_SOFTMAX = 25, OP_TANH = 28, OP_MEAN = 40,
    OP_STRIDED_SLICE = 45, OP_SPLIT = 49, OP_EXPAND_DIMS = 70, OP_REDUCE_MAX = 82, OP_PACK = 83, OP_UNPACK = 88,
    OP_SPLIT_V = 102, OP_QUANTIZE = 114
};

static void plan_operator(ecg_plan *p, int32_t code) {
    const ecg_plan_tensor *other;
    switch (code) {
    case OP_ADD: ecg_plan_binary(p, ECG_STEP_ADD); break;
    case OP_MUL: ecg_plan_binary(p, ECG_STEP_MUL); break;
    case OP_LOGISTIC: ecg_plan_unary(p, ECG_STEP_LOGISTIC); break;
    case OP_TANH: ecg_plan_unary(p, ECG_STEP_TANH); break;
    case OP_FULLY_CONNECTED: ecg_plan_dense(p); break;
    case OP_CONV_2D: ecg_plan_conv(p); break;
    case OP_MAX_POOL_2D: ecg_plan_pool(p); break;
    case OP_MEAN: ecg_plan_reduce(p, ECG_STEP_MEAN); break;
    case OP_REDUCE_MAX: ecg_plan_reduce(p, ECG_STEP_MAX); break;
    case OP_SOFTMAX: ecg_plan_softmax(p); break;
    case OP_QUANTIZE: ecg_plan_scale(p, ECG_STEP_QUANTIZE); break;
    case OP_DEQUANTIZE: ecg_plan_scale(p, ECG_STEP_DEQUANTIZE); break;
    case OP_RESHAPE: ecg_plan_reshape(p); break;
    case OP_EXPAND_DIMS: ecg_plan_expand_dims(p); break;
    case OP_STRIDED_SLICE: ecg_plan_slice(p); break;
    case OP_CONCATENATION:
        if (ecg_plan_option(p, 1, 1, 0)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        ecg_plan_gather(p, ecg_plan_option(p, 0, 4, 0), 0);
        break;
    case OP_PACK: ecg_plan_gather(p, ecg_plan_option(p, 1, 4, 0), 1); break;
    case OP_UNPACK:
        ecg_plan_split(p, ecg_plan_any_input(p, 0), ecg_plan_option(p, 1, 4, 0), NULL, p->outputs.count, 1);
        break;
    case OP_SPLIT:
        other = ecg_plan_numbers(p, 0, 1, 1);
        if (other) ecg_plan_split(p, ecg_plan_any_input(p, 1), ecg_plan_number(p, other, 0), NULL, p->outputs.count, 0);
        break;
    case OP_SPLIT_V:
        other = ecg_plan_numbers(p, 2, 1, 1);
        if (other)
            ecg_plan_split(p, ecg_plan_any_input(p, 0), ecg_plan_number(p, other, 0),
                           ecg_plan_numbers(p, 1, 1, TENSORS_MAX), p->outputs.count, 0);
        break;
    default: ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    }
    if (p->file.damaged) ecg_plan_fail(p, ECG_ERROR_MODEL);
    const unsigned char zeros[8] = {0};
    if (p->status == ECG_OK) ecg_plan_append(p, zeros, p->step_end - p->used);
}

static void describe(ecg_plan *p, ecg_tensor *to, uint32_t index, const unsigned char *arena) {
    const ecg_plan_tensor *t = &p->tensors[index];
    const ecg_file_table table = ecg_file_table_of(&p->file, p->tensor_tables, index);
    const ecg_file_vector name = ecg_file_vector_in(&p->file, &table, 3, 1);
    memset(to, 0, sizeof *to);
    to->data = (void *)(uintptr_t)(arena + t->at);
    to->name = (const char *)p->file.at + name.at;
    to->name_length = name.count;
    to->type = t->type;
    to->n_axes = t->axes;
    to->count = t->count;
    memcpy(to->shape, t->shape, sizeof to->shape);
    to->scale = t->type == TYPE_INT8 ? t->scale : 0.0f;
    to->zero = t->type == TYPE_INT8 ? t->zero : 0;
}

/* Tensors that the graph takes or gives: their indices are checked here. */
static int are_tensors(ecg_plan *p, ecg_file_vector vector) {
    if (!vector.count || vector.count > ECG_NETWORK_INPUTS_MAX) return 0;
    for (uint32_t i = 0; i < vector.count; i++)
        if (ecg_plan_index(p, vector, i) >= p->tensor_tables.count) return 0;
    return 1;
}

int ecg_network_plan(ecg_network *network, size_t bytes, const void *model, size_t model_bytes,
                     ecg_network_report *report) {
    ecg_plan own = {.file = {model, (uint32_t)model_bytes, 0}, .live = NOBODY}, *p = &own;
    report->bytes = 0;
    report->operator_code = report->operator_index = -1;
    if (!model || model_bytes < 8 || model_bytes >= ECG_IN_MODEL ||
        (uintptr_t)model % ECG_ALIGNMENT) return ECG_ERROR_MODEL;

    const ecg_file_table root = ecg_file_root(&p->file);
    const ecg_file_vector graphs = ecg_file_vector_in(&p->file, &root, 2, 4);
    p->codes = ecg_file_vector_in(&p->file, &root, 1, 4);
    p->buffers = ecg_file_vector_in(&p->file, &root, 4, 4);
    if (p->file.damaged || graphs.count != 1) return ECG_ERROR_MODEL;
    const ecg_file_table graph = ecg_file_table_of(&p->file, graphs, 0);
    p->tensor_tables = ecg_file_vector_in(&p->file, &graph, 0, 4);
    p->operators = ecg_file_vector_in(&p->file, &graph, 3, 4);
    const ecg_file_vector inputs = ecg_file_vector_in(&p->file, &graph, 1, 4);
    const ecg_file_vector outputs = ecg_file_vector_in(&p->file, &graph, 2, 4);
    if (p->file.damaged || !p->tensor_tables.count) return ECG_ERROR_MODEL;
    if (p->tensor_tables.count > TENSORS_MAX || p->operators.count > TENSORS_MAX) return ECG_ERROR_OPERATOR;
    if (!are_tensors(p, inputs) || !are_tensors(p, outputs)) return ECG_ERROR_MODEL;

    /* While it is made, the plan's tensors lie at the block's end, where the arena will be. */
    const size_t head = ecg_round_up(sizeof *network);
    const size_t table = ecg_round_up(p->tensor_tables.count * sizeof(ecg_plan_tensor));
    report->bytes = head + table;
    if (!network || bytes < head + table || (uintptr_t)network % ECG_ALIGNMENT) return ECG_ERROR_MEMORY;
    const size_t block = bytes & ~(size_t)(ECG_ALIGNMENT - 1);
    p->block = (unsigned char *)network;
    p->room = block - table;
    p->tensors = (ecg_plan_tensor *)(void *)(p->block + p->room);
    p->used = head;
    for (uint32_t i = 0; i < p->tensor_tables.count && !p->file.damaged; i++) ecg_plan_read_tensor(p, i);
    if (p->file.damaged) return ECG_ERROR_MODEL;

    for (uint32_t k = 0; k < p->operators.count; k++) {
        const ecg_file_table operator = ecg_file_table_of(&p->file, p->operators, k);
        const ecg_file_vector taken = ecg_file_vector_in(&p->file, &operator, 1, 4);
        const ecg_file_vector made = ecg_file_vector_in(&p->file, &operator, 2, 4);
        for (uint32_t i = 0; i < taken.count + made.count; i++) {
            const uint32_t index =
                i < taken.count ? ecg_plan_index(p, taken, i) : ecg_plan_index(p, made, i - taken.count);
            if (index < p->tensor_tables.count) p->tensors[index].end = k;
            else if (i >= taken.count || index != NOBODY) p->file.damaged = 1; /* -1: an input that is left out */
        }
        if (p->file.damaged) return ECG_ERROR_MODEL;
    }
    for (uint32_t i = 0; i < outputs.count; i++) p->tensors[ecg_plan_index(p, outputs, i)].end = NOBODY;
    for (uint32_t i = 0; i < inputs.count; i++) {
        const uint32_t index = ecg_plan_index(p, inputs, i);
        ecg_plan_tensor *t = &p->tensors[index];
        t->end = NOBODY;
        if (t->place != PLACE_NONE || !t->count) return ECG_ERROR_MODEL;
        if (t->type == TYPE_INT32 || t->type == UINT8_MAX || (t->type == TYPE_INT8 &&
                                                            !t->scaled)) return ECG_ERROR_OPERATOR;
        ecg_plan_place(p, index);
    }
    for (p->at = 0; p->at < p->operators.count && p->status == ECG_OK; p->at++) {
        p->operator_table = ecg_file_table_of(&p->file, p->operators, p->at);
        const ecg_file_table code =
            ecg_file_table_of(&p->file, p->codes, (uint32_t)ecg_file_scalar(&p->file, &p->operator_table, 0, 4, 0));
        /* Codes beyond a byte have a field of their own. */
        const int32_t low = (int32_t)ecg_file_scalar(&p->file, &code, 0, 1, 0);
        const int32_t whole = (int32_t)ecg_file_scalar(&p->file, &code, 3, 4, 0);
        p->inputs = ecg_file_vector_in(&p->file, &p->operator_table, 1, 4);
        p->outputs = ecg_file_vector_in(&p->file, &p->operator_table, 2, 4);
        report->operator_code = low > whole ? low : whole;
        report->operator_index = (int32_t)p->at;
        p->options = ecg_file_table_in(&p->file, &p->operator_table, 4);
        if (p->file.damaged) ecg_plan_fail(p, ECG_ERROR_MODEL);
        else plan_operator(p, report->operator_code);
        ecg_plan_release(p);
    }
    if (p->status != ECG_OK) return p->status;
    report->operator_code = report->operator_index = -1;
    for (uint32_t i = 0; i < outputs.count; i++)
        if (p->tensors[ecg_plan_index(p, outputs, i)].place != PLACE_ARENA) return ECG_ERROR_MODEL;

    const size_t steps_end = ecg_round_up(p->used), arena = p->peak > table ? p->peak : table;
    report->bytes = steps_end + arena;
    if (bytes < report->bytes) return ECG_ERROR_MEMORY;
    network->model = model;
    network->arena = p->block + steps_end;
    network->first_step = (uint32_t)head;
    network->n_steps = p->operators.count;
    network->n_inputs = (int32_t)inputs.count;
    network->n_outputs = (int32_t)outputs.count;
    for (uint32_t i = 0; i < inputs.count; i++)
        describe(p, &network->inputs[i], ecg_plan_index(p, inputs, i), network->arena);
    for (uint32_t i = 0; i < outputs.count; i++)
        describe(p, &network->outputs[i], ecg_plan_index(p, outputs, i), network->arena);
    return p->file.damaged ? ECG_ERROR_MODEL : ECG_OK;
}
