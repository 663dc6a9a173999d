import grpc
from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.proto import workflow_service_pb2
from workflow_engine.proto import workflow_pb2
from workflow_engine.proto import execution_pb2

# 创建 gRPC 客户端
channel = grpc.insecure_channel("localhost:50051")
stub = workflow_service_pb2_grpc.WorkflowServiceStub(channel)

# 创建工作流
request = workflow_service_pb2.CreateWorkflowRequest()
request.name = "Test Workflow"
request.description = "A test workflow"
request.user_id = "user-123"

response = stub.CreateWorkflow(request)
if response.success:
    print(f"Workflow created: {response.workflow.id}")

# 执行工作流
exec_request = execution_pb2.ExecuteWorkflowRequest()
exec_request.workflow_id = response.workflow.id
exec_request.mode = execution_pb2.ExecutionMode.MANUAL
exec_request.triggered_by = "user-123"

exec_response = stub.ExecuteWorkflow(exec_request)
print(f"Execution started: {exec_response.execution_id}")
