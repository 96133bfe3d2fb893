"""Evaluation reports, as the bench wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import regex
from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response

from service.dependencies import Parts, PartsDep
from service.errors import JSON
from service.schemas.error_responses import errors
from service.schemas.mlrag import RunReply
from service.templating import LANG, page

router = APIRouter(prefix="/reports", tags=["reports"])
_NAME = regex.compile(r"[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.-]{0,199}")


def _folder(parts: Parts) -> Path:
    return parts.settings.data_dir / "reports"


def _runs(root: Path) -> list[dict[str, object]]:
    runs = sorted(p for p in root.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)) if root.is_dir() else []
    return [{"run": p.name, "files": _files(p)} for p in runs]


def _files(run: Path) -> list[str]:
    names = (p.relative_to(run) for p in run.rglob("*") if p.is_file())
    return sorted(n.as_posix() for n in names if all(_NAME.fullmatch(part) for part in n.parts))


def _inside(root: Path, name: str) -> Path:
    """The file of this name below the folder. Raises HTTPException for any that is not plainly one."""
    parts = name.split("/")
    path = root.joinpath(*parts) if all(_NAME.fullmatch(part) for part in parts) else None
    if path is not None and path.is_dir():
        path = path / "index.html"
    if path is None or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise HTTPException(404, f"no report {name!r}")
    return path


@router.get("", response_class=JSON, responses={200: {"model": list[RunReply], "content": {"text/html": {}}}})
async def list_reports(parts: PartsDep, request: Request, lang: LANG = "") -> Response:
    """Every run that has a report, with its files; a page for who accepts text/html."""
    runs = await anyio.to_thread.run_sync(_runs, _folder(parts), limiter=parts.workers)
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "reports", lang, runs=runs)
    return JSON(runs)


@router.get(
    "/{name:path}",
    response_class=FileResponse,
    responses={200: {"description": "The file.", "content": {"*/*": {}}}, **errors(404)},
)
async def get_report(
    parts: PartsDep,
    name: Annotated[str, InPath(description="run/file, or a run: its first page.", examples=["dd3394011a/ta.html"])],
) -> Response:
    """One file of a report."""
    path = await anyio.to_thread.run_sync(_inside, _folder(parts), name.rstrip("/"), limiter=parts.workers)
    return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})
