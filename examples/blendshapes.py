"""Writes the avatar's blendshapes and head pose, frame by frame, as a table: for a renderer of your own.

The columns are those of ``vividlive motion`` without the lip offsets: the time, the 52 ARKit names, the head's pose.
"""

import argparse
import asyncio
import csv
import struct
import sys
from contextlib import nullcontext
from typing import TextIO

from avatar_socket import MOTION, AvatarSocket, Media, arguments, open_socket


async def write_motion(avatar: AvatarSocket, file: TextIO, frames: int | None = None) -> int:
    """Write a line for every frame until so many are there or the server hangs up; returns how many."""
    await avatar.tell("subscribe", blendshapes=True)
    table = csv.writer(file)
    written = 0
    async for event in avatar.events():
        if isinstance(event, Media) and event.kind == MOTION:
            values = struct.unpack(f"<{len(event.body) // 4}f", event.body)
            time_s = event.frame / avatar.ready["frame_rate"]
            table.writerow([f"{time_s:.2f}", *(f"{value:.4f}" for value in values)])
            written += 1
            if written == frames:
                break
        elif isinstance(event, dict) and event["type"] == "subscribed":
            table.writerow(["time_s", *event["blendshapes"]])
        elif isinstance(event, dict) and event["type"] == "lost":
            print(f"{event['frames']} frames lost: the table is read too slowly", file=sys.stderr)
    return written


async def main(options: argparse.Namespace) -> None:
    frames = None if options.seconds is None else max(1, round(options.seconds * 25))
    async with open_socket(options) as avatar:
        try:
            out = nullcontext(sys.stdout) if options.out == "-" else open(options.out, "w", newline="")  # noqa: ASYNC230 - once
        except OSError as error:
            raise SystemExit(f"expected a place that can be written for the table: {error}") from error
        with out as file:
            print(f"{await write_motion(avatar, file, frames)} frames", file=sys.stderr)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--out", default="-", help="a CSV file; without it the table is printed")
    parser.add_argument("--seconds", type=float, help="how long; without it until Ctrl-C")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        pass
