"""What tests of drawing share."""

from pathlib import Path

import pytest
import torch

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from tests.kernels.emulated import EmulatedLauncher

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
