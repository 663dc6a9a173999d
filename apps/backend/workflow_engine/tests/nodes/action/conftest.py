"""What several tests of these nodes start from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def files_root(tmp_path: Path) -> Path:
    """A folder for nodes that work on files."""
    root = tmp_path / "files"
    root.mkdir()
    return root
