/* Plans of the operators that compute. */
#include "network_plan.h"

static void limits_of(ecg_plan *p, int64_t activation, const ecg_plan_tensor *out, ecg_limits *limits) {
    limits->low = activation == 1 || activation == 3 ? 0.0f : activation == 2 ? -1.0f : -INFINITY;
    limits->high = activation == 3 ? 6.0f : activation == 2 ? 1.0f : INFINITY;
    if (activation < 0 || activation > 3) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    limits->low8 = -128;
    limits->high8 = 127;
    if (out->type != TYPE_INT8) return;
    const float low = roundf(limits->low / out->scale) + (float)out->zero;
    const float high = roundf(limits->high / out->scale) + (float)out->zero;
    if (low > -128.0f) limits->low8 = low < 127.0f ? (int32_t)low : 127;
    if (high < 127.0f) limits->high8 = high > -128.0f ? (int32_t)high : -128;
}

void ecg_plan_binary(ecg_plan *p, ecg_step_kind kind) {
    const ecg_plan_tensor *a = ecg_plan_any_input(p, 0), *b = a ? ecg_plan_input(p, 1, a->type, a->type) : NULL;
    if (!a || !b) return;
    ecg_step_binary step = {.a = ecg_plan_ref(a), .b = ecg_plan_ref(b)};
    const uint32_t axes = a->axes > b->axes ? a->axes : b->axes;
    int32_t shape[ECG_AXES];
    for (uint32_t i = 0; i < ECG_AXES; i++) step.count[i] = 1;
    for (uint32_t k = 0, size_a = 1, size_b = 1; k < axes; k++) { /* from the last axis on */
        const int32_t na = k < a->axes ? a->shape[a->axes - 1 - k] : 1;
        const int32_t nb = k < b->axes ? b->shape[b->axes - 1 - k] : 1;
        if (na != nb && na != 1 && nb != 1) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        const uint32_t to = ECG_AXES - 1 - k;
        step.count[to] = shape[axes - 1 - k] = na > nb ? na : nb;
        step.stride_a[to] = na > 1 ? (int32_t)size_a : 0;
        step.stride_b[to] = nb > 1 ? (int32_t)size_b : 0;
        size_a *= (uint32_t)na;
        size_b *= (uint32_t)nb;
    }
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, a->type, shape, axes);
    if (!out) return;
    step.out = ecg_plan_ref(out);
    limits_of(p, ecg_plan_option(p, 0, 1, 0), out, &step.limits);
    if (a->type == TYPE_INT8) {
        step.offset_a = -a->zero;
        step.offset_b = -b->zero;
        step.offset_out = out->zero;
        if (kind == ECG_STEP_MUL) {
            const float both = a->scale * b->scale;
            const float real = both / out->scale; /* in single precision, as there */
            ecg_int8_multiplier((double)real, &step.scale_out, &step.shift_out);
        } else {
            const double twice = 2.0 * (double)(a->scale > b->scale ? a->scale : b->scale);
            ecg_int8_multiplier((double)a->scale / twice, &step.scale_a, &step.shift_a);
            ecg_int8_multiplier((double)b->scale / twice, &step.scale_b, &step.shift_b);
            ecg_int8_multiplier(twice / ((double)(1 << 20) * (double)out->scale), &step.scale_out, &step.shift_out);
        }
    }
    ecg_plan_spend(p, out->count);
    ecg_plan_append_step(p, &step, sizeof step, kind, a, sizeof step);
}

void ecg_plan_unary(ecg_plan *p, ecg_step_kind kind) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    const ecg_plan_tensor *out = in ? ecg_plan_output(p, 0, in->type, in->shape, in->axes) : NULL;
    if (!out) return;
    ecg_step_unary step = {.in = ecg_plan_ref(in), .out = ecg_plan_ref(out), .count = in->count};
    const size_t table = in->type == TYPE_INT8 ? 256 : 0;
    ecg_plan_append_step(p, &step, sizeof step, kind, in, sizeof step + table);
    if (table) {
        if (p->used + table <= p->room)
            ecg_int8_table((int)kind, in->scale, in->zero, out->scale, out->zero, (int8_t *)(p->block + p->used));
        p->used += table;
    }
    ecg_plan_spend(p, in->count);
}

