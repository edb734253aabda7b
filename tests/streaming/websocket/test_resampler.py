"""The resampler against sines and impulses whose place at 48 kHz is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.websocket.protocol import SAMPLE_RATES
from streaming.websocket.resampler import Resampler


def sine(rate: int, seconds: float, hz: float = 440.0) -> NDArray[np.float32]:
    at = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def convert(resampler: Resampler, samples: NDArray[np.float32], cuts: list[int]) -> NDArray[np.float32]:
    pieces = [resampler.add(part) for part in np.split(samples, cuts)]
    assert all(len(piece) % 3 == 0 for piece in pieces)
    end = resampler.flush()
    assert len(end) % 3 == 0
    return np.concatenate([*pieces, end])


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_a_sine_stays_where_it_is_however_it_is_cut(rate: int) -> None:
    cuts = np.cumsum(np.random.default_rng(3).integers(1, 700, 100))
    output = convert(Resampler(rate), sine(rate, 0.5), [int(cut) for cut in cuts if cut < rate // 2])
    assert abs(len(output) - 24_000) < 3
    np.testing.assert_allclose(output[300:23_700], sine(48_000, 0.5)[300:-300], atol=1e-3)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_an_impulse_is_not_shifted(rate: int) -> None:
    samples = np.zeros(rate // 10, np.float32)
    samples[rate // 20] = 1.0
    assert int(np.argmax(convert(Resampler(rate), samples, [7, 800]))) == 2400


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 48_000])
def test_no_more_than_a_millisecond_is_held_back(rate: int) -> None:
    resampler = Resampler(rate)
    taken = given = 0
    for _ in range(50):
        taken += rate // 100
        given += len(resampler.add(np.full(rate // 100, 0.1, np.float32)))
        assert 0 <= taken * 48_000 // rate - given <= 48 + 3


def test_after_a_flush_the_next_utterance_begins_afresh() -> None:
    resampler = Resampler(16_000)
    first = convert(resampler, sine(16_000, 0.1), [])
    again = convert(resampler, sine(16_000, 0.1), [])
    np.testing.assert_array_equal(first, again)


def test_an_end_is_filled_up_to_whole_analysis_samples() -> None:
    resampler = Resampler(48_000)
    assert len(resampler.add(np.ones(1, np.float32))) == 0
    np.testing.assert_array_equal(resampler.flush(), [1.0, 0.0, 0.0])
    assert len(resampler.flush()) == 0
