"""Do the lips of the drawn mesh meet in p, b and m, and only where they should?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.contact import SAMPLES, ContactPair
from engine.conventions import DEFAULT_FRAME_SIZE, FRAME_RATE, LIP_OFFSET_NAMES, LOOK_AHEADS_MS
from engine.errors import InputError, PhotoError
from engine.motion.stage import WEIGHTS, MotionStage
from engine.motion.values import Motion
from engine.render.drive import Driver
from engine.training.evaluate.media import find_photos
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.phones import CLASS_OF
from engine.training.shards import read_shard
from engine.training.voices import Phone

HELD_OUT: Final = "*-0000.npz"
"""Shards that training keeps for validation; each maker of speech (kokoro, flite, espeak) has one."""
TOUCH_PX: Final = 1.0
"""Lips less apart than this in a picture of DEFAULT_FRAME_SIZE meet."""
SLACK_S: Final = 0.02
"""So long before and after its sound a closure may be seen."""
APART_S: Final = 0.05
"""Vowels so near to a bilabial are left out where closures that should not be are counted."""
MIDDLE: Final = 0.8
"""Share of the mouth's width over which lips must meet."""
MIN_SHARE: Final = 0.95

BILABIALS: Final = frozenset("pbm")
_VOWELS: Final = ("close_", "mid_", "open_", "central", "front_")
_SEAL: Final = LIP_OFFSET_NAMES.index("seal")
_SIDE: Final = int(np.ceil((1.0 - MIDDLE) / 2 * (SAMPLES - 1)))
_INNER: Final = slice(_SIDE, SAMPLES - _SIDE)


@dataclass(frozen=True, eq=False)
class Spoken:
    """One utterance. motions: of its frames; phones: its sounds."""

    motions: Sequence[Motion]
    phones: tuple[Phone, ...]

    @property
    def middles_s(self) -> NDArray[np.float64]:
        """The middle of each frame, seconds, [F]."""
        return (np.arange(len(self.motions)) + 0.5) / FRAME_RATE


def evaluate_contact(
    paths: Path | list[Path],
    *,
    speech: Path,
    progress: Progress | None = None,
    motion: MotionStage | None = None,
) -> Report:
    """Let avatars speak made speech whose sounds and times are known, and measure the gap between the mesh's lips.

    A p, b or m counts as met if the lips' inner edges are less than TOUCH_PX apart over the middle of the mouth in one
    of its frames. ``unsealed`` is the same with the lip offset "seal" off, ``false`` the share of the frames of vowels
    in which the lips meet.

    speech: a folder with the shards that ``vividlive train synth-speech`` makes; those for validation are spoken.
    motion: what moves them; by default the stage with the weights that ship for 80 ms of look-ahead.

    Raises:
        InputError: no photos or no speech; PhotoError: no photo can become an avatar.
    """
    photos = find_photos([paths] if isinstance(paths, Path) else paths)
    voices = _spoken(speech, motion or MotionStage(WEIGHTS[LOOK_AHEADS_MS[0]]))
    rows: list[dict[str, Value]] = []
    refused: list[str] = []
    for number, photo in enumerate(photos):
        try:
            lips = _Lips(Avatar.from_photo(photo))
        except PhotoError as error:
            refused.append(f"{photo.name} was refused: {error}")
            continue
        rows += [{"photo": photo.name, "voice": name, **_measure(lips, voices[name])} for name in voices]
        if progress is not None:
            progress((number + 1) / len(photos))
    if not rows:
        raise PhotoError(f"expected a photo that can become an avatar; {refused[0]}")
    worst = min(float(row["met"]) for row in rows)  # type: ignore[arg-type]
    return Report(
        "contact", tuple(rows), (Bar("share of p, b, m in which the lips meet", worst, least=MIN_SHARE),),
        tuple(refused),
    )  # fmt: skip


class _Lips:
    """The lips of one avatar's mesh."""

    def __init__(self, avatar: Avatar) -> None:
        none = np.zeros(0)  # only the lines are asked for
        self._pair = ContactPair(avatar.extras["lip_upper"], avatar.extras["lip_lower"], none, none, none)
        self._driver = Driver(avatar)
        self._scale = DEFAULT_FRAME_SIZE / avatar.side

    def gap_px(self, motion: Motion) -> float:
        """The widest gap over the middle of the mouth."""
        return float(self._pair.gap(self._driver.drive(motion))[_INNER].max()) * self._scale


def _spoken(folder: Path, stage: MotionStage) -> dict[str, list[Spoken]]:
    """The utterances of each maker of speech, each heard from the beginning of a session."""
    voices: dict[str, list[Spoken]] = {}
    for path in sorted(folder.glob(HELD_OUT)):
        said = voices.setdefault(path.name.partition("-")[0], [])
        for utterance in read_shard(path):
            state = stage.new_state(seed=0)
            motions = stage.step(state, utterance.samples) + stage.flush(state)
            said.append(Spoken(motions, utterance.phones))
    if not any(phone.ipa in BILABIALS for spoken in voices.values() for s in spoken for phone in s.phones):
        raise InputError(
            f"expected shards of made speech ({HELD_OUT}) in {folder}: make them with vividlive train synth-speech"
        )
    return voices


def _measure(lips: _Lips, spoken: Sequence[Spoken]) -> dict[str, Value]:
    """One row's numbers."""
    met, unsealed, shut = [], [], []
    for said in spoken:
        gaps = np.array([lips.gap_px(motion) for motion in said.motions])
        plain = np.array(
            [
                lips.gap_px(_without_seal(motion)) if motion.lip_offsets[_SEAL] else gap
                for motion, gap in zip(said.motions, gaps, strict=True)
            ]
        )
        far_from_bilabials = np.ones(len(gaps), bool)
        for phone in said.phones:
            if phone.ipa in BILABIALS:
                far_from_bilabials &= ~_within(said.middles_s, phone, APART_S)
                if (near := _within(said.middles_s, phone, SLACK_S)).any():
                    met.append(bool(gaps[near].min() < TOUCH_PX))
                    unsealed.append(bool(plain[near].min() < TOUCH_PX))
        for phone in said.phones:
            if CLASS_OF[phone.ipa].startswith(_VOWELS):
                shut += (gaps[_within(said.middles_s, phone, 0.0) & far_from_bilabials] < TOUCH_PX).tolist()
    return {
        "bilabials": len(met),
        "met": float(np.mean(met)) if met else float("nan"),
        "unsealed": float(np.mean(unsealed)) if unsealed else float("nan"),
        "vowel_frames": len(shut),
        "false": float(np.mean(shut)) if shut else 0.0,
    }


def _within(times_s: NDArray[np.float64], phone: Phone, slack_s: float) -> NDArray[np.bool_]:
    return np.asarray((times_s >= phone.start_s - slack_s) & (times_s <= phone.end_s + slack_s))


def _without_seal(motion: Motion) -> Motion:
    offsets = motion.lip_offsets.copy()
    offsets[_SEAL] = 0.0
    return replace(motion, lip_offsets=offsets)
