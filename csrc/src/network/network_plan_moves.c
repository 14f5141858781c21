/* Plans of the operators that only move elements. */
#include "network_plan.h"

/* A whole and its parts: all that only moves elements. */
static void move(ecg_plan *p, const ecg_plan_tensor *whole, uint32_t rows, uint32_t parts, int32_t gather) {
    ecg_step_move step = {.whole = ecg_plan_ref(whole), .rows = rows, .parts = parts, .gather = gather};
    step.row_bytes = whole->count / rows * ecg_plan_element_bytes(whole);
    ecg_plan_append_step(p, &step, sizeof step, ECG_STEP_MOVE, whole, sizeof step + parts * 2 * sizeof(uint32_t));
    ecg_plan_spend(p, whole->count);
}

static void move_part(ecg_plan *p, const ecg_plan_tensor *part, uint32_t rows) {
    const uint32_t entry[2] = {ecg_plan_ref(part), part->count / rows * ecg_plan_element_bytes(part)};
    ecg_plan_append(p, entry, sizeof entry);
}

static void plan_copy(ecg_plan *p, const ecg_plan_tensor *in, const int32_t *shape, uint32_t axes) {
    const ecg_plan_tensor *out = in ? ecg_plan_output(p, 0, in->type, shape, axes) : NULL;
    if (!out) return;
    if (out->count != in->count) ecg_plan_fail(p, ECG_ERROR_MODEL);
    move(p, in, 1, 1, 0);
    move_part(p, out, 1);
}

void ecg_plan_reshape(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0), *wanted = ecg_plan_numbers(p, 1, 1, ECG_AXES);
    if (!in || !wanted) return;
    int32_t shape[ECG_AXES], open = -1;
    uint64_t known = 1;
    for (uint32_t i = 0; i < wanted->count; i++) {
        shape[i] = ecg_plan_number(p, wanted, i);
        if (shape[i] == -1 && open < 0) open = (int32_t)i;
        else if (shape[i] < 1 || (known *= (uint32_t)shape[i]) > in->count) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
    }
    if (open >= 0) shape[open] = (int32_t)(in->count / known);
    plan_copy(p, in, shape, wanted->count);
}

void ecg_plan_expand_dims(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0), *where = ecg_plan_numbers(p, 1, 1, 1);
    if (!in || !where) return;
    const int32_t axis = ecg_plan_axis(p, ecg_plan_number(p, where, 0), in->axes + 1u);
    if (axis < 0 || in->axes == ECG_AXES) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    int32_t shape[ECG_AXES];
    for (int32_t i = 0; i <= in->axes; i++) shape[i] = i < axis ? in->shape[i] : i == axis ? 1 : in->shape[i - 1];
    plan_copy(p, in, shape, in->axes + 1u);
}

void ecg_plan_split(ecg_plan *p, const ecg_plan_tensor *in, int64_t along, const ecg_plan_tensor *sizes,
                    uint32_t parts, int unpack) {
    if (!in) return;
    const int32_t axis = ecg_plan_axis(p, along, in->axes);
    if (axis < 0) return;
    if (!parts || parts != p->outputs.count || (sizes && sizes->count != parts) || parts > (uint32_t)in->shape[axis]) {
        ecg_plan_fail(p, ECG_ERROR_MODEL);
        return;
    }
    int64_t rest = in->shape[axis];
    for (uint32_t i = 0; sizes && i < parts; i++) {
        const int32_t size = ecg_plan_number(p, sizes, i);
        rest -= size > 0 ? size : 0;
    }
    if (!sizes && in->shape[axis] % (int32_t)parts) ecg_plan_fail(p, ECG_ERROR_MODEL);
    if (unpack && parts != (uint32_t)in->shape[axis]) ecg_plan_fail(p, ECG_ERROR_MODEL);
    int32_t total = 0;
    /* Outputs get their places first: the step's entries follow it. */
    const uint32_t rows = ecg_plan_product(in->shape, 0, axis);
    for (uint32_t i = 0; i < parts && p->status == ECG_OK; i++) {
        int32_t shape[ECG_AXES], n = in->shape[axis] / (int32_t)parts;
        if (sizes) {
            n = ecg_plan_number(p, sizes, i);
            if (n == -1) n = (int32_t)(rest > 0 ? rest : 0);
        }
        if (n < 1 || n > in->shape[axis] - total) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        total += n;
        uint32_t axes = 0;
        for (int32_t k = 0; k < in->axes; k++)
            if (k != axis) shape[axes++] = in->shape[k];
            else if (!unpack) shape[axes++] = n;
        const ecg_plan_tensor *out = ecg_plan_output(p, i, in->type, shape, axes);
        if (out && !ecg_plan_same_scale(in, out)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    }
    if (p->status == ECG_OK && total != in->shape[axis]) ecg_plan_fail(p, ECG_ERROR_MODEL);
    if (p->status != ECG_OK) return;
    move(p, in, rows, parts, 0);
    for (uint32_t i = 0; i < parts; i++) move_part(p, &p->tensors[ecg_plan_index(p, p->outputs, i)], rows);
}

void ecg_plan_gather(ecg_plan *p, int64_t along, int pack) {
    const ecg_plan_tensor *first = ecg_plan_any_input(p, 0);
    if (!first) return;
    const uint32_t parts = p->inputs.count, axes = first->axes + (pack ? 1u : 0u);
    const int32_t axis = ecg_plan_axis(p, along, axes);
    if (axis < 0 || axes > ECG_AXES) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    int32_t shape[ECG_AXES];
    for (int32_t k = 0, from = 0; k < (int32_t)axes; k++) shape[k] = pack && k == axis ? (int32_t)parts :
        first->shape[from++];
    int64_t total = 0;
    for (uint32_t i = 0; i < parts; i++) {
        const ecg_plan_tensor *part = ecg_plan_input(p, i, first->type, first->type);
        if (!part) return;
        int same = part->axes == first->axes;
        for (int32_t k = 0; same && k < part->axes; k++) same = (!pack && k == axis) ||
            part->shape[k] == first->shape[k];
        if (!same) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        total += pack ? 1 : part->shape[axis];
    }
    if (total > INT32_MAX) ecg_plan_fail(p, ECG_ERROR_MODEL);
    shape[axis] = (int32_t)total;
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, first->type, shape, axes);
    if (!out) return;
    const uint32_t rows = ecg_plan_product(shape, 0, axis);
    for (uint32_t i = 0; i < parts; i++)
        if (!ecg_plan_same_scale(out, &p->tensors[ecg_plan_index(p, p->inputs, i)]))
            ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    move(p, out, rows, parts, 1);
    for (uint32_t i = 0; i < parts; i++) move_part(p, &p->tensors[ecg_plan_index(p, p->inputs, i)], rows);
}

