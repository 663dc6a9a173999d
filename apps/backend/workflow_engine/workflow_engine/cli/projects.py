"""`workflow-engine projects`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from workflow_engine.cli.connect import server
from workflow_engine.cli.output import AsJson, print_json, print_table, say
from workflow_engine.cli.users import id_of
from workflow_engine.proto import access_pb2 as ac

app = typer.Typer(no_args_is_help=True, help="Owners that several people share.")
Members = Annotated[list[str] | None, typer.Option(help="A user, by id or address; may be repeated.")]


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List projects: yours, or all for an admin."""
    with server() as client:
        response = client.auth.ListProjects(ac.ListProjectsRequest())
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "NAME", "MEMBERS", "DESCRIPTION"],
        [[each.id, escape(each.name), str(len(each.user_ids)), escape(each.description)] for each in response.projects],
        nothing="no projects",
    )


@app.command()
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    member: Members = None,
    as_json: AsJson = False,
) -> None:
    """Add a project; its id is then an owner."""
    with server() as client:
        members = [id_of(client, each) for each in member or []]
        request = ac.CreateProjectRequest(name=name, description=description, user_ids=members)
        response = client.admin.CreateProject(request)
    print_json(response) if as_json else say(f"{response.message} as {response.project.id}")


@app.command()
def update(
    project_id: str,
    name: Annotated[str, typer.Option(help="The new name.")] = "",
    add: Members = None,
    remove: Members = None,
    as_json: AsJson = False,
) -> None:
    """Change a project's name, and who belongs to it."""
    with server() as client:
        request = ac.UpdateProjectRequest(
            project_id=project_id,
            name=name,
            add_user_ids=[id_of(client, each) for each in add or []],
            remove_user_ids=[id_of(client, each) for each in remove or []],
        )
        response = client.admin.UpdateProject(request)
    print_json(response) if as_json else say(f"{response.project.name} has {len(response.project.user_ids)} members")


@app.command()
def delete(
    project_id: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a project. What it owns stays, for admins to see."""
    if not yes:
        typer.confirm(f"Delete project {project_id}?", abort=True)
    with server() as client:
        response = client.admin.DeleteProject(ac.DeleteProjectRequest(project_id=project_id))
    print_json(response) if as_json else say(response.message)
