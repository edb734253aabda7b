"""Head pose from landmarks: a rigid weak-perspective fit of a 3-D face to points in a picture."""

import zipfile
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import MODEL_PATH

CANONICAL_POINTS: Final = 468

# Landmarks that talking, blinking and brow raising hardly move: forehead, temples, eye corners, nose, cheekbones.
RIGID_LANDMARKS: Final = np.array(
    """10 151 9 8 168 6 197 195 5 4 1 2 98 327 67 297 103 332 54 284 21 251 162 389 127 356 33 133 362 263
    116 345 117 346 118 347 50 280 114 343 188 412""".split(),
    np.int32,
)

_ROUNDS: Final = 5

Float = NDArray[np.float32]
Double = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a rigid face lies in a picture: ``picture = scale * (rotation @ model)[:2] + shift``.

    rotation: float64 [3, 3]; axes x right, y down, z away from the viewer.
    scale: picture pixels for one unit of the model. shift: float64 [2], pixels.
    residual: root mean square distance of the fit, pixels.
    """

    rotation: Double
    scale: float
    shift: Double
    residual: float

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll with the signs of ``POSE_NAMES``: the head pitches, then yaws, then rolls."""
        turn = self.rotation
        yaw = np.arcsin(np.clip(turn[2, 0], -1.0, 1.0))
        pitch = np.arctan2(turn[2, 1], turn[2, 2])
        roll = np.arctan2(turn[1, 0], turn[0, 0])
        return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


@cache
def canonical_face() -> Float:
    """An average, upright, expressionless face: float32 [468, 3], x right, y down, z away, centimetres.

    It is the mesh in the landmarker bundle's ``geometry_pipeline_metadata``, a protocol buffer message whose
    ``vertex_buffer`` repeats a one-byte tag and a float: x, y (up), z (toward the viewer), u, v per vertex.
    """
    with zipfile.ZipFile(MODEL_PATH) as bundle:
        message = bundle.read("geometry_pipeline_metadata_landmarks.binarypb")
    tag = 3 << 3 | 5  # field 3, 32-bit
    entry = np.dtype([("tag", "u1"), ("value", "<f4")])
    entries = np.frombuffer(message, entry, CANONICAL_POINTS * 5, message.index(bytes([tag])))
    assert (entries["tag"] == tag).all()
    vertices = entries["value"].reshape(CANONICAL_POINTS, 5)[:, :3] * (1.0, -1.0, -1.0)
    face = vertices.astype(np.float32)
    face.setflags(write=False)
    return face


def fit_pose(model: NDArray[np.floating], points: NDArray[np.floating]) -> Pose:
    """Fit a rigid model to its picture, robustly.

    Convention:
        model: [N, 3], x right, y down, z away. points: [N, 2] or more columns (ignored), picture pixels, y down.

    Linear least squares for the affine camera, its rows made orthogonal and equally long; points far off the fit
    count less in the next round (Cauchy weights).
    """
    source = np.asarray(model, np.float64)
    target = np.asarray(points, np.float64)[:, :2]
    weights = np.ones(len(source))
    for _ in range(_ROUNDS):
        share = (weights / weights.sum())[:, None]
        source_mean, target_mean = (share * source).sum(axis=0), (share * target).sum(axis=0)
        root = np.sqrt(share)
        affine = np.linalg.lstsq(root * (source - source_mean), root * (target - target_mean), rcond=None)[
            0
        ].T
        left, sizes, right = np.linalg.svd(affine, full_matrices=False)
        rows = left @ right
        rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
        scale = float(sizes.mean())
        shift = target_mean - scale * rows @ source_mean
        off = np.linalg.norm(scale * source @ rows.T + shift - target, axis=1)
        weights = 1.0 / (1.0 + (off / (2.0 * np.median(off) + 1e-9)) ** 2)
    return Pose(rotation, scale, shift, float(np.sqrt((off**2).mean())))


def frontal_pose(points: NDArray[np.floating]) -> Pose:
    """Pose of a landmarked face relative to a frontal, upright, average one; points: [478, 2 or 3] pixels."""
    return fit_pose(canonical_face()[RIGID_LANDMARKS], np.asarray(points)[RIGID_LANDMARKS])
