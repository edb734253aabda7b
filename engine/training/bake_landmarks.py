"""Finds where the 478 face landmarks lie on the head model: renders it, detects, and carries them back."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from engine.avatar.head_model import HeadModel
from engine.avatar.landmarks import FaceLandmarker

SIDE: Final = 512
IDENTITIES: Final = 5
POSES: Final = tuple((yaw, pitch) for yaw in (-22.0, 0.0, 22.0) for pitch in (-12.0, 0.0, 12.0))
SEED: Final = 7
MODE_SPREAD: Final = 0.25

SKIN_RGB: Final = np.array([205, 160, 135])
LIP_RGB: Final = np.array([165, 80, 80])
BROW_RGB: Final = np.array([60, 42, 35])
HAIR_RGB: Final = np.array([48, 36, 30])
SCLERA_RGB: Final = np.array([235, 230, 225])
IRIS_RGB: Final = np.array([70, 50, 40])
WALL_RGB: Final = (150, 160, 170)

UPPER_INNER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER_LIP: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
RIGHT_UPPER_LID: Final = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER_LID: Final = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_UPPER_LID: Final = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LEFT_LOWER_LID: Final = (362, 382, 381, 380, 374, 373, 390, 249, 263)
MIRRORED: Final = (
    (UPPER_INNER_LIP, UPPER_INNER_LIP[::-1]),
    (LOWER_INNER_LIP, LOWER_INNER_LIP[::-1]),
    (RIGHT_UPPER_LID, LEFT_UPPER_LID[::-1]),
    (RIGHT_LOWER_LID, LEFT_LOWER_LID[::-1]),
)
SILHOUETTE: Final = (
    (234, 227, 116), (93, 137, 123), (132, 177, 147), (58, 215, 213),
    (454, 447, 345), (323, 366, 352), (361, 401, 376), (288, 435, 433),
)  # fmt: skip
"""Landmarks on the face's outline, which slide onto ears and jaw in the renders, and the two next ones inward."""
OUTWARD: Final = 0.6
JAW_ANGLES: Final = ((172, 58, 136), (397, 288, 365))
IRISES: Final = {"right_eye": range(468, 473), "left_eye": range(473, 478)}

Array = NDArray[Any]
log = logging.getLogger(__name__)


def locate_landmarks(head: HeadModel, look: Path | None = None) -> dict[str, Array]:
    """Triangles and weights of the landmarks: means over renders, made symmetric, contact lines set by hand."""
    finder = FaceLandmarker()
    sums, weights = np.zeros((478, 3)), np.zeros(478)
    places: list[Array] = []
    for number, (image, rest, facing) in enumerate(_renders(head)):
        found = finder.track(image, None, blendshapes=False)
        if found is None:
            log.warning("render %d: no face found", number)
            continue
        pixel = np.clip(np.round(found.points[:, :2] - 0.5).astype(int), 0, SIDE - 1)
        place, weight = rest[pixel[:, 1], pixel[:, 0]], facing[pixel[:, 1], pixel[:, 0]]
        places.append(np.where(weight[:, None] > 0, place, np.nan))
        sums += np.nan_to_num(place) * weight[:, None]
        weights += weight
        if look:
            _picture(image, found.points, look / f"render_{number:02d}.png")
    mean = sums / np.maximum(weights, 1e-9)[:, None]
    spread = np.nanmedian(np.linalg.norm(np.array(places) - mean, axis=2), axis=0)
    log.warning("%d renders; median spread %.4f dm", len(places), float(np.nanmedian(spread)))
    if look:
        np.save(look / "mean.npy", mean)
    mean = _set_by_hand(head, _symmetric(mean))
    triangle, weight = _onto_surface(head, mean)
    return {"landmark_triangle": triangle.astype(np.int16), "landmark_weight": weight.astype(np.float32)}


def _renders(head: HeadModel) -> Iterator[tuple[Array, Array, Array]]:
    """Pictures of made-up heads; with, for each pixel, the place on the average head and how squarely it is seen."""
    dice = np.random.default_rng(SEED)
    for identity in range(IDENTITIES):
        mix = dice.normal(0, MODE_SPREAD, len(head.identity_names)) * (identity > 0)
        shape = head.vertices + np.tensordot(mix, head.identity, 1)
        for yaw, pitch in POSES:
            yield _render(head, shape @ _rotation(yaw, pitch).T)


