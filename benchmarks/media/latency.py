"""From the microphone to the picture, from the server to the screen, and sound against picture."""

from typing import Any

import numpy as np

from benchmarks.machine import spread
from benchmarks.media.marked_call import MarkedCall, Noted

NEAR_MS = 700.0
"""An onset and its frame lie no further apart than this, or they are not of one burst."""


def latency(call: MarkedCall, seconds: float) -> dict[str, Any]:
    """Watch a page whose microphone hears bursts; JSON values in milliseconds.

    microphone_to_picture: from the onset's arrival in the page's own audio worklet to the presentation of the first
    frame that shows it. server_to_picture: from the frame leaving to its presentation. sound_after_picture: from the
    onset within the presented picture to the onset in what comes back, as it reaches WebAudio (``to_webaudio``) and as
    the output device plays it (``to_device``).
    """
    noted = call.note(seconds)
    left = call.departures()
    shown = [frame["shownMs"] - left[frame["number"]] for frame in noted.frames if frame["number"] in left]
    numbers = [frame["number"] for frame in noted.frames]
    return {
        "seconds": seconds,
        "microphone_to_picture": spread(microphone_to_picture(noted)),
        "server_to_picture": spread(shown),
        "sound_after_picture": {
            "to_webaudio": with_mean(sound_after_picture(noted, "wallMs")),
            "to_device": with_mean(sound_after_picture(noted, "heardMs")),
        },
        "presented_per_second": len(numbers) / seconds,
        "shown_twice_share": float(np.mean(np.diff(numbers) == 0)),
        "without_marks": noted.unread,
        "onsets": len(first_showings(noted)),
    }


def microphone_to_picture(noted: Noted) -> list[float]:
    """Delay of every onset that was both said and shown."""
    said = np.asarray([onset["wallMs"] for onset in noted.said])
    delays = []
    for frame in first_showings(noted):
        before = said[(said < frame["shownMs"]) & (said > frame["shownMs"] - NEAR_MS)]
        if len(before):
            delays.append(float(frame["shownMs"] - before[-1]))
    return delays


def sound_after_picture(noted: Noted, clock: str) -> list[float]:
    """Onset in the sound minus onset in the picture, for every burst that was both seen and heard."""
    heard = np.asarray([onset[clock] for onset in noted.heard])
    offsets = []
    for frame in first_showings(noted):
        seen_ms = frame["shownMs"] + frame["onset"]
        if len(heard) and np.abs(heard - seen_ms).min() < NEAR_MS / 2:
            offsets.append(float(heard[np.abs(heard - seen_ms).argmin()] - seen_ms))
    return offsets


def first_showings(noted: Noted) -> list[dict[str, Any]]:
    """Frames with an onset, without repetitions."""
    showings: dict[int, dict[str, Any]] = {}
    for frame in noted.onset_frames:
        showings.setdefault(frame["number"], frame)
    return list(showings.values())


def with_mean(values: list[float]) -> dict[str, float] | None:
    """A spread, the mean, and the 95th percentile of the distance from zero."""
    summed = spread(values)
    if summed is None:
        return None
    return summed | {
        "mean": round(float(np.mean(values)), 2),
        "p95_of_distance": round(float(np.quantile(np.abs(values), 0.95)), 2),
    }
