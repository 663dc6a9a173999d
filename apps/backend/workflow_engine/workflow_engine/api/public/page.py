"""How pages are put together and what they may do: nothing but show themselves and send their form back here."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from workflow_engine.api.public.words import Words
from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.context import Blobs

TEMPLATES = Path(__file__).parent / "templates"
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show by itself; anything else is only ever downloaded."""

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_STYLE = (TEMPLATES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    # The address is a key: nobody else is to be told of it, and nothing is to be kept of the page.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    "x-frame-options": "DENY",
}


def render(words: Words, template: str, status: int = 200, *, script: str = "", **values: Any) -> Response:
    """A page. `script` is a script of ours that may run on it."""
    own = {"style": Markup(_STYLE), "script": Markup(script)}  # noqa: S704 (files of ours)
    html = _environment.get_template(template).render(words=words, **own, **values)
    headers = {**_HEADERS, "content-language": words.html_lang, "content-security-policy": _policy(script)}
    return HTMLResponse(html, status, headers)


def message(words: Words, key: str, status: int, **values: Any) -> Response:
    """A page that only says something: `key` is its title, `key_text` its text."""
    return render(words, "message.html", status, title=words(key), text=words(f"{key}_text"), tone="plain", **values)


def _policy(script: str) -> str:
    own = (
        f" script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}';" if script else ""
    )
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}';{own} img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def is_foreign(request: Request) -> bool:
    """Whether another site's page sent this form. Browsers say so; what is no browser has no reason to lie."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    # `null` is what our own no-referrer policy makes of a form's origin in browsers without Sec-Fetch-Site.
    return origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host")


def download(ref: BinaryRef, blobs: Blobs) -> Response:
    """A file, which the browser shows only when it is a picture that can do nothing else."""
    is_shown = ref.media_type in INLINE
    name = quote(ref.file_name or "file", safe="")
    return StreamingResponse(
        blobs.read(ref),
        media_type=ref.media_type if is_shown else "application/octet-stream",
        headers={
            **_HEADERS,
            "content-length": str(ref.size),
            "content-disposition": f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{name}",
            "content-security-policy": "default-src 'none'; sandbox",
        },
    )


def size_in_words(size: int) -> str:
    """`512 B`, `3.4 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


_environment.filters["size"] = size_in_words
