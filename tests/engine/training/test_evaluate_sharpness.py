"""Measures of whole sets and of sharpness, against what is known of made pictures."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.errors import InputError
from engine.training.evaluate.frechet import FeatureDistance, Inception, frechet_distance
from engine.training.evaluate.sharpness import cpbd


def edges(blurred_rows: int) -> np.ndarray:
    """Dark bars on light ground, so many of the 128 rows blurred."""
    picture = np.full((128, 128, 3), 200, np.uint8)
    picture[:, 20:40] = picture[:, 70:100] = 40
    soft = cv2.GaussianBlur(picture, (0, 0), 3.0).astype(np.uint8)
    picture[:blurred_rows] = soft[:blurred_rows]
    return picture


def test_cpbd_is_the_share_of_sharp_edges() -> None:
    sharp, half, soft = (cpbd(edges(rows)) for rows in (0, 64, 128))
    assert sharp == 1.0 and soft == 0.0
    assert 0.3 < half < 0.7
    assert cpbd(np.full((64, 64, 3), 99, np.uint8)) == 1.0  # no edge, no blur


def test_frechet_distance_of_known_gaussians() -> None:
    """Squared distance of the means, and of the roots of the variances where these are diagonal."""
    rng = np.random.default_rng(0)
    a = rng.normal(0.0, 1.0, (40_000, 3))
    b = rng.normal(0.0, 1.0, (40_000, 3)) * (1.0, 2.0, 3.0) + (0.5, 0.0, -1.0)
    expected = 0.25 + 1.0 + (1 - 2) ** 2 + (1 - 3) ** 2
    assert frechet_distance(a[:4000], b[:4000]) == pytest.approx(expected, rel=0.1)
    assert frechet_distance(a[:500], a[:500]) == pytest.approx(0.0, abs=1e-6)


def test_few_pictures_have_no_distance() -> None:
    class Means:
        name = "mean-colour FID"

        def __call__(self, picture: np.ndarray) -> np.ndarray:
            return picture.reshape(-1, 3).mean(axis=0)

    distance = FeatureDistance(Means())
    rng = np.random.default_rng(1)
    for _ in range(20):
        distance.add("true", rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        distance.add("", rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    distance.add("_still", np.zeros((8, 8, 3), np.uint8))
    assert distance.distance("_still") is None
    (line,) = distance.notes()
    assert line.startswith("mean-colour FID") and line.endswith(" drawn")


def test_inception_is_read_from_torchscript(tmp_path: Path) -> None:
    class Stand(torch.nn.Module):
        def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            return x.double().mean(dim=(2, 3))

    path = tmp_path / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Stand()), str(path))
    picture = np.random.default_rng(2).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_allclose(Inception(path)(picture), picture.reshape(-1, 3).mean(axis=0))
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match="expected Inception as a TorchScript file"):
        Inception(path)
