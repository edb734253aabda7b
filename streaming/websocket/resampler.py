"""The sender's sample rate becomes 48 kHz, chunk by chunk."""

from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.encoder import AUDIO_CLOCK

NOTHING: Final = np.zeros(0, np.float32)


class Resampler:
    """Streaming conversion to 48 kHz by FFmpeg's resampler.

    Convention: float32 [T] in, float32 [T * 48000 / rate] out, in multiples of three samples, so that each piece
    ends where a 16 kHz sample ends. Output sample p is input time p / 48000 s: there is no shift. The filter's last
    16 input samples (1 ms at 16 kHz) and two output samples are held back until more sound or ``flush`` comes.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._rest = NOTHING
        self._restart()

    def add(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert the next chunk."""
        if len(samples) == 0:
            return NOTHING
        if self._converter is None:
            return self._whole([samples])
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._taken
        self._taken += len(samples)
        return self._whole([piece.to_ndarray()[0] for piece in self._converter.resample(frame)])

    def flush(self) -> NDArray[np.float32]:
        """What was held back, filled up with silence to a multiple of three; the next chunk begins afresh."""
        pieces = []
        if self._converter is not None and self._taken:
            pieces = [piece.to_ndarray()[0] for piece in self._converter.resample(None)]
        end = np.concatenate([self._rest, *pieces])
        self._rest = NOTHING
        self._restart()
        return np.pad(end, (0, -len(end) % OUTPUT_PER_ANALYSIS))

    def _restart(self) -> None:
        self._taken = 0
        self._converter = (
            None
            if self._rate == AUDIO_CLOCK
            else av.AudioResampler(format="flt", layout="mono", rate=AUDIO_CLOCK)
        )

    def _whole(self, pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        output = np.concatenate([self._rest, *pieces])
        whole = len(output) - len(output) % OUTPUT_PER_ANALYSIS
        self._rest = output[whole:]
        return output[:whole]
