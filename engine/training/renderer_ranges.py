"""Measures what the learned renderer's convolutions read, so that the networks can run in int8."""

from typing import Final

import numpy as np
import torch

from engine.render.neural.int8 import watched
from engine.render.neural.network import RendererNet
from engine.render.neural.ranges import Ranges
from engine.training.renderer_pairs import Person
from engine.training.renderer_step import gather, refine

FRAMES: Final = 32


@torch.no_grad()
def measured_ranges(net: RendererNet, people: list[Person], seed: int = 0, device: str = "cpu") -> Ranges:
    """Ranges over random moments of these people, taken by other cameras."""
    rng = np.random.default_rng([seed, FRAMES])
    with watched(net) as ranges:
        for _ in range(FRAMES):
            person = people[int(rng.integers(len(people)))]
            moment = int(rng.integers(len(person.frames)))
            refine(net, gather([(person, moment)], rng, neighbours=1).to(device))
    return ranges
