"""The head's movement in calls: a codebook of short movements, and a network that chooses among them by ear.

Every ``window`` frames the chooser looks at what the voice did, where the head is and how it moves, and gives each code
a chance; one is drawn. The decoder turns it into where the head shall be at the window's end, how fast it shall go there
and how that shall change; a polynomial of fifth degree leads there, so pose, velocity and acceleration go on without a
seam. Both networks are defined and trained in ``engine/training/head_pose_net.py``.
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from engine.conventions import POSE_LIMITS_DEG, POSE_NAMES
from engine.errors import UnavailableError
from engine.motion.prosody import PROSODY, ProsodyState, hear_prosody

Float = NDArray[np.float32]

WEIGHTS: Final = Path(__file__).parents[1] / "assets" / "head_pose.safetensors"

AXES: Final = len(POSE_NAMES)
STYLES: Final = 2
"""Values of a style: liveliness from 0, calm, to 1, lively; habit from -1, turns, to 1, nods."""

LIVELINESS: Final = (0.4, 0.65)
HABIT: Final = (-0.7, 0.7)
"""What a session's style is drawn from."""

TEMPERATURE: Final = 0.9
"""Below 1 likely codes are drawn more often than they were seen in training."""

FOLLOW: Final = 0.08
"""Part of the way to a new amount of head motion that one frame goes."""

LIMITS: Final = np.array([*POSE_LIMITS_DEG, 0.12, 0.08, 0.12], np.float32)
"""What a pose approaches and never passes, in the order and units of ``POSE_NAMES``."""


