"""Small made-up videos for tests."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from engine.avatar.landmarks import Image


def write_video(
    path: Path, images: Iterable[Image], rate: int, sound_s: float = 0.0, rotation: int = 0
) -> None:
    """H.264 at a rate, with silent sound of a length; rotation: degrees in the file's display matrix."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        video.codec_context.thread_count = 1
        video.pix_fmt = "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "14"}
        sound = container.add_stream("aac", rate=16_000, layout="mono") if sound_s else None
        for image in images:
            if video.width != image.shape[1] or video.height != image.shape[0]:
                video.height, video.width = image.shape[:2]
            container.mux(
                video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
            )
        container.mux(video.encode(None))
        if sound is not None:
            silence = np.zeros((1, round(sound_s * 16_000)), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
