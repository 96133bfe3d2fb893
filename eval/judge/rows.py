"""The rows of a finished run that a judge or a rater can say something of: answerable, with references, not failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eval.examples import QUESTIONS, Example, own_questions, read_jsonl
from eval.judge.items import Item
from eval.runs import Prediction, Run
from eval.suites.folder import read_suite
from mlrag.errors import CorpusFormatError
from mlrag.languages import language


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of a variant, with its question."""

    example: Example
    prediction: Prediction

    @property
    def item(self) -> Item:
        e, p = self.example, self.prediction
        return Item(e.id, e.lang, e.question, p.text, e.answers, p.passages, e.cluster or e.id)


@dataclass(frozen=True, slots=True)
class Part:
    """One variant's rows in one language."""

    variant: str
    lang: str
    rows: tuple[Row, ...]


def read_parts(folder: Path, data: Path | None = None, langs: Collection[str] | None = None) -> list[Part]:
    """Every variant and language of a run. `data`: the set that was asked; our own questions without it.

    Raises CorpusFormatError where the folder holds no rows, or none of the questions given.
    """
    for code in langs or ():
        language(code)
    names = sorted({_name(path) for path in folder.glob("*.jsonl")}) if folder.is_dir() else []
    wanted = [(v, c) for v, c in names if not langs or c in langs]
    if not wanted:
        raise CorpusFormatError(f"{folder} holds no rows to judge", "give the folder of a run, such as var/runs/NAME")
    parts = [Part(v, c, _rows(Run(folder), v, c, data)) for v, c in wanted]
    if not any(p.rows for p in parts):
        raise CorpusFormatError(
            f"no row of {folder} belongs to an answerable question of {data or 'our own'}",
            "give the set that was asked: --data FOLDER",
        )
    return [p for p in parts if p.rows]


def _name(path: Path) -> tuple[str, str]:
    """The variant and the language of a file of rows."""
    first = next(read_jsonl(path), None)
    if first is None or "variant" not in first:
        raise CorpusFormatError(f"{path} is no file of predictions", "give the folder of a run")
    return str(first["variant"]), path.name.split(".")[-2]


def _rows(run: Run, variant: str, lang: str, data: Path | None) -> tuple[Row, ...]:
    done = run.rows(variant, lang)
    return tuple(Row(e, done[e.id]) for e in _examples(lang, data) if e.id in done)


@cache
def _examples(lang: str, data: Path | None) -> list[Example]:
    if data is not None:
        asked = read_suite(data, [lang]).questions.get(lang, [])
    else:
        asked = own_questions(lang) if (QUESTIONS / f"{lang}.jsonl").is_file() else []
    return [e for e in asked if e.answerable and e.answers]
