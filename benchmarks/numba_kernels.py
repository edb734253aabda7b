"""The same operations in numba, one thread, written for its compiler: what the kernels are timed against.

Same arithmetic as the definitions, so that results can be held against them. Needs numba (not a dependency).
"""
# mypy: disable-error-code="assignment, untyped-decorator, unused-ignore"

import numba
import numpy as np
from numpy.typing import NDArray

EMPTY = np.iinfo(np.int64).max
LIMIT = np.float32(16384)


@numba.njit(cache=False, fastmath=False, error_model="numpy")
def rasterise(
    positions: NDArray[np.float32],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.float32],
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    keys: NDArray[np.int64],
    scale: np.float32,
) -> None:
    """``kernels.rasterise`` from the grid's corner, for meshes whose vertices are all usable."""
    height, width = keys.shape
    channels = attributes.shape[1]
    half, one = np.float32(0.5), np.float32(1)
    keys[:] = EMPTY
    snapped = np.empty((len(positions), 2), np.int64)
    for v in range(len(positions)):
        for k in range(2):
            whole = (positions[v, k] * scale + LIMIT) * np.float32(256) + half
            snapped[v, k] = np.int64(whole) - 16384 * 256
    record = np.empty((len(triangles), 2 + 3 * channels), np.float32)
    bits, number = np.empty(1, np.float32), np.empty(1, np.int32)
    view = bits.view(np.int32)
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        ax, ay = snapped[a]
        bx, by = snapped[b]
        cx, cy = snapped[c]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        if area < 0:
            b, c, bx, by, cx, cy, area = c, b, cx, cy, bx, by, -area
        left, right = max((min(ax, bx, cx) + 127) >> 8, 0), min((max(ax, bx, cx) - 128) >> 8, width - 1)
        top, bottom = max((min(ay, by, cy) + 127) >> 8, 0), min((max(ay, by, cy) - 128) >> 8, height - 1)
        if left > right or top > bottom:
            continue
        inverse = one / np.float32(area)
        za = positions[a, 2]
        zb, zc = (positions[b, 2] - za) * inverse, (positions[c, 2] - za) * inverse
        bias_a = 0 if (cy < by or (cy == by and cx > bx)) else -1
        bias_b = 0 if (ay < cy or (ay == cy and ax > cx)) else -1
        bias_c = 0 if (by < ay or (by == ay and bx > ax)) else -1
        for y in range(top, bottom + 1):
            py = y * 256 + 128
            for x in range(left, right + 1):
                px = x * 256 + 128
                ea = (cx - bx) * (py - by) - (cy - by) * (px - bx)
                eb = (ax - cx) * (py - cy) - (ay - cy) * (px - cx)
                ec = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
                if ((ea + bias_a) | (eb + bias_b) | (ec + bias_c)) >= 0:
                    bits[0] = za + (np.float32(eb) * zb + np.float32(ec) * zc)
                    number[0] = view[0] ^ ((view[0] >> 31) & 0x7FFFFFFF)
                    key = np.int64(number[0]) * 4294967296 + t
                    if key < keys[y, x]:
                        keys[y, x] = key
        b_right, b_down = np.float32(cy - ay) * inverse, np.float32(ax - cx) * inverse
        c_right, c_down = np.float32(ay - by) * inverse, np.float32(bx - ax) * inverse
        record[t, 0], record[t, 1] = np.float32(ax), np.float32(ay)
        for k in range(channels):
            value = attributes[a, k]
            to_b, to_c = attributes[b, k] - value, attributes[c, k] - value
            record[t, 2 + 3 * k] = value
            record[t, 3 + 3 * k] = b_right * to_b + c_right * to_c
            record[t, 4 + 3 * k] = b_down * to_b + c_down * to_c
    for y in range(height):
        for x in range(width):
            if keys[y, x] == EMPTY:
                triangle[y, x] = -1
                for k in range(channels):
                    planes[k, y, x] = np.float32(0)
                continue
            t = keys[y, x] & 0xFFFFFFFF
            triangle[y, x] = t
            dx, dy = np.float32(x * 256 + 128) - record[t, 0], np.float32(y * 256 + 128) - record[t, 1]
            for k in range(channels):
                planes[k, y, x] = record[t, 2 + 3 * k] + (
                    record[t, 3 + 3 * k] * dx + record[t, 4 + 3 * k] * dy
                )


