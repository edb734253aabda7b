"""Pairs for the learned renderer from made people: true renders beside what an avatar of their portrait shows."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.own_head import OwnHead, make_own_head
from engine.errors import PhotoError, SettingError
from engine.files import output_folder
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.training.renderer_motion import random_moments, random_photo
from engine.training.renderer_pairs import Moment, write_person
from engine.training.synthetic_heads import SyntheticHead

log = logging.getLogger(__name__)

Progress = Callable[[float], None]
Float = NDArray[np.float32]
Double = NDArray[np.float64]

FRAME_SIZES: Final = (256, 512)
PAIRS_OF_A_PERSON: Final = 24
LANDMARK_NOISE: Final = 0.002
"""How far landmarks are seen beside where they are, in eye-corner distances."""


@dataclass(frozen=True, eq=False)
class _Sitter:
    """A made person, how they looked in their portrait, and the head that was made of that."""

    person: SyntheticHead
    shapes: Float
    pose: Float
    head: OwnHead


def make_pairs(
    out: str | Path, *, people: int, first: int = 0, seed: int = 0, progress: Progress | None = None
) -> int:
    """Write pairs of people number ``first`` to ``first + people - 1``; those that are there are kept. Who makes no
    avatar is left out. Every person depends on the seed and their number alone.

    Returns:
        How many people of these the folder holds.

    Raises:
        SettingError: no people, or a negative first number.
    """
    if people <= 0:
        raise SettingError(f"expected more than 0 people, got {people}")
    if first < 0:
        raise SettingError(f"expected 0 or more as the first number, got {first}")
    folder = output_folder(out)
    landmarker, there = FaceLandmarker(), 0
    for number in range(first, first + people):
        name = f"made-{number:05d}"
        if not (folder / f"{name}.photo.npz").exists():
            rng = np.random.default_rng([seed, number])
            try:
                sitter = _sit(int(rng.integers(1 << 31)), rng, landmarker)
            except PhotoError as error:
                log.info("%s is left out: %s", name, error)
            else:
                renderer = GeometricRenderer(sitter.head.avatar, int(rng.choice(FRAME_SIZES)))
                write_person(folder, name, renderer, _moments(sitter, renderer, rng))
        there += (folder / f"{name}.photo.npz").exists()
        if progress:
            progress((number - first + 1) / people)
    return there


def _sit(seed: int, rng: np.random.Generator, landmarker: FaceLandmarker) -> _Sitter:
    person = SyntheticHead.make(seed)
    shapes, pose = random_photo(rng)
    return _Sitter(person, shapes, pose, make_own_head(person.render(shapes, pose), landmarker))


def _moments(sitter: _Sitter, renderer: GeometricRenderer, rng: np.random.Generator) -> Iterator[Moment]:
    person, head, fit = sitter.person, sitter.head, sitter.head.fit
    rig, scale = fit.rig, renderer.scale
    noise = LANDMARK_NOISE * rig.inter_ocular

    def on_canvas(shapes: Float, pose: Float) -> Double:
        return head.on_canvas(person.landmarks(shapes, pose))

    in_photo = on_canvas(sitter.shapes, sitter.pose)
    for number, moment in enumerate(random_moments(rng, PAIRS_OF_A_PERSON, sitter.pose)):
        shapes, pose = moment or (sitter.shapes, sitter.pose)
        points = on_canvas(shapes, pose)
        if moment is None:
            motion = renderer.photo_motion()
        else:
            # Seen where the landmarker would see them: it has its own idea of where this face's landmarks are.
            seen = rig.photo + points - in_photo + rng.normal(0.0, noise, points.shape)
            scores = np.clip(head.landmarks.blendshapes + shapes - sitter.shapes, 0.0, 1.0)
            fitted = fit.fit(seen, scores, fit.photo)
            motion = Motion(number, fitted.blendshapes.astype(np.float32), fitted.head(rig.head_width))
        truth = person.render(shapes, pose, renderer.size, scale * head.canvas_from_picture)
        yield Moment(truth, points * scale, motion)
