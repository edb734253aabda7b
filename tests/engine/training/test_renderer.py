"""Training the learned renderer: moments, pairs, one step of it, and a small run that learns."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.avatar.create import create_avatar
from engine.conventions import ARKIT_INDEX, POSE_LIMITS_DEG
from engine.errors import InputError, SettingError
from engine.packed import rgb_of
from engine.render.geometric import GeometricRenderer
from engine.render.neural.sizes import GRID, IMAGE
from engine.render.neural.weights import load_net
from engine.timing import StageTimer
from engine.training import renderer as training
from engine.training.made_pairs import make_pairs
from engine.training.renderer import RendererTraining, train_renderer
from engine.training.renderer_motion import random_moments, random_photo
from engine.training.renderer_pairs import FRAME, Moment, Person, load_people, write_person
from engine.training.renderer_step import Refined, displaced, gather, losses, refine
from engine.training.video_pairs import identity_of, make_video_pairs, split_of
from tests.engine.avatar.videos import write_video
from tests.engine.render.neural.nets import SMALL, small_net, small_weights
from tests.engine.render.neural.test_guidance import moved
from tests.full_disk import full_disk

PORTRAITS = Path(__file__).parents[3] / "engine" / "assets" / "portraits"
BRIGHTER = 20


class Squares(nn.Module):
    """Stands in for VGG: mean squared difference."""

    def forward(self, pictures: Tensor, truths: Tensor) -> Tensor:
        return (pictures - truths).square().mean(dim=(1, 2, 3))


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(training, "LpipsVgg", Squares)
    monkeypatch.setattr(training, "HELD_MOMENTS", 3)
    monkeypatch.setattr(training, "Lpips", lambda: lambda a, b: float(np.square(a.astype(float) - b).mean()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people whose true pictures are brighter than the drawn ones wherever they move."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("grace_hopper.jpg", "astronaut.png"):
        avatar = create_avatar(PORTRAITS / name)
        renderer = GeometricRenderer(avatar, 256)
        points = avatar.landmarks[:, :2] * (256 / avatar.side)
        moments = []
        for jaw in (0.3, 0.35, 0.5, 0.55):
            motion = moved(jawOpen=jaw, yaw=6.0)
            drawn = rgb_of(renderer.render(motion, StageTimer()))
            moments.append(Moment(np.minimum(drawn, 255 - BRIGHTER) + np.uint8(BRIGHTER), points, motion))
        assert write_person(folder, name.partition(".")[0], renderer, moments) == 4
    return folder


def test_moments_come_in_neighbours_and_stay_near_the_photo() -> None:
    rng = np.random.default_rng(0)
    _, photo = random_photo(rng)
    moments = random_moments(rng, 300, photo)
    assert len(moments) == 600
    still = [moment is None for moment in moments]
    assert 10 < sum(still) < 80 and still[::2] == still[1::2]
    known = [moment for moment in moments if moment is not None]
    shapes, poses = (np.array(values) for values in zip(*known, strict=True))
    assert shapes.min() >= 0.0 and shapes.max() <= 1.0
    assert (np.abs(poses - photo)[:, :3] <= POSE_LIMITS_DEG).all()
    step, spread = np.abs(poses[1::2] - poses[::2]).mean(), poses.std()
    assert 0.0 < step < 0.3 * spread
    jaw = shapes[:, ARKIT_INDEX["jawOpen"]]
    assert (jaw < 0.1).mean() > 0.1 and (jaw > 0.4).mean() > 0.05


def test_pairs_are_the_views_of_both_pictures(data: Path) -> None:
    people = load_people(data)
    assert [person.name for person in people] == ["astronaut", "grace_hopper"]
    frames = people[1].frames
    assert frames.dtype == FRAME and len(frames) == 4
    brighter = frames["truth"].astype(int) - frames["drawn"]
    assert 0.9 < (np.abs(brighter - BRIGHTER) <= 1).mean()
    assert frames["gate"].max() > 0.9 and frames["opening"].any()
    place, width = frames["places"][0, 0], frames["mouth_width"][0]
    assert (np.abs(place - IMAGE / 2) < IMAGE / 3).all() and 20 < width < 120


def test_mirrored_pairs_are_told_mirrored(data: Path) -> None:
    person = load_people(data)[1]
    plain = gather([(person, 0)])
    for seed in range(10):  # some of these mirror
        pairs = gather([(person, 0)], np.random.default_rng(seed))
        if float(pairs.shift[0, 0].mean()) * float(plain.shift[0, 0].mean()) < 0:
            break
    else:
        raise AssertionError("nobody was mirrored")
    torch.testing.assert_close(pairs.shift[:, 0].flip(-1), -plain.shift[:, 0])
    torch.testing.assert_close(pairs.shift[:, 1].flip(-1), plain.shift[:, 1])
    torch.testing.assert_close(pairs.code[:, 0].flip(-1), -plain.code[:, 0])
    torch.testing.assert_close(pairs.places[:, 0, 0], IMAGE - plain.places[:, 0, 0])


def test_displaced_reads_where_the_flow_points() -> None:
    x = torch.arange(GRID, dtype=torch.float32).repeat(1, 1, GRID, 1)
    flow = torch.zeros(1, 2, GRID, GRID)
    flow[:, 0] = 2.5
    expected = (x + 2.5).clamp(max=GRID - 1)
    torch.testing.assert_close(displaced(x, flow), expected, atol=1e-3, rtol=0)


def test_silent_networks_leave_the_drawn_view(data: Path) -> None:
    pairs = gather([(load_people(data)[0], 0)])
    net = training.RendererNet(SMALL).eval()
    with torch.no_grad():
        torch.testing.assert_close(refine(net, pairs).picture, pairs.drawn, atol=1e-5, rtol=0)
        loud = refine(small_net(), pairs)
    assert (loud.picture - pairs.drawn).abs().max() > 0.01
    still = pairs.gate.expand(-1, 3, -1, -1).repeat_interleave(4, 2).repeat_interleave(4, 3) < 1e-3
    still = nn.functional.max_pool2d((~still).float(), 9, 1, 4) == 0  # away from where anything may change
    assert (loud.picture - pairs.drawn).abs()[still].max() < 1e-4


def test_losses_are_least_for_the_truth(data: Path) -> None:
    pairs = gather([(load_people(data)[0], 0)])
    with torch.no_grad():
        motion = refine(small_net(), pairs).motion
        worse, best = (
            losses(pairs, Refined(picture, motion), Squares(), np.random.default_rng(0))  # type: ignore[arg-type]
            for picture in (pairs.drawn, pairs.truth)
        )
    assert best["lpips"] == best["l1"] == best["steady"] == 0.0 < worse["lpips"]
    assert worse["l1"] == pytest.approx(BRIGHTER / 255, rel=0.15)


def test_a_small_run_learns_resumes_and_exports(data: Path, tmp_path: Path) -> None:
    config = RendererTraining(
        steps=12, pairs=1, rate=1e-2, warm_up=2, average=0.5, validate_every=6, bf16=False
    )
    numbers = train_renderer(data, tmp_path, config=config, net=SMALL)
    assert numbers["face"] < 0.8 * numbers["face_drawn"]
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["6", "12"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert (tmp_path / "sheet-000012.jpg").stat().st_size > 10_000
    assert load_net(tmp_path / "renderer.safetensors").config == SMALL
    stopped = tmp_path / "stopped"

    def stop(share: float) -> None:
        if share > 8 / 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_renderer(data, stopped, config=config, net=SMALL, progress=stop)
    train_renderer(data, stopped, config=config, net=SMALL)
    torch.testing.assert_close(
        load_net(stopped / "renderer.safetensors").state_dict(),
        load_net(tmp_path / "renderer.safetensors").state_dict(),
    )


def test_weights_that_do_not_fit_on_the_disk_leave_those_before(tmp_path: Path) -> None:
    path = small_weights(tmp_path)
    before = path.read_bytes()
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*renderer\.safetensors"):
        small_weights(tmp_path, seed=1)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


def test_those_held_back_stay_so_when_others_come(data: Path, tmp_path: Path) -> None:
    pairs, out = tmp_path / "pairs", tmp_path / "out"
    shutil.copytree(data, pairs)
    config = RendererTraining(steps=2, pairs=1, validate_every=1, bf16=False)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_renderer(pairs, out, config=config, net=SMALL, progress=stop)
    for path in list(pairs.glob("grace_hopper.*")):  # before the other, by name
        shutil.copy(path, pairs / f"another.{path.name.partition('.')[2]}")
    train_renderer(pairs, out, config=config, net=SMALL)
    assert torch.load(out / "last.pt", weights_only=True)["held"] == ["astronaut"]
    with pytest.raises(SettingError, match="validate_elsewhere was False and is True"):
        train_renderer(pairs, out, config=config, net=SMALL, validate_on=data)
    for path in list(pairs.glob("astronaut.*")):
        path.unlink()
    with pytest.raises(InputError, match="all whom the run validated with before, astronaut"):
        train_renderer(pairs, out, config=config, net=SMALL)


@pytest.mark.parametrize("name", ["astronaut.photo.npz", "astronaut.frames.npy"])
def test_pairs_that_cannot_be_read_are_refused(data: Path, tmp_path: Path, name: str) -> None:
    pairs = tmp_path / "pairs"
    shutil.copytree(data, pairs)
    whole = (pairs / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b""):
        (pairs / name).write_bytes(damaged)
        with pytest.raises(InputError, match=r"expected the .*astronaut\.photo\.npz.*delete"):
            load_people(pairs)
    with (pairs / name).open("wb") as file:
        if name.endswith("npy"):
            np.save(file, np.zeros(4))
        else:
            np.savez(file, photo=np.zeros((8, 8, 3)), code=np.zeros((2, 8, 8)))
    with pytest.raises(InputError, match="expected pairs of this version"):
        load_people(pairs)
    (pairs / "astronaut.frames.npy").unlink()
    with pytest.raises(InputError, match="expected"):
        load_people(pairs)
    (pairs / "astronaut.photo.npz").unlink()  # as while somebody is being written
    assert [person.name for person in load_people(pairs)] == ["grace_hopper"]


def test_a_person_who_is_not_whole_is_not_there(tmp_path: Path) -> None:
    renderer = GeometricRenderer(create_avatar(PORTRAITS / "astronaut.png"), 256)
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*somebody\.photo\.npz"):
        write_person(tmp_path, "somebody", renderer, [])  # whose frames need little room
    drawn = rgb_of(renderer.render(renderer.photo_motion(), StageTimer()))
    moment = Moment(drawn, np.zeros((478, 2)), renderer.photo_motion())
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*other\.frames\.npy"):
        write_person(tmp_path, "other", renderer, [moment])
    assert [path.name for path in tmp_path.iterdir()] == ["somebody.frames.npy"] and not load_people(tmp_path)


def test_bad_settings_and_data_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="more than 0 pairs, got 0"):
        train_renderer(data, tmp_path, config=RendererTraining(pairs=0))
    with pytest.raises(SettingError, match="a learning rate of 0 or more"):
        train_renderer(data, tmp_path, config=RendererTraining(rate=float("nan")))
    with pytest.raises(SettingError, match="0 or more as the first number, got -1"):
        make_pairs(tmp_path, people=1, first=-1)
    with pytest.raises(SettingError, match="more than 0 steps"):
        train_renderer(data, tmp_path, config=RendererTraining(steps=0))
    with pytest.raises(InputError, match="expected pairs of two people"):
        train_renderer(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="expected pairs in"):
        train_renderer(data, tmp_path / "out", validate_on=tmp_path)


def test_people_are_split_whole() -> None:
    root = Path("videos")
    assert identity_of(root / "RD_Radio10_000.mp4", root) == "RD_Radio10"
    assert identity_of(root / "somebody" / "clip.mp4", root) == "somebody"
    parts = [split_of(f"person{n}") for n in range(2000)]
    shares = [parts.count(part) / 2000 for part in ("train", "validate", "test")]
    np.testing.assert_allclose(shares, (0.8, 0.1, 0.1), atol=0.03)


def test_videos_become_pairs(tmp_path: Path) -> None:
    avatar = create_avatar(PORTRAITS / "grace_hopper.jpg")
    renderer = GeometricRenderer(avatar, 256)
    jaws = (0.0, 0.0, 0.2, 0.4, 0.5, 0.5, 0.3)
    frames = [rgb_of(renderer.render(moved(jawOpen=jaw), StageTimer())) for jaw in jaws]
    videos = tmp_path / "videos"
    (videos / "hopper").mkdir(parents=True)
    write_video(videos / "hopper" / "speaks.mp4", frames, 25)
    write_video(videos / "nobody_0.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 5, 25)
    done = make_video_pairs(videos, tmp_path / "pairs")
    assert sum(done.values()) == 1
    people: list[Person] = load_people(tmp_path / "pairs" / split_of("hopper"))
    assert len(people) == 1 and len(people[0].frames) >= 6
    drawn, truth = (people[0].frames[name].astype(int) for name in ("drawn", "truth"))
    off, beside = np.abs(drawn - truth).mean(), np.abs(np.roll(drawn, 6, axis=2) - truth).mean()
    assert off < 0.6 * beside  # the avatar shows what the video does, where it does
    empty = tmp_path / "empty"
    empty.mkdir()
    (videos / "nobody_0.mp4").rename(empty / "nobody_0.mp4")
    with pytest.raises(InputError, match="none would do"):
        make_video_pairs(empty, tmp_path / "other")
