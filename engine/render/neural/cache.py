"""Where converted and compiled networks are kept."""

import hashlib
import os
from pathlib import Path


def cached_files(weights: str | Path, suffix: str, *depends: str) -> list[Path]:
    """Where the user's cache keeps the three parts of these weights in another form, which depends on versions and
    settings; they need not be there yet, but their folder is."""
    mark = hashlib.sha256(Path(weights).read_bytes())
    for words in depends:
        mark.update(b"\0" + words.encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vividlive" / "networks"
    cache.mkdir(parents=True, exist_ok=True)
    return [cache / f"{name}-{mark.hexdigest()[:20]}{suffix}" for name in ("photo", "motion", "generator")]
