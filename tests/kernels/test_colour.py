"""Each backend of the colour conversion against the definition, and against FFmpeg's idea of BT.601."""

import av
import numpy as np
import pytest

from kernels import HOST_BACKENDS, Backend
from kernels.colour import reference, rgbx_to_i420
from kernels.colour.cases import MAX_LEVELS_OFF, cases
from tests.kernels.test_rasterise import skip_without


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("number", range(len(cases())))
def test_equals_definition(number: int, backend: Backend) -> None:
    skip_without(backend)
    image = cases()[number]
    height, width = image.shape
    want, out = np.empty((height * 3 // 2, width), np.uint8), np.full((height * 3 // 2, width), 77, np.uint8)
    reference.rgbx_to_i420(image, want)
    rgbx_to_i420(image, out, backend)
    assert np.abs(out.astype(int) - want).max() <= MAX_LEVELS_OFF


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_reads_a_box_of_a_larger_image(backend: Backend) -> None:
    skip_without(backend)
    large = np.random.default_rng(0).integers(0, 1 << 32, (20, 30), dtype=np.uint32)
    box = large[4:16, 6:24]
    from_box, from_copy = np.empty((18, 18), np.uint8), np.empty((18, 18), np.uint8)
    rgbx_to_i420(box, from_box, backend)
    rgbx_to_i420(box.copy(), from_copy, backend)
    assert np.array_equal(from_box, from_copy)


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_a_decoder_sees_the_same_colours(backend: Backend) -> None:
    """Flat colours survive the way back through FFmpeg's own BT.601 conversion within rounding."""
    skip_without(backend)
    for red, green, blue in [
        (255, 255, 255),
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (201, 150, 122),
    ]:
        image = np.full((16, 16), red | green << 8 | blue << 16, np.uint32)
        out = np.empty((24, 16), np.uint8)
        rgbx_to_i420(image, out, backend)
        frame = av.VideoFrame.from_ndarray(out, "yuv420p")
        back = frame.to_ndarray(format="rgb24", src_colorspace="ITU601", dst_colorspace="ITU601")
        assert np.abs(back[8, 8].astype(int) - (red, green, blue)).max() <= 3


def test_refuses_odd_sides() -> None:
    with pytest.raises(ValueError, match="even"):
        rgbx_to_i420(np.zeros((4, 5), np.uint32), np.zeros((6, 5), np.uint8))
