"""Which pages may call: those that this server serves, and those of the origins that the settings name.

A server without users trusts whoever reaches it on loopback; but every page that its owner's browser shows reaches it
too, and a name that somebody else owns may be made to point here. So a page of another site is refused by its Origin,
and a server without users answers to its own names only.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from workflow_engine.core.config import Settings
from workflow_engine.services.errors import ServiceError

SAFE = ("GET", "HEAD", "OPTIONS")


class Origins:
    def __init__(self, settings: Settings) -> None:
        self._named = {each.rstrip("/").lower() for each in settings.cors_origins}
        self._is_protected = settings.allow_unauthenticated
        self._public = urlsplit(settings.public_url)
        self._hosts = {"localhost", settings.http_host.lower(), (self._public.hostname or "").lower()} - {""}

    def check(self, request: Request, *, is_open: bool, acts: bool = False) -> None:
        """Raises ServiceError for a page that may not call. `is_open` is a server without users; `acts` is said of what
        does something although it is only asked for.
        """
        host = request.headers.get("host", "").lower()
        if is_open and not self._is_protected and not self._is_ours(urlsplit(f"//{host}").hostname or ""):
            raise ServiceError(
                "ORIGIN_REFUSED",
                f"this server is not called {host[:200]!r}; it has no users yet, so it answers to its own names only: "
                "set PUBLIC_URL to the address that people use",
            )
        origin = request.headers.get("origin", "").lower()
        if origin in self._named:
            return
        if acts and request.headers.get("sec-fetch-site") == "cross-site":
            raise ServiceError(
                "ORIGIN_REFUSED", "pages of other sites may not call this; CORS_ORIGINS names those that may"
            )
        if request.method in SAFE or not origin:
            return
        ours = {f"{request.url.scheme}://{host}", f"{self._public.scheme}://{self._public.netloc}".lower()}
        if origin not in ours:
            raise ServiceError(
                "ORIGIN_REFUSED", f"pages of {origin[:200]} may not call this server; CORS_ORIGINS names those that may"
            )

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts:
            return True
        try:
            # Nobody can make an address point elsewhere.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
