/* The adaptive method's constants, each with its reason.
 *
 * Round values from physiology and signal theory, some moved by scans over the even-ranked half of
 * the MIT-BIH Arrhythmia Database (100, 102, 104, ...), with the other half, the Supraventricular
 * Arrhythmia Database, QTDB and CPSC2019 in sight: figures on these are not blind. Moved at random by up to
 * 15 %, all at once, most of them changed the result little (bench/constants.py; which and when: docs/figures.md).
 *
 * Units: `_s` seconds, `_hz` hertz, `_rate` and `_gain` shares for each beat or candidate unless said otherwise;
 * heights, levels, gaps and scores are natural logarithms of amplitudes, similarities correlations; the rest are
 * ratios. */
#include "adaptive.h"

const adaptive_constants ecg_adaptive_constants = {
    /* ---- feature */
    .low_hz = 11.0f,                  /* where a QRS complex has most energy over P and T waves */
    .high_hz = 18.0f,                 /* what T waves and wide artefacts lack; below muscle noise and mains */
    .high_gain = 2.0f,                /* both bands then weigh about the same in a normal complex */
    .hold_s = 0.095f,                 /* a maximum unrivalled for so long is a candidate: half a wide complex */
    .edge_s = 0.05f,                  /* a complex cut by the recording's ends has neither shape nor R peak */

    /* ---- pacing spikes */
    .spike_s = 0.0045f,               /* longest spike: 2 ms, and as much from the recorder; a sample has to be shorter */
    .spike_bands = 7.5f,              /* energy of the upper over that of the lower band: a spike has 8 to 15, most QRS 2 to 7 */
    .spike_faint = 0.02f,             /* of the signal level's energy: fainter candidates are no beats anyway */
    .spike_share = 0.5f,              /* of the candidate's energy that the spike alone would have */

    /* ---- levels: thresholds lie between them */
    .mix = 0.53f,                     /* share of the way from noise to signal, in logs: nearly the geometric mean */
    .depth = 1.8f,                    /* but never below a sixth of the signal: P and T in a noise-free recording */
    .cap = 2.0f,                      /* a candidate e^2 over the threshold is as good as one far above */
    .faint = -1.0f,                   /* lead's score below which the shape is not compared: it cannot be a beat */
    .quantile = 0.45f,                /* of the last heights: just below the median, for bigeminy */
    .noise_quantile = 0.5f,           /* median: P and T waves count, artefacts do not */
    .near_s = 0.28f,                  /* a louder neighbour within a QT interval sets the level: no lock on P waves */
    .gap_from = 1.8f,                 /* RR intervals without a beat from which the signal level falls: one lost beat */
    .gap_rate = 0.7f,                 /* by half a second, per second */
    .gap_depth = 2.0f,                /* but the threshold never below a seventh of the signal: P waves in standstill */
    .start_s = 2.15f,                 /* the first seconds are decided in retrospect: two beats at 60 a minute */
    .learn_s = 3.5f,                  /* and levels learned for longer: two beats at 40 a minute separate QRS from T */
    .first_excess = 0.7f,             /* of the highest first candidate over the next: a loud one is an artefact */
    .first_range = 3.0f,              /* how far below the highest: how faint the faint ones are does not matter */
    .first_noise = 1.0f,              /* level of noise below the signal where no first candidate is noise */

    /* ---- shape */
    .similarity_cost = 0.3f,          /* small: an ectopic beat is a beat */
    .similarity_from = 0.7f,          /* correlation that is evidence neither for nor against a beat */
    .band_from = 0.2f,                /* of a shape's amplitude in the bands: beats have 0.3 and more, mains 0.06 */
    .template_gain = 0.2f,            /* the running shape follows within five beats */

    /* ---- rhythm: costs of an RR interval, in the units of the score */
    .rr_min_s = 0.2f,                 /* 300 a minute: bounds of the reference, the median of the last intervals ... */
    .rr_max_s = 2.0f,                 /* ... 30 a minute */
    .rr_first_s = 0.8f,               /* reference and ... */
    .rr_first_var = 0.5f,             /* ... relative deviation before any interval is known: any rhythm */
    .short_from = 0.8f,               /* of the reference: shorter ones are premature */
    .short_cost = 0.5f,               /* times the excess of reference over interval */
    .long_from = 1.2f,                /* of the reference: longer ones are late */
    .long_cost = 0.8f,                /* times the excess of interval over reference */
    .long_cap = 1.0f,                 /* a pause may be of any length */
    .soft = 4.0f,                     /* costs fall to a half at 25 % RR variability: atrial fibrillation */
    .refractory_s = 0.33f,            /* intervals below 180 a minute need good reason */
    .refractory_cost = 2.0f,
    .twin_similarity = 0.85f,         /* less where the wave has the template's shape and is as high and quick as ... */
    .twin_drop = 0.2f,                /* ... the one before, to within this in logs: a tachycardia, no T wave */
    .twin_share = 0.2f,               /* what the interval then costs, so that every second beat is not left out */
    .t_gain = 1.3f,                   /* a small slow wave soon after a large quick one is its T wave */
    .t_band_ratio = 0.5f,             /* weight of the fall in quickness beside the fall in height */
    .t_from = 1.0f,                   /* falls of less than e are left to the other rules */
    .t_full_s = 0.36f,                /* Pan and Tompkins: a T wave peaks within 360 ms ... */
    .t_ramp_s = 0.09f,                /* ... of the R peak, or a little later at slow rates */
    .t_smooth_s = 0.34f,              /* a T wave as tall as the complex peaks so early; ventricular beats come later */
    .t_smooth = 0.05f,                /* band ratio of a wave that is smooth ... */
    .t_smooth_drop = 0.6f,            /* ... after one so much quicker: its T wave, however tall (hyperkalaemia) */
    .t_smooth_cost = 2.5f,            /* more than any score */

    /* ---- P waves beside a wide escape rhythm: small, slow waves between tall beats */
    .small_s = 3.5f,                  /* since the last tall beat, or until it: 17 a minute */
    .small_drop = 0.9f,               /* below its height: beats of several shapes differ less, ... */
    .small_energy = 0.09f,            /* ... or in the energy of the whole shape: a ventricular beat is low, but large */
    .small_bands = 0.35f,             /* band ratio of P waves and less; narrow complexes have more */
    .small_cost = 2.0f,               /* as much as the highest score */
    .small_follow = 0.5f,             /* a beat that is lower by no more than this is the new tall one */

    /* ---- when to decide: a clear candidate at once, a doubtful one in context */
    .clear_score = 0.3f,              /* over the threshold by a third */
    .clear_short = 0.75f,             /* of the RR reference: not premature */
    .clear_long = 1.5f,               /* and nothing missing before it */
    .clear_similarity = 0.8f,         /* of the usual shape */
    .clear_drop = 0.5f,               /* and not much smaller than usual: a P wave with the QRS yet to come */
    .wait_rr = 1.0f,                  /* a doubtful one waits for the beat after it, ... */
    .wait_min_s = 0.35f,              /* at least past its own T wave ... */
    .wait_max_s = 1.05f,              /* and at most so long that any beat is reported 1.4 s after R */
    .linger_s = 0.03f,                /* that a candidate outlives the longest wait: a path may still take it up */
    .late_s = 0.03f,                  /* that a decision may come after its time: it falls due on decimated samples */
    .report_s = 0.265f,               /* from R to report besides the wait: filters, hold and the usual refinement */

    /* ---- several leads */
    .weight_cap = 1.6f,               /* a lead with its levels e^1.6 apart is as good as any */
    .weight_gap_min = 0.05f,          /* and one with equal levels has a thirtieth of that weight */
    .floor = 1.5f,                    /* lowest score of one lead: it may have come off, and alone must not veto */
    .lead_score_min = -0.5f,          /* the first lead's score below which another lead gives R */
    .loss_margin = 0.3f,              /* a lead errs where its own score is within this of the wrong side */
    .loss_rate = 0.15f,               /* over the last six or seven beats */
    .loss_noise_rate = 0.05f,         /* three times as many candidates are rejected */
    .loss_floor = 0.3f,               /* so that no lead ever decides alone */

    /* ---- trust: is it an ECG at all? */
    .trust_cap = 2.0f,                /* levels e^2 apart are as good as can be; noise alone reaches 0.3 to 0.6 */
    .trust_similarity = 1.5f,         /* noise resembles itself at 0.5, beats at 0.9 */
    .trust_similarity_min = 0.1f,     /* less is just another shape: an ectopic beat, noise hardly ever */
    .trust_neutral = 0.5f,            /* similarity that is evidence neither for nor against an ECG */
    .trust_var = 0.5f,                /* noise is irregular; so is fibrillation, so it counts little */
    .trust_rate = 0.2f,               /* over the last five beats */
    .trust_from = 1.0f,               /* noise has 0.5 with a deviation of 0.15, the poorest ECG in mitdb 1.2 */
    .trust_gap = 0.25f,               /* mains and other tones: similar and regular, but no two levels */
    .noisy_gap = 1.6f,                /* levels closer than that: noise of the size of the QRS complex */
    .start_trust = 1.1f,              /* of the first seconds, below which all is forgotten */
    .relearn_trust = 1.6f,            /* below which what was relearned has to prove itself first */
    .relearn_similarity = 0.65f,      /* and likewise where the first beats are less similar: noise has 0.5 */
    .recent_rate = 0.35f,             /* over the last three beats */
    .distrust_from = 1.5f,            /* recent trust below which levels and shape may be those of an artefact */
    .distrust_slope = 2.0f,           /* full distrust half a unit below */
    .distrust_after_s = 0.7f,         /* without a beat: then the slow levels count, not the recent ones */
    .slow_gain = 0.03f,               /* over half a minute */
    .slow_similarity = 0.7f,          /* only from beats of the usual shape */

    /* ---- the patient is back, after noise or with another gain: two beats are enough */
    .store_from = 2.0f,               /* recent trust from which beats show what the patient looks like */
    .store_similarity = 0.8f,         /* to the stored template; less is another shape, which has to last */
    .return_similarity = 0.93f,       /* of that shape: noise hardly ever, two in a row never */
    .return_height = 0.35f,           /* heights within a factor of 1.4 */
    .return_short = 0.65f,            /* of the RR reference, ... */
    .return_long = 1.6f,              /* ... as it may have changed meanwhile */
    .return_pause = 2.1f,             /* with an ectopic beat and its pause between them */
    .return_lower = 0.7f,             /* under half the signal level, where beats are missing ... */
    .return_higher = 1.0f,            /* ... or nearly three times as high: levels are wrong */

    /* ---- evidence before trust */
    .start_contrast = 1.3f,           /* beats over the rest of the first seconds, in logs: noise has 0.4, seldom 1.1 */
    .start_low = 0.9f,                /* less will do where the beats of these seconds ... */
    .start_similarity = 0.8f,         /* ... are similar, as those of muscle and motion noise never were ... */
    .start_var = 0.15f,               /* ... and regular: small or wide QRS complexes beside tall other waves */
    .mean_similarity_from = 0.7f,     /* where no ECG was ever seen: bursts of muscle noise stand out, but differ ... */
    .mean_similarity_rate = 0.12f,    /* ... over the last eight */
    .clear_beats_similarity = 0.6f,   /* several in sight, similar among themselves; faint ones: return_similarity */
};
