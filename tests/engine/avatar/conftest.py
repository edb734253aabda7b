"""The bundled portraits, and one landmarker for all tests of this folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.landmarks import FaceLandmarker, Image

PORTRAITS = Path(__file__).parents[3] / "engine" / "assets" / "portraits"


def _read(name: str) -> Image:
    picture = cv2.imread(str(PORTRAITS / name))
    assert picture is not None
    image = np.ascontiguousarray(picture[:, :, ::-1], np.uint8)
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="session")
def hopper() -> Image:
    return _read("grace_hopper.jpg")


@pytest.fixture(scope="session")
def astronaut() -> Image:
    return _read("astronaut.png")
