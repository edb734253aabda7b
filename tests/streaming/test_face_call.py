"""An avatar that is driven by the face of who calls: a camera over the call's own connection, a tracker made up."""

import asyncio
import json
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aiortc import MediaStreamTrack

from streaming.face_process import FaceProcess
from streaming.face_trackers import FaceTrackers
from streaming.face_tracking import FaceState, Undecodable
from streaming.server import Server
from streaming.session import BusyError
from tests.streaming.loopback import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = 256


class Lamp(MediaStreamTrack):
    """A camera whose picture is as light as wanted; 25 pictures a second."""

    kind = "video"
    level = 200

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._begun: float | None = None

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self._number / 25 - loop.time())
        picture = np.full((120, 160, 3), self.level, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._number * 3600, Fraction(1, 90_000)
        self._number += 1
        return frame


def mouth_open(luma: np.ndarray) -> bool:
    return bool(luma[SIZE * 3 // 4 - 8, SIZE // 2] < 70)


async def call(client: httpx.AsyncClient, caller: Caller, **asked: str) -> dict[str, str]:
    wanted = asked or {"avatar": "grace_hopper"}
    answer = await client.post("/api/calls", json={"sdp": await caller.offer(), **wanted})
    assert answer.status_code == 201, answer.text
    body: dict[str, str] = answer.json()
    await caller.accept(body["sdp"])
    await caller.until(lambda: len(caller.pictures) > 3 and caller.control.readyState == "open")
    return body


def faces(caller: Caller) -> list[dict[str, Any]]:
    return [message for message in caller.messages if message["type"] == "face"]


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
async def test_the_callers_face_drives_the_avatar(
    client: httpx.AsyncClient, server: Server, codec: str
) -> None:
    lamp = Lamp()
    caller = Caller(codec=codec, camera=lamp)
    name = (await call(client, caller))["call"]
    await caller.until(lambda: len(caller.pictures) > 30)
    assert not any(mouth_open(luma) for _, luma in caller.pictures)  # nobody asked for the face
    assert server.faces.count == 0

    caller.send({"type": "drive", "by": "face"})
    await caller.until(lambda: mouth_open(caller.pictures[-1][1]))
    assert faces(caller) == [{"type": "face", "seen": True, "words": ""}]
    caller.send({"type": "face_rest"})  # as light as it is counts as shut
    await caller.until(lambda: not mouth_open(caller.pictures[-1][1]))
    lamp.level = 5
    await caller.until(lambda: len(faces(caller)) > 1)
    assert faces(caller)[-1] == {"type": "face", "seen": False, "words": "it is dark"}

    caller.send({"type": "drive", "by": "voice"})
    async with asyncio.timeout(30):
        while server.faces.count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)
    lamp.level = 240
    at = len(caller.pictures)
    await caller.until(lambda: len(caller.pictures) > at + 30)
    assert not mouth_open(caller.pictures[-1][1])
    await client.delete(f"/api/calls/{name}")
    await caller.close()


async def test_one_face_at_a_time(client: httpx.AsyncClient, server: Server) -> None:
    """Nobody takes an avatar from another one's face, and the server follows no more than it was told."""
    first, second = Caller(camera=Lamp()), Caller(camera=Lamp())
    session = (await call(client, first))["session"]
    name = (await call(client, second, session=session))["call"]
    first.send({"type": "drive", "by": "face"})
    await first.until(lambda: bool(faces(first)))
    second.send({"type": "drive", "by": "face"})
    await second.until(lambda: any(m["type"] == "drive" for m in second.messages))
    refused = next(m for m in second.messages if m["type"] == "drive")
    assert refused["by"] == "voice" and "at most 1 faces" in refused["error"]
    await client.delete(f"/api/calls/{name}")
    await second.close()
    await first.close()  # hangs up without a word
    async with asyncio.timeout(30):
        while server.faces.count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)
    with pytest.raises(BusyError, match="nobody else's face"):
        live = server.session(session)
        live.claim_face(first)
        live.claim_face(second)


async def test_viewers_send_no_camera(client: httpx.AsyncClient, server: Server) -> None:
    lamp = Lamp()
    caller = Caller(camera=lamp)
    offer = {"sdp": await caller.offer(), "avatar": "grace_hopper", "view_only": True}
    answer = (await client.post("/api/calls", json=offer)).json()
    video = answer["sdp"][answer["sdp"].index("m=video") :]
    assert "a=sendonly" in video and "a=sendrecv" not in video
    await caller.accept(answer["sdp"])
    await caller.until(lambda: caller.control.readyState == "open")
    caller.send({"type": "drive", "by": "face"})
    await caller.until(lambda: any("from a viewer" in m.get("error", "") for m in caller.messages))
    await client.delete(f"/api/calls/{answer['call']}")
    await caller.close()


async def test_a_call_that_has_ended_begins_no_face(client: httpx.AsyncClient, server: Server) -> None:
    """What the page said just before is read while the connection closes."""
    caller = Caller(camera=Lamp())
    name = (await call(client, caller))["call"]
    peer = server.calls[name]
    await client.delete(f"/api/calls/{name}")
    peer._on_message(json.dumps({"type": "drive", "by": "face"}))
    peer._on_channel(peer._channel)
    assert server.faces.count == 0
    assert not peer._tasks
    await caller.close()


async def test_what_a_face_that_was_switched_off_still_says_is_not_taken_for_the_next_ones(
    server: Server,
) -> None:
    faces = FaceTrackers("tests.streaming.fake_face:fake_tracker", 2)
    session = server.open_session(None)
    told: list[FaceState] = []
    keyframes: list[bool] = []

    def begin() -> FaceProcess:
        return faces.begin(session, session, told.append, lambda: keyframes.append(True))

    first = begin()
    faces.end(first)
    second = begin()
    for process in (first, second):
        process._receive(FaceState(process is first, "seen"))
        process._receive(Undecodable())
    assert told == [FaceState(False, "seen")] and len(keyframes) == 1
    await faces.stop()
    await server.close_session(session.name)


async def test_switching_on_and_off_again_makes_no_crowd_of_processes(server: Server) -> None:
    faces = FaceTrackers("tests.streaming.fake_face:fake_tracker", 1)
    session = server.open_session(None)
    begun = []
    with pytest.raises(BusyError, match="at most 1 faces"):
        for _ in range(10):
            begun.append(faces.begin(session, session, lambda state: None, lambda: None))
            session.release_face(session)
            faces.end(begun[-1])
    assert len(begun) == 2
    await faces.stop()
    faces.end(faces.begin(session, session, lambda state: None, lambda: None))
    await faces.stop()
    await server.close_session(session.name)
