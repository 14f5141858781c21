/* TensorFlow Lite files: a bounded reader, a plan of steps in the caller's memory, and the kernels that run it. */
#ifndef ECGFAST_NETWORK_H
#define ECGFAST_NETWORK_H

#include "../common/internal.h"

/* ---- the file: a flatbuffer, read in place ---- */

/* What lies outside, or between two words, sets `damaged` and reads as absent: nothing beyond `bytes` is touched. */
typedef struct ecg_file {
    const uint8_t *at;
    uint32_t bytes;
    int damaged;
} ecg_file;

typedef struct ecg_file_table {
    uint32_t at;       /* 0: absent */
    uint32_t vtable, slots, size;
} ecg_file_table;

typedef struct ecg_file_vector {
    uint32_t at;       /* of its first element */
    uint32_t count;
} ecg_file_vector;

ecg_file_table ecg_file_root(ecg_file *file);
ecg_file_table ecg_file_table_in(ecg_file *file, const ecg_file_table *table, uint32_t slot);
ecg_file_table ecg_file_table_of(ecg_file *file, ecg_file_vector tables, uint32_t index);
ecg_file_vector ecg_file_vector_in(ecg_file *file, const ecg_file_table *table, uint32_t slot, uint32_t width);
/* A scalar field of 1, 4 or 8 bytes, its sign extended; `absent` where it is left out. */
int64_t ecg_file_scalar(ecg_file *file, const ecg_file_table *table, uint32_t slot, uint32_t width, int64_t absent);
/* An element of a vector that was found; index < count. */
int32_t ecg_file_int32(const ecg_file *file, ecg_file_vector vector, uint32_t index);
int64_t ecg_file_int64(const ecg_file *file, ecg_file_vector vector, uint32_t index);
float ecg_file_float(const ecg_file *file, ecg_file_vector vector, uint32_t index);

/* ---- steps: what an operator becomes, one after the other in the block ---- */

#define ECG_AXES ECG_TENSOR_AXES_MAX

/* Where a tensor's data are: bytes from the start of the arena, or with this bit from that of the model. */
#define ECG_IN_MODEL 0x80000000u
typedef uint32_t ecg_ref;

typedef enum ecg_step_kind {
    ECG_STEP_MOVE,     /* parts of a whole to or from tensors of their own */
    ECG_STEP_SLICE,
    ECG_STEP_ADD, ECG_STEP_MUL,
    ECG_STEP_LOGISTIC, ECG_STEP_TANH,
    ECG_STEP_DENSE, ECG_STEP_CONV, ECG_STEP_POOL,
    ECG_STEP_MEAN, ECG_STEP_MAX,
    ECG_STEP_SOFTMAX,
    ECG_STEP_QUANTIZE, ECG_STEP_DEQUANTIZE
} ecg_step_kind;

typedef struct ecg_step {
    uint16_t kind;     /* ecg_step_kind */
    uint16_t type;     /* ecg_tensor_type of what it computes with */
    uint32_t bytes;    /* to the next step */
} ecg_step;

/* Followed by `parts` pairs: the part's ecg_ref, and its bytes for each row. */
typedef struct ecg_step_move {
    ecg_step step;
    ecg_ref whole;
    uint32_t rows, row_bytes, parts;
    int32_t gather;    /* 1: parts to whole; 0: whole to parts */
} ecg_step_move;

typedef struct ecg_step_slice {
    ecg_step step;
    ecg_ref in, out;
    uint32_t width;              /* bytes of an element */
    int32_t begin;               /* in elements, as strides */
    int32_t count[ECG_AXES], stride[ECG_AXES];
} ecg_step_slice;

/* Limits of int8 or, as bits, of float results. */
typedef struct ecg_limits {
    float low, high;
    int32_t low8, high8;
} ecg_limits;

typedef struct ecg_step_binary {
    ecg_step step;
    ecg_ref a, b, out;
    int32_t count[ECG_AXES], stride_a[ECG_AXES], stride_b[ECG_AXES];
    ecg_limits limits;
    int32_t offset_a, offset_b, offset_out;
    int32_t scale_a, scale_b, scale_out, shift_a, shift_b, shift_out;
} ecg_step_binary;

/* Followed, for int8, by a table of 256 bytes. */
typedef struct ecg_step_unary {
    ecg_step step;
    ecg_ref in, out;
    uint32_t count;
} ecg_step_unary;

