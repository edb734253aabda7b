"""A parrot: listens to the user through the avatar's session and says the same with the avatar's mouth.

Open the page at http://127.0.0.1:8080/?join=AVATAR (the id of the avatar, such as grace_hopper), unmute the
microphone and speak. Whoever speaks while the parrot does interrupts it.
"""

import asyncio
from collections import deque

from avatar_socket import USER_SOUND, AvatarSocket, Media, arguments, open_socket

BEFORE = 25
"""Pieces of 20 ms that are kept from before the user's speech was noticed: half a second."""


async def parrot(avatar: AvatarSocket, sentences: int | None = None) -> int:
    """Repeat what the user says, until the server hangs up or so many sentences were said; returns how many."""
    await avatar.tell("start", sample_rate=16_000, format="s16", listen=True, barge_in=True)
    before: deque[bytes] = deque(maxlen=BEFORE)
    heard: list[bytes] | None = None
    repeated = 0
    async for event in avatar.events():
        if isinstance(event, Media):
            if event.kind == USER_SOUND:
                (before if heard is None else heard).append(event.body)
        elif event["type"] == "user_speaking":
            heard = list(before)
        elif event["type"] == "user_silent" and heard is not None:
            await avatar.say(b"".join(heard))
            await avatar.tell("end_of_utterance")
            heard = None
            before.clear()
        elif event["type"] == "cleared":
            await avatar.tell(
                "clear"
            )  # we know that we were interrupted; from here on our sound counts again
        elif event["type"] == "playback_position" and event["over"]:
            seconds = event["sample"] / 16_000
            print(f"said {seconds:.1f} s{' and was interrupted' if event['interrupted'] else ''}", flush=True)
            repeated += 1
            if repeated == sentences:
                break
        elif event["type"] == "error":
            print(f"error: {event['error']}", flush=True)
    return repeated


async def main() -> None:
    async with open_socket(arguments(__doc__).parse_args()) as avatar:
        print(f"listening to session {avatar.ready['session']}", flush=True)
        await parrot(avatar)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
