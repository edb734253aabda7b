"""The weights that ship: what they are, and that they bring a made person's mouth nearer to the truth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.motion.values import Motion
from engine.packed import rgb_of
from engine.render.geometric import GeometricRenderer
from engine.render.neural.network import RendererConfig
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import WEIGHTS, open_runtime
from engine.render.neural.sizes import IMAGE
from engine.render.neural.weights import load_net
from engine.timing import StageTimer
from engine.training import made_pairs
from engine.training.renderer_pairs import load_people
from engine.training.renderer_step import gather, refine
from tests.engine.render.neural.test_guidance import moved

HELD_OUT = 9002
"""A made person that the weights were not trained on."""


def test_they_are_small_and_of_the_default_sizes() -> None:
    assert load_net().config == RendererConfig()
    assert WEIGHTS.stat().st_size < 4_000_000


def test_they_change_a_mouth_that_speaks_and_little_else(hopper: Avatar) -> None:
    neural, geometric = NeuralRenderer(hopper, open_runtime("torch"), 256), GeometricRenderer(hopper, 256)

    def off(motion: Motion) -> NDArray[np.float64]:
        frames = (rgb_of(r.render(motion, StageTimer())).astype(float) for r in (neural, geometric))
        return np.asarray(np.abs(np.subtract(*frames)).max(axis=2))

    talking = off(moved(jawOpen=0.3, mouthLowerDownLeft=0.4, mouthLowerDownRight=0.4))
    assert 8.0 < talking.max() and (talking > 2.0).mean() < 0.2
    assert off(geometric.photo_motion()).max() == 0.0


def test_made_mouths_come_nearer_to_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(made_pairs, "PAIRS_OF_A_PERSON", 3)
    assert made_pairs.make_pairs(tmp_path, people=1, first=HELD_OUT) == 1
    person = load_people(tmp_path)[0]
    net, nearer = load_net(), []
    for moment in range(0, len(person.frames), 2):
        pairs = gather([(person, moment)])
        with torch.no_grad():
            picture = refine(net, pairs).picture
        x, y = np.clip(pairs.places[0, 0].numpy().astype(int), 40, IMAGE - 40)
        mouth = np.s_[0, :, y - 30 : y + 30, x - 40 : x + 40]
        drawn, neural = (float((p - pairs.truth)[mouth].square().mean()) for p in (pairs.drawn, picture))
        if drawn > 1e-6 and float(pairs.gate.max()) > 0.5:
            nearer.append(neural / drawn)
    assert len(nearer) >= 2 and float(np.mean(nearer)) < 0.95
