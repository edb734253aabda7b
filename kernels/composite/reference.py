"""The definition of compositing in NumPy.

Convention: as in ``kernels.composite``. Texture coordinates become whole 1/256 texels, shade whole 1/256; all
arithmetic after that is on whole numbers, rounded to nearest.
"""

import numpy as np
from numpy.typing import NDArray

SMOOTH_TEXELS = np.float32(8)
OPAQUE = 256


def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
    factor: int = 1,
    opacity: int = OPAQUE,
) -> None:
    """See ``kernels.composite``."""
    under = _channels(background)[..., :3]
    u, v, shade = planes
    drawn = triangle >= 0
    if factor == 1:
        colour = np.where(drawn[..., None], _over(u, v, shade, atlas, under, opacity), under)
    else:
        corners = [np.s_[0::2, 0::2], np.s_[0::2, 1::2], np.s_[1::2, 0::2], np.s_[1::2, 1::2]]
        each = [
            np.where(drawn[c][..., None], _over(u[c], v[c], shade[c], atlas, under, opacity), under).astype(
                np.int64
            )
            for c in corners
        ]
        colour = (each[0] + each[1] + each[2] + each[3] + 2) >> 2
        mean = [
            ((p[corners[0]] + p[corners[1]]) + p[corners[2]] + p[corners[3]]) * np.float32(0.25)
            for p in planes
        ]
        smooth = np.logical_and.reduce([drawn[c] for c in corners])
        with np.errstate(invalid="ignore"):
            for plane in (u, v):
                four = np.stack([plane[c] for c in corners])
                smooth &= four.max(axis=0) - four.min(axis=0) < SMOOTH_TEXELS
        colour = np.where(smooth[..., None], _over(mean[0], mean[1], mean[2], atlas, under, opacity), colour)
    colour = colour.astype(np.uint32)
    out[:] = colour[..., 0] | colour[..., 1] << 8 | colour[..., 2] << 16 | np.uint32(0xFF000000)


def _over(
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    shade: NDArray[np.float32],
    atlas: NDArray[np.uint32],
    under: NDArray[np.int64],
    opacity: int,
) -> NDArray[np.int64]:
    """Shaded texels over ``under``: int64 [..., 3]."""
    height, width = atlas.shape
    limits = np.float32(width), np.float32(height), np.float32(4)
    u, v, shade = (
        np.where(x > 0, np.minimum(x, top), 0) for x, top in zip((u, v, shade), limits, strict=True)
    )
    iu = (u * np.float32(256) + np.float32(0.5)).astype(np.int64) - 128
    iv = (v * np.float32(256) + np.float32(0.5)).astype(np.int64) - 128
    gain = (shade * np.float32(256) + np.float32(0.5)).astype(np.int64)[..., None]
    fu, fv = (iu & 255)[..., None], (iv & 255)[..., None]
    x0, x1 = np.clip(iu >> 8, 0, width - 1), np.clip((iu >> 8) + 1, 0, width - 1)
    y0, y1 = np.clip(iv >> 8, 0, height - 1), np.clip((iv >> 8) + 1, 0, height - 1)
    texels = _channels(atlas)
    upper = texels[y0, x0] * (256 - fu) + texels[y0, x1] * fu
    lower = texels[y1, x0] * (256 - fu) + texels[y1, x1] * fu
    texel = (upper * (256 - fv) + lower * fv + 32768) >> 16
    colour, coverage = texel[..., :3], (texel[..., 3:] * opacity + 128) >> 8
    colour = np.minimum((colour * gain + 128) >> 8, 255)
    return np.asarray((2 * (colour * coverage + under * (255 - coverage)) + 255) // 510, np.int64)


def _channels(image: NDArray[np.uint32]) -> NDArray[np.int64]:
    return np.stack([(image >> shift) & 255 for shift in (0, 8, 16, 24)], axis=-1).astype(np.int64)
