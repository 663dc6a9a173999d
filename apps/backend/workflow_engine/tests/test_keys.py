"""`workflow-engine keys`, run as an operator would, beside a server that serves."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.serving import output
from tests.test_integration_service import SECRET, fetching, guarded, integrations
from workflow_engine.core.secrets import Keyring
from workflow_engine.proto import integration_pb2 as it

OLD, NEW = "o" * 40, "n" * 40


async def keys(command: str, folder: Path, **environment: str) -> tuple[int, str]:
    """Runs the command; its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "workflow_engine.cli", "keys", command),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("SECRET_KEY")} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_new_key_takes_over_while_the_server_serves(database_url: str, tmp_path: Path) -> None:
    async with integrations(database_url, tmp_path, secret_key=OLD) as service:
        made = [await service.create(name=f"{number}") for number in range(3)]
        assert {each.key_id for each in made} == {Keyring(OLD).current_id}
    async with (
        guarded() as there,
        integrations(database_url, tmp_path, secret_key=NEW, secret_keys_old=f" {OLD} ,") as service,
    ):
        workflow = await service.client.create(fetching(there.url, made[0].id))
        assert output(await service.client.run(workflow.id)) == [{"welcome": True}]
        both = {"DATABASE_URL": database_url, "SECRET_KEY": NEW, "SECRET_KEYS_OLD": OLD}
        code, said = await keys("rotate", tmp_path, **both)
        assert code == 0, said
        assert "3 credentials put under key" in said
        assert (await service.get(made[0].id)).key_id == Keyring(NEW).current_id
        await service.update(made[1].id, {"token": "changed"})
        assert (await keys("rotate", tmp_path, **both))[1].startswith("0 credentials")
    async with guarded() as there, integrations(database_url, tmp_path, secret_key=NEW) as service:
        workflow = await service.client.create(fetching(there.url, made[0].id))
        assert output(await service.client.run(workflow.id)) == [{"welcome": True}]


async def test_changes_during_a_rotation_are_not_lost(database_url: str, tmp_path: Path) -> None:
    async with integrations(database_url, tmp_path, secret_key=OLD) as service:
        made = [await service.create(name=f"{number}") for number in range(20)]
    async with (
        guarded("Bearer changed") as there,
        integrations(database_url, tmp_path, secret_key=NEW, secret_keys_old=OLD) as service,
    ):

        async def change_all() -> None:
            for each in reversed(made):
                await service.update(each.id, {"token": "changed"})

        environment = {"DATABASE_URL": database_url, "SECRET_KEY": NEW, "SECRET_KEYS_OLD": OLD}
        (code, said), _ = await asyncio.gather(keys("rotate", tmp_path, **environment), change_all())
        assert code == 0, said
        for each in made:
            answer = await service.execute("action.http_request", {"url": there.url}, auth=each.id)
            assert answer.success, answer
        listed = await service.stub.ListCredentials(it.ListCredentialsRequest())
        assert {each.key_id for each in listed.credentials} == {Keyring(NEW).current_id}


async def test_a_key_that_is_lost_is_told_and_secrets_can_be_entered_anew(database_url: str, tmp_path: Path) -> None:
    async with integrations(database_url, tmp_path, secret_key=OLD) as service:
        made = await service.create()
    async with guarded() as there, integrations(database_url, tmp_path, secret_key=NEW) as service:
        code, said = await keys("rotate", tmp_path, DATABASE_URL=database_url, SECRET_KEY=NEW)
        assert code == 1
        assert made.id in said
        assert "SECRET_KEYS_OLD" in said
        workflow = await service.client.create(fetching(there.url, made.id))
        execution = await service.client.run(workflow.id)
        assert execution.failure.reason == "CREDENTIAL_MISSING"
        assert "SECRET_KEYS_OLD" in execution.failure.hint
        assert (await service.test(made.id)).failure.reason == "CREDENTIAL_UNREADABLE"
        await service.update(made.id, {"token": SECRET})
        assert output(await service.client.run(workflow.id)) == [{"welcome": True}]


@pytest.mark.parametrize("key", ["", "short"])
async def test_without_a_good_key_nothing_is_rotated(sqlite_url: str, tmp_path: Path, key: str) -> None:
    code, said = await keys("rotate", tmp_path, DATABASE_URL=sqlite_url, SECRET_KEY=key)
    assert code == 1
    assert "keys generate" in said
    assert "Traceback" not in said


async def test_a_generated_key_is_good(tmp_path: Path) -> None:
    code, said = await keys("generate", tmp_path)
    assert code == 0
    assert Keyring(said.strip()).seal(b"x", "c")
