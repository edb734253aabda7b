"""The inner loops of drawing: one .cu source per operation, for a GPU and for a CPU.

``rasterise``: triangles to planes of interpolated attributes; ``composite``: these planes, a texture atlas and a
background to a frame; ``colour``: the frame to I420; ``frame``: the first two for all layers of a frame at once;
``warp``: the crop, the features and the last step of the learned renderer, moved by flow. Each folder holds the source,
the NumPy definition (``reference.py``), the compiled CPU path (``cpu.py``), the GPU's (``cuda.py``), the path without a
compiler (``portable.py``) and the cases that tests and benchmarks share (``cases.py``).
"""

from kernels.build import HOST_BACKENDS, Backend, KernelBuildError, backend, describe

__all__ = ["HOST_BACKENDS", "Backend", "KernelBuildError", "backend", "describe"]
