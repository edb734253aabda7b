"""How the motion stage's time splits: its parts are timed where the stage calls them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from engine.motion import stage as module
from engine.motion.stage import MotionStage
from engine.timing import Clock, StageTimer

PARTS: Final = ("voice activity", "features", "face motion", "pose", "idle life")


@contextmanager
def timed_parts(stage: MotionStage, clock: Clock) -> Iterator[StageTimer]:
    """Time the stage's parts in what is yielded until the block is left; for a benchmark's process alone."""
    timer = StageTimer(clock)
    within: Any = module

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            with timer.stage(part):
                return call(*arguments, **options)

        return run

    places = [
        (within, "hear_voice", "voice activity"),
        (within, "hear", "features"),
        (stage._network, "step", "face motion"),
        (stage._head, "hear", "pose"),
        (stage._head, "step", "pose"),
        (within, "live", "idle life"),
    ]
    before = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, part), call in zip(places, before, strict=True):
        setattr(owner, name, timed(part, call))
    try:
        yield timer
    finally:
        for (owner, name, _), call in zip(places, before, strict=True):
            setattr(owner, name, call)
