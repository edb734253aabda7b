"""Fits the head model's pose, identity and expression to face landmarks."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.head_model import HeadModel
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES

Array = NDArray[np.float64]

ROUNDS: Final = 4
IDENTITY_LIMIT: Final = 1.2
EXPRESSION_LIMIT: Final = 1.2
LANDMARK_NOISE_DM: Final = 0.03
"""Misplacement of a landmark, neighbours erring together: the weight of the landmarks against the priors."""
IDENTITY_SPREAD: Final = 0.5
EXPRESSION_SPREAD: Final = 0.35
DEPTH_WEIGHT: Final = 0.4
HUBER_DM: Final = 0.05

BOUND_SLACK: Final = 1e-9
"""How far a variable would go from its bound before it counts."""
BLOCK_ROUNDS: Final = 15

IRIS_LANDMARKS: Final = tuple(range(468, 478))
SILHOUETTE_LANDMARKS: Final = (
    58,
    93,
    132,
    234,
    288,
    323,
    361,
    397,
    454,
    127,
    356,
    172,
    136,
    365,
    172,
    162,
    389,
)
SILHOUETTE_WEIGHT: Final = 0.5

FITTED_UNITS: Final = tuple(
    name
    for name in ARKIT_NAMES
    if not name.startswith(("eyeLook", "brow", "jawForward", "jawLeft", "jawRight", "mouthRoll", "tongue"))
    and name
    not in ("mouthLeft", "mouthRight", "mouthClose", "cheekPuff", "mouthPressLeft", "mouthPressRight")
)
"""Units that landmarks tell apart. Sideways and rolling ones would only trade places with identity."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a head stands in a picture and what it looks like.

    Convention: a vertex v of the head in decimetres lies at ``scale * (rotation @ v) + shift`` in canvas pixels;
    rotation: float64 [3, 3]; shift: float64 [3]; identity: float64 [S]; expression: float64 [52].
    """

    scale: float
    rotation: Array
    shift: Array
    identity: Array
    expression: Array

    def place(self, vertices: Array) -> Array:
        """Head decimetres to canvas pixels, [..., 3]."""
        return self.turn(vertices) + self.shift

    def turn(self, offsets: Array) -> Array:
        """Offsets in head decimetres to canvas pixels, [..., 3]."""
        return np.asarray(self.scale * offsets @ self.rotation.T)


def align(head: HeadModel, landmarks: Array, scores: Array) -> Alignment:
    """Fit the head to the landmarks of one photo.

    landmarks: [478, 3] canvas pixels. scores: [52] in [0, 1], the expression that the landmarker sees; the fit
    starts from it and keeps to it where the landmarks leave a choice.
    """
    units = [ARKIT_INDEX[name] for name in FITTED_UNITS]
    mean = head.landmarks(head.vertices).astype(np.float64)
    identity_modes = head.landmarks(head.identity).astype(np.float64)
    unit_modes = head.landmarks(head.units[units]).astype(np.float64)
    modes = np.concatenate([identity_modes, unit_modes])
    spread = np.repeat([IDENTITY_SPREAD, EXPRESSION_SPREAD], [len(identity_modes), len(units)])
    prior = np.concatenate([np.zeros(len(identity_modes)), scores[units]])
    low = np.repeat([-IDENTITY_LIMIT, 0.0], [len(identity_modes), len(units)])
    high = np.repeat([IDENTITY_LIMIT, EXPRESSION_LIMIT], [len(identity_modes), len(units)])

    trust = np.ones(len(landmarks))
    trust[list(SILHOUETTE_LANDMARKS)] = SILHOUETTE_WEIGHT
    trust[list(IRIS_LANDMARKS)] = 0.0
    amount, weight = prior.copy(), trust
    scale, rotation, shift = 1.0, np.eye(3), np.zeros(3)
    for _ in range(ROUNDS):
        shape = mean + np.tensordot(amount, modes, 1)
        scale, rotation, shift = weak_perspective(shape, landmarks, weight)
        seen = (landmarks - shift) / scale
        axes = np.sqrt(weight)[:, None] * [1.0, 1.0, DEPTH_WEIGHT] / LANDMARK_NOISE_DM
        matrix = ((modes @ rotation.T) * axes).reshape(len(modes), -1).T
        wanted = ((seen - mean @ rotation.T) * axes).reshape(-1)
        normal = matrix.T @ matrix + np.diag(spread**-2.0)
        amount = bounded_solve(normal, matrix.T @ wanted + prior * spread**-2.0, low, high)
        miss = np.linalg.norm((mean + np.tensordot(amount, modes, 1)) @ rotation.T - seen, axis=1)
        weight = trust * HUBER_DM / np.maximum(miss, HUBER_DM)
    expression = np.zeros(len(ARKIT_NAMES))
    expression[units] = amount[len(identity_modes) :]
    return Alignment(scale, rotation, shift, amount[: len(identity_modes)], expression)


def weak_perspective(shape: Array, picture: Array, weight: Array) -> tuple[float, Array, Array]:
    """Scale, rotation and shift that carry ``shape`` onto ``picture`` ([L, 3] both), weighted least squares.

    The picture's depth counts at DEPTH_WEIGHT: it tells front from back but is no measurement.
    """
    total = weight.sum()
    shape_mean, picture_mean = weight @ shape / total, weight @ picture / total
    a, b = shape - shape_mean, picture - picture_mean
    scale, rotation = 1.0, np.eye(3)
    left, _, right = np.linalg.svd((b * weight[:, None]).T @ a)
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    for _ in range(8):  # Gauss-Newton on the rotation vector, x and y at full weight
        turned = a @ rotation.T
        axes = np.sqrt(weight)[:, None] * np.array([1.0, 1.0, DEPTH_WEIGHT])
        scale = float((turned * b * axes**2).sum() / (turned**2 * axes**2).sum())
        miss = ((b - scale * turned) * axes).reshape(-1)
        slope = np.stack([np.cross(axis, turned) * scale * axes for axis in np.eye(3)]).reshape(3, -1).T
        step, *_ = np.linalg.lstsq(slope, miss, rcond=None)
        rotation = rotation_of(step) @ rotation
    return scale, rotation, picture_mean - scale * rotation @ shape_mean


def bounded_solve(normal: Array, right: Array, low: Array, high: Array) -> Array:
    """The x in [low, high] that minimises x @ normal @ x / 2 - right @ x, ``normal`` being positive definite.

    The minimum is unique, and so neighbouring problems have neighbouring answers: bounds that are held for good once
    they were met would let expressions leap from one picture to the next. Block principal pivoting finds it in a few
    rounds: all that lies beyond a bound is held there and all that pulls away from its bound is let go (Portugal,
    Judice, Vicente, Mathematics of Computation 63, 1994). Where that goes in circles, variables are let go one by one,
    as in BVLS (Stark, Parker, Computational Statistics 10, 1995), which takes more rounds and always ends.
    """
    held = np.zeros(len(right), np.int8)  # -1 at the lower bound, 1 at the upper one
    for _ in range(BLOCK_ROUNDS):
        x = _with_held(normal, right, low, high, held)
        free = held == 0
        wanted = np.where(free & (x < low), -1, np.where(free & (x > high), 1, held)).astype(np.int8)
        wanted[_pulls_away(normal, right, x, held) > 0.0] = 0
        if (wanted == held).all():
            return x
        held = wanted
    return _solve_one_by_one(normal, right, low, high, np.clip(x, low, high))


def _solve_one_by_one(normal: Array, right: Array, low: Array, high: Array, x: Array) -> Array:
    """``bounded_solve`` from an x within the bounds, by steps that never leave them and never go up."""
    held = np.where(x <= low, -1, np.where(x >= high, 1, 0)).astype(np.int8)
    while True:
        goal = _with_held(normal, right, low, high, held)
        way = goal - x
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(way < 0, (low - x) / way, np.where(way > 0, (high - x) / way, np.inf))
        nearest = int(np.argmin(room))
        if room[nearest] < 1.0:
            x = np.clip(x + room[nearest] * way, low, high)
            held[nearest] = np.sign(way[nearest])
            x[nearest] = low[nearest] if held[nearest] < 0 else high[nearest]
            continue
        x = goal
        pull = _pulls_away(normal, right, x, held)
        if (pull <= 0.0).all():
            return x
        held[np.argmax(pull)] = 0


def _with_held(normal: Array, right: Array, low: Array, high: Array, held: NDArray[np.int8]) -> Array:
    """The minimum with some variables at their bounds and the others anywhere."""
    free = held == 0
    x = np.where(held < 0, low, np.where(held > 0, high, 0.0))
    x[free] = np.linalg.solve(
        normal[np.ix_(free, free)], right[free] - normal[np.ix_(free, ~free)] @ x[~free]
    )
    return x


def _pulls_away(normal: Array, right: Array, x: Array, held: NDArray[np.int8]) -> Array:
    """How far each held variable would go from its bound if it alone were let go, less ``BOUND_SLACK``."""
    return np.asarray(-held * (right - normal @ x) / np.diag(normal) - BOUND_SLACK)


def rotation_of(vector: Array) -> Array:
    """Rodrigues' formula: the rotation by |vector| radians about it."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
