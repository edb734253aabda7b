"""Checks an offer before anything is built for it, and writes out what it leaves to convention."""

from typing import Final

from aiortc import sdp

from engine.errors import InputError

MAX_OFFER_BYTES: Final = 64_000

MOST_PORT: Final = 65_535
"""aioice loses its socket over a candidate whose port is beyond."""

MEDIA: Final = ("audio", "video", "application")
"""Kinds of m-lines that can be answered, one of each."""

WHAT_PARSING_RAISES: Final = (
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    TypeError,
    StopIteration,
)
"""How aiortc's parser fails on text that is no SDP."""


class OfferError(InputError):
    """An offer that cannot be answered: HTTP 400."""


def checked_offer(text: str, *, view: bool = True) -> str:
    """Return the offer as aiortc needs it, or refuse it; checking twice changes nothing.

    With ``view`` it must ask for sound, or for video in a codec that we encode; without, it must send sound.

    Left out of what is returned are candidates that cannot be reached from here, and the word that there are no more of
    them: others are learned from the browser's checks. m-lines that share another one's
    transport and say nothing of their own (bundle-only, RFC 9143 section 7.1.3) get its ICE and DTLS attributes.

    Raises:
        OfferError: it is no SDP, or lacks something that a call needs.
    """
    if len(text) > MAX_OFFER_BYTES:
        raise OfferError(f"expected an SDP offer of at most {MAX_OFFER_BYTES} bytes, got {len(text)}")
    if not text.startswith("v=0"):
        raise OfferError("expected an SDP offer that begins with v=0")
    try:
        offer = sdp.SessionDescription.parse(text)
    except WHAT_PARSING_RAISES as error:
        raise OfferError("expected an SDP offer, got text that cannot be parsed as one") from error
    _check_media(offer)
    _check_codecs(offer, view)
    shared = _bundled(offer)
    session, sections = sdp.grouplines(text)
    lines = session
    for media, section in zip(offer.media, sections, strict=True):
        lines = lines + section + _left_out(media, shared)
    kept = [line for line in lines if line and line != "a=end-of-candidates" and not _unreachable(line)]
    return "\r\n".join(kept) + "\r\n"


def _check_media(offer: sdp.SessionDescription) -> None:
    kinds = [media.kind for media in offer.media]
    for kind in kinds:
        if kind not in MEDIA:
            raise OfferError(f"expected audio, video and application m-lines in the offer, got {kind[:20]!r}")
        if kinds.count(kind) > 1:
            raise OfferError(f"expected one {kind} m-line in the offer, got {kinds.count(kind)}")
    mids = [media.rtp.muxId for media in offer.media]
    if not all(mids) or len(set(mids)) < len(mids):
        raise OfferError("expected an a=mid of its own for each m-line of the offer")
    for media in offer.media:
        if media.kind == "application" and (media.profile == "DTLS/SCTP" or media.sctp_port is None):
            raise OfferError("expected a data channel with an a=sctp-port in the offer, got one without")


def _check_codecs(offer: sdp.SessionDescription, view: bool) -> None:
    media = {media.kind: media for media in offer.media}
    if view:
        wanted = [
            kind
            for kind in ("audio", "video")
            if kind in media and (media[kind].direction or "sendrecv") in ("recvonly", "sendrecv")
        ]
        if not wanted:
            raise OfferError("expected audio or video recvonly in the offer, got neither")
    elif "audio" not in media:
        raise OfferError("expected one audio m-line in the offer, got 0")
    elif (media["audio"].direction or "sendrecv") not in ("sendonly", "sendrecv"):
        raise OfferError(f"expected audio sendonly in the offer, got {media['audio'].direction}")
    if "audio" in media and not _has_codec(media["audio"], "audio/opus"):
        raise OfferError("expected Opus among the audio codecs of the offer")
    if view and "video" in media and not _has_codec(media["video"], "video/h264", "video/vp8"):
        raise OfferError("expected H.264 or VP8 among the video codecs of the offer")


def _has_codec(media: sdp.MediaDescription, *names: str) -> bool:
    return any(codec.mimeType.lower() in names for codec in media.rtp.codecs)


def _bundled(offer: sdp.SessionDescription) -> sdp.MediaDescription:
    """The m-line whose transport all others share.

    Raises:
        OfferError: they have several, or the transport is not described.
    """
    first = offer.media[0]
    bundles = [group.items for group in offer.group if group.semantic == "BUNDLE"]
    if bundles or len(offer.media) > 1:
        if len(bundles) != 1 or sorted(bundles[0]) != sorted(media.rtp.muxId for media in offer.media):
            raise OfferError("expected all m-lines of the offer in one BUNDLE group, and no others")
        first = next(media for media in offer.media if media.rtp.muxId == bundles[0][0])
    if first.ice is None or not first.ice.usernameFragment or not first.ice.password:
        raise OfferError(f"expected ICE credentials for {first.kind} in the offer, got none")
    if first.dtls is None or not first.dtls.fingerprints:
        raise OfferError(f"expected a DTLS fingerprint and a=setup for {first.kind} in the offer, got none")
    if first.kind != "application" and not first.rtcp_mux:
        raise OfferError(f"expected rtcp-mux for {first.kind} in the offer")
    return first


def _left_out(media: sdp.MediaDescription, shared: sdp.MediaDescription) -> list[str]:
    """The lines that an m-line lacks, because they go without saying."""
    lines = []
    assert shared.dtls is not None and shared.ice is not None and media.ice is not None
    if not media.ice.usernameFragment or not media.ice.password:
        lines += [f"a=ice-ufrag:{shared.ice.usernameFragment}", f"a=ice-pwd:{shared.ice.password}"]
    if media.dtls is None or not media.dtls.fingerprints:
        lines += [f"a=fingerprint:{each.algorithm} {each.value}" for each in shared.dtls.fingerprints]
        lines += [f"a=setup:{sdp.DTLS_ROLE_SETUP[shared.dtls.role]}"]
    if media.kind != "application":
        if media.direction is None:
            lines.append("a=sendrecv")
        if not media.rtcp_mux:
            lines.append("a=rtcp-mux")
    return lines


def _unreachable(line: str) -> bool:
    """Whether it is a candidate that only the browser's own machine could resolve, or whose port is none."""
    name, _, value = line.partition(":")
    fields = value.split()
    if name != "a=candidate" or len(fields) < 6:
        return False
    host, port = fields[4:6]
    return host.endswith(".local") or not (port.isdecimal() and len(port) <= 5 and 0 < int(port) <= MOST_PORT)
