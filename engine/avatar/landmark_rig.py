"""What a driven head does to its landmarks: the few points that tracking needs of a mesh of thousands."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.alignment import IRIS_LANDMARKS
from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_NAMES, POSE_NAMES
from engine.motion.values import Motion
from engine.render.drive import Driver
from engine.render.layers import part_vertices

IRIS_CENTRES: Final = {"right": 468, "left": 473}
"""Landmarks in the middle of the person's own right and left iris."""

AT_REST: Final = np.zeros(len(POSE_NAMES), np.float32)

BORROWED: Final = 0.3
"""A vertex whose texture lies so far from it, in eye-corner distances, shows another place of the photo."""

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Int = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class LandmarkRig:
    """Landmarks of one head, and how blendshapes move them.

    Convention: canvas pixels, as in ``engine.avatar.parts``.
        number: int32 [L], which of the 478 landmarks the head has. neutral: float64 [L, 3]. deltas: float64 [53, L, 3],
        of the blendshapes and of what brings back the photo's own face at its own expression.
        photo: float64 [478, 2], where the landmarker saw them in the photo. photo_blendshapes: float64 [52], the photo's
        own expression.
        pivot: float64 [3]; head_width, inter_ocular: pixels.
    """

    number: Int
    neutral: Double
    deltas: Double
    photo: Double
    photo_blendshapes: Double
    pivot: Double
    head_width: float
    inter_ocular: float
    driver: Driver

    @classmethod
    def of_avatar(cls, avatar: Avatar) -> "LandmarkRig":
        """The landmarks of the mesh that is drawn.

        Those that the face's part of the mesh lacks (the outline) lie on the grid around it, where the photo has them.
        """
        vertex = np.array(avatar.extras["landmark_vertex"])
        weight = np.array(avatar.extras["landmark_weight"], np.float64)
        lacking = np.setdiff1d(np.flatnonzero(vertex[:, 0] < 0), IRIS_LANDMARKS)
        vertex[lacking], weight[lacking] = _on_texture(avatar, avatar.landmarks[lacking, :2])
        number = np.flatnonzero(vertex[:, 0] >= 0)
        points = [(vertex[k], weight[k]) for k in number]
        for side, k in IRIS_CENTRES.items():
            iris = part_vertices(avatar, f"{side}_iris")
            if len(iris):
                points.append((iris, np.full(len(iris), 1.0 / len(iris))))
                number = np.append(number, k)

        def on(values: NDArray[np.floating]) -> Double:
            return np.array([weights @ values[vertices] for vertices, weights in points])

        deltas = np.zeros((len(ARKIT_NAMES) + 1, len(points), 3))
        for unit, (start, end) in enumerate(zip(avatar.delta_start, avatar.delta_start[1:], strict=False)):
            moved = np.zeros_like(avatar.positions)
            moved[avatar.delta_vertex[start:end]] = avatar.delta_value[start:end]
            deltas[unit] = on(moved)
        if "photo_offset" in avatar.extras:
            deltas[-1] = on(avatar.extras["photo_offset"])
        return cls(
            number=number.astype(np.int32),
            neutral=on(avatar.positions),
            deltas=deltas,
            photo=avatar.landmarks[:, :2].astype(np.float64),
            photo_blendshapes=np.array(avatar.extras.get("photo_blendshapes", np.zeros(52)), np.float64),
            pivot=avatar.pivot.astype(np.float64),
            head_width=avatar.head_width,
            inter_ocular=avatar.inter_ocular,
            driver=Driver(avatar),
        )

    def amounts(self, blendshapes: Double) -> Double:
        """How far each shape goes once it minds the others, float64 [53]: ``Driver.amounts``."""
        return self.driver.amounts(Motion(0, blendshapes.astype(np.float32), AT_REST)).astype(np.float64)

    def shape(self, amounts: Double) -> Double:
        """The landmarks of an expression, float64 [L, 3], without pose; amounts: [53]."""
        return np.asarray(self.neutral + np.tensordot(amounts, self.deltas, 1))


def _on_texture(avatar: Avatar, points: Float) -> tuple[Int, Double]:
    """Skin triangles [P, 3] whose texture covers points of the photo [P, 2], and barycentric weights [P, 3].

    A point that no triangle covers goes to the nearest vertex.
    """
    skin = avatar.triangles[avatar.triangle_part == 0]
    # What lies inside the lips or past the frame borrows its texture from elsewhere.
    moved = np.linalg.norm(avatar.uv - avatar.positions[:, :2], axis=1) > BORROWED * avatar.inter_ocular
    skin = skin[~moved[skin].any(axis=1) & (avatar.shade[skin] == 1.0).all(axis=1)]
    a, b, c = (avatar.uv[skin[:, k]].astype(np.float64) for k in range(3))
    area = _cross(b - a, c - a)
    vertex, weight = np.zeros((len(points), 3), np.int32), np.zeros((len(points), 3))
    for row, point in enumerate(points.astype(np.float64)):
        with np.errstate(divide="ignore", invalid="ignore"):
            second, third = _cross(point - a, c - a) / area, _cross(b - a, point - a) / area
            inside = (second >= 0) & (third >= 0) & (second + third <= 1) & (np.abs(area) > 1e-9)
        if inside.any():
            t = int(np.flatnonzero(inside)[0])
            vertex[row], weight[row] = skin[t], (1 - second[t] - third[t], second[t], third[t])
        else:
            nearest = np.unique(skin)[np.argmin(np.linalg.norm(avatar.uv[np.unique(skin)] - point, axis=1))]
            vertex[row], weight[row] = nearest, (1.0, 0.0, 0.0)
    return vertex, weight


def _cross(a: Double, b: Double) -> Double:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