def _rotation(yaw_deg: float, pitch_deg: float) -> Array:
    yaw, pitch = np.deg2rad(yaw_deg), np.deg2rad(pitch_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return np.asarray(turn @ nod)


def _render(head: HeadModel, posed: Array) -> tuple[Array, Array, Array]:
    triangles = _visible_triangles(head)
    screen = posed * (SIDE / 3.2)
    screen[:, :2] += SIDE * np.array([0.5, 0.6])
    number, weight = rasterise(screen, triangles, SIDE)
    seen = number >= 0
    corners = triangles[number]
    rest = np.einsum("hwkc,hwk->hwc", head.vertices[corners], weight)
    normals = vertex_normals(posed, head.triangles)
    normal = np.einsum("hwkc,hwk->hwc", normals[corners], weight)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    eyes = np.concatenate([head.groups["left_eye"], head.groups["right_eye"]])
    colour = _colours(rest, np.isin(corners[..., 0], eyes), head)
    light = 0.35 + 0.65 * np.clip(normal @ (np.array([0.25, -0.45, -1.0]) / 1.12), 0, 1)
    image = np.where(seen[..., None], np.clip(colour * light[..., None], 0, 255), WALL_RGB)
    image = cv2.GaussianBlur(image.astype(np.uint8), (0, 0), 0.7)
    inside = np.zeros(len(head.vertices), bool)
    inside[head.groups["mouth_bag"]] = True
    facing = np.where(seen & ~inside[corners].any(axis=2), np.clip(-normal[..., 2], 0, 1) ** 2, 0.0)
    return image, rest, facing


def _visible_triangles(head: HeadModel) -> Array:
    """Skin, the strip inside the lips and the eyeballs: what the landmarker should see."""
    hidden = np.zeros(len(head.vertices), bool)
    for name in ("upper_teeth", "lower_teeth", "tongue", "left_lashes", "right_lashes"):
        hidden[head.groups[name]] = True
    return head.triangles[~hidden[head.triangles].any(axis=1)]


def _colours(rest: Array, on_eye: Array, head: HeadModel) -> Array:
    """A plain painted face: brows, lips and irises where the average head has them."""
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]
    colour = np.broadcast_to(SKIN_RGB, (*x.shape, 3)).astype(float)
    arch = (
        -0.585 - 0.05 * np.sin(np.clip((x - 0.1) / 0.45, 0, 1) * np.pi * 0.8) + 0.12 * np.clip(x - 0.42, 0, 1)
    )
    brow = (
        (np.abs(y - arch) < 0.032 - 0.03 * np.clip((x - 0.3) / 0.3, 0, 1))
        & (x > 0.1)
        & (x < 0.56)
        & (z < -0.5)
    )
    half = np.clip(1 - (x / 0.25) ** 2, 0, 1) ** 0.6
    lips = (y > 0.283 - 0.085 * half) & (y < 0.285 + 0.115 * half) & (z < -0.5) & (x < 0.25)
    hair = (
        (y < -1.02 + 0.3 * np.clip(x - 0.5, 0, 1))
        | ((z > -0.25) & (y < 0.1) & (x < 0.72))
        | ((z > 0.1) & (y < 0.4))
    )
    for mask, rgb in ((lips, LIP_RGB), (brow, BROW_RGB), (hair, HAIR_RGB), (on_eye, SCLERA_RGB)):
        colour[mask] = rgb
    for eye in ("left_eye", "right_eye"):
        ball = head.vertices[head.groups[eye]]
        centre = ball[ball[:, 2].argmin()]
        distance = np.linalg.norm(rest - centre, axis=2)
        colour[on_eye & (distance < 0.064)] = IRIS_RGB
        colour[on_eye & (distance < 0.026)] = 10
    return np.asarray(colour)


def _symmetric(mean: Array) -> Array:
    """Average each landmark with its partner on the other side: the nearest, or by name where they crowd."""
    mirrored = mean * np.array([-1.0, 1.0, 1.0])
    cost = np.linalg.norm(mean[:, None] - mirrored[None], axis=2) ** 2
    for one, other in MIRRORED:
        cost[list(one)] = cost[list(other)] = 1e3
        cost[list(one), list(other)] = cost[list(other), list(one)] = 0.0
    _, partner = linear_sum_assignment(cost + cost.T)
    partner = np.where(partner[partner] == np.arange(len(mean)), partner, np.arange(len(mean)))
    return np.asarray((mean + mirrored[partner]) / 2)


