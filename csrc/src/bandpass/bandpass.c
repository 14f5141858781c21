/* Butterworth band-pass: two second-order sections designed for any sampling rate.
 *
 * Bilinear transform of the analogue prototype with both edges pre-warped (Oppenheim and Schafer,
 * Discrete-Time Signal Processing, chapter 7). Complex numbers by hand: C11 makes them optional. */
#include "../common/internal.h"

#define PI 3.14159265358979323846
/* Of the gain at the band's edges, at most. */
#define EDGE_ERROR 1e-3

typedef struct complex_number {
    double re, im;
} complex_number;

static complex_number divide(complex_number a, complex_number b) {
    double scale = b.re * b.re + b.im * b.im;
    complex_number q = {(a.re * b.re + a.im * b.im) / scale, (a.im * b.re - a.re * b.im) / scale};
    return q;
}

/* Gain at a frequency, from the coefficients. */
static double gain_at(const ecg_bandpass *filter, double hz, double fs) {
    const double w = 2.0 * PI * hz / fs;
    const complex_number z1 = {cos(w), -sin(w)}, z2 = {cos(2.0 * w), -sin(2.0 * w)};
    double gain = 1.0;
    for (int k = 0; k < 2; k++) {
        const ecg_biquad *q = &filter->section[k];
        const complex_number below = {1.0 + q->a1 * z1.re + q->a2 * z2.re, q->a1 * z1.im + q->a2 * z2.im};
        const complex_number above = {q->b0 + q->b2 * z2.re, q->b2 * z2.im};
        gain *= sqrt((above.re * above.re + above.im * above.im) / (below.re * below.re + below.im * below.im));
    }
    return gain;
}

int ecg_bandpass_init(ecg_bandpass *filter, double fs, double low, double high) {
    if (!filter) return ECG_ERROR_ARGUMENT;
    memset(filter, 0, sizeof *filter);
    if (!(fs > 0.0) || !isfinite(fs)) return ECG_ERROR_FS;
    if (!(low > 0.0 && low < high && high < 0.5 * fs)) return ECG_ERROR_BAND;

    double w1 = tan(PI * low / fs), w2 = tan(PI * high / fs); /* analogue edges, T = 2 */
    double half = 0.5 * (w2 - w1), w0_squared = w1 * w2;
    /* Prototype pole exp(j 3 pi / 4), scaled; the band-pass poles are pole +- sqrt(pole^2 - w0^2). */
    complex_number pole = {-half * sqrt(0.5), half * sqrt(0.5)};
    double re = -w0_squared, im = -half * half;
    double modulus = sqrt(re * re + im * im);
    /* Square root by the larger part, so that a narrow band loses no digits. */
    double large = sqrt(0.5 * (modulus - re));
    complex_number root = {-0.5 * im / large, -large};

    double centre = 2.0 * atan(sqrt(w0_squared)); /* radians a sample */
    complex_number z1 = {cos(centre), -sin(centre)}, z2 = {cos(2.0 * centre), -sin(2.0 * centre)};
    for (int k = 0; k < 2; k++) {
        double sign = k == 0 ? 1.0 : -1.0;
        complex_number s = {pole.re + sign * root.re, pole.im + sign * root.im};
        complex_number z = divide((complex_number){1.0 + s.re, s.im},
                                  (complex_number){1.0 - s.re, -s.im});
        ecg_biquad *q = &filter->section[k];
        q->a1 = -2.0 * z.re;
        q->a2 = z.re * z.re + z.im * z.im;
        /* Zeros at z = 1 and z = -1; unit gain at the centre. */
        complex_number below = {1.0 + q->a1 * z1.re + q->a2 * z2.re, q->a1 * z1.im + q->a2 * z2.im};
        complex_number above = {1.0 - z2.re, -z2.im};
        q->b0 = sqrt((below.re * below.re + below.im * below.im)
                     / (above.re * above.re + above.im * above.im));
        q->b1 = 0.0;
        q->b2 = -q->b0;
        /* Group delay: the two zeros on the unit circle give exactly one sample. */
        complex_number slope = {q->a1 * z1.re + 2.0 * q->a2 * z2.re, q->a1 * z1.im + 2.0 * q->a2 * z2.im};
        filter->delay += 1.0 - divide(slope, below).re;
    }
    /* Where double precision cannot hold the poles (fs far above the band, edges that all but meet), the edges
     * are not at -3 dB. */
    for (int k = 0; k < 2; k++)
        if (!(fabs(gain_at(filter, k ? high : low, fs) - sqrt(0.5)) < EDGE_ERROR && filter->section[k].a2 < 1.0))
            return ECG_ERROR_BAND;
    return isfinite(filter->delay) ? ECG_OK : ECG_ERROR_BAND;
}

void ecg_bandpass_reset(ecg_bandpass *filter) {
    if (!filter) return;
    for (int k = 0; k < 2; k++) filter->section[k].s1 = filter->section[k].s2 = 0.0;
    filter->last = 0.0;
    filter->primed = 0;
}

void ecg_bandpass_process(ecg_bandpass *filter, const float *in, float *out, size_t n) {
    if (!filter || !in || !out) return;
    /* Local copies keep the recursion in registers. */
    ecg_biquad p = filter->section[0], q = filter->section[1];
    double last = filter->last;
    size_t i = 0;
    for (; i < n && !filter->primed; i++) {
        if (isfinite(in[i])) {
            filter->primed = 1;
            /* Steady state for a constant input: a band-pass answers it with zero. */
            last = in[i];
            p.s1 = p.s2 = -p.b0 * last;
        }
        out[i] = 0.0f; /* after reading: `in` may be `out` */
    }
    for (; i < n; i++) {
        if (isfinite(in[i])) last = in[i];
        double u = p.b0 * last + p.s1;
        p.s1 = p.s2 - p.a1 * u;
        p.s2 = -p.b0 * last - p.a2 * u;
        double y = q.b0 * u + q.s1;
        q.s1 = q.s2 - q.a1 * y;
        q.s2 = -q.b0 * u - q.a2 * y;
        out[i] = (float)y;
    }
    filter->section[0] = p;
    filter->section[1] = q;
    filter->last = last;
}
