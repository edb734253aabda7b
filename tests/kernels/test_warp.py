"""Each backend of warping against the definition, and the definition against answers found another way."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from kernels import HOST_BACKENDS, Backend
from kernels.warp import reference, refine, warp_features, warp_image
from kernels.warp.cases import (
    PORTABLE_LEVELS_OFF,
    PORTABLE_SHARE_OFF,
    FeaturesCase,
    ImageCase,
    RefineCase,
    features_cases,
    image_cases,
    refine_cases,
)
from tests.kernels.test_rasterise import skip_without

REFINE = {case.name: case for case in refine_cases()}
IMAGE = {case.name: case for case in image_cases()}
FEATURES = {case.name: case for case in features_cases()}
POISON = 0x5AA5C3


def refined(case: RefineCase, backend: Backend | None) -> np.ndarray:
    """Drawn onto poison; None: by the definition."""
    out = np.full(case.frame.shape, POISON, np.uint32)
    if backend:
        refine(case.frame, case.box, case.maps, out, backend)
    else:
        reference.refine(case.frame, case.box, case.maps, out)
    return out


def cropped(case: ImageCase, backend: Backend | None) -> np.ndarray:
    out = np.full((3, case.n, case.n), np.nan, np.float32)
    if backend:
        warp_image(case.frame, case.box, case.flow, out, backend)
    else:
        reference.warp_image(case.frame, case.box, case.flow, out)
    return out


def moved(case: FeaturesCase, backend: Backend | None) -> np.ndarray:
    out = np.full(case.features.shape, np.nan, np.float32)
    if backend:
        warp_features(case.features, case.flow, case.occlusion, out, backend)
    else:
        reference.warp_features(case.features, case.flow, case.occlusion, out)
    return out


def levels(image: np.ndarray) -> np.ndarray:
    """uint32 [H, W] to int [4, H, W]."""
    return np.stack([(image >> shift) & 255 for shift in (0, 8, 16, 24)]).astype(int)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 1 << 32, (height, width), dtype=np.uint32)


@pytest.mark.parametrize("name", REFINE)
def test_refine_on_the_cpu_equals_definition(name: str) -> None:
    skip_without("cpu")
    assert np.array_equal(refined(REFINE[name], "cpu"), refined(REFINE[name], None))


@pytest.mark.parametrize("name", IMAGE)
def test_warp_image_on_the_cpu_equals_definition(name: str) -> None:
    skip_without("cpu")
    assert cropped(IMAGE[name], "cpu").tobytes() == cropped(IMAGE[name], None).tobytes()


@pytest.mark.parametrize("name", FEATURES)
def test_warp_features_on_the_cpu_equals_definition(name: str) -> None:
    skip_without("cpu")
    assert np.array_equal(moved(FEATURES[name], "cpu"), moved(FEATURES[name], None), equal_nan=True)


@pytest.mark.parametrize("name", [name for name, case in REFINE.items() if case.smooth])
def test_refine_portable_is_near_definition(name: str) -> None:
    difference = levels(refined(REFINE[name], "portable")) - levels(refined(REFINE[name], None))
    assert np.abs(difference).max() <= PORTABLE_LEVELS_OFF


@pytest.mark.parametrize("name", [name for name, case in IMAGE.items() if case.smooth])
def test_warp_image_portable_is_near_definition(name: str) -> None:
    difference = cropped(IMAGE[name], "portable") - cropped(IMAGE[name], None)
    assert np.abs(difference).max() <= PORTABLE_LEVELS_OFF / 255


@pytest.mark.parametrize("name", [name for name, case in FEATURES.items() if case.smooth])
def test_warp_features_portable_is_near_definition(name: str) -> None:
    case = FEATURES[name]
    difference = moved(case, "portable") - moved(case, None)
    assert np.abs(difference).max() <= PORTABLE_SHARE_OFF * np.ptp(case.features)


def test_wild_values_read_nothing_outside_on_the_portable_path() -> None:
    """Every pixel comes from the frame: one of a single colour keeps it, whatever the flow."""
    case = REFINE["not finite"]
    maps = case.maps.copy()
    maps[2:] = 0
    plain = replace(case, frame=np.full_like(case.frame, 0x11223344), maps=maps)
    assert (refined(plain, "portable") == 0x11223344).all()
    crop = replace(IMAGE["not finite"], frame=np.full_like(case.frame, 0xFF0000FF))
    assert np.allclose(cropped(crop, "portable")[:, ...], np.array([1, 0, 0])[:, None, None])


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_to_do_changes_nothing(backend: Backend, value: float) -> None:
    """To the bit, X included; values that are not numbers count as none."""
    skip_without(backend)
    for case in REFINE.values():
        idle = replace(case, maps=np.full_like(case.maps, value))
        assert np.array_equal(refined(idle, backend), case.frame)
    case = next(iter(FEATURES.values()))
    idle = replace(case, flow=np.full_like(case.flow, value))
    assert np.array_equal(moved(idle, backend), case.features * case.occlusion[..., None])


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_refine_moves_and_tints_inside_and_fades_out(backend: Backend) -> None:
    skip_without(backend)
    frame, out = noise(100, 120), np.zeros((100, 120), np.uint32)
    left, top, side, n = 13, 11, 80, 40
    maps = np.zeros((5, n, n), np.float32)
    maps[0], maps[1] = 1.5, -1  # 3 pixels to the right, 2 up
    maps[2], maps[3], maps[4] = 40, -300, 0
    refine(frame, (left, top, side), maps, out, backend)
    margin = side // 16
    rows, columns = slice(top + margin, top + side - margin), slice(left + margin, left + side - margin)
    from_rows, from_columns = slice(rows.start - 2, rows.stop - 2), slice(columns.start + 3, columns.stop + 3)
    red, _, blue, x = levels(out)[:, rows, columns]
    want = levels(frame)[:, from_rows, from_columns]
    assert np.array_equal(red, np.minimum(want[0] + 40, 255))
    assert np.array_equal(blue, want[2])
    assert np.array_equal(x, levels(frame)[3, rows, columns])

    grey = np.full((100, 120), 0xFF646464, np.uint32)
    refine(grey, (left, top, side), maps, out, backend)
    across = levels(out)[0, top + side // 2] - 100
    inside = across[left : left + side]
    rise = inside[: margin + 1]
    t = (np.arange(margin) + 0.5) / margin
    assert np.abs(rise[:-1] - 40 * (3 * t**2 - 2 * t**3)).max() <= 0.51
    assert (inside[margin:-margin] == 40).all() and np.array_equal(inside, inside[::-1])
    assert (across[:left] == 0).all() and (across[left + side :] == 0).all()


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_refine_works_between_boxes_of_larger_frames(backend: Backend) -> None:
    skip_without(backend)
    case = next(c for c in REFINE.values() if c.smooth)
    height, width = case.frame.shape
    source, target = np.full((2, height + 5, width + 7), POISON, np.uint32)
    frame, out = source[2 : 2 + height, 3 : 3 + width], target[1 : 1 + height, 4 : 4 + width]
    frame[:] = case.frame
    refine(frame, case.box, case.maps, out, backend)
    assert np.array_equal(out, refined(case, backend))
    out[:] = POISON
    assert (target == POISON).all()
    crop = next(c for c in IMAGE.values() if c.smooth)
    large = np.full((crop.frame.shape[0] + 5, crop.frame.shape[1] + 7), POISON, np.uint32)
    box = large[2:-3, 3:-4]
    box[:] = crop.frame
    assert np.array_equal(cropped(replace(crop, frame=box), backend), cropped(crop, backend))


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_refine_reads_between_pixels(backend: Backend) -> None:
    """Against SciPy's linear interpolation, within the 1/256 pixel steps of positions and rounding."""
    skip_without(backend)
    case = next(c for c in REFINE.values() if c.smooth)
    (left, top, side), n = case.box, case.maps.shape[1]
    maps = case.maps.copy()
    maps[2:] = 0
    rows, columns = np.mgrid[top + 4 : top + side - 4, left + 4 : left + side - 4].astype(float)
    on_maps = [(rows - top + 0.5) * n / side - 0.5, (columns - left + 0.5) * n / side - 0.5]
    u, v = (map_coordinates(plane, on_maps, order=1) * side / n for plane in maps[:2])
    out = levels(refined(replace(case, maps=maps), backend))
    for have, channel in zip(out[:3], levels(case.frame)[:3], strict=True):
        want = map_coordinates(channel.astype(float), [rows + v, columns + u], order=1, mode="nearest")
        assert np.abs(have[top + 4 : top + side - 4, left + 4 : left + side - 4] - want).max() <= 1


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_a_crop_without_flow_is_the_mean_of_its_pixels(backend: Backend) -> None:
    skip_without(backend)
    frame = noise(60, 70)
    still = np.zeros((2, 1, 1), np.float32)
    for n in (48, 24, 16, 6):
        out = np.empty((3, n, n), np.float32)
        warp_image(frame, (9, 5, 48), still, out, backend)
        blocks = levels(frame)[:3, 5:53, 9:57].reshape(3, n, 48 // n, n, 48 // n)
        assert np.allclose(out, blocks.mean(axis=(2, 4)) / 255, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize(("side", "n"), [(36, 24), (24, 36)])
def test_crops_of_a_ramp_keep_its_place(backend: Backend, side: int, n: int) -> None:
    """Larger or smaller than the output: elements hold what a ramp has at their centres, moved by the flow."""
    skip_without(backend)
    y, x = np.mgrid[:60, :70]
    frame = (3 * x | 4 * y << 8 | 7 << 16).astype(np.uint32)
    flow = np.stack([np.full((6, 6), 0.5), np.full((6, 6), -0.25)]).astype(np.float32)
    out = np.empty((3, n, n), np.float32)
    warp_image(frame, (9, 7, side), flow, out, backend)
    centres = (np.arange(n) + 0.5) * side / n - 0.5
    red, green, blue = out * 255
    assert np.abs(red - 3 * (9 + centres + 0.5 * side / 6)).max() < 0.6
    assert np.abs(green - 4 * (7 + centres - 0.25 * side / 6)[:, None]).max() < 0.6
    assert np.abs(blue - 7).max() < 1e-4


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_features_move_like_scipys(backend: Backend) -> None:
    skip_without(backend)
    case = next(c for c in FEATURES.values() if c.smooth)
    height, width, channels = case.features.shape
    flow = np.round(case.flow * 32) / 32  # where OpenCV reads exactly
    out = moved(replace(case, flow=flow), backend)
    rows, columns = np.mgrid[:height, :width]
    for c in range(channels):
        at = [rows + flow[1], columns + flow[0]]
        want = map_coordinates(case.features[..., c].astype(float), at, order=1, mode="nearest")
        assert np.abs(out[..., c] - want * case.occlusion).max() < 1e-5


def test_refuses_wrong_arrays() -> None:
    frame = noise(8, 9)
    maps, out = np.zeros((5, 4, 4), np.float32), np.empty_like(frame)
    with pytest.raises(ValueError, match="maps"):
        refine(frame, (0, 0, 4), maps[:, :3].copy(), out)
    with pytest.raises(ValueError, match="maps with 5 square planes, not empty"):
        refine(frame, (0, 0, 4), maps[:, :0, :0].copy(), out)
    with pytest.raises(ValueError, match="other memory"):
        refine(frame, (0, 0, 4), maps, frame)
    with pytest.raises(ValueError, match="a box of 1"):
        refine(frame, (0, 0, 0), maps, out)
    with pytest.raises(ValueError, match="frame with two sides"):
        warp_image(frame[:0], (0, 0, 4), maps[:2].copy(), maps[:3].copy())
    with pytest.raises(ValueError, match="flow"):
        warp_image(frame, (0, 0, 4), maps, maps[:3].copy())
    features = np.zeros((4, 4, 12), np.float32)
    with pytest.raises(ValueError, match="multiple of 8"):
        warp_features(features, maps[:2].copy(), maps[0].copy(), features.copy())
    with pytest.raises(ValueError, match=r"features \[H, W, C\], C a multiple of 8, got \[4, 8\]"):
        warp_features(features[0, :, :8].copy(), maps[:2].copy(), maps[0].copy(), features.copy())
    features = np.zeros((4, 4, 8), np.float32)
    with pytest.raises(ValueError, match="other memory"):
        warp_features(features, maps[:2].copy(), maps[0].copy(), features)
