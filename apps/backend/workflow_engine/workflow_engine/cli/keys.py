"""The command line's `keys`: making, counting and changing the master keys that protect credentials."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import typer

from workflow_engine.cli.output import AsJson, fail, print_json
from workflow_engine.core.config import Settings
from workflow_engine.core.secrets import SHORTEST, Keyring, NoSecretKey, Sealed, Unreadable
from workflow_engine.models import credentials
from workflow_engine.models.database import connect
from workflow_engine.models.migrate import NewerSchema, upgrade
from workflow_engine.models.writes import StoreUnavailable

app = typer.Typer(no_args_is_help=True, help="The keys that protect stored credentials.")


@dataclass(slots=True)
class Rotation:
    """What a rotation did."""

    key_id: str
    rewrapped: int = 0
    left: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by credential id."""


@app.command()
def generate(as_json: AsJson = False) -> None:
    """Print a new key for SECRET_KEY."""
    key = secrets.token_urlsafe(SHORTEST)
    print_json({"secretKey": key}) if as_json else typer.echo(key)


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Put every credential under SECRET_KEY, while the server runs.

    First move the key that was in use to SECRET_KEYS_OLD, set SECRET_KEY to a new one, and restart the server with
    both. When this command has ended well, SECRET_KEYS_OLD can go.
    """
    settings = Settings()
    try:
        done = rotated(settings.sqlalchemy_url, Keyring(*settings.secret_keys))
    except (NoSecretKey, StoreUnavailable, NewerSchema) as refused:
        fail(str(refused))
    if as_json:
        print_json({"keyId": done.key_id, "rewrapped": done.rewrapped, "left": done.left})
        raise typer.Exit(1 if done.left else 0)
    typer.echo(f"{done.rewrapped} credentials put under key {done.key_id}")
    for id, why in done.left.items():
        typer.echo(f"{id}: {why}", err=True)
    if done.left:
        fail(f"{len(done.left)} credentials are still under another key: keep SECRET_KEYS_OLD")


def rotated(url: str, keys: Keyring) -> Rotation:
    """Rewraps the data key of every credential in the database at `url`; may run beside the server and be repeated.

    Raises NoSecretKey, StoreUnavailable, NewerSchema.
    """
    keys.require()
    upgrade(url)
    done = Rotation(keys.current_id)
    engine = connect(url)
    try:
        for row in credentials.not_under(engine, keys.current_id):
            try:
                sealed = keys.rewrap(Sealed(row.key_id, row.wrapped_key, row.secrets), row.id)
            except Unreadable as error:
                done.left[row.id] = str(error)
                continue
            if credentials.rewrap(engine, row, sealed.key_id, sealed.wrapped_key):
                done.rewrapped += 1
        # Those that were changed in between, by a server that does not have the new key yet.
        for row in credentials.not_under(engine, keys.current_id):
            done.left.setdefault(
                row.id, f"it was stored under key {row.key_id} meanwhile; restart the server, run again"
            )
    finally:
        engine.dispose()
    return done
