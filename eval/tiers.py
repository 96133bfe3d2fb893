"""python -m eval.tiers: accuracy and hallucination by language tier, for any variant, on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eval.judge.claim_columns import mean_claim_metrics
from eval.judge.report import as_json as judgement_json
from eval.judge.report import show as show_judgement
from eval.judge.running import judge_run, write
from eval.judge.verdict_columns import Judgement
from eval.probes.cli import split_names
from eval.probes.columns import column_rows, make_columns
from eval.probes.history import read_reports
from eval.report.comparison_tables import comparison_lines, gain_lines
from eval.report.markdown import as_json, comparisons_json
from eval.report.render import render
from eval.report.tables import rich_table, show
from eval.results.comparisons import MetricComparison, compare_variants
from eval.results.evaluate import ByVariant, add_metrics, score
from eval.results.run_report import ClaimsReport, JudgedClaims, RunReport
from eval.results.scores import score_rows
from eval.runner.answer import answer, count_finished
from eval.runner.closed_book import add_closed_book
from eval.runner.cross_lingual import read_cross_lingual
from eval.runner.on_ray import answer_on_ray
from eval.runner.plan import base_variant, find_run, latest_run, read_plan
from eval.runner.prepare import EvaluationData, PreparedRun, load_data, prepare
from eval.runner.rows import RowStore
from mlrag.console import print_error
from mlrag.errors import MlragError
from mlrag.languages import language
from mlrag.models.variants import family
from mlrag.ray_cluster import connect
from mlrag.settings import Settings


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The variants of several runs against each other. `signatures` by run; `names`: each name's variant."""

    signatures: Mapping[str, Mapping[str, Any]]
    names: Mapping[str, str]
    comparisons: Sequence[MetricComparison]


