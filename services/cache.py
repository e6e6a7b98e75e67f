"""What was fetched or built once stays in the user's cache, under a digest of what it is made from."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_SECONDS_UNUSED = 7 * 24 * 3600.0
"""What is not the newest of its name is deleted when nobody has used it for so long."""


def kept(name: str, made_from: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """The file or folder that `make` has made at the path that it is given, the first time and for new inputs.

    Made aside and renamed, so that nothing is ever half there; of two runs at once the second waits for the first,
    because some of it takes minutes.
    """
    digest = hashlib.sha256()
    for part in made_from:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unbroken"
    path = cache / f"{name}-{digest.hexdigest()[:12]}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _discard_unused(cache.glob(f"{name}-*"))
                with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
                    made = Path(scratch) / "made"
                    make(made)
                    made.rename(path)
    os.utime(path)
    return path


def _discard_unused(older: Iterable[Path]) -> None:
    for path in older:
        if time.time() - path.stat().st_mtime > _SECONDS_UNUSED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
