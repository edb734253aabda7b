"""Opens a picture file as upright RGB, or says in one line why it cannot be used."""

import io
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
from numpy.typing import NDArray

from engine.errors import PhotoError

MAX_FILE_BYTES: Final = 64 * 2**20
MAX_SIDE_PX: Final = 12_000
MAX_PIXELS: Final = 64_000_000
MIN_SIDE_PX: Final = 64

FORMATS: Final = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
EXPECTED: Final = "expected a photo (JPEG, PNG, WebP, BMP, TIFF, GIF)"
TAKEN: Final = "expected a photo as a path, the bytes of a file, or an array, uint8 [H, W, 3] in RGB"

BACKDROP: Final = (128, 128, 128)  # seen through transparent parts

Image = NDArray[np.uint8]


def open_photo(source: str | Path | bytes) -> Image:
    """Read a picture: the first one where the file holds several.

    Convention:
        source: a file's path or its bytes. Orientation tags are applied, transparent parts lie over grey,
        embedded colour profiles become sRGB.

    Returns:
        uint8 [H, W, 3], RGB, upright.

    Raises:
        PhotoError: no such file, empty, too large, damaged, or no picture at all. Sizes are checked from the
            header, before any pixel is decoded.
    """
    data = _read(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow warns of sizes, which are checked here, and of odd metadata
            with PIL.Image.open(io.BytesIO(data), formats=_formats()) as picture:
                _check_size(*picture.size)
                picture.load()
                return _to_rgb(_as_tagged(picture))
    except PhotoError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise PhotoError(f"{_size_expected()}, got a larger one: make it smaller") from error
    except PIL.UnidentifiedImageError as error:
        raise PhotoError(f"{EXPECTED}, got {_kind(data)}: save it in one of these formats") from error
    except Exception as error:  # decoders raise errors of every kind on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(f"{EXPECTED}, got a damaged file ({reason}): save or send it again") from error


def check_picture(picture: Image) -> None:
    """Accept uint8 [H, W, 3] of the sizes that files may have.

    Raises:
        PhotoError: anything else.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise PhotoError(f"{TAKEN}, got {picture.dtype} {list(picture.shape)}: convert it")
    _check_size(picture.shape[1], picture.shape[0])


def _read(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        size, data = len(source), source
    elif not isinstance(source, (str, Path)):
        raise PhotoError(f"{TAKEN}, got {type(source).__name__}: convert it")
    else:
        path = Path(source)
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise PhotoError(f"{EXPECTED} at {path}, got {found}: check the path")
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= MAX_FILE_BYTES else b""
        except OSError as error:
            raise PhotoError(f"{EXPECTED} at {path}, which cannot be read: {error.strerror}") from error
    if size == 0:
        raise PhotoError(f"{EXPECTED}, got an empty file: save or send it again")
    if size > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise PhotoError(
            f"expected a photo of at most {limit} MiB, got {size / 2**20:.0f} MiB: make it smaller"
        )
    return data


def _formats() -> list[str]:
    """The accepted formats that this Pillow can decode (AVIF came late)."""
    PIL.Image.init()
    return [name for name in FORMATS if name in PIL.Image.OPEN]


def _size_expected() -> str:
    return f"expected a photo of at most {MAX_SIDE_PX} px a side and {MAX_PIXELS // 10**6} megapixels"


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise PhotoError(f"{_size_expected()}, got {width} x {height} px: make it smaller")
    if min(width, height) < MIN_SIDE_PX:
        raise PhotoError(
            f"expected a photo of at least {MIN_SIDE_PX} px a side, got {width} x {height} px: use a larger one"
        )


def _kind(data: bytes) -> str:
    """What a file that is no picture looks like."""
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "a HEIC picture"
    if b"\0" not in data[:4096]:
        try:
            data[:4000].decode("utf-8", errors="strict")
            return "a text file"
        except UnicodeDecodeError as error:
            if error.start > 3990:  # the cut fell into a character
                return "a text file"
    return "a file of another kind"


def _as_tagged(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The picture turned as its orientation tag says, or as it is where its metadata is damaged."""
    try:
        return PIL.ImageOps.exif_transpose(picture)
    except Exception:  # Pillow raises errors of every kind on damaged metadata
        return picture


def _to_rgb(picture: PIL.Image.Image) -> Image:
    """Any of Pillow's pixel formats as 8-bit RGB."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _deep_grey(np.asarray(picture))
    profile = picture.info.get("icc_profile")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        backdrop = PIL.Image.new("RGBA", layer.size, (*BACKDROP, 255))
        picture = PIL.Image.alpha_composite(backdrop, layer).convert("RGB")
    elif picture.mode == "P":
        picture = picture.convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = PIL.ImageCms.createProfile("sRGB")
            converted = PIL.ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if converted is not None:
                return np.array(converted)
        except (PIL.ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass  # a broken profile: the plain colours are still a usable picture
    return np.array(picture.convert("RGB"))


def _deep_grey(values: NDArray[np.generic]) -> Image:
    """Greyscale of 16 or 32 bits, or of floats in [0, 1] or [0, 255]."""
    grey = np.nan_to_num(np.asarray(values, np.float64))
    top = float(grey.max(initial=0.0))
    full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else max(65535.0, top)
    levels = np.clip(np.rint(grey * (255.0 / full)), 0, 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)
