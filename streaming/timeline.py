"""The sound of one session: one continuous line of samples, whatever feeds it."""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from streaming.clock import MediaClock
from streaming.concealment import PcmDecoder, SpeechDecoder
from streaming.decimator import OUTPUT_PER_ANALYSIS, Decimator
from streaming.microphone import MicrophoneBuffer

HISTORY: Final = 4 * SAMPLE_RATE
"""Samples (16 kHz) that stay readable behind the head: four seconds."""

MAX_WAIT_S: Final = 0.06
"""How long the microphone is waited for before something is made up in place of what it did not send."""

OVERTAKEN_WAIT_S: Final = 0.01
"""How long a microphone packet is waited for when later ones are there."""

STALL_S: Final = 0.03
"""A line that nobody extended for so long stood still with the whole process, which has not read its packets either."""

DRAIN_S: Final = 0.01
"""How long reading them takes; until then nothing is made up in their place."""

MOST_AHEAD: Final = SAMPLE_RATE // 10
"""Samples that microphone packets may lie ahead of the clock: 100 ms."""

FADE: Final = 240
"""Output samples (5 ms) over which a cut is faded."""

EDGE: Final = 96
"""Output samples (2 ms) over which queued speech that runs dry ends, and begins again, so that it does not click."""

_RAMP: Final = np.linspace(0.0, 1.0, EDGE, dtype=np.float32)


