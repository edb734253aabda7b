"""The arrays an avatar is made of, and the two hand-overs on the way there.

photo -> FittedHead (fit.py) -> MeshPart of skin, mouth, eyes (mesh.py, mouth.py, eyes.py) -> Avatar (avatar.py)

Convention for every array here, unless it says otherwise:
    Canvas: the square picture that the avatar lives in, ``side`` pixels wide; the frame is this canvas scaled.
    Positions: float32 canvas pixels, x right, y down, z away from the viewer (smaller is nearer), weak
        perspective: the picture of a vertex is its (x, y).
    Texture coordinates (uv): float32 pixels in the texture atlas; (0.5, 0.5) is the centre of the first texel.
    Images: uint8 [H, W, 3] RGB while an avatar is built, packed RGBX uint32 [H, W] afterwards
        (R in the lowest byte; the highest byte is coverage, 255 opaque).
    Blendshape deltas: float32 [52, V, 3], added to the neutral positions, ``ARKIT_NAMES`` order.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Int = NDArray[np.int32]
Image = NDArray[np.uint8]

LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Red, green and blue of brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class FittedHead:
    """The head model fitted to one photo: all of its vertices, hidden ones included.

    photo: uint8 [side, side, 3], the photo cropped and padded to the canvas.
    landmarks: float32 [478, 3], the landmarks found in it, canvas pixels.
    neutral: float32 [V, 3], lips and lids relaxed and closed/open as a calm face has them.
    in_photo: float32 [V, 3], the same vertices exactly as the photo shows them (its expression included).
    deltas: float32 [52, V, 3], calibrated to this face; teeth, tongue and eye vertices included.
    photo_blendshapes: float32 [52] in [0, 1], what brings the neutral face back to the photo's own expression; the part
        of a closed mouth's expression that stays in the neutral face is not in it.
    triangles: int32 [T, 3].
    groups: names to vertex numbers of the head model: "upper_teeth", "lower_teeth", "tongue", "mouth_bag",
        "left_eye", "right_eye", "left_lashes", "right_lashes", "skin", and the ordered contact lines
        "upper_lip_contact", "lower_lip_contact", "left_upper_lid", "left_lower_lid", "right_upper_lid",
        "right_lower_lid" (each from the viewer's left to the viewer's right, corners included).
    pivot: float32 [3], the point that the head turns about.
    head_width: distance between the ears in canvas pixels: the unit of pose translation.
    inter_ocular: distance between the outer eye corners in canvas pixels.
    flags: what the photo shows, e.g. {"toothy", "parted_lips", "glasses", "painting"}.
    residual_px: root mean square distance of fitted to found landmarks, pixels of a 512 px canvas.
    style: float32 [S], the identity coefficients: the avatar's style vector.
    misfit: the same distance before the mesh was bent onto the landmarks, over ``inter_ocular``: how unlike a human
        head's the proportions are.
    """

    photo: Image
    landmarks: Float
    neutral: Float
    in_photo: Float
    deltas: Float
    photo_blendshapes: Float
    triangles: Int
    groups: dict[str, Int]
    pivot: Float
    head_width: float
    inter_ocular: float
    flags: frozenset[str]
    residual_px: float
    style: Float
    misfit: float = 0.0

    @property
    def side(self) -> int:
        """Side of the canvas in pixels."""
        return int(self.photo.shape[0])

    @property
    def skin_triangles(self) -> Int:
        """Those of the triangles whose corners are all skin."""
        skin = np.zeros(len(self.neutral), bool)
        skin[self.groups["skin"]] = True
        return np.ascontiguousarray(self.triangles[skin[self.triangles].all(axis=1)])


@dataclass(frozen=True)
class MeshPart:
    """Triangles that share one patch of texture; parts are joined into the avatar's mesh.

    positions: float32 [V, 3], neutral. uv: float32 [V, 2], pixels in this part's own ``texture``.
    shade: float32 [V], multiplies the texture colour. rigid: float32 [V] in [0, 1], how far the vertex follows
    the head's pose. breath: float32 [V] in [0, 1], how far it goes with the torso, which breathes and leans.
    texture: uint8 [H, W, 3]; coverage: uint8 [H, W] or None when opaque.
    source: int32 [V], the head model's vertex that each vertex is, -1 for those that are none; None where none is.
    """

    name: str
    positions: Float
    deltas: Float
    triangles: Int
    uv: Float
    shade: Float
    rigid: Float
    breath: Float
    texture: Image
    coverage: Image | None = None
    source: Int | None = None
