/* Kernels on int8, bit for bit those of TensorFlow Lite's reference: a real number is a 32-bit multiplier and a shift,
 * products are rounded twice, to 32 bits and by the shift (Jacob et al., 2018); in dense layers once, as there. */
#include "network.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>

/* Eight bytes with their signs in 16 bits: each byte twice, and down again. */
static __m128i eight_bytes(const int8_t *p) {
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
}
#endif

/* The high 32 bits of 2 a b, rounded, halves up. */
static int32_t high_product(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent, halves away from zero; the exponent is 0..31. */
static int32_t halved(int32_t x, int32_t exponent) {
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u), remainder = x & mask;
    return (x >> exponent) + (remainder > (mask >> 1) + (x < 0));
}

static int32_t doubled(int32_t x, int32_t exponent) {
    return (int32_t)((uint32_t)x << exponent);
}

static int32_t rescaled(int32_t x, int32_t multiplier, int32_t shift) {
    return shift > 0 ? high_product(doubled(x, shift), multiplier) : halved(high_product(x, multiplier), -shift);
}

static int32_t rescaled_once(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t total = 31 - shift;
    return (int32_t)(((int64_t)x * multiplier + ((int64_t)1 << (total - 1))) >> total);
}

void ecg_int8_multiplier(double real, int32_t *multiplier, int32_t *shift) {
    int exponent;
    const double mantissa = frexp(real, &exponent);
    int64_t fixed = (int64_t)(mantissa * 2147483648.0 + 0.5);
    if (fixed == (int64_t)1 << 31) {
        fixed /= 2;
        exponent++;
    }
    if (exponent < -31) {
        fixed = 0;
        exponent = 0;
    } else if (exponent > 30) {
        fixed = INT32_MAX;
        exponent = 30;
    }
    *multiplier = (int32_t)fixed;
    *shift = exponent;
}

