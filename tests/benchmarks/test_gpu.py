"""The GPU's benchmark and its checks, run under emulation; and what they need to be importable."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu, gpu_kernels, gpu_session
from benchmarks.candidate import WrongAnswerError
from benchmarks.gpu import Pack, measure, missed_bars
from benchmarks.gpu_pack import make_pack
from benchmarks.tables import rows_of
from engine.render.cuda_batch import CudaBatch
from kernels.composite import reference as composite_reference
from kernels.warp import reference as warp_reference
from tests.engine.render.made_up import mouth_avatar
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


def test_a_wrong_frame_is_not_timed(pack: Pack, emulated: EmulatedLauncher) -> None:
    wrong = Pack(pack.room, pack.face, pack.badge, pack.told, pack.frames[::-1])
    with pytest.raises(WrongAnswerError, match="the GPU's frame 0 differs"):
        measure(wrong, frames=1, batches=(1,), kernels=emulated, device="cpu")


def test_a_kernel_moves_what_is_counted_for_its_layers(pack: Pack, emulated: EmulatedLauncher) -> None:
    batch = CudaBatch([pack.face], pack.room, emulated, device="cpu")
    batch.next_controls(1)[:] = pack.told[:1]
    batch.render(1)
    moved = gpu_kernels._moved(batch, pack)
    assert moved["colour"] == SIZE * SIZE * 11 // 2
    # Keys emptied, the background read and the frame written are the least of the skin.
    assert 24 * SIZE * SIZE < moved["skin"] and 0 < moved["details"]


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


def test_a_machine_with_torch_and_numpy_alone_can_run_it() -> None:
    """Every other package of ours is refused, as on a bare machine with a GPU."""
    code = (
        f"import sys\nfor name in {BARE!r}:\n    sys.modules[name] = None\n"
        "import benchmarks.gpu_session\nfrom kernels.cuda import CudaUnavailableError, launcher\n"
        "try:\n    launcher()\nexcept CudaUnavailableError:\n    pass\nprint('imported')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr
