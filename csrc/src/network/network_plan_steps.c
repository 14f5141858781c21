/* How a plan grows: bounds of its work, the bytes of its steps, and the options of operators. */
#include "network_plan.h"

void ecg_plan_fail(ecg_plan *p, int status) {
    if (p->status == ECG_OK) p->status = status;
}

void ecg_plan_spend(ecg_plan *p, uint64_t work) {
    p->work += work;
    if (work > WORK_MAX || p->work > WORK_MAX) ecg_plan_fail(p, ECG_ERROR_OPERATOR);
}

void ecg_plan_append(ecg_plan *p, const void *what, size_t bytes) {
    if (p->used + bytes <= p->room) memcpy(p->block + p->used, what, bytes);
    p->used += bytes;
}

void ecg_plan_append_step(ecg_plan *p, void *body, size_t size, ecg_step_kind kind, const ecg_plan_tensor *t,
                          size_t bytes) {
    ecg_step *step = body;
    step->kind = (uint16_t)kind;
    step->type = t->type;
    step->bytes = (uint32_t)((bytes + 7) & ~(size_t)7);
    p->step_end = p->used + step->bytes;
    ecg_plan_append(p, body, size);
}

int64_t ecg_plan_option(ecg_plan *p, uint32_t slot, uint32_t width, int64_t absent) {
    return ecg_file_scalar(&p->file, &p->options, slot, width, absent);
}

int32_t ecg_plan_axis(ecg_plan *p, int64_t axis, uint32_t axes) {
    if (axis < 0) axis += axes;
    if (axis >= 0 && axis < axes) return (int32_t)axis;
    ecg_plan_fail(p, ECG_ERROR_MODEL);
    return -1;
}

uint32_t ecg_plan_product(const int32_t *shape, int32_t from, int32_t to) {
    uint32_t count = 1;
    for (int32_t i = from; i < to; i++) count *= (uint32_t)shape[i];
    return count;
}
