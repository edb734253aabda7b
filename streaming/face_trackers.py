"""All faces that drive avatars in calls: a process for each, so many at a time."""

import asyncio
from collections.abc import Callable

from streaming.face_process import FaceProcess
from streaming.face_tracking import FaceSeen, FaceState
from streaming.session import AvatarSession, BusyError


class FaceTrackers:
    """Begins and ends face tracker processes. Lives on the event loop."""

    def __init__(self, tracker: str, most: int) -> None:
        """``tracker`` is "module:function", as in ``FaceProcess``; ``most`` is how many live at a time."""
        self._tracker = tracker
        self._most = most
        self._open: set[FaceProcess] = set()
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many faces are followed."""
        return len(self._open)

    def begin(
        self,
        session: AvatarSession,
        owner: object,
        on_state: Callable[[FaceState], None],
        on_undecodable: Callable[[], None],
    ) -> FaceProcess:
        """Let the face whose pictures the returned process gets drive a session.

        Raises:
            BusyError: somebody else's face drives it, or as many faces as this server follows are followed, or more
                than so many processes are still ending.
        """
        if len(self._open) >= self._most or len(self._endings) > self._most:
            few = f"at most {self._most} faces at a time: try again later" if self._most else "no faces here"
            raise BusyError(f"expected {few}")
        session.claim_face(owner)

        # What one that has been ended still says is not to be taken for the next one's.
        def seen(face: FaceSeen) -> None:
            if face.seen and process in self._open:
                session.face(face.time_s, face.values)

        def told(state: FaceState) -> None:
            if process in self._open:
                on_state(state)

        def undecodable() -> None:
            if process in self._open:
                on_undecodable()

        process = FaceProcess(seen, told, undecodable, tracker=self._tracker)
        self._open.add(process)
        process.begin()
        return process

    def end(self, process: FaceProcess) -> None:
        """End one, in a while; it drives nothing from now on."""
        self._open.discard(process)
        task = asyncio.create_task(process.end(), name="face-end")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def stop(self) -> None:
        """End all, and wait until they are gone."""
        for process in list(self._open):
            self.end(process)
        await asyncio.gather(*self._endings, return_exceptions=True)
