"""The reading process: one request a line on stdin, one reply a line on stdout. Ends with stdin."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlrag.documents.readers import load_unsandboxed
from mlrag.documents.readers.base import Limits
from mlrag.errors import DocumentError


def _limit_memory(limits: Limits) -> None:
    if sys.platform == "win32":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = limits.memory if hard == resource.RLIM_INFINITY else min(limits.memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(**request["limits"])
    root = request["root"] and Path(request["root"])
    path = Path(request["path"])
    _limit_memory(limits)
    try:
        loaded = load_unsandboxed(path, request["lang"], root, limits)
    except DocumentError as error:
        return {"error": error.message, "hint": error.hint}
    except MemoryError:
        return {
            "error": f"{path} needs more than {limits.memory / 1e6:,.0f} MB of memory",
            "hint": "split it, or raise max_file_memory_mb (MLRAG_MAX_FILE_MEMORY_MB)",
        }
    except Exception as error:  # a file that breaks a parser must not take the next files down
        return {"error": f"{path} cannot be read: {type(error).__name__}: {error}", "hint": ""}
    return {"documents": [asdict(d) for d in loaded.documents], "warnings": loaded.warnings}


def main() -> None:
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr
    for line in sys.stdin:
        replies.write(json.dumps(_reply(json.loads(line)), default=str) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
