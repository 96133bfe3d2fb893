"""Run poppler's programs with bounded output and readable errors."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from mlrag.documents.readers.base import Limits, check_size
from mlrag.errors import DocumentError

_INSTALL = "Debian, Ubuntu: apt install poppler-utils; Fedora: dnf install poppler-utils; macOS: brew install poppler"


def run_poppler(path: Path, limits: Limits, program: str, *options: str) -> str:
    """Return what a program of poppler prints for this file. The option "-" is placed after the file's name.

    Raises DocumentError for a missing program, a password, a broken file, or more text than the limit.
    """
    if shutil.which(program) is None:
        raise DocumentError(f"{path} cannot be read without {program} of poppler", _INSTALL)
    first = [option for option in options if option != "-"]
    command = [program, *first, str(path.absolute()), *(["-"] if "-" in options else [])]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout
            data = process.stdout.read(limits.size + 1)
            if len(data) > limits.size:
                process.kill()
        errors.seek(0)
        message = errors.read(2000).decode("utf-8", "replace").strip()
    check_size(path, len(data), limits, "holds text of")
    if "ncorrect password" in message:
        raise DocumentError(f"{path} is encrypted and asks for a password", "save it without one")
    if process.returncode:
        raise DocumentError(
            f"{path} is not a PDF that {program} can read: {message.partition(chr(10))[0] or process.returncode}"
        )
    return data.decode("utf-8", "replace")
