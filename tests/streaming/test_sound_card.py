"""Sound devices that are made up: what they give and get, lose and find again."""

import asyncio
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.errors import SettingError, UnavailableError
from streaming import sound_card
from streaming.sound_card import MOST, PREFILL, RATE, Loudspeaker, Microphone, PlayoutBuffer, keep_open

DEVICES = [
    {
        "name": "USB Headset: Mono",
        "max_input_channels": 1,
        "max_output_channels": 0,
        "default_samplerate": 48000.0,
    },
    {
        "name": "Built-in: Stereo",
        "max_input_channels": 2,
        "max_output_channels": 2,
        "default_samplerate": 44100.0,
    },
    {
        "name": "Virtual Cable",
        "max_input_channels": 2,
        "max_output_channels": 2,
        "default_samplerate": 48000.0,
    },
    {
        "name": "Virtual Speaker",
        "max_input_channels": 0,
        "max_output_channels": 2,
        "default_samplerate": 48000.0,
    },
]


class FakeCard(ModuleType):
    """As much of sounddevice as is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.devices = [{**device, "index": index} for index, device in enumerate(DEVICES)]
        self.default = {"input": 1, "output": 2}
        self.streams: list[Any] = []
        self.broken = self.stuck = False
        card = self

        class Stream:
            def __init__(self, **options: Any) -> None:
                if card.broken:
                    raise card.PortAudioError("Device unavailable [PaErrorCode -9985]")
                self.options, self.started, self.closed = options, False, False
                card.streams.append(self)

            def start(self) -> None:
                if card.stuck:
                    raise card.PortAudioError("Unanticipated host error [PaErrorCode -9999]")
                self.started = True

            def close(self) -> None:
                self.closed = True

            def take(self, samples: np.ndarray) -> None:
                """Let the microphone hear int16 [T, channels]."""
                self.options["callback"](samples, len(samples), None, None)

            def give(self, frames: int) -> np.ndarray:
                """What the loudspeaker says next."""
                out = np.empty((frames, self.options["channels"]), np.int16)
                self.options["callback"](out, frames, None, None)
                return out

        self.InputStream = self.OutputStream = Stream

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        if not self.devices:
            raise self.PortAudioError("Error querying device -1")
        return self.devices[self.default[kind]]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeCard:
    card = FakeCard()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


def tone(count: int, rate: int, hertz: float = 440.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(count) / rate)).astype(np.int16)


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency at 48 kHz, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def test_a_mono_microphone_at_our_rate_is_heard_as_it_is(card: FakeCard) -> None:
    heard: list[tuple[int, np.ndarray]] = []
    microphone = Microphone("headset", lambda first, samples: heard.append((first, samples)))
    microphone.open()
    (stream,) = card.streams
    assert stream.started and stream.options["channels"] == 1 and stream.options["samplerate"] == RATE
    for block in range(3):
        stream.take(np.arange(block * 480, (block + 1) * 480, dtype=np.int16)[:, None])
    assert [first for first, _ in heard] == [0, 480, 960]
    np.testing.assert_array_equal(np.concatenate([samples for _, samples in heard]), np.arange(1440))
    assert microphone.alive(time.monotonic())
    microphone.close()
    assert stream.closed and not microphone.alive(time.monotonic())


def test_another_rate_and_two_channels_become_mono_at_48_khz(card: FakeCard) -> None:
    heard: list[tuple[int, np.ndarray]] = []
    microphone = Microphone("default", lambda first, samples: heard.append((first, samples)))
    microphone.open()
    (stream,) = card.streams
    left = tone(44_100, 44_100)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    for begin in range(0, 44_100, 441):
        stream.take(both[begin : begin + 441])
    samples = np.concatenate([block for _, block in heard])
    assert [first for first, _ in heard] == [0, *np.cumsum([len(block) for _, block in heard])[:-1]]
    assert len(samples) == pytest.approx(RATE, abs=100)
    assert pitch(samples[:40_000]) == pytest.approx(440, abs=2)
    assert np.abs(samples[4000:40_000]).max() == pytest.approx(4000, rel=0.05)  # the mean of both


def test_a_loudspeaker_says_what_it_was_given_on_every_channel(card: FakeCard) -> None:
    speaker = Loudspeaker("virtual cable")
    speaker.open()
    (stream,) = card.streams
    said = []
    for block in range(4):
        speaker.play(np.arange(1 + block * 960, 1 + (block + 1) * 960, dtype=np.int16))
        if block:  # two blocks are enough to begin with
            said += [stream.give(480), stream.give(480)]
    said = np.concatenate(said)
    np.testing.assert_array_equal(said[:, 0], np.arange(1, 2881))
    np.testing.assert_array_equal(said[:, 0], said[:, 1])


def test_a_loudspeaker_at_another_rate_keeps_the_pitch(card: FakeCard) -> None:
    speaker = Loudspeaker("stereo")
    speaker.open()
    (stream,) = card.streams
    sound = tone(RATE, RATE)
    said = []
    for begin in range(0, RATE, 960):
        speaker.play(sound[begin : begin + 960])
        said += [stream.give(441), stream.give(441)]
    spectrum = np.abs(np.fft.rfft(np.concatenate(said)[4410:35280, 0] * np.hanning(30870)))
    assert np.argmax(spectrum) * 44_100 / 30870 == pytest.approx(440, abs=3)
    assert speaker.buffer.dropped == 0


def test_the_buffer_begins_with_some_sound_and_says_it_in_order() -> None:
    buffer = PlayoutBuffer()
    assert not buffer.pull(480).any()
    buffer.push(np.full(PREFILL - 1, 1000, np.int16))
    assert not buffer.pull(480).any()
    buffer.push(np.full(100, 2000, np.int16))
    said = buffer.pull(PREFILL)
    assert (said[:-1] == 1000).all() and said[-1] == 2000


def test_a_clock_that_is_too_slow_or_too_quick_is_made_up_for_in_quiet_blocks_only() -> None:
    loud, quiet = np.full(960, 5000, np.int16), np.zeros(960, np.int16)
    for taken, most in (
        (950, MOST),
        (970, PREFILL + 960),
    ):  # a hundredth off: thousands of times the usual drift
        buffer = PlayoutBuffer()
        buffer.push(quiet)
        said = 0
        for second in range(50):
            for block in range(10):
                buffer.push(quiet if block < 3 else loud)
                said += int(np.count_nonzero(buffer.pull(taken)))
                assert len(buffer) <= most, second
        assert buffer.dropped == buffer.missed == 0
        assert abs(said - 50 * 7 * 960) <= MOST  # nothing loud was left out or said twice


def test_what_nobody_takes_does_not_pile_up() -> None:
    buffer = PlayoutBuffer()
    for number in range(100):
        buffer.push(np.full(960, 1000 + number, np.int16))
    assert PREFILL <= len(buffer) <= PREFILL + 960  # it begins with no more than it should have
    assert buffer.pull(1)[0] > 1090  # the newest are kept
    assert buffer.dropped == 100 * 960 - len(buffer) - 1
    for _ in range(100):
        buffer.push(np.full(960, 2000, np.int16))
    assert len(buffer) <= MOST


def test_names_that_fit_none_or_several_are_told_with_those_there_are(card: FakeCard) -> None:
    with pytest.raises(SettingError, match="none has 'nothing'.*'USB Headset: Mono'"):
        Microphone("nothing", lambda first, samples: None).open()
    with pytest.raises(SettingError, match="several has 'virtual'.*'Virtual Cable', 'Virtual Speaker'"):
        Loudspeaker("virtual").open()
    assert sound_card.device_names()["input"] == ["USB Headset: Mono", "Built-in: Stereo", "Virtual Cable"]


def test_a_machine_without_sound_and_a_device_in_use_are_one_line(card: FakeCard) -> None:
    card.broken = True
    with pytest.raises(
        UnavailableError, match="expected to open the microphone 'USB Headset: Mono', got: Device"
    ):
        Microphone("headset", lambda first, samples: None).open()
    card.broken, card.stuck = False, True
    with pytest.raises(UnavailableError, match="the sound output 'Virtual Cable', got: Unanticipated"):
        Loudspeaker("cable").open()
    assert card.streams[0].closed  # or it could never be opened again
    card.devices = []
    with pytest.raises(UnavailableError, match="this machine has none"):
        Microphone("default", lambda first, samples: None).open()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UnavailableError, match=r"vividlive\[camera\]"):
        sound_card.device_names()


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


async def test_a_microphone_that_was_pulled_out_is_opened_again(
    card: FakeCard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sound_card, "SILENT_S", 0.05)
    heard: list[int] = []
    microphone = Microphone("headset", lambda first, samples: heard.append(first))
    microphone.open()
    keeper = asyncio.create_task(keep_open(microphone, "microphone", retry_s=0.02))
    card.broken = True  # and no sound comes: it was pulled out
    async with asyncio.timeout(30):
        await until(lambda: "is gone" in caplog.text)
        assert card.streams[0].closed
        monkeypatch.setattr(sound_card, "SILENT_S", 60.0)
        card.broken = False
        await until(lambda: len(card.streams) == 2 and "is back" in caplog.text)
    card.streams[1].take(np.zeros((480, 1), np.int16))
    assert heard == [0]
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert card.streams[1].closed


def test_the_real_library_answers() -> None:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no PortAudio here: {error}")
    names = sound_card.device_names()
    assert set(names) == {"input", "output"}
