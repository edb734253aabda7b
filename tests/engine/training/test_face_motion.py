"""The trainer on made-up shards: it learns, resumes where it was, and its weights load and stream."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError, SettingError, UnavailableError
from engine.motion.channels import CHANNEL_INDEX, CLOSURE, LIP_INDEX, LIPS, OUTPUTS
from engine.motion.manner import MANNERS
from engine.motion.mouth import shape_motion
from engine.motion.network import FaceMotionNetwork
from engine.motion.network_config import FaceMotionConfig
from engine.speech.hearing import HEARD
from engine.training import face_motion, run
from engine.training.clips import Clips, load_speech, make_clip
from engine.training.face_motion import Batch, TrainingConfig, lip_points, motion_loss, train_face_motion
from engine.training.face_motion_net import HALVES, FaceMotionNet, Output
from engine.training.face_motion_weights import load_weights, save_weights
from engine.training.phones import CLASS_INDEX, CLASS_NAMES, PAUSE
from engine.training.shards import write_shard
from engine.training.visemes import opening
from engine.training.voices import Phone, Utterance
from tests.full_disk import full_disk

SMALL = FaceMotionConfig(width=32, hidden=32, heads=2, layers=1, window=8)
QUICK = TrainingConfig(steps=6, frames=30, clips=4, fresh=2, warm_up=2, validate_every=3, seed=5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def utterance(rng: np.random.Generator) -> Utterance:
    """Tones that stand for "a" between silences."""
    phones, pieces, start = [], [], 0.0
    for index in range(6):
        length = float(rng.uniform(0.15, 0.3))
        count = round(length * SAMPLE_RATE)
        phones.append(Phone("ɑ" if index % 2 else PAUSE, start, start + length))
        tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(count) / SAMPLE_RATE)
        pieces.append(tone * (index % 2))
        start += count / SAMPLE_RATE
    return Utterance(np.concatenate(pieces).astype(np.float32), tuple(phones))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    for number in range(2):
        write_shard(folder / f"made-{number:04d}.npz", [utterance(rng) for _ in range(5)])
    return folder


def test_clips_hold_the_mouth_of_their_own_sound(data: Path) -> None:
    train, validate = load_speech(data)
    assert len(train) == len(validate) == 5
    rng = np.random.default_rng(1)
    correlations = []
    for _ in range(8):
        clip = make_clip(rng, train, 60, muted=0.0)
        assert clip.heard.shape == (60, HEARD) and clip.motion.shape == (60, OUTPUTS)
        correlations.append(np.corrcoef(clip.heard[:, -1], opening(clip.motion))[0, 1])
        named = clip.sounds.ravel() == CLASS_INDEX["open_back"]
        assert clip.motion[named[::2] & named[1::2], CHANNEL_INDEX["jawOpen"]].mean() > 0.1
    assert np.mean(correlations) > 0.6


def test_clips_are_spoken_in_their_manner(data: Path) -> None:
    train = load_speech(data)[0]
    widest: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(40):
        clip = make_clip(np.random.default_rng(seed), train, 60, muted=0.0)
        if abs(clip.manner[0]) > 0.2:
            widest[bool(clip.manner[0] > 0)].append(float(clip.motion[:, CHANNEL_INDEX["jawOpen"]].max()))
    assert np.mean(widest[True]) > 1.15 * np.mean(widest[False])


def test_muted_clips_keep_the_mouth_shut(data: Path) -> None:
    train = load_speech(data)[0]
    for seed in range(6):  # steady noise and other sounds
        clip = make_clip(np.random.default_rng(seed), train, 20, muted=1.0)
        assert not clip.motion.any() and not clip.sounds.any() and clip.heard.std() > 0


def test_sounds_under_the_speech_do_not_move_the_mouth(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = load_speech(data)[0]
    seeds = range(12)
    with_sounds = [make_clip(np.random.default_rng(seed), train, 60, muted=0.0) for seed in seeds]
    heard = []

    def nothing(rng: np.random.Generator, samples: int) -> np.ndarray:
        heard.append(samples)
        return np.zeros(samples, np.float32)

    monkeypatch.setattr("engine.training.clips.non_speech", nothing)
    without = [make_clip(np.random.default_rng(seed), train, 60, muted=0.0) for seed in seeds]
    changed = sum(not np.array_equal(a.heard, b.heard) for a, b in zip(with_sounds, without, strict=True))
    assert changed == len(heard) > 0
    for one, other in zip(with_sounds, without, strict=True):
        np.testing.assert_array_equal(one.motion, other.motion)


def test_a_run_that_is_resumed_ends_like_one_that_was_not(data: Path, tmp_path: Path) -> None:
    numbers = train_face_motion(data, tmp_path / "whole", config=QUICK, net=SMALL)
    assert numbers["step"] == 6

    class Stop(Exception):
        pass

    def stop(done: float) -> None:
        if done >= 0.6:
            raise Stop

    with pytest.raises(Stop):
        train_face_motion(data, tmp_path / "parts", config=QUICK, net=SMALL, progress=stop)
    train_face_motion(data, tmp_path / "parts", config=QUICK, net=SMALL)
    whole, parts = (
        load_weights(tmp_path / name / "face_motion_40ms.safetensors") for name in ("whole", "parts")
    )
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    with (tmp_path / "parts" / "curves.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["3", "6"]


def test_a_run_that_was_stopped_while_it_wrote_lacks_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = []

    def save_checkpoint(*given: Any, **rest: Any) -> None:
        saves.append(rest["step"])
        if len(saves) == 2:
            raise KeyboardInterrupt
        run.save_checkpoint(*given, **rest)

    monkeypatch.setattr(face_motion, "save_checkpoint", save_checkpoint)
    with pytest.raises(KeyboardInterrupt):
        train_face_motion(data, tmp_path, config=QUICK, net=SMALL)
    numbers = train_face_motion(data, tmp_path, config=QUICK, net=SMALL)
    assert saves == [3, 6, 6]
    with (tmp_path / "curves.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["3", "6"]
    assert (
        train_face_motion(data, tmp_path, config=QUICK, net=SMALL) == numbers
    )  # there is nothing left to do
    with pytest.raises(SettingError, match="seed was 5 and is 6"):
        train_face_motion(data, tmp_path, config=replace(QUICK, seed=6), net=SMALL)
    anew = train_face_motion(data, tmp_path, config=replace(QUICK, seed=6), net=SMALL, resume=False)
    assert anew["loss"] != numbers["loss"]


def test_a_run_that_learns_nothing_keeps_the_weights_before(data: Path, tmp_path: Path) -> None:
    train_face_motion(data, tmp_path, config=QUICK, net=SMALL)
    weights = (tmp_path / "face_motion_80ms.safetensors").read_bytes()
    with pytest.raises(SettingError, match="lower rate"):
        train_face_motion(data, tmp_path, config=replace(QUICK, rate=1e30), net=SMALL, resume=False)
    assert (tmp_path / "face_motion_80ms.safetensors").read_bytes() == weights


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_workers_of_a_process_that_is_killed_end(data: Path) -> None:
    script = (
        "import sys, time; from engine.training.clips import *; "
        "clips = Clips(load_speech(sys.argv[1])[0], 1, 20, 0.1, 9, workers=2); "
        "clips.prepare(range(4)); clips[0]; print(*clips._pool._processes, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(data)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        workers = [int(number) for number in process.stdout.readline().split()]
        process.kill()
        try:
            process.communicate(timeout=30)  # the pipe ends when nobody holds it any more
        finally:
            for number in workers:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
    assert len(workers) == 2


def test_workers_make_the_same_clips(data: Path) -> None:
    train = load_speech(data)[0]
    alone, helped = (Clips(train, 1, 20, 0.1, memory=3, workers=workers) for workers in (0, 1))
    helped.prepare(range(4))
    for number in (0, 3, 1, 2, 0):
        np.testing.assert_array_equal(alone[number].heard, helped[number].heard)
        np.testing.assert_array_equal(alone[number].motion, helped[number].motion)
    helped.close()


def test_training_lowers_the_loss(data: Path, tmp_path: Path) -> None:
    config = TrainingConfig(
        steps=60, frames=40, clips=6, fresh=2, warm_up=5, rate=4e-3, average=0.9, validate_every=20
    )
    train_face_motion(data, tmp_path, config=config, net=SMALL)
    with (tmp_path / "curves.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.8 * losses[0]


def test_bad_settings_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="more than 0 steps"):
        train_face_motion(data, tmp_path, config=TrainingConfig(steps=0))
    with pytest.raises(SettingError, match="0 workers or more, got -1"):
        train_face_motion(data, tmp_path, config=TrainingConfig(workers=-1))
    with pytest.raises(SettingError, match="a learning rate of 0 or more"):
        train_face_motion(data, tmp_path, config=TrainingConfig(rate=-1.0))
    with pytest.raises(InputError, match="synth-speech"):
        train_face_motion(tmp_path / "nothing", tmp_path)
    (tmp_path / "little").mkdir()
    shutil.copy(data / "made-0000.npz", tmp_path / "little")
    with pytest.raises(InputError, match="to train on beside each synthesiser's shard 0000"):
        train_face_motion(tmp_path / "little", tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="CUDA"):
            train_face_motion(data, tmp_path, device="cuda")


@pytest.mark.parametrize("look_ahead", [0, 1, 2])
def test_loss_is_least_for_the_delayed_targets(look_ahead: int) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(2, 20, OUTPUTS, generator=generator).round()
    sounds = torch.randint(len(CLASS_NAMES), (2, 20, HALVES), generator=generator)
    batch = Batch(torch.zeros(2, 20, HEARD), targets, sounds, torch.zeros(2, MANNERS))
    motion = torch.roll(targets, look_ahead, dims=1)
    motion[..., CLOSURE:] = (motion[..., CLOSURE:] - 0.5) * 60  # certain logits
    named = 8.0 * torch.nn.functional.one_hot(torch.roll(sounds, look_ahead, dims=1), len(CLASS_NAMES))
    least = motion_loss(Output(motion, named), batch, look_ahead)
    assert least < 0.3  # label smoothing asks for less certainty
    assert motion_loss(Output(motion, named), batch, look_ahead + 1) > least + 0.5
    for column in (CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["browInnerUp"], LIP_INDEX["tuck"]):
        wrong = motion.clone()
        wrong[..., column] += 0.3
        assert motion_loss(Output(wrong, named), batch, look_ahead) > least + 0.005, column


def test_points_on_the_lips_move_with_the_jaw() -> None:
    moved = lip_points().reshape(14, -1, 3)[CHANNEL_INDEX["jawOpen"]]
    upper, lower = moved[:10, 1].mean(), moved[-12:, 1].max()
    assert 0.2 < lower < 1.5 and abs(upper) < 0.3 * lower  # the lower lip goes down, in widths of the mouth


def test_training_begins_with_other_weights(data: Path, tmp_path: Path) -> None:
    train_face_motion(data, tmp_path / "one", config=QUICK, net=SMALL)
    weights = tmp_path / "one" / "face_motion_80ms.safetensors"
    still = replace(QUICK, rate=0.0)
    train_face_motion(data, tmp_path / "two", config=still, net=SMALL, begin_with=weights)
    before = load_weights(weights)
    for look_ahead in (80, 40):
        after = load_weights(tmp_path / "two" / f"face_motion_{look_ahead}ms.safetensors")
        assert after.config == replace(SMALL, look_ahead=look_ahead // 40)
        ones, others = (
            {name.replace(f"branches.{n.config.look_ahead}", ""): v for name, v in n.state_dict().items()}
            for n in (before, after)
        )
        for name, value in ones.items():
            assert "sounds" in name or torch.equal(value, others[name]), name
    with pytest.raises(SettingError, match=r"expected weights of a network of .*width=256.*, got .*width=32"):
        train_face_motion(data, tmp_path / "none", begin_with=weights)
    with pytest.raises(UnavailableError, match=r"absent\.safetensors"):
        train_face_motion(data, tmp_path / "none", begin_with=tmp_path / "absent.safetensors")


def test_calls_compute_what_was_trained(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = FaceMotionNet(
        FaceMotionConfig(width=40, hidden=48, heads=5, layers=2, context=4, window=6, look_ahead=1)
    )
    with torch.no_grad():
        for parameter in net.parameters():  # layer norms and distances begin at special values
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_weights(net, tmp_path / "net.safetensors")
    heard, manner = torch.randn(40, HEARD), torch.tensor([0.5, -0.3])
    with torch.inference_mode():
        outputs = load_weights(tmp_path / "net.safetensors")(heard[None], manner[None])[0]
    expected = outputs[1].motion[0].numpy()
    network = FaceMotionNetwork(tmp_path / "net.safetensors")
    assert network.config == net.config
    state, other = network.new_state(), network.new_state()
    computed = []
    for frame in heard.numpy():
        computed.append(network.step(state, frame, manner.numpy()))
        network.step(other, -frame, -manner.numpy())  # another stream beside it
    np.testing.assert_allclose(np.stack(computed), expected, atol=1e-5)  # float32 sums in another order


def test_weights_that_do_not_fit_on_the_disk_leave_those_before(tmp_path: Path) -> None:
    save_weights(FaceMotionNet(SMALL), tmp_path / "net.safetensors")
    before = (tmp_path / "net.safetensors").read_bytes()
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*net\.safetensors"):
        save_weights(FaceMotionNet(SMALL), tmp_path / "net.safetensors")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_network_streams_as_it_trains() -> None:
    torch.manual_seed(0)
    net = FaceMotionNet(FaceMotionConfig(width=32, hidden=32, heads=2, layers=2, window=6), [1]).eval()
    heard, manner = torch.randn(1, 25, HEARD), torch.randn(1, MANNERS)
    with torch.inference_mode():
        whole = net(heard, manner)[0][1].motion
        cache, pieces = None, []
        for start, end in ((0, 1), (1, 2), (2, 9), (9, 25)):
            outputs, cache = net(heard[:, start:end], manner, cache)
            pieces.append(outputs[1].motion)
        assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)  # sums in another order
        assert not torch.allclose(net(heard, -manner)[0][1].motion, whole, atol=1e-3)
        heard[:, 12:] += 1.0
        assert torch.equal(net(heard, manner)[0][1].motion[:, :12], whole[:, :12])


def test_certain_closures_shut_and_seal_the_lips() -> None:
    output = np.full(OUTPUTS, 0.4, np.float32)
    output[CHANNEL_INDEX["mouthClose"]] = 0.0
    output[CLOSURE] = 9.0
    shut = shape_motion(output)
    assert shut.shape == (LIPS.stop,)
    assert opening(shut) == pytest.approx(0.0, abs=1e-6)
    assert shut[LIP_INDEX["seal"]] == pytest.approx(1.0)
    output[CLOSURE] = -9.0
    assert opening(shape_motion(output)) > 0.4
    assert shape_motion(output)[LIP_INDEX["seal"]] == 0.0


def test_lips_part_with_the_jaw_as_far_as_nothing_shuts_them() -> None:
    output = np.zeros(OUTPUTS, np.float32)
    output[CLOSURE] = -9.0
    output[CHANNEL_INDEX["jawOpen"]] = 0.5
    names = [CHANNEL_INDEX[name] for name in ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthSmileLeft")]
    wide = shape_motion(output)
    assert (wide[names] > 0.1).all() and wide[CHANNEL_INDEX["jawOpen"]] < 0.5
    output[CHANNEL_INDEX["mouthClose"]] = 0.25
    assert shape_motion(output)[names] == pytest.approx(wide[names] / 2)
    output[CHANNEL_INDEX["mouthClose"]] = 0.5
    assert not shape_motion(output)[names].any()
    assert (shape_motion(np.full(OUTPUTS, 9.0, np.float32)) <= 1.0).all()


def test_lips_that_have_been_sealed_for_long_need_more_certainty() -> None:
    output = np.full(OUTPUTS, 0.4, np.float32)
    output[CLOSURE] = 1.0  # 0.73
    seals = [shape_motion(output, frames)[LIP_INDEX["seal"]] for frames in range(6)]
    assert seals[:4] == [1.0] * 4 and max(seals[4:]) < 0.2
    output[CLOSURE] = 5.0
    assert shape_motion(output, 9)[LIP_INDEX["seal"]] == 1.0