static int32_t within_int8(int32_t x, int32_t low, int32_t high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* Beyond int8 at either end, and NaN, become the end of int8 that is nearest or the low one. */
static int8_t to_int8(float x) {
    return (int8_t)(x > -128.0f ? x < 127.0f ? x : 127.0f : -128.0f);
}

void ecg_int8_table(int kind, float scale_in, int32_t zero_in, float scale_out, int32_t zero_out, int8_t table[256]) {
    const float inverse = 1.0f / scale_out;
    for (int32_t value = -128; value < 128; value++) {
        const float x = scale_in * (float)(value - zero_in);
        /* In double precision and then rounded: the nearest float, whoever's library it is. */
        const float y = kind == ECG_STEP_TANH ? (float)tanh((double)x) : 1.0f / (1.0f + (float)exp(-(double)x));
        table[value + 128] = to_int8(roundf(y * inverse) + (float)zero_out);
    }
}

void ecg_int8_binary(const ecg_network *network, const ecg_step_binary *step) {
    const int8_t *a = ecg_network_at(network, step->a), *b = ecg_network_at(network, step->b);
    int8_t *out = ecg_network_to(network, step->out);
    const int32_t *n = step->count, *sa = step->stride_a, *sb = step->stride_b;
    const int multiply = step->step.kind == ECG_STEP_MUL;
    for (int32_t i = 0; i < n[0]; i++)
        for (int32_t j = 0; j < n[1]; j++)
            for (int32_t k = 0; k < n[2]; k++) {
                const int8_t *x = a + i * sa[0] + j * sa[1] + k * sa[2], *y = b + i * sb[0] + j * sb[1] + k * sb[2];
                for (int32_t l = 0; l < n[3]; l++) {
                    const int32_t p = x[l * sa[3]] + step->offset_a, q = y[l * sb[3]] + step->offset_b;
                    /* Twenty more bits of both before they are brought to one scale and added. */
                    const int32_t raw = multiply ? p * q
                                                 : rescaled(p * (1 << 20), step->scale_a, step->shift_a) +
                                                       rescaled(q * (1 << 20), step->scale_b, step->shift_b);
                    const int64_t sum = (int64_t)rescaled(raw, step->scale_out, step->shift_out) + step->offset_out;
                    *out++ = (int8_t)(sum < step->limits.low8    ? step->limits.low8
                                      : sum > step->limits.high8 ? step->limits.high8
                                                                 : sum);
                }
            }
}

void ecg_int8_unary(const ecg_network *network, const ecg_step_unary *step) {
    const int8_t *in = ecg_network_at(network, step->in), *table = (const int8_t *)(step + 1);
    int8_t *out = ecg_network_to(network, step->out);
    for (uint32_t i = 0; i < step->count; i++) out[i] = table[in[i] + 128];
}

/* Adds (x + offset) . w to `sums` for `rows` <= 4 rows of weights, `stride` apart. At most 65535 products of 9 and 8 bits:
 * they fit 32 bits, in any order. */
static void add_products_int8(const int8_t *x, int32_t offset, const int8_t *w, size_t stride, int rows, size_t n,
                              int32_t sums[4]) {
    if (rows < 4) {
        for (int k = 0; k < rows; k++, w += stride)
            for (size_t i = 0; i < n; i++) sums[k] += (x[i] + offset) * w[i];
        return;
    }
    const int8_t *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    size_t i = 0;
#if defined(__SSE2__) || defined(_M_X64)
    const __m128i added = _mm_set1_epi16((short)offset);
    __m128i a = _mm_setzero_si128(), b = a, c = a, d = a;
    for (; i + 8 <= n; i += 8) {
        const __m128i v = _mm_add_epi16(eight_bytes(x + i), added);
        a = _mm_add_epi32(a, _mm_madd_epi16(v, eight_bytes(w + i)));
        b = _mm_add_epi32(b, _mm_madd_epi16(v, eight_bytes(w1 + i)));
        c = _mm_add_epi32(c, _mm_madd_epi16(v, eight_bytes(w2 + i)));
        d = _mm_add_epi32(d, _mm_madd_epi16(v, eight_bytes(w3 + i)));
    }
    /* Four sums of four lanes each, by a transposition. */
    const __m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    const __m128i cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    const __m128i all = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
    _mm_storeu_si128((__m128i *)(void *)sums, _mm_add_epi32(all, _mm_loadu_si128((const __m128i *)(const void *)sums)));
#endif
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; i < n; i++) {
        const int32_t v = x[i] + offset;
        s0 += v * w[i];
        s1 += v * w1[i];
        s2 += v * w2[i];
        s3 += v * w3[i];
    }
    sums[0] += s0;
    sums[1] += s1;
    sums[2] += s2;
    sums[3] += s3;
}

static int8_t layer_output(const ecg_step_layer *step, int32_t k, int32_t sum, const int32_t *bias) {
    const int32_t *scales = (const int32_t *)(step + 1);
    const int8_t *shifts = (const int8_t *)(scales + step->outputs);
    if (bias) sum = (int32_t)((uint32_t)sum + (uint32_t)bias[k]);
    sum = step->step.kind == ECG_STEP_DENSE ? rescaled_once(sum, scales[k], shifts[k]) : rescaled(sum, scales[k], shifts[k]);
    const int64_t out = (int64_t)sum + step->offset_out;
    return (int8_t)(out < step->limits.low8 ? step->limits.low8 : out > step->limits.high8 ? step->limits.high8 : out);
}

void ecg_int8_dense(const ecg_network *network, const ecg_step_layer *step) {
    const int8_t *in = ecg_network_at(network, step->in), *weights = ecg_network_at(network, step->weights);
    const int32_t *bias = step->has_bias ? ecg_network_at(network, step->bias) : NULL;
    int8_t *out = ecg_network_to(network, step->out);
    const size_t n = (size_t)step->inputs;
    for (int32_t row = 0; row < step->rows; row++, in += n)
        for (int32_t k = 0; k < step->outputs; k += 4) {
            const int rows = step->outputs - k < 4 ? step->outputs - k : 4;
            int32_t sums[4] = {0, 0, 0, 0};
            add_products_int8(in, step->offset_in, weights + (size_t)k * n, n, rows, n, sums);
            for (int j = 0; j < rows; j++) *out++ = layer_output(step, k + j, sums[j], bias);
        }
}

