"""Drive on the GPU: where a batch of faces' vertices are and how bright, in torch operations on whole batches.

What ``Driver``, ``LipOffsets``, ``HeadLight``, ``InnerLight`` and ``Boxes`` do for one face in NumPy, for every row at once,
with no step that waits for a value: decisions are masks. Constants are those of ``cuda_face``. Runs on any torch device and
needs torch and NumPy alone.

Convention: rows B; tensors float32 unless they are numbers of vertices.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.conventions import ARKIT_NAMES, LIP_OFFSET_NAMES
from engine.render import drive_numbers as numbers
from kernels.frame import BOX, CHANNELS

SHAPES: Final = len(ARKIT_NAMES) + 1
"""The blendshapes, and the expression of the photo."""

CONTROLS: Final = {
    "amounts": SHAPES,
    "turn": 9,
    "shift": 3,
    "torso": 2,
    "lips": len(LIP_OFFSET_NAMES),
    "light": 3,
    "opacity": 1,
    "supersample": 1,
    "strength": 1,
}
"""What the host tells of one frame of one face, in this order: numbers that follow from the motion alone."""

CONTROL_COUNT: Final = sum(CONTROLS.values())


@dataclass(frozen=True, eq=False)
class Driven:
    """What is drawn: positions [B, V, 3], attributes [B, A, V, 3], boxes int32 [B, 1 + N, 5], opacity int32 [B]."""

    positions: Tensor
    attributes: Tensor
    boxes: Tensor
    opacity: Tensor


def new_driven(rows: int, sets: int, vertices: int, outlines: int, size: int, device: str) -> Driven:
    """Room for what a batch draws; the whole frame's boxes are filled in."""
    boxes = torch.zeros((rows, 1 + outlines, BOX), dtype=torch.int32, device=device)
    boxes[:, 0, 2:4], boxes[:, 0, 4] = size, 1
    return Driven(
        torch.zeros((rows, vertices, 3), device=device),
        torch.ones((rows, sets, vertices, CHANNELS), device=device),
        boxes,
        torch.zeros(rows, dtype=torch.int32, device=device),
    )


def told_by(control: Tensor) -> dict[str, Tensor]:
    """Controls [B, CONTROL_COUNT] by name."""
    return dict(zip(CONTROLS, torch.split(control, list(CONTROLS.values()), dim=1), strict=True))


def drive(face: dict[str, Tensor], control: Tensor, size: int, out: Driven) -> None:
    """Fill the first B rows of ``out`` for controls [B, CONTROL_COUNT] of the first B rows of ``face``."""
    count = len(control)
    face = {name: tensor[:count] for name, tensor in face.items()}
    told = told_by(control)
    shape = torch.baddbmm(face["neutral"], told["amounts"][:, None], face["deltas"])
    shape = shape.view(count, -1, 3)
    _move_lips(face, told["lips"], shape)
    shape[..., :2] += face["torso"][..., None] * told["torso"][:, None]
    turned = torch.bmm(shape, told["turn"].view(count, 3, 3)) + told["shift"][:, None]
    shape += turned * face["rigid"][..., None]
    fallen = (
        _picked(shape, face["top_edge"])[..., 1]
        - _picked(face["neutral"].view(count, -1, 3), face["top_edge"])[..., 1]
    )
    shape[..., 1] -= fallen.amax(dim=1, keepdim=True).clamp_(min=0.0) * face["top_reach"]
    out.positions[:count] = shape
    _light(face, told["light"], shape, out.attributes[:count])
    _place_boxes(face, told["supersample"], shape, size, out.boxes[:count])
    out.opacity[:count] = told["opacity"][:, 0].to(torch.int32)


def _picked(points: Tensor, vertices: Tensor) -> Tensor:
    """Points [B, V, C] by number [B, ...]: [B, ..., C]."""
    flat = vertices.flatten(1)
    picked = points.gather(1, flat[..., None].expand(-1, -1, points.shape[2]))
    return picked.view(*vertices.shape, points.shape[2])


def _dot(points: Tensor, axis: Tensor) -> Tensor:
    """[B, N, 3] along one axis [B, 3] a row: [B, N]."""
    return (points * axis[:, None]).sum(dim=2)


