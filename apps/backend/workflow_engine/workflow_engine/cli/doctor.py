"""`doctor`: looks at everything that a server needs, and says what to do about what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from workflow_engine.cli.connect import server
from workflow_engine.cli.output import AsJson, console, print_json

LEAST_FREE = 1024**3
"""Bytes of disk below which it warns."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    said: str
    is_wrong: bool = False
    is_warning: bool = False
    hint: str = ""


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check the settings, the database, the disk and the server; exits with 1 when something is wrong."""
    found = [
        finding for check in (_python, _settings, _disk, _database, _secrets, _tools, _server) for finding in _of(check)
    ]
    well = not any(each.is_wrong for each in found)
    if as_json:
        told = [
            {
                "check": each.what,
                "status": "error" if each.is_wrong else "warning" if each.is_warning else "ok",
                "message": each.said,
                "hint": each.hint,
            }
            for each in found
        ]
        print_json({"success": well, "checks": told})
        raise typer.Exit(0 if well else 1)
    for each in found:
        mark = "[red]✗[/red]" if each.is_wrong else "[yellow]![/yellow]" if each.is_warning else "[green]✓[/green]"
        console.print(f"{mark} [bold]{each.what:9}[/bold] {escape(each.said)}", soft_wrap=True)
        if each.hint:
            console.print(f"  {'':9} [dim]{escape(each.hint)}[/dim]", soft_wrap=True)
    raise typer.Exit(0 if well else 1)


def _of(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """One check that breaks must not keep the others from being made."""
    try:
        yield from check()
    except Exception as error:
        yield Finding(check.__name__.strip("_"), f"{type(error).__name__}: {error}", is_wrong=True)


def _python() -> Iterator[Finding]:
    from importlib.metadata import version

    yield Finding("python", f"{sys.version.split()[0]}, workflow-engine {version('workflow-engine')}")


def _settings() -> Iterator[Finding]:
    from pydantic import ValidationError

    from workflow_engine.core.config import ENV_FILES, Settings, wrong

    try:
        settings = Settings()
    except ValidationError as error:
        for each in wrong(error):
            yield Finding("settings", each, is_wrong=True)
        return
    read = dict.fromkeys(str(each.resolve()) for each in ENV_FILES if each.is_file())
    yield Finding("settings", f"from {' and '.join(['the environment', *read])}; runtime {settings.engine_runtime}")
    if settings.tls_cert_file is not None:
        from datetime import UTC, datetime

        from cryptography import x509

        certificate = x509.load_pem_x509_certificate(settings.tls_cert_file.read_bytes())
        left = (certificate.not_valid_after_utc - datetime.now(UTC)).days
        yield Finding(
            "tls",
            f"the certificate is good for {left} days",
            is_wrong=left < 0,
            is_warning=left < 14,
            hint="renew it" if left < 14 else "",
        )


def _disk() -> Iterator[Finding]:
    from workflow_engine.core.config import Settings

    folder = Settings().data_dir
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        free = shutil.disk_usage(folder).free
    yield Finding(
        "disk",
        f"{folder} can be written, {free / 1024**3:.1f} GiB are free",
        is_warning=free < LEAST_FREE,
        hint="executions stop when there is none left" if free < LEAST_FREE else "",
    )


def _database() -> Iterator[Finding]:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import SQLAlchemyError

    from workflow_engine.core.config import Settings
    from workflow_engine.models import accounts
    from workflow_engine.models.database import connect
    from workflow_engine.models.migrate import config, shown

    url = Settings().sqlalchemy_url
    engine = connect(url)
    named = shown(engine.url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            people = (
                current is not None
                and connection.dialect.has_table(connection, "user_account")
                and accounts.exist(connection)
            )
    except SQLAlchemyError as error:
        first = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield Finding("database", f"{named}: {first}", is_wrong=True, hint="check DATABASE_URL, and that it runs")
        return
    finally:
        engine.dispose()
    head = ScriptDirectory.from_config(config(url)).get_current_head()
    if current == head:
        yield Finding("database", f"{named}, at the newest migration ({head})")
    else:
        yield Finding(
            "database",
            f"{named} is at migration {current or 'none'}, the newest is {head}",
            is_warning=True,
            hint="`workflow-engine serve` and `make db-upgrade` bring it there",
        )
    settings = Settings()
    is_local = all(host in ("127.0.0.1", "localhost", "::1") for host in (settings.grpc_host, settings.http_host))
    if people:
        yield Finding("users", "there are users: nobody gets in without a key or a password")
    elif settings.oidc_issuer:
        yield Finding("users", f"those of {settings.oidc_issuer}")
    else:
        yield Finding(
            "users",
            "none: whoever reaches the server may do everything",
            is_wrong=not is_local and not settings.allow_unauthenticated,
            is_warning=not is_local,
            hint="" if is_local else "`workflow-engine users create you@example.com --admin` makes the first",
        )


def _secrets() -> Iterator[Finding]:
    from workflow_engine.core.config import Settings
    from workflow_engine.core.secrets import Keyring, NoSecretKey

    try:
        keyring = Keyring(*Settings().secret_keys)
        keyring.require()
    except NoSecretKey as error:
        yield Finding(
            "secrets",
            str(error),
            is_warning=True,
        )
    else:
        yield Finding("secrets", f"credentials are encrypted under key {keyring.current_id}")


def _tools() -> Iterator[Finding]:
    from deno import find_deno_bin  # type: ignore[import-untyped]

    yield Finding("sandbox", f"JavaScript of users runs in {Path(find_deno_bin()).name}")


def _server() -> Iterator[Finding]:
    from workflow_engine.client import EngineError
    from workflow_engine.proto import access_pb2 as ac

    address = os.environ.get("WORKFLOW_ENGINE_URL") or "localhost:50051"
    try:
        with server() as client:
            me = client.auth.WhoAmI(ac.WhoAmIRequest(), timeout=5)
    except EngineError as error:
        if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            yield Finding(
                "server", f"none answers at {address}", is_warning=True, hint="`workflow-engine serve` starts one"
            )
            yield from _ports()
            return
        yield Finding("server", f"{address}: {error}", is_wrong=True)
        return
    yield Finding(
        "server",
        f"{address} answers: {me.message}",
        is_warning=not me.success,
        hint="" if me.success else "set WORKFLOW_ENGINE_KEY",
    )


def _ports() -> Iterator[Finding]:
    from workflow_engine.core.config import Settings

    settings = Settings()
    for name, host, port in (
        ("GRPC_PORT", settings.grpc_host, settings.grpc_port),
        ("HTTP_PORT", settings.http_host, settings.http_port),
    ):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                yield Finding("ports", f"{name}={port}: {error.strerror}", is_wrong=True, hint=f"choose another {name}")
                continue
        yield Finding("ports", f"{name}={port} is free")
