import pytest

from engine.errors import SettingError
from streaming.origins import is_allowed, is_loopback, is_own_name, parse_origin

ALLOWED = (parse_origin("https://Player.example.com/"), parse_origin("http://localhost:3000"))


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("https://avatar.example.com", "avatar.example.com", True),
        ("https://avatar.example.com", "avatar.example.com:443", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://player.example.com", "127.0.0.1:8080", True),
        ("http://localhost:3000", "127.0.0.1:8080", True),
        ("http://localhost:3001", "127.0.0.1:8080", False),
        ("http://player.example.com", "127.0.0.1:8080", False),
        ("https://player.example.com.evil.com", "127.0.0.1:8080", False),
        ("http://127.0.0.1", "127.0.0.1:8080", False),
        ("null", "127.0.0.1:8080", False),
        ("", "", False),
        ("file://", "", False),
        ("http://[", "[", False),
        ("http://a\u2100b", "a\u2100b", False),
    ],
)
def test_only_the_same_and_the_listed_origins_are_allowed(origin: str, host: str, allowed: bool) -> None:
    assert is_allowed(origin, host, ALLOWED) is allowed
    assert is_allowed(origin, host, ("*",))


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost:8080", True),
        ("127.0.0.1", True),
        ("127.9.9.9:8080", True),
        ("[::1]:8080", True),
        ("me.localhost", True),
        ("my-machine:8080", True),
        ("player.example.com", True),
        ("evil.com:8080", False),
        ("127.0.0.1.evil.com", False),
        ("localhost.evil.com", False),
        ("a@localhost", False),
        ("localhost:port", False),
        ("", False),
    ],
)
def test_a_loopback_server_goes_by_loopback_names(host: str, own: bool) -> None:
    assert is_own_name(host, "My-Machine", ALLOWED) is own


@pytest.mark.parametrize(
    "given", ["example.com", "ftp://example.com", "https://", "https://a/b", "https://u@a", "http://["]
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(SettingError, match="expected an origin such as"):
        parse_origin(given)


def test_loopback_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "::ffff:192.168.1.5", "192.168.1.5", "example.com")))
