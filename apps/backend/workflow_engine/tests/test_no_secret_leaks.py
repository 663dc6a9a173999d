"""Every kind of credential is used by a workflow, by a test and by a tool, with peers that let it in and with peers
that throw everything they were sent back at us. Then all that the server has stored, logged and answered is searched.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import aiohttp
import asyncssh
import grpc
import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import create_engine, inspect, make_url, text

from tests import turncoat as turncoats
from tests.authorization_server import authority
from tests.nodes.action import servers
from tests.nodes.external_action.test_email import mail_server
from tests.runtime.peers import forwarded, peer
from tests.serving import Client, ServerProcess
from tests.test_integration_service import KEY, Integrations
from tests.triggers.test_listening import Mailbox
from tests.turncoat import Says, Turncoat, turncoat
from workflow_engine.nodes.credentials import KINDS, CredentialKind
from workflow_engine.nodes.external_action.service import Account
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.proto import workflow_service_pb2_grpc as rpc
from workflow_engine.proto.workflow_service_pb2_grpc import TriggerServiceStub

AUTHORITY = trustme.CA()
MARK = "not-a-secret-but-a-mark"
"""Stored on purpose, so that it is known that the search finds what is there."""
installed()


def secret(kind: str, name: str) -> str:
    """A value that has to be escaped wherever it goes, and that no other credential has."""
    return f"s3/+{kind}~{name}=x&y%20'z\"q"


def forms(value: str) -> set[bytes]:
    """How a value may look: as it is, in JSON, in a URL, in Base64 (also inside of a longer text), in hexadecimal."""
    raw, escaped = value.encode(), json.dumps(value)[1:-1]
    # JSON often stands as a text in other JSON.
    found = {raw, raw.hex().encode(), escaped.encode(), json.dumps(escaped)[1:-1].encode()}
    found |= {quote(value).encode(), quote(value, safe="").encode(), quote_plus(value).encode()}
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        inner = whole[(0, 2, 3)[before] : -1]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda value: value,
    "JSON": lambda value: json.dumps({"it": value}),
    "URL": lambda value: f"x{quote(value, safe='')}y",
    "Base64": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "Base64 for URLs": lambda value: base64.urlsafe_b64encode(f"ab{value}cd".encode()).decode(),
    "hexadecimal": lambda value: value.encode().hex(),
}
"""How a value may be written where it should not be."""


def planted_as(spelling: str) -> str:
    """A value that is no secret, and that the search has to find, though it stands there in one spelling only."""
    return secret("planted", spelling)


@dataclass
class Search:
    """What must not be found, and all the places where it was looked for."""

    secrets: dict[str, str] = field(default_factory=dict)
    """The values by what they are called."""
    seen: dict[tuple[str, bytes], None] = field(default_factory=dict)

    def look_into(self, place: str, data: bytes | str) -> None:
        self.seen[place, data.encode() if isinstance(data, str) else data] = None

    def found(self) -> list[str]:
        return [
            f"{name} in {place}: ...{data[max(0, at - 60) : at + 60]!r}..."
            for name, value in self.secrets.items()
            for form in forms(value)
            for place, data in self.seen
            if (at := data.find(form)) >= 0
        ]

    def finds(self, what: str, place: str) -> bool:
        return any(what.encode() in data for where, data in self.seen if where.startswith(place))


class Recorder(grpc.aio.UnaryUnaryClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """Looks into everything that the server answers, errors with their details too."""

    def __init__(self, search: Search) -> None:
        self.search = search

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)
        try:
            answer = await call
            self.search.look_into(f"rpc {details.method}", answer.SerializeToString())
            self.search.look_into(f"rpc {details.method}", str(answer))
        except grpc.aio.AioRpcError as error:
            told = f"{error.details()} {error.trailing_metadata()} {error.debug_error_string()}"
            self.search.look_into(f"rpc error {details.method}", told)
        return call

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(details, request)

        async def answers() -> AsyncIterator[Any]:
            async for answer in call:
                self.search.look_into(f"rpc {details.method}", answer.SerializeToString())
                self.search.look_into(f"rpc {details.method}", str(answer))
                yield answer

        return answers()


async def throw_back(request: web.Request) -> web.Response:
    """Repeats what it was sent in every way that it can think of; kindly below /ok, as an error elsewhere."""
    body = (await request.read()).decode(errors="replace")
    said = [*request.headers.values(), request.raw_path, str(request.url), *request.query.values(), body]
    for each in list(said):
        said += [base64.b64encode(each.encode()).decode(), base64.urlsafe_b64encode(each.encode()).decode()]
        said += [quote(each), quote_plus(each), each.encode().hex()]
    answer = {"message": f"you sent {said}", "headers": dict(request.headers)}
    return web.json_response(answer, status=200 if request.path.startswith("/ok") else 401)


@asynccontextmanager
async def babbler() -> AsyncIterator[int]:
    """A TCP server of no protocol: it sends back what it gets."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in range(4):
                data = await asyncio.wait_for(reader.read(4096), 0.1)
                if not data:
                    break
                writer.write(b"-ERR you sent " + data + b"\r\n")
                await writer.drain()
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


