"""`workflow-engine workflows`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from workflow_engine.cli.connect import records, server
from workflow_engine.cli.output import AsJson, errors, moment, print_json, print_table, say
from workflow_engine.cli.progress import conclude, follow
from workflow_engine.client import to_items
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_service_pb2 as ws

app = typer.Typer(no_args_is_help=True, help="Workflows that a server has.")
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)]


@app.command(name="list")
def list_(
    query: Annotated[str, typer.Argument(help="Text in the name or the description.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="With this tag; may be repeated.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Published and active only.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List workflows, latest change first."""
    request = ws.ListWorkflowsRequest(query=query, tags=tag or [], active_only=active, limit=limit)
    with server() as client:
        response = client.workflows.ListWorkflows(request)
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "NAME", "LIVE", "CHANGED", "TAGS"],
        [
            [
                each.id,
                escape(each.name),
                f"[green]v{each.published_version}[/green]" if each.active else "-",
                moment(each, "updated_at"),
                escape(", ".join(each.tags)),
            ]
            for each in response.workflows
        ],
        nothing="no workflows",
    )


@app.command()
def run(
    workflow_id: str,
    input: Annotated[str, typer.Option(help="The first items as JSON, or @file.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Run what is published instead of the draft.")] = False,
    trigger: Annotated[str, typer.Option(help="The trigger node to start at.")] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the execution's id and do not wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start an execution on the server and watch it."""
    request = ex.ExecuteWorkflowRequest(
        workflow_id=workflow_id,
        mode=ex.TRIGGER if live else ex.MANUAL,
        input=to_items(records(input, "--input")),
        trigger_node_id=trigger,
    )
    with server() as client:
        response = client.workflows.ExecuteWorkflow(request)
        if detach:
            print_json(response) if as_json else typer.echo(response.execution_id)
            return
        if not as_json:
            follow(client.watch(response.execution_id), as_json=False, to=errors)
        well = conclude(client.wait(response.execution_id), as_json=as_json)
    raise typer.Exit(0 if well else 1)


@app.command()
def publish(
    workflow_id: str,
    message: Annotated[str, typer.Option("--message", "-m", help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the draft the version that triggers run."""
    with server() as client:
        response = client.workflows.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=workflow_id, message=message))
    print_json(response) if as_json else say(response.message)


@app.command()
def unpublish(workflow_id: str, as_json: AsJson = False) -> None:
    """Stop a workflow's triggers."""
    with server() as client:
        response = client.workflows.UnpublishWorkflow(ws.UnpublishWorkflowRequest(workflow_id=workflow_id))
    print_json(response) if as_json else say(response.message)


@app.command()
def delete(
    workflow_id: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a workflow. Executions that run go on; history stays."""
    if not yes:
        typer.confirm(f"Delete workflow {workflow_id}?", abort=True)
    with server() as client:
        response = client.workflows.DeleteWorkflow(ws.DeleteWorkflowRequest(workflow_id=workflow_id))
    print_json(response) if as_json else say(response.message)
