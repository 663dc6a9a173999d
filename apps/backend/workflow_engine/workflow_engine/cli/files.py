"""Workflows as files: `validate`, `import`, `export`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from workflow_engine.cli.connect import server, text_of
from workflow_engine.cli.lines import line_of
from workflow_engine.cli.output import AsJson, console, print_json, say
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws

File = Annotated[str, typer.Argument(help="JSON, YAML or n8n's JSON; - for what is piped in.")]


def add_to(app: typer.Typer) -> None:
    app.command()(validate)
    app.command(name="import")(import_)
    app.command()(export)


def validate(file: File, as_json: AsJson = False) -> None:
    """Say what is wrong with a workflow in a file, or will be. Needs no server; exits with 1 when it can not run."""
    content = text_of(file)
    issues = problems(file, content)
    well = not any(each.severity == pb.SEVERITY_ERROR for each in issues)
    if as_json:
        print_json(ws.ValidateWorkflowResponse(success=well, issues=issues))
    else:
        show_issues(issues, file, content)
        if well:
            say(f"{file} can run" + (f", with {len(issues)} warnings" if issues else ""))
    raise typer.Exit(0 if well else 1)


def problems(file: str, content: str) -> list[pb.ValidationIssue]:
    """Errors and warnings of a workflow in a file."""
    from workflow_engine.engine.planning import build
    from workflow_engine.nodes.registry import installed
    from workflow_engine.services.calls import check
    from workflow_engine.services.errors import ServiceError
    from workflow_engine.services.portability import parse, parsed_n8n
    from workflow_engine.services.wire import issue_to_proto

    issues: list[pb.ValidationIssue] = []
    try:
        if format_of(file, content) == ws.WORKFLOW_FORMAT_N8N:
            workflow, issues = parsed_n8n(content)
        else:
            workflow = parse(content)
        check(workflow)
    except ServiceError as error:
        wrong = error.violations or [("", error.message)]
        return [
            pb.ValidationIssue(severity=pb.SEVERITY_ERROR, code=error.reason, field=field, message=message)
            for field, message in wrong
        ]
    return issues + [issue_to_proto(issue) for issue in build(workflow, installed()).issues]


def import_(
    file: File,
    owner: Annotated[str, typer.Option(help="The user or project that will own it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report; store nothing.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Store a workflow from a file as a new draft."""
    content = text_of(file)
    request = ws.ImportWorkflowRequest(content=content, format=format_of(file, content), user_id=owner, dry_run=dry_run)
    with server() as client:
        response = client.workflows.ImportWorkflow(request)
        if publish and not dry_run:
            client.workflows.PublishWorkflow(ws.PublishWorkflowRequest(workflow_id=response.workflow.id))
    if as_json:
        print_json(response)
        return
    show_issues(response.report, file, content)
    say(response.message + ("" if dry_run else f" as {response.workflow.id}"))


def export(
    workflow_id: str,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="A file; its ending says how it is written.")] = None,
    version: Annotated[int, typer.Option(help="A published version; 0 for the draft.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write a workflow as YAML, or as JSON."""
    as_text = as_json or (to is not None and to.suffix == ".json")
    form = ws.WORKFLOW_FORMAT_JSON if as_text else ws.WORKFLOW_FORMAT_YAML
    request = ws.ExportWorkflowRequest(workflow_id=workflow_id, version=version, format=form)
    with server() as client:
        content = client.workflows.ExportWorkflow(request).content
    if to is None:
        typer.echo(content, nl=False)
    else:
        to.write_text(content, encoding="utf-8")
        say(f"wrote {to}")


def format_of(file: str, content: str) -> ws.WorkflowFormat.ValueType:
    """How a file is written: n8n's exports are JSON whose connections are a mapping."""
    try:
        tree = json.loads(content)
    except ValueError:
        return ws.WORKFLOW_FORMAT_YAML
    if isinstance(tree, dict) and isinstance(tree.get("connections"), dict):
        return ws.WORKFLOW_FORMAT_N8N
    return ws.WORKFLOW_FORMAT_JSON


def show_issues(issues: Sequence[pb.ValidationIssue], file: str, content: str, to: Console = console) -> None:
    """Each with its line in the file, as compilers name them."""
    for issue in issues:
        mark = "[red]✗[/red]" if issue.severity == pb.SEVERITY_ERROR else "[yellow]![/yellow]"
        line = line_of(content, issue.field, issue.node_id)
        place = f"{file}:{line}" if line else file
        where = " ".join(part for part in (issue.node_id, issue.field.removeprefix("content")) if part)
        to.print(
            f"{mark} {escape(place)} [bold]{escape(where)}[/bold]{': ' if where else ''}{escape(issue.message)}"
            f"{escape('; ' + issue.suggestion) if issue.suggestion else ''} [dim]{issue.code}[/dim]",
            soft_wrap=True,
        )
