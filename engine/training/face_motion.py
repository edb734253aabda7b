"""Trains the face motion network on made speech, and writes the weights that ship."""

import csv
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import SettingError
from engine.motion.mouth import CHANNEL_INDEX, CHANNELS
from engine.motion.network import FaceMotionConfig
from engine.training.clips import Clip, load_speech, make_clip
from engine.training.face_motion_net import FaceMotionNet, load_weights, save_weights

log = logging.getLogger(__name__)

Progress = Callable[[float], None]

CURVES: Final = (
    "step",
    "seconds",
    "rate",
    "train_loss",
    "loss",
    "opening_r",
    "closure_f1",
    "speech_accuracy",
)

ERROR_SCALE: Final = 0.1
"""Errors count squared below and linearly above."""

CLOSURE_WEIGHT: Final = 3.0
"""How much more a missed closure counts than a false one: bilabials fill one frame in fifteen."""

_WEIGHT: Final = torch.tensor(
    [
        {"jawOpen": 3.0, "mouthClose": 2.0, "mouthLowerDownLeft": 2.0, "mouthUpperUpLeft": 2.0}.get(c[0], 1.0)
        for c in CHANNELS
    ]
)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; everything random follows ``seed``.

    frames, clips: length of a clip and clips of a batch. fresh: clips of a batch that were never seen before; the
    others come again from the last ``memory``, since spoiling speech anew costs as much as learning from it.
    rate: peak learning rate (AdamW, warmed up, then cosine). muted: part of the clips that is noise with a shut mouth. average: decay of the running mean of the weights,
    which is what is validated and exported.
    """

    steps: int = 3200
    frames: int = 100
    clips: int = 12
    fresh: int = 3
    memory: int = 2400
    rate: float = 1.5e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    muted: float = 0.08
    average: float = 0.998
    seed: int = 0
    validate_every: int = 100


def train_face_motion(
    data: str | Path,
    out: str | Path,
    *,
    config: TrainingConfig | None = None,
    net: FaceMotionConfig | None = None,
    begin_with: str | Path | None = None,
    device: str = "cpu",
    resume: bool = True,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train on the shards in ``data``; the folder ``out`` gets config.json, curves.csv, last.pt and
    face_motion.safetensors. With ``resume`` a run that was stopped goes on from its last checkpoint.

    Args:
        net: the network; its look-ahead is what the trained one has. begin_with: weights to begin with instead of
            random ones; their network's size then stands, and only the look-ahead is taken from ``net``.

    Returns:
        The validation's last numbers, by the names in ``CURVES``.

    Raises:
        InputError: no data; SettingError: no such device or no steps; UnavailableError: nothing to begin with.
    """
    config = config or TrainingConfig()
    if config.steps <= 0:
        raise SettingError(f"expected more than 0 steps, got {config.steps}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError("expected a CUDA device, and this machine has none: use --device cpu")
    train, validate = load_speech(data)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    model = _new_model(net or FaceMotionConfig(), begin_with).to(device)
    mean = FaceMotionNet(model.config).to(device)
    mean.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(
        model.parameters(), config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    first, seconds = 0, 0.0
    checkpoint = folder / "last.pt"
    if resume and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        mean.load_state_dict(saved["mean"])
        optimiser.load_state_dict(saved["optimiser"])
        first, seconds = saved["step"], saved["seconds"]
    else:
        (folder / "config.json").write_text(
            json.dumps({"training": asdict(config), "net": asdict(model.config)}, indent=1)
        )
        with (folder / "curves.csv").open("w", newline="") as file:
            csv.writer(file).writerow(CURVES)

    @lru_cache(maxsize=config.memory + config.clips)
    def clip(number: int) -> Clip:
        return make_clip(np.random.default_rng([config.seed, 2, number]), train, config.frames, config.muted)

    held_rng = np.random.default_rng([config.seed, 1])
    held = _batch([make_clip(held_rng, validate, config.frames, config.muted) for _ in range(40)], device)
    numbers: dict[str, float] = {}
    total, since, begun = 0.0, 0, time.perf_counter() - seconds
    for step in range(first, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.rate * _schedule(step, config)
        features, targets = _batch([clip(number) for number in _chosen(step, config)], device)
        loss = motion_loss(model(_mask(features, config.seed + step))[0], targets, model.config.look_ahead)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        decay = min(config.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        total, since = total + float(loss.detach()), since + 1
        if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
            seconds = time.perf_counter() - begun
            numbers = {
                "step": step + 1,
                "seconds": seconds,
                "rate": optimiser.param_groups[0]["lr"],
                "train_loss": total / since,
            }
            numbers |= _validate(mean, *held)
            with (folder / "curves.csv").open("a", newline="") as file:
                csv.writer(file).writerow([f"{numbers[name]:.5g}" for name in CURVES])
            state = {
                "model": model.state_dict(),
                "mean": mean.state_dict(),
                "optimiser": optimiser.state_dict(),
            }
            torch.save(state | {"step": step + 1, "seconds": seconds}, folder / "last.part")
            (folder / "last.part").replace(checkpoint)
            save_weights(mean, folder / "face_motion.safetensors")
            total, since = 0.0, 0
        if progress:
            progress((step + 1) / config.steps)
    return numbers


def motion_loss(output: Tensor, targets: Tensor, look_ahead: int) -> Tensor:
    """Loss of outputs [B, T, channels + 2] against the targets of the same input frames, as one number.

    Output at input frame n is the mouth of frame n - ``look_ahead``. Sum of: weighted error and velocity
    error of the channels, error of the lip opening, cross-entropy of closure and speech.
    """
    output, targets = _same_frames(output, targets, look_ahead)
    mouth, wanted = output[..., :-2], targets[..., :-2]
    weight = _WEIGHT.to(output.device) * (2.0 - targets[..., -1:])  # silence counts twice
    error = (functional.smooth_l1_loss(mouth, wanted, reduction="none", beta=ERROR_SCALE) * weight).mean()
    steps, wanted_steps = mouth[:, 1:] - mouth[:, :-1], wanted[:, 1:] - wanted[:, :-1]
    velocity = functional.smooth_l1_loss(steps, wanted_steps, reduction="none", beta=ERROR_SCALE)
    gap = functional.smooth_l1_loss(_opening(mouth), _opening(wanted), beta=ERROR_SCALE)
    rare = torch.tensor([CLOSURE_WEIGHT, 1.0], device=output.device)
    events = functional.binary_cross_entropy_with_logits(output[..., -2:], targets[..., -2:], pos_weight=rare)
    return 4 * error + 2 * (velocity * weight[:, 1:]).mean() + 6 * gap + 0.5 * events


def _same_frames(output: Tensor, targets: Tensor, look_ahead: int) -> tuple[Tensor, Tensor]:
    return output[:, look_ahead:], targets[:, : targets.shape[1] - look_ahead]


def _opening(mouth: Tensor) -> Tensor:
    jaw, close, lower, upper = (
        mouth[..., CHANNEL_INDEX[n]]
        for n in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft")
    )
    return jaw - close + 0.3 * lower + 0.3 * upper


def _new_model(net: FaceMotionConfig, begin_with: str | Path | None) -> FaceMotionNet:
    if begin_with is None:
        return FaceMotionNet(net)
    given = load_weights(begin_with)
    model = FaceMotionNet(replace(given.config, look_ahead=net.look_ahead))
    model.load_state_dict(given.state_dict())
    return model


def _schedule(step: int, config: TrainingConfig) -> float:
    warm = min(1.0, (step + 1) / config.warm_up)
    return warm * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * step / config.steps))))


