"""Numbers and names that hold everywhere in the engine."""

from typing import Final

SAMPLE_RATE: Final = 16_000
"""Analysis audio: mono float32 in [-1, 1] at this rate."""

FRAME_RATE: Final = 25
"""Video frames a second."""
FRAME_S: Final = 1 / FRAME_RATE
"""Length of one, seconds."""

FRAME_SAMPLES: Final = SAMPLE_RATE // FRAME_RATE
"""Frame n shows samples [FRAME_SAMPLES * n, FRAME_SAMPLES * (n + 1))."""

LOOK_AHEADS_MS: Final = (80, 40)
"""How far the motion may listen ahead, the usual one first."""

LOOK_AHEAD_SAMPLES: Final = SAMPLE_RATE * max(LOOK_AHEADS_MS) // 1000
"""The longest look-ahead: no sample from FRAME_SAMPLES * (n + 1) + LOOK_AHEAD_SAMPLES on changes a frame <= n.
What one engine needs is ``Engine.look_ahead_samples``."""

FRAME_SIZES: Final = (256, 512, 768)
"""Sides in pixels of the square frames that can be rendered."""

DEFAULT_FRAME_SIZE: Final = 512

ARKIT_NAMES: Final = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""The 52 ARKit blendshapes in Apple's order; left and right are the person's own."""

ARKIT_INDEX: Final = {name: index for index, name in enumerate(ARKIT_NAMES)}

POSE_NAMES: Final = ("yaw_deg", "pitch_deg", "roll_deg", "tx", "ty", "tz")
"""Head pose relative to the photo. Angles in degrees: positive yaw turns the head to the viewer's right,
positive pitch looks down, positive roll tilts the head to the viewer's right (clockwise in the picture).
Translations in head widths: positive x is the viewer's right, y is down, z is toward the viewer."""

POSE_LIMITS_DEG: Final = (15.0, 12.0, 15.0)
"""Largest yaw, pitch and roll that are rendered; values beyond are clamped."""

LIP_OFFSET_NAMES: Final = ("seal", "tuck", "thin", "flare", "skew")
"""What the lips of one face do beyond its blendshapes: seal: the inner edges of both lips meet all along the mouth.
tuck: the lower lip's edge touches the upper teeth's. thin: the red of both lips is pressed thinner and inward.
flare: the inner edges turn outward and the opening gets rounder. skew: the opening is larger on the viewer's right,
or, below 0, on the viewer's left."""

LIP_OFFSET_LEAST: Final = (0.0, 0.0, 0.0, 0.0, -1.0)
"""The least value of each; the largest is 1."""
