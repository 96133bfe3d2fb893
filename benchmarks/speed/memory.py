"""Bytes a passage: on disk by kind of file, and in the memory of a process that has searched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reopen import HOUSE
from benchmarks.speed.corpus import LANG, Corpus, corpus
from benchmarks.speed.measure import Found, Growth, Plan, Row
from mlrag.languages import languages

EACH = 62_500  # passages in each language
_PROBE = """
import json, sys
from pathlib import Path
from benchmarks.speed.corpus import Corpus, embedder, questions
from benchmarks.speed.measure import rss_bytes
asked = questions()[:50]
embedder().encode_query(asked)
before = rss_bytes()
found = Corpus(Path(sys.argv[1]), 0).retriever()
for lang in sys.argv[2:]:
    for q in asked:
        found.search(q, lang)
print(json.dumps([before, rss_bytes()]))
"""


def grown(folder: Path, langs: Sequence[str]) -> tuple[int, int]:
    """RSS of a process with an embedder: before, and after 50 searches in each language; files that it maps are counted
    as they come."""
    command = [sys.executable, "-c", _PROBE, str(folder), *langs]
    out = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    before, after = json.loads(out)
    return before, after


def disk(folder: Path) -> dict[str, int]:
    """Bytes of the store, and of the newest derived index by kind."""
    index = folder / "index" / LANG
    newest = max(index.glob("gen-*"), key=lambda p: p.stat().st_mtime)
    lexical = sum(p.stat().st_size for p in (newest / "lexical").rglob("*") if p.is_file())
    rest = sum(p.stat().st_size for p in newest.iterdir() if p.is_file())
    return {"store": (index / "store.sqlite").stat().st_size, "dense": rest, "lexical": lexical}


def measure(plan: Plan) -> Found:
    """Memory and disk at the largest corpus, and along the sizes."""
    points: dict[str, list[tuple[float, float]]] = {"on disk": [], "in memory, beyond an embedder": []}
    rows: list[Row] = []
    for size in plan.sizes:
        held = corpus(plan.work, size)
        parts, (before, after) = disk(held.folder), grown(held.folder, [LANG])
        points["on disk"].append((size, sum(parts.values()) / size))
        points["in memory, beyond an embedder"].append((size, max(1, after - before) / size))
        if size == plan.sizes[-1]:
            rows = _rows(size, parts, before, after)
    if plan.full:
        rows += _full(plan)
    growth = Growth("memory", "What a passage takes", "passages", "bytes a passage", points)
    return Found(rows, growth)


def _rows(size: int, parts: dict[str, int], before: int, after: int) -> list[Row]:
    what = f"{size} passages"
    return [
        Row("memory", f"{what}: RSS with the embedder, after 50 searches", "MB", after / 1e6, 1),
        Row(
            "memory", f"{what}: of it the index", "B/passage", (after - before) / size, 1, note="mapped pages included"
        ),
        *(Row("memory", f"{what}: {name} on disk", "B/passage", value / size, 1) for name, value in parts.items()),
    ]


def _full(plan: Plan) -> list[Row]:
    """The same mixed English passages under the code of every language, each with files of its own, all open at once.

    The questions are English too, so that every lexical index has the same to read.
    """
    codes, passages = [LANG, *(c for c in languages() if c != LANG)], 2_000 if plan.quick else EACH
    folder = plan.work / "corpora" / f"copies-{passages}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for code in codes:
            shutil.copytree(corpus(plan.work, passages).folder / "index" / LANG, folder / "index" / code)
            Corpus(folder, passages).retriever().prepare_index(code)
        before, after = grown(folder, codes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    what, n = f"{len(codes)} languages of {passages} passages open in one process", len(codes) * passages
    note = "the same texts under every code; 50 searches in each"
    return [
        Row("memory", f"{what}: RSS", "MB", after / 1e6, 1, note=note),
        Row("memory", f"{what}: of it the indexes", "B/passage", (after - before) / n, 1, note="mapped pages included"),
    ]
