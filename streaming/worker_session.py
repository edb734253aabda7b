"""One session within the engine worker: its sound, its place in time, and the next frame to draw."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_NAMES, FRAME_SAMPLES
from engine.motion.face_drive import FaceDrive, FaceMotion
from engine.motion.values import Motion
from streaming.clock import MediaClock
from streaming.engine_port import EnginePort, FrameLike
from streaming.ladder import Level
from streaming.messages import FrameDone, OpenSession, carriage, pack_motion, unpack_carriage, unpack_motion
from streaming.shared import SessionMemory

FROZEN_S: Final = 0.5
"""A picture stands still for no longer than this: then a frame that is late is drawn all the same."""

SETTLE_FRAMES: Final = 25
"""Frames in which a head that goes on from another worker's pose finds its own way."""


@dataclass(frozen=True, eq=False)
class Due:
    """A frame that is to be drawn now, and the slot that its picture goes into."""

    number: int
    motion: Motion
    slot: int


class WorkerSession:
    """One session; ``prepared`` is an avatar made ready by the port."""

    def __init__(
        self,
        opening: OpenSession,
        port: EnginePort,
        prepared: Any,
        memory: SessionMemory,
        now_s: float,
    ) -> None:
        self.name = opening.session
        self.opening = opening.opening
        self.level = Level(opening.level)
        self.generation = opening.generation
        self.memory = memory
        self.clock = MediaClock(opening.origin_s)
        self._port = port
        self._budget_s = opening.budget_s
        self._drawn_s = now_s
        self._first_frame = opening.first_frame
        self._heard = opening.first_frame * FRAME_SAMPLES
        self._end = self._heard
        self._silent_to: int | None = None  # what was heard before is to become silence
        self.drawn = port.session(prepared, opening.seed)
        """The engine's session, for ``EnginePort.draw``."""
        self.set_style(opening.expressiveness, opening.head_motion, opening.mood)
        self.set_listening(opening.listening)
        self._new_face = True
        self._motions: Iterator[Motion] = iter(())
        self._pending: Motion | None = None
        self._goes_on_from = unpack_carriage(opening.shown) if opening.shown else None
        self._settling: tuple[int, NDArray[np.float32]] | None = None
        self._face = FaceDrive()

    def set_style(self, expressiveness: float, head_motion: float, mood: float) -> None:
        """Change the style from the next motion on. It is speech's: a face that drives frames brings its own."""
        self.drawn.set_style(self._port.style(expressiveness, head_motion, mood))

    def set_listening(self, heard: bool) -> None:
        """The other side of the conversation begins, or ends, to speak."""
        self.drawn.set_listening(heard)

    def face(self, time_s: float, values: bytes) -> None:
        """A tracked face showed this at a monotonic time; see ``streaming.messages.Face``."""
        shapes, pose = np.split(unpack_motion(values), [len(ARKIT_NAMES)])
        self._face.add(FaceMotion(time_s, shapes, pose, seen=True))

    def set_avatar(self, prepared: Any) -> None:
        """Draw another avatar from the next frame on, whatever the ladder would skip."""
        self.drawn.set_avatar(prepared)
        self._new_face = True

    def hear(self, end: int) -> None:
        """Sound up to sample ``end`` lies in the ring."""
        self._end = max(self._end, end)

    def clear(self, generation: int) -> None:
        """Barge-in: what was queued becomes silence, so that numbers run on.

        It does before the next frame, once however often this was called: a client may call it thousands of times.
        """
        self._silent_to = self._end
        self._pending = None
        self._motions = iter(())
        self.generation = generation

    def due(self, now_s: float) -> Due | None:
        """The next frame that can still be in time, if there is one.

        On a machine that is too slow for that, a late one now and then: better than a picture that stands still.
        """
        self._take_audio()
        while (motion := self._next_motion()) is not None:
            number = motion.number + self._first_frame
            late = self.clock.frame_due(number, self._budget_s) < now_s
            skipped = number % self.level.stride and not self._new_face
            if skipped or (late and now_s - self._drawn_s < FROZEN_S):
                self._pending = None
                continue
            slot = self.memory.free_slot()
            if slot is None and not late:
                return None
            self._pending = None
            if slot is None:  # nobody takes its pictures: what waits must not pile up
                continue
            self._drawn_s = now_s
            self._new_face = False
            moment_s = self.clock.time_of(number * FRAME_SAMPLES + FRAME_SAMPLES // 2)
            motion = self._settle(self._face.drive(motion, moment_s), number)
            return Due(number, motion, slot)
        return None

    def show(self, due: Due, frame: FrameLike, clock: Callable[[], float]) -> FrameDone:
        """Hand the picture over that was drawn."""
        self.memory.fill(due.slot, frame.i420)
        return FrameDone(
            self.name,
            due.number,
            due.slot,
            self.generation,
            clock(),
            frame.stage_ms,
            due.motion.speaking,
            pack_motion(due.motion),
            self.opening,
        )

    def close(self) -> None:
        """End the session."""
        self.drawn.close()
        self.memory.close()

    def _take_audio(self) -> None:
        if self._silent_to is not None:
            self._take_audio_to(self._silent_to)
            self._silent_to = None
            dropped = self.drawn.clear()
            self.drawn.push_audio(np.zeros(dropped, np.float32))
        self._take_audio_to(self._end)

    def _take_audio_to(self, end: int) -> None:
        if end > self._heard:
            self.drawn.push_audio(self.memory.read_audio(self._heard, end))
            self._heard = end

    def _next_motion(self) -> Motion | None:
        if self._pending is None:
            self._pending = next(self._motions, None)
        if self._pending is None:
            self._motions = self.drawn.motions()
            self._pending = next(self._motions, None)
        return self._pending

    def _settle(self, motion: Motion, number: int) -> Motion:
        """Lead head and breath from where the viewer last saw them to where this session has them."""
        if self._goes_on_from is None:
            return motion
        own = carriage(motion)
        if self._settling is None:
            self._settling = (number, self._goes_on_from - own)
        begun, jump = self._settling
        done = (number - begun) / SETTLE_FRAMES
        if done >= 1.0:
            self._goes_on_from = None
            return motion
        *pose, breath = own + jump * np.float32(1.0 - done * done * (3.0 - 2.0 * done))
        pose_now = np.array(pose, np.float32)
        return replace(motion, pose=pose_now, breath=min(1.0, max(0.0, float(breath)))).clamped()
