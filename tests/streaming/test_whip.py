"""WHIP and WHEP over HTTP, with aiortc as the publisher and the player."""

import asyncio
import random
from typing import Any

import httpx
import numpy as np
import pytest
from aioice import stun

from streaming.server import Server
from streaming.settings import ServeSettings
from streaming.whip import ice_link
from tests.streaming.loopback import Caller
from tests.streaming.mutations import mutated
from tests.streaming.offers import NAMES, recorded
from tests.streaming.test_call_loopback import Bursts
from tests.streaming.test_viewers import leave

pytestmark = pytest.mark.asyncio(loop_scope="session")

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"


class StunServer(asyncio.DatagramProtocol):
    """Tells everybody their address."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(asked.message_method, stun.Class.RESPONSE, asked.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = address
        self._transport.sendto(bytes(answer), address)


async def post(client: httpx.AsyncClient, path: str, offer: str, **headers: str) -> httpx.Response:
    return await client.post(path, content=offer, headers=SDP | headers)


async def connect(client: httpx.AsyncClient, path: str, caller: Caller) -> httpx.Response:
    answer = await post(client, path, await caller.offer())
    assert answer.status_code == 201, answer.text
    await caller.accept(answer.text)
    return answer


async def test_a_published_voice_is_heard_by_whoever_views(client: httpx.AsyncClient, server: Server) -> None:
    viewer = Caller(kinds=("audio",))  # no pictures: the machine may be busy
    seen = await connect(client, "/whep/grace_hopper", viewer)
    await viewer.until(lambda: len(viewer.sound) > 5)
    assert max(np.abs(sound).max() for _, sound in viewer.sound) < 100

    publisher = Caller(Bursts(), kinds=("audio", "video"))
    published = await connect(client, "/whip?avatar=grace_hopper", publisher)
    assert published.headers["location"].startswith("/whip/calls/") and seen.headers["location"].startswith(
        "/whep/calls/"
    )
    assert published.headers["content-type"] == "application/sdp"
    assert published.headers["etag"].strip('"') and published.headers["etag"] != seen.headers["etag"]
    assert "a=candidate:" in published.text and "a=end-of-candidates" in published.text
    assert list(server.sessions) == ["grace_hopper"]
    await viewer.until(lambda: any(np.abs(sound).max() > 5000 for _, sound in viewer.sound))
    assert not publisher.pictures and not publisher.sound
    assert "m=video" in published.text and "a=inactive" in published.text

    second = Caller(Bursts())
    refused = await post(client, "/whip?avatar=grace_hopper", await second.offer())
    assert refused.status_code == 409 and "microphone" in refused.json()["error"]
    for location in (published.headers["location"], seen.headers["location"]):
        assert (await client.delete(location)).status_code == 204
        assert (await client.delete(location)).status_code == 404
    again = await connect(client, "/whip?session=grace_hopper", second)  # the microphone is free
    assert (await client.delete(again.headers["location"])).status_code == 204
    assert not server.calls
    await leave(client, server, viewer, publisher, second)


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_sound_or_picture_alone_can_be_viewed(
    client: httpx.AsyncClient, server: Server, kind: str
) -> None:
    viewer = Caller(kinds=(kind,))
    await connect(client, "/whep/grace_hopper", viewer)
    await viewer.until(lambda: len(viewer.pictures if kind == "video" else viewer.sound) > 5)
    await leave(client, server, viewer)


async def test_the_default_avatar_hears_whoever_names_none(client: httpx.AsyncClient, server: Server) -> None:
    answer = await post(client, "/whip", recorded("chromium_whip"))
    assert answer.status_code == 201 and list(server.sessions) == [server.store.default]
    await leave(client, server)


async def test_candidates_come_later(client: httpx.AsyncClient, server: Server) -> None:
    answer = await post(client, "/whep/grace_hopper", recorded("firefox_whep"))
    location, etag = answer.headers["location"], answer.headers["etag"]
    user = next(line for line in recorded("firefox_whep").split("\r\n") if "ice-ufrag" in line)

    async def patch(text: str, **headers: str) -> int:
        return (await client.patch(location, content=text, headers=FRAGMENT | headers)).status_code

    fragment = f"{user}\r\n{CANDIDATE}"
    assert await patch(fragment) == 204  # clients that leave If-Match out are common
    assert await patch(fragment, **{"If-Match": etag}) == 204
    assert await patch(fragment, **{"If-Match": "*"}) == 204
    assert await patch(fragment, **{"If-Match": '"another"'}) == 412
    assert await patch(fragment, **{"Content-Type": "application/sdp"}) == 415
    assert await patch("a=candidate:1") == 400
    restart = await client.patch(location, content=f"a=ice-ufrag:another\r\n{CANDIDATE}", headers=FRAGMENT)
    assert restart.status_code == 422 and "ICE restart" in restart.json()["error"]
    assert (await client.patch("/whep/calls/nobody", content=fragment, headers=FRAGMENT)).status_code == 404
    transport = next(iter(server.calls.values()))._ice_transport
    assert [one.ip for one in transport.getRemoteCandidates()] == ["192.0.2.1"]
    many = "".join(CANDIDATE.replace("61764", str(port)) for port in range(1000, 1200))
    assert await patch(many) == 204
    assert len(transport.getRemoteCandidates()) == 64
    await leave(client, server)


async def test_a_call_of_one_protocol_is_unknown_to_the_other(
    client: httpx.AsyncClient, server: Server
) -> None:
    answer = await post(client, "/whep/grace_hopper", recorded("chromium_whep"))
    assert (await client.delete(answer.headers["location"].replace("whep", "whip"))).status_code == 404
    assert len(server.calls) == 1
    await leave(client, server)


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/whip", {"Content-Type": "text/plain"}, 415, "application/sdp"),
        ("/whip", {"Accept": "text/html"}, 406, "application/sdp"),
        ("/whip?avatar=nobody", {}, 404, "nobody"),
        ("/whip?session=nobody", {}, 404, "nobody"),
        ("/whip?session=a&avatar=b", {}, 422, "got both"),
        ("/whep/nobody", {}, 400, "recvonly"),
    ],
)
async def test_what_cannot_be_published(
    client: httpx.AsyncClient, server: Server, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = await post(client, path, recorded("chromium_whip"), **headers)
    assert answer.status_code == status and reason in answer.json()["error"]
    assert not server.calls and not server.sessions


async def test_offers_that_are_no_text(client: httpx.AsyncClient) -> None:
    for offer in (b"", b"\xff\xfe", b"v=0", b"hello"):
        answer = await client.post("/whip", content=offer, headers=SDP)
        assert answer.status_code == 400


async def test_a_full_server_says_when_to_come_back(client: httpx.AsyncClient, server: Server) -> None:
    others = [server.open_session("grace_hopper") for _ in range(server.settings.max_sessions)]
    for other in others:
        other.enter(client)
    answer = await post(client, "/whep/grace_hopper", recorded("chromium_whep"))
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    await leave(client, server)


async def test_resources_without_content(client: httpx.AsyncClient, server: Server) -> None:
    answer = await post(client, "/whep/grace_hopper", recorded("chromium_whep"))
    for path in ("/whip", "/whep/grace_hopper", answer.headers["location"]):
        for method in ("GET", "HEAD"):
            nothing = await client.request(method, path)
            assert nothing.status_code == 204 and not nothing.content
        assert (await client.put(path)).status_code == 405
    options = await client.options("/whip")
    assert options.is_success and options.headers["accept-post"] == "application/sdp"
    preflight = {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}
    allowed = await client.options("/whip", headers=preflight)
    assert "PATCH" in allowed.headers["access-control-allow-methods"]
    exposed = await client.options("/whip", headers={"Origin": "http://localhost"})
    assert {"Location", "ETag", "Link"} <= set(exposed.headers["access-control-expose-headers"].split(", "))
    await leave(client, server)


async def test_ice_servers_are_named_to_whoever_was_let_in(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
    url = f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    with_stun = server.settings.model_copy(update={"ice_servers": ({"urls": url},)})
    monkeypatch.setattr(server, "settings", with_stun)
    assert "link" not in (await client.options("/whip")).headers
    answer = await post(client, "/whep/grace_hopper", recorded("chromium_whep"))
    assert answer.headers["link"] == f'<{url}>; rel="ice-server"'
    await leave(client, server)
    transport.close()


async def test_a_turn_server_is_named_with_its_secret() -> None:
    servers = {"ice_servers": ["turn:user:pass%22word@127.0.0.1:9?transport=udp"]}
    assert [ice_link(one) for one in ServeSettings.model_validate(servers).ice_servers] == [
        '<turn:127.0.0.1:9?transport=udp>; rel="ice-server"; username="user"; credential="pass\\"word"; '
        'credential-type="password"'
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_damaged_offers_leave_nothing_behind(
    client: httpx.AsyncClient, server: Server, name: str
) -> None:
    """The app's own exceptions would come through the client: it has no server in between that answers 500."""
    chance = random.Random(f"whip {name}")
    before = asyncio.all_tasks()
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    taken = 0
    try:
        for _ in range(30):
            path = "/whip" if name.endswith("whip") else "/whep/grace_hopper"
            answer = await post(
                client, path, mutated(recorded(name), chance).encode(errors="replace").decode()
            )
            assert answer.status_code in (201, 400, 409), answer.text
            taken += answer.status_code == 201
            for call in list(server.calls):
                await server.close_call(call)
        for session in list(server.sessions):
            await server.close_session(session)
        async with asyncio.timeout(30):
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left, timeout=0.2)
    finally:
        loop.set_exception_handler(None)
    assert taken > 3
    assert not server.calls and not server.sessions
    assert not complaints
