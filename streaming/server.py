"""Everything that runs behind the HTTP app: workers, calls, avatars, housekeeping."""

import asyncio
import gc
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from streaming.avatar_jobs import AvatarJobs
from streaming.avatars import AvatarStore, default_data_dir, new_id
from streaming.encoder import PACKET_SAMPLES, AudioEncoder, VideoEncoder
from streaming.errors import FullError, UnknownCallError, UnknownSessionError
from streaming.face_trackers import FaceTrackers
from streaming.log import label
from streaming.messages import ForgetAvatar, FrameDone, FromWorker, SessionFailed
from streaming.metrics import Metrics
from streaming.peer import Peer
from streaming.recording_store import Recordings
from streaming.session import AvatarSession
from streaming.settings import DEFAULT_LATENCY_MS, ServeSettings, engine_options, fitting_latency_ms
from streaming.stall import watch_for_stalls
from streaming.workers import EngineWorkers

CONNECT_S: Final = 30.0
"""A peer that has not connected so long after its answer is forgotten."""

HURRIED_CONNECT_S: Final = 5.0
"""The same when others wait for the place: a page that was loaded again at once has told nobody that it is gone."""

HOUSEKEEPING_S: Final = 1.0
EXPIRY_S: Final = 60.0
RETRY_AFTER_S: Final = 5

GOODBYE_S: Final = 0.3
"""How long a goodbye may take to arrive before the peers are closed."""

logger = logging.getLogger(__name__)


