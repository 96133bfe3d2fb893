"""Render the HTML pages in the language of the reader."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from mlrag.languages import languages
from service.middleware.security_headers import nonce

if TYPE_CHECKING:
    from jinja2 import Environment

PageLanguage = Annotated[
    str,
    Query(description="The page's language; by default, and where there is no such, the browser's.", examples=["ta"]),
]
_NAVIGATION = (("ask", "/"), ("documents", "/documents"), ("status", "/health"), ("reports", "/reports"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
    )
    environment.globals["nonce"] = nonce
    return environment


def render_page(request: Request, title: str, lang: str, **values: Any) -> HTMLResponse:
    """Render a page in `lang`, else in the browser's language, else in English.

    `title` is the name of its template and of its entry in the navigation.
    """
    packs = languages()
    pack = packs[lang if lang in packs else _preferred_language(request.headers.get("accept-language", ""))]
    by_code = {p.code: {"endonym": p.endonym, "direction": p.direction} for p in packs.values()}
    html = (
        _environment()
        .get_template(f"{title}.html")
        .render(title=title, nav=_NAVIGATION, pack=pack, fonts=packs.values(), packs_by_code=by_code, **values)
    )
    return HTMLResponse(html)


def _preferred_language(accepted: str) -> str:
    """Return the first accepted language with a pack, "ta-LK,ta;q=0.9,en;q=0.8" -> "ta"; "en" where there is none."""
    codes = (item.partition(";")[0].partition("-")[0].strip().lower() for item in accepted.split(","))
    return next((code for code in codes if code in languages()), "en")
