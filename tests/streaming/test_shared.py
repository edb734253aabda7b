import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streaming.shared import RING_SAMPLES, SLOTS, SessionMemory

SIZE = 256


@pytest.fixture
def pair() -> Iterator[tuple[SessionMemory, SessionMemory]]:
    """The same memory as the media process and as the worker see it."""
    ours = SessionMemory(SIZE)
    theirs = SessionMemory(SIZE, ours.name)
    yield ours, theirs
    theirs.close()
    ours.close()


def test_sound_comes_across_by_number_also_around_the_end(pair: tuple[SessionMemory, SessionMemory]) -> None:
    ours, theirs = pair
    rng = np.random.default_rng(0)
    first = RING_SAMPLES - 100
    samples = rng.normal(size=300).astype(np.float32)
    ours.write_audio(first, samples)
    np.testing.assert_array_equal(theirs.read_audio(first, first + 300), samples)


def test_sound_that_was_overwritten_is_silence(pair: tuple[SessionMemory, SessionMemory]) -> None:
    ours, theirs = pair
    ours.write_audio(0, np.ones(RING_SAMPLES, np.float32))
    ours.write_audio(RING_SAMPLES, np.full(10, 2.0, np.float32))
    read = theirs.read_audio(0, RING_SAMPLES + 10)
    assert len(read) == RING_SAMPLES + 10
    assert not read[:10].any()
    assert (read[10:RING_SAMPLES] == 1.0).all()
    assert (read[RING_SAMPLES:] == 2.0).all()


def test_pictures_come_back_and_slots_are_used_once(pair: tuple[SessionMemory, SessionMemory]) -> None:
    ours, theirs = pair
    for number in range(SLOTS):
        slot = theirs.free_slot()
        assert slot is not None
        theirs.fill(slot, np.full((SIZE * 3 // 2, SIZE), number, np.uint8))
        assert (ours.picture(slot) == number).all()
    assert theirs.free_slot() is None
    ours.free(3)
    assert theirs.free_slot() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it has no file system of a size of its own")
def test_memory_that_is_not_there_is_refused_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []

    def full(descriptor: int, first: int, size: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        assert size >= SIZE * SIZE * 3 // 2 * SLOTS
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        SessionMemory(SIZE)
    with pytest.raises(FileNotFoundError):
        SessionMemory(SIZE, names[0])
