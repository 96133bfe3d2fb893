"""Replace a file in one step: a reader, or a kill, finds the old content or the new."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def atomic_write(path: Path, text: str, mode: int = 0o666) -> None:
    """Write `text` (UTF-8) to `path`, whose folder must exist. `mode`: permissions, before the umask.

    The temporary file has a name of its own, so that several processes may write at once; the last one wins.
    Raises OSError; the old content then stays.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave an empty file behind the new name
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