class AudioTimeline:
    """Joins microphone, uploaded speech and silence, numbered from the session's begin.

    Convention: numbers are 16 kHz samples; sample s is the three output samples 3 s, 3 s + 1, 3 s + 2 at 48 kHz.
    Uploaded speech is heard alone; the microphone waits behind it. Sound is mono, int16 at 48 kHz and
    float32 in [-1, 1] at 16 kHz.
    """

    def __init__(self, clock: MediaClock) -> None:
        self.clock = clock
        self.microphone = MicrophoneBuffer()
        self.head = 0
        self.gap_samples = 0  # for which the microphone sent nothing in time, and something was made up
        self.recovered_samples = 0  # that were lost, but for the copies in later packets
        self._decimator = Decimator()
        self._history = np.zeros(HISTORY * OUTPUT_PER_ANALYSIS, np.int16)
        self._speech: deque[NDArray[np.int16]] = deque()
        self._speech_samples = 0
        self._spoken = 0  # output samples of speech since the last silence
        self._pcm = PcmDecoder()
        self.spoken_to = 0  # the sample up to which uploaded speech was last heard
        self.microphone_aside = False  # the microphone is not heard on the line
        self.microphone_sound = (
            0,
            np.zeros(0, np.int16),
        )  # what the last advance took: first output sample, sound
        self._microphone_head = 0
        self._advanced_s = clock.origin_s
        self._drained_s = clock.origin_s
        self._stalled_s = clock.origin_s

    @property
    def queued_seconds(self) -> float:
        """Uploaded speech that is still to be played."""
        return self._speech_samples / (OUTPUT_PER_ANALYSIS * SAMPLE_RATE)

    @property
    def next_speech(self) -> int:
        """Number of the output sample at which speech that is queued now will begin."""
        return self.head * OUTPUT_PER_ANALYSIS + self._speech_samples

    def hear(self, timestamp: int, samples: NDArray[np.int16], now_s: float) -> None:
        """Take one microphone packet: mono int16, time stamp at 48 kHz."""
        self.hear_packet(timestamp, samples.astype("<i2").tobytes(), self._pcm, now_s)

    def hear_packet(self, timestamp: int, payload: bytes, decoder: SpeechDecoder, now_s: float) -> None:
        """Take one encoded microphone packet; ``decoder`` belongs to its sender alone."""
        position = self.clock.sample_at(now_s) * OUTPUT_PER_ANALYSIS
        self.microphone.add(timestamp, payload, decoder, position=position, now_s=now_s)

    def play(self, samples: NDArray[np.int16]) -> None:
        """Queue speech: mono int16 at 48 kHz; silence fills it up to a multiple of three samples.

        The array is kept and not copied if it is such a multiple, however long it is.
        """
        missing = -len(samples) % OUTPUT_PER_ANALYSIS
        if len(samples):
            self._speech.append(np.pad(samples, (0, missing)) if missing else samples)
            self._speech_samples += len(self._speech[-1])

    def advance(self, now_s: float) -> NDArray[np.float32]:
        """Extend the line to ``now_s``; returns the new 16 kHz samples, which follow the former ones."""
        before = self.head
        if now_s - self._advanced_s > STALL_S:
            self._stalled_s, self._drained_s = self._advanced_s, now_s + DRAIN_S
        self._advanced_s = now_s
        target = self.clock.sample_at(now_s)
        pieces: list[NDArray[np.float32]] = []
        while self._speech and self.head < target:
            pieces.append(self._append(self._next_speech((target - self.head) * OUTPUT_PER_ANALYSIS)))
            self.spoken_to = self.head
        if self._spoken and self.head < target:
            self._fade_out()
        aside = self.microphone_aside or bool(self._speech)
        if not aside:
            self._microphone_head = self.head
        waited_s = self._stalled_s if self.draining(now_s) else now_s
        heard = self._from_microphone(now_s, waited_s)
        if not aside:
            pieces.append(self._append(heard))
        if aside or not self.microphone.active(waited_s):
            pieces.append(self._append_silence(target - self.head))
        assert sum(map(len, pieces)) == self.head - before
        return np.concatenate(pieces)

    def draining(self, now_s: float) -> bool:
        """Whether packets that came while the process stood still are being read."""
        return now_s < self._drained_s

    def clear(self, from_sample: int) -> None:
        """Forget queued speech and silence everything from ``from_sample`` on that can still be read, with a short
        fade."""
        self._speech.clear()
        self._speech_samples = 0
        self._spoken = 0
        from_sample = max(from_sample, self.head - HISTORY)
        count = (self.head - from_sample) * OUTPUT_PER_ANALYSIS
        if count <= 0:
            return
        index = np.arange(from_sample * OUTPUT_PER_ANALYSIS, self.head * OUTPUT_PER_ANALYSIS) % len(
            self._history
        )
        gain = np.zeros(count, np.float32)
        fade = min(FADE, count)
        gain[:fade] = np.linspace(1.0, 0.0, fade, endpoint=False)
        self._history[index] = (self._history[index] * gain).astype(np.int16)

    def read(self, first_sample: int, count: int) -> NDArray[np.int16]:
        """Return ``3 * count`` output samples; those older than the history, or not there yet, are silence."""
        wanted = np.arange(first_sample * OUTPUT_PER_ANALYSIS, (first_sample + count) * OUTPUT_PER_ANALYSIS)
        there = (wanted < self.head * OUTPUT_PER_ANALYSIS) & (
            wanted >= (self.head - HISTORY) * OUTPUT_PER_ANALYSIS
        )
        samples = self._history[wanted % len(self._history)]
        samples[~there] = 0
        return samples

    def _next_speech(self, most: int) -> NDArray[np.int16]:
        piece = self._speech.popleft()
        if len(piece) > most:
            self._speech.appendleft(piece[most:])
            piece = piece[:most]
        self._speech_samples -= len(piece)
        ramp = _RAMP[self._spoken : self._spoken + len(piece)]
        self._spoken += len(piece)
        return np.concatenate([(piece[: len(ramp)] * ramp).astype(np.int16), piece[len(ramp) :]])

    def _fade_out(self) -> None:
        """Let the end of the speech, which has not been sent yet, run out: it may stop in the middle of a wave."""
        self._spoken = 0
        end = self.head * OUTPUT_PER_ANALYSIS
        index = np.arange(end - EDGE, end) % len(self._history)
        self._history[index] = (self._history[index] * _RAMP[::-1]).astype(np.int16)

    def _from_microphone(self, now_s: float, waited_s: float) -> NDArray[np.int16]:
        """What has arrived; a hole that is too old is filled. Nothing while the microphone is off.

        waited_s: the time until which packets that had come were read.
        """

        def position(when_s: float) -> int:
            return self.clock.sample_at(when_s) * OUTPUT_PER_ANALYSIS

        if not self.microphone.active(waited_s):
            self._microphone_head = max(self._microphone_head, self.clock.sample_at(now_s))
            first = self._microphone_head * OUTPUT_PER_ANALYSIS
            self.microphone.skip(first)
            self.microphone_sound = (first, np.zeros(0, np.int16))
            return self.microphone_sound[1]
        first = self._microphone_head * OUTPUT_PER_ANALYSIS
        concealed, recovered = self.microphone.concealed, self.microphone.recovered
        heard = self.microphone.take(
            first,
            position(now_s) + MOST_AHEAD * OUTPUT_PER_ANALYSIS,
            overtaken=position(waited_s - OVERTAKEN_WAIT_S),
            given_up=position(waited_s - MAX_WAIT_S),
        )
        self.gap_samples += (self.microphone.concealed - concealed) // OUTPUT_PER_ANALYSIS
        self.recovered_samples += (self.microphone.recovered - recovered) // OUTPUT_PER_ANALYSIS
        self.microphone_sound = (first, heard)
        self._microphone_head += len(heard) // OUTPUT_PER_ANALYSIS
        return heard

    def _append_silence(self, samples: int) -> NDArray[np.float32]:
        return self._append(np.zeros(max(0, samples) * OUTPUT_PER_ANALYSIS, np.int16))

    def _append(self, output: NDArray[np.int16]) -> NDArray[np.float32]:
        start = self.head * OUTPUT_PER_ANALYSIS
        self._history[np.arange(start, start + len(output)) % len(self._history)] = output
        self.head += len(output) // OUTPUT_PER_ANALYSIS
        return self._decimator.add(output)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Sound as ``AudioTimeline.play`` takes it, of float32; what is beyond [-1, 1] is clipped."""
    clipped = np.clip(samples, -1.0, 1.0)
    clipped *= 32767.0
    return clipped.astype(np.int16)
