"""Sessions of a talking portrait: push audio, clear, iterate frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.conventions import DEFAULT_FRAME_SIZE, FRAME_SAMPLES, FRAME_SIZES, LOOK_AHEADS_MS
from engine.errors import SettingError, UnavailableError
from engine.motion.manner import own_manner
from engine.motion.stage import WEIGHTS as MOTION_WEIGHTS
from engine.motion.stage import MotionStage, MotionStyle
from engine.motion.values import Motion
from engine.packed import rgb_of
from engine.render.badge import add_badge
from engine.render.geometric import GeometricRenderer
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import (
    PRECISIONS,
    RUNTIMES,
    WEIGHTS,
    NeuralRuntime,
    Precision,
    RuntimeName,
    open_runtime,
)
from engine.speech.samples import check_samples
from engine.timing import StageTimer, gpu_ranges
from kernels.colour import rgbx_to_i420

if TYPE_CHECKING:
    from engine.render.cuda_rows import CudaRows, Wanted  # import torch

Quality = Literal["auto", "geometric", "neural"]
QUALITIES: Final = get_args(Quality)

Device = Literal["cpu", "cuda"]
DEVICES: Final = get_args(Device)

Renderer = GeometricRenderer | NeuralRenderer

FADE: Final = 1 / 8
"""Share by which the networks' part of the picture may change from one frame to the next when they come or go."""


@dataclass(frozen=True)
class EngineSettings:
    """What all sessions of one engine share.

    size: side of the frames in pixels, one of ``FRAME_SIZES``.
    quality: "geometric", or "neural": refined by networks. "auto" is what looks best: geometric, as long as people do
        not prefer these networks' frames.
    runtime, precision: what runs the networks, and how exactly, see ``engine.render.neural.runtime``. weights: theirs, by
        default its ``WEIGHTS``.
    device: where frames are drawn. "cuda" draws those of many sessions together (``Engine.draw``).
    badge: whether frames carry the "AI-generated" badge.
    look_ahead_ms: how far the motion listens ahead, one of ``LOOK_AHEADS_MS``: less is quicker, more moves better.
    """

    size: int = DEFAULT_FRAME_SIZE
    quality: Quality = "auto"
    runtime: RuntimeName = "auto"
    precision: Precision = "auto"
    weights: Path | None = None
    device: Device = "cpu"
    badge: bool = False
    look_ahead_ms: int = LOOK_AHEADS_MS[0]

    def __post_init__(self) -> None:
        if self.size not in FRAME_SIZES:
            raise SettingError(
                f"expected a frame size of {', '.join(map(str, FRAME_SIZES))}, got {self.size}"
            )
        if self.look_ahead_ms not in LOOK_AHEADS_MS:
            raise SettingError(
                f"expected a look-ahead of {' or '.join(map(str, LOOK_AHEADS_MS))} ms, got {self.look_ahead_ms}"
            )
        if self.quality not in QUALITIES:
            raise SettingError(f"expected a quality of {', '.join(QUALITIES)}, got {self.quality!r}")
        if self.device not in DEVICES:
            raise SettingError(f"expected a device of {', '.join(DEVICES)}, got {self.device!r}")
        if self.runtime not in RUNTIMES:
            raise SettingError(f"expected a runtime of {', '.join(RUNTIMES)}, got {self.runtime!r}")
        if self.precision not in PRECISIONS:
            raise SettingError(f"expected a precision of {', '.join(PRECISIONS)}, got {self.precision!r}")


