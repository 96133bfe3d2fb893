"""python -m eval.judge RUN_FOLDER --judge VARIANT: a finished run's answers as a model judges them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eval.judge.report import as_json, show
from eval.judge.running import judge_run, write
from mlrag.errors import MlragError
from mlrag.settings import Settings


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, e.g. var/runs/NAME.")],
    judge: Annotated[str, typer.Option(help="The variant that judges: e4b, 31b, openai:NAME, …")],
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """The share of right answers, corrected for the judge's mistakes, where its exam admits it. Resumes."""
    console = Console(stderr=True)
    try:
        found = judge_run(Settings(), folder, judge, langs.split(",") if langs else None, console)
    except (MlragError, ValueError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    if as_json_:
        print(json.dumps(as_json(found), ensure_ascii=False))  # noqa: T201
    else:
        show(found, Console())
    console.print(f"report: {write(found, folder / 'judged')}", markup=False)


if __name__ == "__main__":
    typer.run(main)