void ecg_plan_slice(ecg_plan *p) {
    const ecg_plan_tensor *in = ecg_plan_any_input(p, 0);
    const uint32_t axes = in ? in->axes : 0;
    const ecg_plan_tensor *begins = ecg_plan_numbers(p, 1, axes, axes);
    const ecg_plan_tensor *ends = ecg_plan_numbers(p, 2, axes, axes), *steps = ecg_plan_numbers(p, 3, axes, axes);
    if (!in || !begins || !ends || !steps) return;
    const int64_t begin_mask = ecg_plan_option(p, 0, 4, 0), end_mask = ecg_plan_option(p, 1, 4, 0);
    const int64_t shrink = ecg_plan_option(p, 4, 4, 0);
    /* ellipsis, new axis, ends as lengths */
    if (ecg_plan_option(p, 2, 4, 0) || ecg_plan_option(p, 3, 4, 0) || ecg_plan_option(p, 5, 1, 0)) {
        ecg_plan_fail(p, ECG_ERROR_OPERATOR);
        return;
    }
    ecg_step_slice step = {.in = ecg_plan_ref(in), .width = ecg_plan_element_bytes(in)};
    int32_t shape[ECG_AXES];
    uint32_t left = 0;
    for (uint32_t i = 0; i < ECG_AXES; i++) {
        step.count[i] = 1;
        step.stride[i] = 0;
    }
    for (uint32_t i = 0; i < axes; i++) {
        const int64_t n = in->shape[i], by = ecg_plan_number(p, steps, i);
        const int shrunk = (shrink >> i & 1) != 0;
        if (by == 0 || (shrunk && by < 0)) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        int64_t from = ecg_plan_number(p, begins, i), to = ecg_plan_number(p, ends, i);
        from += from < 0 ? n : 0;
        to += to < 0 ? n : 0;
        const int64_t lowest = by > 0 ? 0 : -1, highest = by > 0 ? n : n - 1;
        from = begin_mask >> i & 1 && !shrunk ? (by > 0 ? 0 : n - 1) : from < lowest ? lowest :
            from > highest ? highest : from;
        to = end_mask >> i & 1 ? (by > 0 ? n : -1) : to < lowest ? lowest : to > highest ? highest : to;
        if (shrunk) to = from + 1;
        const int64_t count = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
        if (count < 1 || from < 0 || from >= n) {
            ecg_plan_fail(p, ECG_ERROR_MODEL);
            return;
        }
        const int64_t stride = ecg_plan_product(in->shape, (int32_t)i + 1, (int32_t)axes);
        step.begin += (int32_t)(from * stride);
        step.count[ECG_AXES - axes + i] = (int32_t)count;
        step.stride[ECG_AXES - axes + i] = (int32_t)(count > 1 ? by * stride : 0);
        if (!shrunk) shape[left++] = (int32_t)count;
    }
    const ecg_plan_tensor *out = ecg_plan_output(p, 0, in->type, shape, left);
    if (!out) return;
    if (!ecg_plan_same_scale(in, out)) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
    step.out = ecg_plan_ref(out);
    ecg_plan_spend(p, out->count);
    ecg_plan_append_step(p, &step, sizeof step, ECG_STEP_SLICE, in, sizeof step);
}
