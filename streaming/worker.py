"""The engine worker process: sound in, pictures out, several sessions in turn."""

import gc
import logging
import os
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import VividliveError
from engine.motion.values import Motion
from streaming.clock import MediaClock
from streaming.engine_port import EngineOptions, EnginePort, load_object
from streaming.ladder import Level
from streaming.messages import (
    Alive,
    Audio,
    Clear,
    CloseSession,
    ForgetAvatar,
    FrameDone,
    FromWorker,
    NotReady,
    OpenSession,
    Ready,
    SessionFailed,
    SetAvatar,
    SetLevel,
    SetOrigin,
    SetStyle,
    Stop,
    ToSession,
    ToWorker,
    pack_motion,
)
from streaming.shared import SessionMemory

WARM_FRAMES: Final = 25
KEPT_AVATARS: Final = 4
FROZEN_S: Final = 0.5
ALIVE_S: Final = 1.0

logger = logging.getLogger(__name__)


class WorkerSession:
    """One session within the worker."""

    def __init__(self, opening: OpenSession, port: EnginePort, avatar: Any, memory: SessionMemory) -> None:
        self.name = opening.session
        self.level = Level(opening.level)
        self.generation = opening.generation
        self.memory = memory
        self.clock = MediaClock(opening.origin_s)
        self._port = port
        self._budget_s = opening.budget_s
        self._drawn_s = 0.0
        self._first_frame = opening.first_frame
        self._heard = opening.first_frame * FRAME_SAMPLES
        self._end = self._heard
        self._session = port.session(avatar, opening.seed)
        self.set_style(opening.expressiveness, opening.head_motion)
        self._motions: Iterator[Motion] = iter(())
        self._pending: Motion | None = None

    def set_style(self, expressiveness: float, head_motion: float) -> None:
        """Change the style from the next motion on."""
        self._session.set_style(self._port.style(expressiveness, head_motion))

    def set_avatar(self, avatar: Any) -> None:
        """Draw another avatar from the next frame on."""
        self._session.set_avatar(avatar)

    def hear(self, end: int) -> None:
        """Sound up to sample ``end`` lies in the ring."""
        self._end = max(self._end, end)

    def clear(self, generation: int) -> None:
        """Barge-in: what was queued becomes silence, so that numbers run on."""
        self._take_audio()
        dropped = self._session.clear()
        self._session.push_audio(np.zeros(dropped, np.float32))
        self._pending = None
        self._motions = iter(())
        self.generation = generation

    def step(self, clock: Callable[[], float]) -> FrameDone | None:
        """Make the next frame that can still be in time, if there is one.

        On a machine that is too slow for that, a late one now and then: better than a picture that stands still.
        """
        self._take_audio()
        now_s = clock()
        while (motion := self._next_motion()) is not None:
            number = motion.number + self._first_frame
            late = self.clock.frame_due(number, self._budget_s) < now_s
            if number % self.level.stride or (late and now_s - self._drawn_s < FROZEN_S):
                self._pending = None
                continue
            slot = self.memory.free_slot()
            if slot is None:
                return None
            self._pending = None
            self._drawn_s = now_s
            frame = self._session.render(motion, supersample=self.level.supersample)
            self.memory.fill(slot, frame.i420)
            return FrameDone(
                self.name,
                number,
                slot,
                self.generation,
                clock(),
                frame.stage_ms,
                self._session.speaking,
                pack_motion(motion),
            )
        return None

    def _take_audio(self) -> None:
        if self._end > self._heard:
            self._session.push_audio(self.memory.read_audio(self._heard, self._end))
            self._heard = self._end

    def _next_motion(self) -> Motion | None:
        if self._pending is None:
            self._pending = next(self._motions, None)
        if self._pending is None:
            self._motions = self._session.motions()
            self._pending = next(self._motions, None)
        return self._pending


