"""The user's voice for an agent that listens: sound at 16 kHz, and when the user begins and ends to speak.

The avatar is shown listening meanwhile: what it says is the agent's, so the user is its other side.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.barge_in import BargeIn, level_dbfs
from streaming.decimator import OUTPUT_PER_ANALYSIS, Decimator
from streaming.session import AvatarSession
from streaming.websocket.outbox import Outbox
from streaming.websocket.protocol import Kind, pack

GONE_SOUNDS: Final = 25
"""A microphone that has given nothing while so many 20 ms of the avatar's sound left is off: nobody is heard."""


class Listener:
    """Takes the session's microphone away from the mouth and gives it to the client, until it is closed."""

    def __init__(
        self, session: AvatarSession, outbox: Outbox, on_speaking: Callable[[], None] | None
    ) -> None:
        """``on_speaking`` is called when the user begins to speak.

        Raises:
            BusyError: another client listens.
        """
        self._session = session
        self._outbox = outbox
        self._on_speaking = on_speaking
        self._detector = BargeIn()
        self._decimator = Decimator()
        self._said_dbfs: float | None = None
        self._unheard = 0  # sounds of the avatar since the microphone gave any
        session.route_microphone(self._hear)
        self._handle = session.listen(self._on_sound)

    def close(self) -> None:
        """Let the avatar hear the microphone again."""
        self._handle.close()
        self._session.route_microphone(None)
        self._session.set_listening(False)

    def _on_sound(self, first: int, samples: NDArray[np.int16]) -> None:
        """What the avatar says now may come back through the user's microphone."""
        self._said_dbfs = level_dbfs(samples)
        self._unheard += 1
        if self._unheard > GONE_SOUNDS:
            self._session.set_listening(False)

    def _hear(self, first: int, samples: NDArray[np.int16]) -> None:
        """The next sound of the microphone, numbered on the session's line at 48 kHz."""
        analysis = self._decimator.add(samples)
        body = (np.clip(analysis, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        self._outbox.sound(pack(Kind.USER_SOUND, 0, 0, 0, first // OUTPUT_PER_ANALYSIS, body))
        self._unheard = 0
        change = self._detector.add(samples, self._said_dbfs)
        self._session.set_listening(self._detector.in_phrase)
        if change is not None:
            self._outbox.event(change)
        if change == "user_speaking" and self._on_speaking is not None:
            self._on_speaking()
