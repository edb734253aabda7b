"""What the learned renderer is trained on: geometric frames beside true pictures of the same person and moment.

A folder of pairs holds, for each person, ``<name>.photo.npz`` (the view of the avatar's photo and its code) and
``<name>.frames.npy``, one ``FRAME`` record a moment; neighbouring moments follow each other in twos. Nothing else is
needed for training, so a folder can be made on one machine and used on another.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.files import replaced
from engine.motion.values import Motion
from engine.packed import rgb_of
from engine.render.geometric import GeometricRenderer
from engine.render.neural.guidance import FaceView, Guidance
from engine.render.neural.sizes import CODE_CHANNELS, GRID, IMAGE, LIPS
from engine.timing import StageTimer
from engine.training.arrays import read_arrays, write_arrays

Image = NDArray[np.uint8]

PHOTO: Final = (IMAGE, IMAGE, 3)
CODE: Final = (CODE_CHANNELS, GRID, GRID)
"""Shapes of what is kept of the avatar's photo."""

MOUTH: Final = (61, 291, 0, 17)
RIGHT_EYE: Final = (33, 133)
LEFT_EYE: Final = (362, 263)

FRAME: Final = np.dtype(
    [
        ("drawn", np.uint8, (IMAGE, IMAGE, 3)),
        ("truth", np.uint8, (IMAGE, IMAGE, 3)),
        ("code", np.float16, (CODE_CHANNELS, GRID, GRID)),
        ("shift", np.float16, (2, GRID, GRID)),
        ("opening", np.uint8, (1, GRID, GRID)),
        ("lips", np.float16, (LIPS, GRID, GRID)),
        ("gate", np.float16, (1, GRID, GRID)),
        ("places", np.float32, (3, 2)),
        ("mouth_width", np.float32),
    ]
)
"""drawn, truth: the view, RGB. code to gate: ``Guide``. places: middles of mouth, right and left eye (the person's own)
in the true picture; mouth_width: of its mouth; both pixels of the view."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One true picture. truth: uint8 [size, size, 3], framed as the avatar is. points: its landmarks [478, 2 or more],
    the picture's pixels. motion: what the avatar does to show the same."""

    truth: Image
    points: NDArray[np.floating]
    motion: Motion


def write_person(folder: Path, name: str, renderer: GeometricRenderer, moments: Iterable[Moment]) -> int:
    """Draw one person's moments and write both files; returns how many moments there were."""
    guidance = Guidance(renderer)
    records = [_record(renderer, guidance, moment) for moment in moments]
    photo = view_of(rgb_of(renderer.render(renderer.photo_motion(), StageTimer())), guidance.view)
    buffer = io.BytesIO()  # NumPy does not say of a file why it cannot be written
    np.save(buffer, np.array(records, FRAME))
    with replaced(folder / f"{name}.frames.npy") as part:
        part.write_bytes(buffer.getbuffer())
    # the last one: where it is, both are whole
    write_arrays(folder / f"{name}.photo.npz", photo=photo, code=guidance.reference.astype(np.float16))
    return len(records)


def _record(renderer: GeometricRenderer, guidance: Guidance, moment: Moment) -> NDArray[Any]:
    frame = renderer.render(moment.motion, StageTimer())
    guide, view = guidance.guide(renderer.positions), guidance.view
    points = (np.asarray(moment.points)[:, :2] - (view.x, view.y)) * (IMAGE / view.side)
    record = np.zeros((), FRAME)
    record["drawn"], record["truth"] = view_of(rgb_of(frame), view), view_of(moment.truth, view)
    for field in ("code", "shift", "opening", "lips", "gate"):
        record[field] = getattr(guide, field)
    record["places"] = [points[list(these)].mean(axis=0) for these in (MOUTH, RIGHT_EYE, LEFT_EYE)]
    record["mouth_width"] = np.ptp(points[list(MOUTH[:2]), 0])
    return record


def view_of(picture: Image, view: FaceView) -> Image:
    """The view of a frame as the networks see it, uint8 [IMAGE, IMAGE, 3]."""
    smoother = cv2.INTER_AREA if view.side > IMAGE else cv2.INTER_LINEAR
    cut = np.ascontiguousarray(picture[view.slices])
    return np.asarray(cv2.resize(cut, (IMAGE, IMAGE), interpolation=smoother), np.uint8)


@dataclass(frozen=True, eq=False)
class Person:
    """One person's pairs; ``frames`` is mapped from disk. photo: [IMAGE, IMAGE, 3]; code: [CODE_CHANNELS, GRID, GRID]."""

    name: str
    photo: Image
    code: NDArray[np.float16]
    frames: NDArray[Any]


def load_people(folder: Path) -> list[Person]:
    """All people of a folder, by name; those that are still being written are left out.

    Raises:
        InputError: somebody's files cannot be read, or hold something else.
    """
    people = []
    for path in sorted(folder.glob("*.photo.npz")):
        name = path.name.removesuffix(".photo.npz")
        arrays = read_arrays(path, ("photo", "code"))
        drawn = folder / f"{name}.frames.npy"
        try:
            frames = np.load(drawn, mmap_mode="r")
        except (OSError, EOFError, ValueError) as error:
            raise InputError(
                f"expected the frames that belong to {path}, and they cannot be read ({error}): delete both files, and "
                "make them again"
            ) from error
        person = Person(name, arrays["photo"], arrays["code"], frames)
        if (
            (person.photo.shape, person.code.shape) != (PHOTO, CODE)
            or frames.dtype != FRAME
            or len(frames) < 2
        ):
            raise InputError(
                f"expected pairs of this version in {path} and {drawn.name}: delete both files, and make them again"
            )
        people.append(person)
    return people
