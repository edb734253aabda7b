"""The sound of one session: from the timeline to the worker, and 50 times a second to everybody who listens."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_S, FRAME_SAMPLES
from streaming.callbacks import Callbacks
from streaming.clock import MediaClock, sleep_until
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.encoder import PACKET_SAMPLES
from streaming.feeds import AudioFeed
from streaming.lipsync import AvOffset
from streaming.metrics import Metrics
from streaming.timeline import DRAIN_S, AudioTimeline

PUMP_S: Final = 0.01
"""How often the timeline is extended: on multiples of this, where frames end."""

STOOD_STILL_S: Final = 1.0
"""After a pause of the whole process longer than this the session goes on where it was."""

LATE_SOUND_S: Final = 0.015
"""A frame whose sound came later than this says nothing about the speed of drawing."""

BLOCK: Final = PACKET_SAMPLES // OUTPUT_PER_ANALYSIS
"""Samples at 16 kHz in one audio packet."""


class SoundLine:
    """Extends the timeline, has it analysed, and lets it leave when it is due. Lives on the event loop."""

    def __init__(
        self,
        clock: MediaClock,
        budget_s: float,
        av_offset: AvOffset,
        metrics: Metrics,
        executor: Executor,
        on_heard: Callable[[int, NDArray[np.float32]], None],
        on_microphone: Callable[[int, NDArray[np.int16]], None],
        on_stood_still: Callable[[], None],
    ) -> None:
        """``on_heard(first, samples)`` is called with all that the timeline gained, at 16 kHz, and
        ``on_microphone(first, samples)`` with what the microphone gave of it, at 48 kHz; ``on_stood_still()`` when the
        clock was held because the process had stood still."""
        now_s = time.monotonic()
        self.timeline = AudioTimeline(clock)
        self.timeline.advance(now_s)
        self.feed = AudioFeed()
        self.listeners: Callbacks[[int, NDArray[np.int16]]] = Callbacks()
        self.said: NDArray[np.int16] = np.zeros(PACKET_SAMPLES, np.int16)  # what left last
        self._clock = clock
        self._budget_s = budget_s
        self._av_offset = av_offset
        self._metrics = metrics
        self._executor = executor
        self._on_heard = on_heard
        self._on_microphone = on_microphone
        self._on_stood_still = on_stood_still
        self._next_block: int | None = None
        self._pumped_s = now_s
        self._heard: deque[tuple[int, float]] = deque(maxlen=64)

    @property
    def unsent(self) -> int | None:
        """The first 16 kHz sample that has not left yet; None before any has."""
        return None if self._next_block is None else self._next_block * BLOCK

    def pump(self, now_s: float) -> None:
        """Extend the timeline to now."""
        stood_still_s = now_s - self._pumped_s
        if stood_still_s > STOOD_STILL_S:  # whole frames: sessions that are drawn together stay together
            self._clock.hold(stood_still_s // FRAME_S * FRAME_S)
            self._on_stood_still()
        self._pumped_s = now_s
        timeline = self.timeline
        gap, recovered, first = timeline.gap_samples, timeline.recovered_samples, timeline.head
        samples = timeline.advance(now_s)
        if len(samples):
            self._heard.append((timeline.head, now_s))
            self._on_heard(first, samples)
        self._metrics.gap_samples.inc(timeline.gap_samples - gap)
        self._metrics.recovered_samples.inc(timeline.recovered_samples - recovered)
        number, spoken = timeline.microphone_sound
        if len(spoken):
            self._on_microphone(number, spoken)

    def heard_late(self, number: int, look_ahead: int) -> bool:
        """Whether the sound for a frame came so late that drawing faster would not have helped.

        look_ahead: samples beyond the frame's own that it needs.
        """
        needed = (number + 1) * FRAME_SAMPLES + look_ahead
        heard_s = next((when_s for end, when_s in self._heard if end >= needed), None)
        return heard_s is None or heard_s > self._clock.time_of(needed) + LATE_SOUND_S

    async def pump_forever(self) -> None:
        """Extend the timeline in step with time, for ever."""
        while True:
            into_s = (time.monotonic() - self._clock.origin_s) % PUMP_S
            await asyncio.sleep(PUMP_S - into_s)
            self.pump(time.monotonic())

    async def send(self) -> None:
        """Let every 20 ms of sound leave when they are due, for ever."""
        loop = asyncio.get_running_loop()
        begun = time.monotonic() - self._delay_s()
        block = max(0, self._clock.sample_at(begun) // BLOCK + 1)
        while True:
            self._next_block = block
            await sleep_until(self._clock.time_of(block * BLOCK) + self._delay_s())
            if self.timeline.head < (block + 1) * BLOCK:
                self.pump(time.monotonic())
                if self.timeline.draining(time.monotonic()):
                    await asyncio.sleep(DRAIN_S)
                    self.pump(time.monotonic())
            self.said = self.timeline.read(block * BLOCK, BLOCK)
            first = block * PACKET_SAMPLES
            block += 1
            self._next_block = block
            self.listeners(first, self.said)
            if self.feed.outlets:
                self.feed.publish(
                    await loop.run_in_executor(self._executor, self.feed.encode, self.said, first)
                )

    def _delay_s(self) -> float:
        return self._budget_s - self._av_offset.offset_ms / 1e3
