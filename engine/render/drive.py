"""Drive: where the avatar's vertices are for one motion."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.lip_offsets import LipOffsets
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, LIP_OFFSET_NAMES
from engine.motion.values import Motion
from engine.render.layers import EYE_SIDES, LID_POINTS, part_vertices

Float = NDArray[np.float32]

CAMERA_DISTANCE: Final = 6.0
"""How far the viewer is from the head, in head widths: moving nearer makes it larger by this perspective."""

BREATH_LIFT: Final = 0.012
"""How far a full breath lifts the chest, in head widths."""

LEAN: Final = np.array([0.5, 0.25], np.float32)
"""Share of the head's way to the side, and down, that the torso goes along."""

FOREHEAD: Final = 10
"""The landmark at the top of the forehead."""
BROWS: Final = (105, 334)
CUT_FOREHEAD: Final = 0.06
ABOVE_BROW: Final = 0.8
"""A photo that cuts the forehead, over the picture's side, is stretched down to here, of the brows' height."""
EDGE_GRID: Final = 0.025
"""Vertices so near to the picture's border, over its side, lie along it."""

_MOUTH_CLOSE: Final = ARKIT_INDEX["mouthClose"]
_JAW_OPEN: Final = ARKIT_INDEX["jawOpen"]
_SEAL: Final = LIP_OFFSET_NAMES.index("seal")
_TUCK: Final = LIP_OFFSET_NAMES.index("tuck")
_MOUTH_UNITS: Final = np.array([k for name, k in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw"))])


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
    mouthClose closes what jawOpen opens, so it counts no further than that; a blink closes what other shapes leave
    open between the lids, so that lids meet and stop whatever the gaze.
    """

    def __init__(self, avatar: Avatar) -> None:
        self.neutral = avatar.positions
        self._pivot = avatar.pivot.astype(np.float32)
        self._head_width = np.float32(avatar.head_width)
        self.rigid = np.ascontiguousarray(avatar.rigid[:, None])
        self.torso = np.ascontiguousarray(avatar.breath[:, None])
        # Most shapes move few of the vertices; those that any shape moves are kept as dense rows.
        start = avatar.delta_start
        photo = avatar.extras.get("photo_offset", np.zeros((len(avatar.positions), 3), np.float32))
        self.moving = np.union1d(avatar.delta_vertex, np.flatnonzero(photo.any(axis=1)))
        place = np.zeros(len(avatar.positions), np.intp)
        place[self.moving] = np.arange(len(self.moving))
        deltas = np.zeros((len(ARKIT_NAMES) + 1, len(self.moving), 3), np.float32)
        deltas[-1] = photo[self.moving]
        for k, delta in enumerate(deltas[:-1]):
            these = slice(start[k], start[k + 1])
            np.add.at(delta, place[avatar.delta_vertex[these]], avatar.delta_value[these])
        self.deltas = deltas.reshape(len(deltas), -1)
        self._amounts = np.zeros(len(deltas), np.float32)
        self._photo_mouth = avatar.extras.get("photo_blendshapes", self._amounts)[_MOUTH_UNITS]
        self._photo_size = float(np.linalg.norm(self._photo_mouth))
        self._still = avatar.positions[self.moving]
        self.top = _touching_top(avatar)
        self._lid_stops = [stop for side in EYE_SIDES if (stop := self._lid_stop(avatar, side)) is not None]
        self.lips = LipOffsets(avatar) if "lip_follow" in avatar.extras else None
        self._shape = np.empty_like(avatar.positions)
        self._turned = np.empty_like(avatar.positions)

    def _lid_stop(self, avatar: Avatar, side: str) -> tuple[int, Float] | None:
        """The blink's number, and the share of an eye's opening that each other shape of the lids shuts, [52]."""
        margins = part_vertices(avatar, f"{side}_lashes")[: 2 * LID_POINTS]
        if not len(margins):
            return None
        upper, lower = margins[:LID_POINTS], margins[LID_POINTS:]
        across = avatar.positions[upper[-1], :2] - avatar.positions[upper[0], :2]
        down = np.array([-across[1], across[0]]) / np.linalg.norm(across)
        opening = (avatar.positions[lower, :2] - avatar.positions[upper, :2]) @ down
        shut_by = np.zeros(len(ARKIT_NAMES), np.float32)
        blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
        for k, name in enumerate(ARKIT_NAMES):
            these = slice(avatar.delta_start[k], avatar.delta_start[k + 1])
            if not name.startswith(("eye", "cheek", "brow")) or k == blink:
                continue
            move = np.zeros((len(avatar.positions), 2))
            move[avatar.delta_vertex[these]] = avatar.delta_value[these, :2]
            shut_by[k] = ((move[upper] - move[lower]) @ down).mean() / max(opening.mean(), 1e-3)
        return blink, shut_by

    def nearness(self, motion: Motion) -> float:
        """How near the mouth is to the expression of an avatar's photo, if its neutral face lacks that.

        1 at the photo's blendshapes, 0 from as far away as the neutral face is.
        """
        if self._photo_size == 0.0:
            return 0.0
        off = motion.blendshapes[_MOUTH_UNITS] - self._photo_mouth
        near = max(1.0 - float(np.linalg.norm(off)) / self._photo_size, 0.0)
        return near * near * (3.0 - 2.0 * near)

    def lips_free(self, motion: Motion) -> float:
        """How far no lip offset holds the lips where the photo's may not be, in [0, 1]."""
        if self.lips is None:
            return 1.0
        held = max(float(motion.lip_offsets[_SEAL]), float(motion.lip_offsets[_TUCK]))
        return 1.0 - min(max(held, 0.0), 1.0)

    def amounts(self, motion: Motion, nearness: float | None = None) -> Float:
        """How far each shape goes once it minds the others, and ``nearness``: float32 [53], overwritten by the next call.

        nearness: the motion's, where it is known.
        """
        amounts = self._amounts
        amounts[:-1] = motion.blendshapes
        amounts[_MOUTH_CLOSE] = min(amounts[_MOUTH_CLOSE], amounts[_JAW_OPEN])
        for blink, shut_by in self._lid_stops:
            amounts[blink] *= max(1.0 - float(shut_by @ motion.blendshapes), 0.0)
        amounts[-1] = self.nearness(motion) if nearness is None else nearness
        return amounts

    def carried(self, motion: Motion, rotation: Float) -> tuple[Float, Float]:
        """What the head's pose adds to each point p that it carries: p @ turn + shift; float32 [3, 3], [3].

        motion: clamped. rotation: its ``head_rotation``.
        """
        tx, ty, tz = motion.pose[3:].tolist()
        nearer = CAMERA_DISTANCE / max(CAMERA_DISTANCE - tz, 1.0)
        rotation = rotation * np.float32(nearer)
        shift = np.array([tx, ty, -tz], np.float32) * self._head_width
        turn = np.asarray((rotation - np.eye(3, dtype=np.float32)).T, np.float32)
        return turn, np.asarray(shift + self._pivot - rotation @ self._pivot, np.float32)

    def torso_shift(self, motion: Motion) -> Float:
        """How far right and down the torso goes, pixels, float32 [2]: it leans with the head, and a breath lifts it."""
        lean = LEAN * motion.pose[3:5]
        return np.asarray((lean - (0.0, BREATH_LIFT * motion.breath)) * self._head_width, np.float32)

    def drive(self, motion: Motion) -> Float:
        """Where the vertices are for any motion, float32 [V, 3]."""
        motion = motion.clamped()
        return self.moved(motion, head_rotation(*motion.pose[:3].tolist()), self.nearness(motion))

    def moved(self, motion: Motion, rotation: Float, nearness: float) -> Float:
        """Blendshapes, lip offsets, torso, rotation about the pivot and translation, in this order; float32 [V, 3].

        motion: clamped. rotation, nearness: its ``head_rotation`` and ``nearness``.
        """
        shape, turned = self._shape, self._turned
        shape[:] = self.neutral
        shape[self.moving] = self._still + (self.amounts(motion, nearness) @ self.deltas).reshape(-1, 3)
        if self.lips is not None and motion.lip_offsets.any():
            self.lips.add(shape, motion.lip_offsets)
        # Both axes at once NumPy would add vertex by vertex.
        for axis, way in enumerate(self.torso_shift(motion)):
            shape[:, axis] += self.torso[:, 0] * way

        turn, shift = self.carried(motion, rotation)
        # The rigid weight leads each vertex from where it is to where the whole head would carry it.
        np.matmul(shape, turn, out=turned)
        turned += shift
        turned *= self.rigid
        shape += turned
        if self.top is not None:
            edge, above, reach = self.top
            low = float((shape[edge, 1] - self.neutral[edge, 1]).max())
            if low > 0.0:  # the photo ends here: what it has of the hair is stretched to the frame's border
                shape[above, 1] -= np.float32(low) * reach
        return shape


def _touching_top(avatar: Avatar) -> tuple[NDArray[np.intp], NDArray[np.intp], Float] | None:
    """Where hair runs out of the picture's top: vertices along its border, those above the forehead, and how far these
    follow if the former come down into the picture, [N] in [0, 1]."""
    forehead, brow = float(avatar.landmarks[FOREHEAD, 1]), float(avatar.landmarks[list(BROWS), 1].min())
    if forehead < CUT_FOREHEAD * avatar.side:  # what is left of it is too little to stretch
        forehead = max(forehead, ABOVE_BROW * brow)
    skin = part_vertices(avatar, "skin").astype(np.intp)
    x, y = avatar.positions[skin, :2].T
    u, v = np.clip(np.floor(avatar.uv[skin].T).astype(int), 0, avatar.side - 1)
    shown = avatar.atlas[v, u] >> 24 > 127
    near = 0.5 * EDGE_GRID * avatar.side
    edge = skin[shown & (np.abs(y) < near) & (x > 0) & (x < avatar.side)]
    if not len(edge) or forehead < near:
        return None
    share = np.clip(1.0 - y / forehead, 0.0, 1.0)
    above = share > 0.0
    return edge, skin[above], share[above].astype(np.float32)
