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
from eval.sft.card import card, reasons, statistics
from eval.sft.compose import Composer
from eval.sft.export import Plan, Shelf, compose, shelve, to_ask_about
from eval.sft.keep_out import KeepOut, read_keep_out
from eval.sft.leaks import Leaks, audit
from eval.sft.questions import read_questions
from eval.sft.records import Draft, LeftOut, Row
from eval.sft.writer import Writer, way_back
from mlrag.answering.retriever import Retriever
from mlrag.errors import CorpusFormatError, MlragError, SettingsError
from mlrag.factory import make_caller, make_embedder, make_indexes, make_pipeline
from mlrag.generation.prompts import VERSION
from mlrag.languages import Language, language
from mlrag.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Shape = Literal["messages", "prompt-completion"]


@dataclass(frozen=True, slots=True)
class Files:
    """Where an export goes: a folder, or beside a file FILE.jsonl of its training rows."""

    train: Path
    validation: Path
    card: Path
    leaks: Path
    rows: Path


def files_of(out: Path) -> Files:
    if out.suffix == ".jsonl":
        names = (out.name, *(f"{out.stem}.{x}" for x in ("validation.jsonl", "README.md", "leaks.json", "rows.jsonl")))
        return Files(*(out.parent / name for name in names))
    return Files(*(out / name for name in ("train.jsonl", "validation.jsonl", "README.md", "leaks.json", "rows.jsonl")))


@dataclass(frozen=True)
class Exporter:
    """One export: its parts, and what it is made of."""

    settings: Settings
    lang: Language
    retriever: Retriever
    keep_out: KeepOut
    plan: Plan
    max_tokens: int = 4096

    def run(
        self, brought: Sequence[Draft], variant: str | None, checker: str, console: Console
    ) -> tuple[list[Row], list[LeftOut], Shelf, Leaks]:
        """Rows, what was left out and why, and the documents they stand on."""
        leaks = Leaks(self.keep_out, self.lang, self.retriever.embedder)
        shelf = shelve(self.retriever, self.lang, leaks, self.plan)
        drafts = [d for d in brought if d.example.lang == self.lang.code]
        left_out = list(shelf.left_out) + leaks.questions(drafts)
        if variant:
            written, lost = self._write(shelf, leaks, variant, checker, console)
            drafts, left_out = drafts + written, left_out + lost
        out = {x.id for x in left_out if x.what == "question"}
        composer = Composer(self.retriever, self.lang, self.settings.k, self.plan.seed, self.max_tokens)
        rows, lost = compose([d for d in drafts if d.example.id not in out], shelf, composer, self.plan)
        return rows, left_out + lost, shelf, leaks

    def _write(
        self, shelf: Shelf, leaks: Leaks, variant: str, checker: str, console: Console
    ) -> tuple[list[Draft], list[LeftOut]]:
        """Drafts that a model wrote, asked back one by one until there are as many as wanted."""
        kept = self.settings.data_dir / "sft" / "written" / f"{jsonl_log.file_name(variant)}.{self.lang.code}.jsonl"
        writer = Writer(make_caller(self.settings, variant), variant, self.lang, kept)
        pipeline = make_pipeline(self.settings, self.retriever, checker, cross_language=False)
        passages = to_ask_about(shelf, self.plan.seed)
        drafts: list[Draft] = []
        left_out: list[LeftOut] = []
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("writing questions", total=len(passages))
            for made in writer.write(passages, lambda: bar.advance(task)):
                found = made if isinstance(made, LeftOut) else self._returned(made, shelf, leaks, pipeline)
                if isinstance(found, LeftOut):
                    left_out.append(found)
                else:
                    drafts.append(found)
                if self.plan.limit is not None and len(drafts) >= self.plan.limit:
                    break
        return drafts, left_out

    @staticmethod
    def _returned(draft: Draft, shelf: Shelf, leaks: Leaks, pipeline: Any) -> Draft | LeftOut:
        if leaked := leaks.questions([draft]):
            return leaked[0]
        own = shelf.of(shelf.split_of[draft.example.gold_docs[0]])
        reason = way_back(draft, pipeline, own)
        return LeftOut("question", draft.example.id, reason) if reason else draft