class Worker:
    """All sessions of one worker process; no I/O but ``send`` and the shared memory."""

    def __init__(
        self, port: EnginePort, size: int, send: Callable[[FromWorker], None], clock: Callable[[], float]
    ) -> None:
        self._port = port
        self._size = size
        self._send = send
        self._clock = clock
        self._sessions: dict[str, WorkerSession] = {}
        self._avatars: OrderedDict[str, Any] = OrderedDict()

    def handle(self, message: ToWorker) -> None:
        """Carry out one message; a session's failure is reported and ends nothing else."""
        assert not isinstance(message, Stop)
        if isinstance(message, ForgetAvatar):
            self._avatars.pop(message.avatar_path, None)
            return
        try:
            self._handle(message)
        except VividliveError as error:
            self._send(SessionFailed(message.session, str(error), fatal=isinstance(message, OpenSession)))
        except Exception:
            logger.exception("session %s: %s failed", message.session, type(message).__name__)
            self._send(SessionFailed(message.session, "the engine failed, see the server's log", fatal=True))
            self._close(message.session)

    def step(self) -> bool:
        """Let every session make one frame; returns whether any did."""
        busy = False
        for name in list(self._sessions):
            try:
                done = self._sessions[name].step(self._clock)
            except Exception:
                logger.exception("session %s: rendering failed", name)
                self._send(SessionFailed(name, "the engine failed, see the server's log", fatal=True))
                self._close(name)
                continue
            if done is not None:
                self._send(done)
                busy = True
        return busy

    def close(self) -> None:
        """End every session."""
        for name in list(self._sessions):
            self._close(name)

    def _handle(self, message: ToSession) -> None:
        if isinstance(message, OpenSession):
            memory = SessionMemory(self._size, message.memory)
            try:
                avatar = self._avatar(message.avatar_path)
                self._sessions[message.session] = WorkerSession(message, self._port, avatar, memory)
            except BaseException:
                memory.close()
                raise
            return
        session = self._sessions.get(message.session)
        if session is None:
            return
        match message:
            case Audio():
                session.hear(message.end)
            case Clear():
                session.clear(message.generation)
            case SetStyle():
                session.set_style(message.expressiveness, message.head_motion)
            case SetAvatar():
                session.set_avatar(self._avatar(message.avatar_path))
            case SetLevel():
                session.level = Level(message.level)
            case SetOrigin():
                session.clock.origin_s = message.origin_s
            case CloseSession():
                self._close(message.session)

    def _close(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is not None:
            session.memory.close()

    def _avatar(self, path: str) -> Any:
        if path not in self._avatars:
            self._avatars[path] = self._port.load_avatar(path)
        self._avatars.move_to_end(path)
        while len(self._avatars) > KEPT_AVATARS:
            self._avatars.popitem(last=False)
        return self._avatars[path]


def warm_up(port: EnginePort, avatar_path: str) -> float:
    """Draw a second of frames; returns what the quickest took, motion and drawing together, in milliseconds.

    The quickest says what the machine can do; the others also say what else it was doing at that moment.
    """
    session = port.session(port.load_avatar(avatar_path), 0)
    session.push_audio(np.zeros(FRAME_SAMPLES * WARM_FRAMES + LOOK_AHEAD_SAMPLES, np.float32))
    times = []
    start = time.perf_counter()
    for motion in session.motions():
        session.render(motion)
        times.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
    return min(times)


def worker_main(connection: Connection, options: EngineOptions, avatar_path: str, log_level: int) -> None:
    """Run a worker until it is told to stop or the media process is gone."""
    if hasattr(os, "setsid"):
        # A session of its own: Linux then gives drawing its own share of a busy processor, beside the browser's.
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the media process, which stops the worker
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        port: EnginePort = load_object(options.factory)(options)
        connection.send(Ready(warm_up(port, avatar_path)))
    except VividliveError as error:
        connection.send(NotReady(str(error)))
        return
    gc.collect()
    gc.freeze()  # what lives now lives long: later collections are short
    worker = Worker(port, options.size, connection.send, time.monotonic)
    try:
        busy = False
        told_s = time.monotonic()
        while True:
            if time.monotonic() - told_s > ALIVE_S:
                told_s = time.monotonic()
                connection.send(Alive())
            if connection.poll(0.0 if busy else ALIVE_S):
                message = connection.recv()
                if isinstance(message, Stop):
                    return
                worker.handle(message)
            busy = worker.step() or connection.poll(0.0)
    except (EOFError, OSError):
        logger.info("the media process is gone")
    finally:
        worker.close()
