"""One client on ``/ws``: reads what it sends, tells it what happens, and leaves the session when it goes."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import InputError
from streaming.auth import ForbiddenError
from streaming.pictures import Picture
from streaming.session import AvatarSession, BusyError
from streaming.tokens import Scope
from streaming.websocket.frames import FrameStream
from streaming.websocket.listener import Listener
from streaming.websocket.outbox import Outbox
from streaming.websocket.playback import Playback
from streaming.websocket.protocol import (
    BUFFER_S,
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    SAMPLE_RATES,
    Clear,
    ClientMessage,
    EndOfUtterance,
    MessageError,
    OtherSide,
    SetAvatar,
    SetStyle,
    Start,
    Subscribe,
    parse,
)
from streaming.websocket.speaker import LiveSpeaker, QueueSpeaker, Speaker

LOSSES_S: Final = 1.0
"""How often a client that reads too slowly is told what it has lost."""

CLOSE_S: Final = 2.0
"""How long a close may take when the client does not read."""

GOING_AWAY: Final = 1001
TOO_SLOW: Final = 1008

logger = logging.getLogger(__name__)


class Connection:
    """A participant of one session, which whoever makes it lets it enter and leave."""

    def __init__(
        self,
        websocket: WebSocket,
        session: AvatarSession,
        set_avatar: Callable[[str], None],
        authorise: Callable[[Scope], None],
    ) -> None:
        """``authorise`` raises ``ForbiddenError`` when the client may not do what needs a scope."""
        self._websocket = websocket
        self._session = session
        self._set_avatar = set_avatar
        self._authorise = authorise
        self._outbox = Outbox()
        self._playback = Playback(self._outbox)
        self._speaker: Speaker | None = None
        self._listener: Listener | None = None
        self._other_side = False
        self._frames: FrameStream | None = None
        self._clearing = False
        self._told_not_started = False
        self._ended = asyncio.Event()

    async def serve(self) -> None:
        """Talk to the client, which has been accepted, until it or the session goes."""
        session = self._session
        if session.closed:
            self._ended.set()
        handles = [
            session.on_event(self._on_event),
            session.listen(self._on_sound),
            session.watch(self._on_picture),
        ]
        self._outbox.event(
            "ready",
            protocol=PROTOCOL,
            session=session.name,
            avatar=session.avatar_id,
            latency_ms=session.latency_ms,
            frame_rate=FRAME_RATE,
            sample_rates=SAMPLE_RATES,
            buffer_ms=BUFFER_S * 1000,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        works = (
            self._read_forever(),
            self._write_forever(),
            self._ended.wait(),
            self._outbox.overflown.wait(),
        )
        tasks = [asyncio.create_task(work, name=f"websocket-{session.label}") for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for handle in handles:
                handle.close()
            self._stop_speaking()
            if self._other_side:
                self._session.set_listening(False)
            if self._frames is not None:
                await self._frames.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                logger.error("a WebSocket failed", exc_info=result, extra={"session": session.label})
        await self._close()

    async def _close(self) -> None:
        code, reason = (
            (TOO_SLOW, "expected a client that reads its events")
            if self._outbox.overflown.is_set()
            else (GOING_AWAY, "the session has ended")
        )
        try:
            await asyncio.wait_for(self._websocket.close(code, reason), CLOSE_S)
        except (RuntimeError, TimeoutError, WebSocketDisconnect):
            pass  # the client is gone already, or does not read

    # What the client says.

    async def _read_forever(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if message.get("text") is not None:
                    await self._obey(parse(message["text"]))
                else:
                    await self._take(message.get("bytes") or b"")
            except MessageError as error:
                self._complain(error.code, error, **error.fields)
            except BusyError as error:
                self._complain("busy", error)
            except ForbiddenError as error:
                self._complain("forbidden", error)
            except InputError as error:
                self._complain("refused", error)
            # ``receive`` does not wait while messages do: others have their turn in between.
            await asyncio.sleep(0)

    async def _take(self, data: bytes) -> None:
        if self._speaker is not None:
            await self._speaker.add(data)
        elif not self._told_not_started:
            self._told_not_started = True
            raise MessageError("not_started", 'expected {"type": "start", ...} before sound: it is refused')

    async def _obey(self, message: ClientMessage) -> None:
        match message:
            case Start():
                self._authorise(Scope.PUBLISH)
                self._start(message)
            case Clear():
                self._authorise(Scope.PUBLISH)
                self._clearing = True
                self._session.clear()  # calls _on_event before it returns
                self._clearing = False
            case EndOfUtterance():
                if self._speaker is None:
                    raise MessageError(
                        "not_started", 'expected {"type": "start", ...} before end_of_utterance'
                    )
                self._speaker.end()
            case SetAvatar():
                self._authorise(Scope.PUBLISH)
                self._set_avatar(message.avatar)
            case SetStyle():
                self._authorise(Scope.PUBLISH)
                self._session.set_style(message.expressiveness, message.head_motion, message.mood)
            case OtherSide():
                self._authorise(Scope.PUBLISH)
                self._listen_to(message.speaks)
            case Subscribe():
                self._authorise(Scope.VIEW)
                if self._frames is not None:
                    await self._frames.close()
                self._frames = FrameStream(self._session, message, self._outbox)

    def _listen_to(self, speaks: bool) -> None:
        if self._listener is not None:
            raise MessageError(
                "listening",
                'expected no other_side after "listen": true, the user\'s microphone tells who speaks',
            )
        self._other_side = speaks
        self._session.set_listening(speaks)

    def _start(self, start: Start) -> None:
        self._stop_speaking()
        self._told_not_started = False
        if start.listen:
            self._listener = Listener(self._session, self._outbox, self._on_user if start.barge_in else None)
        if start.mode == "live":
            self._speaker = LiveSpeaker(self._session, start, self)
        else:
            self._speaker = QueueSpeaker(self._session, start, self._playback)

    def _stop_speaking(self) -> None:
        """What was accepted is still played."""
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            try:
                speaker.end()
            except InputError as error:
                self._complain("bad_sound", error)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._session.release_microphone(self)

    # What happens in the session.

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "state":
                self._outbox.event("speaking" if event["speaking"] else "idle")
            case "cleared":
                self._on_cleared(event["sample"], "you" if self._clearing else event["by"])
            case "error":
                self._outbox.event("error", code="engine", error=event["error"])
            case "ended":
                self._ended.set()

    def _on_user(self) -> None:
        """The user begins to speak, and may interrupt."""
        if self._playback.utterances.waiting:
            self._session.clear("user")

    def _on_cleared(self, sample: int, by: str) -> None:
        if by != "you" and not self._playback.utterances.waiting:
            return
        self._playback.cleared(sample)
        if self._speaker is not None:
            self._speaker.cleared(by)
        self._outbox.event("cleared", by=by)

    def _on_sound(self, first: int, samples: NDArray[np.int16]) -> None:
        self._playback.left(first)

    def _on_picture(self, picture: Picture) -> None:
        if not picture.repeated:
            self._playback.shown(picture.number)

    # What the client is told.

    def _complain(self, code: str, error: Exception, **fields: int) -> None:
        self._outbox.event("error", code=code, error=str(error), **fields)

    async def _write_forever(self) -> None:
        told_s, told = time.monotonic(), (0, 0)
        while True:
            for message in await self._outbox.next():
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
            lost = (self._outbox.lost["frame"], self._outbox.lost["sound"])
            if lost != told and time.monotonic() - told_s > LOSSES_S:
                told_s, told = time.monotonic(), lost
                self._outbox.event("lost", frames=lost[0], sounds=lost[1])
