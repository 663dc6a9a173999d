"""The gate to the network: what is refused, what a redirect may take along, and what a failure says."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiohttp import web

from tests.runtime.peers import Answers, peer
from workflow_engine.engine.items import Failure
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.egress import EgressClient, Policy

HERE = ["127.0.0.1"]


async def refusal(client: EgressClient, url: str, method: str = "GET", **options: object) -> Failure:
    """The failure that a request ends in."""
    try:
        response = await client.request(method, url, **options)  # type: ignore[arg-type]
        await response.read()
    except NodeFailure as failed:
        return failed.failure
    finally:
        await client.close()
    pytest.fail(f"{method} {url} was answered with {response.status}")


async def ok(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "headers": dict(request.headers)})


# addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "168.63.129.16", "192.88.99.1", "192.0.2.1",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::127.0.0.1",
        "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_lead_inside_are_refused(address: str) -> None:
    assert Policy().refuses(ipaddress.ip_address(address)).endswith("address")


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_not(address: str) -> None:
    assert Policy().refuses(ipaddress.ip_address(address)) == ""


def test_the_operator_may_allow_networks_and_names() -> None:
    policy = Policy(["10.1.0.0/16", "fd00::/8", "db.internal", "*.corp.example"])
    assert not policy.refuses(ipaddress.ip_address("10.1.200.3"))
    assert not policy.refuses(ipaddress.ip_address("::ffff:10.1.0.1"))
    assert not policy.refuses(ipaddress.ip_address("fd12::1"))
    assert policy.refuses(ipaddress.ip_address("10.2.0.1"))
    assert policy.allows_name("DB.internal.")
    assert policy.allows_name("a.b.corp.example")
    assert not policy.allows_name("corp.example")
    assert not policy.allows_name("evil-corp.example")


def test_an_allow_list_that_means_nothing_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match=r"EGRESS_ALLOW: '10\.1\.0\.0/33'"):
        Policy(["10.1.0.0/33"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
    ],
)
async def test_this_machine_is_out_of_reach_however_it_is_spelled(host: str) -> None:
    async with peer(ok) as server:
        failure = await refusal(EgressClient(), f"http://{host}:{server.port}/")
        assert failure.reason in ("EGRESS_REFUSED", "INVALID_REQUEST")
        assert not failure.retryable
        assert server.seen == []


async def test_a_refusal_names_the_host_and_what_to_do_but_not_the_inner_address() -> None:
    failure = await refusal(EgressClient(resolver=Answers(api_test=[["10.20.30.40"]])), "http://api.test/")
    assert failure.message == "api.test resolves to a private address, where nodes may not connect to"
    assert "EGRESS_ALLOW" in failure.hint
    assert "10.20.30.40" not in str(failure)


async def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    client = EgressClient(resolver=Answers(mixed_test=[["93.184.216.34", "10.0.0.1"]]))
    assert (await refusal(client, "http://mixed.test/")).reason == "EGRESS_REFUSED"


async def test_a_name_is_asked_once_so_a_second_answer_changes_nothing() -> None:
    """DNS rebinding: had the name been resolved again for the connection, it would have led to the second
    answer.
    """
    async with peer(ok) as server:
        answers = Answers(rebind_test=[["127.0.0.1"], ["10.0.0.1"]])
        client = EgressClient(HERE, resolver=answers)
        response = await client.request("GET", server.named("rebind.test"))
        assert response.status == 200
        assert answers.asked == ["rebind.test"]
        await client.close()


async def test_a_name_that_turns_inward_is_refused_at_its_next_resolution() -> None:
    async with peer(ok) as server:
        client = EgressClient(["public.test"], resolver=Answers(turn_test=[["127.0.0.1"]], public_test=[["127.0.0.1"]]))
        assert (await client.request("GET", server.named("public.test"))).status == 200
        assert (await refusal(client, server.named("turn.test"))).reason == "EGRESS_REFUSED"


async def test_an_allowed_name_may_be_anywhere() -> None:
    async with peer(ok) as server:
        client = EgressClient(["db.internal"], resolver=Answers(db_internal=[["127.0.0.1"]]))
        assert (await client.request("GET", server.named("db.internal"))).status == 200
        await client.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "ftp://x/", "/relative", "", "http://"])
async def test_only_http_urls_are_requested(url: str) -> None:
    failure = await refusal(EgressClient(), url)
    assert (failure.reason, failure.field) == ("INVALID_REQUEST", "url")


# redirects


def redirecting(to: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": to})


async def test_a_redirect_to_this_machine_is_refused() -> None:
    async with peer(ok) as inner:

        async def lure(request: web.Request) -> web.Response:
            return redirecting(f"http://localhost:{inner.port}/secrets")

        async with peer(lure) as outer:
            client = EgressClient(["127.0.0.1"], resolver=Answers(localhost=[["10.0.0.1"]]))
            assert (await refusal(client, outer.url)).reason == "EGRESS_REFUSED"
        assert inner.seen == []


async def test_a_redirect_to_the_metadata_address_is_refused() -> None:
    async def lure(request: web.Request) -> web.Response:
        return redirecting("http://169.254.169.254/latest/meta-data/")

    async with peer(lure) as outer:
        failure = await refusal(EgressClient(HERE), outer.url)
    assert failure.message.startswith("169.254.169.254 is a link-local (cloud metadata) address")


async def redirected_headers(to: str) -> dict[str, str]:
    """What arrives at the end of a redirect from one port to `to` (`same` or `other` origin)."""
    async with peer(ok) as other:

        async def hop(request: web.Request) -> web.Response:
            if request.path == "/end":
                return await ok(request)
            return redirecting("/end" if to == "same" else f"{other.url}/end")

        async with peer(hop) as first:
            client = EgressClient(HERE)
            sent = {"Authorization": "Bearer s", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/csv"}
            response = await client.request("GET", first.url, headers=sent)
            assert response.url.endswith("/end")
            await client.close()
            last = (first if to == "same" else other).seen[-1]
            return dict(last.headers)


async def test_credentials_stay_with_their_origin() -> None:
    same = await redirected_headers("same")
    assert same["Authorization"] == "Bearer s"
    other = await redirected_headers("other")
    assert other["Accept"] == "text/csv"
    assert not {"Authorization", "Cookie", "X-Api-Key"} & other.keys()


@pytest.mark.parametrize(
    ("status", "arrives"),
    [
        (301, ("GET", b"")),
        (302, ("GET", b"")),
        (303, ("GET", b"")),
        (307, ("POST", b"x")),
        (308, ("POST", b"x")),
    ],
)
async def test_what_becomes_of_a_post(status: int, arrives: tuple[str, bytes]) -> None:
    got: list[tuple[str, bytes]] = []

    async def hop(request: web.Request) -> web.Response:
        if request.path == "/end":
            got.append((request.method, await request.read()))
            return web.Response()
        return redirecting("/end", status)

    async with peer(hop) as server:
        client = EgressClient(HERE)
        await client.request("POST", server.url, body=b"x", headers={"Content-Type": "text/plain"})
        await client.close()
    assert got == [arrives]


async def test_a_redirect_can_be_looked_at_instead_of_followed() -> None:
    async def hop(request: web.Request) -> web.Response:
        return redirecting("http://10.0.0.1/")

    async with peer(hop) as server:
        client = EgressClient(HERE)
        response = await client.request("GET", server.url, follow_redirects=False)
        assert (response.status, response.headers["location"]) == (302, "http://10.0.0.1/")
        await client.close()


async def test_a_circle_of_redirects_ends() -> None:
    async def hop(request: web.Request) -> web.Response:
        return redirecting("/again")

    async with peer(hop) as server:
        assert (await refusal(EgressClient(HERE), server.url)).reason == "TOO_MANY_REDIRECTS"
        assert len(server.seen) == 11


async def test_a_streamed_body_can_not_follow_a_redirect() -> None:
    async def hop(request: web.Request) -> web.Response:
        return redirecting("/end", 307)

    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with peer(hop) as server:
        failure = await refusal(EgressClient(HERE), server.url, "PUT", body=body())
    assert failure.reason == "REDIRECT_REFUSED"
    assert "streamed" in failure.message


# limits


async def test_a_large_answer_is_cut_off() -> None:
    async def large(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1001)

    async with peer(large) as server:
        failure = await refusal(EgressClient(HERE, max_in_memory=1000), server.url)
        assert failure.reason == "RESPONSE_TOO_LARGE"
        client = EgressClient(HERE, max_in_memory=1000, max_streamed=2000)
        response = await client.request("GET", server.url)
        assert sum([len(chunk) async for chunk in response.stream()]) == 1001
        await client.close()


async def test_a_compressed_bomb_is_measured_unpacked() -> None:
    async def bomb(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"\0" * 10_000_000), headers={"Content-Encoding": "gzip"})

    async with peer(bomb) as server:
        failure = await refusal(EgressClient(HERE, max_in_memory=100_000), server.url)
    assert failure.reason == "RESPONSE_TOO_LARGE"


async def never(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_peer_that_never_answers_is_given_up() -> None:
    async with peer(never) as server:
        failure = await refusal(EgressClient(HERE), server.url, timeout=0.5)
    assert (failure.reason, failure.retryable, failure.details["sent"]) == ("TIMEOUT", True, True)
    assert "0.5 s" in failure.message


async def test_the_time_limit_covers_the_body() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a start")
        return await never(request)

    async with peer(drip) as server:
        assert (await refusal(EgressClient(HERE), server.url, timeout=0.5)).reason == "TIMEOUT"


# failures


async def test_a_closed_port_is_retryable_and_known_not_to_have_acted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = await refusal(EgressClient(HERE), f"http://127.0.0.1:{port}/", "POST")
    assert (failure.reason, failure.retryable, failure.details["sent"]) == ("CONNECTION_FAILED", True, False)
    assert f"127.0.0.1 port {port} can not be reached" in failure.message


async def test_an_unknown_name_is_said_to_be_one() -> None:
    failure = await refusal(EgressClient(resolver=Answers()), "http://nowhere.test/")
    assert failure.reason == "CONNECTION_FAILED"
    assert "the name nowhere.test can not be resolved" in failure.message


async def test_a_connection_that_breaks_may_have_acted() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.close()
        return web.Response()

    async with peer(hang_up) as server:
        failure = await refusal(EgressClient(HERE), server.url, "POST")
    assert (failure.reason, failure.details["sent"]) == ("CONNECTION_FAILED", True)


async def test_secrets_in_a_url_are_not_repeated() -> None:
    async with peer(never) as server:
        failure = await refusal(EgressClient(HERE), f"{server.url}/a?token=hunter2#hunter3", timeout=0.5)
    assert "hunter" not in str(failure)
    assert f"{server.url}/a" in failure.message


async def test_a_header_can_not_smuggle_another() -> None:
    async with peer(ok) as server:
        failure = await refusal(EgressClient(HERE), server.url, headers={"X": "a\r\nY: b"})
        assert failure.reason == "INVALID_REQUEST"
        assert server.seen == []


async def test_cookies_are_not_remembered() -> None:
    async def bake(request: web.Request) -> web.Response:
        response = web.Response()
        response.set_cookie("session", "of someone else")
        return response

    async with peer(bake) as server:
        client = EgressClient(HERE)
        for _ in range(2):
            await (await client.request("GET", server.url)).read()
        await client.close()
    assert "Cookie" not in server.seen[1].headers


async def test_repeated_headers_are_joined_under_lower_case_names() -> None:
    async def twice(request: web.Request) -> web.Response:
        response = web.Response()
        response.headers.add("X-Thing", "a")
        response.headers.add("x-thing", "b")
        return response

    async with peer(twice) as server:
        client = EgressClient(HERE)
        response = await client.request("GET", server.url)
        assert response.headers["x-thing"] == "a, b"
        await response.close()
        await client.close()


# TLS and proxies


@pytest.fixture
def certificate() -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_an_untrusted_certificate_is_refused_unless_the_node_says_otherwise(
    certificate: ssl.SSLContext,
) -> None:
    async with peer(ok, certificate) as server:
        failure = await refusal(EgressClient(HERE), server.url)
        assert (failure.reason, failure.retryable) == ("TLS_FAILED", False)
        assert "verify_tls" in failure.hint
        client = EgressClient(HERE)
        assert (await client.request("GET", server.url, verify_tls=False)).status == 200
        await client.close()


async def test_a_body_does_not_follow_a_redirect_out_of_tls(certificate: ssl.SSLContext) -> None:
    async with peer(ok) as plain:

        async def down(request: web.Request) -> web.Response:
            return redirecting(plain.url, 307)

        async with peer(down, certificate) as server:
            failure = await refusal(EgressClient(HERE), server.url, "POST", body=b"x", verify_tls=False)
        assert failure.reason == "REDIRECT_REFUSED"
        assert plain.seen == []


async def test_a_proxy_does_not_open_the_inner_network() -> None:
    async with peer(ok) as proxy:
        for target in ("http://10.0.0.1/", "http://inner.test/"):
            client = EgressClient(HERE, resolver=Answers(inner_test=[["10.0.0.1"]]))
            assert (await refusal(client, target, proxy=proxy.url)).reason == "EGRESS_REFUSED"
        assert proxy.seen == []


async def test_a_proxy_is_used_and_is_itself_behind_the_gate() -> None:
    async with peer(ok) as proxy:
        client = EgressClient(HERE, resolver=Answers(api_test=[["93.184.216.34"]]))
        assert (await client.request("GET", "http://api.test/v1", proxy=proxy.url)).status == 200
        assert proxy.seen[0].raw_path == "http://api.test/v1"
        await client.close()
        assert (await refusal(EgressClient(), "http://api.test/", proxy=proxy.url)).reason == "EGRESS_REFUSED"


async def test_other_protocols_are_given_checked_addresses() -> None:
    client = EgressClient(HERE, resolver=Answers(db_test=[["127.0.0.1"]], inner_test=[["10.0.0.1"]]))
    assert await client.addresses("db.test", 5432) == ["127.0.0.1"]
    assert await client.addresses("127.0.0.1", 5432) == ["127.0.0.1"]
    for host, reason in [
        ("inner.test", "EGRESS_REFUSED"),
        ("10.0.0.1", "EGRESS_REFUSED"),
        ("no.test", "CONNECTION_FAILED"),
    ]:
        with pytest.raises(NodeFailure) as failed:
            await client.addresses(host, 5432)
        assert failed.value.failure.reason == reason
    await client.close()
