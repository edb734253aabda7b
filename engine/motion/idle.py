"""What a living face does besides speaking: it blinks, looks about, breathes and listens.

Everything follows the seed, the frame number and the speech heard so far, so a session is reproducible.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX
from engine.errors import SettingError
from engine.motion.blink import BlinkState, blink, new_blinks
from engine.motion.breath import BreathState, breathe
from engine.motion.channels import places
from engine.motion.conversation import Conversation
from engine.motion.gaze import GazeState, look, new_gaze, turn_eyes
from engine.motion.listening import Answer, ListenState, listen, new_listener

SMILE_CHEEKS: Final = 0.6
"""cheekSquint for each mouthSmile of a listener: cheeks that stay make a smile look put on."""


_LIDS: Final = places("eyeBlinkLeft", "eyeBlinkRight")
_BROWS: Final = places("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
_SMILE: Final = places("mouthSmileLeft", "mouthSmileRight")
_CHEEKS: Final = places("cheekSquintLeft", "cheekSquintRight")


@dataclass(frozen=True)
class LifeSettings:
    """Which signs of life a session shows; one that is off leaves its values at exactly zero, but for a mood's.

    blinks, gaze, breath: lids, eyes, chest. listening: nods, brows and smiles while the other side speaks. brows: those
    of the avatar's own speech and of listening. How far the head moves is ``MotionStyle.head_motion``.

    Raises:
        SettingError: a value that is not a bool.
    """

    blinks: bool = True
    gaze: bool = True
    breath: bool = True
    listening: bool = True
    brows: bool = True

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, bool):
                raise SettingError(f"expected true or false for {name}, got {value!r}")


@dataclass
class IdleState:
    """One session's life signs besides its mouth; each draws from a generator of its own."""

    blinks: BlinkState
    gaze: GazeState
    breath: BreathState
    listener: ListenState
    talk: Conversation = field(default_factory=Conversation)


def new_idle(seed: int) -> IdleState:
    """Begin a session's life."""
    blinks, gaze, breath, listener = (np.random.default_rng([seed, part]) for part in range(2, 6))
    return IdleState(
        new_blinks(blinks),
        new_gaze(gaze),
        BreathState(breath),
        new_listener(listener),
    )


def live(
    state: IdleState,
    head: NDArray[np.floating[Any]],
    speaking: bool,
    expressiveness: float,
    head_motion: float,
    heard: bool = False,
    shown: LifeSettings = LifeSettings(),
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Advance one frame.

    Args:
        head: pose [6] that speech moves the head to (``POSE_NAMES``).
        speaking: whether the frame's sound is speech.
        expressiveness, head_motion: factors, 1 is natural, 0 is still.
        heard: whether the other side speaks. shown: what is switched on.

    Returns:
        blendshapes [52], of the mouth's only a listener's smile; pose [6] (``POSE_NAMES``); breath in [0, 1].
    """
    talk = state.talk
    talk.follow(speaking, heard)
    shapes = np.zeros(len(ARKIT_INDEX))
    breath = breathe(state.breath, talk) if shown.breath else 0.0
    answer = listen(state.listener, talk) if shown.listening else Answer()
    pose = head.astype(np.float64)
    pose[1] += (answer.nod_deg - 0.25 * breath) * head_motion
    pose[4] -= 0.002 * breath * head_motion
    leap_deg = 0.0
    if shown.gaze:
        leap_deg = look(state.gaze, talk)
        turn_eyes(state.gaze, shapes, float(pose[0]), float(pose[1]))
    if shown.blinks:
        shapes[_LIDS] = blink(state.blinks, talk, leap_deg)
    if shown.brows:
        shapes[_BROWS] = answer.brows * expressiveness
    if answer.smile_left > 0.0:
        smile = np.array([answer.smile_left, answer.smile_right]) * expressiveness
        shapes[_SMILE] = smile
        shapes[_CHEEKS] = SMILE_CHEEKS * smile
    return shapes, pose, breath
