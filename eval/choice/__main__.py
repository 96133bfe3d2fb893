"""python -m eval.choice: multiple choice, by variant, language and tier, against chance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

import mlrag
from eval.choice.methods import VERSION, Chooser, CosineChooser, LetterChooser, OptionChooser, compute_chance
from eval.datasets import Dataset, open_dataset
from eval.datasets.own import sample_examples
from eval.probes.cli import split_names
from eval.probes.run import open_run
from eval.report.tables import format_estimate, markdown_page, rich_table
from eval.runner.plan import hash_package_files
from eval.runner.rows import RowStore
from eval.statistics import Interval, clustered_rate
from eval.types import Example, Prediction
from mlrag.console import exit_on_error
from mlrag.embedding.base import Embedder
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.factory import make_embedder
from mlrag.languages import language, languages
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

HEAD = ("variant", "method (model)", "group", "accuracy [95 %] n", "chance", "above chance", "passages", "failed")
NOTE = (
    "option-mc: the option whose text is likeliest as the reply, a character; the options are not shown, so no order "
    "matters. letter-mc: the option whose letter is likeliest as first token, over cyclic orders of the options shown. "
    "cosine-mc: the option nearest to a sentence of the passages; no language model. Not comparable with each other. "
    "Wilson intervals on the effective sample size, clustered by parallel item. Above "
    "chance: the whole interval is. Failed rows are in no figure."
)


class By(StrEnum):
    """What of an option a model is scored by."""

    OPTION = "option"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy in [0, 1] over n rows of one group; None where nothing could be picked."""

    variant: str
    method: str
    group: str
    model: str
    accuracy: float | None
    n: int
    interval: Interval | None
    chance: float
    passages: bool
    failed: int
    reason: str

    @property
    def above(self) -> bool:
        return self.interval is not None and self.interval.low > self.chance


Pair = tuple[Example, Prediction]


def score_group(variant: str, method: str, group: str, pairs: Sequence[Pair]) -> Score:
    """The share of right picks. An example's cluster is shared by its languages."""
    done = [(e, p) for e, p in pairs if not p.error]
    failed = [p.error for _, p in pairs if p.error]
    right = [float(e.gold_option is not None and p.text == e.options[e.gold_option]) for e, p in done]
    return Score(
        variant=variant,
        method=method,
        group=group,
        model=", ".join(sorted({p.model for _, p in done})),
        accuracy=sum(right) / len(right) if right else None,
        n=len(right),
        interval=clustered_rate(right, [e.cluster or e.id for e, _ in done]) if right else None,
        chance=compute_chance([e for e, _ in pairs]),
        passages=any(p.passages for _, p in done),
        failed=len(failed),
        reason=failed[0] if failed else "",
    )


def complete(chooser: Chooser, suite: Dataset, examples: Sequence[Example], variant: str, run: RowStore) -> list[Pair]:
    """Every example's pick in order; those on disk already are not asked again. A failure is a row that says so."""
    lang = examples[0].lang
    there, done = {d.id: d for d in suite.documents.get(lang, [])}, run.rows(variant, lang)
    pairs = []
    for example in examples:
        prediction = done.get(example.id)
        if prediction is None:
            passages = [there[id] for id in example.gold_docs if id in there]
            prediction = _predict(chooser, example, [d.text for d in passages], variant, passages)
            run.append(lang, prediction)
        pairs.append((example, prediction))
    return pairs


def _predict(chooser: Chooser, example: Example, texts: list[str], variant: str, passages: Any) -> Prediction:
    try:
        pick = chooser.pick(example, passages)
    except MlragError as error:
        return Prediction(example.id, variant, error=str(error))
    return Prediction(
        example.id,
        variant,
        text=example.options[pick.place],
        passages=tuple(texts),
        confidence=pick.share,
        model=pick.model,
        seconds=pick.seconds,
    )