/* The rest of a dense or convolution layer; followed, for int8, by `outputs` multipliers and as many shifts (bytes). */
typedef struct ecg_step_layer {
    ecg_step step;
    ecg_ref in, weights, bias, out;
    int32_t has_bias;
    int32_t outputs;
    int32_t offset_in, offset_out;
    ecg_limits limits;
    int32_t rows, inputs;                          /* dense */
    int32_t batch, height, width, channels;        /* convolution: of the input */
    int32_t out_height, out_width, kernel_height, kernel_width;
    int32_t stride_y, stride_x, pad_y, pad_x;
} ecg_step_layer;

typedef struct ecg_step_pool {
    ecg_step step;
    ecg_ref in, out;
    int32_t batch, height, width, channels, out_height, out_width, kernel_height, kernel_width;
    int32_t stride_y, stride_x, pad_y, pad_x;
    ecg_limits limits;
} ecg_step_pool;

/* Sums or maxima over some axes: `outer` are those that stay, `inner` those that go, with strides in the input. */
typedef struct ecg_step_reduce {
    ecg_step step;
    ecg_ref in, out;
    int32_t outer[ECG_AXES], outer_stride[ECG_AXES], inner[ECG_AXES], inner_stride[ECG_AXES];
    int32_t reduced;             /* elements that make one */
    int32_t offset_in, offset_out, scale, shift;
} ecg_step_reduce;

typedef struct ecg_step_softmax {
    ecg_step step;
    ecg_ref in, out;
    int32_t rows, depth;
    float beta;
    int32_t scale, shift, least;
} ecg_step_softmax;

typedef struct ecg_step_scale {
    ecg_step step;
    ecg_ref in, out;
    uint32_t count;
    float scale;
    int32_t zero;
} ecg_step_scale;

struct ecg_network {
    const uint8_t *model;
    unsigned char *arena;
    uint32_t first_step, n_steps; /* bytes from this struct's start */
    int32_t n_inputs, n_outputs;
    ecg_tensor inputs[ECG_NETWORK_INPUTS_MAX], outputs[ECG_NETWORK_INPUTS_MAX];
};

/* Fills the block with steps; the report as ecg_network_init has it. */
int ecg_network_plan(ecg_network *network, size_t bytes, const void *model, size_t model_bytes,
                     ecg_network_report *report);

static inline const void *ecg_network_at(const ecg_network *network, ecg_ref ref) {
    return ref & ECG_IN_MODEL ? (const void *)(network->model + (ref & ~ECG_IN_MODEL))
                              : (const void *)(network->arena + ref);
}
static inline void *ecg_network_to(const ecg_network *network, ecg_ref ref) {
    return network->arena + ref;
}

void ecg_float_binary(const ecg_network *network, const ecg_step_binary *step);
void ecg_float_unary(const ecg_network *network, const ecg_step_unary *step);
void ecg_float_dense(const ecg_network *network, const ecg_step_layer *step);
void ecg_float_conv(const ecg_network *network, const ecg_step_layer *step);
void ecg_float_pool(const ecg_network *network, const ecg_step_pool *step);
void ecg_float_reduce(const ecg_network *network, const ecg_step_reduce *step);
void ecg_float_softmax(const ecg_network *network, const ecg_step_softmax *step);

/* A positive real number as multiplier / 2^31 * 2^shift, as TensorFlow Lite rounds it. */
void ecg_int8_multiplier(double real, int32_t *multiplier, int32_t *shift);
/* Results of LOGISTIC or TANH for the int8 inputs -128 to 127, in this order. */
void ecg_int8_table(int kind, float scale_in, int32_t zero_in, float scale_out, int32_t zero_out, int8_t table[256]);
void ecg_int8_binary(const ecg_network *network, const ecg_step_binary *step);
void ecg_int8_unary(const ecg_network *network, const ecg_step_unary *step);
void ecg_int8_dense(const ecg_network *network, const ecg_step_layer *step);
void ecg_int8_conv(const ecg_network *network, const ecg_step_layer *step);
void ecg_int8_pool(const ecg_network *network, const ecg_step_pool *step);
void ecg_int8_reduce(const ecg_network *network, const ecg_step_reduce *step);
void ecg_int8_softmax(const ecg_network *network, const ecg_step_softmax *step);
void ecg_int8_quantize(const ecg_network *network, const ecg_step_scale *step);
void ecg_int8_dequantize(const ecg_network *network, const ecg_step_scale *step);

#endif /* ECGFAST_NETWORK_H */
