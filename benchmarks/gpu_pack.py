"""``python -m benchmarks.gpu_pack PATH``: a face and frames for ``benchmarks.gpu_session`` on a machine with little installed."""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import result_path, run_main
from benchmarks.gpu import Pack
from benchmarks.gpu_networks import RANDOM, PackedMotion, PackedNetworks, random_net
from benchmarks.motion import heard_speech
from benchmarks.subject import bundled_avatar
from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_NAMES, LIP_OFFSET_NAMES, POSE_NAMES
from engine.motion.stage import WEIGHTS as MOTION_WEIGHTS
from engine.motion.values import Motion, rest
from engine.render.badge import add_badge, badge_parts
from engine.render.cuda_drive import CONTROL_COUNT
from engine.render.cuda_face import Face, controls, prepare, room_for
from engine.render.geometric import GeometricRenderer
from engine.render.neural.network import RendererConfig
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import WEIGHTS
from engine.render.neural.torch_runtime import open_torch
from engine.render.neural.weights import load_net, save_net
from engine.timing import StageTimer
from engine.training.face_motion_weights import load_weights as load_motion
from kernels.colour import rgbx_to_i420

MOTIONS: Final = 64
CHECKED: Final = 8
HEARD_FRAMES: Final = 250


def make_pack(avatar: Avatar, size: int = 512, checked: int = CHECKED) -> Pack:
    """Pack an avatar with made-up motions, the first ``checked`` of them drawn by the CPU."""
    face = GeometricRenderer(avatar, size)
    room = room_for([face])
    told = np.zeros((MOTIONS, CONTROL_COUNT), np.float32)
    for motion, row in zip(talking(MOTIONS), told, strict=True):
        controls(face, motion, True, row)
    return Pack(room, prepare(face, room), badge_parts(size), told, _drawn(face, checked))


def make_neural_pack(
    avatar: Avatar,
    size: int = 512,
    checked: int = CHECKED,
    weights: Path | None = None,
    config: RendererConfig | None = None,
) -> Pack:
    """``make_pack`` with networks, which measures both qualities.

    weights: by default those that ship, or with ``config`` random ones of these sizes.

    Raises:
        UnavailableError: there are no such weights.
    """
    if weights is None and config is None:
        weights = WEIGHTS
    with TemporaryDirectory() as folder:
        chosen = weights or Path(folder) / "random.safetensors"
        if weights is None:
            save_net(random_net(config), chosen)
        net = load_net(chosen)
        face = NeuralRenderer(avatar, open_torch(chosen, "fp32"), size)
    name = RANDOM if weights is None else _named(weights)
    tensors = {key: value.numpy().astype(np.float16) for key, value in net.state_dict().items()}
    room = room_for([face])
    return replace(
        make_pack(avatar, size, checked),
        room=room,
        face=prepare(face, room),
        networks=PackedNetworks(name, net.config, tensors, _drawn(face, checked)),
    )


def packed_motion(weights: Path = MOTION_WEIGHTS[80]) -> PackedMotion:
    """The face motion network and some seconds of the bundled speech."""
    net = load_motion(weights)
    tensors = {name: value.numpy().astype(np.float16) for name, value in net.state_dict().items()}
    return PackedMotion(_named(weights), net.config, tensors, heard_speech(HEARD_FRAMES))


def _named(weights: Path) -> str:
    return f"{weights.name} {hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"


def _drawn(face: Face, count: int) -> NDArray[np.uint8]:
    """The first motions' frames with the badge, I420 [count, ...]."""
    frames = np.zeros((count, face.size * 3 // 2, face.size), np.uint8)
    for motion, out in zip(talking(MOTIONS), frames, strict=False):
        frame = face.render(motion, StageTimer())
        add_badge(frame)
        rgbx_to_i420(frame, out)
    return frames


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
    parser.add_argument("out", type=result_path)
    parser.add_argument("--avatar", type=Path, help="bundle; without it the bundled portrait's is made")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weights", type=Path, help="the networks'; without it those that ship")
    given = parser.parse_args()
    pack = make_neural_pack(bundled_avatar(given.avatar), given.size, weights=given.weights)
    replace(pack, motion=packed_motion()).save(Path(given.out))


if __name__ == "__main__":
    run_main(main)
