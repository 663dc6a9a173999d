"""trigger.webhook: what can be asked of it; tests/api/test_webhooks.py calls it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nodes.harness import problems, records, run_node
from workflow_engine.nodes.trigger.webhook import WebhookParameters, WebhookTrigger


@pytest.mark.parametrize(
    "parameters",
    [
        {"path": "a b"},
        {"path": "../x"},
        {"path": ":x/:x"},
        {"path": "a//b"},
        {"path": "a?b"},
        {"methods": []},
        {"methods": ["CONNECT"]},
        {"delivery_id": "json."},
        {"condition": "json."},
        {"verify": "jwt", "jwt": {"algorithms": ["HS256", "RS256"]}},
        {"unknown": 1},
    ],
)
def test_what_is_refused(parameters: dict[str, Any]) -> None:
    assert problems("trigger.webhook", parameters)


def test_its_routes() -> None:
    node = WebhookTrigger()
    parameters = WebhookParameters.model_validate({"path": "/orders/:id/", "methods": ["POST", "GET", "POST"]})
    assert node.routes(parameters, "trig_1") == ["POST /webhooks/orders/:id", "GET /webhooks/orders/:id"]
    assert node.routes(WebhookParameters(), "trig_1") == ["POST /webhooks/trig_1"]


async def test_expressions_about_what_comes_are_left_for_when_it_comes() -> None:
    parameters = {"condition": "{{ json.body.n > 1 }}", "delivery_id": "{{ json.body.id }}"}
    assert not problems("trigger.webhook", parameters)
    assert records(await run_node("trigger.webhook", parameters, [{"n": 1}])) == [{"n": 1}]
