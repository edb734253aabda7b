import random

import pytest

from streaming.offers import OfferError
from streaming.trickle import parse_fragment
from tests.streaming.mutations import mutated

FRAGMENT = """a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
m=audio 9 UDP/TLS/RTP/SAVPF 0
a=mid:0
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
a=candidate:3471623853 1 udp 2122194687 198.51.100.1 61765 typ host generation 0 ufrag EsAw network-id 2
a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw network-id 1
a=candidate:5 1 udp 2122194687 1b2c3d4e.local 61765 typ host
a=candidate:6 1 udp 2122194687 null 61765 typ host
a=candidate:7 1 udp 2122194687 198.51.100.1 70000 typ host
a=end-of-candidates
m=video 9 UDP/TLS/RTP/SAVPF 0
a=mid:1
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
""".replace("\n", "\r\n")


def test_candidates_that_can_be_reached_come_once() -> None:
    fragment = parse_fragment(FRAGMENT)
    assert fragment.user == "EsAw"
    assert [(one.ip, one.port) for one in fragment.candidates] == [
        ("192.0.2.1", 61764),
        ("198.51.100.1", 61765),
    ]
    assert parse_fragment("") == parse_fragment("a=end-of-candidates\r\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "a line of SDP"),
        ("a=candidate:1 1 udp", "an ICE candidate"),
        ("a=candidate:1 one udp 5 192.0.2.1 7 typ host", "an ICE candidate"),
        ("a=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n", "one a=ice-ufrag"),
        ("a=x\r\n" * 10_000, "at most 16000 bytes"),
    ],
)
def test_a_bad_fragment_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(OfferError, match=reason):
        parse_fragment(text)


def test_damage_is_refused_or_harmless() -> None:
    chance = random.Random("fragments")
    passed = 0
    for _ in range(500):
        try:
            parse_fragment(mutated(FRAGMENT, chance))
            passed += 1
        except OfferError:
            pass
    assert 50 < passed < 450
