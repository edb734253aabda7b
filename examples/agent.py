"""An agent that speaks through an avatar, sentence by sentence, and lets itself be interrupted.

    python examples/agent.py --text "Good morning. I have a lot to tell you. Stop me whenever you like."
    python examples/agent.py --mood 0.6 first.wav second.wav

Open the page at http://127.0.0.1:8080/?join=AVATAR, unmute the microphone and speak into it: the agent falls silent,
prints what you have heard of it, and goes on when you are silent. Text is spoken by eSpeak NG (pip install
espeakng-loader); WAV files, 16-bit mono, need nothing.
"""

import argparse
import asyncio
from collections import deque
from pathlib import Path

from avatar_socket import AvatarSocket, Media, arguments, open_socket
from speech_synthesis import ESpeak, Sentence, recording, sentences, synthesise

PIECE_S = 0.1
"""Sound is pushed in pieces of so many seconds, as it comes from a synthesiser."""

TEXT = (
    "Hello! I am an agent, and this is my face. I push my sentences faster than I say them. "
    "You can interrupt me at any time. Then I stop, and I know what you have heard. "
    "When you are silent, I go on."
)


class Agent:
    """Says what is left to say, unless the user speaks."""

    def __init__(self, avatar: AvatarSocket, to_say: list[str | Sentence], espeak: ESpeak | None) -> None:
        self._avatar = avatar
        self._left: deque[str | Sentence] = deque(to_say)
        self._espeak = espeak
        self._pushed: dict[int, Sentence] = {}  # by utterance number, until it was heard
        self._unheard: list[Sentence] = []
        self._numbers = 0
        self._form: int | None = None
        self._pushing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Speak until everything was said."""
        self._go_on()
        async for event in self._avatar.events():
            if isinstance(event, Media):
                continue
            match event["type"]:
                case "playback_position" if event["over"]:
                    self._was_heard(event["utterance"], event["sample"], event["interrupted"])
                case "cleared" if event["by"] != "you":
                    await self._stop()
                    if event["by"] == "other":
                        break  # somebody pressed "stop"
                case "user_silent":
                    self._go_on()
                case "latency":
                    delay_ms = event["frame_ms"] - event["waited_ms"]
                    print(f"  (its first frame left {delay_ms:.0f} ms after its sound)", flush=True)
                case "error":
                    print(f"error: {event['error']}", flush=True)
            if not self._left and not self._pushed and not self._unheard:
                break
        await self._stop_pushing()

    def _go_on(self) -> None:
        if self._pushing is None or self._pushing.done():
            self._pushing = asyncio.create_task(self._push())

    async def _push(self) -> None:
        """Synthesise and push what is left; the next sentence is made while this one is heard."""
        while self._left:
            next_one = self._left[0]
            if isinstance(next_one, str):
                assert self._espeak is not None
                next_one = await synthesise(self._espeak, next_one)
            await self._say(next_one)

    async def _say(self, sentence: Sentence) -> None:
        if sentence.rate != self._form:
            self._form = sentence.rate
            await self._avatar.tell(
                "start", sample_rate=sentence.rate, format="s16", listen=True, barge_in=True
            )
        self._left.popleft()
        self._numbers += 1
        self._pushed[self._numbers] = sentence
        step = 2 * int(PIECE_S * sentence.rate)
        for first in range(0, len(sentence.sound), step):
            await self._avatar.wait_for_room(PIECE_S)  # a recording may be longer than the server's buffer
            await self._avatar.say(sentence.sound[first : first + step])
        await self._avatar.tell("end_of_utterance")

    def _was_heard(self, number: int, samples: int, interrupted: bool) -> None:
        sentence = self._pushed.pop(number)
        if not interrupted:
            print(sentence.text, flush=True)
        elif samples:
            print(f"{sentence.heard(samples)} -- interrupted", flush=True)
        else:
            self._unheard.append(sentence)

    async def _stop(self) -> None:
        """We were interrupted. Sound is refused until we say that we know; what nobody heard is said later."""
        await self._stop_pushing()
        refused = list(self._pushed.values())  # all others were reported before
        self._numbers -= len(refused)
        self._pushed.clear()
        self._left.extendleft(reversed([*self._unheard, *refused]))
        self._unheard.clear()
        await self._avatar.tell("clear")

    async def _stop_pushing(self) -> None:
        if self._pushing is not None:
            self._pushing.cancel()
            await asyncio.gather(self._pushing, return_exceptions=True)


async def main(options: argparse.Namespace) -> None:
    if options.recordings:
        to_say: list[str | Sentence] = [recording(path) for path in options.recordings]
        espeak = None
    else:
        to_say = list(sentences(options.text))
        try:
            espeak = ESpeak()
        except ImportError:
            raise SystemExit(
                "expected the package espeakng-loader (pip install espeakng-loader), or WAV files to say"
            ) from None
    async with open_socket(options) as avatar:
        if options.mood is not None:
            await avatar.tell("set_style", mood=options.mood)
        await Agent(avatar, to_say, espeak).run()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recordings", nargs="*", type=Path, help="WAV files to say instead of a text")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--mood", type=float, help="from -1, sad, to 1, cheerful; as it is without it")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        pass
