"""python -m eval.tiers: accuracy and hallucination by language tier, for any variant, on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eval.judge.claim_columns import mean_claim_metrics
from eval.judge.report import as_json as judged_json
from eval.judge.report import show as show_judgement
from eval.judge.running import judge_run, write
from eval.judge.verdict_columns import Judgement
from eval.probes.cli import listed
from eval.probes.columns import beside, beside_rows
from eval.probes.history import read_stored
from eval.report.claims import NO_JUDGE
from eval.report.markdown import as_json, contest_lines, contests_json, gain_lines, markdown, table_rows, titles
from eval.report.pages import Tables, write_pages
from eval.report.plain import as_rich
from eval.report.tables import DETAIL_TITLES, detail_rows, show
from eval.results.contests import contests
from eval.results.evaluate import ByVariant, evaluate
from eval.results.export import export
from eval.results.extra import with_figures
from eval.results.scores import score_rows
from eval.runner.bench import Bench
from eval.runner.closed_book import with_closed_book
from eval.runner.cross_lingual import figures, kept
from eval.runner.on_ray import ask_on_cluster
from eval.runner.plan import base_of, find_run, is_closed, latest_run, read_plan
from eval.runner.rows import Prediction, Run
from mlrag.errors import MlragError
from mlrag.languages import language
from mlrag.models.variants import family
from mlrag.ray_cluster import connected
from mlrag.settings import Settings


def ask_all(
    bench: Bench, variants: Sequence[str], concurrency: int | None, console: Console, ray: str = ""
) -> ByVariant:
    """Index, then ask every variant in every language, with progress and the time left. `ray`: on that cluster."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    times = TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
    place = connected(ray, bench.settings) if ray else nullcontext()
    with place, Progress(*columns, *times, console=console, transient=True) as bar:
        task = bar.add_task("indexing", total=sum(map(len, bench.documents.values())))
        bench.index(lambda n: bar.advance(task, n))
        bench.cross()
        return {variant: _ask(bench, variant, concurrency, bar, bool(ray)) for variant in variants}


def _ask(
    bench: Bench, variant: str, concurrency: int | None, bar: Progress, fanned_out: bool
) -> Mapping[str, Sequence[Prediction]]:
    """Rows of before are in the bar from the start, so that the time left is that of the others."""
    total = sum(map(len, bench.asked(variant).values()))
    task = bar.add_task(variant, total=total, completed=bench.finished(variant))
    if fanned_out:
        return ask_on_cluster(bench, variant, concurrency, lambda: bar.advance(task))
    return {lang: bench.ask(variant, lang, lambda: bar.advance(task), concurrency) for lang in bench.langs}


def stored(folder: Path, variants: Sequence[str] | None = None) -> dict[str, Any]:
    """A run's result from its rows alone: nothing is indexed, loaded or asked. All its variants without `variants`."""
    plan, run = read_plan(folder), Run(folder)
    order = ["extractive", "auto", *family()]
    there = sorted(
        run.variants(), key=lambda v: (order.index(b) if (b := base_of(v).removesuffix("+think")) in order else 99, v)
    )
    chosen = variants or there
    if not there or not set(chosen) <= set(there):
        raise ValueError(f"run {folder.name} has rows of {', '.join(there) or 'no variant'}, asked for: {chosen}")
    rows = {v: {x: run.stored(found, v, x) for x, found in plan.asked(v).items()} for v in chosen}
    return with_cross(evaluate(plan, rows), folder)