PROTOCOLS: dict[str, dict[str, Any]] = {
    "amqp": {"routing_key": "leaks", "value": "x", "mandatory": False},
    "kafka": {"topic": "leaks", "value": "x"},
    "mqtt": {"topic": "leaks", "value": "x"},
    "nats": {"subject": "leaks", "value": "x"},
}
"""What is published with a credential of that kind."""


def fields_of(kind: type[CredentialKind], base: str, port: int) -> dict[str, Any]:
    """Fields of a credential for a peer at an address (for HTTP), or at a port (for other protocols)."""
    made: dict[str, Any] = {name: secret(kind.type, name) for name in kind.secret_names()}
    known = {
        "username": "ada",
        "user": "ada",
        "name": "X-Given",
        "email": "ada@example.com",
        "account_sid": "AC1",
        "host": "127.0.0.1",
        "port": port,
        "tls": "off",
        "security": "none",
        "sslmode": "disable",
        "mechanism": "PLAIN",
        "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
        "bucket": "files",
        "access_key_id": "AKIA1",
        "endpoint": base,
        "endpoint_url": base,
        "base_url": base,
        "test_url": f"{base}/me",
        "client_id": "us",
        "authorization_url": f"{base}/authorize",
        "token_url": f"{base}/token",
        "path": "shop.db",
    }
    made |= {name: value for name, value in known.items() if name in kind.model_fields}
    match kind.type:
        case "nats":
            made.pop("token")
        case "http_custom":
            hidden = {"X-Given": made["request"]}
            made["request"] = json.dumps({"headers": hidden, "query": hidden, "body": hidden})
        case "tls_certificate":
            made = tls_fields()
    return made


@cache
def issued() -> trustme.LeafCert:
    return AUTHORITY.issue_cert("engine@example.com")


def tls_fields() -> dict[str, str]:
    """A certificate whose key opens with the passphrase only."""
    key = load_pem_private_key(issued().private_key_pem.bytes(), None)
    passphrase = secret("tls_certificate", "passphrase")
    lock = BestAvailableEncryption(passphrase.encode())
    return {
        "certificate": issued().cert_chain_pems[0].bytes().decode(),
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode(),
        "passphrase": passphrase,
        "ca_certificate": AUTHORITY.cert_pem.bytes().decode(),
    }