def _chosen(step: int, config: TrainingConfig) -> list[int]:
    """Numbers of a step's clips: new ones, then some of those seen before."""
    first = step * config.fresh
    new = list(range(first, first + config.fresh))
    rng = np.random.default_rng([config.seed, 3, step])
    old = rng.integers(max(0, first - config.memory), first + 1, config.clips - config.fresh)
    return new + [int(number) for number in old]


def _batch(clips: Sequence[Clip], device: str) -> tuple[Tensor, Tensor]:
    features, targets = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*clips, strict=True))
    return features.to(device), targets.to(device)


def _mask(features: Tensor, seed: int) -> Tensor:
    """Hide a random band of mel bands in half of the clips (as SpecAugment does)."""
    rng = np.random.default_rng(seed)
    bands = features.clone().view(*features.shape[:2], -1, 40)
    for clip in range(len(bands)):
        if rng.random() < 0.5:
            low = int(rng.integers(0, 36))
            bands[clip, :, :, low : low + int(rng.integers(1, 7))] = 0.0
    return bands.view_as(features)


@torch.no_grad()
def _validate(model: FaceMotionNet, features: Tensor, targets: Tensor) -> dict[str, float]:
    model.eval()
    output = model(features)[0]
    look_ahead = model.config.look_ahead
    loss = float(motion_loss(output, targets, look_ahead))
    output, targets = _same_frames(output, targets, look_ahead)
    speech = targets[..., -1] > 0.5
    pair = torch.stack([_opening(output[..., :-2])[speech], _opening(targets[..., :-2])[speech]])
    found, true = output[..., -2] > 0, targets[..., -2] > 0.5
    hits = float((found & true).sum())
    return {
        "loss": loss,
        "opening_r": float(torch.corrcoef(pair)[0, 1]),
        "closure_f1": 2 * hits / max(1.0, float(found.sum() + true.sum())),
        "speech_accuracy": float(((output[..., -1] > 0) == speech).float().mean()),
    }
