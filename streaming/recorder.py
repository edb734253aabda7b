"""Records a session to MP4 from the packets that are sent anyway; what is written survives a kill."""

import asyncio
import io
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from engine.files import ffmpeg_path
from engine.provenance import PROVENANCE
from streaming.encoder import AUDIO_CLOCK, OPUS_BITRATE, PACKET_SAMPLES, VIDEO_CLOCK
from streaming.feeds import Kind, Outlet
from streaming.session import AvatarSession

FRAGMENT_S: Final = 1.0
"""A fragment is complete by itself: at most so much is lost with the process."""

SOUND_BEFORE: Final = 20
"""Packets of sound that are kept until the first keyframe comes: 0.4 s, more than sound is ever sent sooner."""

MOST_WAITING: Final = 750
"""Packets that may wait for a slow disk, about ten seconds."""

logger = logging.getLogger(__name__)


class RecordingFile:
    """A fragmented MP4 of H.264 and Opus, as they are. Begins with the first keyframe.

    Convention: packets carry media time, video at 90 kHz and sound at 48 kHz, from the same zero; in the file zero is
    the first keyframe. Not for two threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container: av.container.OutputContainer | None = None
        self._video: Any = None
        self._audio: Any = None
        self._before: deque[av.Packet[Any]] = deque(maxlen=SOUND_BEFORE)
        self._zero = 0
        self._end = 0
        self._closed = False

    @property
    def seconds(self) -> float:
        """Length of the picture so far."""
        return self._end / VIDEO_CLOCK

    def add(self, kind: Kind, packet: "av.Packet[Any]") -> None:
        """Append a packet of "h264" or "audio"; it is copied.

        Raises:
            OSError: the file cannot be written.
        """
        if self._container is None:
            if kind == "audio":
                self._before.append(packet)
            elif packet.is_keyframe and not self._closed:
                self._container = self._begun(bytes(packet))
                self._zero = packet.pts or 0
                self._write(kind, packet)
                while self._before:  # sound leaves sooner than its picture
                    self._write("audio", self._before.popleft())
        else:
            self._write(kind, packet)

    def close(self) -> None:
        """Write the last fragment; closing twice is no error."""
        container, self._container, self._closed = self._container, None, True
        if container is not None:
            container.close()

    def _write(self, kind: Kind, packet: "av.Packet[Any]") -> None:
        assert self._container is not None
        copy = av.Packet(bytes(packet))
        when = packet.pts or 0
        if kind == "audio":
            when -= self._zero * AUDIO_CLOCK // VIDEO_CLOCK + _opus_delay()
            copy.duration, copy.time_base, copy.stream = PACKET_SAMPLES, Fraction(1, AUDIO_CLOCK), self._audio
            copy.is_keyframe = True
        else:
            when -= self._zero
            copy.time_base, copy.stream = Fraction(1, VIDEO_CLOCK), self._video
            copy.is_keyframe = packet.is_keyframe
            self._end = when
        if when >= (-_opus_delay() if kind == "audio" else 0):
            copy.pts = copy.dts = when
            self._container.mux(copy)

    def _begun(self, keyframe: bytes) -> av.container.OutputContainer:
        options = {
            "movflags": "delay_moov+frag_keyframe+default_base_moof",
            "frag_duration": str(int(FRAGMENT_S * 1e6)),
            "flush_packets": "1",  # a fragment that is complete lies in the file
        }
        container = av.open(ffmpeg_path(self.path), "w", format="mp4", options=options)
        container.metadata["comment"] = PROVENANCE
        with (
            av.open(io.BytesIO(keyframe), format="h264") as picture,
            av.open(io.BytesIO(_opus_sample())) as sound,
        ):
            self._video = container.add_stream_from_template(picture.streams.video[0])
            self._audio = container.add_stream_from_template(sound.streams.audio[0])
            self._video.time_base = Fraction(1, VIDEO_CLOCK)
            self._audio.time_base = Fraction(1, AUDIO_CLOCK)
            container.start_encoding()
        return container


class Recorder:
    """Writes one session to one file until it is stopped, the session ends, or a limit is reached.

    Lives on the event loop; the file belongs to a thread of its own, so that a slow disk holds up nobody.
    """

    def __init__(self, session: AvatarSession, path: Path, *, most_s: float, most_bytes: int) -> None:
        self.path = path
        self.ended: str | None = None
        """Why it ended: "stopped", "session ended", "time limit", "size limit", or what went wrong."""
        self._file = RecordingFile(path)
        self._most_s, self._most_bytes = most_s, most_bytes
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._waiting: asyncio.Queue[tuple[Kind, av.Packet[Any]]] = asyncio.Queue(MOST_WAITING)
        self._over = asyncio.Event()
        self._outlets: dict[Kind, Outlet] = {kind: session.packets(kind) for kind in ("h264", "audio")}
        self._events = session.on_event(self._on_event)
        self._readers = [
            asyncio.create_task(self._read(kind, outlet), name=f"record-{kind}")
            for kind, outlet in self._outlets.items()
        ]
        self._task = asyncio.create_task(self._run(), name="record")

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self._file.seconds

    @property
    def size_bytes(self) -> int:
        """Size of the file so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    async def stop(self) -> None:
        """End the recording and wait until the file is complete; stopping twice is no error."""
        self._end("stopped")
        await asyncio.shield(self._task)

    def _add(self, batch: "list[tuple[Kind, av.Packet[Any]]]") -> None:
        for kind, packet in batch:
            self._file.add(kind, packet)

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
        self._over.set()

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "ended":
            self._end("session ended")

    async def _read(self, kind: Kind, outlet: Outlet) -> None:
        while True:
            packet = await outlet.next()
            try:
                self._waiting.put_nowait((kind, packet))
            except asyncio.QueueFull:
                self._end("the disk is too slow")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.create_task(self._over.wait(), name="record-over")
        try:
            while not self._over.is_set():
                waiting = asyncio.create_task(self._waiting.get(), name="record-wait")
                await asyncio.wait((waiting, over), return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    break
                batch = [waiting.result()]
                while not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                await loop.run_in_executor(self._executor, self._add, batch)
                if self.seconds >= self._most_s:
                    self._end("time limit")
                elif self.size_bytes >= self._most_bytes:
                    self._end("size limit")
        except OSError as error:
            logger.error("a recording cannot be written: %s", error.strerror or error)
            self._end(f"it could not be written: {error.strerror or error}")
        finally:
            for task in (over, *self._readers):
                task.cancel()
            await asyncio.gather(over, *self._readers, return_exceptions=True)
            for outlet in self._outlets.values():
                outlet.close()
            self._outlets.clear()  # they hold the session's encoders
            self._events.close()
            with suppress(OSError):
                await loop.run_in_executor(self._executor, self._file.close)
            self._executor.shutdown()


@cache
def _opus_sample() -> bytes:
    """A moment of silence as an Ogg file: it carries what a file's header must say of the sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=AUDIO_CLOCK, layout="mono")
        stream.bit_rate = OPUS_BITRATE
        stream.options = {"application": "voip", "frame_duration": "20"}
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, PACKET_SAMPLES), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = AUDIO_CLOCK
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@cache
def _opus_delay() -> int:
    """Samples by which the decoded sound lags what was encoded."""
    with av.open(io.BytesIO(_opus_sample())) as sound:
        header = bytes(sound.streams.audio[0].codec_context.extradata or b"")
    assert header.startswith(b"OpusHead")
    return int.from_bytes(header[10:12], "little")