def uses_of(
    kind: type[CredentialKind], fields: dict[str, Any], base: str, *, patient: bool = False
) -> list[tuple[str, str, dict[str, Any]]]:
    """Nodes that use a credential, as (type, slot, parameters)."""
    if issubclass(kind, Account):
        type, action = kind.probed
        return [(type, "auth", {"action": action})]
    openapi = {"openapi": "3.1.0", "info": {"title": "x"}, "paths": {"/me": {"post": {"operationId": "me"}}}}
    by_document = {
        "document": {"source": "text", "text": json.dumps(openapi)},
        "operation": "me",
        "server": base,
    }
    match kind.type:
        case "http_basic" | "http_digest" | "http_bearer" | "http_header" | "http_query" | "oauth2":
            return [
                ("action.http_request", "auth", {"url": f"{base}/x", "method": "POST"}),
                ("external_action.generic_webhook", "auth", {"url": f"{base}/hook"}),
                ("external_action.openapi", "auth", by_document),
            ]
        case "http_custom":
            return [("action.http_request", "auth", {"url": f"{base}/x", "method": "POST"})]
        case "tls_certificate":
            return [
                ("action.http_request", "certificate", {"url": f"{base}/x", "method": "POST"}),
                ("external_action.generic_webhook", "certificate", {"url": f"{base}/hook"}),
            ]
        case "api_key":
            return [("external_action.openapi", "auth", by_document)]
        case "crypto_key":
            return [
                ("external_action.generic_webhook", "signing", {"url": f"{base}/hook"}),
                ("action.crypto", "key", {"do": {"operation": "hmac", "value": "x"}}),
                ("action.crypto", "key", {"do": {"operation": "jwt_sign", "algorithm": "RS256", "claims": {}}}),
            ]
        case "smtp":
            mail = {"from": "a@example.com", "to": ["b@example.com"], "subject": "s", "timeout_seconds": 5}
            return [("external_action.email", "server", mail)]
        case "amqp" | "kafka" | "mqtt" | "nats":
            # One who never says anything in the protocol's words is not waited for.
            seconds = 20 if patient else 0.2
            return [(f"action.{kind.type}_publish", "server", {**PROTOCOLS[kind.type], "timeout_seconds": seconds})]
        case "ssh":
            return [("action.ssh", "machine", {"do": {"operation": "run", "command": "whoami"}})]
    probe = kind.model_validate(fields).probe()
    return [(probe.node_type, probe.slot, probe.parameters)] if probe else []


async def use(
    service: Integrations, kind: type[CredentialKind], fields: dict[str, Any], base: str = "", *, patient: bool = False
) -> list[str]:
    """Uses a credential in every way there is; gives how its workflows ended."""
    try:
        made = await service.create(kind.type, fields=fields, name=f"{kind.type}")
    except grpc.aio.AioRpcError as error:
        raise AssertionError(f"{kind.type}: {error.details()}") from None
    await service.test(made.id)
    ended: list[str] = []
    for type, slot, parameters in uses_of(kind, fields, base, patient=patient):
        if (node := installed().find(type)) is None:
            continue
        # What a peer says goes on into data, and into an expression that fails over it.
        after = {"id": "after", "type": "flow.set", "parameters": {"assignments": [{"name": "x", "value": FAILING}]}}
        used = {"id": "use", "type": type, "parameters": parameters, "credentials": {slot: made.id}}
        drawing = {
            "nodes": [{"id": "start", "type": "trigger.manual"}, used, after],
            "connections": ["start -> use -> after"],
            "vars": {"mark": MARK},
        }
        try:
            workflow = await service.client.create(drawing)
        except grpc.aio.AioRpcError as error:
            raise AssertionError(f"{type}: {error.details()}") from None
        execution = await service.client.run(workflow.id, {"mark": MARK})
        ended.append(next(run for run in execution.node_runs if run.node_id == "use").failure.reason)
        wait = ex.WatchExecutionRequest(execution_id=execution.id)
        async for _ in service.client.stub.WatchExecution(wait):
            pass
        await service.client.stub.ExportWorkflow(ws.ExportWorkflowRequest(workflow_id=workflow.id))
        await service.client.stub.TestNode(ex.TestNodeRequest(workflow_id=workflow.id, node_id="use"))
        if not node.is_trigger:
            await service.execute(type, parameters, **{slot: made.id})
    return ended


FAILING = "{{ int(string(items)) }}"


async def read_everything(service: Integrations, search: Search) -> None:
    stub = service.client.stub
    await stub.GetExecutionHistory(ex.GetExecutionHistoryRequest(limit=100))
    await stub.ListWorkflows(ws.ListWorkflowsRequest(limit=100))
    listed = await service.stub.ListCredentials(it.ListCredentialsRequest(limit=100))
    for each in listed.credentials:
        await service.get(each.id)
    await service.stub.ListIntegrations(it.ListIntegrationsRequest())
    async with aiohttp.ClientSession() as session:
        for path in ("/v1/credentials", "/v1/executions", "/v1/workflows"):
            async with session.get(service.client.http + path) as response:
                search.look_into(f"http {path}", await response.read())