def with_cross(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The result with how well English questions find other languages' documents; not of closed books."""
    rows = kept(folder)
    return with_figures(result, lambda variant, langs: {} if is_closed(variant) else figures(rows, langs))


def with_claims(result: dict[str, Any], judged: Judgement | None) -> dict[str, Any]:
    """The result with the six figures of claims where a judge was asked and admitted, and with the reason elsewhere."""
    if judged is None or not judged.claims:
        return result | {"claims": NO_JUDGE}
    whole = with_figures(result, lambda variant, langs: mean_claim_metrics(judged.claims, variant, langs))
    return whole | {"claims": {"judge": judged.judge, "model": judged.model, "columns": judged_json(judged)["claims"]}}


def compare_runs(data_dir: Path, names: tuple[str, str]) -> dict[str, Any]:
    """Every variant of two runs against each other, on the questions that both asked."""
    folders = {name: find_run(data_dir, name) for name in names}
    rows, shown = {}, {}
    for name, folder in folders.items():
        plan, run = read_plan(folder), Run(folder)
        for variant in run.variants():
            shown[f"{name} {variant}"] = variant
            rows[f"{name} {variant}"] = {
                lang: (examples, score_rows(examples, run.stored(examples, variant, lang), language(lang)))
                for lang, examples in plan.asked(variant).items()
            }
    signatures = {name: read_plan(f).signature for name, f in folders.items()}
    return {"runs": signatures, "variants": shown, "contests": contests(rows)}


def write_report(out: Path, result: dict[str, Any], console: Console) -> None:
    """tiers.md, tiers.json, rows and figures as CSV and Parquet, and the pages: the same rows, the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "tiers.md").write_text(markdown(result), encoding="utf-8")
    whole = json.dumps(as_json(result), ensure_ascii=False, indent=1, allow_nan=False)
    (out / "tiers.json").write_text(whole, encoding="utf-8")
    tables = Tables(table_rows(result), titles(result), detail_rows(result), list(DETAIL_TITLES))
    write_pages(out, result, tables)
    missing = export(out, result)
    if missing:
        console.print(missing, markup=False)
    console.print(f"report: {out}/index.html", markup=False)


def _show(result: dict[str, Any]) -> None:
    out = Console()
    show(result, out)
    if columns := result.get("beside"):
        head = ("variant", "group", *(c.title for c in columns))
        out.print(as_rich("From other suites", head, beside_rows(columns)), markup=False)
    gains = gain_lines(result["contests"], {v: v for v in result["variants"]}, result["signature"]["own_variants"])
    out.print("\n".join(gains), markup=False, soft_wrap=True, end="")
    if result["contests"]:
        few = len(result["variants"]) < 3
        out.print("\n".join(contest_lines(result["contests"], pairs=few)), markup=False, soft_wrap=True)
        if not few:
            out.print("Every pair with its interval: tiers.md in the report's folder.")


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    variants: Annotated[
        str | None, typer.Option(help="extractive (without it), e2b, e4b, 12b, 26b, 31b, any tag; +think.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Your own set; our questions without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions a language.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Questions at once; 1 for extractive, MLRAG_CONCURRENCY for models.")
    ] = None,
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help='Ask on a Ray cluster: "auto", "local", HOST:6379.')] = "",
    hosts: Annotated[
        str | None, typer.Option(help="Several Ollama or OpenAI-compatible servers: http://a:11434,http://b:11434.")
    ] = None,
    rescore: Annotated[bool, typer.Option("--rescore", help="Score stored rows again; needs no model.")] = False,
    run: Annotated[str | None, typer.Option(help="The run to rescore; the latest without it.")] = None,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="RUN_A RUN_B", help="Two runs, paired question by question.")
    ] = None,
    closed_book: Annotated[bool, typer.Option("--closed-book", help="The same without passages, beside it.")] = False,
    judge: Annotated[str | None, typer.Option(help="A variant that judges the answers too; docs/judge.md.")] = None,
    claims: Annotated[bool, typer.Option(help="Judge claims too: 4 calls an answer and one a passage.")] = True,
    with_: Annotated[
        str | None, typer.Option("--with", help="Suites whose latest figures stand beside, e.g. reasoning,safety.")
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Accuracy and hallucination by language tier, with intervals. A stopped run goes on where it stopped."""
    console = Console(stderr=True)
    only = langs.split(",") if langs else None
    named = [v.strip() for v in (variants or "").split(",") if v.strip()]
    suites = listed(with_ or "")
    try:
        settings = Settings()
        others = read_stored(settings.data_dir, suites)
        if compare:
            _print_comparison(compare_runs(settings.data_dir, compare), as_json_)
            return
        if rescore or run:
            folder = find_run(settings.data_dir, run) if run else latest_run(settings.data_dir)
            result = stored(folder, named)
        else:
            settings = settings.model_copy(update={"concurrency": concurrency or settings.concurrency})
            bench = Bench(settings, data, only, limit, [h.strip() for h in (hosts or "").split(",") if h.strip()])
            asked = with_closed_book(named or ["extractive"], closed_book, bench.has_passages)
            predictions = ask_all(bench, asked, concurrency, console, ray)
            folder = bench.run.folder
            result = with_cross(evaluate(bench.plan, predictions), folder)
        judged = judge_run(settings, folder, judge, only, console, claims) if judge else None
        result = with_claims(result, judged) | {"beside": beside(result, suites, others)}
    except (MlragError, ValueError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    out = out or settings.data_dir / "reports" / result["run"]
    write_report(out, result, console)
    if as_json_:
        print(json.dumps(as_json(result), ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        _show(result)
    if judged:
        write(judged, out)
        show_judgement(judged, console if as_json_ else Console())


def _print_comparison(found: dict[str, Any], as_json_: bool) -> None:
    if as_json_:
        shown = found | {"contests": contests_json(found["contests"])}
        print(json.dumps(shown, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    own = {name: v for signature in found["runs"].values() for name, v in signature["own_variants"].items()}
    lines = gain_lines(found["contests"], found["variants"], own)
    lines += contest_lines(found["contests"]) or ["the two runs share no question that both answered"]
    Console().print("\n".join(lines), markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
