import pytest
from aiortc import RTCIceServer
from aiortc.rtcicetransport import connection_kwargs

from engine.errors import SettingError
from streaming.ice import ice_server

GOOD = {
    "stun:stun.example.com": {"urls": "stun:stun.example.com"},
    "stuns:stun.example.com:5349": {"urls": "stuns:stun.example.com:5349"},
    "turn:user:secret@turn.example.com:3478?transport=tcp": {
        "urls": "turn:turn.example.com:3478?transport=tcp",
        "username": "user",
        "credential": "secret",
    },
    "turns:1700000000:u:a%40b%3Ac==@192.0.2.7": {
        "urls": "turns:192.0.2.7",
        "username": "1700000000",
        "credential": "u:a@b:c==",
    },
}


@pytest.mark.parametrize("url", GOOD)
def test_a_url_becomes_what_browsers_and_aiortc_take(url: str) -> None:
    server = ice_server(url)
    assert server == GOOD[url]
    assert ice_server(server) == server
    connection_kwargs([RTCIceServer(**server)])  # raises for what it cannot read


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("http://turn.example.com", "turn:USER:SECRET@HOST"),
        ("stun.example.com", "stun:HOST"),
        ("turn:turn.example.com", "a user and a secret"),
        ("turn:hush@turn.example.com", "USER:SECRET before the @"),
        ("turn:user:hush@turn.example.com?transport=sctp", "transport=udp"),
        ("turn:user:hush@turn.example.com:99999", "1 to 65535"),
        ("stun:user:hush@stun.example.com", "neither login"),
        ({"urls": "turn:turn.example.com", "username": "user"}, "a user and a secret"),
        ({"url": "stun:stun.example.com"}, "'url'"),
        ({"urls": ["stun:stun.example.com"]}, "expected an ICE server"),
        (7, "expected an ICE server"),
    ],
)
def test_anything_else_is_refused_in_one_line_without_its_secret(given: object, words: str) -> None:
    with pytest.raises(SettingError) as refusal:
        ice_server(given)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value) and "hush" not in str(refusal.value)
