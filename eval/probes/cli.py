"""The options that commands of dimension suites have in common, and what they do with a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eval.probes.finding import Finding, as_json
from eval.probes.history import keep
from eval.probes.page import write_page
from eval.report.tables import markdown_table, rich_table
from mlrag.errors import MlragError
from mlrag.languages import language, languages
from mlrag.settings import Settings

Langs = Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")]
Variants = Annotated[str, typer.Option(help="extractive, e2b, e4b, …, any tag; +think. Smallest first.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many items a language.")]
Out = Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Questions at once; MLRAG_CONCURRENCY without it.")]


def listed(text: str) -> list[str]:
    """ "e2b, e4b" -> ["e2b", "e4b"], each once."""
    return list(dict.fromkeys(v.strip() for v in text.split(",") if v.strip()))


def chosen_languages(text: str | None) -> list[str]:
    """The languages named, else all, in order of tier. Raises UnknownLanguageError."""
    wanted = set(listed(text)) if text else set(languages())
    for code in wanted:
        language(code)
    return [code for code in languages() if code in wanted]


def settings_with(concurrency: int | None) -> Settings:
    """The settings, with so many questions at once where a number is given."""
    settings = Settings()
    return settings.model_copy(update={"concurrency": concurrency}) if concurrency else settings


@contextmanager
def told(console: Console) -> Iterator[None]:
    """Ends the command with status 1 and the error's own words."""
    try:
        yield
    except (MlragError, ValueError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None


def publish(finding: Finding, settings: Settings, out: Path | None, json_only: bool, console: Console) -> None:
    """SUITE.json, SUITE.md and index.html in the report's folder, the result beside its rows too, for other tables to
    take from; the tables, or the JSON, on stdout."""
    keep(finding, settings.data_dir)
    folder = out or settings.data_dir / "reports" / finding.run
    folder.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(as_json(finding), ensure_ascii=False, allow_nan=False)
    (folder / f"{finding.suite}.json").write_text(whole, encoding="utf-8")
    (folder / f"{finding.suite}.md").write_text(markdown(finding), encoding="utf-8")
    write_page(folder / "index.html", finding)
    if json_only:
        print(whole)  # noqa: T201
    else:
        tables = Console()
        for section in finding.sections:
            tables.print(rich_table(section.title, section.head, section.lines()))
    console.print(f"report: {folder}/index.html", markup=False)


def markdown(finding: Finding) -> str:
    lines = [f"# {finding.title}", "", finding.about, "", f"Answered by: {', '.join(finding.models) or 'nobody'}.", ""]
    for s in finding.sections:
        lines += [f"## {s.title}", "", s.note, "", *markdown_table(s.head, s.lines()), ""]
    lines += ["```json", json.dumps(finding.signature, ensure_ascii=False, indent=1), "```", ""]
    return "\n".join(lines)
