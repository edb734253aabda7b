"""Compiles the kernel sources for this machine's CPU, once, and chooses the backend.

The .cu files are ordinary C++ beside their CUDA entry points (see kernel.h). The first use compiles them with
``$CXX``, ``c++``, ``clang++`` or ``g++`` into the user's cache, under a name made of the sources, the flags, the
compiler and the processor. Where none of these works, the "portable" backend (NumPy and OpenCV) takes over.
``VIVIDLIVE_KERNELS`` set to ``cpu`` or ``portable`` asks for one by name; ``auto`` (or nothing) leaves it open.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Literal

logger = logging.getLogger(__name__)

Backend = Literal["cpu", "portable", "cuda"]
"""cpu: the compiled kernel sources; portable: NumPy and OpenCV, several times slower; cuda: the kernel sources on a GPU,
which takes torch tensors on the device instead of arrays and is therefore asked for by name (``kernels.cuda``)."""

HOST_BACKENDS: Final[tuple[Backend, ...]] = ("cpu", "portable")
"""Those that take NumPy arrays."""

SOURCE_ROOT: Final = Path(__file__).parent
SOURCES: Final = tuple(
    SOURCE_ROOT / name / f"{name}.cu" for name in ("rasterise", "composite", "colour", "frame", "warp")
)
FLAGS: Final = (
    "-std=c++17",
    "-O3",
    "-ffp-contract=off",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
    "-fno-exceptions",
    "-fno-rtti",
)
NATIVE_FLAGS: Final = ("-march=native", "-mcpu=native", "")
"""Tried in this order: x86 compilers know the first, some ARM ones only the second, any the last."""

ENTRIES: Final = {
    "rasterise_snap": "iipfffp",
    "rasterise_depth": "iippppiiipp",
    "rasterise_resolve": "iippiiipp",
    "composite": "iipppiipiiiiipi",
    "rgbx_to_i420": "iipiiip",
    "frame_layers": "iiippifippppipppp",
    "refine": "iipiiiiiipipi",
    "warp_image": "iipiiiiiipiip",
    "warp_features": "iipppiiip",
}
"""Arguments of the CPU entry points, begin and end of the range first."""

COMPILE_TIMEOUT_S: Final = 120


class KernelBuildError(RuntimeError):
    """The kernel sources cannot be compiled on this machine."""


@functools.cache
def backend() -> Backend:
    """Which backend takes NumPy arrays in this process; decided at the first call.

    Raises:
        KernelBuildError: ``VIVIDLIVE_KERNELS`` asks for a backend that does not exist or cannot be built.
    """
    wanted = os.environ.get("VIVIDLIVE_KERNELS", "auto") or "auto"
    if wanted == "portable":
        return "portable"
    if wanted not in ("auto", "cpu"):
        raise KernelBuildError(f"expected VIVIDLIVE_KERNELS to be auto, cpu or portable, got {wanted!r}")
    try:
        library()
    except KernelBuildError as error:
        if wanted == "cpu":
            raise
        logger.warning("kernels run on NumPy and OpenCV, several times slower: %s", error)
        return "portable"
    return "cpu"


def describe() -> str:
    """One line for ``vividlive doctor``: which backend runs and where it comes from."""
    if backend() == "portable":
        return "portable (NumPy and OpenCV; install a C++ compiler for frames several times faster)"
    return f"cpu (compiled for this processor: {library()._name})"


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled kernels, from the cache or freshly built.

    Raises:
        KernelBuildError: there is no C++ compiler, or none that compiles them.
    """
    compiler = _find_compiler()
    errors = []
    for native in NATIVE_FLAGS:
        flags = (*FLAGS, *([native] if native else []))
        try:
            return _declared(_load(compiler, flags, _cache_folder()))
        except (KernelBuildError, OSError) as error:
            errors.append(str(error))
    raise KernelBuildError(errors[-1])


def _declared(kernels: ctypes.CDLL) -> ctypes.CDLL:
    """The entry points with their argument types: i whole number, f float, p address."""
    kinds = {"i": ctypes.c_int, "f": ctypes.c_float, "p": ctypes.c_void_p}
    for name, arguments in ENTRIES.items():
        entry = getattr(kernels, name)
        entry.argtypes = [kinds[kind] for kind in arguments]
        entry.restype = None
    return kernels


def _find_compiler() -> list[str]:
    chosen = os.environ.get("CXX")
    for candidate in (chosen, "c++", "clang++", "g++"):
        command = shlex.split(candidate) if candidate else []
        if command and shutil.which(command[0]):
            return command
    raise KernelBuildError("no C++ compiler found (looked for $CXX, c++, clang++, g++)")


def _cache_folder() -> Path:
    root = os.environ.get("VIVIDLIVE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vividlive" / "kernels"


def _load(compiler: list[str], flags: tuple[str, ...], cache: Path) -> ctypes.CDLL:
    """Load the build out of the cache, which is compiled into it first unless it is there."""
    fingerprint = hashlib.sha256()
    for source in (*sorted(SOURCE_ROOT.rglob("*.h")), *SOURCES):
        fingerprint.update(source.read_bytes())
    fingerprint.update(repr((shutil.which(compiler[0]), compiler, flags, _processor())).encode())
    target = cache / f"kernels-{fingerprint.hexdigest()[:20]}.so"
    if os.access(target, os.R_OK):
        return ctypes.CDLL(str(target))
    if _can_be_written(cache):
        _compile(compiler, flags, target)
        return ctypes.CDLL(str(target))
    logger.warning("kernels are compiled each time: %s cannot be written; set VIVIDLIVE_CACHE", cache)
    with tempfile.TemporaryDirectory(prefix="vividlive-kernels-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / target.name
        _compile(compiler, flags, target)
        return ctypes.CDLL(str(target))  # what is loaded stays loaded


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _compile(compiler: list[str], flags: tuple[str, ...], target: Path) -> None:
    """Compile into ``target``, which only ever appears whole."""
    handle, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
    os.close(handle)
    command = [*compiler, *flags, f"-I{SOURCE_ROOT}", "-x", "c++", *map(str, SOURCES), "-o", part]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise KernelBuildError(
                f"{compiler[0]} failed on the kernels: {lines[0] if lines else done.returncode}"
            )
        os.replace(part, target)
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelBuildError(f"{compiler[0]} could not be run: {error}") from error
    finally:
        Path(part).unlink(missing_ok=True)


def _processor() -> str:
    """What distinguishes processors that need their own build."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(
        [platform.system(), platform.machine(), *sorted({x for x in lines if x.startswith(wanted)})]
    )
