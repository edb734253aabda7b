"""What a user can do to get a better avatar, in plain words."""

from collections.abc import Mapping
from typing import Any, Final

from engine.avatar.photo import FAR_TURN_DEG

TURNED_DEG: Final = 12.0
TILTED_DEG: Final = 12.0
UNSURE_MATTE: Final = 0.92
CUT_TOP: Final = 0.12
"""Share of the photo's upper edge that the person may touch."""
SHUT_EYES: Final = 0.6
"""From this score of the landmarker on an eye counts as shut."""
ODD_PROPORTIONS: Final = 0.025
"""Landmarks of 21 photographed and painted faces lay within 0.017 eye-corner distances of the head model's."""

DARK: Final = 90.0
"""Highlights of a face in too little light, luma. 21 portraits had at least 145, and at most 75 with 0.3 of their values."""
BURNT_OUT: Final = 0.15
"""Share of the face without any detail, for too much light; the portraits had at most 0.02."""
BLURRED: Final = 0.18
"""Fine detail over what is coarser; the portraits had at least 0.27, all but two at most 0.18 when blurred by a fiftieth of the
face's width."""
ONE_SIDED: Final = 3.0
"""Brightness of one cheek over the other's; the portraits had at most 2.4."""


def advice(report: Mapping[str, Any]) -> list[str]:
    """One line each; report: what ``create_avatar`` noted."""
    lines = []
    flags = report["flags"]
    if "toothy" in flags:
        lines.append("the photo shows teeth: a closed-mouth photo will look better")
    elif "parted_lips" in flags:
        lines.append("the lips are apart: a closed-mouth photo will look better")
    if report["shut_eyes"] > SHUT_EYES:
        lines.append("the eyes look shut: use a photo with open eyes")
    if report["highlights"] < DARK:
        lines.append("the face is dark: more light in front of it will look better")
    if report["burnt_out"] > BURNT_OUT:
        lines.append("the face is too bright to show detail: use a photo with less light on it")
    if report["sharpness"] < BLURRED:
        lines.append("the face is blurred: use a sharp photo")
    if report["cheeks"] > ONE_SIDED:
        lines.append("the light comes from one side: light from the front will look better")
    if "glasses" in flags:
        lines.append(
            "glasses stay stiff, so the brows behind them do too: without glasses the face is livelier"
        )
    yaw, pitch, roll = report["angles_deg"]
    if TURNED_DEG < abs(yaw) <= FAR_TURN_DEG:  # beyond that, opening the photo warns already
        lines.append(
            f"the head is turned by about {abs(yaw):.0f} degrees: one that looks into the camera can turn farther"
        )
    if TURNED_DEG < abs(pitch) <= FAR_TURN_DEG:
        how = "lowered" if pitch > 0 else "raised"
        lines.append(f"the head is {how}: hold the camera at the height of the eyes")
    if abs(roll) > TILTED_DEG:
        lines.append("the head is tilted: an upright one leaves more room to move")
    if report["matte_confidence"] < UNSURE_MATTE:
        lines.append("the outline of the person is unsure: a plain background will look better")
    if report["cut_top"] > CUT_TOP:
        lines.append("the photo's upper edge cuts the hair or hat: leave some room above the head")
    if report["misfit"] > ODD_PROPORTIONS:
        lines.append(
            "the face has unusual proportions, as drawings have: a photograph will move more naturally"
        )
    return lines