/* Multipliers and shifts of a layer's outputs; what is common to dense layers and convolutions. */
static void plan_layer(ecg_plan *p, ecg_step_layer *step, ecg_step_kind kind, const ecg_plan_tensor *in,
                       const ecg_plan_tensor *weights, const ecg_plan_tensor *out, int64_t activation) {
    const int is_int8 = in->type == TYPE_INT8;
    step->in = ecg_plan_ref(in);
    step->weights = ecg_plan_ref(weights);
    step->out = ecg_plan_ref(out);
    step->offset_in = -in->zero;
    step->offset_out = out->zero;
    limits_of(p, activation, out, &step->limits);
    if (p->inputs.count > 2 && ecg_plan_index(p, p->inputs, 2) != NOBODY) {
        const int type = is_int8 ? TYPE_INT32 : TYPE_FLOAT32;
        const ecg_plan_tensor *bias = ecg_plan_input(p, 2, type, type);
        if (!bias) return;
        if (bias->place != PLACE_MODEL || bias->count != (uint32_t)step->outputs) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        step->bias = ecg_plan_ref(bias);
        step->has_bias = 1;
    }
    const size_t outputs = (size_t)step->outputs;
    ecg_plan_append_step(p, step, sizeof *step, kind, in, sizeof *step + (is_int8 ? 5 * outputs : 0));
    if (!is_int8 || p->status != ECG_OK) return;
    const ecg_file_table table = ecg_file_table_of(&p->file, p->tensor_tables, ecg_plan_index(p, p->inputs, 1));
    const ecg_file_table scaling = ecg_file_table_in(&p->file, &table, 4);
    const ecg_file_vector scales = ecg_file_vector_in(&p->file, &scaling, 2, 4);
    const ecg_file_vector zeros = ecg_file_vector_in(&p->file, &scaling, 3, 8);
    const int each = scales.count > 1;
    if (p->file.damaged || (each && (scales.count != outputs || ecg_file_scalar(&p->file, &scaling, 6, 4, 0) != 0))) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return;
    }
    for (uint32_t i = 0; i < zeros.count; i++)
        if (ecg_file_int64(&p->file, zeros, i)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    const size_t at = p->used;
    p->used += 5 * outputs;
    for (size_t k = 0; k < outputs; k++) {
        const float scale = ecg_file_float(&p->file, scales, each ? (uint32_t)k : 0);
        /* One scale for a dense layer is multiplied in single precision there. */
        const float single = in->scale * scale;
        const double both = !each && kind == ECG_STEP_DENSE ? (double)single : (double)in->scale * (double)scale;
        int32_t multiplier = 0, shift = 0;
        if (!(scale >= 0.0f && scale < 1e12f)) ecg_plan_fail(p, ECG_ERROR_MODEL);
        else ecg_int8_multiplier(both / (double)out->scale, &multiplier, &shift);
        if (p->used <= p->room) {
            memcpy(p->block + at + 4 * k, &multiplier, sizeof multiplier);
            p->block[at + 4 * outputs + k] = (unsigned char)(int8_t)shift;
        }
    }
}

void ecg_plan_dense(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    const ecg_plan_tensor *weights = in ? ecg_plan_input(p, 1, in->type, in->type) : NULL;
    if (!in || !weights) return;
    if (weights->axes != 2 || weights->place != PLACE_MODEL || weights->shape[1] > TAPS_MAX ||
        ecg_plan_option(p, 1, 1, 0)) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_layer step = {.inputs = weights->shape[1], .outputs = weights->shape[0]};
    if (in->count % (uint32_t)step.inputs) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return;
    }
    step.rows = (int32_t)(in->count / (uint32_t)step.inputs);
    int32_t shape[ECG_AXES] = {step.rows, step.outputs, 0, 0};
    uint32_t axes = 2;
    if (ecg_plan_option(p, 2, 1, 0)) {
        axes = in->axes;
        if (!axes || in->shape[axes - 1] != step.inputs) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        memcpy(shape, in->shape, sizeof shape);
        shape[axes - 1] = step.outputs;
    }
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, in->type, shape, axes);
    if (!out) return;
    ecg_plan_spend(p, (uint64_t)weights->count * (uint32_t)step.rows);
    plan_layer(p, &step, ECG_STEP_DENSE, in, weights, out, ecg_plan_option(p, 0, 1, 0));
}

