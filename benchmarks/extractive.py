"""python benchmarks/extractive.py DATA [LANG …]: the extractive answerer on the real sets, as shipped.

Answerable: 150 questions a language (seed 0): a gold answer inside the two sentences, abstention aside; error rate.
Article removed: hallucination on the first 80 of unanswerable/. Near miss: nomiracl, beside GPT-4's published replies.
AUROC: how well the confidence ranks answerable above unanswerable, whatever the threshold. The threshold comes from
our own calibration questions; nothing here is tuned on these sets.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from eval.datasets.folder import WHOLE_PASSAGE, Suite, read_folder
from eval.datasets.own import read_jsonl
from eval.metrics.answers import containment
from eval.types import Example
from mlrag.abstention.calibration import shipped_calibration, sigmoid
from mlrag.abstention.features import asks_for_another_number
from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import Embedder
from mlrag.factory import make_embedder
from mlrag.generation.sentence_scoring import score_sentences
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.settings import Settings

ASKED, REMOVED = 150, 80


@dataclass(frozen=True, slots=True)
class Reply:
    """The best sentence, the best two, and the confidence that they answer; abstention is below 0.5."""

    one: str
    two: str
    confidence: float


class Bench:
    """The answerer's parts over one index folder."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._retriever = Retriever(FolderIndexes(folder), embedder)
        self._calibration = shipped_calibration(embedder.name)

    def answer(self, e: Example) -> Reply:
        found = self._retriever.search(e.question, e.lang, exclude=e.hidden, only=e.only)
        best = score_sentences(found, self._calibration.wants_number(found.query_vector))
        texts = [s.sentence.text for s in best[:2]]
        refused = asks_for_another_number(found)
        return Reply(texts[0], " ".join(texts), 0.0 if refused else self._calibration.confidence(found))

    def confidences(self, examples: Sequence[Example]) -> list[float]:
        return [self.answer(e).confidence for e in examples]

    def extraction(self, examples: Sequence[Example]) -> tuple[list[str], list[float]]:
        """Percent right in one sentence and in two; CPU-ms a question comes last. And the confidences."""
        begun = time.process_time()
        replies = [self.answer(e) for e in examples]
        spent = 1000 * (time.process_time() - begun) / len(examples)
        pack = language(examples[0].lang)
        pairs = list(zip(replies, examples, strict=True))
        one = percent([containment(r.one, e.answers, pack) for r, e in pairs])
        two = percent([containment(r.two, e.answers, pack) for r, e in pairs])
        return [one, two, f"{spent:.0f}"], [r.confidence for r in replies]


def percent(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.0f}" if len(values) else "–"


def refusals(yes: Sequence[float], no: Sequence[float], strict: float) -> str:
    """Hallucination / error in percent, balanced; the same, strict (`strict`: the confidence it asks for); AUROC."""
    pairs = [(y > n) + 0.5 * (y == n) for y in yes for n in no]
    ranked = f" ({np.mean(pairs):.2f})" if pairs else ""
    both = [f"{percent([n >= t for n in no])} / {percent([y < t for y in yes])}" for t in (0.5, strict)]
    return f"{both[0]}; {both[1]}{ranked}"


def strict_threshold(embedder: str) -> float:
    """The balanced confidence from which the strict answerer answers."""
    return sigmoid(shipped_calibration(embedder).bias - shipped_calibration(embedder, "strict").bias)


def sample(suite: Suite, lang: str) -> list[Example]:
    kept = sorted(
        (e for e in suite.questions.get(lang, []) if e.answers and "belebele" not in e.id), key=lambda e: e.id
    )
    random.Random(0).shuffle(kept)
    return kept[:ASKED]


def gpt4(data: Path, lang: str) -> str:
    """GPT-4's hallucination / error on the same items, from the set itself."""
    rows = list(read_jsonl(data / "nomiracl" / f"{lang}.dev.questions.jsonl"))
    said = {
        flag: [not r["gpt4_says"].startswith("I don") for r in rows if r["answerable"] == flag]
        for flag in (True, False)
    }
    wrong = f"{100 * np.mean(said[False]):.0f}" if said[False] else "–"
    return f"{wrong} / {100 * (1 - np.mean(said[True])):.0f}" if said[True] else f"{wrong} / –"


def main(data: Path, chosen: Sequence[str]) -> None:
    console = Console(width=160)
    settings = Settings()
    embedder = make_embedder(settings)
    strict = strict_threshold(embedder.name)
    main_set, near = read_folder(data / "main"), read_folder(data / "nomiracl")
    removed = read_folder(data).unanswerable
    table = Table(
        title=f"extractive, as shipped · {embedder.engine} · percent; halluc. / error: balanced; strict (AUROC)"
    )
    for title in ("lang", "n", "in 1", "in 2", "CPU-ms", "article removed", "nomiracl", "GPT-4 there"):
        table.add_column(title, justify="right")
    for lang in chosen or languages():
        cells = [lang, *[""] * 7]
        asked = sample(main_set, lang)
        if asked:
            here = settings.data_dir / "eval" / "main-index"
            index_documents(main_set.documents[lang], FolderIndexes(here), embedder, chunk_size=WHOLE_PASSAGE)
            bench = Bench(here, embedder)
            found, yes = bench.extraction(asked)
            gone = [e for e in removed.get(lang, []) if "parallel" not in e.id and "belebele" not in e.id][:REMOVED]
            cells[1:6] = [str(len(asked)), *found, refusals(yes, bench.confidences(gone), strict)]
        if lang in near.questions:
            here = settings.data_dir / "eval" / "nomiracl-index"
            index_documents(near.documents[lang], FolderIndexes(here), embedder, chunk_size=WHOLE_PASSAGE)
            bench = Bench(here, embedder)
            no = bench.confidences([e for e in near.questions[lang] if not e.answerable])
            yes = bench.confidences([e for e in near.questions[lang] if e.answerable])
            cells[6:] = [refusals(yes, no, strict), gpt4(data, lang)]
        if any(cells[1:]):
            table.add_row(*cells)
    console.print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
