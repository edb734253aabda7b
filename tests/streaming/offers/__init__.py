"""Offers as Chromium 156 and Firefox 153 make them, for tests.

whip: a microphone and a camera in two sizes (simulcast), bundle-only after the first m-line. whep: receives sound and
picture, gathered to the end. page: as our page makes it, before the first candidate.
"""

from pathlib import Path
from typing import Final

NAMES: Final = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.sdp")))


def recorded(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sdp").read_bytes().decode()
