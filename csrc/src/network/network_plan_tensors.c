/* Tensors of a plan: what the file says of them, and their places in the arena. */
#include "network_plan.h"

uint32_t ecg_plan_element_bytes(const ecg_plan_tensor *t) {
    return t->type == TYPE_INT8 ? 1 : 4;
}

int ecg_plan_same_scale(const ecg_plan_tensor *a, const ecg_plan_tensor *b) {
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

void ecg_plan_read_tensor(ecg_plan *p, uint32_t index) {
    ecg_plan_tensor *t = &p->tensors[index];
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
        if (!t->count || (uint64_t)t->count * ecg_plan_element_bytes(t) != data.count ||
            data.at % ecg_plan_element_bytes(t)) p->file.damaged = 1;
        t->place = PLACE_MODEL;
        t->at = data.at;
    }
}

void ecg_plan_place(ecg_plan *p, uint32_t index) {
    ecg_plan_tensor *t = &p->tensors[index];
    const uint32_t bytes = (uint32_t)ecg_round_up((size_t)t->count * ecg_plan_element_bytes(t));
    uint32_t at = 0, *link = &p->live;
    while (*link != NOBODY) {
        const ecg_plan_tensor *other = &p->tensors[*link];
        if (at + bytes <= other->at) break;
        at = other->at + (uint32_t)ecg_round_up((size_t)other->count * ecg_plan_element_bytes(other));
        link = &p->tensors[*link].next;
    }
    if (bytes > ARENA_MAX || at > ARENA_MAX - bytes) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    t->at = at;
    t->place = PLACE_ARENA;
    t->next = *link;
    *link = index;
    if (at + bytes > p->peak) p->peak = at + bytes;
}

void ecg_plan_release(ecg_plan *p) {
    for (uint32_t *link = &p->live; *link != NOBODY;) {
        ecg_plan_tensor *t = &p->tensors[*link];
        if (t->end <= p->at) *link = t->next;
        else link = &t->next;
    }
}

ecg_ref ecg_plan_ref(const ecg_plan_tensor *t) {
    return t->place == PLACE_MODEL ? t->at | ECG_IN_MODEL : t->at;
}

uint32_t ecg_plan_index(const ecg_plan *p, ecg_file_vector vector, uint32_t i) {
    return (uint32_t)ecg_file_int32(&p->file, vector, i);
}

const ecg_plan_tensor *ecg_plan_input(ecg_plan *p, uint32_t i, int type, int other_type) {
    if (p->status != ECG_OK) return NULL;
    if (i >= p->inputs.count) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    const uint32_t index = ecg_plan_index(p, p->inputs, i);
    if (index < p->tensor_tables.count && p->tensors[index].type == UINT8_MAX) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    if (index >= p->tensor_tables.count || p->tensors[index].place == PLACE_NONE || !p->tensors[index].count) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    const ecg_plan_tensor *t = &p->tensors[index];
    if ((t->type != type && t->type != other_type) || (t->type == TYPE_INT8 && !t->scaled)) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    return t;
}

const ecg_plan_tensor *ecg_plan_any_input(ecg_plan *p, uint32_t i) {
    return ecg_plan_input(p, i, TYPE_FLOAT32, TYPE_INT8);
}

const ecg_plan_tensor *ecg_plan_numbers(ecg_plan *p, uint32_t i, uint32_t least, uint32_t most) {
    const ecg_plan_tensor *t = ecg_plan_input(p, i, TYPE_INT32, TYPE_INT32);
    if (t && (t->place != PLACE_MODEL || t->count < least || t->count > most)) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    return t;
}

int32_t ecg_plan_number(const ecg_plan *p, const ecg_plan_tensor *t, uint32_t i) {
    const ecg_file_vector data = {t->at, t->count};
    return ecg_file_int32(&p->file, data, i);
}

const ecg_plan_tensor *ecg_plan_output(ecg_plan *p, uint32_t i, int type, const int32_t *shape, uint32_t axes) {
    if (p->status != ECG_OK) return NULL;
    const uint32_t index = i < p->outputs.count ? ecg_plan_index(p, p->outputs, i) : NOBODY;
    if (index >= p->tensor_tables.count || p->tensors[index].place != PLACE_NONE) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    ecg_plan_tensor *t = &p->tensors[index];
    if (t->type != type || axes > ECG_AXES || (type == TYPE_INT8 && !t->scaled)) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return NULL;
    }
    memmove(t->shape, shape, axes * sizeof *shape); /* it may be its own */
    t->axes = (uint8_t)axes;
    t->count = elements(t->shape, axes);
    if (!t->count) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return NULL;
    }
    ecg_plan_place(p, index);
    return p->status == ECG_OK ? t : NULL;
}
