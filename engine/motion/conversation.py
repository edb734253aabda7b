"""Who speaks, and what has just begun or ended: what blinks, gaze, breath and nods go by."""

from dataclasses import dataclass
from typing import Final

from engine.conventions import FRAME_RATE

LISTENING_FRAMES: Final = 2 * FRAME_RATE
"""For so long after the other side's voice the avatar still attends to it."""

THINKING_FRAMES: Final = 15
"""The other side is done when it was silent for so long; the avatar may be making up its answer."""


@dataclass
class Conversation:
    """One session's talk as of the present frame; the lengths count frames.

    speaking, heard: whether the avatar, and the other side, speak now. began, ended: a phrase of the avatar has begun
    or ended with this frame; other_began, other_ended: one of the other side. listening: the avatar is silent and the
    other side speaks or has just spoken. thinking: this is the frame in which the other side's turn counts as over.
    silence: length of the avatar's silence, now or before the phrase that began. phrase: length of the other side's
    phrase, now or the last.
    """

    speaking: bool = False
    heard: bool = False
    began: bool = False
    ended: bool = False
    other_began: bool = False
    other_ended: bool = False
    listening: bool = False
    thinking: bool = False
    silence: int = 0
    phrase: int = 0
    unheard: int = LISTENING_FRAMES

    def follow(self, speaking: bool, heard: bool) -> None:
        """Advance one frame."""
        self.began, self.ended = speaking and not self.speaking, self.speaking and not speaking
        self.other_began, self.other_ended = heard and not self.heard, self.heard and not heard
        if self.ended:
            self.silence = 0
        if self.other_began:
            self.phrase = 0
        self.silence += not speaking
        self.phrase += heard
        # What was heard before the avatar spoke has been answered.
        self.unheard = (
            0 if heard else LISTENING_FRAMES if speaking else min(self.unheard + 1, LISTENING_FRAMES)
        )
        self.listening = not speaking and self.unheard < LISTENING_FRAMES
        self.thinking = self.listening and self.unheard == THINKING_FRAMES
        self.speaking, self.heard = speaking, heard
