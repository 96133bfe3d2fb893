"""python -m eval.judge [RUN_FOLDER] --judge VARIANT: a run's answers as a model judges them, or its exam alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eval.judge.pairs import Pairwise
from eval.judge.report import as_json, pairwise_json, show, show_pairs
from eval.judge.running import compare_pairs, examine_judge, judge_run, write, write_pairs
from eval.probes.cli import split_names
from mlrag.console import print_error
from mlrag.errors import MlragError
from mlrag.settings import Settings


def main(
    judge: Annotated[str, typer.Option(help="The variant that judges: e4b, 31b, openai:NAME, …")],
    folder: Annotated[
        Path | None, typer.Argument(help="The folder of a run, e.g. var/runs/NAME; only the exam without it.")
    ] = None,
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Only the first N questions of the exam in each language.")
    ] = None,
    claims: Annotated[bool, typer.Option(help="Judge claims too: 4 calls an answer and one a passage.")] = True,
    pairwise: Annotated[
        str | None, typer.Option(metavar="FIRST,SECOND", help="Two variants of the run, pair by pair, in both orders.")
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Proportion of right answers, corrected for the judge's mistakes, in languages whose exam it passes. Resumes."""
    console = Console(stderr=True)
    if folder and questions:
        raise typer.BadParameter("--questions is for the exam alone: a run is judged after the whole exam")
    if pairwise and (not folder or len(split_names(pairwise)) != 2):
        raise typer.BadParameter("--pairwise takes two variants of the run whose folder is given: FIRST,SECOND")
    try:
        only = langs.split(",") if langs else None
        if folder and pairwise:
            first, second = split_names(pairwise)
            _show_pairs(
                compare_pairs(Settings(), folder, judge, (first, second), only, console), folder, as_json_, console
            )
            return
        found = (
            judge_run(Settings(), folder, judge, only, console, claims)
            if folder
            else examine_judge(Settings(), judge, only, questions, console)
        )
    except (MlragError, ValueError) as error:
        print_error(error)
        raise typer.Exit(1) from None
    if as_json_:
        print(json.dumps(as_json(found), ensure_ascii=False))  # noqa: T201
    else:
        show(found, Console())
    if folder:
        console.print(f"report: {write(found, folder / 'judged')}", markup=False)


def _show_pairs(found: Pairwise, folder: Path, as_json_: bool, console: Console) -> None:
    if as_json_:
        print(json.dumps(pairwise_json(found), ensure_ascii=False))  # noqa: T201
    else:
        show_pairs(found, Console())
    console.print(f"report: {write_pairs(found, folder / 'judged')}", markup=False)


if __name__ == "__main__":
    typer.run(main)
