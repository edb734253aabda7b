"""The head pose's trainer on made-up speech: it learns, resumes where it was, and calls compute what was trained."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.errors import InputError, SettingError
from engine.motion.head_pose import AXES, STYLES, HeadPose, HeadPoseConfig
from engine.motion.prosody import PROSODY
from engine.training.head_pose import TrainingConfig, follow, train_head_pose
from engine.training.head_pose_net import Chooser, Codebook, PoseCodec, save_head_pose
from engine.training.shards import write_shard
from tests.engine.training.test_face_motion import utterance
from tests.full_disk import full_disk

SMALL = HeadPoseConfig(window=4, codes=24, latent=6, hidden=32, width=24, memory=24)
QUICK = TrainingConfig(
    streams=10,
    seconds=8.0,
    codec_steps=120,
    codec_rate=6e-3,
    run=4,
    batch=32,
    chooser_steps=60,
    chooser_rate=4e-3,
    windows=24,
    lines=12,
    seed=5,
    validate_every=30,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    write_shard(folder / "made-0000.npz", [utterance(rng) for _ in range(6)])
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    train_head_pose(data, folder, config=QUICK, net=SMALL)
    return folder


def test_training_improves_both_phases(run: Path) -> None:
    with (run / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = [float(row["train_loss"]) for row in rows if row["phase"] == "1"]
    losses = [float(row["train_loss"]) for row in rows if row["phase"] == "2"]
    assert len(errors) == 4 and len(losses) == 2
    assert errors[-1] < 0.8 * errors[0] and losses[-1] < losses[0] < np.log(SMALL.codes)
    codes_in_use = [float(row["perplexity"]) for row in rows if row["phase"] == "1"]
    assert all(1.0 < number <= SMALL.codes for number in codes_in_use)
    assert HeadPose(run / "head_pose.safetensors").config == SMALL


def test_a_run_that_is_resumed_ends_like_one_that_was_not(run: Path, data: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    shutil.copy(run / "streams.npz", tmp_path)  # making them takes longest
    for stop_at in (0.66, 0.92):  # once in each phase

        def stop(done: float, stop_at: float = stop_at) -> None:
            if done >= stop_at:
                raise Stop

        with pytest.raises(Stop):
            train_head_pose(data, tmp_path, config=QUICK, net=SMALL, progress=stop)
    train_head_pose(data, tmp_path, config=QUICK, net=SMALL)
    whole, parts = (torch.load(folder / "last.pt", weights_only=True) for folder in (run, tmp_path))
    for name in ("codec", "chooser"):
        for key, value in whole[name].items():
            assert torch.equal(value, parts[name][key]), key


def test_a_run_makes_its_own_streams(run: Path, data: Path, tmp_path: Path) -> None:
    """In a folder with those of another run, and stopped when they have been made."""
    shutil.copy(run / "streams.npz", tmp_path)

    def poses(config: TrainingConfig, resume: bool = True) -> NDArray[np.float32]:
        def stop(done: float) -> None:
            if done > 0.5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_head_pose(data, tmp_path, config=config, net=SMALL, resume=resume, progress=stop)
        with np.load(tmp_path / "streams.npz") as arrays:
            return np.asarray(arrays["poses"], np.float32)

    def made_ns() -> int:
        return (tmp_path / "streams.npz").stat().st_mtime_ns

    before = made_ns()
    first = poses(QUICK)
    assert made_ns() == before, "they are its own"
    assert not np.array_equal(poses(replace(QUICK, seed=6)), first)
    assert len(poses(replace(QUICK, streams=11))) == 11
    before = made_ns()
    assert len(poses(replace(QUICK, streams=11), resume=False)) == 11
    assert made_ns() != before


def test_a_finished_run_says_its_numbers_and_keeps_its_settings(run: Path, data: Path) -> None:
    before = (run / "last.pt").read_bytes()
    numbers = train_head_pose(data, run, config=QUICK, net=SMALL)
    assert numbers["phase"] == 2 and {"error_deg", "loss"} <= set(numbers)
    with pytest.raises(SettingError, match="streams was 10 and is 12, seed was 5 and is 6"):
        train_head_pose(data, run, config=replace(QUICK, seed=6, streams=12), net=SMALL)
    assert (run / "last.pt").read_bytes() == before


def test_bad_settings_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="10 streams or more, got 9"):
        train_head_pose(data, tmp_path, config=TrainingConfig(streams=9))
    with pytest.raises(SettingError, match="more than 0 steps"):
        train_head_pose(data, tmp_path, config=TrainingConfig(codec_steps=0))
    with pytest.raises(InputError, match="synth-speech"):
        train_head_pose(tmp_path / "nothing", tmp_path / "out")
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="CUDA"):
            train_head_pose(data, tmp_path, device="cuda")


def test_calls_compute_what_was_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    codec, chooser = PoseCodec(SMALL, torch.rand(3, AXES) + 0.5), Chooser(SMALL)
    for module in (codec, chooser):
        for tensor in module.state_dict().values():
            tensor.copy_(tensor.half())  # what the file holds
    save_head_pose(codec, chooser, tmp_path / "head.safetensors")
    head = HeadPose(tmp_path / "head.safetensors")
    state = head.new_state(1)
    heard = np.random.default_rng(0).standard_normal((8 * SMALL.window, PROSODY)).astype(np.float32)
    memory = None
    for first in range(0, len(heard), SMALL.window):
        state.heard[:] = heard[first : first + SMALL.window]
        motion = torch.from_numpy(state.motion.copy())[None]
        poses = np.array([head.step(state, 0.0) for _ in range(SMALL.window)])
        assert not poses.any()
        with torch.inference_mode():
            path, after = codec.decode(codec.codebook.codes[[state.code]], motion)
            now = (motion / codec.scales).flatten(1)
            seen = [torch.from_numpy(state.heard.ravel())[None], now, torch.from_numpy(state.style)[None]]
            _, memory = chooser(torch.cat(seen, dim=1)[None], memory)
        np.testing.assert_allclose(state.path, path[0].numpy(), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(state.motion, after[0].numpy(), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(state.memory, memory[0, 0].numpy(), rtol=1e-4, atol=1e-4)
    assert SMALL.inputs == SMALL.window * PROSODY + 3 * AXES + STYLES


def test_weights_that_do_not_fit_on_the_disk_leave_those_before(tmp_path: Path) -> None:
    networks = PoseCodec(SMALL, torch.rand(3, AXES) + 0.5), Chooser(SMALL)
    save_head_pose(*networks, tmp_path / "head.safetensors")
    before = (tmp_path / "head.safetensors").read_bytes()
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*head\.safetensors"):
        save_head_pose(*networks, tmp_path / "head.safetensors")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_codes_become_the_means_of_their_latents_and_dead_ones_begin_anew() -> None:
    book = Codebook(3, 2)
    book.codes.copy_(torch.tensor([[0.0, 0.0], [10.0, 0.0], [100.0, 100.0]]))
    book.counts.fill_(20.0)
    book.sums.copy_(book.codes * 20.0)
    latents = torch.cat([torch.full((30, 2), 1.0), torch.tensor([[9.0, 1.0]]).expand(30, 2)])
    generator = torch.Generator().manual_seed(0)
    for _ in range(500):
        chosen = book.nearest(latents)
        book.update(latents, chosen, generator)
    assert torch.allclose(book.codes[0], latents[0], atol=0.01)
    assert torch.allclose(book.codes[1], latents[-1], atol=0.01)
    assert book.codes[2].max() < 10.0  # it was dead, and lies at a latent now


def test_the_codec_follows_without_leaving(run: Path) -> None:
    saved = torch.load(run / "last.pt", weights_only=True)
    codec = PoseCodec(SMALL, saved["codec"]["scales"])
    codec.load_state_dict(saved["codec"])
    with np.load(run / "streams.npz") as arrays:
        wanted = torch.from_numpy(arrays["poses"])
    codes, motions, poses = follow(codec, wanted)
    assert codes.shape == motions.shape[:2] and poses.shape[1] == codes.shape[1] * SMALL.window
    assert torch.allclose(motions[:, 1, 0], poses[:, SMALL.window - 1], atol=1e-5)
    error = (poses - wanted[:, 2 : 2 + poses.shape[1]])[..., :3]
    assert error.square().mean().sqrt() < 0.7 * wanted[..., :3].std()