/* How many places a kernel has along an axis, and how many zeros come before the first; none where it does not fit. */
static int32_t places(int64_t padding, int32_t size, int32_t kernel, int32_t stride, int32_t *before) {
    *before = 0;
    if (padding == 1) return size >= kernel ? (size - kernel) / stride + 1 : 0;
    const int32_t count = (int32_t)(((int64_t)size + stride - 1) / stride);
    const int64_t missing = (int64_t)(count - 1) * stride + kernel - size;
    *before = missing > 0 ? (int32_t)(missing / 2) : 0;
    return count;
}

void ecg_plan_conv(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    const ecg_plan_tensor *weights = in ? ecg_plan_input(p, 1, in->type, in->type) : NULL;
    if (!in || !weights) return;
    const int64_t padding = ecg_plan_option(p, 0, 1, 0);
    const int64_t stride_x = ecg_plan_option(p, 1, 4, 0), stride_y = ecg_plan_option(p, 2, 4, 0);
    if (in->axes != 4 || weights->axes != 4 || weights->place != PLACE_MODEL || padding < 0 || padding > 1 ||
        stride_x < 1 ||
        stride_y < 1 || ecg_plan_option(p, 4, 4, 1) != 1 || ecg_plan_option(p, 5, 4, 1) != 1 ||
            weights->shape[3] != in->shape[3] ||
        weights->count / (uint32_t)weights->shape[0] > TAPS_MAX) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_layer step = {
        .outputs = weights->shape[0], .batch = in->shape[0], .height = in->shape[1], .width = in->shape[2],
        .channels = in->shape[3], .kernel_height = weights->shape[1], .kernel_width = weights->shape[2],
        .stride_x = (int32_t)stride_x, .stride_y = (int32_t)stride_y,
    };
    step.out_height = places(padding, step.height, step.kernel_height, step.stride_y, &step.pad_y);
    step.out_width = places(padding, step.width, step.kernel_width, step.stride_x, &step.pad_x);
    const int32_t shape[ECG_AXES] = {step.batch, step.out_height, step.out_width, step.outputs};
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, in->type, shape, 4);
    if (!out) return;
    ecg_plan_spend(p, (uint64_t)(out->count / (uint32_t)step.outputs) * weights->count);
    plan_layer(p, &step, ECG_STEP_CONV, in, weights, out, ecg_plan_option(p, 3, 1, 0));
}

void ecg_plan_pool(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    if (!in) return;
    const int64_t padding = ecg_plan_option(p, 0, 1, 0);
    const int64_t stride_x = ecg_plan_option(p, 1, 4, 0), stride_y = ecg_plan_option(p, 2, 4, 0);
    const int64_t kernel_x = ecg_plan_option(p, 3, 4, 0), kernel_y = ecg_plan_option(p, 4, 4, 0);
    if (in->axes != 4 || padding < 0 || padding > 1 || stride_x < 1 || stride_y < 1 || kernel_x < 1 || kernel_y < 1 ||
        kernel_x > TAPS_MAX || kernel_y > TAPS_MAX) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_pool step = {
        .in = ecg_plan_ref(in), .batch = in->shape[0], .height = in->shape[1], .width = in->shape[2],
        .channels = in->shape[3], .kernel_height = (int32_t)kernel_y, .kernel_width = (int32_t)kernel_x,
        .stride_x = (int32_t)stride_x, .stride_y = (int32_t)stride_y,
    };
    step.out_height = places(padding, step.height, step.kernel_height, step.stride_y, &step.pad_y);
    step.out_width = places(padding, step.width, step.kernel_width, step.stride_x, &step.pad_x);
    const int32_t shape[ECG_AXES] = {step.batch, step.out_height, step.out_width, step.channels};
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, in->type, shape, 4);
    if (!out) return;
    if (!ecg_plan_same_scale(in, out)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    step.out = ecg_plan_ref(out);
    limits_of(p, ecg_plan_option(p, 5, 1, 0), out, &step.limits);
    ecg_plan_spend(p, (uint64_t)out->count * (uint64_t)kernel_x * (uint64_t)kernel_y);
    ecg_plan_append_step(p, &step, sizeof step, ECG_STEP_POOL, in, sizeof step);
}

