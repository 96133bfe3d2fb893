"""Tokens by language and script, in the vocabulary of a GGUF model: python -m benchmarks.tokens PATH.gguf

Prints characters and UTF-8 bytes a token for the passages of each starter corpus; the table of
`mlrag.generation.token_estimate`, worked out anew; and how that module's own table holds: of every passage and prompt,
the share that lies between `fewest` and `estimate`, and how far away the two are.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlrag.documents.chunking import chunk
from mlrag.documents.readers import read_documents
from mlrag.generation.backends.llamacpp import LlamaChat
from mlrag.generation.token_estimate import (
    MARGIN,
    TOKENS_PER_LETTER,
    count_letters,
    count_other_tokens,
    estimate_fewest_tokens,
    estimate_tokens,
)
from mlrag.languages import Language, languages
from mlrag.text.sentences import sentence_spans

CORPORA = Path(__file__).parent.parent / "corpora"
_ORDER = ("Latin", "Arabic", "Devanagari", "Bengali", "Tamil", "Sinhala", "Hangul", "Han", "Kana")


@dataclass(frozen=True, slots=True)
class Measured:
    """One text and its true number of tokens."""

    lang: str
    text: str
    tokens: int


def texts(lang: Language) -> Iterator[str]:
    for document in read_documents([CORPORA / lang.code], lang.code):
        yield from (passage.indexed_text for passage in chunk(document, lang))
    yield f"{lang.prompt['system']}\n{lang.prompt['steps']}"
    yield lang.prompt["grounded"]


def sentences(lang: Language) -> Iterator[str]:
    """Every fourth sentence: short texts stray further than long ones."""
    for document in read_documents([CORPORA / lang.code], lang.code):
        yield from (document.text[s.start : s.end] for s in sentence_spans(document.text)[::4])


def own_script(text: str) -> str:
    """The script that a text tells us about: Kana wherever there are some, else the most frequent."""
    found = count_letters(text)
    return "Kana" if found["Kana"] > found.total() / 20 else found.most_common(1)[0][0]


def rates(rows: list[Measured]) -> dict[str, tuple[float, float]]:
    """Tokens a letter by script, from below and above: what remains of a text's tokens when the rest is taken off."""
    table: dict[str, tuple[float, float]] = {}
    for script in _ORDER:
        own = [row for row in rows if own_script(row.text) == script]
        bounds = [_remaining(row, script, table) for row in own]
        least = min(low for low, _ in bounds) * (1 - MARGIN)
        most = max(high for _, high in bounds) * (1 + MARGIN)
        table[script] = (math.floor(least * 1000) / 1000, math.ceil(most * 1000) / 1000)
    return table


def _remaining(row: Measured, script: str, table: dict[str, tuple[float, float]]) -> tuple[float, float]:
    found, rest = count_letters(row.text), count_other_tokens(row.text)
    low, high = (
        row.tokens - rest[side] - sum(n * table.get(s, (0.2, 1.0))[side] for s, n in found.items() if s != script)
        for side in (0, 1)
    )
    return low / found[script], high / found[script]


def _row(lang: str, rows: list[Measured]) -> list[str]:
    tokens = sum(r.tokens for r in rows)
    each = sorted(len(r.text) / r.tokens for r in rows)
    ratios = [
        sum(len(r.text) for r in rows) / tokens,
        sum(len(r.text.encode()) for r in rows) / tokens,
        min(estimate_fewest_tokens(r.text) / r.tokens for r in rows),
        max(estimate_tokens(r.text) / r.tokens for r in rows),
    ]
    return [lang, str(len(rows)), f"{each[0]:.2f}–{each[-1]:.2f}", *(f"{r:.2f}" for r in ratios)]


def main() -> None:
    model = LlamaChat(sys.argv[1])
    packs = languages().items()
    rows = [Measured(code, text, model.count(text)) for code, lang in packs for text in texts(lang)]
    short = [Measured(code, text, model.count(text)) for code, lang in packs for text in sentences(lang)]
    heads = ("", "texts", "range", "characters/token", "bytes/token", "least fewest/true", "most estimate/true")
    table = Table(*heads, title=model.name)
    for code in languages():
        table.add_row(*_row(code, [r for r in rows if r.lang == code]))
    console = Console(width=110, markup=False)
    console.print(table)
    for script, (low, high) in rates(rows).items():
        console.print(f'    "{script}": ({low:.3f}, {high:.3f}),   # in use: {TOKENS_PER_LETTER.get(script)}')
    for name, some in (("passages and prompts", rows), ("sentences", short)):
        kept = sum(estimate_fewest_tokens(r.text) <= r.tokens <= estimate_tokens(r.text) for r in some)
        console.print(f"{kept} of {len(some)} {name} lie between fewest and estimate")
    console.print(
        f"cut to half, {sum(r.tokens / 2 < estimate_fewest_tokens(r.text) for r in rows)} of {len(rows)} are noticed"
    )


if __name__ == "__main__":
    main()
