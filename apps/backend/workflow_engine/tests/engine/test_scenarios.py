"""Every scenario file, as it is written and with a crash after each of its steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import stories


@pytest.mark.parametrize("path", stories.files(), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    told = stories.play(stories.read(path))
    crashed = stories.play(stories.read(path), crashing=True)
    assert (crashed.status, crashed.output, crashed.runs()) == (told.status, told.output, told.runs())
