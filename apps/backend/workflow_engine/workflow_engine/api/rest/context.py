"""What a servicer that is called in this process gets where gRPC would hand it a ServicerContext."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from workflow_engine.services.access.tokens import csrf_of

SESSION_COOKIE = "workflow_engine_session"
CSRF_COOKIE = "workflow_engine_csrf"


class HttpContext:
    """The part of a ServicerContext that makes sense without gRPC, and the cookies of the answer.

    Refusals are exceptions: what is set as code and details is what the generated bases say before they raise.
    """

    def __init__(self) -> None:
        self._session: tuple[str, int] | None = None

    def set_code(self, code: Any) -> None: ...

    def set_details(self, details: str) -> None: ...

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def cancelled(self) -> bool:
        """Never: a call whose client has gone away is cancelled as a task."""
        return False

    def keep_session(self, token: str, expires_at: int) -> None:
        """Has the browser keep a session; `expires_at` in epoch milliseconds."""
        self._session = token, expires_at

    def drop_session(self) -> None:
        """Has the browser forget its session."""
        self._session = "", 0

    def write_cookies(self, response: Response, *, now: int, secure: bool) -> None:
        if self._session is None:
            return
        token, expires_at = self._session
        for name, value, scripts_may_read in (
            (SESSION_COOKIE, token, False),
            # A page of ours sends it back in a header, which a page of another site can not.
            (CSRF_COOKIE, csrf_of(token) if token else "", True),
        ):
            response.set_cookie(
                name,
                value,
                max_age=max(0, (expires_at - now) // 1000),
                httponly=not scripts_may_read,
                secure=secure,
                samesite="lax",
            )
