"""Trains the face motion network on made speech, and writes the weights that ship."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.avatar.head_model import load_head_model
from engine.conventions import FRAME_RATE, LOOK_AHEADS_MS
from engine.errors import SettingError
from engine.files import output_folder
from engine.motion.channels import CHANNEL_INDEX, CHANNELS, CLOSURE, LIP_CHANNELS, LIPS, MOUTH, SPEECH, SPREAD
from engine.motion.network_config import FaceMotionConfig
from engine.speech.features import FEATURES, MEL_BANDS
from engine.training.clips import Clip, Clips, load_speech, make_clip
from engine.training.device import check_device
from engine.training.face_motion_net import FaceMotionNet, Output
from engine.training.face_motion_weights import load_weights, save_weights
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

CURVES: Final = (
    "step",
    "seconds",
    "rate",
    "train_loss",
    "loss",
    "opening_r",
    "closure_f1",
    "speech_accuracy",
    "sound_accuracy",
    "brow_r",
)

ERROR_SCALE: Final = 0.2
"""Errors count squared below and linearly above."""

CLOSURE_WEIGHT: Final = 3.0
"""How much more a missed closure counts than a false one: bilabials fill one frame in fifteen."""

LIP_POINTS: Final = (0, 17, 61, 291, 37, 267, 84, 314, 39, 269, 181, 405)
"""Landmarks on the outer edge of the lips."""

MESH_SCALE: Final = 0.05
"""Errors of points on the lips count squared below and linearly above; parts of the mouth's width."""

AHEAD: Final = 12
"""Steps ahead of their use at which workers are asked for clips."""

TRACT: Final = 0.12
"""Vocal tracts are stretched by up to this, as a logarithm."""
FEATURE_NOISE: Final = 0.06
"""Standard deviation of the noise on the features."""

SOUND_WEIGHT: Final = 0.25
"""What naming the sounds counts: it is not asked for in calls, but what it needs to know the lips need too."""

_WEIGHT: Final = torch.tensor(
    [
        {"jawOpen": 3.0, "mouthClose": 2.0, "mouthLowerDownLeft": 2.0, "mouthUpperUpLeft": 2.0}.get(c[0], 1.0)
        for c in CHANNELS
    ]
    + [1.0] * len(LIP_CHANNELS)
)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; everything random follows ``seed``.

    frames, clips: length of a clip and clips of a batch. fresh: clips of a batch that were never seen before; the
    others come again from the last ``memory``, since spoiling speech anew costs nearly as much as learning from it. rate: peak
    learning rate (warmed up, then cosine). muted: part of the clips that is noise with a shut mouth. average: decay of the
    running mean of the weights, which is what is validated and exported. workers: other processes that make clips (Linux).
    bf16: the network computes in bfloat16, its residual stream and the losses in float32.
    """

    steps: int = 29000
    frames: int = 100
    clips: int = 12
    fresh: int = 8
    memory: int = 4000
    rate: float = 5e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    muted: float = 0.16
    average: float = 0.998
    seed: int = 0
    validate_every: int = 500
    workers: int = 0
    bf16: bool = True


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
    face_motion_80ms.safetensors and the like, one for each look-ahead. With ``resume`` a run that was stopped goes on from its last checkpoint.

    Args:
        net: the network. begin_with: weights to begin with instead of random ones, of a network of that size.

    Returns:
        The validation's last numbers, by the names in ``CURVES``.

    Raises:
        InputError: no data, or a checkpoint that cannot be read. SettingError: no such device, no steps, other settings
            than those of the run that is to go on, or a rate at which nothing is learned. UnavailableError: nothing to
            begin with.
    """
    config = config or TrainingConfig()
    if config.steps <= 0:
        raise SettingError(f"expected more than 0 steps, got {config.steps}")
    check_rate(config.rate)
    check_device(device)
    if config.workers < 0:
        raise SettingError(f"expected 0 workers or more, got {config.workers}")
    if config.workers and "fork" not in multiprocessing.get_all_start_methods():
        raise SettingError("expected no workers on a system that cannot fork: use --workers 0")
    train, validate = load_speech(data)
    folder = output_folder(out)
    torch.manual_seed(config.seed)
    model = _new_model(net or FaceMotionConfig(), begin_with).to(device)
    mean = FaceMotionNet(model.config, model.look_aheads[1:]).to(device)
    mean.load_state_dict(model.state_dict())
    optimisers = _optimisers(model, config)
    parameters, modules = list(model.parameters()), {"model": model, "mean": mean}
    settings = {"training": asdict(config), "net": asdict(model.config)}
    rows: list[dict[str, float]] = []
    first, seconds = 0, 0.0
    if resume and (saved := read_checkpoint(folder, settings, device)):
        restore(saved, modules, optimisers)
        first, seconds, rows = saved["step"], saved["seconds"], saved["rows"]
    else:
        begin_run(folder, settings, CURVES)

    held_rng = np.random.default_rng([config.seed, 1])
    held = _batch([make_clip(held_rng, validate, config.frames, config.muted) for _ in range(40)], device)
    total, since, begun = 0.0, 0, time.perf_counter() - seconds
    made = Clips(
        train, config.seed, config.frames, config.muted, config.memory + AHEAD * config.fresh, config.workers
    )
    with closing(made) as clips:
        for step in range(first, config.steps):
            rate = config.rate * share_of_rate(step, config.steps, config.warm_up)
            set_rate(optimisers, rate)
            torch.manual_seed(
                config.seed + (step << 20)
            )  # what is dropped depends on the step, not on the run's history
            clips.prepare(range(step * config.fresh, (step + AHEAD) * config.fresh))
            batch = _batch([clips[number] for number in _chosen(step, config)], device)
            with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=config.bf16):
                outputs, _ = model(disguise(batch.heard, config.seed + step), batch.manner)
            losses = [
                motion_loss(output.float(), batch, look_ahead) for look_ahead, output in outputs.items()
            ]
            loss = torch.stack(losses).mean()
            learn(parameters, loss, optimisers)
            follow(mean, model, step, config.average)
            total, since = total + float(loss.detach()), since + 1
            if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
                seconds = time.perf_counter() - begun
                numbers = {
                    "step": step + 1,
                    "seconds": seconds,
                    "rate": rate,
                    "train_loss": total / since,
                }
                numbers |= _validate(mean, held)
                rows.append(numbers)
                for frames in mean.look_aheads:
                    name = f"face_motion_{frames * 1000 // FRAME_RATE}ms.safetensors"
                    save_weights(mean, folder / name, frames)
                write_curves(folder, CURVES, rows)
                save_checkpoint(
                    folder, settings, modules, optimisers, step=step + 1, seconds=seconds, rows=rows
                )
                total, since = 0.0, 0
            if progress:
                progress((step + 1) / config.steps)
    return rows[-1]


