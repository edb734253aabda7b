"""What a picture of the live video shows: whether there is a face, and how far its lips are apart."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from engine.avatar.landmarks import FaceLandmarker

UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14


def pictures(page: Page, count: int = 1, interval_ms: int = 120) -> list[NDArray[np.uint8]]:
    """``count`` pictures of the video as uint8 [H, W, 3] RGB."""
    addresses = page.evaluate("([count, interval]) => probe.pictures(count, interval)", [count, interval_ms])
    return [_decoded(address) for address in addresses]


def lip_gaps(landmarker: FaceLandmarker, images: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Distance of the inner lips in inter-ocular distances, float64 [pictures]; NaN where there is no face."""
    gaps = []
    for image in images:
        found = landmarker.track(image, None, blendshapes=False)
        gaps.append(np.nan if found is None else _gap(found.points) / found.inter_ocular)
    return np.asarray(gaps, np.float64)


def _gap(points: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(points[UPPER_INNER_LIP, :2] - points[LOWER_INNER_LIP, :2]))


def _decoded(address: str) -> NDArray[np.uint8]:
    data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8).copy()
