"""`workflow-engine` as a person types it: in this process where it can be, as a process where that matters."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.access import PASSWORD, people
from tests.serving import Client, serving
from tests.test_workflow_service import WAITING
from workflow_engine.cli import app
from workflow_engine.cli.api_keys import Permission
from workflow_engine.cli.executions import Status
from workflow_engine.cli.output import console
from workflow_engine.cli.users import Role
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import options_pb2 as op

GREETING = """\
name: Greeting
nodes:
- {id: start, type: trigger.manual}
- id: greet
  type: flow.set
  parameters: {assignments: [{name: text, value: "Hello {{ json.name }}"}]}
connections:
- {from_node: start, to_node: greet}
"""


@dataclass
class Terminal:
    """Somebody who types."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def type(self, *arguments: str, code: int = 0, input: str = "", **environment: str) -> str:
        """What the command printed. It must end with `code`."""
        run = CliRunner(env=self.environment | environment)
        result = await asyncio.to_thread(run.invoke, app, list(arguments), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output + result.stderr
        return result.stdout

    async def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(await self.type(*arguments, "--json", **options))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("WORKFLOW_ENGINE_URL", "WORKFLOW_ENGINE_KEY", "WORKFLOW_ENGINE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 200)
    monkeypatch.setenv("COLUMNS", "200")  # for programs that are started
    (tmp_path / "greeting.yaml").write_text(GREETING)
    return Terminal(tmp_path)


@pytest.fixture
async def at_server(terminal: Terminal, sqlite_url: str, tmp_path: Path) -> AsyncIterator[tuple[Terminal, Client]]:
    async with serving(sqlite_url, tmp_path) as client:
        terminal.environment["WORKFLOW_ENGINE_URL"] = f"localhost:{client.port}"
        yield terminal, client


class TestFiles:
    async def test_a_workflow_runs_from_a_file_without_a_server(self, terminal: Terminal) -> None:
        said = await terminal.type("run", "greeting.yaml", "--input", '[{"name": "Ada"}, {"name": "Alan"}]')
        # Only the items, so that they can be piped on.
        assert [json.loads(line)["text"] for line in said.splitlines()] == ["Hello Ada", "Hello Alan"]
        told = await terminal.json("run", "greeting.yaml", "--input", "{}", code=1)
        assert (told["status"], told["failure"]["reason"]) == ("ERROR", "EXPRESSION_FAILED")

    async def test_what_is_wrong_with_a_file_is_told_by_node_and_field(self, terminal: Terminal) -> None:
        assert "can run" in await terminal.type("validate", "greeting.yaml")
        bad = GREETING.replace("flow.set", "flow.sett")
        said = await terminal.type("validate", "-", input=bad, code=1)
        assert "greet" in said
        assert "did you mean 'flow.set'" in said
        assert "-:5 greet nodes[1].type" in said, "with its line"
        told = await terminal.json("validate", "-", input="nodes: 7", code=1)
        assert told["issues"][0]["code"] == "INVALID_CONTENT"

    @pytest.mark.parametrize(
        ("mistake", "correction", "said"),
        [
            ("type: flow", " type: flow", "-:5 is neither YAML nor JSON: line 5, column 8"),
            ("assignments", "asignments", "-:6 greet parameters.asignments: .* did you mean 'assignments'"),
            ("value:", "valu:", r"-:6 greet parameters.assignments\[0\].valu: .* did you mean 'value'"),
            ("json.name", "jsn.name", r"-:6 greet parameters.assignments\[0\].value: .* did you mean json"),
            ("to_node", "to_nod", r"-:8 connections\[0\].to_nod: there is no such field; did you mean 'to_node'"),
            ("to_node: greet", "to_node: gret", r"-:8 gret connections\[0\].to_node: .* did you mean 'greet'"),
            ("nodes:", "nods:", "-:2 nods: there is no such field; did you mean 'nodes'"),
        ],
    )
    async def test_a_mistake_is_found_by_its_line(
        self, terminal: Terminal, mistake: str, correction: str, said: str
    ) -> None:
        bad = GREETING.replace(mistake, correction)
        assert re.search(said, await terminal.type("validate", "-", input=bad, code=1))

    async def test_a_workflow_goes_to_a_server_and_comes_back(self, at_server: tuple[Terminal, Client]) -> None:
        terminal, _ = at_server
        assert "imported 'Greeting' as wf_" in await terminal.type("import", "greeting.yaml")
        imported = await terminal.json("import", "greeting.yaml", "--publish")
        id = imported["workflow"]["id"]
        await terminal.type("export", id, "--to", "again.json")
        again = json.loads((terminal.folder / "again.json").read_text())
        assert [node["id"] for node in again["nodes"]] == ["start", "greet"]
        assert "type: flow.set" in await terminal.type("export", id)
        listed = await terminal.type("workflows", "list")
        assert f"{id}  Greeting  v1" in listed

    async def test_a_narrow_terminal_cuts_nothing_off_and_a_pipe_neither(
        self, at_server: tuple[Terminal, Client], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal, _ = at_server
        monkeypatch.setattr(console, "width", 40)
        await terminal.type("import", "-", input=GREETING.replace("Greeting", "A greeting with a name that is long"))
        head, row = (await terminal.type("workflows", "list")).splitlines()
        assert "A greeting with a name that is long" in row
        assert row.index("A greeting") == head.index("NAME")


class TestExecutions:
    async def test_they_are_run_listed_shown_and_cancelled(self, at_server: tuple[Terminal, Client]) -> None:
        terminal, client = at_server
        id = (await terminal.json("import", "greeting.yaml"))["workflow"]["id"]
        assert "Hello Ada" in await terminal.type("workflows", "run", id, "--input", '{"name": "Ada"}')
        failed = (await terminal.json("workflows", "run", id, code=1))["id"]
        listed = await terminal.type("executions", "list", "--workflow", id, "--status", "error")
        assert failed in listed
        assert "manual" in listed
        assert "EXPRESSION_FAILED" in await terminal.type("executions", "show", failed)
        retried = (await terminal.json("executions", "retry", failed))["executionId"]
        assert "greet" in await terminal.type("executions", "watch", retried, code=1)

        waiting = await client.create(WAITING)
        run = (await terminal.type("workflows", "run", waiting.id, "--detach")).strip()
        assert "cancelling" in await terminal.type("executions", "cancel", run, "-m", "by mistake")
        events = (await terminal.type("executions", "watch", run, "--json", code=1)).splitlines()
        assert json.loads(events[-1])["status"] == "CANCELED"

    async def test_a_signal_goes_through(self, at_server: tuple[Terminal, Client]) -> None:
        terminal, client = at_server
        run = await client.start((await client.create(WAITING)).id)
        assert "delivered" in await terminal.type("executions", "signal", run, "go", "--payload", '{"ok": true}')
        assert (await client.wait(run)).status == ex.SUCCESS

    async def test_the_other_lists_can_be_read(self, at_server: tuple[Terminal, Client]) -> None:
        terminal, _ = at_server
        assert "no triggers" in await terminal.type("triggers", "list")
        assert "no credentials" in await terminal.type("credentials", "list")
        assert "no projects" in await terminal.type("projects", "list")
        assert "may do everything" in await terminal.type("users", "list")
        assert (await terminal.json("triggers", "list"))["success"]


class TestPeople:
    async def test_the_first_admin_is_made_beside_the_server_and_makes_the_others(
        self, terminal: Terminal, database_url: str, tmp_path: Path
    ) -> None:
        async with serving(database_url, tmp_path) as client:
            url = database_url.replace("+psycopg", "")
            here = {"DATABASE_URL": url}
            with pytest.raises(ValueError, match="--admin"):
                await terminal.type("users", "create", "ada@example.com", **here)
            made = await terminal.json("users", "create", "Root@example.com", "--admin", **here)
            assert (made["email"], len(made["password"])) == ("root@example.com", 16)
            key = (await terminal.json("api-keys", "create", "cli", "--user", "root@example.com", **here))["secret"]

            terminal.environment |= {"WORKFLOW_ENGINE_URL": f"localhost:{client.port}", "WORKFLOW_ENGINE_KEY": key}
            said = await terminal.type(
                *("users", "create", "ada@example.com", "--role", "editor", "--role", "operator"),
                WORKFLOW_ENGINE_PASSWORD=PASSWORD,
            )
            assert "editor, operator" in said
            assert PASSWORD not in said
            assert "ada@example.com" in await terminal.type("users", "list", "ada")
            assert "viewer" in await terminal.type("users", "update", "ada@example.com", "--role", "viewer")
            created = await terminal.json("projects", "create", "Billing", "--member", "ada@example.com")
            assert "has 0 members" in await terminal.type(
                "projects", "update", created["project"]["id"], "--remove", "ada@example.com"
            )
            secret = (await terminal.json("api-keys", "create", "x", "--may", "read", "--days", "1"))["secret"]
            keys = (await terminal.json("api-keys", "list"))["apiKeys"]
            made_key = next(each for each in keys if secret.startswith(each["prefix"]))
            assert "works no more" in await terminal.type("api-keys", "revoke", made_key["id"])
            assert "deleted" in await terminal.type("users", "delete", "ada@example.com", "--yes")


class TestDoctor:
    async def test_it_says_what_is_there_and_what_is_missing(self, at_server: tuple[Terminal, Client]) -> None:
        terminal, _ = at_server
        told = await terminal.json("doctor", DATA_DIR=str(terminal.folder), DATABASE_URL="")
        status = {each["check"]: each["status"] for each in told["checks"]}
        assert (status["database"], status["server"], status["secrets"]) == ("warning", "ok", "warning")
        broken = "postgresql://nobody@127.0.0.1:1/none"
        said = await terminal.type("doctor", DATA_DIR=str(terminal.folder), DATABASE_URL=broken, code=1)
        assert "✗ database" in said
        assert "check DATABASE_URL" in said
        open_to_all = {"HTTP_HOST": "0.0.0.0", "DATA_DIR": str(terminal.folder), "DATABASE_URL": ""}
        assert "✗ users" in await terminal.type("doctor", **open_to_all, code=1)


async def test_refusals_are_told_in_words_with_a_hint(terminal: Terminal, sqlite_url: str, tmp_path: Path) -> None:
    async def process(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workflow_engine.cli", "workflows", "list"]
        return await asyncio.to_thread(
            subprocess.run, command, env=os.environ | environment, capture_output=True, text=True, check=False
        )

    async with serving(sqlite_url, tmp_path) as client:
        await people(client)
        refused = await process(WORKFLOW_ENGINE_URL=f"localhost:{client.port}")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: SIGN_IN_REQUIRED: this server asks who you are")
    assert "api-keys create" in refused.stderr
    nobody = await process(WORKFLOW_ENGINE_URL=f"localhost:{client.port}")
    assert "no server answers at" in nobody.stderr
    assert "workflow-engine serve" in nobody.stderr
    assert "Traceback" not in nobody.stderr + refused.stderr


def test_choices_are_those_of_the_contract() -> None:
    assert {f"ROLE_{each.name}" for each in Role} == set(ac.Role.keys()) - {"ROLE_UNSPECIFIED"}
    assert {each.name for each in Status} == set(ex.ExecutionStatus.keys()) - {"EXECUTION_STATUS_UNSPECIFIED"}
    others = {"PERMISSION_UNSPECIFIED", "PERMISSION_PUBLIC"}
    assert {f"PERMISSION_{each.name}" for each in Permission} == set(op.Permission.keys()) - others


def test_help_does_not_wait_for_a_database_driver() -> None:
    unloaded = "import sys, workflow_engine.cli; assert not {'sqlalchemy', 'alembic', 'psycopg'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", unloaded], check=True)
