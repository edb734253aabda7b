"""One session's shared memory: sound to the engine worker, pictures back."""

import os
from multiprocessing.shared_memory import SharedMemory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE

RING_SAMPLES: Final = 4 * SAMPLE_RATE
"""Sound that the worker may fall behind: four seconds at 16 kHz."""

SLOTS: Final = 8
"""Pictures that can be on their way at once."""


class SessionMemory:
    """An audio ring with one writer and one reader, and slots for pictures.

    The media process writes sound and frees slots; the worker reads sound and fills slots. Who may touch what is
    told by messages (``streaming.messages``); only the slots' states are shared without one.

    Convention: sound is float32 at 16 kHz, addressed by sample number; a picture is I420,
    uint8 [size * 3 // 2, size]. The creator unlinks the memory, everybody closes it.
    """

    def __init__(self, size: int, name: str | None = None) -> None:
        """Create the memory, or attach to that called ``name``.

        Raises:
            OSError: the system has no such memory, or not enough.
        """
        picture = size * 3 // 2 * size
        self._memory = SharedMemory(
            name, create=name is None, size=RING_SAMPLES * 4 + SLOTS + SLOTS * picture
        )
        self._owner = name is None
        if self._owner:
            _take(self._memory)
        buffer = self._memory.buf
        assert buffer is not None
        self._ring = np.frombuffer(buffer, np.float32, RING_SAMPLES)
        self._used = np.frombuffer(buffer, np.uint8, SLOTS, RING_SAMPLES * 4)
        pictures: NDArray[np.uint8] = np.frombuffer(
            buffer, np.uint8, SLOTS * picture, RING_SAMPLES * 4 + SLOTS
        )
        self._pictures: NDArray[np.uint8] = pictures.reshape(SLOTS, size * 3 // 2, size)
        if self._owner:
            self._used[:] = 0

    @property
    def name(self) -> str:
        """What another process attaches to."""
        return self._memory.name

    def write_audio(self, first_sample: int, samples: NDArray[np.float32]) -> None:
        """Store samples by number; those older than the ring are overwritten."""
        samples = samples[-RING_SAMPLES:]
        self._ring[np.arange(first_sample, first_sample + len(samples)) % RING_SAMPLES] = samples

    def read_audio(self, first_sample: int, end: int) -> NDArray[np.float32]:
        """Return samples ``first_sample`` to ``end - 1``; those that are already overwritten are silence."""
        lost = max(0, min(end, end - RING_SAMPLES) - first_sample)
        index = np.arange(first_sample + lost, end) % RING_SAMPLES
        return np.concatenate([np.zeros(lost, np.float32), self._ring[index]])

    def free_slot(self) -> int | None:
        """A slot that the worker may fill."""
        free = np.flatnonzero(self._used == 0)
        return int(free[0]) if len(free) else None

    def fill(self, slot: int, i420: NDArray[np.uint8]) -> None:
        """Store a picture and mark its slot used."""
        self._pictures[slot] = i420
        self._used[slot] = 1

    def picture(self, slot: int) -> NDArray[np.uint8]:
        """The picture in a slot: a view, valid until the slot is freed."""
        picture: NDArray[np.uint8] = self._pictures[slot]
        return picture

    def free(self, slot: int) -> None:
        """Give a slot back to the worker."""
        self._used[slot] = 0

    def free_all(self) -> None:
        """Give every slot back: the worker that filled them is gone."""
        self._used[:] = 0

    def close(self) -> None:
        """Detach; the creator also removes the memory."""
        del self._ring, self._used, self._pictures
        self._memory.close()
        if self._owner:
            self._memory.unlink()


def _take(memory: SharedMemory) -> None:
    """Take all pages now: to write to one that the system does not have would kill the process.

    Raises:
        OSError: there are not enough; the memory is removed.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS and Windows: theirs is no file system of a size of its own
        return
    try:
        os.posix_fallocate(memory._fd, 0, memory.size)  # type: ignore[attr-defined]
    except OSError:
        memory.close()
        memory.unlink()
        raise
