/* Every constant of the decision after the network, with unit and reason.
 *
 * Log-odds are natural logs. The constants were chosen by hand on all the databases of
 * docs/generalisation.md, each scored by a network that had not seen it: the weights' figures there are
 * blind, the constants' are not. */
#ifndef ECGFAST_NEURAL_CONSTANTS_H
#define ECGFAST_NEURAL_CONSTANTS_H

/* Candidates. */
#define SUM_CELLS 6       /* on either side: the odds of a beat are those of the cells around it together */
#define TARGET_CELLS 5.0f /* cells that training marks for each beat */
#define HOLD_CELLS 10     /* a maximum that nothing tops for 80 ms on either side is a candidate */
#define MERGE_CELLS 12    /* two outputs within 96 ms belong to the same complex */
#define NEURAL_FAINT 0.004f /* beats expected around a cell, below which it is no candidate */
#define SURE 0.9975f      /* ... and above which log-odds stay at 6 */
#define EARLY_ODDS 4.5f   /* by the early output, from which the late one is not waited for, ... */
#define EARLY_CONFIRMED 1.0f /* ... unless lately the late one did not confirm such a complex: a tall P wave */
#define EARLY_BEATS 30    /* beats without the early output after it was wrong once */

/* Score of a candidate: its log-odds and a bias, less costs. */
#define BIAS 2.0f         /* a candidate with odds of one to seven is a beat where rhythm and height cost nothing */
#define SCORE_MAX 6.0f    /* one clear candidate shall not outweigh three costs of rhythm */
#define HEIGHT_FROM 0.8f  /* logs below the running height, from which a complex is too small: 0.45 of it */
#define HEIGHT_COST 2.5f  /* for each log more: a P wave has a tenth */
#define HEIGHT_CAP 3.0f   /* gains may change: what the network sees clearly stays a beat */
#define HEIGHT_RATE 0.2f  /* over the last five beats */
#define HEIGHT_CLEAR 4.0f /* beats below lower the running height and never raise it: artefacts are tall */
#define HEIGHT_ODDS 4.5f  /* of waiting candidates whose height counts too in the first beats: P waves stay small */

/* P and T waves that the network takes for complexes. */
#define SMALLER 0.4f      /* logs: two thirds of the height of a complex at most */
#define P_WAVE_S 0.30f    /* a smaller candidate so long before a complex is its P wave: the PR interval of a block ... */
#define P_WAVE_RR 0.45f   /* ... but less than half of the RR reference: the complexes of a tachycardia are none */
#define P_WAVE_CLARITY 2.0f /* log-odds of the last beats, below which that does not hold: noise */
#define START_CELLS 56    /* a smaller candidate so early (0.45 s) after the first usable sample is the T wave of a complex before it */
#define START_COST 10.0f  /* more than any score */

/* Costs of an RR interval beside the reference. */
#define SHORT_FROM 0.8f   /* of the reference: shorter ones are premature */
#define SHORT_COST 2.0f   /* times the excess of reference over interval */
#define LONG_FROM 1.2f    /* of the reference: longer ones are late */
#define LONG_COST 2.0f    /* times the excess of interval over reference */
#define LONG_CAP 2.0f     /* a pause may be of any length */
#define NEURAL_SOFT 4.0f  /* costs fall to a half at 25 % RR variability: atrial fibrillation */
#define NEURAL_REFRACTORY_S 0.30f /* intervals below 200 a minute need good reason ... */
#define REFRACTORY_COST 3.0f /* at 0.17 s */
#define REFRACTORY_RAMP_S 0.13f /* ... the more the shorter */
#define RR_MIN_S 0.19f    /* 315 a minute: no human ventricle follows faster */
#define NEVER 1e3f        /* cost of what cannot be */
#define RR_MAX_S 2.0f     /* 30 a minute */
#define RR_LEAST_S 0.2f   /* 300 a minute, of the reference */
#define RR_FIRST_S 0.8f   /* before any interval is known */
#define VAR_FIRST 0.6f    /* any rhythm is possible */

/* Every second beat of a very fast rhythm. */
#define HALF_RR_S 0.55f   /* an interval shorter than that may hold one in its middle, ... */
#define HALF_OFF 0.15f    /* ... as far from it, relative, */
#define HALF_BEATS 3      /* and the rhythm is twice as fast after so many intervals that do */

/* The shape of beats, which is found again where the gain has fallen. */
#define SHAPE_BEFORE 8    /* cells before R ... */
#define SHAPE_AFTER 42    /* ... and from it on: past the T wave, which P waves lack */
#define SHAPE_BEATS 3     /* beats that make a shape */
#define SHAPE_RATE 0.2f   /* over the last five beats */
#define SHAPE_LEARNED 0.8f /* correlation below which a beat is another one, an ectopic beat or noise */
#define SHAPE_UNLIKE 8    /* such beats in a row are the shape from now on */
#define SHAPE_FROM 0.6f   /* of the RR reference after the last beat, from where on it is looked for */
#define SHAPE_AT_ONCE 8   /* cells that one step compares, of which four are new: what is behind is caught up */
#define SHAPE_LIKE 0.95f  /* correlation of a beat */
#define SHAPE_SMALLER 0.5f /* of the size before: less is seen without it */
#define SHAPE_LEAST 0.02f /* ... and a smaller one is none */
#define SHAPE_SHORT 0.75f /* of the RR reference, ... */
#define SHAPE_LONG 2.6f  /* ... between which the interval of two lies */
#define SHAPE_CHANGE 0.3f /* logs, by which their sizes differ at most */
#define SHAPE_SMALLEST 1.17549435e-38f

/* When to decide. */
#define CLEAR_SCORE 3.0f  /* a candidate this clear at a plausible interval ... */
#define CLEAR_SHORT 0.75f /* of the RR reference */
#define CLEAR_LONG 1.5f   /* ... is reported at once, */
#define CERTAIN_SCORE 5.0f /* and one beyond doubt at any interval but a refractory one */
#define WAIT_RR 1.0f      /* others wait for what follows within one RR interval, ... */
#define WAIT_MIN_S 0.35f  /* at least past their own T wave, ... */
#define WAIT_MAX_S 1.05f  /* and at most so long */
#define EXPIRE_S 1.1f     /* after that a candidate on no path is dropped: just after the longest wait */

/* Log-odds, less the cost of height, that at least one candidate of the rest of the path must reach. A candidate
 * below is a beat only before such a one: an ectopic complex among clear ones is, the P waves of a heart in
 * standstill are not. */
#define NEED (-1.0f)
#define CLARITY_RATE 0.2f /* over the last five beats */
#define END_CELLS 4       /* cells before the end of a recording: half of a complex there is none */
#define FINAL_ODDS (-0.5f) /* of the last candidate of a recording, which nothing follows */

/* Quality bits of a beat. */
#define LEARNING_BEATS 4
#define NOISY_CLARITY 3.3f /* of 4: several of the last five beats were not beyond doubt */
#define DOUBTFUL_ODDS 4.0f /* below 55 to one ... */
#define DOUBTFUL_OFF 5.5f  /* ... or 245 to one at an early or a late interval; */
#define DOUBTFUL_PASSED (-4.0f) /* or a candidate above one to fifty since the last beat was none */
/* Half of the beats are none where the last five were so unclear: those below are not reported. */
#define HIDE_CLARITY 0.5f
#define HIDE_ODDS 2.0f
#define NONE_PASSED (-20.0f) /* less than any odds */
#define QUALITY_CELLS 18   /* on either side of a beat: P to T */

#endif /* ECGFAST_NEURAL_CONSTANTS_H */
