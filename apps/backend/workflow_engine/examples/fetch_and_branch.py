"""Fetches JSON over HTTP, branches on it, merges the branches and returns a result, while you watch.

    EGRESS_ALLOW=127.0.0.0/8 make run          # in one terminal: nodes may reach this machine
    .venv/bin/python examples/fetch_and_branch.py   # in another

The server it fetches from is this script itself, so that the example needs no Internet. WORKFLOW_ENGINE says where the
engine is; localhost:50051 if it does not.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
from google.protobuf import json_format

from workflow_engine.proto import execution_pb2, workflow_pb2, workflow_service_pb2, workflow_service_pb2_grpc

ORDERS = [{"id": 1, "total": 250}, {"id": 2, "total": 40}, {"id": 3, "total": 900}]


class Shop(BaseHTTPRequestHandler):
    """A peer that answers every request with the orders."""

    def do_GET(self) -> None:
        body = json.dumps(ORDERS).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stays silent."""


def drawing(url: str) -> dict[str, Any]:
    """The workflow, as proto JSON: `ImportWorkflow` takes the same text."""

    def tag(id: str, value: str) -> dict[str, Any]:
        return {"id": id, "type": "flow.set", "parameters": {"assignments": [{"name": "shipping", "value": value}]}}

    return {
        "nodes": [
            {"id": "start", "type": "trigger.manual"},
            {"id": "fetch", "type": "action.http_request", "parameters": {"url": url}},
            {"id": "big", "type": "flow.if", "parameters": {"condition": "{{ json.total >= 100 }}"}},
            tag("free", "free"),
            tag("paid", "{{ round(double(json.total) * 0.1, 2) }}"),
            {"id": "all", "type": "flow.merge", "parameters": {"mode": "append", "inputs": 2}},
            {"id": "answer", "type": "flow.respond"},
        ],
        "connections": [
            {"from_node": "start", "to_node": "fetch"},
            {"from_node": "fetch", "to_node": "big"},
            {"from_node": "big", "from_port": "true", "to_node": "free"},
            {"from_node": "big", "from_port": "false", "to_node": "paid"},
            {"from_node": "free", "to_node": "all", "to_port": "input_1"},
            {"from_node": "paid", "to_node": "all", "to_port": "input_2"},
            {"from_node": "all", "to_node": "answer"},
        ],
    }


def main() -> int:
    shop = HTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    channel = grpc.insecure_channel(os.environ.get("WORKFLOW_ENGINE", "localhost:50051"))
    stub = workflow_service_pb2_grpc.WorkflowServiceStub(channel)

    workflow = json_format.ParseDict(drawing(f"http://127.0.0.1:{shop.server_port}/orders"), workflow_pb2.Workflow())
    created = stub.CreateWorkflow(
        workflow_service_pb2.CreateWorkflowRequest(name="Orders and shipping", user_id="ada", workflow=workflow)
    )
    started = stub.ExecuteWorkflow(
        execution_pb2.ExecuteWorkflowRequest(
            workflow_id=created.workflow.id, mode=execution_pb2.ExecutionMode.MANUAL, triggered_by="ada"
        )
    )
    print(f"execution {started.execution_id}")
    for update in stub.WatchExecution(execution_pb2.WatchExecutionRequest(execution_id=started.execution_id)):
        for run in update.node_runs:
            status = execution_pb2.NodeRunStatus.Name(run.status).removeprefix("NODE_RUN_STATUS_").lower()
            print(f"  {run.address:8} {status}")

    answer = stub.GetExecutionStatus(execution_pb2.GetExecutionStatusRequest(execution_id=started.execution_id))
    execution = answer.execution
    if execution.status != execution_pb2.SUCCESS:
        print(f"{execution.failure.message}\n{execution.failure.hint}", file=sys.stderr)
        if execution.failure.reason == "EGRESS_REFUSED":
            print("Start the engine with EGRESS_ALLOW=127.0.0.0/8 for this example.", file=sys.stderr)
        return 1
    for item in execution.output:
        order = json_format.MessageToDict(item.json)
        print(f"order {order['id']:.0f}: {order['total']:.0f} -> shipping {order['shipping']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