@dataclass(frozen=True)
class HeadPoseConfig:
    """Sizes.

    window: frames that a code moves the head for. codes: in the codebook. latent: length of a code's vector.
    hidden: of the decoder. width, memory: of the chooser's first layer and of its recurrent one.
    """

    window: int = 4
    codes: int = 512
    latent: int = 12
    hidden: int = 96
    width: int = 96
    memory: int = 128

    @property
    def inputs(self) -> int:
        """Values that the chooser sees of one window."""
        return self.window * PROSODY + 3 * AXES + STYLES

    def to_metadata(self) -> dict[str, str]:
        """As strings, for the header of a safetensors file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "HeadPoseConfig":
        """Read what ``to_metadata`` wrote."""
        return cls(**{field.name: int(metadata[field.name]) for field in fields(cls)})


@dataclass
class HeadState:
    """One session's head; it starts at the photo's own pose.

    heard: prosody of the last ``window`` frames, newest last. pose, velocity, acceleration: [3, 6], where the codes
    have led so far, a frame being the unit of time. path: [window, 6], the poses of this window; frame: the next of
    them. amount: the amount of head motion that is shown now. code: the last one that was drawn.
    """

    rng: np.random.Generator
    style: Float
    heard: Float
    memory: Float
    path: Float
    frame: int
    prosody: ProsodyState = field(default_factory=ProsodyState)
    motion: Float = field(default_factory=lambda: np.zeros((3, AXES), np.float32))
    amount: float | None = None
    code: int = -1


class HeadPose:
    """Weights that all sessions share.

    Raises:
        UnavailableError: the file is missing or holds something else.
    """

    def __init__(self, path: str | Path = WEIGHTS) -> None:
        try:
            with safe_open(str(path), "np") as file:
                self.config = HeadPoseConfig.from_metadata(file.metadata() or {})
                tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
            self._scales = tensors["scales"]
            self._units = self._scales[[1, 1, 2]] * np.array([[self.config.window], [1], [1]], np.float32)
            self._codes = tensors["codes"]
            self._decoder = [_linear(tensors, f"decoder.{number}") for number in (0, 2)]
            self._coast = tensors["coast"].T.copy()
            self._embed, self._head = _linear(tensors, "embed"), _linear(tensors, "head")
            self._hear = tensors["gru.weight_ih_l0"].T.copy(), tensors["gru.bias_ih_l0"]
            self._recall = tensors["gru.weight_hh_l0"].T.copy(), tensors["gru.bias_hh_l0"]
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UnavailableError(f"expected the weights of the head pose at {path}: {error}") from error
        self._bridge = bridge(self.config.window)

    def new_state(self, seed: int = 0) -> HeadState:
        """Begin a session; its style follows the seed too."""
        rng = np.random.default_rng([seed, 1])  # other parts of a session draw from [seed, 0] and so on
        config = self.config
        return HeadState(
            rng,
            np.array([rng.uniform(*LIVELINESS), rng.uniform(*HABIT)], np.float32),
            np.zeros((config.window, PROSODY), np.float32),
            np.zeros(config.memory, np.float32),
            np.zeros((config.window, AXES), np.float32),
            config.window,
        )

    def hear(self, state: HeadState, samples: Float, heard: Float, voice: bool) -> None:
        """Take the next frame of sound; see ``hear_prosody``."""
        state.heard[:-1] = state.heard[1:]
        state.heard[-1] = hear_prosody(state.prosody, samples, heard, voice)

    def forget(self, state: HeadState) -> None:
        """Barge-in: what was heard is forgotten, and the head goes on from where it is."""
        state.heard[:] = 0.0
        state.prosody.bands[:] = 0.0

    def step(self, state: HeadState, amount: float = 1.0) -> Float:
        """Advance one frame; return the pose [6], ``POSE_NAMES``, times ``amount`` and within ``LIMITS``."""
        if state.frame == self.config.window:
            self._choose(state)
            state.frame = 0
        pose = state.path[state.frame]
        state.frame += 1
        state.amount = amount if state.amount is None else state.amount + FOLLOW * (amount - state.amount)
        return np.asarray(LIMITS * np.tanh(np.float32(state.amount) * pose / LIMITS), np.float32)

    def _choose(self, state: HeadState) -> None:
        """Draw the next window's code and lay out its path."""
        now = (state.motion / self._scales).ravel()
        seen = np.concatenate([state.heard.ravel(), now, state.style])
        logits = self._remember(state, seen) / np.float32(TEMPERATURE)
        chances = np.cumsum(np.exp(logits - logits.max()))
        drawn = int(np.searchsorted(chances, state.rng.random() * chances[-1], side="right"))
        state.code = min(drawn, len(self._codes) - 1)
        state.path, state.motion = self.decode(state.code, state.motion)

    def decode(self, code: int, motion: Float) -> tuple[Float, Float]:
        """Poses [window, 6] of a code that follows ``motion`` [3, 6], and the motion at their end."""
        moving = (motion[1:] / self._scales[1:]).ravel()
        (first, first_bias), (second, second_bias) = self._decoder
        inside = np.maximum(np.concatenate([self._codes[code], moving]) @ first + first_bias, 0.0)
        change = (inside @ second + second_bias + moving @ self._coast).reshape(3, AXES)
        end = change * self._units
        end[0] += motion[0]
        path = self._bridge @ np.concatenate([motion, end])
        return np.asarray(path, np.float32), np.asarray(end, np.float32)

    def _remember(self, state: HeadState, seen: Float) -> Float:
        """Move the memory on (a gated recurrent unit, as torch has it); return the codes' logits."""
        (embed, embed_bias), (head, head_bias) = self._embed, self._head
        width = self.config.memory
        heard = np.maximum(seen @ embed + embed_bias, 0.0) @ self._hear[0] + self._hear[1]
        kept = state.memory @ self._recall[0] + self._recall[1]
        gates = 1.0 / (1.0 + np.exp(-(heard[: 2 * width] + kept[: 2 * width])))
        fresh = np.tanh(heard[2 * width :] + gates[:width] * kept[2 * width :])
        state.memory = (fresh + gates[width:] * (state.memory - fresh)).astype(np.float32)
        return np.asarray(state.memory @ head + head_bias, np.float32)


def bridge(window: int) -> Float:
    """What leads from one motion to another: float32 [window, 6].

    Rows are the frames after the first motion, the last being the second's own; columns what pose, velocity and
    acceleration of the first and of the second motion contribute (quintic Hermite interpolation).
    """
    powers = np.arange(6)

    def conditions(t: float) -> NDArray[np.float64]:
        value = t**powers
        slope = powers * t ** np.maximum(powers - 1, 0)
        bend = powers * (powers - 1) * t ** np.maximum(powers - 2, 0)
        return np.array([value, slope / window, bend / window**2], np.float64)

    times = np.arange(1, window + 1) / window
    to_powers = np.linalg.inv(np.concatenate([conditions(0.0), conditions(1.0)]))
    return np.asarray((times[:, None] ** powers) @ to_powers, np.float32)


def _linear(tensors: dict[str, Float], name: str) -> tuple[Float, Float]:
    """Weight [inputs, outputs] and bias of a layer."""
    return tensors[f"{name}.weight"].T.copy(), tensors[f"{name}.bias"]
