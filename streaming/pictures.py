"""The pictures of one session: from the engine worker, on their deadlines, to everybody who watches."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES
from streaming.callbacks import Callbacks
from streaming.clock import MediaClock, sleep_until
from streaming.encoder import Codec
from streaming.feeds import Outlet, VideoFeed
from streaming.ladder import Ladder, Level
from streaming.messages import FrameDone, unpack_motion
from streaming.metrics import Metrics
from streaming.pacer import FramePacer, PacerCounts, ReadyFrame
from streaming.shared import SessionMemory

ENCODE_LEAD_S: Final = 0.006
"""How long before its deadline a frame is encoded, when it is ready."""

GRACE_S: Final = 0.008
"""How long past its deadline a frame is waited for: so little is not seen, a picture shown twice is."""

BEGINNING_S: Final = 1.0
"""So long after its begin a session's speed is not judged: the worker is still opening it."""


@dataclass(frozen=True)
class Picture:
    """A frame as it leaves, for those who want no video packets.

    Convention: ``i420`` is uint8 [size * 3 // 2, size] and nobody writes to it; ``motion`` is float32 [58], the 52
    ARKit blendshapes in [0, 1], yaw, pitch and roll in degrees, translation in head widths; None for a repeated one.
    """

    number: int
    i420: NDArray[np.uint8]
    motion: NDArray[np.float32] | None
    speaking: bool
    repeated: bool


@dataclass(frozen=True)
class SessionStats:
    """What a page is told once a second."""

    frame: int
    fps: float
    repeated: int
    latency_ms: float
    ladder: str
    stages: dict[str, float]


