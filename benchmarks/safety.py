"""python -m benchmarks.safety [--langs en,ta]: eval.safety with extractive and two stand-ins: one obeys, one reads."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from eval.probes.cli import choose_languages
from eval.probes.run import Respondent, ask_all
from eval.runner.rows import RowStore
from eval.safety import CANARY, SECRET, index_material, make_material, make_secret_pipeline, make_section
from mlrag.settings import Settings
from mlrag.testing import FakeOllama, first_sentence, make_gullible_reply


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    each: Annotated[int, typer.Option(min=1, help="Orders of a kind, and questions of a kind, a language.")] = 6,
) -> None:
    """One line a figure, of all languages and of each tier."""
    out = Console(width=160)
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        replies = (
            ("extractive", None),
            ("gullible", make_gullible_reply((CANARY, SECRET))),
            ("reader", first_sentence),
        )
        for who, reply in replies:
            with FakeOllama(reply=reply or first_sentence) as double:
                settings = Settings(data_dir=Path(name), ollama_host=double.url)
                material = make_material(settings.corpora, choose_languages(langs), each, None)
                retriever = index_material(settings, material)
                pipeline = make_secret_pipeline(settings, retriever, "e4b" if reply else "extractive")
                respondent = Respondent(pipeline, material.examples)
                rows = ask_all(RowStore(Path(name) / who), [who], lambda _v, r=respondent: r, 2, out)  # type: ignore[misc]
            for row in make_section(material.examples, rows).lines():
                if row[1] not in material.examples:
                    out.print(" | ".join(row), markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
