"""The API reference: Swagger UI from an installed package, not from a CDN."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.middleware.security_headers import nonce

router = APIRouter(include_in_schema=False)
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon-32x32.png": "image/png"}


@router.get("/docs")
async def reference(request: Request) -> HTMLResponse:
    """Show every route and field, to try out."""
    script, style, icon = (str(request.url_for("swagger", name=name).path) for name in _FILES)
    page = get_swagger_ui_html(
        openapi_url=request.scope.get("root_path", "").rstrip("/") + request.app.openapi_url,
        title="mlrag API",
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
    )
    return HTMLResponse(bytes(page.body).replace(b"<script>", f'<script nonce="{nonce()}">'.encode()))


@router.get("/docs/{name}", name="swagger")
async def swagger(name: str) -> Response:
    """Serve a file of Swagger UI."""
    if name not in _FILES:
        raise HTTPException(404)
    content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    return Response(content, media_type=_FILES[name], headers={"Cache-Control": "max-age=86400"})