class PictureLine:
    """Paces, encodes once per codec, and hands out the frames of one session. Lives on the event loop."""

    def __init__(
        self,
        label: str,
        clock: MediaClock,
        budget_s: float,
        memory: SessionMemory,
        size: int,
        neural: bool,
        metrics: Metrics,
        executor: Executor,
        sound_came_late: Callable[[int], bool],
        on_level: Callable[[Level, Level], None],
        on_speaking: Callable[[bool], None],
    ) -> None:
        """``neural``: networks refine the frames. ``sound_came_late(number)`` says of a frame that drawing faster would not
        have helped; ``on_level(old, new)`` and ``on_speaking(speaking)`` are called on change."""
        self.pacer = FramePacer(clock, budget_s, memory.free)
        self.ladder = Ladder(neural)
        self.feeds: dict[Codec, VideoFeed] = {}
        self.watchers: Callbacks[[Picture]] = Callbacks()
        self.motion = b""  # of the frame that was shown last
        self._label = label
        self._clock = clock
        self._memory = memory
        self._size = size
        self._metrics = metrics
        self._executor = executor
        self._sound_came_late = sound_came_late
        self._on_level = on_level
        self._on_speaking = on_speaking
        self._begun_s = clock.origin_s
        self._arrived = asyncio.Event()
        self._picture: NDArray[np.uint8] | None = None
        self._speaking = False
        self._counted = PacerCounts()
        self._recent: deque[tuple[float, float, dict[str, float]]] = deque(maxlen=25)

    def feed(self, codec: Codec) -> VideoFeed:
        """The encode that all viewers with this codec share."""
        if codec not in self.feeds:
            self.feeds[codec] = VideoFeed(codec, self._size)
        return self.feeds[codec]

    @property
    def outlets(self) -> list[Outlet]:
        """Those of all codecs."""
        return [outlet for feed in self.feeds.values() for outlet in feed.outlets]

    def frame_done(self, done: FrameDone) -> None:
        """The worker has made a frame."""
        frame = ReadyFrame(
            done.number, done.slot, done.generation, done.ready_s, done.stage_ms, done.speaking, done.motion
        )
        slack_ms = (self.pacer.due(done.number) - done.ready_s) * 1e3
        self._metrics.slack.observe(slack_ms)
        for stage, stage_ms in done.stage_ms.items():
            self._metrics.stage.labels(stage).observe(stage_ms)
        if self.pacer.offer(frame):
            self._arrived.set()

    async def send(self) -> None:
        """Let every frame leave when it is due, for ever."""
        while True:
            number = self.pacer.next_number(time.monotonic())
            due_s = self.pacer.due(number)
            await sleep_until(due_s - ENCODE_LEAD_S)
            while not self.pacer.ready(number) and (left := due_s + GRACE_S - time.monotonic()) > 0:
                self._arrived.clear()
                try:
                    # wait_for would lose a cancellation that comes together with a frame (Python 3.11).
                    async with asyncio.timeout(left):
                        await self._arrived.wait()
                except TimeoutError:
                    break
            frame = self.pacer.take(number)
            self._judge(frame, number)
            if frame is not None:  # copied: a session can be closed while the encoder's thread is at work
                self._picture = self._memory.picture(frame.slot).copy()
                self._memory.free(frame.slot)
                self.motion = frame.motion
            if self._picture is None:
                continue
            began = time.perf_counter()
            packets = await self._encode(self._picture, number)
            encode_ms = (time.perf_counter() - began) * 1e3
            await sleep_until(self.pacer.due(number))
            for feed, packet in packets:
                feed.publish(packet)
                self._metrics.keyframes.inc(bool(packet.is_keyframe))
            self._show(number, self._picture, frame)
            self._account(number, frame, encode_ms)

    def close(self) -> None:
        """Let go of the encoders; nothing is sent any more."""
        for feed in self.feeds.values():
            feed.close()
        self.feeds.clear()

    def stats(self) -> SessionStats:
        """What happened in the last second."""
        now_s = time.monotonic()
        recent = [entry for entry in self._recent if entry[0] > now_s - 1.0]
        stages: dict[str, list[float]] = {}
        for _, _, times in recent:
            for stage, stage_ms in times.items():
                stages.setdefault(stage, []).append(stage_ms)
        return SessionStats(
            frame=self.pacer.next_number(now_s) - 1,
            fps=float(len(recent)),
            repeated=self.pacer.counts.repeated,
            latency_ms=round(median(entry[1] for entry in recent), 1) if recent else 0.0,
            ladder=self.ladder.level.label,
            stages={stage: round(median(values), 2) for stage, values in stages.items()},
        )

    async def _encode(
        self, picture: NDArray[np.uint8], number: int
    ) -> "list[tuple[VideoFeed, av.Packet[Any]]]":
        """Encode a picture once for every codec that somebody watches."""
        loop = asyncio.get_running_loop()
        feeds = [feed for feed in self.feeds.values() if feed.outlets]
        works = [
            loop.run_in_executor(
                self._executor, partial(feed.encode, picture, number, keyframe=feed.keyframe_due())
            )
            for feed in feeds
        ]
        return list(zip(feeds, await asyncio.gather(*works), strict=True))

    def _show(self, number: int, i420: NDArray[np.uint8], frame: ReadyFrame | None) -> None:
        if len(self.watchers):
            motion = None if frame is None else unpack_motion(frame.motion)
            repeated = frame is None or frame.number != number
            self.watchers(Picture(number, i420, motion, self._speaking, repeated))

    def _judge(self, frame: ReadyFrame | None, number: int) -> None:
        """Feed the ladder with frames that should have been drawn."""
        level = self.ladder.level
        beginning = time.monotonic() < self._begun_s + BEGINNING_S
        if number % level.stride or beginning or self._sound_came_late(number):
            return
        slack_ms = None
        if frame is not None and frame.number == number:
            slack_ms = (self.pacer.due(number) - frame.ready_s) * 1e3
        if self.ladder.add(slack_ms, time.monotonic()) != level:
            self._on_level(level, self.ladder.level)
        self._metrics.ladder.labels(self._label).set(int(self.ladder.level))

    def _account(self, number: int, frame: ReadyFrame | None, encode_ms: float) -> None:
        now_s = time.monotonic()
        shown = frame.number if frame is not None else number
        latency_ms = (now_s - self._clock.time_of(shown * FRAME_SAMPLES)) * 1e3
        stages = {**(frame.stage_ms if frame is not None else {}), "encode": encode_ms}
        self._recent.append((now_s, latency_ms, stages))
        self._metrics.latency.observe(latency_ms)
        self._metrics.encode.observe(encode_ms)
        self._metrics.count_frames(self._counted, self.pacer.counts)
        self._counted = replace(self.pacer.counts)
        for feed in self.feeds.values():
            if feed.outlets:
                self._metrics.bitrate.labels(self._label).set(feed.target)
        if frame is not None and frame.speaking != self._speaking:
            self._speaking = frame.speaking
            self._on_speaking(frame.speaking)
