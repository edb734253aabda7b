"""Faces that come and go in a batch: everybody's picture is that of their own face, under emulation and on a device."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import DeviceLostError, SettingError, UnavailableError
from engine.motion.values import Motion, rest
from engine.pipeline import DEVICES, Engine, EngineSettings
from engine.render import cuda_rows
from engine.render.cuda_rows import CudaRows
from engine.render.geometric import GeometricRenderer
from kernels.cuda import CudaUnavailableError, launcher
from tests.engine.render.made_up import SIDE, landmarked_avatar, mouth_avatar, sheet_avatar
from tests.engine.render.neural.nets import small_weights
from tests.engine.render.test_cuda import alone, assert_alike
from tests.engine.render.test_cuda_drive import motions
from tests.engine.render.test_cuda_neural import LOUDNESS, MOST_LEVELS_OFF, SAME_SHARE
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

MakeRows = Callable[[], CudaRows]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def make(drawing: dict[str, Any]) -> MakeRows:
    """Makes rows, under emulation or on a device."""
    return partial(CudaRows, **drawing)


def test_holders_come_go_and_change_their_faces(make: MakeRows) -> None:
    """Also those who want nothing for a while, larger faces than any before, and a row that moves to another place."""
    rows = make()
    faces = {gap: GeometricRenderer(mouth_avatar(gap), SIDE) for gap in (4, 12, 20)}
    larger = GeometricRenderer(sheet_avatar(), SIDE)
    talk = motions()[:6]

    def check(*wanted: tuple[str, GeometricRenderer, Motion]) -> None:
        pictures, device_ms = rows.draw([(*one, 1.0) for one in wanted])
        assert len(pictures) == len(wanted) and set(device_ms) >= {"drive", "colour"}
        for (_, face, motion), picture in zip(wanted, pictures, strict=True):
            assert_alike(picture, alone(face, motion))

    check(("a", faces[4], talk[0]))
    check(("b", faces[12], talk[1]), ("a", faces[4], talk[2]))
    check(("c", larger, talk[3]))
    check(("c", larger, talk[4]), ("a", faces[4], talk[4]), ("b", faces[12], talk[5]))
    rows.free("a")
    check(("b", faces[12], talk[0]), ("c", larger, talk[1]))
    check(("b", faces[20], talk[2]))
    check(("a", faces[12], talk[3]), ("c", faces[4], talk[2]), ("b", faces[20], talk[1]))
    for holder in ("a", "b", "c", "nobody"):
        rows.free(holder)
    check(("d", larger, talk[0]))
    assert rows.draw([]) == ([], {})


def test_pictures_belong_to_those_who_asked(make: MakeRows) -> None:
    rows = make()
    face = GeometricRenderer(mouth_avatar(12), SIDE)
    (first,), _ = rows.draw([("a", face, rest(0), 1.0)])
    kept = first.copy()
    for motion in motions()[:5]:
        rows.draw([("a", face, motion, 1.0)])
    np.testing.assert_array_equal(first, kept)


def test_a_device_that_fails_is_said_to_be_lost(
    emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without("cpu")
    rows = CudaRows(kernels=emulated, device="cpu")
    wanted = [(name, GeometricRenderer(mouth_avatar(12), SIDE), rest(0), 1.0) for name in "ab"]
    rows.draw(wanted)

    def fails(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(cuda_rows.CudaRenderer, "render", fails)
    monkeypatch.setattr(cuda_rows.CudaRenderer, "set_face", fails)
    with pytest.raises(DeviceLostError, match="the GPU failed: .*illegal memory access"):
        rows.draw(wanted)
    rows.free("a")  # does not touch the device


@pytest.fixture
def emulated_rows(emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines whose device is "cuda" draw under emulation."""
    skip_without("cpu")
    monkeypatch.setattr(cuda_rows, "CudaRows", lambda badge: CudaRows(badge, kernels=emulated, device="cpu"))


@pytest.mark.usefixtures("emulated_rows")
def test_sessions_of_an_engine_are_drawn_as_by_the_cpu() -> None:
    avatars = [mouth_avatar(12), sheet_avatar()]
    gpu, cpu = (Engine(EngineSettings(size=256, badge=True, device=device)) for device in DEVICES[::-1])
    assert (gpu.at_once, cpu.at_once) == (64, 1)
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    drawn = {}
    for engine in (gpu, cpu):
        sessions = [engine.session(avatar, seed=seed) for seed, avatar in enumerate(avatars)]
        for session in sessions:
            session.push_audio(sound)
        pairs = list(zip(*(session.motions() for session in sessions), strict=True))
        drawn[engine] = [engine.draw(sessions, pair) for pair in pairs[:3]]
        drawn[engine].append([sessions[1].render(pairs[3][1])])
        for session in sessions:
            session.close()
    for ours, want in zip(drawn[gpu], drawn[cpu], strict=True):
        for one, other in zip(ours, want, strict=True):
            assert one.number == other.number
            np.testing.assert_array_equal(one.samples, other.samples)
            assert_alike(one.i420, other.i420)
    assert {"motion", "drive", "skin", "detail", "colour"} <= set(drawn[gpu][0][0].stage_ms)
    with pytest.raises(UnavailableError, match="a GPU hands over I420 alone"):
        _ = drawn[gpu][0][0].rgb


@pytest.mark.usefixtures("emulated_rows")
def test_networks_fade_in_and_out_session_by_session(tmp_path: Path) -> None:
    """Two sessions, of which the second one's networks went first: in every frame both are as the CPU has them."""
    weights = small_weights(tmp_path, loudness=LOUDNESS)
    gpu, cpu = (
        Engine(EngineSettings(size=256, quality="neural", runtime="torch", weights=weights, device=device))
        for device in DEVICES[::-1]
    )
    talk = motions()[1]
    drawn = {}
    for engine in (gpu, cpu):
        sessions = [engine.session(landmarked_avatar(gap)) for gap in (12, 4)]
        drawn[engine] = [sessions[1].render(talk, neural=False) for _ in range(2)]
        for neural in (True, False):
            drawn[engine] += engine.draw(sessions, [talk, talk], neural=neural)
    strongest = np.abs(drawn[cpu][2].i420.astype(int) - drawn[cpu][0].i420).max()
    assert strongest > 8
    for one, other in zip(drawn[gpu], drawn[cpu], strict=True):
        off = np.abs(one.i420.astype(int) - other.i420)
        assert (off <= MOST_LEVELS_OFF).mean() >= SAME_SHARE, off.max()


def test_an_engine_says_what_a_gpu_lacks() -> None:
    with pytest.raises(SettingError, match="expected a device of cpu, cuda, got 'gpu'"):
        EngineSettings(device="gpu")  # type: ignore[arg-type]
    try:
        launcher()
    except CudaUnavailableError:
        with pytest.raises(UnavailableError, match="expected a CUDA device"):
            Engine(EngineSettings(device="cuda"))
