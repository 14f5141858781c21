/* The plan in the making: what the files that plan operators share. */
#ifndef ECGFAST_NETWORK_PLAN_H
#define ECGFAST_NETWORK_PLAN_H

#include "network.h"

/* Work on any file is bounded: more than ten times what the largest built-in model takes. */
#define TENSORS_MAX 16384
#define ARENA_MAX (1u << 26)      /* bytes */
#define WORK_MAX ((uint64_t)1 << 27) /* multiplications or copies for one run */
#define TAPS_MAX 65535            /* products in a sum of int8: it fits 32 bits */
#define ANSWERS_MAX 255           /* of an int8 softmax: their sum fits its format */

/* Of TensorFlow Lite's schema, version 3. */
enum { TYPE_FLOAT32 = 0, TYPE_INT32 = 2, TYPE_INT8 = 9 };

enum { PLACE_NONE, PLACE_MODEL, PLACE_ARENA };

typedef struct ecg_plan_tensor {
    int32_t shape[ECG_AXES];
    uint32_t at;         /* bytes from the start of its place */
    uint32_t count;      /* elements; 0: its shape cannot be used */
    uint32_t end;        /* number of operators after which nobody reads it */
    uint32_t next;       /* live tensor above it in the arena; ends with NOBODY */
    float scale;
    int16_t zero;
    uint8_t type, axes, place, scaled;
} ecg_plan_tensor;

#define NOBODY UINT32_MAX

typedef struct ecg_plan {
    ecg_file file;
    ecg_file_vector codes, buffers, tensor_tables, operators;
    ecg_plan_tensor *tensors; /* at the block's end, where the arena will be */
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
} ecg_plan;

/* network_plan_tensors.c */
uint32_t ecg_plan_element_bytes(const ecg_plan_tensor *t);
int ecg_plan_same_scale(const ecg_plan_tensor *a, const ecg_plan_tensor *b);
void ecg_plan_read_tensor(ecg_plan *p, uint32_t index);
/* Gives a tensor the lowest free place in the arena, and keeps the list of live ones in order. */
void ecg_plan_place(ecg_plan *p, uint32_t index);
void ecg_plan_release(ecg_plan *p);
ecg_ref ecg_plan_ref(const ecg_plan_tensor *t);
uint32_t ecg_plan_index(const ecg_plan *p, ecg_file_vector vector, uint32_t i);
/* Input `i` of the operator, which has to be there: with one of two types, or of `type` alone. */
const ecg_plan_tensor *ecg_plan_input(ecg_plan *p, uint32_t i, int type, int other_type);
const ecg_plan_tensor *ecg_plan_any_input(ecg_plan *p, uint32_t i);
/* An input that is a constant of whole numbers. */
const ecg_plan_tensor *ecg_plan_numbers(ecg_plan *p, uint32_t i, uint32_t least, uint32_t most);
int32_t ecg_plan_number(const ecg_plan *p, const ecg_plan_tensor *t, uint32_t i);
/* Output `i` with the shape that it has now; of `type`. */
const ecg_plan_tensor *ecg_plan_output(ecg_plan *p, uint32_t i, int type, const int32_t *shape, uint32_t axes);

/* network_plan_steps.c */
void ecg_plan_fail(ecg_plan *p, int status);
void ecg_plan_spend(ecg_plan *p, uint64_t work);
void ecg_plan_append(ecg_plan *p, const void *what, size_t bytes);
/* The first `size` bytes of a step of `bytes`; the next one begins at a multiple of eight. */
void ecg_plan_append_step(ecg_plan *p, void *body, size_t size, ecg_step_kind kind, const ecg_plan_tensor *t,
                          size_t bytes);
int64_t ecg_plan_option(ecg_plan *p, uint32_t slot, uint32_t width, int64_t absent);
/* An axis that counts from the end where it is negative; -1 where there is none such. */
int32_t ecg_plan_axis(ecg_plan *p, int64_t axis, uint32_t axes);
uint32_t ecg_plan_product(const int32_t *shape, int32_t from, int32_t to);

/* network_plan_moves.c: operators that only move elements */
void ecg_plan_reshape(ecg_plan *p);
void ecg_plan_expand_dims(ecg_plan *p);
/* Parts along an axis of `whole`, which stay or go with the axis: as many as the operator has inputs or outputs. */
void ecg_plan_split(ecg_plan *p, const ecg_plan_tensor *in, int64_t along, const ecg_plan_tensor *sizes,
                    uint32_t parts, int unpack);
void ecg_plan_gather(ecg_plan *p, int64_t along, int pack);
void ecg_plan_slice(ecg_plan *p);

/* network_plan_arithmetic.c: operators that compute */
void ecg_plan_binary(ecg_plan *p, ecg_step_kind kind);
void ecg_plan_unary(ecg_plan *p, ecg_step_kind kind);
void ecg_plan_dense(ecg_plan *p);
void ecg_plan_conv(ecg_plan *p);
void ecg_plan_pool(ecg_plan *p);
void ecg_plan_reduce(ecg_plan *p, ecg_step_kind kind);
void ecg_plan_softmax(ecg_plan *p);
void ecg_plan_scale(ecg_plan *p, ecg_step_kind kind);

#endif /* ECGFAST_NETWORK_PLAN_H */
