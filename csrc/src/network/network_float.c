/* Kernels in single precision. Sums run in four lanes, in the same order on every machine. */
#include "network.h"

#include "../common/simd4.h"

static float within_limits(float x, const ecg_limits *limits) {
    x = x < limits->low ? limits->low : x;
    return x > limits->high ? limits->high : x;
}

/* e^x with an error of 2 units in the last place, by Cephes' polynomial: no libm, whose results differ. */
static float exp_float(float x) {
    if (!(x > -87.0f)) return x < 0.0f ? 0.0f : x;
    if (x > 88.0f) x = 88.0f;
    const int k = (int)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    const float n = (float)k;
    const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    const uint32_t bits = (uint32_t)(k + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

static float tanh_float(float x) {
    const float size = fabsf(x);
    if (size < 0.625f) {
        const float z = x * x;
        float y = -5.70498872745e-3f;
        y = y * z + 2.06390887954e-2f;
        y = y * z - 5.37397155531e-2f;
        y = y * z + 1.33314422036e-1f;
        y = y * z - 3.33332819422e-1f;
        return y * z * x + x;
    }
    const float y = 1.0f - 2.0f / (exp_float(2.0f * size) + 1.0f);
    return x < 0.0f ? -y : y;
}

/* Adds x . w to `sums` for `rows` <= 4 rows of weights, `stride` apart. */
static void add_products(const float *x, const float *w, size_t stride, int rows, size_t n, float sums[4]) {
    size_t i = 0;
    if (rows == 4) {
        const float *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
        four a = four_zero(), b = four_zero(), c = four_zero(), d = four_zero();
        for (; i + 4 <= n; i += 4) {
            const four v = four_load(x + i);
            a = four_add(a, four_mul(v, four_load(w + i)));
            b = four_add(b, four_mul(v, four_load(w1 + i)));
            c = four_add(c, four_mul(v, four_load(w2 + i)));
            d = four_add(d, four_mul(v, four_load(w3 + i)));
        }
        sums[0] += four_sum(a);
        sums[1] += four_sum(b);
        sums[2] += four_sum(c);
        sums[3] += four_sum(d);
    } else {
        for (int k = 0; k < rows; k++) {
            four a = four_zero();
            for (i = 0; i + 4 <= n; i += 4)
                a = four_add(a, four_mul(four_load(x + i), four_load(w + (size_t)k * stride + i)));
            sums[k] += four_sum(a);
        }
    }
    for (; i < n; i++)
        for (int k = 0; k < rows; k++) sums[k] += x[i] * w[(size_t)k * stride + i];
}

void ecg_float_binary(const ecg_network *network, const ecg_step_binary *step) {
    const float *a = ecg_network_at(network, step->a), *b = ecg_network_at(network, step->b);
    float *out = ecg_network_to(network, step->out);
    const int32_t *n = step->count, *sa = step->stride_a, *sb = step->stride_b;
    const int multiply = step->step.kind == ECG_STEP_MUL;
    for (int32_t i = 0; i < n[0]; i++)
        for (int32_t j = 0; j < n[1]; j++)
            for (int32_t k = 0; k < n[2]; k++) {
                const float *x = a + i * sa[0] + j * sa[1] + k * sa[2], *y = b + i * sb[0] + j * sb[1] + k * sb[2];
                for (int32_t l = 0; l < n[3]; l++) {
                    const float p = x[l * sa[3]], q = y[l * sb[3]];
                    *out++ = within_limits(multiply ? p * q : p + q, &step->limits);
                }
            }
}

void ecg_float_unary(const ecg_network *network, const ecg_step_unary *step) {
    const float *in = ecg_network_at(network, step->in);
    float *out = ecg_network_to(network, step->out);
    if (step->step.kind == ECG_STEP_TANH)
        for (uint32_t i = 0; i < step->count; i++) out[i] = tanh_float(in[i]);
    else
        for (uint32_t i = 0; i < step->count; i++) out[i] = 1.0f / (1.0f + exp_float(-in[i]));
}

static void finish(float *out, const float *bias, const float *sums, int rows, const ecg_limits *limits) {
    for (int k = 0; k < rows; k++) out[k] = within_limits(bias ? sums[k] + bias[k] : sums[k], limits);
}

void ecg_float_dense(const ecg_network *network, const ecg_step_layer *step) {
    const float *in = ecg_network_at(network, step->in), *weights = ecg_network_at(network, step->weights);
    const float *bias = step->has_bias ? ecg_network_at(network, step->bias) : NULL;
    float *out = ecg_network_to(network, step->out);
    const size_t n = (size_t)step->inputs;
    for (int32_t row = 0; row < step->rows; row++, in += n, out += step->outputs)
        for (int32_t k = 0; k < step->outputs; k += 4) {
            const int rows = step->outputs - k < 4 ? step->outputs - k : 4;
            float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            add_products(in, weights + (size_t)k * n, n, rows, n, sums);
            finish(out + k, bias ? bias + k : NULL, sums, rows, &step->limits);
        }
}

void ecg_float_conv(const ecg_network *network, const ecg_step_layer *step) {
    const float *in = ecg_network_at(network, step->in), *weights = ecg_network_at(network, step->weights);
    const float *bias = step->has_bias ? ecg_network_at(network, step->bias) : NULL;
    float *out = ecg_network_to(network, step->out);
    const size_t channels = (size_t)step->channels, tap_row = (size_t)step->kernel_width * channels;
    const size_t per_output = (size_t)step->kernel_height * tap_row;
    const size_t image = (size_t)step->height * (size_t)step->width * channels;
    for (int32_t batch = 0; batch < step->batch; batch++, in += image)
        for (int32_t oy = 0; oy < step->out_height; oy++)
            for (int32_t ox = 0; ox < step->out_width; ox++, out += step->outputs) {
                const int32_t y = oy * step->stride_y - step->pad_y, x = ox * step->stride_x - step->pad_x;
                /* Taps of a row that lie within it follow each other in the input and in the weights. */
                const int32_t first = x < 0 ? -x : 0;
                const int32_t end = step->width - x < step->kernel_width ? step->width - x : step->kernel_width;
                for (int32_t k = 0; k < step->outputs; k += 4) {
                    const int rows = step->outputs - k < 4 ? step->outputs - k : 4;
                    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                    for (int32_t ky = 0; ky < step->kernel_height && first < end; ky++) {
                        if (y + ky < 0 || y + ky >= step->height) continue;
                        add_products(in + ((size_t)(y + ky) * (size_t)step->width + (size_t)(x + first)) * channels,
                                     weights + (size_t)k * per_output + (size_t)ky * tap_row + (size_t)first * channels,
                                     per_output, rows, (size_t)(end - first) * channels, sums);
                    }
                    finish(out + k, bias ? bias + k : NULL, sums, rows, &step->limits);
                }
            }
}

void ecg_float_pool(const ecg_network *network, const ecg_step_pool *step) {
    const float *in = ecg_network_at(network, step->in);
    float *out = ecg_network_to(network, step->out);
    const size_t channels = (size_t)step->channels, image = (size_t)step->height * (size_t)step->width * channels;
    for (int32_t batch = 0; batch < step->batch; batch++, in += image)
        for (int32_t oy = 0; oy < step->out_height; oy++)
            for (int32_t ox = 0; ox < step->out_width; ox++, out += channels) {
                const int32_t y = oy * step->stride_y - step->pad_y, x = ox * step->stride_x - step->pad_x;
                int seen = 0;
                for (int32_t ky = 0; ky < step->kernel_height; ky++)
                    for (int32_t kx = 0; kx < step->kernel_width; kx++) {
                        if (y + ky < 0 || y + ky >= step->height || x + kx < 0 || x + kx >= step->width) continue;
                        const float *from = in + ((size_t)(y + ky) * (size_t)step->width + (size_t)(x + kx)) * channels;
                        for (size_t c = 0; c < channels; c++) out[c] = seen && out[c] > from[c] ? out[c] : from[c];
                        seen = 1;
                    }
                for (size_t c = 0; c < channels; c++) out[c] = within_limits(seen ? out[c] : step->limits.low, &step->limits);
            }
}

void ecg_float_reduce(const ecg_network *network, const ecg_step_reduce *step) {
    const float *in = ecg_network_at(network, step->in);
    float *out = ecg_network_to(network, step->out);
    const int32_t *o = step->outer, *os = step->outer_stride, *n = step->inner, *s = step->inner_stride;
    const int largest = step->step.kind == ECG_STEP_MAX;
    for (int32_t a = 0; a < o[0]; a++)
        for (int32_t b = 0; b < o[1]; b++)
            for (int32_t c = 0; c < o[2]; c++)
                for (int32_t d = 0; d < o[3]; d++) {
                    const float *from = in + a * os[0] + b * os[1] + c * os[2] + d * os[3];
                    float result = largest ? from[0] : 0.0f;
                    for (int32_t i = 0; i < n[0]; i++)
                        for (int32_t j = 0; j < n[1]; j++)
                            for (int32_t k = 0; k < n[2]; k++)
                                for (int32_t l = 0; l < n[3]; l++) {
                                    const float x = from[i * s[0] + j * s[1] + k * s[2] + l * s[3]];
                                    if (!largest) result += x;
                                    else if (x > result) result = x;
                                }
                    *out++ = largest ? result : result / (float)step->reduced;
                }
}

void ecg_float_softmax(const ecg_network *network, const ecg_step_softmax *step) {
    const float *in = ecg_network_at(network, step->in);
    float *out = ecg_network_to(network, step->out);
    for (int32_t row = 0; row < step->rows; row++, in += step->depth, out += step->depth) {
        float most = in[0], sum = 0.0f;
        for (int32_t c = 1; c < step->depth; c++) most = in[c] > most ? in[c] : most;
        for (int32_t c = 0; c < step->depth; c++) sum += out[c] = exp_float((in[c] - most) * step->beta);
        for (int32_t c = 0; c < step->depth; c++) out[c] /= sum;
    }
}
