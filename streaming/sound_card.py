"""Microphones and loudspeakers of this machine, by PortAudio; a device that goes away is waited for."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, SettingError, UnavailableError

RATE: Final = 48_000
"""Rate of the sound on our side; devices run at their own."""

BLOCK_S: Final = 0.01
"""Sound is taken from a device and given to it in blocks of about this."""

PREFILL: Final = RATE * 30 // 1000
MOST: Final = RATE * 120 // 1000
"""Samples that wait before a loudspeaker: 30 ms to begin with, never over 120 ms."""

SLACK: Final = RATE * 20 // 1000
"""Between the prefill and so many samples more or fewer the clocks' drift is left alone."""

QUIET: Final = 100
"""Largest int16 value of a block that may be left out or repeated without being heard."""

SILENT_S: Final = 4.0
"""A device that asked for nothing for so long is gone."""

RETRY_S: Final = 2.0

logger = logging.getLogger(__name__)

Hear = Callable[[int, NDArray[np.int16]], None]
"""Told the number of the first sample at 48 kHz since the device was opened, and mono int16."""


class Device(Protocol):
    """A sound device that is open or can be opened."""

    name: str

    def open(self) -> None:
        """Raises:
        UnavailableError: it cannot be opened.
        """
        ...

    def close(self) -> None:
        """Closing twice is no error."""
        ...

    def alive(self, now_s: float) -> bool:
        """Whether sound flows."""
        ...


class Microphone:
    """A sound input, mixed to mono and brought to 48 kHz."""

    def __init__(self, name: str, hear: Hear) -> None:
        """``name`` is "default" or a part of a device's name; ``hear`` is called in PortAudio's thread."""
        self.name = name
        self._hear = hear
        self._stream: Any = None
        self._sent = 0
        self._heard_s = 0.0

    def open(self) -> None:
        """Begin to hear.

        Raises:
            SettingError: there is no such input, or several fit.
            UnavailableError: it cannot be opened.
        """
        card = _sounddevice()
        device = _find(card, self.name, "input")
        rate = int(device["default_samplerate"])
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE) if rate != RATE else None

        def received(samples: Any, frames: int, when: Any, status: Any) -> None:
            self._heard_s = time.monotonic()
            mono = samples[:, 0].copy() if samples.shape[1] == 1 else samples.mean(axis=1).astype(np.int16)
            for block in [mono] if resampler is None else _resampled(resampler, mono, rate):
                self._hear(self._sent, block)
                self._sent += len(block)

        self._heard_s = time.monotonic()
        self._stream = _opened(
            lambda: card.InputStream(
                device=device["index"],
                samplerate=rate,
                channels=min(2, device["max_input_channels"]),
                dtype="int16",
                blocksize=round(rate * BLOCK_S),
                latency="low",
                callback=received,
            ),
            f"the microphone {device['name']!r}",
        )

    def close(self) -> None:
        """Hear nothing more."""
        stream, self._stream = self._stream, None
        _close(stream)

    def alive(self, now_s: float) -> bool:
        """Whether sound comes in."""
        return self._stream is not None and now_s - self._heard_s < SILENT_S


class Loudspeaker:
    """A sound output, fed with mono at 48 kHz; a virtual cable's input, for other programs to hear."""

    def __init__(self, name: str) -> None:
        """``name`` is "default" or a part of a device's name."""
        self.name = name
        self.buffer = PlayoutBuffer()
        self._stream: Any = None
        self._asked_s = 0.0

    def open(self) -> None:
        """Begin to sound.

        Raises:
            SettingError: there is no such output, or several fit.
            UnavailableError: it cannot be opened.
        """
        card = _sounddevice()
        device = _find(card, self.name, "output")
        rate = int(device["default_samplerate"])
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate) if rate != RATE else None
        ready: deque[NDArray[np.int16]] = deque()

        def pull(count: int) -> NDArray[np.int16]:
            """``count`` samples at the device's rate."""
            if resampler is None:
                return self.buffer.pull(count)
            while sum(map(len, ready)) < count:
                ready.extend(_resampled(resampler, self.buffer.pull(round(RATE * BLOCK_S)), RATE))
            joined = np.concatenate(ready)
            ready.clear()
            ready.append(joined[count:])
            return joined[:count]

        def wanted(out: Any, frames: int, when: Any, status: Any) -> None:
            self._asked_s = time.monotonic()
            out[:] = pull(frames)[:, None]

        self.buffer.restart()
        self._asked_s = time.monotonic()
        self._stream = _opened(
            lambda: card.OutputStream(
                device=device["index"],
                samplerate=rate,
                channels=min(2, device["max_output_channels"]),
                dtype="int16",
                blocksize=round(rate * BLOCK_S),
                latency="low",
                callback=wanted,
            ),
            f"the sound output {device['name']!r}",
        )

    def play(self, samples: NDArray[np.int16]) -> None:
        """Say this next: mono int16 at 48 kHz."""
        self.buffer.push(samples)

    def close(self) -> None:
        """Sound no more."""
        stream, self._stream = self._stream, None
        _close(stream)

    def alive(self, now_s: float) -> bool:
        """Whether sound goes out."""
        return self._stream is not None and now_s - self._asked_s < SILENT_S


