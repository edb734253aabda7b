"""STUN and TURN servers as people write them, and as RTCConfiguration has them."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from engine.errors import SettingError

_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:(?P<login>.*)@)?"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?P<query>\?transport=(?:udp|tcp))?"
)

_KEYS: Final = ("urls", "username", "credential")

FORM: Final = "stun:HOST[:PORT] or turn:USER:SECRET@HOST[:PORT][?transport=udp|tcp]"


def ice_server(given: Any) -> dict[str, str]:
    """One server of RTCConfiguration, from a URL or from a mapping of ``urls``, ``username``, ``credential``.

    User and secret may stand in the URL, percent-encoded where they hold ``:``, ``@`` or ``%``.

    Raises:
        SettingError: it is neither; the message holds no secret.
    """
    if isinstance(given, str):
        given = {"urls": given}
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise SettingError(f"expected an ICE server as {FORM}")
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise SettingError(f"expected the keys {', '.join(_KEYS)} of an ICE server, got {unknown[0]!r}")
    return _checked(given.get("urls", ""), given.get("username"), given.get("credential"))


def _checked(url: str, username: str | None, credential: str | None) -> dict[str, str]:
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise SettingError(f"expected an ICE server as {FORM}, got {_without_login(url)!r}")
    address = f"{match['scheme']}:{match['host']}" + (f":{match['port']}" if match["port"] else "")
    if match["port"] and not 1 <= int(match["port"]) <= 65535:
        raise SettingError(f"expected a port from 1 to 65535, got {address!r}")
    if match["scheme"].startswith("stun"):
        if match["login"] is not None or username or credential or match["query"]:
            raise SettingError(
                f"expected neither login nor transport for a STUN server, got one for {address!r}"
            )
        return {"urls": address}
    if match["login"] is not None:
        user, colon, secret = match["login"].partition(":")
        if not colon:
            raise SettingError(f"expected USER:SECRET before the @ of {address!r}")
        username, credential = unquote(user), unquote(secret)
    if not username or not credential:
        raise SettingError(
            f"expected a user and a secret for the TURN server {address!r}: turn:USER:SECRET@HOST"
        )
    return {"urls": address + (match["query"] or ""), "username": username, "credential": credential}


def _without_login(url: str) -> str:
    """What can be shown of a URL that could not be read: everything before its last @ may be a secret."""
    scheme, _, rest = url.partition(":")
    return f"{scheme[:8]}:...@{rest.rpartition('@')[2][:60]}" if "@" in rest else url[:80]
