"""Atrial fibrillation: where its episodes begin and end."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from irregular_beats import FS, beats_of, episodes

from ecgfast import Beat, InputError, Quality, RhythmStream
from ecgfast.rhythm._beat_window import CONTEXT, EVERY
from ecgfast.rhythm.atrial import stored_settings
from ecgfast.rhythm.episode import Sink
from ecgfast.rhythm.irregular import Irregular


def test_an_episode_begins_and_ends_where_the_rhythm_changes() -> None:
    beats = beats_of((False, 60.0), (True, 90.0), (False, 60.0))
    (one,) = episodes(beats)
    assert one.start_time == pytest.approx(60.0, abs=8.0)
    assert one.end_time == pytest.approx(150.0, abs=8.0)
    inside = [beat.sample for beat in beats if one.start <= beat.sample <= one.end]
    assert one.n_beats == len(inside)
    assert one.beats[0] == inside[0]
    assert one.beats[-1] == inside[-1]
    assert set(one.beats) <= set(inside)


def test_an_episode_is_reported_while_it_lasts() -> None:
    beats = beats_of((False, 60.0), (True, 60.0))
    rhythm = RhythmStream(FS)
    at = next(beat.time for beat in beats if rhythm.process([beat]))
    assert 80.0 < at < 115.0


@pytest.mark.parametrize("parts", [[(False, 200.0)], [(False, 60.0), (True, 15.0), (False, 60.0)]])
def test_no_episode(parts: list[tuple[bool, float]]) -> None:
    assert not episodes(beats_of(*parts))


def test_a_regular_rhythm_between_two_episodes_separates_them() -> None:
    found = episodes(beats_of((True, 60.0), (False, 60.0), (True, 60.0)))
    assert [round(one.start_time / 60.0) for one in found] == [0, 2]


def test_signal_that_cannot_be_read_does_not_end_an_episode() -> None:
    (one,) = episodes(beats_of((True, 180.0), noisy=(80.0, 110.0)))
    assert one.duration > 170.0


def test_detections_in_noise_do_not_end_an_episode_by_their_regularity() -> None:
    beats = beats_of((True, 90.0), (False, 60.0), (True, 90.0), noisy=(80.0, 160.0))
    (one,) = episodes(beats)
    assert one.duration > 225.0
    sound = beats_of((True, 90.0), (False, 60.0), (True, 90.0))
    assert len(episodes(sound)) == 2


def test_signal_that_cannot_be_read_begins_no_episode() -> None:
    beats = beats_of((True, 180.0), noisy=(0.0, 180.0))
    assert not episodes(beats)
    assert not episodes(beats, irregular_probability=0.3, irregular=8.0)


def test_lost_signal_ends_an_episode() -> None:
    beats = beats_of((True, 60.0), (True, 60.0), gap=10.0)
    first = next(i for i, beat in enumerate(beats) if beat.time > 60.0)
    marked = Beat(
        beats[first].sample, beats[first].time, "N", 0.9, {"N": 0.9}, nan, nan, Quality.GAP
    )
    found = episodes([*beats[:first], marked, *beats[first + 1 :]])
    assert [round(one.start_time / 60.0) for one in found] == [0, 1]


@pytest.mark.parametrize(("irregular", "n"), [(True, 1), (False, 0)])
def test_a_stretch_too_short_for_a_decision_is_judged_as_a_whole(irregular: bool, n: int) -> None:
    beats = beats_of((irregular, 12.0))
    found = episodes(beats, irregular=8.0, irregular_probability=0.3)
    assert len(found) == n
    for one in found:
        assert (one.start, one.end) == (beats[0].sample, beats[-1].sample)
        assert one.n_beats == len(beats)
        assert 0.3 <= one.confidence <= 1.0


class Interrupted:
    """The last beats of a stretch of so many, of a regular rhythm with pauses."""

    every = EVERY
    is_readable = is_interrupted = True
    regular = 0

    def __init__(self, beats: int) -> None:
        self.n_beats = 2 * CONTEXT + EVERY + 1
        self.fresh, self.episode = EVERY, 0
        self.stretch_start, self.stretch_beats = 0, beats
        self.samples = np.arange(beats - self.n_beats, beats) * round(FS)

    def clear(self) -> None:
        self.n_beats = 0


@pytest.mark.parametrize(("seconds", "n"), [(60, 1), (1800, 0)])
def test_half_an_hour_without_an_episode_is_not_judged_as_a_whole(seconds: int, n: int) -> None:
    """Of record 232 all was, on V1 alone: each beat for itself pointed to it a little."""
    sink = Sink(FS)
    rule = Irregular(
        sink, Interrupted(seconds), lambda first, last: [1.0] * (last - first),
        stored_settings(), 30.0,
    )  # fmt: skip
    for _ in range(seconds // EVERY):
        rule.look()
    rule.end()
    assert len(sink.take()) == n


@pytest.mark.parametrize(("label", "n"), [("N", 1), ("Q", 0)])
def test_what_may_be_no_beat_makes_no_rhythm_irregular(label: str, n: int) -> None:
    """A detection of unknown class between every third pair of beats, anywhere in it."""
    rng = np.random.default_rng(3)
    beats = beats_of((False, 180.0))
    for i in range(len(beats) - 2, 0, -3):
        at = round(beats[i].sample + rng.uniform(0.3, 0.7) * 0.8 * FS)
        detection = Beat(at, at / FS, label, 0.9, {label: 0.9}, nan, nan, Quality.GOOD)
        beats.insert(i + 1, detection)
    assert len(episodes(beats)) == n


@pytest.mark.parametrize(("label", "n"), [("N", 1), ("?", 1), ("normal", 0), ("abnormal", 0)])
def test_labels_that_tell_no_ectopic_beats_tell_no_fibrillation(label: str, n: int) -> None:
    """Ectopic beats make a rhythm irregular too: of record 208 half was called fibrillation."""
    beats = [replace(beat, label=label) for beat in beats_of((False, 60.0), (True, 90.0))]
    assert len(episodes(beats)) == n


def test_a_probability_of_one_finds_nothing_and_more_is_refused() -> None:
    assert not episodes(beats_of((True, 180.0)), irregular_probability=1.0)
    with pytest.raises(InputError, match="irregular_probability"):
        RhythmStream(FS, irregular_probability=1.1)
