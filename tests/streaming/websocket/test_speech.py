"""Speech pushed over a real connection: where it is played, what is told of it, and what becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.server import Server
from streaming.timeline import EDGE
from streaming.websocket.protocol import Kind
from tests.streaming.fake_engine import FROWN
from tests.streaming.websocket.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

Join = Callable[..., Awaitable[Client]]


def tone(rate: int, seconds: float, hz: float = 300.0) -> NDArray[np.int16]:
    return (12_000 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def runs(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """First and last sample of every stretch of sound without 5 ms of silence in it."""
    loud = np.flatnonzero(np.abs(samples) > 0)
    cuts = np.flatnonzero(np.diff(loud) > 240)
    firsts = [loud[0], *loud[cuts + 1]] if len(loud) else []
    return list(zip(map(int, firsts), map(int, [*loud[cuts], loud[-1]] if len(loud) else []), strict=True))


async def test_an_utterance_is_played_as_it_is_and_told_from_begin_to_end(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", audio=True)
    await client.event("subscribed")
    spoken = tone(48_000, 0.6)
    await client.start(48_000)
    await client.say(spoken)
    await client.tell("end_of_utterance")
    await client.event("playback_position", utterance=1, over=True)
    await client.event("speaking")
    await client.event("idle")

    positions = client.all("playback_position")
    samples = [position["sample"] for position in positions]
    assert samples == sorted(samples) and samples[-1] == 28_800
    assert all(position["samples"] == 28_800 for position in positions)
    assert 0 < samples[0] <= 48_000 // 5  # told when it begins, and then four times a second
    assert not positions[-1]["interrupted"]
    latency = await client.event("latency", utterance=1)
    assert latency["waited_ms"] < 100
    assert 0 < latency["sound_ms"] < latency["frame_ms"]

    _, heard = client.sound()
    ((first, last),) = runs(heard)
    assert abs(last - first - 28_800) < 10
    begin = first - 1  # a sine begins with a zero
    middle = heard[begin + EDGE : begin + 28_800 - EDGE].astype(int)
    assert np.abs(middle - spoken[EDGE:-EDGE]).max() <= 1


async def test_sound_that_comes_faster_than_time_is_played_in_time(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", audio=True)
    for rate, form in ((16_000, "s16"), (24_000, "f32"), (22_050, "s16")):
        await client.start(rate, form)
        sound = tone(rate, 0.4)
        await client.say(sound if form == "s16" else (sound / 32768).astype(np.float32))
        await client.tell("end_of_utterance")
    last = await client.event("playback_position", utterance=3, over=True)
    assert last["sample"] == 8820 and last["queued_ms"] == 0
    ends = [position["utterance"] for position in client.all("playback_position") if position["over"]]
    assert ends == [1, 2, 3]
    _, heard = client.sound()
    ((first, end),) = runs(heard)  # one follows the other without a hole
    assert abs(end - first - 3 * 19_200) < 30
    assert len(client.all("underrun")) == 0 and len(client.all("error")) == 0


async def test_messages_may_be_cut_in_the_middle_of_a_sample(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", audio=True)
    await client.start(24_000, "f32")
    data = (tone(24_000, 0.5) / 32768).astype("<f4").tobytes()
    rng = np.random.default_rng(1)
    position = 0
    while position < len(data):
        step = int(rng.integers(1, 3000))
        await client.socket.send(data[position : position + step])
        position += step
    await client.tell("end_of_utterance")
    over = await client.event("playback_position", over=True)
    assert over["sample"] == 12_000
    _, heard = client.sound()
    (first, end), *more = runs(heard)
    assert not more and abs(end - first - 24_000) < 10
    wanted = tone(48_000, 0.5).astype(int)
    assert np.abs(heard[first - 1 + EDGE : first - 1 + 23_000].astype(int) - wanted[EDGE:23_000]).max() < 100
    await client.socket.send(b"abc")
    await client.tell("end_of_utterance")
    assert "3 bytes" in (await client.event("error", code="bad_sound"))["error"]


async def test_a_hole_in_an_utterance_is_told_and_does_not_click(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", audio=True)
    await client.start(48_000)
    await client.say(tone(48_000, 0.11))
    await client.event("playback_position", sample=5280)  # has left, and the utterance is not over
    await client.say(tone(48_000, 0.11) + np.int16(3000))
    await client.tell("end_of_utterance")
    await client.event("playback_position", over=True, sample=10_560)
    hole = await client.event("underrun", utterance=1)
    _, heard = client.sound()
    (_, end), (begin, _) = runs(heard)
    assert abs((begin - end) / 48 - hole["ms"]) < 1.0
    assert np.abs(np.diff(heard.astype(int))).max() < 800


async def test_clear_stops_at_once_and_says_how_much_was_heard(join: Join, server: Server) -> None:
    client = await join()
    await client.tell("subscribe", audio=True, blendshapes=True)
    await client.start()
    await client.say(tone(16_000, 5.0))
    await client.tell("end_of_utterance")
    await client.say(tone(16_000, 5.0))
    await client.event("speaking")
    await client.tell("clear")
    await client.event("cleared", by="you")
    first, second = (position for position in client.all("playback_position") if position["over"])
    assert first["interrupted"] and second["interrupted"]
    assert (first["samples"], second["samples"], second["sample"]) == (80_000, 80_000, 0)
    assert server.session("grace_hopper").queued_seconds == 0.0

    start, heard = client.sound()
    await client.until(lambda: len(client.sound()[1]) > len(heard) + 48_000)
    _, heard = client.sound()
    ((begin, end),) = runs(heard)
    assert abs((end - begin) / 3 - first["sample"]) < 16_000 * 0.02
    closed = (start + end) // 1920 + 15  # frames of the 500 ms budget that were drawn are not drawn again
    later = [media for media in client.of(Kind.MOTION) if media[3] > closed]
    assert later and all(np.frombuffer(media[5], "<f4")[17] == 0 for media in later)

    await client.say(tone(16_000, 0.2))
    await client.tell("end_of_utterance")
    over = await client.event("playback_position", utterance=3, over=True)
    assert not over["interrupted"]


async def test_who_is_interrupted_by_others_is_not_heard_until_they_know(join: Join, server: Server) -> None:
    client = await join()
    await client.start()
    await client.say(tone(16_000, 3.0))
    await client.event("speaking")
    server.session("grace_hopper").clear()
    await client.event("cleared", by="other")
    for _ in range(3):
        await client.say(tone(16_000, 0.5))
        await client.tell("end_of_utterance")
    assert "clear" in (await client.event("error", code="interrupted"))["error"]
    await client.tell("clear")
    await client.event("cleared", by="you")
    await client.say(tone(16_000, 0.2))
    await client.tell("end_of_utterance")
    over = await client.event("playback_position", utterance=2, over=True)
    assert over["samples"] == 3200
    assert len(client.all("error")) == 1
    assert server.session("grace_hopper").queued_seconds == 0.0


async def test_more_than_a_minute_ahead_is_refused_and_what_was_taken_is_kept(
    join: Join, server: Server
) -> None:
    client = await join()
    await client.start(8_000)
    await client.say(tone(8_000, 55.0))
    await client.say(tone(8_000, 10.0))
    refused = await client.event("error", code="buffer_full")
    assert (refused["utterance"], refused["samples"]) == (1, 440_000)
    await client.say(tone(8_000, 1.0))  # in order: nothing of the utterance after the refusal
    await client.tell("end_of_utterance")
    await client.say(tone(8_000, 1.0))
    await client.tell("end_of_utterance")
    await client.tell("clear")
    await client.event("cleared")
    taken = [(p["utterance"], p["samples"]) for p in client.all("playback_position") if p["over"]]
    assert taken == [(1, 440_000), (2, 8_000)]
    assert len(client.all("error")) == 1
    assert server.session("grace_hopper").queued_seconds == 0.0


async def test_what_was_taken_is_played_when_the_client_is_gone(join: Join, server: Server) -> None:
    listener, client = await join(), await join()
    await listener.tell("subscribe", audio=True)
    await listener.event("subscribed")
    await client.start()
    await client.say(tone(16_000, 0.5))
    await client.until(
        lambda: server.session("grace_hopper").queued_seconds > 0 or client.all("playback_position")
    )
    client.socket.transport.abort()
    await listener.event("speaking")
    await listener.until(lambda: listener.sound()[1].any() and not listener.sound()[1][-4800:].any())
    _, heard = listener.sound()
    ((first, last),) = runs(heard)
    assert abs(last - first - 24_000) < 10
    assert server.session("grace_hopper").participants == 1


async def test_bad_messages_are_refused_and_the_connection_lives(join: Join) -> None:
    client = await join()
    await client.say(tone(16_000, 0.1))
    await client.say(tone(16_000, 0.1))
    await client.event("error", code="not_started")
    await client.tell("end_of_utterance")
    await client.socket.send("no JSON")
    await client.tell("jump")
    await client.tell("set_avatar", avatar="nobody")
    assert "nobody" in (await client.event("error", code="refused"))["error"]
    await client.tell("set_style", expressiveness=9, head_motion=1)
    await client.start(form="f32")
    await client.say(np.array([0.1, np.nan], np.float32))
    assert "not finite" in (await client.event("error", code="bad_sound"))["error"]
    await client.say(np.full(1600, 0.2, np.float32))
    await client.tell("end_of_utterance")
    over = await client.event("playback_position", over=True)
    assert over["samples"] == 1600
    codes = [event["code"] for event in client.all("error")]
    assert codes == ["not_started"] * 2 + ["bad_message"] * 2 + ["refused", "bad_message", "bad_sound"]
    assert all("\n" not in event["error"] for event in client.all("error"))


async def test_style_and_avatar_reach_the_session(join: Join, server: Server) -> None:
    client = await join()
    session = server.session("grace_hopper")
    await client.tell("set_style", expressiveness=0.5, head_motion=1.5, mood=-0.5)
    await client.tell("set_avatar", avatar="grace_hopper")
    await client.tell("clear")
    await client.event("cleared", by="you")
    assert session._style == (0.5, 1.5, -0.5)
    await client.tell("set_style", expressiveness=1, head_motion=1)
    await client.tell("clear")
    await client.until(lambda: len(client.all("cleared")) == 2)
    assert session._style == (1.0, 1.0, -0.5)  # what is left out stays
    assert client.all("error") == []


async def test_a_mood_is_seen_in_the_frames(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", blendshapes=True)
    await client.tell("set_style", expressiveness=1, head_motion=1, mood=-0.75)
    await client.until(
        lambda: any(np.frombuffer(body, "<f4")[FROWN] == 0.75 for *_, body in client.of(Kind.MOTION))
    )


async def test_an_agent_says_that_its_user_speaks_elsewhere(join: Join, server: Server) -> None:
    client = await join()
    session = server.session("grace_hopper")
    await client.tell("other_side", speaks=True)
    await client.tell("other_side", speaks="yes")
    await client.event("error", code="bad_message")
    assert session._listening
    await client.tell("other_side", speaks=False)
    await client.start(listen=True)
    await client.tell("other_side", speaks=True)
    assert "microphone" in (await client.event("error", code="listening"))["error"]
    assert not session._listening


async def test_who_leaves_takes_the_other_side_along(join: Join, server: Server) -> None:
    client, other = await join(), await join()
    session = server.session("grace_hopper")
    await client.tell("other_side", speaks=True)
    await client.tell("jump")
    await client.event("error", code="bad_message")
    assert session._listening
    await client.socket.close()
    await other.tell("jump")
    await other.event("error", code="bad_message")
    for _ in range(100):
        if not session._listening:
            break
        await asyncio.sleep(0.01)
    assert not session._listening


async def test_a_live_microphone_is_heard_and_is_one(join: Join) -> None:
    client, other = await join(), await join()
    await client.tell("subscribe", audio=True)
    await client.start(16_000, mode="live")
    sound = tone(16_000, 1.0)
    for first in range(0, len(sound), 320):
        await client.say(sound[first : first + 320])
        await asyncio.sleep(0.02)
    await client.event("speaking")
    await other.start(mode="live")
    await other.event("error", code="busy")
    await client.event("idle")
    await client.say(tone(16_000, 0.4))
    await client.say(tone(16_000, 0.4))
    await client.say(tone(16_000, 0.4))
    await client.event("error", code="too_fast")
    await client.until(lambda: len(client.all("speaking")) == 2)  # after a pause, too
    _, heard = client.sound()
    assert np.abs(heard).max() > 10_000
