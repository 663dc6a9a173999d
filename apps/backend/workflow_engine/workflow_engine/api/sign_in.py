"""Signing in at the OIDC issuer with a browser: `GET /sign-in/oidc`, and `GET /sign-in/oidc/callback` to come back to.

The authorization code flow with PKCE. What has to fit on the way back is in a cookie of the browser that left.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import aiohttp
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from workflow_engine.api.rest.context import HttpContext
from workflow_engine.api.rest.problems import problem
from workflow_engine.api.rest.routes import incoming
from workflow_engine.core.logging import get_logger
from workflow_engine.services.access.accounts import Accounts
from workflow_engine.services.access.oidc import Issuer
from workflow_engine.services.errors import ServiceError

log = get_logger(__name__)
START, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"
COOKIE = "workflow_engine_oidc"
TIME = 600
"""Seconds that a person may take at the issuer."""


def routes(accounts: Accounts, issuer: Issuer | None, public_url: Callable[[], str]) -> list[BaseRoute]:
    """None without an issuer that knows us as a client."""
    if issuer is None or not issuer.client_id:
        return []

    def is_secure() -> bool:
        return public_url().startswith("https:")

    async def start(request: Request) -> Response:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        back = request.query_params.get("to", "/")
        # Only to a page of ours: `//host` and `/\\host` lead elsewhere.
        back = back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"
        try:
            endpoint = str((await issuer.metadata())["authorization_endpoint"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            log.error("oidc_start_failed", error=repr(error))
            return problem(503, "the sign-in service can not be reached; try again later")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": public_url() + CALLBACK,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", 303)
        kept = urlencode({"state": state, "nonce": nonce, "verifier": verifier, "to": back})
        encoded = base64.urlsafe_b64encode(kept.encode()).decode()
        response.set_cookie(
            COOKIE, encoded, max_age=TIME, httponly=True, secure=is_secure(), samesite="lax", path=START
        )
        return response

    async def callback(request: Request) -> Response:
        kept, asked = _kept(request), request.query_params
        if not kept.get("state") or not hmac.compare_digest(kept["state"].encode(), asked.get("state", "").encode()):
            return problem(400, "this browser did not ask to sign in, or it was too long ago; start again")
        if error := asked.get("error"):
            return problem(400, f"the sign-in service says: {error[:200]} {asked.get('error_description', '')[:500]}")
        try:
            token = await issuer.redeem(asked.get("code", ""), kept["verifier"], public_url() + CALLBACK)
            person = await issuer.verified(token, audience=issuer.client_id, nonce=kept["nonce"])
        except ServiceError as refused:
            log.info("oidc_refused", reason=refused.reason, message=refused.message)
            return problem(400, refused.message)
        now = accounts.clock.now_ms()
        user = (await accounts.change(lambda connection: person.known_to(connection, now))).user
        if user.disabled:
            return problem(403, f"{user.email} is shut out; ask an admin of this server")
        came = incoming(request)
        session, ends = await accounts.open_session(user.id, user_agent=came.user_agent, address=came.address)
        response = RedirectResponse(kept["to"], 303)
        context = HttpContext()
        context.keep_session(session.text, ends)
        context.write_cookies(response, now=now, secure=is_secure())
        response.delete_cookie(COOKIE, path=START)
        log.info("signed_in", user=user.email)
        return response

    return [Route(START, start), Route(CALLBACK, callback)]


def _kept(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl(base64.urlsafe_b64decode(request.cookies.get(COOKIE, "")).decode()))
    except ValueError:
        return {}
