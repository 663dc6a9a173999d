"""An execution as it goes: a table that changes on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from workflow_engine.cli.output import MARKS, STYLES, coloured, console, errors, lasted, print_json
from workflow_engine.client import output
from workflow_engine.proto import execution_pb2 as ex


def follow(events: Iterable[ex.WatchExecutionResponse], *, as_json: bool, to: Console = console) -> None:
    """Shows events until there are no more; `to` standard error where the items are what was asked for."""
    if as_json:
        for each in events:
            print_json(each, line=True)
    elif to.is_terminal:
        runs: dict[str, ex.NodeRun] = {}
        # Drawn anew by the clock as well, so that what takes long is seen to take long.
        with Live(console=to, refresh_per_second=8, get_renderable=lambda: _table(runs)):
            for each in events:
                runs.update({run.address: run for run in each.node_runs})
    else:
        seen: dict[str, str] = {}
        for each in events:
            for run in each.node_runs:
                status = _status(run)
                if status != "READY" and seen.get(run.address) != status:
                    seen[run.address] = status
                    to.print(_line(run, status), soft_wrap=True)


def conclude(execution: ex.Execution, *, as_json: bool) -> bool:
    """Prints how an execution ended; whether well."""
    if as_json:
        print_json(execution)
        return execution.status == ex.SUCCESS
    status = ex.ExecutionStatus.Name(execution.status)
    errors.print(f"{coloured(status)} after {lasted(execution)}  [dim]{execution.id}[/dim]")
    if execution.HasField("failure"):
        failure = execution.failure
        where = " ".join(part for part in (failure.node_id, failure.field) if part)
        errors.print(
            f"  [red]{escape(failure.reason)}[/red] {escape(where)}: {escape(failure.message)}", soft_wrap=True
        )
        if failure.hint:
            errors.print(f"  [dim]hint: {escape(failure.hint)}[/dim]", soft_wrap=True)
    for item in output(execution):
        # A Struct keeps no order; the same item is to look the same each time.
        print_json(dict(sorted(item.items())), line=True)
    return execution.status == ex.SUCCESS


def _status(run: ex.NodeRun) -> str:
    return ex.NodeRunStatus.Name(run.status).removeprefix("NODE_RUN_STATUS_")


def _table(runs: dict[str, ex.NodeRun]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for run in runs.values():
        status = _status(run)
        style = STYLES.get(status, "")
        table.add_row(
            f"[{style}]{MARKS.get(status, ' ')}[/{style}]" if style else MARKS.get(status, " "),
            escape(run.address),
            coloured(status.lower() if status not in STYLES else status),
            lasted(run) if run.HasField("started_at") else "",
            _why(run),
        )
    return table


def _line(run: ex.NodeRun, status: str) -> str:
    took = f"  {lasted(run)}" if run.HasField("ended_at") and run.HasField("started_at") else ""
    why = _why(run)
    return f"{MARKS.get(status, ' ')} {escape(run.address):24} {coloured(status)}{took}{'  ' + why if why else ''}"


def _why(run: ex.NodeRun) -> str:
    if run.HasField("failure"):
        return f"[red]{escape(run.failure.reason)}[/red] {escape(run.failure.message.splitlines()[0][:100])}"
    if run.HasField("waiting_for"):
        return escape(run.waiting_for.detail)
    items = sum(len(each.items) for each in run.outputs.values())
    return f"[dim]{items} item{'s' if items != 1 else ''}[/dim]" if run.outputs else ""