def _reached(gap: Tensor, unit: Tensor) -> Tensor:
    """Share of a gap [B, 1] that lips alone close."""
    far = ((gap / unit - numbers.SEALED_WHOLE) / (numbers.SEALED_NONE - numbers.SEALED_WHOLE)).clamp(0.0, 1.0)
    return 1.0 - far * far * (3.0 - 2.0 * far)


def _move_lips(face: dict[str, Tensor], offsets: Tensor, shape: Tensor) -> None:
    """``LipOffsets.add`` for every row; offsets [B, 5]."""
    seal, tuck, thin, flare, skew = offsets[..., None].unbind(1)  # [B, 1] each
    unit = face["lip_unit"]
    fixed = torch.bmm(torch.cat([thin, flare, tuck], dim=1)[:, None], face["lip_fields"])
    fixed = fixed.view(len(shape), -1, 3)
    points = _picked(shape, face["lip_lines"]) + _picked(fixed, face["lip_place"])
    start, end = _picked(points, face["lip_ends"]).unbind(1)
    x, y = (end - start)[:, 0], (end - start)[:, 1]
    width, nought = torch.hypot(x, y).clamp(min=1e-6)[:, None], torch.zeros_like(x)
    right, down = torch.stack([x, y, nought], 1) / width, torch.stack([-y, x, nought], 1) / width

    gap = torch.bmm(face["lip_apart"], _dot(points, down)[..., None])[..., 0].clamp(min=0.0)
    widest = gap.amax(dim=1, keepdim=True)
    moved = (skew * face["lip_skewed"] * gap)[..., None] * down[:, None]
    moved = moved + (skew * numbers.SKEW_SHIFT * widest * right)[:, None]
    moved = moved + _tuck(face, points + moved, shape, down, tuck)
    seal = seal * _reached(widest, unit)
    moved = moved + seal[..., None] * _closing(face, points + moved, down)
    # What the interpolation between vertices left, where the lips are to meet wholly.
    again = _closing(face, points + moved, down)
    moved = moved + (seal == 1.0).to(torch.float32)[..., None] * again
    total = torch.bmm(face["lip_spread"], moved) + fixed
    shape.scatter_add_(1, face["lip_vertex"][..., None].expand(-1, -1, 3), total)


def _tuck(face: dict[str, Tensor], points: Tensor, shape: Tensor, down: Tensor, tuck: Tensor) -> Tensor:
    unit, across = face["lip_unit"][..., None], down[:, None]
    upper = points - torch.bmm(face["lip_apart"], points)  # what lies over each place of the lower line
    tooth = torch.bmm(face["lip_on_teeth"], _picked(shape, face["lip_teeth"]))
    thought = upper + numbers.NO_TEETH[0] * unit * across
    behind = torch.zeros_like(thought)
    behind[..., 2:] = numbers.NO_TEETH[1] * unit
    tooth = torch.where(face["lip_has_teeth"][..., None] > 0, tooth, thought + behind)
    tooth = tooth - numbers.TUCK_COVER * unit * across
    middle = face["lip_middle"]
    height = _dot(upper - points + middle[..., None] * (tooth - upper), down) * face["lip_inner"]
    share = tuck * _reached(-height.amin(dim=1, keepdim=True), face["lip_unit"])
    moved = (share * height - tuck * face["lip_lift"])[..., None] * across
    depth = share * middle * (tooth - points)[..., 2].clamp(min=0.0) * face["lip_lower"]
    return torch.cat([moved[..., :2], depth[..., None]], dim=2)


def _closing(face: dict[str, Tensor], points: Tensor, down: Tensor) -> Tensor:
    apart = torch.bmm(face["lip_apart"], points)
    way = (_dot(apart, down) + face["lip_overlap"]).clamp(min=0.0)[..., None] * down[:, None]
    way = torch.cat([way[..., :2], (apart[..., 2] - face["lip_calm_depth"])[..., None]], dim=2)
    return face["lip_closer"][..., None] * way


