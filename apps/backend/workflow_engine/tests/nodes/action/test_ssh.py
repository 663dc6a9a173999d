"""action.ssh on a real SSH server that runs real commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.nodes.action.world import content, world
from tests.nodes.harness import failure, problems, records, run_node
from workflow_engine.engine.events import NodeSucceeded
from workflow_engine.engine.items import Item
from workflow_engine.engine.shape import Effect
from workflow_engine.nodes.context import Context
from workflow_engine.nodes.registry import installed

TYPE = "action.ssh"
PASSWORD = "s3cret-and-long"
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER_KEY = asyncssh.generate_private_key("ssh-ed25519")


class Machine(asyncssh.SSHServer):
    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("ann", PASSWORD)

    def password_auth_supported(self) -> bool:
        return True


async def shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_shell(process.command or "", stdin=pipe, stdout=pipe, stderr=pipe)
    assert child.stdin
    assert child.stdout
    assert child.stderr

    async def pump(source: Any, sink: Any) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()

    try:
        child.stdin.write(await process.stdin.read())
        child.stdin.close()
        await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
        process.exit(await child.wait())
    finally:
        if child.returncode is None:
            child.kill()


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    remote = tmp_path / "remote"
    remote.mkdir()
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Machine,
        server_host_keys=[HOST_KEY],
        authorized_client_keys=asyncssh.import_authorized_keys(USER_KEY.export_public_key().decode()),
        process_factory=shell,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(remote).encode()),
        encoding=None,
    )
    here = {
        "type": "ssh",
        "host": "127.0.0.1",
        "port": server.get_port(),
        "user": "ann",
        "password": PASSWORD,
        "host_key": HOST_KEY.export_public_key().decode(),
    }
    key = USER_KEY.export_private_key().decode()
    async with world(
        tmp_path / "blobs",
        here=here,
        key={**here, "password": "", "private_key": key},
        locked={**here, "password": "", "private_key": USER_KEY.export_private_key(passphrase="p").decode()},
        wrong={**here, "password": "no"},
        nobody={**here, "password": ""},
        other={**here, "host_key": OTHER_KEY.export_public_key().decode()},
        keyless={**here, "host_key": "nonsense"},
        inner={**here, "host": "10.0.0.1"},
        gone={**here, "port": 1},
    ) as made:
        yield made
    server.close()
    await server.wait_closed()


async def run(context: Context, command: str, *arguments: Any, machine: str = "here", **more: Any) -> Any:
    seconds = {"timeout_seconds": more.pop("timeout_seconds")} if "timeout_seconds" in more else {}
    do = {"operation": "run", "command": command, "arguments": list(arguments), **more}
    return await run_node(TYPE, {"do": do, **seconds}, context=context, credentials={"machine": machine})


@pytest.mark.parametrize("machine", ["here", "key"])
async def test_a_command_runs_there(context: Context, machine: str) -> None:
    nasty = "a b; $(id) 'x' \" `id`\n| cat"
    event = await run(context, "printf '%s,'", nasty, 7, True, machine=machine)
    assert records(event) == [{"status": 0, "stdout": f"{nasty},7,true,", "stderr": ""}]


async def test_it_reads_what_it_is_given(context: Context) -> None:
    assert records(await run(context, "cat; echo so >&2", stdin={"n": 1})) == [
        {"status": 0, "stdout": '{"n":1}', "stderr": "so\n"}
    ]


async def test_a_failure_says_what_the_command_said(context: Context) -> None:
    failed = failure(await run(context, "echo no such unit >&2; exit 5"))
    assert (failed.reason, failed.details["status"], failed.retryable) == ("COMMAND_FAILED", 5, False)
    assert "no such unit" in failed.message
    assert records(await run(context, "exit 5", check=False))[0]["status"] == 5


async def test_files_go_there_and_come_back(context: Context, tmp_path: Path) -> None:
    assert context.blobs
    data = bytes(range(256)) * 4000
    item = Item({"id": 7}, {"data": await context.blobs.write(data, "image/png")})
    there = {"machine": "here"}
    do: dict[str, Any] = {"operation": "upload", "path": "/a b.png"}
    event = await run_node(TYPE, {"do": do}, [item], context=context, credentials=there)
    assert records(event) == [{"id": 7, "path": "/a b.png", "size": len(data)}]
    assert [each.name for each in await asyncio.to_thread(lambda: list((tmp_path / "remote").iterdir()))] == ["a b.png"]
    event = await run_node(
        TYPE, {"do": {"operation": "download", "path": "/a b.png"}}, context=context, credentials=there
    )
    assert isinstance(event, NodeSucceeded)
    [back] = event.outputs["main"]
    assert (back.json["size"], await content(context, back.binary["data"])) == (len(data), data)
    for do in ({"operation": "download", "path": "/none"}, {"operation": "upload", "path": "/none/x"}):
        event = await run_node(TYPE, {"do": do}, [item], context=context, credentials=there)
        assert (failure(event).reason, failure(event).field) == ("FILE_FAILED", "do.path")


async def test_a_machine_with_another_key_is_not_spoken_to(context: Context) -> None:
    failed = failure(await run(context, "true", machine="other"))
    assert (failed.reason, failed.retryable) == ("HOST_KEY_REFUSED", False)
    assert "ssh-keyscan" in failed.hint


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        ("wrong", "CONNECTION_FAILED"),
        ("nobody", "CONNECTION_FAILED"),
        ("gone", "CONNECTION_FAILED"),
        ("locked", "CREDENTIAL_REFUSED"),
        ("keyless", "CREDENTIAL_REFUSED"),
        ("inner", "EGRESS_REFUSED"),
        ("", "CREDENTIAL_MISSING"),
    ],
)
async def test_where_it_will_not_connect(context: Context, machine: str, reason: str) -> None:
    failed = failure(await run(context, "true", machine=machine))
    assert failed.reason == reason
    assert PASSWORD not in str(failed)


async def test_it_is_bounded(context: Context) -> None:
    assert failure(await run(context, "sleep 60", timeout_seconds=0.5)).reason == "TIMEOUT"
    assert failure(await run(context, "cat /dev/zero")).reason == "COMMAND_OUTPUT_TOO_LARGE"


def test_only_what_can_be_repeated_is_repeated() -> None:
    kind = installed().find(TYPE)
    assert kind
    assert kind.shape({"do": {"operation": "run"}}).effect is Effect.AT_MOST_ONCE
    assert kind.shape({"do": {"operation": "run", "idempotent": True}}).effect is Effect.IDEMPOTENT
    assert kind.shape({"do": {"operation": "upload"}}).effect is Effect.IDEMPOTENT


async def on_files(context: Context, **do: Any) -> Any:
    return await run_node(TYPE, {"do": do}, [{"n": 1}], context=context, credentials={"machine": "here"})


async def test_files_are_listed_moved_and_deleted(context: Context, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    (remote / "in").mkdir()
    for name in ("b.csv", "a.csv", "c.txt"):
        (remote / "in" / name).write_text(name)
    (remote / "in" / "deep").mkdir()
    (remote / "in" / "way").symlink_to("a.csv")

    found = records(await on_files(context, operation="list", path="/in/"))
    assert [(each["name"], each["type"]) for each in found] == [
        ("a.csv", "file"), ("b.csv", "file"), ("c.txt", "file"), ("deep", "folder"), ("way", "link")
    ]  # fmt: skip
    assert (found[0]["path"], found[0]["size"]) == ("/in/a.csv", 5)
    some = records(await on_files(context, operation="list", path="/in", pattern="*.csv"))
    assert [each["name"] for each in some] == ["a.csv", "b.csv"]

    assert records(await on_files(context, operation="make_folder", path="/done/today")) == [
        {"n": 1, "path": "/done/today"}
    ]
    await on_files(context, operation="make_folder", path="/done/today")
    assert records(await on_files(context, operation="move", path="/in/a.csv", to="/done/today/a.csv")) == [
        {"n": 1, "path": "/done/today/a.csv"}
    ]
    assert (remote / "done/today/a.csv").read_text() == "a.csv"
    assert (
        failure(await on_files(context, operation="move", path="/in/b.csv", to="/done/today/a.csv")).reason
        == "FILE_FAILED"
    )
    await on_files(context, operation="move", path="/in/b.csv", to="/done/today/a.csv", replace=True)
    assert (remote / "done/today/a.csv").read_text() == "b.csv"

    for path in ("/done/today/a.csv", "/in/deep", "/in/way"):
        records(await on_files(context, operation="delete", path=path))
    assert sorted(each.name for each in remote.rglob("*")) == ["c.txt", "done", "in", "today"]


async def test_files_that_are_not_there(context: Context) -> None:
    for do in ({"operation": "list"}, {"operation": "delete"}, {"operation": "move", "to": "/x"}):
        failed = failure(await on_files(context, path="/nowhere", **do))
        assert (failed.reason, failed.retryable) == ("FILE_FAILED", False)
    assert records(await on_files(context, operation="delete", path="/nowhere", missing_ok=True))


async def test_a_folder_that_is_not_empty_stays(context: Context, tmp_path: Path) -> None:
    (tmp_path / "remote/full").mkdir()
    (tmp_path / "remote/full/file").touch()
    assert failure(await on_files(context, operation="delete", path="/full")).reason == "FILE_FAILED"
    assert (tmp_path / "remote/full/file").exists()


def test_mistakes_are_found_when_saving() -> None:
    do = {"operation": "run", "command": "rm {{ json.file }}"}
    assert problems(TYPE, {"do": do}) == [
        "parameters.do.command: an expression in a command would let data become a command"
    ]
    assert "there is no parameter" in problems(TYPE, {"do": {"operation": "run", "command": "x", "cmd": "y"}})[0]
