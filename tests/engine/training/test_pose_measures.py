"""Measures of head motion on cases whose answers are known."""

import numpy as np
import pytest

from engine.conventions import FRAME_RATE
from engine.training.pose_measures import (
    alignment,
    find_accents,
    find_strokes,
    perplexity,
    shuffled_alignments,
    slow_share,
)


def test_perplexity_counts_the_codes_in_use() -> None:
    assert perplexity(np.array([3, 3, 3])) == pytest.approx(1.0)
    assert perplexity(np.arange(64).repeat(5)) == pytest.approx(64.0)
    # a half, a quarter, two eighths: an entropy of 1.75 bits
    assert perplexity(np.array([0, 0, 0, 0, 1, 1, 2, 9])) == pytest.approx(2**1.75)


def test_slow_share_tells_slow_from_fast() -> None:
    time = np.arange(1000)[:, None] / FRAME_RATE
    slow, fast = np.sin(2 * np.pi * 1.0 * time), np.sin(2 * np.pi * 6.0 * time)
    assert slow_share(slow, 3.0) > 0.999 and slow_share(fast, 3.0) < 0.001
    # a difference from frame to frame multiplies an amplitude by 2 sin(pi f / rate)
    speeds = np.sin(np.pi * np.array([1.0, 6.0]) / FRAME_RATE) * (1.0, 1 / 3)
    share = speeds[0] ** 2 / (speeds**2).sum()
    assert slow_share(slow + fast / 3, 3.0) == pytest.approx(share, abs=0.005)


def test_accents_are_peaks_that_stand_out() -> None:
    level = np.full(100, -10.0)
    for frame, height in ((20, 9.0), (50, 8.0), (70, -4.0)):  # the last is soft
        level[frame - 2 : frame + 3] = [height - 6, height - 2, height, height - 2, height - 6]
    assert find_accents(level).tolist() == [20, 50]


def test_strokes_are_where_the_head_is_fastest() -> None:
    time = np.arange(200.0)
    angles = np.zeros((200, 3))
    for moment in (40, 90, 150):
        angles[:, 1] += 3.0 / (1 + np.exp(-(time - moment) / 1.5))
    strokes = find_strokes(angles)
    assert set(strokes.tolist()) >= {40, 90, 150} and len(strokes) <= 5


def test_alignment_falls_with_distance() -> None:
    strokes = np.array([10, 50, 90])
    assert alignment(strokes, strokes) == 1.0
    assert alignment(strokes + 2, strokes) == pytest.approx(np.exp(-0.5))
    assert alignment(strokes + 15, strokes) < 1e-6
    assert alignment(strokes[:0], strokes) == alignment(strokes, strokes[:0]) == 0.0


def test_shuffled_sound_is_worse_than_sound_that_leads() -> None:
    rng = np.random.default_rng(0)
    accents = np.sort(rng.choice(1000, 60, replace=False))
    led = accents + rng.integers(-1, 2, len(accents))
    assert np.all(shuffled_alignments(accents, led, 1000, 50, rng) < alignment(accents, led))
    deaf = np.sort(rng.choice(1000, 60, replace=False))
    shuffled = shuffled_alignments(accents, deaf, 1000, 200, rng)
    assert abs(alignment(accents, deaf) - shuffled.mean()) < 4 * shuffled.std()
