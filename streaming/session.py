"""One avatar session: a timeline of sound, an engine session, and one encode for everybody who watches."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import count
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_S, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError
from streaming.barge_in import BargeIn, level_dbfs
from streaming.callbacks import Callbacks, Handle
from streaming.clock import MediaClock
from streaming.concealment import SpeechDecoder
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.feeds import Kind, Outlet
from streaming.ladder import Level
from streaming.lipsync import AvOffset
from streaming.log import label
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    Face,
    FrameDone,
    OpenSession,
    SessionFailed,
    SetAvatar,
    SetLevel,
    SetListening,
    SetOrigin,
    SetStyle,
    ToWorker,
)
from streaming.metrics import Metrics
from streaming.pictures import Picture, PictureLine
from streaming.settings import ServeSettings, look_ahead_ms, most_av_offset_ms
from streaming.shared import SessionMemory
from streaming.sounds import SoundLine

HEARD_AGAIN_FRAMES: Final = 24
"""What a worker that takes over hears again: as much as the face motion network attends to."""

MICROPHONE_KEPT_S: Final = 2.0
"""A microphone that has sent nothing for so long can be taken over by another."""

_OPENINGS: Final = count(1)
"""For every opening of an engine session a number of its own."""

logger = logging.getLogger(__name__)


class BusyError(InputError):
    """Somebody else is speaking: HTTP 409."""


class AvatarSession:
    """One avatar that hears one line of sound and is seen by any number of viewers.

    Lives on the event loop; encodes on ``executor``; knows nothing of WebRTC and HTTP.
    """

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
        phase_s: float | None = None,
    ) -> None:
        """``avatar`` is the avatar's id and the path of its bundle; ``phase_s`` is how far into every 40 ms of monotonic
        time frames begin, None: wherever the session's begin puts it."""
        self.name = name
        self.label = label(name)
        self.avatar_id, self._avatar_path = avatar
        self.opened_s = time.monotonic()
        self.latency_ms = latency_ms
        # Media time begins as long ago as a frame takes, in silence: the first frame is due at once.
        origin_s = self.opened_s - latency_ms / 1e3
        if phase_s is not None:
            origin_s -= (origin_s - phase_s) % FRAME_S
        self.clock = MediaClock(origin_s)
        self.av_offset = AvOffset(settings.av_offset_ms, most_av_offset_ms(latency_ms))
        self._budget_s = latency_ms / 1e3
        look_ahead = look_ahead_ms(settings.latency_ms) * SAMPLE_RATE // 1000
        self._metrics = metrics
        self._executor = executor
        self._send = send
        self._seed = seed
        self._style = (1.0, 1.0, 0.0)
        self._listening = False
        self._memory = SessionMemory(settings.size)
        self.pictures = PictureLine(
            self.label,
            self.clock,
            self._budget_s,
            self._memory,
            settings.size,
            settings.quality == "neural",
            metrics,
            executor,
            sound_came_late=lambda number: self.sounds.heard_late(number, look_ahead),
            on_level=self._change_level,
            on_speaking=lambda speaking: self.tell({"type": "state", "speaking": speaking}),
        )
        self.sounds = SoundLine(
            self.clock,
            self._budget_s,
            self.av_offset,
            metrics,
            executor,
            on_heard=self._heard,
            on_microphone=self._microphone_heard,
            on_stood_still=lambda: self._send(SetOrigin(self.name, self.clock.origin_s)),
        )
        self.timeline = self.sounds.timeline
        self._events: Callbacks[[dict[str, Any]]] = Callbacks()
        self._participants: set[object] = set()
        self._empty_s: float | None = self.opened_s
        self._microphone_owner: object | None = None
        self._microphone_s = float("-inf")
        self._face_owner: object | None = None
        self._microphone_route: Callable[[int, NDArray[np.int16]], None] | None = None
        self._barge_in: BargeIn | None = None
        self._playout_reporter: object | None = None
        self._opening = 0
        self._silent_frame = 0  # what the shared memory holds before this one was cleared
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        """Open the engine session, begin the timeline, and let sound and pictures leave."""
        self.open_session()
        for work, name in (
            (self.sounds.pump_forever(), "pump"),
            (self.pictures.send(), "pictures"),
            (self.sounds.send(), "sound"),
        ):
            task = asyncio.create_task(work, name=f"{name}-{self.label}")
            task.add_done_callback(_complain)
            self._tasks.append(task)

    def leave_engine(self) -> None:
        """Close the engine session; nothing is sent to it any more, for its name may come again at once."""
        self._send(CloseSession(self.name))
        self._send = lambda message: None

    async def close(self) -> None:
        """End the session."""
        if self._closed:
            return
        self._closed = True
        self.leave_engine()
        self.tell({"type": "ended"})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.pictures.pacer.clear()
        self.pictures.close()
        self.sounds.feed.close()
        self._memory.close()
        self._metrics.forget_session(self.label)

    # Who takes part.

    def enter(self, participant: object) -> None:
        """Somebody speaks, views or listens: the session is kept."""
        self._participants.add(participant)
        self._empty_s = None

    def leave(self, participant: object) -> None:
        """Somebody is gone; one who never entered is no error."""
        self._participants.discard(participant)
        if participant is self._microphone_owner:
            self._microphone_owner = None
        self.release_face(participant)
        if participant is self._playout_reporter:
            self._playout_reporter = None
        if not self._participants and self._empty_s is None:
            self._empty_s = time.monotonic()

    @property
    def closed(self) -> bool:
        """Whether it has ended: nothing happens in it any more."""
        return self._closed

    @property
    def participants(self) -> int:
        """How many take part."""
        return len(self._participants)

    @property
    def empty_since_s(self) -> float | None:
        """Monotonic time at which the last participant left; None while there is one."""
        return self._empty_s

    def packets(self, kind: Kind) -> Outlet:
        """Encoded sound or pictures as they leave, until the outlet is closed."""
        if kind == "audio":
            return self.sounds.feed.open()
        return self.pictures.feed(kind).open()

    def watch(self, callback: Callable[[Picture], None]) -> Handle:
        """Call back for every frame that leaves."""
        return self.pictures.watchers.add(callback)

    def listen(self, callback: Callable[[int, NDArray[np.int16]], None]) -> Handle:
        """Call back with every 20 ms of sound that leave: the number of the first sample, int16 [960] at 48 kHz."""
        return self.sounds.listeners.add(callback)

    def on_event(self, callback: Callable[[dict[str, Any]], object]) -> Handle:
        """Call back with ``{"type": "avatar", "id": str}`` when another avatar is shown,
        ``{"type": "state", "speaking": bool}`` when the avatar begins or ends to speak,
        ``{"type": "cleared", "sample": n, "by": ...}`` when everything queued was thrown away and output sample n is the first
        that is not heard, ``{"type": "error", "error": "..."}`` when the engine refuses something, and
        ``{"type": "ended"}``."""
        return self._events.add(callback)

    def tell(self, event: dict[str, Any]) -> None:
        """Tell everybody who asked for events."""
        self._events(event)

    def claim_microphone(self, owner: object) -> None:
        """Let ``owner`` be the one whose microphone is heard.

        Raises:
            BusyError: another one is speaking.
        """
        if owner is self._microphone_owner:
            return
        now_s = time.monotonic()
        if self._microphone_owner is not None and now_s - self._microphone_s < MICROPHONE_KEPT_S:
            raise BusyError(
                "expected nobody else at the microphone of this avatar: try again when they have finished"
            )
        self._microphone_owner = owner
        self._microphone_s = now_s

    def release_microphone(self, owner: object) -> None:
        """Let others speak."""
        if owner is self._microphone_owner:
            self._microphone_owner = None

    def claim_face(self, owner: object) -> None:
        """Let ``owner`` be the one whose face drives the avatar.

        Raises:
            BusyError: another one's does.
        """
        if self._face_owner not in (None, owner):
            raise BusyError(
                "expected nobody else's face to drive this avatar: try again when they have stopped"
            )
        self._face_owner = owner

    def release_face(self, owner: object) -> None:
        """Let others' faces drive the avatar."""
        if owner is self._face_owner:
            self._face_owner = None

    def route_microphone(self, callback: Callable[[int, NDArray[np.int16]], None] | None) -> None:
        """Send the microphone's sound to ``callback(number of the first sample, samples)`` and not to the mouth.

        Both at 48 kHz, int16 [3 n]; in order, lost packets filled. Numbers go on without a gap while the microphone is
        on.

        Raises:
            BusyError: they go to another one already.
        """
        if callback is not None and self._microphone_route is not None:
            raise BusyError(
                "expected nobody else to listen to the microphone of this avatar: try again later"
            )
        self._microphone_route = callback
        self.timeline.microphone_aside = callback is not None

    @property
    def barge_in(self) -> bool:
        """Whether ``clear`` is called when the user begins to speak while something from ``play`` is heard."""
        return self._barge_in is not None

    @barge_in.setter
    def barge_in(self, on: bool) -> None:
        if on != self.barge_in:
            self._barge_in = BargeIn() if on else None

    # Control.

    def open_session(self) -> None:
        """Open the engine session where the timeline is now; again when another worker took over.

        That one hears the last moments once more, from the shared memory, so that it knows the voice and has the frame
        that is due next at once; the head goes on from where it was last seen.
        """
        due_next = self.pictures.pacer.next_number(time.monotonic())
        first_frame = max(self._silent_frame, due_next - HEARD_AGAIN_FRAMES)
        generation = self.pictures.pacer.clear()
        self._memory.free_all()
        self._opening = next(_OPENINGS)
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
                mood=self._style[2],
                level=int(self.pictures.ladder.level),
                shown=self.pictures.motion,
                listening=self._listening,
                opening=self._opening,
            )
        )
        if self.timeline.head > first_frame * FRAME_SAMPLES:
            self._send(Audio(self.name, self.timeline.head))

    def set_style(
        self, expressiveness: float | None = None, head_motion: float | None = None, mood: float | None = None
    ) -> None:
        """Change expressiveness and head motion, both 0 to 2, and mood, -1 to 1; those that are None stay."""
        before = self._style
        self._style = (
            before[0] if expressiveness is None else expressiveness,
            before[1] if head_motion is None else head_motion,
            before[2] if mood is None else mood,
        )
        self._send(SetStyle(self.name, *self._style))

    def set_listening(self, heard: bool) -> None:
        """Say whether the other side speaks now, whose voice is not the avatar's: the avatar shows that it listens."""
        if heard != self._listening:
            self._listening = heard
            self._send(SetListening(self.name, heard))

    def face(self, time_s: float, values: bytes) -> None:
        """A face that drives the avatar showed this at a monotonic time; see ``streaming.messages.Face``."""
        self._send(Face(self.name, time_s, values))

    def set_avatar(self, avatar: str, path: str) -> None:
        """Show another avatar."""
        self.avatar_id, self._avatar_path = avatar, path
        self._send(SetAvatar(self.name, path))
        self.tell({"type": "avatar", "id": avatar})

    def play(self, samples: NDArray[np.int16]) -> None:
        """Speak a recording, mono int16 at 48 kHz (``streaming.timeline.to_int16``), from now on."""
        self.timeline.play(samples)

    def clear(self, by: Literal["user", "other"] = "other") -> None:
        """Barge-in: what is queued is neither heard nor seen. ``by``: whether it was the user's voice."""
        self.sounds.pump(time.monotonic())
        unsent = self.sounds.unsent
        first = unsent if unsent is not None else self.timeline.head
        self.timeline.clear(first)
        self._silent_frame = -(-self.timeline.head // FRAME_SAMPLES)
        self._send(Audio(self.name, self.timeline.head))
        self._send(Clear(self.name, self.pictures.pacer.clear()))
        self.tell({"type": "cleared", "sample": first * OUTPUT_PER_ANALYSIS, "by": by})

    def hear(self, timestamp: int, samples: NDArray[np.int16]) -> None:
        """Take one microphone packet, mono int16 with its time stamp, at 48 kHz."""
        self._microphone_s = now_s = time.monotonic()
        self.timeline.hear(timestamp, samples, now_s)
        self.sounds.pump(now_s)  # at once: what waits for the next turn is taken from the drawing's time

    def hear_packet(self, timestamp: int, payload: bytes, decoder: SpeechDecoder) -> None:
        """Take one encoded microphone packet with its time stamp at 48 kHz; ``decoder`` is its sender's own."""
        self._microphone_s = now_s = time.monotonic()
        self.timeline.hear_packet(timestamp, payload, decoder, now_s)
        self.sounds.pump(now_s)

    @property
    def queued_seconds(self) -> float:
        """Sound of ``play`` that is still to be heard."""
        return self.timeline.queued_seconds

    def playout(self, reporter: object, audio_ms: float, video_ms: float) -> None:
        """A page says what it is playing; the first one that reports steers the offset until it leaves."""
        if self._playout_reporter is None:
            self._playout_reporter = reporter
        if reporter is self._playout_reporter:
            self._metrics.av_lead.labels(self.label).set(self.av_offset.report(audio_ms, video_ms))
            self._metrics.av_error.labels(self.label).set(video_ms - audio_ms)

    def concerns(self, message: FrameDone | SessionFailed) -> bool:
        """Whether a worker speaks of this session as it was opened last, not of one that had its name before."""
        return not self._closed and message.opening == self._opening

    def frame_done(self, done: FrameDone) -> None:
        """The worker has made a frame; what comes after the session's end is dropped with its memory."""
        if not self._closed:
            self.pictures.frame_done(done)

    def measure(self) -> None:
        """Set the gauges of this session; called once a second."""
        if self._closed:
            return
        sound = [len(outlet) for outlet in self.sounds.feed.outlets]
        pictures = [len(outlet) for outlet in self.pictures.outlets]
        viewers = max(len(sound), len(pictures), len(self.pictures.watchers), len(self.sounds.listeners))
        for gauge, value in (
            (self._metrics.viewers, viewers),
            (self._metrics.frames_waiting, self.pictures.pacer.waiting),
            (self._metrics.packets_waiting, max(sound, default=0) + max(pictures, default=0)),
            (self._metrics.sound_queued, self.queued_seconds),
            (self._metrics.microphone_lead, self.timeline.microphone.lead_ms),
        ):
            gauge.labels(self.label).set(value)

    def _heard(self, first: int, samples: NDArray[np.float32]) -> None:
        """Let the worker hear what the timeline has gained, once that ends a frame: before, it could draw no other."""
        if self._closed:  # somebody speaks on who has not heard of it yet
            return
        self._memory.write_audio(first, samples)
        if self.timeline.head // FRAME_SAMPLES > first // FRAME_SAMPLES:
            self._send(Audio(self.name, self.timeline.head))

    def _microphone_heard(self, first: int, samples: NDArray[np.int16]) -> None:
        if self._microphone_route is not None:
            self._microphone_route(first, samples)
        self._watch_user(samples)

    def _watch_user(self, heard: NDArray[np.int16]) -> None:
        """Stop what was to be played when the user begins to speak into it."""
        if self._barge_in is None:
            return
        change = self._barge_in.add(heard, level_dbfs(self.sounds.said))
        if change is None:
            return
        self.tell({"type": change})
        if change == "user_speaking" and (
            self.queued_seconds or self.timeline.spoken_to > (self.sounds.unsent or 0)
        ):
            self.clear("user")

    def _change_level(self, before: Level, level: Level) -> None:
        logger.info("quality: %s -> %s", before.label, level.label, extra={"session": self.label})
        self._send(SetLevel(self.name, int(level)))


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s failed", task.get_name(), exc_info=task.exception())