def evaluate(
    settings: Settings,
    suite: Dataset,
    variants: Sequence[str],
    run: RowStore,
    limit: int | None,
    orders: int,
    by: By | None,
    bar: Progress,
) -> list[Score]:
    """Scores by variant, of each tier and then each language."""
    embedder: Embedder | None = None
    scores = []
    asked = {c: sample_examples([e for e in suite.questions.get(c, []) if e.options], limit) for c in languages()}
    asked = {c: found for c, found in asked.items() if found}
    if not asked:
        raise CorpusFormatError(f"{suite.folder} ({suite.card.name}) has no question with options")
    for variant in variants:
        backend = parse_variant(variant, settings.variants).backend
        if backend == "extractive":
            embedder = embedder or make_embedder(settings)
            chooser: Chooser = CosineChooser(embedder)
        elif (by or (By.OPTION if backend == "llamacpp" else By.LETTER)) is By.OPTION:
            chooser = OptionChooser(settings, variant)
        else:
            chooser = LetterChooser(settings, variant, orders)
        task = bar.add_task(variant, total=len(asked))
        tiers: dict[str, list[Pair]] = {}
        by_lang = []
        for lang, examples in asked.items():
            pairs = complete(chooser, suite, examples, variant, run)
            by_lang.append(score_group(variant, chooser.method, lang, pairs))
            tiers.setdefault(f"T{language(lang).tier}", []).extend(pairs)
            bar.advance(task)
        scores += [score_group(variant, chooser.method, tier, pairs) for tier, pairs in tiers.items()] + by_lang
    return scores


def table_rows(scores: Sequence[Score]) -> list[list[str]]:
    rows = []
    for s in scores:
        failed = f"{s.failed}: {s.reason}" if s.failed else ""
        figure = format_estimate(s.accuracy, s.interval, s.n) if s.n else "did not run"
        above = ("yes" if s.above else "no") if s.n else ""
        method = f"{s.method} ({s.model})" if s.model else s.method
        passages = ("yes" if s.passages else "no") if s.n else ""
        rows.append([s.variant, method, s.group, figure, f"{100 * s.chance:.1f}", above, passages, failed])
    return rows


def main(
    data: Annotated[Path, typer.Option(help="A set with options: a path or hub:NAME.")],
    variants: Annotated[str, typer.Option(help="extractive, e2b, e4b, …, any tag.")] = "extractive",
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N questions a language.")] = None,
    orders: Annotated[int, typer.Option(min=1, help="At most N orders of the options.")] = 4,
    by: Annotated[
        By | None,
        typer.Option(help="By what models are scored; options where the backend can, else letters."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Accuracy at multiple choice against chance, by language. A stopped run goes on where it stopped."""
    console = Console(stderr=True)
    with exit_on_error(ValueError):
        settings = Settings()
        suite = open_dataset(data, langs.split(",") if langs else None, settings.data_dir)
        signature = _sign(settings, suite, str(data), limit, orders, by)
        run = open_run("choice", settings, signature)
        name = run.folder.name
        with Progress(console=console, transient=True) as bar:
            scores = evaluate(settings, suite, split_names(variants), run, limit, orders, by, bar)
    where = out or settings.data_dir / "reports" / name
    where.mkdir(parents=True, exist_ok=True)
    found = json.dumps({"run": name, "signature": signature, "scores": [asdict(s) for s in scores]}, ensure_ascii=False)
    (where / "choice.json").write_text(found, encoding="utf-8")
    page = markdown_page("Multiple choice", NOTE, HEAD, table_rows(scores), signature)
    (where / "choice.md").write_text(page, encoding="utf-8")
    if as_json:
        print(found)  # noqa: T201
    else:
        Console().print(rich_table(f"Multiple choice · {suite.card.name}", HEAD, table_rows(scores)))
    console.print(f"report: {where}/choice.md", markup=False)


def _sign(
    settings: Settings, suite: Dataset, data: str, limit: int | None, orders: int, by: By | None
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for lang in suite.languages:
        for example in suite.questions.get(lang, []):
            digest.update(repr((example.id, example.question, example.options, example.gold_option)).encode())
        for document in suite.documents.get(lang, []):
            digest.update(document.content_hash.encode())
    return {
        "data": data,
        "suite": asdict(suite.card),
        "questions": digest.hexdigest()[:16],
        "limit": limit,
        "orders": orders,
        "by": by,
        "choosing": VERSION,
        "embedder": settings.embedder,
        "code": mlrag.__version__,
        "generator": hash_package_files(["*.py", "*.toml", "*.json"]),
    }


if __name__ == "__main__":
    typer.run(main)
