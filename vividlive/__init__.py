"""Vividlive: one portrait and live speech become a talking-head video call.

from vividlive import Avatar, Engine

avatar = Avatar.from_photo("portrait.jpg", rights="self")
session = Engine().session(avatar, seed=0)
session.push_audio(samples)  # float32 [T], mono, 16 kHz
session.end()
for frame in session:
    show(frame.number, frame.rgb)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.avatar.avatar import Avatar as Avatar
    from engine.motion.idle import LifeSettings as LifeSettings
    from engine.motion.stage import MotionStyle as MotionStyle
    from engine.motion.values import Motion as Motion
    from engine.pipeline import Engine as Engine
    from engine.pipeline import EngineSettings as EngineSettings
    from engine.pipeline import Frame as Frame
    from engine.pipeline import Session as Session

_HOMES = {
    "Avatar": "engine.avatar.avatar",
    "Engine": "engine.pipeline",
    "EngineSettings": "engine.pipeline",
    "Frame": "engine.pipeline",
    "LifeSettings": "engine.motion.idle",
    "Motion": "engine.motion.values",
    "MotionStyle": "engine.motion.stage",
    "Session": "engine.pipeline",
}

__all__ = [
    "Avatar",
    "Engine",
    "EngineSettings",
    "Frame",
    "LifeSettings",
    "Motion",
    "MotionStyle",
    "Session",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``vividlive --help`` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vividlive' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
