"""What a server refuses, beside input that is wrong."""

from engine.errors import InputError


class FullError(InputError):
    """No more calls or photos at this time: HTTP 503. ``reason``: full, starting or stopping."""

    def __init__(self, message: str, reason: str = "full") -> None:
        super().__init__(message)
        self.reason = reason


class UnknownCallError(InputError):
    """There is no such call: HTTP 404."""


class UnknownSessionError(InputError):
    """There is no such session: HTTP 404."""


class UnknownJobError(InputError):
    """There is no such job: HTTP 404."""
