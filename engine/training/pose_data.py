"""Head motion to learn from: streams of made speech, and poses that a generator moves to them.

No recording of heads may be learned from here, so the poses follow published observations: head motion in speech lies
below 3 Hz; stressed syllables are accompanied by nods, turns or lifts, whose extreme comes a little after the vowel
begins; the head rises and falls with the pitch of the voice; it sinks where a phrase ends; people change their posture
in pauses; the axes are coupled, as the head turns on a neck (Hadar, Steiner, Grant and Rose 1983; Graf, Cosatto, Strom
and Huang 2002; Munhall, Jones, Callan, Kuratate and Vatikiotis-Bateson 2004; Busso, Deng, Grimm, Neumann and Narayanan
2007). How far and how fast is set between what the GRID clips show, people who read aloud and keep still, and the 5 to
15 degrees of pitch and 10 to 20 of yaw that conversations show.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError
from engine.motion.head_pose import LIMITS
from engine.motion.prosody import LEVEL, PITCH, PROSODY, ProsodyState, hear_prosody
from engine.speech.hearing import HearingState, hear
from engine.speech.voice_activity import VoiceState, hear_voice
from engine.training.augment import LOUDEST_DBFS, QUIETEST_DBFS, change_speed, colour, noise, set_level
from engine.training.clips import HEARD_OFTEN
from engine.training.phones import CLASS_OF
from engine.training.shards import read_shard
from engine.training.voices import Phone, Utterance

Float = NDArray[np.float32]
Double = NDArray[np.float64]

VOWELS: Final = frozenset(
    "close_front mid_front open_front open_back central mid_rounded close_rounded front_rounded".split()
)
PAUSE_S: Final = 0.25
"""A pause this long ends a phrase."""

REACTION_S: Final = 0.07
"""A stroke begins this long after its vowel, and so can be chosen by who hears 80 ms ahead and moves every 160 ms."""

WANDER: Final = np.array([0.9, 0.7, 0.5, 0.008, 0.004, 0.010])
WANDER_HZ: Final = 0.22
BUSY: Final = np.array([1.0, 0.8, 0.55, 0.006, 0.003, 0.006])
BUSY_HZ: Final = 0.7
"""Standard deviation and corner frequency of the drift that never ends, and of what speaking adds."""

POSTURE: Final = np.array([2.5, 1.5, 1.6, 0.012, 0.004, 0.012])
"""Standard deviation of the postures that are held for some seconds."""

NECK: Final = np.array([[0.0032, 0.0, 0.0], [0.0, 0.0040, 0.0015], [0.0065, 0.0, 0.0]])
"""Head widths that a degree of yaw, pitch and roll (rows) moves the head along x, y and z, about the neck."""


@dataclass(frozen=True, eq=False)
class PoseStream:
    """One speaker for a while, frame by frame.

    prosody: float32 [F, PROSODY], heard from spoiled sound. poses: float32 [F, 6], ``POSE_NAMES``; row n belongs to
    samples [640 n, 640 (n + 1)). style: float32 [STYLES], as in ``engine.motion.head_pose``.
    """

    prosody: Float
    poses: Float
    style: Float


@dataclass
class _Timeline:
    """Clean sound, and what happens in it, seconds."""

    sound: Float
    vowels: list[tuple[float, float]] = field(default_factory=list)  # begin, end
    phrases: list[tuple[float, float]] = field(default_factory=list)


def make_stream(seed: list[int], shards: list[Path], seconds: float) -> PoseStream:
    """One stream; everything random follows ``seed``."""
    rng = np.random.default_rng(seed)
    style = np.array([rng.beta(1.6, 1.6), rng.uniform(-1, 1)], np.float32)
    frames = round(seconds * FRAME_RATE)
    timeline = _speak(rng, _utterances(_pick(rng, shards)), frames)
    poses = move(rng, timeline.vowels, timeline.phrases, hear_all(timeline.sound), style)
    sound = colour(rng, timeline.sound) if rng.random() < 0.6 else timeline.sound
    below_db = rng.uniform(15, 50)
    level = rng.uniform(QUIETEST_DBFS, LOUDEST_DBFS)
    sound = set_level(sound, level) + noise(rng, len(sound)) * np.float32(10 ** ((level - below_db) / 20))
    return PoseStream(hear_all(np.clip(sound, -1, 1).astype(np.float32)), poses, style)


def hear_all(sound: Float) -> Float:
    """The prosody of whole frames of sound, [F, PROSODY], as a call hears it."""
    frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    heard, voice, state = hear(HearingState(), frames.ravel()), VoiceState(), ProsodyState()
    rows = [
        hear_prosody(state, frame, row, hear_voice(voice, frame))
        for frame, row in zip(frames, heard, strict=True)
    ]
    return np.array(rows, np.float32).reshape(-1, PROSODY)


def _pick(rng: np.random.Generator, shards: list[Path]) -> Path:
    """A shard of some synthesiser, however many shards each has."""
    names = [path.stem.rsplit("-", 1)[0] for path in shards]
    synthesisers = sorted(set(names))
    often = np.array([HEARD_OFTEN.get(name, 1.0) for name in synthesisers])
    name = synthesisers[int(rng.choice(len(synthesisers), p=often / often.sum()))]
    own = [path for path, of in zip(shards, names, strict=True) if of == name]
    return own[int(rng.integers(len(own)))]


@lru_cache(maxsize=4)
def _utterances(path: Path) -> list[Utterance]:
    found = [item for item in read_shard(path) if len(item.samples) > SAMPLE_RATE // 2]
    if not found:
        raise InputError(f"expected utterances of more than half a second in {path}, found none")
    return found


def _speak(rng: np.random.Generator, utterances: list[Utterance], frames: int) -> _Timeline:
    """Turns of a few sentences with short pauses, and longer silences in which somebody else would speak."""
    length = frames * FRAME_SAMPLES
    timeline = _Timeline(np.zeros(length, np.float32))
    at = int(rng.uniform(0, 3) * SAMPLE_RATE)
    left = int(rng.integers(1, 7))
    speed = float(np.exp(rng.uniform(-0.16, 0.16)))
    while at < length:
        item = utterances[int(rng.integers(len(utterances)))]
        wave = set_level(change_speed(item.samples, speed), -20.0 + rng.uniform(-2, 2))
        end = min(at + len(wave), length)
        timeline.sound[at:end] += wave[: end - at]
        _note_phones(timeline, item.phones, at / SAMPLE_RATE, speed)
        left -= 1
        pause = rng.uniform(0.1, 0.9) if left else rng.choice([rng.uniform(1, 4), rng.uniform(4, 15)])
        left = left or int(rng.integers(1, 7))
        at += len(wave) + int(pause * SAMPLE_RATE)
    return timeline


def _note_phones(timeline: _Timeline, phones: tuple[Phone, ...], start_s: float, speed: float) -> None:
    begin: float | None = None
    last = 0.0
    for phone in phones:
        first, end = start_s + phone.start_s / speed, start_s + phone.end_s / speed
        if CLASS_OF[phone.ipa] == "pause":
            if begin is not None and end - first >= PAUSE_S:
                timeline.phrases.append((begin, last))
                begin = None
            continue
        begin = first if begin is None else begin
        last = end
        if CLASS_OF[phone.ipa] in VOWELS:
            timeline.vowels.append((first, end))
    if begin is not None:
        timeline.phrases.append((begin, last))


def move(
    rng: np.random.Generator,
    vowels: list[tuple[float, float]],
    phrases: list[tuple[float, float]],
    prosody: Float,
    style: Float,
) -> Float:
    """Poses [F, 6] of a head that speaks this.

    Args:
        vowels, phrases: begin and end in seconds, rising. prosody: [F, PROSODY], of the clean sound.
    """
    frames = len(prosody)
    time = (np.arange(frames) + 0.5) / FRAME_RATE
    activity = np.zeros(frames)
    for begin, end in phrases:
        activity[(time > begin - 0.1) & (time < end + 0.2)] = 1.0
    activity = _low_pass(activity[:, None], 0.6)[:, 0]
    pose = _drift(rng, frames, WANDER_HZ) * WANDER + _drift(rng, frames, BUSY_HZ) * BUSY * activity[:, None]
    pose += _postures(rng, time, phrases) * (0.7 + 0.3 * activity[:, None])
    beats = _beats(rng, time, accents(vowels, prosody), style)
    beats[:, 1] += _phrase_ends(rng, time, phrases)
    tune = _low_pass(prosody[:, [PITCH]].astype(np.float64), 1.6)[:, 0]
    beats[:, 1] -= 0.7 * np.clip(np.interp(time - REACTION_S, time, tune), -2, 2)
    beats = _smooth(beats, 1.2)
    pose[:, :3] += beats
    pose *= 0.45 + 1.1 * float(style[0])
    pose[:, 3:] += pose[:, :3] @ NECK
    return np.asarray(LIMITS * np.tanh(pose / LIMITS), np.float32)


def accents(vowels: list[tuple[float, float]], prosody: Float) -> list[tuple[float, float]]:
    """Stressed vowels, when they begin and how much they stand out: by level, pitch and length among their neighbours."""
    if len(vowels) < 3:
        return []
    values = []
    for begin, end in vowels:
        own = prosody[max(0, int(begin * FRAME_RATE)) : int(end * FRAME_RATE) + 2]
        own = own if len(own) else prosody[-1:]
        values.append((float(own[:, LEVEL].max()), float(own[:, PITCH].max()), min(end - begin, 0.25)))
    table = np.array(values)
    spread = table.std(axis=0) + 1e-6
    scores = ((table - table.mean(axis=0)) / spread) @ np.array([0.6, 0.5, 0.4])
    found: list[tuple[float, float]] = []
    for index, (begin, _) in enumerate(vowels):
        near = [
            scores[k]
            for k in range(max(0, index - 3), min(len(vowels), index + 4))
            if abs(vowels[k][0] - begin) < 0.35
        ]
        if scores[index] >= max(near) and scores[index] > 0.0:
            found.append((begin, float(scores[index])))
    return found


def _beats(
    rng: np.random.Generator, time: Double, stressed: list[tuple[float, float]], style: Float
) -> Double:
    """Yaw, pitch and roll [F, 3] of nods, turns and lifts at accents."""
    angles = np.zeros((len(time), 3))
    chance, habit = 0.6 + 0.35 * float(style[0]), float(style[1])
    side, free = 0.0, 0.0
    for begin, score in stressed:
        if begin < free or rng.random() > chance:
            continue
        free = begin + rng.uniform(0.35, 0.7)
        start = begin + REACTION_S + rng.normal(0.0, 0.015)
        size = float(np.exp(rng.normal(0.0, 0.35))) * (0.6 + 0.4 * min(score, 2.0))
        stroke = rng.uniform(0.17, 0.25)
        kind = rng.random()
        if kind < 0.55 + 0.25 * habit:
            back = rng.uniform(0.3, 0.55)
            angles[:, 1] += 3.2 * size * _pulse(time, start, stroke, back)
            angles[:, 2] += rng.normal(0, 0.5) * size * _pulse(time, start, stroke, back)
        elif kind < 0.85 + 0.10 * habit:
            goal = float(np.clip(rng.normal(0, 2.6) * size - 0.5 * side, -6, 6))
            turn = _rise(time, start, stroke * 1.4)
            angles[:, 0] += (goal - side) * turn
            angles[:, 2] += 0.25 * (goal - side) * turn
            angles[:, 1] += 0.8 * size * _pulse(time, start, stroke, 0.4)
            side = goal
        else:
            angles[:, 1] -= 1.8 * size * _pulse(time, start, stroke, rng.uniform(0.4, 0.7))
    return angles


def _phrase_ends(rng: np.random.Generator, time: Double, phrases: list[tuple[float, float]]) -> Double:
    """Pitch angle [F]: the head sinks with the end of a phrase and comes back in the pause; some ends lift it."""
    angle = np.zeros(len(time))
    for begin, end in phrases:
        if end - begin < 0.6 or rng.random() < 0.25:
            continue
        size = rng.uniform(1.0, 3.2) * (-0.6 if rng.random() < 0.15 else 1.0)
        angle += size * _pulse(
            time, end + REACTION_S - 0.1, 0.4, rng.uniform(0.7, 1.3), hold=rng.uniform(0.1, 0.5)
        )
    return angle


def _postures(rng: np.random.Generator, time: Double, phrases: list[tuple[float, float]]) -> Double:
    """Postures [F, 6]: changed in many pauses, now and then while speaking, and seldom in long silence."""
    moments = [end + rng.uniform(0.0, 0.3) for _, end in phrases if rng.random() < 0.35]
    clock = float(rng.uniform(2, 8))
    while clock < time[-1]:
        moments.append(clock)
        clock += rng.uniform(5, 12)
    poses = np.zeros((len(time), 6))
    last = rng.standard_normal(6) * 0.4 * POSTURE
    poses += last
    free = 0.0
    for moment in sorted(moments):
        if moment < free:
            continue
        free = moment + rng.uniform(1.5, 3.0)
        goal = np.clip(rng.standard_normal(6), -2.0, 2.0) * POSTURE
        goal[2] += 0.15 * goal[0]
        poses += (goal - last) * _rise(time, moment, rng.uniform(0.6, 1.1))[:, None]
        last = goal
    return poses


def _drift(rng: np.random.Generator, frames: int, corner_hz: float) -> Double:
    """Smooth noise [F, 6] of unit variance through three equal low-pass filters."""
    from scipy.signal import lfilter

    pole = np.exp(-2 * np.pi * corner_hz / FRAME_RATE)
    warm = int(4 * FRAME_RATE / corner_hz)
    values = rng.standard_normal((frames + warm, 6))
    impulse = np.zeros(warm)
    impulse[0] = 1.0
    for _ in range(3):
        values = lfilter([1 - pole], [1, -pole], values, axis=0)
        impulse = lfilter([1 - pole], [1, -pole], impulse)
    return np.asarray(values[warm:] / np.sqrt((impulse**2).sum()), np.float64)


def _low_pass(values: Double, corner_hz: float) -> Double:
    return _smooth(values, FRAME_RATE / (2 * np.pi * corner_hz))


def _smooth(values: Double, sigma_frames: float) -> Double:
    """Gaussian smoothing in time of columns [F, C]; ends are held."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, sigma_frames, axis=0, mode="nearest"), np.float64)


def _rise(time: Double, start: float, seconds: float) -> Double:
    """From 0 to 1 with least jerk."""
    x = np.clip((time - start) / seconds, 0.0, 1.0)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x * x), np.float64)


def _pulse(time: Double, start: float, there: float, back: float, hold: float = 0.0) -> Double:
    """There and back again, with least jerk each way."""
    return _rise(time, start, there) - _rise(time, start + 0.85 * there + hold, back)
