"""`workflow-engine users`."""

from __future__ import annotations

import secrets
import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from workflow_engine.cli.accounts import database
from workflow_engine.cli.connect import names_server, server
from workflow_engine.cli.output import AsJson, console, moment, print_json, print_table, say
from workflow_engine.client import Client
from workflow_engine.proto import access_pb2 as ac

app = typer.Typer(no_args_is_help=True, help="Who may use a server.")


class Role(StrEnum):
    """Those of the contract."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OPERATOR = "operator"
    ADMIN = "admin"


Roles = Annotated[list[Role] | None, typer.Option("--role", help="What they may do; may be repeated.")]


@app.command()
def create(
    email: str,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    role: Roles = None,
    admin: Annotated[bool, typer.Option("--admin", help="Short for --role admin.")] = False,
    password: Annotated[
        str, typer.Option(envvar="WORKFLOW_ENGINE_PASSWORD", help="Made up and printed when there is none.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Add a user.

    Without WORKFLOW_ENGINE_URL and WORKFLOW_ENGINE_KEY it writes into this machine's database (DATABASE_URL), also
    beside a running server: that is how the first admin is made, from whom on nobody gets in without a key.
    """
    roles = [ac.Role.Value(f"ROLE_{each.name}") for each in role or []]
    if admin:
        roles.append(ac.ROLE_ADMIN)
    chosen = password or secrets.token_urlsafe(12)
    request = ac.CreateUserRequest(email=email, name=name, roles=roles, password=chosen)
    user = _at_server(request) if names_server() else _in_database(request)
    if as_json:
        print_json({"id": user.id, "email": user.email} | ({} if password else {"password": chosen}))
        return
    say(f"created {user.email} ({', '.join(_names(user)) or 'viewer'}) as {user.id}")
    if not password:
        console.print(f"  password: [bold]{escape(chosen)}[/bold]  (it is not shown again)", soft_wrap=True)


def _at_server(request: ac.CreateUserRequest) -> ac.User:
    with server() as client:
        return client.admin.CreateUser(request).user


def _in_database(request: ac.CreateUserRequest) -> ac.User:
    from workflow_engine.models import accounts
    from workflow_engine.services.access.accounts import user_row
    from workflow_engine.services.access.passwords import hashed
    from workflow_engine.services.access.wire import user_to_proto
    from workflow_engine.services.calls import check
    from workflow_engine.services.errors import ServiceError

    try:
        check(request)
    except ServiceError as error:
        raise ValueError(error.message) from None
    with database() as connection:
        if ac.ROLE_ADMIN not in request.roles and not accounts.exist(connection):
            raise ValueError("the first user must be an admin, or nobody could manage the server: say --admin")
        row = user_row(
            time.time_ns() // 1_000_000,
            email=request.email,
            name=request.name,
            roles=list(request.roles),
            password_hash=hashed(request.password),
        )
        try:
            accounts.add_user(connection, row)
        except accounts.Taken:
            raise ValueError(f"there is a user {request.email} already") from None
        made = accounts.user(connection, row["id"])
        assert made is not None
        return user_to_proto(made)


@app.command(name="list")
def list_(
    query: Annotated[str, typer.Argument(help="Text in the address or the name.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List users, by address."""
    with server() as client:
        response = client.admin.ListUsers(ac.ListUsersRequest(query=query, limit=limit))
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "EMAIL", "NAME", "ROLES", "LAST SEEN", "STATE"],
        [
            [
                each.id,
                escape(each.email),
                escape(each.name),
                ", ".join(_names(each)),
                moment(each, "last_seen_at"),
                "[red]disabled[/red]" if each.disabled else "[dim]external[/dim]" if each.external else "",
            ]
            for each in response.users
        ],
        nothing="no users: whoever reaches the server may do everything",
    )


@app.command()
def update(
    user: Annotated[str, typer.Argument(help="Their id or address.")],
    name: Annotated[str, typer.Option(help="The new name.")] = "",
    role: Roles = None,
    password: Annotated[str, typer.Option(envvar="WORKFLOW_ENGINE_PASSWORD", help="A new password.")] = "",
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Shut them out, or let them in.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a user's name, roles or password, or shut them out."""
    roles = [ac.Role.Value(f"ROLE_{each.name}") for each in role or []]
    with server() as client:
        request = ac.UpdateUserRequest(user_id=id_of(client, user), name=name, roles=roles, password=password)
        if disable is not None:
            request.disabled = disable
        response = client.admin.UpdateUser(request)
    print_json(response) if as_json else say(f"changed {response.user.email}: {', '.join(_names(response.user))}")


@app.command()
def delete(
    user: Annotated[str, typer.Argument(help="Their id or address.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a user, their keys and sessions. What they own stays."""
    if not yes:
        typer.confirm(f"Delete user {user}?", abort=True)
    with server() as client:
        response = client.admin.DeleteUser(ac.DeleteUserRequest(user_id=id_of(client, user)))
    print_json(response) if as_json else say(response.message)


def id_of(client: Client, user: str) -> str:
    """The id of a user who is named by id or address. Raises ValueError."""
    if "@" not in user:
        return user
    for each in client.admin.ListUsers(ac.ListUsersRequest(query=user, limit=1000)).users:
        if each.email == user.lower():
            return each.id
    raise ValueError(f"there is no user {user}; `workflow-engine users list` shows those there are")


def _names(user: ac.User) -> list[str]:
    return [ac.Role.Name(role).removeprefix("ROLE_").lower() for role in user.roles]
