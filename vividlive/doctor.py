"""What this machine has, and which path each part of the engine takes on it."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("vividlive", "torch", "numpy", "av", "aiortc", "ai-edge-litert", "opencv-python-headless")


def examine() -> dict[str, str]:
    """Return one line for each finding, by name. Nothing is changed, nothing is downloaded."""
    return {
        "python": f"{platform.python_version()} on {platform.platform()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores, {_vector_units()}",
        **{f"package {name}": _version(name) for name in PACKAGES},
        "kernels": _kernels(),
        "motion network": "NumPy on the CPU",
        "neural renderer": _networks(),
        "gpu": _gpu(),
        "video encoder": _encoder("libx264"),
        "sound encoder": _encoder("libopus"),
        "weights": _weights(),
        "browser for e2e tests": _browser(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing: install with `make serve` or `pip install vividlive`"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _vector_units() -> str:
    from torch.backends.cpu import get_cpu_capability

    return str(get_cpu_capability())


def _kernels() -> str:
    import kernels

    try:
        return kernels.describe()
    except kernels.KernelBuildError as error:
        return f"broken: {error}"


def _networks() -> str:
    from engine.render.neural.runtime import WEIGHTS, chosen_runtime

    if not WEIGHTS.is_file():
        return f"no weights at {WEIGHTS}: train some with `vividlive train renderer` and give --weights"
    return f"{chosen_runtime('auto')}, one thread of the CPU; used with --quality neural"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use; everything runs on the CPU"
    from kernels.cuda import CudaUnavailableError, launcher

    try:
        launcher()
    except CudaUnavailableError as error:
        return f"{torch.cuda.get_device_name()}: {error}"
    return f"{torch.cuda.get_device_name()}: draws calls with `serve --device cuda`"


def _encoder(name: str) -> str:
    import av

    return name if name in av.codecs_available else f"{name} is missing from this build of PyAV"


def _weights() -> str:
    from engine.motion import head_pose, stage

    paths = [*stage.WEIGHTS.values(), head_pose.WEIGHTS]
    missing = [str(path) for path in paths if not path.is_file()]
    return f"missing: {', '.join(missing)}" if missing else ", ".join(map(str, paths))


def _browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    return found or "none: `make test` installs Debian's Chromium"
