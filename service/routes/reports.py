"""Evaluation reports, as the commands of `eval` wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
import regex
from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response

from service.dependencies import Dependencies, Deps
from service.errors import JSON
from service.schemas.error_responses import errors
from service.schemas.mlrag import RunReply
from service.templating import PageLanguage, render_page

router = APIRouter(prefix="/reports", tags=["reports"])
_NAME = regex.compile(r"[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.-]{0,199}")


def _reports_folder(deps: Dependencies) -> Path:
    return deps.settings.data_dir / "reports"


def _list_runs(root: Path) -> list[dict[str, object]]:
    """Return every run with its files; names that `_NAME` does not match are not shown."""
    runs: list[dict[str, object]] = []
    for run in sorted(root.iterdir()) if root.is_dir() else ():
        if run.is_dir() and _NAME.fullmatch(run.name):
            paths = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
            files = sorted(path.as_posix() for path in paths if _is_public(path.parts))
            runs.append({"run": run.name, "files": files})
    return runs


def _is_public(parts: Sequence[str]) -> bool:
    return all(_NAME.fullmatch(part) for part in parts)


def _resolve(root: Path, name: str) -> Path:
    """Return the file of this name below the folder, for a folder its index.html. Raises HTTPException."""
    parts = name.split("/")
    path = root.joinpath(*parts) if _is_public(parts) else None
    if path is not None and path.is_dir():
        path = path / "index.html"
    if path is None or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise HTTPException(404, f"no report {name!r}")
    return path


@router.get("", response_class=JSON, responses={200: {"model": list[RunReply], "content": {"text/html": {}}}})
async def list_reports(deps: Deps, request: Request, lang: PageLanguage = "") -> Response:
    """Every run that has a report, with its files; as a page where text/html is accepted."""
    runs = await anyio.to_thread.run_sync(_list_runs, _reports_folder(deps), limiter=deps.limiter)
    if "text/html" in request.headers.get("accept", ""):
        return render_page(request, "reports", lang, runs=runs)
    return JSON(runs)


@router.get(
    "/{name:path}",
    response_class=FileResponse,
    responses={200: {"description": "The file.", "content": {"*/*": {}}}, **errors(404)},
)
async def get_report(
    deps: Deps,
    name: Annotated[str, InPath(description="run/file, or run for its first page.", examples=["dd3394011a/ta.html"])],
) -> Response:
    """One file of a report."""
    path = await anyio.to_thread.run_sync(_resolve, _reports_folder(deps), name.rstrip("/"), limiter=deps.limiter)
    return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})
