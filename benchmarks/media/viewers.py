"""Many viewers of one avatar: their frame rate, and what each costs the media process.

python -m benchmarks.media.viewers URL SESSION COUNT SECONDS    (used by the benchmark, in a process of its own)
"""

import asyncio
import json
import subprocess
import sys
import urllib.request
from contextlib import suppress
from typing import Any, Final

import numpy as np
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from benchmarks.machine import ROOT
from benchmarks.media.marked_call import MarkedCall

FRAME_RATE: Final = 25
CONNECT_S: Final = 4.0
CONNECT_LIMIT_S: Final = 30.0
TURN_S: Final = 0.02


class SilentViewer:
    """Receives a session's packets and neither decrypts nor decodes them: the headers say which frame they belong to."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.timestamps: set[int] = set()
        for kind in ("audio", "video"):
            self.connection.addTransceiver(kind, "recvonly")

    async def call(self, url: str, session: str) -> None:
        """Join a session as a viewer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        body = {"sdp": self.connection.localDescription.sdp, "session": session, "view_only": True}
        answer = await asyncio.to_thread(post, f"{url}/api/calls", body)
        await self.accept(answer["sdp"])

    async def accept(self, answer: str) -> None:
        """Take the server's answer, and begin to count when connected."""
        connected = asyncio.Event()

        @self.connection.on("connectionstatechange")
        def tell() -> None:
            if self.connection.connectionState == "connected":
                connected.set()

        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(connected.wait(), CONNECT_LIMIT_S)
        self._counting = asyncio.create_task(self._count())

    async def close(self) -> None:
        """Leave."""
        self._counting.cancel()
        await self.connection.close()

    async def _count(self) -> None:
        """Read what has come in turns: a wake-up for every packet would cost more than the server's sending it."""
        transceivers = self.connection.getTransceivers()
        video = {c.payloadType for c in transceivers[1]._codecs}
        ice: Any = transceivers[0].receiver.transport.transport._connection
        loop: Any = asyncio.get_running_loop()
        protocols = [(protocol, protocol.transport._sock) for protocol in ice._protocols]
        for _, sock in protocols:
            loop._remove_reader(sock.fileno())
        while True:
            await asyncio.sleep(TURN_S)
            for protocol, sock in protocols:
                with suppress(BlockingIOError):
                    while True:
                        data, address = sock.recvfrom(2048)
                        if len(data) < 12 or not 128 <= data[0] <= 191 or 64 <= data[1] & 0x7F <= 95:
                            protocol.datagram_received(data, address)
                        elif data[1] & 0x7F in video:
                            self.timestamps.add(int.from_bytes(data[4:8], "big"))


def viewers(call: MarkedCall, counts: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """One browser, and silent viewers beside it: frames a second of each, share of a core of the media process."""
    server = psutil.Process(call.pid)
    session = call.page.evaluate("probe.call.session")
    results = []
    for count in counts:
        others = count - 1
        watching = _start(call.url, session, others, seconds) if others else None
        call.page.wait_for_timeout(1000 * CONNECT_S)
        before = sum(server.cpu_times()[:2])
        frames = call.note(seconds).frames
        used_s = sum(server.cpu_times()[:2]) - before
        rates = [len({frame["number"] for frame in frames}) / seconds]
        if watching is not None:
            out, _ = watching.communicate(timeout=60)
            rates += json.loads(out)
        results.append(
            {
                "viewers": count,
                "browser_fps": round(rates[0], 2),
                "slowest_other_fps": round(min(rates[1:]), 2) if others else None,
                "media_process_core_share": round(used_s / seconds, 4),
            }
        )
    slope = np.polyfit([r["viewers"] for r in results], [r["media_process_core_share"] for r in results], 1)[
        0
    ]
    return {"seconds": seconds, "counts": results, "core_share_of_one_viewer": round(float(slope), 4)}


def _start(url: str, session: str, count: int, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.media.viewers", url, session, str(count), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def post(url: str, body: dict[str, Any]) -> Any:
    """Post JSON; returns the JSON that comes back."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


async def _watch(url: str, session: str, count: int, seconds: float) -> list[float]:
    watching = [SilentViewer() for _ in range(count)]
    for viewer in watching:
        await viewer.call(url, session)
    await asyncio.sleep(CONNECT_S)
    for viewer in watching:
        viewer.timestamps.clear()
    await asyncio.sleep(max(1.0, seconds - CONNECT_S))
    rates = [len(viewer.timestamps) / max(1.0, seconds - CONNECT_S) for viewer in watching]
    for viewer in watching:
        await viewer.close()
    return rates


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_watch(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
