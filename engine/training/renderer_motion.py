"""Random expressions and poses to train the learned renderer on: wide in range, in pairs of neighbouring moments."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, POSE_LIMITS_DEG, POSE_NAMES

Float = NDArray[np.float32]

ROUND: Final = ("mouthFunnel", "mouthPucker", "jawForward")
WIDE: Final = ("mouthSmile", "mouthStretch", "mouthDimple", "cheekSquint")
OTHER: Final = (
    "mouthFrown",
    "mouthPress",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthLowerDown",
    "mouthUpperUp",
    "mouthLeft",
    "mouthRight",
    "jawLeft",
    "jawRight",
    "noseSneer",
    "cheekPuff",
)
BROWS: Final = ("browDown", "browInnerUp", "browOuterUp")

POSE_SPREAD: Final = (6.0, 4.0, 4.0, 0.03, 0.03, 0.1)
"""Standard deviation of ``POSE_NAMES``."""

SPEAKING_SHARE: Final = 0.4
"""Part of the mouths in which lips open more than the jaw does, as in speech: teeth stay near each other and show."""

STILL_SHARE: Final = 0.06
"""Part of the moments that show the photo again."""


def random_photo(rng: np.random.Generator) -> tuple[Float, Float]:
    """What somebody does in a portrait: blendshapes [52], mostly calm, and a pose [6] near frontal."""
    shapes = np.zeros(len(ARKIT_NAMES), np.float32)
    kind = rng.random()
    if kind > 0.55:  # a smile, lips shut; then with parted lips; then showing teeth
        _both(shapes, "mouthSmile", rng.uniform(0.1, 0.6), rng)
        _both(shapes, "cheekSquint", rng.uniform(0.0, 0.3), rng)
    if kind > 0.75:
        _set(shapes, "jawOpen", rng.uniform(0.0, 0.12))
        _both(shapes, "mouthUpperUp", rng.uniform(0.0, 0.4), rng)
        _both(shapes, "mouthLowerDown", rng.uniform(0.0, 0.3), rng)
    pose = rng.normal(0.0, 1.0, len(POSE_NAMES)) * (4.0, 3.0, 3.0, 0.0, 0.0, 0.0)
    return shapes, pose.astype(np.float32)


def random_moment(rng: np.random.Generator, photo_pose: Float) -> tuple[Float, Float]:
    """One expression [52] and one pose [6], no further from the photo's than an avatar turns."""
    shapes = np.zeros(len(ARKIT_NAMES), np.float32)
    if rng.random() < 0.9:
        (_speaking if rng.random() < SPEAKING_SHARE else _mouth)(shapes, rng)
    if rng.random() < 0.5:
        _both(shapes, str(rng.choice(BROWS)), rng.uniform(0.0, 0.9), rng)
    eyes = rng.random()
    if eyes < 0.3:
        _both(shapes, "eyeBlink", rng.uniform(0.1, 1.0), rng, 0.0 if rng.random() < 0.8 else 0.5)
    elif eyes < 0.5:
        _both(shapes, str(rng.choice(["eyeSquint", "eyeWide"])), rng.uniform(0.1, 0.8), rng)
    if rng.random() < 0.5:
        _gaze(shapes, rng)
    pose = rng.normal(0.0, 1.0, len(POSE_NAMES)) * POSE_SPREAD * rng.choice([0.25, 1.0, 1.6])
    limits = np.array([*(0.9 * limit for limit in POSE_LIMITS_DEG), 0.1, 0.1, 0.3])
    return np.clip(shapes, 0.0, 1.0), (photo_pose + np.clip(pose, -limits, limits)).astype(np.float32)


def random_moments(
    rng: np.random.Generator, pairs: int, photo_pose: Float
) -> list[tuple[Float, Float] | None]:
    """Moments two by two, the second of a pair a little later; None is the photo's own moment."""
    moments: list[tuple[Float, Float] | None] = []
    for _ in range(pairs):
        if rng.random() < STILL_SHARE:
            moments += [None, None]
            continue
        first, toward = random_moment(rng, photo_pose), random_moment(rng, photo_pose)
        step = np.float32(rng.uniform(0.02, 0.2))
        moments += [first, tuple(a + step * (b - a) for a, b in zip(first, toward, strict=True))]  # type: ignore[list-item]
    return moments


def _mouth(shapes: Float, rng: np.random.Generator) -> None:
    jaw = float(rng.beta(1.2, 2.2)) * rng.choice([0.35, 0.6, 0.9])
    _set(shapes, "jawOpen", jaw)
    if rng.random() < 0.2:
        _set(shapes, "mouthClose", jaw * rng.uniform(0.3, 1.0))
    for name in rng.choice(
        ROUND if rng.random() < 0.4 else WIDE, size=int(rng.integers(1, 3)), replace=False
    ):
        _both(shapes, str(name), float(rng.beta(1.2, 1.8)), rng)
    for name in rng.choice(OTHER, size=int(rng.integers(0, 4)), replace=False):
        _both(shapes, str(name), 0.7 * float(rng.beta(1.0, 2.0)), rng)


def _speaking(shapes: Float, rng: np.random.Generator) -> None:
    much = float(rng.beta(1.5, 1.5))
    _set(shapes, "jawOpen", much * rng.uniform(0.02, 0.35))
    _both(shapes, "mouthLowerDown", much * rng.uniform(0.1, 0.9), rng)
    _both(shapes, "mouthUpperUp", much * rng.uniform(0.0, 0.6), rng)
    for name in rng.choice([*ROUND, *WIDE], size=int(rng.integers(0, 3)), replace=False):
        _both(shapes, str(name), 0.6 * float(rng.beta(1.2, 1.8)), rng)


def _gaze(shapes: Float, rng: np.random.Generator) -> None:
    across, down = rng.normal(0.0, 0.3, 2)
    for side, out in (("Left", across), ("Right", -across)):
        _set(shapes, f"eyeLook{'Out' if out > 0 else 'In'}{side}", abs(out))
        _set(shapes, f"eyeLook{'Down' if down > 0 else 'Up'}{side}", abs(down))


def _set(shapes: Float, name: str, value: float) -> None:
    shapes[ARKIT_INDEX[name]] = min(max(value, 0.0), 1.0)


def _both(shapes: Float, name: str, value: float, rng: np.random.Generator, uneven: float = 0.15) -> None:
    """A shape, or its left and right twins, a little unevenly."""
    if name in ARKIT_INDEX:
        _set(shapes, name, value)
        return
    for side in ("Left", "Right"):
        _set(shapes, name + side, value * (1.0 + uneven * rng.uniform(-1.0, 1.0)))