@dataclass(frozen=True)
class Batch:
    """Clips side by side, as tensors: see ``Clip``."""

    heard: Tensor
    motion: Tensor
    sounds: Tensor
    manner: Tensor


def motion_loss(output: Output, batch: Batch, look_ahead: int) -> Tensor:
    """Loss of a look-ahead's output against the targets of the same input frames, as one number.

    Output at input frame n is the motion of frame n - ``look_ahead``. Sum of: weighted error and velocity error of the
    channels, error of the lip opening, error of points on the lips of the average head, cross-entropy of closure,
    of speech and of the sounds.
    """
    motion, wanted = _same_frames(output.motion, batch.motion, look_ahead)
    device = motion.device
    weight = _WEIGHT.to(device) * (2.0 - wanted[..., SPEECH:])  # silence counts twice
    channels, targets = motion[..., : LIPS.stop], wanted[..., : LIPS.stop]
    error = (functional.smooth_l1_loss(channels, targets, reduction="none", beta=ERROR_SCALE) * weight).mean()
    steps, wanted_steps = channels[:, 1:] - channels[:, :-1], targets[:, 1:] - targets[:, :-1]
    velocity = functional.smooth_l1_loss(steps, wanted_steps, reduction="none", beta=ERROR_SCALE)
    gap = functional.smooth_l1_loss(_opening(motion), _opening(wanted), beta=ERROR_SCALE)
    off = (motion[..., MOUTH] - wanted[..., MOUTH]) @ lip_points().to(device)
    mesh = functional.smooth_l1_loss(off, torch.zeros_like(off), beta=MESH_SCALE)
    rare = torch.tensor([CLOSURE_WEIGHT, 1.0], device=device)
    events = functional.binary_cross_entropy_with_logits(
        motion[..., CLOSURE:], wanted[..., CLOSURE:], pos_weight=rare
    )
    named, sounds = _same_frames(output.sounds, batch.sounds, look_ahead)
    sound = functional.cross_entropy(named.flatten(0, 2), sounds.flatten(), label_smoothing=0.05)
    return (
        10 * error + 3 * (velocity * weight[:, 1:]).mean() + 9 * gap + 6 * mesh + 0.5 * events
    ) + SOUND_WEIGHT * sound


@cache
def lip_points() -> Tensor:
    """How far each mouth channel moves points of the average head's lips: [mouth channels, points * 3], in widths of
    the mouth."""
    head = load_head_model()
    left, right = (head.vertices[head.groups["upper_lip_contact"][end], 0] for end in (0, -1))
    units = np.einsum("ck,kvx->cvx", SPREAD[MOUTH], head.units)
    edges = units[:, np.concatenate([head.groups["upper_lip_contact"], head.groups["lower_lip_contact"]])]
    outer = np.stack([head.landmarks(unit)[list(LIP_POINTS)] for unit in units])
    points = np.concatenate([edges, outer], axis=1) / (right - left)
    return torch.from_numpy(points.reshape(len(points), -1).astype(np.float32))


def _same_frames(output: Tensor, targets: Tensor, look_ahead: int) -> tuple[Tensor, Tensor]:
    return output[:, look_ahead:], targets[:, : targets.shape[1] - look_ahead]


def _opening(mouth: Tensor) -> Tensor:
    jaw, close, lower, upper = (
        mouth[..., CHANNEL_INDEX[n]]
        for n in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft")
    )
    return jaw - close + 0.3 * lower + 0.3 * upper


