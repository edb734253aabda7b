"""Every request of docs/protocol.md, the refusals above all."""

import asyncio
import io
import json
import threading
import time
import wave
from typing import Any

import av
import httpx
import numpy as np
import pytest

from streaming import app
from streaming.server import Server
from tests.streaming.loopback import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")


def wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.full(int(16_000 * seconds), 3000, "<i2").tobytes())
    return buffer.getvalue()


def silence(seconds: float) -> bytes:
    """A small file of much sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=8000, layout="mono")
        second = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        second.sample_rate = 8000
        for number in range(int(seconds)):
            second.pts = number * 8000
            file.mux(stream.encode(second))
        file.mux(stream.encode(None))
    return buffer.getvalue()


async def events(client: httpx.AsyncClient, job: str) -> list[tuple[str, Any]]:
    answer = await client.get(f"/api/avatar-jobs/{job}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in b.splitlines()) for b in answer.text.strip().split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


async def upload(client: httpx.AsyncClient, photo: bytes, **form: Any) -> httpx.Response:
    return await client.post(
        "/api/avatars", files={"photo": ("me.jpg", photo)}, data={"rights": "self"} | form
    )


async def make(client: httpx.AsyncClient, photo: bytes, **form: Any) -> tuple[str, Any]:
    answer = await upload(client, photo, **form)
    assert answer.status_code == 202
    return (await events(client, answer.json()["job"]))[-1]


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert "\n" not in error
    for word in words:
        assert word in error


async def test_state(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {
        "status": "ok",
        "worker": "running",
        "sessions": 0,
        "viewers": 0,
    }
    config = (await client.get("/api/config")).json()
    assert config == {
        "scopes": ["admin", "publish", "view"],
        "ice_servers": [],
        "size": 256,
        "latency_ms": 500.0,
        "frame_rate": 25,
        "max_upload_bytes": 200_000,
        "upload_lifetime_s": 86400.0,
        "max_faces": 1,
    }
    assert "vividlive_frames_sent_total" in (await client.get("/metrics")).text
    listed = (await client.get("/docs")).text
    assert "<code>POST /api/calls/{call}/speech</code>" in listed
    assert "//" not in listed.replace("<!doctype", "")  # nothing comes from elsewhere
    assert "/api/calls" in (await client.get("/openapi.json")).json()["paths"]


async def test_the_page_is_served(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert (await client.get("/static/main.js")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/main.js",
        "/healthz",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/api/config",
        "/api/avatars",
        "/api/avatars/grace_hopper/picture",
        "/api/sample-speech",
        "/api/recordings",
    ],
)
async def test_head_is_answered_like_get(client: httpx.AsyncClient, path: str) -> None:
    asked, told = await client.head(path), await client.get(path)
    assert asked.status_code == told.status_code == 200
    assert asked.headers["content-type"] == told.headers["content-type"]


async def test_the_default_avatar_is_there_with_its_picture(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/api/avatars")).json()
    assert listed["default"] == "grace_hopper"
    first = listed["avatars"][0]
    assert (first["id"], first["bundled"], first["rights"]) == ("grace_hopper", True, "public-domain")
    picture = await client.get(first["picture"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")


async def test_a_photo_becomes_an_avatar_and_is_deleted(client: httpx.AsyncClient) -> None:
    answer = await upload(client, b"a face", name="Me")
    told = await events(client, answer.json()["job"])
    assert [event for event, _ in told] == ["progress", "progress", "progress", "done"]
    assert told[2] == ("progress", {"step": "fitting", "fraction": 0.7})
    avatar = told[-1][1]["avatar"]
    assert (avatar["name"], avatar["rights"], avatar["bundled"]) == ("Me", "self", False)
    assert avatar in (await client.get("/api/avatars")).json()["avatars"]
    assert (await client.delete(f"/api/avatars/{avatar['id']}")).status_code == 204
    refused(await client.get(avatar["picture"]), 404, "no avatar")
    refused(await client.delete(f"/api/avatars/{avatar['id']}"), 404)


async def test_events_can_be_read_again_after_the_end(client: httpx.AsyncClient) -> None:
    job = (await upload(client, b"a face")).json()["job"]
    assert await events(client, job) == await events(client, job)


async def test_a_refused_photo_says_why(client: httpx.AsyncClient) -> None:
    answer = await upload(client, b"no face here")
    assert (answer.status_code, answer.json()) == (422, {"error": "expected a face, found none"})


async def test_several_faces_are_shown_and_one_can_be_chosen(client: httpx.AsyncClient) -> None:
    answer = await upload(client, b"two faces")
    refused(answer, 422, "found 2")
    assert answer.json()["faces"] == [[1.0, 2.0, 30.0, 40.0], [5.0, 6.0, 30.0, 40.0]]
    event, data = await make(client, b"two faces", face=1)
    assert (event, data["avatar"]["report"]["face"]) == ("done", 1)


async def test_a_crash_while_making_an_avatar_is_told_and_ends_nothing(client: httpx.AsyncClient) -> None:
    event, data = await make(client, b"crash")
    assert event == "refused" and "failed" in data["error"]
    assert (await client.get("/healthz")).status_code == 200


async def test_uploads_that_are_refused_at_once(client: httpx.AsyncClient) -> None:
    refused(await client.post("/api/avatars", files={"photo": ("a", b"x")}), 422, "rights")
    refused(await upload(client, b"x", rights="stolen"), 422, "self, permission", "stolen")
    refused(await upload(client, b"x", rights="unstated"), 422)
    refused(await upload(client, b"x", face="first"), 422, "face")
    refused(await upload(client, b""), 422, "empty")
    refused(await upload(client, b"no picture"), 422, "expected a photo", "text file")
    refused(await client.post("/api/avatars", data={"rights": "self"}), 422, "photo")
    refused(await upload(client, b"x" * 300_000), 413, "200000 bytes")


async def test_a_file_name_of_half_characters_spoils_no_list(client: httpx.AsyncClient) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="rights"\r\n\r\nself\r\n'
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="\\ud800 me.jpg"\r\n\r\nx\r\n--b--\r\n'
    )
    kind = {"content-type": "multipart/form-data; boundary=b; charset=unicode_escape"}
    answer = await client.post("/api/avatars", content=body, headers=kind)
    assert answer.status_code == 202, answer.text
    avatar = (await events(client, answer.json()["job"]))[-1][1]["avatar"]
    assert (await client.get("/api/avatars")).status_code == 200
    assert avatar["name"] == "? me"
    assert (await client.delete(f"/api/avatars/{avatar['id']}")).status_code == 204


async def test_a_body_without_a_length_is_counted(client: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        for _ in range(1000):
            yield b"x" * 10_000

    refused(await client.post("/api/calls/none/speech", content=endless()), 404)
    refused(
        await client.post(
            "/api/avatars", content=endless(), headers={"content-type": "multipart/form-data; boundary=b"}
        ),
        413,
    )


async def test_unknown_things_are_404(client: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/api/avatars/none/picture"),
        ("DELETE", "/api/avatars/none"),
        ("GET", "/api/avatar-jobs/none/events"),
        ("DELETE", "/api/calls/none"),
        ("POST", "/api/calls/none/speech"),
        ("POST", "/api/calls/none/clear"),
        ("GET", "/nothing"),
        ("GET", "/static/nothing.js"),
        ("GET", "/static/../app.py"),
    ):
        refused(await client.request(method, path), 404)


async def test_a_bundled_avatar_cannot_be_deleted(client: httpx.AsyncClient) -> None:
    refused(await client.delete("/api/avatars/grace_hopper"), 403, "bundled")


async def test_bad_calls(client: httpx.AsyncClient) -> None:
    refused(await client.post("/api/calls", json={"sdp": "hello"}), 400, "SDP")
    refused(await client.post("/api/calls", json={"sdp": "v=0\r\n"}), 400, "got neither")
    refused(await client.post("/api/calls", json={}), 422, "sdp")
    refused(await client.post("/api/calls", content=b"{"), 422)
    refused(await client.post("/api/calls", json={"sdp": "v=0", "seed": -1}), 422, "seed")
    caller = Caller()
    offer = await caller.offer()
    refused(await client.post("/api/calls", json={"sdp": offer, "avatar": "none"}), 404, "no avatar")
    await caller.close()
    assert (await client.get("/healthz")).json()["sessions"] == 0


async def test_no_more_calls_than_allowed(client: httpx.AsyncClient, server: Server) -> None:
    callers = [Caller() for _ in range(3)]
    answers = [await client.post("/api/calls", json={"sdp": await caller.offer()}) for caller in callers]
    assert [answer.status_code for answer in answers] == [201, 201, 503]
    assert answers[2].headers["retry-after"] == "5"
    refused(answers[2], 503, "at most 2 avatars")
    assert answers[2].json()["reason"] == "full"
    for answer in answers[:2]:
        assert (await client.delete(f"/api/calls/{answer.json()['call']}")).status_code == 204
    assert not server.calls
    for caller in callers:
        await caller.close()


async def test_a_server_that_stops_takes_no_calls(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_stopping", False)  # as it was, afterwards
    before = set(server.sessions)
    await server.say_goodbye(3.0)
    caller = Caller()
    for joined in ({}, {"session": "grace_hopper"}):
        answer = await client.post("/api/calls", json={"sdp": await caller.offer()} | joined)
        refused(answer, 503, "stopping")
        assert answer.json()["reason"] == "stopping"
        assert answer.headers["retry-after"] == "5"
    assert set(server.sessions) == before
    await caller.close()


async def test_speech_is_queued_or_refused(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller()
    answer = await client.post("/api/calls", json={"sdp": await caller.offer()})
    call = answer.json()["call"]
    sent = await client.post(f"/api/calls/{call}/speech", content=wav(4.0))
    assert (sent.status_code, sent.json()) == (202, {"seconds": 4.0})
    assert server.call(call).session.timeline.queued_seconds > 3.0
    assert (await client.post(f"/api/calls/{call}/clear")).status_code == 204
    assert server.call(call).session.timeline.queued_seconds == 0.0
    refused(await client.post(f"/api/calls/{call}/speech", content=b"no sound"), 422, "sound")
    refused(await client.post(f"/api/calls/{call}/speech", content=b""), 422, "empty")
    refused(await client.post(f"/api/calls/{call}/speech", content=b"x" * 300_000), 413)
    eleven = silence(660.0)
    refused(await client.post(f"/api/calls/{call}/speech", content=eleven), 422, "at most 10 minutes")
    long = silence(400.0)
    assert (await client.post(f"/api/calls/{call}/speech", content=long)).status_code == 202
    refused(await client.post(f"/api/calls/{call}/speech", content=long), 422, "10 minutes of sound to wait")
    await client.delete(f"/api/calls/{call}")
    await caller.close()


async def test_speech_of_a_call_that_ends_while_it_is_decoded_is_refused(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = Caller()
    placed = (await client.post("/api/calls", json={"sdp": await caller.offer()})).json()
    decoding, going_on = asyncio.Event(), threading.Event()
    loop, decoded = asyncio.get_running_loop(), app._decoded

    def slowly(data: bytes) -> Any:
        loop.call_soon_threadsafe(decoding.set)
        going_on.wait(30)
        return decoded(data)

    monkeypatch.setattr(app, "_decoded", slowly)
    sending = asyncio.create_task(client.post(f"/api/calls/{placed['call']}/speech", content=wav(1.0)))
    await decoding.wait()
    await client.delete(f"/api/calls/{placed['call']}")
    going_on.set()
    refused(await sending, 404, "it may have ended")
    assert server.session(placed["session"]).queued_seconds == 0.0
    await server.close_session(placed["session"])
    await caller.close()


async def test_sound_files_are_decoded_one_at_a_time_beside_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = 0
    most = 0
    threads = set()
    decoded = app._decoded

    def watched(data: bytes, *more: Any) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        threads.add(threading.current_thread())
        time.sleep(0.05)
        sound = decoded(data, *more)
        at_work -= 1
        return sound

    monkeypatch.setattr(app, "_decoded", watched)
    caller = Caller()
    call = (await client.post("/api/calls", json={"sdp": await caller.offer()})).json()["call"]
    path = f"/api/calls/{call}/speech"
    sent = await asyncio.gather(*(client.post(path, content=wav(0.5)) for _ in range(4)))
    assert [answer.status_code for answer in sent] == [202] * 4
    assert most == 1
    assert threading.main_thread() not in threads
    await client.delete(f"/api/calls/{call}")
    await caller.close()
