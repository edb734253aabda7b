"""Trains the head pose in two phases, the codec and then the chooser, and writes the weights that ship."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.conventions import FRAME_RATE, LOOK_AHEADS_MS
from engine.errors import SettingError
from engine.files import output_folder
from engine.motion.head_pose import AXES, HeadPoseConfig
from engine.training.arrays import read_arrays, write_arrays
from engine.training.device import check_device
from engine.training.head_pose_net import Chooser, PoseCodec, save_head_pose
from engine.training.pose_data import PoseStream, make_stream
from engine.training.pose_measures import perplexity
from engine.training.run import (
    begin_run,
    learn,
    read_checkpoint,
    restore,
    save_checkpoint,
    set_rate,
    share_of_rate,
    write_curves,
)
from engine.training.shards import corrected, find_shards

log = logging.getLogger(__name__)

Progress = Callable[[float], None]

CURVES: Final = (
    "phase",
    "step",
    "seconds",
    "train_loss",
    "error_deg",
    "perplexity",
    "loss",
    "deaf_loss",
)
"""Columns of curves.csv; a phase leaves the other's empty. deaf_loss: the chooser's with another stream's sound."""

AXIS_WEIGHT: Final = (1.0, 1.0, 1.0, 0.4, 0.4, 0.4)
"""Translations matter less: they mostly follow the angles."""

HELD_STREAM: Final = 10
"""One stream in so many validates."""

LOOK_AHEAD: Final = max(LOOK_AHEADS_MS) * FRAME_RATE // 1000
"""Frames of sound that are heard before the frame that shows them; the chooser learns with less, too."""


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; everything random follows ``seed``.

    streams, seconds: how many streams of speech are made, and their length; every tenth validates, and only where these
    are two or more does ``deaf_loss`` differ from ``loss``.
    codec_steps, run, batch: of phase 1; windows that the codec must follow in a row, and such runs of a step.
    chooser_steps, windows, lines: of phase 2; windows of a sequence, and sequences of a step.
    strayed: part of the windows in which phase 2 is led by a random code, to learn the way back.
    """

    streams: int = 120
    seconds: float = 60.0
    codec_steps: int = 1000
    run: int = 8
    batch: int = 128
    codec_rate: float = 2e-3
    commitment: float = 0.25
    chooser_steps: int = 500
    windows: int = 64
    lines: int = 32
    chooser_rate: float = 2e-3
    strayed: float = 0.04
    seed: int = 0
    validate_every: int = 100


@dataclass(frozen=True, eq=False)
class Streams:
    """All streams, stacked: prosody [N, F, PROSODY], poses [N, F, 6], style [N, STYLES]."""

    prosody: Tensor
    poses: Tensor
    style: Tensor

    def some(self, chosen: slice | Tensor) -> "Streams":
        """Some of the streams."""
        return Streams(self.prosody[chosen], self.poses[chosen], self.style[chosen])


def train_head_pose(
    data: str | Path,
    out: str | Path,
    *,
    config: TrainingConfig | None = None,
    net: HeadPoseConfig | None = None,
    device: str = "cpu",
    resume: bool = True,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train on the shards in ``data``; the folder ``out`` gets config.json, streams.npz, curves.csv, last.pt and
    head_pose.safetensors. With ``resume`` a run that was stopped goes on from its last checkpoint.

    Returns:
        The last numbers of both phases, by the names in ``CURVES``.

    Raises:
        InputError: no data, or files of the run that cannot be read. SettingError: no such device, no steps, too few
            streams, other settings than those of the run that is to go on, or a loss that is not finite.
    """
    config, net = config or TrainingConfig(), net or HeadPoseConfig()
    if config.codec_steps <= 0 or config.chooser_steps <= 0:
        raise SettingError(f"expected more than 0 steps, got {config.codec_steps} and {config.chooser_steps}")
    if config.streams < HELD_STREAM:
        raise SettingError(f"expected {HELD_STREAM} streams or more, got {config.streams}")
    check_device(device)
    shards = [corrected(shard) for shard in find_shards(data)]
    folder = output_folder(out)
    settings = _settings(config, net)
    saved = read_checkpoint(folder, settings, device) if resume else None
    streams = _streams(shards, folder, config, device, resume, progress)
    held = torch.arange(len(streams.poses)) % HELD_STREAM == HELD_STREAM - 1
    run = _Run(folder, config, net, streams.some(~held), streams.some(held), device, progress)
    if saved:
        run.restore(saved)
    else:
        begin_run(folder, settings, CURVES)
    run.train_codec()
    run.train_chooser()
    return run.numbers


