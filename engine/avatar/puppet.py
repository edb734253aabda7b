"""Fits a head's own pose and blendshapes to the landmarks of each video frame, so that it can play the face back."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.alignment import SILHOUETTE_LANDMARKS, bounded_solve, rotation_of
from engine.avatar.landmark_rig import IRIS_CENTRES, LandmarkRig
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES
from engine.render.drive import CAMERA_DISTANCE

Float = NDArray[np.float32]
Double = NDArray[np.float64]

NOISE: Final = 0.02
"""Misplacement of a landmark over the distance of the outer eye corners; neighbours err together."""
ROUNDS: Final = 3

LIPS: Final = np.array(
    """61 185 40 39 37 0 267 269 270 409 291 146 91 181 84 17 314 405 321 375
    78 191 80 81 82 13 312 311 310 415 308 95 88 178 87 14 317 402 318 324""".split(),
    np.int32,
)
LIDS: Final = np.array(
    """33 246 161 160 159 158 157 173 133 155 154 153 145 144 163 7
    263 466 388 387 386 385 384 398 362 382 381 380 374 373 390 249""".split(),
    np.int32,
)
LIP_PAIRS: Final = np.array([(81, 178), (82, 87), (13, 14), (312, 317), (311, 402)], np.int32)
LID_PAIRS: Final = np.array(
    [(160, 144), (159, 145), (158, 153), (385, 380), (386, 374), (387, 373)],
    np.int32,
)
"""Landmarks that meet when a mouth or an eye shuts, upper and lower."""

LIP_WEIGHT: Final = 6.0
LID_WEIGHT: Final = 4.0
IRIS_WEIGHT: Final = 20.0  # one landmark for a whole eye
PAIR_WEIGHT: Final = 20.0
SILHOUETTE_WEIGHT: Final = 0.1
"""The outline is where the face turns away: another part of the skin in every pose."""

FACTORS: Final = (0.7, 1.4)
"""Between an opening that is seen and the head's own."""

BLINKS: Final = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
MOUTH_CLOSE: Final = ARKIT_INDEX["mouthClose"]
JAW_OPEN: Final = ARKIT_INDEX["jawOpen"]

SPREAD: Final = 0.25
"""How far a blendshape is expected to lie from what the landmarker's scores say."""
CLOSE_SPREAD: Final = 0.1
CLOSE_UNITS: Final = ("mouthUpperUp", "mouthShrug")
"""Units that would make up for what others miss about the upper lip."""
TIGHT_SPREAD: Final = 0.05
TIGHT_UNITS: Final = ("cheek", "tongue", "noseSneer", "eyeSquint", "jawForward")
"""Units that move no landmark much: the scores alone decide."""


@dataclass(frozen=True, eq=False)
class FacePose:
    """Pose and expression of one frame.

    Convention: a landmark of the head at v lies at ``scale * (rotation @ (v - pivot))[:2] + pivot[:2] + shift``;
    rotation: float64 [3, 3]; shift: float64 [2], canvas pixels; blendshapes: float64 [52] in [0, 1].
    residual: float64 [L, 2], seen minus modelled, canvas pixels.
    """

    scale: float
    rotation: Double
    shift: Double
    blendshapes: Double
    residual: Double

    def head(self, head_width: float) -> Float:
        """The pose as the renderer takes it: float32 [6], ``POSE_NAMES``; head_width: canvas pixels."""
        turn = self.rotation
        yaw = np.arcsin(np.clip(turn[2, 0], -1.0, 1.0))
        pitch, roll = np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
        toward = CAMERA_DISTANCE * (1.0 - 1.0 / self.scale)
        return np.array([*np.degrees([yaw, pitch, roll]), *self.shift / head_width, toward], np.float32)