@contextmanager
def process(url: str, folder: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(url, folder, SECRET_KEY=KEY, LOG_LEVEL="DEBUG", FILES_ROOT=str(folder))
    try:
        yield running
    finally:
        running.terminate()


def look_into_database(url: str, search: Search) -> None:
    """Every cell of every table, and for SQLite the files as they lie there."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                for cell in row:
                    search.look_into(
                        f"table {table}", bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell)
                    )
    engine.dispose()
    if url.startswith("sqlite"):
        path = Path(make_url(url).database or "")
        for file in path.parent.glob(f"{path.name}*"):
            search.look_into(f"file {file.name}", file.read_bytes())


def look_into_blobs(folder: Path, search: Search) -> None:
    for file in (folder / "blobs").rglob("*"):
        if file.is_file():
            search.look_into(f"blob {file.name}", file.read_bytes())


@pytest.fixture
def peers(
    amqp_server: dict[str, Any],
    mqtt_server: dict[str, Any],
    nats_server: dict[str, Any],
    mysql_server: dict[str, Any],
    redis_server: dict[str, Any],
    s3_server: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Real servers by the kind of credential that they let in; the fields that they know."""
    told = (amqp_server, mqtt_server, nats_server, mysql_server, redis_server, s3_server)
    return {each["type"]: {name: value for name, value in each.items() if name != "type"} for each in told}


async def test_no_secret_is_found_anywhere(
    database_url: str, tmp_path: Path, postgres_url: str, peers: dict[str, dict[str, Any]]
) -> None:
    search = Search()
    ended: dict[str, list[str]] = {}
    with process(database_url, tmp_path) as server:
        async with (
            peer(throw_back) as there,
            peer(throw_back, asking_for_certificates()) as tls,
            babbler() as port,
            server.client() as plain,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", interceptors=[Recorder(search)]) as channel,
        ):
            service = Integrations(Client(rpc.WorkflowServiceStub(channel), channel, plain.port, plain.http))
            for name, kind in sorted(KINDS.items()):
                search.secrets |= {f"{name}.{each}": secret(name, each) for each in kind.secret_names()}
                url = tls.url if name == "tls_certificate" else there.url
                for base in (f"{url}/ok", f"{url}/leak"):
                    fields = fields_of(kind, base, port)
                    ended.setdefault(name, []).extend(await use(service, kind, fields, base))
            search.secrets["the key of a certificate"] = line_of(tls_fields()["private_key"])
            await let_in(service, tmp_path, postgres_url, peers, search, ended)
            await mailbox(service, tmp_path, search, ended)
            await oauth(service, search)
            await plant(service)
            await read_everything(service, search)
        if database_url.startswith("sqlite"):
            look_into_database(database_url, search)  # while the write-ahead log is there
    look_into_database(database_url, search)
    look_into_blobs(tmp_path, search)
    search.look_into("log", "".join(server._said))
    assert search.found() == []
    # Every kind was let in somewhere, and refused somewhere else.
    for name, reasons in ended.items():
        if KINDS[name].secret_names():
            assert "" in reasons, (name, reasons)
            assert any(reasons), (name, reasons)
    # The search can find something, in each spelling and in each place.
    for place in ("table", "rpc", "http"):
        planted = Search({spelling: planted_as(spelling) for spelling in SPELLINGS}, search.seen)
        assert {found.partition(" in ")[0] for found in planted.found() if f" in {place}" in found} == set(SPELLINGS)
    assert search.finds('"rpc"', "log")
    assert search.finds("***", "log")


def asking_for_certificates() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(made)
    AUTHORITY.configure_trust(made)
    return made


def line_of(pem: str) -> str:
    """Enough of a key to know it by, however its lines are written."""
    return pem.splitlines()[3]


async def plant(service: Integrations) -> None:
    """Stores a value as someone would who took no care, in each spelling."""
    spelt = {name: spell(planted_as(name)) for name, spell in SPELLINGS.items()}
    drawing = {"nodes": [{"id": "start", "type": "trigger.manual"}], "connections": [], "vars": spelt}
    workflow = await service.client.create(drawing)
    execution = await service.client.run(workflow.id, spelt)
    await service.client.status(execution.id)


async def let_in(
    service: Integrations,
    folder: Path,
    postgres_url: str,
    peers: dict[str, dict[str, Any]],
    search: Search,
    ended: dict[str, list[str]],
) -> None:
    """Peers of other protocols that know the credential, and then turn on us with the same one in their hands."""
    url = make_url(postgres_url)
    async with (
        forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as postgres_port,
        mail_server(folder) as (_, mail),
        machine() as ssh,
        AsyncExitStack() as stack,
    ):
        account = await mail.credentials.get("server")  # type: ignore[union-attr]
        good = {
            "postgres": {
                "user": url.username,
                "database": url.database,
                "host": "127.0.0.1",
                "port": postgres_port,
                "sslmode": "disable",
                "password": "pg-password-known",
            },
            "redis": peers["redis"],
            "smtp": {name: value for name, value in account.items() if name in KINDS["smtp"].model_fields},
        }
        turning: dict[str, Turncoat | Machine] = {"ssh": ssh}
        good["ssh"] = ssh.fields()
        for name in ("amqp", "mqtt", "nats", "mysql", "s3"):
            says, at = SAYS[name], peers[name].get("port") or urlsplit(peers[name]["endpoint"]).port
            there = turning[name] = await stack.enter_async_context(turncoat(says, at))
            moved = {"endpoint": f"http://127.0.0.1:{there.port}"} if name == "s3" else {"port": there.port}
            good[name] = {**peers[name], **moved}
        there = turning["kafka"] = await stack.enter_async_context(turncoat(SAYS["kafka"]))
        broker = stack.enter_context(servers.kafka(f"tcp://127.0.0.1:{there.port}"))
        there.upstream = broker["port"]
        served = folder / "ftp"
        served.mkdir()
        files = await stack.enter_async_context(turncoat(SAYS["ftp"], stack.enter_context(servers.ftp(served))))
        turning["ftp"] = files
        who = {"user": servers.USER, "password": servers.PASSWORD}
        good["ftp"] = {"host": "127.0.0.1", "port": files.port, "tls": "off", **who}
        proof = {"mechanism": "PLAIN", **who}
        good["kafka"] = {"host": "127.0.0.1", "port": there.port, "tls": "off", **proof}
        for name, fields in good.items():
            told = {each: str(fields[each]) for each in KINDS[name].secret_names() if fields.get(each)}
            if "private_key" in told:
                told["private_key"] = line_of(told["private_key"])
            search.secrets |= {f"{name} let in: {each}": value for each, value in told.items()}
            let = await use(service, KINDS[name], fields, patient=True)
            assert set(let) == {""}, (name, let)
            ended[name] += let
            if name in turning:
                turning[name].has_turned = True
                refused = await use(service, KINDS[name], fields, patient=True)
                assert "" not in refused, name
                assert turning[name].quoted or name == "s3", name  # which is never told the key itself
                ended[name] += refused


SAYS: dict[str, Says] = {
    "amqp": turncoats.amqp,
    "ftp": turncoats.ftp,
    "kafka": turncoats.kafka,
    "mqtt": turncoats.mqtt,
    "mysql": turncoats.mysql,
    "nats": turncoats.nats,
    "s3": turncoats.http,
}


class Machine(asyncssh.SSHServer):
    """A machine that lets in by key, and turns: then keys are refused, and passwords are said back."""

    key = asyncssh.generate_private_key("ssh-ed25519")
    mine = asyncssh.generate_private_key("ssh-ed25519")
    password = secret("ssh", "password of ann")
    passphrase = secret("ssh", "passphrase of ann")

    def __init__(self) -> None:
        self.port, self.has_turned, self.quoted = 0, False, 0

    def fields(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "ann",
            "host_key": self.key.export_public_key().decode(),
            "password": self.password,
            "private_key": self.mine.export_private_key(passphrase=self.passphrase, rounds=1).decode(),
            "passphrase": self.passphrase,
        }

    def public_key_auth_supported(self) -> bool:
        return not self.has_turned

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return bool(key == self.mine.convert_to_public())

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self.quoted += 1
        if self.quoted % 2:
            return True  # and then the command says it
        raise asyncssh.PermissionDenied(f"you sent {password}")

    def serve(self, process: asyncssh.SSHServerProcess[str]) -> None:
        if self.has_turned:
            process.stderr.write(f"you sent {self.password} {quote(self.password)}\n")
        process.stdout.write("ann\n")
        process.exit(1 if self.has_turned else 0)


@asynccontextmanager
async def machine() -> AsyncIterator[Machine]:
    made = Machine()
    factory, process = (lambda: made), made.serve
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=factory, server_host_keys=[made.key], process_factory=process
    )
    made.port = server.get_port()
    try:
        yield made
    finally:
        server.close()


