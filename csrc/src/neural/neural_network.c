/* One step of the network: two strided layers, five dilated residual ones, two dense ones.
 *
 * Float32, sums in one order on every platform. Memories of layers are rings; zeros before the start. */
#include "neural.h"
#include "../common/simd4.h"

#define W NEURAL_WIDTH

_Static_assert(W == 28, "the sums below are seven vectors of four");

/* One sum for each channel, in registers, from the bias on. */
#define BEGIN_SUMS(sums, bias)                                                         \
    four sums##0 = four_load(bias), sums##1 = four_load((bias) + 4), sums##2 = four_load((bias) + 8), \
         sums##3 = four_load((bias) + 12), sums##4 = four_load((bias) + 16), sums##5 = four_load((bias) + 20), \
         sums##6 = four_load((bias) + 24);

/* sums += x[0..n) times a matrix with a column for each channel. */
#define ADD_PRODUCTS(sums, matrix, x, n)                                               \
    for (int i_ = 0; i_ < (n); i_++) {                                                 \
        const four v_ = four_all((x)[i_]);                                             \
        const float *row_ = (matrix)[i_];                                              \
        sums##0 = four_add(sums##0, four_mul(v_, four_load(row_)));                    \
        sums##1 = four_add(sums##1, four_mul(v_, four_load(row_ + 4)));                \
        sums##2 = four_add(sums##2, four_mul(v_, four_load(row_ + 8)));                \
        sums##3 = four_add(sums##3, four_mul(v_, four_load(row_ + 12)));               \
        sums##4 = four_add(sums##4, four_mul(v_, four_load(row_ + 16)));               \
        sums##5 = four_add(sums##5, four_mul(v_, four_load(row_ + 20)));               \
        sums##6 = four_add(sums##6, four_mul(v_, four_load(row_ + 24)));               \
    }

/* out = the sums, 0 where they are negative. */
#define STORE_RELU(sums, out)                                                          \
    {                                                                                  \
        const four zero_ = four_zero();                                                \
        four_store((out), four_max(sums##0, zero_));                                   \
        four_store((out) + 4, four_max(sums##1, zero_));                               \
        four_store((out) + 8, four_max(sums##2, zero_));                               \
        four_store((out) + 12, four_max(sums##3, zero_));                              \
        four_store((out) + 16, four_max(sums##4, zero_));                              \
        four_store((out) + 20, four_max(sums##5, zero_));                              \
        four_store((out) + 24, four_max(sums##6, zero_));                              \
    }

/* The last ten cells are in `input`, oldest first. */
static void first_layer(const float *input, float *out) {
    const ecg_neural_weights *w = &ecg_neural_trained;
    four a = four_load(w->stem1_bias), b = four_load(w->stem1_bias + 4), c = four_load(w->stem1_bias + 8);
    for (int i = 0; i < NEURAL_STEM1_TAPS * NEURAL_INPUTS; i++) {
        const four x = four_all(input[i]);
        const float *row = w->stem1[i];
        a = four_add(a, four_mul(x, four_load(row)));
        b = four_add(b, four_mul(x, four_load(row + 4)));
        c = four_add(c, four_mul(x, four_load(row + 8)));
    }
    const four zero = four_zero();
    four_store(out, four_max(a, zero));
    four_store(out + 4, four_max(b, zero));
    four_store(out + 8, four_max(c, zero));
}

/* Layer k of the deep ones: x stays, what it finds in x now, 2^k and 2^(k+1) steps ago is added. */
static void deep_layer(int k, float *memory, int64_t step, float *x) {
    const ecg_neural_weights *w = &ecg_neural_trained;
    const int64_t dilation = (int64_t)1 << k, length = 2 * dilation;
    float *oldest = memory + step % length * W;
    const float *middle = memory + (step + dilation) % length * W;
    float found[W];
    BEGIN_SUMS(s, w->deep_bias[k])
    ADD_PRODUCTS(s, w->deep[k], oldest, W)
    ADD_PRODUCTS(s, w->deep[k] + W, middle, W)
    ADD_PRODUCTS(s, w->deep[k] + 2 * W, x, W)
    STORE_RELU(s, found)
    memcpy(oldest, x, W * sizeof *x);
    for (int i = 0; i < W; i += 4) four_store(x + i, four_add(four_load(x + i), four_load(found + i)));
}

void ecg_neural_step(neural_lead *lead, int64_t step, const float *inputs, float *outputs) {
    const ecg_neural_weights *w = &ecg_neural_trained;
    const size_t two = 2 * NEURAL_INPUTS;
    for (int half = 0; half < 2; half++) {
        memmove(lead->input, lead->input + two, (NEURAL_STEM1_TAPS * NEURAL_INPUTS - two) * sizeof(float));
        memcpy(lead->input + NEURAL_STEM1_TAPS * NEURAL_INPUTS - two, inputs + half * (int)two, two * sizeof(float));
        memmove(lead->stem, lead->stem + NEURAL_STEM, (NEURAL_STEM2_TAPS - 1) * NEURAL_STEM * sizeof(float));
        first_layer(lead->input, lead->stem + (NEURAL_STEM2_TAPS - 1) * NEURAL_STEM);
    }
    float x[W], hidden[W];
    {
        BEGIN_SUMS(s, w->stem2_bias)
        ADD_PRODUCTS(s, w->stem2, lead->stem, NEURAL_STEM2_TAPS * NEURAL_STEM)
        STORE_RELU(s, x)
    }
    float *memory = lead->deep;
    for (int k = 0; k < NEURAL_LAYERS; k++) {
        deep_layer(k, memory, step, x);
        memory += ((size_t)2 << k) * W;
    }
    BEGIN_SUMS(h, w->hidden_bias)
    ADD_PRODUCTS(h, w->hidden, x, W)
    STORE_RELU(h, hidden)
    four early = four_load(w->heads_bias), late = four_load(w->heads_bias + 4);
    for (int i = 0; i < W; i++) {
        const four v = four_all(hidden[i]);
        early = four_add(early, four_mul(v, four_load(w->heads[i])));
        late = four_add(late, four_mul(v, four_load(w->heads[i] + 4)));
    }
    four_store(outputs, early);
    four_store(outputs + 4, late);
}
