"""The GPU's benchmark and its checks, run under emulation; and what they need to be importable."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu, gpu_kernels, gpu_session
from benchmarks.candidate import WrongAnswerError
from benchmarks.gpu import Pack, measure, missed_bars
from benchmarks.gpu_networks import RANDOM
from benchmarks.gpu_pack import HEARD_FRAMES, make_neural_pack, make_pack, packed_motion
from benchmarks.tables import rows_of
from engine.errors import SettingError, UnavailableError
from engine.motion.stage import WEIGHTS
from engine.render.cuda_batch import REFINED_STAGES, CudaBatch
from engine.render.cuda_neural import NEURAL_STAGES
from engine.speech.hearing import HEARD
from engine.training.face_motion_weights import load_weights
from engine.training.motion_runtimes import TOLERANCE, largest_difference, open_torch
from kernels.composite import reference as composite_reference
from kernels.warp import reference as warp_reference
from tests.engine.render.made_up import landmarked_avatar, mouth_avatar
from tests.engine.render.neural.nets import SMALL, small_weights
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

SIZE = 96
BARE = (
    "cv2",
    "PIL",
    "av",
    "safetensors",
    "scipy",
    "rich",
    "typer",
    "pydantic",
    "playwright",
    "ai_edge_litert",
    "pytest",
)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> EmulatedLauncher:
    return EmulatedLauncher(tmp_path_factory.mktemp("emulated"))


@pytest.fixture(scope="module")
def pack() -> Pack:
    skip_without("cpu")
    return make_pack(mouth_avatar(12), SIZE, checked=3)


@pytest.fixture(scope="module")
def neural_pack() -> Pack:
    """With small random networks."""
    skip_without("cpu")
    return make_neural_pack(landmarked_avatar(12), SIZE, checked=3, config=SMALL)


def test_a_pack_comes_back_from_its_file(pack: Pack, tmp_path: Path) -> None:
    pack.save(tmp_path / "pack.npz")
    back = Pack.load(tmp_path / "pack.npz")
    assert back.room == pack.room and (back.face.size, back.face.scale) == (SIZE, 1.0)
    assert np.array_equal(back.told, pack.told) and np.array_equal(back.frames, pack.frames)
    assert back.face.arrays.keys() == pack.face.arrays.keys()
    for made, given in zip(back.face.layers, pack.face.layers, strict=True):
        assert np.array_equal(made.triangles, given.triangles) and np.array_equal(made.atlas, given.atlas)
        assert (made.box, made.attributes, made.first, made.fades) == (
            given.box,
            given.attributes,
            given.first,
            given.fades,
        )


def test_batches_are_checked_and_timed(pack: Pack, emulated: EmulatedLauncher) -> None:
    result = measure(pack, frames=2, batches=(1, 2), kernels=emulated, device="cpu")
    names = {row["name"] for row in result["gpu"]}
    assert {"device: drive", "device: skin", "device: detail", "device: colour", gpu.WHOLE} < names
    assert {row["batch"] for row in rows_of(result)} == {1, 2}
    assert all(row["median_ms"] >= 0 for row in result["gpu"])
    whole = next(row for row in result["gpu"] if row["batch"] == 1 and row["name"] == gpu.WHOLE)
    whole["median_ms"], result["sessions_at_25_fps"] = 3.5, 16
    assert len(missed_bars(result)) == 2 and "got 16" in missed_bars(result)[1]


def test_neural_batches_are_checked_and_timed(
    neural_pack: Pack, emulated: EmulatedLauncher, tmp_path: Path
) -> None:
    """From the file, as on the machine that has a GPU; the same pack measures geometric frames, which need less."""
    neural_pack.save(tmp_path / "pack.npz")
    pack = Pack.load(tmp_path / "pack.npz")
    how = {"frames": 2, "batches": (1, 2), "kernels": emulated, "device": "cpu"}
    result, plain = measure(pack, quality="neural", **how), measure(pack, **how)  # type: ignore[arg-type]
    names = {row["name"] for row in result["gpu"]}
    assert {f"device: {stage}" for stage in REFINED_STAGES} | {gpu.WHOLE} < names
    assert not {f"device: {stage}" for stage in NEURAL_STAGES} & {row["name"] for row in plain["gpu"]}
    assert result["bytes_per_session"] > plain["bytes_per_session"] + 4 * 8 * 256 * 256
    assert result["settings"]["quality"] == "neural" and result["settings"]["networks"] == RANDOM
    assert "for timing alone" in RANDOM and "networks" not in plain["settings"]


def test_weights_that_are_given_are_named(emulated: EmulatedLauncher, tmp_path: Path) -> None:
    given = make_neural_pack(landmarked_avatar(12), SIZE, checked=1, weights=small_weights(tmp_path))
    assert given.networks is not None and given.networks.name.startswith("renderer.safetensors ")
    with pytest.raises(UnavailableError, match=r"none\.safetensors"):
        make_neural_pack(landmarked_avatar(12), SIZE, weights=tmp_path / "none.safetensors")


def test_a_wrong_neural_frame_is_not_timed(neural_pack: Pack, pack: Pack, emulated: EmulatedLauncher) -> None:
    assert neural_pack.networks is not None
    silent = replace(neural_pack.networks, frames=neural_pack.frames)  # as if the networks did nothing
    with pytest.raises(WrongAnswerError, match="the GPU's neural frame 1 differs"):
        measure(
            replace(neural_pack, networks=silent),
            quality="neural",
            frames=1,
            batches=(1,),
            kernels=emulated,
            device="cpu",
        )
    with pytest.raises(SettingError, match="expected a pack with networks"):
        measure(pack, quality="neural", kernels=emulated, device="cpu")


def test_a_wrong_frame_is_not_timed(pack: Pack, emulated: EmulatedLauncher) -> None:
    wrong = Pack(pack.room, pack.face, pack.badge, pack.told, pack.frames[::-1])
    with pytest.raises(WrongAnswerError, match="the GPU's geometric frame 0 differs"):
        measure(wrong, frames=1, batches=(1,), kernels=emulated, device="cpu")


def test_a_kernel_moves_what_is_counted_for_its_layers(pack: Pack, emulated: EmulatedLauncher) -> None:
    batch = CudaBatch([pack.face], pack.room, emulated, device="cpu")
    batch.next_controls(1)[:] = pack.told[:1]
    batch.render(1)
    moved = gpu_kernels._moved(batch, pack)
    assert moved["colour"] == SIZE * SIZE * 11 // 2
    # Keys emptied, the background read and the frame written are the least of the skin.
    assert 24 * SIZE * SIZE < moved["skin"] and 0 < moved["details"]


def test_warps_move_what_is_counted_for_them(neural_pack: Pack, emulated: EmulatedLauncher) -> None:
    """As many bytes as the tensors have that each reads and writes, boxes aside."""
    batch = neural_pack.batch("geometric", 1, emulated, "cpu")
    batch.next_controls(1)[:] = neural_pack.told[:1]
    batch.render(1)
    moved = gpu_kernels._moved(batch, neural_pack)
    runs = gpu_kernels.warp_runs(neural_pack, 1, emulated, "cpu", sets=1)
    assert set(runs) == set(moved) - {"skin", "details", "colour"}
    for name, (run,) in runs.items():
        tensors = [part for part in run.args[3] if hasattr(part, "shape") and part.shape != (1, 3)]
        run()
        assert emulated.launched[-1][0] == name
        # The view is the whole frame, as this face's landmarks are all over it.
        assert moved[name] == sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert gpu_kernels.warp_runs(replace(neural_pack, networks=None), 1, emulated, "cpu") == {}


def test_the_session_checks_every_kernel(emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rasterise", "composite", "colour", "warp"):
        monkeypatch.setattr(f"kernels.{module}.cuda.launcher", lambda: emulated)
    monkeypatch.setattr(gpu_session, "launcher", lambda: emulated)
    checks = gpu_session.check_rasterise, gpu_session.check_composite, gpu_session.check_colour
    for check in (*checks, gpu_session.check_warp):
        assert check("cpu") > 3
    assert gpu_session.check_layers("cpu") == 9
    monkeypatch.setattr(composite_reference, "SMOOTH_TEXELS", np.float32(400))
    with pytest.raises(AssertionError, match="of the values differ"):
        gpu_session.check_composite("cpu")
    monkeypatch.setattr(warp_reference, "HALF", np.float32(0.4))
    with pytest.raises(AssertionError, match="of the values differ"):
        gpu_session.check_warp("cpu")


def test_the_motion_in_a_pack_is_the_one_that_ships(pack: Pack, tmp_path: Path) -> None:
    replace(pack, motion=packed_motion()).save(tmp_path / "pack.npz")
    back = Pack.load(tmp_path / "pack.npz").motion
    assert back is not None and back.name.startswith("face_motion.safetensors ")
    assert back.heard.shape == (HEARD_FRAMES, HEARD)
    shipped = load_weights(WEIGHTS[80])
    assert back.config == shipped.config
    assert largest_difference(open_torch(back.net(), 2), shipped) < TOLERANCE
    off = dict(back.tensors)
    off["embed.0.bias"] = off["embed.0.bias"] + np.float16(0.1)
    assert largest_difference(open_torch(replace(back, tensors=off).net(), 2), shipped) > TOLERANCE


def test_a_machine_with_torch_and_numpy_alone_can_run_it(pack: Pack, tmp_path: Path) -> None:
    """Every other package of ours is refused, as on a bare machine with a GPU."""
    replace(pack, motion=packed_motion()).save(tmp_path / "pack.npz")
    code = (
        f"import sys\nfor name in {BARE!r}:\n    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from benchmarks import gpu_motion, gpu_session\nfrom kernels.cuda import CudaUnavailableError, launcher\n"
        "try:\n    launcher()\nexcept CudaUnavailableError:\n    pass\n"
        f"motion = gpu_session.Pack.load(Path({str(tmp_path / 'pack.npz')!r})).motion\n"
        "gpu_motion.BATCHES = (1, 3)\n"
        "for row in gpu_motion.measure_motion(motion, 'cpu')['motion']:\n"
        "    print(row['name'], row['streams'], row['median_ms'] > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "torch, 1 on cpu 1 True\ntorch, 3 on cpu 3 True\n", done.stderr