def _new_model(net: FaceMotionConfig, begin_with: str | Path | None) -> FaceMotionNet:
    frames = [ms * FRAME_RATE // 1000 for ms in LOOK_AHEADS_MS]
    model = FaceMotionNet(net, [other for other in frames if other != net.look_ahead])
    if begin_with is not None:
        given = load_weights(begin_with)
        if replace(given.config, look_ahead=net.look_ahead) != net:
            raise SettingError(f"expected weights of a network of {net}, got {given.config} in {begin_with}")
        own = f"branches.{given.config.look_ahead}."
        tensors = {name: value for name, value in given.state_dict().items() if f"{own}sounds" not in name}
        for look_ahead in model.look_aheads:  # every look-ahead begins with what one has learned
            shared = {name.replace(own, f"branches.{look_ahead}."): value for name, value in tensors.items()}
            model.load_state_dict(shared, strict=False)
    return model


def _optimisers(model: FaceMotionNet, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon (Jordan et al. 2024) for the matrices of the body, which learn in a third of the steps with it."""
    matrices = [
        value
        for name, value in model.named_parameters()
        if value.ndim == 2 and name.startswith(("embed", "layers")) and not name.endswith("bias")
    ]
    taken = {id(value) for value in matrices}
    others = [value for value in model.parameters() if id(value) not in taken]
    adam = torch.optim.AdamW(others, config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    muon = torch.optim.Muon(
        matrices, config.rate, config.weight_decay, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    return [adam, muon]


def _chosen(step: int, config: TrainingConfig) -> list[int]:
    """Numbers of a step's clips: new ones, then some of those seen before."""
    first = step * config.fresh
    new = list(range(first, first + config.fresh))
    rng = np.random.default_rng([config.seed, 3, step])
    old = rng.integers(max(0, first - config.memory), first + 1, config.clips - config.fresh)
    return new + [int(number) for number in old]


def _batch(clips: Sequence[Clip], device: str) -> Batch:
    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(clip, name) for clip in clips])).to(device)

    return Batch(joined("heard"), joined("motion"), joined("sounds"), joined("manner"))


def disguise(heard: Tensor, seed: int) -> Tensor:
    """Make clips sound like other speakers and worse microphones, where that is cheap: on the features.

    Bands are stretched as a longer or shorter vocal tract would (Jaitly and Hinton 2013), some bands and moments are
    hidden (SpecAugment, Park et al. 2019), some pitch too, and a little noise is added.
    """
    rng = np.random.default_rng(seed)
    changed = heard.clone()
    bands = changed[..., :FEATURES].view(*heard.shape[:2], -1, MEL_BANDS)
    places = torch.arange(MEL_BANDS)
    for clip in range(len(bands)):
        if rng.random() < 0.7:
            place = (places * float(np.exp(rng.uniform(-TRACT, TRACT)))).clamp(max=MEL_BANDS - 1.001)
            low = place.long()
            part = (place - low).to(heard)
            bands[clip] = bands[clip][..., low] * (1.0 - part) + bands[clip][..., low + 1] * part
        for _ in range(int(rng.integers(0, 3))):
            first = int(rng.integers(0, MEL_BANDS - 4))
            bands[clip, :, :, first : first + int(rng.integers(1, 9))] = 0.0
        for _ in range(int(rng.integers(0, 4))):
            first = int(rng.integers(0, heard.shape[1]))
            bands[clip, first : first + int(rng.integers(1, 3))] = 0.0
        if rng.random() < 0.1:
            changed[clip, :, FEATURES:-1] = 0.0
    generator = torch.Generator().manual_seed(seed)
    changed[..., :FEATURES] += FEATURE_NOISE * torch.randn(bands.shape, generator=generator).to(
        heard
    ).flatten(2)
    return changed


@torch.no_grad()
def _validate(model: FaceMotionNet, batch: Batch) -> dict[str, float]:
    model.eval()
    outputs, _ = model(batch.heard, batch.manner)
    look_ahead = model.config.look_ahead
    output = outputs[look_ahead]
    loss = float(motion_loss(output, batch, look_ahead))
    motion, wanted = _same_frames(output.motion, batch.motion, look_ahead)
    named, sounds = _same_frames(output.sounds, batch.sounds, look_ahead)
    speech = wanted[..., SPEECH] > 0.5
    brow = CHANNEL_INDEX["browInnerUp"]
    found, true = motion[..., CLOSURE] > 0, wanted[..., CLOSURE] > 0.5
    hits = float((found & true).sum())
    return {
        "loss": loss,
        "opening_r": _correlation(_opening(motion)[speech], _opening(wanted)[speech]),
        "closure_f1": 2 * hits / max(1.0, float(found.sum() + true.sum())),
        "speech_accuracy": float(((motion[..., SPEECH] > 0) == speech).float().mean()),
        "sound_accuracy": float((named.argmax(dim=-1) == sounds)[speech].float().mean()),
        "brow_r": _correlation(motion[..., brow][speech], wanted[..., brow][speech]),
    }


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])
