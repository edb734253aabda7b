"""The user's voice for an agent that listens: sound at 16 kHz, and when the user begins and ends to speak."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streaming.barge_in import BargeIn
from streaming.decimator import OUTPUT_PER_ANALYSIS, Decimator
from streaming.encoder import AUDIO_CLOCK
from streaming.session import AvatarSession
from streaming.websocket.outbox import Outbox
from streaming.websocket.protocol import Kind, pack


class Listener:
    """Takes the session's microphone away from the mouth and gives it to the client, until it is closed."""

    def __init__(self, session: AvatarSession, outbox: Outbox, on_speaking: Callable[[], None]) -> None:
        """``on_speaking`` is called when the user begins to speak.

        Raises:
            BusyError: another client listens.
        """
        self._session = session
        self._outbox = outbox
        self._on_speaking = on_speaking
        self._detector = BargeIn()
        self._decimator = Decimator()
        self._rest = np.zeros(0, np.int16)
        self._offset: int | None = None  # number of a sample minus its time stamp
        self._next = 0
        self._avatar_dbfs: float | None = None
        session.route_microphone(self._hear)
        self._handle = session.listen(self._on_sound)

    def close(self) -> None:
        """Let the avatar hear the microphone again."""
        self._handle.close()
        self._session.route_microphone(None)

    def _on_sound(self, first: int, samples: NDArray[np.int16]) -> None:
        """What the avatar says now, and what may come back through the user's microphone."""
        self._avatar_dbfs = 10 * math.log10(float(np.mean((samples / 32768.0) ** 2)) + 1e-12)

    def _hear(self, timestamp: int, samples: NDArray[np.int16]) -> None:
        """One packet. What was lost on the way is missing in the samples' numbers; another stream follows on."""
        if self._offset is None or abs(timestamp + self._offset - self._next) > AUDIO_CLOCK:
            self._offset = self._next - timestamp
        number = timestamp + self._offset
        if number < self._next:
            return
        if number > self._next:
            self._rest = self._rest[:0]
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) - len(sound) % OUTPUT_PER_ANALYSIS
        first = (number - len(self._rest)) // OUTPUT_PER_ANALYSIS
        self._rest = sound[whole:]
        self._next = number + len(samples)
        analysis = self._decimator.add(sound[:whole])
        body = (np.clip(analysis, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        self._outbox.sound(pack(Kind.USER_SOUND, 0, 0, 0, first, body))
        event = self._detector.add(sound[:whole], self._avatar_dbfs)
        if event is not None:
            self._outbox.event(event)
        if event == "user_speaking":
            self._on_speaking()
