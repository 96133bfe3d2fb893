"""Durable rows: each prediction is on disk before it is scored, so a killed run resumes and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from eval.runner import jsonl_log
from eval.runner.jsonl_log import file_name
from eval.types import CitedSpan, Example, Prediction
from mlrag.errors import MlragError
from mlrag.types import Answer


class Answerer(Protocol):
    """Answers one question: a Pipeline, or a model without passages. Raises MlragError."""

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Answer: ...


def predict(answerer: Answerer, example: Example, variant: str) -> Prediction:
    """Ask one example. A failure becomes a row with its message, never a zero."""
    try:
        answer = answerer.ask(example.question, example.lang, hidden=example.hidden, only=example.only)
    except MlragError as error:
        return Prediction(example.id, variant, error=str(error))
    return _row(answer, example, variant)


def _row(answer: Answer, example: Example, variant: str) -> Prediction:
    index = {h.passage.id: i for i, h in enumerate(answer.hits)}
    cited = tuple(CitedSpan(c.doc_id, index[c.passage_id], c.answer_start, c.answer_end) for c in answer.citations)
    doc_ids = [h.passage.doc_id for h in answer.hits]
    passages = tuple(h.passage.indexed_text for h in answer.hits)
    return Prediction(
        id=example.id,
        variant=variant,
        text=answer.text,
        abstained=answer.abstained,
        passages=passages,
        citations=cited if answer.hits else None,
        confidence=answer.confidence,
        hit_docs=tuple(dict.fromkeys(doc_ids)),
        quotes=tuple(c.quote for c in answer.citations),
        warnings=tuple(map(str, answer.warnings)),
        model=answer.model,
        seconds=answer.timings["total"],
        prompt_tokens=answer.usage.prompt_tokens,
        output_tokens=answer.usage.output_tokens,
        thinking_tokens=answer.usage.thinking_tokens,
        first_token_seconds=answer.usage.first_token_seconds,
    )


class RowStore:
    """The rows of one run, one file a variant and language, appended and synced row by row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, variant: str, lang: str) -> Path:
        return self.folder / f"{file_name(variant)}.{lang}.jsonl"

    def rows(self, variant: str, lang: str) -> dict[str, Prediction]:
        """Read the last row of each example, by its id; a finished one counts before any failed one."""
        rows = [_read(row) for row in jsonl_log.rows(self._path(variant, lang))]
        return {p.id: p for p in rows if p.error} | {p.id: p for p in rows if not p.error}

    def read_finished(self, variant: str, lang: str) -> dict[str, Prediction]:
        """Read the rows that need not be asked again; failed ones are."""
        return {i: p for i, p in self.rows(variant, lang).items() if not p.error}

    def missing(self, examples: Sequence[Example], variant: str, lang: str) -> list[Example]:
        """Return the examples without a finished row."""
        done = self.read_finished(variant, lang)
        return [e for e in examples if e.id not in done]

    def variants(self) -> list[str]:
        """Return the variants that have rows, by name."""
        first_rows = [next(jsonl_log.rows(path), None) for path in self.folder.glob("*.*.jsonl")]
        return sorted({row["variant"] for row in first_rows if row})

    def append(self, lang: str, prediction: Prediction) -> None:
        """Add a row; it is on disk when this returns."""
        with self._lock:
            jsonl_log.append(self._path(prediction.variant, lang), asdict(prediction))

    def complete(
        self,
        answerer: Answerer,
        examples: Sequence[Example],
        variant: str,
        lang: str,
        tick: Callable[[], None],
        concurrency: int = 1,
    ) -> list[Prediction]:
        """Return every example's prediction in order, asking only what is missing, at most `concurrency` at once.

        `tick` is called after each row that was asked. An interrupt lets those under way end and asks no more.
        """

        def ask(example: Example) -> Prediction:
            prediction = predict(answerer, example, variant)
            self.append(lang, prediction)
            tick()
            return prediction

        done = self.read_finished(variant, lang)
        return jsonl_log.resume(done, examples, lambda e: e.id, ask, concurrency, variant)

    def predictions(self, examples: Sequence[Example], variant: str, lang: str) -> list[Prediction]:
        """Read every example's prediction, in order; one that is missing is a failed row that says so."""
        rows = self.rows(variant, lang)
        return [rows.get(e.id) or Prediction(e.id, variant, error="not asked yet") for e in examples]


def _read(row: dict[str, Any]) -> Prediction:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    if fields.get("citations") is not None:
        fields["citations"] = tuple(CitedSpan(**c) for c in fields["citations"])
    return Prediction(**fields)
