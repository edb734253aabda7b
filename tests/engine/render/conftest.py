"""What tests of drawing share."""

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from kernels.cuda import CudaUnavailableError, launcher
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

PORTRAITS = Path(__file__).parents[3] / "engine" / "assets" / "portraits"


@pytest.fixture(scope="session")
def portraits() -> list[Avatar]:
    """The bundled people; the second one's photo has an expression of its own."""
    return [
        create_avatar(PORTRAITS / name, rights="public-domain")
        for name in ("grace_hopper.jpg", "astronaut.png")
    ]


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> EmulatedLauncher:
    """The kernels that draw batches, emulated on the CPU."""
    return EmulatedLauncher(tmp_path_factory.mktemp("emulated"), ("frame", "rasterise", "warp"))


@pytest.fixture
def one_thread() -> None:
    """Batches this small are slower with torch's threads, far slower on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def drawing(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What ``CudaRenderer`` and the like are told to draw with: kernels under emulation, and a device where there is one."""
    skip_without("cpu")
    if request.param == "emulated":
        return {"kernels": request.getfixturevalue("emulated"), "device": "cpu"}
    try:
        launcher()
    except CudaUnavailableError as error:
        pytest.skip(str(error))
    return {}
