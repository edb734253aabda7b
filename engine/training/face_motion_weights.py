"""The face motion network's weights as they ship: one file for each look-ahead."""

from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from engine.errors import UnavailableError
from engine.files import replaced
from engine.motion.network_config import BRANCHES, FaceMotionConfig
from engine.training.face_motion_net import FaceMotionNet


def save_weights(model: FaceMotionNet, path: str | Path, look_ahead: int | None = None) -> None:
    """Write body and one look-ahead's branches as float16 with the network's config in the file's header."""
    look_ahead = model.config.look_ahead if look_ahead is None else look_ahead
    own = f"branches.{look_ahead}."
    tensors = {
        name.removeprefix(own): value.detach().cpu().half().contiguous()
        for name, value in model.state_dict().items()
        if name.startswith(own) or not name.startswith("branches.")
    }
    kept = {name: value for name, value in tensors.items() if not name.startswith("sounds.")}
    with replaced(path) as part:
        part.write_bytes(save(kept, replace(model.config, look_ahead=look_ahead).to_metadata()))


def load_weights(path: str | Path) -> FaceMotionNet:
    """Read what ``save_weights`` wrote, as float32, ready for use on the CPU; it cannot name sounds.

    Raises:
        UnavailableError: the file is missing or holds something else.
    """
    try:
        with safe_open(str(path), "pt") as file:
            model = FaceMotionNet(FaceMotionConfig.from_metadata(file.metadata() or {}))
            own = f"branches.{model.config.look_ahead}."
            tensors = {
                (own + name if name.split(".")[0] in (*BRANCHES, "norm") else name): file.get_tensor(
                    name
                ).float()
                for name in file.keys()
            }
            missing, unknown = model.load_state_dict(tensors, strict=False)
            if unknown or any(not name.startswith(f"{own}sounds.") for name in missing):
                raise KeyError(", ".join([*unknown, *missing]))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnavailableError(
            f"expected the weights of the face motion network at {path}: {error}"
        ) from error
    model.eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.startswith(f"{own}sounds."):
            parameter.zero_()
    return model
