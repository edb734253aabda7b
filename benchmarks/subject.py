"""Whom benchmarks draw."""

from pathlib import Path
from typing import Final

from benchmarks.machine import ROOT
from engine.avatar.avatar import Avatar

PORTRAIT: Final = ROOT / "engine" / "assets" / "portraits" / "grace_hopper.jpg"


def bundled_avatar(bundle: Path | None = None) -> Avatar:
    """The avatar in ``bundle``; without it one is made of the bundled portrait."""
    if bundle is not None:
        return Avatar.load(bundle)
    from engine.avatar.create import create_avatar

    return create_avatar(PORTRAIT, rights="public-domain")
