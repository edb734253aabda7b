"""Trains the motion VAE and the generator on pairs, and writes the weights that ship."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.errors import InputError, SettingError
from engine.files import output_folder, replaced
from engine.render.neural.network import RendererConfig, RendererNet
from engine.render.neural.sizes import IMAGE
from engine.render.neural.weights import load_net, save_net
from engine.training.device import check_device
from engine.training.evaluate.perceptual import Lpips
from engine.training.lpips_vgg import LpipsVgg
from engine.training.renderer_pairs import Person, load_people
from engine.training.renderer_ranges import measured_ranges
from engine.training.renderer_step import gather, losses, refine
from engine.training.run import (
    begin_run,
    check_rate,
    follow,
    learn,
    read_checkpoint,
    restore,
    save_checkpoint,
    set_rate,
    share_of_rate,
    write_curves,
)

log = logging.getLogger(__name__)

Progress = Callable[[float], None]

PARTS: Final = ("loss", "lpips", "l1", "steady", "smooth", "latent")
MEASURES: Final = ("mouth", "mouth_drawn", "face", "face_drawn")
CURVES: Final = ("step", "seconds", "rate", *PARTS, *MEASURES)

HELD_SHARE: Final = 0.06
"""Part of the people that validation is done on, where no folder is given for it."""
HELD_MOMENTS: Final = 48
MOUTH_ROOM: Final = 1.5
FACE_ROOM: Final = 200
"""Sides of the squares that are measured: over the mouth's width, and pixels of the view."""
SHEET_ROWS: Final = 10


@dataclass(frozen=True)
class RendererTraining:
    """One training run; everything random follows ``seed``.

    pairs: neighbouring moments in a batch, times two. rate: peak learning rate (warmed up, then cosine). average: decay of
    the running mean of the weights, which is what is validated and exported. bf16: networks compute in bfloat16.
    """

    steps: int = 20_000
    pairs: int = 4
    rate: float = 3e-3
    warm_up: int = 200
    weight_decay: float = 0.01
    average: float = 0.999
    seed: int = 0
    validate_every: int = 500
    bf16: bool = True


