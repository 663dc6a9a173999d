"""A copy of everything that must not be lost, taken while servers run, and put back.

Theory. The database is copied as it was at one instant, by its own means: SQLite's online backup, PostgreSQL's pg_dump.
Whatever was acknowledged before that is in it. Blobs come after it, because a blob is written before what names it; and
one that the copy names is not swept meanwhile, since it stays for a day after nobody names it. The manifest is written
last: a folder without one is half a backup.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url

from workflow_engine.models.database import connect
from workflow_engine.models.migrate import upgrade

MANIFEST, BLOBS = "backup.json", "blobs"
FILES = {"sqlite": "database.db", "postgresql": "database.dump"}
"""The copy of the database, by its kind."""


class Manifest(msgspec.Struct):
    """What is in a backup."""

    database: str
    """`sqlite` or `postgresql`."""
    release: str
    taken_at: str
    """When it was begun; what was acknowledged before is in it."""
    blobs: int
    bytes: int
    """The size of it all."""


class BackupFailed(Exception):
    """It was not taken, or not put back; the message says what to do."""


def back_up(url: str, blobs: Path | None, folder: Path) -> Manifest:
    """Copies the database at `url`, and the blobs that lie in a folder, into a new `folder`. Raises BackupFailed."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupFailed(f"{folder} is not empty: name a folder that is not there yet")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = datetime.now(UTC).isoformat(timespec="milliseconds")
    database = make_url(url)
    kind = database.get_backend_name()
    target = folder / FILES[kind]
    if kind == "sqlite":
        _copy_sqlite(Path(database.database or ""), target)
    else:
        _run("pg_dump", database, "--format=custom", "--no-owner", f"--file={target}")
        _flush(target)
    count = _copy_blobs(blobs, folder / BLOBS) if blobs is not None else 0
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    manifest = Manifest(kind, version("workflow-engine"), began, count, size)
    _write(folder / MANIFEST, json.dumps(msgspec.structs.asdict(manifest), indent=2).encode())
    _flush(folder)
    return manifest


def restore(folder: Path, url: str, blobs: Path | None) -> Manifest:
    """Puts a backup into an empty database and an empty blob folder, at this release's schema. Raises BackupFailed."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BackupFailed(f"{folder} holds no whole backup: its {MANIFEST} can not be read ({error})") from None
    database = make_url(url)
    if database.get_backend_name() != manifest.database:
        raise BackupFailed(
            f"the backup is of {manifest.database}, and DATABASE_URL names {database.get_backend_name()}"
        )
    if blobs is not None and blobs.exists() and any(blobs.iterdir()):
        raise BackupFailed(f"{blobs} is not empty: restore into a DATA_DIR that nothing is in")
    if manifest.database == "sqlite":
        _put_sqlite(folder, Path(database.database or ""))
    else:
        _put_postgresql(folder, database)
    if manifest.blobs and blobs is not None:
        _copy_blobs(folder / BLOBS, blobs)
    upgrade(url)
    return manifest


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BackupFailed(f"there is no database at {source}: see DATA_DIR and DATABASE_URL")
    with sqlite3.connect(f"file:{source}?mode=rw", uri=True) as live, sqlite3.connect(target) as copy:
        # In one step it reads one instant, and writers go on beside it.
        live.backup(copy)
        [said] = copy.execute("PRAGMA quick_check").fetchone()
    live.close()
    copy.close()
    if said != "ok":
        raise BackupFailed(f"the database at {source} is damaged: {said}")
    _flush(target)


def _put_sqlite(folder: Path, target: Path) -> None:
    if target.exists():
        raise BackupFailed(f"{target} is there already: restore into a DATA_DIR that nothing is in")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _copy(folder / FILES["sqlite"], target)


def _put_postgresql(folder: Path, database: URL) -> None:
    engine = connect(database.render_as_string(hide_password=False))
    try:
        tables = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if tables:
        raise BackupFailed(f"the database {database.database} has tables already: restore into an empty one")
    copy = str(folder / FILES["postgresql"])
    _run("pg_restore", database, "--no-owner", "--exit-on-error", "--single-transaction", copy)


def _run(program: str, database: URL, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs. The password does not show in the list of processes."""
    found = shutil.which(program)
    if found is None:
        raise BackupFailed(f"{program} is not on PATH: install PostgreSQL's client programs of the server's version")
    where = database.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = os.environ | ({"PGPASSWORD": database.password} if database.password else {})
    command = [found, f"--dbname={where}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()}")


def _copy_blobs(source: Path, target: Path) -> int:
    """Copies what is not there yet; returns how many blobs there are."""
    count = 0
    for blob in source.glob("??/*"):
        place = target / blob.parent.name / blob.name
        count += 1
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            _copy(blob, place)
        except FileNotFoundError:
            # Retention took it: nothing has named it for a day.
            count -= 1
    return count


def _copy(source: Path, target: Path) -> None:
    beside = target.with_name(target.name + ".part")
    # With its time of writing, which retention goes by.
    shutil.copy2(source, beside)
    _flush(beside)
    beside.replace(target)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _flush(path)


def _flush(path: Path) -> None:
    """Forces a file, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