class PlayoutBuffer:
    """Between our clock and a device's: it begins with ``PREFILL`` and is kept near it.

    The clocks drift apart by a few milliseconds a minute. That is made up for in quiet blocks, one of which is left out
    or said twice; only when more than ``MOST`` waits, or nothing at all, is it heard. Used by two threads.
    """

    def __init__(self) -> None:
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._waiting = 0
        self._begun = False
        self._lock = threading.Lock()
        self.dropped = 0
        self.missed = 0

    def __len__(self) -> int:
        return self._waiting

    def restart(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._blocks.clear()
            self._waiting = 0
            self._begun = False

    def push(self, samples: NDArray[np.int16]) -> None:
        """Add mono sound."""
        quiet = int(np.abs(samples).max(initial=0)) <= QUIET
        with self._lock:
            off = self._waiting - PREFILL if self._begun and quiet else 0
            if off > SLACK:
                return
            self._add(samples)
            if off < -SLACK:
                self._add(samples)
            most = MOST if self._begun else PREFILL + len(samples)  # a device may take seconds to begin
            while self._waiting > most:
                oldest = self._blocks.popleft()
                self._waiting -= len(oldest)
                self.dropped += len(oldest)

    def pull(self, count: int) -> NDArray[np.int16]:
        """Take ``count`` samples; what is not there is silence."""
        out = np.zeros(count, np.int16)
        with self._lock:
            if not self._begun and self._waiting < PREFILL:
                return out
            self._begun = True
            filled = 0
            while filled < count and self._blocks:
                block = self._blocks.popleft()
                taken = block[: count - filled]
                out[filled : filled + len(taken)] = taken
                filled += len(taken)
                if len(taken) < len(block):
                    self._blocks.appendleft(block[len(taken) :])
            self._waiting -= filled
            self.missed += count - filled
            self._begun = filled == count
        return out

    def _add(self, samples: NDArray[np.int16]) -> None:
        self._blocks.append(samples)
        self._waiting += len(samples)


async def keep_open(device: Device, what: str, retry_s: float = RETRY_S) -> None:
    """Open a device again whenever it has gone, until cancelled; it is closed in the end."""
    try:
        while True:
            await asyncio.sleep(retry_s / 2)
            if device.alive(time.monotonic()):
                continue
            logger.warning("the %s %r is gone: trying again every %.0f s", what, device.name, retry_s)
            await asyncio.to_thread(device.close)
            await _reopen(device, retry_s)
            logger.warning("the %s %r is back", what, device.name)
    finally:
        device.close()


def device_names() -> dict[str, list[str]]:
    """Names of the sound "input"s and "output"s.

    Raises:
        UnavailableError: sounddevice or PortAudio is missing.
    """
    devices = _sounddevice().query_devices()
    return {
        kind: [device["name"] for device in devices if device[f"max_{kind}_channels"] > 0]
        for kind in ("input", "output")
    }


def find_device(name: str, kind: Literal["input", "output"]) -> str:
    """The full name of the device that "default" or a part of its name means.

    Raises:
        SettingError: there is none, or several fit.
        UnavailableError: this machine has no sound, or sounddevice or PortAudio is missing.
    """
    return str(_find(_sounddevice(), name, kind)["name"])


async def _reopen(device: Device, retry_s: float) -> None:
    while True:
        with suppress(InputError, UnavailableError):
            return await asyncio.to_thread(device.open)
        await asyncio.sleep(retry_s)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise UnavailableError(
            "expected sounddevice for microphones and loudspeakers: pip install 'vividlive[camera]'"
        ) from error
    except OSError as error:  # the package is there, its library is not
        raise UnavailableError(
            f"expected PortAudio for microphones and loudspeakers: apt install libportaudio2 ({error})"
        ) from error
    return sounddevice


def _find(card: Any, name: str, kind: str) -> dict[str, Any]:
    """The device of this kind that "default" or a part of its name means."""
    if name == "default":
        try:
            return dict(card.query_devices(kind=kind))
        except (card.PortAudioError, ValueError) as error:
            raise UnavailableError(
                f"expected a sound {kind}, but this machine has none: connect one, or choose none"
            ) from error
    there = [device for device in card.query_devices() if device[f"max_{kind}_channels"] > 0]
    fitting = [device for device in there if device["name"] == name] or [
        device for device in there if name.lower() in device["name"].lower()
    ]
    if len(fitting) != 1:
        shown = ", ".join(repr(device["name"]) for device in fitting or there) or "none"
        found = "several" if fitting else "none"
        raise SettingError(
            f"expected the name of one sound {kind}, {found} has {name!r} in its name: {shown}"
        )
    return dict(fitting[0])


def _opened(make: Callable[[], Any], what: str) -> Any:
    import sounddevice

    stream = None
    try:
        stream = make()
        stream.start()
    except sounddevice.PortAudioError as error:
        _close(stream)
        raise UnavailableError(f"expected to open {what}, got: {error}") from error
    return stream


def _close(stream: Any) -> None:
    if stream is None:
        return
    import sounddevice

    try:
        stream.close()
    except sounddevice.PortAudioError:
        pass  # it was gone


def _resampled(
    resampler: av.AudioResampler, samples: NDArray[np.int16], rate: int
) -> list[NDArray[np.int16]]:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="s16", layout="mono")
    frame.sample_rate = rate
    return [block.to_ndarray()[0] for block in resampler.resample(frame)]
