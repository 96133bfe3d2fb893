"""The `mlrag` command. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from mlrag.answering.serialize import wire
from mlrag.cli.doctor import doctor
from mlrag.cli.keys import app as keys_app
from mlrag.cli.languages import app as languages_app
from mlrag.cli.languages import show_settings
from mlrag.cli.route import route
from mlrag.console import exit_on_error
from mlrag.errors import SettingsError
from mlrag.settings import Settings
from mlrag.types import Answer

app = typer.Typer(
    help="Answers from your own documents, in your own language, each claim cited.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(languages_app, name="languages")
app.add_typer(keys_app, name="keys")
_out, _err = Console(), Console(stderr=True)


def _corpora_folder(settings: Settings) -> Path:
    """Return the folder of `settings.corpora`. Raises SettingsError where it does not exist."""
    if not settings.corpora.is_dir():
        raise SettingsError(
            f"there is no folder {settings.corpora} with documents", "name some: mlrag index PATH, or set MLRAG_CORPORA"
        )
    return settings.corpora


@app.command()
def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; without any, the corpora folder.")
    ] = None,
    lang: Annotated[str | None, typer.Option(help="Their language; else the front matter's, else detected.")] = None,
    rebuild: Annotated[bool, typer.Option(help="Delete the existing indexes and start anew.")] = False,
    watch: Annotated[bool, typer.Option(help="Go on until stopped, and index what changes.")] = False,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help='Read and embed on a Ray cluster: "auto", "local", HOST:6379.')
    ] = "",
) -> None:
    """Make documents searchable. Skip unchanged files; remove documents of a folder whose file was deleted."""
    from mlrag.cli.index import index_paths, watch_paths
    from mlrag.factory import make_indexes

    with exit_on_error():
        settings = Settings()
        if watch and ray:
            raise SettingsError("--watch indexes on this machine alone", "leave out --ray or --watch")
        paths = paths or [_corpora_folder(settings)]
        if rebuild:
            make_indexes(settings).clear()
        if watch:
            watch_paths(settings, paths, lang, _err)
        elif index_paths(settings, paths, lang, _err, ray=ray):
            raise typer.Exit(1)


@app.command()
def migrate(
    source: Annotated[str, typer.Option("--from", help='"sqlite", "postgresql", or postgresql://… itself.')],
    target: Annotated[str, typer.Option("--to", help="The same.")],
) -> None:
    """Copy every index to another storage backend and compare both. Run it again after it was stopped.

    "sqlite" is the folder below data_dir; "postgresql" is store_url, which keeps a password out of the command line.
    """
    from mlrag.factory import open_indexes
    from mlrag.ingest.migrate import migrate

    with exit_on_error():
        settings = Settings()
        urls = {"sqlite": "", "postgresql": settings.store_url.get_secret_value()}
        if "postgresql" in (source, target) and not urls["postgresql"]:
            raise SettingsError('"postgresql" needs store_url', "set MLRAG_STORE_URL=postgresql://USER@HOST/DATABASE")
        old, new = (open_indexes(settings, urls.get(backend, backend)) for backend in (source, target))
        for done in migrate(old, new):
            counts = f"{done.counts.documents} documents, {done.counts.passages} passages, checksums equal"
            _err.print(f"{done.lang}: {done.copied} copied, {done.unchanged} existed already; both hold {counts}")


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

    with exit_on_error(ValueError):
        settings = Settings()
        name = with_thinking(variant or settings.variant, think)
        answer = make_pipeline(settings, variant=name).ask(question, lang, k=k)
    if as_json:
        print(json.dumps(wire(answer), ensure_ascii=False, indent=1))  # noqa: T201
    else:
        _print_answer(answer)


def _print_answer(answer: Answer) -> None:
    """The text and its citations on stdout; the model, the host and the warnings on stderr."""
    _out.print(answer.text, markup=False)
    for number, c in enumerate(answer.citations, 1):
        _out.print(f"  [{number}] {c.doc_id} {c.start}-{c.end}", markup=False, style="dim")
    answered_by = f"answered by {answer.model}"
    if answer.left_machine:
        host = answer.host or "the embedder or the document store"
        answered_by += f", which went to {host}: not this machine"
    _err.print(answered_by, markup=False, style="dim")
    for warning in answer.warnings:
        _err.print(str(warning), markup=False, style="yellow")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
) -> None:
    """Index corpora/ if needed, then answer over HTTP."""
    from mlrag.cli.index import index_paths
    from mlrag.factory import make_keys, start_embedder

    with exit_on_error(OSError):
        settings = Settings()
        given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        settings = settings.model_copy(update=given)
        service = _import_from_checkout("service.app", "service")
        service.check_binding(settings, make_keys(settings))
        embedder = start_embedder(settings)
        if settings.corpora.is_dir():
            index_paths(settings, [settings.corpora], None, _err, embedder)
        else:
            _err.print(f"no folder {settings.corpora}: nothing is indexed at start", style="dim", markup=False)
        service.run(settings, embedder)


@app.command(
    "export-sft",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def export_sft(context: typer.Context) -> None:
    """Write a training set from your documents, without what is evaluated on; --help says how."""
    with exit_on_error():
        command = _import_from_checkout("eval.sft.command", "eval")
    command.app(context.args, prog_name="mlrag export-sft")


def _import_from_checkout(module: str, extra: str) -> Any:
    """A module of `service` or `eval`. They import mlrag, so mlrag imports them by name, at run time.

    Raises SettingsError where the package or something that it needs is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{module} cannot be imported: there is no module {error.name}",
            f"run it in a checkout of the repository, after: pip install -e '.[{extra}]'",
        ) from error


app.command()(route)
app.command("settings")(show_settings)
app.command()(doctor)
