"""The shape of beats: a running template of each lead, a slow one, the similarity of candidates."""

from __future__ import annotations

from math import exp

import numpy as np

from .constants import CONSTANT, TEMPLATE_BEATS
from .state import Array, Candidate, Lead, State


def correlation(
    a: State, c: Candidate, index: int, templates: list[Array]
) -> tuple[float, int, float]:
    """With the best of the shapes, less where most is off the bands; the lag, the energy there."""
    n, best, where, amplitude = 2 * a.half + 1, -1.0, a.lag, 0.0
    shape = c.shapes[index]
    for shift in range(2 * a.lag + 1):
        w = shape[shift : shift + n] - np.mean(shape[shift : shift + n])
        size = float(np.sqrt(np.sum(w * w)))
        dot = max(float(np.sum(w * template)) for template in templates)
        if size > 0 and dot / size > best:
            best, where, amplitude = dot / size, shift, size / n**0.5
    inside = exp(c.heights[index])
    outside = CONSTANT.band_from * amplitude
    if best > 0 and inside < outside:
        best *= inside / outside
    return best, where, n * amplitude**2


def similarity_of(a: State, s: Lead, c: Candidate, index: int) -> tuple[float, int, float]:
    """With the running template, and where trust is low with the slow one."""
    assert s.template is not None
    assert s.slow_template is not None
    templates = [s.template, s.slow_template][: 2 if a.recent < CONSTANT.distrust_from else 1]
    return correlation(a, c, index, templates)


def learn_tall(a: State, s: Lead, c: Candidate, index: int, energy: float) -> None:
    """The latest tall beat: small waves are measured by it."""
    lower = c.heights[index] <= s.tall_height - CONSTANT.small_follow
    if s.template_beats and lower and a.seconds(s.tall_at, c.at) <= CONSTANT.small_s:
        return
    s.tall_height, s.tall_energy, s.tall_at = c.heights[index], energy, c.at


def learn_shape(a: State, s: Lead, c: Candidate, index: int) -> bool:
    """True for a beat that may show what the patient looks like."""
    shape = c.shapes[index]
    shift = similarity_of(a, s, c, index)[1] if s.template_beats else a.lag
    w = shape[shift : shift + 2 * a.half + 1]
    w = w - np.mean(w)
    if not np.sum(w * w) > 0:
        return False
    learn_tall(a, s, c, index, float(np.sum(w * w)))
    w /= np.sqrt(np.sum(w * w))
    s.template = w if s.template is None else s.template + CONSTANT.template_gain * (w - s.template)
    s.template /= np.sqrt(np.sum(s.template**2))
    similarity = c.similarities[index]
    if s.template_beats < TEMPLATE_BEATS:
        s.template_beats += 1
        s.slow_template, s.slow_signal, s.slow_noise = s.template.copy(), s.signal, s.noise
    elif (
        a.trust > CONSTANT.trust_from
        and a.recent > CONSTANT.distrust_from
        and similarity is not None
        and similarity > CONSTANT.slow_similarity
    ):
        assert s.slow_template is not None
        s.slow_template += CONSTANT.slow_gain * (s.template - s.slow_template)
        s.slow_template /= np.sqrt(np.sum(s.slow_template**2))
        s.slow_signal += CONSTANT.slow_gain * (s.signal - s.slow_signal)
        s.slow_noise += CONSTANT.slow_gain * (s.noise - s.slow_noise)
    return (
        a.recent > CONSTANT.store_from
        and similarity is not None
        and similarity > CONSTANT.return_similarity
    )
