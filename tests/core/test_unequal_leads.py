"""Leads of which some show beats and others do not: open inputs, hum, noise, leads that fail."""

from __future__ import annotations

import numpy as np
import pytest
from detector_signals import live
from made_signals import found_of, made
from thorough import thorough_cases

from ecgfast import QRSDetector

FS = 250.0
SIGNAL, R = made(40.0, FS, 75.0, seed=5)


def other(kind: str, n_leads: int) -> np.ndarray:
    """What leads show whose electrodes are on nobody."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((len(SIGNAL), n_leads))
    t = np.arange(len(SIGNAL))[:, None] / FS
    return {
        "open": 0.002 * x,
        "noise": x,
        "hum": np.sin(2 * np.pi * 50 * t) + 0.002 * x,
    }[kind]


@pytest.mark.parametrize("n_others", [1, 2, 7, *thorough_cases(11)])
@pytest.mark.parametrize("kind", ["open", "noise", "hum"])
@pytest.mark.parametrize("at", [0, -1])
def test_a_good_lead_among_others_that_show_nothing(kind: str, n_others: int, at: int) -> None:
    """Beside two open inputs no beat had been found, and beside one each was noise."""
    leads = [*other(kind, n_others).T]
    leads.insert(at % (n_others + 1), SIGNAL)
    detector = QRSDetector(FS, n_leads=n_others + 1, method="neural")
    found = detector.process(np.stack(leads, axis=1))
    quality = detector.quality
    assert np.mean(quality[8:] == 0) > 0.9
    found = np.concatenate([found, detector.flush()])
    assert found_of(found, R, 0.05 * FS)[1] == 0
    rest = R[4:] if n_others > 1 else R  # a lead that shows beats is known by four of them
    assert found_of(found, rest, 0.05 * FS)[0] == len(rest)


@pytest.mark.parametrize("kind", ["open", "noise", "hum"])
def test_beats_go_on_where_one_lead_fails_and_the_other_comes(kind: str) -> None:
    middle = int(20 * FS)
    signal = np.repeat(other(kind, 1), 2, axis=1)
    signal[:middle, 0], signal[middle:, 1] = SIGNAL[:middle], SIGNAL[middle:]
    found = live(signal, FS, 250, method="neural")
    away = (R - middle) / FS
    clear = R[(away < -0.2) | (away > 3.0)]
    assert found_of(found, clear, 0.05 * FS)[0] == len(clear)
