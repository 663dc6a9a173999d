"""The one way out to the network: no node connects to an address that was not checked.

Theory. A name is resolved once, every address it has is checked, and the connection goes to one of exactly
those addresses, so an answer that changes between check and use (DNS rebinding) changes nothing. A redirect
is a new request through the same gate, and to another origin it takes along nothing that could be a secret.
Nothing is remembered between requests: no cookies, no credentials, no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from workflow_engine.core.logging import get_logger
from workflow_engine.core.tracing import going_out
from workflow_engine.nodes.context import Certificates, HttpResponse, Login
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.certificates import Contexts

log = get_logger(__name__)

MiB = 1 << 20
MAX_IN_MEMORY = 64 * MiB
"""Bytes that `read` gives at most."""
MAX_STREAMED = 4096 * MiB
"""Bytes that `stream` gives at most."""
MAX_REDIRECTS = 10

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses that the standard library calls global, and that still lead inside.
_REFUSED = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("192.0.0.0/24", "a reserved"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("168.63.129.16/32", "a cloud metadata"),
        ("::/96", "an IPv4-compatible"),
        ("64:ff9b:1::/48", "a local NAT64"),
        ("2001::/32", "a Teredo"),
        ("2002::/16", "a 6to4"),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "content-length", "user-agent"})
"""Headers that go along to another origin; any other one may be a credential."""


class Policy:
    """Which addresses may be connected to: the public ones, and what `allow` names.

    `allow` holds CIDR networks (`10.1.0.0/16`), addresses, host names (`db.internal`) and `*.internal` for
    every name below one. A name that is allowed may have any address.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks: list[IpNetwork] = []
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        for entry in (each.strip().lower() for each in allow):
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if "/" in entry or ":" in entry:
                    raise ValueError(
                        f"EGRESS_ALLOW: {entry!r} is neither a network such as 10.1.0.0/16 nor a host name"
                    ) from None
                if entry.startswith("*."):
                    self._suffixes.append(entry[1:])
                elif entry:
                    self._names.add(entry)

    def allows_name(self, host: str) -> bool:
        host = host.lower().rstrip(".")
        return host in self._names or any(host.endswith(suffix) for suffix in self._suffixes)

    def check_literal(self, host: str) -> bool:
        """Whether `host` is an address rather than a name. Raises NodeFailure for one that is refused."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if (why := self.refuses(address)) and not self.allows_name(host):
            raise _refused(host, "is", why)
        return True

    def refuses(self, address: IpAddress) -> str:
        """What is wrong with `address`, as in "a private address"; empty when nothing is."""
        inner = _inner(address)
        if any(
            each.version == network.version and each in network
            for each in {address, inner}
            for network in self._networks
        ):
            return ""
        kind = next((why for network, why in _REFUSED if inner in network), "") or _kind(inner)
        return kind and f"{kind} address"


def _inner(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for, where the network would go there."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _kind(address: IpAddress) -> str:
    if address.is_unspecified:
        return "an unspecified"
    if address.is_loopback:
        return "a loopback"
    if address.is_link_local:
        return "a link-local (cloud metadata)"
    if address.is_multicast:
        return "a multicast"
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return "a site-local"
    if address.is_private:
        return "a private"
    return "" if address.is_global else "a reserved"


def _refused(host: str, verb: str, why: str) -> NodeFailure:
    return NodeFailure(
        "EGRESS_REFUSED",
        f"{host} {verb} {why}, where nodes may not connect to",
        hint=f"if workflows are meant to reach it, the operator adds {host} or its network to EGRESS_ALLOW",
        details={"host": host},
    )


class _CheckedResolver(AbstractResolver):
    """Resolves names and gives only answers that passed the policy."""

    def __init__(self, policy: Policy, resolver: AbstractResolver) -> None:
        self._policy, self._resolver = policy, resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not self._policy.allows_name(host):
            for each in found:
                # One bad address is enough: a name with a public and an inner address is an attack or a
                # mistake.
                if why := self._policy.refuses(ipaddress.ip_address(each["host"])):
                    # The address itself stays out of the failure: workflow authors need not learn the inner
                    # network.
                    log.warning("egress_refused", host=host, address=each["host"])
                    raise _refused(host, "resolves to", why)
        return found

    async def close(self) -> None:
        await self._resolver.close()


@dataclass(frozen=True, slots=True)
class _Request:
    """One hop."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | AsyncIterator[bytes] | None
    proxy: str | None
    verify_tls: bool
    login: Login | None
    certificates: Certificates | None
    deadline: float
    timeout: float

    def failure(self, reason: str, what: str, hint: str, *, retryable: bool = False, sent: bool = True) -> NodeFailure:
        """`sent`: the peer may have acted on the request."""
        return NodeFailure(
            reason,
            f"{self.method} {shown(self.url)}: {what}",
            hint=hint,
            retryable=retryable,
            details={"host": self.url.host or "", "sent": sent},
        )

    def timed_out(self, *, sent: bool = True) -> NodeFailure:
        return self.failure(
            "TIMEOUT",
            f"no complete answer within {self.timeout:g} s",
            "raise the timeout, ask for less, or give the node a retry policy",
            retryable=True,
            sent=sent,
        )


