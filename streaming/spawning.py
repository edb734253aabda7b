"""Starts processes that Ctrl-C does not reach: it is the media process that stops them."""

import os
import signal
from multiprocessing.process import BaseProcess


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
