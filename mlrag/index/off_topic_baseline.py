"""Where a generation keeps what off-topic questions get from it. Not part of its manifest: a file that is missing,
unreadable or made from other questions is measured anew."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlrag.types import Vectors

NAME = "null.json"
SHARE = 100  # the values stay while fewer than one passage in so many has changed
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
    _write(folder, {"key": key, "values": values.tolist(), "changed": 0})


def carry_null(old: Path, new: Path, changed: int, live: int) -> None:
    """Take the values over to the next generation, unless too much has changed, of `live` passages, since they were
    measured: a percentile does not feel one passage in a hundred, and a large index takes a second to be asked again.
    """
    try:
        found = json.loads((old / NAME).read_text(encoding="utf-8"))
        found["changed"] += changed
        small = found["changed"] * SHARE < live
    except (OSError, ValueError, KeyError, TypeError):
        return
    if small:
        _write(new, found)


def _write(folder: Path, body: Mapping[str, Any]) -> None:
    draft = folder / f"{NAME}.{os.getpid()}.tmp"
    try:
        draft.write_text(json.dumps(body), encoding="utf-8")
        draft.replace(folder / NAME)
    except OSError as error:
        _log.warning("cannot keep %s: %s", folder / NAME, error)
