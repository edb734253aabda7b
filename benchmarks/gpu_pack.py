"""``python -m benchmarks.gpu_pack PATH``: a face and frames for ``benchmarks.gpu_session`` on a machine with little installed."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.gpu import Pack
from benchmarks.subject import bundled_avatar
from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_NAMES, LIP_OFFSET_NAMES, POSE_NAMES
from engine.motion.values import Motion, rest
from engine.render.badge import add_badge, badge_parts
from engine.render.cuda_drive import CONTROL_COUNT
from engine.render.cuda_face import controls, prepare, room_for
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from kernels.colour import rgbx_to_i420

MOTIONS: Final = 64
CHECKED: Final = 8


def make_pack(avatar: Avatar, size: int = 512, checked: int = CHECKED) -> Pack:
    """Pack an avatar with made-up motions, the first ``checked`` of them drawn by the CPU."""
    face = GeometricRenderer(avatar, size)
    room = room_for([face])
    told = np.zeros((MOTIONS, CONTROL_COUNT), np.float32)
    frames = np.zeros((checked, size * 3 // 2, size), np.uint8)
    for number, motion in enumerate(talking(MOTIONS)):
        controls(face, motion, True, told[number])
        if number < checked:
            frame = face.render(motion, StageTimer())
            add_badge(frame)
            rgbx_to_i420(frame, frames[number])
    return Pack(room, prepare(face, room), badge_parts(size), told, frames)


def talking(count: int) -> Sequence[Motion]:
    """Rest, then made-up motions with open mouths, blinks and turned heads, so that every layer is drawn."""
    rng = np.random.default_rng(0)
    shape_count, lip_count = len(ARKIT_NAMES), len(LIP_OFFSET_NAMES)
    made = [rest(0)]
    for number in range(1, count):
        shapes = (rng.uniform(0, 0.8, shape_count) * (rng.uniform(size=shape_count) < 0.4)).astype(np.float32)
        pose = (rng.normal(0, 1, len(POSE_NAMES)) * (6, 4, 4, 0.03, 0.03, 0.05)).astype(np.float32)
        lips = (rng.uniform(0, 1, lip_count) * (rng.uniform(size=lip_count) < 0.3)).astype(np.float32)
        made.append(Motion(number, shapes, pose, float(rng.uniform()), True, lips))
    return made


def main() -> None:
    """Write a pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--avatar", type=Path, help="bundle; without it the bundled portrait's is made")
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    make_pack(bundled_avatar(given.avatar), given.size).save(given.out)


if __name__ == "__main__":
    main()
