/* The plan: shapes, places in the arena, and for each operator a step with all that its kernel needs. The order of the
 * file is the order of execution; a tensor's place is free again after the last operator that reads it. */
#include "network.h"

/* Work on any file is bounded: more than ten times what the largest built-in model takes. */
#define TENSORS_MAX 16384
#define ARENA_MAX (1u << 26)      /* bytes */
#define WORK_MAX ((uint64_t)1 << 27) /* multiplications or copies for one run */
#define TAPS_MAX 65535            /* products in a sum of int8: it fits 32 bits */
#define ANSWERS_MAX 255           /* of an int8 softmax: their sum fits its format */

/* Of TensorFlow Lite's schema, version 3. */
enum { TYPE_FLOAT32 = 0, TYPE_INT32 = 2, TYPE_INT8 = 9 };
enum {
    OP_ADD = 0, OP_CONCATENATION = 2, OP_CONV_2D = 3, OP_DEQUANTIZE = 6, OP_FULLY_CONNECTED = 9, OP_LOGISTIC = 14,
    OP_MAX_POOL_2D = 17, OP_MUL = 18, OP_RESHAPE = 22, OP_SOFTMAX = 25, OP_TANH = 28, OP_MEAN = 40, OP_STRIDED_SLICE = 45,
    OP_SPLIT = 49, OP_EXPAND_DIMS = 70, OP_REDUCE_MAX = 82, OP_PACK = 83, OP_UNPACK = 88, OP_SPLIT_V = 102,
    OP_QUANTIZE = 114
};

enum { PLACE_NONE, PLACE_MODEL, PLACE_ARENA };

typedef struct tensor {
    int32_t shape[ECG_AXES];
    uint32_t at;         /* bytes from the start of its place */
    uint32_t count;      /* elements; 0: its shape cannot be used */
    uint32_t end;        /* number of operators after which nobody reads it */
    uint32_t next;       /* live tensor above it in the arena; ends with NOBODY */
    float scale;
    int16_t zero;
    uint8_t type, axes, place, scaled;
} tensor;

#define NOBODY UINT32_MAX

typedef struct plan {
    ecg_file file;
    ecg_file_vector codes, buffers, tensor_tables, operators;
    tensor *tensors;     /* at the block's end, where the arena will be */
    unsigned char *block;
    size_t room;         /* bytes of the block before the tensors */
    size_t used;         /* by steps; more than `room` where they do not fit and are only counted */
    size_t step_end;     /* of the step in hand */
    uint32_t live;       /* lowest live tensor in the arena */
    uint32_t peak;       /* bytes of the arena */
    uint64_t work;
    uint32_t at;         /* operator in hand */
    int status;
    ecg_file_table operator_table, options;
    ecg_file_vector inputs, outputs;
} plan;

static void fail(plan *p, int status) {
    if (p->status == ECG_OK) p->status = status;
}

static void spend(plan *p, uint64_t work) {
    p->work += work;
    if (work > WORK_MAX || p->work > WORK_MAX) fail(p, ECG_ERROR_OPERATOR);
}

/* ---- tensors ---- */

static uint32_t element_bytes(const tensor *t) {
    return t->type == TYPE_INT8 ? 1 : 4;
}

static int same_scale(const tensor *a, const tensor *b) {
    return a->type != TYPE_INT8 || (a->scale == b->scale && a->zero == b->zero);
}

/* Elements of a shape; 0 where it has an axis without any, or is too large. */
static uint32_t elements(const int32_t *shape, uint32_t axes) {
    uint64_t count = 1;
    for (uint32_t i = 0; i < axes; i++) {
        if (shape[i] < 1) return 0;
        count *= (uint32_t)shape[i];
        if (count > ARENA_MAX / 4) return 0;
    }
    return (uint32_t)count;
}

static void read_tensor(plan *p, uint32_t index) {
    tensor *t = &p->tensors[index];
    memset(t, 0, sizeof *t);
    const ecg_file_table table = ecg_file_table_of(&p->file, p->tensor_tables, index);
    const ecg_file_vector shape = ecg_file_vector_in(&p->file, &table, 0, 4);
    const int64_t type = ecg_file_scalar(&p->file, &table, 1, 1, TYPE_FLOAT32);
    const uint32_t buffer = (uint32_t)ecg_file_scalar(&p->file, &table, 2, 4, 0);
    if (p->file.damaged) return;
    if (shape.count > ECG_AXES || (type != TYPE_FLOAT32 && type != TYPE_INT32 && type != TYPE_INT8)) {
        t->type = UINT8_MAX; /* an error where an operator needs it */
        return;
    }
    t->type = (uint8_t)type;
    t->axes = (uint8_t)shape.count;
    for (uint32_t i = 0; i < shape.count; i++) t->shape[i] = ecg_file_int32(&p->file, shape, i);
    t->count = elements(t->shape, t->axes);

    const ecg_file_table scaling = ecg_file_table_in(&p->file, &table, 4);
    const ecg_file_vector scales = ecg_file_vector_in(&p->file, &scaling, 2, 4);
    const ecg_file_vector zeros = ecg_file_vector_in(&p->file, &scaling, 3, 8);
    if (scales.count && scales.count == zeros.count) {
        const int64_t zero = ecg_file_int64(&p->file, zeros, 0);
        t->scale = ecg_file_float(&p->file, scales, 0);
        t->zero = (int16_t)(zero < -128 ? -129 : zero > 127 ? 128 : zero);
        /* Scales far beyond any real model's keep products of scales within what the kernels hold. */
        t->scaled = t->scale > 1e-12f && t->scale < 1e12f && t->zero >= -128 && t->zero <= 127;
    }
    const ecg_file_table held = ecg_file_table_of(&p->file, p->buffers, buffer);
    const ecg_file_vector data = ecg_file_vector_in(&p->file, &held, 0, 1);
    /* A buffer behind the flatbuffer, a sparse tensor and a variable are no plain constants. */
    if (ecg_file_scalar(&p->file, &held, 1, 8, 0) > 1 || ecg_file_scalar(&p->file, &table, 5, 1, 0) ||
        ecg_file_table_in(&p->file, &table, 6).at) {
        t->type = UINT8_MAX;
    } else if (data.count) {
        if (!t->count || (uint64_t)t->count * element_bytes(t) != data.count || data.at % element_bytes(t)) p->file.damaged = 1;
        t->place = PLACE_MODEL;
        t->at = data.at;
    }
}