class Server:
    """Owns all processes, threads and tasks; ``start`` and ``stop`` are called once each."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.latency_ms = settings.latency_ms or DEFAULT_LATENCY_MS
        self.metrics = Metrics()
        self.store = AvatarStore(
            (settings.data_dir or default_data_dir()) / "avatars", settings.upload_lifetime_s
        )
        self.recordings = Recordings(
            (settings.data_dir or default_data_dir()) / "recordings", settings.upload_lifetime_s
        )
        self.workers = EngineWorkers(
            engine_options(settings),
            settings.workers,
            warm_avatar=lambda: str(self.store.bundle(self.store.default)),
            on_message=self._on_message,
            on_ready=self._on_worker_ready,
            standby=settings.standby,
        )
        self.sessions: dict[str, AvatarSession] = {}
        self.calls: dict[str, Peer] = {}
        self.faces = FaceTrackers(settings.face_tracker, settings.max_faces)
        self.avatar_jobs = AvatarJobs(settings, self.store, self._spawn)
        self._executor = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="encode")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._restarts = 0
        self._left = False
        self._stopping = False

    async def start(self) -> None:
        """Make the default avatar if need be, start the workers, warm everything up.

        Raises:
            SettingError: the latency budget is below what this machine needs.
            InputError: the avatar of the command line cannot be used.
        """
        try:
            await self.avatar_jobs.make_default()
            await self.workers.start()
            encode_ms = await asyncio.get_running_loop().run_in_executor(
                self._executor, _warm_up_encoders, self.settings.size
            )
            self.latency_ms = fitting_latency_ms(self.settings.latency_ms, self.workers.frame_ms, encode_ms)
        except BaseException:
            await self.stop()
            raise
        if self.settings.latency_ms is None and self.latency_ms > DEFAULT_LATENCY_MS:
            logger.warning("this machine needs a latency of %.0f ms", self.latency_ms)
        self._spawn(watch_for_stalls(self._on_stall), "stalls")
        self._spawn(self._keep_house(), "housekeeping")
        self._spawn(self.avatar_jobs.make_bundled(), "bundled-avatars")

    async def say_goodbye(self, retry_s: float) -> None:
        """Take no more calls, and tell the pages when to come back."""
        self._stopping = True
        for peer in list(self.calls.values()):
            peer.tell({"type": "bye", "retry_s": retry_s})
        if self.calls:
            await asyncio.sleep(GOODBYE_S)

    async def stop(self) -> None:
        """Hang up, end every process and task."""
        await asyncio.gather(*(self.close_call(call) for call in list(self.calls)))
        await asyncio.gather(*(self.close_session(name) for name in list(self.sessions)))
        await self.recordings.stop()
        await self.faces.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.workers.stop()
        self._executor.shutdown()

    # Sessions: one avatar each, seen by any number of viewers.

    def open_session(self, avatar: str | None, seed: int = 0, name: str | None = None) -> AvatarSession:
        """Open a session with a name of its own, which is the key to it, or the given one.

        Raises:
            UnknownAvatarError, FullError
        """
        entry = self.store.get(avatar if avatar is not None else self.store.default)
        self._check_open()
        if not self.workers.running:
            raise FullError("the engine is starting: try again in a few seconds", "starting")
        self._make_room()
        name = name if name is not None else new_id()
        try:
            session = AvatarSession(
                name,
                self.settings,
                self.metrics,
                self._executor,
                self.workers.send,
                (entry.id, str(self.store.bundle(entry.id))),
                seed,
                self.latency_ms,
                self.workers.phase_s(name),
            )
        except OSError as error:
            logger.error("expected shared memory for another session, got: %s", error.strerror)
            raise FullError("the server has no memory for another avatar: try again later") from error
        self.sessions[name] = session
        session.start()
        logger.info("opened with avatar %s", label(entry.id), extra={"session": session.label})
        return session

    def session(self, name: str) -> AvatarSession:
        """Look a session up.

        Raises:
            UnknownSessionError: there is none with this name.
        """
        session = self.sessions.get(name)
        if session is None:
            raise UnknownSessionError(f"there is no session {name[:40]!r}: it may have ended")
        return session

    def shared_session(self, avatar: str) -> AvatarSession:
        """The session that everybody shares who asks for this avatar; opened if need be.

        Raises:
            UnknownAvatarError, FullError
        """
        self.store.get(avatar)
        return self.sessions.get(avatar) or self.open_session(avatar, name=avatar)

    def join(self, name: str) -> AvatarSession:
        """The session of this name, or the shared one of the avatar of this name.

        Raises:
            UnknownSessionError, FullError
        """
        if name not in self.sessions and self.store.has(name):
            return self.shared_session(name)
        return self.session(name)

    async def close_session(self, name: str) -> None:
        """End a session and the calls that are in it; one that is gone already is no error."""
        if name in self.sessions:
            await self._close(self.sessions[name])

    async def _close(self, session: AvatarSession) -> None:
        """End a session, unless that was done already: its name may be another one's by now."""
        if self.sessions.get(session.name) is not session:
            return
        del self.sessions[session.name]
        session.leave_engine()  # in this step: another session may take the name in the next
        await self._end(session)

    async def _end(self, session: AvatarSession) -> None:
        """Close a session that is not among ``sessions`` any more, and the calls in it."""
        await asyncio.gather(
            *(self.close_call(call) for call, peer in list(self.calls.items()) if peer.session is session)
        )
        await session.close()
        counts = session.pictures.pacer.counts
        logger.info(
            "closed after %d frames, %d repeated",
            counts.sent,
            counts.repeated,
            extra={"session": session.label},
        )

    def set_avatar(self, session: AvatarSession, avatar: str) -> None:
        """Show another avatar in a session.

        Raises:
            UnknownAvatarError
        """
        session.set_avatar(avatar, str(self.store.bundle(avatar)))

    def _check_open(self) -> None:
        if self._stopping:
            raise FullError("the server is stopping: try again in a few seconds", "stopping")

    def _make_room(self) -> None:
        """End the session that has been without anybody for the longest time, when there are too many; failing that one whose
        calls have not come to be.

        Raises:
            FullError: all are in use.
        """
        most = self.settings.max_sessions
        if len(self.sessions) < most:
            return
        empty = [session for session in self.sessions.values() if session.empty_since_s is not None]
        if not empty:
            empty = [session for session in self.sessions.values() if self._is_forsaken(session)]
        if not empty:
            raise FullError(f"expected at most {most} avatars at a time: try again later")
        oldest = min(empty, key=lambda session: session.empty_since_s or 0.0)
        del self.sessions[oldest.name]
        oldest.leave_engine()
        self._spawn(self._end(oldest), "close")

    def _is_forsaken(self, session: AvatarSession) -> bool:
        """Whether all who joined a session are calls that should have connected long ago."""
        latest_s = time.monotonic() - HURRIED_CONNECT_S
        calls = [peer for peer in self.calls.values() if peer.session is session]
        return len(calls) == session.participants and all(
            not peer.connected and peer.answered_s < latest_s for peer in calls
        )

    # Calls: one WebRTC peer each.

    def check_place(self) -> None:
        """Refuse another call while the server is full or stops; asked before a session is opened for one.

        Raises:
            FullError: says which.
        """
        self._check_open()
        if len(self.calls) >= self.settings.max_viewers:
            raise FullError(
                f"expected at most {self.settings.max_viewers} viewers at a time: try again later"
            )

    async def open_call(
        self, offer: str, session: AvatarSession, *, publish: bool = True, view: bool = True
    ) -> tuple[str, str]:
        """Answer the offer of somebody who joins a session; returns the call's id and the answer.

        Who joins to speak only takes the microphone at once. A session that nobody has joined before ends when the
        offer cannot be answered.

        Raises:
            OfferError, FullError
            UnknownSessionError: the session has ended meanwhile.
            BusyError: somebody else is speaking, and the call was to speak only.
        """
        self.check_place()
        name = new_id()
        peer = Peer(
            session,
            self.settings.ice_servers,
            set_avatar=lambda new: self.set_avatar(session, new),
            on_gone=lambda: self.close_call(name),
            faces=self.faces,
            publish=publish,
            view=view,
        )
        self.calls[name] = peer
        self.metrics.calls.set(len(self.calls))
        session.enter(peer)
        try:
            if publish and not view:
                session.claim_microphone(peer)
            answer = await peer.answer(offer)
            if name not in self.calls:
                self._check_open()
                raise UnknownSessionError(
                    f"the session {session.name[:40]!r} ended before the call was answered"
                )
            return name, answer
        except BaseException:
            await self.close_call(name)
            unseen = not session.participants and session.pictures.pacer.counts.sent == 0
            if unseen:
                await self._close(session)
            raise

    async def close_call(self, name: str) -> None:
        """End a call; one that is gone already is no error. Its session stays for ``idle_timeout_s``."""
        peer = self.calls.pop(name, None)
        if peer is None:
            return
        self.metrics.calls.set(len(self.calls))
        peer.session.leave(peer)
        await peer.close()
        self._left = True

    def call(self, name: str) -> Peer:
        """Look a call up.

        Raises:
            UnknownCallError: there is none with this id.
        """
        peer = self.calls.get(name)
        if peer is None:
            raise UnknownCallError(f"there is no call {name[:40]!r}: it may have ended")
        return peer

    # Avatars.

    def delete_avatar(self, avatar: str) -> None:
        """Delete an upload; calls that show it switch to the default.

        Raises:
            UnknownAvatarError, BundledAvatarError
        """
        path = str(self.store.bundle(avatar))
        self.store.delete(avatar)
        self._leave_avatars({avatar})
        self.workers.send(ForgetAvatar(path))

    def _leave_avatars(self, gone: set[str]) -> None:
        default = self.store.default
        for session in self.sessions.values():
            if session.avatar_id in gone:
                self.set_avatar(session, default)

    # Housekeeping.

    def _spawn(self, work: Any, name: str) -> None:
        task: asyncio.Task[Any] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())

    async def _keep_house(self) -> None:
        expired_s = time.monotonic()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            now_s = time.monotonic()
            self.workers.check_alive(now_s)
            if self._left:
                # A connection lies in cycles, with about 1 MB that Python does not see. It takes 6 ms, because what
                # lived at the start was frozen (streaming.serve).
                self._left = False
                gc.collect()
            self.metrics.tasks.set(len(asyncio.all_tasks()))
            self.metrics.workers_up.set(self.workers.running)
            self.metrics.worker_restarts.inc(self.workers.restarts - self._restarts)
            self._restarts = self.workers.restarts
            for name, peer in list(self.calls.items()):
                if not peer.connected and now_s - peer.answered_s > CONNECT_S:
                    logger.info("a peer never connected", extra={"session": peer.session.label})
                    await self.close_call(name)
            self.metrics.sessions.set(len(self.sessions))
            for session in list(self.sessions.values()):
                session.measure()
                empty_s = session.empty_since_s
                if empty_s is not None and now_s - empty_s > self.settings.idle_timeout_s:
                    await self._close(session)
            if now_s - expired_s > EXPIRY_S:
                expired_s = now_s
                self._sweep()

    def _sweep(self) -> None:
        """Delete what has reached the end of its lifetime."""
        self.recordings.sweep()
        for avatar in self.store.expired():
            logger.info("an uploaded avatar has reached the end of its lifetime")
            try:
                self.delete_avatar(avatar)
            except OSError as error:  # the rest of the housekeeping goes on
                logger.error("an avatar cannot be deleted: %s", error)

    def _on_stall(self, milliseconds: float) -> None:
        self.metrics.stalls.inc()
        self.metrics.stall_ms.observe(milliseconds)

    def _on_worker_ready(self, names: list[str]) -> None:
        for name in names:
            if name in self.sessions:
                self.sessions[name].open_session()

    def _on_message(self, message: FromWorker) -> None:
        if not isinstance(message, FrameDone | SessionFailed):
            return
        session = self.sessions.get(message.session)
        if session is not None and not session.concerns(message):
            session = None
        if isinstance(message, FrameDone):
            if session is not None:
                session.frame_done(message)
            return
        logger.error("%s", message.error, extra={"session": label(message.session)})
        if session is not None:
            session.tell({"type": "error", "error": message.error})
            if message.fatal:
                self._spawn(self._close(session), "close")


def _warm_up_encoders(size: int) -> float:
    """Open and use both encoders; returns what the quickest frame cost in milliseconds."""
    video, audio = VideoEncoder(size), AudioEncoder()
    picture = np.full((size * 3 // 2, size), 128, np.uint8)
    times = []
    for number in range(10):
        began = time.perf_counter()
        video.encode(picture, number)
        times.append((time.perf_counter() - began) * 1e3)
        audio.encode(np.zeros(PACKET_SAMPLES, np.int16), number * PACKET_SAMPLES)
    return min(times)
