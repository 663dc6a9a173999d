"""`workflow-engine credentials`."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf import json_format
from rich.markup import escape

from workflow_engine.cli.connect import server, text_of
from workflow_engine.cli.output import AsJson, complain, moment, print_json, print_table, say
from workflow_engine.proto import integration_pb2 as it

app = typer.Typer(no_args_is_help=True, help="Stored credentials; their secrets are never shown.")


@app.command(name="list")
def list_(
    type: Annotated[str, typer.Option(help="Of this type only.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List credentials, latest change first."""
    with server() as client:
        response = client.integrations.ListCredentials(it.ListCredentialsRequest(type=type, limit=limit))
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "NAME", "TYPE", "SECRETS", "HOSTS", "CHANGED"],
        [
            [
                each.id,
                escape(each.name),
                each.type,
                escape(", ".join(each.secret_fields)),
                escape(", ".join(each.allowed_hosts)) or "any",
                moment(each, "updated_at"),
            ]
            for each in response.credentials
        ],
        nothing="no credentials",
    )


@app.command()
def create(
    type: Annotated[str, typer.Argument(help="For example http_bearer.")],
    name: Annotated[str, typer.Option(help="For people.")],
    fields: Annotated[str, typer.Option(help="A file with the fields as a JSON object; - for what is piped in.")] = "-",
    host: Annotated[list[str] | None, typer.Option(help="Where it may be sent; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Store a credential. Its fields are read from a file or a pipe, so that no secret is in the shell's history."""
    request = it.CreateCredentialRequest(name=name, type=type, allowed_hosts=host or [])
    try:
        json_format.Parse(text_of(fields), request.fields)
    except json_format.ParseError as error:
        raise ValueError(f"the fields are no JSON object: {error}") from None
    with server() as client:
        response = client.integrations.CreateCredential(request)
    print_json(response) if as_json else say(f"{response.message} as {response.credential.id}")


@app.command(name="test")
def try_(credential_id: str, as_json: AsJson = False) -> None:
    """Try a credential against its system; exits with 1 when it was not let in."""
    with server() as client:
        response = client.integrations.TestCredential(it.TestCredentialRequest(credential_id=credential_id))
    if as_json:
        print_json(response)
    elif response.success:
        say(response.message)
    else:
        complain(response.failure.message or response.message, hint=response.failure.hint)
    raise typer.Exit(0 if response.success else 1)


@app.command()
def delete(
    credential_id: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a credential."""
    if not yes:
        typer.confirm(f"Delete credential {credential_id}?", abort=True)
    with server() as client:
        response = client.integrations.DeleteCredential(it.DeleteCredentialRequest(credential_id=credential_id))
    print_json(response) if as_json else say(response.message)
