"""What torch is asked for within a block: what would start on a device, what crosses between devices, what takes memory.

Counts on the "meta" device, which computes nothing and refuses to tell a value, are those of a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kernels.cuda import Size


@dataclass(frozen=True)
class Operation:
    """One operation. fresh_bytes: of memory that it takes for its result, 0 for what writes into a tensor that is there;
    starts: whether it does anything, which a view does not; devices: of its tensors."""

    name: str
    fresh_bytes: int
    starts: bool
    devices: frozenset[str]


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within ``with Operations() as seen:`` every operation is noted in ``seen.all``.

    most_bytes: the most memory that results took at one time; left_bytes: what is still taken.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.all: list[Operation] = []
        self.most_bytes = 0
        self._taken: list[tuple[StorageWeakRef, int]] = []

    @property
    def left_bytes(self) -> int:
        """Memory of results that somebody still holds."""
        self._taken = [(storage, size) for storage, size in self._taken if not _is_gone(storage)]
        return sum(size for _, size in self._taken)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note one operation and do it."""
        made = func(*args, **(kwargs or {}))
        given = [_storage(tensor) for tensor in _tensors((args, kwargs))]
        known = {storage._cdata for storage in given}
        found = {storage._cdata: storage for storage in map(_storage, _tensors(made))}
        fresh = [storage for address, storage in found.items() if address not in known]
        self._taken += [(_watched(storage), storage.nbytes()) for storage in fresh]
        self.most_bytes = max(self.most_bytes, self.left_bytes)
        devices = frozenset(str(tensor.device) for tensor in _tensors((args, kwargs, made)))
        size = sum(storage.nbytes() for storage in fresh)
        self.all.append(Operation(str(func), size, bool(fresh) or func._schema.is_mutable, devices))
        return made


class CountingLauncher:
    """Launches nothing, and notes in ``launched`` what it was to launch."""

    def __init__(self) -> None:
        self.launched: list[str] = []

    def launch(self, entry: str, grid: Size, block: Size, arguments: Sequence[Any]) -> None:
        """See ``kernels.cuda.Launcher``."""
        self.launched.append(entry)


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _watched(storage: torch.UntypedStorage) -> StorageWeakRef:
    return StorageWeakRef(storage)  # type: ignore[no-untyped-call]


def _is_gone(storage: StorageWeakRef) -> bool:
    return bool(storage.expired())  # type: ignore[no-untyped-call]


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
