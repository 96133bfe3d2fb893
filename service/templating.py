"""The pages' templates: one frame around all, in the language of the reader."""

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

LANG = Annotated[
    str,
    Query(description="The page's language; without it, or where there is no such, the browser's.", examples=["ta"]),
]
NAV = (("ask", "/"), ("documents", "/documents"), ("status", "/health"), ("reports", "/reports"))


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
    )
    found.globals["nonce"] = nonce
    return found


def page(request: Request, title: str, lang: str, **values: Any) -> HTMLResponse:
    """A page; `title` is its key in NAV, and its template's name. In `lang`, else in the browser's, else in English."""
    packs = languages()
    pack = packs[lang if lang in packs else _preferred(request.headers.get("accept-language", ""))]
    by_code = {p.code: {"endonym": p.endonym, "direction": p.direction} for p in packs.values()}
    html = (
        _templates()
        .get_template(f"{title}.html")
        .render(title=title, nav=NAV, pack=pack, fonts=packs.values(), packs_by_code=by_code, **values)
    )
    return HTMLResponse(html)


def _preferred(accepted: str) -> str:
    """The first of a browser's languages that has a pack: "ta-LK,ta;q=0.9,en;q=0.8" -> "ta". English without one."""
    codes = (item.partition(";")[0].partition("-")[0].strip().lower() for item in accepted.split(","))
    return next((code for code in codes if code in languages()), "en")