class PuppetFit:
    """Fits one head to landmarks.

    The head's own photo sets the zero: what the fit leaves over there (a landmarker that sees shut lips a little
    apart, a smile that stays in the neutral face) is taken off every frame.
    """

    def __init__(self, rig: LandmarkRig, scores: Float) -> None:
        """scores: float32 [52], what the landmarker's blendshape network says of the head's photo."""
        self.rig = rig
        weight = np.ones(478)
        weight[list(SILHOUETTE_LANDMARKS)] = SILHOUETTE_WEIGHT
        weight[LIPS] = LIP_WEIGHT
        weight[LIDS] = LID_WEIGHT
        weight[list(IRIS_CENTRES.values())] = IRIS_WEIGHT
        self._weight = weight[rig.number]
        self._spread = np.full(len(ARKIT_NAMES), SPREAD)
        for units, spread in ((CLOSE_UNITS, CLOSE_SPREAD), (TIGHT_UNITS, TIGHT_SPREAD)):
            self._spread[[name.startswith(units) for name in ARKIT_NAMES]] = spread
        self._scores = np.asarray(scores, np.float64)
        own = rig.photo_blendshapes
        residual = rig.photo[rig.number] - rig.shape(rig.amounts(own))[:, :2]
        self._offset = residual
        row = np.full(478, -1)
        row[rig.number] = np.arange(len(rig.number))
        parted = bool(rig.photo_blendshapes.any())
        self._upper, self._lower = row[np.concatenate([LIP_PAIRS, LID_PAIRS])].T
        self._stretch, self._slack = self._openings(parted)
        self.photo = FacePose(1.0, np.eye(3), np.zeros(2), own, np.zeros_like(residual))

    def fit(self, points: NDArray[np.floating], scores: NDArray[np.floating], near: FacePose) -> FacePose:
        """Fit one frame.

        points: [478, 2 or more], canvas pixels. scores: [52]. near: the frame before, or the photo.
        """
        rig = self.rig
        seen = np.asarray(points, np.float64)[rig.number, :2]
        prior = np.clip(rig.photo_blendshapes + np.asarray(scores, np.float64) - self._scores, 0.0, 1.0)
        sigma = NOISE * rig.inter_ocular
        weight = np.concatenate([self._weight, np.full(len(self._upper), PAIR_WEIGHT)])
        root = np.sqrt(weight)[:, None] / sigma
        opening = self._stretch * (seen[self._upper] - seen[self._lower]) - self._slack
        scale, rotation, shift, amount = near.scale, near.rotation, near.shift, near.blendshapes
        low = np.concatenate([np.full(6, -np.inf), np.zeros(52)])
        high = np.concatenate([np.full(6, np.inf), np.ones(52)])
        precision = np.concatenate([np.full(6, 1e-9), self._spread**-2.0])
        for _ in range(ROUNDS):
            turned = scale * (rig.shape(rig.amounts(amount)) - rig.pivot) @ rotation.T
            model = turned[:, :2] + rig.pivot[:2] + shift + scale * self._offset @ rotation[:2, :2].T
            columns = [np.cross(axis, turned)[:, :2] for axis in np.eye(3)]
            columns.append(turned[:, :2])  # log scale
            columns += [np.tile(axis, (len(seen), 1)) for axis in np.eye(2)]
            units = scale * self._reach(amount) * rig.deltas[:52] @ rotation[:2].T
            slope = self._with_pairs(np.concatenate([np.array(columns), units])) * root
            slope = slope.reshape(len(slope), -1)
            missing = np.concatenate(
                [seen - model, opening - (turned[self._upper] - turned[self._lower])[:, :2]]
            )
            wanted = (missing * root).reshape(-1) + amount @ slope[6:]
            right = slope @ wanted + np.concatenate([np.zeros(6), prior * self._spread**-2.0])
            high[6 + MOUTH_CLOSE] = amount[JAW_OPEN]
            step = bounded_solve(slope @ slope.T + np.diag(precision), right, low, high)
            rotation = rotation_of(step[:3]) @ rotation
            scale *= float(np.exp(np.clip(step[3], -0.5, 0.5)))
            shift, amount = shift + step[4:6], step[6:]
        turned = scale * (rig.shape(rig.amounts(amount)) - rig.pivot) @ rotation.T
        model = turned[:, :2] + rig.pivot[:2] + shift + scale * self._offset @ rotation[:2, :2].T
        return FacePose(scale, rotation, shift, amount, seen - model)

    def _openings(self, parted: bool) -> tuple[Double, Double]:
        """Factor [K, 1] and difference [K, 2] between the openings that are seen in the photo and those of the head.

        An open eye or mouth that the landmarker sees a little narrower must still shut: factors keep a gap of nothing.
        A shut mouth has no size to compare, and what is seen of it is no gap.
        """
        seen = self.rig.photo[self.rig.number]
        seen = seen[self._upper] - seen[self._lower]
        ours = self.rig.shape(self.rig.amounts(self.rig.photo_blendshapes))[:, :2]
        ours = ours[self._upper] - ours[self._lower]
        factor = np.linalg.norm(ours, axis=1) / np.maximum(np.linalg.norm(seen, axis=1), 1e-6)
        shut = np.arange(len(factor)) < (0 if parted else len(LIP_PAIRS))
        factor = np.where(shut, 1.0, np.clip(factor, *FACTORS))
        return factor[:, None], np.where(shut[:, None], seen - ours, 0.0)

    def _with_pairs(self, values: Double) -> Double:
        """Values of landmarks, [..., L, 2], and after them their differences between upper and lower ones."""
        return np.concatenate([values, values[..., self._upper, :] - values[..., self._lower, :]], axis=-2)

    def _reach(self, blendshapes: Double) -> Double:
        """How far the shapes would go at 1, [52, 1, 1]: a blink less where others have begun to shut the eye."""
        shut = blendshapes.copy()
        shut[BLINKS] = 1.0
        reach = np.ones(len(ARKIT_NAMES))
        reach[BLINKS] = self.rig.amounts(shut)[BLINKS]
        return reach[:, None, None]
