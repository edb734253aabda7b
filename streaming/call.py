"""One call: a timeline of sound, an engine session, and the packets that leave on their deadlines."""

import asyncio
import logging
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

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from streaming.bitrate import BitrateControl
from streaming.clock import MediaClock
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.encoder import MAX_BITRATE, MIN_BITRATE, PACKET_SAMPLES, AudioEncoder, VideoEncoder
from streaming.ladder import Ladder
from streaming.lipsync import AvOffset
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    FrameDone,
    OpenSession,
    SetAvatar,
    SetLevel,
    SetOrigin,
    SetStyle,
    ToWorker,
)
from streaming.metrics import Metrics
from streaming.pacer import FramePacer, PacerCounts, ReadyFrame
from streaming.settings import ServeSettings, most_av_offset_ms
from streaming.shared import SessionMemory
from streaming.timeline import AudioTimeline
from streaming.tracks import sleep_until

PUMP_S: Final = 0.01
"""How often the timeline is extended: on multiples of this, where frames end."""

STOOD_STILL_S: Final = 1.0
"""After a pause of the whole process longer than this the session goes on where it was."""

ENCODE_LEAD_S: Final = 0.006
"""How long before its deadline a frame is encoded, when it is ready."""

KEYFRAME_GAP_S: Final = 0.5
"""Keyframes on request come no closer than this."""

BEGINNING_S: Final = 1.0
"""So long after its begin a call's speed is not judged: the worker is still opening it."""

GRACE_S: Final = 0.008
"""How long past its deadline a frame is waited for: so little is not seen, a picture shown twice is."""

LATE_SOUND_S: Final = 0.015
"""A frame whose sound came later than this says nothing about the speed of drawing."""

