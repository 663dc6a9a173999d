"""Requests that schemathesis makes up from the OpenAPI document, good ones and bad: none of them may break the server.

FUZZ_EXAMPLES says how many for each operation: a few here, many with `make fuzz`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import requests
import schemathesis

from tests.serving import ServerProcess
from workflow_engine.api.openapi.document import document

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = ServerProcess("", tmp_path_factory.mktemp("fuzz"))
    running.wait_for_log("serving")
    yield f"http://127.0.0.1:{running.http_port}"
    assert running.terminate() == 0


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    phases=[hypothesis.Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_no_request_breaks_the_server(case: schemathesis.Case, url: str) -> None:
    with requests.Session() as session:
        response = case.call(base_url=url, session=session, timeout=30)
    assert response.status_code < 500, f"{response.text}\n{case.as_curl_command()}"
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
