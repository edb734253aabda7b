"""Processes beside the media process: started deaf to Ctrl-C, for it is the media process that stops them, and read by
a thread for the event loop."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


def start_deaf(process: BaseProcess) -> None:
    """Start a process, deaf to Ctrl-C from its first moment and with one thread for its numbers.

    NumPy reads its number of threads when it is imported, in the new process, before any code of ours runs there. On
    small matrices two threads that wait for each other cost ten times the work.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the process inherits it
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hand_over(
    connection: Connection,
    loop: asyncio.AbstractEventLoop,
    receive: Callable[[Any], None],
    gone: Callable[[], None],
) -> None:
    """Let the event loop ``receive`` each message, and then hear that the other side has ``gone``; for a thread."""
    with suppress(RuntimeError):  # the loop is closed
        with suppress(EOFError, OSError):
            while True:
                loop.call_soon_threadsafe(receive, connection.recv())
        loop.call_soon_threadsafe(gone)
