"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from engine.errors import SettingError

JsonOption = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to PATH, or - for stdout.")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        help="The networks' weights, as `vividlive train renderer` writes them; else engine/assets/renderer.safetensors.",
        show_default=False,
    ),
]
LookAheadOption = Annotated[
    int, typer.Option(help="How far the motion listens ahead: 80, or 40 for less delay.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of blinks, gaze and head motion.")]
ExpressivenessOption = Annotated[
    float, typer.Option(help="How lively mouth and brows are in speech: 0 to 2, 1 is natural.")
]
HeadMotionOption = Annotated[float, typer.Option(help="How far the head moves: 0 to 2, 1 is natural.")]
MoodOption = Annotated[float, typer.Option(help="What the face wears: -1 is sad, 0 calm, 1 cheerful.")]
"""The manner of speech, for ``MotionStyle``, which refuses what is out of range."""


def refuse_given(choice: str, given: dict[str, bool]) -> None:
    """Refuse options that a choice does not heed."""
    if any(given.values()):
        named = ", ".join(name for name, differs in given.items() if differs)
        raise SettingError(f"expected {choice} without {named}, which it does not heed: leave that out")
