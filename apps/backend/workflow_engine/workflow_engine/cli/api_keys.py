"""`workflow-engine api-keys`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from workflow_engine.cli.accounts import database
from workflow_engine.cli.connect import names_server, server
from workflow_engine.cli.output import AsJson, console, moment, print_json, print_table, say
from workflow_engine.cli.users import id_of
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import options_pb2 as op

app = typer.Typer(no_args_is_help=True, help="Keys for programs.")


class Permission(StrEnum):
    """Those of the contract."""

    READ = "read"
    EDIT = "edit"
    OPERATE = "operate"
    ADMIN = "admin"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    user: Annotated[str, typer.Option(help="As whom it acts, by id or address; you when empty.")] = "",
    may: Annotated[list[Permission] | None, typer.Option(help="What it may do at most; may be repeated.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it works; for ever when absent.", min=0.001)] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key, and print it: it is not shown again.

    Without WORKFLOW_ENGINE_URL and WORKFLOW_ENGINE_KEY it writes into this machine's database; --user says for whom.
    """
    permissions = [op.Permission.Value(f"PERMISSION_{each.name}") for each in may or []]
    request = ac.CreateApiKeyRequest(name=name, permissions=permissions)
    if days is not None:
        request.valid_for.FromSeconds(int(days * 86_400))
    if names_server():
        with server() as client:
            request.user_id = id_of(client, user)
            secret = client.auth.CreateApiKey(request).secret
    else:
        secret = _in_database(request, user)
    if as_json:
        print_json({"secret": secret})
        return
    say(f"made the key {name!r}; keep it, it is not shown again")
    console.print(f"  [bold]{escape(secret)}[/bold]", soft_wrap=True)


def _in_database(request: ac.CreateApiKeyRequest, user: str) -> str:
    from workflow_engine.models import accounts
    from workflow_engine.services.access.accounts import key_row
    from workflow_engine.services.calls import check
    from workflow_engine.services.errors import ServiceError

    try:
        check(request)
    except ServiceError as error:
        raise ValueError(error.message) from None
    if not user:
        raise ValueError("--user says as whom the key acts: the address of a user")
    now = time.time_ns() // 1_000_000
    with database() as connection:
        found = accounts.user_by_email(connection, user) or accounts.user(connection, user)
        if found is None:
            raise ValueError(f"there is no user {user}; `workflow-engine users create` makes one")
        row, token = key_row(
            now,
            name=request.name,
            user_id=found.id,
            permissions=list(request.permissions),
            expires_at=now + request.valid_for.ToMilliseconds() if request.HasField("valid_for") else None,
        )
        accounts.add_key(connection, row)
    return token.text


@app.command(name="list")
def list_(
    user: Annotated[str, typer.Option(help="That act as this user only, by id or address.")] = "",
    as_json: AsJson = False,
) -> None:
    """List API keys that work, newest first: yours, or everybody's for an admin."""
    with server() as client:
        response = client.auth.ListApiKeys(ac.ListApiKeysRequest(user_id=id_of(client, user)))
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "NAME", "KEY", "USER", "MAY", "ENDS", "LAST USED"],
        [
            [
                each.id,
                escape(each.name),
                f"{each.prefix}…",
                each.user_id,
                ", ".join(op.Permission.Name(one).removeprefix("PERMISSION_").lower() for one in each.permissions)
                or "all that the user may",
                moment(each, "expires_at"),
                moment(each, "last_used_at"),
            ]
            for each in response.api_keys
        ],
        nothing="no API keys",
    )


@app.command()
def revoke(key_id: str, as_json: AsJson = False) -> None:
    """Make a key useless, at once."""
    with server() as client:
        response = client.auth.RevokeApiKey(ac.RevokeApiKeyRequest(key_id=key_id))
    print_json(response) if as_json else say(response.message)
