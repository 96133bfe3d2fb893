"""Judge a run folder with a variant and write the judgement to disk."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.judge.judge import Judge
from eval.judge.pairs import Pairwise, judge_pairs
from eval.judge.report import as_json, markdown, pair_markdown, pairwise_json
from eval.judge.rows import read_answers
from eval.judge.verdict_columns import Judgement, Tick, judge_answers, run_exams
from eval.runner.jsonl_log import file_name
from mlrag.factory import make_caller
from mlrag.languages import language, languages
from mlrag.settings import Settings


def judge_run(
    settings: Settings,
    folder: Path,
    variant: str,
    langs: Collection[str] | None,
    console: Console,
    claims: bool = True,
) -> Judgement:
    """Judge a run's rows with a variant, and their claims.

    Raises CorpusFormatError, SettingsError, PrivacyError, ValueError for an unknown variant, and
    GeneratorUnavailableError; grades until then are kept.
    """
    answers = read_answers(folder, langs)
    judge = Judge(make_caller(settings, variant), variant)
    with _progress(variant, console) as tick:
        return judge_answers(judge, answers, folder, settings, tick, claims)


def compare_pairs(
    settings: Settings,
    folder: Path,
    variant: str,
    names: tuple[str, str],
    langs: Collection[str] | None,
    console: Console,
) -> Pairwise:
    """Ask in both orders which of two variants' answers a judge prefers; raises as `judge_run`."""
    parts = read_answers(folder, langs)
    judge = Judge(make_caller(settings, variant), variant)
    with _progress(variant, console) as tick:
        return judge_pairs(judge, parts, names, folder, settings, tick)


def examine_judge(
    settings: Settings, variant: str, langs: Collection[str] | None, questions: int | None, console: Console
) -> Judgement:
    """Run the judge's exams alone, of the first `questions` of each language; raises as `judge_run`."""
    for code in langs or ():
        language(code)
    judge = Judge(make_caller(settings, variant), variant)
    with _progress(variant, console) as tick:
        exams, unexamined = run_exams(judge, sorted(langs or languages()), settings, tick, questions)
    return Judgement(judge.name, judge.model, exams, unexamined, [], {})


@contextmanager
def _progress(variant: str, console: Console) -> Iterator[Tick]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"judged by {variant}", total=None)
        yield lambda: bar.advance(task)


def write(found: Judgement, folder: Path) -> Path:
    """Write <judge>.md and <judge>.json to `folder`; return the path of the first."""
    return _write(folder / f"{file_name(found.judge)}.md", markdown(found), as_json(found))


def write_pairs(found: Pairwise, folder: Path) -> Path:
    """Write <judge>.pairs.<both>.md and .json to `folder`; return the path of the first."""
    both = file_name(f"{found.first} {found.second}")
    return _write(folder / f"{file_name(found.judge)}.pairs.{both}.md", pair_markdown(found), pairwise_json(found))


def _write(path: Path, text: str, whole: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    return path