BLOCK: Final = PACKET_SAMPLES // OUTPUT_PER_ANALYSIS
"""Samples at 16 kHz in one audio packet."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallStats:
    """What the page is told once a second."""

    frame: int
    fps: float
    repeated: int
    latency_ms: float
    ladder: str
    stages: dict[str, float]


class Call:
    """One avatar session. Lives on the event loop; encodes on ``executor``; knows nothing of WebRTC."""

    def __init__(
        self,
        name: str,
        settings: ServeSettings,
        metrics: Metrics,
        executor: Executor,
        send: Callable[[ToWorker], None],
        avatar: tuple[str, str],
        seed: int,
        latency_ms: float,
    ) -> None:
        """``avatar`` is the avatar's id and the path of its bundle."""
        self.name = name
        self._label = name[
            :4
        ]  # who reads the metrics must not learn the whole name, which is the key to the call
        self.avatar_id, self._avatar_path = avatar
        self.opened_s = time.monotonic()
        self.clock = MediaClock(self.opened_s)
        self.timeline = AudioTimeline(self.clock)
        self.av_offset = AvOffset(settings.av_offset_ms, most_av_offset_ms(latency_ms))
        self.on_state: Callable[[bool], None] = lambda speaking: None
        self._budget_s = latency_ms / 1e3
        self._metrics = metrics
        self._executor = executor
        self._send = send
        self._seed = seed
        self._style = (1.0, 1.0)
        self._memory = SessionMemory(settings.size)
        self.pacer = FramePacer(self.clock, self._budget_s, self._memory.free)
        self.ladder = Ladder()
        self._video = VideoEncoder(settings.size)
        self._audio = AudioEncoder()
        self._bitrate = BitrateControl(MIN_BITRATE, MAX_BITRATE[settings.size])
        self._arrived = asyncio.Event()
        self._keyframe_wanted = True
        self._keyframe_s = float("-inf")
        self._next_block: int | None = None
        self._pictured = False
        self._pumped_s = self.clock.origin_s
        self._pump_task: asyncio.Task[None] | None = None
        self._counted = PacerCounts()
        self._heard: deque[tuple[int, float]] = deque(maxlen=64)
        self._speaking = False
        self._recent: deque[tuple[float, float, dict[str, float]]] = deque(maxlen=25)
        self._closed = False

    # Control, from the page.

    def start(self) -> None:
        """Open the engine session and begin the timeline."""
        self.open_session()
        self._pump_task = asyncio.create_task(self._pump_forever(), name=f"pump-{self.name}")

    async def close(self) -> None:
        """End the session."""
        if self._closed:
            return
        self._closed = True
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)
        self._send(CloseSession(self.name))
        self.pacer.clear()
        self._memory.close()
        self._metrics.forget_call(self._label)

    def open_session(self) -> None:
        """Open the engine session where the timeline is now; again after the worker was started anew."""
        first_frame = -(-self.timeline.head // FRAME_SAMPLES)
        generation = self.pacer.clear()
        self._memory.free_all()
        self._send(
            OpenSession(
                session=self.name,
                memory=self._memory.name,
                avatar_path=self._avatar_path,
                seed=self._seed,
                first_frame=first_frame,
                origin_s=self.clock.origin_s,
                budget_s=self._budget_s,
                generation=generation,
                expressiveness=self._style[0],
                head_motion=self._style[1],
                level=int(self.ladder.level),
            )
        )

    def set_style(self, expressiveness: float, head_motion: float) -> None:
        """Change expressiveness and head motion, both 0 to 2."""
        self._style = (expressiveness, head_motion)
        self._send(SetStyle(self.name, expressiveness, head_motion))

    def set_avatar(self, avatar: str, path: str) -> None:
        """Show another avatar."""
        self.avatar_id, self._avatar_path = avatar, path
        self._send(SetAvatar(self.name, path))

    def play(self, samples: NDArray[np.float32]) -> None:
        """Speak a recording, mono float32 at 48 kHz, from now on."""
        self.timeline.play((np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16))

    def clear(self) -> None:
        """Barge-in: what is queued is neither heard nor seen."""
        self._pump(time.monotonic())
        self.timeline.clear(self._next_block * BLOCK if self._next_block is not None else self.timeline.head)
        self._send(Clear(self.name, self.pacer.clear()))

    def hear(self, timestamp: int, samples: NDArray[np.int16]) -> None:
        """Take one microphone packet, mono int16 with its time stamp, at 48 kHz."""
        now_s = time.monotonic()
        self.timeline.hear(timestamp, samples, now_s)
        self._pump(now_s)  # at once: what waits for the next turn is taken from the drawing's time

    def playout(self, audio_ms: float, video_ms: float) -> None:
        """The page says what it is playing."""
        self._metrics.av_offset.labels(self._label).set(self.av_offset.report(audio_ms, video_ms))

    def want_keyframe(self) -> None:
        """The viewer cannot go on without a whole picture."""
        self._keyframe_wanted = True

    def bandwidth(self, bits_per_second: int) -> None:
        """The viewer's estimate of what the network carries."""
        self._aim(self._bitrate.estimate(bits_per_second, time.monotonic()))

    def loss(self, share: float) -> None:
        """The share of video packets that the viewer has lost since it last said."""
        self._aim(self._bitrate.loss(share))

    # From the worker.

    def frame_done(self, done: FrameDone) -> None:
        """A frame is ready."""
        if self._closed:
            return
        frame = ReadyFrame(
            done.number, done.slot, done.generation, done.ready_s, done.stage_ms, done.speaking
        )
        slack_ms = (self.pacer.due(done.number) - done.ready_s) * 1e3
        self._metrics.slack.observe(slack_ms)
        for stage, stage_ms in done.stage_ms.items():
            self._metrics.stage.labels(stage).observe(stage_ms)
        if self.pacer.offer(frame):
            self._arrived.set()

    # Packets, for the peer.

    async def next_video(self) -> "av.Packet[Any]":
        """The next picture's packet, when it is due."""
        loop = asyncio.get_running_loop()
        while True:
            number = self.pacer.next_number(time.monotonic())
            due_s = self.pacer.due(number)
            await sleep_until(due_s - ENCODE_LEAD_S)
            while not self.pacer.ready(number) and (left := due_s + GRACE_S - time.monotonic()) > 0:
                self._arrived.clear()
                try:
                    await asyncio.wait_for(self._arrived.wait(), left)
                except TimeoutError:
                    break
            frame = self.pacer.take(number)
            self._judge(frame, number)
            if frame is None and not self._pictured:
                continue
            self._pictured = True
            keyframe = self._take_keyframe()
            picture = None
            if frame is not None:  # copied: a call can be closed while the encoder's thread is at work
                picture = self._memory.picture(frame.slot).copy()
                self._memory.free(frame.slot)
            began = time.perf_counter()
            packet = await loop.run_in_executor(
                self._executor, partial(self._video.encode, picture, number, keyframe=keyframe)
            )
            encode_ms = (time.perf_counter() - began) * 1e3
            await sleep_until(self.pacer.due(number))
            self._account(number, frame, encode_ms, packet)
            return packet

    async def next_audio(self) -> "av.Packet[Any]":
        """The next 20 ms of sound, when they are due."""
        loop = asyncio.get_running_loop()
        if self._next_block is None:
            begun = time.monotonic() - self._audio_delay_s()
            self._next_block = max(0, self.clock.sample_at(begun) // BLOCK + 1)
        block = self._next_block
        await sleep_until(self.clock.time_of(block * BLOCK) + self._audio_delay_s())
        if self.timeline.head < (block + 1) * BLOCK:
            self._pump(time.monotonic())
        samples = self.timeline.read(block * BLOCK, BLOCK)
        self._next_block = block + 1
        return await loop.run_in_executor(self._executor, self._audio.encode, samples, block * PACKET_SAMPLES)

    def stats(self) -> CallStats:
        """What happened in the last second."""
        now_s = time.monotonic()
        self._metrics.microphone_lead.labels(self._label).set(self.timeline.microphone.lead_ms)
        recent = [entry for entry in self._recent if entry[0] > now_s - 1.0]
        stages: dict[str, list[float]] = {}
        for _, _, times in recent:
            for stage, stage_ms in times.items():
                stages.setdefault(stage, []).append(stage_ms)
        return CallStats(
            frame=self.pacer.next_number(now_s) - 1,
            fps=float(len(recent)),
            repeated=self.pacer.counts.repeated,
            latency_ms=round(median(entry[1] for entry in recent), 1) if recent else 0.0,
            ladder=self.ladder.level.label,
            stages={stage: round(median(values), 2) for stage, values in stages.items()},
        )

    def _aim(self, bits_per_second: int) -> None:
        self._video.set_bitrate(bits_per_second)
        self._metrics.bitrate.labels(self._label).set(bits_per_second)

    def _audio_delay_s(self) -> float:
        return self._budget_s - self.av_offset.offset_ms / 1e3

    async def _pump_forever(self) -> None:
        while True:
            into_s = (time.monotonic() - self.clock.origin_s) % PUMP_S
            await asyncio.sleep(PUMP_S - into_s)
            self._pump(time.monotonic())

    def _pump(self, now_s: float) -> None:
        """Extend the timeline to now and let the worker hear it."""
        if now_s - self._pumped_s > STOOD_STILL_S:
            self.clock.hold(now_s - self._pumped_s)
            self._send(SetOrigin(self.name, self.clock.origin_s))
        self._pumped_s = now_s
        gap, first = self.timeline.gap_samples, self.timeline.head
        samples = self.timeline.advance(now_s)
        if len(samples):
            self._memory.write_audio(first, samples)
            self._send(Audio(self.name, self.timeline.head))
            self._heard.append((self.timeline.head, now_s))
        self._metrics.gap_samples.inc(self.timeline.gap_samples - gap)

    def _judge(self, frame: ReadyFrame | None, number: int) -> None:
        """Feed the ladder with frames that should have been drawn."""
        level = self.ladder.level
        beginning = time.monotonic() < self.opened_s + BEGINNING_S
        if number % level.stride or beginning or self._heard_late(number):
            return
        slack_ms = None
        if frame is not None and frame.number == number:
            slack_ms = (self.pacer.due(number) - frame.ready_s) * 1e3
        if self.ladder.add(slack_ms, time.monotonic()) != level:
            logger.info("call %s: %s -> %s", self.name, level.label, self.ladder.level.label)
            self._send(SetLevel(self.name, int(self.ladder.level)))
        self._metrics.ladder.labels(self._label).set(int(self.ladder.level))

    def _heard_late(self, number: int) -> bool:
        """Whether the sound for a frame came so late that drawing faster would not have helped."""
        needed = (number + 1) * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES
        heard_s = next((when_s for end, when_s in self._heard if end >= needed), None)
        return heard_s is None or heard_s > self.clock.time_of(needed) + LATE_SOUND_S

    def _take_keyframe(self) -> bool:
        now_s = time.monotonic()
        if not self._keyframe_wanted or now_s - self._keyframe_s < KEYFRAME_GAP_S:
            return False
        self._keyframe_wanted = False
        self._keyframe_s = now_s
        return True

    def _account(self, number: int, frame: ReadyFrame | None, encode_ms: float, packet: Any) -> None:
        now_s = time.monotonic()
        shown = frame.number if frame is not None else number
        latency_ms = (now_s - self.clock.time_of(shown * FRAME_SAMPLES)) * 1e3
        stages = {**(frame.stage_ms if frame is not None else {}), "encode": encode_ms}
        self._recent.append((now_s, latency_ms, stages))
        self._bitrate.packet(packet.size, now_s)
        self._metrics.latency.observe(latency_ms)
        self._metrics.encode.observe(encode_ms)
        self._metrics.keyframes.inc(bool(packet.is_keyframe))
        self._metrics.count_frames(self._counted, self.pacer.counts)
        self._counted = replace(self.pacer.counts)
        if frame is not None and frame.speaking != self._speaking:
            self._speaking = frame.speaking
            self.on_state(frame.speaking)
