/* Four floats at once: SSE2, NEON or plain C, the same bits in each (no fused operations). */
#ifndef ECGFAST_FOUR_H
#define ECGFAST_FOUR_H

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
typedef __m128 four;
static inline four four_zero(void) { return _mm_setzero_ps(); }
static inline four four_load(const float *p) { return _mm_loadu_ps(p); }
static inline void four_store(float *p, four a) { _mm_storeu_ps(p, a); }
static inline four four_add(four a, four b) { return _mm_add_ps(a, b); }
static inline four four_sub(four a, four b) { return _mm_sub_ps(a, b); }
static inline four four_mul(four a, four b) { return _mm_mul_ps(a, b); }
#elif defined(__ARM_NEON)
#include <arm_neon.h>
typedef float32x4_t four;
static inline four four_zero(void) { return vdupq_n_f32(0.0f); }
static inline four four_load(const float *p) { return vld1q_f32(p); }
static inline void four_store(float *p, four a) { vst1q_f32(p, a); }
static inline four four_add(four a, four b) { return vaddq_f32(a, b); }
static inline four four_sub(four a, four b) { return vsubq_f32(a, b); }
static inline four four_mul(four a, four b) { return vmulq_f32(a, b); }
#else
#include <string.h>
typedef struct four { float v[4]; } four;
static inline four four_zero(void) { four a = {{0.0f, 0.0f, 0.0f, 0.0f}}; return a; }
static inline four four_load(const float *p) { four a; memcpy(a.v, p, sizeof a.v); return a; }
static inline void four_store(float *p, four a) { memcpy(p, a.v, sizeof a.v); }
static inline four four_add(four a, four b) {
    for (int j = 0; j < 4; j++) a.v[j] += b.v[j];
    return a;
}
static inline four four_sub(four a, four b) {
    for (int j = 0; j < 4; j++) a.v[j] -= b.v[j];
    return a;
}
static inline four four_mul(four a, four b) {
    for (int j = 0; j < 4; j++) a.v[j] *= b.v[j];
    return a;
}
#endif

/* (a0 + a1) + (a2 + a3) */
static inline float four_sum(four a) {
    float v[4];
    four_store(v, a);
    return (v[0] + v[1]) + (v[2] + v[3]);
}

#endif /* ECGFAST_FOUR_H */
