"""The command line's `backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow_engine.cli.output import AsJson, fail, print_json, say

if TYPE_CHECKING:
    from workflow_engine.core.config import Settings
    from workflow_engine.runtime.backup import Manifest

Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]


def add_to(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(folder: Folder, as_json: AsJson = False) -> None:
    """Copy the database and the binary data into a new folder, while the server runs.

    Keep SECRET_KEY elsewhere: the stored credentials can not be read without it. A bucket (BLOBS_URL) is not copied.
    """
    from workflow_engine.core.config import Settings
    from workflow_engine.runtime.backup import BackupFailed, back_up

    settings = Settings()
    try:
        taken = back_up(settings.sqlalchemy_url, _blobs(settings), folder)
    except BackupFailed as failed:
        fail(str(failed))
    _tell(taken, as_json, f"{folder} is a backup of {taken.taken_at}")


def restore(folder: Folder, as_json: AsJson = False) -> None:
    """Put a backup into an empty DATA_DIR, or an empty database, before the server is started.

    Executions that had not ended go on from where the backup saw them: see that the old server is gone.
    """
    from workflow_engine.core.config import Settings
    from workflow_engine.models.migrate import NewerSchema
    from workflow_engine.models.writes import StoreUnavailable
    from workflow_engine.runtime import backup as backups

    settings = Settings()
    try:
        taken = backups.restore(folder, settings.sqlalchemy_url, _blobs(settings))
    except (backups.BackupFailed, NewerSchema, StoreUnavailable) as failed:
        fail(str(failed))
    _tell(taken, as_json, f"restored what was there at {taken.taken_at}; now start the server")


def _blobs(settings: Settings) -> Path | None:
    return None if settings.blobs_url else settings.data_dir / "blobs"


def _tell(taken: Manifest, as_json: bool, text: str) -> None:
    if as_json:
        print_json({"database": taken.database, "takenAt": taken.taken_at, "blobs": taken.blobs, "bytes": taken.bytes})
    else:
        say(f"{text}: {taken.database}, {taken.blobs} blobs, {taken.bytes:,} bytes")
