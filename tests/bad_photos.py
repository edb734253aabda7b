"""Photos that cannot become an avatar, made from a bundled portrait, each with words that its refusal must hold."""

import io
from pathlib import Path
from typing import Final

from PIL import Image

HOPPER: Final = Path(__file__).parents[1] / "engine" / "assets" / "portraits" / "grace_hopper.jpg"


def _encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def bad_photos() -> dict[str, tuple[bytes, str]]:
    """Name to the file's bytes and what the refusal says."""
    portrait = Image.open(HOPPER).convert("RGB")
    width, height = portrait.size
    two = Image.new("RGB", (2 * width, height))
    two.paste(portrait, (0, 0))
    two.paste(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (width, 0))
    small = Image.new("RGB", (width, height), (90, 110, 140))
    small.paste(
        portrait.resize((width // 5, height // 5)), (width // 3, height // 3)
    )  # a face of about 40 px
    whole = HOPPER.read_bytes()
    corrupt = bytearray(whole)
    corrupt[2:400] = bytes(398)
    return {
        "no face": (_encoded(portrait.crop((0, 0, 120, 120)).resize((480, 480))), "face"),
        "two faces": (_encoded(two), "2"),
        "a face of 40 px": (_encoded(small), "64"),
        "tilted by 45 degrees": (_encoded(portrait.rotate(45, expand=True)), "tilted by about"),
        "corrupt": (bytes(corrupt), "expected"),
        "truncated": (whole[: len(whole) // 3], "expected"),
        "30,000 px": (_encoded(Image.new("L", (30_000, 200))), "30000"),
        "a text file": (b"This is no picture.\n" * 50, "expected a photo"),
        "empty": (b"", "expected a photo"),
    }
