"""Bearer tokens: what a visitor may do who knows a secret."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from engine.errors import SettingError


class Scope(StrEnum):
    """What a token can allow."""

    VIEW = "view"
    """See and hear: the page's picture, WHEP, frames over the WebSocket."""
    PUBLISH = "publish"
    """Make an avatar speak, and record it: microphone, WHIP, speech over the WebSocket, sound files."""
    ADMIN = "admin"
    """Make and delete avatars, read the metrics, list the recordings."""


ALL_SCOPES: Final = frozenset(Scope)

HASHED: Final = "sha256:"
"""A secret that is given as ``sha256:`` and 64 hexadecimal digits is the hash of the secret."""

LEAST_SECRET: Final = 8
"""Shorter secrets can be guessed."""

FORM: Final = "SCOPES=SECRET with scopes out of view, publish, admin or all, such as view,publish=2Yt8..."


@dataclass(frozen=True)
class Token:
    """Scopes, and the SHA-256 of the secret that opens them."""

    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)


def parse_token(given: Any) -> Token:
    """Read ``SCOPES=SECRET``; the secret may be hashed.

    Raises:
        SettingError: it has another form; the message holds no secret.
    """
    if isinstance(given, Token):
        return given
    names, equals, secret = str(given).strip().partition("=")
    if not equals:
        raise SettingError(f"expected a token as {FORM}, got one without =")
    if names.strip() == "all":
        scopes = ALL_SCOPES
    else:
        words = [name.strip() for name in names.split(",")]
        if not set(words) <= {scope.value for scope in Scope}:  # not shown: it may be the secret, misplaced
            raise SettingError(f"expected a token as {FORM}, got an unknown scope")
        scopes = frozenset(map(Scope, words))
    secret = secret.strip()
    if secret.startswith(HASHED):
        digits = secret.removeprefix(HASHED)
        if not re.fullmatch("[0-9a-fA-F]{64}", digits):
            raise SettingError(f"expected 64 hexadecimal digits after {HASHED} of a token, got {len(digits)}")
        return Token(scopes, bytes.fromhex(digits))
    if len(secret) < LEAST_SECRET:
        raise SettingError(f"expected a secret of at least {LEAST_SECRET} characters, got {len(secret)}")
    return Token(scopes, _digest(secret))


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens of a file, one a line; empty lines and lines that begin with # are passed over.

    Raises:
        SettingError: it cannot be read, or a line is wrong; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingError(f"expected a file of tokens at {path}: {reason}") from error
    tokens = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            tokens.append(parse_token(line))
        except SettingError as error:
            raise SettingError(f"{path}, line {number}: {error}") from error
    if not tokens:
        raise SettingError(f"expected at least one token in {path}, each as {FORM}")
    return tuple(tokens)


def scopes_of(secret: str, tokens: Iterable[Token]) -> frozenset[Scope]:
    """All that this secret allows; nothing when no token has it. Takes as long for any secret of one length."""
    digest = _digest(secret)
    allowed: frozenset[Scope] = frozenset()
    for token in tokens:
        if hmac.compare_digest(digest, token.digest):
            allowed |= token.scopes
    return allowed


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
