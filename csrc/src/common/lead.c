/* Front end of one lead, and the quality of a stretch of it. */
#include "simd4.h"
#include "internal.h"

void ecg_lead_init(ecg_lead *lead, double fs) {
    memset(lead, 0, sizeof *lead);
    lead->offset = NAN; /* the first finite sample goes to ecg_lead_resume */
    lead->flat_run = (int32_t)ceil(ECG_FLAT_S * fs);
    lead->clip_run = (int32_t)ceil(ECG_CLIP_S * fs);
    lead->gap_run = (int32_t)ceil(ECG_GAP_S * fs);
    lead->bridge_run = (int32_t)ceil(ECG_BRIDGE_S * fs);
    lead->period = lead->left = (int32_t)ceil(ECG_EXTREMES_S * fs);
    if (lead->clip_run < 4) lead->clip_run = 4; /* at 100 Hz two or three equal samples are a rounded peak */
}

int ecg_lead_valid(const ecg_lead *lead) {
    const float values[6] = {lead->base, lead->last, lead->low, lead->high, lead->low_before, lead->high_before};
    return ecg_all_finite(values, 6) && (isnan(lead->offset) || lead->offset == lead->base)
           && ecg_within(lead->left, 0, lead->period) && ecg_within(lead->seen, 0, 1)
           && ecg_within(lead->missing, 0, lead->gap_run) && ecg_within(lead->run, 0, lead->flat_run);
}

void ecg_lead_renew(ecg_lead *lead) {
    lead->low_before = lead->low;
    lead->high_before = lead->high;
    lead->low = lead->high = lead->last;
    lead->left = lead->period;
}

uint32_t ecg_lead_resume(ecg_lead *lead, float sample, float *clean) {
    if (!(fabsf(sample) <= 1e30f)) {
        *clean = lead->last;
        lead->offset = NAN;
        if (lead->missing < lead->gap_run) lead->missing++;
        return lead->missing <= lead->bridge_run ? ECG_QUALITY_GAP : ECG_QUALITY_GAP | ECG_FLAG_LOST;
    }
    if (!lead->seen) {
        lead->seen = 1;
        lead->base = sample;
    } else if (lead->missing >= lead->gap_run) {
        /* After a long gap the lead continues where it stopped: a jump would look like a QRS complex. */
        float base = sample - lead->last, shift = lead->base - base;
        lead->base = base;
        lead->high += shift;
        lead->low += shift;
        lead->high_before += shift;
        lead->low_before += shift;
    }
    lead->offset = lead->base;
    lead->missing = 0;
    lead->run = 0;
    lead->last = *clean = sample - lead->base;
    return 0;
}

uint32_t ecg_lead_still(ecg_lead *lead, float x) {
    if (lead->run >= lead->flat_run) {
        lead->run = lead->flat_run; /* does not overflow in days of silence */
        return ECG_QUALITY_FLAT;
    }
    const float high = lead->high > lead->high_before ? lead->high : lead->high_before;
    const float low = lead->low < lead->low_before ? lead->low : lead->low_before;
    return (x == high || x == low) && low < high ? ECG_QUALITY_SATURATED : 0;
}

/* Is there a run of `length` ones? */
static int has_run(uint64_t bits, int length) {
    int have = 1; /* a bit stands for a run of so many, its own and those above */
    for (; 2 * have <= length; have *= 2) bits &= bits >> have;
    return (bits & bits >> (length - have)) != 0;
}

/* At most PIECE samples, one bit each in a word. */
#define PIECE 64

static uint32_t one_by_one(ecg_lead *lead, const float *samples, int stride, int n, float *clean, uint8_t *flags) {
    uint32_t all = 0;
    for (int i = 0; i < n; i++) {
        uint32_t quality = ecg_lead_step(lead, samples[i * stride], &clean[i]);
        flags[i] = (uint8_t)quality;
        all |= quality;
    }
    return all;
}

