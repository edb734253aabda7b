"""What happens in a running call: barge-in, another face, a dead worker, an agent that begins to speak."""

import json
import os
import signal
import time
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psutil
from websockets.sync.client import connect

from benchmarks.live_page import SPEECH
from benchmarks.machine import spread
from benchmarks.media.marked_call import RATE, MarkedCall, Noted, voice, write_wav

LOUD: Final = 0.1
SHUT: Final = 0.05
"""Opening (jawOpen - mouthClose) below which a mouth counts as shut."""

STANDBY_S: Final = 20.0
"""How long a new standby may take on a busy machine."""

PUSHES_RATE: Final = 16_000


def clear(call: MarkedCall, times: int) -> dict[str, Any]:
    """Interrupt uploaded speech while it is loud; until the last sound and until the mouth stays shut.

    The sound is measured in the stream that comes in, and as the page plays it, which turns it down when it hears that
    the rest was thrown away.
    """
    sound_ms: list[float] = []
    played_ms: list[float] = []
    mouth_ms: list[float] = []
    for _ in range(times):
        speak(call, SPEECH / "long.wav")
        call.note(2.0)
        begun_ms = call.page.evaluate("probe.sendWhenLoud({type: 'clear'})")
        call.page.wait_for_timeout(1500)
        noted = call.noted()
        last_ms = max([begun_ms, *(last_ms for _, _, last_ms in noted.heard_levels)])
        hushed_ms = min([last_ms, *(at_ms for at_ms in noted.hushed if at_ms > begun_ms)])
        open_ms = [f["shownMs"] for f in noted.frames if f["opening"] > SHUT and f["shownMs"] > begun_ms]
        later = [f["shownMs"] for f in noted.frames if f["shownMs"] > max([begun_ms, *open_ms])]
        sound_ms.append(last_ms - begun_ms)
        played_ms.append(hushed_ms - begun_ms)
        mouth_ms.append(min(later) - begun_ms if open_ms and later else 0.0)
    return {
        "times": times,
        "last_sound_in_stream_after": _each(sound_ms),
        "last_sound_played_after": _each(played_ms),
        "mouth_shut_after": _each(mouth_ms),
    }


def swap(call: MarkedCall, times: int) -> dict[str, Any]:
    """Change the face: until it is shown, the longest time without a new frame meanwhile, the darkest picture."""
    with urllib.request.urlopen(f"{call.url}/api/avatars") as answer:
        avatars = [avatar["id"] for avatar in json.load(answer)["avatars"]]
    took_ms: list[float] = []
    still_ms: list[float] = []
    darkest: list[float] = []
    for number in range(times):
        before = call.note(1.0).frames[-1]["avatar"]
        message = json.dumps({"type": "avatar", "id": avatars[(number + 1) % len(avatars)]})
        begun_ms = call.page.evaluate(f"probe.sendNow({message})")
        call.page.wait_for_timeout(2000)
        frames = call.noted().frames
        took_ms += [
            f["shownMs"] - begun_ms for f in frames if f["shownMs"] > begun_ms and f["avatar"] != before
        ][:1]
        still_ms.append(longest_still(frames))
        darkest.append(min(f["brightness"] for f in frames))
    return {
        "times": times,
        "seen": len(took_ms),
        "shown_after": _each(took_ms),
        "longest_still": _each(still_ms),
        "darkest_picture": round(min(darkest), 1),
    }


def kill(call: MarkedCall, times: int, folder: Path) -> dict[str, Any]:
    """Kill the worker that draws while the avatar speaks; until a new frame is shown, and the longest quiet."""
    tone = folder / "tone.wav"
    write_wav(tone, voice(12.0))
    still_ms: list[float] = []
    quiet_ms: list[float] = []
    for _ in range(times):
        call.page.wait_for_timeout(1000 * STANDBY_S)
        speak(call, tone)
        call.note(3.0)
        os.kill(drawing_worker(call.pid), signal.SIGKILL)
        call.page.wait_for_timeout(6000)
        noted = call.noted()
        still_ms.append(longest_still(noted.frames))
        quiet_ms.append(longest_quiet(noted))
        call.page.evaluate("probe.sendNow({type: 'clear'})")
    return {"times": times, "picture_back_after": _each(still_ms), "longest_quiet": _each(quiet_ms)}


def push(call: MarkedCall, times: int) -> dict[str, Any]:
    """Push speech over the WebSocket: from the first chunk to the first frame that shows it."""
    sound = voice(0.4)[:: RATE // PUSHES_RATE]
    chunk = PUSHES_RATE // 50
    took_ms: list[float] = []
    session = call.page.evaluate("probe.call.session")
    with connect(
        f"{call.url.replace('http', 'ws')}/ws?session={session}", max_queue=None
    ) as agent:  # events are not read
        agent.send(json.dumps({"type": "start", "sample_rate": PUSHES_RATE, "format": "f32"}))
        for number in range(times):
            call.note(1.0 + 0.0137 * number)  # chunks come anywhere within a frame
            begun_ms = time.time() * 1e3
            for first in range(0, len(sound), chunk):
                agent.send(sound[first : first + chunk].tobytes())
            agent.send(json.dumps({"type": "end_of_utterance"}))
            call.page.wait_for_timeout(800)
            took_ms += [f["shownMs"] - begun_ms for f in call.noted().onset_frames][:1]
    return {"times": times, "seen": len(took_ms), "shown_after": _each(took_ms)}


def speak(call: MarkedCall, sound: Path) -> None:
    """Upload a sound file into the page's call."""
    name = call.page.evaluate("probe.call.call")
    request = urllib.request.Request(f"{call.url}/api/calls/{name}/speech", sound.read_bytes(), method="POST")
    with urllib.request.urlopen(request) as answer:
        answer.read()


def drawing_worker(server: int) -> int:
    """Process number of the server's engine worker that draws: the child that is busy."""
    children = psutil.Process(server).children()
    for child in children:
        child.cpu_percent()
    time.sleep(0.5)
    return int(max(children, key=lambda child: child.cpu_percent()).pid)


def longest_still(frames: list[dict[str, Any]]) -> float:
    """Longest time, in milliseconds, for which no new frame was shown."""
    new = [frame for before, frame in pairwise(frames) if frame["number"] != before["number"]]
    return max((after["shownMs"] - before["shownMs"] for before, after in pairwise(new)), default=0.0)


def longest_quiet(noted: Noted) -> float:
    """Longest time, in milliseconds, between two loud moments of what is heard."""
    loud = [at_ms for at_ms, level, _ in noted.heard_levels if level > LOUD]
    return max((after - before for before, after in pairwise(loud)), default=0.0)


def _each(values: list[float]) -> dict[str, Any]:
    return {"all": [round(value, 1) for value in values], **(spread(values) or {})}
