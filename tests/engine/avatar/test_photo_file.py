"""Reading pictures of every kind: the right pixels, or one clear line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from engine.avatar.landmarks import Image
from engine.avatar.photo_file import MAX_FILE_BYTES, open_photo
from engine.errors import PhotoError


def encoded(image: PIL.Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(mode: str = "RGB") -> PIL.Image.Image:
    """96 x 80, brighter to the right, redder below."""
    red, grey = np.mgrid[0:80, 0:96]
    colours = np.stack([red * 2, grey * 2, grey * 0 + 40], axis=2).astype(np.uint8)
    return PIL.Image.fromarray(colours).convert(mode)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def message_of(source: str | Path | bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        open_photo(source)
    message = str(caught.value)
    assert "expected" in message and "\n" not in message and len(message) < 300
    return message


def test_plain_picture_from_path_and_bytes(tmp_path: Path) -> None:
    data = encoded(ramp(), "PNG")
    path = tmp_path / "ramp.png"
    path.write_bytes(data)
    expected = np.asarray(ramp())
    for source in (data, path, str(path)):
        photo = open_photo(source)
        assert photo.dtype == np.uint8 and photo.flags.writeable
        np.testing.assert_array_equal(photo, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tag_is_applied(orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    upright = np.asarray(ramp())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    data = encoded(PIL.Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(open_photo(data), upright)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage!", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\1"])
def test_damaged_metadata_leaves_the_picture(kind: str, exif: bytes) -> None:
    photo = open_photo(encoded(ramp(), kind, exif=exif))
    assert np.abs(photo.astype(int) - np.asarray(ramp())).mean() < 4


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "L"), ("JPEG", "CMYK")]
    + [(kind, mode) for kind in ("PNG", "TIFF") for mode in ("L", "P", "1", "LA", "RGBA")]
    + [("TIFF", "CMYK"), ("WEBP", "RGBA"), ("BMP", "P"), ("GIF", "P")],
)
def test_other_pixel_formats(kind: str, mode: str) -> None:
    data = encoded(ramp(mode), kind)
    photo = open_photo(data)
    assert photo.shape == (80, 96, 3)
    difference = photo.astype(int) - np.asarray(ramp(mode).convert("RGB"))
    assert np.abs(difference).mean() < 4  # JPEG's and WebP's loss


def swapped_profile() -> bytes:
    """sRGB with the places of red and blue swapped: what a picture's numbers mean shows at once."""
    profile = bytearray(PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count)]
    red, blue = (
        slice(start, start + length)
        for wanted in (b"rXYZ", b"bXYZ")
        for name, start, length in tags
        if name == wanted
    )
    profile[red], profile[blue] = profile[blue], profile[red]
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "transparent P"])
def test_colour_profile_counts(mode: str) -> None:
    image = PIL.Image.new("RGB", (64, 64), (204, 51, 102)).convert(mode.split()[-1])
    options = {"transparency": 255} if mode.startswith("transparent") else {}
    photo = open_photo(encoded(image, "PNG", icc_profile=swapped_profile(), **options))
    np.testing.assert_allclose(photo[30, 30], (102, 51, 204), atol=2)


def test_transparency_lies_over_grey() -> None:
    image = PIL.Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (0, 0, 32, 64))
    photo = open_photo(encoded(image, "PNG"))
    assert tuple(photo[5, 5]) == (128, 128, 128) and tuple(photo[5, 60]) == (255, 0, 0)


def test_sixteen_bits_keep_their_levels() -> None:
    levels = np.linspace(0, 65535, 100).astype(np.uint16) * np.ones((70, 1), np.uint16)
    photo = open_photo(encoded(PIL.Image.fromarray(levels), "PNG"))
    np.testing.assert_allclose(photo[10, :, 1], np.linspace(0, 255, 100), atol=1)


def test_animation_gives_its_first_picture() -> None:
    pictures = [PIL.Image.new("RGB", (70, 70), colour) for colour in ("red", "blue")]
    data = encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    assert tuple(open_photo(data)[30, 30]) == (255, 0, 0)


@pytest.mark.parametrize(
    ("width", "height"), [(30_000, 30_000), (30_000, 100), (100, 30_000), (11_000, 11_000)]
)
def test_huge_picture_is_refused_from_its_header(width: int, height: int) -> None:
    assert "at most" in message_of(png_header(width, height))


def test_real_huge_picture_is_refused() -> None:
    assert "30000 x 200" in message_of(encoded(PIL.Image.new("L", (30_000, 200)), "PNG"))


def test_tiny_picture_is_refused() -> None:
    assert "at least" in message_of(encoded(PIL.Image.new("RGB", (1, 1)), "PNG"))


def test_other_files_are_named(tmp_path: Path) -> None:
    assert "text file" in message_of(b"This is no photo, whatever its name says.\n" * 300)
    assert "text file" in message_of(("ü" * 5000).encode())
    assert "empty" in message_of(b"")
    assert "HEIC" in message_of(b"\0\0\0\x18ftypheic" + b"\0" * 100)
    assert "no such file" in message_of(tmp_path / "missing.jpg")
    assert "a folder" in message_of(tmp_path)
    message_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n")  # never handed to an interpreter
    message_of(bytes(range(256)) * 20)


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "MiB" in message_of(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_truncated_picture_is_refused(hopper: Image, kind: str, share: float) -> None:
    data = encoded(PIL.Image.fromarray(hopper), kind)
    message_of(data[: int(len(data) * share)])


def test_damaged_pictures_never_raise_anything_else(hopper: Image) -> None:
    small = PIL.Image.fromarray(hopper).resize((128, 150))
    rng = np.random.default_rng(7)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        data = np.frombuffer(encoded(small, kind), np.uint8)
        for _ in range(25):
            broken = data.copy()
            broken[rng.integers(0, len(data), 40)] = rng.integers(0, 256, 40)
            try:
                photo = open_photo(broken.tobytes())
            except PhotoError:
                continue
            assert photo.ndim == 3 and photo.dtype == np.uint8
