"""Files that are whole or not there, and what is read off them without opening them."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

SHIPPED = "@shipped"  # behind a key: the run that ships with the explorer, though one with this key was made here too


class StoreError(ValueError):
    """The store cannot do what was asked; the text says why and what to do."""


def bare(name: str) -> str:
    """The key in a run's name: without what says which of two runs with that key is meant."""
    return name.removesuffix(SHIPPED)


def is_key(name: str) -> bool:
    """Whether a run may be called so: letters and digits, at most `@shipped` behind them."""
    return bare(name).isalnum()


def of_epoch(epoch: int) -> str:
    """The name of an epoch's snapshot."""
    return f"epoch-{epoch:03d}.safetensors"


def write(file: Path, content: bytes) -> None:
    """Writes the whole file or nothing: a reader never sees a half one. Raises OSError where it cannot be written."""
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.write_bytes(content)
        os.replace(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def changed(file: Path) -> int:
    """When it was last written, in ns; 0 where it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def size(file: Path) -> int:
    """Bytes; 0 where the file has just gone: a writer's draft was renamed, or a snapshot thinned."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
