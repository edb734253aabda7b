"""Bytes as they come in binary messages become samples at 48 kHz, wherever the messages are cut."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.speech.samples import LOUDEST
from streaming.websocket.protocol import MessageError


class PcmDecoder:
    """Joins samples that were split between messages.

    Convention: in, little-endian int16 or float32, mono; out, float32 [T] in [-1, 1]. Floats between 1 and
    ``LOUDEST`` are clipped.
    """

    def __init__(self, form: Literal["s16", "f32"]) -> None:
        self._form = form
        self._dtype = np.dtype("<i2" if form == "s16" else "<f4")
        self._rest = b""

    def count(self, data: bytes) -> int:
        """How many samples the next message would complete."""
        return (len(self._rest) + len(data)) // self._dtype.itemsize

    def add(self, data: bytes) -> NDArray[np.float32]:
        """The samples that are complete now.

        Raises:
            MessageError: floats that are not finite or far out of range; none of the message's samples is taken.
        """
        joined = self._rest + data
        whole = len(joined) - len(joined) % self._dtype.itemsize
        self._rest = joined[whole:]
        values = np.frombuffer(joined[:whole], self._dtype)
        if self._form == "s16":
            return values.astype(np.float32) / np.float32(32768.0)
        largest = float(np.abs(values).max(initial=0.0))  # NaN and Inf survive this
        if not largest <= LOUDEST:
            what = f"{largest:g}" if np.isfinite(largest) else "a value that is not finite"
            raise MessageError(
                "bad_sound", f"expected float32 samples in [-1, 1], got {what}: this message is not played"
            )
        clipped: NDArray[np.float32] = np.clip(values, -1.0, 1.0).astype(np.float32)
        return clipped

    def end(self) -> None:
        """The sound ends here.

        Raises:
            MessageError: in the middle of a sample.
        """
        torn, self._rest = len(self._rest), b""
        if torn:
            raise MessageError(
                "bad_sound", f"expected whole samples, got {torn} bytes of one at the end: they are left out"
            )

    def skip(self, data: bytes) -> None:
        """Forget a message that is not wanted; what follows it is still cut at samples."""
        joined = self._rest + data
        self._rest = joined[len(joined) - len(joined) % self._dtype.itemsize :]