def shown(url: URL) -> str:
    """A URL for people: without user, password, query and fragment, where secrets stand."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


class EgressClient:
    """Implements `nodes.context.HttpClient`. One serves all nodes; `close` it at the end.

    `resolver` answers DNS questions; the system's by default.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        resolver: AbstractResolver | None = None,
        max_in_memory: int = MAX_IN_MEMORY,
        max_streamed: int = MAX_STREAMED,
    ) -> None:
        self._policy = Policy(allow)
        self._dns = resolver
        self._limits = (max_in_memory, max_streamed)
        self._resolver: _CheckedResolver | None = None
        self._session: aiohttp.ClientSession | None = None
        self._contexts = Contexts()

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        params: list[tuple[str, str]] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        timeout: float = 30.0,
        follow_redirects: bool = True,
        proxy: str | None = None,
        verify_tls: bool = True,
        quoted: bool = False,
        login: Login | None = None,
        certificates: Certificates | None = None,
    ) -> HttpResponse:
        """Sends one request, and up to ten more where the peer redirects. `timeout`, in seconds, covers all
        of them and the reading of the body. `quoted`: what the URL escapes stays escaped, as a signature over it needs.
        `login` answers a peer that asks by Digest; it and the `certificates` stay behind when a redirect leads
        elsewhere. Close the response, or read it to its end.

        Raises NodeFailure: INVALID_REQUEST, EGRESS_REFUSED, CONNECTION_FAILED, TIMEOUT, TLS_FAILED,
        PROXY_FAILED, TOO_MANY_REDIRECTS, REDIRECT_REFUSED, INVALID_RESPONSE, CREDENTIAL_REFUSED for certificates that
        can not be read; the response's own methods add RESPONSE_TOO_LARGE. Its detail `sent` says whether the peer may
        have acted on the request.
        """
        deadline = time.monotonic() + timeout
        target = _parsed(url, quoted=quoted)
        if params:
            target = target.extend_query(params)
        hop = _Request(
            method.upper(),
            target,
            CIMultiDict(headers or {}),
            body,
            proxy,
            verify_tls,
            login,
            certificates,
            deadline,
            timeout,
        )
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(hop)
            if not follow_redirects or response.status not in (301, 302, 303, 307, 308):
                return _Response(response, hop, self._limits)
            location = response.headers.get("location")
            if location is None:
                return _Response(response, hop, self._limits)
            response.close()
            hop = _redirected(hop, response.status, location)
        raise hop.failure(
            "TOO_MANY_REDIRECTS",
            f"redirected more than {MAX_REDIRECTS} times",
            "request the final address, or turn follow_redirects off and look at `location`",
        )

    async def addresses(self, host: str, port: int) -> list[str]:
        """The checked addresses of a host, for protocols other than HTTP: connect to one of exactly these.

        Raises NodeFailure: EGRESS_REFUSED, CONNECTION_FAILED for a name that can not be resolved.
        """
        _, resolver = self._open()
        if self._policy.check_literal(host):
            return [host]
        try:
            return [found["host"] for found in await resolver.resolve(host, port)]
        except (OSError, UnicodeError):
            raise NodeFailure(
                "CONNECTION_FAILED",
                f"the name {host} can not be resolved",
                hint="see that it is spelled right and that DNS works on this machine",
                retryable=True,
                details={"host": host, "sent": False},
            ) from None

    async def _send(self, hop: _Request) -> aiohttp.ClientResponse:
        session, resolver = self._open()
        await self._check(hop, resolver)
        if hop.login is None:
            return await self._sent(session, hop)
        digest = aiohttp.DigestAuthMiddleware(hop.login.user, hop.login.password)
        if hop.body is None or isinstance(hop.body, bytes):
            return await self._sent(session, hop, digest)
        # A stream can be sent once only, so the peer has to say its question before.
        asking = replace(hop, method="HEAD", headers=_bare(hop.headers), body=None)
        (await self._sent(session, asking, digest, _once())).close()
        return await self._sent(session, hop, digest, _once())

    async def _sent(
        self, session: aiohttp.ClientSession, hop: _Request, *middlewares: aiohttp.ClientMiddlewareType
    ) -> aiohttp.ClientResponse:
        remaining = hop.deadline - time.monotonic()
        if remaining <= 0:
            raise hop.timed_out()
        headers = hop.headers
        if (trace := going_out()) and "traceparent" not in headers:
            headers = CIMultiDict(headers, traceparent=trace)
        tls = self._contexts.of(hop.certificates, verify=hop.verify_tls) if hop.certificates else hop.verify_tls
        try:
            return await session.request(
                hop.method,
                hop.url,
                headers=headers,
                data=hop.body,
                timeout=aiohttp.ClientTimeout(total=remaining),
                allow_redirects=False,
                proxy=hop.proxy,
                ssl=tls,
                middlewares=middlewares,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise _failure(hop, error) from error

    async def _check(self, hop: _Request, resolver: _CheckedResolver) -> None:
        """Refuses what the resolver is never asked about: literal addresses, and targets behind a proxy."""
        if hop.proxy is None:
            self._policy.check_literal(hop.url.host or "")
            return
        self._policy.check_literal(_parsed(hop.proxy).host or "")
        if not self._policy.check_literal(hop.url.host or ""):
            # The proxy resolves the name again, and may see another answer; its own rules hold there.
            await self._resolve_behind_proxy(hop, resolver, hop.url.host or "")

    async def _resolve_behind_proxy(self, hop: _Request, resolver: _CheckedResolver, host: str) -> None:
        try:
            async with asyncio.timeout(hop.deadline - time.monotonic()):
                await resolver.resolve(host, hop.url.port or 0)
        except TimeoutError:
            raise hop.timed_out(sent=False) from None
        except OSError:
            # A name that only the proxy can resolve leads nowhere that this machine could.
            return

    def _open(self) -> tuple[aiohttp.ClientSession, _CheckedResolver]:
        # Made at the first request, because a session belongs to the event loop that runs.
        if self._session is None or self._resolver is None:
            self._resolver = _CheckedResolver(self._policy, self._dns or ThreadedResolver())
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=self._resolver, limit=1000),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": "workflow-engine"},
            )
        return self._session, self._resolver