class _Run:
    """One run's networks, and where it stands."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        net: HeadPoseConfig,
        train: Streams,
        held: Streams,
        device: str,
        progress: Progress | None,
    ) -> None:
        self.folder, self.config, self.device, self.progress = folder, config, device, progress
        self.train, self.held = train, held
        torch.manual_seed(config.seed)
        self.codec = PoseCodec(net, _scales(train.poses)).to(device)
        self.chooser = Chooser(net).to(device)
        self._modules = {"codec": self.codec, "chooser": self.chooser}
        parameters = (self.codec.parameters(), self.chooser.parameters())
        rates = (config.codec_rate, config.chooser_rate)
        self.optimisers = [torch.optim.AdamW(p, r) for p, r in zip(parameters, rates, strict=True)]
        self.steps = [0, 0]
        self.seconds = 0.0
        self.rows: list[dict[str, float]] = []

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        restore(saved, self._modules, self.optimisers)
        self.steps, self.seconds, self.rows = saved["steps"], saved["seconds"], saved["rows"]

    @property
    def numbers(self) -> dict[str, float]:
        """The last numbers of both phases."""
        return {name: value for row in self.rows for name, value in row.items()}

    def train_codec(self) -> None:
        """Phase 1: follow runs of windows in closed loop, so that a code's error is the next code's work."""
        self._loop(0, self.config.codec_steps, self._codec_step, self._validate_codec)

    def train_chooser(self) -> None:
        """Phase 2: foresee the codes that the codec would take."""
        lessons = [self._lesson(self.train, number) for number in range(3)]
        exam = self._lesson(self.held, 3)

        def step(number: int) -> Tensor:
            rng = np.random.default_rng([self.config.seed, 5, number])
            seen, codes = lessons[number % len(lessons)]
            lines = torch.from_numpy(rng.integers(0, len(seen), self.config.lines))
            first = int(rng.integers(0, max(1, seen.shape[1] - self.config.windows)))
            cut = slice(first, first + self.config.windows)
            logits = self.chooser(seen[lines, cut])[0]
            return functional.cross_entropy(logits.flatten(0, 1), codes[lines, cut].flatten())

        def validate() -> dict[str, float]:
            seen, codes = exam
            deaf = seen.clone()
            ears = self.codec.config.window * self.held.prosody.shape[2]
            deaf[..., :ears] = seen[..., :ears].roll(1, dims=0)
            losses = [
                functional.cross_entropy(self.chooser(x)[0].flatten(0, 1), codes.flatten())
                for x in (seen, deaf)
            ]
            return {"loss": float(losses[0]), "deaf_loss": float(losses[1])}

        self._loop(1, self.config.chooser_steps, step, validate)

    def _loop(
        self,
        phase: int,
        steps: int,
        step: Callable[[int], Tensor],
        validate: Callable[[], dict[str, float]],
    ) -> None:
        optimiser = self.optimisers[phase]
        rate = (self.config.codec_rate, self.config.chooser_rate)[phase]
        begun = time.perf_counter() - self.seconds
        total, since = 0.0, 0
        for number in range(self.steps[phase], steps):
            set_rate([optimiser], rate * share_of_rate(number, steps))
            loss = step(number)
            learn(optimiser.param_groups[0]["params"], loss, [optimiser])
            total, since = total + float(loss.detach()), since + 1
            self.steps[phase] = number + 1
            if (number + 1) % self.config.validate_every == 0 or number + 1 == steps:
                self.seconds = time.perf_counter() - begun
                with torch.no_grad():
                    self._note(phase, validate() | {"train_loss": total / since})
                total, since = 0.0, 0
            if self.progress:
                self.progress(0.5 + 0.25 * phase + 0.25 * (number + 1) / steps)

    def _note(self, phase: int, found: dict[str, float]) -> None:
        """Write a line of the curves, a checkpoint and the weights."""
        self.rows.append({"phase": phase + 1, "step": self.steps[phase], "seconds": self.seconds} | found)
        save_head_pose(self.codec, self.chooser, self.folder / "head_pose.safetensors")
        write_curves(self.folder, CURVES, self.rows)
        rest = {"steps": self.steps, "seconds": self.seconds, "rows": self.rows}
        settings = _settings(self.config, self.codec.config)
        save_checkpoint(self.folder, settings, self._modules, self.optimisers, **rest)

    def _codec_step(self, number: int) -> Tensor:
        config, window = self.config, self.codec.config.window
        rng = np.random.default_rng([config.seed, 4, number])
        count, frames = self.train.poses.shape[:2]
        lines = torch.from_numpy(rng.integers(0, count, config.batch))
        starts = torch.from_numpy(rng.integers(1, frames - config.run * window - 1, config.batch))
        motion = _motion_at(self.train.poses, lines, starts)
        astray = torch.from_numpy(rng.standard_normal((config.batch, 1, AXES)).astype(np.float32))
        motion = (
            motion
            + 0.3
            * astray.to(self.device)
            * self.codec.scales[1]
            * torch.tensor([[[1.0], [0.0], [0.0]]], device=self.device)
            * window
        )
        losses: list[Tensor] = []
        latents: list[Tensor] = []
        chosen: list[Tensor] = []
        for k in range(config.run):
            wanted = _windows(self.train.poses, lines, starts + 1 + k * window, window)
            latent = self.codec.encode(wanted, motion)
            codes = self.codec.codebook.nearest(latent.detach())
            vector = self.codec.codebook.codes[codes]
            poses, after = self.codec.decode(latent + (vector - latent).detach(), motion)
            losses.append(self._error(poses, wanted, motion))
            losses.append(config.commitment * (latent - vector).square().mean())
            latents.append(latent.detach())
            chosen.append(codes)
            motion = after
        generator = torch.Generator().manual_seed(config.seed * 100_003 + number)
        self.codec.codebook.update(torch.cat(latents), torch.cat(chosen), generator)
        return torch.stack(losses).sum() / config.run

    def _error(self, poses: Tensor, wanted: Tensor, motion: Tensor) -> Tensor:
        """How far poses [B, window, 6] are from the wanted ones, in place and in speed."""
        weight = torch.tensor(AXIS_WEIGHT, device=poses.device)
        scale = self.codec.scales[1]
        place = (poses - wanted) / scale / 2
        speed = torch.diff(poses - wanted, dim=1) / scale
        return sum(
            (functional.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=0.2) * weight).mean()
            for x in (place, 2 * speed)
        )  # type: ignore[return-value]

    def _validate_codec(self) -> dict[str, float]:
        codes, _, poses = follow(self.codec, self.held.poses)
        wanted = self.held.poses[:, 2 : 2 + poses.shape[1]]
        error = (poses - wanted)[..., :3].square().mean().sqrt()
        return {"error_deg": float(error), "perplexity": perplexity(codes.cpu().numpy())}

    @torch.no_grad()
    def _lesson(self, streams: Streams, number: int) -> tuple[Tensor, Tensor]:
        """What the chooser sees of each window [N, T, inputs], and the codes [N, T] that it should take.

        Lessons differ in where the codec strayed, and the second hears a frame less ahead.
        """
        generator = torch.Generator().manual_seed(self.config.seed * 10 + number)
        codes, motions, _ = follow(self.codec, streams.poses, self.config.strayed, generator)
        window = self.codec.config.window
        ahead = LOOK_AHEAD - (1 if number == 1 else 0)
        before = functional.pad(streams.prosody, (0, 0, window, ahead))
        starts = 2 + window * torch.arange(codes.shape[1]) + ahead  # the newest frame heard, after padding
        heard = torch.stack([before[:, starts + 1 + k] for k in range(window)], dim=2).flatten(2)
        now = (motions / self.codec.scales).flatten(2)
        style = streams.style[:, None].expand(-1, codes.shape[1], -1)
        return torch.cat([heard, now, style], dim=2), codes


@torch.no_grad()
def follow(
    codec: PoseCodec, poses: Tensor, strayed: float = 0.0, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Let the codec follow streams [N, F, 6] from their third frame on.

    Returns:
        Codes [N, T], motions before each window [N, T, 3, 6], and the poses that came out [N, T * window, 6].
        In a part ``strayed`` of the windows another code than the one returned is taken.
    """
    window = codec.config.window
    count, frames = poses.shape[:2]
    lines = torch.arange(count)
    motion = _motion_at(poses, lines, torch.ones(count, dtype=torch.long))
    codes, motions, paths = [], [], []
    for first in range(2, frames - window, window):
        wanted = poses[:, first : first + window]
        best = codec.codebook.nearest(codec.encode(wanted, motion))
        codes.append(best)
        motions.append(motion)
        taken = best.clone()
        if strayed > 0.0:
            lost = torch.rand(count, generator=generator) < strayed
            others = best[torch.randint(count, (int(lost.sum()),), generator=generator)]
            taken[lost] = others
        path, motion = codec.decode(codec.codebook.codes[taken], motion)
        paths.append(path)
    return torch.stack(codes, 1), torch.stack(motions, 1), torch.cat(paths, 1)


