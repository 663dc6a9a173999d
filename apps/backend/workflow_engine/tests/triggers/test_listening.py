"""Triggers that listen: to a mailbox, a database, a folder, and other workflows."""

from __future__ import annotations

import asyncio
import imaplib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pysasl.hashing import BuiltinHash
from sqlalchemy.engine import make_url

from tests.clock import ManualClock
from tests.nodes.action import servers
from tests.nodes.action.world import world
from tests.runtime.peers import forwarded
from tests.triggers.rig import Rig, rig
from tests.triggers.test_brokers import until
from workflow_engine.engine.events import ExecutionStarted
from workflow_engine.models.store import ExecutionFilter
from workflow_engine.nodes.context import Context
from workflow_engine.runtime.endings import StoredEndings
from workflow_engine.runtime.files import FolderFiles
from workflow_engine.runtime.journal import read_page


@asynccontextmanager
async def listening(
    url: str, folder: Path, clock: ManualClock, root: Path | None = None, **secrets: dict[str, Any]
) -> AsyncIterator[Rig]:
    """One life of the engine."""
    async with world(folder / "blobs", **secrets) as there:

        def services(context: Context) -> Context:
            context.http, context.blobs, context.credentials = there.http, there.blobs, there.credentials
            context.files = FolderFiles(root) if root else None
            context.endings = endings[0] if endings else None
            return context

        endings: list[StoredEndings] = []
        async with rig(url, clock=clock, services=services) as made:
            runtime = made.engine.runtime
            endings.append(StoredEndings(made.engine.store, clock, lambda: runtime))
            runtime.on_end = endings[0].tell
            yield made


