"""What the media process and the engine worker say to each other; all small, sound and pictures stay in memory."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_NAMES, POSE_NAMES
from engine.motion.values import Motion

MOTION_VALUES: Final = len(ARKIT_NAMES) + len(POSE_NAMES)


def carriage(motion: Motion) -> NDArray[np.float32]:
    """How a motion holds head and chest: float32 [7], ``POSE_NAMES`` and the breath."""
    return np.append(motion.pose, np.float32(motion.breath))


def pack_motion(motion: Motion) -> bytes:
    """A motion as ``FrameDone.motion``: bytes are pickled twenty times as quickly as an array."""
    return np.concatenate([motion.blendshapes, carriage(motion)], dtype=np.float32).tobytes()


def unpack_motion(motion: bytes) -> NDArray[np.float32]:
    """The values of ``FrameDone.motion``: float32 [58], read-only, ``ARKIT_NAMES`` and then ``POSE_NAMES``."""
    return np.frombuffer(motion, np.float32, MOTION_VALUES)


def unpack_carriage(motion: bytes) -> NDArray[np.float32]:
    """The ``carriage`` of the motion that was packed."""
    return np.frombuffer(motion, np.float32, offset=4 * len(ARKIT_NAMES))


@dataclass(frozen=True)
class OpenSession:
    """Begin a session at ``first_frame``; its sound is in the shared memory called ``memory``.

    ``origin_s`` is the monotonic time of sample 0 and ``budget_s`` the time from a frame's first sample to its
    deadline: frames whose deadline has passed are not drawn. ``shown`` is the motion that the viewer saw last, as in
    ``FrameDone``, when another worker drew the session before: the head goes on from there. ``listening`` is as in
    ``SetListening``, ``mood`` as in ``SetStyle``. ``opening`` is a number that no other opening has: what is said of a
    session that has ended may come when its name is another one's.
    """

    session: str
    memory: str
    avatar_path: str
    seed: int
    first_frame: int
    origin_s: float
    budget_s: float
    generation: int
    expressiveness: float
    head_motion: float
    level: int
    shown: bytes = b""
    listening: bool = False
    mood: float = 0.0
    opening: int = 0


@dataclass(frozen=True)
class Audio:
    """Sound up to, not including, sample ``end`` is in the ring."""

    session: str
    end: int


@dataclass(frozen=True)
class Clear:
    """Barge-in; frames carry ``generation`` from now on."""

    session: str
    generation: int


@dataclass(frozen=True)
class SetStyle:
    """Expressiveness and head motion, both 0 to 2 with 1 the normal, and mood, -1 (sad) to 1 (cheerful)."""

    session: str
    expressiveness: float
    head_motion: float
    mood: float = 0.0


@dataclass(frozen=True)
class SetListening:
    """Whether the other side of the conversation speaks now; its voice is not in the ring."""

    session: str
    heard: bool


@dataclass(frozen=True)
class Face:
    """What a tracked face showed at a monotonic time; ``values`` is float32 [58] as bytes, as ``unpack_motion`` has it.

    It drives the frames of its moment; without a newer one speech does so again.
    """

    session: str
    time_s: float
    values: bytes


@dataclass(frozen=True)
class SetAvatar:
    """Show another avatar from the next frame on."""

    session: str
    avatar_path: str


@dataclass(frozen=True)
class SetLevel:
    """A rung of ``streaming.ladder.Level``."""

    session: str
    level: int


@dataclass(frozen=True)
class SetOrigin:
    """The session stood still: sample 0 counts as having arrived at ``origin_s``."""

    session: str
    origin_s: float


@dataclass(frozen=True)
class CloseSession:
    """End a session."""

    session: str


@dataclass(frozen=True)
class Preload:
    """Keep an avatar at hand; no session shows it yet."""

    avatar_path: str


@dataclass(frozen=True)
class ForgetAvatar:
    """An avatar was deleted: keep nothing of it. No session shows it any more."""

    avatar_path: str


@dataclass(frozen=True)
class Stop:
    """End the worker."""


ToSession = (
    OpenSession
    | Audio
    | Clear
    | SetStyle
    | SetListening
    | Face
    | SetAvatar
    | SetLevel
    | SetOrigin
    | CloseSession
)
ToWorker = ToSession | Preload | ForgetAvatar | Stop


@dataclass(frozen=True)
class Ready:
    """The worker is warm; the quickest frame of the warm-up took ``frame_ms``."""

    frame_ms: float


@dataclass(frozen=True)
class NotReady:
    """The worker cannot start, and why."""

    error: str


@dataclass(frozen=True)
class Alive:
    """Said about once a second, whatever else there is to do."""


@dataclass(frozen=True)
class FrameDone:
    """Frame ``number`` lies in ``slot``; ``motion`` is what it shows, see ``unpack_motion``.

    ``opening`` is the one of ``OpenSession`` that it was drawn for.
    """

    session: str
    number: int
    slot: int
    generation: int
    ready_s: float
    stage_ms: dict[str, float]
    speaking: bool
    motion: bytes
    opening: int = 0


@dataclass(frozen=True)
class SessionFailed:
    """A session cannot go on, or a change of it was refused; ``fatal`` says which. ``opening`` as in ``FrameDone``."""

    session: str
    error: str
    fatal: bool
    opening: int = 0


FromWorker = Ready | NotReady | Alive | FrameDone | SessionFailed