@dataclass(frozen=True)
class Frame:
    """One picture and what it shows.

    Convention:
        number: frame number since the session began.
        first_sample, samples: float32 [640] at 16 kHz, the sound that this picture shows, and its number; silence for
            a motion that the session's sound did not make.
        rgbx: uint32 [size, size], R in the lowest byte, top-left origin; None where a GPU drew, which hands over
            ``i420`` alone.
        i420: uint8 [size * 3 // 2, size], the same picture as planar I420.
        stage_ms: milliseconds that each stage took for this frame.
        motion: the values that were drawn.
    """

    number: int
    first_sample: int
    samples: NDArray[np.float32]
    rgbx: NDArray[np.uint32] | None
    i420: NDArray[np.uint8]
    stage_ms: dict[str, float]
    motion: Motion

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 [size, size, 3], RGB.

        Raises:
            UnavailableError: a GPU drew it.
        """
        if self.rgbx is None:
            raise UnavailableError(
                'expected a frame of an engine with device="cpu": a GPU hands over I420 alone'
            )
        return rgb_of(self.rgbx)


class Engine:
    """Weights and settings that all sessions share, and on a GPU the batch that draws them.

    With ``device="cpu"`` it never changes after it is made, and sessions may run on threads of their own; with "cuda" one
    thread draws.

    networks: what refines frames at the neural quality, else None. ranges: where a GPU's profiler reads stages, else None.

    Raises:
        UnavailableError: the neural quality's weights or runtime, the GPU or what it needs are missing.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        self.motion = MotionStage(MOTION_WEIGHTS[self.settings.look_ahead_ms])
        self.networks: NeuralRuntime | None = None
        if self.settings.quality == "neural":
            self.networks = open_runtime(
                self.settings.runtime, self.settings.precision, self.settings.weights or WEIGHTS
            )
        on_gpu = self.settings.device == "cuda"
        self._rows = _cuda_rows(self.settings) if on_gpu else None
        self.ranges = gpu_ranges() if on_gpu else None

    @property
    def look_ahead_samples(self) -> int:
        """Samples at 16 kHz after a frame's own that must be pushed before the frame is ready."""
        return self.motion.look_ahead_samples

    @property
    def at_once(self) -> int:
        """How many frames, each of another session, it is worth to ask ``draw`` for at once."""
        return 1 if self._rows is None else self._rows.most

    def prepare(self, avatar: Avatar) -> Renderer:
        """Make an avatar ready to be drawn.

        ``session`` and ``Session.set_avatar`` do the same with a bare avatar; beforehand it can be done on another
        thread, so that a session that goes on is not held up. Sessions whose frames are made on one thread can share the
        result, which costs less memory, and time for want of cache.
        """
        if self.networks is not None:
            return NeuralRenderer(avatar, self.networks, self.settings.size)
        return GeometricRenderer(avatar, self.settings.size)

    def session(
        self, avatar: Avatar | Renderer, *, seed: int = 0, timer: StageTimer | None = None
    ) -> "Session":
        """Begin a session: sample 0 is the first one pushed, frame 0 shows samples 0 to 639.

        timer: by default one of the wall's time.

        Raises:
            SettingError: the seed is no whole number of 0 or more.
        """
        return Session(self, avatar, seed, timer)

    def draw(
        self,
        sessions: Sequence["Session"],
        motions: Sequence[Motion],
        *,
        supersample: bool = True,
        neural: bool = True,
    ) -> list[Frame]:
        """Draw the next frame of each of several sessions of this engine, on a GPU as one batch.

        supersample, neural: as for ``Session.render``. The device's stages in ``Frame.stage_ms`` are the batch's.

        Raises:
            DeviceLostError: the GPU failed; this engine draws nothing more.
        """
        if self._rows is None:
            return [
                session._draw(motion, supersample, neural)
                for session, motion in zip(sessions, motions, strict=True)
            ]
        wanted = [session._wanted(motion, neural) for session, motion in zip(sessions, motions, strict=True)]
        pictures, device_ms = self._rows.draw(wanted, supersample)
        return [
            session._frame(motion, None, picture, device_ms)
            for session, motion, picture in zip(sessions, motions, pictures, strict=True)
        ]