def _light(face: dict[str, Tensor], turned: Tensor, shape: Tensor, attributes: Tensor) -> None:
    """Shade of every set, and the mouth shadow's coordinate, into attributes [B, A, V, 3]."""
    change = torch.bmm(face["normals"], turned[..., None])[..., 0] * face["light_weight"]
    bright = 1.0 + change.clamp(-numbers.HEAD_LIGHT_MOST, numbers.HEAD_LIGHT_MOST)
    inner = _inner_light(face, shape)
    lit = face["lit"].flatten(1)
    # Light that is drawn as coverage darkens nothing by itself.
    of_shade = torch.where(face["light_as_shade"][..., None] > 0, inner, 1.0).flatten(1)
    shade = face["shade"] * bright
    shade = shade.scatter(1, lit, shade.gather(1, lit) * of_shade)
    texels = (face["light_texels"][..., None] * (1.0 - inner)).flatten(1)
    attributes[..., :2] = face["coordinates"]
    attributes[:, 0, :, 0].scatter_add_(1, lit, texels)
    attributes[..., 2] = bright[:, None]
    attributes[:, 0, :, 2] = shade


def _inner_light(face: dict[str, Tensor], shape: Tensor) -> Tensor:
    """``InnerLight.at`` of all lights: [B, K, Q]."""
    number = {
        name.removeprefix("light_"): face[name][..., None] for name in face if name.startswith("light_")
    }
    flat = shape[..., :2].contiguous()
    upper, lower, point = (_picked(flat, face[name]) for name in ("edge_upper", "edge_lower", "lit"))
    # Near the corners of a turned or tilted face an edge may run back a little.
    upper_x, lower_x = (edge[..., 0].cummax(dim=2).values for edge in (upper, lower))
    x, y = point[..., 0].contiguous(), point[..., 1]
    top = _interpolated(x, upper_x, upper[..., 1])
    bottom = _interpolated(x, lower_x, lower[..., 1])
    widest = (_interpolated(upper_x, lower_x, lower[..., 1]) - upper[..., 1]).amax(dim=2, keepdim=True)
    gap = torch.where(number["local"] > 0, bottom - top, widest)
    share = (gap / number["full"]).clamp(0.0, 1.0)
    ambient = number["closed"] + (1.0 - number["closed"]) * share ** number["growth"]
    y = torch.minimum(y, bottom)
    fall = ambient * (1.0 - number["shadow"] * torch.exp(-(y - top).clamp(min=0.0) / number["reach"]))
    fall = fall * (1.0 - number["lower_shadow"] * torch.exp(-3.0 * (bottom - y) / number["reach"]))
    return torch.minimum(fall / face["light_neutral"], number["most"])


def _interpolated(x: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """``np.interp`` along the last dimension: x [B, K, Q] between rising places [B, K, P]."""
    after = torch.searchsorted(places, x, right=True).clamp(1, places.shape[2] - 1)
    left, right = places.gather(2, after - 1), places.gather(2, after)
    low, high = values.gather(2, after - 1), values.gather(2, after)
    share = torch.where(right > left, (x - left) / (right - left), 0.0).clamp(0.0, 1.0)
    return low + (high - low) * share


def _place_boxes(
    face: dict[str, Tensor], supersample: Tensor, shape: Tensor, size: int, boxes: Tensor
) -> None:
    """``Boxes.at`` into boxes int32 [B, 1 + N, 5], the first of which stays."""
    flat = shape[..., :2].contiguous()
    points = _picked(flat, face["outlines"]) * face["scale"][..., None, None]
    margin = face["box_margins"][..., None]
    low = torch.floor(points.amin(dim=2) - margin).clamp(0, size).to(torch.int32)
    high = torch.ceil(points.amax(dim=2) + margin).clamp(0, size).to(torch.int32)
    sides = (high - low).clamp(min=0) * face["box_drawn"][..., None]
    area = sides[..., 0] * sides[..., 1]
    fine = (4 * area <= size * size) & (face["box_fine"] > 0) & (supersample > 0)
    boxes[:, 1:, :2], boxes[:, 1:, 3] = low, sides[..., 1]
    boxes[:, 1:, 2] = torch.where(area > 0, sides[..., 0], 0)
    boxes[:, 1:, 4] = torch.where(fine, 2, 1)


def face_tensors(rows: list[dict[str, NDArray[Any]]], device: str) -> dict[str, Tensor]:
    """The arrays of all rows' faces, stacked on the device."""
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return {name: torch.from_numpy(array).to(device) for name, array in stacked.items()}
