"""One live avatar without a server: an engine worker and a session."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from streaming.messages import FrameDone, FromWorker, SessionFailed
from streaming.metrics import Metrics
from streaming.session import AvatarSession
from streaming.settings import ServeSettings, engine_options, fitting_latency_ms
from streaming.supervisor import EngineWorker

CHECK_S = 1.0


@asynccontextmanager
async def live_session(
    settings: ServeSettings, bundle: Path, seed: int, on_failure: Callable[[str], None]
) -> AsyncIterator[AvatarSession]:
    """A running session of the avatar in ``bundle``, until the block ends.

    Of the settings it uses size, latency, offset, badge, standby and engine. A worker that dies is started again;
    ``on_failure(reason)`` is called when the engine cannot go on.

    Raises:
        SettingError: the latency is below what this machine needs.
        UnavailableError: the worker does not start, or cannot use the avatar.
    """
    session: AvatarSession | None = None

    def on_message(message: FromWorker) -> None:
        if session is not None and isinstance(message, FrameDone):
            session.frame_done(message)
        elif isinstance(message, SessionFailed) and message.fatal:
            on_failure(message.error)

    def on_ready() -> None:
        if session is not None:
            session.open_session()

    worker = EngineWorker(
        engine_options(settings),
        lambda: str(bundle),
        on_message,
        on_ready,
        settings.standby,
    )
    keeper: asyncio.Task[None] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="encode") as executor:
        try:
            await worker.start()
            latency_ms = fitting_latency_ms(settings.latency_ms, worker.frame_ms, encode_ms=0.0)
            session = AvatarSession(
                bundle.stem,
                settings,
                Metrics(),
                executor,
                worker.send,
                (bundle.stem, str(bundle)),
                seed,
                latency_ms,
            )
            session.start()
            keeper = asyncio.create_task(_keep_checking(worker), name="worker-check")
            yield session
        finally:
            if keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            if session is not None:
                await session.close()
            await worker.stop()


async def _keep_checking(worker: EngineWorker) -> None:
    while True:
        await asyncio.sleep(CHECK_S)
        worker.check_alive(time.monotonic())
