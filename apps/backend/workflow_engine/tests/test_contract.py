"""The contract keeps what other things derive from it."""

from __future__ import annotations

import subprocess
import sys
import timeit
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor

from workflow_engine.proto import execution_pb2, options_pb2, workflow_service_pb2
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.request_validation import violations

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "generate_proto.py"
METHODS = [
    method for service in workflow_service_pb2.DESCRIPTOR.services_by_name.values() for method in service.methods
]
SEED = (
    "CreateWorkflow GetWorkflow UpdateWorkflow DeleteWorkflow ListWorkflows ExecuteWorkflow GetExecutionStatus "
    "CancelExecution GetExecutionHistory"
)


@pytest.mark.parametrize("flag", ["--check", "--lint"])
def test_generated_code_is_fresh_and_the_contract_is_clean_and_compatible(flag: str) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), flag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_rpc_says_its_route_and_its_permission(method: descriptor.MethodDescriptor) -> None:
    options = method.GetOptions()
    assert options.Extensions[options_pb2.permission] != options_pb2.PERMISSION_UNSPECIFIED
    rule = options.Extensions[annotations_pb2.http]
    path = getattr(rule, str(rule.WhichOneof("pattern")))
    assert path.startswith("/v1/")
    for part in path.split("/"):
        if part.startswith("{"):
            assert part.strip("{}") in method.input_type.fields_by_name


def test_routes_are_unique() -> None:
    routes = []
    for method in METHODS:
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        verb = str(rule.WhichOneof("pattern"))
        routes.append((verb, getattr(rule, verb)))
    assert len(routes) == len(set(routes))


def test_the_names_that_clients_were_promised() -> None:
    service = workflow_service_pb2.DESCRIPTOR.services_by_name["WorkflowService"]
    assert set(SEED.split()) <= {method.name for method in service.methods}
    assert execution_pb2.ExecutionMode.Value("MANUAL") == execution_pb2.ExecutionMode.MANUAL
    assert ws.CreateWorkflowResponse.DESCRIPTOR.fields_by_name["success"]
    assert execution_pb2.ExecuteWorkflowResponse.DESCRIPTOR.fields_by_name["execution_id"]


class TestRules:
    def test_paths_lead_into_lists_and_maps(self) -> None:
        workflow = pb.Workflow(nodes=[pb.Node(id="a", type="flow.no_op"), pb.Node(id="b/c", type="")])
        workflow.nodes[0].retry.max_attempts = 5_000
        found = dict(violations(ws.CreateWorkflowRequest(name="x", workflow=workflow)))
        assert set(found) == {
            "workflow.nodes[0].retry.max_attempts",
            "workflow.nodes[1].id",
            "workflow.nodes[1].type",
        }

    def test_bounds_are_inclusive_and_nul_is_refused(self) -> None:
        assert not violations(ws.CreateWorkflowRequest(name="x" * 255))
        assert violations(ws.CreateWorkflowRequest(name="x" * 256))
        assert violations(ws.CreateWorkflowRequest(name="a\0b"))
        request = execution_pb2.ExecuteWorkflowRequest(workflow_id="w")
        request.wait.FromSeconds(3_600)
        assert not violations(request)
        request.wait.FromSeconds(3_601)
        assert [path for path, _ in violations(request)] == ["wait"]

    def test_an_enum_value_that_nobody_named_is_refused(self) -> None:
        request = execution_pb2.ExecuteWorkflowRequest(workflow_id="w", mode=99)  # type: ignore[arg-type]
        assert [path for path, _ in violations(request)] == ["mode"]

    def test_ten_nodes_are_checked_in_far_less_than_a_call_takes(self) -> None:
        nodes = [pb.Node(id=f"n{number}", type="flow.no_op") for number in range(10)]
        request = ws.CreateWorkflowRequest(name="x", workflow=pb.Workflow(nodes=nodes))
        assert min(timeit.repeat(lambda: violations(request), number=10, repeat=5)) / 10 < 0.002
