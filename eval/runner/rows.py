"""Durable rows: each prediction is on disk before it is scored, so a killed run resumes and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from eval.datasets.own import Example
from eval.runner import jsonl_log
from eval.runner.jsonl_log import file_name
from mlrag.errors import MlragError
from mlrag.types import Answer


@dataclass(frozen=True, slots=True)
class Cited:
    """One citation: the document, its place among the row's passages, and the part of the text it supports."""

    doc: str
    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a variant said to one example. `error` is the failure's own words; then nothing else holds.

    `passages` are the retrieved ones, titles included. `citations` is None in rows written before it existed and
    where there was nothing to cite: what depends on it is then not scored. Tokens and the seconds to the first one
    are None where nobody counts them.
    """

    id: str
    variant: str
    text: str = ""
    abstained: bool = False
    passages: tuple[str, ...] = ()
    citations: tuple[Cited, ...] | None = None
    confidence: float | None = None
    hit_docs: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model: str = ""
    seconds: float = 0.0
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    first_token_seconds: float | None = None
    error: str = ""


class Asker(Protocol):
    """What answers one question: a Pipeline, or a model with its book closed. Raises MlragError."""

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Answer: ...


def predict(asker: Asker, example: Example, variant: str) -> Prediction:
    """Ask one example. A failure becomes a row that says so, never a zero."""
    try:
        answer = asker.ask(example.question, example.lang, hidden=example.hidden, only=example.only)
    except MlragError as error:
        return Prediction(example.id, variant, error=str(error))
    return _row(answer, example, variant)


def _row(answer: Answer, example: Example, variant: str) -> Prediction:
    places = {h.passage.id: place for place, h in enumerate(answer.hits)}
    cited = tuple(Cited(c.doc_id, places[c.passage_id], c.answer_start, c.answer_end) for c in answer.citations)
    return Prediction(
        id=example.id,
        variant=variant,
        text=answer.text,
        abstained=answer.abstained,
        passages=tuple(h.passage.indexed_text for h in answer.hits),
        citations=cited if answer.hits else None,
        confidence=answer.confidence,
        hit_docs=tuple(dict.fromkeys(h.passage.doc_id for h in answer.hits)),
        quotes=tuple(c.quote for c in answer.citations),
        warnings=answer.warnings,
        model=answer.model,
        seconds=answer.timings["total"],
        prompt_tokens=answer.usage.prompt_tokens,
        output_tokens=answer.usage.output_tokens,
        thinking_tokens=answer.usage.thinking_tokens,
        first_token_seconds=answer.usage.first_token_seconds,
    )


class Run:
    """The rows of one run, one file a variant and language, appended and synced row by row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, variant: str, lang: str) -> Path:
        return self.folder / f"{file_name(variant)}.{lang}.jsonl"

    def rows(self, variant: str, lang: str) -> dict[str, Prediction]:
        """The last row of each example, by its id; a finished one stands against any failed one."""
        found = [_read(row) for row in jsonl_log.rows(self._path(variant, lang))]
        return {p.id: p for p in found if p.error} | {p.id: p for p in found if not p.error}

    def finished(self, variant: str, lang: str) -> dict[str, Prediction]:
        """The rows that need not be asked again; failed ones are."""
        return {i: p for i, p in self.rows(variant, lang).items() if not p.error}

    def missing(self, examples: Sequence[Example], variant: str, lang: str) -> list[Example]:
        """Those without a finished row."""
        done = self.finished(variant, lang)
        return [e for e in examples if e.id not in done]

    def variants(self) -> list[str]:
        """The variants that have rows, by name."""
        first = (next(jsonl_log.rows(path), None) for path in self.folder.glob("*.*.jsonl"))
        return sorted({row["variant"] for row in first if row})

    def append(self, lang: str, prediction: Prediction) -> None:
        """Add a row; it is on disk when this returns."""
        with self._lock:
            jsonl_log.append(self._path(prediction.variant, lang), asdict(prediction))

    def complete(
        self,
        asker: Asker,
        examples: Sequence[Example],
        variant: str,
        lang: str,
        tick: Callable[[], None],
        concurrency: int = 1,
    ) -> list[Prediction]:
        """Every example's prediction in order, asking only what is not there yet, at most `concurrency` at once.

        `tick` is called after each row that was asked. An interrupt lets those under way end and asks no more.
        """

        def ask(example: Example) -> Prediction:
            prediction = predict(asker, example, variant)
            self.append(lang, prediction)
            tick()
            return prediction

        done = self.finished(variant, lang)
        missing = [e for e in examples if e.id not in done]
        asked = {p.id: p for p in jsonl_log.at_once(ask, missing, concurrency, variant)}
        return [done.get(e.id) or asked[e.id] for e in examples]

    def stored(self, examples: Sequence[Example], variant: str, lang: str) -> list[Prediction]:
        """Every example's prediction as it is on disk; one that is not there is a failed row that says so."""
        rows = self.rows(variant, lang)
        return [rows.get(e.id) or Prediction(e.id, variant, error="not asked yet") for e in examples]


def _read(row: dict[str, Any]) -> Prediction:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    if fields.get("citations") is not None:
        fields["citations"] = tuple(Cited(**c) for c in fields["citations"])
    return Prediction(**fields)