class Session:
    """One avatar listening to one stream of speech.

    Push audio in pieces of any length and iterate over the session for the frames that are ready; a frame is
    ready once its own 640 samples and the look-ahead have arrived. Not for use from two threads at once.
    """

    def __init__(
        self, engine: Engine, avatar: Avatar | Renderer, seed: int, timer: StageTimer | None = None
    ) -> None:
        self._engine = engine
        self._state = engine.motion.new_state(seed)
        self.set_avatar(avatar)
        self._timer = timer or StageTimer(ranges=engine.ranges)
        self._strength = 1.0
        self._sound = np.zeros(0, np.float32)  # from the first sample that no frame has shown
        self._pushed: list[NDArray[np.float32]] = []  # what follows
        self._sound_start = 0
        self._heard = 0  # samples of the session that the motion stage has taken
        self._ended = False
        self._ready: Iterator[Motion] = iter(())

    def push_audio(self, samples: NDArray[np.float32]) -> None:
        """Append speech: float32 [T] in [-1, 1], mono, 16 kHz.

        Raises:
            AudioError: another type or shape, or values that are not finite or beyond 2; nothing of it is taken.
        """
        check_samples(samples)
        self._pushed.append(samples.copy())

    def end(self) -> None:
        """End the speech: the frames that wait for look-ahead become ready, the last one padded with silence."""
        self._ended = True

    def clear(self) -> int:
        """Barge-in: forget the sound that is queued, and its end; let the mouth close within 100 ms.

        What the look-ahead has already heard becomes silence; the rest is dropped, so that the next sample pushed
        follows it. Frame numbers run on.

        Returns:
            How many samples were dropped; a caller whose clock runs on pushes as many zeros.
        """
        self._ready, self._ended = iter(()), False
        kept = self._heard - self._sound_start
        dropped = len(self._sound) - kept + sum(map(len, self._pushed))
        self._sound = np.zeros(kept, np.float32)
        self._pushed.clear()
        self._engine.motion.clear(self._state)
        return dropped

    def set_style(self, style: MotionStyle) -> None:
        """Change expressiveness, head motion and mood from the next frame on."""
        self._state.style = style

    def set_listening(self, heard: bool) -> None:
        """Say whether the other side of the conversation speaks now; the avatar shows, from the next frame on, that it
        listens. Their voice is not pushed as audio."""
        self._state.listening = heard

    def set_avatar(self, avatar: Avatar | Renderer) -> None:
        """Draw another avatar from the next frame on; the motion goes on, in the new one's manner of speaking."""
        self._renderer = self._engine.prepare(avatar) if isinstance(avatar, Avatar) else avatar
        self._state.manner = own_manner(self._renderer.avatar.style)

    def motions(self) -> Iterator[Motion]:
        """Yield the motion of every frame that is ready, oldest first, without drawing it."""
        while (motion := self._next_motion()) is not None:
            yield motion

    def render(self, motion: Motion, *, supersample: bool = True, neural: bool = True) -> Frame:
        """Draw one frame. ``supersample=False`` saves time on mouth and eyes at some loss of quality;
        ``neural=False`` does without the networks, which fade out over some frames."""
        (frame,) = self._engine.draw([self], [motion], supersample=supersample, neural=neural)
        return frame

    def close(self) -> None:
        """Give back what a GPU keeps of this session."""
        if self._engine._rows is not None:
            self._engine._rows.free(self)

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is ready, oldest first."""
        for motion in self.motions():
            yield self.render(motion)

    def _fade(self, neural: bool) -> float:
        """How far the networks change the next frame."""
        toward = 1.0 if neural else 0.0
        self._strength += min(max(toward - self._strength, -FADE), FADE)
        return self._strength

    def _wanted(self, motion: Motion, neural: bool) -> "Wanted":
        """``render`` on a GPU."""
        return self, self._renderer, motion, self._fade(neural)

    def _draw(self, motion: Motion, supersample: bool, neural: bool) -> Frame:
        """``render`` on the CPU."""
        size = self._engine.settings.size
        if isinstance(self._renderer, NeuralRenderer):
            rgbx = self._renderer.render(motion, self._timer, None, supersample, self._fade(neural))
        else:
            rgbx = self._renderer.render(motion, self._timer, None, supersample)
        if self._engine.settings.badge:
            add_badge(rgbx)
        with self._timer.stage("colour"):
            i420 = np.empty((size * 3 // 2, size), np.uint8)
            rgbx_to_i420(rgbx, i420)
        return self._frame(motion, rgbx, i420, {})

    def _frame(
        self,
        motion: Motion,
        rgbx: NDArray[np.uint32] | None,
        i420: NDArray[np.uint8],
        device_ms: dict[str, float],
    ) -> Frame:
        stage_ms = self._timer.take() | device_ms
        return Frame(motion.number, motion.first_sample, self._show(motion), rgbx, i420, stage_ms, motion)

    def _next_motion(self) -> Motion | None:
        """Let the motion stage hear one frame's samples at a time until it has a motion."""
        with self._timer.stage("motion"):
            while (motion := next(self._ready, None)) is None:
                chunk = self._unheard()
                if len(chunk) == FRAME_SAMPLES or (self._ended and len(chunk)):
                    self._ready = iter(self._engine.motion.step(self._state, chunk))
                    self._heard += len(chunk)
                elif self._ended:
                    self._ready = self._engine.motion.flushed(self._state)
                    self._ended = False
                    self._heard += -self._heard % FRAME_SAMPLES
                    self._sound = np.pad(self._sound, (0, self._heard - self._sound_start - len(self._sound)))
                else:
                    return None
        return motion

    def _unheard(self) -> NDArray[np.float32]:
        """The next frame's samples, as far as they were pushed."""
        start = self._heard - self._sound_start
        if self._pushed and len(self._sound) - start < FRAME_SAMPLES:
            self._sound = np.concatenate([self._sound, *self._pushed])
            self._pushed.clear()
        return self._sound[start : start + FRAME_SAMPLES]

    def _show(self, motion: Motion) -> NDArray[np.float32]:
        """Return the samples that a frame shows and forget all older ones."""
        start = motion.first_sample - self._sound_start
        if not 0 <= start < self._heard - self._sound_start:  # no motion of this session, or one drawn before
            return np.zeros(FRAME_SAMPLES, np.float32)
        shown = self._sound[start : start + FRAME_SAMPLES].copy()
        self._sound = self._sound[start + FRAME_SAMPLES :]
        self._sound_start = motion.first_sample + FRAME_SAMPLES
        return shown


def _cuda_rows(settings: EngineSettings) -> "CudaRows":
    from engine.render.cuda_rows import CudaRows

    return CudaRows(settings.badge)