async def mailbox(service: Integrations, folder: Path, search: Search, ended: dict[str, list[str]]) -> None:
    """A trigger that is let into a mailbox, where a mail lies; the box turns, and another trigger tries."""
    box = Mailbox(folder / "mail")
    await box.start()
    await box.append("hello")
    search.secrets["imap let in: password"] = servers.PASSWORD
    triggers = TriggerServiceStub(service.client.channel)
    try:
        async with turncoat(turncoats.imap, box.port) as there:
            fields = {name: value for name, value in box.credential.items() if name != "type"}
            made = await service.create("imap", fields={**fields, "port": there.port})

            async def listening() -> str:
                node = {"id": "mail", "type": "trigger.email", "parameters": {"from_start": True}}
                drawing = {"nodes": [{**node, "credentials": {"server": made.id}}], "connections": []}
                workflow = await service.client.create(drawing)
                await service.client.stub.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow.id))
                return workflow.id

            async def told(workflow_id: str) -> str:
                """How it goes: the trigger's problem, empty once it has started an execution."""
                while True:
                    wanted = it.ListTriggersRequest(workflow_id=workflow_id)
                    [trigger] = (await triggers.ListTriggers(wanted)).triggers
                    if trigger.problem:
                        return str(trigger.problem)
                    history = ex.GetExecutionHistoryRequest(workflow_id=workflow_id)
                    if (await service.client.stub.GetExecutionHistory(history)).executions:
                        return ""
                    await asyncio.sleep(0.05)

            async with asyncio.timeout(30):
                ended["imap"].append(await told(await listening()))
                there.has_turned = True
                ended["imap"].append(await told(await listening()))
            assert there.quoted
    finally:
        await box.stop()


