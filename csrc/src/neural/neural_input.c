/* From samples to what the network sees: averages over cells of 8 ms, a high-pass, a running scale. */
#include "neural.h"

#define ONE (INT64_C(1) << 32)

/* Pole of the first-order high-pass: 0.6 Hz, so that the baseline goes and the T wave stays. */
#define HIGH_PASS 0.97f
/* Least ratio of the scale to that of the block before, once it is known how tall beats are: 4 % a second, so
 * that P waves do not grow into QRS complexes while the heart stands still. */
#define NEURAL_FALL 0.995f
/* Before: to a half in a second. */
#define NEURAL_FALL_FIRST 0.915f
/* Largest scale then, in heights of the last beats: artefacts, even one a second, do not hide the beats beside them. */
#define NEURAL_ABOVE 2.0f
/* What is so many times the height of the last beats is no ECG: without it the high-pass would fade for long. */
#define NEURAL_ABSURD 1e6f
/* Deflections of twice the scale and more are bent, so that artefacts stay bounded. */
#define NEURAL_BEND 0.5f
/* The second input enlarges small deflections: QRS complexes beside tall T waves. */
#define ENLARGE 6.0f
#define SMALLEST 1.17549435e-38f

void ecg_neural_input_init(neural_state *s, int n_leads, double fs) {
    s->cell = (int64_t)floor(fs / NEURAL_HZ * (double)ONE + 0.5);
    s->left = s->cell;
    s->end = -1;
    neural_lead *lead = ecg_neural_leads(s);
    for (int l = 0; l < n_leads; l++) {
        lead[l].scale = SMALLEST;
        lead[l].heard = -1;
        for (int i = 0; i < NEURAL_CLEAR; i++) lead[l].clear[i] = -1;
    }
}

/* Second largest of the maxima of the last windows, up to block `last`; the larger of the first two. */
static float scale_up_to(const neural_lead *lead, int64_t last) {
    float first = 0.0f, second = 0.0f;
    int windows = 0;
    for (int64_t end = last; end >= 0 && end > last - NEURAL_PEAKS; end -= NEURAL_WINDOW) {
        float top = 0.0f;
        for (int64_t b = end; b >= 0 && b > end - NEURAL_WINDOW; b--) {
            const float peak = lead->peaks[b % NEURAL_PEAKS];
            top = peak > top ? peak : top;
        }
        windows += top > 0.0f; /* before the signal begins there is nothing */
        second = top > first ? first : top > second ? top : second;
        first = top > first ? top : first;
    }
    const float scale = windows > 2 ? second : first;
    return scale > SMALLEST ? scale : SMALLEST;
}

static void finish_cell(neural_state *s, neural_lead *lead, float mean) {
    if (!lead->whole) {
        lead->whole = 1;
        lead->cell = mean;
    }
    lead->filtered = HIGH_PASS * lead->filtered + (mean - lead->cell);
    lead->cell = mean;
    if (lead->heights >= NEURAL_HEIGHT_BEATS && fabsf(lead->filtered) > NEURAL_ABSURD * expf(lead->height)) {
        lead->filtered = 0.0f;
        lead->bad = 1;
    }
    const float size = fabsf(lead->filtered);
    lead->cells[s->cells % NEURAL_CELLS] = lead->filtered;
    lead->fault[s->cells % NEURAL_CELLS] = (uint8_t)(lead->bad != 0);
    lead->bad = 0;
    lead->highest = size > lead->highest ? size : lead->highest;
    if ((s->cells + 1) % NEURAL_BLOCK == 0) {
        lead->peaks[s->blocks % NEURAL_PEAKS] = lead->highest;
        lead->highest = 0.0f;
    }
}

static void finish_cells(neural_state *s, int n_leads) {
    neural_lead *lead = ecg_neural_leads(s);
    const float per_cell = (float)((double)ONE / (double)s->cell);
    for (int l = 0; l < n_leads; l++, lead++) {
        finish_cell(s, lead, lead->sum * per_cell);
        lead->sum = 0.0f;
    }
    if (++s->cells % NEURAL_BLOCK == 0) s->blocks++;
}

int64_t ecg_neural_take(neural_state *s, int n_leads) {
    int64_t rest = ONE; /* each sample lasts until the next */
    while (rest >= s->left) {
        const float part = (float)((double)s->left / (double)ONE);
        neural_lead *lead = ecg_neural_leads(s);
        for (int l = 0; l < n_leads; l++) lead[l].sum += part * lead[l].value;
        rest -= s->left;
        s->left = s->cell;
        finish_cells(s, n_leads);
    }
    if (rest > 0) {
        const float part = (float)((double)rest / (double)ONE);
        neural_lead *lead = ecg_neural_leads(s);
        for (int l = 0; l < n_leads; l++) lead[l].sum += part * lead[l].value;
        s->left -= rest;
    }
    return s->cells;
}

void ecg_neural_pad(neural_state *s, int n_leads) {
    neural_lead *lead = ecg_neural_leads(s);
    const float whole = (float)((double)s->cell / (double)ONE);
    for (int l = 0; l < n_leads; l++) lead[l].sum = lead[l].whole ? lead[l].cell * whole : 0.0f;
    finish_cells(s, n_leads);
}

int64_t ecg_neural_ready(const neural_state *s) {
    return s->blocks < NEURAL_START ? 0 : s->cells;
}

void ecg_neural_see(neural_lead *lead, int64_t at, float *input) {
    const int64_t block = at / NEURAL_BLOCK;
    if (at % NEURAL_BLOCK == 0) {
        if (block < NEURAL_START) {
            lead->scale = scale_up_to(lead, NEURAL_START - 1);
        } else {
            const int known = lead->heights >= NEURAL_HEIGHT_BEATS;
            const float scale = scale_up_to(lead, block - 1);
            const float floor = (known ? NEURAL_FALL : NEURAL_FALL_FIRST) * lead->scale;
            const float most = known ? NEURAL_ABOVE * expf(lead->height) : INFINITY;
            lead->scale = scale > floor ? scale : floor;
            if (lead->scale > most) lead->scale = most;
            if (!(lead->scale > SMALLEST)) lead->scale = SMALLEST;
        }
    }
    const float x = lead->cells[at % NEURAL_CELLS], size = fabsf(x);
    input[0] = x / (lead->scale + NEURAL_BEND * size);
    input[1] = ENLARGE * x / (lead->scale + ENLARGE * size);
}
