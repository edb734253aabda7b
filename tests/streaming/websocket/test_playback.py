"""What is told of utterances that wait for each other."""

import json

from streaming.encoder import PACKET_SAMPLES
from streaming.websocket.outbox import Outbox
from streaming.websocket.playback import FRAME, Playback


def test_the_latency_of_each_of_many_utterances_is_told() -> None:
    outbox = Outbox()
    playback = Playback(outbox)
    for number in range(100):
        playback.utterances.accept(FRAME, 48_000)
        playback.place(number * FRAME, FRAME, 0.0, 0.0)
        playback.utterances.end()
    for first in range(0, 100 * FRAME, PACKET_SAMPLES):
        playback.left(first)
        playback.shown(first // FRAME)
    events = [json.loads(messages[0]) for _, messages in outbox._waiting]
    told = [event["utterance"] for event in events if event["type"] == "latency"]
    assert told == list(range(1, 101))