def _parsed(url: str, *, quoted: bool = False) -> URL:
    """Raises NodeFailure INVALID_REQUEST for anything but an absolute http or https URL."""
    try:
        parsed = URL(url.strip(), encoded=quoted)
    except ValueError as error:
        raise _invalid_url(url, str(error)) from None
    if parsed.scheme not in ("http", "https"):
        raise _invalid_url(
            url, f"the scheme {parsed.scheme!r} is not http or https" if parsed.scheme else "it has no scheme"
        )
    if not parsed.host:
        raise _invalid_url(url, "it names no host")
    return parsed


def _invalid_url(url: str, why: str) -> NodeFailure:
    return NodeFailure(
        "INVALID_REQUEST",
        f"{url.partition('?')[0][:200]!r} can not be requested: {why}",
        field="url",
        hint="write it out, as in https://api.example.com/v1/orders",
        details={"sent": False},
    )


def _redirected(hop: _Request, status: int, location: str) -> _Request:
    """The hop that a redirect asks for."""
    try:
        url = hop.url.join(URL(location))
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise hop.failure(
            "REDIRECT_REFUSED", f"redirected to {location[:200]!r}", "ask the peer's operator to correct it"
        )
    method, body, headers = hop.method, hop.body, hop.headers.copy()
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = _bare(headers)
    if body is not None and not isinstance(body, bytes):
        raise hop.failure(
            "REDIRECT_REFUSED",
            f"redirected to {shown(url)}, and a streamed body can not be sent twice",
            "use that address as the url",
        )
    if url.origin() != hop.url.origin():
        if body is not None and hop.url.scheme == "https" and url.scheme == "http":
            raise hop.failure(
                "REDIRECT_REFUSED",
                f"redirected to {shown(url)}, where the body would go unencrypted",
                "use that address as the url if this is what you want",
            )
        headers = CIMultiDict((name, value) for name, value in headers.items() if name.lower() in _HARMLESS)
        hop = replace(hop, login=None, certificates=None)
    return replace(hop, method=method, url=url.with_user(None), headers=headers, body=body)


def _once() -> aiohttp.ClientMiddlewareType:
    """Sends a request once, and gives the same answer to whoever would send it again."""
    answers: list[aiohttp.ClientResponse] = []

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if not answers:
            answers.append(await handler(request))
        return answers[0]

    return send


