"""Heart-rate variability: against neurokit2, pyhrv and plain twins, and what is left out."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy
from numpy.testing import assert_allclose

from ecgfast import Beat, InputError, Quality, hrv

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())["series"]
NAN = math.nan


def from_intervals(seconds):
    return hrv.nn_from_arrays(np.concatenate(([0.0], np.cumsum(seconds))))


@pytest.fixture(params=list(REFERENCE))
def series(request):
    told = REFERENCE[request.param]
    nn = from_intervals(np.array(told["nn_ms"]) / 1000)
    return nn, hrv.measures(nn), told["neurokit2"], told["pyhrv"]


def beats_at(times, labels=None, quality=Quality.GOOD):
    labels = labels or "N" * len(times)
    before = [NAN, *times][: len(times)]
    return [
        Beat(round(t * 1000), t, label, 0.9, {label: 0.9}, t - b, 60.0, quality)
        for t, b, label in zip(times, before, labels, strict=True)
    ]


def test_time_domain_is_that_of_both_libraries(series):
    nn, ours, neurokit, pyhrv = series
    assert_allclose(ours.time.mean_nn, neurokit["HRV_MeanNN"])
    for name, theirs in (("sdnn", "HRV_SDNN"), ("rmssd", "HRV_RMSSD")):
        assert_allclose(getattr(ours.time, name), neurokit[theirs])
        assert_allclose(getattr(ours.time, name), pyhrv[name])
    assert_allclose(ours.time.triangular_index, neurokit["HRV_HTI"])
    assert_allclose(ours.time.triangular_index, pyhrv["tri_index"])
    # A share of the differences, as pyhrv has it; neurokit2 divides by one more.
    for name in ("pnn50", "pnn20"):
        assert_allclose(getattr(ours.time, name), pyhrv[name])
        theirs = neurokit[name.replace("pnn", "HRV_pNN")]
        assert_allclose(getattr(ours.time, name), theirs * len(nn) / (len(nn) - 1))


def test_measures_of_segments_are_those_of_neurokit():
    told = REFERENCE["an hour"]
    ours = hrv.time_domain(from_intervals(np.array(told["nn_ms"]) / 1000))
    assert_allclose(ours.sdann, told["neurokit2"]["HRV_SDANN5"])
    assert_allclose(ours.sdnn_index, told["neurokit2"]["HRV_SDNNI5"])
    # pyhrv cuts its segments elsewhere.
    assert_allclose(ours.sdann, told["pyhrv"]["sdann"], rtol=0.05)


def test_nonlinear_measures_are_those_of_both_libraries(series):
    nn, ours, neurokit, pyhrv = series
    assert_allclose(ours.nonlinear.sd1, neurokit["SD1"])
    # pyhrv has n where we have n - 1.
    assert_allclose(ours.nonlinear.sd1, pyhrv["sd1"], rtol=0.002)
    assert_allclose(ours.nonlinear.sd2, pyhrv["sd2"], rtol=0.002)
    assert_allclose(hrv.sample_entropy(nn.interval), neurokit["SampEn"], atol=1e-4)
    assert_allclose(hrv.sample_entropy(nn.interval), pyhrv["sampen"], atol=1e-4)
    # neurokit2 drops one window where the last is full.
    assert_allclose(ours.nonlinear.dfa_alpha1, neurokit["alpha1"], atol=1e-3)
    assert_allclose(ours.nonlinear.dfa_alpha2, neurokit["alpha2"], atol=1e-3)


def test_power_is_that_of_both_libraries_but_for_windows_and_splines(series):
    nn, _, neurokit, pyhrv = series
    ours = hrv.frequency_domain(nn, "welch")
    for name, theirs in (("lf", "welch HRV_LF"), ("hf", "welch HRV_HF")):
        assert_allclose(getattr(ours, name), neurokit[theirs], rtol=0.05)
    assert_allclose(ours.lf, pyhrv["fft_abs 1"], rtol=0.05)
    assert_allclose(ours.hf, pyhrv["fft_abs 2"], rtol=0.05)
    # neurokit2's Lomb-Scargle has no unit; its shares can be compared.
    lomb = hrv.frequency_domain(nn)
    assert_allclose(lomb.lf_hf, neurokit["lomb HRV_LFHF"], rtol=0.05)


@pytest.mark.parametrize(("count", "seed"), [(100, 0), (450, 1), (3000, 2)])
def test_lomb_scargle_is_the_slow_sum(count, seed):
    rng = np.random.default_rng(seed)
    nn = from_intervals(np.abs(0.8 + 0.05 * rng.standard_normal(count)))
    nn = hrv.nn_from_arrays(nn.time, normal=rng.random(count) > 0.1)  # with holes
    frequency, density = hrv.lomb_scargle(nn)
    value = 1000 * (nn.interval - nn.interval.mean())
    power = scipy.signal.lombscargle(nn.time - nn.time[0], value, 2 * np.pi * frequency)
    slow = power * 2 * nn.interval.sum() / len(nn)
    assert_allclose(density, slow, atol=2e-3 * slow.max())


@pytest.mark.parametrize("method", ["lomb-scargle", "welch"])
def test_the_power_of_two_waves_is_half_their_squared_amplitudes(method):
    times = [0.0]
    while times[-1] < 3000:
        t = times[-1]
        wave = 0.03 * math.sin(2 * math.pi * 0.09 * t) + 0.02 * math.sin(2 * math.pi * 0.25 * t)
        times.append(t + 0.8 + wave)
    powers = hrv.frequency_domain(hrv.nn_from_arrays(times), method)
    assert_allclose(powers.lf, 450, rtol=0.06)
    assert_allclose(powers.hf, 200, rtol=0.12)  # the mean over an RR interval weakens fast waves
    assert powers.vlf < 20


def test_tinn_is_the_triangle_of_least_squares():
    rng = np.random.default_rng(3)
    interval = 0.8 + 0.06 * rng.standard_normal(800)
    counts = np.bincount(np.floor(interval * 128 + 1e-6).astype(int)).astype(float)
    counts = np.append(counts, 0.0)
    top = int(counts.argmax())
    bins = np.arange(len(counts))
    best = min(
        itertools.product(range(top), range(top + 1, len(counts))),
        key=lambda nm: (
            (
                counts
                - counts[top]
                * np.clip(
                    np.minimum((bins - nm[0]) / (top - nm[0]), (nm[1] - bins) / (nm[1] - top)), 0, 1
                )
            )
            ** 2
        ).sum(),
    )
    tinn = hrv.time_domain(from_intervals(interval)).tinn
    assert_allclose(tinn, (best[1] - best[0]) * 1000 / 128)


def test_sample_entropy_is_the_plain_count():
    rng = np.random.default_rng(4)
    x = np.round(rng.standard_normal(120), 1)
    adjacent = rng.random(120) > 0.1
    tolerance = 0.2 * x.std(ddof=1) + 1e-9
    begins = [i for i in range(118) if adjacent[i + 1] and adjacent[i + 2]]
    short = long = 0
    for i, j in itertools.combinations(begins, 2):
        near = [abs(x[i + k] - x[j + k]) <= tolerance for k in range(3)]
        short += near[0] and near[1]
        long += all(near)
    assert_allclose(hrv.sample_entropy(x, adjacent=adjacent), math.log(short / long))


def test_both_intervals_at_an_ectopic_beat_are_out():
    beats = beats_at([0.0, 0.8, 1.6, 2.0, 3.2, 4.0, 4.8], "NNNVNNN")
    nn = hrv.nn_intervals(beats)
    assert_allclose(nn.time, [0.8, 1.6, 4.0, 4.8])
    assert nn.left_out["ectopic"] == 2
    assert nn.adjacent.tolist() == [False, True, False, True]
    assert_allclose(nn.differences, [0, 0], atol=1e-9)
    assert nn.describe() == "4 NN of 6 RR intervals (66.7 %); left out: ectopic 2"
    assert repr(nn) == f"NNIntervals({nn.describe()})"  # not its arrays, in a notebook


def test_each_reason_is_counted_once():
    times = [0.0, 0.8, 1.6, 6.0, 6.8, 7.0, 7.8, 8.6, 9.4, 10.2]
    beats = beats_at(times)
    beats[1] = replace(beats[1], quality=Quality.NOISY)
    nn = hrv.nn_intervals(beats, exclude=[(8.0, 9.0)])
    assert nn.left_out == {
        "bad signal": 2,
        "excluded": 2,
        "ectopic": 0,
        "too short": 1,
        "too long": 1,
        "early or late": 0,
    }
    assert len(nn) + sum(nn.left_out.values()) == nn.n_rr == 9


def test_an_early_beat_that_nobody_labelled_is_out():
    times = np.cumsum(np.full(40, 0.8))
    times[20] -= 0.3
    nn = hrv.nn_intervals(beats_at(times.tolist()))
    assert nn.left_out["early or late"] == 2
    assert hrv.time_domain(nn).sdnn < 1e-6
    assert len(hrv.nn_intervals(beats_at(times.tolist()), max_change=None)) == 39


def test_a_gap_is_no_interval_and_no_difference():
    beats = beats_at([0.0, 0.8, 1.6, 61.6, 62.5, 63.4])
    times = hrv.time_domain(hrv.nn_intervals(beats))
    assert_allclose(times.rmssd, 0, atol=1e-6)
    assert_allclose(times.mean_nn, 850)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_few_beats_give_no_figure_and_no_error(count):
    nn = hrv.nn_intervals(beats_at([0.8 * i for i in range(count)]))
    for method in ("lomb-scargle", "welch"):
        told = hrv.measures(nn, method)
        assert math.isnan(told.frequency.lf)
        assert math.isnan(told.nonlinear.dfa_alpha1)
        assert math.isnan(told.time.sdann)
    assert hrv.five_minute_table(nn) == []
    assert str(hrv.measures(nn))


def test_equal_intervals_have_no_variability():
    told = hrv.measures(from_intervals(np.full(1500, 1.0)))
    assert told.time.sdnn == 0
    assert told.time.heart_rate == 60
    assert told.frequency.total < 1e-12


def test_the_five_minute_table_tells_how_much_is_covered():
    rng = np.random.default_rng(5)
    times = np.cumsum(0.75 + 0.05 * rng.random(1600))
    keep = (times < 320) | (times > 580)  # 20 s of the second five minutes
    rows = hrv.five_minute_table(hrv.nn_from_arrays(times[keep]))
    assert [row.start for row in rows] == [0, 600, 900]
    assert all(row.coverage > 0.95 for row in rows)
    assert math.isclose(rows[0].lf_nu + rows[0].hf_nu, 100)


def test_an_hour_has_ultra_low_power_and_a_day_its_slope():
    rng = np.random.default_rng(6)
    frequency = np.fft.rfftfreq(60_000)
    amplitude = np.zeros(len(frequency))
    amplitude[1:] = frequency[1:] ** -0.5
    phase = np.exp(2j * np.pi * rng.random(len(frequency)))
    pink = np.fft.irfft(amplitude * phase, 60_000)
    nn = from_intervals(0.8 + 0.05 * pink / pink.std())
    day = hrv.frequency_domain(nn)
    assert_allclose(day.alpha, -1, atol=0.15)
    assert day.ulf > day.vlf > day.lf
    assert_allclose(day.total, (1000 * nn.interval).var(), rtol=0.1)
    assert math.isnan(hrv.frequency_domain(nn.between(0, 600)).ulf)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hrv.nn_from_arrays([0, 2, 1]), "not in the order of time"),
        (lambda: hrv.nn_from_arrays([0, NAN, 1]), "all finite"),
        (lambda: hrv.nn_from_arrays([0, 1, 2], normal=[True]), "give one of each a beat"),
        (lambda: hrv.nn_from_arrays([0, 1], limits=(2, 1)), "limits="),
        (lambda: hrv.nn_from_arrays([0, 1], limits=None), "limits="),
        (lambda: hrv.nn_from_arrays([0, 1], max_change=-1), "max_change=-1"),
        (lambda: hrv.nn_from_arrays([0, 1], max_change=NAN), "max_change=nan"),
        (lambda: hrv.nn_from_arrays([0, 1], exclude=[5]), "exclude must be pairs"),
        (lambda: hrv.nn_from_arrays([0, 1], exclude=[(20, 10)]), "exclude must be pairs"),
        (lambda: hrv.nn_from_arrays(["a", "b"]), "time must be numbers"),
        (lambda: hrv.nn_from_arrays(np.arange(9) * 800), "milliseconds by 1000"),
        (lambda: hrv.nn_from_arrays(np.ma.masked_equal(np.arange(9.0), 4)), "all finite"),
        (lambda: hrv.nn_intervals([100, 400, 700]), "beats are of int: give a list of those"),
        (lambda: hrv.measures(np.diff(np.arange(9))), "nn is of ndarray: give NNIntervals"),
        (lambda: hrv.time_domain([0.8, 0.9]), "nn is of list: give NNIntervals"),
        (lambda: hrv.nonlinear([0.8, 0.9]), "nn is of list: give NNIntervals"),
        (lambda: hrv.welch([0.8, 0.9]), "nn is of list: give NNIntervals"),
        (lambda: hrv.five_minute_table([0.8, 0.9]), "nn is of list: give NNIntervals"),
        (lambda: hrv.frequency_domain(hrv.nn_from_arrays([0, 1]), "fft"), "method='fft'"),
    ],
)
def test_wrong_use_is_said(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_measures_show_themselves_as_a_table() -> None:
    told = hrv.measures(hrv.nn_from_arrays(np.arange(301) * 1.0))
    html = told._repr_html_()
    for name, text in told.lines():
        assert f"<tr><td>{name}</td><td>{text}</td></tr>" in html
    assert "300 NN of 300" in html


def test_equal_intervals_have_no_ratio_of_powers() -> None:
    """Times of 0.8 s steps differ by rounding, of which a ratio of 3.7 came out."""
    told = hrv.measures(hrv.nn_from_arrays(np.arange(300) * 0.8)).frequency
    assert told.total == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(told.lf_hf)
    assert math.isnan(told.lf_nu)


def test_beats_may_come_from_a_generator() -> None:
    beats = [Beat(i, 0.8 * i, "N", 0.9, {}, 0.8, 75.0, Quality(0)) for i in range(20)]
    assert len(hrv.nn_intervals(beat for beat in beats)) == len(hrv.nn_intervals(beats)) == 19


def test_flags_are_no_labels() -> None:
    times = np.arange(40.0)
    labels = np.array(["N"] * 39 + ["V"])
    assert hrv.nn_from_arrays(times, normal=labels == "N").left_out["ectopic"] == 1
    assert hrv.nn_from_arrays(times, normal=[1] * 39 + [0]).left_out["ectopic"] == 1
    for wrong in (labels, np.full(40, np.nan), list(range(40))):
        with pytest.raises(InputError, match=r"normal must be flags.*np\.array\(labels\) == 'N'"):
            hrv.nn_from_arrays(times, normal=wrong)


def test_what_is_no_sequence_of_beats_says_what_to_give() -> None:
    for wrong in (None, 5, object()):
        with pytest.raises(InputError, match="give a list of those of stream_classify"):
            hrv.nn_intervals(wrong)
    with pytest.raises(InputError, match=r"of RR intervals give the running sum, np\.cumsum"):
        hrv.nn_from_arrays([0.8, 0.82, 0.79, 0.81])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"duration": -5}, "less than the 39.000 s of the last beat"),
        ({"duration": 5}, "less than the 39.000 s of the last beat"),
        ({"duration": math.nan}, "of the last beat"),
        ({"duration": "50"}, "duration must be a number"),
        ({"exclude": "ab"}, r"exclude must be pairs.*event\.start_time"),
        ({"exclude": [object()]}, r"exclude must be pairs.*event\.start_time"),
        ({"exclude": [(math.nan, 2.0)]}, "exclude must be pairs"),
        ({"limits": (1, 2, 3)}, "give the shortest and the longest"),
        ({"limits": ("a", "b")}, "give the shortest and the longest"),
        ({"max_change": "0.3"}, "max_change must be a number"),
    ],
)
def test_settings_of_another_kind_are_refused(more: dict, text: str) -> None:
    with pytest.raises(InputError, match=text):
        hrv.nn_from_arrays(np.arange(40.0), **more)
    assert hrv.nn_from_arrays(np.arange(40.0), duration=np.float32(39)).duration == 39
