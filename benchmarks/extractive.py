"""python benchmarks/extractive.py DATA: the extractive answerer on the real sets, as shipped.

Answerable: 150 questions a language (seed 0): a gold answer inside the two sentences, abstention aside; error rate.
Article removed: hallucination on the first 80 of unanswerable/. Near miss: nomiracl, beside GPT-4's published replies.
The thresholds come from our own calibration questions; nothing here is tuned on these sets.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from eval.examples import Example, read_jsonl
from eval.metrics import containment
from eval.suites.folder import WHOLE_PASSAGE, Suite, read_suite
from mlrag.assemble import make_embedder
from mlrag.generation.calibration import Calibration, shipped_calibration
from mlrag.generation.scoring import answerability, asks_for_another_number, score_sentences
from mlrag.ingest import index_documents
from mlrag.languages import language, languages
from mlrag.retrieval import Retriever
from mlrag.settings import Settings

ASKED, REMOVED = 150, 80


class Bench:
    """The answerer's parts over one index folder."""

    def __init__(self, retriever: Retriever, calibration: Calibration) -> None:
        self._retriever = retriever
        self._calibration = calibration

    def answer(self, e: Example) -> tuple[str, str, bool]:
        """(best sentence, best two, answered)."""
        found = self._retriever.search(e.question, e.lang, exclude=e.hidden, only=e.only)
        best = score_sentences(found, self._calibration.wants_number(found.query_vector))
        texts = [s.sentence.text for s in best[:2]]
        sure = self._calibration.confidence(answerability(found), e.lang) >= 0.5
        return texts[0], " ".join(texts), sure and not asks_for_another_number(found)

    def extraction(self, examples: Sequence[Example]) -> tuple[float, float, float, float]:
        """(right in one sentence, in two, error rate, CPU-ms a question), the first three in percent."""
        begun = time.process_time()
        answers = [self.answer(e) for e in examples]
        spent = 1000 * (time.process_time() - begun) / len(examples)
        pack = language(examples[0].lang)
        one = [containment(a[0], e.answers, pack) for a, e in zip(answers, examples, strict=True)]
        two = [containment(a[1], e.answers, pack) for a, e in zip(answers, examples, strict=True)]
        return 100 * np.mean(one), 100 * np.mean(two), 100 * np.mean([not a[2] for a in answers]), spent

    def answered(self, examples: Sequence[Example]) -> float:
        """Percent answered; nan for none."""
        return 100 * float(np.mean([self.answer(e)[2] for e in examples])) if examples else float("nan")


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


def main(data: Path) -> None:
    console = Console(width=140)
    settings = Settings()
    embedder = make_embedder(settings)
    calibration = shipped_calibration(embedder.name)
    main_set, near = read_suite(data / "main"), read_suite(data / "nomiracl")
    removed = read_suite(data).unanswerable
    table = Table(title=f"extractive, as shipped · {embedder.engine} · percent")
    for title in (
        "lang",
        "n",
        "in 1",
        "in 2",
        "error",
        "halluc. removed",
        "CPU-ms",
        "nomiracl halluc. / error",
        "GPT-4",
    ):
        table.add_column(title, justify="right")
    for lang in languages():
        cells = [lang, *[""] * 8]
        asked = sample(main_set, lang)
        if asked:
            here = settings.data_dir / "eval" / "main-index"
            index_documents(main_set.documents[lang], here, embedder, chunk_size=WHOLE_PASSAGE)
            bench = Bench(Retriever(here, embedder), calibration)
            one, two, error, spent = bench.extraction(asked)
            gone = [e for e in removed.get(lang, []) if "parallel" not in e.id and "belebele" not in e.id][:REMOVED]
            cells[1:7] = [
                str(len(asked)),
                f"{one:.0f}",
                f"{two:.0f}",
                f"{error:.0f}",
                f"{bench.answered(gone):.0f}",
                f"{spent:.0f}",
            ]
        if lang in near.questions:
            here = settings.data_dir / "eval" / "nomiracl-index"
            index_documents(near.documents[lang], here, embedder, chunk_size=WHOLE_PASSAGE)
            bench = Bench(Retriever(here, embedder), calibration)
            no = [e for e in near.questions[lang] if not e.answerable]
            yes = [e for e in near.questions[lang] if e.answerable]
            cells[7] = f"{bench.answered(no):.0f} / {100 - bench.answered(yes):.0f}"
            cells[8] = gpt4(data, lang)
        if any(cells[1:]):
            table.add_row(*cells)
    console.print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
