"""Small networks for tests of the learned renderer."""

from pathlib import Path

import torch

from engine.render.neural.network import RendererConfig, RendererNet
from engine.render.neural.weights import save_net

SMALL = RendererConfig(latent=8, motion=8, photo=8, widths=(8, 8, 16, 16))


def small_net(seed: int = 0, loudness: float = 0.05) -> RendererNet:
    """Random networks that say something."""
    torch.manual_seed(seed)
    net = RendererNet(SMALL)
    for layer in (net.motion.motion, net.generator.paint[0]):
        assert isinstance(layer, torch.nn.Conv2d)
        torch.nn.init.normal_(layer.weight, 0.0, loudness)
    return net.eval()


def small_weights(folder: Path, seed: int = 0, loudness: float = 0.05) -> Path:
    """Their weights on disk."""
    path = folder / "renderer.safetensors"
    save_net(small_net(seed, loudness), path)
    return path
