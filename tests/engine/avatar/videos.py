"""Small made-up videos for tests."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.avatar.landmarks import Image


def write_video(
    path: Path, images: Iterable[Image], rate: int, sound_s: float = 0.0, times_s: Sequence[int] = ()
) -> None:
    """H.264 at a rate, or at times in whole seconds, with silent sound of a length."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        video.codec_context.thread_count = 1
        video.pix_fmt = "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "14"}
        sound = container.add_stream("aac", rate=16_000, layout="mono") if sound_s else None
        for number, image in enumerate(images):
            if video.width != image.shape[1] or video.height != image.shape[0]:
                video.height, video.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times_s:
                frame.pts, frame.time_base = times_s[number], Fraction(1)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            silence = np.zeros((1, round(sound_s * 16_000)), np.float32)
            block = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            block.sample_rate = 16_000
            container.mux(sound.encode(block))
            container.mux(sound.encode(None))
