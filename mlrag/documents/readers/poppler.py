"""poppler's programs: one call, its output bounded, its complaints as sentences."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from mlrag.documents.readers.base import Limits, check_size
from mlrag.errors import DocumentError

_INSTALL = "Debian, Ubuntu: apt install poppler-utils; Fedora: dnf install poppler-utils; macOS: brew install poppler"


def poppler(path: Path, limits: Limits, program: str, *options: str) -> str:
    """What a program of poppler prints for this file; "-" among the options stands after its name.

    Raises DocumentError for a missing program, a password, a broken file, more text than the limit.
    """
    if shutil.which(program) is None:
        raise DocumentError(f"{path} cannot be read without {program} of poppler", _INSTALL)
    first = [option for option in options if option != "-"]
    command = [program, *first, str(path.absolute()), *(["-"] if "-" in options else [])]
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout
            data = process.stdout.read(limits.size + 1)
            if len(data) > limits.size:
                process.kill()
        complaints.seek(0)
        said = complaints.read(2000).decode("utf-8", "replace").strip()
    check_size(path, len(data), limits, "holds text of")
    if "ncorrect password" in said:
        raise DocumentError(f"{path} is encrypted and asks for a password", "save it without one")
    if process.returncode:
        raise DocumentError(
            f"{path} is no PDF that {program} can read: {said.partition(chr(10))[0] or process.returncode}"
        )
    return data.decode("utf-8", "replace")
