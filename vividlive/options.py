"""Options that several commands share."""

from typing import Annotated

import typer

JsonOption = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to PATH, or - for stdout.")
]
LookAheadOption = Annotated[
    int, typer.Option(help="How far the motion listens ahead: 80, or 40 for less delay.")
]
