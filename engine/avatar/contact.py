"""Lips and lids as two lines that meet: how far apart they are, and how the skin around follows when they move."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.head_model import HeadModel, load_head_model
from engine.conventions import ARKIT_INDEX

Array = NDArray[Any]

SAMPLES: Final = 33
"""Places along a line, the shared corners first and last."""

ROUNDS: Final = 2
"""Closing repeats: the vertices of two lines do not face each other exactly, so one step leaves a rest."""


@dataclass(frozen=True, eq=False)
class ContactPair:
    """An upper and a lower line of vertices that meet when a mouth or an eye closes.

    upper, lower: int [N] vertices from the viewer's left to the viewer's right; both share their ends.
    along: float [V], where each vertex lies between the corners, 0 to 1.
    upper_reach, lower_reach: float [V] in [0, 1], how far a vertex follows the upper or the lower line.
    """

    upper: Array
    lower: Array
    along: Array
    upper_reach: Array
    lower_reach: Array

    def lines(self, vertices: Array) -> tuple[Array, Array]:
        """Both lines at SAMPLES places evenly spaced between the corners, [SAMPLES, 3] each."""
        first, last = vertices[self.upper[0]], vertices[self.upper[-1]]
        axis = (last - first)[:2]
        places = np.linspace(0.0, 1.0, SAMPLES)
        both = []
        for line in (self.upper, self.lower):
            points = vertices[line]
            where = np.maximum.accumulate((points - first)[:, :2] @ axis / (axis @ axis))
            both.append(np.stack([np.interp(places, where, points[:, k]) for k in range(3)], axis=1))
        return both[0], both[1]

    def gap(self, vertices: Array) -> Array:
        """Lower minus upper line across the opening, [SAMPLES] pixels: positive is open, negative overlaps."""
        upper, lower = self.lines(vertices)
        return np.asarray((lower - upper) @ self.across(vertices))

    def openness(self, vertices: Array) -> tuple[Array, Array]:
        """Distance to the other line across the opening at each vertex of the upper and of the lower line."""
        first, last = vertices[self.upper[0]], vertices[self.upper[-1]]
        axis, across = (last - first)[:2], self.across(vertices)
        where, height = [], []
        for line in (self.upper, self.lower):
            points = vertices[line] - first
            where.append(np.maximum.accumulate(points[:, :2] @ axis / (axis @ axis)))
            height.append(points @ across)
        upper = np.interp(where[0], where[1], height[1]) - height[0]
        lower = height[1] - np.interp(where[1], where[0], height[0])
        upper[[0, -1]] = lower[[0, -1]] = 0.0
        return upper, lower

    def moved(self, upper_shift: Array, lower_shift: Array) -> Array:
        """Offsets of all vertices, [V, 3], when the vertices of the lines move by [N, 3] each."""
        total = np.zeros((len(self.along), 3))
        for line, shift, reach in (
            (self.upper, upper_shift, self.upper_reach),
            (self.lower, lower_shift, self.lower_reach),
        ):
            own = np.stack([np.interp(self.along, self.along[line], shift[:, k]) for k in range(3)], axis=1)
            own[line] = shift
            total += reach[:, None] * own
        return total

    def close(self, vertices: Array, overlap: float, upper_share: float) -> Array:
        """Offsets of all vertices, [V, 3], that make the lines meet and overlap by so many pixels.

        Toward the corners the overlap fades to nothing.
        """
        return self.open_to(vertices, -overlap, 0.5, upper_share)

    def open_to(self, vertices: Array, gap: float, roundness: float, upper_share: float) -> Array:
        """Offsets of all vertices, [V, 3], that make the lines ``gap`` pixels apart in the middle.

        Between the corners the gap is a sine to the power of ``roundness``: 1 an almond, less a fuller opening.
        """
        total = np.zeros((len(self.along), 3))
        across = self.across(vertices)
        for _ in range(ROUNDS):
            upper, lower = (
                (now - gap * np.maximum(np.sin(self.along[line] * np.pi), 0.0) ** roundness)[:, None] * across
                for now, line in zip(self.openness(vertices + total), (self.upper, self.lower), strict=True)
            )
            total += self.moved(upper_share * upper, -(1 - upper_share) * lower)
        return total

    def across(self, vertices: Array) -> Array:
        """Unit vector in the picture from the upper to the lower line, [3]."""
        axis = (vertices[self.upper[-1]] - vertices[self.upper[0]])[:2]
        return np.asarray(np.array([-axis[1], axis[0], 0.0]) / np.linalg.norm(axis))


@cache
def contact_pairs() -> dict[str, ContactPair]:
    """The lips ("lips") and lids ("left", "right") of the head model."""
    head = load_head_model()
    hidden = np.concatenate([head.groups[n] for n in ("upper_teeth", "lower_teeth", "tongue")])
    return {
        "lips": _pair(head, "upper_lip_contact", "lower_lip_contact", 0.16, 0.24, hidden),
        "left": _pair(head, "left_upper_lid", "left_lower_lid", 0.07, 0.05, hidden),
        "right": _pair(head, "right_upper_lid", "right_lower_lid", 0.07, 0.05, hidden),
    }


def _pair(
    head: HeadModel, upper: str, lower: str, upper_reach_dm: float, lower_reach_dm: float, still: Array
) -> ContactPair:
    """Measure on the average head with its jaw open, where both sides lie apart."""
    apart = head.vertices + 0.6 * head.units[ARKIT_INDEX["jawOpen"]]
    lines = head.groups[upper], head.groups[lower]
    distance = np.stack(
        [np.linalg.norm(apart[:, None] - _dense(apart[line])[None], axis=2).min(axis=1) for line in lines]
    )
    reach = np.exp(-((distance / np.array([[upper_reach_dm], [lower_reach_dm]])) ** 2))
    nearer = distance[0] <= distance[1]
    # Each vertex follows its own line; on the line itself fully, at the shared corners both (where they stay).
    sides = reach * np.stack([nearer, ~nearer])
    sides[:, still] = 0.0
    sides[:, np.concatenate([head.groups["left_eye"], head.groups["right_eye"]])] = 0.0
    left, right = head.vertices[lines[0][0], 0], head.vertices[lines[0][-1], 0]
    along = np.clip((head.vertices[:, 0] - left) / (right - left), 0.0, 1.0)
    return ContactPair(lines[0], lines[1], along, sides[0], sides[1])


def _dense(points: Array) -> Array:
    """A line with points between its points."""
    places = np.linspace(0, len(points) - 1, 4 * len(points))
    return np.stack([np.interp(places, np.arange(len(points)), points[:, k]) for k in range(3)], axis=1)
