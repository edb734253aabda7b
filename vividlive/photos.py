"""From a photo on the command line to an avatar."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vividlive.terminal import progress_bar, warn

if TYPE_CHECKING:
    from engine.avatar.avatar import Avatar


class RightsChoice(StrEnum):
    """On what ground the person's picture is used."""

    self_ = "self"
    permission = "permission"
    public_domain = "public-domain"
    fictional = "fictional"
    unstated = "unstated"


RightsOption = Annotated[RightsChoice, typer.Option(help="On what ground you may animate this face.")]
FaceOption = Annotated[
    int | None, typer.Option(help="Which face, counted from 0, when the photo shows several.")
]


def make_avatar(photo: Path, rights: RightsChoice, face: int | None) -> "Avatar":
    """Make an avatar, with a progress bar, and a warning when nobody said that the person agrees."""
    from engine.avatar.avatar import Avatar

    if rights is RightsChoice.unstated:
        warn("--rights was not given: animate only faces whose owners agree (ACCEPTABLE_USE.md)")
    with progress_bar("making the avatar") as advance:
        return Avatar.from_photo(
            photo, rights=rights.value, face=face, progress=lambda _step, fraction: advance(fraction)
        )