/* Gives a tensor the lowest free place in the arena, and keeps the list of live ones in order. */
static void place(plan *p, uint32_t index) {
    tensor *t = &p->tensors[index];
    const uint32_t bytes = (uint32_t)ecg_round_up((size_t)t->count * element_bytes(t));
    uint32_t at = 0, *link = &p->live;
    while (*link != NOBODY) {
        const tensor *other = &p->tensors[*link];
        if (at + bytes <= other->at) break;
        at = other->at + (uint32_t)ecg_round_up((size_t)other->count * element_bytes(other));
        link = &p->tensors[*link].next;
    }
    if (bytes > ARENA_MAX || at > ARENA_MAX - bytes) {
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    t->at = at;
    t->place = PLACE_ARENA;
    t->next = *link;
    *link = index;
    if (at + bytes > p->peak) p->peak = at + bytes;
}

static void release(plan *p) {
    for (uint32_t *link = &p->live; *link != NOBODY;) {
        tensor *t = &p->tensors[*link];
        if (t->end <= p->at) *link = t->next;
        else link = &t->next;
    }
}

static ecg_ref ref_of(const tensor *t) {
    return t->place == PLACE_MODEL ? t->at | ECG_IN_MODEL : t->at;
}

static uint32_t index_of(const plan *p, ecg_file_vector vector, uint32_t i) {
    return (uint32_t)ecg_file_int32(&p->file, vector, i);
}

/* Input `i` of the operator, which has to be there: with one of two types, or of `type` alone. */
static const tensor *input(plan *p, uint32_t i, int type, int other_type) {
    if (p->status != ECG_OK) return NULL;
    if (i >= p->inputs.count) {
        fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    const uint32_t index = index_of(p, p->inputs, i);
    if (index < p->tensor_tables.count && p->tensors[index].type == UINT8_MAX) {
        fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    if (index >= p->tensor_tables.count || p->tensors[index].place == PLACE_NONE || !p->tensors[index].count) {
        fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    const tensor *t = &p->tensors[index];
    if ((t->type != type && t->type != other_type) || (t->type == TYPE_INT8 && !t->scaled)) {
        fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    return t;
}

static const tensor *any_input(plan *p, uint32_t i) {
    return input(p, i, TYPE_FLOAT32, TYPE_INT8);
}

/* An input that is a constant of whole numbers. */
static const tensor *numbers(plan *p, uint32_t i, uint32_t least, uint32_t most) {
    const tensor *t = input(p, i, TYPE_INT32, TYPE_INT32);
    if (t && (t->place != PLACE_MODEL || t->count < least || t->count > most)) {
        fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    return t;
}

static int32_t number(const plan *p, const tensor *t, uint32_t i) {
    const ecg_file_vector data = {t->at, t->count};
    return ecg_file_int32(&p->file, data, i);
}

/* Output `i` with the shape that it has now; of `type`. */
static const tensor *output(plan *p, uint32_t i, int type, const int32_t *shape, uint32_t axes) {
    if (p->status != ECG_OK) return NULL;
    const uint32_t index = i < p->outputs.count ? index_of(p, p->outputs, i) : NOBODY;
    if (index >= p->tensor_tables.count || p->tensors[index].place != PLACE_NONE) {
        fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    tensor *t = &p->tensors[index];
    if (t->type != type || axes > ECG_AXES || (type == TYPE_INT8 && !t->scaled)) {
        fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    memmove(t->shape, shape, axes * sizeof *shape); /* it may be its own */
    t->axes = (uint8_t)axes;
    t->count = elements(t->shape, axes);
    if (!t->count) {
        fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    place(p, index);
    return p->status == ECG_OK ? t : NULL;
}

/* ---- steps ---- */

static void append(plan *p, const void *what, size_t bytes) {
    if (p->used + bytes <= p->room) memcpy(p->block + p->used, what, bytes);
    p->used += bytes;
}

/* The first `size` bytes of a step of `bytes`; the next one begins at a multiple of eight. */
static void append_step(plan *p, void *body, size_t size, ecg_step_kind kind, const tensor *t, size_t bytes) {
    ecg_step *step = body;
    step->kind = (uint16_t)kind;
    step->type = t->type;
    step->bytes = (uint32_t)((bytes + 7) & ~(size_t)7);
    p->step_end = p->used + step->bytes;
    append(p, body, size);
}

static int64_t option(plan *p, uint32_t slot, uint32_t width, int64_t absent) {
    return ecg_file_scalar(&p->file, &p->options, slot, width, absent);
}

/* An axis that counts from the end where it is negative; -1 where there is none such. */
static int32_t axis_of(plan *p, int64_t axis, uint32_t axes) {
    if (axis < 0) axis += axes;
    if (axis >= 0 && axis < axes) return (int32_t)axis;
    fail(p, ECG_ERROR_MODEL);
    return -1;
}

static uint32_t product(const int32_t *shape, int32_t from, int32_t to) {
    uint32_t count = 1;
    for (int32_t i = from; i < to; i++) count *= (uint32_t)shape[i];
    return count;
}

static void limits_of(plan *p, int64_t activation, const tensor *out, ecg_limits *limits) {
    limits->low = activation == 1 || activation == 3 ? 0.0f : activation == 2 ? -1.0f : -INFINITY;
    limits->high = activation == 3 ? 6.0f : activation == 2 ? 1.0f : INFINITY;
    if (activation < 0 || activation > 3) fail(p, ECG_ERROR_OPERATOR);
    limits->low8 = -128;
    limits->high8 = 127;
    if (out->type != TYPE_INT8) return;
    const float low = roundf(limits->low / out->scale) + (float)out->zero;
    const float high = roundf(limits->high / out->scale) + (float)out->zero;
    if (low > -128.0f) limits->low8 = low < 127.0f ? (int32_t)low : 127;
    if (high < 127.0f) limits->high8 = high > -128.0f ? (int32_t)high : -128;
}

/* A whole and its parts: all that only moves elements. */
static void move(plan *p, const tensor *whole, uint32_t rows, uint32_t parts, int32_t gather) {
    ecg_step_move step = {.whole = ref_of(whole), .rows = rows, .parts = parts, .gather = gather};
    step.row_bytes = whole->count / rows * element_bytes(whole);
    append_step(p, &step, sizeof step, ECG_STEP_MOVE, whole, sizeof step + parts * 2 * sizeof(uint32_t));
    spend(p, whole->count);
}

static void move_part(plan *p, const tensor *part, uint32_t rows) {
    const uint32_t entry[2] = {ref_of(part), part->count / rows * element_bytes(part)};
    append(p, entry, sizeof entry);
}

static void plan_copy(plan *p, const tensor *in, const int32_t *shape, uint32_t axes) {
    const tensor *out = in ? output(p, 0, in->type, shape, axes) : NULL;
    if (!out) return;
    if (out->count != in->count) fail(p, ECG_ERROR_MODEL);
    move(p, in, 1, 1, 0);
    move_part(p, out, 1);
}

static void plan_reshape(plan *p) {
    const tensor *in = any_input(p, 0), *wanted = numbers(p, 1, 1, ECG_AXES);
    if (!in || !wanted) return;
    int32_t shape[ECG_AXES], open = -1;
    uint64_t known = 1;
    for (uint32_t i = 0; i < wanted->count; i++) {
        shape[i] = number(p, wanted, i);
        if (shape[i] == -1 && open < 0) open = (int32_t)i;
        else if (shape[i] < 1 || (known *= (uint32_t)shape[i]) > in->count) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
    }
    if (open >= 0) shape[open] = (int32_t)(in->count / known);
    plan_copy(p, in, shape, wanted->count);
}

static void plan_expand_dims(plan *p) {
    const tensor *in = any_input(p, 0), *where = numbers(p, 1, 1, 1);
    if (!in || !where) return;
    const int32_t axis = axis_of(p, number(p, where, 0), in->axes + 1u);
    if (axis < 0 || in->axes == ECG_AXES) {
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    int32_t shape[ECG_AXES];
    for (int32_t i = 0; i <= in->axes; i++) shape[i] = i < axis ? in->shape[i] : i == axis ? 1 : in->shape[i - 1];
    plan_copy(p, in, shape, in->axes + 1u);
}

/* Parts along an axis of `whole`, which stay or go with the axis: as many as the operator has inputs or outputs. */
static void plan_split(plan *p, const tensor *in, int64_t along, const tensor *sizes, uint32_t parts, int unpack) {
    if (!in) return;
    const int32_t axis = axis_of(p, along, in->axes);
    if (axis < 0) return;
    if (!parts || parts != p->outputs.count || (sizes && sizes->count != parts) || parts > (uint32_t)in->shape[axis]) {
        fail(p, ECG_ERROR_MODEL);
        return;
    }
    int64_t rest = in->shape[axis];
    for (uint32_t i = 0; sizes && i < parts; i++) rest -= number(p, sizes, i) > 0 ? number(p, sizes, i) : 0;
    if (!sizes && in->shape[axis] % (int32_t)parts) fail(p, ECG_ERROR_MODEL);
    if (unpack && parts != (uint32_t)in->shape[axis]) fail(p, ECG_ERROR_MODEL);
    int32_t total = 0;
    /* Outputs get their places first: the step's entries follow it. */
    const uint32_t rows = product(in->shape, 0, axis);
    for (uint32_t i = 0; i < parts && p->status == ECG_OK; i++) {
        int32_t shape[ECG_AXES], n = in->shape[axis] / (int32_t)parts;
        if (sizes) {
            n = number(p, sizes, i);
            if (n == -1) n = (int32_t)(rest > 0 ? rest : 0);
        }
        if (n < 1 || n > in->shape[axis] - total) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        total += n;
        uint32_t axes = 0;
        for (int32_t k = 0; k < in->axes; k++)
            if (k != axis) shape[axes++] = in->shape[k];
            else if (!unpack) shape[axes++] = n;
        const tensor *out = output(p, i, in->type, shape, axes);
        if (out && !same_scale(in, out)) fail(p, ECG_ERROR_OPERATOR);
    }
    if (p->status == ECG_OK && total != in->shape[axis]) fail(p, ECG_ERROR_MODEL);
    if (p->status != ECG_OK) return;
    move(p, in, rows, parts, 0);
    for (uint32_t i = 0; i < parts; i++) move_part(p, &p->tensors[index_of(p, p->outputs, i)], rows);
}

static void plan_gather(plan *p, int64_t along, int pack) {
    const tensor *first = any_input(p, 0);
    if (!first) return;
    const uint32_t parts = p->inputs.count, axes = first->axes + (pack ? 1u : 0u);
    const int32_t axis = axis_of(p, along, axes);
    if (axis < 0 || axes > ECG_AXES) {
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    int32_t shape[ECG_AXES];
    for (int32_t k = 0, from = 0; k < (int32_t)axes; k++) shape[k] = pack && k == axis ? (int32_t)parts : first->shape[from++];
    int64_t total = 0;
    for (uint32_t i = 0; i < parts; i++) {
        const tensor *part = input(p, i, first->type, first->type);
        if (!part) return;
        int same = part->axes == first->axes;
        for (int32_t k = 0; same && k < part->axes; k++) same = (!pack && k == axis) || part->shape[k] == first->shape[k];
        if (!same) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        total += pack ? 1 : part->shape[axis];
    }
    if (total > INT32_MAX) fail(p, ECG_ERROR_MODEL);
    shape[axis] = (int32_t)total;
    const tensor *out = output(p, 0, first->type, shape, axes);
    if (!out) return;
    const uint32_t rows = product(shape, 0, axis);
    for (uint32_t i = 0; i < parts; i++)
        if (!same_scale(out, &p->tensors[index_of(p, p->inputs, i)])) fail(p, ECG_ERROR_OPERATOR);
    move(p, out, rows, parts, 1);
    for (uint32_t i = 0; i < parts; i++) move_part(p, &p->tensors[index_of(p, p->inputs, i)], rows);
}

static void plan_slice(plan *p) {
    const tensor *in = any_input(p, 0);
    const uint32_t axes = in ? in->axes : 0;
    const tensor *begins = numbers(p, 1, axes, axes), *ends = numbers(p, 2, axes, axes), *steps = numbers(p, 3, axes, axes);
    if (!in || !begins || !ends || !steps) return;
    const int64_t begin_mask = option(p, 0, 4, 0), end_mask = option(p, 1, 4, 0), shrink = option(p, 4, 4, 0);
    if (option(p, 2, 4, 0) || option(p, 3, 4, 0) || option(p, 5, 1, 0)) { /* ellipsis, new axis, ends as lengths */
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_slice step = {.in = ref_of(in), .width = element_bytes(in)};
    int32_t shape[ECG_AXES];
    uint32_t left = 0;
    for (uint32_t i = 0; i < ECG_AXES; i++) {
        step.count[i] = 1;
        step.stride[i] = 0;
    }
    for (uint32_t i = 0; i < axes; i++) {
        const int64_t n = in->shape[i], by = number(p, steps, i);
        const int shrunk = (shrink >> i & 1) != 0;
        if (by == 0 || (shrunk && by < 0)) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        int64_t from = number(p, begins, i), to = number(p, ends, i);
        from += from < 0 ? n : 0;
        to += to < 0 ? n : 0;
        const int64_t lowest = by > 0 ? 0 : -1, highest = by > 0 ? n : n - 1;
        from = begin_mask >> i & 1 && !shrunk ? (by > 0 ? 0 : n - 1) : from < lowest ? lowest : from > highest ? highest : from;
        to = end_mask >> i & 1 ? (by > 0 ? n : -1) : to < lowest ? lowest : to > highest ? highest : to;
        if (shrunk) to = from + 1;
        const int64_t count = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
        if (count < 1 || from < 0 || from >= n) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        const int64_t stride = product(in->shape, (int32_t)i + 1, (int32_t)axes);
        step.begin += (int32_t)(from * stride);
        step.count[ECG_AXES - axes + i] = (int32_t)count;
        step.stride[ECG_AXES - axes + i] = (int32_t)(count > 1 ? by * stride : 0);
        if (!shrunk) shape[left++] = (int32_t)count;
    }
    const tensor *out = output(p, 0, in->type, shape, left);
    if (!out) return;
    if (!same_scale(in, out)) fail(p, ECG_ERROR_OPERATOR);
    step.out = ref_of(out);
    spend(p, out->count);
    append_step(p, &step, sizeof step, ECG_STEP_SLICE, in, sizeof step);
}

static void plan_binary(plan *p, ecg_step_kind kind) {
    const tensor *a = any_input(p, 0), *b = a ? input(p, 1, a->type, a->type) : NULL;
    if (!a || !b) return;
    ecg_step_binary step = {.a = ref_of(a), .b = ref_of(b)};
    const uint32_t axes = a->axes > b->axes ? a->axes : b->axes;
    int32_t shape[ECG_AXES];
    for (uint32_t i = 0; i < ECG_AXES; i++) step.count[i] = 1;
    for (uint32_t k = 0, size_a = 1, size_b = 1; k < axes; k++) { /* from the last axis on */
        const int32_t na = k < a->axes ? a->shape[a->axes - 1 - k] : 1, nb = k < b->axes ? b->shape[b->axes - 1 - k] : 1;
        if (na != nb && na != 1 && nb != 1) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        const uint32_t to = ECG_AXES - 1 - k;
        step.count[to] = shape[axes - 1 - k] = na > nb ? na : nb;
        step.stride_a[to] = na > 1 ? (int32_t)size_a : 0;
        step.stride_b[to] = nb > 1 ? (int32_t)size_b : 0;
        size_a *= (uint32_t)na;
        size_b *= (uint32_t)nb;
    }
    const tensor *out = output(p, 0, a->type, shape, axes);
    if (!out) return;
    step.out = ref_of(out);
    limits_of(p, option(p, 0, 1, 0), out, &step.limits);
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
    spend(p, out->count);
    append_step(p, &step, sizeof step, kind, a, sizeof step);
}

static void plan_unary(plan *p, ecg_step_kind kind) {
    const tensor *in = any_input(p, 0), *out = in ? output(p, 0, in->type, in->shape, in->axes) : NULL;
    if (!out) return;
    ecg_step_unary step = {.in = ref_of(in), .out = ref_of(out), .count = in->count};
    const size_t table = in->type == TYPE_INT8 ? 256 : 0;
    append_step(p, &step, sizeof step, kind, in, sizeof step + table);
    if (table) {
        if (p->used + table <= p->room)
            ecg_int8_table((int)kind, in->scale, in->zero, out->scale, out->zero, (int8_t *)(p->block + p->used));
        p->used += table;
    }
    spend(p, in->count);
}

/* Multipliers and shifts of a layer's outputs; what is common to dense layers and convolutions. */
static void plan_layer(plan *p, ecg_step_layer *step, ecg_step_kind kind, const tensor *in, const tensor *weights,
                       const tensor *out, int64_t activation) {
    const int is_int8 = in->type == TYPE_INT8;
    step->in = ref_of(in);
    step->weights = ref_of(weights);
    step->out = ref_of(out);
    step->offset_in = -in->zero;
    step->offset_out = out->zero;
    limits_of(p, activation, out, &step->limits);
    if (p->inputs.count > 2 && index_of(p, p->inputs, 2) != NOBODY) {
        const int type = is_int8 ? TYPE_INT32 : TYPE_FLOAT32;
        const tensor *bias = input(p, 2, type, type);
        if (!bias) return;
        if (bias->place != PLACE_MODEL || bias->count != (uint32_t)step->outputs) fail(p, ECG_ERROR_OPERATOR);
        step->bias = ref_of(bias);
        step->has_bias = 1;
    }
    const size_t outputs = (size_t)step->outputs;
    append_step(p, step, sizeof *step, kind, in, sizeof *step + (is_int8 ? 5 * outputs : 0));
    if (!is_int8 || p->status != ECG_OK) return;
    const ecg_file_table table = ecg_file_table_of(&p->file, p->tensor_tables, index_of(p, p->inputs, 1));
    const ecg_file_table scaling = ecg_file_table_in(&p->file, &table, 4);
    const ecg_file_vector scales = ecg_file_vector_in(&p->file, &scaling, 2, 4);
    const ecg_file_vector zeros = ecg_file_vector_in(&p->file, &scaling, 3, 8);
    const int each = scales.count > 1;
    if (p->file.damaged || (each && (scales.count != outputs || ecg_file_scalar(&p->file, &scaling, 6, 4, 0) != 0))) {
        fail(p, ECG_ERROR_MODEL);
        return;
    }
    for (uint32_t i = 0; i < zeros.count; i++)
        if (ecg_file_int64(&p->file, zeros, i)) fail(p, ECG_ERROR_OPERATOR);
    const size_t at = p->used;
    p->used += 5 * outputs;
    for (size_t k = 0; k < outputs; k++) {
        const float scale = ecg_file_float(&p->file, scales, each ? (uint32_t)k : 0);
        /* One scale for a dense layer is multiplied in single precision there. */
        const float single = in->scale * scale;
        const double both = !each && kind == ECG_STEP_DENSE ? (double)single : (double)in->scale * (double)scale;
        int32_t multiplier = 0, shift = 0;
        if (!(scale >= 0.0f && scale < 1e12f)) fail(p, ECG_ERROR_MODEL);
        else ecg_int8_multiplier(both / (double)out->scale, &multiplier, &shift);
        if (p->used <= p->room) {
            memcpy(p->block + at + 4 * k, &multiplier, sizeof multiplier);
            p->block[at + 4 * outputs + k] = (unsigned char)(int8_t)shift;
        }
    }
}

static void plan_dense(plan *p) {
    const tensor *in = any_input(p, 0), *weights = in ? input(p, 1, in->type, in->type) : NULL;
    if (!in || !weights) return;
    if (weights->axes != 2 || weights->place != PLACE_MODEL || weights->shape[1] > TAPS_MAX || option(p, 1, 1, 0)) {
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_layer step = {.inputs = weights->shape[1], .outputs = weights->shape[0]};
    if (in->count % (uint32_t)step.inputs) {
        fail(p, ECG_ERROR_MODEL);
        return;
    }
    step.rows = (int32_t)(in->count / (uint32_t)step.inputs);
    int32_t shape[ECG_AXES] = {step.rows, step.outputs, 0, 0};
    uint32_t axes = 2;
    if (option(p, 2, 1, 0)) {
        axes = in->axes;
        if (!axes || in->shape[axes - 1] != step.inputs) {
            fail(p, ECG_ERROR_MODEL);
            return;
        }
        memcpy(shape, in->shape, sizeof shape);
        shape[axes - 1] = step.outputs;
    }
    const tensor *out = output(p, 0, in->type, shape, axes);
    if (!out) return;
    spend(p, (uint64_t)weights->count * (uint32_t)step.rows);
    plan_layer(p, &step, ECG_STEP_DENSE, in, weights, out, option(p, 0, 1, 0));
}

/* How many places a kernel has along an axis, and how many zeros come before the first; 0 places where it does not fit. */
static int32_t places(int64_t padding, int32_t size, int32_t kernel, int32_t stride, int32_t *before) {
    *before = 0;
    if (padding == 1) return size >= kernel ? (size - kernel) / stride + 1 : 0;
    const int32_t count = (int32_t)(((int64_t)size + stride - 1) / stride);
    const int64_t missing = (int64_t)(count - 1) * stride + kernel - size;
    *before = missing > 0 ? (int32_t)(missing / 2) : 0;
    return count;
}

static void plan_conv(plan *p) {
    const tensor *in = any_input(p, 0), *weights = in ? input(p, 1, in->type, in->type) : NULL;
    if (!in || !weights) return;
    const int64_t padding = option(p, 0, 1, 0), stride_x = option(p, 1, 4, 0), stride_y = option(p, 2, 4, 0);
    if (in->axes != 4 || weights->axes != 4 || weights->place != PLACE_MODEL || padding < 0 || padding > 1 || stride_x < 1 ||
        stride_y < 1 || option(p, 4, 4, 1) != 1 || option(p, 5, 4, 1) != 1 || weights->shape[3] != in->shape[3] ||
        weights->count / (uint32_t)weights->shape[0] > TAPS_MAX) {
        fail(p, ECG_ERROR_OPERATOR);
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
    const tensor *out = output(p, 0, in->type, shape, 4);
    if (!out) return;
    spend(p, (uint64_t)(out->count / (uint32_t)step.outputs) * weights->count);
    plan_layer(p, &step, ECG_STEP_CONV, in, weights, out, option(p, 3, 1, 0));
}

static void plan_pool(plan *p) {
    const tensor *in = any_input(p, 0);
    if (!in) return;
    const int64_t padding = option(p, 0, 1, 0), stride_x = option(p, 1, 4, 0), stride_y = option(p, 2, 4, 0);
    const int64_t kernel_x = option(p, 3, 4, 0), kernel_y = option(p, 4, 4, 0);
    if (in->axes != 4 || padding < 0 || padding > 1 || stride_x < 1 || stride_y < 1 || kernel_x < 1 || kernel_y < 1 ||
        kernel_x > TAPS_MAX || kernel_y > TAPS_MAX) {
        fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_pool step = {
        .in = ref_of(in), .batch = in->shape[0], .height = in->shape[1], .width = in->shape[2], .channels = in->shape[3],
        .kernel_height = (int32_t)kernel_y, .kernel_width = (int32_t)kernel_x, .stride_x = (int32_t)stride_x,
        .stride_y = (int32_t)stride_y,
    };
    step.out_height = places(padding, step.height, step.kernel_height, step.stride_y, &step.pad_y);
    step.out_width = places(padding, step.width, step.kernel_width, step.stride_x, &step.pad_x);
    const int32_t shape[ECG_AXES] = {step.batch, step.out_height, step.out_width, step.channels};
    const tensor *out = output(p, 0, in->type, shape, 4);
    if (!out) return;
    if (!same_scale(in, out)) fail(p, ECG_ERROR_OPERATOR);
    step.out = ref_of(out);
    limits_of(p, option(p, 5, 1, 0), out, &step.limits);
    spend(p, (uint64_t)out->count * (uint64_t)kernel_x * (uint64_t)kernel_y);
    append_step(p, &step, sizeof step, ECG_STEP_POOL, in, sizeof step);
}

static void plan_reduce(plan *p, ecg_step_kind kind) {
    const tensor *in = any_input(p, 0), *which = numbers(p, 1, 1, ECG_AXES);
    if (!in || !which) return;
    unsigned gone = 0;
    for (uint32_t i = 0; i < which->count; i++) {
        const int32_t axis = axis_of(p, number(p, which, i), in->axes);
        if (axis < 0) return;
        gone |= 1u << axis;
    }
    ecg_step_reduce step = {.in = ref_of(in), .reduced = 1};
    for (uint32_t i = 0; i < ECG_AXES; i++) step.outer[i] = step.inner[i] = 1;
    const int keep = option(p, 0, 1, 0) != 0;
    int32_t shape[ECG_AXES];
    uint32_t axes = 0;
    for (uint32_t i = 0; i < in->axes; i++) {
        const int32_t stride = (int32_t)product(in->shape, (int32_t)i + 1, in->axes), goes = gone >> i & 1;
        (goes ? step.inner : step.outer)[i] = in->shape[i];
        (goes ? step.inner_stride : step.outer_stride)[i] = stride;
        if (goes) step.reduced *= in->shape[i];
        if (!goes || keep) shape[axes++] = goes ? 1 : in->shape[i];
    }
    const tensor *out = output(p, 0, in->type, shape, axes);
    if (!out) return;
    step.out = ref_of(out);
    if (kind == ECG_STEP_MAX && !same_scale(in, out)) fail(p, ECG_ERROR_OPERATOR);
    if (in->type == TYPE_INT8 && kind == ECG_STEP_MEAN) {
        if (step.reduced > TAPS_MAX) fail(p, ECG_ERROR_OPERATOR);
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
    spend(p, in->count);
    append_step(p, &step, sizeof step, kind, in, sizeof step);
}

static void plan_softmax(plan *p) {
    const tensor *in = any_input(p, 0), *out = in && in->axes ? output(p, 0, in->type, in->shape, in->axes) : NULL;
    if (!out) {
        fail(p, ECG_ERROR_MODEL);
        return;
    }
    ecg_step_softmax step = {.in = ref_of(in), .out = ref_of(out), .depth = in->shape[in->axes - 1]};
    step.rows = (int32_t)(in->count / (uint32_t)step.depth);
    const uint32_t bits = (uint32_t)option(p, 0, 4, 0);
    memcpy(&step.beta, &bits, sizeof step.beta);
    if (!(step.beta > 1e-6f && step.beta < 1e6f)) fail(p, ECG_ERROR_OPERATOR);
    if (in->type == TYPE_INT8 && p->status == ECG_OK) {
        if (out->scale != 1.0f / 256.0f || out->zero != -128 || step.depth > ANSWERS_MAX) fail(p, ECG_ERROR_OPERATOR);
        /* Differences are brought to Q5.26; those below -16 count nothing. */
        const double real = (double)step.beta * (double)in->scale * (double)(1 << 26), most = 2147483647.0;
        ecg_int8_multiplier(real < most ? real : most, &step.scale, &step.shift);
        if (step.shift < 0 || step.shift > 30) fail(p, ECG_ERROR_OPERATOR);
        else step.least = -(int32_t)floor(31.0 * (double)(1 << 26) / (double)((int64_t)1 << step.shift));
    }
    spend(p, in->count);
    append_step(p, &step, sizeof step, ECG_STEP_SOFTMAX, in, sizeof step);
}

static void plan_scale(plan *p, ecg_step_kind kind) {
    const int to_int8 = kind == ECG_STEP_QUANTIZE, type = to_int8 ? TYPE_FLOAT32 : TYPE_INT8;
    const tensor *in = input(p, 0, type, type);
    const tensor *out = in ? output(p, 0, to_int8 ? TYPE_INT8 : TYPE_FLOAT32, in->shape, in->axes) : NULL;
    if (!out) return;
    const tensor *scaled = to_int8 ? out : in;
    ecg_step_scale step = {.in = ref_of(in), .out = ref_of(out), .count = in->count, .scale = scaled->scale,
                           .zero = scaled->zero};
    spend(p, in->count);
    append_step(p, &step, sizeof step, kind, scaled, sizeof step);
}

static void plan_operator(plan *p, int32_t code) {
    const tensor *other;
    switch (code) {
    case OP_ADD: plan_binary(p, ECG_STEP_ADD); break;
    case OP_MUL: plan_binary(p, ECG_STEP_MUL); break;
    case OP_LOGISTIC: plan_unary(p, ECG_STEP_LOGISTIC); break;
    case OP_TANH: plan_unary(p, ECG_STEP_TANH); break;
    case OP_FULLY_CONNECTED: plan_dense(p); break;
    case OP_CONV_2D: plan_conv(p); break;
    case OP_MAX_POOL_2D: plan_pool(p); break;
    case OP_MEAN: plan_reduce(p, ECG_STEP_MEAN); break;
    case OP_REDUCE_MAX: plan_reduce(p, ECG_STEP_MAX); break;
    case OP_SOFTMAX: plan_softmax(p); break;
    case OP_QUANTIZE: plan_scale(p, ECG_STEP_QUANTIZE); break;
    case OP_DEQUANTIZE: plan_scale(p, ECG_STEP_DEQUANTIZE); break;
    case OP_RESHAPE: plan_reshape(p); break;
    case OP_EXPAND_DIMS: plan_expand_dims(p); break;
    case OP_STRIDED_SLICE: plan_slice(p); break;
    case OP_CONCATENATION:
        if (option(p, 1, 1, 0)) fail(p, ECG_ERROR_OPERATOR);
        plan_gather(p, option(p, 0, 4, 0), 0);
        break;
    case OP_PACK: plan_gather(p, option(p, 1, 4, 0), 1); break;
    case OP_UNPACK: plan_split(p, any_input(p, 0), option(p, 1, 4, 0), NULL, p->outputs.count, 1); break;
    case OP_SPLIT:
        other = numbers(p, 0, 1, 1);
        if (other) plan_split(p, any_input(p, 1), number(p, other, 0), NULL, p->outputs.count, 0);
        break;
    case OP_SPLIT_V:
        other = numbers(p, 2, 1, 1);
        if (other) plan_split(p, any_input(p, 0), number(p, other, 0), numbers(p, 1, 1, TENSORS_MAX), p->outputs.count, 0);
        break;
    default: fail(p, ECG_ERROR_OPERATOR);
    }
    if (p->file.damaged) fail(p, ECG_ERROR_MODEL);
    const unsigned char zeros[8] = {0};
    if (p->status == ECG_OK) append(p, zeros, p->step_end - p->used);
}

/* ---- the whole ---- */

static void describe(plan *p, ecg_tensor *to, uint32_t index, const unsigned char *arena) {
    const tensor *t = &p->tensors[index];
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
static int are_tensors(plan *p, ecg_file_vector vector) {
    if (!vector.count || vector.count > ECG_NETWORK_INPUTS_MAX) return 0;
    for (uint32_t i = 0; i < vector.count; i++)
        if (index_of(p, vector, i) >= p->tensor_tables.count) return 0;
    return 1;
}

int ecg_network_plan(ecg_network *network, size_t bytes, const void *model, size_t model_bytes,
                     ecg_network_report *report) {
    plan own = {.file = {model, (uint32_t)model_bytes, 0}, .live = NOBODY}, *p = &own;
    report->bytes = 0;
    report->operator_code = report->operator_index = -1;
    if (!model || model_bytes < 8 || model_bytes >= ECG_IN_MODEL || (uintptr_t)model % ECG_ALIGNMENT) return ECG_ERROR_MODEL;

    const ecg_file_table root = ecg_file_root(&p->file);
    const ecg_file_vector graphs = ecg_file_vector_in(&p->file, &root, 2, 4);
    p->codes = ecg_file_vector_in(&p->file, &root, 1, 4);
    p->buffers = ecg_file_vector_in(&p->file, &root, 4, 4);
    if (p->file.damaged || graphs.count != 1) return ECG_ERROR_MODEL;
    const ecg_file_table graph = ecg_file_table_of(&p->file, graphs, 0);
    p->tensor_tables = ecg_file_vector_in(&p->file, &graph, 0, 4);
    p->operators = ecg_file_vector_in(&p->file, &graph, 3, 4);
    const ecg_file_vector inputs = ecg_file_vector_in(&p->file, &graph, 1, 4), outputs = ecg_file_vector_in(&p->file, &graph, 2, 4);
    if (p->file.damaged || !p->tensor_tables.count) return ECG_ERROR_MODEL;
    if (p->tensor_tables.count > TENSORS_MAX || p->operators.count > TENSORS_MAX) return ECG_ERROR_OPERATOR;
    if (!are_tensors(p, inputs) || !are_tensors(p, outputs)) return ECG_ERROR_MODEL;

    /* While it is made, the plan's tensors lie at the block's end, where the arena will be. */
    const size_t head = ecg_round_up(sizeof *network), table = ecg_round_up(p->tensor_tables.count * sizeof(tensor));
    report->bytes = head + table;
    if (!network || bytes < head + table || (uintptr_t)network % ECG_ALIGNMENT) return ECG_ERROR_MEMORY;
    const size_t block = bytes & ~(size_t)(ECG_ALIGNMENT - 1);
    p->block = (unsigned char *)network;
    p->room = block - table;
    p->tensors = (tensor *)(void *)(p->block + p->room);
    p->used = head;
    for (uint32_t i = 0; i < p->tensor_tables.count && !p->file.damaged; i++) read_tensor(p, i);
    if (p->file.damaged) return ECG_ERROR_MODEL;

    for (uint32_t k = 0; k < p->operators.count; k++) {
        const ecg_file_table operator = ecg_file_table_of(&p->file, p->operators, k);
        const ecg_file_vector taken = ecg_file_vector_in(&p->file, &operator, 1, 4);
        const ecg_file_vector made = ecg_file_vector_in(&p->file, &operator, 2, 4);
        for (uint32_t i = 0; i < taken.count + made.count; i++) {
            const uint32_t index = i < taken.count ? index_of(p, taken, i) : index_of(p, made, i - taken.count);
            if (index < p->tensor_tables.count) p->tensors[index].end = k;
            else if (i >= taken.count || index != NOBODY) p->file.damaged = 1; /* -1: an input that is left out */
        }
        if (p->file.damaged) return ECG_ERROR_MODEL;
    }
    for (uint32_t i = 0; i < outputs.count; i++) p->tensors[index_of(p, outputs, i)].end = NOBODY;
    for (uint32_t i = 0; i < inputs.count; i++) {
        const uint32_t index = index_of(p, inputs, i);
        tensor *t = &p->tensors[index];
        t->end = NOBODY;
        if (t->place != PLACE_NONE || !t->count) return ECG_ERROR_MODEL;
        if (t->type == TYPE_INT32 || t->type == UINT8_MAX || (t->type == TYPE_INT8 && !t->scaled)) return ECG_ERROR_OPERATOR;
        place(p, index);
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
        if (p->file.damaged) fail(p, ECG_ERROR_MODEL);
        else plan_operator(p, report->operator_code);
        release(p);
    }
    if (p->status != ECG_OK) return p->status;
    report->operator_code = report->operator_index = -1;
    for (uint32_t i = 0; i < outputs.count; i++)
        if (p->tensors[index_of(p, outputs, i)].place != PLACE_ARENA) return ECG_ERROR_MODEL;

    const size_t steps_end = ecg_round_up(p->used), arena = p->peak > table ? p->peak : table;
    report->bytes = steps_end + arena;
    if (bytes < report->bytes) return ECG_ERROR_MEMORY;
    network->model = model;
    network->arena = p->block + steps_end;
    network->first_step = (uint32_t)head;
    network->n_steps = p->operators.count;
    network->n_inputs = (int32_t)inputs.count;
    network->n_outputs = (int32_t)outputs.count;
    for (uint32_t i = 0; i < inputs.count; i++) describe(p, &network->inputs[i], index_of(p, inputs, i), network->arena);
    for (uint32_t i = 0; i < outputs.count; i++) describe(p, &network->outputs[i], index_of(p, outputs, i), network->arena);
    return p->file.damaged ? ECG_ERROR_MODEL : ECG_OK;
}
