import random
from collections.abc import Callable

import pytest
from aiortc import sdp

from streaming.offers import OfferError, checked_offer
from tests.streaming.mutations import mutated
from tests.streaming.offers import NAMES, recorded

TRANSPORT = """a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11
a=setup:actpass
a=rtcp-mux
"""

OFFER = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
{TRANSPORT}a=mid:0
a=sendrecv
a=rtpmap:111 opus/48000/2
a=candidate:1 1 udp 2113937151 1b2c3d4e.local 50000 typ host
a=candidate:2 1 udp 2113937151 192.0.2.7 50000 typ host
a=candidate:3 1 udp 2113937151 192.0.2.8 70000 typ host
a=end-of-candidates
m=video 9 UDP/TLS/RTP/SAVPF 102
c=IN IP4 0.0.0.0
{TRANSPORT}a=mid:1
a=recvonly
a=rtpmap:102 H264/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
{TRANSPORT}a=mid:2
a=sctp-port:5000
"""

VIDEO = OFFER[OFFER.index("m=video") : OFFER.index("m=application")]


def test_a_good_offer_passes_without_names_that_only_the_browser_knows() -> None:
    checked = checked_offer(OFFER)
    assert ".local" not in checked and "end-of-candidates" not in checked
    assert "192.0.2.7" in checked and "192.0.2.8" not in checked  # its port is none
    assert checked_offer(checked) == checked


@pytest.mark.parametrize("name", NAMES)
def test_offers_of_browsers_pass(name: str) -> None:
    view = not name.endswith("whip")
    checked = checked_offer(recorded(name), view=view)
    assert checked_offer(checked, view=view) == checked
    if name.endswith("whip"):
        with pytest.raises(OfferError, match="recvonly"):
            checked_offer(recorded(name), view=True)
    if name.endswith("whep"):
        with pytest.raises(OfferError, match="expected audio sendonly in the offer, got recvonly"):
            checked_offer(recorded(name), view=False)


def test_what_goes_without_saying_is_written_out() -> None:
    """A bundle-only m-line as RFC 9143 has it, without transport, and a default direction."""
    bare = (
        VIDEO.replace("m=video 9", "m=video 0")
        .replace(TRANSPORT, "a=bundle-only\n")
        .replace("a=recvonly\n", "")
    )
    checked = sdp.SessionDescription.parse(checked_offer(OFFER.replace(VIDEO, bare)))
    video = checked.media[1]
    assert (video.ice.usernameFragment, video.ice.password) == ("abcd", "abcdefghijklmnopqrstuvwx")
    assert video.dtls is not None and [one.value for one in video.dtls.fingerprints] == ["00:11"]
    assert video.rtcp_mux and video.direction == "sendrecv"


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_sound_or_picture_alone_can_be_viewed(kind: str) -> None:
    sections = OFFER.split("m=")
    alone = sections[0] + next(f"m={section}" for section in sections if section.startswith(kind))
    checked = checked_offer(alone.replace("a=group:BUNDLE 0 1 2\n", ""))
    assert checked.count("m=") == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: "", "begins with v=0"),
        (lambda text: "hello", "begins with v=0"),
        (lambda text: "v=0" + "x" * 70_000, "at most 64000 bytes"),
        (lambda text: "v=0\nm=audio nine\n", "cannot be parsed"),
        (lambda text: text[: text.index("m=audio")], "audio or video recvonly"),
        (lambda text: text.replace("BUNDLE 0 1 2", "BUNDLE 0 1"), "one BUNDLE group"),
        (lambda text: text[: text.index("m=video")], "one BUNDLE group"),  # of m-lines that are not there
        (
            lambda text: text.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1\na=group:BUNDLE 2"),
            "one BUNDLE group",
        ),
        (lambda text: text.replace("a=mid:1\n", ""), "a=mid of its own"),
        (lambda text: text.replace("a=mid:1\n", "a=mid:0\n"), "a=mid of its own"),
        (lambda text: text.replace("a=ice-pwd:abcdefghijklmnopqrstuvwx\n", ""), "ICE credentials"),
        (lambda text: text.replace("a=fingerprint:sha-256 00:11\n", ""), "fingerprint"),
        (lambda text: text.replace("a=rtcp-mux\n", ""), "rtcp-mux"),
        (lambda text: text.replace("H264", "VP9"), "H.264 or VP8"),
        (lambda text: text.replace("opus", "speex"), "Opus"),
        (lambda text: text.replace("recvonly", "sendonly").replace("sendrecv", "inactive"), "recvonly"),
        (lambda text: text + VIDEO, "one video m-line"),
        (lambda text: text.replace("m=video", "m=text"), "'text'"),
        (lambda text: text.replace("a=sctp-port:5000\n", ""), "a=sctp-port"),
    ],
)
def test_a_bad_offer_is_refused_with_the_reason(spoil: Callable[[str], str], reason: str) -> None:
    with pytest.raises(OfferError, match=reason):
        checked_offer(spoil(OFFER))


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_harmless(name: str) -> None:
    """Whatever happens to an offer, checking it raises nothing else, and what passes passes again."""
    chance = random.Random(f"offers {name}")
    offer = recorded(name)
    view = not name.endswith("whip")
    passed = 0
    for _ in range(150):
        try:
            checked = checked_offer(mutated(offer, chance), view=view)
        except OfferError:
            continue
        assert checked_offer(checked, view=view) == checked
        passed += 1
    assert 5 < passed < 145  # neither harmless nor always fatal, or this would test nothing
