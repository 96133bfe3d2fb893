"""The file beside an index snapshot that holds its off-topic baseline.

It is not part of the snapshot's manifest: where it is missing, unreadable, or made from other questions, the baseline
is measured again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlrag.atomic_write import atomic_write
from mlrag.index.off_topic_baseline import CHANGED_PART
from mlrag.types import Vectors

NAME = "null.json"  # as folders of earlier versions have it
_log = logging.getLogger(__name__)


def read_baseline(folder: Path, key: str) -> Vectors | None:
    """Return the baseline written under this key; None without one."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return np.array(content["values"], np.float32) if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_baseline(folder: Path, key: str, values: Vectors) -> None:
    """Write whole or not at all. In a folder that cannot be written it is measured again at the next start."""
    _write(folder, {"key": key, "values": values.tolist(), "changed": 0})


def carry_baseline(old: Path, new: Path, changed: int, live: int) -> None:
    """Copy the baseline to the next snapshot, which has `live` passages, unless too many have changed since it was
    measured: see CHANGED_PART. `changed`: passages added or removed since the old snapshot."""
    try:
        content = json.loads((old / NAME).read_text(encoding="utf-8"))
        content["changed"] += changed
        is_valid = content["changed"] * CHANGED_PART < live
    except (OSError, ValueError, KeyError, TypeError):
        return
    if is_valid:
        _write(new, content)


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    try:
        atomic_write(folder / NAME, json.dumps(content))
    except OSError as error:
        _log.warning("cannot write %s: %s", folder / NAME, error)
