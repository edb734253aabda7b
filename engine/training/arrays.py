"""Files of named arrays (``.npz``), as the parts of training data are kept."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.files import replaced


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write one file; it appears under its name only when it is whole.

    Raises:
        InputError: it cannot be written.
    """
    with replaced(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for allow_pickle


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read these arrays of one file.

    Raises:
        InputError: it cannot be read, or lacks one of them.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"expected the arrays {', '.join(names)} in {path}, and it cannot be read so ({error}): delete it, and make "
            "it again"
        ) from error
