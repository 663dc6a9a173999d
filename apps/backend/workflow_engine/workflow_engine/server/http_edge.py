"""HTTP: REST, pages, forms, chats, MCP and webhooks on one port."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack

from starlette.routing import BaseRoute

from workflow_engine.api import oauth, pages, sign_in, tls
from workflow_engine.api.edge import HttpServer, application
from workflow_engine.api.mcp import McpServer
from workflow_engine.api.middleware import middleware
from workflow_engine.api.openapi import routes as openapi
from workflow_engine.api.public.chat import ChatPages
from workflow_engine.api.public.forms import FormPages
from workflow_engine.api.public.tasks import TaskPages
from workflow_engine.api.rest.routes import Gateway
from workflow_engine.api.webhooks import Webhooks
from workflow_engine.core.signing import Signer
from workflow_engine.server.front import Front


def http_server(front: Front, stack: AsyncExitStack) -> HttpServer:
    """The edge, still to be opened; `stack` closes what it holds besides."""
    settings = front.there.settings
    webhooks = Webhooks(
        front.triggers,
        front.listeners,
        front.runtime,
        front.there.definitions,
        front.there.clock,
        front.there.blobs,
        front.there.vault.open,
        settings.http_max_body_bytes,
    )
    return HttpServer(
        application(_routes(front, stack), middleware(settings)),
        settings.http_host,
        settings.http_port,
        tls.for_http(settings),
        webhooks.doors(),
    )


def _routes(front: Front, stack: AsyncExitStack) -> list[BaseRoute]:
    """Every room of api/ adds its routes here; the first that fits serves a request."""
    there, settings = front.there, front.there.settings
    agents = McpServer(front.calls, front.servicers, front.door, settings)
    stack.push_async_callback(agents.close)
    # Pages need to know their own tokens again, if only until the server is started anew.
    keys = settings.secret_keys if settings.secret_key.get_secret_value() else (secrets.token_hex(32), [])
    forms = FormPages(front.triggers, front.runtime, there.blobs, Signer("form files", *keys))
    chats = ChatPages(front.triggers, front.runtime, there.definitions, front.desk, Signer("chat replies", *keys))
    return [
        *oauth.routes(front.integrations, front.door),
        *Gateway(front.calls, front.servicers, front.door, settings, there.clock).routes(),
        *openapi.routes(),
        *agents.routes(),
        *sign_in.routes(front.people, front.door.issuer, front.public_url),
        *TaskPages(front.backend, front.desk, front.links).routes(),
        *forms.routes(),
        *chats.routes(),
        *pages.routes(),
    ]
