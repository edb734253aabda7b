"""The neural quality level: the geometric frame, refined by the networks within the view of the face."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.conventions import DEFAULT_FRAME_SIZE
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.render.neural.guidance import Guidance
from engine.render.neural.guide import FREE, refining
from engine.render.neural.runtime import NeuralRuntime
from engine.render.neural.sizes import IMAGE
from engine.timing import StageTimer
from kernels.warp import refine, warp_features, warp_image

NO_FLOW: Final = np.zeros((2, 1, 1), np.float32)

Float = NDArray[np.float32]


class NeuralRenderer:
    """Draws one avatar; holds every buffer that a frame needs, so one renderer serves one thread.

    Convention: frames are uint32 [size, size] RGBX, opaque, top-left origin. Outside the view, and where nothing moved
    against the photo, they are the geometric frames. geometric, guidance, runtime: what they are made with. photo: the
    photo's features, float32 [GRID, GRID, C].
    """

    def __init__(self, avatar: Avatar, runtime: NeuralRuntime, size: int = DEFAULT_FRAME_SIZE) -> None:
        self.geometric = GeometricRenderer(avatar, size)
        self.avatar, self.size = avatar, size
        self.runtime = runtime
        self.guidance = Guidance(self.geometric)
        view = self.guidance.view
        self._box = (view.x, view.y, view.side)
        self._frame = np.empty((size, size), np.uint32)
        self._picture = np.empty((3, IMAGE, IMAGE), np.float32)
        self.geometric.render(self.geometric.photo_motion(), StageTimer(), self._frame)
        warp_image(self._frame, self._box, NO_FLOW, self._picture)
        self.photo = np.ascontiguousarray(runtime.photo(self._picture).transpose(1, 2, 0))
        self._carried = np.empty_like(self.photo)
        self._maps = np.empty((5, IMAGE, IMAGE), np.float32)

    def render(
        self,
        motion: Motion,
        timer: StageTimer,
        out: NDArray[np.uint32] | None = None,
        supersample: bool = True,
        strength: float = 1.0,
    ) -> NDArray[np.uint32]:
        """Draw one frame.

        Convention: ``timer`` gets the stages of ``GeometricRenderer.render``, and "guide", "motion_vae", "warp",
        "generator" and "refine". ``out``, ``supersample``: as there. ``strength`` in [0, 1]: how far the networks change
        the geometric frame; at 0 they do not run.

        Returns:
            The frame, uint32 [size, size].
        """
        if strength <= 0.0:
            return self.geometric.render(motion, timer, out, supersample)
        frame = self.geometric.render(motion, timer, self._frame, supersample)
        with timer.stage("guide"):
            guide = self.guidance.guide(self.geometric.positions)
        if out is None:
            out = np.empty_like(frame)
        if not (guide.gate > FREE).any():
            out[:] = frame
            return out
        with timer.stage("motion_vae"):
            moved = self.runtime.motion(self.guidance.reference, guide)
        with timer.stage("warp"):
            gate = guide.gate * np.float32(min(strength, 1.0))
            flow = moved.flow * gate
            warp_image(frame, self._box, flow, self._picture)
            warp_features(self.photo, guide.shift + flow, moved.occlusion, self._carried)
        with timer.stage("generator"):
            carried = np.ascontiguousarray(self._carried.transpose(2, 0, 1))
            residual = self.runtime.paint(self._picture, carried, moved.features)
        with timer.stage("refine"):
            refining(flow, residual, gate, _enlarged, self._maps, np)
            refine(frame, self._box, self._maps, out)
        return out


def _enlarged(cells: Float) -> Float:
    """Maps of cells [C, GRID, GRID] as ones of pixels of the view, [C, IMAGE, IMAGE]."""
    return np.stack([cv2.resize(plane, (IMAGE, IMAGE), interpolation=cv2.INTER_LINEAR) for plane in cells])
