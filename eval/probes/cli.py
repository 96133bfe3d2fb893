"""Build the commands of probes: the options they have in common, and how a report is shown."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from eval.probes.history import store_report
from eval.probes.page import write_report
from eval.probes.report import ProbeReport, report_json
from eval.probes.run import PreparedProbe, ProbeRequest, run_probe
from eval.report.tables import rich_table
from mlrag.console import exit_on_error
from mlrag.languages import language, languages
from mlrag.settings import Settings

Langs = Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")]
Variants = Annotated[str, typer.Option(help="extractive, e2b, e4b, …, any tag; +think. Smallest first.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most N items a language.")]
Out = Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Questions at once; MLRAG_CONCURRENCY without it.")]


def make_command(prepare: Callable[..., PreparedProbe], default_variants: str) -> Callable[..., None]:
    """Return the command of a probe, for `typer.run`.

    It has the common options (--variants, --langs, --concurrency, --out, --json) and one for each parameter of
    `prepare` but the first, which is the ProbeRequest. Its help is the docstring of `prepare`.
    """

    def main(
        variants: Variants = default_variants,
        langs: Langs = None,
        concurrency: Concurrency = None,
        out: Out = None,
        as_json: Json = False,
        **options: Any,
    ) -> None:
        console = Console(stderr=True)
        with exit_on_error(ValueError):
            settings = Settings()
            if concurrency:
                settings = settings.model_copy(update={"concurrency": concurrency})
            request = ProbeRequest(settings, split_names(variants), choose_languages(langs))
            report = run_probe(prepare(request, **options), settings.concurrency, console)
            publish(report, settings, out, as_json, console)

    # Typer reads a command's options from its signature and annotations.
    first, *others = inspect.signature(main, eval_str=True).parameters.values()
    own = list(inspect.signature(prepare, eval_str=True).parameters.values())[1:]
    parameters = [first, *own, *(p for p in others if p.kind is not p.VAR_KEYWORD)]
    main.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    main.__annotations__ = {p.name: p.annotation for p in parameters}
    main.__doc__ = prepare.__doc__
    return main


def split_names(text: str) -> list[str]:
    """Split at commas: "e2b, e4b" -> ["e2b", "e4b"], each once."""
    return list(dict.fromkeys(v.strip() for v in text.split(",") if v.strip()))


def choose_languages(text: str | None) -> list[str]:
    """Return the codes named, else all, in order of tier. Raises UnknownLanguageError."""
    wanted = set(split_names(text)) if text else set(languages())
    for code in wanted:
        language(code)
    return [code for code in languages() if code in wanted]


def publish(report: ProbeReport, settings: Settings, out: Path | None, json_only: bool, console: Console) -> None:
    """Write the report to `out` and beside its rows, where tier tables read it; print its tables, or JSON."""
    store_report(report, settings.data_dir)
    folder = out or settings.data_dir / "reports" / report.run
    write_report(report, folder)
    if json_only:
        print(json.dumps(report_json(report), ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        tables = Console()
        for section in report.sections:
            tables.print(rich_table(section.title, section.head, section.lines()))
    console.print(f"report: {folder}/index.html", markup=False)