def _bare(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Without what tells of a body."""
    return CIMultiDict((name, value) for name, value in headers.items() if not name.lower().startswith("content-"))


def _failure(hop: _Request, error: Exception) -> NodeFailure:
    """A transport's exception in our words. The order matters: aiohttp's classes inherit from each other."""
    host = hop.url.host or ""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return _invalid_url(str(hop.url), f"{host!r} is no host name and no address in its usual form")
        case aiohttp.ClientHttpProxyError():
            return hop.failure(
                "PROXY_FAILED",
                f"the proxy answered {error.status} {error.message}",
                "see what the proxy's operator allows",
                retryable=error.status >= 500,
                sent=False,
            )
        case aiohttp.ClientProxyConnectionError():
            return hop.failure(
                "PROXY_FAILED", "the proxy can not be reached", "see that it runs", retryable=True, sent=False
            )
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            cause = (
                error.certificate_error
                if isinstance(error, aiohttp.ClientConnectorCertificateError)
                else error.__cause__
            )
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause or error)
            return hop.failure(
                "TLS_FAILED",
                f"no trusted connection: {why}",
                "correct the peer's certificate; for a private one, set verify_tls to false on this node",
                sent=False,
            )
        case aiohttp.ClientConnectorDNSError():
            return hop.failure(
                "CONNECTION_FAILED",
                f"the name {host} can not be resolved",
                "see that it is spelled right and that DNS works on this machine",
                retryable=True,
                sent=False,
            )
        case aiohttp.ClientConnectorError():
            return hop.failure(
                "CONNECTION_FAILED",
                f"{host} port {hop.url.port} can not be reached: {error.os_error.strerror or error.os_error}",
                "see that the peer runs and that a firewall lets us through",
                retryable=True,
                sent=False,
            )
        case aiohttp.ClientOSError() if isinstance(error.__cause__, ssl.SSLError):
            # By TLS 1.3 a peer looks at our certificate when we think that all is well.
            return hop.failure(
                "TLS_FAILED",
                f"the peer ended the connection: {error.__cause__.reason or error}",
                "see whether it wants a certificate of ours (slot `certificate`), and whom it trusts",
                sent=False,
            )
        case aiohttp.ConnectionTimeoutError():
            return hop.timed_out(sent=False)
        case TimeoutError():
            return hop.timed_out()
        case aiohttp.ClientResponseError():
            return hop.failure("INVALID_RESPONSE", f"the answer is not HTTP: {error.message}", "see what listens there")
        case ValueError():
            return NodeFailure(
                "INVALID_REQUEST",
                f"{hop.method} {shown(hop.url)} can not be sent: {error}",
                hint="see that the method and the headers hold no line breaks or control characters",
                details={"sent": False},
            )
        case aiohttp.ClientError() if type(error) is aiohttp.ClientError and hop.login:
            return hop.failure(
                "INVALID_RESPONSE",
                f"the peer's question can not be answered: {error}",
                "see what it asks for",
                sent=False,
            )
        case _:
            return hop.failure(
                "CONNECTION_FAILED",
                f"the connection broke before the answer was complete ({error or type(error).__name__})",
                "give the node a retry policy if the request may be repeated",
                retryable=True,
            )


class _Response:
    """What a peer answered; its body is fetched as it is read."""

    def __init__(self, response: aiohttp.ClientResponse, hop: _Request, limits: tuple[int, int]) -> None:
        self._response, self._hop = response, hop
        self._max_in_memory, self._max_streamed = limits

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def reason(self) -> str:
        try:
            return self._response.reason or HTTPStatus(self._response.status).phrase
        except ValueError:
            return ""

    @property
    def url(self) -> str:
        return str(self._response.url)

    @property
    def headers(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for name, value in self._response.headers.items():
            name = name.lower()
            merged[name] = f"{merged[name]}, {value}" if name in merged else value
        return merged

    async def close(self) -> None:
        """Lets the connection go; a body that has not been read is dropped."""
        self._response.close()

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self._chunks(self._max_in_memory)])

    def stream(self) -> AsyncIterator[bytes]:
        return self._chunks(self._max_streamed)

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        # Counted after decompression, so that a compressed bomb ends here as well.
        size = 0
        try:
            async for chunk in self._response.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise self._hop.failure(
                        "RESPONSE_TOO_LARGE",
                        f"the answer is larger than {limit} bytes",
                        "ask for less (a page, a range), or fetch it as binary",
                    )
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _failure(self._hop, error) from error
        finally:
            # Gives a connection that was read to its end back to the pool, and closes any other.
            self._response.release()
