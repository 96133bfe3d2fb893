"""The pages' templates: one frame around all, in the language of the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from mlrag.languages import languages
from service.headers import nonce

LANG = Annotated[str, Query(description="The language of the page; English where there is no such.", examples=["ta"])]
NAV = (("ask", "/"), ("documents", "/documents"), ("status", "/health"), ("reports", "/reports"))
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
)
_templates.globals["nonce"] = nonce


def page(title: str, lang: str, **values: Any) -> HTMLResponse:
    """A page; `title` is its key in NAV, and its template's name."""
    packs = languages()
    pack = packs.get(lang) or packs["en"]
    by_code = {p.code: {"endonym": p.endonym, "direction": p.direction} for p in packs.values()}
    html = _templates.get_template(f"{title}.html").render(
        title=title, nav=NAV, pack=pack, fonts=packs.values(), packs_by_code=by_code, **values
    )
    return HTMLResponse(html)