@numba.njit(cache=False, fastmath=False, error_model="numpy")
def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """``kernels.composite`` with factor 1 and full opacity."""
    height, width = triangle.shape
    atlas_height, atlas_width = atlas.shape
    half, fine = np.float32(0.5), np.float32(256)
    limit_u, limit_v, limit_shade = np.float32(atlas_width), np.float32(atlas_height), np.float32(4)
    for y in range(height):
        for x in range(width):
            under = background[y, x]
            if triangle[y, x] < 0:
                out[y, x] = under | np.uint32(0xFF000000)
                continue
            u = min(max(planes[0, y, x], np.float32(0)), limit_u)
            v = min(max(planes[1, y, x], np.float32(0)), limit_v)
            shade = min(max(planes[2, y, x], np.float32(0)), limit_shade)
            iu, iv = np.int32(u * fine + half) - 128, np.int32(v * fine + half) - 128
            gain = np.int32(shade * fine + half)
            x0, y0 = min(max(iu >> 8, 0), atlas_width - 1), min(max(iv >> 8, 0), atlas_height - 1)
            x1, y1 = min(max((iu >> 8) + 1, 0), atlas_width - 1), min(max((iv >> 8) + 1, 0), atlas_height - 1)
            fu, fv = iu & 255, iv & 255
            w11 = fu * fv
            w01, w10 = fu * 256 - w11, fv * 256 - w11
            w00 = 65536 - w01 - w10 - w11
            p00, p01, p10, p11 = atlas[y0, x0], atlas[y0, x1], atlas[y1, x0], atlas[y1, x1]
            coverage = (
                (p00 >> 24) * w00 + (p01 >> 24) * w01 + (p10 >> 24) * w10 + (p11 >> 24) * w11 + 32768
            ) >> 16
            made = np.uint32(0xFF000000)
            for k in range(3):
                shift = 8 * k
                value = (
                    ((p00 >> shift) & 255) * w00
                    + ((p01 >> shift) & 255) * w01
                    + ((p10 >> shift) & 255) * w10
                    + ((p11 >> shift) & 255) * w11
                    + 32768
                ) >> 16
                value = min((value * gain + 128) >> 8, 255)
                mixed = value * coverage + ((under >> shift) & 255) * (255 - coverage) + 128
                made |= np.uint32(((mixed + (mixed >> 8)) >> 8) << shift)
            out[y, x] = made


@numba.njit(cache=False)
def rgbx_to_i420(image: NDArray[np.uint32], out: NDArray[np.uint8]) -> None:
    """``kernels.colour``."""
    height, width = image.shape
    flat = out.reshape(-1)
    for y in range(height):
        for x in range(width):
            pixel = np.int64(image[y, x] & 0xFFFFFF)
            r, g, b = pixel & 255, (pixel >> 8) & 255, pixel >> 16
            flat[y * width + x] = (16829 * r + 33039 * g + 6416 * b + (16 << 16) + 32768) >> 16
    plane = height * width
    for by in range(height // 2):
        for bx in range(width // 2):
            red = green = blue = 0
            for k in range(4):
                block = np.int64(image[2 * by + k // 2, 2 * bx + k % 2] & 0xFFFFFF)
                red += block & 255
                green += (block >> 8) & 255
                blue += block >> 16
            place = plane + by * (width // 2) + bx
            flat[place] = (-9714 * red - 19070 * green + 28784 * blue + (128 << 18) + (1 << 17)) >> 18
            flat[place + plane // 4] = (
                28784 * red - 24103 * green - 4681 * blue + (128 << 18) + (1 << 17)
            ) >> 18
