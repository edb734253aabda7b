"""Advice in plain words, from what creation noted."""

from typing import Any

import pytest

from engine.avatar.advice import advice

GOOD: dict[str, Any] = {
    "flags": [],
    "angles_deg": [1.0, 4.0, -2.0],
    "misfit": 0.012,
    "matte_confidence": 0.97,
    "cut_top": 0.0,
    "shut_eyes": 0.1,
    "highlights": 200.0,
    "burnt_out": 0.01,
    "sharpness": 0.3,
    "cheeks": 1.2,
}


def test_a_good_photo_needs_none() -> None:
    assert advice(GOOD) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"flags": ["parted_lips", "toothy"]}, "teeth"),
        ({"flags": ["parted_lips"]}, "lips are apart"),
        ({"flags": ["glasses"]}, "glasses"),
        ({"angles_deg": [-15.0, 0.0, 0.0]}, "turned by about 15"),
        ({"angles_deg": [0.0, 14.0, 0.0]}, "lowered"),
        ({"angles_deg": [0.0, -14.0, 0.0]}, "raised"),
        ({"angles_deg": [0.0, 0.0, 14.0]}, "tilted"),
        ({"matte_confidence": 0.8}, "plain background"),
        ({"cut_top": 0.4}, "room above the head"),
        ({"shut_eyes": 0.9}, "open eyes"),
        ({"misfit": 0.05}, "drawings"),
        ({"highlights": 60.0}, "dark"),
        ({"burnt_out": 0.4}, "too bright"),
        ({"sharpness": 0.12}, "blurred"),
        ({"cheeks": 3.5}, "from one side"),
    ],
)
def test_each_flaw_has_its_advice(changed: dict[str, Any], word: str) -> None:
    (line,) = advice(GOOD | changed)
    assert word in line
