"""Drive: where the avatar's vertices are for one motion."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_NAMES
from engine.motion.values import Motion

Float = NDArray[np.float32]

CAMERA_DISTANCE: Final = 6.0
"""How far the viewer is from the head, in head widths: moving nearer makes it larger by this perspective."""

BREATH_LIFT: Final = 0.012
"""How far a full breath lifts the chest, in head widths."""


def head_rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float:
    """The rotation of a head pose, float32 [3, 3]: the head pitches, then yaws, then rolls.

    Convention: columns act on (x right, y down, z away); the signs are those of ``POSE_NAMES``.
    """
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


class Driver:
    """Moves one avatar's vertices; ``out`` of the last call is overwritten by the next.

    Convention: positions float32 [V, 3], canvas pixels, as in ``engine.avatar.parts``.
    """

    def __init__(self, avatar: Avatar) -> None:
        self._neutral = avatar.positions
        self._pivot = avatar.pivot.astype(np.float32)
        self._head_width = np.float32(avatar.head_width)
        self._rigid = np.ascontiguousarray(avatar.rigid[:, None])
        self._breath = avatar.breath * np.float32(BREATH_LIFT * avatar.head_width)
        # Most shapes move few of the vertices; those that any shape moves are kept as dense rows.
        start = avatar.delta_start
        self._moving = np.unique(avatar.delta_vertex)
        place = np.zeros(len(avatar.positions), np.intp)
        place[self._moving] = np.arange(len(self._moving))
        deltas = np.zeros((len(ARKIT_NAMES), len(self._moving), 3), np.float32)
        for k, delta in enumerate(deltas):
            these = slice(start[k], start[k + 1])
            np.add.at(delta, place[avatar.delta_vertex[these]], avatar.delta_value[these])
        self._deltas = deltas.reshape(len(ARKIT_NAMES), -1)
        self._still = avatar.positions[self._moving]
        self._shape = np.empty_like(avatar.positions)
        self._turned = np.empty_like(avatar.positions)

    def drive(self, motion: Motion) -> Float:
        """Blendshapes, breath, rotation about the pivot and translation, in this order; float32 [V, 3]."""
        motion = motion.clamped()
        shape, turned = self._shape, self._turned
        shape[:] = self._neutral
        shape[self._moving] = self._still + (motion.blendshapes @ self._deltas).reshape(-1, 3)
        shape[:, 1] -= self._breath * np.float32(motion.breath)

        yaw, pitch, roll, tx, ty, tz = motion.pose.tolist()
        nearer = CAMERA_DISTANCE / max(CAMERA_DISTANCE - tz, 1.0)
        rotation = head_rotation(yaw, pitch, roll) * np.float32(nearer)
        shift = np.array([tx, ty, -tz], np.float32) * self._head_width
        # The rigid weight leads each vertex from where it is to where the whole head would carry it.
        np.matmul(shape, (rotation - np.eye(3, dtype=np.float32)).T, out=turned)
        turned += shift + self._pivot - rotation @ self._pivot
        turned *= self._rigid
        shape += turned
        return shape
