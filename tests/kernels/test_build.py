"""The build of the kernels: caching, choosing, failing, and the same sources as CUDA."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kernels import build
from kernels.build import SOURCE_ROOT, SOURCES, KernelBuildError
from tests.kernels.test_rasterise import skip_without

ENTRIES = {
    "rasterise": {"rasterise_depth", "rasterise_resolve"},
    "composite": {"composite"},
    "colour": {"rgbx_to_i420"},
    "frame": {"frame_depth", "frame_paint", "frame_i420"},
    "warp": {"refine", "warp_image", "warp_features"},
}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that has chosen nothing yet, with an empty cache."""
    monkeypatch.setenv("VIVIDLIVE_CACHE", str(tmp_path))
    build.backend.cache_clear()
    build.library.cache_clear()
    yield tmp_path
    build.backend.cache_clear()
    build.library.cache_clear()


def test_builds_once(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("cpu")
    build.library.cache_clear()
    first = build.library()._name
    assert Path(first).is_relative_to(fresh)
    build.library.cache_clear()
    monkeypatch.setattr(subprocess, "run", None)
    assert build.library()._name == first
    assert [p.suffix for p in Path(first).parent.iterdir()] == [".so"]


@pytest.fixture
def read_only(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that cannot be written, not by root either, and an empty folder for temporary files."""
    temporary = fresh / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(build.tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(build, "_can_be_written", lambda folder: False)
    return temporary


def test_a_build_in_a_cache_that_cannot_be_written_is_used(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without("cpu")
    build.library.cache_clear()
    first = build.library()._name
    build.library.cache_clear()

    def refuse(**where: object) -> None:
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr(build.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(subprocess, "run", None)
    assert build.library()._name == first


def test_where_the_cache_cannot_be_written_nothing_is_left(
    read_only: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skip_without("cpu")
    build.library.cache_clear()
    assert Path(build.library()._name).is_relative_to(read_only)
    assert list(read_only.iterdir()) == []
    assert "set VIVIDLIVE_CACHE" in caplog.text


def test_without_a_compiler_the_portable_backend_runs(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fresh))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("VIVIDLIVE_KERNELS", raising=False)
    assert build.backend() == "portable"
    assert build.describe().startswith("portable")


def test_a_compiler_that_fails_is_reported(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("VIVIDLIVE_KERNELS", "cpu")
    with pytest.raises(KernelBuildError, match="false failed"):
        build.backend()
    assert list((fresh / "vividlive" / "kernels").iterdir()) == []


def test_a_backend_can_be_asked_for_by_name(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVIDLIVE_KERNELS", "portable")
    assert build.backend() == "portable"
    build.backend.cache_clear()
    monkeypatch.setenv("VIVIDLIVE_KERNELS", "quick")
    with pytest.raises(KernelBuildError, match="quick"):
        build.backend()


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_compiles_as_cuda(source: Path, tmp_path: Path) -> None:
    """The GPU branch compiles, exports its kernels, and contains nothing that rounds differently from a CPU."""
    nvcc = shutil.which("nvcc")
    if not nvcc:
        pytest.skip("no nvcc on this machine")
    ptx = tmp_path / "kernel.ptx"
    subprocess.run(
        [
            nvcc,
            "-ptx",
            "-arch=sm_90",
            "--std=c++17",
            "--fmad=false",
            "-I",
            str(SOURCE_ROOT),
            "-o",
            str(ptx),
            str(source),
        ],
        check=True,
        capture_output=True,
    )
    text = ptx.read_text()
    assert set(re.findall(r"\.visible \.entry (\w+)", text)) == ENTRIES[source.stem]
    assert "fma." not in text
    assert ".approx" not in text