static inline uint32_t piece(ecg_lead *lead, const float *samples, int stride, int n, float *clean, uint8_t *flags) {
    const four offset = four_all(lead->offset);
    four high = four_all(lead->high), low = four_all(lead->low), last = four_all(lead->last);
    four sums = four_zero(); /* stay finite unless a sample is not, or is out of all bounds */
    uint64_t repeats = 0;   /* bit i: sample i equals the one before */
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        four x;
        if (stride == 1) {
            x = four_load(samples + i);
        } else {
            const float *s = samples + i * stride, v[4] = {s[0], s[stride], s[2 * stride], s[3 * stride]};
            x = four_load(v);
        }
        x = four_sub(x, offset);
        four_store(clean + i, x);
        sums = four_add(sums, x);
        high = four_max(high, x);
        low = four_min(low, x);
        repeats |= (uint64_t)four_equal(x, four_delay(last, x)) << i;
        last = x;
    }
    float sum = four_sum(sums), highs[4], lows[4], top = lead->high, bottom = lead->low;
    four_store(highs, high);
    four_store(lows, low);
    for (int k = 0; k < 4; k++) {
        top = top > highs[k] ? top : highs[k];
        bottom = bottom < lows[k] ? bottom : lows[k];
    }
    for (; i < n; i++) {
        float x = samples[i * stride] - lead->offset, before = i > 0 ? clean[i - 1] : lead->last;
        clean[i] = x;
        sum += x;
        top = top > x ? top : x;
        bottom = bottom < x ? bottom : x;
        repeats |= (uint64_t)(x == before) << i;
    }
    const int more = lead->clip_run - lead->run; /* repeats that would be too many */
    int ends = 0;
    if (!(isfinite(sum) && top <= 1e30f && bottom >= -1e30f) || more <= 0
        || !(~repeats & (more < PIECE ? (UINT64_C(1) << more) - 1 : UINT64_MAX))
        || (repeats && has_run(repeats, lead->clip_run)))
        return one_by_one(lead, samples, stride, n, clean, flags); /* a gap, or perhaps a flat stretch */
    if (n == PIECE) memset(flags, 0, PIECE); /* a constant length needs no loop */
    else memset(flags, 0, (size_t)n);
    while (ends < n && repeats >> (n - 1 - ends) & 1) ends++;
    lead->run = ends < n ? ends : lead->run + n;
    lead->last = clean[n - 1];
    lead->high = top;
    lead->low = bottom;
    lead->left -= n;
    return 0;
}

uint32_t ecg_lead_block(ecg_lead *lead, const float *samples, int stride, int n, float *clean, uint8_t *flags) {
    uint32_t all = 0;
    for (int i = 0, length; i < n; i += length) {
        if (lead->left == 0) ecg_lead_renew(lead);
        length = n - i < PIECE ? n - i : PIECE;
        if (length > lead->left) length = lead->left;
        if (length < 4) all |= one_by_one(lead, samples + i * stride, stride, length, clean + i, flags + i);
        else if (stride == 1) all |= piece(lead, samples + i, 1, length, clean + i, flags + i);
        else all |= piece(lead, samples + i * stride, stride, length, clean + i, flags + i);
    }
    return all;
}

/* Bits that are set in any of `n` bytes. */
static uint32_t any_of(const uint8_t *flags, size_t n) {
    uint64_t any = 0, eight;
    size_t i = 0;
    if (n >= 8) {
        for (; i + 8 < n; i += 8) {
            memcpy(&eight, flags + i, 8);
            any |= eight;
        }
        memcpy(&eight, flags + n - 8, 8); /* some of these for the second time */
        any |= eight;
        i = n;
    }
    for (; i < n; i++) any |= flags[i];
    any |= any >> 32;
    any |= any >> 16;
    return (uint32_t)(any | any >> 8) & 0xffu;
}

/* First and last sample of a stretch that are in the ring. */
static int kept(const ecg_detector *d, int64_t *first, int64_t *last) {
    int64_t oldest = d->count - (int64_t)d->ring_mask - 1;
    if (*first < oldest) *first = oldest;
    if (*first < 0) *first = 0;
    if (*last >= d->count) *last = d->count - 1;
    return *first <= *last;
}

uint32_t ecg_flags_between(ecg_detector *d, int lead, int64_t first, int64_t last) {
    const uint8_t *flags = ecg_flags(d, lead);
    if (!kept(d, &first, &last)) return 0;
    size_t at = (uint32_t)first & d->ring_mask, n = (size_t)(last - first) + 1, room = d->ring_mask + 1u - at;
    return n <= room ? any_of(flags + at, n) : any_of(flags + at, room) | any_of(flags, n - room);
}

uint32_t ecg_quality_between(ecg_detector *d, int lead, int64_t first, int64_t last) {
    uint32_t quality = ecg_flags_between(d, lead, first, last) & ~ECG_FLAG_LOST;
    if (!(quality & ECG_QUALITY_FLAT) || !kept(d, &first, &last)) return quality;
    const uint8_t *flags = ecg_flags(d, lead);
    int64_t flat = 0;
    for (int64_t i = first; i <= last; i++) flat += (flags[(uint32_t)i & d->ring_mask] & ECG_QUALITY_FLAT) != 0;
    return 100 * flat < ECG_FLAT_PERCENT * (last - first + 1) ? quality & ~(uint32_t)ECG_QUALITY_FLAT : quality;
}
