"""action.ftp on a real FTP server, in the clear and under TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.nodes.action.servers import PASSWORD, USER, ftp
from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.ftp"
AUTHORITY = trustme.CA()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    made = tmp_path / "remote"
    made.mkdir()
    return made


@pytest.fixture
async def context(tmp_path: Path, remote: Path) -> AsyncIterator[Context]:
    certificate = tmp_path / "server.pem"
    AUTHORITY.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    trusted = AUTHORITY.cert_pem.bytes().decode()
    with ftp(remote) as port, ftp(remote, certificate) as tls_port:
        here = {"type": "ftp", "host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "tls": "off"}
        secure = {**here, "port": tls_port, "tls": "verify", "ca_certificate": trusted}
        async with world(
            tmp_path / "blobs",
            here=here,
            secure=secure,
            untrusted={**secure, "ca_certificate": trustme.CA().cert_pem.bytes().decode()},
            clear={**here, "port": tls_port},
            wrong={**here, "password": "no"},
            inner={**here, "host": "10.0.0.1"},
            gone={**here, "port": 1},
        ) as made:
            yield made


async def run(context: Context, operation: str, server: str = "here", item: Item | None = None, **do: Any) -> Any:
    drawn = {"do": {"operation": operation, **do}}
    return await run_node(TYPE, drawn, [item or {}], context=context, credentials={"server": server})


async def file(context: Context, data: bytes = b"a;b") -> Item:
    assert context.blobs
    return Item({"n": 1}, {"data": await context.blobs.write(data, "text/csv", "june.csv")})


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("server", ["here", "secure"])
async def test_a_file_goes_there_and_comes_back(context: Context, remote: Path, server: str) -> None:
    data = bytes(range(256)) * 4_000
    sent = await run(context, "upload", server, await file(context, data), path="reports/2026/june 1.csv")
    assert records(sent) == [{"n": 1, "path": "reports/2026/june 1.csv", "size": len(data)}]
    assert (remote / "reports/2026/june 1.csv").read_bytes() == data
    assert names(remote / "reports/2026") == ["june 1.csv"]
    got = await run(context, "download", server, path="reports/2026/june 1.csv")
    assert isinstance(got, NodeSucceeded), got
    assert await content(context, got.outputs["main"][0].binary["data"]) == data
    assert got.outputs["main"][0].json["file_name"] == "june 1.csv"


async def test_a_folder_is_listed(context: Context, remote: Path) -> None:
    (remote / "in").mkdir()
    (remote / "in/b.csv").write_text("12345")
    (remote / "in/a.txt").write_text("")
    found = records(await run(context, "list", path="in", pattern="*.csv"))
    assert [(each["path"], each["type"], each["size"]) for each in found] == [("in/b.csv", "file", 5)]
    assert found[0]["modified"].startswith("20")
    everything = records(await run(context, "list", recursive=True))
    assert [(each["name"], each["type"]) for each in everything] == [
        ("in", "folder"),
        ("a.txt", "file"),
        ("b.csv", "file"),
    ]


async def test_files_are_moved_and_deleted(context: Context, remote: Path) -> None:
    (remote / "a").write_text("x")
    assert records(await run(context, "make_folder", path="old/2026")) == [{"path": "old/2026"}]
    assert records(await run(context, "make_folder", path="old/2026")) == [{"path": "old/2026"}]
    await run(context, "move", path="a", to="old/2026/a")
    assert (remote / "old/2026/a").read_text() == "x"
    await run(context, "delete", path="old")
    assert names(remote) == []


@pytest.mark.parametrize(
    ("operation", "do"),
    [("download", {}), ("delete", {}), ("list", {}), ("move", {"to": "b"})],
)
async def test_what_is_not_there_is_named(context: Context, operation: str, do: dict[str, Any]) -> None:
    failed = failure(await run(context, operation, path="nothing/here", **do))
    assert (failed.reason, failed.field) == ("FILE_FAILED", "do.path")
    assert failed.message.startswith("nothing/here: ")
    assert not failed.retryable


@pytest.mark.parametrize(
    ("server", "reason", "said"),
    [
        ("wrong", "CONNECTION_FAILED", "Authentication failed"),
        ("untrusted", "CONNECTION_FAILED", "certificate verify failed"),
        ("clear", "CONNECTION_FAILED", "SSL/TLS required"),
        ("gone", "CONNECTION_FAILED", ""),
        ("inner", "EGRESS_REFUSED", ""),
    ],
)
async def test_a_server_that_lets_us_not_in(context: Context, server: str, reason: str, said: str) -> None:
    failed = failure(await run(context, "list", server))
    assert failed.reason == reason
    assert said in failed.message
    assert PASSWORD not in str(failed)


async def test_an_upload_that_breaks_leaves_nothing_half_done(context: Context, remote: Path) -> None:
    (remote / "full").mkdir()
    (remote / "full/june.csv").mkdir()
    failed = failure(await run(context, "upload", item=await file(context), path="full/june.csv"))
    assert failed.reason == "FILE_FAILED"
    assert names(remote / "full") == ["june.csv"]


def test_what_is_refused_at_save_and_what_may_be_repeated() -> None:
    (said,) = problems(TYPE, {"do": {"operation": "delete", "path": "a\r\nDELE b"}})
    assert said.startswith("parameters.do.path")
    (said,) = problems(TYPE, {"do": {"operation": "list", "mode": "fast"}})
    assert said == "parameters.do.mode: there is no parameter 'do.mode'"
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"do": {"operation": "upload"}}).effect is Effect.IDEMPOTENT
    assert kind.shape({"do": {"operation": "move"}}).effect is Effect.AT_MOST_ONCE
