"""The command line's `keys`: making, counting and changing the master keys that protect credentials."""

from __future__ import annotations

import secrets

import typer

from workflow_engine.cli.output import AsJson, fail, print_json

app = typer.Typer(no_args_is_help=True, help="The keys that protect stored credentials.")


@app.command()
def generate(as_json: AsJson = False) -> None:
    """Print a new key for SECRET_KEY."""
    from workflow_engine.core.secrets import SHORTEST

    key = secrets.token_urlsafe(SHORTEST)
    print_json({"secretKey": key}) if as_json else typer.echo(key)


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Put every credential under SECRET_KEY, while the server runs.

    First move the key that was in use to SECRET_KEYS_OLD, set SECRET_KEY to a new one, and restart the server with
    both. When this command has ended well, SECRET_KEYS_OLD can go.
    """
    from workflow_engine.cli.rotation import rotated
    from workflow_engine.core.config import Settings
    from workflow_engine.core.secrets import Keyring, NoSecretKey
    from workflow_engine.models.migrate import NewerSchema
    from workflow_engine.models.writes import StoreUnavailable

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
