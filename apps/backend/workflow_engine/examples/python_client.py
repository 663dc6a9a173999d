"""Makes a workflow, runs it, and prints what it gave: with the client for Python."""

import os

from workflow_engine.client import Client, output
from workflow_engine.proto.workflow_pb2 import Connection, Node, Workflow
from workflow_engine.proto.workflow_service_pb2 import CreateWorkflowRequest

address, key = os.environ.get("WORKFLOW_ENGINE_URL", "localhost:50051"), os.environ.get("WORKFLOW_ENGINE_KEY", "")
with Client(address, key=key) as engine:
    greet = Node(id="greet", type="flow.set")
    greet.parameters["assignments"] = [{"name": "text", "value": "Hello {{ json.name }}"}]
    drawing = Workflow(nodes=[Node(id="start", type="trigger.manual"), greet])
    drawing.connections.append(Connection(from_node="start", to_node="greet"))
    made = engine.workflows.CreateWorkflow(CreateWorkflowRequest(name="Greeting", workflow=drawing))
    execution = engine.run(made.workflow.id, {"name": "Ada"}, {"name": "Alan"})
    print([item["text"] for item in output(execution)])
