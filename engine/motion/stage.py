"""The motion stage: speech in, the face and head of each video frame out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES
from engine.errors import SettingError
from engine.motion.channels import FACE, FACE_WITHOUT_BROWS, LIPS, MOUTH, SPEECH, SPREAD
from engine.motion.head_pose import HeadPose, HeadState
from engine.motion.idle import IdleState, LifeSettings, live, new_idle
from engine.motion.manner import Manner, lively
from engine.motion.mood import MoodState, follow, tilt_deg, wear
from engine.motion.mouth import SEAL, certainty, shape_motion
from engine.motion.network import FaceMotionNetwork, NetworkState
from engine.motion.values import Motion
from engine.speech.hearing import HearingState, hear
from engine.speech.samples import check_samples
from engine.speech.voice_activity import VoiceState, hear_voice

_ASSETS: Final = Path(__file__).parents[1] / "assets"
WEIGHTS: Final = {80: _ASSETS / "face_motion.safetensors", 40: _ASSETS / "face_motion_40ms.safetensors"}
"""Weights that ship, by their look-ahead in milliseconds."""

OPEN_FRAMES: Final = 2
SHUT_FRAMES: Final = 5
"""Frames in which the mouth gives way to speech, and to silence."""

FADE: Final = (0.4, 0.0)
"""Part of the mouth that is left in the first frames after ``clear``: shut within 80 ms."""

MUMBLED: Final = 0.6
"""Size of the mouth's motion that expressiveness 0 leaves, besides what the network mumbles by itself."""

PAUSE_FRAMES: Final = 5
"""A silence of so many frames ends a phrase (200 ms)."""

SPEECH_BEGINS: Final = 0.94
SPEECH_ENDS: Final = 0.5
"""The network's certainty of speech at which the mouth is let go and held."""


@dataclass(frozen=True)
class MotionStyle:
    """How lively a session is, 0 being still, 1 natural, 2 twice that, and what its face wears.

    expressiveness: mouth and brows (at 0 the mouth still speaks, mumbling, at half its size; at 2 it over-articulates).
    head_motion: the head's sway. life: which signs of life are on.
    mood: from -1, sad, over 0, calm, to 1, cheerful; of it only the head's tilt is scaled, by ``head_motion``.

    Raises:
        SettingError: expressiveness or head_motion outside [0, 2], or a mood outside [-1, 1].
    """

    expressiveness: float = 1.0
    head_motion: float = 1.0
    life: LifeSettings = LifeSettings()
    mood: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("expressiveness", self.expressiveness, 0, 2),
            ("head_motion", self.head_motion, 0, 2),
            ("mood", self.mood, -1, 1),
        ):
            if not least <= value <= most:
                raise SettingError(f"expected {name} from {least} to {most}, got {value}")


@dataclass
class MotionState:
    """One session. ``style``, ``manner`` and ``listening``, whether the other side speaks, may be set at any time."""

    idle: IdleState
    network: NetworkState
    head: HeadState
    mood: MoodState = field(default_factory=MoodState)
    style: MotionStyle = MotionStyle()
    manner: Manner = Manner()
    listening: bool = False
    hearing: HearingState = field(default_factory=HearingState)
    voice: VoiceState = field(default_factory=VoiceState)
    pending: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    ahead: deque[bool] = field(default_factory=deque)  # whether there was a voice in frames not yet out
    number: int = 0
    opened: bool = False
    gate: float = 0.0
    shut_frames: int = 0
    channels: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LIPS.stop, np.float32))
    fade: int = len(FADE)
    faded: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LIPS.stop, np.float32))


