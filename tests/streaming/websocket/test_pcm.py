import numpy as np
import pytest

from streaming.websocket.pcm import PcmDecoder
from streaming.websocket.protocol import MessageError


def test_16_bit_samples_fill_the_range() -> None:
    decoded = PcmDecoder("s16").add(np.array([-32768, 0, 16384], "<i2").tobytes())
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, [-1.0, 0.0, 0.5])


@pytest.mark.parametrize(("form", "dtype"), [("s16", "<i2"), ("f32", "<f4")])
@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 4096])
def test_messages_may_be_cut_anywhere(form: str, dtype: str, cut: int) -> None:
    data = (np.arange(500) / (1 if form == "s16" else 500)).astype(dtype).tobytes()
    whole = PcmDecoder(form).add(data)  # type: ignore[arg-type]
    decoder = PcmDecoder(form)  # type: ignore[arg-type]
    pieces, counted = [], 0
    for first in range(0, len(data), cut):
        message = data[first : first + cut]
        counted += decoder.count(message)
        pieces.append(decoder.add(message))
    decoder.end()
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert counted == len(whole) == 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 32767.0])
def test_a_bad_float_refuses_its_message_alone(bad: float) -> None:
    decoder = PcmDecoder("f32")
    good = np.array([0.25, -0.5], "<f4").tobytes()
    wrong = np.array([0.1, bad, 0.2], "<f4").tobytes()
    assert len(decoder.add(good + wrong[:3])) == 2
    with pytest.raises(MessageError, match="float32 samples in") as refusal:
        decoder.add(wrong[3:] + good[:1])
    assert refusal.value.code == "bad_sound"
    np.testing.assert_array_equal(decoder.add(good[1:]), [0.25, -0.5])


def test_a_float_that_overshoots_is_clipped() -> None:
    np.testing.assert_array_equal(PcmDecoder("f32").add(np.array([1.5, -1.01], "<f4").tobytes()), [1.0, -1.0])


def test_an_end_in_the_middle_of_a_sample_is_told_once() -> None:
    decoder = PcmDecoder("s16")
    assert len(decoder.add(b"\x01\x02\x03")) == 1
    with pytest.raises(MessageError, match="1 bytes"):
        decoder.end()
    decoder.end()


def test_skipping_keeps_the_cut() -> None:
    decoder = PcmDecoder("s16")
    decoder.skip(b"\x01\x02\x03")
    np.testing.assert_array_equal(decoder.add(b"\x04\x00\x40"), [0x0403 / 32768, 0.5])
