"""The engine worker process: sound in, pictures out, several sessions in turn, or together where a GPU draws."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import DeviceLostError, VividliveError
from streaming.engine_port import EngineOptions, EnginePort, load_object
from streaming.ladder import Level
from streaming.loader import AvatarLoader
from streaming.messages import (
    Alive,
    Audio,
    Clear,
    CloseSession,
    Face,
    ForgetAvatar,
    FromWorker,
    NotReady,
    OpenSession,
    Preload,
    Ready,
    SessionFailed,
    SetAvatar,
    SetLevel,
    SetListening,
    SetOrigin,
    SetStyle,
    Stop,
    ToSession,
    ToWorker,
)
from streaming.shared import SessionMemory
from streaming.worker_session import Due, WorkerSession

WARM_FRAMES: Final = 25
ALIVE_S: Final = 0.5
GATHER_S: Final = 0.002
"""Where frames are drawn together, the sound of the other sessions comes within this after the first one's."""

LOADING_S: Final = 0.005
"""How often it is looked whether an avatar is ready, when there is nothing else to do."""

LOW_PRIORITY: Final = 15
"""Niceness of a standby's warm-up."""

logger = logging.getLogger(__name__)


@dataclass
class _Opening:
    """A session whose avatar is being loaded, and what it was told since."""

    message: OpenSession
    prepared: Future[Any]
    later: list[ToSession] = field(default_factory=list)


class Worker:
    """All sessions of one worker process; no I/O but ``send`` and the shared memory."""

    def __init__(
        self,
        port: EnginePort,
        loader: AvatarLoader,
        size: int,
        send: Callable[[FromWorker], None],
        clock: Callable[[], float],
    ) -> None:
        self._port = port
        self._loader = loader
        self._size = size
        self._send = send
        self._clock = clock
        self._sessions: dict[str, WorkerSession] = {}
        self._openings: dict[str, _Opening] = {}
        self._swaps: dict[str, Future[Any]] = {}

    @property
    def loading(self) -> bool:
        """Whether a session waits for an avatar."""
        return bool(self._openings or self._swaps)

    @property
    def together(self) -> bool:
        """Whether frames of several sessions are drawn at once."""
        return self._port.at_once > 1 and len(self._sessions) > 1

    def handle(self, message: ToWorker) -> None:
        """Carry out one message; a session's failure is reported and ends nothing else."""
        assert not isinstance(message, Stop)
        if isinstance(message, ForgetAvatar):
            self._loader.forget(message.avatar_path)
        elif isinstance(message, Preload):
            self._loader.preload(message.avatar_path)
        elif isinstance(message, OpenSession):
            self._close(message.session)
            self._openings[message.session] = _Opening(message, self._loader.prepare(message.avatar_path))
        elif isinstance(message, CloseSession):
            self._close(message.session)
        elif message.session in self._openings:
            self._openings[message.session].later.append(message)
        elif message.session in self._sessions:
            try:
                self._handle(message)
            except VividliveError as error:
                self._tell_failure(message.session, str(error), fatal=False)
            except Exception:
                self._fail(message.session, type(message).__name__)

    def step(self) -> bool:
        """Let every session make one frame; returns whether any did."""
        self._take_avatars()
        busy = False
        names = list(self._sessions)
        for first in range(0, len(names), self._port.at_once):
            busy |= self._draw(names[first : first + self._port.at_once])
        return busy

    def close(self) -> None:
        """End every session."""
        for name in (*self._openings, *self._sessions):
            self._close(name)
        self._loader.close()

    def _draw(self, names: list[str]) -> bool:
        """Draw the frames of these sessions that are due; returns whether there were any.

        One whose frame fails is ended. Where sessions are drawn together, those of one batch are ended.

        Raises:
            DeviceLostError: no session can be drawn by this process any more.
        """
        due: dict[str, Due] = {}
        for name in names:
            try:
                next_frame = self._sessions[name].due(self._clock())
            except Exception:
                self._fail(name, "rendering")
                continue
            if next_frame is not None:
                due[name] = next_frame
        if not due:
            return False
        sessions = [self._sessions[name] for name in due]
        try:
            frames = self._port.draw(
                [session.drawn for session in sessions],
                [frame.motion for frame in due.values()],
                supersample=all(session.level.supersample for session in sessions),
                neural=all(session.level.neural for session in sessions),
            )
            for session, frame in zip(sessions, frames, strict=True):
                self._send(session.show(due[session.name], frame, self._clock))
        except DeviceLostError:
            raise
        except Exception:
            for name in due:
                self._fail(name, "rendering")
        return True

    def _handle(self, message: ToSession) -> None:
        session = self._sessions[message.session]
        match message:
            case Audio():
                session.hear(message.end)
            case Clear():
                session.clear(message.generation)
            case SetStyle():
                session.set_style(message.expressiveness, message.head_motion, message.mood)
            case SetListening():
                session.set_listening(message.heard)
            case Face():
                session.face(message.time_s, message.values)
            case SetAvatar():
                self._swaps[message.session] = self._loader.prepare(message.avatar_path)
            case SetLevel():
                session.level = Level(message.level)
            case SetOrigin():
                session.clock.origin_s = message.origin_s

    def _take_avatars(self) -> None:
        """Open the sessions, and change the faces, whose avatars are ready."""
        for name in [name for name, opening in self._openings.items() if opening.prepared.done()]:
            opening = self._openings[name]
            try:
                self._open(opening.message, opening.prepared.result())
            except VividliveError as error:
                wanted = [message for message in opening.later if isinstance(message, SetAvatar)]
                if wanted:  # the one before may have been deleted meanwhile
                    opening.prepared = self._loader.prepare(wanted[-1].avatar_path)
                    opening.later = [each for each in opening.later if each not in wanted]
                    continue
                self._tell_failure(name, str(error), fatal=True)
            except FileNotFoundError:
                logger.info("session %s: ended before it was opened", name)
            except Exception:
                self._fail(name, "opening")
            self._openings.pop(name, None)
            for message in opening.later:
                self.handle(message)
        for name in [name for name, prepared in self._swaps.items() if prepared.done()]:
            try:
                self._sessions[name].set_avatar(self._swaps.pop(name).result())
            except VividliveError as error:
                self._tell_failure(name, str(error), fatal=False)
            except Exception:
                self._fail(name, "changing the avatar")

    def _open(self, message: OpenSession, prepared: Any) -> None:
        memory = SessionMemory(self._size, message.memory)
        try:
            session = WorkerSession(message, self._port, prepared, memory, self._clock())
        except BaseException:
            memory.close()
            raise
        self._sessions[message.session] = session

    def _fail(self, name: str, doing: str) -> None:
        """Tell of the exception at hand and end the session."""
        logger.exception("session %s: %s failed", name, doing)
        self._tell_failure(name, "the engine failed, see the server's log", fatal=True)
        self._close(name)

    def _tell_failure(self, name: str, error: str, *, fatal: bool) -> None:
        """Tell of a failure of the session that has the name now."""
        coming = self._openings.get(name)
        opening = coming.message.opening if coming is not None else self._sessions[name].opening
        self._send(SessionFailed(name, error, fatal, opening))

    def _close(self, name: str) -> None:
        self._openings.pop(name, None)
        self._swaps.pop(name, None)
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close()


