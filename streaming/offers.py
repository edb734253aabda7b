"""Checks a browser's offer before anything is built for it."""

from typing import Final

from aiortc import sdp

from engine.errors import InputError

MAX_OFFER_BYTES: Final = 64_000


class OfferError(InputError):
    """An offer that cannot be answered: HTTP 400."""


def checked_offer(text: str, *, view: bool = True) -> str:
    """Return the offer, without candidates that only the browser's own machine could resolve.

    With ``view`` it must ask for video, in a codec that we encode; without, it must send audio.

    Raises:
        OfferError: it is no SDP, or lacks something that a call needs.
    """
    if len(text) > MAX_OFFER_BYTES:
        raise OfferError(f"expected an SDP offer of at most {MAX_OFFER_BYTES} bytes, got {len(text)}")
    if not text.startswith("v=0"):
        raise OfferError("expected an SDP offer that begins with v=0")
    try:
        offer = sdp.SessionDescription.parse(text)
    except (ValueError, IndexError, KeyError, AttributeError, AssertionError, TypeError) as error:
        raise OfferError("expected an SDP offer, got text that cannot be parsed as one") from error
    kinds = [media.kind for media in offer.media]
    needed = "video" if view else "audio"
    for kind, most in (("audio", 1), ("video", 1), ("application", 1)):
        if kinds.count(kind) > most or (kind == needed and kind not in kinds):
            raise OfferError(f"expected one {kind} m-line in the offer, got {kinds.count(kind)}")
    for media in offer.media:
        if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
            raise OfferError(f"expected ICE credentials for {media.kind} in the offer, got none")
        if media.dtls is None or not media.dtls.fingerprints:
            raise OfferError(f"expected a DTLS fingerprint for {media.kind} in the offer, got none")
        if media.kind != "application" and not media.rtcp_mux:
            raise OfferError(f"expected rtcp-mux for {media.kind} in the offer")
        if media.kind == "video" and view:
            if media.direction not in ("recvonly", "sendrecv"):
                raise OfferError(f"expected video recvonly in the offer, got {media.direction}")
            if not any(codec.mimeType.lower() in ("video/h264", "video/vp8") for codec in media.rtp.codecs):
                raise OfferError("expected H.264 or VP8 among the video codecs of the offer")
        if media.kind == "audio" and not view and media.direction not in ("sendonly", "sendrecv"):
            raise OfferError(f"expected audio sendonly in the offer, got {media.direction}")
        if media.kind == "audio" and not any(c.mimeType.lower() == "audio/opus" for c in media.rtp.codecs):
            raise OfferError("expected Opus among the audio codecs of the offer")
    lines = text.replace("\r\n", "\n").split("\n")
    return "\r\n".join(line for line in lines if not _local_candidate(line))


def _local_candidate(line: str) -> bool:
    fields = line.split()
    return line.startswith("a=candidate:") and len(fields) > 4 and fields[4].endswith(".local")
