from collections.abc import Callable

import pytest

from streaming.offers import OfferError, checked_offer

OFFER = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=candidate:1 1 udp 2113937151 1b2c3d4e.local 50000 typ host
a=candidate:2 1 udp 2113937151 192.0.2.7 50000 typ host
m=video 9 UDP/TLS/RTP/SAVPF 102
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11
a=setup:actpass
a=mid:1
a=recvonly
a=rtcp-mux
a=rtpmap:102 H264/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11
a=setup:actpass
a=mid:2
a=sctp-port:5000
"""


def test_a_good_offer_passes_without_names_that_only_the_browser_knows() -> None:
    checked = checked_offer(OFFER)
    assert ".local" not in checked
    assert "192.0.2.7" in checked


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: "", "begins with v=0"),
        (lambda text: "hello", "begins with v=0"),
        (lambda text: "v=0" + "x" * 70_000, "at most 64000 bytes"),
        (lambda text: "v=0\nm=audio nine\n", "cannot be parsed"),
        (lambda text: text[: text.index("m=video")], "one video m-line"),
        (lambda text: text.replace("a=ice-pwd:abcdefghijklmnopqrstuvwx\n", ""), "ICE credentials"),
        (lambda text: text.replace("a=fingerprint:sha-256 00:11\n", ""), "fingerprint"),
        (lambda text: text.replace("a=rtcp-mux\n", ""), "rtcp-mux"),
        (lambda text: text.replace("H264", "VP9"), "H.264 or VP8"),
        (lambda text: text.replace("opus", "speex"), "Opus"),
        (lambda text: text.replace("a=recvonly", "a=sendonly"), "recvonly"),
        (lambda text: text + text[text.index("m=video") : text.index("m=application")], "one video m-line"),
    ],
)
def test_a_bad_offer_is_refused_with_the_reason(spoil: Callable[[str], str], reason: str) -> None:
    with pytest.raises(OfferError, match=reason):
        checked_offer(spoil(OFFER))