def warm_up(port: EnginePort, loader: AvatarLoader, avatar_path: str) -> float:
    """Draw a second of frames; returns what the quickest took, motion and drawing together, in milliseconds.

    The quickest says what the machine can do; the others also say what else it was doing at that moment.
    """
    session = port.session(loader.prepare(avatar_path).result(), 0)
    session.push_audio(np.zeros(FRAME_SAMPLES * WARM_FRAMES + LOOK_AHEAD_SAMPLES, np.float32))
    times = []
    start = time.perf_counter()
    for motion in session.motions():
        port.draw([session], [motion], supersample=True, neural=True)
        times.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
    session.close()
    return min(times)


def worker_main(
    connection: Connection, options: EngineOptions, avatar_path: str, log_level: int, urgent: bool
) -> None:
    """Run a worker until it is told to stop or the media process is gone.

    A standby is not ``urgent``: it warms up at low priority.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the media process, which stops the worker
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if urgent:
        _own_share()
    try:
        worker, frame_ms = _make(connection, options, avatar_path, urgent)
    except VividliveError as error:
        connection.send(NotReady(str(error)))
        return
    if not urgent:
        _own_share()
    gc.collect()
    gc.freeze()  # what lives now lives long: later collections are short
    try:
        connection.send(Ready(frame_ms))
        _run(worker, connection)
    except (EOFError, OSError):
        logger.info("the media process is gone")
    except DeviceLostError as error:
        logger.error("%s: this worker ends, another one takes its place", error)
    finally:
        worker.close()


def _make(
    connection: Connection, options: EngineOptions, avatar_path: str, urgent: bool
) -> tuple[Worker, float]:
    """A warm worker and what a frame costs it.

    Raises:
        VividliveError: the engine cannot be made.
    """

    def make() -> tuple[Worker, float]:
        if not urgent and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
        port: EnginePort = load_object(options.factory)(options)
        loader = AvatarLoader(port)
        frame_ms = warm_up(port, loader, avatar_path)
        return Worker(port, loader, options.size, connection.send, time.monotonic), frame_ms

    if urgent:
        return make()
    # On a thread of its own: Linux has a priority for each, and would not let a process raise its own again.
    with ThreadPoolExecutor(1, thread_name_prefix="warm-up") as executor:
        return executor.submit(make).result()


def _own_share() -> None:
    """Be a session of one's own: Linux then gives drawing its own share of a busy processor, beside the browser's."""
    if hasattr(os, "setsid"):
        os.setsid()


def _run(worker: Worker, connection: Connection) -> None:
    busy = False
    told_s = time.monotonic()
    while True:
        if time.monotonic() - told_s > ALIVE_S:
            told_s = time.monotonic()
            connection.send(Alive())
        wait_s = 0.0 if busy else LOADING_S if worker.loading else ALIVE_S
        if connection.poll(wait_s):
            gathered_s = time.monotonic() + (GATHER_S if worker.together else 0.0)
            while connection.poll(max(0.0, gathered_s - time.monotonic())):
                message = connection.recv()
                if isinstance(message, Stop):
                    return
                worker.handle(message)
        busy = worker.step()