def write(
    files: Files,
    rows: Sequence[Row],
    left_out: Sequence[LeftOut],
    shelf: Shelf,
    leaks: Leaks,
    exporter: Exporter,
    made: Mapping[str, Any],
    shape: str,
) -> dict[str, Any]:
    """Write, read back, and only then put in place. Raises LeakError, and then leaves what was there before."""
    for path in {files.train.parent, files.card.parent}:
        path.mkdir(parents=True, exist_ok=True)
    splits = {"train": files.train, "validation": files.validation}
    splits = {split: path for split, path in splits.items() if any(r.split == split for r in rows)}
    texts = {
        path: "".join(json.dumps(r.conversation(shape), ensure_ascii=False) + "\n" for r in rows if r.split == split)
        for split, path in splits.items()
    }
    drafts = {path: path.with_name(f"{path.name}.{os.getpid()}.tmp") for path in texts}
    try:
        for path, text in texts.items():
            drafts[path].write_text(text, encoding="utf-8")
        audited = audit(drafts.values(), leaks, exporter.lang.prompt["question"])
        files.validation.unlink(missing_ok=True)  # an empty one is no file: loaders fail on it
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    report = {
        "kept_out": {
            "from": exporter.keep_out.names,
            "questions": len(exporter.keep_out.questions),
            "documents": len(exporter.keep_out.documents),
            "documents_whose_text_was_found": len(exporter.keep_out.texts),
        },
        "limits": {"nearest_questions_on_different_topics": round(leaks.near, 4)},
        "audited_rows": audited,
        "made_with": dict(made),
        "statistics": statistics(rows),
        "left_out_by_reason": reasons(left_out),
        "left_out": [asdict(x) for x in left_out],
    }
    files.leaks.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    names = {split: path.name for split, path in splits.items()}
    files.card.write_text(card(exporter.lang, rows, shelf.documents, left_out, made, names), encoding="utf-8")
    files.rows.write_text("".join(_line(r) for r in rows), encoding="utf-8")
    return report


def _line(row: Row) -> str:
    kept = ("id", "split", "kind", "source", "question", "documents", "gold")
    return json.dumps({k: getattr(row, k) for k in kept}, ensure_ascii=False) + "\n"


@app.command()
def main(
    lang: Annotated[str, typer.Option(help="The language to export, e.g. si.")],
    questions: Annotated[list[Path] | None, typer.Option(help="Your own questions, in the bench's format.")] = None,
    variant: Annotated[str | None, typer.Option(help="A model that writes questions from your documents.")] = None,
    check_by: Annotated[str, typer.Option(help="Who must answer a written question from its passage.")] = "extractive",
    keep_out: Annotated[
        list[Path] | None, typer.Option(help="Sets that you evaluate on; more than one may be.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder, or FILE.jsonl; var/sft/<lang> without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many answered rows.")] = None,
    seed: Annotated[int, typer.Option(help="Of the splits, the order of passages and the sample.")] = 0,
    validation: Annotated[float, typer.Option(min=0, max=0.5, help="Share of documents for validation.")] = 0.1,
    abstentions: Annotated[float, typer.Option(min=0, max=0.9, help="Share of rows that must abstain.")] = 0.25,
    max_tokens: Annotated[int, typer.Option(min=256, help="Longest row, by the estimate from above.")] = 4096,
    shape: Annotated[Shape, typer.Option(help="The rows' fields.")] = "messages",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write a training set (TRL, Unsloth) from indexed documents, without what is evaluated on: docs/finetune.md."""
    console = Console(stderr=True)
    try:
        settings, pack = Settings(), language(lang)
        if not questions and not variant:
            raise SettingsError("there is nothing to ask", "give --questions FILE, or --variant e4b to write questions")
        brought = [d for path in questions or [] for d in read_questions(path, pack.code)]
        exporter = Exporter(
            settings,
            pack,
            Retriever(make_indexes(settings), make_embedder(settings)),
            read_keep_out(settings, keep_out or [], pack.code),
            Plan(seed, validation, abstentions, limit),
            max_tokens,
        )
        rows, left_out, shelf, leaks = exporter.run(brought, variant, check_by, console)
        made = {"seed": seed, "k": settings.k, "prompts": VERSION, "embedder": exporter.retriever.embedder.name}
        made |= {"questions": ", ".join(map(str, questions or [])) or "none brought"}
        made |= {"written by": ", ".join(sorted({r.source for r in rows} - {"brought"})) or "no model"}
        made |= {"asked back": check_by} if variant else {}
        if not any(r.split == "train" for r in rows):
            why = ", ".join(f"{reason} {number}" for reason, number in reasons(left_out).items())
            raise CorpusFormatError("no row is left to train on", f"left out: {why}; bring other documents")
        files = files_of(out or settings.data_dir / "sft" / pack.code)
        report = write(files, rows, left_out, shelf, leaks, exporter, made, shape)
    except (MlragError, ValueError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
    _show(report, files, as_json)


def _show(report: Mapping[str, Any], files: Files, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, ensure_ascii=False))  # noqa: T201
        return
    console = Console()
    for split, found in report["statistics"].items():
        shown = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in found.items() if k != "kinds")
        console.print(f"{split}: {shown}", markup=False, highlight=False, soft_wrap=True)
    for reason, number in report["left_out_by_reason"].items():
        console.print(f"left out, {reason}: {number}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{files.train}, {files.validation}; card: {files.card}; {files.leaks}", markup=False, soft_wrap=True)
