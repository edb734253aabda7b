"""One real head for all tests of the learned renderer."""

from pathlib import Path

import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar

HOPPER = Path(__file__).parents[4] / "engine" / "assets" / "portraits" / "grace_hopper.jpg"


@pytest.fixture(scope="session")
def hopper() -> Avatar:
    return create_avatar(HOPPER)
