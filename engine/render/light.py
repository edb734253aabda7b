"""Light behind the skin: how bright teeth, tongue and eyeballs are, given how far lips and lids are open.

Shade makes a colour darker. Teeth in the shadow of the lips are redder too, as its light comes off lips and gums: over
them lies "mouth_shadow", a strip of the throat's colour from lip to lip that covers the more the less light there is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.render.layers import EYE_SIDES, LID_POINTS, LIP_POINTS, part_vertices

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Opening:
    """How light falls through one opening; lengths as fractions of the opening's neutral width.

    as_photo: textures are the photo's own pixels, which already have the light of the neutral face: only the change
    from it is drawn.
    full_gap: gap at which all light that ever comes in comes in. closed_light: what is left when it is shut.
    local: whether the gap at each place counts, so that corners are dark, or the widest one everywhere.
    shadow: how much darker it is right under the upper edge. shadow_reach: how far below it that has faded to 1/e.
    growth: power of the gap that the light grows with until then.
    lower_shadow: how much darker it is right above the lower edge, with a third of that reach: without it, what only
    just shows there flickers in single pixels.
    """

    as_photo: bool
    full_gap: float
    closed_light: float
    shadow: float
    shadow_reach: float
    local: bool = False
    growth: float = 0.5
    lower_shadow: float = 0.0


TEETH: Final = Opening(
    as_photo=False, full_gap=0.2, closed_light=0.15, growth=0.8, shadow=0.5, shadow_reach=0.05, local=True
)
LOWER_TEETH: Final = Opening(
    as_photo=False, full_gap=0.3, closed_light=0.7, shadow=0.3, shadow_reach=0.12, lower_shadow=0.3
)
"""The lower teeth stand further back, but light falls on them over the lower lip, which leans away from them."""
DEEP: Final = Opening(as_photo=False, full_gap=0.35, closed_light=1.0, shadow=0.2, shadow_reach=0.16)
"""The cavity and the tongue: light reaches them however little the lips are open, but it comes from the front and above, so
the roof of the mouth throws a long shadow."""
EYE: Final = Opening(
    as_photo=True, full_gap=0.28, closed_light=0.25, shadow=0.35, shadow_reach=0.07, growth=0.9
)


class InnerLight:
    """Brightness of the vertices behind one opening; the shade of the avatar's own vertices is multiplied by it.

    The upper and lower edges are the first vertices of one part: ``points`` along the upper edge from the viewer's
    left to right, then as many along the lower one.
    """

    def __init__(
        self, avatar: Avatar, edge_part: str, points: int, lit_parts: tuple[str, ...], opening: Opening
    ) -> None:
        edges = part_vertices(avatar, edge_part)
        self.upper, self.lower = edges[:points], edges[points : 2 * points]
        self.lit = np.concatenate([part_vertices(avatar, part) for part in lit_parts]).astype(np.intp)
        self.opening = opening
        across = avatar.positions[self.upper[-1]] - avatar.positions[self.upper[0]]
        self.width = float(np.hypot(across[0], across[1]))
        self.neutral = self._fall(avatar.positions) if opening.as_photo else np.float32(1)

    def at(self, positions: Float) -> Float:
        """Brightness of ``lit`` for driven positions [V, 3]; float32, 1 is full light (or the photo's own)."""
        light = np.asarray(self._fall(positions) / self.neutral, np.float32)
        # What a photo hides is filled with what it shows, which lies in the light already.
        return np.minimum(light, np.float32(1)) if self.opening.as_photo else light

    def _fall(self, positions: Float) -> Float:
        opening, width = self.opening, self.width
        upper, lower, point = positions[self.upper], positions[self.lower], positions[self.lit]
        # Near the corners of a turned or tilted face an edge may run back a little.
        upper_x, lower_x = np.maximum.accumulate(upper[:, 0]), np.maximum.accumulate(lower[:, 0])
        top = np.interp(point[:, 0], upper_x, upper[:, 1])
        bottom = np.interp(point[:, 0], lower_x, lower[:, 1])
        widest = np.max(np.interp(upper_x, lower_x, lower[:, 1]) - upper[:, 1])
        gap = bottom - top if opening.local else widest
        open_share = np.clip(gap / (opening.full_gap * width), 0.0, 1.0)
        ambient = opening.closed_light + (1 - opening.closed_light) * open_share**opening.growth
        reach = opening.shadow_reach * width
        y = np.minimum(point[:, 1], bottom)
        light = ambient * (1 - opening.shadow * np.exp(-np.maximum(y - top, 0.0) / reach))
        if opening.lower_shadow:
            light *= 1 - opening.lower_shadow * np.exp(-3 * (bottom - y) / reach)
        return np.asarray(light, np.float32)


def inner_lights(avatar: Avatar) -> list[InnerLight]:
    """The lights of all openings that the avatar has."""
    lights = []
    if "mouth_cavity" in avatar.part_names:
        for names, opening in (
            (("mouth_cavity", "tongue"), DEEP),
            (("lower_teeth",), LOWER_TEETH),
        ):
            lit = tuple(name for name in names if name in avatar.part_names)
            if lit:
                lights.append(InnerLight(avatar, "mouth_cavity", LIP_POINTS, lit, opening))
    for side in EYE_SIDES:
        lit = tuple(n for n in (f"{side}_sclera", f"{side}_iris") if n in avatar.part_names)
        if lit and f"{side}_lashes" in avatar.part_names:
            lights.append(InnerLight(avatar, f"{side}_lashes", LID_POINTS, lit, EYE))
    return lights


def mouth_shadow(avatar: Avatar) -> InnerLight | None:
    """The light on the teeth, at the vertices of the shadow that lies over them; None if the avatar has none."""
    if not len(part_vertices(avatar, "mouth_shadow")):
        return None
    return InnerLight(avatar, "mouth_cavity", LIP_POINTS, ("mouth_shadow",), TEETH)
