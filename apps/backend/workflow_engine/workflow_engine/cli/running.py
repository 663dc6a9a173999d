"""`run`: a workflow from a file, on an engine that lives only as long."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from workflow_engine.cli.connect import records, text_of
from workflow_engine.cli.files import format_of, problems, show_issues
from workflow_engine.cli.output import AsJson, errors
from workflow_engine.cli.progress import conclude, follow
from workflow_engine.client import Client, to_items
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws


def add_to(app: typer.Typer) -> None:
    app.command()(run)


def run(
    file: Annotated[str, typer.Argument(help="JSON, YAML or n8n's JSON; - for what is piped in.")],
    input: Annotated[str, typer.Option(help="The first items as JSON, or @file.")] = "",
    trigger: Annotated[str, typer.Option(help="The trigger node to start at.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run a workflow from a file, here and now, and show how it goes.

    Needs no server and leaves nothing behind. The output's items go to standard output, a line each.
    """
    items = to_items(records(input, "--input"))
    content = text_of(file)
    issues = problems(file, content)
    show_issues(issues, file, content, errors)
    if any(each.severity == pb.SEVERITY_ERROR for each in issues):
        raise typer.Exit(1)
    with engine() as client:
        importing = ws.ImportWorkflowRequest(content=content, format=format_of(file, content))
        imported = client.workflows.ImportWorkflow(importing)
        request = ex.ExecuteWorkflowRequest(
            workflow_id=imported.workflow.id, mode=ex.MANUAL, input=items, trigger_node_id=trigger
        )
        id = client.workflows.ExecuteWorkflow(request).execution_id
        if not as_json:
            follow(client.watch(id), as_json=False, to=errors)
        well = conclude(client.wait(id), as_json=as_json)
    raise typer.Exit(0 if well else 1)


@contextmanager
def engine() -> Iterator[Client]:
    """A server of our own with an empty database, in a thread, on a free port of loopback."""
    from workflow_engine import server
    from workflow_engine.core.config import Settings
    from workflow_engine.core.logging import configure

    configure("ERROR")
    started = threading.Event()
    loop = asyncio.new_event_loop()
    running: list[server.Server | BaseException] = []

    with tempfile.TemporaryDirectory(prefix="workflow-engine-") as folder:
        settings = Settings(
            database_url="",
            data_dir=Path(folder),
            grpc_host="127.0.0.1",
            grpc_port=0,
            http_host="127.0.0.1",
            http_port=0,
            engine_runtime="local",
            oidc_issuer="",
            admin_email="",
            tls_cert_file=None,
            tls_key_file=None,
        )

        def serve() -> None:
            asyncio.set_event_loop(loop)
            try:
                running.append(loop.run_until_complete(server.start(settings)))
            except BaseException as error:
                running.append(error)
                started.set()
                return
            started.set()
            loop.run_forever()
            loop.close()

        thread = threading.Thread(target=serve, name="engine", daemon=True)
        thread.start()
        started.wait()
        here = running[0]
        if isinstance(here, BaseException):
            raise here
        try:
            with Client(f"127.0.0.1:{here.port}") as client:
                yield client
        finally:
            asyncio.run_coroutine_threadsafe(here.close(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