def drawing(type: str, credentials: dict[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
    trigger = {"id": "in", "type": type, "parameters": parameters, "credentials": credentials or {}}
    return {"nodes": [trigger, {"id": "out", "type": "flow.no_op"}], "connections": ["in -> out"]}


async def inputs(rig: Rig, workflow_id: str) -> list[Any]:
    """The first item of every execution, in order."""
    rows = await asyncio.to_thread(
        lambda: rig.engine.store.executions(ExecutionFilter(workflow_id=workflow_id), limit=1_000)
    )
    found = []
    for row in reversed(rows):
        [(_, event)] = await read_page(rig.engine.store, rig.engine.runtime._blobs, row.pk, 1, 1)
        assert isinstance(event, ExecutionStarted)
        found.append(event.input[0])
    return found


async def come(rig: Rig, workflow_id: str, shown: Callable[[Any], Any], expected: list[Any]) -> None:
    """Returns when exactly this has come."""

    async def is_there() -> bool:
        return [shown(item) for item in await inputs(rig, workflow_id)] == expected

    try:
        await until(rig, is_there, "it never came")
    except AssertionError as error:
        raise AssertionError(f"{error}; came: {[shown(item) for item in await inputs(rig, workflow_id)]}") from None


class TestMail:
    @pytest.fixture
    async def box(self, tmp_path: Path) -> AsyncIterator[Mailbox]:
        made = Mailbox(tmp_path / "mail")
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    async def test_a_mail_starts_as_it_arrives_and_after_either_side_was_away(
        self, box: Mailbox, sqlite_url: str, tmp_path: Path
    ) -> None:
        clock = ManualClock()
        await box.append("old")
        async with listening(sqlite_url, tmp_path, clock, box=box.credential) as first:
            [trigger] = await first.publish("mail", drawing("trigger.email", {"server": "box"}, mark_seen=True))

            async def is_listening() -> bool:
                return bool(trigger.cursor)

            await until(first, is_listening, "it does not listen")
            await box.append("one", attachment=b"%PDF-1")
            await come(first, "mail", subject, ["one"])
            [item] = await inputs(first, "mail")
            assert item.json["from"] == {"name": "Ada", "address": "ada@example.com"}
            assert item.json["text"].strip() == "Grüße"
            assert item.binary["attachment_0"].file_name == "bill.pdf"
        await box.append("two")
        async with listening(sqlite_url, tmp_path, clock, box=box.credential) as second:
            await come(second, "mail", subject, ["one", "two"])
            [trigger] = second.triggers.registered.values()
            await box.stop()

            async def says_so() -> bool:
                return "127.0.0.1" in trigger.problem

            await until(second, says_so, "it stopped in silence")
            await box.start()
            await box.append("three")
            await come(second, "mail", subject, ["one", "two", "three"])
        assert await box.seen() == 3

    async def test_a_password_that_is_wrong_is_said(self, box: Mailbox, sqlite_url: str, tmp_path: Path) -> None:
        wrong = {**box.credential, "password": "no"}
        async with listening(sqlite_url, tmp_path, ManualClock(), box=wrong) as made:
            [trigger] = await made.publish("mail", drawing("trigger.email", {"server": "box"}))

            async def says_so() -> bool:
                return "lets us not in" in trigger.problem

            await until(made, says_so, "it stopped in silence")


def subject(item: Any) -> Any:
    return item.json["subject"]


class Mailbox:
    """An IMAP server with one user, whose mail lies in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "pymap-etc-passwd").write_text(f"{servers.USER}:x::::{servers.USER}:\n")
        (folder / "pymap-etc-shadow").write_text(f"{servers.USER}:{BuiltinHash().hash(servers.PASSWORD)}:::::::\n")
        self.folder, self.port = folder, servers.free_port()
        self.credential = {
            "type": "imap",
            "host": "127.0.0.1",
            "port": self.port,
            "user": servers.USER,
            "password": servers.PASSWORD,
            "tls": "off",
        }
        self._running: Any = None

    async def start(self) -> None:
        program = str(Path(sys.executable).with_name("pymap"))
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-tls"]
        self._running = servers.started([program, *options, "maildir", str(self.folder)], self.port, self.folder)
        await asyncio.to_thread(self._running.__enter__)

    async def stop(self) -> None:
        await asyncio.to_thread(self._running.__exit__, None, None, None)

    async def append(self, subject: str, attachment: bytes = b"") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.com>", "shop@example.com", subject
        mail["Message-ID"] = f"<{subject}@example.com>"
        mail.set_content("Grüße")
        if attachment:
            mail.add_attachment(attachment, maintype="application", subtype="pdf", filename="bill.pdf")
        await asyncio.to_thread(self._append, mail.as_bytes())

    def _append(self, data: bytes) -> None:
        with imaplib.IMAP4("127.0.0.1", self.port) as client:
            client.login(servers.USER, servers.PASSWORD)
            assert client.append("INBOX", "", "", data)[0] == "OK"

    async def seen(self) -> int:
        def count() -> int:
            with imaplib.IMAP4("127.0.0.1", self.port) as client:
                client.login(servers.USER, servers.PASSWORD)
                client.select("INBOX", readonly=True)
                return len(client.search(None, "SEEN")[1][0].split())

        return await asyncio.to_thread(count)


class TestDatabase:
    @pytest.fixture
    async def shop(self, empty_postgres_url: str) -> AsyncIterator[tuple[dict[str, Any], str]]:
        """A database as a credential, and how to reach it."""
        url = make_url(empty_postgres_url)
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, name text, total numeric)")
            connection.execute("INSERT INTO orders (name) VALUES ('old')")
        async with forwarded(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as port:
            secret = {"type": "postgres", "host": "127.0.0.1", "port": port, "database": url.database}
            yield {**secret, "user": url.username, "password": url.password or "", "sslmode": "disable"}, dsn

    async def test_rows_start_at_once_when_told_and_after_the_engine_was_away(
        self, shop: tuple[dict[str, Any], str], sqlite_url: str, tmp_path: Path
    ) -> None:
        (secret, dsn), clock = shop, ManualClock()
        drawn = drawing("trigger.database_change", {"database": "db"}, table="orders", channel="orders", every="1h")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            async with listening(sqlite_url, tmp_path, clock, db=secret) as first:
                [trigger] = await first.publish("orders", drawn)

                async def is_listening() -> bool:
                    return bool(trigger.cursor)

                await until(first, is_listening, f"it does not listen: {trigger.problem}")
                await connection.execute("INSERT INTO orders (name, total) VALUES ('a', 1.50), ('b', NULL)")
                await connection.execute("NOTIFY orders")
                await come(first, "orders", lambda item: item.json["name"], ["a", "b"])
                assert (await inputs(first, "orders"))[0].json == {"id": 2, "name": "a", "total": "1.50"}
            await connection.execute("INSERT INTO orders (name) VALUES ('c')")
            async with listening(sqlite_url, tmp_path, clock, db=secret) as second:
                await come(second, "orders", lambda item: item.json["name"], ["a", "b", "c"])
                # The server throws everyone out.
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'workflow-engine' AND datname = current_database()"
                )
                await connection.execute("INSERT INTO orders (name) VALUES ('d')")
                await come(second, "orders", lambda item: item.json["name"], ["a", "b", "c", "d"])

    async def test_rows_that_change_are_told_apart_by_their_key(
        self, shop: tuple[dict[str, Any], str], sqlite_url: str, tmp_path: Path
    ) -> None:
        secret, dsn = shop
        drawn = drawing(
            "trigger.database_change",
            {"database": "db"},
            table="public.docs",
            column="updated_at",
            key="id",
            channel="docs",
            from_start=True,
        )
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("CREATE TABLE docs (id int, updated_at timestamptz)")
            await connection.execute("INSERT INTO docs SELECT n, '2026-01-01Z' FROM generate_series(1, 3) n")
            async with listening(sqlite_url, tmp_path, ManualClock(), db=secret) as made:
                await made.publish("docs", drawn)
                await come(made, "docs", lambda item: item.json["id"], [1, 2, 3])
                await connection.execute("UPDATE docs SET updated_at = '2026-01-02Z' WHERE id = 2")
                await connection.execute("NOTIFY docs")
                await come(made, "docs", lambda item: item.json["id"], [1, 2, 3, 2])

    async def test_a_notification_alone_starts_with_what_it_says(
        self, shop: tuple[dict[str, Any], str], sqlite_url: str, tmp_path: Path
    ) -> None:
        secret, dsn = shop
        async with listening(sqlite_url, tmp_path, ManualClock(), db=secret) as made:
            drawn = drawing("trigger.database_change", {"database": "db"}, channel="news")
            await made.publish("news", drawn)
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

                async def is_heard() -> bool:
                    await connection.execute("""SELECT pg_notify('news', '{"n": 1}')""")
                    return bool(await inputs(made, "news"))

                await until(made, is_heard, "nobody listens")
        [first, *_] = await self._all(sqlite_url, tmp_path)
        assert first.json == {"channel": "news", "payload": {"n": 1}}

    async def _all(self, url: str, folder: Path) -> list[Any]:
        async with rig(url) as made:
            return await inputs(made, "news")

    async def test_a_table_that_is_not_there_is_said(
        self, shop: tuple[dict[str, Any], str], sqlite_url: str, tmp_path: Path
    ) -> None:
        async with listening(sqlite_url, tmp_path, ManualClock(), db=shop[0]) as made:
            drawn = drawing("trigger.database_change", {"database": "db"}, table="nothing")
            [trigger] = await made.publish("none", drawn)

            async def says_so() -> bool:
                return "nothing" in trigger.problem

            await until(made, says_so, "it stopped in silence")


class TestFiles:
    async def test_files_start_when_they_come_change_and_go(self, sqlite_url: str, tmp_path: Path) -> None:
        root, clock = tmp_path / "files", ManualClock()
        inbox = root / "inbox"
        inbox.mkdir(parents=True)
        (inbox / "old.csv").write_text("x")
        parameters = {
            "folder": "inbox",
            "pattern": "*.csv",
            "changes": ["added", "modified", "deleted"],
            "content": True,
        }

        def shown(item: Any) -> str:
            return f"{item.json['change']} {item.json['path']}"

        async with listening(sqlite_url, tmp_path, clock, root) as first:
            [trigger] = await first.publish("files", drawing("trigger.file_change", **parameters))

            async def is_listening() -> bool:
                return bool(trigger.cursor)

            await until(first, is_listening, f"it does not listen: {trigger.problem}")
            (inbox / "new.csv").write_text("a,b")
            (inbox / "other.txt").write_text("no")
            expected = ["added inbox/new.csv"]
            await come(first, "files", shown, expected)
            [item] = await inputs(first, "files")
            assert (item.json["size"], item.binary["file"].size) == (3, 3)
        # While the engine is away one goes, one changes and one comes.
        (inbox / "old.csv").unlink()
        (inbox / "new.csv").write_text("a,b,c")
        (inbox / "sub").mkdir()
        (inbox / "sub" / "deep.csv").write_text("z")
        async with listening(sqlite_url, tmp_path, clock, root) as second:
            expected += ["modified inbox/new.csv", "deleted inbox/old.csv", "added inbox/sub/deep.csv"]
            await come(second, "files", shown, expected)

    async def test_a_folder_outside_is_out_of_reach(self, sqlite_url: str, tmp_path: Path) -> None:
        root = tmp_path / "files"
        root.mkdir()
        os.symlink("/etc", root / "link")
        async with listening(sqlite_url, tmp_path, ManualClock(), root) as made:
            for number, folder in enumerate(("../", "link", "/etc", "none")):
                [trigger] = await made.publish(f"w{number}", drawing("trigger.file_change", folder=folder))

                async def says_so(trigger: Any = trigger) -> bool:
                    return bool(trigger.problem)

                await until(made, says_so, f"{folder} is watched")


class TestWorkflowEvents:
    async def test_a_failure_elsewhere_starts_once(self, database_url: str, tmp_path: Path) -> None:
        clock = ManualClock()
        fails = {"nodes": [{"id": "stop", "type": "flow.stop_and_error", "parameters": {"message": "no {{ json.n }}"}}]}
        good = {"nodes": [{"id": "go", "type": "flow.no_op"}]}
        watch = drawing("trigger.workflow_event", workflow_ids=["fails", "good"])

        async def run(rig: Rig, id: str, n: int) -> None:
            from tests.engine.rig import items
            from workflow_engine.runtime.contract import Start

            digest, version = await rig.engine.runtime._definitions.resolve(id)
            started = await rig.engine.runtime.start(Start(id, digest, version, "ada", input=items([{"n": n}])))
            assert await rig.engine.runtime.wait(started, 5) is not None

        def shown(item: Any) -> Any:
            return item.json["workflow_id"], item.json["status"], item.json["failure"]["message"]

        async with listening(database_url, tmp_path, clock) as first:
            await first.publish("fails", fails)
            await first.publish("good", good)
            [trigger] = await first.publish("watch", watch)

            async def is_listening() -> bool:
                return bool(trigger.cursor)

            await until(first, is_listening, f"it does not listen: {trigger.problem}")
            await run(first, "good", 1)
            await run(first, "fails", 2)
            expected = [("fails", "failed", "no 2")]
            await come(first, "watch", shown, expected)
            # It stops watching, and something fails meanwhile.
            await first.triggers.pause(trigger.id)
            clock.advance(1_000)
            await run(first, "fails", 3)
        async with listening(database_url, tmp_path, clock) as second:
            [trigger] = [each for each in second.triggers.registered.values() if each.row.workflow_id == "watch"]
            await second.triggers.resume(trigger.id)
            expected.append(("fails", "failed", "no 3"))
            await come(second, "watch", shown, expected)

    async def test_a_workflow_can_not_watch_itself(self, sqlite_url: str, tmp_path: Path) -> None:
        async with listening(sqlite_url, tmp_path, ManualClock()) as made:
            [trigger] = await made.publish("self", drawing("trigger.workflow_event", workflow_ids=["self"]))

            async def says_so() -> bool:
                return "watch itself" in trigger.problem

            await until(made, says_so, "it watches itself")
