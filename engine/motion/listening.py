"""What a listener shows: small nods near the ends of the other side's phrases, now and then lifted brows or a smile."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.conventions import FRAME_RATE
from engine.motion.conversation import Conversation

PHRASE_S: Final = 0.7
"""Shorter phrases of the other side are not answered."""
NOD_AT_END: Final = 0.55
LONG_PHRASE_S: Final = 4.0
NOD_WITHIN_S: Final = 5.0
"""Chance of a nod when a phrase ends; in a phrase longer than that one comes every so many seconds besides."""
NOD_PAUSE_S: Final = 1.8
"""Least time between two nods."""

NOD_DEG: Final = (1.6, 3.2)
"""Depth of the first dip of a nod, which each further one adds a quarter to."""
NOD_HZ: Final = (1.5, 2.1)
DIPS: Final = (0.5, 0.35, 0.15)
"""How often a nod has one, two and three dips."""
DECLINE: Final = 0.6
"""Each dip of a nod is so deep, of the one before."""

BROWS_AT_END: Final = 0.15
SMILE_AT_END: Final = 0.15
BROWS: Final = (0.12, 0.25)
SMILE: Final = (0.1, 0.2)
"""Chances that a phrase's end is answered with the brows or a smile, and how far these go."""
BROWS_S: Final = (0.4, 0.9)
SMILE_S: Final = (1.2, 2.6)
SKEW: Final = 0.15
"""At most so much a smile leans to one side."""
RISE: Final = 0.22
"""Part of the way to its goal that an expression goes in a frame, twice in a row."""
GONE: Final = 1e-3
"""An expression that is fainter is over."""


@dataclass
class Expression:
    """A thing that rises for a while, softly, and sinks again."""

    goal: float = 0.0
    frames: int = 0
    first: float = 0.0
    second: float = 0.0

    def show(self, goal: float, length_s: float) -> None:
        """Rise to ``goal`` for so long."""
        self.goal, self.frames = goal, int(length_s * FRAME_RATE)

    def step(self, kept: bool) -> float:
        """Advance one frame; when it is not ``kept`` it sinks at once."""
        self.frames = self.frames - 1 if kept else 0
        self.first += RISE * ((self.goal if self.frames > 0 else 0.0) - self.first)
        self.second += RISE * (self.first - self.second)
        if max(self.first, self.second) < GONE:
            self.first = self.second = 0.0
        return self.second


@dataclass
class ListenState:
    """One session's listener.

    nod_dips: how many dips the last nod has; nod_done: how many of them are done. nod_deg, nod_hz: its first dip's
    depth, and its rate. nod_ago: frames since it began. skew: how much stronger the left corner of the mouth smiles than
    the right one.
    """

    rng: np.random.Generator
    skew: float
    nod_dips: int = 0
    nod_done: float = 0.0
    nod_deg: float = 0.0
    nod_hz: float = NOD_HZ[0]
    nod_ago: int = 10 * FRAME_RATE
    brows: Expression = field(default_factory=Expression)
    smile: Expression = field(default_factory=Expression)


@dataclass(frozen=True)
class Answer:
    """What one frame shows: the head's dip in degrees, and the blendshapes of brows and both corners of the mouth."""

    nod_deg: float = 0.0
    brows: float = 0.0
    smile_left: float = 0.0
    smile_right: float = 0.0


def new_listener(rng: np.random.Generator) -> ListenState:
    """Begin attentive and still."""
    return ListenState(rng, skew=rng.uniform(-SKEW, SKEW))


def listen(state: ListenState, talk: Conversation) -> Answer:
    """Advance one frame."""
    state.nod_ago += 1
    if talk.listening and talk.phrase > PHRASE_S * FRAME_RATE:
        if talk.other_ended:
            _answer(state)
        elif talk.heard and talk.phrase > LONG_PHRASE_S * FRAME_RATE:
            if state.rng.random() < 1 / (NOD_WITHIN_S * FRAME_RATE):
                _nod(state)
    smile = state.smile.step(talk.listening)
    return Answer(
        _nodding(state),
        state.brows.step(talk.listening),
        smile * (1.0 + state.skew),
        smile * (1.0 - state.skew),
    )


def _answer(state: ListenState) -> None:
    """Show, or not, that a phrase was taken in."""
    nod, brows, smile = state.rng.random(3)
    if nod < NOD_AT_END:
        _nod(state)
    if brows < BROWS_AT_END:
        state.brows.show(state.rng.uniform(*BROWS), state.rng.uniform(*BROWS_S))
    if smile < SMILE_AT_END:
        state.smile.show(state.rng.uniform(*SMILE), state.rng.uniform(*SMILE_S))


def _nod(state: ListenState) -> None:
    if state.nod_ago < NOD_PAUSE_S * FRAME_RATE:
        return
    rng = state.rng
    more = rng.random()
    state.nod_dips = 1 + (more > DIPS[0]) + (more > DIPS[0] + DIPS[1])
    state.nod_deg = rng.uniform(*NOD_DEG) * (0.75 + 0.25 * state.nod_dips)
    state.nod_hz = rng.uniform(*NOD_HZ)
    state.nod_done, state.nod_ago = 0.0, 0


def _nodding(state: ListenState) -> float:
    """The head's dip now: raised cosines, which begin and end at rest; each is less deep than the one before."""
    if state.nod_done >= state.nod_dips:
        return 0.0
    state.nod_done += state.nod_hz / FRAME_RATE
    if state.nod_done >= state.nod_dips:
        return 0.0
    depth_deg = state.nod_deg * DECLINE ** int(state.nod_done)
    return depth_deg * (0.5 - 0.5 * math.cos(2 * math.pi * state.nod_done))
