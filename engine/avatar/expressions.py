"""The expressions and head poses that an avatar is judged by."""

from dataclasses import replace
from typing import Final

import numpy as np

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion, rest

BOTH: Final = ("Left", "Right")

Pose = tuple[dict[str, float], tuple[float, float, float]]

POSES: Final[dict[str, Pose]] = {
    "neutral": ({}, (0, 0, 0)),
    "jawOpen 0.3": ({"jawOpen": 0.3}, (0, 0, 0)),
    "jawOpen 0.6": ({"jawOpen": 0.6}, (0, 0, 0)),
    "blink": ({f"eyeBlink{s}": 1.0 for s in BOTH}, (0, 0, 0)),
    "smile": ({f"mouthSmile{s}": 0.8 for s in BOTH}, (0, 0, 0)),
    "pucker": ({"mouthPucker": 0.9}, (0, 0, 0)),
    "funnel": ({"mouthFunnel": 0.8, "jawOpen": 0.15}, (0, 0, 0)),
    "press": ({f"mouthPress{s}": 0.8 for s in BOTH}, (0, 0, 0)),
    "rolls": ({"mouthRollLower": 0.8, "mouthRollUpper": 0.8}, (0, 0, 0)),
    "mouthClose + jaw": ({"mouthClose": 1.0, "jawOpen": 0.3}, (0, 0, 0)),
    "brows up": ({"browInnerUp": 1.0} | {f"browOuterUp{s}": 1.0 for s in BOTH}, (0, 0, 0)),
    "brows down": ({f"browDown{s}": 1.0 for s in BOTH}, (0, 0, 0)),
    "teeth": ({f"mouth{k}{s}": 0.6 for s in BOTH for k in ("Smile", "UpperUp", "LowerDown")}, (0, 0, 0)),
    "gaze left": ({"eyeLookInLeft": 0.7, "eyeLookOutRight": 0.7}, (0, 0, 0)),
    "gaze right": ({"eyeLookInRight": 0.7, "eyeLookOutLeft": 0.7}, (0, 0, 0)),
    "gaze up": ({f"eyeLookUp{s}": 0.7 for s in BOTH}, (0, 0, 0)),
    "gaze down": ({f"eyeLookDown{s}": 0.7 for s in BOTH}, (0, 0, 0)),
    "yaw -15": ({}, (-15, 0, 0)),
    "yaw 15": ({}, (15, 0, 0)),
    "pitch -12": ({}, (0, -12, 0)),
    "pitch 12": ({}, (0, 12, 0)),
    "roll -15": ({}, (0, 0, -15)),
    "roll 15": ({}, (0, 0, 15)),
    "all at once": ({"jawOpen": 0.3} | {f"mouthSmile{s}": 0.4 for s in BOTH}, (12, 6, -8)),
}
"""Blendshapes and yaw, pitch, roll in degrees."""


def motion_of(shapes: dict[str, float], angles: tuple[float, float, float] = (0, 0, 0)) -> Motion:
    """A still motion; shapes: values of blendshapes by name. angles: yaw, pitch and roll in degrees."""
    blendshapes = np.zeros(len(ARKIT_INDEX), np.float32)
    for name, value in shapes.items():
        blendshapes[ARKIT_INDEX[name]] = value
    return Motion(0, blendshapes, np.array([*angles, 0, 0, 0], np.float32))


def own_expression(avatar: Avatar) -> Motion:
    """The motion that brings the avatar back to the face that its photo shows."""
    still = rest(0)
    return replace(still, blendshapes=avatar.extras.get("photo_blendshapes", still.blendshapes))
