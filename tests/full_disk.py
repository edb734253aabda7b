"""A disk that fills up in the midst of a file."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def full_disk(after_bytes: int = 1000) -> Iterator[None]:
    """No file can become longer than this in the block."""
    resource = pytest.importorskip("resource", reason="the size of files has no limit on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
