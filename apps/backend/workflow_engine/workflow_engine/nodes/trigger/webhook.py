"""trigger.webhook: another system calls."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, field_validator, model_validator

from workflow_engine.nodes.credentials import HttpBasic, HttpHeader
from workflow_engine.nodes.flow.durations import Duration
from workflow_engine.nodes.spec import CredentialSlot, Field, Parameters
from workflow_engine.nodes.trigger.base import HttpTrigger, TriggerParameters, compiled

PREFIX, TEST_PREFIX = "/webhooks", "/webhooks-test"
MIB = 1024 * 1024
_SEGMENT = re.compile(r":[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9._~!$&'()*+,;=@-]+")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
Verify = Literal["none", "header", "basic", "jwt", "standard_webhooks", "github", "stripe", "slack"]


def _path(path: str) -> str:
    path = path.strip("/")
    segments = path.split("/") if path else []
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise ValueError(f"{segment!r} can not stand in a path; a parameter is written :name")
    names = [segment for segment in segments if segment.startswith(":")]
    if len(names) > len(set(names)):
        raise ValueError("two of its parameters have one name")
    return path


class Jwt(Parameters):
    """What a token must be like."""

    algorithms: list[Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"]] = Field(
        default=["HS256"], min_length=1
    )
    """How it may be signed: HS with a shared secret, the others with a key pair; the credential has its public half."""
    audience: str = Field(default="", max_length=500)
    """Whom it must be meant for; anyone when empty."""
    issuer: str = Field(default="", max_length=500)
    """Who must have issued it; anyone when empty."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Jwt:
        # Whoever knows a public key could sign with it as if it were a shared secret.
        if len({name.startswith("HS") for name in self.algorithms}) > 1:
            raise ValueError("algorithms must be all HS or all of a key pair")
        return self


class WebhookParameters(TriggerParameters):
    """Where it is called, by whom, and what the caller gets."""

    path: Annotated[str, Field(max_length=500), AfterValidator(_path)] = ""
    """The path behind `/webhooks/`, such as `orders/:id`; a segment that starts with a colon is a parameter, found in
    `json.params`. When left out it is one that nobody can guess."""
    methods: list[Method] = Field(default=["POST"], min_length=1)
    """The HTTP methods that it answers."""
    verify: Verify = "none"
    """How a call proves where it comes from; the credential `secret` has what it takes. `header`: a header's value.
    `basic`: user and password. `jwt`: a signed bearer token. The others check a signature of the body, as the Standard
    Webhooks specification, GitHub, Stripe and Slack make it."""
    tolerance: Duration = Field(default=300_000, le=86_400_000)
    """How old, or ahead of its time, a signed call may be; older ones may have been recorded and sent again."""
    jwt: Jwt = Jwt()
    """For `verify: jwt`."""
    delivery_id: str = Field(default="", max_length=10_000)
    """CEL that names the delivery, such as `json.headers['x-request-id']`: what comes again under one name starts
    nothing. By default what the scheme of `verify` has for it; without one, calls are never taken for repetitions."""
    respond: Literal["at_once", "when_finished", "respond_node", "streaming"] = "at_once"
    """When the caller is answered. `at_once`: with 202 when the call is stored. `when_finished`: with the result.
    `respond_node`: by the first flow.respond that runs. `streaming`: with the items of every flow.respond, a JSON line
    each, as they come (as server-sent events when the caller accepts those)."""
    response_timeout: Duration = Field(default=60_000, ge=1_000, le=3_600_000)
    """How long a caller waits for an answer; then it gets 202 and the execution goes on."""
    answer: Literal["items", "file", "none"] = "items"
    """What a result is answered with: its items (a single one as an object), its first file, or nothing."""
    raw: bool = False
    """Keeps the body as it came too, as the file `body`."""
    max_body: int = Field(default=16 * MIB, ge=0, le=256 * MIB)
    """Most bytes of a body; a longer one is refused with 413. The server's own limit holds as well."""
    rate_limit: int = Field(default=0, ge=0, le=1_000_000)
    """Most calls in a minute; further ones are refused with 429. 0 for no limit."""
    allowed_origins: list[str] = Field(default=["*"], max_length=100)
    """Web pages of these origins may call it from a browser; `*` for any."""

    @field_validator("delivery_id")
    @classmethod
    def _compiles(cls, source: str) -> str:
        if source:
            try:
                compiled(source)
            except Exception as wrong:
                raise ValueError(f"it is no CEL: {wrong}") from None
        return source

    @field_validator("methods")
    @classmethod
    def _each_once(cls, methods: list[Method]) -> list[Method]:
        return list(dict.fromkeys(methods))


class WebhookTrigger(HttpTrigger[WebhookParameters]):
    """Starts the workflow when its URL is called: `PUBLIC_URL/webhooks/<path>` for the published version, and
    `PUBLIC_URL/webhooks-test/<path>` for the draft, once, while someone listens in the editor.

    Its item is `{"method", "path", "params", "query", "headers", "body"}`. The body has the type that the call says:
    JSON and forms are values, XML is an object, text is text, files of a form and everything else are files in
    `item.binary`. Headers are in lower case; those that carry secrets (Authorization, Cookie, the one that is verified)
    are left out. A token's claims are in `json.claims`.

    A call is stored before it is answered. So a caller who has got an answer need not repeat the call, whatever happens
    to the server; one who has got none should, and `delivery_id` makes that harmless.
    """

    type = "trigger.webhook"
    mode = "webhook"
    summary = "Starts when its URL is called."
    example = {"path": "orders/:id", "methods": ["POST"], "verify": "standard_webhooks"}
    credentials = (CredentialSlot("secret", (HttpHeader.type, HttpBasic.type, "crypto_key")),)
    literals = frozenset({"condition", "delivery_id"})

    def routes(self, parameters: WebhookParameters, trigger_id: str) -> list[str]:
        return [f"{method} {PREFIX}/{parameters.path or trigger_id}" for method in parameters.methods]
