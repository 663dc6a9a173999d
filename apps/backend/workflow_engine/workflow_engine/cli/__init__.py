"""The command line, `workflow-engine`: the server itself, and what one asks of it from a terminal.

Commands that talk to a server take its address from WORKFLOW_ENGINE_URL (localhost:50051) and an API key from
WORKFLOW_ENGINE_KEY. With `--json` each of them prints what the contract says, for programs.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from workflow_engine.cli import (
    api_keys,
    backups,
    credentials,
    doctor,
    executions,
    files,
    keys,
    projects,
    running,
    serving,
    triggers,
    users,
    workflows,
)
from workflow_engine.cli.output import complain

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="A protobuf-first, durable workflow engine.",
    epilog="WORKFLOW_ENGINE_URL says where the server is, WORKFLOW_ENGINE_KEY who you are.",
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"workflow-engine {version('workflow-engine')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


for module in (serving, running, files, doctor, backups):
    module.add_to(app)
for name, group in {
    "workflows": workflows.app,
    "executions": executions.app,
    "triggers": triggers.app,
    "credentials": credentials.app,
    "users": users.app,
    "projects": projects.app,
    "api-keys": api_keys.app,
    "keys": keys.app,
}.items():
    app.add_typer(group, name=name)


def main() -> None:
    """The program. What was refused is told in a line or two; a traceback is for mistakes of ours."""
    from workflow_engine.client import EngineError

    try:
        app()
    except EngineError as error:
        # One field is named in the message already.
        several = error.violations[:20] if len(error.violations) > 1 else []
        complain(str(error), [f"{field}: {wrong}" for field, wrong in several], _hint(error))
        sys.exit(1)
    except ValidationError as error:
        # Only Settings are validated on the way here: their names are those of the environment, in lower case.
        from workflow_engine.core.config import wrong

        complain("the settings are wrong", wrong(error), "they come from the environment and from .env")
        sys.exit(1)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
        sys.exit(1)
    except ValueError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _hint(error: object) -> str:
    match getattr(error, "reason", ""), getattr(error, "code", ""):
        case "SIGN_IN_REQUIRED" | "KEY_INVALID" | "KEY_EXPIRED", _:
            return "set WORKFLOW_ENGINE_KEY; `workflow-engine api-keys create` makes a key"
        case "", "UNAVAILABLE":
            return "`workflow-engine serve` starts a server; WORKFLOW_ENGINE_URL says where it is"
        case _:
            return ""
