"""What a face wears besides speech: a mood, from sad (-1) over calm (0) to cheerful (1).

It is commanded, never guessed from the voice. Expressiveness does not scale it, so a face that hardly moves can smile.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_NAMES, FRAME_RATE
from engine.motion.channels import places

CHEERFUL: Final = {
    "mouthSmile": 0.42,
    "cheekSquint": 0.3,
    "eyeSquint": 0.12,
    "mouthDimple": 0.1,
    "browInnerUp": 0.06,
    "browOuterUp": 0.08,
}
SAD: Final = {
    "mouthFrown": 0.45,
    "browInnerUp": 0.5,
    "browDown": 0.1,
    "mouthShrugLower": 0.15,
    "mouthPress": 0.1,
    "eyeBlink": 0.08,
}
"""Blendshapes of the two ends, on both sides alike; between them and calm they are proportional."""

CHEERFUL_PITCH_DEG: Final = -1.5
SAD_PITCH_DEG: Final = 3.0
"""How the ends hold the head (``POSE_NAMES``): the chin a little up, and down."""

EASE_FRAMES: Final = 3 * FRAME_RATE // 5
"""A mood that was commanded is there after so many frames (0.6 s)."""

GIVES_WAY: Final = 0.6
"""Part of what the corners of the mouth wear that rounded lips take: u and w would be said through a grin."""

_EASE: Final = (1.0 - np.cos(2 * np.pi * np.arange(1, EASE_FRAMES + 1) / (EASE_FRAMES + 1))) / (
    EASE_FRAMES + 1
)


def _both_sides(values: dict[str, float]) -> NDArray[np.float64]:
    names = (name.removesuffix("Left").removesuffix("Right") for name in ARKIT_NAMES)
    return np.array([values.get(name, 0.0) for name in names])


_CHEERFUL: Final = _both_sides(CHEERFUL)
_SAD: Final = _both_sides(SAD)
_ROUND: Final = places("mouthPucker", "mouthFunnel")
_CORNERS: Final = places(
    *(f"mouth{name}{side}" for name in ("Smile", "Frown", "Dimple") for side in ("Left", "Right"))
)
_SMILES: Final = places("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight")


@dataclass
class MoodState:
    """One session. commanded: what was asked for in the last ``EASE_FRAMES`` frames, oldest first; None before any."""

    commanded: NDArray[np.float64] | None = None


def follow(state: MoodState, mood: float) -> float:
    """Advance one frame; return the mood that is shown, on its way to ``mood``.

    It is the mean of what was commanded lately, weighted by a raised cosine: it sets out and arrives at rest, never goes
    beyond what was asked for, and is at exactly 0 when that was asked for long enough. What is asked for in the first
    frame is there at once.
    """
    if state.commanded is None:
        state.commanded = np.full(EASE_FRAMES, mood)
    state.commanded[:-1] = state.commanded[1:]
    state.commanded[-1] = mood
    return float(_EASE @ state.commanded)


def tilt_deg(mood: float) -> float:
    """What a mood adds to the head's pitch, in degrees."""
    return abs(mood) * (CHEERFUL_PITCH_DEG if mood > 0.0 else SAD_PITCH_DEG)


def wear(
    mood: float, life: NDArray[np.floating[Any]], mouth: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Put a mood on the signs of life.

    Args:
        life: blendshapes [52] of ``engine.motion.idle.live``. mouth: those of speech, which are not added.

    Returns:
        blendshapes [52] of life and mood together. Of two smiles, a listener's and the mood's, the larger one is shown;
        somebody sad smiles the less at the other side.
    """
    worn = abs(mood) * (_CHEERFUL if mood > 0.0 else _SAD)
    worn[_CORNERS] *= 1.0 - GIVES_WAY * min(1.0, float(mouth[_ROUND].max()))
    shown = life + worn
    shown[_SMILES] = np.maximum((1.0 + min(mood, 0.0)) * life[_SMILES], worn[_SMILES])
    return shown
