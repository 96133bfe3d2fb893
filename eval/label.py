"""python -m eval.label RUN_FOLDER --lang ta --rater NAME: a local page on which people label answers."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

import typer
import uvicorn
from jinja2 import Environment, FileSystemLoader, select_autoescape
from rich.console import Console
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from eval.judge.judge import fingerprint
from eval.judge.labels import CHOICES, HumanLabel, Labels, draw, measure_agreements
from eval.judge.prompts import rubric
from eval.judge.report import ratio
from eval.judge.rows import AnswerRow, VariantAnswers, read_answers
from mlrag.console import exit_on_error
from mlrag.errors import SettingsError
from mlrag.languages import Language, language

LOOPBACK = "127.0.0.1"
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "report" / "templates"), autoescape=select_autoescape(["html"])
)


@dataclass(frozen=True)
class Desk:
    """One rater's session: the rows of one language in drawn order, without the variant that answered."""

    rows: list[tuple[str, AnswerRow]]
    labels: Labels
    rater: str
    pack: Language

    def read_labels(self) -> dict[tuple[str, str], str]:
        return self.labels.read().get(self.rater, {})

    def page(self, at: int | None) -> str:
        """Render row number `at`, from 1; None: the first without a label."""
        labels = self.read_labels()
        keys = [(variant, fingerprint(row.item)) for variant, row in self.rows]
        first = next((n for n, key in enumerate(keys, 1) if key not in labels), len(keys) + 1)
        shown = first if at is None else min(max(1, at), len(keys) + 1)
        exists = shown <= len(keys)
        return _pages.get_template("label.html").render(
            pack=self.pack,
            fonts=", ".join(self.pack.font_stack),
            rater=self.rater,
            row=self.rows[shown - 1][1].item if exists else None,
            at=shown,
            key=keys[shown - 1][1] if exists else "",
            said=labels.get(keys[shown - 1]) if exists else None,
            done=sum(key in labels for key in keys),
            total=len(keys),
            choices=CHOICES,
            rubric=rubric(self.pack.code),
        )

    def add(self, at: int, key: str, label: str) -> None:
        """Store a label. Raises ValueError where row `at` is not the one that was shown, or the label is unknown."""
        variant, row = self.rows[at - 1] if 1 <= at <= len(self.rows) else ("", None)
        if row is None or fingerprint(row.item) != key:
            raise ValueError("this row is not the one that was shown; load the page again")
        self.labels.add(HumanLabel(self.rater, variant, row.example.id, key, label))


def make_app(desk: Desk) -> Starlette:
    """GET / shows a row, POST / stores its label. Other host names are refused, so no web page can reach it."""

    def show(request: Request) -> Response:
        asked = request.query_params.get("at", "")
        return HTMLResponse(desk.page(int(asked) if asked.isdecimal() else None))

    async def keep(request: Request) -> Response:
        form = {
            name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()
        }
        at = form.get("at", "")
        try:
            desk.add(int(at) if at.isdecimal() else 0, form.get("key", ""), form.get("label", ""))
        except ValueError as error:
            return PlainTextResponse(str(error), 400)
        return RedirectResponse("/", 303)

    routes = [Route("/", show), Route("/", keep, methods=["POST"])]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    return Starlette(routes=routes, middleware=[hosts])


def open_desk(parts: list[VariantAnswers], folder: Path, lang: str, rater: str) -> Desk:
    rows = draw([p for p in parts if p.lang == lang])
    return Desk(rows, Labels(folder, lang), rater, language(lang))


def report(folder: Path, parts: list[VariantAnswers], langs: list[str], console: Console) -> None:
    """Print the number of labels of each rater, and the agreement of each pair."""
    for lang in langs:
        for rater, labels in Labels(folder, lang).read().items():
            counts = ", ".join(f"{c} {sum(v == c for v in labels.values())}" for c in CHOICES)
            console.print(f"{lang}  {rater}: {len(labels)} labels ({counts})", markup=False, highlight=False)
        for a in measure_agreements(folder, parts, lang):
            console.print(
                f"{lang}  {a.first} and {a.second}: kappa {ratio(a.kappa)}, same label {a.same} of {a.kappa.n}",
                markup=False,
                highlight=False,
            )


def main(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, e.g. var/runs/NAME.")],
    lang: Annotated[str | None, typer.Option(help="Which language's answers; needed to label.")] = None,
    rater: Annotated[str | None, typer.Option(help="Your name; your account's without it.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8010,
    host: Annotated[str, typer.Option(help="127.0.0.1 and no other.")] = LOOPBACK,
    report_: Annotated[bool, typer.Option("--report", help="Show counts and agreement; label nothing.")] = False,
) -> None:
    """Label answers as right, wrong, abstained; --report shows how far raters agree."""
    console = Console(stderr=True)
    with exit_on_error(ValueError):
        parts = read_answers(folder, [lang] if lang else None)
        if report_:
            report(folder, parts, sorted({p.lang for p in parts}), Console())
            return
        desk = open_desk(parts, folder, _choose_language(lang, parts), rater or getpass.getuser())
        if host != LOOPBACK:
            raise SettingsError(f"the label page shows your documents and is not served on {host}", f"use {LOOPBACK}")
    console.print(f"http://{host}:{port}  ({desk.pack.endonym}, {len(desk.rows)} answers, rater {desk.rater})")
    uvicorn.run(make_app(desk), host=host, port=port, log_level="warning")


def _choose_language(lang: str | None, parts: list[VariantAnswers]) -> str:
    langs = sorted({p.lang for p in parts})
    if lang is None and len(langs) > 1:
        raise SettingsError(f"the run has answers in {', '.join(langs)}", "name one: --lang ta")
    return lang or langs[0]


if __name__ == "__main__":
    typer.run(main)