def run_variants(
    settings: Settings,
    data: EvaluationData,
    variants: Sequence[str],
    concurrency: int | None,
    console: Console,
    *,
    hosts: Sequence[str] = (),
    ray: str = "",
) -> tuple[PreparedRun, ByVariant]:
    """Index, then ask every variant, with progress and the time left. `ray`: the address of a cluster to ask on.

    Rows of an earlier run are in the bar from the start, so that the time left is that of the others.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    times = TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
    cluster = connect(ray, settings) if ray else nullcontext()
    with cluster, Progress(*columns, *times, console=console, transient=True) as bar:
        indexing = bar.add_task("indexing", total=sum(map(len, data.documents.values())))
        run = prepare(settings, data, hosts, lambda n: bar.advance(indexing, n))
        ask = answer_on_ray if ray else answer
        predictions = {}
        for variant in variants:
            total = sum(map(len, run.plan.examples_for(variant).values()))
            task = bar.add_task(variant, total=total, completed=count_finished(run, variant))
            predictions[variant] = ask(run, variant, lambda task=task: bar.advance(task), concurrency)  # type: ignore[misc]
        return run, predictions


def rescore(folder: Path, variants: Sequence[str] | None = None) -> RunReport:
    """Score a run from its rows alone: nothing is indexed, loaded or asked. All its variants without `variants`.

    Raises ValueError where the run has no rows of a variant.
    """
    plan, store = read_plan(folder), RowStore(folder)
    known = ["extractive", "auto", *family()]

    def report_order(variant: str) -> tuple[int, str]:
        base = base_variant(variant).removesuffix("+think")
        return known.index(base) if base in known else len(known), variant

    stored = sorted(store.variants(), key=report_order)
    chosen = variants or stored
    if not stored or not set(chosen) <= set(stored):
        raise ValueError(f"run {folder.name} has rows of {', '.join(stored) or 'no variant'}, asked for: {chosen}")
    predictions = {}
    for variant in chosen:
        asked = plan.examples_for(variant)
        predictions[variant] = {lang: store.predictions(examples, variant, lang) for lang, examples in asked.items()}
    return score(plan, predictions, read_cross_lingual(folder))


def add_claims(report: RunReport, judgement: Judgement | None) -> RunReport:
    """Add the six metrics of claims where a judge was asked and admitted, and the reason elsewhere."""
    if judgement is None or not judgement.claims:
        return report
    columns = [JudgedClaims(c.variant, c.lang, c.n, c.unscored, c.unread, c.why) for c in judgement.claims]
    details = judgement_json(judgement)["claims"]
    claims = ClaimsReport(judgement.judge, judgement.model, columns, details)
    scored = add_metrics(report, lambda variant, langs: mean_claim_metrics(judgement.claims, variant, langs))
    return replace(scored, claims=claims)


def compare_runs(data_dir: Path, runs: tuple[str, str]) -> RunComparison:
    """Compare every variant of two runs, on the questions that both asked."""
    scored, names, signatures = {}, {}, {}
    for run in runs:
        folder = find_run(data_dir, run)
        plan, store = read_plan(folder), RowStore(folder)
        signatures[run] = plan.signature
        for variant in store.variants():
            by_language = {}
            for lang, examples in plan.examples_for(variant).items():
                predictions = store.predictions(examples, variant, lang)
                by_language[lang] = (examples, score_rows(examples, predictions, language(lang)))
            name = f"{run} {variant}"
            names[name], scored[name] = variant, by_language
    return RunComparison(signatures, names, compare_variants(scored))


def _print_report(report: RunReport) -> None:
    console = Console()
    show(report, console)
    if report.columns:
        head = ("variant", "group", *(column.title for column in report.columns))
        console.print(rich_table("From other suites", head, column_rows(report.columns)), markup=False)
    names = {name: name for name in report.variants}
    gains = gain_lines(report.comparisons, names, report.signature["own_variants"])
    console.print("\n".join(gains), markup=False, soft_wrap=True, end="")
    if report.comparisons:
        few = len(report.variants) < 3
        console.print("\n".join(comparison_lines(report.comparisons, pairs=few)), markup=False, soft_wrap=True)
        if not few:
            console.print("Every pair with its interval: tiers.md in the report's folder.")


def _print_comparison(compared: RunComparison, json_only: bool) -> None:
    if json_only:
        whole = {
            "runs": compared.signatures,
            "variants": compared.names,
            "comparisons": comparisons_json(compared.comparisons),
        }
        print(json.dumps(whole, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    custom = {name: v for signature in compared.signatures.values() for name, v in signature["own_variants"].items()}
    lines = gain_lines(compared.comparisons, compared.names, custom)
    lines += comparison_lines(compared.comparisons) or ["the two runs share no question that both answered"]
    Console().print("\n".join(lines), markup=False, soft_wrap=True)


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    variants: Annotated[
        str | None, typer.Option(help="extractive (without it), e2b, e4b, 12b, 26b, 31b, any tag; +think.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Your own set; our questions without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N questions a language.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Questions at once; 1 for extractive, MLRAG_CONCURRENCY for models.")
    ] = None,
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help='Ask on a Ray cluster: "auto", "local", HOST:6379.')] = "",
    hosts: Annotated[
        str | None, typer.Option(help="Several Ollama or OpenAI-compatible servers: http://a:11434,http://b:11434.")
    ] = None,
    rescore_: Annotated[bool, typer.Option("--rescore", help="Score stored rows again; needs no model.")] = False,
    run: Annotated[str | None, typer.Option(help="The run to rescore; the latest without it.")] = None,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="RUN_A RUN_B", help="Two runs, paired question by question.")
    ] = None,
    closed_book: Annotated[bool, typer.Option("--closed-book", help="The same without passages, next to it.")] = False,
    judge: Annotated[str | None, typer.Option(help="A variant that judges the answers too; docs/judge.md.")] = None,
    claims: Annotated[bool, typer.Option(help="Judge claims too: 4 calls an answer and one a passage.")] = True,
    with_: Annotated[
        str | None, typer.Option("--with", help="Suites whose latest results become columns, e.g. reasoning,safety.")
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Accuracy and hallucination by language tier, with intervals. A stopped run goes on where it stopped."""
    console = Console(stderr=True)
    only = langs.split(",") if langs else None
    named = split_names(variants or "")
    suites = split_names(with_ or "")
    try:
        settings = Settings()
        stored = read_reports(settings.data_dir, suites)
        if compare:
            _print_comparison(compare_runs(settings.data_dir, compare), as_json_)
            return
        if rescore_ or run:
            folder = find_run(settings.data_dir, run) if run else latest_run(settings.data_dir)
            report = rescore(folder, named)
        else:
            settings = settings.model_copy(update={"concurrency": concurrency or settings.concurrency})
            questions = load_data(settings, data, only, limit)
            asked = add_closed_book(named or ["extractive"], closed_book, questions.has_passages)
            prepared, predictions = run_variants(
                settings, questions, asked, concurrency, console, hosts=split_names(hosts or ""), ray=ray
            )
            folder = prepared.rows.folder
            report = score(prepared.plan, predictions, read_cross_lingual(folder))
        judgement = judge_run(settings, folder, judge, only, console, claims) if judge else None
        report = add_claims(report, judgement)
        report = replace(report, columns=make_columns(report, suites, stored))
    except (MlragError, ValueError) as error:
        print_error(error)
        raise typer.Exit(1) from None
    out = out or settings.data_dir / "reports" / report.run
    if no_parquet := render(report, out):
        console.print(no_parquet, markup=False)
    console.print(f"report: {out}/index.html", markup=False)
    if as_json_:
        print(json.dumps(as_json(report), ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        _print_report(report)
    if judgement:
        write(judgement, out)
        show_judgement(judgement, console if as_json_ else Console())


if __name__ == "__main__":
    typer.run(main)
