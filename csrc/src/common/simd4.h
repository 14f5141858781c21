/* Four floats or two doubles at once: SSE2, NEON or plain C, the same bits in each (no fused operations). */
#ifndef ECGFAST_SIMD4_H
#define ECGFAST_SIMD4_H

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
typedef __m128 four;
static inline four four_zero(void) { return _mm_setzero_ps(); }
static inline four four_load(const float *p) { return _mm_loadu_ps(p); }
static inline four four_load_aligned(const float *p) { return _mm_load_ps(p); } /* on 16 bytes */
static inline void four_store(float *p, four a) { _mm_storeu_ps(p, a); }
static inline four four_add(four a, four b) { return _mm_add_ps(a, b); }
static inline four four_sub(four a, four b) { return _mm_sub_ps(a, b); }
static inline four four_mul(four a, four b) { return _mm_mul_ps(a, b); }
static inline four four_max(four a, four b) { return _mm_max_ps(a, b); }
static inline four four_min(four a, four b) { return _mm_min_ps(a, b); }
static inline four four_all(float x) { return _mm_set1_ps(x); }
static inline four four_delay(four before, four now) {
    four pair = _mm_shuffle_ps(before, now, _MM_SHUFFLE(0, 0, 3, 3));
    return _mm_shuffle_ps(pair, now, _MM_SHUFFLE(2, 1, 2, 0));
}
static inline float four_sum(four a) {
    const four pairs = _mm_add_ps(a, _mm_shuffle_ps(a, a, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehl_ps(pairs, pairs)));
}
static inline unsigned four_bits(four mask) { return (unsigned)_mm_movemask_ps(mask); }
static inline unsigned four_equal(four a, four b) { return four_bits(_mm_cmpeq_ps(a, b)); }
static inline four four_over(four a, four b) { return _mm_cmpgt_ps(a, b); }
static inline four four_where(four mask, four a, four b) {
    return _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b));
}
typedef __m128d pair;
static inline pair pair_zero(void) { return _mm_setzero_pd(); }
static inline pair pair_load(const double *p) { return _mm_loadu_pd(p); }
static inline void pair_store(double *p, pair a) { _mm_storeu_pd(p, a); }
static inline pair pair_of_floats(const float *p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
static inline pair pair_add(pair a, pair b) { return _mm_add_pd(a, b); }
static inline pair pair_mul(pair a, pair b) { return _mm_mul_pd(a, b); }
static inline pair pair_max(pair a, pair b) { return _mm_max_pd(a, b); }
static inline pair pair_abs(pair a) { return _mm_andnot_pd(_mm_set1_pd(-0.0), a); }
static inline pair pair_sums(pair a) { return _mm_add_pd(a, _mm_unpacklo_pd(_mm_setzero_pd(), a)); }
static inline pair pair_last(pair a) { return _mm_unpackhi_pd(a, a); }
#elif defined(__ARM_NEON)
#include <arm_neon.h>
typedef float32x4_t four;
static inline four four_zero(void) { return vdupq_n_f32(0.0f); }
static inline four four_load(const float *p) { return vld1q_f32(p); }
static inline four four_load_aligned(const float *p) { return vld1q_f32(p); }
static inline void four_store(float *p, four a) { vst1q_f32(p, a); }
static inline four four_add(four a, four b) { return vaddq_f32(a, b); }
static inline four four_sub(four a, four b) { return vsubq_f32(a, b); }
static inline four four_mul(four a, four b) { return vmulq_f32(a, b); }
static inline four four_max(four a, four b) { return vmaxq_f32(a, b); }
static inline four four_min(four a, four b) { return vminq_f32(a, b); }
static inline four four_all(float x) { return vdupq_n_f32(x); }
static inline four four_delay(four before, four now) { return vextq_f32(before, now, 3); }
static inline float four_sum(four a) {
    const float32x2_t pairs = vpadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpadd_f32(pairs, pairs), 0);
}
static inline unsigned four_bits(four mask) {
    const uint32_t weights[4] = {1, 2, 4, 8};
    uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(mask), vld1q_u32(weights));
    uint32x2_t sum = vadd_u32(vget_low_u32(bits), vget_high_u32(bits));
    return vget_lane_u32(vpadd_u32(sum, sum), 0);
}
static inline unsigned four_equal(four a, four b) { return four_bits(vreinterpretq_f32_u32(vceqq_f32(a, b))); }
static inline four four_over(four a, four b) { return vreinterpretq_f32_u32(vcgtq_f32(a, b)); }
static inline four four_where(four mask, four a, four b) { return vbslq_f32(vreinterpretq_u32_f32(mask), a, b); }
#else
typedef struct four { float a, b, c, d; } four; /* named, so that compilers keep them in registers */
static inline four four_zero(void) { return (four){0.0f, 0.0f, 0.0f, 0.0f}; }
static inline four four_load(const float *p) { return (four){p[0], p[1], p[2], p[3]}; }
static inline four four_load_aligned(const float *p) { return four_load(p); }
static inline void four_store(float *p, four x) {
    p[0] = x.a;
    p[1] = x.b;
    p[2] = x.c;
    p[3] = x.d;
}
static inline four four_add(four x, four y) { return (four){x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
static inline four four_sub(four x, four y) { return (four){x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
static inline four four_mul(four x, four y) { return (four){x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
static inline four four_max(four x, four y) {
    return (four){x.a > y.a ? x.a : y.a, x.b > y.b ? x.b : y.b, x.c > y.c ? x.c : y.c, x.d > y.d ? x.d : y.d};
}
static inline four four_min(four x, four y) {
    return (four){x.a < y.a ? x.a : y.a, x.b < y.b ? x.b : y.b, x.c < y.c ? x.c : y.c, x.d < y.d ? x.d : y.d};
}
static inline four four_all(float x) { return (four){x, x, x, x}; }
static inline four four_delay(four before, four now) { return (four){before.d, now.a, now.b, now.c}; }
static inline float four_sum(four x) { return (x.a + x.b) + (x.c + x.d); }
static inline unsigned four_equal(four x, four y) {
    return (unsigned)(x.a == y.a) | (unsigned)(x.b == y.b) << 1 | (unsigned)(x.c == y.c) << 2
           | (unsigned)(x.d == y.d) << 3;
}
static inline unsigned four_bits(four mask) {
    return (unsigned)(mask.a != 0.0f) | (unsigned)(mask.b != 0.0f) << 1 | (unsigned)(mask.c != 0.0f) << 2
           | (unsigned)(mask.d != 0.0f) << 3;
}
static inline four four_over(four x, four y) {
    return (four){x.a > y.a ? 1.0f : 0.0f, x.b > y.b ? 1.0f : 0.0f, x.c > y.c ? 1.0f : 0.0f, x.d > y.d ? 1.0f : 0.0f};
}
static inline four four_where(four mask, four x, four y) {
    return (four){mask.a != 0.0f ? x.a : y.a, mask.b != 0.0f ? x.b : y.b, mask.c != 0.0f ? x.c : y.c,
                  mask.d != 0.0f ? x.d : y.d};
}
#endif

#if defined(__aarch64__) && defined(__ARM_NEON)
typedef float64x2_t pair;
static inline pair pair_zero(void) { return vdupq_n_f64(0.0); }
static inline pair pair_load(const double *p) { return vld1q_f64(p); }
static inline void pair_store(double *p, pair a) { vst1q_f64(p, a); }
static inline pair pair_of_floats(const float *p) { return vcvt_f64_f32(vld1_f32(p)); }
static inline pair pair_add(pair a, pair b) { return vaddq_f64(a, b); }
static inline pair pair_mul(pair a, pair b) { return vmulq_f64(a, b); }
static inline pair pair_max(pair a, pair b) { return vmaxq_f64(a, b); }
static inline pair pair_abs(pair a) { return vabsq_f64(a); }
static inline pair pair_sums(pair a) { return vaddq_f64(a, vextq_f64(vdupq_n_f64(0.0), a, 1)); }
static inline pair pair_last(pair a) { return vdupq_laneq_f64(a, 1); }
#elif !defined(__SSE2__) && !defined(_M_X64)
#include <math.h>
typedef struct pair { double v[2]; } pair;
static inline pair pair_zero(void) { pair a = {{0.0, 0.0}}; return a; }
static inline pair pair_load(const double *p) { pair a = {{p[0], p[1]}}; return a; }
static inline void pair_store(double *p, pair a) { p[0] = a.v[0]; p[1] = a.v[1]; }
static inline pair pair_of_floats(const float *p) { pair a = {{(double)p[0], (double)p[1]}}; return a; }
static inline pair pair_add(pair a, pair b) { pair c = {{a.v[0] + b.v[0], a.v[1] + b.v[1]}}; return c; }
static inline pair pair_mul(pair a, pair b) { pair c = {{a.v[0] * b.v[0], a.v[1] * b.v[1]}}; return c; }
static inline pair pair_max(pair a, pair b) {
    pair c = {{a.v[0] > b.v[0] ? a.v[0] : b.v[0], a.v[1] > b.v[1] ? a.v[1] : b.v[1]}};
    return c;
}
static inline pair pair_abs(pair a) { pair b = {{fabs(a.v[0]), fabs(a.v[1])}}; return b; }
static inline pair pair_sums(pair a) { pair b = {{a.v[0], a.v[0] + a.v[1]}}; return b; }
static inline pair pair_last(pair a) { pair b = {{a.v[1], a.v[1]}}; return b; }
#endif

/* four_sum: first and second, and to that third and fourth. four_delay: the last of `before`, then the first three of
 * `now`. four_equal: one bit for each, as four_bits of four_over(...). four_where: `a` where that holds, `b` elsewhere.
 * pair_sums: of the first, which may lose a minus before zero, and of both. */

#endif /* ECGFAST_SIMD4_H */
