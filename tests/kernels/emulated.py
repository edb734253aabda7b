"""The CUDA branch of the kernel sources run on the CPU: every block and every thread, one after the other.

It shows that launch geometry, order of arguments, bounds and tables are right without a device. What it cannot show is
what threads do to each other at the same time.
"""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kernels.build import KernelBuildError, _find_compiler
from kernels.cuda import ENTRIES, Size, source_text

SHIM = """
#define __CUDACC__
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#include <string.h>
#include <utility>
struct Place { unsigned x, y, z; };
static Place gridDim, blockDim, blockIdx, threadIdx;
static inline int __float_as_int(float value) { int bits; memcpy(&bits, &value, sizeof bits); return bits; }
static inline long long atomicMin(long long *place, long long value) {
    long long before = *place;
    if (value < before) *place = value;
    return before;
}
template <class... Types> static void every_thread(void (*kernel)(Types...), const unsigned *size, Types... values) {
    gridDim = {size[0], size[1], size[2]};
    blockDim = {size[3], size[4], size[5]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
    for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
    for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) kernel(values...);
}
template <class... Types, size_t... At>
static void call_at(void (*kernel)(Types...), const unsigned *size, void **values, std::index_sequence<At...>) {
    every_thread<Types...>(kernel, size, *(Types *)values[At]...);
}
template <class... Types> static void call(void (*kernel)(Types...), const unsigned *size, void **values) {
    call_at(kernel, size, values, std::make_index_sequence<sizeof...(Types)>());
}
"""

KINDS: dict[str, Any] = {"i": ctypes.c_int, "f": ctypes.c_float, "p": ctypes.c_void_p}
FLAGS = ("-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-w")


class EmulatedLauncher:
    """Launches on tensors in the CPU's memory, and notes what was launched; definitions: as ``CudaLauncher``'s."""

    def __init__(
        self, folder: Path, sources: Sequence[str] = tuple(ENTRIES), definitions: Sequence[str] = ()
    ) -> None:
        self.launched: list[tuple[str, Size, Size]] = []
        self._entries = {}
        for source in sources:
            entries = ENTRIES[source]
            library = ctypes.CDLL(str(_compiled(source, list(entries), folder, definitions)))
            self._entries |= {
                name: (getattr(library, f"run_{name}"), kinds) for name, kinds in entries.items()
            }

    def launch(self, entry: str, grid: Size, block: Size, arguments: Sequence[Any]) -> None:
        """See ``kernels.cuda.Launcher``."""
        run, kinds = self._entries[entry]
        assert len(kinds) == len(arguments), entry
        held = [KINDS[k](_plain(value)) for k, value in zip(kinds, arguments, strict=True)]
        places = (ctypes.c_void_p * len(held))(*(ctypes.addressof(value) for value in held))
        run((ctypes.c_uint * 6)(*grid, *block), places)
        self.launched.append((entry, grid, block))


def _plain(value: Any) -> Any:
    return value.data_ptr() if hasattr(value, "data_ptr") else value


def _compiled(source: str, entries: list[str], folder: Path, definitions: Sequence[str]) -> Path:
    try:
        compiler = _find_compiler()
    except KernelBuildError as error:
        pytest.skip(str(error))
    runs = [
        f'extern "C" void run_{name}(const unsigned *size, void **values) {{ call({name}, size, values); }}'
        for name in entries
    ]
    code, library = folder / f"{source}.cpp", folder / f"{source}.so"
    code.write_text("\n".join([SHIM, source_text(source), *runs]), encoding="utf-8")
    subprocess.run([*compiler, *FLAGS, *definitions, str(code), "-o", str(library)], check=True)
    return library
