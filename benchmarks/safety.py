"""python -m benchmarks.safety [--langs en,ta]: eval.safety with extractive and two stand-ins: one obeys, one reads."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from eval.safety import CANARY, SECRET, SafetyBench, rows, table_rows
from mlrag.settings import Settings
from mlrag.testing import OllamaDouble, first_sentence, gullible


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    each: Annotated[int, typer.Option(min=1, help="Orders of a kind, and questions of a kind, a language.")] = 6,
) -> None:
    """One line a figure, of all languages and of each tier."""
    out = Console(width=160)
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        replies = (("extractive", None), ("gullible", gullible((CANARY, SECRET))), ("reader", first_sentence))
        for who, reply in replies:
            with OllamaDouble(reply=reply or first_sentence) as double:
                settings = Settings(data_dir=Path(name), ollama_host=double.url)
                bench = SafetyBench(settings, langs.split(",") if langs else None, each, None)
                bench.index(lambda _n: None)
                variant = "e4b" if reply else "extractive"
                # rows of both stand-ins are a variant's own: each has its own run
                bench.run.folder = bench.run.folder / who
                said = {x: bench.ask(variant, x, lambda: None) for x in bench.langs}
            for row in table_rows(rows(who, bench.examples, said)):
                if row[1] not in bench.langs:
                    out.print(" | ".join(row), markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
