"""Backups: taken while the server works and dies, restored elsewhere, and nothing acknowledged before is missing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from benchmarks.chaos.load import Load
from benchmarks.chaos.restoring import restoring
from workflow_engine.models.store import Store
from workflow_engine.runtime.backup import BackupFailed, back_up, restore

KILLS = 40 if os.environ.get("SOAK") else 3
LOAD = Load(callers=20 if os.environ.get("SOAK") else 6, at_least=KILLS + 1)


@pytest.mark.timeout(600 if os.environ.get("SOAK") else 180)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_backup_under_load_and_kills_holds_all_that_was_acknowledged(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    first, fresh = tmp_path / "first", tmp_path / "fresh"
    first.mkdir()
    fresh.mkdir()
    if kind == "sqlite":
        urls = f"sqlite:///{first / 'engine.db'}", f"sqlite:///{fresh / 'engine.db'}"
    else:
        urls = str(request.getfixturevalue("postgres_url")), str(request.getfixturevalue("empty_postgres_url"))
    report = await restoring(urls[0], first, urls[1], fresh, KILLS, LOAD)
    print(report)
    assert report.faults == []
    assert report.blows >= KILLS
    assert len(report.acknowledged) > KILLS
    assert report.ended == len(report.acknowledged) + 4


class TestRefusals:
    @pytest.fixture
    def taken(self, sqlite_url: str, tmp_path: Path) -> Path:
        blob = tmp_path / "blobs" / "ab" / ("c" * 62)
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"12345")
        manifest = back_up(sqlite_url, tmp_path / "blobs", tmp_path / "backup")
        assert (manifest.database, manifest.blobs) == ("sqlite", 1)
        return tmp_path / "backup"

    def test_what_is_there_is_not_written_over(self, taken: Path, sqlite_url: str, tmp_path: Path) -> None:
        with pytest.raises(BackupFailed, match="is not empty"):
            back_up(sqlite_url, None, taken)
        with pytest.raises(BackupFailed, match="is there already"):
            restore(taken, sqlite_url, None)
        with pytest.raises(BackupFailed, match="is not empty"):
            restore(taken, f"sqlite:///{tmp_path / 'fresh.db'}", tmp_path / "blobs")

    def test_a_database_with_tables_is_left_alone(self, postgres_url: str, tmp_path: Path) -> None:
        (tmp_path / "backup.json").write_text(
            '{"database": "postgresql", "release": "1", "taken_at": "", "blobs": 0, "bytes": 0}'
        )
        with pytest.raises(BackupFailed, match="has tables already"):
            restore(tmp_path, postgres_url, None)

    def test_half_a_backup_is_none(self, taken: Path, tmp_path: Path) -> None:
        (taken / "backup.json").unlink()
        with pytest.raises(BackupFailed, match="no whole backup"):
            restore(taken, f"sqlite:///{tmp_path / 'fresh.db'}", None)

    def test_a_backup_of_another_kind_of_database_is_named(self, taken: Path) -> None:
        with pytest.raises(BackupFailed, match="is of sqlite"):
            restore(taken, "postgresql+psycopg://nobody@127.0.0.1/none", None)

    def test_a_damaged_database_is_found_out(self, sqlite_url: str, tmp_path: Path) -> None:
        path = Path(sqlite_url.removeprefix("sqlite:///"))
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'execution_open'").fetchone()
        connection.close()
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)
        with pytest.raises(BackupFailed, match="damaged"):
            back_up(sqlite_url, None, tmp_path / "backup")
        assert not (tmp_path / "backup" / "backup.json").exists()

    def test_what_is_restored_is_what_was_there(self, taken: Path, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'fresh' / 'engine.db'}"
        restore(taken, url, tmp_path / "fresh" / "blobs")
        assert (tmp_path / "fresh" / "blobs" / "ab" / ("c" * 62)).read_bytes() == b"12345"
        store = Store.open(url)
        assert store.execution("nobody") is None
        store.close()