def _set_by_hand(head: HeadModel, mean: Array) -> Array:
    """Put lid and inner-lip landmarks on the contact lines, spread by their found x; irises on the eyeball."""
    mean = mean.copy()
    lines = {
        "upper_lip_contact": UPPER_INNER_LIP,
        "lower_lip_contact": LOWER_INNER_LIP,
        "right_upper_lid": RIGHT_UPPER_LID,
        "right_lower_lid": RIGHT_LOWER_LID,
        "left_upper_lid": LEFT_UPPER_LID,
        "left_lower_lid": LEFT_LOWER_LID,
    }
    for name, members in lines.items():
        line = head.vertices[head.groups[name]]
        x = mean[list(members), 0]
        x = line[0, 0] + (x - x[0]) / (x[-1] - x[0]) * (line[-1, 0] - line[0, 0])
        for axis in range(3):
            mean[list(members), axis] = np.interp(x, line[:, 0], line[:, axis])
    for outline, inner, innermost in SILHOUETTE:
        mean[outline] = mean[inner] + OUTWARD * (mean[inner] - mean[innermost])
    for middle, above, below in JAW_ANGLES:
        mean[middle] = (mean[above] + mean[below]) / 2
    for name, iris in IRISES.items():
        ball = head.vertices[head.groups[name]]
        centre = ball[ball[:, 2].argmin()]
        mean[list(iris)] = centre + (mean[list(iris)] - mean[iris[0]]) * [1, 1, 0]
    return mean


def _onto_surface(head: HeadModel, points: Array) -> tuple[Array, Array]:
    """Nearest place on the visible surface: three vertices and their weights for each point."""
    inside = np.zeros(len(head.vertices), bool)
    for name in ("mouth_bag", "left_socket", "right_socket"):
        inside[head.groups[name]] = True
    visible = _visible_triangles(head)
    eye = np.isin(visible[:, 0], np.concatenate([head.groups["left_eye"], head.groups["right_eye"]]))
    surface = visible[~inside[visible].any(axis=1)]
    skin, balls = surface[~np.isin(surface[:, 0], visible[eye])], visible[eye]
    triangle, weight = np.zeros((len(points), 3), int), np.zeros((len(points), 3))
    iris = {index for members in IRISES.values() for index in members}
    for index, point in enumerate(points):
        candidates = balls if index in iris else skin
        corners = head.vertices[candidates]
        near = np.argsort(np.linalg.norm(corners.mean(axis=1) - point, axis=1))[:60]
        places = np.array([_closest_weights(point, corners[k]) for k in near])
        distance = np.linalg.norm(np.einsum("nkc,nk->nc", corners[near], places) - point, axis=1)
        triangle[index], weight[index] = candidates[near[distance.argmin()]], places[distance.argmin()]
    return triangle, weight


def _closest_weights(point: Array, corners: Array) -> Array:
    """Barycentric weights of the point of a triangle that lies nearest."""
    edges = (corners[1:] - corners[0]).T
    inner, *_ = np.linalg.lstsq(edges, point - corners[0], rcond=None)
    weights = np.array([1 - inner.sum(), *inner])
    if (weights >= 0).all():
        return weights
    best, best_distance = weights, np.inf
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge = corners[b] - corners[a]
        along = float(np.clip((point - corners[a]) @ edge / (edge @ edge), 0, 1))
        distance = float(np.linalg.norm(corners[a] + along * edge - point))
        if distance < best_distance:
            best, best_distance = np.zeros(3), distance
            best[a], best[b] = 1 - along, along
    return best


def rasterise(screen: Array, triangles: Array, side: int) -> tuple[Array, Array]:
    """Nearest triangle (int [side, side], -1 none) and barycentric weights ([side, side, 3]) for each pixel.

    screen: [V, 3] pixels, smaller z is nearer. Triangles of either winding are drawn.
    """
    number = np.full((side, side), -1)
    weights = np.zeros((side, side, 3))
    depth = np.full((side, side), np.inf)
    for index, (a, b, c) in enumerate(screen[triangles]):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)[:2] - 0.5), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)[:2] + 0.5), side).astype(int)
        if abs(area) < 1e-9 or (high <= low).any():
            continue
        x = np.arange(low[0], high[0]) + 0.5
        y = (np.arange(low[1], high[1]) + 0.5)[:, None]
        v = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        w = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        u = 1 - v - w
        z = u * a[2] + v * b[2] + w * c[2]
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        inside = (u >= 0) & (v >= 0) & (w >= 0) & (z < depth[window])
        depth[window][inside] = z[inside]
        number[window][inside] = index
        weights[window][inside] = np.stack([u, v, w], axis=2)[inside]
    return number, weights


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    """Unit normals, area-weighted over the triangles around each vertex; toward the viewer is negative z."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], normal)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))


def _picture(image: Array, points: Array, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    for x, y in points[:, :2]:
        cv2.circle(picture, (round(x), round(y)), 1, (0, 255, 0), -1)
    cv2.imwrite(str(path), picture)