void ecg_plan_reduce(ecg_plan *p, ecg_step_kind kind) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0), *which = ecg_plan_numbers(p, 1, 1, ECG_AXES);
    if (!in || !which) return;
    unsigned gone = 0;
    for (uint32_t i = 0; i < which->count; i++) {
        const int32_t axis = ecg_plan_axis(p, ecg_plan_number(p, which, i), in->axes);
        if (axis < 0) return;
        gone |= 1u << axis;
    }
    ecg_step_reduce step = {.in = ecg_plan_ref(in), .reduced = 1};
    for (uint32_t i = 0; i < ECG_AXES; i++) step.outer[i] = step.inner[i] = 1;
    const int keep = ecg_plan_option(p, 0, 1, 0) != 0;
    int32_t shape[ECG_AXES];
    uint32_t axes = 0;
    for (uint32_t i = 0; i < in->axes; i++) {
        const int32_t stride = (int32_t)ecg_plan_product(in->shape, (int32_t)i + 1, in->axes), goes = gone >> i & 1;
        (goes ? step.inner : step.outer)[i] = in->shape[i];
        (goes ? step.inner_stride : step.outer_stride)[i] = stride;
        if (goes) step.reduced *= in->shape[i];
        if (!goes || keep) shape[axes++] = goes ? 1 : in->shape[i];
    }
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, in->type, shape, axes);
    if (!out) return;
    step.out = ecg_plan_ref(out);
    if (kind == ECG_STEP_MAX && !ecg_plan_same_scale(in, out)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    if (in->type == TYPE_INT8 && kind == ECG_STEP_MEAN) {
        if (step.reduced > TAPS_MAX) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        step.offset_in = -in->zero;
        step.offset_out = out->zero;
        ecg_int8_multiplier((double)in->scale / (double)out->scale, &step.scale, &step.shift);
        /* The division by the number of elements is part of the multiplier. */
        int32_t more = 0;
        while (more < 30 && step.reduced >> (more + 1)) more++;
        if (more > 31 + step.shift) more = 31 + step.shift;
        step.scale = (int32_t)(((int64_t)step.scale << more) / step.reduced);
        step.shift -= more;
    }
    ecg_plan_spend(p, in->count);
    ecg_plan_append_step(p, &step, sizeof step, kind, in, sizeof step);
}

void ecg_plan_softmax(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    const ecg_plan_tensor *out = in && in->axes ? ecg_plan_output(p, 0, in->type, in->shape, in->axes) : NULL;
    if (!out) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return;
    }
    ecg_step_softmax step = {.in = ecg_plan_ref(in), .out = ecg_plan_ref(out), .depth = in->shape[in->axes - 1]};
    step.rows = (int32_t)(in->count / (uint32_t)step.depth);
    const uint32_t bits = (uint32_t)ecg_plan_option(p, 0, 4, 0);
    memcpy(&step.beta, &bits, sizeof step.beta);
    if (!(step.beta > 1e-6f && step.beta < 1e6f)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    if (in->type == TYPE_INT8 && p->status == ECG_OK) {
        if (out->scale != 1.0f / 256.0f || out->zero != -128 || step.depth > ANSWERS_MAX)
            ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        /* Differences are brought to Q5.26; those below -16 count nothing. */
        const double real = (double)step.beta * (double)in->scale * (double)(1 << 26), most = 2147483647.0;
        ecg_int8_multiplier(real < most ? real : most, &step.scale, &step.shift);
        if (step.shift < 0 || step.shift > 30) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        else step.least = -(int32_t)floor(31.0 * (double)(1 << 26) / (double)((int64_t)1 << step.shift));
    }
    ecg_plan_spend(p, in->count);
    ecg_plan_append_step(p, &step, sizeof step, ECG_STEP_SOFTMAX, in, sizeof step);
}

void ecg_plan_scale(ecg_plan *p, ecg_step_kind kind) {
    const int to_int8 = kind == ECG_STEP_QUANTIZE, type = to_int8 ? TYPE_FLOAT32 : TYPE_INT8;
    const ecg_plan_tensor *in = ecg_plan_input(p, 0, type, type);
    const int made = to_int8 ? TYPE_INT8 : TYPE_FLOAT32;
    const ecg_plan_tensor *out = in ? ecg_plan_output(p, 0, made, in->shape, in->axes) : NULL;
    if (!out) return;
    const ecg_plan_tensor *scaled = to_int8 ? out : in;
    ecg_step_scale step = {.in = ecg_plan_ref(in), .out = ecg_plan_ref(out), .count = in->count, .scale = scaled->scale,
                           .zero = scaled->zero};
    ecg_plan_spend(p, in->count);
    ecg_plan_append_step(p, &step, sizeof step, kind, scaled, sizeof step);
}
