"""The SDP fragments by which clients of WHIP and WHEP send candidates after their offer (RFC 8840 section 9)."""

import ipaddress
from dataclasses import dataclass
from typing import Any, Final

from aiortc import sdp

from streaming.offers import MOST_PORT, WHAT_PARSING_RAISES, OfferError

MAX_FRAGMENT_BYTES: Final = 16_000


@dataclass(frozen=True)
class Fragment:
    """What a fragment says.

    user: the ICE username fragment that it is for; another one than the offer's asks for an ICE restart. None when
        the fragment does not say.
    candidates: as aiortc has them, each address once.
    """

    user: str | None
    candidates: tuple[Any, ...]


def parse_fragment(text: str) -> Fragment:
    """Read a fragment. All m-lines share one transport, so which of them a candidate stands under does not matter.

    Candidates that cannot be reached from here are left out (RFC 9725 section 4.3.1): TCP, names instead of
    addresses. The end of the candidates is no news: checks of candidates that were left out may still come.

    Raises:
        OfferError: it is no such fragment.
    """
    if len(text) > MAX_FRAGMENT_BYTES:
        raise OfferError(f"expected an SDP fragment of at most {MAX_FRAGMENT_BYTES} bytes, got {len(text)}")
    users: set[str] = set()
    candidates: dict[tuple[str, int], Any] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if len(line) < 3 or line[1] != "=" or not line[0].isalpha():
            raise OfferError(f"expected a line of SDP in the fragment, got {line[:40]!r}")
        name, _, value = line[2:].partition(":")
        if line.startswith("a=") and name == "ice-ufrag":
            users.add(value)
        elif line.startswith("a=") and name == "candidate":
            try:
                candidate = sdp.candidate_from_sdp(value)
            except WHAT_PARSING_RAISES as error:
                raise OfferError(f"expected an ICE candidate in the fragment, got {value[:60]!r}") from error
            reachable = _is_address(candidate.ip) and 0 < candidate.port <= MOST_PORT
            if candidate.protocol.lower() == "udp" and reachable:
                candidates.setdefault((candidate.ip, candidate.port), candidate)
    if len(users) > 1:
        raise OfferError("expected one a=ice-ufrag in the fragment, got several")
    return Fragment(next(iter(users), None), tuple(candidates.values()))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
