"""python -m eval.consistency: the same fact in other words and in other languages; how often the answers agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from eval.agreement import Asked, Consistency, asked, consistency
from eval.bench import Bench
from eval.examples import Example, own_questions, read_jsonl
from eval.report.plain import as_rich, markdown_page, percent
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.text.normalize import clean

PARAPHRASES = Path(__file__).parent / "paraphrases"
HEAD = ("variant", "asked again", "group", "agree [95 %] n", "good throughout [95 %] n", "failed")
NOTE = (
    "A set is one fact, asked in several languages, or in several wordings of one. Each question ends right (a "
    "reference of its own language stands in the answer), wrong or abstained; agree: mean share of a set's pairs that "
    "end alike. Good throughout: share of sets that are right every time, or silent every time where the documents do "
    "not say; a variant that always abstains agrees fully and is good at nothing. n: sets. Wilson intervals on the "
    "effective sample size, clustered by fact."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. `failed` questions are in no figure."""

    variant: str
    kind: str
    group: str
    found: Consistency
    failed: int
    reason: str


def rewordings(lang: str, examples: Sequence[Example]) -> list[Example]:
    """Our test questions in other words: the same answers and documents, ids "dengue-2~w1". None without a file."""
    path = PARAPHRASES / f"{lang}.jsonl"
    by_id = {e.id: e for e in examples}
    found = []
    for row in read_jsonl(path) if path.is_file() else ():
        if not isinstance(row.get("rewordings"), list) or "id" not in row:
            raise CorpusFormatError(f'{path}: a row is not {{"id", "rewordings": […]}}: {str(row)[:80]}')
        if row["id"] in by_id:
            texts = enumerate(map(clean, row["rewordings"]), 1)
            found += [replace(by_id[row["id"]], id=f"{row['id']}~w{n}", question=text) for n, text in texts]
    return found


def fact_of(example: Example) -> str:
    """ "dengue-2~w1" -> "dengue-2": our ids are the same in every language."""
    return example.id.split("~")[0]


def evaluate(bench: Bench, variants: Sequence[str], limit: int | None, bar: Progress) -> list[Row]:
    """Ask every variant, and compare: across languages, then across wordings."""
    bench.index(lambda _n: None)
    rows = []
    for variant in variants:
        first: list[Asked | None] = []
        again: list[Asked | None] = []
        failures: dict[str, list[str]] = {}
        task = bar.add_task(variant, total=len(bench.langs))
        for lang in bench.langs:
            originals = own_questions(lang)[:limit]
            reworded = rewordings(lang, originals)
            predictions = bench.complete(variant, lang, [*originals, *reworded])
            failures[lang] = [p.error for p in predictions if p.error]
            pairs = zip([*originals, *reworded], predictions, strict=True)
            ended = [asked(e, p, fact_of(e)) for e, p in pairs]
            first += ended[: len(originals)]
            twice = {fact_of(e) for e in reworded}
            again += [a for a in ended if a and a.fact in twice]
            bar.advance(task)
        rows += _rows(variant, [a for a in first if a], [a for a in again if a], failures)
    return rows


def _rows(variant: str, first: Sequence[Asked], again: Sequence[Asked], failures: dict[str, list[str]]) -> list[Row]:
    tiers = sorted({language(lang).tier for lang in failures})
    members = {f"T{t}": [c for c in failures if language(c).tier == t] for t in tiers}
    across = {"all": list(failures)} | {t: langs for t, langs in members.items() if len(langs) > 1}
    within = {"all": list(failures)} | members | {lang: [lang] for lang in failures}
    rows = []
    for kind, groups, asked_, crossing in (
        ("in other languages", across, first, True),
        ("in other words", within, again, False),
    ):
        for group, langs in groups.items():
            found = consistency([a for a in asked_ if a.lang in langs], across_languages=crossing)
            errors = [error for lang in langs for error in failures[lang]]
            rows.append(Row(variant, kind, group, found, len(errors), errors[0] if errors else ""))
    return rows


def table_rows(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            r.variant,
            r.kind,
            r.group,
            percent(r.found.agree, r.found.agree_interval, r.found.n),
            percent(r.found.good, r.found.good_interval, r.found.n),
            f"{r.failed}: {r.reason}" if r.failed else "",
        ]
        for r in rows
    ]


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    variants: Annotated[str, typer.Option(help="extractive, e2b, e4b, …, any tag; +think.")] = "extractive",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions a language.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """How often the same fact, asked otherwise, ends alike. Answers that python -m eval.tiers has are used again."""
    console = Console(stderr=True)
    try:
        settings = Settings()
        bench = Bench(settings, None, langs.split(",") if langs else None, None)
        with Progress(console=console, transient=True) as bar:
            rows = evaluate(bench, [v.strip() for v in variants.split(",") if v.strip()], limit, bar)
    except (MlragError, ValueError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    signature: dict[str, Any] = {**bench.plan.signature, "limit": limit}
    found = json.dumps(
        {"run": bench.plan.name, "signature": signature, "rows": [asdict(r) for r in rows]}, ensure_ascii=False
    )
    out = out or settings.data_dir / "reports" / bench.plan.name
    out.mkdir(parents=True, exist_ok=True)
    (out / "consistency.json").write_text(found, encoding="utf-8")
    page = markdown_page("Consistency", NOTE, HEAD, table_rows(rows), signature)
    (out / "consistency.md").write_text(page, encoding="utf-8")
    if as_json:
        print(found)  # noqa: T201
    else:
        Console().print(as_rich("Consistency · our own questions", HEAD, table_rows(rows)))
    console.print(f"report: {out}/consistency.md", markup=False)


if __name__ == "__main__":
    typer.run(main)
