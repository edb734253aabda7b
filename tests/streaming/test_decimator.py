import numpy as np

from streaming.decimator import Decimator

RNG = np.random.default_rng(1)


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(48_000 * seconds)) / 48_000)).astype(np.int16)


def test_chunks_give_the_same_as_the_whole() -> None:
    samples = RNG.integers(-20_000, 20_000, 48_000).astype(np.int16)
    whole = Decimator().add(samples)
    pieces, decimator, at = [], Decimator(), 0
    while at < len(samples):
        step = 3 * int(RNG.integers(0, 700))
        pieces.append(decimator.add(samples[at : at + step]))
        at += step
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_speech_passes_and_what_would_alias_does_not() -> None:
    kept = Decimator().add(tone(1000.0))[100:]
    assert abs(kept.max() - 8000 / 32768) < 0.003
    assert abs(Decimator().add(tone(9500.0))[100:]).max() < 0.002


def test_a_tone_keeps_its_place_but_for_the_stated_lag() -> None:
    out = Decimator().add(tone(400.0))
    expected = 8000 / 32768 * np.sin(2 * np.pi * 400.0 * (np.arange(len(out)) / 16_000 - 30 / 48_000))
    np.testing.assert_allclose(out[50:], expected[50:], atol=0.004)
