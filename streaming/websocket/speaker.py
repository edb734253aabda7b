"""Sound that a client pushes becomes the avatar's speech: one utterance after the other, or a live microphone."""

import asyncio
import time
from contextlib import suppress
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from streaming import concealment
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.encoder import AUDIO_CLOCK
from streaming.session import AvatarSession, BusyError
from streaming.timeline import to_int16
from streaming.websocket.pcm import PcmDecoder
from streaming.websocket.playback import Playback
from streaming.websocket.protocol import BUFFER_S, MessageError, Start
from streaming.websocket.resampler import Resampler

SLICE_S: Final = 0.5
"""Longer messages are converted in slices of so many seconds, with other work in between."""

MOST_AHEAD_S: Final = 0.5
"""Live sound that may come at once, after a stall of the network or in one message."""

REFILL: Final = 1.02
"""Seconds of live sound that each second allows: the sender's clock may be fast."""

PAUSE_S: Final = 0.2
"""A live microphone that falls so far behind has paused; it goes on from now."""


class Speaker(Protocol):
    """Takes the sound of one ``start``."""

    async def add(self, data: bytes) -> None:
        """A message of sound came."""

    def end(self) -> None:
        """The utterance is complete."""

    def cleared(self, by: str) -> None:
        """Everything queued was thrown away, at the wish of ``by``; the client itself is "you"."""


class QueueSpeaker:
    """Utterances, played one after the other from now on, however fast they are pushed."""

    def __init__(self, session: AvatarSession, start: Start, playback: Playback) -> None:
        self._session = session
        self._start = start
        self._playback = playback
        self._decoder = PcmDecoder(start.format)
        self._resampler = Resampler(start.sample_rate)
        self._refusing = False  # until the utterance ends, because the buffer was full
        self._interrupted = False  # until the client knows
        self._told = False
        self._clears = 0

    async def add(self, data: bytes) -> None:
        """Play a message, or refuse all of it.

        Raises:
            MessageError: it is refused.
        """
        if self._interrupted or self._refusing:
            self._decoder.skip(data)
            if self._interrupted and not self._told:
                self._told = True
                raise MessageError(
                    "interrupted",
                    'expected {"type": "clear"} after the interruption, got sound: it is refused until then',
                )
            return
        self._check_room(data)
        received_s = time.monotonic()
        samples = self._decoder.add(data)
        clears = self._clears
        most = int(self._start.sample_rate * SLICE_S)
        for first in range(0, len(samples), most):
            if first:
                await asyncio.sleep(0)
            if self._clears != clears:
                return
            part = samples[first : first + most]
            self._playback.utterances.accept(len(part), self._start.sample_rate)
            self._play(self._resampler.add(part), received_s)

    def end(self) -> None:
        """The utterance is complete.

        Raises:
            MessageError: it ends in the middle of a sample; the rest of it is played.
        """
        self._refusing = False
        if self._playback.utterances.open is not None:
            self._play(self._resampler.flush(), time.monotonic())
            self._playback.utterances.end()
        self._decoder.end()

    def cleared(self, by: str) -> None:
        """Forget what has not been played; sound that is still on its way is refused until the client knows."""
        self._clears += 1
        self._refusing = False
        self._interrupted = by != "you"
        self._told = False
        self._resampler.flush()
        if by == "you":
            self._decoder = PcmDecoder(self._start.format)

    def _check_room(self, data: bytes) -> None:
        utterances = self._playback.utterances
        queued_s = utterances.queued(self._session.timeline.head * OUTPUT_PER_ANALYSIS) / AUDIO_CLOCK
        coming_s = self._decoder.count(data) / self._start.sample_rate
        if queued_s + coming_s <= BUFFER_S:
            return
        self._refusing = True
        self._decoder.skip(data)
        raise MessageError(
            "buffer_full",
            f"expected at most {BUFFER_S} s of sound ahead, got {queued_s + coming_s:.1f} s: the rest of the utterance "
            "is refused; send end_of_utterance, and the rest as another one when queued_ms has fallen",
            utterance=utterances.next_number,
            samples=utterances.taken,
        )

    def _play(self, samples: NDArray[np.float32], received_s: float) -> None:
        if len(samples) == 0:
            return
        position = self._session.timeline.next_speech
        placed_s = self._session.clock.time_of(position // OUTPUT_PER_ANALYSIS)
        self._session.play(to_int16(samples))
        self._playback.place(position, len(samples), received_s, max(0.0, placed_s - received_s) * 1e3)


class LiveSpeaker:
    """A microphone whose sound is placed by its own sample count; it comes as fast as time passes."""

    def __init__(self, session: AvatarSession, start: Start, owner: object) -> None:
        """``owner`` holds the session's microphone.

        Raises:
            BusyError: somebody else is speaking.
        """
        self._session = session
        self._rate = start.sample_rate
        self._owner = owner
        self._decoder = PcmDecoder(start.format)
        self._resampler = Resampler(start.sample_rate)
        self._sender = concealment.PcmDecoder()  # its own: time stamps begin anew with each speaker
        self._timestamp = 0
        self._allowance_s = MOST_AHEAD_S
        self._next_s: float | None = None  # when the next message is expected at the latest
        self._last_s = 0.0
        session.claim_microphone(owner)

    async def add(self, data: bytes) -> None:
        """Let the avatar hear a message.

        Raises:
            MessageError: it came too early; it is refused.
            BusyError: somebody else has taken the microphone over.
        """
        now_s = time.monotonic()
        self._allowance_s = min(MOST_AHEAD_S, self._allowance_s + (now_s - self._last_s) * REFILL)
        self._last_s = now_s
        seconds = self._decoder.count(data) / self._rate
        if self._allowance_s < 0 or seconds > MOST_AHEAD_S:
            self._decoder.skip(data)
            raise MessageError(
                "too_fast",
                f"expected live sound as fast as time passes, at most {MOST_AHEAD_S:g} s at once, got {seconds:.2f} s "
                'too soon: this message is refused; "mode": "queue" takes sound that is made faster',
            )
        self._session.claim_microphone(self._owner)
        samples = self._decoder.add(data)
        self._allowance_s -= seconds
        if self._next_s is not None and now_s > self._next_s + PAUSE_S:
            self._timestamp += OUTPUT_PER_ANALYSIS * int((now_s - self._next_s) * SAMPLE_RATE)
        self._next_s = now_s + seconds
        self._hear(self._resampler.add(samples))

    def end(self) -> None:
        """Let the avatar hear what was held back.

        Raises:
            MessageError: the sound ends in the middle of a sample.
        """
        with suppress(BusyError):  # somebody else speaks by now, whose sound is not to be disturbed
            self._session.claim_microphone(self._owner)
            self._hear(self._resampler.flush())
        self._decoder.end()

    def cleared(self, by: str) -> None:
        """Live sound waits nowhere."""

    def _hear(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            payload = (samples * 32767.0).astype("<i2").tobytes()
            self._session.hear_packet(self._timestamp, payload, self._sender)
            self._timestamp += len(samples)
