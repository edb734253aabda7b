"""Which web pages may use this server: same origin, allowed origins, and host names of this machine."""

import ipaddress
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from engine.errors import SettingError

ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def parse_origin(given: Any) -> str:
    """Check an allowed origin: ``https://example.com``, with a port where it is not the usual one, or ``*``.

    Raises:
        SettingError: it is no origin.
    """
    text = str(given).strip().rstrip("/").lower()
    if text == ANY:
        return text
    scheme, _, netloc = text.partition("://")
    if scheme not in ("http", "https") or _address(scheme, netloc) is None:
        raise SettingError(f"expected an origin such as https://example.com or *, got {str(given)[:80]!r}")
    return text


def is_allowed(origin: str, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of ``origin`` may use the server that it calls ``host`` (the Host header).

    Schemes are not compared for the same origin: behind a proxy the server does not know its own.
    """
    text = origin.lower()
    if ANY in allowed or text in allowed:
        return True
    scheme, _, netloc = text.partition("://")
    theirs = _address(scheme, netloc)
    return theirs is not None and theirs == _address(scheme, host.lower())


def is_own_name(host: str, given: str, allowed: Collection[str]) -> bool:
    """Whether a server on a loopback address may be called ``host``: a loopback name, the one it was ``given`` to listen
    on, or that of an allowed origin.

    Any other name was pointed here by somebody else's DNS (rebinding), to get round the same-origin rule.
    """
    address = _address("http", host.lower())
    if address is None:
        return False
    name = address[0]
    if name in ("localhost", given.lower()) or name.endswith(".localhost") or is_loopback(name):
        return True
    return ANY in allowed or name in {urlsplit(origin).hostname for origin in allowed}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _address(scheme: str, netloc: str) -> tuple[str, int] | None:
    """Host name and port of an authority; None when it is malformed."""
    if scheme not in _DEFAULT_PORTS or not netloc or "@" in netloc:
        return None
    try:
        parts = urlsplit(f"//{netloc}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path:
        return None
    return parts.hostname, port if port is not None else _DEFAULT_PORTS[scheme]
