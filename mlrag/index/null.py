"""Where a generation keeps what off-topic questions get from it. Not part of its manifest: a file that is missing,
unreadable or made from other questions is measured anew."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np

from mlrag.records import Vectors

NAME = "null.json"
_log = logging.getLogger(__name__)


def read_null(folder: Path, key: str) -> Vectors | None:
    """The values written under this key; None without them."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return np.array(found["values"], np.float32) if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_null(folder: Path, key: str, values: Vectors) -> None:
    """Write whole or not at all. A folder that cannot be written costs a new measurement at the next start."""
    draft = folder / f"{NAME}.{os.getpid()}.tmp"
    try:
        draft.write_text(json.dumps({"key": key, "values": values.tolist()}), encoding="utf-8")
        draft.replace(folder / NAME)
    except OSError as error:
        _log.warning("cannot keep %s: %s", folder / NAME, error)
