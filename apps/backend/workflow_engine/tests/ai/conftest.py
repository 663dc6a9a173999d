"""What tests of agents share: a provider of language models on this machine, and conversations with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ai.model_server import ModelServer, model_server


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """A provider whose script the test writes."""
    async with model_server() as server:
        yield server
