"""Where a person comes back to after granting access: `GET /oauth/callback`."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.rest.routes import incoming
from workflow_engine.core.logging import get_logger
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.services.access.callers import STRANGER, act_for
from workflow_engine.services.access.door import Door
from workflow_engine.services.calls import check
from workflow_engine.services.errors import ServiceError, known
from workflow_engine.services.rpcs import RPCS

if TYPE_CHECKING:
    from workflow_engine.services.integration_service import IntegrationService

log = get_logger(__name__)
PATH = "/oauth/callback"
RPC = RPCS["/engine.v1.IntegrationService/CompleteOAuth"]
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<body style="font: 16px system-ui; max-width: 32rem; margin: 4rem auto; padding: 0 1rem">
<h1>{title}</h1>
<p>{text}</p>
</body>
</html>
"""
_HEADERS = {
    # The address holds a code; nobody is to be told of it, and the page needs nothing but its own style.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def routes(service: IntegrationService, door: Door) -> list[BaseRoute]:
    """The callback. Whoever comes proves by the state that they were sent there, and by their session that it was they
    who began.
    """

    async def callback(request: Request) -> Response:
        asked = request.query_params
        if error := asked.get("error"):
            why = f"{error[:200]}: {asked.get('error_description', '')[:500]}".rstrip(": ")
            return _page(400, "Access was not granted", f"The provider says: {why}")
        completing = it.CompleteOAuthRequest(state=asked.get("state", ""), code=asked.get("code", ""))
        came = incoming(request)
        try:
            caller = await door.recognise(RPC, came)
        except ServiceError:
            caller = STRANGER
        act_for(caller, came)
        try:
            check(completing)
            done = await service.CompleteOAuth(completing, None)
        except Exception as failed:
            refusal = known(failed)
            if refusal is None:
                log.exception("oauth_callback_failed")
                return _page(500, "Not connected", "The server has made a mistake; its log says which.")
            log.info("oauth_refused", reason=refusal.reason, message=refusal.message)
            return _page(400, "Not connected", refusal.message)
        return _page(200, "Connected", f"{done.credential.name} is connected. You can close this window.")

    return [Route(PATH, callback)]


def _page(status: int, title: str, text: str) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text)), status, _HEADERS)
