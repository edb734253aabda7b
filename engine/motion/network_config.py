"""Size and delay of the face motion network, which NumPy and torch compute alike."""

from dataclasses import asdict, dataclass, fields
from typing import Final

BRANCHES: Final = ("mouth", "face", "lips", "events")
"""The network's ends, in the order of its outputs (``engine.motion.channels``)."""


@dataclass(frozen=True)
class FaceMotionConfig:
    """Size and delay of the network.

    width, hidden: of the residual stream and of the layers inside. context: frames that the first layer sees at
    once; window: frames that attention sees; both with the newest included. look_ahead: frames that the newest one
    lies after the one whose mouth comes out.
    """

    width: int = 256
    hidden: int = 512
    heads: int = 8
    layers: int = 3
    context: int = 3
    window: int = 24
    look_ahead: int = 2

    def to_metadata(self) -> dict[str, str]:
        """As strings, for the header of a safetensors file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "FaceMotionConfig":
        """Read what ``to_metadata`` wrote."""
        return cls(**{field.name: int(metadata[field.name]) for field in fields(cls)})