def train_renderer(
    data: str | Path,
    out: str | Path,
    *,
    config: RendererTraining | None = None,
    net: RendererConfig | None = None,
    validate_on: str | Path | None = None,
    begin_with: str | Path | None = None,
    device: str = "cpu",
    resume: bool = True,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train on the people in ``data``; the folder ``out`` gets config.json, curves.csv, last.pt, renderer.safetensors and
    a sheet of pictures at each validation. With ``resume`` a run that was stopped goes on from its last checkpoint, and
    takes up people that have come since.

    Args:
        validate_on: another folder of pairs to validate on; without it some people are held back.
        begin_with: weights to begin with instead of random ones.

    Returns:
        The last numbers, by the names in ``CURVES``. The measures are LPIPS (AlexNet) of squares around mouths and of
        faces, beside those of the geometric frames.

    Raises:
        InputError: no pairs, or pairs or a checkpoint that cannot be read. SettingError: no such device, no steps or
            pairs, other settings than those of the run that is to go on, or a rate at which nothing is learned.
            UnavailableError: weights to begin with, or those of the loss, are missing.
    """
    config = config or RendererTraining()
    if config.steps <= 0:
        raise SettingError(f"expected more than 0 steps, got {config.steps}")
    if config.pairs <= 0:
        raise SettingError(f"expected more than 0 pairs, got {config.pairs}")
    check_rate(config.rate)
    check_device(device)
    torch.manual_seed(config.seed)
    model = (load_net(begin_with) if begin_with else RendererNet(net or RendererConfig())).to(device)
    elsewhere = {"validate_elsewhere": validate_on is not None}
    settings = {"training": asdict(config) | elsewhere, "net": asdict(model.config)}
    saved = read_checkpoint(Path(out), settings, device) if resume else None
    held, source = _held(Path(data), validate_on, saved["held"] if saved else None)
    folder = output_folder(out)
    mean = RendererNet(model.config).to(device).eval()
    mean.load_state_dict(model.state_dict())
    lpips, alex = LpipsVgg().to(device), Lpips()
    lpips.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimisers = _optimisers(model, config)
    parameters, modules = list(model.parameters()), {"model": model, "mean": mean}
    rows: list[dict[str, float]] = []
    first, seconds = 0, 0.0
    if saved:
        restore(saved, modules, optimisers)
        first, seconds, rows = saved["step"], saved["seconds"], saved["rows"]
    else:
        begin_run(folder, settings, CURVES)

    sums, begun = dict.fromkeys(PARTS, 0.0), time.perf_counter() - seconds
    people, since = source(), 0
    for step in range(first, config.steps):
        rate = config.rate * share_of_rate(step, config.steps, config.warm_up)
        set_rate(optimisers, rate)
        rng = np.random.default_rng([config.seed, step])
        torch.manual_seed(config.seed + (step << 20))
        pairs = gather(_chosen(people, rng, config.pairs), rng).to(device)
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=config.bf16):
            parts = losses(pairs, refine(model, pairs), lpips, rng)
        learn(parameters, parts["loss"], optimisers)
        follow(mean, model, step, config.average)
        for name in PARTS:
            sums[name] += float(parts[name].detach())
        since += 1
        if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
            seconds = time.perf_counter() - begun
            numbers = {"step": step + 1, "seconds": seconds, "rate": rate}
            numbers |= {name: value / since for name, value in sums.items()}
            numbers |= _validate(mean, held, alex, device, folder / f"sheet-{step + 1:06d}.jpg")
            rows.append(numbers)
            save_net(
                mean, folder / "renderer.safetensors", measured_ranges(mean, people, config.seed, device)
            )
            write_curves(folder, CURVES, rows)
            rest = {"step": step + 1, "seconds": seconds, "rows": rows, "held": [one.name for one in held]}
            save_checkpoint(folder, settings, modules, optimisers, **rest)
            log.info("%s", {name: round(value, 4) for name, value in numbers.items()})
            sums, since, people = dict.fromkeys(PARTS, 0.0), 0, source()
        if progress:
            progress((step + 1) / config.steps)
    return rows[-1]


def _optimisers(model: RendererNet, config: RendererTraining) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon (Jordan et al. 2024) for the weights of convolutions and layers, each seen as one matrix."""
    weights = [value for value in model.parameters() if value.ndim > 1]
    matrices = [nn.Parameter(value.detach().view(len(value), -1)) for value in weights]
    others = [value for value in model.parameters() if value.ndim <= 1]
    adam = torch.optim.AdamW(others, config.rate, betas=(0.9, 0.99), weight_decay=0.0)
    muon = torch.optim.Muon(
        matrices, config.rate, config.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )

    def hand_over(*_: object) -> None:
        """The matrices share the weights' memory, but not their gradients."""
        for matrix, weight in zip(matrices, weights, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape)

    muon.register_step_pre_hook(hand_over)
    return [adam, muon]


def _held(
    data: Path, validate_on: str | Path | None, before: list[str] | None
) -> tuple[list[Person], Callable[[], list[Person]]]:
    """People to validate on, and what lists those to train on; before: names of the former in a run that goes on."""
    people = load_people(data)
    if len(people) < (1 if validate_on else 2):
        raise InputError(
            f"expected pairs of {'one person' if validate_on else 'two people'} or more in {data}: make them with "
            "`vividlive train renderer-pairs`"
        )
    if validate_on:
        held = load_people(Path(validate_on))
        if not held:
            raise InputError(
                f"expected pairs in {validate_on}, found none: make them with `vividlive train renderer-pairs`, or leave "
                "out --validate-on to hold some people back"
            )
    elif before is None:
        held = people[: max(1, round(HELD_SHARE * len(people)))]
    else:
        held = people
    if before is not None:
        held = [person for person in held if person.name in before]
        if len(held) < len(before):
            raise InputError(
                f"expected in {validate_on or data} all whom the run validated with before, {', '.join(before)}: give the "
                "same folders, or begin anew with --no-resume"
            )
    names = {person.name for person in held} if not validate_on else set()
    return held, lambda: [person for person in load_people(data) if person.name not in names]


def _chosen(people: list[Person], rng: np.random.Generator, pairs: int) -> list[tuple[Person, int]]:
    chosen = [people[k] for k in rng.integers(0, len(people), pairs)]
    return [(person, 2 * int(rng.integers(0, len(person.frames) // 2))) for person in chosen]


@torch.no_grad()
def _validate(
    model: RendererNet, held: list[Person], alex: Lpips, device: str, sheet: Path
) -> dict[str, float]:
    """Measures, and a sheet: photo, geometric, neural and true view, and the three mouths."""
    rng = np.random.default_rng(0)
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    rows = []
    for turn in range(HELD_MOMENTS):
        person = held[turn % len(held)]
        moment = 2 * int(rng.integers(0, len(person.frames) // 2))
        pairs = gather([(person, moment)], neighbours=1).to(device)
        neural = _bytes(refine(model, pairs).picture)
        photo, drawn, truth = (_bytes(x) for x in (pairs.photo, pairs.drawn, pairs.truth))
        mouth = _square(pairs.places[0, 0].cpu().numpy(), MOUTH_ROOM * float(pairs.mouth_width[0]))
        face = _square(np.array([IMAGE / 2, IMAGE / 2]), FACE_ROOM)
        for name, place in (("mouth", mouth), ("face", face)):
            values[name].append(alex(neural[place], truth[place]))
            values[name + "_drawn"].append(alex(drawn[place], truth[place]))
        if turn < SHEET_ROWS:
            near = [
                cv2.resize(x[mouth], (IMAGE, IMAGE), interpolation=cv2.INTER_CUBIC)
                for x in (drawn, neural, truth)
            ]
            rows.append(np.hstack([photo, drawn, neural, truth, *near]))
    coded = cv2.imencode(".jpg", np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    with replaced(sheet) as part:
        part.write_bytes(coded.tobytes())
    return {name: float(np.mean(found)) for name, found in values.items()}


def _bytes(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """The first picture, uint8 [H, W, 3]."""
    first = pictures[0].float().clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(np.rint(255.0 * first).astype(np.uint8))


def _square(centre: NDArray[np.floating], side: float) -> tuple[slice, slice]:
    length = int(min(max(round(side), 48), IMAGE))
    x, y = np.clip(np.rint(np.asarray(centre) - length / 2).astype(int), 0, IMAGE - length).tolist()
    return slice(y, y + length), slice(x, x + length)
