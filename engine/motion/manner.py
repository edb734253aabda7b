"""How somebody speaks: hyper- or hypo-articulated, with the jaw or with the lips.

The face motion network was trained on speech in many manners and takes one as an input. Nothing is known of how a face
on a photo speaks, so every face gets a manner of its own, modest and always the same, from its identity coefficients;
how lively the user wants the avatar to be comes on top.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

MANNERS: Final = 2
"""Length of a manner as the network takes it."""

OWN: Final = 0.35
"""How far a face's own manner goes from the middle, at most."""

BY_EXPRESSIVENESS: Final = 0.65
"""How far expressiveness 0 and 2 go from the middle."""


@dataclass(frozen=True)
class Manner:
    """A manner of speaking; 0, 0 is the middle.

    articulation: in [-1, 1], from mumbled to over-articulated. jaw: in [-1, 1], from lips alone to jaw alone.
    skew: in [-1, 1], on which side the mouth opens further (``LIP_OFFSET_NAMES``); no network is needed for that.
    """

    articulation: float = 0.0
    jaw: float = 0.0
    skew: float = 0.0

    def vector(self) -> NDArray[np.float32]:
        """As the network takes it: float32 [MANNERS]."""
        return np.array([self.articulation, self.jaw], np.float32)


def own_manner(identity: NDArray[np.float32]) -> Manner:
    """The manner of a face with identity coefficients float32 [S]."""
    mix = np.random.default_rng(MANNERS).standard_normal((MANNERS + 1, len(identity)))
    articulation, jaw, skew = OWN * np.tanh(mix @ identity)
    return Manner(float(articulation), float(jaw), float(skew))


def lively(manner: Manner, expressiveness: float) -> Manner:
    """The same manner when the user asks for an expressiveness from 0 to 2 (1 is natural)."""
    articulation = manner.articulation + BY_EXPRESSIVENESS * (expressiveness - 1.0)
    return replace(manner, articulation=min(1.0, max(-1.0, articulation)))
