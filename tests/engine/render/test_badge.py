"""The badge is there, readable, small, and only in its corner."""

import numpy as np
import pytest

from engine.render.badge import add_badge


@pytest.mark.parametrize("size", [256, 512, 768])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_badge(size: int, level: int) -> None:
    frame = np.full((size, size), level * 0x010101 | 0xFF000000, np.uint32)
    before = frame.copy()
    add_badge(frame)
    rows, columns = np.nonzero(frame != before)
    assert rows.min() > 0.9 * size and columns.min() > 0.65 * size
    assert rows.max() < size - 2 and columns.max() < size - 2
    assert (frame >> 24 == 255).all()
    changed = (frame & 255)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert changed.max() > 150  # light letters
    assert np.quantile(changed, 0.2) <= 0.5 * level  # on a dark plate
