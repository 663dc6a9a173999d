"""The web editor: files that apps/frontend builds into `static/`, and the page for every address inside it."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent / "static"
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""What the build compresses beside each file, best first."""
COMPRESSED: Final = tuple(suffix for _, suffix in ENCODINGS)
PAGE: Final = "index.html"
SECURITY: Final = {
    # Scripts are ours alone; React and CodeMirror write styles into the page.
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Workflow Engine</title>
<body style="font:16px/1.5 system-ui;max-width:36em;margin:15vh auto;padding:0 1em">
<h1>The editor is not built</h1><p>The engine runs, and its API is at <code>/v1</code>. <code>make ui</code> builds the
editor from <code>apps/frontend</code>; it takes Node.js 20 or newer, or brings one.</p></body></html>"""


def routes(folder: Path = STATIC) -> list[BaseRoute]:
    """They take every address that is left, so they come last."""
    pages = Pages(folder)

    async def page(request: Request) -> Response:
        return await pages.get_response(request.path_params["path"], request.scope)

    return [Route("/{path:path}", page, name="pages")]


class Pages(StaticFiles):
    """Built files for ever, everything else asked for anew; addresses without a file are the editor's own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if self._is_file(path) and not path.endswith(COMPRESSED) and not path.startswith("."):
            return await self._file(path, scope)
        # The front page is for everyone. Of the editor's other addresses only a person's browser asks for the page; a
        # program, or a script tag, learns that there is nothing.
        if path and "text/html" not in Headers(scope=scope).get("accept", ""):
            raise HTTPException(404)
        if not self._is_file(PAGE):
            return HTMLResponse(NOT_BUILT, 503, headers=SECURITY)
        return await self._file(PAGE, scope)

    def _is_file(self, path: str) -> bool:
        found, stat = self.lookup_path(path)
        return stat is not None and os.path.isfile(found)

    async def _file(self, path: str, scope: Scope) -> Response:
        accepted = Headers(scope=scope).get("accept-encoding", "")
        for encoding, suffix in ENCODINGS:
            if encoding in accepted and self._is_file(path + suffix):
                response = await super().get_response(path + suffix, scope)
                response.headers["content-encoding"] = encoding
                break
        else:
            response = await super().get_response(path, scope)
        response.headers["vary"] = "accept-encoding"
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
        response.headers["content-type"] = f"{kind}; charset=utf-8" if text else kind
        lasting = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        response.headers["cache-control"] = lasting
        response.headers.update(SECURITY)
        return response
