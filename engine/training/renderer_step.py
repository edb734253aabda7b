"""How a frame is refined, in torch and with gradients: what the kernels do in a call, and the losses on it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.render.neural.network import MotionOutput, RendererNet
from engine.render.neural.sizes import GRID, IMAGE
from engine.training.lpips_vgg import LpipsVgg
from engine.training.renderer_cameras import other_camera, same_camera
from engine.training.renderer_pairs import Person

CROP: Final = 112
"""Side of the squares that are compared perceptually, pixels of the view: mouths are 60 to 90 wide."""

LPIPS_WEIGHT: Final = 1.0
L1_WEIGHT: Final = 2.0
STEADY_WEIGHT: Final = 1.0
SMOOTH_WEIGHT: Final = 0.02
LATENT_WEIGHT: Final = 1e-4
"""What the parts of the loss count."""


@dataclass(frozen=True)
class Pairs:
    """Moments side by side, neighbours in twos; fields as in ``FRAME``, pictures [B, 3, IMAGE, IMAGE] in [0, 1].

    photo: [B, 3, IMAGE, IMAGE]; reference: the photo's code.
    """

    photo: Tensor
    reference: Tensor
    drawn: Tensor
    truth: Tensor
    code: Tensor
    shift: Tensor
    opening: Tensor
    lips: Tensor
    gate: Tensor
    places: Tensor
    mouth_width: Tensor

    def to(self, device: str) -> "Pairs":
        return Pairs(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Refined:
    """picture: the neural frame's view [B, 3, IMAGE, IMAGE]; motion: what the motion network said."""

    picture: Tensor
    motion: MotionOutput


def gather(
    chosen: list[tuple[Person, int]], rng: np.random.Generator | None = None, neighbours: int = 2
) -> Pairs:
    """People's moments, for each place chosen its number and the next, or as many as ``neighbours`` says; with ``rng``
    taken by other cameras, and half of the people mirrored."""
    columns: dict[str, list[Any]] = {name: [] for name in Pairs.__dataclass_fields__}
    for person, first in chosen:
        camera, mirrored = same_camera(), False
        if rng is not None:
            camera, mirrored = other_camera(rng), bool(rng.random() < 0.5)
        photo = camera.take(person.photo)
        for record in person.frames[first : first + neighbours]:
            told: dict[str, NDArray[Any]] = {
                name: np.array(record[name], np.float32) for name in record.dtype.names
            }
            told["reference"] = person.code.astype(np.float32)
            pictures = {"photo": photo} | {name: camera.take(record[name]) for name in ("drawn", "truth")}
            for name, picture in pictures.items():
                told[name] = picture.astype(np.float32).transpose(2, 0, 1) / 255.0
            if mirrored:
                _mirror(told)
            for name, value in told.items():
                columns[name].append(value)
    return Pairs(**{name: torch.from_numpy(np.array(values, np.float32)) for name, values in columns.items()})


def _mirror(told: dict[str, Any]) -> None:
    for name in ("photo", "drawn", "truth", "reference", "code", "shift", "opening", "lips", "gate"):
        told[name] = told[name][..., ::-1]
    for name in ("reference", "code", "shift"):
        told[name] = told[name] * np.array([-1.0] + [1.0] * (len(told[name]) - 1))[:, None, None]
    told["places"] = told["places"][[0, 2, 1]] * (-1, 1) + (IMAGE, 0)


def refine(net: RendererNet, pairs: Pairs) -> Refined:
    """The neural view of each moment."""
    motion = net.motion(pairs.reference, pairs.code, pairs.shift, pairs.opening, pairs.lips)
    flow = motion.flow.float() * pairs.gate
    image = displaced(pairs.drawn, doubled_to(flow, IMAGE) * (IMAGE / GRID))
    photo = displaced(net.photo(pairs.photo).float(), pairs.shift + flow) * motion.occlusion.float()
    residual = net.generator(image, photo, motion.features).float()
    return Refined(image + residual * doubled_to(pairs.gate, IMAGE), motion)


def displaced(x: Tensor, flow: Tensor) -> Tensor:
    """x [B, C, S, S] read at each place plus flow [B, 2, S, S], pixels (x, y); bilinear, clamped."""
    side = x.shape[-1]
    centres = (torch.arange(side, device=x.device, dtype=torch.float32) + 0.5) * (2.0 / side) - 1.0
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1) + flow.permute(0, 2, 3, 1) * (2.0 / side)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def doubled_to(x: Tensor, side: int) -> Tensor:
    return functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def losses(pairs: Pairs, refined: Refined, lpips: LpipsVgg, rng: np.random.Generator) -> dict[str, Tensor]:
    """The parts of the loss, and "loss": their weighted sum."""
    picture, motion = refined.picture, refined.motion
    free = doubled_to(pairs.gate, IMAGE)
    off = (picture - pairs.truth).abs() * free
    steps = (picture[1::2] - picture[::2]) - (pairs.truth[1::2] - pairs.truth[::2])
    corners = _corners(pairs, rng)
    seen, true = crops(picture, corners), crops(pairs.truth, corners)
    flow = motion.flow.float()
    rough = (flow[..., 1:] - flow[..., :-1]).abs().mean() + (
        flow[..., 1:, :] - flow[..., :-1, :]
    ).abs().mean()
    mean, spread = motion.mean.float(), motion.spread.float()
    parts = {
        "lpips": lpips(seen, true).mean(),
        "l1": off.sum() / (3 * free.sum() + 1.0),
        "steady": steps.abs().mean(),
        "smooth": rough + 0.1 * flow.abs().mean(),
        "latent": 0.5 * (mean.square() + spread.exp() - 1.0 - spread).sum(dim=1).mean(),
    }
    weights = (LPIPS_WEIGHT, L1_WEIGHT, STEADY_WEIGHT, SMOOTH_WEIGHT, LATENT_WEIGHT)
    total = torch.stack([w * part for w, part in zip(weights, parts.values(), strict=True)]).sum()
    return parts | {"loss": total}


def _corners(pairs: Pairs, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Crops: (moment, x, y) of each moment's mouth, and of an eye or of any place of the face."""
    chosen = []
    for number, places in enumerate(pairs.places.cpu().numpy()):
        other = places[rng.integers(1, 3)] if rng.random() < 0.6 else rng.uniform(0.25, 0.75, 2) * IMAGE
        for place in (places[0], other):
            jitter = rng.uniform(-12, 12, 2)
            x, y = np.clip(np.rint(place + jitter - CROP / 2), 0, IMAGE - CROP).astype(int).tolist()
            chosen.append((number, x, y))
    return chosen


def crops(pictures: Tensor, corners: list[tuple[int, int, int]]) -> Tensor:
    """Squares of pictures, [len(corners), 3, CROP, CROP]."""
    return torch.stack([pictures[n, :, y : y + CROP, x : x + CROP] for n, x, y in corners])