class MotionStage:
    """Streaming motion; holds the weights, and one stage serves all sessions.

    Frame n comes out once samples up to 640 (n + 1) + ``look_ahead_samples`` are in; later ones never change it.

    Args:
        weights: safetensors file of the face motion network, which has its look-ahead.

    Raises:
        UnavailableError: the file is missing or holds something else.
    """

    def __init__(self, weights: str | Path = WEIGHTS[80]) -> None:
        self._network = FaceMotionNetwork(weights)
        self._head = HeadPose()

    @property
    def look_ahead_samples(self) -> int:
        """Samples after a frame's own that must be heard before it comes out."""
        return self._network.config.look_ahead * FRAME_SAMPLES

    def new_state(self, seed: int = 0) -> MotionState:
        """Begin a session; equal seeds, manners and sound give equal motion.

        Raises:
            SettingError: the seed is no whole number of 0 or more.
        """
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise SettingError(f"expected a whole number of 0 or more as seed, got {seed!r}")
        return MotionState(new_idle(seed), self._network.new_state(), self._head.new_state(seed))

    def step(self, state: MotionState, samples: NDArray[np.float32]) -> list[Motion]:
        """Hear float32 [T] at 16 kHz, any T; return the motions that are ready, oldest first.

        Raises:
            AudioError: another type or shape, or values that are not finite or beyond 2; nothing of it is taken.
        """
        check_samples(samples)
        sound = np.concatenate([state.pending, samples])
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        state.pending = sound[whole:]
        motions = []
        for frame in sound[:whole].reshape(-1, FRAME_SAMPLES):
            motion = self._hear(state, frame)
            if motion is not None:
                motions.append(motion)
        return motions

    def flush(self, state: MotionState) -> list[Motion]:
        """End the speech: the last frame and the look-ahead are filled with silence, all frames come out.

        The session goes on: the next sample belongs to the next whole frame.
        """
        return list(self.flushed(state))

    def flushed(self, state: MotionState) -> Iterator[Motion]:
        """``flush``, frame by frame; of this stage's methods ``clear`` alone may come in between, and ends it."""
        silence = np.zeros(-len(state.pending) % FRAME_SAMPLES, np.float32)
        yield from self.step(state, silence)
        if state.ahead:
            for _ in range(self._network.config.look_ahead - len(state.ahead)):
                self._infer(state, np.zeros(FRAME_SAMPLES, np.float32))
        while state.ahead:
            motion = self._hear(state, np.zeros(FRAME_SAMPLES, np.float32), counted=False)
            assert motion is not None
            yield motion

    def clear(self, state: MotionState) -> None:
        """Barge-in: what was heard but not shown becomes silence; the mouth shuts within 100 ms."""
        state.hearing, state.voice = state.hearing.silenced(), VoiceState()
        state.network = self._network.new_state()
        state.pending = np.zeros_like(state.pending)
        self._head.forget(state.head)
        state.opened, state.gate = False, 0.0
        state.fade, state.faded = 0, state.channels
        waiting = len(state.ahead)
        state.ahead = deque([False] * waiting)
        for _ in range(waiting):
            self._infer(state, np.zeros(FRAME_SAMPLES, np.float32))

    def _hear(self, state: MotionState, frame: NDArray[np.float32], counted: bool = True) -> Motion | None:
        """Take one frame of sound; return the motion that it completes, if any."""
        spoken = counted and hear_voice(state.voice, frame)
        output = self._infer(state, frame, spoken)
        if counted:
            state.ahead.append(spoken)
            if len(state.ahead) <= self._network.config.look_ahead:
                return None
        voices = any(state.ahead)
        voice = state.ahead.popleft()
        channels = self._speak(state, output, voices)
        style = state.style
        # The detector is ahead by the look-ahead and holds on to a voice; life goes by the phrase, which ends sooner.
        phrase = voice and state.voice.unvoiced_frames < PAUSE_FRAMES
        mood = follow(state.mood, style.mood)
        head = self._head.step(state.head, style.head_motion)
        if mood != 0.0:
            assert state.head.amount is not None
            head[1] += state.head.amount * tilt_deg(mood)
        shapes, pose, breath = live(
            state.idle,
            head,
            phrase,
            style.expressiveness,
            style.head_motion,
            state.listening,
            style.life,
        )
        mouth = (MUMBLED + (1.0 - MUMBLED) * style.expressiveness) * (channels[MOUTH] @ SPREAD[MOUTH])
        shown = FACE if style.life.brows else FACE_WITHOUT_BROWS
        face = style.expressiveness * (channels[shown] @ SPREAD[shown])
        if mood != 0.0:
            shapes = wear(mood, shapes, mouth)
        blendshapes = shapes.astype(np.float32) + mouth + face
        lips = np.append(channels[LIPS], np.float32(state.manner.skew))
        motion = Motion(state.number, blendshapes, pose.astype(np.float32), breath, voice, lips).clamped()
        state.number += 1
        return motion

    def _infer(
        self, state: MotionState, frame: NDArray[np.float32], voice: bool = False
    ) -> NDArray[np.float32]:
        heard = hear(state.hearing, frame)[0]
        self._head.hear(state.head, frame, heard, voice)
        manner = lively(state.manner, state.style.expressiveness)
        return self._network.step(state.network, heard, manner.vector())

    def _speak(self, state: MotionState, output: NDArray[np.float32], voices: bool) -> NDArray[np.float32]:
        """The channels from the network's output: still in silence, fading after ``clear``; [LIPS.stop]."""
        state.opened = voices and certainty(output[SPEECH]) > (SPEECH_ENDS if state.opened else SPEECH_BEGINS)
        step = 1 / OPEN_FRAMES if state.opened else -1 / SHUT_FRAMES
        state.gate = min(1.0, max(0.0, state.gate + step))
        gate = np.float32(state.gate * state.gate * (3 - 2 * state.gate))
        channels: NDArray[np.float32] = shape_motion(output, state.shut_frames) * gate
        state.shut_frames = state.shut_frames + 1 if channels[SEAL] > 0.5 else 0
        if state.fade < len(FADE):
            channels = np.maximum(channels, np.float32(FADE[state.fade]) * state.faded)
            state.fade += 1
        state.channels = channels
        return channels
