"""An avatar as the camera, and if wanted the microphone, of other programs."""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import UnavailableError
from engine.speech.audio_file import Sound
from streaming.camera.canvas import Canvas
from streaming.camera.live import live_session
from streaming.camera.port import Camera
from streaming.camera.sender import Sender
from streaming.face_process import FaceProcess
from streaming.face_tracking import FaceSeen, FaceState
from streaming.session import AvatarSession
from streaming.settings import ServeSettings
from streaming.sound_card import Device, Loudspeaker, Microphone, keep_open
from streaming.timeline import to_int16

NONE: Final = "none"
PIPEWIRE: Final = "pipewire"

REPORT_S: Final = 5.0

logger = logging.getLogger(__name__)


class SoundOutput(Device, Protocol):
    """Where the delayed sound goes."""

    def play(self, samples: NDArray[np.int16]) -> None:
        """Say this next: mono int16 at 48 kHz."""
        ...


@dataclass(frozen=True)
class WebcamSettings:
    """What a webcam is made of.

    bundle: the avatar, before its background. background: the canvas, uint8 [H, W, 3] RGB.
    microphone: "none", "default", or a part of a device's name. speech: a recording that is spoken at the begin.
    sound_output: "none", "pipewire", "default", or a part of a device's name: where the delayed sound goes.
    face_camera: a camera as in ``FaceCamera`` whose face drives the avatar while it is seen.
    live: size and latency of the avatar. expressiveness, head_motion, mood: as in ``SetStyle``, of what the voice
    drives.
    """

    bundle: Path
    background: NDArray[np.uint8]
    live: ServeSettings
    microphone: str = NONE
    speech: Sound | None = None
    sound_output: str = NONE
    face_camera: str | None = None
    badge: bool = True
    seed: int = 0
    expressiveness: float = 1.0
    head_motion: float = 1.0
    mood: float = 0.0


@dataclass(frozen=True)
class WebcamReport:
    """How it goes: pictures a second, ms from sound to picture, ms of work a picture, pictures said twice so far.

    face: whether a face drives the avatar, or why not; None without a camera for it.
    """

    fps: float
    latency_ms: float
    frame_ms: float
    repeated: int
    face: FaceState | None = None


async def run_webcam(
    settings: WebcamSettings, camera: Camera, report: Callable[[WebcamReport], None], stop: asyncio.Event
) -> None:
    """Show the avatar through ``camera``, which is closed in the end, until ``stop`` is set.

    Raises:
        SettingError: no such device, or a latency below what this machine needs.
        UnavailableError: a device cannot be opened, or the engine cannot go on.
    """
    loop = asyncio.get_running_loop()
    failures: list[str] = []

    def fail(reason: str) -> None:
        failures.append(reason)
        stop.set()

    async with AsyncExitStack() as stack:
        sender = Sender(Canvas(settings.background, badge=settings.badge), camera)
        stack.push_async_callback(asyncio.to_thread, sender.close)
        session = await stack.enter_async_context(
            live_session(settings.live, settings.bundle, settings.seed, fail)
        )
        session.set_style(settings.expressiveness, settings.head_motion, settings.mood)
        if settings.sound_output != NONE:
            output = _sound_output(settings.sound_output)
            await _use(stack, output, "sound output")
            stack.callback(session.listen(lambda first, samples: output.play(samples)).close)
        if settings.microphone != NONE:
            microphone = Microphone(settings.microphone, lambda *heard: _hear(loop, session, *heard))
            await _use(stack, microphone, "microphone")
        face = _follow(stack, session, settings) if settings.face_camera is not None else None
        stack.callback(session.watch(lambda picture: sender.show(picture.i420)).close)
        if settings.speech is not None:
            session.play(to_int16(settings.speech.output))
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await stop.wait()
            stats = session.pictures.stats()
            report(
                WebcamReport(
                    stats.fps,
                    stats.latency_ms,
                    round(sender.frame_ms, 2),
                    stats.repeated,
                    face.state if face is not None else None,
                )
            )
    if failures:
        raise UnavailableError(failures[0])


def run_until_interrupted(
    settings: WebcamSettings, camera: Camera, report: Callable[[WebcamReport], None]
) -> None:
    """``run_webcam`` until Ctrl-C or SIGTERM."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows raises KeyboardInterrupt instead
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_webcam(settings, camera, report, stop)

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


class _Follower:
    """Lets the face before a camera drive a session."""

    def __init__(self, session: AvatarSession) -> None:
        self._session = session
        self.state = FaceState(False, "the camera is being opened")

    def seen(self, face: FaceSeen) -> None:
        if face.seen:
            self._session.face(face.time_s, face.values)

    def changed(self, state: FaceState) -> None:
        logger.info("the face is seen" if state.seen else state.words)
        self.state = state


def _follow(stack: AsyncExitStack, session: AvatarSession, settings: WebcamSettings) -> _Follower:
    """Follow the face before a camera until the stack is left."""
    follower = _Follower(session)
    faces = FaceProcess(
        follower.seen, follower.changed, tracker=settings.live.face_tracker, camera=settings.face_camera
    )
    stack.push_async_callback(faces.end)
    faces.begin()
    return follower


def _sound_output(name: str) -> SoundOutput:
    if name != PIPEWIRE:
        return Loudspeaker(name)
    from streaming.camera.pipewire import SoundNode  # what it uses exists on Linux only

    return SoundNode()


async def _use(stack: AsyncExitStack, device: Device, what: str) -> None:
    """Open a device and keep it open until the stack is left."""
    await asyncio.to_thread(device.open)
    keeper = asyncio.create_task(keep_open(device, what), name=what)

    async def end() -> None:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await asyncio.to_thread(device.close)

    stack.push_async_callback(end)


def _hear(
    loop: asyncio.AbstractEventLoop, session: AvatarSession, first: int, samples: NDArray[np.int16]
) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(session.hear, first, samples)
