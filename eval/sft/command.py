"""python -m eval.sft, or mlrag export-sft: a training set from your own documents, free of what is evaluated on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from eval.runner import jsonl_log
from eval.sft.card import compute_statistics, count_reasons, make_card
from eval.sft.compose import Composer
from eval.sft.export import SplitPlan, TrainingDocuments, compose, order_passages, select_documents
from eval.sft.leaks import KeepOut, Leaks, audit, read_keep_out
from eval.sft.questions import read_questions
from eval.sft.records import Draft, LeftOut, TrainingRow
from eval.sft.writer import Writer, check_round_trip
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.console import exit_on_error
from mlrag.errors import CorpusFormatError, SettingsError
from mlrag.factory import make_caller, make_embedder, make_indexes, make_pipeline
from mlrag.generation.prompts import VERSION
from mlrag.languages import Language, language
from mlrag.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Shape = Literal["messages", "prompt-completion"]
_NAMES = ("validation.jsonl", "README.md", "leaks.json", "rows.jsonl")
_ROW_FIELDS = ("id", "split", "kind", "source", "question", "documents", "gold")  # of a line of rows.jsonl


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """Where an export goes: a folder, or FILE.jsonl of its training rows with the other files next to it."""

    train: Path
    validation: Path
    card: Path
    leaks: Path
    rows: Path

    @classmethod
    def at(cls, out: Path) -> ExportFiles:
        if out.suffix == ".jsonl":
            return cls(out, *(out.with_name(f"{out.stem}.{name}") for name in _NAMES))
        return cls(out / "train.jsonl", *(out / name for name in _NAMES))


@dataclass(frozen=True, slots=True)
class Export:
    """The rows, what was left out and why, the documents they are made from, and what was kept out."""

    rows: Sequence[TrainingRow]
    left_out: Sequence[LeftOut]
    available: TrainingDocuments
    leaks: Leaks


@dataclass(frozen=True)
class Exporter:
    """One export: its dependencies and its plan."""

    settings: Settings
    lang: Language
    retriever: Retriever
    keep_out: KeepOut
    plan: SplitPlan
    max_tokens: int = 4096

    def run(self, brought: Sequence[Draft], variant: str | None, checker: str, console: Console) -> Export:
        """Make the rows from questions that were brought and, with `variant`, from questions that it writes."""
        leaks = Leaks(self.keep_out, self.lang, self.retriever.embedder)
        available = select_documents(self.retriever, self.lang, leaks, self.plan)
        drafts = [d for d in brought if d.example.lang == self.lang.code]
        left_out = [*available.left_out, *leaks.check_questions(drafts)]
        if variant:
            written, rejected = self._write_questions(available, leaks, variant, checker, console)
            drafts, left_out = drafts + written, left_out + rejected
        rejected_ids = {x.id for x in left_out if x.what == "question"}
        composer = Composer(self.retriever, self.lang, self.settings.k, self.plan.seed, self.max_tokens)
        kept = [d for d in drafts if d.example.id not in rejected_ids]
        rows, rejected = compose(kept, available, composer, self.plan)
        return Export(rows, left_out + rejected, available, leaks)

    def _write_questions(
        self, available: TrainingDocuments, leaks: Leaks, variant: str, checker: str, console: Console
    ) -> tuple[list[Draft], list[LeftOut]]:
        """Let a model write drafts and check each one by asking it, until there are as many as the plan wants."""
        log = self.settings.data_dir / "sft" / "written" / f"{jsonl_log.file_name(variant)}.{self.lang.code}.jsonl"
        writer = Writer(make_caller(self.settings, variant), variant, self.lang, log)
        pipeline = make_pipeline(self.settings, self.retriever, checker, cross_language=False)
        passages = order_passages(available, self.plan.seed)
        drafts: list[Draft] = []
        left_out: list[LeftOut] = []
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("writing questions", total=len(passages))
            for written in writer.write(passages, lambda: bar.advance(task)):
                draft = written if isinstance(written, LeftOut) else _check_draft(written, available, leaks, pipeline)
                if isinstance(draft, LeftOut):
                    left_out.append(draft)
                else:
                    drafts.append(draft)
                if self.plan.limit is not None and len(drafts) >= self.plan.limit:
                    break
        return drafts, left_out


def _check_draft(draft: Draft, available: TrainingDocuments, leaks: Leaks, pipeline: Pipeline) -> Draft | LeftOut:
    if leaked := leaks.check_questions([draft]):
        return leaked[0]
    split = available.split_of[draft.example.gold_docs[0]]
    reason = check_round_trip(draft, pipeline, available.ids(split))
    return LeftOut("question", draft.example.id, reason) if reason else draft


def write(
    files: ExportFiles, export: Export, exporter: Exporter, made_with: Mapping[str, Any], shape: str
) -> dict[str, Any]:
    """Write the files, read them back, and only then put them in place.

    Returns: the report, which is also leaks.json.

    Raises:
        LeakError: they hold what is evaluated on; what was there before stays.
    """
    rows, leaks, kept_out = export.rows, export.leaks, exporter.keep_out
    for path in {files.train.parent, files.card.parent}:
        path.mkdir(parents=True, exist_ok=True)
    splits = {"train": files.train, "validation": files.validation}
    splits = {split: path for split, path in splits.items() if any(r.split == split for r in rows)}
    drafts = {path: path.with_name(f"{path.name}.{os.getpid()}.tmp") for path in splits.values()}
    try:
        for split, path in splits.items():
            lines = [json.dumps(r.conversation(shape), ensure_ascii=False) for r in rows if r.split == split]
            drafts[path].write_text("\n".join([*lines, ""]), encoding="utf-8")
        audited = audit(drafts.values(), leaks, exporter.lang.prompt["question"])
        files.validation.unlink(missing_ok=True)  # an empty file makes loaders fail
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    report = {
        "kept_out": {
            "from": kept_out.names,
            "questions": len(kept_out.questions),
            "documents": len(kept_out.documents),
            "documents_whose_text_was_found": len(kept_out.texts),
        },
        "limits": {"nearest_questions_on_different_topics": round(leaks.near, 4)},
        "audited_rows": audited,
        "made_with": dict(made_with),
        "statistics": compute_statistics(rows),
        "left_out_by_reason": count_reasons(export.left_out),
        "left_out": [asdict(x) for x in export.left_out],
    }
    files.leaks.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    names = {split: path.name for split, path in splits.items()}
    card = make_card(exporter.lang, rows, export.available.documents, export.left_out, made_with, names)
    files.card.write_text(card, encoding="utf-8")
    row_lines = [json.dumps({k: getattr(r, k) for k in _ROW_FIELDS}, ensure_ascii=False) for r in rows]
    files.rows.write_text("\n".join([*row_lines, ""]), encoding="utf-8")
    return report


@app.command()
def main(
    lang: Annotated[str, typer.Option(help="The language to export, e.g. si.")],
    questions: Annotated[list[Path] | None, typer.Option(help="Your own questions, in the bench's format.")] = None,
    variant: Annotated[str | None, typer.Option(help="A model that writes questions from your documents.")] = None,
    check_by: Annotated[
        str, typer.Option(help="The variant that must answer a written question from its passage.")
    ] = "extractive",
    keep_out: Annotated[list[Path] | None, typer.Option(help="Sets that you evaluate on; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder, or FILE.jsonl; default: var/sft/<lang>.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Answered rows at most.")] = None,
    seed: Annotated[int, typer.Option(help="Of the splits, the order of passages and the sample.")] = 0,
    validation: Annotated[float, typer.Option(min=0, max=0.5, help="Proportion of documents for validation.")] = 0.1,
    abstentions: Annotated[float, typer.Option(min=0, max=0.9, help="Proportion of rows that must abstain.")] = 0.25,
    max_tokens: Annotated[int, typer.Option(min=256, help="Longest row, by the upper estimate.")] = 4096,
    shape: Annotated[Shape, typer.Option(help="The fields of a row.")] = "messages",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write a training set (TRL, Unsloth) from indexed documents, without what is evaluated on: docs/finetune.md."""
    console = Console(stderr=True)
    with exit_on_error(ValueError):
        settings, pack = Settings(), language(lang)
        if not questions and not variant:
            raise SettingsError("there are no questions", "give --questions FILE, or --variant e4b to write questions")
        brought = [d for path in questions or [] for d in read_questions(path, pack.code)]
        exporter = Exporter(
            settings,
            pack,
            Retriever(make_indexes(settings), make_embedder(settings)),
            read_keep_out(settings, keep_out or [], pack.code),
            SplitPlan(seed, validation, abstentions, limit),
            max_tokens,
        )
        export = exporter.run(brought, variant, check_by, console)
        if not any(r.split == "train" for r in export.rows):
            why = ", ".join(f"{reason} {number}" for reason, number in count_reasons(export.left_out).items())
            raise CorpusFormatError("no row is left to train on", f"left out: {why}; bring other documents")
        writers = sorted({r.source for r in export.rows} - {"brought"})
        made_with = {
            "seed": seed,
            "k": settings.k,
            "prompts": VERSION,
            "embedder": exporter.retriever.embedder.name,
            "questions": ", ".join(map(str, questions or [])) or "none brought",
            "written by": ", ".join(writers) or "no model",
            **({"asked back": check_by} if variant else {}),
        }
        files = ExportFiles.at(out or settings.data_dir / "sft" / pack.code)
        report = write(files, export, exporter, made_with, shape)
    if as_json:
        print(json.dumps(report, ensure_ascii=False))  # noqa: T201
    else:
        _show(report, files)


def _show(report: Mapping[str, Any], files: ExportFiles) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for split, statistics in report["statistics"].items():
        shown = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in statistics.items() if k != "kinds")
        console.print(f"{split}: {shown}")
    for reason, number in report["left_out_by_reason"].items():
        console.print(f"left out, {reason}: {number}")
    console.print(f"{files.train}, {files.validation}; card: {files.card}; {files.leaks}")
