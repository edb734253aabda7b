"""Frechet distance between two sets of pictures in a network's features (Heusel et al. 2017).

The name says whose features they are: only Inception's, whose weights come with no package that we may use, make what
papers call FID.
"""

import warnings
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import InputError
from engine.training import lpips_vgg

Image = NDArray[np.uint8]
Double = NDArray[np.float64]

VGG_SIDE: Final = 128
LEAST_PICTURES: Final = 16


class Features(Protocol):
    """Describes pictures by numbers. name: whose they are."""

    name: str

    def __call__(self, picture: Image) -> Double:
        """Features [C] of uint8 [H, W, 3] RGB."""


class VggFeatures:
    """Means of the last level of VGG16."""

    name = "VGG16-feature FID"

    def __init__(self) -> None:
        self._network = lpips_vgg.LpipsVgg()

    def __call__(self, picture: Image) -> Double:
        """See ``Features``."""
        resized = cv2.resize(picture, (VGG_SIDE, VGG_SIDE), interpolation=cv2.INTER_AREA)
        batch = torch.from_numpy(resized.astype(np.float32) / 255.0).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return np.asarray(self._network.deepest(batch).mean(dim=(2, 3))[0].numpy(), np.float64)


class Inception:
    """Inception v3's pool3 features from a TorchScript file that takes uint8 [B, 3, H, W] and gives [B, 2048], as
    StyleGAN's metrics use it (inception-2015-12-05.pt)."""

    name = "FID"

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            InputError: it is no such network.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the file's form is old
                self._network: Any = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"expected Inception as a TorchScript file at {path}: {error}") from error

    def __call__(self, picture: Image) -> Double:
        """See ``Features``."""
        batch = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return np.asarray(self._network(batch, return_features=True)[0].numpy(), np.float64)


class FeatureDistance:
    """Collects pictures by kind, and compares each kind with the true ones."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._found: dict[str, list[Double]] = {}

    def add(self, kind: str, picture: Image) -> None:
        """Take one picture; kind "true" is what the others are held against."""
        self._found.setdefault(kind, []).append(self._features(picture))

    def distance(self, kind: str) -> float | None:
        """Frechet distance to the true pictures; None with too few pictures."""
        true, other = self._found.get("true", []), self._found.get(kind, [])
        if min(len(true), len(other)) < LEAST_PICTURES:
            return None
        return frechet_distance(np.array(other), np.array(true))

    def notes(self) -> list[str]:
        """One line that tells all distances."""
        told = []
        for kind in self._found:
            if kind != "true" and (value := self.distance(kind)) is not None:
                told.append(f"{value:.4g} {kind.strip('_') or 'drawn'}")
        return [f"{self._features.name} of faces against the true ones: {', '.join(told)}"] if told else []


def frechet_distance(a: Double, b: Double) -> float:
    """Between the Gaussians with the means and covariances of two sets [N, C]."""
    means = a.mean(axis=0), b.mean(axis=0)
    one, other = (np.cov(x, rowvar=False) for x in (a, b))
    # The trace of the root of one @ other, from singular values, which stay real where there are few pictures.
    centred = [(x - mean) / np.sqrt(len(x) - 1) for x, mean in zip((a, b), means, strict=True)]
    root = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    return float(np.square(means[0] - means[1]).sum() + np.trace(one) + np.trace(other) - 2.0 * root)
