/** The contract, under the names that the views use. */
import {
  AdminService,
  AIAgentService,
  AuthService,
  IntegrationService,
  TriggerService,
  WorkflowService,
} from "./gen/engine/workflow_service_pb";

export const workflows = WorkflowService.method;
export const admin = AdminService.method;
export const auth = AuthService.method;
export const ai = AIAgentService.method;
export const integrations = IntegrationService.method;
export const triggers = TriggerService.method;

export type * from "./gen/engine/access_pb";
export type * from "./gen/engine/ai_system_pb";
export type * from "./gen/engine/execution_pb";
export type * from "./gen/engine/integration_pb";
export type * from "./gen/engine/options_pb";
export type * from "./gen/engine/workflow_pb";
export type * from "./gen/engine/workflow_service_pb";
