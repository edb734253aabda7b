"""The face tracker process: a camera of this machine, or pictures from a browser, in; a face's motion out."""

import logging
import math
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

import av
import numpy as np

from engine.avatar.video import Picture
from engine.errors import VividliveError
from engine.motion.face_drive import FaceMotion
from streaming.encoder import Codec
from streaming.engine_port import load_object, one_thread
from streaming.face_camera import RETRY_S, FaceCamera

WAIT_S: Final = 0.1
"""How long a picture is waited for before messages are looked at."""

DECODERS: Final[dict[Codec, str]] = {"h264": "h264", "vp8": "vp8"}

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """What of ``engine.avatar.live_track.LiveTracker`` is used here."""

    @property
    def refusal(self) -> str: ...
    def track(self, picture: Picture) -> FaceMotion: ...
    def take_rest(self) -> bool: ...


@dataclass(frozen=True)
class EncodedPicture:
    """A picture as a browser sent it, when it came on the monotonic clock."""

    codec: Codec
    time_s: float
    data: bytes


@dataclass(frozen=True)
class TakeRest:
    """What the face shows now is its rest."""


@dataclass(frozen=True)
class StopTracking:
    """End the process."""


@dataclass(frozen=True)
class FaceSeen:
    """What one picture shows: float32 [58] as bytes, blendshapes and pose, see ``FaceMotion``."""

    time_s: float
    values: bytes
    seen: bool


@dataclass(frozen=True)
class FaceState:
    """Said on change: whether a face is seen, or why not."""

    seen: bool
    words: str


@dataclass(frozen=True)
class Undecodable:
    """A picture could not be decoded: a keyframe is wanted."""


ToTracking = EncodedPicture | TakeRest | StopTracking
FromTracking = FaceSeen | FaceState | Undecodable


def real_tracker() -> Tracker:
    """The tracker that ships."""
    from engine.avatar.live_track import LiveTracker

    return LiveTracker()


def tracking_main(connection: Connection, factory: str, camera: str | None, log_level: int) -> None:
    """Track until told to stop or the other side is gone; ``camera`` is as in ``FaceCamera``, None for sent pictures.

    ``factory`` is "module:function", which makes the tracker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    one_thread()
    tracking = Tracking(connection, load_object(factory)(), FaceCamera(camera) if camera else None)
    try:
        while tracking.step():
            pass
    except (EOFError, OSError):
        logger.info("who asked for the face is gone")
    finally:
        tracking.close()


class Tracking:
    """One face, from wherever its pictures come."""

    def __init__(self, connection: Connection, tracker: Tracker, camera: FaceCamera | None) -> None:
        self._connection = connection
        self._tracker = tracker
        self._camera = camera
        self._decoder = PictureDecoder()
        self._tried_s = -math.inf
        self._state: FaceState | None = None

    def step(self) -> bool:
        """Do what was said, and track the newest picture; False when told to stop."""
        picture = None
        wait_s = 0.0 if self._camera is not None else WAIT_S
        while self._connection.poll(wait_s):
            wait_s = 0.0
            message: ToTracking = self._connection.recv()
            match message:
                case StopTracking():
                    return False
                case TakeRest():
                    self._tracker.take_rest()
                case EncodedPicture():
                    picture = self._decoded(message) or picture
        if self._camera is not None:
            picture = self._look(self._camera)
        if picture is not None:
            self._track(picture)
        return True

    def close(self) -> None:
        """Give the camera back."""
        if self._camera is not None:
            self._camera.close()

    def _decoded(self, encoded: EncodedPicture) -> Picture | None:
        try:
            return self._decoder.decode(encoded)
        except av.FFmpegError:
            self._connection.send(Undecodable())
            return None

    def _look(self, camera: FaceCamera) -> Picture | None:
        """The camera's next picture; one that is gone is opened again and again."""
        now_s = time.monotonic()
        if camera.alive(now_s):
            return camera.read(WAIT_S)
        if now_s - self._tried_s < RETRY_S:
            time.sleep(WAIT_S)
            return None
        self._tried_s = now_s
        camera.close()
        try:
            camera.open()
        except VividliveError as error:
            self._tell(FaceState(False, str(error)))
        return None

    def _track(self, picture: Picture) -> None:
        face = self._tracker.track(picture)
        values = np.concatenate([face.blendshapes, face.pose], dtype=np.float32).tobytes()
        self._connection.send(FaceSeen(face.time_s, values, face.seen))
        self._tell(FaceState(face.seen, "" if face.seen else self._tracker.refusal or "no face is seen"))

    def _tell(self, state: FaceState) -> None:
        if state != self._state:
            self._state = state
            self._connection.send(state)


class PictureDecoder:
    """Decodes what a browser sends; another codec begins anew."""

    def __init__(self) -> None:
        self._codec: Codec | None = None
        self._context: Any = None

    def decode(self, encoded: EncodedPicture) -> Picture | None:
        """The picture, RGB; None as long as there is none.

        Raises:
            av.FFmpegError: it cannot be decoded.
        """
        if encoded.codec != self._codec:
            self._codec = encoded.codec
            self._context = av.CodecContext.create(DECODERS[encoded.codec], "r")
            self._context.thread_count = 1
        frames = self._context.decode(av.Packet(encoded.data))
        if not frames:
            return None
        return Picture(encoded.time_s, frames[-1].to_ndarray(format="rgb24"))
