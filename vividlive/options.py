"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