void ecg_int8_conv(const ecg_network *network, const ecg_step_layer *step) {
    const int8_t *in = ecg_network_at(network, step->in), *weights = ecg_network_at(network, step->weights);
    const int32_t *bias = step->has_bias ? ecg_network_at(network, step->bias) : NULL;
    int8_t *out = ecg_network_to(network, step->out);
    const size_t channels = (size_t)step->channels, tap_row = (size_t)step->kernel_width * channels;
    const size_t per_output = (size_t)step->kernel_height * tap_row;
    const size_t image = (size_t)step->height * (size_t)step->width * channels;
    for (int32_t batch = 0; batch < step->batch; batch++, in += image)
        for (int32_t oy = 0; oy < step->out_height; oy++)
            for (int32_t ox = 0; ox < step->out_width; ox++) {
                const int32_t y = oy * step->stride_y - step->pad_y, x = ox * step->stride_x - step->pad_x;
                const int32_t first = x < 0 ? -x : 0;
                const int32_t end = step->width - x < step->kernel_width ? step->width - x : step->kernel_width;
                for (int32_t k = 0; k < step->outputs; k += 4) {
                    const int rows = step->outputs - k < 4 ? step->outputs - k : 4;
                    int32_t sums[4] = {0, 0, 0, 0};
                    for (int32_t ky = 0; ky < step->kernel_height && first < end; ky++) {
                        if (y + ky < 0 || y + ky >= step->height) continue;
                        add_products_int8(
                            in + ((size_t)(y + ky) * (size_t)step->width + (size_t)(x + first)) * channels, step->offset_in,
                            weights + (size_t)k * per_output + (size_t)ky * tap_row + (size_t)first * channels, per_output,
                            rows, (size_t)(end - first) * channels, sums);
                    }
                    for (int j = 0; j < rows; j++) *out++ = layer_output(step, k + j, sums[j], bias);
                }
            }
}

void ecg_int8_pool(const ecg_network *network, const ecg_step_pool *step) {
    const int8_t *in = ecg_network_at(network, step->in);
    int8_t *out = ecg_network_to(network, step->out);
    const size_t channels = (size_t)step->channels, image = (size_t)step->height * (size_t)step->width * channels;
    for (int32_t batch = 0; batch < step->batch; batch++, in += image)
        for (int32_t oy = 0; oy < step->out_height; oy++)
            for (int32_t ox = 0; ox < step->out_width; ox++, out += channels) {
                const int32_t y = oy * step->stride_y - step->pad_y, x = ox * step->stride_x - step->pad_x;
                for (size_t c = 0; c < channels; c++) out[c] = -128;
                for (int32_t ky = 0; ky < step->kernel_height; ky++)
                    for (int32_t kx = 0; kx < step->kernel_width; kx++) {
                        if (y + ky < 0 || y + ky >= step->height || x + kx < 0 || x + kx >= step->width) continue;
                        const int8_t *from = in + ((size_t)(y + ky) * (size_t)step->width + (size_t)(x + kx)) * channels;
                        for (size_t c = 0; c < channels; c++) out[c] = from[c] > out[c] ? from[c] : out[c];
                    }
                for (size_t c = 0; c < channels; c++)
                    out[c] = (int8_t)within_int8(out[c], step->limits.low8, step->limits.high8);
            }
}

void ecg_int8_reduce(const ecg_network *network, const ecg_step_reduce *step) {
    const int8_t *in = ecg_network_at(network, step->in);
    int8_t *out = ecg_network_to(network, step->out);
    const int32_t *o = step->outer, *os = step->outer_stride, *n = step->inner, *s = step->inner_stride;
    const int largest = step->step.kind == ECG_STEP_MAX;
    for (int32_t a = 0; a < o[0]; a++)
        for (int32_t b = 0; b < o[1]; b++)
            for (int32_t c = 0; c < o[2]; c++)
                for (int32_t d = 0; d < o[3]; d++) {
                    const int8_t *from = in + a * os[0] + b * os[1] + c * os[2] + d * os[3];
                    int32_t result = largest ? -128 : 0;
                    for (int32_t i = 0; i < n[0]; i++)
                        for (int32_t j = 0; j < n[1]; j++)
                            for (int32_t k = 0; k < n[2]; k++)
                                for (int32_t l = 0; l < n[3]; l++) {
                                    const int32_t x = from[i * s[0] + j * s[1] + k * s[2] + l * s[3]];
                                    if (!largest) result += x + step->offset_in;
                                    else if (x > result) result = x;
                                }
                    if (!largest) {
                        const int64_t mean = (int64_t)rescaled(result, step->scale, step->shift) + step->offset_out;
                        result = mean < -128 ? -128 : mean > 127 ? 127 : (int32_t)mean;
                    }
                    *out++ = (int8_t)result;
                }
}

