"""NoMIRACL and MIRACL: questions with judged passages; a question none of whose passages answers is a near miss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.datasets.base import Card, DatasetItem, Format, SourceRow, passage
from eval.datasets.codes import language_of
from eval.datasets.rows import open_text, read_rows
from eval.types import NEAR_MISS, Example
from mlrag.text.normalize import clean
from mlrag.types import Document

CARD = Card(
    "NoMIRACL / MIRACL",
    "Apache-2.0 (its passages: Wikipedia, CC BY-SA)",
    "github.com/project-miracl/nomiracl; hub: miracl/nomiracl, miracl/miracl",
    "public since 2022 and 2023, relevance judgements included; no answer text, so it can hardly be learnt by heart",
    ("ar", "bn", "de", "en", "es", "fr", "hi", "ja", "ko", "sw", "zh"),
)


def read(rows: Iterable[SourceRow], lang: str) -> Iterator[DatasetItem]:
    """The hub's form: each question with its positive and negative passages, which are its whole corpus."""
    for row in rows:
        if not lang:
            raise row.fault("has no language: name the file or its folder after it (hindi/dev.jsonl), or give --langs")
        good = [_read_judged_passage(p, lang, row) for p in row.need("positive_passages", list)]
        bad = [_read_judged_passage(p, lang, row) for p in row.need("negative_passages", list)]
        yield _item(row.text("query_id"), lang, row.text("query"), good, bad, row)


def _read_judged_passage(found: Any, lang: str, row: SourceRow) -> Document:
    if not isinstance(found, dict):
        raise row.fault("has a passage that is not an object")
    inner = SourceRow(row.path, row.number, found)
    return passage(lang, inner.text("text"), str(found.get("title") or ""), inner.text("docid"), row.path.name)


def _item(
    id: str, lang: str, question: str, good: Sequence[Document], bad: Sequence[Document], place: SourceRow
) -> DatasetItem:
    documents = {d.id: d for d in (*good, *bad)}
    if not documents:
        raise place.fault("has no judged passage")
    example = Example(
        id=id,
        lang=lang,
        question=question,
        answerable=bool(good),
        gold_docs=tuple(d.id for d in good),
        kind="fact" if good else NEAR_MISS,
        cluster=id,
        only=frozenset(documents),
    )
    return DatasetItem(example, tuple(documents.values()))


def is_folder(folder: Path) -> bool:
    """Does it hold topics and qrels, as the published repository does?"""
    return any(folder.rglob("topics/*.tsv")) and any(folder.rglob("qrels/*.tsv"))


def read_folder(folder: Path) -> Iterator[DatasetItem]:
    """The published form: topics/*.tsv and qrels/*.tsv of the same name in a folder named after the language, and the
    corpus as JSON lines there or in another such folder. Topics without qrels (blind tests) are left out."""
    for topics in sorted(folder.rglob("topics/*.tsv")):
        home = topics.parent.parent
        lang, qrels = language_of(home / "topics"), home / "qrels" / topics.name.replace("topics", "qrels")
        if lang and qrels.is_file():
            yield from _language(topics, qrels, folder, lang)


def _language(topics: Path, qrels: Path, folder: Path, lang: str) -> Iterator[DatasetItem]:
    judged: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in _columns(qrels, 4):
        judged[row.values["0"]][row.values["2"]] = row.values["3"] not in ("0", "-1")
    corpus = _corpus(folder, lang, {pid for pids in judged.values() for pid in pids})
    for row in _columns(topics, 2):
        id = row.values["0"]
        pids = judged.get(id, {})
        missing = [pid for pid in pids if pid not in corpus]
        if missing:
            raise row.fault(f"is judged on the passage {missing[0]!r}, which no corpus of {lang!r} in {folder} has")
        good, bad = ([corpus[pid] for pid, right in pids.items() if right is side] for side in (True, False))
        yield _item(id, lang, clean(row.values["1"]).strip(), good, bad, row)


def _columns(path: Path, count: int) -> Iterator[SourceRow]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            cells = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
            row = SourceRow(path, number, {str(n): cell.strip() for n, cell in enumerate(cells)})
            if line.strip() and (len(cells) != count or not all(row.values.values())):
                raise row.fault(f"has {len(cells)} columns, not {count}")
            if line.strip():
                yield row


def _corpus(folder: Path, lang: str, wanted: set[str]) -> dict[str, Document]:
    """The judged passages only: a whole Wikipedia is neither needed nor kept."""
    files = [p for p in sorted(folder.rglob("*.jsonl*")) if p.name.endswith((".jsonl", ".jsonl.gz"))]
    rows = (row for p in files if language_of(p) == lang for row in read_rows(p) if row.values.get("docid") in wanted)
    return {str(row.values["docid"]): _read_judged_passage(row.values, lang, row) for row in rows}


FORMAT = Format(CARD, frozenset({"query_id", "query", "positive_passages", "negative_passages"}), read)
