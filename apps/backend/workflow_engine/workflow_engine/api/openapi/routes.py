"""/openapi.json, and /docs: a page to read it and to try it, all of it from this server."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.openapi.document import document

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Workflow Engine: REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
START = """\
const csrf = () => document.cookie.match(/(?:^|; )workflow_engine_csrf=([^;]*)/)?.[1];
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  filter: true,
  docExpansion: "none",
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  requestInterceptor: (request) => {
    if (csrf() && request.method !== "GET") request.headers["X-CSRF-Token"] = csrf();
    return request;
  },
});
"""
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def routes() -> list[BaseRoute]:
    folder = _files()

    async def openapi(request: Request) -> Response:
        return Response(_text(), media_type="application/json")

    async def docs(request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"content-security-policy": POLICY})

    async def start(request: Request) -> Response:
        return Response(START, media_type="text/javascript")

    async def script(request: Request) -> Response:
        return FileResponse(folder / "js" / "swagger-ui-bundle.js", headers={"cache-control": "max-age=86400"})

    async def style(request: Request) -> Response:
        return FileResponse(folder / "css" / "swagger-ui.css", headers={"cache-control": "max-age=86400"})

    return [
        Route("/openapi.json", openapi),
        Route("/docs", docs),
        Route("/docs/start.js", start),
        Route("/docs/swagger-ui-bundle.js", script),
        Route("/docs/swagger-ui.css", style),
    ]


@cache
def _text() -> bytes:
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()


def _files() -> Path:
    """Where star-openapi-swagger keeps Swagger UI; we take its files and import none of its code."""
    found = find_spec("star_openapi_swagger")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "templates" / "swagger"
