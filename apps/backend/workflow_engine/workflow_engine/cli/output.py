"""What commands print: tables and sentences for people, proto JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the REST gateway does.")]
WIDEST = 2000
"""Characters of a table's line at most."""
STYLES = {
    "SUCCESS": "green",
    "SUCCEEDED": "green",
    "STARTED": "green",
    "RUNNING": "cyan",
    "WAITING": "yellow",
    "PAUSED": "yellow",
    "ERROR": "red",
    "FAILED": "red",
    "CANCELED": "magenta",
    "SKIPPED": "dim",
}
MARKS = {
    "READY": "·",
    "RUNNING": "▶",
    "WAITING": "⏸",
    "SUCCEEDED": "✓",
    "FAILED": "✗",
    "SKIPPED": "-",
    "CANCELED": "■",
}


def print_json(value: Message | dict[str, Any], *, line: bool = False) -> None:
    """As one document, or as one `line` of many."""
    if isinstance(value, Message):
        value = json_format.MessageToDict(value, always_print_fields_with_no_presence=True)
    text = json.dumps(value, ensure_ascii=False, indent=None if line else 2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> None:
    """Cells are rich markup; escape what others wrote. `nothing` is said when there are no rows."""
    rows = list(rows)
    if not rows:
        console.print(nothing, style="dim")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(_AsWideAsItIs(table), soft_wrap=True)


@dataclass
class _AsWideAsItIs:
    """A pipe has no width, and on a narrow terminal a line that goes on in the next one can still be copied."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widest = options.update(width=WIDEST)
        yield from console.render(self.table, options.update(width=console.measure(self.table, options=widest).maximum))


def say(text: str) -> None:
    console.print(f"[green]✓[/green] {escape(text)}", soft_wrap=True)


def complain(text: str, more: Iterable[str] = (), hint: str = "") -> None:
    errors.print(f"[red]error:[/red] {escape(text)}", soft_wrap=True)
    for each in more:
        errors.print(f"  {escape(each)}", soft_wrap=True)
    if hint:
        errors.print(f"[dim]hint: {escape(hint)}[/dim]", soft_wrap=True)


def fail(text: str) -> NoReturn:
    """Ends the command."""
    complain(text)
    raise SystemExit(1)


def coloured(status: str) -> str:
    style = STYLES.get(status)
    return f"[{style}]{status}[/{style}]" if style else status


def moment(message: Message, field: str) -> str:
    """A time of a message in the local time zone, to the second; a dash when it is not set."""
    if not message.HasField(field):
        return "-"
    at = getattr(message, field).ToDatetime(tzinfo=UTC).astimezone()
    return f"{at:%Y-%m-%d %H:%M:%S}"


def lasted(message: Any) -> str:
    """How long something took, or has taken until now."""
    if not message.HasField("started_at"):
        return "-"
    ended = message.ended_at.ToDatetime(tzinfo=UTC) if message.HasField("ended_at") else datetime.now(UTC)
    return span((ended - message.started_at.ToDatetime(tzinfo=UTC)).total_seconds())


def span(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