def _settings(config: TrainingConfig, net: HeadPoseConfig) -> dict[str, dict[str, Any]]:
    return {"training": asdict(config), "net": asdict(net)}


def _streams(
    shards: list[Path],
    folder: Path,
    config: TrainingConfig,
    device: str,
    resume: bool,
    progress: Progress | None,
) -> Streams:
    """Make the streams, or with ``resume`` read those that a run of the same seed made before."""
    kept, names = folder / "streams.npz", ("prosody", "poses", "style")
    drawn = np.array([config.seed, config.streams, config.seconds])
    if resume and kept.exists():
        arrays = read_arrays(kept, (*names, "drawn"))
        if np.array_equal(arrays["drawn"], drawn):
            return Streams(*(torch.from_numpy(arrays[name]).to(device) for name in names))
    made: list[PoseStream] = []
    for number in range(config.streams):
        made.append(make_stream([config.seed, 0, number], shards, config.seconds))
        if progress:
            progress(0.5 * (number + 1) / config.streams)
    stacked = {name: np.stack([getattr(stream, name) for stream in made]) for name in names}
    write_arrays(kept, drawn=drawn, **stacked)
    return Streams(*(torch.from_numpy(stacked[name]).to(device) for name in names))


def _scales(poses: Tensor) -> Tensor:
    """Standard deviations [3, 6] of pose, velocity and acceleration."""
    velocity = torch.diff(poses, dim=1)
    acceleration = torch.diff(velocity, dim=1)
    return torch.stack([x.flatten(0, 1).std(dim=0) for x in (poses, velocity, acceleration)])


def _motion_at(poses: Tensor, lines: Tensor, frames: Tensor) -> Tensor:
    """Pose, velocity and acceleration [B, 3, 6] at some frames of some streams, by central differences."""
    before, here, after = (poses[lines, frames + k] for k in (-1, 0, 1))
    return torch.stack([here, (after - before) / 2, after - 2 * here + before], dim=1)


def _windows(poses: Tensor, lines: Tensor, starts: Tensor, window: int) -> Tensor:
    return poses[lines[:, None], starts[:, None] + torch.arange(window)]