/* ---- softmax in fixed point: Qi.f has i bits before and f after the binary point ---- */

static int32_t saturated_double(int32_t x, int32_t exponent) {
    const int64_t y = (int64_t)x * ((int64_t)1 << exponent);
    return y > INT32_MAX ? INT32_MAX : y < INT32_MIN ? INT32_MIN : (int32_t)y;
}

/* e^x in Q0.31 of x <= 0 in Q5.26: a Taylor series within the last quarter, a factor for each bit above it. */
static int32_t exp_fixed(int32_t x) {
    static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24, within = (x & (quarter - 1)) - quarter;
    const int32_t a = doubled(within, 5) + (1 << 28); /* from the middle of the quarter */
    const int32_t a2 = high_product(a, a), a3 = high_product(a2, a), a4 = high_product(a2, a2);
    const int32_t terms = halved(high_product(halved(a4, 2) + a3, 715827883) + a2, 1);
    int32_t result = 1895147668 + high_product(1895147668, a + terms); /* e^(-1/8) */
    const int32_t rest = within - x;
    for (int bit = 0; bit < 7; bit++)
        if (rest & 1 << (24 + bit)) result = high_product(result, factors[bit]);
    return x == 0 ? INT32_MAX : result;
}

/* 1 / (1 + x) in Q0.31 of x in 0..1 in Q0.31, by Newton's method. */
static int32_t reciprocal_fixed(int32_t x) {
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + high_product(half, -1010580540); /* 48/17 - 32/17 half, in Q2.29 */
    for (int i = 0; i < 3; i++) y += saturated_double(high_product(y, (1 << 29) - high_product(half, y)), 2);
    return saturated_double(y, 1);
}

void ecg_int8_softmax(const ecg_network *network, const ecg_step_softmax *step) {
    const int8_t *in = ecg_network_at(network, step->in);
    int8_t *out = ecg_network_to(network, step->out);
    for (int32_t row = 0; row < step->rows; row++, in += step->depth, out += step->depth) {
        int32_t most = -128, sum = 0;
        for (int32_t c = 0; c < step->depth; c++) most = in[c] > most ? in[c] : most;
        for (int32_t c = 0; c < step->depth; c++)
            if (in[c] - most >= step->least)
                sum += halved(exp_fixed(high_product(doubled(in[c] - most, step->shift), step->scale)), 12);
        /* The sum is 1 at least, in Q12.19. */
        int32_t headroom = 0;
        while (!((uint32_t)sum << headroom & 0x80000000u)) headroom++;
        const int32_t inverse = reciprocal_fixed((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));
        const int32_t exponent = 12 - headroom + 31 - 8;
        for (int32_t c = 0; c < step->depth; c++) {
            int32_t result = -128;
            if (in[c] - most >= step->least) {
                const int32_t e = exp_fixed(high_product(doubled(in[c] - most, step->shift), step->scale));
                result = within_int8(halved(high_product(inverse, e), exponent) - 128, -128, 127);
            }
            out[c] = (int8_t)result;
        }
    }
}

void ecg_int8_quantize(const ecg_network *network, const ecg_step_scale *step) {
    const float *in = ecg_network_at(network, step->in);
    int8_t *out = ecg_network_to(network, step->out);
    for (uint32_t i = 0; i < step->count; i++) out[i] = to_int8(roundf(in[i] / step->scale) + (float)step->zero);
}

void ecg_int8_dequantize(const ecg_network *network, const ecg_step_scale *step) {
    const int8_t *in = ecg_network_at(network, step->in);
    float *out = ecg_network_to(network, step->out);
    for (uint32_t i = 0; i < step->count; i++) out[i] = step->scale * (float)(in[i] - step->zero);
}
