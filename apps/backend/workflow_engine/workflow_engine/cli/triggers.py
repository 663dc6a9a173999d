"""`workflow-engine triggers`."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf import json_format
from rich.markup import escape

from workflow_engine.cli.connect import server
from workflow_engine.cli.output import AsJson, coloured, moment, print_json, print_table, say
from workflow_engine.proto import integration_pb2 as it

app = typer.Typer(no_args_is_help=True, help="What starts executions by itself.")
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)]


@app.command(name="list")
def list_(
    workflow: Annotated[str, typer.Option(help="Of this workflow only.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List triggers, newest first."""
    with server() as client:
        response = client.triggers.ListTriggers(it.ListTriggersRequest(workflow_id=workflow, limit=limit))
    if as_json:
        print_json(response)
        return
    print_table(
        ["ID", "TYPE", "WORKFLOW", "STATE", "NEXT", "ADDRESS"],
        [
            [
                each.id,
                each.type.removeprefix("trigger."),
                each.workflow_id,
                "[yellow]paused[/yellow]" if each.paused else "[green]active[/green]",
                moment(each, "next_at"),
                escape(each.webhook_url),
            ]
            for each in response.triggers
        ],
        nothing="no triggers",
    )


@app.command()
def events(trigger_id: str, limit: Limit = 20, as_json: AsJson = False) -> None:
    """What a trigger did and did not do, and why."""
    with server() as client:
        response = client.triggers.ListTriggerEvents(it.ListTriggerEventsRequest(trigger_id=trigger_id, limit=limit))
    if as_json:
        print_json(response)
        return
    print_table(
        ["AT", "DECISION", "EXECUTION", "WHY"],
        [
            [
                moment(each, "at"),
                coloured(it.TriggerDecision.Name(each.decision).removeprefix("TRIGGER_DECISION_")),
                each.execution_id or "-",
                escape(each.detail),
            ]
            for each in response.events
        ],
        nothing="nothing has come to it",
    )


@app.command()
def fire(
    trigger_id: str,
    payload: Annotated[str, typer.Option(help="What the event holds: a JSON object.")] = "",
    as_json: AsJson = False,
) -> None:
    """Fire a trigger by hand."""
    request = it.FireTriggerRequest(trigger_id=trigger_id)
    if payload:
        try:
            json_format.Parse(payload, request.payload)
        except json_format.ParseError as error:
            raise ValueError(f"--payload is no JSON object: {error}") from None
    with server() as client:
        response = client.triggers.FireTrigger(request)
    print_json(response) if as_json else say(response.message)


@app.command()
def pause(trigger_id: str, as_json: AsJson = False) -> None:
    """Let a trigger fire no more."""
    with server() as client:
        response = client.triggers.PauseTrigger(it.PauseTriggerRequest(trigger_id=trigger_id))
    print_json(response) if as_json else say(response.message)


@app.command()
def resume(trigger_id: str, as_json: AsJson = False) -> None:
    """Let it fire again."""
    with server() as client:
        response = client.triggers.ResumeTrigger(it.ResumeTriggerRequest(trigger_id=trigger_id))
    print_json(response) if as_json else say(response.message)