async def oauth(service: Integrations, search: Search) -> None:
    """A grant with all its tokens: used, renewed, and then thrown back by the token endpoint."""
    async with authority(life=20) as there:
        search.secrets["oauth client secret"] = there.fields["client_secret"]
        made = await service.create("oauth2", fields={**there.fields, "test_url": there.api})
        callback = f"{service.client.http}/oauth/callback"
        started = await service.stub.StartOAuth(it.StartOAuthRequest(credential_id=made.id, redirect_uri=callback))
        async with aiohttp.ClientSession() as session, session.get(started.authorization_url) as response:
            assert response.status == 200
            search.look_into("http /oauth/callback", await response.read())

        def remember() -> None:
            for token in there.server.tokens.values():
                search.secrets[f"access {token.access_token}"] = token.access_token
                search.secrets[f"refresh {token.refresh_token}"] = token.refresh_token

        remember()
        for _ in range(2):  # every use renews it: it lives for less than the margin
            assert (await service.test(made.id)).success
            remember()
        assert there.asked["refresh_token"] == 2
        there.echoes = True
        answer = await service.test(made.id)
        assert answer.failure.reason == "CREDENTIAL_EXPIRED"
        assert "you sent" in answer.failure.message
        again = await service.stub.StartOAuth(it.StartOAuthRequest(credential_id=made.id, redirect_uri=callback))
        async with aiohttp.ClientSession() as session, session.get(again.authorization_url) as response:
            assert response.status == 400
            search.look_into("http /oauth/callback", await response.read())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_search_finds_a_secret_in_each_of_its_forms(spelling: str) -> None:
    search = Search({"it": secret("kind", "token")})
    search.look_into("there", f"before {SPELLINGS[spelling](secret('kind', 'token'))} after")
    assert search.found()
