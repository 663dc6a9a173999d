"""`workflow-engine executions`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from workflow_engine.cli.connect import server
from workflow_engine.cli.output import AsJson, coloured, console, lasted, moment, print_json, print_table, say
from workflow_engine.cli.progress import conclude, follow
from workflow_engine.proto import execution_pb2 as ex

app = typer.Typer(no_args_is_help=True, help="Executions on a server.")


class Status(StrEnum):
    """Those of the contract."""

    NEW = "new"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCESS = "success"
    ERROR = "error"
    CANCELED = "canceled"


@app.command(name="list")
def list_(
    workflow: Annotated[str, typer.Option(help="Of this workflow only.")] = "",
    status: Annotated[list[Status] | None, typer.Option(help="With this status; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first."""
    statuses = [ex.ExecutionStatus.Value(each.name) for each in status or []]
    request = ex.GetExecutionHistoryRequest(workflow_id=workflow, statuses=statuses, limit=limit)
    with server() as client:
        response = client.workflows.GetExecutionHistory(request)
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "STATUS", "MODE", "STARTED", "TOOK", "BY", "FAILURE"],
        [
            [
                each.id,
                coloured(ex.ExecutionStatus.Name(each.status)),
                ex.ExecutionMode.Name(each.mode).lower(),
                moment(each, "created_at"),
                lasted(each),
                escape(each.triggered_by),
                escape(each.failure.message[:60]),
            ]
            for each in response.executions
        ],
        nothing="no executions",
    )
    if response.total > len(response.executions):
        console.print(f"{len(response.executions)} of {response.total}", style="dim")


@app.command()
def show(execution_id: str, as_json: AsJson = False) -> None:
    """How an execution stands, with every run of it."""
    with server() as client:
        response = client.workflows.GetExecutionStatus(ex.GetExecutionStatusRequest(execution_id=execution_id))
    if as_json:
        print_json(response)
        return
    execution = response.execution
    follow([ex.WatchExecutionResponse(node_runs=execution.node_runs)], as_json=False)
    for reason in execution.waiting_for:
        console.print(f"[yellow]waits[/yellow] {escape(reason.address)} {escape(reason.detail)}")
    conclude(execution, as_json=False)


@app.command()
def watch(
    execution_id: str,
    since: Annotated[int, typer.Option("--from", help="The first event to show.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Follow an execution until its end; exits with 1 when that was no good one."""
    with server() as client:
        follow(client.watch(execution_id, since), as_json=as_json)
        execution = client.wait(execution_id)
    well = execution.status == ex.SUCCESS if as_json else conclude(execution, as_json=False)
    raise typer.Exit(0 if well else 1)


@app.command()
def retry(
    execution_id: str,
    latest: Annotated[bool, typer.Option("--latest", help="With the newest definition instead of its own.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a failed execution again from the nodes that failed."""
    request = ex.RetryExecutionRequest(execution_id=execution_id, use_latest_definition=latest)
    with server() as client:
        response = client.workflows.RetryExecution(request)
    print_json(response) if as_json else say(f"retried as {response.execution_id}")


@app.command()
def cancel(
    execution_ids: list[str],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop executions and undo what their nodes know to undo."""
    with server() as client:
        for id in execution_ids:
            response = client.workflows.CancelExecution(ex.CancelExecutionRequest(execution_id=id, reason=reason))
            print_json(response, line=True) if as_json else say(f"{id}: {response.message}")


@app.command()
def pause(execution_id: str, as_json: AsJson = False) -> None:
    """Start no more attempts until it is resumed."""
    with server() as client:
        response = client.workflows.PauseExecution(ex.PauseExecutionRequest(execution_id=execution_id))
    print_json(response) if as_json else say(response.message)


@app.command()
def resume(execution_id: str, as_json: AsJson = False) -> None:
    """Go on after a pause."""
    with server() as client:
        response = client.workflows.ResumeExecution(ex.ResumeExecutionRequest(execution_id=execution_id))
    print_json(response) if as_json else say(response.message)


@app.command()
def signal(
    execution_id: str,
    name: str,
    payload: Annotated[str, typer.Option(help="JSON.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send a named message to an execution."""
    from google.protobuf import json_format

    request = ex.SignalExecutionRequest(execution_id=execution_id, name=name)
    if payload:
        try:
            json_format.Parse(payload, request.payload)
        except json_format.ParseError as error:
            raise ValueError(f"--payload is no JSON: {error}") from None
    with server() as client:
        response = client.workflows.SignalExecution(request)
    print_json(response) if as_json else say(response.message)
